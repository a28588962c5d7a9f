"""Plays over all sessions: for judging adaptive policies, and for proof of play."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from db.engine import asking
from db.read.rollups import Scope
from db.read.sessions import had_screen
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
        context: What the choice looked at, see `docs/database.md`; empty when not known.
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
        outcome: How it ended, see `docs/database.md`; `None` while it is on.
        shown_ms: How long it was shown, without pauses; `None` when not known.
        screen: Whether the session had a screen; neither a replay nor a run without a window has.
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
    demos: bool = False,
    newest: int | None = None,
) -> list[LoggedPlay]:
    """Return the plays for judging choices, by session and number.

    Args:
        engine: The database.
        since, site, replays, demos: See `Scope`.
        newest: Only the newest so many; `None` for all.

    Raises:
        DatabaseUnavailableError: The database cannot be read now.
    """
    with asking(engine) as connection:
        scope = Scope(site=site, since=since, replays=replays, demos=demos)
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


def shown_plays(
    engine: Engine,
    since: datetime | None = None,
    until: datetime | None = None,
    site: str | None = None,
    *,
    replays: bool = False,
    demos: bool = False,
) -> list[ShownPlay]:
    """Return the plays for proof of play, by session and number; see `Scope` for the conditions."""
    with engine.connect() as connection:
        scope = Scope(site=site, since=since, until=until, replays=replays, demos=demos)
        settings = _settings(connection, scope)
        query = (
            select(
                Play.id,
                Play.session_id,
                Session.site,
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
            ShownPlay(*(*play, had_screen(kind, settings.get(play[1], {}))))
            for *play, kind in connection.execute(query)
        ]


def _settings(connection: Connection, scope: Scope) -> dict[int, dict[str, Any]]:
    """The settings of sessions by their ids; read apart from the plays, which are many for each."""
    query = select(Session.id, Session.settings).where(*scope.sessions())
    return {row.id: row.settings for row in connection.execute(query)}
