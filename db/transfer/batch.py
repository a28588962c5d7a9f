"""What many records have in common is looked up and written together.

A hub stores what fifty kiosks send at once. Asking the database for each row would cost hundreds of
round trips; this costs about fifteen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import bindparam, delete, exc, func, insert, select, tuple_, update

from db.schema import Exposure, ExposureSecond, Origin, Play, ReadingCount, Session, Viewer
from db.write.store import ad_row_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Table
    from sqlalchemy.engine import Connection

    from db.schema import Base
    from db.transfer.envelope import Envelope
    from db.write.records import AdRecord

    Record = dict[str, Any]
    Numbered = tuple[int, Record]
    """The number of a viewer, and a row about them."""


class Batch:
    """Rows that wait for `flush`, and what is known of the database.

    Args:
        connection: In a transaction that `db.engine.writing` has begun; after a failure nothing of
            it may be committed.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._origins: dict[tuple[str, str], tuple[int, int]] = {}
        self._sessions: dict[tuple[int, int], int] = {}
        self._ads: dict[AdRecord, int] = {}
        self._viewers: dict[tuple[int, int], Record] = {}
        self._counts: dict[tuple[int, int], list[Record]] = {}
        self._plays: dict[tuple[int, int], tuple[Record, list[Numbered], list[Numbered]]] = {}
        self._watermarks: dict[int, int] = {}

    def load(self, envelopes: Collection[Envelope]) -> None:
        """Look up, and lock, what envelopes are about; without it each asks for itself."""
        names = {(one.kiosk, one.epoch) for one in envelopes}
        origins = (
            select(Origin.kiosk, Origin.epoch, Origin.id, Origin.watermark)
            .where(*self._named((Origin.kiosk, Origin.epoch), names))
            # Processes lock in the same order, so that none waits for another in a circle.
            .order_by(Origin.kiosk, Origin.epoch)
            .with_for_update()
        )
        for kiosk, epoch, row_id, watermark in self._connection.execute(origins).tuples():
            self._origins[kiosk, epoch] = row_id, watermark
        numbers = {
            (self._origins[one.kiosk, record["epoch"]][0], int(record["session"]))
            for one in envelopes
            for record in one.records
            if "session" in record and (one.kiosk, record.get("epoch")) in self._origins
        }
        if numbers:
            sessions = select(Session.origin_id, Session.number, Session.id)
            named = self._named((Session.origin_id, Session.number), numbers)
            for origin_id, number, row_id in self._connection.execute(sessions.where(*named)):
                self._sessions[origin_id, number] = row_id

    def origin(self, kiosk: str, epoch: str) -> tuple[int, int] | None:
        """Return row id and watermark of an origin that `load` found."""
        return self._origins.get((kiosk, epoch))

    def session_id(self, origin_id: int, number: int) -> int | None:
        """Return the row of a session, if there is one."""
        key = (origin_id, number)
        if key not in self._sessions:
            named = (Session.origin_id == origin_id, Session.number == number)
            found = self._connection.scalar(select(Session.id).where(*named))
            if found is None:
                return None
            self._sessions[key] = found
        return self._sessions[key]

    def ad_row_id(self, ad: AdRecord) -> int:
        """Return the row of a version of an ad."""
        if ad not in self._ads:
            self._ads[ad] = ad_row_id(self._connection, ad)
        return self._ads[ad]

    def put_viewers(
        self, session_id: int, viewers: Iterable[Record], counts: Iterable[Numbered]
    ) -> None:
        """Store or replace viewers, with the counts of their readings."""
        numbers = set()
        for row in viewers:
            numbers.add(row["number"])
            self._viewers[session_id, row["number"]] = row
            self._counts[session_id, row["number"]] = []
        for number, row in counts:
            if number not in numbers:
                raise LookupError(f"viewer {number} is missing")
            self._counts[session_id, number].append(row)

    def put_play(
        self, session_id: int, row: Record, exposures: list[Numbered], seconds: list[Numbered]
    ) -> None:
        """Store or replace a play with its sums, of viewers that were put before."""
        for number, _ in (*exposures, *seconds):
            if (session_id, number) not in self._viewers:
                raise LookupError(f"viewer {number} is missing")
        self._plays[session_id, row["number"]] = row, exposures, seconds

    def move(self, origin_id: int, watermark: int) -> None:
        """Move the watermark of an origin."""
        self._watermarks[origin_id] = watermark

    def flush(self) -> None:
        """Write what waits; call it once, at the end.

        Raises:
            DBAPIError: A value is wrong, or the database failed.
        """
        viewers, old_viewers = self._store(Viewer, self._viewers)
        plays, old_plays = self._store(Play, {key: play[0] for key, play in self._plays.items()})
        self._replace(
            ReadingCount,
            ReadingCount.viewer_id,
            old_viewers,
            [
                row | {"viewer_id": viewers[key]}
                for key, rows in self._counts.items()
                for row in rows
            ],
        )
        for index, table in ((1, Exposure), (2, ExposureSecond)):
            sums = [
                row | {"play_id": plays[key], "viewer_id": viewers[key[0], number]}
                for key, play in self._plays.items()
                for number, row in cast("list[Numbered]", play[index])
            ]
            self._replace(table, table.play_id, old_plays, sums)
        if self._watermarks:
            origins = cast("Table", Origin.__table__)
            self._connection.execute(
                update(origins)
                .where(origins.c.id == bindparam("row"))
                .values(watermark=bindparam("mark")),
                [{"row": row, "mark": mark} for row, mark in sorted(self._watermarks.items())],
            )

    def _store(
        self, model: type[Viewer | Play], rows: Mapping[tuple[int, int], Record]
    ) -> tuple[dict[tuple[int, int], int], list[int]]:
        """Insert or update rows by session and number; return all ids, and those of old rows."""
        if not rows:
            return {}, []
        table = cast("Table", model.__table__)
        key = (table.c.session_id, table.c.number)
        query = select(*key, table.c.id).where(*self._named(key, rows))
        old = {(one[0], one[1]): one[2] for one in self._connection.execute(query)}
        if changed := [rows[name] | {"row": row_id} for name, row_id in old.items()]:
            statement = update(table).where(table.c.id == bindparam("row"))
            self._connection.execute(statement, changed)
        ids = dict(old)
        new = [row | {"session_id": name[0]} for name, row in rows.items() if name not in old]
        if not new:
            pass
        elif self._connection.dialect.driver == "psycopg":
            sequence = func.nextval(func.pg_get_serial_sequence(table.name, "id"))
            numbers = select(sequence).select_from(func.generate_series(1, len(new)))
            for row, row_id in zip(new, self._connection.scalars(numbers), strict=True):
                row["id"] = row_id
            _copy(self._connection, table, new)
            ids |= {(row["session_id"], row["number"]): row["id"] for row in new}
        else:
            added = insert(table).returning(*key, table.c.id)
            ids |= {(one[0], one[1]): one[2] for one in self._connection.execute(added, new)}
        return ids, list(old.values())

    def _named(
        self, columns: Sequence[Any], names: Collection[tuple[Any, ...]]
    ) -> list[ColumnElement[bool]]:
        """Return conditions for the rows whose columns have one of these values."""
        conditions: list[ColumnElement[bool]] = [tuple_(*columns).in_(list(names))]
        if self._connection.dialect.name == "sqlite":
            # For pairs it goes through the whole table, for single columns it uses the index.
            parts = zip(*names, strict=True)
            conditions += [
                column.in_(set(values)) for column, values in zip(columns, parts, strict=True)
            ]
        return conditions

    def _replace(
        self, model: type[Base], owner: Any, stale: Sequence[int], rows: Sequence[Record]
    ) -> None:
        if stale:
            self._connection.execute(delete(model).where(owner.in_(stale)))
        if not rows:
            return
        if self._connection.dialect.driver == "psycopg":
            _copy(self._connection, cast("Table", model.__table__), rows)
        else:
            names = _names(rows)
            complete = [{name: row.get(name) for name in names} for row in rows]
            self._connection.execute(insert(model), complete)


def _names(rows: Sequence[Record]) -> list[str]:
    """Return the columns of rows; those of an older program may lack one."""
    return list(dict.fromkeys(name for row in rows for name in row))


def _copy(connection: Connection, table: Table, rows: Sequence[Record]) -> None:
    """Insert by COPY, which takes a fifth of the time."""
    import psycopg  # noqa: PLC0415 (an extra)

    names = _names(rows)
    quote = connection.dialect.identifier_preparer.quote
    statement = f"COPY {quote(table.name)} ({', '.join(map(quote, names))}) FROM STDIN"
    driver: Any = connection.connection.driver_connection
    columns = []
    for name in names:
        values = [row.get(name) for row in rows]
        convert = (
            table.c[name].type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
        )
        columns.append(values if convert is None else map(convert, values))
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in zip(*columns, strict=True):
                copy.write_row(row)
    except psycopg.Error as error:
        raise exc.DBAPIError.instance(
            statement, None, error, psycopg.Error, dialect=connection.dialect
        ) from error
