"""What the hub knows about how each screen is; alerts are raised from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from db.hub.tables.intake import SetAside
from db.hub.tables.screens import KioskKey, Screen, ScreenState
from db.hub.tables.shows import DesiredState
from db.schema import Origin

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection


@dataclass(frozen=True, slots=True)
class ShowState:
    """Which version a screen is to show, and what its kiosk said last; see `shows.desired`."""

    version: int
    reported_version: int | None
    state: str | None
    reason: str
    progress: float | None

    @property
    def is_applied(self) -> bool:
        """Whether the kiosk shows this very version."""
        return self.state == "applied" and self.reported_version == self.version


@dataclass(frozen=True, slots=True)
class ScreenCondition:
    """How a screen is that is in use; times are aware, `None` is unknown.

    Attributes:
        screen_id: Its row.
        opening: Time spans such as "08:00-20:00" by the clock of its place; none for the whole day.
        time_zone: IANA name of its place.
        contact_at: When its kiosk was last heard of, at the earliest when it got its key; `None`
            while no kiosk may speak for the screen, or none has run yet.
        health_at: When the health arrived.
        clock_offset_s: By how much the kiosk's clock was ahead then.
        health: As `monitor.health.KioskHealth` describes it.
        set_aside_at: When something from it last could not be stored.
        show: What it is to show, and what its kiosk said of that; `None` before anything was
            published.
    """

    screen_id: int
    opening: tuple[str, ...]
    time_zone: str
    contact_at: datetime | None
    health_at: datetime | None = None
    clock_offset_s: float | None = None
    health: dict[str, Any] | None = None
    set_aside_at: datetime | None = None
    show: ShowState | None = None


def screen_conditions(connection: Connection) -> list[ScreenCondition]:
    """Return how all screens are that have not been retired."""
    used = func.max(func.coalesce(KioskKey.last_seen_at, KioskKey.created_at))
    keys = (
        select(KioskKey.screen_id, used.label("at"))
        .where(KioskKey.revoked_at.is_(None))
        .group_by(KioskKey.screen_id)
        .subquery()
    )
    aside = (
        select(Origin.screen_id, func.max(SetAside.at).label("at"))
        .join(SetAside, SetAside.origin_id == Origin.id)
        .group_by(Origin.screen_id)
        .subquery()
    )
    query = (
        select(
            *(Screen.id, Screen.opening, Screen.time_zone, keys.c.at, ScreenState.received_at),
            *(ScreenState.clock_offset_s, ScreenState.health, aside.c.at),
            *(DesiredState.version, DesiredState.reported_version, DesiredState.reported_state),
            *(DesiredState.reason, DesiredState.progress),
        )
        .outerjoin(keys, keys.c.screen_id == Screen.id)
        .outerjoin(aside, aside.c.screen_id == Screen.id)
        .outerjoin(ScreenState, ScreenState.screen_id == Screen.id)
        .outerjoin(DesiredState, DesiredState.screen_id == Screen.id)
        .where(Screen.retired_at.is_(None))
        .order_by(Screen.id)
    )
    return [
        ScreenCondition(
            screen,
            tuple(opening),
            zone,
            _latest(heard, said),
            said,
            offset_s,
            health,
            aside_at,
            ShowState(*show) if show[0] else None,
        )
        for screen, opening, zone, heard, said, offset_s, health, aside_at, *show in (
            connection.execute(query).tuples()
        )
    ]


def _latest(heard_at: datetime | None, said_at: datetime | None) -> datetime | None:
    """Return the last contact; `None` without a key, or before the first word with any."""
    return None if heard_at is None or said_at is None else max(heard_at, said_at)
