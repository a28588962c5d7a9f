"""A folder or a bucket of S3 that holds files of a hub: the lake, and the library's media.

Tested in `test_media_store.py` and `lake/test_store.py`.
"""

from __future__ import annotations

import os
import uuid
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pyarrow import fs

from monitor.languages import lazy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.errors import MonitorError

UNFINISHED = "_writing"
"""Folder of files that are being written; readers skip names that begin with an underscore."""


class FilePlace:
    """Files below a folder or the prefix of a bucket, each replaced at once.

    Args:
        target: A folder or `s3://bucket/prefix`. Keys, region and endpoint of a bucket come from
            AWS's usual variables and files; with AWS_NO_SIGN_REQUEST it is read without keys.
        what: The place in words, such as `lake`.
        error: What is raised if it cannot be used.

    Attributes:
        target: As it was given.
        files: The file system that it lies in.
        root: Its folder there.
        is_local: Whether it is a folder of this machine.

    Raises:
        MonitorError: The target is neither; of the class `error`.
    """

    def __init__(self, target: str, what: str, error: type[MonitorError]) -> None:
        self.target = target
        self._what = what
        self._error = error
        address = urlsplit(target)
        self.is_local = "://" not in target and bool(target)
        if self.is_local:
            self.files: fs.FileSystem = fs.LocalFileSystem()
            folder = Path(target).expanduser().absolute()
            if folder.exists() and not folder.is_dir():
                raise error(f"Invalid {what}: expected a folder, received the file {folder}.")
            self.root = str(folder)
        elif address.scheme == "s3" and address.netloc and "@" not in address.netloc:
            self.files = _bucket_files()
            self.root = f"{address.netloc}{address.path}".rstrip("/")
        else:
            raise error(
                f"Invalid {what}: expected a folder or s3://bucket/prefix, with the keys in AWS's "
                f"variables, received {target!r}."
            )

    @contextmanager
    def replacing(self, path: str) -> Iterator[str]:
        """Give the path of a new file, which replaces the one at `path` when the block ends well.

        That is one step in a folder and one copy in a bucket.
        """
        unfinished = f"{self.root}/{UNFINISHED}/{uuid.uuid4().hex}"
        with self.explained():
            try:
                if self.is_local:
                    for folder in (unfinished, path):
                        self.files.create_dir(folder.rpartition("/")[0])
                yield unfinished
                if self.is_local:
                    flush_file(Path(unfinished))
                self.files.move(unfinished, path)
            except BaseException:
                with suppress(OSError):
                    self.files.delete_file(unfinished)
                raise

    def listed(self, folder: str, *, recursive: bool = False) -> list[fs.FileInfo]:
        """Return what is in a folder; nothing if there is none."""
        with self.explained():
            found: list[fs.FileInfo] = self.files.get_file_info(
                fs.FileSelector(folder, allow_not_found=True, recursive=recursive)
            )
        return found

    def size_of(self, path: str) -> int | None:
        """Return the bytes of a file; `None` if there is none."""
        with self.explained():
            info = self.files.get_file_info(path)
        return info.size if info.type == fs.FileType.File else None

    def delete(self, path: str) -> None:
        """Delete a file; harmless if there is none."""
        with self.explained(), suppress(FileNotFoundError):
            self.files.delete_file(path)

    def clean_up(self, older_than: timedelta = timedelta(days=1)) -> None:
        """Delete what writers that were killed left behind some time ago."""
        old = datetime.now(UTC) - older_than
        for info in self.listed(f"{self.root}/{UNFINISHED}"):
            if info.type == fs.FileType.File and info.mtime is not None and info.mtime < old:
                self.delete(info.path)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn an error of the file system into one that says what to check."""
        try:
            yield
        except OSError as error:
            raise self._error(
                lazy(
                    "The %(kind)s %(place)s cannot be used (%(why)s); check the path, its "
                    "permissions and, for a bucket, AWS's variables for keys, region and "
                    "endpoint.",
                    kind=self._what,
                    place=self.target,
                    why=str(error).splitlines()[0],
                )
            ) from error


def flush_file(path: Path) -> None:
    """Make sure that a file survives a power cut before its name promises it."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _bucket_files() -> fs.S3FileSystem:
    place = os.environ
    endpoint = place.get("AWS_ENDPOINT_URL_S3") or place.get("AWS_ENDPOINT_URL") or ""
    scheme, _, host = endpoint.rpartition("://")
    unsigned = place.get("AWS_NO_SIGN_REQUEST", "").lower() in {"1", "yes", "true"}
    options = {
        "endpoint_override": host.rstrip("/"),
        "scheme": scheme or "https",
        "region": place.get("AWS_REGION") or place.get("AWS_DEFAULT_REGION"),
    }
    return fs.S3FileSystem(
        anonymous=unsigned,
        connect_timeout=10,
        request_timeout=60,
        **{name: value for name, value in options.items() if value},
    )
