"""Where the files of the library lie: a folder or a bucket, each named by its SHA-256.

Layout::

    3f/3fb2...e1                  a picture or clip
    _uploads/<uid>/000000         a part of a file that is on its way
    _writing/<random>             a file that is being written or checked
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from monitor.errors import MonitorError
from monitor.hub.file_place import UNFINISHED, FilePlace, flush_file
from monitor.languages import lazy
from monitor.settings.paths import default_hub_database, sqlite_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime, timedelta

    from pyarrow import fs

    from monitor.settings.models import HubSettings

UPLOADS = "_uploads"
BLOCK = 1 << 18
"""Bytes that are read or written at a time."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


class MediaStoreError(MonitorError):
    """The media store cannot be read or written, or lacks the file."""


class StoredFile(NamedTuple):
    """A file of the store: its SHA-256, or the uid of an upload, and when it was written."""

    name: str
    written_at: datetime | None


class MediaStore:
    """Pictures and videos by their SHA-256, and the parts of uploads; any thread may use it.

    Args:
        target: A folder, which is created when needed, or `s3://bucket/prefix`; see `FilePlace`.

    Attributes:
        target: As it was given.

    Raises:
        MediaStoreError: It is neither.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self._place = FilePlace(target, lazy("media store"), MediaStoreError)

    def put(self, file: Path, sha256: str) -> None:
        """Store a file; harmless if the store has it.

        Args:
            file: Whole, with that digest. One that `scratch` gave may be gone afterwards.
            sha256: 64 hexadecimal digits.

        Raises:
            MediaStoreError: It cannot be written.
        """
        path = self._path(sha256)
        if self._place.is_local and self._place.size_of(path) == file.stat().st_size:
            Path(path).touch()  # It is in use again, so nothing may take it for a leftover.
            return
        with self._place.replacing(path) as unfinished:
            if self._place.is_local:
                _move(file, Path(unfinished))
                return
            with file.open("rb") as source, self._place.files.open_output_stream(unfinished) as out:
                shutil.copyfileobj(source, out, 16 * BLOCK)

    def open_range(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of a file in blocks of at most `BLOCK`.

        Args:
            sha256: Of the file.
            start: First byte, from 0.
            end: Behind the last byte; `None` for the end of the file.

        Raises:
            MediaStoreError: There is no such file, or it cannot be read; raised before the first
                block is asked for, if it is known by then.
        """
        path = self._path(sha256)
        if self._place.size_of(path) is None:
            raise _missing(sha256)
        with self._place.explained():
            source = self._place.files.open_input_file(path)
        return self._blocks(source, start, end)

    def size(self, sha256: str) -> int:
        """Return the bytes of a file.

        Raises:
            MediaStoreError: There is no such file.
        """
        found = self._place.size_of(self._path(sha256))
        if found is None:
            raise _missing(sha256)
        return found

    def exists(self, sha256: str) -> bool:
        """Return whether there is such a file."""
        return self._place.size_of(self._path(sha256)) is not None

    def delete(self, sha256: str) -> None:
        """Delete a file; harmless if there is none."""
        self._place.delete(self._path(sha256))

    def stored(self) -> Iterator[StoredFile]:
        """Yield all files, in no order."""
        root = self._place.root
        for folder in self._place.listed(root):
            if re.fullmatch(r"[0-9a-f]{2}", folder.base_name):
                for info in self._place.listed(f"{root}/{folder.base_name}"):
                    if _SHA256.fullmatch(info.base_name):
                        yield StoredFile(info.base_name, info.mtime)

    @contextmanager
    def scratch(self, ending: str = "") -> Iterator[Path]:
        """Give the path of a file of this machine, which is deleted at the end of the block.

        It lies in the store where that is a folder, so that `put` need not copy it.

        Args:
            ending: Of its name, such as `.mp4`.
        """
        folder = Path(tempfile.gettempdir())
        if self._place.is_local:
            folder = Path(self._place.root) / UNFINISHED
            with self._place.explained():
                folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{uuid.uuid4().hex}{ending}"
        try:
            yield path
        finally:
            with suppress(OSError):
                path.unlink()

    def free_bytes(self) -> int | None:
        """Return how much more the disk of the store holds; `None` for a bucket."""
        if not self._place.is_local:
            return None
        folder = Path(self._place.root)
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        with self._place.explained():
            return shutil.disk_usage(folder).free

    # --- uploads ---

    def put_part(self, uid: str, number: int, content: bytes) -> None:
        """Store a part of an upload, in place of what was sent for it before."""
        path = self._part(uid, number)
        with self._place.explained():
            if self._place.is_local:
                self._place.files.create_dir(path.rpartition("/")[0])
            with self._place.files.open_output_stream(path) as out:
                out.write(content)

    def join(self, uid: str, sizes: Iterable[int], target: Path) -> str:
        """Write the parts of an upload behind each other into a file.

        Args:
            uid: Of the upload.
            sizes: Bytes of each part.
            target: The file.

        Returns:
            The SHA-256 of the whole.

        Raises:
            MediaStoreError: A part is missing or incomplete.
        """
        digest = hashlib.sha256()
        with self._place.explained(), target.open("wb") as out:
            for number, size in enumerate(sizes):
                path = self._part(uid, number)
                if self._place.size_of(path) != size:
                    raise MediaStoreError(
                        lazy("A part of the file did not arrive completely. Send the file again.")
                    )
                with self._place.files.open_input_stream(path) as source:
                    while block := source.read(4 * BLOCK):
                        out.write(block)
                        digest.update(block)
        return digest.hexdigest()

    def drop_parts(self, uid: str) -> None:
        """Delete the parts of an upload; harmless if there are none."""
        folder = f"{self._place.root}/{UPLOADS}/{_checked_uid(uid)}"
        if self._place.listed(folder):
            with self._place.explained(), suppress(FileNotFoundError):
                self._place.files.delete_dir(folder)

    def waiting_uploads(self) -> set[str]:
        """Return the uids of all uploads that have parts here."""
        found = self._place.listed(f"{self._place.root}/{UPLOADS}", recursive=True)
        tops = (info.path.rpartition(f"/{UPLOADS}/")[2].partition("/")[0] for info in found)
        return {name for name in tops if re.fullmatch(r"[0-9a-f]{32}", name)}

    def clean_up(self, older_than: timedelta) -> None:
        """Delete what processes that were killed left in the middle of writing, some time ago."""
        self._place.clean_up(older_than)

    def _path(self, sha256: str) -> str:
        if not _SHA256.fullmatch(sha256):
            raise MediaStoreError(
                lazy(
                    "Invalid name of a media file: expected 64 hexadecimal digits, received "
                    "%(name)s",
                    name=repr(sha256),
                )
            )
        return f"{self._place.root}/{sha256[:2]}/{sha256}"

    def _part(self, uid: str, number: int) -> str:
        return f"{self._place.root}/{UPLOADS}/{_checked_uid(uid)}/{number:06}"

    def _blocks(self, source: fs.NativeFile, start: int, end: int | None) -> Iterator[bytes]:
        with self._place.explained(), source:
            source.seek(start)
            left = source.size() - start if end is None else end - start
            while left > 0 and (block := source.read(min(left, BLOCK))):
                left -= len(block)
                yield block


def media_store(settings: HubSettings) -> MediaStore:
    """Return the store of a hub's settings, by default the folder `media` beside its database.

    Beside the default database, if the hub's is on a server.

    Raises:
        MediaStoreError: The settings name none.
    """
    if settings.media is not None:
        return MediaStore(settings.media)
    database = sqlite_file(settings.database) or Path(default_hub_database())
    return MediaStore(str(database.with_name("media")))


def _move(source: Path, target: Path) -> None:
    try:
        source.replace(target)
    except OSError:  # On another disk.
        shutil.copyfile(source, target)
    flush_file(target)


def _missing(sha256: str) -> MediaStoreError:
    return MediaStoreError(lazy("The media store has no file %(name)s.", name=sha256))


def _checked_uid(uid: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{32}", uid):
        raise MediaStoreError(
            lazy("Invalid upload: expected 32 hexadecimal digits, received %(uid)s.", uid=repr(uid))
        )
    return uid
