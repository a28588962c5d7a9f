"""What was played, over all sessions: why each ad was chosen and what that was worth, and who saw it.

The read side of what adaptive policies are judged by, and of proof of play. As in `db.queries`, plain values and NumPy
arrays leave this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Integer, String, select, type_coerce

from db.queries import GapInfo, microseconds
from db.schema import Ad, Gap, Play, Reading, Session, Viewer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray
    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection, Engine

PLAYS_AT_A_TIME = 500
"""Plays whose readings are looked up together: far below the number of values that any database takes in one query."""


@dataclass(frozen=True, slots=True)
class LoggedPlay:
    """A play as the choice of its ad is judged by.

    Attributes:
        session: Id of its session.
        number: Number of the play within the session.
        ad_id: The ad that was shown.
        started_at: UTC, aware.
        policy: Name of the session's policy; empty when the session does not say.
        held_out: Whether the hold-out chose the ad, which ignores the audience.
        probability: With which probability the ad was chosen, 0 to 1; `None` when not known.
        context: What the choice looked at, see `docs/database.md`; empty when the policy did not say.
        reward: What the play was worth, -1 to 1; `None` when that could not be measured.
        viewer_s: Seconds of viewers in view behind the reward, above 0; `None` exactly where the reward is.
    """

    session: int
    number: int
    ad_id: str
    started_at: datetime
    policy: str
    held_out: bool
    probability: float | None
    context: Mapping[str, Any]
    reward: float | None
    viewer_s: float | None


@dataclass(frozen=True, slots=True)
class ShownPlay:
    """A play as proof of play counts it.

    Attributes:
        id: Row id; stable.
        session: Id of its session.
        site: Where it ran.
        ad_id: The ad that was shown.
        name: What people call the ad.
        started_at: UTC, aware, as the next.
        ended_at: `None` while it is on.
        outcome: How it ended, see `docs/database.md`; `None` while it is on.
        shown_ms: How long it was shown, pauses left out; `None` when not known.
        screen: Whether the session had a screen: neither a replay nor a run without a window has.
        fps: Frames analysed per second in its session; `None` when not known.
    """

    id: int
    session: int
    site: str
    ad_id: str
    name: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    shown_ms: float | None
    screen: bool
    fps: float | None


@dataclass(frozen=True, slots=True, eq=False)
class PresenceArrays:
    """The n readings of some plays as far as they say who was there, ordered by play, viewer and time; no static faces.

    Attributes:
        play_id: `(n,)` int64, `ShownPlay.id`.
        viewer: `(n,)` int64, number of the track within its session.
        at_us: `(n,)` int64, microseconds since 1970-01-01 UTC.
        attentive: `(n,)` bool.
    """

    play_id: NDArray[np.int64]
    viewer: NDArray[np.int64]
    at_us: NDArray[np.int64]
    attentive: NDArray[np.bool_]


def logged_plays(
    engine: Engine, since: datetime | None = None, site: str | None = None, *, replays: bool = False
) -> list[LoggedPlay]:
    """The plays that choices are judged by, in the order of sessions and numbers.

    Args:
        engine: From `open_database`.
        since: Leave out what started before; aware. `None` for everything.
        site: Only this site; `None` for all.
        replays: Also the plays of replays, whose ads nobody need have seen.
    """
    with engine.connect() as connection:
        settings = _settings(connection, site, replays=replays)
        query = (
            select(
                Play.session_id,
                Play.number,
                Ad.ad_id,
                Play.started_at,
                Play.held_out,
                Play.probability,
                Play.context,
                Play.reward,
                Play.reward_viewer_s,
            )
            .join(Ad, Ad.id == Play.ad_version_id)
            .join(Session, Session.id == Play.session_id)
            .where(*_which(since, None, site, replays=replays))
            .order_by(Play.session_id, Play.number)
        )
        return [
            LoggedPlay(
                session=row.session_id,
                number=row.number,
                ad_id=row.ad_id,
                started_at=row.started_at,
                policy=str(settings.get(row.session_id, {}).get("policy", "")),
                held_out=row.held_out,
                probability=row.probability,
                context=row.context or {},
                reward=row.reward,
                viewer_s=row.reward_viewer_s,
            )
            for row in connection.execute(query)
        ]


def shown_plays(
    engine: Engine,
    since: datetime | None = None,
    until: datetime | None = None,
    site: str | None = None,
    *,
    replays: bool = False,
) -> list[ShownPlay]:
    """The plays that proof of play counts, in the order of sessions and numbers.

    Args:
        engine: From `open_database`.
        since: Leave out what started before; aware. `None` for everything, as for the next two.
        until: Leave out what started then or later; aware.
        site: Only this site.
        replays: Also the plays of replays.
    """
    with engine.connect() as connection:
        settings = _settings(connection, site, replays=replays)
        query = (
            select(
                Play.id,
                Play.session_id,
                Session.site,
                Session.kind,
                Session.fps,
                Ad.ad_id,
                Ad.name,
                Play.started_at,
                Play.ended_at,
                Play.outcome,
                Play.shown_ms,
            )
            .join(Ad, Ad.id == Play.ad_version_id)
            .join(Session, Session.id == Play.session_id)
            .where(*_which(since, until, site, replays=replays))
            .order_by(Play.session_id, Play.number)
        )
        return [
            ShownPlay(
                id=row.id,
                session=row.session_id,
                site=row.site,
                ad_id=row.ad_id,
                name=row.name,
                started_at=row.started_at,
                ended_at=row.ended_at,
                outcome=row.outcome,
                shown_ms=row.shown_ms,
                screen=row.kind == "run" and not settings.get(row.session_id, {}).get("headless", False),
                fps=row.fps,
            )
            for row in connection.execute(query)
        ]


def presence(engine: Engine, plays: Sequence[ShownPlay]) -> Iterator[PresenceArrays]:
    """The readings of plays, some plays at a time, so that months of them need little memory.

    Args:
        engine: From `open_database`.
        plays: From `shown_plays`.

    Yields:
        All readings of the next plays; plays without any are in none of them.
    """
    with engine.connect() as connection:
        for start in range(0, len(plays), PLAYS_AT_A_TIME):
            chosen = [play.id for play in plays[start : start + PLAYS_AT_A_TIME]]
            # Coerced to what the driver gives: NumPy converts whole columns at a time.
            query = (
                select(
                    Reading.play_id,
                    Viewer.number,
                    type_coerce(Reading.at, String),
                    type_coerce(Reading.attentive, Integer),
                )
                .join(Viewer, Viewer.id == Reading.viewer_id)
                .where(Reading.play_id.in_(chosen), Viewer.static.is_(False))
                .order_by(Reading.play_id, Viewer.number, Reading.at, Reading.id)
            )
            rows = connection.execute(query).all()
            if rows:
                play, viewer, at, attentive = zip(*rows, strict=True)
                yield PresenceArrays(
                    play_id=np.array(play, dtype=np.int64),
                    viewer=np.array(viewer, dtype=np.int64),
                    at_us=microseconds(at),
                    attentive=np.array(attentive, dtype=np.bool_),
                )


def gaps_of(engine: Engine, sessions: Collection[int]) -> dict[int, list[GapInfo]]:
    """The stretches in which nothing could be measured, of sessions that have any, in the order of their starts."""
    found: dict[int, list[GapInfo]] = {}
    query = select(Gap.session_id, Gap.started_at, Gap.ended_at, Gap.cause, Gap.detail).order_by(Gap.started_at, Gap.id)
    with engine.connect() as connection:
        for row in connection.execute(query):
            if row.session_id in sessions:
                found.setdefault(row.session_id, []).append(
                    GapInfo(row.started_at, row.ended_at, row.cause, row.detail)
                )
    return found


def _settings(connection: Connection, site: str | None, *, replays: bool) -> dict[int, dict[str, Any]]:
    """The settings of sessions by their ids; read apart from the plays, which are many for each."""
    query = select(Session.id, Session.settings).where(*_which(None, None, site, replays=replays))
    return {row.id: row.settings for row in connection.execute(query)}


def _which(
    since: datetime | None, until: datetime | None, site: str | None, *, replays: bool
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if since is not None:
        conditions.append(Play.started_at >= since)
    if until is not None:
        conditions.append(Play.started_at < until)
    if site is not None:
        conditions.append(Session.site == site)
    if not replays:
        conditions.append(Session.kind == "run")
    return conditions
