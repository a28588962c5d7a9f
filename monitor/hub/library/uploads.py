"""Uploads to the library: received in parts, checked, and turned into ads.

Parts lie in the media store, so any process of the hub takes the next one. Whatever is refused
leaves nothing there. Tested over HTTP, in `test_library_uploads.py`.
"""

from __future__ import annotations

import hashlib
import hmac
import zlib
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from ads.playlists.playlist_file import id_of
from db.engine import writing
from db.hub.audit import note
from db.hub.library import catalogue, uploads
from db.hub.library.contents import NewVersion, Shown
from monitor.errors import MonitorError
from monitor.hub.library.media_check import Examined, FileRefusedError, checked_name, examine
from monitor.languages import lazy

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

    from db.hub.library.contents import CreativeInfo, FolderInfo
    from db.hub.library.uploads import UploadInfo
    from db.hub.people.accounts import Account
    from monitor.hub.library.media_store import MediaStore

PART_BYTES = 2 << 20
"""Of every part but the last: what a slow line sends within the time for a request's body."""

MAX_OPEN = 40
"""Files that one account may be sending at a time."""

MAX_WAITING_FILES, MAX_OWN_FILES = 10, 4
"""Bytes of all files on their way, and of those of one account, in files of the largest size."""

MIN_FREE_BYTES = 500_000_000
"""What the disk must hold beyond a file, twice: its parts, and the whole."""

KEPT_FOR = timedelta(hours=24)
"""How long a file that broke off waits for its sender."""


class UploadLimitError(MonitorError):
    """There is no room for a file now; the message says when there is."""


class WrongPartError(MonitorError):
    """A part is not the next one, or was damaged on its way.

    Attributes:
        offset: From which byte on to send.
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


class UploadGoneError(MonitorError):
    """There is no such upload any more."""


class Target(NamedTuple):
    """Where a file goes: into a folder, as a new version of a creative if there is one."""

    folder: FolderInfo
    creative: CreativeInfo | None = None


class Stored(NamedTuple):
    """A creative and the number of its version that was stored."""

    uid: str
    number: int


class Uploads:
    """Takes files into the library; any thread may use it.

    Args:
        engine: The hub's database.
        store: For the files.
        max_bytes: Of one file.
    """

    def __init__(self, engine: Engine, store: MediaStore, max_bytes: int) -> None:
        self._engine = engine
        self._store = store
        self._max_bytes = max_bytes

    def begin(
        self, who: Account, target: Target, name: str, size: int, now: datetime, *, fingerprint: str
    ) -> UploadInfo:
        """Expect a file, or find it again where it broke off.

        Raises:
            FileRefusedError: Its name or size tells that it cannot become an ad.
            UploadLimitError: There is no room for it now.
        """
        name = checked_name(name)
        self._check_size(name, size)
        free = self._store.free_bytes()
        creative_id = None if target.creative is None else target.creative.id
        new = uploads.NewUpload(who.id, target.folder.id, creative_id, name, fingerprint, size)
        with writing(self._engine) as connection:
            found = uploads.begin(connection, new, now)
            count, own, waiting = uploads.waiting(connection, who.id)
            if count > MAX_OPEN:
                raise UploadLimitError(
                    lazy(
                        "You are sending %(most)s files already. Wait until some have arrived, or "
                        "remove those that broke off.",
                        most=MAX_OPEN,
                    )
                )
            full = free is not None and free < 2 * size + MIN_FREE_BYTES
            # A size is only said at first: nobody may keep all others out with it.
            full = full or own > MAX_OWN_FILES * self._max_bytes
            if full or waiting > MAX_WAITING_FILES * self._max_bytes:
                raise UploadLimitError(
                    lazy(
                        "The hub has no room for this file now. Try again later, or ask an "
                        "administrator to make room."
                    )
                )
        return found

    def receive(
        self, upload: UploadInfo, offset: int, content: bytes, checksum: str, now: datetime
    ) -> int:
        """Take the next part of a file.

        Args:
            upload: As it is now.
            offset: Byte of the file at which the part begins.
            content: `PART_BYTES`, or what is left.
            checksum: Of the content: `crc32` or `sha256`, a space, and hexadecimal digits.
            now: Aware.

        Returns:
            How many bytes have arrived.

        Raises:
            WrongPartError: It is another part, or damaged.
        """
        expected = min(PART_BYTES, upload.size - upload.received)
        if offset != upload.received or len(content) != expected or upload.problem is not None:
            raise WrongPartError(
                lazy(
                    "Expected the %(expected)s bytes from byte %(received)s on, received "
                    "%(count)s from byte %(offset)s on.",
                    expected=expected,
                    received=upload.received,
                    count=len(content),
                    offset=offset,
                ),
                upload.received,
            )
        if not _is_intact(content, checksum):
            raise WrongPartError(
                lazy(
                    "The part was damaged on its way, or its checksum is not one: expected "
                    '"crc32" or "sha256" and hexadecimal digits. Send it again.'
                ),
                upload.received,
            )
        self._store.put_part(upload.uid, offset // PART_BYTES, content)
        received = offset + len(content)
        with writing(self._engine) as connection:
            if not uploads.advance(connection, upload, received, now):
                raise WrongPartError(lazy("Another request has sent this part."), received)
        return received

    def finish(self, who: Account, upload: UploadInfo, target: Target, now: datetime) -> Stored:
        """Look into a file that has arrived, and store it as an ad.

        Raises:
            FileRefusedError: It cannot be shown. Nothing of it is left but the reason.
            WrongPartError: Not all of it is here.
            UploadGoneError: Another request has finished it.
        """
        if upload.received < upload.size:
            raise WrongPartError(
                lazy(
                    "Expected %(size)s bytes, received %(received)s.",
                    size=upload.size,
                    received=upload.received,
                ),
                upload.received,
            )
        whole, rest = divmod(upload.size, PART_BYTES)
        sizes = [PART_BYTES] * whole + [rest] * bool(rest)
        ending = Path(upload.file_name).suffix.lower()
        with self._store.scratch(ending) as path:
            sha256 = self._store.join(upload.uid, sizes, path)
            try:
                examined = examine(path, upload.file_name, sha256)
            except FileRefusedError as error:
                with writing(self._engine) as connection:
                    uploads.refuse(connection, upload, _english(error), now)
                self._store.drop_parts(upload.uid)
                raise
            self._store.put(path, sha256)
        with writing(self._engine) as connection:
            if not uploads.remove(connection, upload):
                raise UploadGoneError(lazy("This file has been stored already."))
            stored = _store(connection, who, target, examined, now)
        self._store.drop_parts(upload.uid)
        return stored

    def take_whole(
        self, who: Account, target: Target, name: str, source: IO[bytes], now: datetime
    ) -> Stored:
        """Store a file that came in one piece, from a form.

        Raises:
            FileRefusedError: It cannot be shown. Nothing of it is left.
        """
        name = checked_name(name)
        digest = hashlib.sha256()
        with self._store.scratch(Path(name).suffix.lower()) as path:
            with path.open("wb") as file:
                while block := source.read(1 << 20):
                    file.write(block)
                    digest.update(block)
            self._check_size(name, path.stat().st_size)
            examined = examine(path, name, digest.hexdigest())
            self._store.put(path, digest.hexdigest())
        with writing(self._engine) as connection:
            return _store(connection, who, target, examined, now)

    def abandon(self, upload: UploadInfo) -> None:
        """Forget a file that broke off or was refused."""
        with writing(self._engine) as connection:
            uploads.remove(connection, upload)
        self._store.drop_parts(upload.uid)

    def _check_size(self, name: str, size: int) -> None:
        if size <= 0:
            raise FileRefusedError(lazy("%(name)s is empty; copy the file again.", name=name))
        if size > self._max_bytes:
            raise FileRefusedError(
                lazy(
                    "%(name)s is too large: expected at most %(most)s GB, received %(size)s GB. "
                    "Convert it at a lower rate.",
                    name=name,
                    most=f"{self._max_bytes / 1e9:g}",
                    size=f"{size / 1e9:.1f}",
                )
            )


def _store(
    connection: Connection, who: Account, target: Target, found: Examined, now: datetime
) -> Stored:
    shown = Shown()
    if target.creative is not None:
        # Moments and duration are those of the file that it had.
        shown = replace(target.creative.newest.shown, brand_at_s=(), duration_s=None)
    name, sha256 = found.file_name, found.facts.sha256
    new = NewVersion(found.facts, name, who.name, shown, found.still, found.strip)
    after: dict[str, Any] = {"file": name, "sha256": sha256}
    if target.creative is not None:
        number = catalogue.add_version(connection, target.creative, new, now)
        what = f"ad {target.creative.ad_id}"
        note(connection, who.name, "library.version", what, now, after=after | {"version": number})
        return Stored(target.creative.uid, number)
    shown_name = ad_id = id_of(name)
    if who.role == "agency":
        # Else a number behind it would tell that another folder has an ad of this name.
        ad_id = f"{target.folder.name}: {ad_id}"[:240]
    uid = catalogue.create_creative(
        connection, target.folder, new, now, name=shown_name, ad_id=ad_id
    )
    after["folder"] = target.folder.name
    note(connection, who.name, "library.create", f"ad {ad_id}", now, after=after)
    return Stored(uid, 1)


def _is_intact(content: bytes, checksum: str) -> bool:
    kind, _, digits = checksum.strip().lower().partition(" ")
    found = {
        "crc32": lambda: f"{zlib.crc32(content):08x}",
        "sha256": lambda: hashlib.sha256(content).hexdigest(),
    }.get(kind, lambda: "")()
    return bool(found) and hmac.compare_digest(found.encode(), digits.strip().encode())


def _english(error: FileRefusedError) -> str:
    return str.__str__(error.args[0])
