"""Store the records of another database, each exactly once.

An origin's watermark is the number of its last record that is stored here. It moves in the
transaction that stores the rows, and numbers up to it are skipped, so it does not matter how often
a record arrives. Rows are found by their names in their origin, so a record that is sent again
later brings a row up to date.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import delete, exc, insert, select, update

from db.hub.tables import Cell
from db.schema import (
    Exposure,
    ExposureSecond,
    Gap,
    Origin,
    Play,
    ReadingCount,
    Session,
    UtcDateTime,
    Viewer,
)
from db.transfer.envelope import HEX
from db.transfer.records import columns
from db.write.records import AdRecord, ModelRecord
from db.write.store import ad_row_id, model_row_id, upsert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

    from db.schema import Base
    from db.transfer.envelope import Envelope

    Record = dict[str, Any]


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


def take_in(connection: Connection, envelope: Envelope, screen_id: int, now: datetime) -> int:
    """Store the records of an envelope in their order, those that are stored already left out.

    Numbers without a record stand for rows that were deleted meanwhile.

    Args:
        connection: In a transaction that `db.engine.writing` has begun.
        envelope: From a kiosk that may speak for the screen.
        screen_id: To which new origins of that kiosk belong.
        now: When it arrived; aware.

    Returns:
        The new watermark of the origin.

    Raises:
        MissingRecordsError: Numbers before the first one were never stored.
        RecordError: One is not what it should be. After an error nothing may be committed.
    """
    origins = _Origins(connection, envelope.kiosk, screen_id, now)
    origin_id, watermark = origins.claim(envelope.epoch, envelope.base)
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
            try:
                _store(connection, origins, origin_id, record)
            except exc.DBAPIError as error:
                if not isinstance(error, exc.IntegrityError | exc.DataError):
                    raise
                raise RecordError(f"Record {number} cannot be stored ({error.orig}).") from error
            except _WRONG as error:
                raise RecordError(f"Record {number} cannot be stored ({error!r}).") from error
    if last > watermark:
        connection.execute(update(Origin).where(Origin.id == origin_id).values(watermark=last))
    return max(last, watermark)


class _Origins:
    """The epochs of one kiosk; a new one belongs to the screen that the kiosk speaks for."""

    def __init__(self, connection: Connection, kiosk: str, screen_id: int, now: datetime) -> None:
        self._connection = connection
        self._kiosk = kiosk
        self._new = {"created_at": now, "is_here": False, "screen_id": screen_id}
        self._ids: dict[str, int] = {}

    def claim(self, epoch: str, base: int) -> tuple[int, int]:
        """Return row id and watermark of an epoch; it is locked from then on."""
        self._insert(epoch, base)
        query = select(Origin.id, Origin.watermark).where(
            Origin.kiosk == self._kiosk, Origin.epoch == epoch
        )
        found = self._connection.execute(query.with_for_update()).tuples().one()
        self._ids[epoch] = found[0]
        return found

    def id_of(self, epoch: str) -> int:
        """Return the row id of an epoch, an earlier one or the one of the envelope."""
        if epoch not in self._ids:
            if not re.fullmatch(HEX, epoch):
                raise RecordError(f"invalid epoch {epoch!r}")
            self._insert(epoch, 0)
            query = select(Origin.id).where(Origin.kiosk == self._kiosk, Origin.epoch == epoch)
            self._ids[epoch] = self._connection.execute(query).scalar_one()
        return self._ids[epoch]

    def _insert(self, epoch: str, base: int) -> None:
        row = {"kiosk": self._kiosk, "epoch": epoch, "base": base, "watermark": base}
        self._connection.execute(
            upsert(self._connection, cast("Table", Origin.__table__))
            .on_conflict_do_nothing()
            .values(**row, **self._new)
        )


def _store(connection: Connection, origins: _Origins, sender: int, record: Record) -> None:
    kind = record["kind"]
    if kind == "cell":
        _store_cells(connection, sender, record)
        return
    origin_id = origins.id_of(record["epoch"])
    if kind == "session":
        session_id = _store_session(connection, origin_id, record)
    else:
        named = (Session.origin_id == origin_id, Session.number == int(record["session"]))
        found = connection.execute(select(Session.id).where(*named)).scalar_one_or_none()
        if found is None:
            raise RecordError(f"session {record['session']} was not sent before")
        session_id = found
    match kind:
        case "session" | "viewer":
            _store_viewers(connection, session_id, record)
        case "gap":
            key = {"session_id": session_id}
            row = _values(Gap, record["row"])
            _store_row(connection, Gap, key | {k: row[k] for k in ("started_at", "cause")}, row)
        case "play":
            _store_play(connection, session_id, record)
        case _:
            raise RecordError(f"unknown kind {kind!r}")


def _store_session(connection: Connection, origin_id: int, record: Record) -> int:
    model = record["model"]
    row = _values(Session, record["row"])
    row["model_id"] = None if model is None else model_row_id(connection, ModelRecord(**model))
    key = {"origin_id": origin_id, "number": int(record["session"])}
    stored = connection.execute(select(Session.id, Session.started_at).filter_by(**key)).first()
    if stored is not None and stored.started_at != row["started_at"]:
        # The kiosk's clock was set, which moved the whole session. Gaps have no other name than
        # their times; they follow.
        connection.execute(delete(Gap).where(Gap.session_id == stored.id))
    return _store_row(connection, Session, key, row)


def _store_cells(connection: Connection, origin_id: int, record: Record) -> None:
    hour = datetime.fromisoformat(record["hour"])
    connection.execute(delete(Cell).where(Cell.origin_id == origin_id, Cell.hour == hour))
    ads = [ad_row_id(connection, _ad(ad)) for ad in record["ads"]]
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
    return AdRecord(**ad | {"brand_at_s": tuple(ad["brand_at_s"])})


def _without_first(given: Record) -> Record:
    return {"columns": given["columns"][1:], "rows": [row[1:] for row in given["rows"]]}


def _store_play(connection: Connection, session_id: int, record: Record) -> None:
    row = _values(Play, record["row"])
    row |= {"ad_version_id": ad_row_id(connection, _ad(record["ad"])), "rolled_up": True}
    key = {"session_id": session_id, "number": row["number"]}
    play_id = _store_row(connection, Play, key, row)
    viewers = _store_viewers(connection, session_id, record)
    for table, name in ((Exposure, "exposures"), (ExposureSecond, "seconds")):
        connection.execute(delete(table).where(table.play_id == play_id))
        rows = _table_rows(table, record[name], viewers)
        if rows:
            connection.execute(insert(table), [row | {"play_id": play_id} for row in rows])


def _store_viewers(connection: Connection, session_id: int, record: Record) -> dict[int, int]:
    """Store the viewers of a record with their counts; return their row ids by number."""
    rows = _rows_of(Viewer, record["viewers"])
    numbers = [row["number"] for row in rows]
    if not rows:
        return {}
    viewers = cast("Table", Viewer.__table__)
    statement = upsert(connection, viewers)
    changed = {name: statement.excluded[name] for name in columns(Viewer) if name != "number"}
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[viewers.c.session_id, viewers.c.number], set_=changed
        ),
        [row | {"session_id": session_id} for row in rows],
    )
    of_session = select(Viewer.number, Viewer.id).where(Viewer.session_id == session_id)
    ids = dict(connection.execute(of_session.where(Viewer.number.in_(numbers))).tuples().all())
    connection.execute(delete(ReadingCount).where(ReadingCount.viewer_id.in_(ids.values())))
    if counts := _table_rows(ReadingCount, record["counts"], ids):
        connection.execute(insert(ReadingCount), counts)
    return ids


def _store_row(connection: Connection, table: type[Base], key: Record, values: Record) -> int:
    """Insert a row, or bring the one with this key up to date; return its id."""
    row_id = table.__table__.c.id
    found = connection.scalar(select(row_id).filter_by(**key).select_from(table))
    if found is not None:
        connection.execute(update(table).where(row_id == found).values(**values))
        return int(found)
    result = connection.execute(insert(table).values(**values | key))
    return int(result.inserted_primary_key[0])  # type: ignore[index]


def _table_rows(table: type[Base], given: Record, viewers: dict[int, int]) -> list[Record]:
    """The rows of a table whose first column is the number of a viewer."""
    numbers = [row[0] for row in given["rows"]]
    return [
        row | {"viewer_id": viewers[number]}
        for number, row in zip(numbers, _rows_of(table, _without_first(given)), strict=True)
    ]


def _rows_of(table: type[Base], given: Record) -> list[Record]:
    names: Sequence[str] = given["columns"]
    return [_values(table, dict(zip(names, row, strict=True))) for row in given["rows"]]


def _values(table: type[Base], row: Record) -> Record:
    """Return a row with its times; `RecordError` for a column that does not travel."""
    if unknown := row.keys() - set(columns(table)):
        raise RecordError(f"unknown columns {', '.join(sorted(map(str, unknown)))}")
    types = table.__table__.c
    return {
        name: datetime.fromisoformat(value)
        if value is not None and isinstance(types[name].type, UtcDateTime)
        else value
        for name, value in row.items()
    }
