"""Cells: the sums of an ad by origin, hour and second, over all viewers together.

A cell is the most that a kiosk with `upload: cells` sends, and the row of the lake. It is added up
from roll-ups, over the viewers of live sessions without static faces. `Cell` has the columns
(`db.hub.tables.intake`). Plays not rolled up yet are not in them. Sessions whose models have other
labels than the seven emotions count for presence and attention only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Double,
    Integer,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    null,
    or_,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from db.hub.tables.intake import Cell
from db.hub.tables.screens import Pairing
from db.read.formulas import (
    MAX_SLOW_RATE,
    MIN_RATE_READINGS,
    MIN_WATCHER_RATE,
    WATCHED_2_S,
    WATCHER_ATTENTION_S,
)
from db.read.scope import Scope, of_kinds
from db.read.sessions import reading_rates
from db.schema import (
    SCORE_COLUMNS,
    SUM_COLUMNS,
    Exposure,
    ExposureSecond,
    Origin,
    Play,
    Session,
    UtcDateTime,
    Viewer,
)
from detector.emotion.labels import EMOTIONS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import ColumnElement, CompoundSelect, Select, SQLColumnExpression
    from sqlalchemy.engine import Connection, Engine


WHOLE = -1
"""The second of a cell that holds whole exposures."""

# SQLite would take the index of `rolled_up`, which is true of nearly all plays, for an equation.
_COUNTED = (Play.rolled_up.is_not(False), Viewer.static.is_(False), *of_kinds())


@dataclass(frozen=True, slots=True)
class HourlySums:
    """What a screen sent as cells, over whole exposures.

    `viewers` is the number that each of its cells has at least; they cannot be added up, as a
    viewer may be in several.
    """

    exposures: int
    attention_s: float
    viewers: int


def hourly_sums(connection: Connection, scope: Scope) -> dict[int, HourlySums]:
    """Return the sums of cells by row id of the screen, for the sessions in a scope.

    An hour counts if it begins in the scope's time.
    """
    origins = select(Session.origin_id).where(*scope.sessions())
    query = (
        select(
            Origin.screen_id,
            cast(func.sum(Cell.exposures), BigInteger),
            cast(func.sum(Cell.attention_s), Double),
            func.min(Cell.viewers),
        )
        .join(Origin, Origin.id == Cell.origin_id)
        .where(
            Cell.second == WHOLE,
            Cell.origin_id.in_(origins),
            Origin.screen_id.is_not(None),
            *(() if scope.since is None else (Cell.hour >= scope.since,)),
            *(() if scope.until is None else (Cell.hour < scope.until,)),
        )
        .group_by(Origin.screen_id)
    )
    return {
        screen: HourlySums(exposures, attention_s, viewers)
        for screen, exposures, attention_s, viewers in connection.execute(query).tuples()
    }


def untold_sessions(connection: Connection, scope: Scope) -> frozenset[int]:
    """Return the sessions in a scope of which a kiosk sends only cells: no viewer is known.

    A kiosk says so when it joins; one whose cells have arrived has done so as well.
    """
    joined = select(Pairing.kiosk, Pairing.facts).where(Pairing.accepted_at.is_not(None))
    kiosks = {
        kiosk
        for kiosk, facts in connection.execute(joined.order_by(Pairing.accepted_at)).tuples()
        if facts.get("upload") == "cells"
    }
    has_cells = exists().where(Cell.origin_id == Origin.id)
    origins = select(Origin.id).where(or_(has_cells, Origin.kiosk.in_(kiosks)), ~Origin.is_here)
    seen = exists().where(Viewer.session_id == Session.id)
    query = select(Session.id).where(*scope.sessions(), Session.origin_id.in_(origins), ~seen)
    return frozenset(connection.scalars(query))


def untold_among(engine: Engine, sessions: Collection[int] | None = None) -> frozenset[int]:
    """Return those of some sessions, or of all, for which `untold_sessions` holds."""
    scope = Scope(session_ids=None if sessions is None else tuple(sessions))
    with engine.connect() as connection:
        return untold_sessions(connection, replace(scope, replays=True, demos=True))


class hour_of(FunctionElement[datetime]):  # noqa: N801 (a function of SQL)
    """The hour in UTC in which a moment lies."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(hour_of, "sqlite")
def _hour_in_sqlite(element: hour_of, compiler: Any, **options: Any) -> str:
    return f"substr({compiler.process(element.clauses, **options)}, 1, 13) || ':00:00.000000'"


@compiles(hour_of)
def _hour_on_a_server(element: hour_of, compiler: Any, **options: Any) -> str:
    return f"date_trunc('hour', {compiler.process(element.clauses, **options)}, 'UTC')"


def cells(connection: Connection, hour: datetime, min_viewers: int) -> list[dict[str, Any]]:
    """Return the cells of one hour of this kiosk, all its epochs together.

    Args:
        connection: To a snapshot of the kiosk's database.
        hour: When the hour begins; aware.
        min_viewers: Cells with fewer different viewers are left out; 1 or more.

    Returns:
        Rows by the columns of `Cell` without `id` and `origin_id`, by ad version and
        second. Watchers are None where the camera was read too seldom to tell them.
    """
    kiosk = select(Origin.kiosk).where(Origin.is_here).scalar_subquery()
    here = Session.origin_id.in_(select(Origin.id).where(Origin.kiosk == kiosk))
    return _rows(connection, [here, *between(hour, hour + timedelta(hours=1))], min_viewers)


def cells_of_day(
    connection: Connection, origin_id: int, day: datetime, min_viewers: int
) -> list[dict[str, Any]]:
    """Return the cells of one origin in the 24 hours from a moment on, with `origin_id`.

    They are in the order of ad version, hour and second; see `cells`.
    """
    which = [Session.origin_id == origin_id, *between(day, day + timedelta(days=1))]
    return _rows(connection, which, min_viewers, Session.origin_id)


def between(since: datetime, until: datetime) -> list[ColumnElement[bool]]:
    """Return conditions on plays that begin in a stretch of time; the first two on their sessions.

    Plays have no index by time, but sessions are few.
    """
    return [
        Session.started_at < until,
        or_(Session.ended_at.is_(None), Session.ended_at >= since),
        Play.started_at >= since,
        Play.started_at < until,
    ]


def _rows(
    connection: Connection,
    which: Sequence[ColumnElement[bool]],
    min_viewers: int,
    *keys: SQLColumnExpression[Any],
) -> list[dict[str, Any]]:
    """The cells of plays that meet conditions, in the order of their keys."""
    if min_viewers < 1:
        raise ValueError(f"Invalid min_viewers: expected 1 or more, received {min_viewers}.")
    found = connection.execute(_camera_rates(which)).tuples().all()
    rates = reading_rates(connection, Session.id.in_([session for session, _ in found]))
    slow = [
        session
        for session, is_slow in found
        if is_slow or (rates[session] or MIN_WATCHER_RATE) < MIN_WATCHER_RATE
    ]
    every = _cells(which, Session.id.in_(slow), min_viewers, *keys)
    order = [*every.selected_columns][: len(keys) + 3]  # Also by ad version, hour and second.
    return [dict(row) for row in connection.execute(every.order_by(*order)).mappings()]


def every_cell(min_viewers: int) -> CompoundSelect[Any]:
    """Return a query for the cells of all origins, with `origin_id`.

    Cameras too slow to tell watchers are recognised by their readings alone, not by settings, which
    a server cannot read where they name a file that is no Unicode.
    """
    rates = _camera_rates([]).subquery()
    slow = Session.id.in_(select(rates.c.id).where(rates.c.is_slow))
    return _cells([], slow, min_viewers, Session.origin_id)


def _cells(
    which: Sequence[ColumnElement[bool]],
    slow: ColumnElement[bool],
    min_viewers: int,
    *keys: SQLColumnExpression[Any],
) -> CompoundSelect[Any]:
    hour = hour_of(Play.started_at).label("hour")
    keys = (*keys, Play.ad_version_id, hour)
    parts = []
    for table, own in ((Exposure, _whole(slow)), (ExposureSecond, _by_second())):
        viewers = func.count(table.viewer_id.distinct())
        part = (
            select(
                *keys,
                own.pop("second").label("second"),
                viewers.label("viewers"),
                cast(func.sum(table.readings), BigInteger).label("readings"),
                cast(
                    func.sum(case((_of_seven(table), table.emotion_readings), else_=0)), BigInteger
                ).label("emotion_readings"),
                *(figure.label(name) for name, figure in own.items()),
                *(_sum(table, name).label(name) for name in SUM_COLUMNS),
            )
            .join(Play, Play.id == table.play_id)
            .join(Session, Session.id == Play.session_id)
            .join(Viewer, Viewer.id == table.viewer_id)
            .where(*which, *_COUNTED)
            .group_by(*keys)
            .having(viewers >= min_viewers)
        )
        parts.append(part.group_by(ExposureSecond.second) if table is ExposureSecond else part)
    return union_all(*parts)


def _whole(slow: ColumnElement[bool]) -> dict[str, ColumnElement[Any]]:
    """The columns that only whole exposures have; no watchers with sessions that cannot tell."""
    watched = Exposure.longest_attention_s >= WATCHER_ATTENTION_S
    long = and_(watched, Exposure.attention_s >= WATCHED_2_S)
    told = func.sum(case((slow, 1), else_=0)) == 0
    viewer = Exposure.viewer_id
    return {
        "second": literal(WHOLE),
        "attentive": cast(null(), BigInteger),
        "exposures": func.count(),
        "watchers": case((told, func.count(case((watched, viewer)).distinct()))),
        "watchers_2s": case((told, func.count(case((long, viewer)).distinct()))),
        "dwell_s": cast(func.sum(Exposure.dwell_s), Double),
        "attention_s": cast(func.sum(Exposure.attention_s), Double),
    }


def _by_second() -> dict[str, ColumnElement[Any]]:
    """The same columns of the cells of a second."""
    none = {name: cast(null(), column.type) for name, column in _whole(false()).items()}
    return none | {
        "second": type_coerce(ExposureSecond.second, Integer),
        "attentive": cast(func.sum(ExposureSecond.attentive), BigInteger),
    }


def _sum(table: type[Exposure | ExposureSecond], name: str) -> ColumnElement[Any]:
    """The sum of a column; of scores only where all readings with an emotion have them."""
    column, of_seven = getattr(table, name), _of_seven(table)
    total = cast(func.sum(case((of_seven, column))), Double)
    if name not in SCORE_COLUMNS:
        return func.coalesce(total, cast(0.0, Double))
    missing = and_(of_seven, column.is_(None), table.emotion_readings > 0)
    return case((func.sum(case((missing, 1), else_=0)) == 0, total))


def _of_seven(table: type[Exposure | ExposureSecond]) -> ColumnElement[bool]:
    """Whether the sums of a row are those of the seven emotions."""
    known = [getattr(table, f"sum_{name}").is_not(None) for name in EMOTIONS]
    return and_(*known, table.sum_own.is_(None))


def _camera_rates(which: Sequence[ColumnElement[bool]]) -> Select[tuple[int, bool]]:
    """The sessions of some plays, and whether their camera is too slow to tell watchers.

    As `monitor.analytics.metrics.slow_sessions` says it of a report.
    """
    readings = func.sum(Exposure.readings)
    enough = readings >= MIN_RATE_READINGS
    slow = and_(enough, readings < MAX_SLOW_RATE * func.sum(Exposure.dwell_s))
    return (
        select(Session.id, slow.label("is_slow"))
        .select_from(Exposure)
        .join(Play, Play.id == Exposure.play_id)
        .join(Session, Session.id == Play.session_id)
        .join(Viewer, Viewer.id == Exposure.viewer_id)
        .where(*which, *_COUNTED)
        .group_by(Session.id)
    )
