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
import re
import zlib
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

from pyarrow import fs

from monitor.hub.file_place import FilePlace
from monitor.hub.lake.errors import LakeError
from monitor.languages import lazy

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES = ("cells", "plays")

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
        self._place = FilePlace(target, lazy("lake"), LakeError)
        self.target = target
        self.files = self._place.files
        self.root = self._place.root

    def days(self, table: str) -> list[date]:
        """Return the days of a table, in order."""
        found = self._place.listed(f"{self.root}/{table}")
        names = (info.base_name for info in found if info.type == fs.FileType.Directory)
        days = (match[1] for name in names if (match := _DAY.fullmatch(name)))
        return sorted(date.fromisoformat(day) for day in days)

    def parts(self, table: str, day: date) -> dict[str, tuple[int, int]]:
        """Return the files of a day, by path: which part, of how many."""
        found = {}
        for info in self._place.listed(f"{self.root}/{table}/day={day.isoformat()}"):
            if match := _PART.fullmatch(info.base_name):
                found[info.path] = (int(match[1]), int(match[2]))
        return found

    @contextmanager
    def replacing(self, table: str, day: date, part: int, of: int) -> Iterator[str]:
        """Give the path of a new file, which replaces that of a part when the block ends well."""
        folder = f"{self.root}/{table}/day={day.isoformat()}"
        name = f"part-{part:0{len(str(of - 1))}}-of-{of}.parquet"
        with self._place.replacing(f"{folder}/{name}") as path:
            yield path

    def delete(self, path: str) -> None:
        """Delete a file that is no longer true."""
        self._place.delete(path)

    def read_state(self) -> dict[str, Any]:
        """Return what the last writing noted; empty without any, or where it cannot be read."""
        path = f"{self.root}/{STATE}"
        with self._place.explained():
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
            self._place.replacing(f"{self.root}/{STATE}") as path,
            self.files.open_output_stream(path) as stream,
        ):
            stream.write(json.dumps(state, indent=2).encode())

    def clean_up(self) -> None:
        """Delete what writers that were killed left behind a day ago or longer."""
        self._place.clean_up()


def part_of(kiosk: str, parts: int) -> int:
    """Return the part that holds the rows of a kiosk, from 0."""
    return zlib.crc32(kiosk.encode()) % parts
