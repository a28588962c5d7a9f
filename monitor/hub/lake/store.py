"""Where a lake lies: a folder or a bucket, and its files, each replaced at once.

Layout, which Hive, Spark, Trino and DuckDB read as partitions::

    cells/day=2026-11-28/part-00-of-04.parquet
    plays/day=2026-11-28/part-00-of-04.parquet
    _state.json

All rows of a kiosk in a day are in the part that its name chooses, and a day keeps the number of
parts with which it was first written. So a day is written again part by part, each under the same
name: whoever reads meanwhile sees every kiosk either as it was or as it is, none twice and none
missing. A file is written under a name that readers skip, then renamed, which is one step in a
folder and one copy in a bucket.
"""

from __future__ import annotations

import json
import os
import re
import uuid
import zlib
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pyarrow import fs

from monitor.hub.lake.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES = ("cells", "plays")

UNFINISHED = "_writing"
"""Folder of files that are being written; readers skip names that begin with an underscore."""

STATE = "_state.json"

_DAY = re.compile(r"day=(\d{4}-\d{2}-\d{2})")
_PART = re.compile(r"part-(\d+)-of-(\d+)\.parquet")


class Lake:
    """The files of a lake.

    Attributes:
        target: As it was given: a folder, or `s3://bucket/prefix`.
        files: The file system that it lies in.
        root: Its folder there.
    """

    def __init__(self, target: str) -> None:
        """Connect to a lake, which need not exist yet.

        Args:
            target: A folder or `s3://bucket/prefix`. Keys, region and endpoint of a bucket come
                from AWS's usual variables and files; with AWS_NO_SIGN_REQUEST it is read without
                keys.

        Raises:
            LakeError: It is neither.
        """
        self.target = target
        address = urlsplit(target)
        if "://" not in target and target:
            self.files: fs.FileSystem = fs.LocalFileSystem()
            self.root = str(Path(target).expanduser().absolute())
        elif address.scheme == "s3" and address.netloc and "@" not in address.netloc:
            self.files = _bucket_files()
            self.root = f"{address.netloc}{address.path}".rstrip("/")
        else:
            raise LakeError(
                "Invalid lake: expected a folder or s3://bucket/prefix, with the keys in AWS's "
                f"variables, received {target!r}."
            )

    def days(self, table: str) -> list[date]:
        """Return the days of a table, in order."""
        found = self._list(f"{self.root}/{table}")
        names = (info.base_name for info in found if info.type == fs.FileType.Directory)
        days = (match[1] for name in names if (match := _DAY.fullmatch(name)))
        return sorted(date.fromisoformat(day) for day in days)

    def parts(self, table: str, day: date) -> dict[str, tuple[int, int]]:
        """Return the files of a day, by path: which part, of how many."""
        found = {}
        for info in self._list(f"{self.root}/{table}/day={day.isoformat()}"):
            if match := _PART.fullmatch(info.base_name):
                found[info.path] = (int(match[1]), int(match[2]))
        return found

    @contextmanager
    def replacing(self, table: str, day: date, part: int, of: int) -> Iterator[str]:
        """Give the path of a new file, which replaces that of a part when the block ends well."""
        folder = f"{self.root}/{table}/day={day.isoformat()}"
        name = f"part-{part:0{len(str(of - 1))}}-of-{of}.parquet"
        with self._replacing(f"{folder}/{name}") as path:
            yield path

    def delete(self, path: str) -> None:
        """Delete a file that is no longer true."""
        with _explained(self.target):
            self.files.delete_file(path)

    def read_state(self) -> dict[str, Any]:
        """Return what the last writing noted; empty without any, or where it cannot be read."""
        path = f"{self.root}/{STATE}"
        with _explained(self.target):
            if self.files.get_file_info(path).type != fs.FileType.File:
                return {}
            with self.files.open_input_stream(path) as stream:
                text = stream.read()
        try:
            state = json.loads(text)
        except ValueError:
            return {}
        return state if isinstance(state, dict) else {}

    def write_state(self, state: dict[str, Any]) -> None:
        """Note how far the lake was written."""
        with (
            self._replacing(f"{self.root}/{STATE}") as path,
            self.files.open_output_stream(path) as stream,
        ):
            stream.write(json.dumps(state, indent=2).encode())

    def clean_up(self) -> None:
        """Delete what writers that were killed left behind a day ago or longer."""
        old = datetime.now(UTC) - timedelta(days=1)
        for info in self._list(f"{self.root}/{UNFINISHED}"):
            if info.mtime is not None and info.mtime < old:
                self.delete(info.path)

    @contextmanager
    def _replacing(self, path: str) -> Iterator[str]:
        unfinished = f"{self.root}/{UNFINISHED}/{uuid.uuid4().hex}"
        local = isinstance(self.files, fs.LocalFileSystem)
        with _explained(self.target):
            try:
                if local:
                    for folder in (unfinished, path):
                        self.files.create_dir(folder.rpartition("/")[0])
                yield unfinished
                if local:
                    _flush(unfinished)
                self.files.move(unfinished, path)
            except BaseException:
                with suppress(OSError):
                    self.files.delete_file(unfinished)
                raise

    def _list(self, folder: str) -> list[fs.FileInfo]:
        with _explained(self.target):
            found: list[fs.FileInfo] = self.files.get_file_info(
                fs.FileSelector(folder, allow_not_found=True)
            )
        return found


def part_of(kiosk: str, parts: int) -> int:
    """Return the part that holds the rows of a kiosk, from 0."""
    return zlib.crc32(kiosk.encode()) % parts


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


def _flush(path: str) -> None:
    """Make sure that a file survives a power cut before its name promises it."""
    with Path(path).open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def _explained(target: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LakeError(
            f"The lake {target} cannot be used ({str(error).splitlines()[0]}); check the path, its "
            "permissions and, for a bucket, AWS's variables for keys, region and endpoint."
        ) from error
