"""What happened at one screen between two moments, whichever kiosks filled it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, or_, select

from db.hub.screens.wall import AlertInfo
from db.hub.tables.alerts import Alert
from db.hub.tables.screens import KioskKey, StateChange
from db.schema import Gap, Model, Origin, Play, Session

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection
    from sqlalchemy.orm import InstrumentedAttribute


@dataclass(frozen=True, slots=True)
class KioskInfo:
    """A kiosk that speaks for a screen, or did until its key was revoked."""

    key_id: int
    kiosk: str
    created_at: datetime
    created_by: str
    revoked_at: datetime | None
    last_seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class SessionOfDay:
    """One run of a kiosk; `ended_at` is `None` while it runs, or if its end was never heard of."""

    id: int
    kiosk: str
    session_kind: str
    started_at: datetime
    ended_at: datetime | None
    end_reason: str | None
    program_version: str
    model_name: str | None
    lost: int | None


@dataclass(frozen=True, slots=True)
class GapOfDay:
    """A stretch in which nothing could be measured."""

    started_at: datetime
    ended_at: datetime | None
    cause: str
    detail: str


@dataclass(frozen=True, slots=True)
class StateOfDay:
    """How the kiosk was from a moment on; see `db.hub.screens.registry.store_health`."""

    at: datetime
    state: str
    camera: str
    notice_shown: bool | None
    detail: str


@dataclass(frozen=True, slots=True)
class ScreenDay:
    """A screen between two moments; everything by time.

    Attributes:
        states: Begin with the state at the start, if it is known.
        plays: When each play began, and whether it failed.
    """

    sessions: tuple[SessionOfDay, ...]
    gaps: tuple[GapOfDay, ...]
    states: tuple[StateOfDay, ...]
    alerts: tuple[AlertInfo, ...]
    plays: tuple[tuple[datetime, bool], ...]


def read_day(connection: Connection, screen_id: int, start: datetime, end: datetime) -> ScreenDay:
    """Return what happened at a screen from `start` until before `end`; both are aware."""
    of_screen = Session.origin_id.in_(select(Origin.id).where(Origin.screen_id == screen_id))
    sessions = (
        select(
            Session.id,
            Origin.kiosk,
            Session.session_kind,
            Session.started_at,
            Session.ended_at,
            Session.end_reason,
            Session.program_version,
            Model.name,
            Session.lost,
        )
        .join(Origin, Origin.id == Session.origin_id)
        .outerjoin(Model, Model.id == Session.model_id)
        .where(of_screen, *_overlap(Session.started_at, Session.ended_at, start, end))
        .order_by(Session.started_at, Session.id)
    )
    found = tuple(SessionOfDay(*row) for row in connection.execute(sessions))
    of_sessions = [session.id for session in found]
    gaps = (
        select(Gap.started_at, Gap.ended_at, Gap.cause, Gap.detail)
        .where(Gap.session_id.in_(of_sessions), *_overlap(Gap.started_at, Gap.ended_at, start, end))
        .order_by(Gap.started_at, Gap.id)
    )
    plays = (
        select(Play.started_at, Play.outcome == "failed")
        .where(Play.session_id.in_(of_sessions), Play.started_at >= start, Play.started_at < end)
        .order_by(Play.started_at)
    )
    alerts = (
        select(Alert.uid, Alert.kind, Alert.raised_at, Alert.ended_at, Alert.detail)
        .where(Alert.screen_id == screen_id, *_overlap(Alert.raised_at, Alert.ended_at, start, end))
        .order_by(Alert.raised_at)
    )
    return ScreenDay(
        found,
        tuple(GapOfDay(*row) for row in connection.execute(gaps)),
        _states(connection, screen_id, start, end),
        tuple(AlertInfo(*row) for row in connection.execute(alerts)),
        tuple((at, bool(failed)) for at, failed in connection.execute(plays)),
    )


def read_kiosks(connection: Connection, screen_id: int) -> list[KioskInfo]:
    """Return the kiosks that filled a screen, the latest first."""
    columns = (
        KioskKey.id,
        KioskKey.kiosk,
        KioskKey.created_at,
        KioskKey.created_by,
        KioskKey.revoked_at,
        KioskKey.last_seen_at,
    )
    query = select(*columns).where(KioskKey.screen_id == screen_id).order_by(KioskKey.id.desc())
    return [KioskInfo(*row) for row in connection.execute(query)]


def _states(
    connection: Connection, screen_id: int, start: datetime, end: datetime
) -> tuple[StateOfDay, ...]:
    columns = (
        StateChange.at,
        StateChange.state,
        StateChange.camera,
        StateChange.notice_shown,
        StateChange.detail,
    )
    mine = select(*columns).where(StateChange.screen_id == screen_id)
    before = mine.where(StateChange.at < start).order_by(StateChange.at.desc()).limit(1)
    during = mine.where(StateChange.at >= start, StateChange.at < end)
    rows = [
        *connection.execute(before),
        *connection.execute(during.order_by(StateChange.at, StateChange.id)),
    ]
    return tuple(StateOfDay(*row) for row in rows)


def _overlap(
    began: InstrumentedAttribute[datetime],
    ended: InstrumentedAttribute[datetime | None],
    start: datetime,
    end: datetime,
) -> tuple[ColumnElement[bool], ...]:
    return began < end, or_(ended.is_(None), ended > start)
