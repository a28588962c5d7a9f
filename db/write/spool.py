"""Records that wait on disk while their database cannot be written.

A spool belongs to one session. It is one file, which only grows until all of it has been written to
the database:

    ab12cd34 {"session": {...}, "known": [...]}     the session, and what a new database would have
    to be told first 5f00aa91 [1041, {"type": "ReadingRecord", ...}]  one line for each record, with
    its number in the session 77c20b1e [1099, {"type": "PlayEnded", ...}, 57]  where some were lost
    before: how many by then 90cd1e44 {"end": {...}, "lost": 57}              how the session ended,
    if it came to that

Each line begins with its CRC-32, so that what a power cut has torn is told from what is whole, and
is left out. The number of the last record that a database holds is kept in that database
(`sessions.last_record`), in the transaction that wrote the record; so it does not matter when a
program dies between the two: no record is written twice.

The beginning of the room is taken from the disk when the session starts, so that a disk that fills
up later does not matter for a while. The file is readable for its owner only, and holds records,
which is to say numbers, and no picture.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from db.engine import sqlite_path
from db.write.records import ReadingRecord, decode
from db.write.records import encode as encoded

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy.engine import Engine

    from db.write.records import Record, SessionEnded, SessionRecord

logger = logging.getLogger(__name__)

LIMIT_BYTES = 256 << 20
"""About 600,000 readings: a day of a quiet place, two hours of a crowd."""

RESERVE_BYTES = 16 << 20
"""Taken from the disk in advance: about 40,000 readings."""

STRUCTURE_SHARE = 0.1
"""So much above the limit is kept for plays, gaps and ads: without them the readings that follow could not be stored."""

SUFFIX = ".spool"

_READ_BYTES = 1 << 20

Numbered: TypeAlias = "tuple[int, Record]"
"""A record and its number in its session, counted from 1."""


@dataclass(frozen=True, slots=True)
class SpoolPlace:
    """Where the spools of a database are.

    Attributes:
        folder: Made where it is missing.
        prefix: What the names of the spools of this database begin with, and no other's.
        limit_bytes: How large a spool may become, but for the structure's share.
        reserve_bytes: How much is taken from the disk in advance.
    """

    folder: Path
    prefix: str
    limit_bytes: int = LIMIT_BYTES
    reserve_bytes: int = RESERVE_BYTES

    @classmethod
    def of(
        cls, engine: Engine, folder: Path | None, limit_bytes: int = LIMIT_BYTES
    ) -> SpoolPlace | None:
        """The place for a database.

        Args:
            engine: Of the database.
            folder: Where it was asked for; `None` for beside the database.
            limit_bytes: How large a spool may become.

        Returns:
            `None` for a database on a server, where no folder was asked for.
        """
        path = sqlite_path(engine)
        if folder is None:
            return (
                None
                if path is None
                else cls(path.parent, path.name, limit_bytes, min(RESERVE_BYTES, limit_bytes))
            )
        # Databases of the same name may share a folder.
        address = engine.url.render_as_string(hide_password=True)
        name = f"{path.name if path else engine.url.database}-{hashlib.sha256(address.encode()).hexdigest()[:8]}"
        return cls(folder, name, limit_bytes, min(RESERVE_BYTES, limit_bytes))

    def name_for(self, session: SessionRecord, number: int) -> Path:
        """The file of a session; `number` counts up from 0 while a name is taken."""
        stamp = session.started_at.strftime("%Y%m%dT%H%M%S%f")
        return self.folder / f"{self.prefix}-{stamp}{f'-{number}' if number else ''}{SUFFIX}"

    def found(self) -> list[Path]:
        """All spools there are, oldest first; those of live programs are among them."""
        with suppress(OSError):
            return sorted(
                path
                for path in self.folder.iterdir()
                if path.name.startswith(f"{self.prefix}-") and path.name.endswith(SUFFIX)
            )
        return []


class Spool:
    """The spool of one session, open and locked; all calls come from one thread. Made by `create` or `adopt`.

    Attributes:
        path: The file.
        session: What the records in it belong to; `None` while it is empty.
        known: What a database that does not know the session has to be told before the records.
        ended: How the session ended, if that is in it.
        lost: Records of the session that were lost, as far as that is in it.
        waiting: Records in it.
        torn: Records in it that could not be read, and are lost.
    """

    def __init__(self, path: Path, descriptor: int, limit_bytes: int, reserve_bytes: int) -> None:
        self.path = path
        self.session: SessionRecord | None = None
        self.known: tuple[Record, ...] = ()
        self.ended: SessionEnded | None = None
        self.lost = 0
        self.waiting = 0
        self.torn = 0
        self._descriptor = descriptor
        self._closed = False
        self._limit = limit_bytes
        self._reserve = reserve_bytes
        self._start = 0
        self._end = 0
        self._torn_up_to = 0
        self._read_up_to: dict[int, int] = {}
        """Where the lines of the records end that `read` gave last, by their numbers."""

    @classmethod
    def create(cls, place: SpoolPlace, session: SessionRecord) -> Spool:
        """A new spool, with its room reserved where the file system can do that.

        Raises:
            OSError: It cannot be made.
        """
        place.folder.mkdir(parents=True, exist_ok=True)
        number = 0
        while True:
            path = place.name_for(session, number)
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                break
            except FileExistsError:
                number += 1
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            spool = cls(path, descriptor, place.limit_bytes, place.reserve_bytes)
            spool._take_room()
        except BaseException:
            # It is tried again for as long as the database is away, each time under another name.
            with suppress(OSError):
                path.unlink()
            os.close(descriptor)
            raise
        return spool

    @classmethod
    def adopt(cls, path: Path) -> Spool | None:
        """The spool that a dead program has left; `None` when a live one (this one included) holds it.

        Raises:
            OSError: It cannot be read.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            spool = cls(path, descriptor, 0, 0)
            spool._look_through()
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        return spool

    @property
    def empty(self) -> bool:
        """Whether no record waits in it."""
        return self._start >= self._end

    @property
    def size_bytes(self) -> int:
        """How much is written in it; what is only reserved does not count."""
        return self._end

    def append(
        self,
        session: SessionRecord,
        known: Sequence[Record],
        records: Collection[Numbered],
        lost: int = 0,
    ) -> int:
        """Add records; they are on the disk when this returns.

        Args:
            session: What the records belong to; written at the beginning of an empty spool, as is
                the next.
            known: What a database that does not know the session has to be told before.
            records: With their numbers, rising.
            lost: How many records of the session were lost before them.

        Returns:
            How many of them had no room and are lost: readings first.

        Raises:
            OSError: The disk fails; nothing was added.
        """
        lines = [] if self._end else [_head(session, known)]
        none = len(lines)
        size = self._end + sum(map(len, lines))
        told = self.lost
        for number, record in records:
            line = _line(
                b"[%d,%b%b]" % (number, encode(record), b"" if lost == told else b",%d" % lost)
            )
            limit = (
                self._limit
                if isinstance(record, ReadingRecord)
                else self._limit * (1 + STRUCTURE_SHARE)
            )
            if size + len(line) <= limit:
                lines.append(line)
                size += len(line)
                told = lost
            else:
                lost += 1
        added = len(lines) - none
        if added:
            self._write(lines)
            if none:
                self.session, self.known, self._start = session, tuple(known), len(lines[0])
            self.waiting += added
            self.lost = told
        return len(records) - added

    def append_end(
        self, session: SessionRecord, known: Sequence[Record], ended: SessionEnded, lost: int = 0
    ) -> None:
        """Add how the session ended, and how many of its records were lost; it is on the disk when this returns.

        Raises:
            OSError: The disk fails.
        """
        head = [] if self._end else [_head(session, known)]
        self._write([*head, _line(b'{"end":%b,"lost":%d}' % (encode(ended), lost))])
        self.ended, self.lost = ended, lost

    def read(self, count: int) -> list[Numbered]:
        """The first records that wait, at most so many; none when nothing that can be read is left.

        Raises:
            OSError: The disk fails.
        """
        found: list[Numbered] = []
        self._read_up_to.clear()
        for end, document in self._lines(self._start, self._end):
            if document is None:
                self._note_torn(end)
            elif isinstance(document, list):
                try:
                    found.append((int(document[0]), cast("Record", decode(document[1]))))
                except (ValueError, IndexError) as error:
                    logger.warning("A record in the spool %s cannot be read: %s", self.path, error)
                    self._note_torn(end)
                else:
                    self._read_up_to[found[-1][0]] = end
            if len(found) == count:
                break
        return found

    def _note_torn(self, end: int) -> None:
        if end > self._torn_up_to:
            self._torn_up_to = end
            self.torn += 1

    def forget(self, number: int) -> None:
        """The records up to this one, which `read` has just given, are in the database."""
        done = [n for n in self._read_up_to if n <= number]
        if done:
            self._start = self._read_up_to[done[-1]]
            self.waiting -= len(done)
        for n in done:
            del self._read_up_to[n]

    def skip(self) -> None:
        """Nothing in it waits any more, but the file stays as it is."""
        self._start = self._end
        self.waiting = 0

    def clear(self) -> None:
        """Empty the spool: what was in it is in the database, or lost."""
        self.session, self.known, self.ended = None, (), None
        self.lost = self.waiting = self._start = self._end = self._torn_up_to = 0
        self._read_up_to.clear()
        try:
            # Not only for the room: what is deleted from the database one day must not live on
            # here.
            os.ftruncate(self._descriptor, 0)
        except OSError as error:
            logger.warning("The spool %s cannot be emptied (%s).", self.path, error.strerror)
        self._take_room()

    def close(self, *, remove: bool) -> None:
        """Give the file up; a second call does nothing.

        Args:
            remove: Whether nothing in it is needed any more.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if remove:
                # Removed while still locked, so that nobody takes it up in between.
                self.path.unlink(missing_ok=True)
            else:
                os.ftruncate(self._descriptor, self._end)
        except OSError as error:
            logger.warning("The spool %s cannot be tidied up (%s).", self.path, error.strerror)
        finally:
            os.close(self._descriptor)

    def _take_room(self) -> None:
        if not self._reserve:
            return
        try:
            os.posix_fallocate(self._descriptor, 0, self._reserve)
        except OSError as error:
            logger.info("No room can be reserved for the spool %s (%s).", self.path, error.strerror)

    def _write(self, lines: Sequence[bytes]) -> None:
        view, place = memoryview(b"".join(lines)), self._end
        while view:
            written = os.pwrite(self._descriptor, view, place)
            view, place = view[written:], place + written
        os.fdatasync(self._descriptor)
        self._end = place

    def _look_through(self) -> None:
        """Find out what an adopted spool holds, up to its last line that is whole."""
        for end, document in self._lines(0, os.fstat(self._descriptor).st_size):
            if document is None:
                continue
            self._end = end
            if isinstance(document, list):
                self.waiting += 1
                self.lost = max(self.lost, *document[2:], 0)
            elif "end" in document:
                self.ended = cast("SessionEnded", decode(document["end"]))
                self.lost = max(self.lost, document.get("lost", 0))
            else:
                self.session = cast("SessionRecord", decode(document["session"]))
                self.known = tuple(cast("Record", decode(known)) for known in document["known"])
                self._start = end

    def _lines(self, start: int, stop: int) -> Iterator[tuple[int, Any]]:
        """The lines between two places: where each ends, and what it says; `None` where that cannot be read."""
        place, rest = start, b""
        while (at := place + len(rest)) < stop:
            part = os.pread(self._descriptor, min(_READ_BYTES, stop - at), at)
            if not part:
                return
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                place += len(line) + 1
                yield place, _parsed(line)
            if rest.startswith(b"\0"):
                # Room that is only reserved.
                return


def encode(record: Any) -> bytes:
    """Return a record as a line holds it."""
    return encoded(record).encode("ascii")


def _head(session: SessionRecord, known: Sequence[Record]) -> bytes:
    documents = b",".join(encode(record) for record in known)
    return _line(b'{"session":%b,"known":[%b]}' % (encode(session), documents))


def _line(text: bytes) -> bytes:
    return b"%08x %b\n" % (zlib.crc32(text), text)


def _parsed(line: bytes) -> Any:
    checksum, _, text = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(text):
        return None
    return json.loads(text)
