"""Retention: old readings are deleted once they are rolled up, so no report changes.

A reading goes when it is old enough, its play is over and rolled up, and no play that may be rolled
up again needs it for its baseline. Counts of shadow runs go by their age alone. Each part is one
short transaction beside a kiosk that writes.

The readings of a replay carry the time of the recording, but their age counts from the replay:
`REPLAYED_AT` in its settings. Replays of earlier versions lack it, so theirs counts from the
recording.

How old a reading is depends on the wall clock, which may be wrong: see `clock_doubt`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, func, or_, select

from db.engine import sqlite_path, writing
from db.error_classes import describe, is_busy, says
from db.errors import PurgeError
from db.read.rollups import store_roll_ups
from db.schema import Play, Reading, Session, ShadowCount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection, Engine

PART = 2000
"""Readings deleted in one transaction: some hundredths of a second."""

PAUSE_S = 0.02
"""Between two parts; long enough for a kiosk that waits for the lock."""

REPLAYED_AT = "replayed_at"

END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)

OPEN_SESSION_KEEPS = timedelta(days=1)
"""An open session keeps the readings of at least its last day: some may still be on their way."""


MAX_AWAY = timedelta(days=30)
"""A wrong clock is more likely than a kiosk that was off for longer."""

MIN_STARTS, MIN_SPAN = 3, timedelta(days=7)
"""Starts in a row, and the time they span, that confirm a clock despite earlier sessions."""


@dataclass(frozen=True, slots=True)
class Purged:
    """Readings that a purge deletes, and the times of the first and last, UTC."""

    readings: int
    oldest: datetime | None = None
    newest: datetime | None = None


def clock_doubt(engine: Engine, now: datetime, running: int | None = None) -> str:
    """Return why the wall clock may be wrong, judged by the stored sessions; empty if it is right.

    A clock that is months ahead at one start would make every reading old. So it is trusted only if
    it continues where earlier sessions stopped, or if several starts agree.

    Args:
        engine: The database.
        now: What the clock says, aware.
        running: Row id of the caller's own session.
    """
    last_play = (
        select(func.max(Play.started_at))
        .where(Play.session_id == Session.id)
        .correlate(Session)
        .scalar_subquery()
    )
    query = (
        select(Session.id, Session.started_at, func.coalesce(Session.ended_at, last_play))
        .where(Session.kind == "run")
        .order_by(Session.id.desc())
        .limit(200)
    )
    with engine.connect() as connection:
        rows = connection.execute(query).all()[::-1]
    spans = [(start, last or start) for session, start, last in rows if session != running]
    own = next((start for session, start, _ in rows if session == running), now)
    known = last_confirmed([*spans, (own, now)])
    if known is None:
        return ""
    days = abs(own - known).days
    return (
        f"This machine's clock says {now:%Y-%m-%d %H:%M} UTC, {days} days "
        f"{'after' if own > known else 'before'} the sessions before ({known:%Y-%m-%d})"
    )


def last_confirmed(spans: Sequence[tuple[datetime, datetime]]) -> datetime | None:
    """Return the last moment at which the clock is known to be right.

    Args:
        spans: First and last moment of each session, in the order in which they began.

    Returns:
        The last moment of the sessions that agree; `None` if the last session agrees as well.
    """
    first, last = spans[0]
    doubted: list[tuple[datetime, datetime]] = []
    for span in spans[1:]:
        if _goes_on((first, last), span):
            # The sessions of several kiosks may overlap.
            first, last, doubted = span[0], max(last, span[1]), []
            continue
        if doubted and not _goes_on((doubted[-1][0], max(end for _, end in doubted)), span):
            doubted = []
        doubted.append(span)
        if len(doubted) >= MIN_STARTS and span[1] - doubted[0][0] >= MIN_SPAN:
            first, last, doubted = span[0], max(end for _, end in doubted), []
    return last if doubted else None


def _goes_on(before: tuple[datetime, datetime], span: tuple[datetime, datetime]) -> bool:
    return before[0] - timedelta(days=1) <= span[0] <= before[1] + MAX_AWAY


def purge_some(engine: Engine, before: datetime, site: str | None = None) -> int:
    """Delete up to `PART` readings from before a time, aware, in one transaction.

    Returns:
        How many were deleted; 0 when only readings not rolled up yet are left.
    """
    with engine.connect() as connection:
        for old in _old_readings(connection, before, site):
            if connection.scalar(select(exists().where(*old))):
                break
        else:
            return 0
    part = select(Reading.id).where(*old).limit(PART)
    with writing(engine) as connection:
        return connection.execute(delete(Reading).where(Reading.id.in_(part))).rowcount


def purge_shadow_counts(engine: Engine, before: datetime, site: str | None = None) -> int:
    """Delete the counts of shadow runs from before a time, aware; return how many."""
    replayed = Session.settings[REPLAYED_AT].as_string() < before.astimezone(UTC).isoformat()
    is_run = Session.kind == "run"
    sessions = select(Session.id).where(or_(is_run & (ShadowCount.at < before), replayed))
    if site is not None:
        sessions = sessions.where(Session.site == site)
    mine = sessions.where(Session.id == ShadowCount.session_id).correlate(ShadowCount).exists()
    with writing(engine) as connection:
        return connection.execute(delete(ShadowCount).where(mine)).rowcount


def purge(
    engine: Engine,
    before: datetime,
    site: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Purged:
    """Roll up what is over, and delete the readings from before a time.

    Args:
        engine: Not read-only.
        before: Aware.
        site: Only this site; `None` for all.
        progress: Called with the numbers of deleted readings and of all to delete.
    """
    store_roll_ups(engine)
    planned = purgeable(engine, before, site)
    done = 0
    while deleted := purge_some(engine, before, site):
        done += deleted
        progress(done, max(done, planned.readings))
        time.sleep(PAUSE_S)
    purge_shadow_counts(engine, before, site)
    _clear_log(engine)
    return Purged(done, planned.oldest, planned.newest)


def purgeable(engine: Engine, before: datetime, site: str | None = None) -> Purged:
    """Return what `purge` would delete; it rolls up plays that are over first."""
    total, oldest, newest = 0, None, None
    with engine.connect() as connection:
        for old in _old_readings(connection, before, site, rolled_up=False):
            count, first, last = connection.execute(
                select(func.count(), func.min(Reading.at), func.max(Reading.at)).where(*old)
            ).one()
            if count:
                total += count
                oldest = first if oldest is None else min(oldest, first)
                newest = last if newest is None else max(newest, last)
    return Purged(total, oldest, newest)


def shrink(engine: Engine) -> None:
    """Return freed space to the disk; needs as much space again while it runs.

    A kiosk that writes waits meanwhile, and loses nothing.

    Raises:
        PurgeError: Another program is writing, or there is not that much space.
    """
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        if raw is None or sqlite_path(engine) is None:
            return  # A server does that by itself.
        try:
            raw.execute("VACUUM")
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except Exception as error:
            if is_busy(error):
                advice = "try again when no other program is writing"
            elif says(str(error), "full"):
                advice = "that needs as much free space as the file takes"
            else:
                raise
            raise PurgeError(
                f"The database {engine.url.database} cannot be made smaller now "
                f"({describe(error)}); {advice}."
            ) from error


def reusable_bytes(engine: Engine) -> int:
    """Return the free space within the file, for new readings; 0 on a server."""
    if sqlite_path(engine) is None:
        return 0
    query = "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size"
    with engine.connect() as connection:
        return int(connection.exec_driver_sql(query).scalar_one())


def _old_readings(
    connection: Connection, before: datetime, site: str | None, *, rolled_up: bool = True
) -> Iterator[list[ColumnElement[bool]]]:
    """For each session with old readings the conditions on those that may go."""
    mine = Reading.session_id == Session.id
    is_replay = Session.kind == "replay"
    old = or_(exists().where(mine, Reading.at < before), is_replay & exists().where(mine))
    columns = Session.id, Session.kind, Session.ended_at, Session.settings
    query = select(*columns).where(old).order_by(Session.id)
    if site is not None:
        query = query.where(Session.site == site)
    for session_id, kind, ended_at, settings in connection.execute(query).all():
        until = before
        if kind == "replay" and REPLAYED_AT in settings:
            if datetime.fromisoformat(settings[REPLAYED_AT]) >= before:
                continue
            until = END_OF_TIME
        if ended_at is None:
            if kind == "replay":
                continue  # The recording's times do not tell what is still on its way.
            until = min(before, datetime.now(UTC) - OPEN_SESSION_KEEPS)
        limit = _limit(connection, session_id, until, rolled_up=rolled_up)
        if limit is not None:
            yield [Reading.session_id == session_id, Reading.at < limit]


def _limit(
    connection: Connection, session_id: int, before: datetime, *, rolled_up: bool
) -> datetime | None:
    """The time before which the readings of a session may go; `None` where none may."""
    kept = [Play.ended_at.is_(None), Play.ended_at >= before]
    if rolled_up:
        kept.append(Play.rolled_up.is_(False))
    first_kept = connection.scalar(
        select(func.min(Play.number)).where(Play.session_id == session_id, or_(*kept))
    )
    if first_kept is None:
        return before
    # The first kept play takes its baselines from the readings since the play before it.
    previous = connection.scalar(
        select(Play.started_at)
        .where(Play.session_id == session_id, Play.number < first_kept)
        .order_by(Play.number.desc())
        .limit(1)
    )
    return None if previous is None else min(before, previous)


def _clear_log(engine: Engine) -> None:
    """Empty the write-ahead log, where deleted pages may remain, unless somebody reads from it."""
    if sqlite_path(engine) is not None:
        with engine.connect() as connection:
            raw = connection.connection.driver_connection
            if raw is not None:
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
