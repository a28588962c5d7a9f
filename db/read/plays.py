"""What was played, over all sessions: why each ad was chosen and what that was worth.

The read side of what adaptive policies are judged by, and of proof of play. As in
`db.read.sessions`, plain values leave this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from db.engine import asking
from db.schema import Ad, Play, Session

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection, Engine


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
        context: What the choice looked at, see `docs/database.md`; empty when the policy did not
            say.
        reward: What the play was worth, -1 to 1; `None` when that could not be measured.
        viewer_s: Seconds of viewers in view behind the reward, above 0; `None` exactly where the
            reward is.
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


def logged_plays(
    engine: Engine,
    since: datetime | None = None,
    site: str | None = None,
    *,
    replays: bool = False,
    newest: int | None = None,
) -> list[LoggedPlay]:
    """The plays that choices are judged by, in the order of sessions and numbers.

    Args:
        engine: From `open_database`.
        since: Leave out what started before; aware. `None` for everything.
        site: Only this site; `None` for all.
        replays: Also the plays of replays, whose ads nobody need have seen.
        newest: Only so many, the newest ones; `None` for all.

    Raises:
        DatabaseUnavailableError: The database cannot be read now.
    """
    with asking(engine) as connection:
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
            .order_by(Play.session_id.desc(), Play.number.desc())
            .limit(newest)
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
            for row in reversed(connection.execute(query).all())
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
                screen=row.kind == "run"
                and not settings.get(row.session_id, {}).get("headless", False),
            )
            for row in connection.execute(query)
        ]


def _settings(
    connection: Connection, site: str | None, *, replays: bool
) -> dict[int, dict[str, Any]]:
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
