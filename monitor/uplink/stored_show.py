"""What the hub wants this screen to show, as it lies on the kiosk's disk.

The signed document is the truth, and is verified each time it is read. The playlist file is made
from it, in the form that `ads.playlists` reads.
"""

from __future__ import annotations

import logging
import os
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import yaml
from boltons.fileutils import atomic_save
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from db.hub.digests import key_digest
from db.write.lock import lock_file
from monitor.errors import MonitorError
from monitor.languages import lazy
from monitor.settings.paths import hub_folder
from monitor.uplink.documents import DesiredDocument, DocumentError, SignedDocument, verify
from monitor.uplink.key_file import KeyFileError, key_path, lock_path_of, read_key

if TYPE_CHECKING:
    from pathlib import Path

    from ads.show.blocks import Block
    from monitor.uplink.key_file import HubKey

logger = logging.getLogger(__name__)

MEDIA = "media"

MAX_FILE_BYTES = 8 << 20
"""Of a stored document; what a hub sends is smaller."""


class StoredShow(BaseModel):
    """A document that was applied.

    Attributes:
        signed: As the hub sent it.
        since: When it was applied.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    signed: SignedDocument
    since: AwareDatetime


class ShowFolder:
    """The folder beside a kiosk's database for what its hub sends.

    Attributes:
        path: The folder; it need not exist.
        playlist: The playlist of the hub's show.
        media: The folder of its media.
        document: The document that was applied.
    """

    def __init__(self, database: Path) -> None:
        self.path = hub_folder(database)
        self.playlist = self.path / "playlist.yaml"
        self.media = self.path / MEDIA
        self.document = self.path / "desired.json"
        self._next = self.path / "playlist-next.yaml"

    def read(self, key: HubKey) -> tuple[DesiredDocument, datetime] | None:
        """Return the document that was applied, and since when; `None` if there is none.

        Raises:
            DocumentError: It was changed, or is not for this key.
            OSError: It cannot be read.
        """
        try:
            with self.document.open("rb") as file:
                stored = StoredShow.model_validate_json(file.read(MAX_FILE_BYTES))
        except FileNotFoundError:
            return None
        except ValidationError:
            raise DocumentError(f"{self.document} is damaged.") from None
        return verified(stored.signed, key), stored.since

    def write_candidate(self, document: DesiredDocument) -> Path:
        """Write the playlist of a document to be tried; return its file.

        Raises:
            OSError: It cannot be written.
        """
        self._write(self._next, playlist_text(document))
        return self._next

    def store(self, signed: SignedDocument, document: DesiredDocument) -> datetime:
        """Make a document the one that is applied; return since when.

        A kill in between leaves the document before, from which `restore` makes its playlist again.

        Raises:
            OSError: It cannot be written; the one before stays.
        """
        now = datetime.now(UTC).replace(microsecond=0)
        if document.playlist is not None:
            self._write(self.playlist, playlist_text(document))
        stored = StoredShow(signed=signed, since=now)
        self._write(self.document, stored.model_dump_json(indent=1) + "\n")
        with suppress(OSError):
            self._next.unlink(missing_ok=True)
            if document.playlist is None:
                self.playlist.unlink(missing_ok=True)
        return now

    def restore(self, document: DesiredDocument) -> Path | None:
        """Write the playlist of the applied document again if need be; return it, if it has one.

        Raises:
            OSError: It cannot be written.
        """
        if document.playlist is None:
            return None
        text = playlist_text(document)
        present = None
        with suppress(OSError, UnicodeDecodeError):
            present = self.playlist.read_text(encoding="utf-8")
        if present != text:
            self._write(self.playlist, text)
        return self.playlist

    def files(self) -> list[Path]:
        """Return all files in the folder."""
        return sorted(path for path in self.path.rglob("*") if path.is_file())

    def delete(self) -> None:
        """Delete the folder; harmless when repeated.

        Raises:
            OSError: It cannot be deleted.
        """
        with suppress(FileNotFoundError):
            shutil.rmtree(self.path)

    def _write(self, file: Path, text: str) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        with atomic_save(
            str(file), text_mode=True, file_perms=0o600, overwrite_part=True
        ) as opened:
            opened.write(text)


def verified(signed: SignedDocument, key: HubKey) -> DesiredDocument:
    """Return the document that the hub signed for this kiosk's screen.

    Raises:
        DocumentError: It was changed, or is for another kiosk or screen.
    """
    document = verify(signed, key_digest(key.key))
    if document.screen != key.screen:
        raise DocumentError(lazy("The hub's document is for another screen."))
    return document


def playlist_text(document: DesiredDocument) -> str:
    """Return the playlist of a document as a playlist file beside the folder of its media."""
    body: dict[str, Any] = {**(document.playlist or {}), "media_root": MEDIA}
    head = f"# From the hub, version {document.version}; do not edit: it is written again.\n"
    # In C: thousands of ads would otherwise keep the show's thread from Python for seconds.
    return head + yaml.dump(
        body, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False, width=100
    )


class StoredBlocks:
    """The blocks of experiments in the document that was applied, also while the hub is away.

    Args:
        database: The kiosk's; the document lies beside it.
    """

    def __init__(self, database: Path) -> None:
        self._folder = ShowFolder(database)
        self._key_path = key_path(database)
        self._stamps: list[tuple[int, int] | None] = []
        self._blocks: tuple[Block, ...] = ()

    def read(self) -> tuple[Block, ...]:
        """Return them; files that are as they were are not read again.

        Raises:
            KeyFileError, DocumentError: The key or the document cannot be used.
            OSError: A file cannot be read.
        """
        stamps = [_stamp(path) for path in (self._key_path, self._folder.document)]
        if stamps != self._stamps:
            key = read_key(self._key_path)
            found = None if key is None else self._folder.read(key)
            entries = () if found is None else found[0].experiments
            self._blocks = tuple(block for entry in entries for block in entry.blocks())
            self._stamps = stamps
        return self._blocks


def _stamp(path: Path) -> tuple[int, int] | None:
    """Return when a file was written, and its size; `None` if it is not there."""
    with suppress(FileNotFoundError):
        stat = path.stat()
        return stat.st_mtime_ns, stat.st_size
    return None


def delete_show(database: Path) -> bool:
    """Delete what the hub sent, unless a kiosk is running, which does so itself; return whether.

    Raises:
        KeyFileError: It cannot be deleted.
    """
    folder = ShowFolder(database)
    if not folder.path.exists():
        return True
    lock_path = lock_path_of(database)
    try:
        lock = lock_file(lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        if lock is None:
            return False
        try:
            folder.delete()
            # Removed while still locked, as `db.write.lock` does.
            lock_path.unlink(missing_ok=True)
        finally:
            os.close(lock)
    except OSError as error:
        raise KeyFileError(
            lazy("%(path)s cannot be deleted (%(why)s).", path=folder.path, why=error.strerror)
        ) from error
    return True


def stored_playlist(database: Path) -> Path | None:
    """Return the playlist of the hub's show, if this kiosk has one; `None` for its local one.

    It needs no hub: a kiosk that is offline, or whose key was revoked, shows it all the same. What
    cannot be read or was changed is left out, with a warning.
    """
    folder = ShowFolder(database)
    try:
        key = read_key(key_path(database))
        found = None if key is None else folder.read(key)
        return None if found is None else folder.restore(found[0])
    except (MonitorError, OSError) as error:
        logger.warning("The hub's show is not used, but the local playlist: %s", error)
        return None
