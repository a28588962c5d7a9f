"""Read the archives that datasets are published in: no links, no paths outside, no bombs."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any, cast
from zipfile import BadZipFile, ZipFile

from detector.names import is_system_file, printable
from training.datasets.folders import MAX_FILE_BYTES, PICTURE_ENDINGS
from training.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

PACKED = (".xz", ".gz", ".bz2")
TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
ENDINGS = (".csv", *PACKED, ".zip", *TARS)
"""Of files that may be a dataset."""

TABLE_NAMES = ("fer2013.csv", "icml_face_data.csv")
"""Names of FER2013's table on Kaggle."""

MAX_FILES = 1_000_000
MAX_BYTES = 16 << 30
MAX_RATIO = 250
"""Text of numbers compresses about sevenfold; a higher ratio than this is a bomb."""

DAMAGE = (OSError, EOFError, RuntimeError, lzma.LZMAError, zlib.error, BadZipFile, tarfile.TarError)
"""What the readers raise for damaged, truncated and encrypted files."""


@dataclass(frozen=True)
class _Member:
    """A regular file in an archive; its size is what the archive claims."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]


def unreadable(what: str, path: Path, error: BaseException) -> DatasetError:
    """Return the error to raise for one of `DAMAGE`; `what` is the file's part, as `votes`."""
    return DatasetError(
        f"Cannot read the {what} {path}: {error}. Expected a whole file, plain or packed by its "
        "ending; fetch it again if it was cut off."
    )


def is_archive(path: Path) -> bool:
    """Return whether a file holds other files, by its name."""
    return path.name.lower().endswith((".zip", *TARS))


def holds_pictures(path: Path) -> bool:
    """Return whether an archive holds pictures rather than FER2013's table.

    Raises:
        DatasetError: It must not be read, see `unpacked_pictures`.
    """
    names = [PurePosixPath(member.name) for member in _members(path)]
    return any(name.suffix.lower() in PICTURE_ENDINGS.split() for name in names) and not any(
        name.name.lower() in TABLE_NAMES for name in names
    )


@contextmanager
def unpacked_pictures(path: Path) -> Iterator[Path]:
    """Unpack the pictures of an archive into a folder, which is deleted afterwards.

    Raises:
        DatasetError: It is damaged, or holds links, paths that lead outside, too many files, or
            more bytes than such an archive can hold.
    """
    with TemporaryDirectory(prefix="ad-monitor-dataset-") as name:
        folder = Path(name)
        left = _limit(path)
        for member in _members(path):
            if _ending(member.name) not in PICTURE_ENDINGS.split():
                continue
            target = folder / member.name
            target.parent.mkdir(parents=True, exist_ok=True)
            with member.open() as source, target.open("wb") as copy:
                # One byte more than a picture may have, so that the reader refuses it by its size.
                part = source.read(min(left, MAX_FILE_BYTES) + 1)
                copy.write(part)
            left -= len(part)
            if left < 0:
                raise _bomb(path)
        yield folder


@contextmanager
def open_table(path: Path) -> Iterator[BinaryIO]:
    """Open a CSV file: plain, packed by its ending, or the only one in an archive.

    Of several in an archive, the one in `TABLE_NAMES` is taken. Reading raises `DatasetError` if
    the file unpacks to more than such a file can hold.
    """
    openers: dict[str, Any] = {".xz": lzma.open, ".gz": gzip.open, ".bz2": bz2.open}
    ending = path.suffix.lower()
    if is_archive(path):
        names = [member.name for member in _members(path) if _ending(member.name) == ".csv"]
        by_name = {PurePosixPath(name).name.lower(): name for name in names}
        named = [by_name[name] for name in TABLE_NAMES if name in by_name]
        if not named and len(names) != 1:
            raise DatasetError(
                f"{path} must hold exactly one .csv file, but holds {len(names)}: unpack it "
                "and name the file, or the folder of pictures."
            )
        wanted = (named or names)[0]
        for member in _members(path):
            if member.name == wanted:
                with member.open() as packed:
                    yield _bounded(packed, path)
                return
    elif ending in openers:
        with openers[ending](path, "rb") as packed:
            yield _bounded(packed, path)
    else:
        with path.open("rb") as plain:
            yield plain


class _Bounded(io.RawIOBase):
    """Reads a packed file up to a limit."""

    def __init__(self, packed: IO[bytes], path: Path) -> None:
        self._packed, self._path, self._left = packed, path, _limit(path)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._packed.read(len(buffer))
        self._left -= len(part)
        if self._left < 0:
            raise _bomb(self._path)
        buffer[: len(part)] = part
        return len(part)


def _bounded(packed: IO[bytes], path: Path) -> BinaryIO:
    return cast("BinaryIO", io.BufferedReader(_Bounded(packed, path), 1 << 20))


def _limit(path: Path) -> int:
    return min(MAX_BYTES, max(100 << 20, MAX_RATIO * path.stat().st_size))


def _bomb(path: Path) -> DatasetError:
    return DatasetError(
        f"{path} unpacks to more than {_limit(path) >> 20:,} MiB, too much for its size; fetch it "
        "from its publisher."
    )


def _members(path: Path) -> Iterator[_Member]:
    """Yield the regular files of an archive, except system files; read each before the next one."""
    members = _zipped(path) if path.suffix.lower() == ".zip" else _tarred(path)
    for number, member in enumerate(members, 1):
        if number > MAX_FILES:
            raise DatasetError(
                f"{path} holds more than {MAX_FILES:,} files: unpack it, and name the folder."
            )
        # Windows writes its own separator.
        plain = PurePosixPath(member.name.replace("\\", "/"))
        if not plain.parts:
            continue
        if plain.is_absolute() or ".." in plain.parts or ":" in plain.parts[0]:
            raise _refused(path, member.name, "whose path leads outside")
        if not any(is_system_file(part) for part in plain.parts):
            yield _Member(str(plain), member.size, member.open)


def _zipped(path: Path) -> Iterator[_Member]:
    with ZipFile(path) as archive:
        for info in archive.infolist():
            if stat.S_ISLNK(info.external_attr >> 16):
                raise _refused(path, info.filename, "which is a link")
            if not info.is_dir() and info.filename:
                yield _Member(info.filename, info.file_size, lambda one=info: archive.open(one))  # type: ignore[misc]


def _tarred(path: Path) -> Iterator[_Member]:
    with tarfile.open(path, "r|*") as archive:
        for info in archive:
            # The list that it keeps of all members would fill the memory.
            archive.members = []  # type: ignore[attr-defined]
            if info.isdir() or not info.name:
                continue
            if not info.isreg():
                kind = "which is a link" if info.issym() or info.islnk() else "which is no file"
                raise _refused(path, info.name, kind)
            yield _Member(
                info.name,
                info.size,
                lambda one=info: cast("IO[bytes]", archive.extractfile(one)),  # type: ignore[misc]
            )


def _refused(path: Path, name: str, why: str) -> DatasetError:
    return DatasetError(
        f"The archive {path} is not safe to unpack: it holds {printable(name[:80])!r}, {why}; "
        "fetch it from its publisher, or unpack it yourself and name the folder."
    )


def _ending(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
