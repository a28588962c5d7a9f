"""Store the records of another database, each exactly once.

An origin's watermark is the number of its last record that is stored here. It moves in the
transaction that stores the rows, and numbers up to it are skipped, so it does not matter how often
a record arrives. Rows are found by their names in their origin, so a record that is sent again
later brings a row up to date.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Integer, delete, exc, insert, select, update

from db.hub.tables.intake import Cell
from db.schema import (
    Exposure,
    ExposureSecond,
    Gap,
    Origin,
    Play,
    ReadingCount,
    SafeText,
    Session,
    UtcDateTime,
    Viewer,
)
from db.transfer.batch import Batch
from db.transfer.envelope import HEX, MAX_NUMBER
from db.transfer.records import columns
from db.write.records import AdRecord, ModelRecord
from db.write.store import model_row_id, upsert

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

    from db.schema import Base
    from db.transfer.envelope import Envelope

    Record = dict[str, Any]


MAX_AD_MS = 24 * 3600 * 1000

_WRONG = (
    *(ArithmeticError, AttributeError, LookupError, TypeError, ValueError),
    exc.StatementError,
)
"""What is raised where a record has other contents than expected."""


class RecordError(ValueError):
    """A record is not as `db.transfer.records` describes it."""


class MissingRecordsError(Exception):
    """Records were left out on the way.

    Attributes:
        expected: The number from which they have to be sent again.
    """

    def __init__(self, expected: int) -> None:
        super().__init__(f"Records are missing: expected them from number {expected}.")
        self.expected = expected


def take_in(
    connection: Connection,
    envelope: Envelope,
    screen_id: int,
    now: datetime,
    batch: Batch | None = None,
) -> int:
    """Store the records of an envelope in their order, those that are stored already left out.

    Numbers without a record stand for rows that were deleted meanwhile.

    Args:
        connection: In a transaction that `db.engine.writing` has begun.
        envelope: From a kiosk that may speak for the screen.
        screen_id: To which new origins of that kiosk belong.
        now: When it arrived; aware.
        batch: Takes rows of several envelopes; the caller flushes it before the commit.

    Returns:
        The new watermark of the origin.

    Raises:
        MissingRecordsError: Numbers before the first one were never stored.
        RecordError: One is not what it should be. After an error nothing may be committed.
    """
    rows = Batch(connection) if batch is None else batch
    origins = _Origins(connection, envelope.kiosk, screen_id, now)
    origin_id, watermark = rows.origin(envelope.kiosk, envelope.epoch) or origins.claim(
        envelope.epoch, envelope.base
    )
    origins.ids[envelope.epoch] = origin_id
    first, last = envelope.first, envelope.last
    if first > watermark + 1:
        raise MissingRecordsError(watermark + 1)
    previous = first - 1
    for record in envelope.records:
        number = record.get("number")
        if not isinstance(number, int) or not previous < number <= last:
            raise RecordError(
                f"Invalid number of a record: expected {previous + 1} to {last}, received "
                f"{number!r}."
            )
        previous = number
        if number > watermark:
            with _explained(f"Record {number}"):
                _store(connection, origins, origin_id, record, rows)
    if last > watermark:
        rows.move(origin_id, last)
    if batch is None:
        with _explained(f"Something from record {first} to {last}"):
            rows.flush()
    return max(last, watermark)


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Raise `RecordError` for errors caused by the contents of records."""
    try:
        yield
    except exc.DBAPIError as error:
        if not isinstance(error, exc.IntegrityError | exc.DataError):
            raise
        raise RecordError(f"{what} cannot be stored ({error.orig}).") from error
    except _WRONG as error:
        raise RecordError(f"{what} cannot be stored ({error!r}).") from error


class _Origins:
    """The epochs of one kiosk; a new one belongs to the screen that the kiosk speaks for."""

    def __init__(self, connection: Connection, kiosk: str, screen_id: int, now: datetime) -> None:
        self._connection = connection
        self._kiosk = kiosk
        self._new = {"created_at": now, "is_here": False, "screen_id": screen_id}
        self.ids: dict[str, int] = {}

    def claim(self, epoch: str, base: int) -> tuple[int, int]:
        """Return row id and watermark of an epoch; it is locked from then on."""
        query = (
            select(Origin.id, Origin.watermark)
            .where(Origin.kiosk == self._kiosk, Origin.epoch == epoch)
            .with_for_update()
        )
        found = self._connection.execute(query).tuples().one_or_none()
        if found is None:
            self._insert(epoch, base)
            found = self._connection.execute(query).tuples().one()
        return found

    def id_of(self, epoch: str) -> int:
        """Return the row id of an epoch, an earlier one or the one of the envelope."""
        if epoch not in self.ids:
            if not re.fullmatch(HEX, epoch):
                raise RecordError(f"invalid epoch {epoch!r}")
            self._insert(epoch, 0)
            query = select(Origin.id).where(Origin.kiosk == self._kiosk, Origin.epoch == epoch)
            self.ids[epoch] = self._connection.execute(query).scalar_one()
        return self.ids[epoch]

    def _insert(self, epoch: str, base: int) -> None:
        row = {"kiosk": self._kiosk, "epoch": epoch, "base": base, "watermark": base}
        self._connection.execute(
            upsert(self._connection, cast("Table", Origin.__table__))
            .on_conflict_do_nothing()
            .values(**row, **self._new)
        )


def _store(
    connection: Connection, origins: _Origins, sender: int, record: Record, batch: Batch
) -> None:
    kind = record["kind"]
    if kind == "cell":
        _store_cells(connection, sender, record, batch)
        return
    origin_id = origins.id_of(record["epoch"])
    if kind == "session":
        session_id = _store_session(connection, origin_id, record)
    else:
        found = batch.session_id(origin_id, int(record["session"]))
        if found is None:
            raise RecordError(f"session {record['session']} was not sent before")
        session_id = found
    match kind:
        case "session" | "viewer":
            _put_viewers(session_id, record, batch)
        case "gap":
            key = {"session_id": session_id}
            row = _values(Gap, record["row"])
            _store_row(connection, Gap, key | {k: row[k] for k in ("started_at", "cause")}, row)
        case "play":
            _put_play(session_id, record, batch)
        case _:
            raise RecordError(f"unknown kind {kind!r}")


def _store_session(connection: Connection, origin_id: int, record: Record) -> int:
    model = record["model"]
    row = _values(Session, record["row"])
    _check_settings(row["settings"])
    row["model_id"] = None if model is None else model_row_id(connection, ModelRecord(**model))
    key = {"origin_id": origin_id, "number": int(record["session"])}
    stored = connection.execute(select(Session.id, Session.started_at).filter_by(**key)).first()
    if stored is not None and stored.started_at != row["started_at"]:
        # The kiosk's clock was set, which moved the whole session. Gaps have no other name than
        # their times; they follow.
        connection.execute(delete(Gap).where(Gap.session_id == stored.id))
    return _store_row(connection, Session, key, row)


def _check_settings(settings: Record) -> None:
    """Check what reports read of a session's settings."""
    for name in ("venue_type", "campaign", "timezone", "policy"):
        if not isinstance(settings.get(name) or "", str):
            raise RecordError(
                f"settings.{name}: expected text, received {repr(settings[name])[:100]}"
            )
    rate = settings.get("readings_per_second") or 0
    if type(rate) not in _KINDS[float] or not 0 <= rate <= MAX_NUMBER:
        raise RecordError(
            f"settings.readings_per_second: expected a number, received {rate!r:.100}"
        )
    for ad in settings.get("skipped_ads") or ():
        if not all(isinstance(ad[name], str) for name in ("ad_id", "reason")):
            raise RecordError(f"settings.skipped_ads: expected text, received {repr(ad)[:100]}")


def _store_cells(connection: Connection, origin_id: int, record: Record, batch: Batch) -> None:
    hour = _moment(record["hour"])
    connection.execute(delete(Cell).where(Cell.origin_id == origin_id, Cell.hour == hour))
    ads = [batch.ad_row_id(_ad(ad)) for ad in record["ads"]]
    numbers = [row[0] for row in record["cells"]["rows"]]
    rows = [
        row | {"origin_id": origin_id, "hour": hour, "ad_version_id": ads[number]}
        for number, row in zip(
            numbers, _rows_of(Cell, _without_first(record["cells"])), strict=True
        )
    ]
    if rows:
        connection.execute(insert(Cell), rows)


def _ad(ad: Record) -> AdRecord:
    found = AdRecord(**ad | {"brand_at_s": tuple(ad["brand_at_s"])})
    if found.duration_ms > MAX_AD_MS or max(found.brand_at_s, default=0.0) > MAX_AD_MS:
        raise RecordError(f"expected an ad of at most a day, received {found.duration_ms} ms")
    if not isinstance(found.name, str) or not isinstance(found.file, str):
        raise RecordError("expected the name and file of an ad as text")
    return found


def _without_first(given: Record) -> Record:
    return {"columns": given["columns"][1:], "rows": [row[1:] for row in given["rows"]]}


def _put_play(session_id: int, record: Record, batch: Batch) -> None:
    row = _values(Play, record["row"])
    row |= {"ad_version_id": batch.ad_row_id(_ad(record["ad"])), "rolled_up": True}
    _put_viewers(session_id, record, batch)
    sums = (
        _numbered(Exposure, record["exposures"]),
        _numbered(ExposureSecond, record["seconds"]),
    )
    batch.put_play(session_id, row, *sums)


def _put_viewers(session_id: int, record: Record, batch: Batch) -> None:
    counts = _numbered(ReadingCount, record["counts"])
    batch.put_viewers(session_id, _rows_of(Viewer, record["viewers"]), counts)


def _store_row(connection: Connection, table: type[Base], key: Record, values: Record) -> int:
    """Insert a row, or bring the one with this key up to date; return its id."""
    row_id = table.__table__.c.id
    found = connection.scalar(select(row_id).filter_by(**key).select_from(table))
    if found is not None:
        connection.execute(update(table).where(row_id == found).values(**values))
        return int(found)
    result = connection.execute(insert(table).values(**values | key))
    return int(result.inserted_primary_key[0])  # type: ignore[index]


def _numbered(table: type[Base], given: Record) -> list[tuple[int, Record]]:
    """The rows of a table whose first column is the number of a viewer, with that number."""
    numbers = [row[0] for row in given["rows"]]
    return list(zip(numbers, _rows_of(table, _without_first(given)), strict=True))


def _rows_of(table: type[Base], given: Record) -> list[Record]:
    names: Sequence[str] = given["columns"]
    times = _checked_times(table, names, given["rows"])
    rows = [dict(zip(names, row, strict=True)) for row in given["rows"]]
    for row in rows:
        for name in times:
            row[name] = _moment(row[name])
    return rows


def _values(table: type[Base], row: Record) -> Record:
    """Return a row with its times; raises as `_checked_times`."""
    times = _checked_times(table, list(row), [list(row.values())])
    return row | {name: _moment(row[name]) for name in times}


def _checked_times(
    table: type[Base], names: Sequence[str], rows: Sequence[Sequence[Any]]
) -> list[str]:
    """Return which columns hold times.

    Raises:
        RecordError: A column does not travel, or a value is not of its column's kind: SQLite would
            store it, and pages that show it would fail, those about other screens, too.
    """
    types = _travelling(table)
    if unknown := set(names) - types.keys():
        raise RecordError(f"unknown columns {', '.join(sorted(map(str, unknown)))}")
    for name, values in zip(names, zip(*rows, strict=True), strict=False):
        kind, largest = types[name]
        known = [value for value in values if value is not None]
        is_right = {*map(type, known)} <= _KINDS[kind]
        if is_right and kind in {int, float}:
            # Not so for NaN either.
            is_right = all(-largest <= value <= largest for value in known)
        if is_right and name == "sum_own":
            sums = [value for one in known for value in one.values()]
            is_right = {*map(type, sums)} <= _KINDS[float] and all(
                -largest <= value <= largest for value in sums
            )
        if not is_right:
            raise RecordError(f"{name}: expected {kind.__name__}, received {repr(known)[:100]}")
    return [name for name in names if types[name][0] is datetime]


_KINDS: dict[type, set[type]] = {
    int: {int},
    float: {int, float},
    bool: {bool},
    str: {str},
    dict: {dict},
    datetime: {str},
}
"""How JSON spells values of each kind."""


@cache
def _travelling(table: type[Base]) -> dict[str, tuple[type, int]]:
    """Return the columns that travel, each with its kind and the largest number in it."""
    found = {}
    for name in columns(table):
        column = table.__table__.c[name].type
        largest = 2**31 - 1 if type(column) is Integer else MAX_NUMBER
        own = datetime if isinstance(column, UtcDateTime) else str
        is_own = isinstance(column, UtcDateTime | SafeText)
        found[name] = own if is_own else column.python_type, largest
    return found


def _moment(value: str | None) -> datetime | None:
    """Return a time; a clock without a battery begins in 1970, and none shows the year 3000."""
    if value is None:
        return None
    moment = datetime.fromisoformat(value)
    if not 1970 <= moment.year < 3000:
        raise RecordError(f"expected a time from 1970 to 2999, received {value}")
    return moment
