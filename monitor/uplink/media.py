"""The media of the hub's show on this machine: fetched in pieces, verified, bounded, deleted."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from detector.names import printable
from monitor.errors import MonitorError
from monitor.languages import lazy
from monitor.uplink.address import HubRefusedError, HubUnreachableError
from monitor.uplink.documents import PIECE_BYTES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from monitor.uplink.client import HubClient
    from monitor.uplink.documents import MediaEntry

MAX_DAMAGED = 3
"""How often a file may arrive damaged, or be missing on the hub, before its show is refused."""

PART = ".part"
_OURS = re.compile(rf"[0-9a-f]{{64}}\.[a-z0-9]{{1,10}}(?:{re.escape(PART)})?")


class ShowRefusedError(MonitorError):
    """The hub's show cannot be shown here, for a reason in one sentence; the one before goes on."""


class MediaFolder:
    """A folder of media that are named by their SHA-256.

    Args:
        path: The folder; it is made when it is needed.
        limit_bytes: What all of them may take.
    """

    def __init__(self, path: Path, limit_bytes: float) -> None:
        self.path = path
        self._limit = limit_bytes

    def has(self, entry: MediaEntry) -> bool:
        """Return whether a file is there, whole by its size; it was verified when it was fetched.

        Raises:
            ShowRefusedError: The disk cannot be read.
        """
        return self._size(self.path / entry.name) == entry.size

    def missing(self, entries: Iterable[MediaEntry]) -> list[MediaEntry]:
        """Return the files that are not there; raises as `has`."""
        return [entry for entry in entries if not self.has(entry)]

    def make_room(self, entries: Collection[MediaEntry], kept: Iterable[MediaEntry]) -> None:
        """Check that files can be fetched beside those that are kept.

        Raises:
            ShowRefusedError: They are larger than the limit, or would fill the disk.
        """
        all_bytes = sum({one.name: one.size for one in (*entries, *kept)}.values())
        if all_bytes > self._limit:
            own = sum(entry.size for entry in entries)
            sizes = {"needed": _size_text(all_bytes), "limit": _size_text(self._limit)}
            if all_bytes > own:
                raise ShowRefusedError(
                    lazy(
                        "The media need %(needed)s with those of the show before, and this kiosk "
                        "keeps %(limit)s at most (uplink.media_gb).",
                        **sizes,
                    )
                )
            raise ShowRefusedError(
                lazy(
                    "The media need %(needed)s, and this kiosk keeps %(limit)s at most "
                    "(uplink.media_gb).",
                    **sizes,
                )
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            disk = shutil.disk_usage(self.path)
        except OSError as error:
            raise self.unusable(error) from error
        needed = sum(
            entry.size - min(entry.size, self._size(self._part(entry)) or 0)
            for entry in self.missing(entries)
        )
        # The readings need room, too; a small disk would never have a gigabyte to spare.
        spare = min(1e9, 0.05 * disk.total)
        if needed and disk.free - needed < spare:
            raise ShowRefusedError(
                lazy(
                    "The disk is too full for the media: %(needed)s are to be fetched, "
                    "%(free)s are free, and %(spare)s have to stay free.",
                    needed=_size_text(needed),
                    free=_size_text(disk.free),
                    spare=_size_text(spare),
                )
            )

    def sweep(self, kept: Iterable[MediaEntry]) -> None:
        """Delete all but some files; what cannot be deleted is left for the next time."""
        names = {entry.name for entry in kept}
        with suppress(OSError):
            for file in list(self.path.iterdir()):
                if _OURS.fullmatch(file.name) and file.name.removesuffix(PART) not in names:
                    file.unlink(missing_ok=True)

    def is_intact(self, name: str) -> bool:
        """Return whether a file has the SHA-256 that it is named by; reads it whole."""
        try:
            with (self.path / name).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == name.partition(".")[0]
        except OSError:
            return False

    def forget(self, name: str) -> None:
        """Delete a damaged file."""
        with suppress(OSError):
            (self.path / name).unlink(missing_ok=True)

    def _part(self, entry: MediaEntry) -> Path:
        return self.path / (entry.name + PART)

    def _size(self, file: Path) -> int | None:
        try:
            return file.stat().st_size if file.is_file() else None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self.unusable(error) from error

    def unusable(self, error: OSError) -> ShowRefusedError:
        """Return an error of the disk in words."""
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return ShowRefusedError(lazy("The disk is full; free some space on the kiosk."))
        folder = printable(str(self.path))
        return ShowRefusedError(
            lazy(
                "The folder %(folder)s cannot be used (%(why)s).", folder=folder, why=error.strerror
            )
        )

    def download(self, entry: MediaEntry) -> Download:
        """Return what fetches a file, and goes on where an earlier attempt broke off."""
        return Download(self, entry, self._part(entry))


class Download:
    """A file on its way, in the part that has arrived; for one thread.

    Attributes:
        arrived: How many bytes are on the disk.
    """

    def __init__(self, folder: MediaFolder, entry: MediaEntry, part: Path) -> None:
        self.arrived = 0
        self._folder = folder
        self._entry = entry
        self._part = part
        self._hash = hashlib.sha256()
        self._is_open = False
        self._failed = 0

    def step(self, client: HubClient, key: str) -> bool:
        """Fetch one more piece; return whether the file is whole now.

        Raises:
            ShowRefusedError: The disk is full, or the file arrived damaged again and again.
            HubRefusedError, HubUnreachableError: The piece did not come; the next step tries again.
        """
        try:
            if not self._is_open:
                self._resume()
            if self.arrived < self._entry.size:
                self._fetch(client, key)
        except OSError as error:
            self._disk_failed(error)
        return self.arrived >= self._entry.size and self._finish()

    def _resume(self) -> None:
        self._hash, self.arrived = hashlib.sha256(), 0
        with suppress(FileNotFoundError), self._part.open("rb") as file:
            while block := file.read(1 << 20):
                self._hash.update(block)
                self.arrived += len(block)
        self._is_open = True
        if self.arrived > self._entry.size:
            self._start_over()

    def _fetch(self, client: HubClient, key: str) -> None:
        first = self.arrived
        last = min(first + PIECE_BYTES, self._entry.size) - 1
        with self._part.open("ab") as file:

            def take(block: bytes) -> None:
                try:
                    file.write(block)
                    file.flush()
                except OSError as error:
                    self._disk_failed(error)
                self._hash.update(block)
                self.arrived += len(block)

            try:
                total = client.media(self._entry.sha256, (first, last), key, take)
            except HubRefusedError as error:
                if error.status not in {404, 416}:
                    raise
                self._count(lazy("The hub does not have a file of the show"), str(error))
                if error.status == 416:
                    self._start_over()
                raise
        if total != self._entry.size:
            self._start_over()
            self._count(
                lazy("A file of the show is not as the hub described it"),
                lazy(
                    "expected %(expected)s bytes, received %(received)s",
                    expected=self._entry.size,
                    received=total,
                ),
            )
        elif self.arrived == first:
            raise HubUnreachableError(lazy("%(hub)s sent nothing of a file.", hub=client.hub))

    def _finish(self) -> bool:
        if self._hash.hexdigest() != self._entry.sha256:
            self._start_over()
            self._count(lazy("A file of the show arrives damaged"), lazy("its SHA-256 is wrong"))
            return False
        try:
            descriptor = os.open(self._part, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self._part.replace(self._part.with_name(self._entry.name))
        except OSError as error:
            self._disk_failed(error)
        return True

    def _start_over(self) -> None:
        self._is_open, self.arrived = False, 0
        self._part.unlink(missing_ok=True)

    def _count(self, what: str, why: str) -> None:
        self._failed += 1
        if self._failed >= MAX_DAMAGED:
            raise ShowRefusedError(
                lazy(
                    "%(what)s, %(count)s times in a row: %(name)s… (%(why)s).",
                    what=what,
                    count=MAX_DAMAGED,
                    name=self._entry.name[:12],
                    why=why,
                )
            )

    def _disk_failed(self, error: OSError) -> NoReturn:
        # The readings need the room more.
        with suppress(OSError):
            self._start_over()
        raise self._folder.unusable(error) from error


def _size_text(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
