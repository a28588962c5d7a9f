"""Roll-ups: readings added up by play, viewer and second; stored here, and read by every report.

Each play is rolled up once, after its end (`db.read.formulas`); reports read what is stored. Plays
not rolled up yet, such as the current one, are rolled up in memory while a report is read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from sqlalchemy import and_, delete, func, insert, or_, select, update
from sqlalchemy.orm import aliased

from db.engine import snapshot, writing
from db.read.cells import HourlySums, hourly_sums, untold_sessions
from db.read.formulas import (
    READINGS_PER_SECOND,
    ExposureArrays,
    RolledPlay,
    SecondArrays,
    fill_scores,
    roll_up,
)
from db.read.scope import screens_of
from db.read.sessions import (
    READ_ROWS,
    AdInfo,
    GapInfo,
    PlayInfo,
    ReadingArrays,
    SessionInfo,
    ad_infos,
    gap_infos,
    label_arrays,
    play_infos,
    read_arrays,
    reading_rates,
    session_infos,
    session_labels,
)
from db.schema import (
    SUM_COLUMNS,
    Ad,
    Exposure,
    ExposureSecond,
    Model,
    Play,
    Reading,
    ReadingCount,
    Session,
    Viewer,
)
from db.transfer import queue as outgoing
from detector.emotion.labels import EMOTIONS, own_labels
from detector.emotion.prevalence import PrevalenceCalibration, calibration_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection, Engine

    from db.hub.screens.registry import ScreenInfo
    from db.read.scope import Scope
    from detector.emotion.labels import LabelSet

PLAYS_AT_A_TIME = 200
"""Plays rolled up together, in one short transaction beside a kiosk that writes."""

PLAYS_IN_PASSING = 10
"""Plays rolled up with `once`; takes some tenths of a second, even in a crowd."""

TIME_AT_A_TIME_US = 600 * 10**6
"""Plays rolled up together began within ten minutes: tens of thousands of readings."""

_FLOATS = frozenset({"dwell_s", "attention_s", "longest_attention_s", "baseline", "end_happy"})
_LONG_AGO = -(1 << 62)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


_Arrays = TypeVar("_Arrays", bound=ExposureArrays | SecondArrays)


@dataclass(frozen=True, slots=True, eq=False)
class Log:
    """What a report needs, as it was at one moment; without static faces.

    Attributes:
        sessions, plays, gaps: By id, by session and number, by start.
        ads: Versions of ads with a play in scope, by first play.
        seconds: Empty where they were not asked for.
        counts: Readings of whole sessions, by session, whether an ad was on, and sort: "certain",
            "uncertain", or why the emotion is withheld.
        last_seen: When somebody was last in view, by running session.
        screens: Those that the sessions belong to.
        own_labels: Labels outside the seven emotions, whose sums are the last columns of `sums`.
        labels: The label set that all sessions with readings share; `None` if they have several,
            and then nothing is known about emotions.
        hourly: What screens sent that send sums of hours only, by row id of the screen.
        untold: Sessions of such screens: nothing is known about single viewers.
    """

    sessions: tuple[SessionInfo, ...]
    ads: tuple[AdInfo, ...]
    plays: tuple[PlayInfo, ...]
    gaps: tuple[GapInfo, ...]
    exposures: ExposureArrays
    seconds: SecondArrays
    counts: dict[tuple[int, bool, str], int] = field(default_factory=dict)
    last_seen: dict[int, datetime] = field(default_factory=dict)
    screens: tuple[ScreenInfo, ...] = ()
    own_labels: LabelSet = ()
    labels: LabelSet | None = EMOTIONS
    hourly: dict[int, HourlySums] = field(default_factory=dict)
    untold: frozenset[int] = frozenset()

    @property
    def session_of(self) -> dict[int, int]:
        """The session of each play, by their ids."""
        return {play.id: play.session_id for play in self.plays}


def read_log(engine: Engine, scope: Scope, *, seconds: bool = True) -> Log:
    """Read what a report needs; the entries by the second only with `seconds`.

    Only the readings of plays not rolled up yet are read, and nothing is written.
    """
    with snapshot(engine) as connection:
        sessions = tuple(session_infos(connection, *scope.sessions()))
        labels = shared_labels(sessions)
        own = () if labels is None else own_labels(labels)
        exposures = [_stored(connection, Exposure, ExposureArrays, scope, own)]
        by_second = (
            [_stored(connection, ExposureSecond, SecondArrays, scope, own)] if seconds else []
        )
        pending = _pending(connection, scope.plays())
        static = (
            set(connection.scalars(select(Viewer.id).where(Viewer.static))) if pending else set()
        )
        for plays in pending:
            of_plays = session_labels(connection, plays[0].session_id)
            more, more_seconds = _rolled_up(connection, plays, of_plays)
            exposures.append(_without(more, static))
            if seconds:
                by_second.append(_without(more_seconds, static))
        return Log(
            sessions=sessions,
            ads=tuple(ad_infos(connection, *scope.plays())),
            plays=tuple(play_infos(connection, *scope.plays())),
            gaps=tuple(gap_infos(connection, *scope.sessions())),
            exposures=_told(_joined(ExposureArrays, exposures, own), labels),
            seconds=_told(_joined(SecondArrays, by_second, own), labels),
            own_labels=own,
            labels=labels,
            counts=_counts(connection, scope),
            last_seen=_last_seen(connection, scope),
            screens=(screens := tuple(screens_of(connection, *scope.sessions()))),
            hourly=hourly_sums(connection, scope) if screens else {},
            untold=untold_sessions(connection, scope) if screens else frozenset(),
        )


def store_roll_ups(
    engine: Engine,
    *,
    session_id: int | None = None,
    ended_before: datetime | None = None,
    once: bool = False,
) -> int:
    """Roll up the plays that are over and not rolled up yet; return how many.

    A few plays at a time are one transaction, which holds the write lock from its first read, so
    that no reading slips in between.

    Args:
        engine: Not read-only.
        session_id: Only this session; `None` for all.
        ended_before: Only plays that ended before; aware, `None` for all. A reading that comes
            after the end of its play has it rolled up once more.
        once: Only `PLAYS_IN_PASSING`.
    """
    which: list[ColumnElement[bool]] = [Play.ended_at.is_not(None)]
    if session_id is not None:
        which.append(Play.session_id == session_id)
    if ended_before is not None:
        which.append(Play.ended_at < ended_before)
    done = 0
    while True:
        with writing(engine) as connection:
            limit = PLAYS_IN_PASSING if once else PLAYS_AT_A_TIME
            plays = next(iter(_pending(connection, which, limit=limit)), [])
            if not plays:
                return done
            ids = [play.id for play in plays]
            # A server locks rows: a late reading of these plays waits, then marks its play again.
            connection.execute(select(Play.id).where(Play.id.in_(ids)).with_for_update())
            labels = session_labels(connection, plays[0].session_id)
            _store(connection, ids, *_rolled_up(connection, plays, labels), own_labels(labels))
        done += len(plays)
        if once:
            return done


def _rolled_up(
    connection: Connection, plays: Sequence[RolledPlay], labels: LabelSet
) -> tuple[ExposureArrays, SecondArrays]:
    """Add up the readings of plays of one session, whose model has these labels."""
    [calibration] = calibrations(connection, Session.id == plays[0].session_id).values()
    readings = _readings(connection, plays, own_labels(labels))
    return roll_up(plays, readings, calibration, labels)


def shared_labels(sessions: Iterable[SessionInfo]) -> LabelSet | None:
    """Return the label set of all sessions with readings; `None` if they have several.

    Without any reading it is that of all sessions, or the seven emotions.
    """
    found = {info.labels for info in sessions if info.readings}
    if not found:
        every = {info.labels for info in sessions}
        return every.pop() if len(every) == 1 else EMOTIONS
    return found.pop() if len(found) == 1 else None


def _told(arrays: _Arrays, labels: LabelSet | None) -> _Arrays:
    """Make every figure of emotions NaN if the sessions have several label sets."""
    if labels is not None:
        return arrays
    if isinstance(arrays, ExposureArrays):
        unknown = np.full(len(arrays), np.nan)
        arrays = replace(arrays, baseline=unknown, end_happy=unknown)
    return replace(arrays, sums=np.full_like(arrays.sums, np.nan))


def calibrations(
    connection: Connection, *which: ColumnElement[bool]
) -> dict[int, PrevalenceCalibration | None]:
    """Return the calibration of the model of each session that meets conditions, by its id."""
    query = (
        select(Session.id, Session.model_id, Model.card)
        .outerjoin(Model, Model.id == Session.model_id)
        .where(*which)
    )
    by_model: dict[int | None, PrevalenceCalibration | None] = {}
    found = {}
    for session_id, model_id, card in connection.execute(query):
        if model_id not in by_model:
            by_model[model_id] = calibration_of(card)
        found[session_id] = by_model[model_id]
    return found


def _store(
    connection: Connection,
    plays: list[int],
    exposures: ExposureArrays,
    seconds: SecondArrays,
    own: LabelSet,
) -> None:
    for table, arrays in ((Exposure, exposures), (ExposureSecond, seconds)):
        connection.execute(delete(table).where(table.play_id.in_(plays)))
        if rows := _rows(arrays, own):
            connection.execute(insert(table), rows)
    connection.execute(update(Play).where(Play.id.in_(plays)).values(rolled_up=True))
    outgoing.queue(connection, "play", Play.id.in_(plays))


def _rows(arrays: ExposureArrays | SecondArrays, own: LabelSet) -> list[dict[str, Any]]:
    columns = {name: getattr(arrays, name).tolist() for name in _names(type(arrays))}
    columns |= {name: arrays.sums[:, place].tolist() for place, name in enumerate(SUM_COLUMNS)}
    for name in columns.keys() & {"baseline", "end_happy", *SUM_COLUMNS}:
        columns[name] = [None if math.isnan(value) else value for value in columns[name]]
    if own:
        of_own = arrays.sums[:, len(SUM_COLUMNS) :].tolist()
        columns["sum_own"] = [dict(zip(own, values, strict=True)) for values in of_own]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _pending(
    connection: Connection, which: Sequence[ColumnElement[bool]], limit: int | None = None
) -> list[list[RolledPlay]]:
    """At most `limit` plays not rolled up yet, a few of one session at a time."""
    before = aliased(Play)
    # By number, which is indexed and rises with time within a session.
    previous = (
        select(func.coalesce(before.ended_at, before.started_at))
        .where(before.session_id == Play.session_id, before.number < Play.number)
        .order_by(before.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = (
        select(Play.session_id, Play.id, previous, Play.started_at, Play.ended_at, Ad.duration_ms)
        .join(Ad, Ad.id == Play.ad_version_id)
        .join(Session, Session.id == Play.session_id)
        .where(Play.rolled_up.is_(False), *which)
        .order_by(Play.id)  # Rises with the number, and needs no sorting.
        .limit(limit)
    )
    found: list[list[RolledPlay]] = []
    rows = connection.execute(query).all()
    rates = reading_rates(connection, Session.id.in_({row.session_id for row in rows}))
    for session_id, play_id, previous_at, started_at, ended_at, duration_ms in rows:
        play = RolledPlay(
            id=play_id,
            session_id=session_id,
            previous_us=_LONG_AGO if previous_at is None else _us(previous_at),
            started_us=_us(started_at),
            ended_us=None if ended_at is None else _us(ended_at),
            duration_ms=duration_ms,
            interval_us=1e6 / (rates[session_id] or READINGS_PER_SECOND),
        )
        last = found[-1] if found else []
        fits = (
            0 < len(last) < PLAYS_AT_A_TIME
            and session_id == last[0].session_id
            and play.started_us - last[0].started_us < TIME_AT_A_TIME_US
        )
        if fits:
            last.append(play)
        else:
            found.append([play])
    return found


def _readings(connection: Connection, plays: Sequence[RolledPlay], own: LabelSet) -> ReadingArrays:
    """The readings of plays, and those between ads before each of them."""
    first, last = plays[0], plays[-1]
    between = [
        Reading.play_id.is_(None),
        Reading.session_id == first.session_id,
        Reading.at < _moment(last.started_us),
    ]
    if first.previous_us > _LONG_AGO:
        between.append(Reading.at >= _moment(first.previous_us))
    mine = Reading.play_id.in_([play.id for play in plays])
    return read_arrays(connection, Viewer.id, or_(mine, and_(*between)), own=own)


def _stored(
    connection: Connection,
    table: type[Exposure | ExposureSecond],
    arrays: type[_Arrays],
    scope: Scope,
    own: LabelSet,
) -> _Arrays:
    """The stored entries of plays in scope, by play and viewer, without static faces."""
    names: list[str] = _names(arrays)
    asked = [getattr(table, name) for name in (*names, *SUM_COLUMNS)]
    query = (
        select(*asked, *([table.sum_own] if own else []))
        .join(Play, Play.id == table.play_id)
        .join(Session, Session.id == Play.session_id)
        .join(Viewer, Viewer.id == table.viewer_id)
        .where(_stored_play(), Viewer.static.is_(False), *scope.plays())
        .order_by(*table.__table__.primary_key)
    )
    parts: list[_Arrays] = []
    for rows in connection.execute(query, execution_options={"yield_per": READ_ROWS}).partitions():
        columns = list(zip(*rows, strict=True))
        of_own = [label_arrays(columns.pop(), own)] if own else []
        values: dict[str, Any] = {
            name: np.array(column, _kind(name))
            for name, column in zip(names, columns, strict=False)
        }
        plain = np.array(columns[len(names) :], np.float64).T
        parts.append(arrays(**values, sums=np.column_stack([plain, *of_own])))
    return _with_scores(connection, _joined(arrays, parts, own), scope)


def _stored_play() -> ColumnElement[bool]:
    """Whether a play is rolled up.

    Not as an equation: SQLite would then go through all rolled up plays of the database by the
    index that is there for the few others, whatever sessions are in scope.
    """
    return Play.rolled_up.is_not(False)


def _with_scores(connection: Connection, stored: _Arrays, scope: Scope) -> _Arrays:
    """Estimate the scores that are not stored, by the calibration of the session's model."""
    missing = np.isnan(stored.sums[:, len(SUM_COLUMNS) - 1])
    if not missing.any():
        return stored
    known = calibrations(connection, *scope.sessions())
    query = (
        select(Play.id, Play.session_id)
        .join(Session, Session.id == Play.session_id)
        .where(_stored_play(), *scope.plays())
    )
    session_of = dict(connection.execute(query).tuples().all())
    sums = stored.sums.copy()
    owners = np.array([session_of[play] for play in stored.play_id[missing].tolist()])
    rows = np.flatnonzero(missing)
    for session_id in np.unique(owners).tolist():
        if (calibration := known[session_id]) is not None:
            mine = rows[owners == session_id]
            sums[mine] = fill_scores(sums[mine], calibration)
    return replace(stored, sums=sums)


def _joined(arrays: type[_Arrays], parts: Sequence[_Arrays], own: LabelSet) -> _Arrays:
    """All entries by play, viewer, and second if there are seconds."""
    none: dict[str, Any] = {column: np.empty(0, _kind(column)) for column in _names(arrays)}
    width = len(SUM_COLUMNS) + len(own)
    none["sums"] = np.empty((0, width))
    # Parts of another label set are empty, or lose the columns of their own labels.
    parts = [replace(part, sums=part.sums[:, :width]) for part in parts if len(part)]
    values = {
        column: np.concatenate([empty, *(getattr(part, column) for part in parts)])
        for column, empty in none.items()
    }
    order = np.lexsort([values[key] for key in ("second", "viewer_id", "play_id") if key in values])
    return arrays(**{column: value[order] for column, value in values.items()})


def _last_seen(connection: Connection, scope: Scope) -> dict[int, datetime]:
    query = (
        select(Viewer.session_id, func.max(Viewer.last_seen_at))
        .join(Session, Session.id == Viewer.session_id)
        .where(Session.ended_at.is_(None), *scope.sessions())
        .group_by(Viewer.session_id)
    )
    return {session_id: moment for session_id, moment in connection.execute(query)}  # noqa: C416 (rows, not pairs)


def _names(arrays: type[Any]) -> list[str]:
    return [f.name for f in fields(arrays) if f.name != "sums"]


def _without(part: _Arrays, viewers: set[int]) -> _Arrays:
    kept = ~np.isin(part.viewer_id, np.fromiter(viewers, dtype=np.int64, count=len(viewers)))
    return type(part)(**{f.name: getattr(part, f.name)[kept] for f in fields(part)})


def _counts(connection: Connection, scope: Scope) -> dict[tuple[int, bool, str], int]:
    keys = (Viewer.session_id, ReadingCount.on_ad, ReadingCount.sort)
    query = (
        select(*keys, func.sum(ReadingCount.readings))
        .join(Viewer, Viewer.id == ReadingCount.viewer_id)
        .join(Session, Session.id == Viewer.session_id)
        .where(Viewer.static.is_(False), *scope.sessions())
        .group_by(*keys)
    )
    return {(*key,): int(count) for *key, count in connection.execute(query)}


def _kind(name: str) -> type:
    return np.float64 if name in _FLOATS else np.int64


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _moment(us: int) -> datetime:
    return _EPOCH + us * _MICROSECOND
