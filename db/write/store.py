"""Writes the records of one session as rows, in a transaction that the caller has begun."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import (
    DateTime,
    String,
    bindparam,
    case,
    func,
    insert,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from db.schema import (
    EMOTION_COLUMNS,
    Ad,
    Gap,
    Model,
    Origin,
    Play,
    Reading,
    ReadingCount,
    Session,
    ShadowCount,
    Viewer,
)
from db.transfer import queue as outgoing
from db.transfer.origins import own_origin
from db.write.records import (
    INTERRUPTED,
    AdRecord,
    ClockSet,
    GapEnded,
    GapStarted,
    ModelRecord,
    PlayEnded,
    PlayRewarded,
    PlayStarted,
    ReadingRecord,
    Record,
    SessionEnded,
    SessionRecord,
    ShadowRecord,
    ViewerFlagged,
)
from detector.emotion.labels import EMOTIONS, labels_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Select, Table
    from sqlalchemy.engine import Connection
    from sqlalchemy.orm import InstrumentedAttribute

    from detector.emotion.labels import LabelSet
    from detector.types import FaceReading

logger = logging.getLogger(__name__)

CACHE_SIZE = 4096
"""Viewers and plays whose row ids are cached: a session of weeks sees hundreds of thousands."""

_READINGS = cast("Table", Reading.__table__)

_SPREAD = {
    "box": {"box_x": "box.x", "box_y": "box.y", "box_w": "box.width", "box_h": "box.height"},
    "pose": {"yaw": "pose.yaw", "pitch": "pose.pitch", "roll": "pose.roll"},
}
"""Fields of a reading that take several columns; any other has a column of its name, or none."""


@dataclass(slots=True)
class _ViewerRow:
    row_id: int
    first: datetime
    last: datetime

    def saw(self, at: datetime) -> bool:
        """Note a moment at which the viewer was seen; return whether that changed the row."""
        if self.first <= at <= self.last:
            return False
        self.first, self.last = min(self.first, at), max(self.last, at)
        return True


@dataclass(slots=True)
class _PlayRow:
    row_id: int
    started_at: datetime
    ended: bool = False


def begin_session(connection: Connection, session: SessionRecord, last_record: int = 0) -> int:
    """Insert the row of a session, and return its id.

    Args:
        connection: In a transaction.
        session: Its start.
        last_record: Number of its last record that need not be written any more.
    """
    result = connection.execute(
        insert(Session).values(
            last_record=last_record,
            kind=session.kind,
            session_kind=session.session_kind,
            site=session.site,
            source=session.source,
            started_at=session.started_at,
            program_version=session.program_version,
            settings=dict(session.settings),
            model_id=None if session.model is None else model_row_id(connection, session.model),
            origin_id=own_origin(connection),
        )
    )
    session_id = _new_id(result)
    connection.execute(update(Session).where(Session.id == session_id).values(number=session_id))
    outgoing.queue(connection, "session", Session.id == session_id)
    return session_id


def find_session(connection: Connection, session: SessionRecord) -> int | None:
    """Return the id of a session that was begun before, here or in what this is a copy of."""
    return connection.scalar(
        select(func.max(Session.id)).where(
            or_(
                Session.started_at == session.started_at,
                # `move_session` may have moved it.
                Session.settings[("clock_set", "began_as")].as_string()
                == _utc_text(session.started_at),
            ),
            Session.kind == session.kind,
            Session.site == session.site,
            Session.source == session.source,
        )
    )


def moved(session: SessionRecord, step: timedelta) -> SessionRecord:
    """Return the start of a session after the wall clock was set."""
    settings = _noted_step(session.settings, session.started_at, step)
    return replace(session, started_at=session.started_at + step, settings=settings)


def _noted_step(
    settings: Mapping[str, Any], started_at: datetime, step: timedelta
) -> dict[str, Any]:
    former = settings.get("clock_set", {})
    began_as = former.get("began_as", _utc_text(started_at))
    step_s = former.get("step_s", 0.0) + step.total_seconds()
    return {**settings, "clock_set": {"began_as": began_as, "step_s": step_s}}


def move_session(connection: Connection, session_id: int, step: timedelta) -> None:
    """Shift all times of a session, because the wall clock was wrong when they were recorded.

    `clock_set` in its settings keeps by how much, and its first start, by which it is found again.

    Args:
        connection: In a transaction.
        session_id: Which one.
        step: How far ahead.
    """
    by_id = Session.id == session_id
    row = connection.execute(select(Session.started_at, Session.settings).where(by_id)).one()
    connection.execute(
        update(Session)
        .where(by_id)
        .values(settings=_noted_step(row.settings, row.started_at, step))
    )
    microseconds = round(step / timedelta(microseconds=1))
    is_sqlite = connection.dialect.name == "sqlite"
    if is_sqlite:
        raw = cast("sqlite3.Connection", connection.connection.driver_connection)
        raw.create_function("moved_time", 2, _moved_text, deterministic=True)

    def later(column: Any) -> Any:
        if is_sqlite:
            return func.moved_time(type_coerce(column, String), microseconds)
        return type_coerce(column, DateTime(timezone=True)) + step

    for columns in (
        (Session.started_at, Session.ended_at),
        (Play.started_at, Play.ended_at),
        (Viewer.first_seen_at, Viewer.last_seen_at),
        (Gap.started_at, Gap.ended_at),
        (Reading.at,),
        (ShadowCount.at,),
    ):
        table = columns[0].class_
        mine = by_id if table is Session else table.session_id == session_id
        values = {column.key: later(column) for column in columns}
        connection.execute(update(table).where(mine).values(values))


def _moved_text(text: str | None, microseconds: int) -> str | None:
    """Shift a time as SQLite stores it."""
    if text is None:
        return None
    moved_to = datetime.fromisoformat(text) + timedelta(microseconds=microseconds)
    return moved_to.isoformat(" ", timespec="microseconds")


def _utc_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def claim_session(connection: Connection, session_id: int) -> int | None:
    """Lock a session for this transaction, after one that is just being committed.

    Returns:
        Number of the last record in the database; `None` if the session is gone.
    """
    return connection.scalar(
        select(Session.last_record)
        .where(Session.id == session_id)
        .with_for_update(key_share=True)  # of a server; SQLite locks the whole database
    )


def noted_losses(connection: Connection, session_id: int) -> int:
    """Return how many records of a session the database counts as lost."""
    return connection.scalar(select(Session.lost).where(Session.id == session_id)) or 0


def note_progress(connection: Connection, session_id: int, last_record: int, lost: int) -> None:
    """Store the number of a session's last record, and how many of its records are lost."""
    connection.execute(
        update(Session).where(Session.id == session_id).values(last_record=last_record, lost=lost)
    )


def reopen_session(connection: Connection, session_id: int) -> None:
    """Reopen a session, its plays and gaps if they were closed as interrupted."""
    ended_at = connection.scalar(
        select(Session.ended_at).where(Session.id == session_id, Session.end_reason == INTERRUPTED)
    )
    if ended_at is None:
        return
    for statement in (
        update(Play)
        .where(Play.session_id == session_id, Play.outcome == INTERRUPTED)
        .values(ended_at=None, outcome=None, rolled_up=False),
        update(Gap)
        .where(Gap.session_id == session_id, Gap.ended_at == ended_at)
        .values(ended_at=None),
        update(Session).where(Session.id == session_id).values(ended_at=None, end_reason=None),
    ):
        connection.execute(statement)
    outgoing.queue(connection, "session", Session.id == session_id)
    outgoing.queue(connection, "gap", Gap.session_id == session_id, Gap.ended_at.is_(None))
    logger.warning("Session %d had been closed as interrupted, and goes on.", session_id)


def end_session(
    connection: Connection, session_id: int, ended: SessionEnded, outcome: str, lost: int | None
) -> None:
    """Close a session that is still open, with its open plays and gaps.

    Args:
        connection: In a transaction.
        session_id: Which one.
        ended: When and why.
        outcome: How open plays end.
        lost: Records that were not stored; `None` keeps the stored number.
    """
    open_gaps = (Gap.session_id == session_id, Gap.ended_at.is_(None))
    outgoing.queue(connection, "gap", *open_gaps)
    for table, more in ((Play, {"outcome": outcome}), (Gap, {})):
        connection.execute(
            update(table)
            .where(table.session_id == session_id, table.ended_at.is_(None))
            .values(ended_at=_not_before(table.started_at, ended.ended_at), **more)
        )
    connection.execute(
        update(Session)
        .where(Session.id == session_id, Session.ended_at.is_(None))
        .values(
            ended_at=_not_before(Session.started_at, ended.ended_at),
            end_reason=ended.end_reason,
            frames=None if ended.frames is None else int(ended.frames),
            dropped=None if ended.dropped is None else int(ended.dropped),
            fps=_float(ended.fps),
            lost=Session.lost if lost is None else lost,
        )
    )
    outgoing.queue(connection, "session", Session.id == session_id)


def open_sessions(connection: Connection) -> list[int]:
    """Return the ids of the sessions without an end that were recorded here, not sent here."""
    elsewhere = select(Origin.id).where(Origin.screen_id.is_not(None))
    query = select(Session.id).where(
        Session.ended_at.is_(None),
        or_(Session.origin_id.is_(None), Session.origin_id.not_in(elsewhere)),
    )
    return list(connection.scalars(query.order_by(Session.id)))


def interrupt_session(connection: Connection, session_id: int, lost: int | None = None) -> bool:
    """Close a session that is not written any more at its last known moment.

    Returns:
        False if it has an end already.
    """
    started_at = connection.scalar(
        select(Session.started_at).where(Session.id == session_id, Session.ended_at.is_(None))
    )
    if started_at is None:
        return False
    moments = [started_at] + [
        connection.scalar(select(func.max(column)).where(column.class_.session_id == session_id))
        for column in (Play.started_at, Play.ended_at, Reading.at, Gap.started_at, Gap.ended_at)
    ]
    last = max(moment for moment in moments if moment is not None)
    end_session(connection, session_id, SessionEnded(last, INTERRUPTED), INTERRUPTED, lost)
    return True


class SessionStore:
    """Writes batches of records; maps the numbers that they use to row ids.

    After `apply` call `on_commit` or `on_rollback`, which voids the ids given out since.

    Attributes:
        last_moment: Latest time that a record named.
    """

    def __init__(self, session_id: int, started_at: datetime) -> None:
        self._session_id = session_id
        self._ads: dict[str, int] = {}
        self._new_ads: dict[str, int] = {}
        self._viewers: dict[int, _ViewerRow] = {}
        self._plays: dict[int, _PlayRow] = {}
        self._labels: LabelSet | None = None
        self.last_moment = started_at

    def apply(self, connection: Connection, records: Iterable[Record]) -> list[str]:
        """Write records in their order.

        Returns:
            One sentence for each record that contradicts an earlier one and was left out.
        """
        rejected: list[str] = []
        readings: list[dict[str, Any]] = []
        touched: dict[int, _ViewerRow] = {}
        late: set[int] = set()
        for record in records:
            try:
                if isinstance(record, ReadingRecord):
                    readings.append(self._reading(connection, record, touched, late))
                elif isinstance(record, ClockSet):
                    self._flush(connection, readings, touched, late)
                    self._set_clock(connection, record.step)
                else:
                    self._write(connection, record)
            except ValueError as error:
                rejected.append(str(error))
        self._flush(connection, readings, touched, late)
        return rejected

    @staticmethod
    def _flush(
        connection: Connection,
        readings: list[dict[str, Any]],
        touched: dict[int, _ViewerRow],
        late: set[int],
    ) -> None:
        """Write the readings so far and what follows from them, and empty all three collections."""
        if readings:
            connection.execute(insert(_READINGS), readings)
            _count(connection, readings)
        if late:
            # They may have been rolled up without these readings.
            connection.execute(update(Play).where(Play.id.in_(late)).values(rolled_up=False))
        if touched:
            viewers = cast("Table", Viewer.__table__)
            connection.execute(
                update(viewers)
                .where(viewers.c.id == bindparam("row_id"))
                .values(first_seen_at=bindparam("first"), last_seen_at=bindparam("last")),
                [{name: getattr(row, name) for name in row.__slots__} for row in touched.values()],
            )
        for done in (readings, late, touched):
            done.clear()

    def _set_clock(self, connection: Connection, step: timedelta) -> None:
        move_session(connection, self._session_id, step)
        outgoing.queue_sessions(connection, Session.id == self._session_id)
        self.last_moment += step
        # They are read again, with their new times.
        self._viewers.clear()
        self._plays.clear()

    def on_commit(self) -> None:
        """Keep the row ids of the transaction."""
        self._ads.update(self._new_ads)
        self._new_ads.clear()
        for row_ids in (self._viewers, self._plays):
            while len(row_ids) > CACHE_SIZE:
                del row_ids[next(iter(row_ids))]

    def on_rollback(self) -> None:
        """Forget the row ids of the transaction."""
        for row_ids in (self._new_ads, self._viewers, self._plays):
            row_ids.clear()
        self._labels = None

    def _write(self, connection: Connection, record: Record) -> None:
        match record:
            case PlayStarted():
                self._start_play(connection, record)
            case PlayEnded():
                self._end_play(connection, record)
            case PlayRewarded():
                self._reward_play(connection, record)
            case AdRecord():
                self._new_ads[record.ad_id] = ad_row_id(connection, record)
            case ViewerFlagged():
                self._flag(connection, record)
            case GapStarted() | GapEnded():
                self._write_gap(connection, record)
            case ShadowRecord():
                add_shadow_counts(connection, self._session_id, record)
                self._note(record.at)
            case ModelRecord():
                model_id = model_row_id(connection, record)
                by_id = Session.id == self._session_id
                connection.execute(update(Session).where(by_id).values(model_id=model_id))
                self._labels = None
                outgoing.queue(connection, "session", by_id)

    def _reading(
        self,
        connection: Connection,
        record: ReadingRecord,
        touched: dict[int, _ViewerRow],
        late: set[int],
    ) -> dict[str, Any]:
        play_id = None
        if record.play_number is not None:
            play = self._play(connection, int(record.play_number))
            play_id = play.row_id
            if play.ended:
                late.add(play_id)
        viewer = self._viewer(connection, int(record.face.viewer), record.at)
        if viewer.saw(record.at):
            touched[viewer.row_id] = viewer
        self._note(record.at)
        columns = face_columns(record.face, self._label_set(connection))
        columns["session_id"] = self._session_id
        columns["viewer_id"] = viewer.row_id
        columns["play_id"] = play_id
        columns["at"] = record.at
        columns["position_ms"] = _float(record.position_ms)
        return columns

    def _label_set(self, connection: Connection) -> LabelSet:
        """Return the label set of the session's model."""
        if self._labels is None:
            of_session = select(Model.card).join(Session, Session.model_id == Model.id)
            card = connection.scalar(of_session.where(Session.id == self._session_id))
            self._labels = labels_of(card)
        return self._labels

    def _flag(self, connection: Connection, record: ViewerFlagged) -> None:
        viewer = self._viewer(connection, int(record.viewer_number), record.at)
        viewer.saw(record.at)
        connection.execute(
            update(Viewer)
            .where(Viewer.id == viewer.row_id)
            .values(static=True, first_seen_at=viewer.first, last_seen_at=viewer.last)
        )
        outgoing.queue(connection, "viewer", Viewer.id == viewer.row_id)
        self._note(record.at)

    def _viewer(self, connection: Connection, number: int, at: datetime) -> _ViewerRow:
        row = self._viewers.get(number)
        if row is not None:
            return row
        found = connection.execute(
            select(Viewer.id, Viewer.first_seen_at, Viewer.last_seen_at).where(
                Viewer.session_id == self._session_id, Viewer.number == number
            )
        ).one_or_none()
        if found is not None:
            row = _ViewerRow(*found)
        else:
            seen = {"first_seen_at": at, "last_seen_at": at}
            result = connection.execute(
                insert(Viewer).values(session_id=self._session_id, number=number, **seen)
            )
            row = _ViewerRow(_new_id(result), at, at)
        self._viewers[number] = row
        return row

    def _play(self, connection: Connection, number: int) -> _PlayRow:
        row = self._plays.get(number)
        if row is not None:
            return row
        found = connection.execute(
            select(Play.id, Play.started_at, Play.ended_at).where(
                Play.session_id == self._session_id, Play.number == number
            )
        ).one_or_none()
        if found is None:
            raise _contradiction("play number", "a play that was started before", number)
        row = self._plays[number] = _PlayRow(found.id, found.started_at, found.ended_at is not None)
        return row

    def _start_play(self, connection: Connection, record: PlayStarted) -> None:
        ad_row_id = self._new_ads.get(record.ad_id, self._ads.get(record.ad_id))
        if ad_row_id is None:
            raise _contradiction("ad id", "an ad that was submitted before", repr(record.ad_id))
        number = int(record.number)
        taken = connection.scalar(
            select(Play.id).where(Play.session_id == self._session_id, Play.number == number)
        )
        if taken is not None:
            raise _contradiction("play number", "one that was not used before", number)
        result = connection.execute(
            insert(Play).values(
                session_id=self._session_id,
                ad_version_id=ad_row_id,
                number=number,
                started_at=record.started_at,
                reason=record.reason,
                probability=_float(record.probability),
                held_out=bool(record.held_out),
                context=dict(record.context) or None,
            )
        )
        self._plays[number] = _PlayRow(_new_id(result), record.started_at)
        self._note(record.started_at)

    def _end_play(self, connection: Connection, record: PlayEnded) -> None:
        play = self._play(connection, int(record.number))
        if record.ended_at < play.started_at:
            raise _contradiction(
                f"end of play {record.number}", f"{play.started_at} or later", record.ended_at
            )
        result = connection.execute(
            update(Play)
            .where(Play.id == play.row_id, Play.ended_at.is_(None))
            .values(
                ended_at=record.ended_at,
                outcome=record.outcome,
                shown_ms=_float(record.shown_ms),
                error=record.error,
            )
        )
        if result.rowcount == 0:
            raise _contradiction(f"end of play {record.number}", "one end", "a second")
        play.ended = True
        self._note(record.ended_at)

    def _reward_play(self, connection: Connection, record: PlayRewarded) -> None:
        play = self._play(connection, int(record.number))
        result = connection.execute(
            update(Play)
            .where(Play.id == play.row_id, Play.reward.is_(None))
            .values(reward=float(record.value), reward_viewer_s=float(record.viewer_s))
        )
        if result.rowcount == 0:
            raise _contradiction(f"reward of play {record.number}", "one reward", "a second")
        outgoing.queue(connection, "play", Play.id == play.row_id, Play.rolled_up.is_(True))

    def _write_gap(self, connection: Connection, record: GapStarted | GapEnded) -> None:
        is_open = Gap.ended_at.is_(None)
        gap = connection.execute(
            select(Gap.id, Gap.started_at).where(
                Gap.session_id == self._session_id, Gap.cause == record.cause, is_open
            )
        ).one_or_none()
        if isinstance(record, GapStarted):
            self._note(record.started_at)
            if gap is None:
                columns = {
                    name: getattr(record, name) for name in ("started_at", "cause", "detail")
                }
                result = connection.execute(
                    insert(Gap).values(session_id=self._session_id, **columns)
                )
                outgoing.queue(connection, "gap", Gap.id == _new_id(result))
            return
        if gap is None:
            raise _contradiction("end of a gap", "an open gap", f"the cause {record.cause!r}")
        if record.ended_at < gap.started_at:
            raise _contradiction(
                f"end of the gap {record.cause!r}", f"{gap.started_at} or later", record.ended_at
            )
        connection.execute(update(Gap).where(Gap.id == gap.id).values(ended_at=record.ended_at))
        outgoing.queue(connection, "gap", Gap.id == gap.id)
        self._note(record.ended_at)

    def _note(self, moment: datetime) -> None:
        self.last_moment = max(self.last_moment, moment)


def face_columns(face: FaceReading, labels: LabelSet = EMOTIONS) -> dict[str, Any]:
    """Return the columns of a reading, by the names of its fields.

    `labels` are those of its probabilities. ValueError if these are not as many.
    """
    names, values_of = _columns(type(face))  # type: ignore[arg-type]
    values = values_of(face)
    p = face.probabilities
    own: dict[str, float] | None = None
    if p is not None and len(p) != len(labels):
        expected = f"probabilities of {', '.join(labels)}"
        raise _contradiction("reading", expected, f"{len(p)} numbers")
    if p is None or labels == EMOTIONS:
        values += p or _NO_EMOTION
    else:
        by_label = dict(zip(labels, map(float, p), strict=True))
        values += tuple(by_label.pop(name, None) for name in EMOTIONS)
        own = by_label or None
    # The databases do not know the numbers of NumPy.
    plain = [v if type(v) in _PLAIN else v.item() for v in values]
    return {**dict(zip(names, plain, strict=True)), "p_own": own}


_NO_EMOTION = (None,) * len(EMOTION_COLUMNS)


_PLAIN = frozenset({float, int, bool, str, type(None)})


@cache
def _columns(kind: type[FaceReading]) -> tuple[tuple[str, ...], attrgetter[tuple[Any, ...]]]:
    """Return the columns of a kind of reading, and a function that gives all but the emotions."""
    paths: dict[str, str] = {}
    for name in kind.__dataclass_fields__:
        paths |= _SPREAD.get(name) or ({name: name} if name in _READINGS.c else {})
    return (*paths, *EMOTION_COLUMNS), attrgetter(*paths.values())


def _count(connection: Connection, readings: Iterable[dict[str, Any]]) -> None:
    """Add new readings to the counts of their viewers."""
    counts = Counter(
        (
            row["viewer_id"],
            row["play_id"] is not None,
            row["withheld"] or ("uncertain" if row["uncertain"] else "certain"),
        )
        for row in readings
    )
    counts_table = cast("Table", ReadingCount.__table__)
    statement = upsert(connection, counts_table)
    statement = statement.on_conflict_do_update(
        index_elements=list(counts_table.primary_key.columns),
        set_={"readings": counts_table.c.readings + statement.excluded.readings},
    )
    connection.execute(
        statement,
        [
            {"viewer_id": viewer_id, "on_ad": on_ad, "sort": sort, "readings": number}
            for (viewer_id, on_ad, sort), number in counts.items()
        ],
    )


def add_shadow_counts(connection: Connection, session_id: int, record: ShadowRecord) -> None:
    """Add the counts of a shadow run to those of the same hour."""
    hour = record.at.replace(minute=0, second=0, microsecond=0)
    of_hour = {"session_id": session_id, "at": hour, "model_sha256": record.sha256}
    columns = ShadowCount.id, ShadowCount.label, ShadowCount.shadow_label
    known = {
        (label, shadow_label): row_id
        for row_id, label, shadow_label in connection.execute(select(*columns).filter_by(**of_hour))
    }
    for cell in record.cells:
        row_id = known.get((cell.label, cell.shadow_label))
        sums = dict(zip(cell._fields[2:], cell[2:], strict=True))
        if row_id is None:
            labels = {"label": cell.label, "shadow_label": cell.shadow_label}
            connection.execute(
                insert(ShadowCount).values(**of_hour, model=record.shadow_model, **labels, **sums)
            )
            continue
        added = {name: getattr(ShadowCount, name) + value for name, value in sums.items()}
        connection.execute(update(ShadowCount).where(ShadowCount.id == row_id).values(added))


def model_row_id(connection: Connection, model: ModelRecord) -> int:
    """Return the row of a model, which its contents name."""
    query = select(Model.id).where(Model.sha256 == model.sha256)
    values = {"name": model.name, "sha256": model.sha256, "card": dict(model.card)}
    return _known_id(connection, Model, query, values)


def ad_row_id(connection: Connection, ad: AdRecord) -> int:
    """Return the row of a version of an ad; its labels follow the latest playlist."""
    key = {"ad_id": ad.ad_id, "sha256": ad.sha256, "duration_ms": int(ad.duration_ms)}
    brand_at_s = [float(moment) for moment in ad.brand_at_s]
    labels = {"name": ad.name, "file": ad.file, "brand_at_s": brand_at_s}
    stored = select(Ad.id, Ad.name, Ad.file, Ad.brand_at_s).filter_by(**key)
    found = connection.execute(stored).one_or_none()
    if found is None:
        row_id = _known_id(
            connection, Ad, select(Ad.id).filter_by(**key), key | labels | {"kind": ad.kind}
        )
        found = connection.execute(stored.where(Ad.id == row_id)).one()
    # Not written without need: two hub processes that lock rows in another order would deadlock.
    if found[1:] != tuple(labels.values()):
        connection.execute(update(Ad).where(Ad.id == found.id).values(**labels))
    return int(found.id)


def _known_id(
    connection: Connection,
    table: type[Model | Ad],
    query: Select[tuple[int]],
    values: dict[str, Any],
) -> int:
    """Return the row that a query finds, inserted if there is none, by this or another session."""
    found = connection.scalar(query)
    if found is None:
        connection.execute(
            upsert(connection, cast("Table", table.__table__))
            .on_conflict_do_nothing()
            .values(**values)
        )
        found = connection.scalar(query)
    if found is None:
        raise LookupError(f"A row of {table.__tablename__} that was just inserted cannot be found.")
    return found


def upsert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT with a rule for a row that exists already."""
    return (
        postgresql.insert(table)
        if connection.dialect.name == "postgresql"
        else sqlite.insert(table)
    )


def _contradiction(what: str, expected: str, received: object) -> ValueError:
    return ValueError(f"Invalid {what}: expected {expected}, received {received}.")


def _new_id(result: Any) -> int:
    return int(result.inserted_primary_key[0])


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def _not_before(column: InstrumentedAttribute[datetime], moment: datetime) -> Any:
    """Return `moment`, or the start if a wall clock that was set back has put that after it."""
    return case((column > moment, column), else_=bindparam(None, moment, column.type))
