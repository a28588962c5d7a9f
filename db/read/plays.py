"""Plays over all sessions: for judging adaptive policies, and for proof of play."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from db.engine import asking, snapshot
from db.read.scope import Scope, places
from db.read.sessions import had_screen, zone_in
from db.schema import Ad, Play, Session

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection, Engine


@dataclass(frozen=True, slots=True)
class LoggedPlay:
    """A play for judging the choice of its ad.

    Attributes:
        session, number: Id of its session, and its number within that.
        policy: Name of the session's policy; empty when not known.
        held_out: Whether the hold-out chose the ad, which ignores the audience.
        probability: With which the ad was chosen, 0 to 1; `None` when not known.
        context: What the choice looked at, see `docs/reference/database.md`; empty when not known.
        reward: What the play was worth, -1 to 1; `None` when not measured.
        viewer_s: Seconds of viewers in view behind the reward, above 0; `None` with the reward.
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
    """A play for proof of play.

    Attributes:
        started_at, ended_at: UTC, aware; the end is `None` while the ad is on.
        outcome: How it ended, see `docs/reference/database.md`; `None` while it is on.
        shown_ms: How long it was shown, without pauses; `None` when not known.
        screen: Whether the session had a screen; neither a replay nor a run without a window has.
        timezone: Name of the site's time zone, if known.
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
    timezone: str | None = None


def logged_plays(
    engine: Engine, scope: Scope | None = None, *, newest: int | None = None
) -> list[LoggedPlay]:
    """Return the plays in a scope for judging choices, by session and number.

    Args:
        engine: The database.
        scope: Default: all plays of live sessions.
        newest: Only the newest so many; `None` for all.

    Raises:
        DatabaseUnavailableError: The database cannot be read now.
    """
    scope = scope or Scope()
    with asking(engine) as connection:
        settings = _settings(connection, scope)
        query = (
            select(
                Play.session_id.label("session"),
                Play.number,
                Ad.ad_id,
                Play.started_at,
                Play.held_out,
                Play.probability,
                Play.context,
                Play.reward,
                Play.reward_viewer_s.label("viewer_s"),
            )
            .join(Ad, Ad.id == Play.ad_version_id)
            .join(Session, Session.id == Play.session_id)
            .where(*scope.plays())
            .order_by(Play.session_id.desc(), Play.number.desc())
            .limit(newest)
        )
        return [
            LoggedPlay(
                **{
                    **row._mapping,
                    "policy": str(settings.get(row.session, {}).get("policy", "")),
                    "context": row.context or {},
                }
            )
            for row in reversed(connection.execute(query).all())
        ]


def starts_of_runs(
    engine: Engine, site: str, since: datetime, until: datetime
) -> list[tuple[str, datetime]]:
    """Return ad and start of each play at a site in `[since, until]`, by start, without replays.

    Plays without any viewer count: the ads were on the screen.

    Raises:
        DatabaseUnavailableError: The database cannot be read now.
    """
    query = (
        select(Ad.ad_id, Play.started_at)
        .join(Ad, Ad.id == Play.ad_version_id)
        .join(Session, Session.id == Play.session_id)
        .where(*_started_in_runs(site, since, until))
        .order_by(Play.started_at, Play.id)
    )
    with asking(engine) as connection:
        return [(ad_id, started_at) for ad_id, started_at in connection.execute(query)]


def count_starts_of_runs(engine: Engine, site: str, since: datetime, until: datetime) -> int:
    """Return how many plays `starts_of_runs` would return; it raises the same."""
    query = (
        select(func.count(Play.id))
        .join(Session, Session.id == Play.session_id)
        .where(*_started_in_runs(site, since, until))
    )
    with asking(engine) as connection:
        return connection.scalar(query) or 0


def _started_in_runs(
    site: str, since: datetime, until: datetime
) -> tuple[ColumnElement[bool], ...]:
    return (
        Session.kind == "run",
        Session.site == site,
        Play.started_at >= since,
        Play.started_at <= until,
    )


def count_plays(engine: Engine, scope: Scope) -> int:
    """Return how many plays are in a scope."""
    query = select(func.count(Play.id)).join(Session, Session.id == Play.session_id)
    with engine.connect() as connection:
        return connection.scalar(query.where(*scope.plays())) or 0


def shown_plays(engine: Engine, scope: Scope | None = None) -> list[ShownPlay]:
    """Return the plays in a scope for proof of play, by session and number.

    By default those of all live sessions.
    """
    scope = scope or Scope()
    with snapshot(engine) as connection:
        where = places()
        sessions = (
            select(Session.id, where.c.site, Session.settings)
            .join(where, where.c.id == Session.id)
            .where(*scope.sessions())
        )
        known = {row.id: row for row in connection.execute(sessions)}
        query = (
            select(
                Play.id,
                Play.session_id,
                Ad.ad_id,
                Ad.name,
                Play.started_at,
                Play.ended_at,
                Play.outcome,
                Play.shown_ms,
                Session.kind,
            )
            .join(Ad, Ad.id == Play.ad_version_id)
            .join(Session, Session.id == Play.session_id)
            .where(*scope.plays())
            .order_by(Play.session_id, Play.number)
        )
        return [
            ShownPlay(
                id=row.id,
                session=row.session_id,
                site=known[row.session_id].site,
                ad_id=row.ad_id,
                name=row.name,
                started_at=row.started_at,
                ended_at=row.ended_at,
                outcome=row.outcome,
                shown_ms=row.shown_ms,
                screen=had_screen(row.kind, known[row.session_id].settings),
                timezone=zone_in(known[row.session_id].settings),
            )
            for row in connection.execute(query)
        ]


def _settings(connection: Connection, scope: Scope) -> dict[int, dict[str, Any]]:
    """The settings of sessions by their ids; read apart from the plays, which are many for each."""
    query = select(Session.id, Session.settings).where(*scope.sessions())
    return {row.id: row.settings for row in connection.execute(query)}
