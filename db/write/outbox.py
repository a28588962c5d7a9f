"""Records that wait on disk while their database cannot be written.

An outbox belongs to one session. It is a SQLite file of two tables:

    head(name, document)             the session, the known records, the count of losses, the end
    records(number, crc, document)   the records as JSON, numbered from 1 within the session

Records are added in one transaction, so a power cut leaves all of them or none; the checksum finds
what a failing disk has changed. Nothing is deleted while records wait: the number of the last
record in the database is stored there (`sessions.last_record`), in the transaction that wrote its
rows. So a program that dies between the two writes nothing twice, and another reader, such as an
upload, can follow the numbers as well.

The first part of the file is allocated when the session starts, so a disk that fills up later does
not matter for a while. Only the owner can read the file. It holds numbers, and no picture.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
import sqlite3
import zlib
from bisect import bisect_right
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

from db.engine import sqlite_path
from db.write.lock import lock_file
from db.write.records import ReadingRecord, Record, decode, encode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy.engine import Engine

    from db.write.records import SessionEnded, SessionRecord

logger = logging.getLogger(__name__)

LIMIT_BYTES = 256 << 20
"""About 600,000 readings: a day of a quiet place, two hours of a crowd."""

RESERVE_BYTES = 16 << 20
"""Allocated in advance: about 40,000 readings."""

SUFFIX = ".spool"
JOURNAL = "-journal"

_SCHEMA = """;
CREATE TABLE IF NOT EXISTS head (name TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS records
    (number INTEGER PRIMARY KEY, crc INTEGER NOT NULL, document TEXT NOT NULL);
"""

Numbered: TypeAlias = tuple[int, Record]
"""A record and its number in its session, from 1."""


@dataclass(frozen=True, slots=True)
class OutboxPlace:
    """Where the outboxes of a database are.

    Attributes:
        folder: Created if it is missing.
        prefix: Start of the file names; unique to this database.
        limit_bytes: How large an outbox may become.
        reserve_bytes: How much of the disk is allocated in advance.
    """

    folder: Path
    prefix: str
    limit_bytes: int = LIMIT_BYTES
    reserve_bytes: int = RESERVE_BYTES

    @classmethod
    def of(cls, engine: Engine, folder: Path | None) -> OutboxPlace | None:
        """Return the place for a database, by default beside it; a server has none by default."""
        path = sqlite_path(engine)
        if folder is None:
            return None if path is None else cls(path.parent, path.name)
        # Databases of the same name may share a folder.
        address = engine.url.render_as_string(hide_password=True)
        name = path.name if path else engine.url.database
        return cls(folder, f"{name}-{hashlib.sha256(address.encode()).hexdigest()[:8]}")

    def name_for(self, session: SessionRecord, number: int) -> Path:
        stamp = session.started_at.strftime("%Y%m%dT%H%M%S%f")
        return self.folder / f"{self.prefix}-{stamp}{f'-{number}' if number else ''}{SUFFIX}"

    def found(self) -> list[Path]:
        """Return all outboxes, oldest first, those of live programs included."""
        return [path for path in self.files() if path.suffix == SUFFIX]

    def files(self) -> list[Path]:
        """Return all outboxes and their journals."""
        with suppress(OSError):
            return sorted(
                path
                for path in self.folder.iterdir()
                if path.name.startswith(f"{self.prefix}-")
                and path.name.endswith((SUFFIX, SUFFIX + JOURNAL))
            )
        return []


class Outbox:
    """The outbox of one session, open and locked, from `create` or `resume`; for one thread.

    Attributes:
        session: The session of the records; `None` if the file holds nothing.
        known: What a database that does not know the session needs before the records.
        ended: How the session ended, if that is known.
        lost: Records of the session that were lost and counted in the outbox.
        waiting: Records in it that are not in the database yet.
        unreadable: Records in it that could not be read, and are lost.
    """

    def __init__(self, path: Path, descriptor: int, place: OutboxPlace | None = None) -> None:
        self.path = path
        self.session: SessionRecord | None = None
        self.known: tuple[Record, ...] = ()
        self.ended: SessionEnded | None = None
        self.lost = self.waiting = self.unreadable = self.size_bytes = 0
        self._journal = path.with_name(path.name + JOURNAL)
        self._descriptor = descriptor
        self._place = place
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self._done = 0  # number of the last record in the database
        self._checked = 0  # number up to which unreadable records are counted
        self._last_read: list[int] = []

    @classmethod
    def create(cls, place: OutboxPlace, session: SessionRecord) -> Outbox:
        """Create an outbox, or raise `OSError`."""
        place.folder.mkdir(parents=True, exist_ok=True)
        number = 0
        while True:
            path = place.name_for(session, number)
            try:
                descriptor = lock_file(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
                break
            except FileExistsError:
                number += 1
            except BaseException:
                path.unlink(missing_ok=True)
                raise
        if descriptor is None:
            raise OSError(errno.EAGAIN, "it was locked by another program at once")
        outbox = cls(path, descriptor, place)
        outbox.session = session
        try:
            outbox._connect()
        except BaseException:
            # It is tried again while the database is away, each time under another name.
            outbox.close(remove=True)
            raise
        return outbox

    @classmethod
    def resume(cls, path: Path) -> Outbox | None:
        """Open an outbox, or raise `OSError` or `ValueError`; `None` if a live program holds it.

        A file of zeros holds nothing: version 0.1 allocated its spools so.
        """
        descriptor = lock_file(path, os.O_RDWR)
        if descriptor is None:
            return None
        outbox = cls(path, descriptor)
        try:
            # A journal may still restore what the file held.
            if not outbox._journal.exists() and _is_of_zeros(descriptor):
                return outbox
            if re.match(rb"[0-9a-f]{8} \{", os.pread(descriptor, 10, 0)):
                raise ValueError(
                    "version 0.1 has written it; run that version once, or delete the file"
                )
            with _disk_errors():
                outbox._connection = _connect(path)
                outbox._read_head(outbox._connection)
        except BaseException:
            outbox.close(remove=False)
            raise
        return outbox

    def append(self, known: Sequence[Record], records: Collection[Numbered], lost: int = 0) -> int:
        """Add records durably.

        Args:
            known: What a database that does not know the session needs before the first record.
            records: With their numbers, rising.
            lost: How many records of the session were lost before them.

        Returns:
            How many of them had no room and are lost: readings first.

        Raises:
            OSError: The disk fails; nothing was added.
        """
        limit = LIMIT_BYTES if self._place is None else self._place.limit_bytes
        rows, size = [], self.size_bytes
        for number, record in records:
            document = encode(record)
            # Plays, gaps and ads get some more room: the readings after them need them.
            room = limit if isinstance(record, ReadingRecord) else 1.1 * limit
            needed = len(document) + 12  # the row around it
            if size + needed <= room:
                rows.append((number, zlib.crc32(document.encode()), document))
                size += needed
        refused = len(records) - len(rows)
        if rows or lost + refused != self.lost:
            with self._adding(known, lost + refused) as connection:
                # A commit whose answer was lost may have added them already.
                connection.executemany("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", rows)
        self.size_bytes = size
        self.waiting += len(rows)
        return refused

    def append_end(self, known: Sequence[Record], ended: SessionEnded, lost: int = 0) -> None:
        """Add durably how the session ended, or raise `OSError`."""
        with self._adding(known, lost) as connection:
            _write_head(connection, end=encode(ended))
        self.ended = ended

    def read(self, count: int) -> list[Numbered]:
        """Return the first records that wait, at most `count`, or raise `OSError`."""
        found: list[Numbered] = []
        self._last_read = []
        try:
            with _disk_errors():
                for number, crc, document in self._open().execute(
                    "SELECT * FROM records WHERE number > ? ORDER BY number", (self._done,)
                ):
                    self._last_read.append(number)
                    record = self._decoded(crc, document)
                    if record is not None:
                        found.append((number, record))
                        if len(found) == count:
                            break
                    elif number > self._checked:
                        self.unreadable += 1
                    self._checked = max(self._checked, number)
        except ValueError as error:
            logger.warning("The outbox %s is damaged (%s).", self.path, error)
            if not found:
                self.unreadable += self.waiting
        return found

    def forget(self, number: int) -> None:
        """Note that the records up to this one, from the last `read`, are in the database."""
        count = bisect_right(self._last_read, number)
        self.waiting -= count
        self._done = max(self._done, number)
        del self._last_read[:count]

    def clear(self) -> None:
        """Empty it: the records are in the database, and must not outlive their deletion there."""
        self._disconnect()
        self.known, self.ended = (), None
        self.lost = self.waiting = self.unreadable = self.size_bytes = self._checked = 0
        try:
            self._journal.unlink(missing_ok=True)
            os.ftruncate(self._descriptor, 0)
            self._connect()
        except OSError as error:
            logger.warning("The outbox %s cannot be emptied (%s).", self.path, error.strerror)

    def close(self, *, remove: bool) -> None:
        """Release the file, or remove it; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._disconnect()
        try:
            if remove:
                # Removed while still locked, so no other program resumes it in between.
                self._journal.unlink(missing_ok=True)
                self.path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("The outbox %s cannot be removed (%s).", self.path, error.strerror)
        finally:
            # Last: closing any descriptor of a file ends SQLite's locks on it.
            os.close(self._descriptor)

    def _connect(self) -> None:
        with _disk_errors():
            self._connection = _connect(self.path)
        reserve = 0 if self._place is None else self._place.reserve_bytes
        if not reserve:
            return
        try:
            # SQLite goes by the size in the header, and fills the rest of the file.
            os.posix_fallocate(self._descriptor, 0, reserve)
            with self._journal.open("rb+") as journal:
                os.posix_fallocate(journal.fileno(), 0, 256 << 10)  # a commit changes few pages
        except OSError as error:
            logger.info("No room can be reserved for %s (%s).", self.path, error.strerror)

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connect()
        return cast("sqlite3.Connection", self._connection)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextmanager
    def _adding(self, known: Sequence[Record], lost: int) -> Iterator[sqlite3.Connection]:
        """Open a transaction that also writes the head, and what is known before the first."""
        with _disk_errors(), self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            begins = self.size_bytes == 0 and self.ended is None and self.session is not None
            if begins:
                documents = json.dumps([json.loads(encode(record)) for record in known])
                session = encode(cast("SessionRecord", self.session))
                _write_head(connection, session=session, known=documents)
            _write_head(connection, lost=str(lost))
            yield connection
        if begins:
            self.known = tuple(known)
        self.lost = lost

    def _read_head(self, connection: sqlite3.Connection) -> None:
        head = {
            name: json.loads(document)
            for name, document in connection.execute("SELECT name, document FROM head")
        }
        if "session" in head:
            self.session = cast("SessionRecord", decode(head["session"]))
            self.known = tuple(cast("Record", decode(known)) for known in head["known"])
        if "end" in head:
            self.ended = cast("SessionEnded", decode(head["end"]))
        self.lost = head.get("lost", 0)
        try:
            for _ in connection.execute("SELECT number FROM records ORDER BY number"):
                self.waiting += 1
        except sqlite3.DatabaseError as error:
            text = "The outbox %s is damaged (%s); %d records in it can be read."
            logger.warning(text, self.path, error, self.waiting)

    def _decoded(self, crc: int, document: str) -> Record | None:
        if zlib.crc32(document.encode()) != crc:
            return None
        try:
            return cast("Record", decode(json.loads(document)))
        except ValueError as error:
            logger.warning("A record in the outbox %s cannot be read: %s", self.path, error)
            return None


def _is_of_zeros(descriptor: int) -> bool:
    """Whether a file holds zeros alone, to its end."""
    size = os.fstat(descriptor).st_size
    parts = (os.pread(descriptor, 1 << 20, begin) for begin in range(0, size, 1 << 20))
    return size > 0 and not any(part.strip(b"\0") for part in parts)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        # A journal that stays needs no room on a full disk.
        connection.executescript(
            "PRAGMA journal_mode = PERSIST; PRAGMA synchronous = FULL" + _SCHEMA
        )
    except BaseException:
        connection.close()
        raise
    return connection


def _write_head(connection: sqlite3.Connection, **documents: str) -> None:
    connection.executemany("INSERT OR REPLACE INTO head VALUES (?, ?)", documents.items())


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Turn SQLite's errors into OSError, and damage into ValueError."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise OSError(errno.EIO, str(error)) from error
    except sqlite3.DatabaseError as error:
        raise ValueError(str(error)) from error
