"""Puts a show of the hub in the place of the one that plays: fetched, tried out, handed over."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from ads.errors import AdsError
from monitor.languages import lazy
from monitor.settings.from_hub import keep_hub_settings
from monitor.uplink.address import HubRefusedError, HubUnreachableError
from monitor.uplink.media import MAX_DAMAGED, MediaFolder, ShowRefusedError
from monitor.uplink.pace import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
    from pathlib import Path

    from ads.playlists.playlist import Playlist
    from monitor.uplink.client import HubClient
    from monitor.uplink.documents import DesiredDocument, MediaEntry, SignedDocument
    from monitor.uplink.key_file import HubKey
    from monitor.uplink.stored_show import ShowFolder

PIECE_S = 0.25
"""The pause between two pieces of media on average: at most 34 Mbit/s."""


class Stage(Protocol):
    """The show of the running kiosk, for another thread to change.

    Attributes:
        playlist: What is shown.
    """

    playlist: Playlist

    def load(self, playlist: Path | None) -> Playlist:
        """Read and try a playlist, `None` for the local one; `AdsError` if it cannot be shown."""

    def switch(self, playlist: Playlist) -> None:
        """Show another playlist once the present ad has ended; return at once."""

    def shows(self, playlist: Path) -> bool:
        """Return whether this is the playlist that was switched to last, or began."""

    def has_settled(self) -> bool:
        """Return whether nothing of a playlist before the last one is on the screen."""


@dataclass(frozen=True, slots=True)
class Link:
    """A connection to a hub, and the key that it takes."""

    key: HubKey
    client: HubClient


@dataclass(frozen=True, slots=True)
class Applied:
    """A document that is in force.

    Attributes:
        document: What the hub wants.
        since: When it was applied.
        remarks: What was not taken over, or waits for a restart, in sentences.
    """

    document: DesiredDocument
    since: datetime
    remarks: str = ""


class Applier:
    """Applies documents of the hub step by step; for one thread.

    Args:
        folder: For what the hub sends.
        stage: Of the running kiosk.
        limit_bytes: What the media may take.
        settings: From the hub, as they were when the kiosk started.
        on_progress: Called with the share of the media that is here.
        on_failure: Called when the hub does not answer; returns the seconds until another try.
    """

    def __init__(
        self,
        folder: ShowFolder,
        stage: Stage,
        limit_bytes: float,
        settings: Mapping[str, Any],
        *,
        on_progress: Callable[[float], None],
        on_failure: Callable[[HubRefusedError | HubUnreachableError], float],
    ) -> None:
        self._folder = folder
        self._media = MediaFolder(folder.media, limit_bytes)
        self._stage = stage
        self._settings = dict(settings)
        self._on_progress = on_progress
        self._on_failure = on_failure
        self._bucket = TokenBucket(PIECE_S, burst=8)

    @property
    def is_on(self) -> bool:
        """Whether a show of the hub is shown."""
        return self._stage.shows(self._folder.playlist)

    def is_whole(self, document: DesiredDocument) -> bool:
        """Return whether the show of a document is what is shown, with all its media."""
        if document.playlist is None:
            return not self.is_on
        try:
            missing = self._media.missing(document.media)
        except ShowRefusedError:
            return False
        shown = self._stage.playlist
        left_out = any(not ad.is_pending for ad in shown.skipped)
        return self.is_on and not missing and not left_out and not self._damaged(shown)

    def apply(
        self,
        link: Link,
        signed: SignedDocument,
        document: DesiredDocument,
        before: DesiredDocument | None,
    ) -> Generator[float, None, Applied]:
        """Apply a document; yield the seconds until the next step, and return what is in force.

        Args:
            link: To the hub.
            signed: The document as it came.
            document: The document.
            before: The one that is applied now; its media are kept.

        Raises:
            ShowRefusedError, OSError: It cannot be applied here; all is as before.
        """
        playlist = None
        if before is None or not self._shows_the_same(before, document):
            if document.playlist is not None:
                playlist = yield from self._prepare(link, document, before)
                # Preparing takes long: a kiosk that stopped meanwhile shows nothing new.
                yield 0.0
            elif self.is_on:
                playlist = self._load(None)
        remarks = keep_hub_settings(self._folder.path, document.settings, self._settings)
        since = self._folder.store(signed, document)
        if playlist is not None:
            self._stage.switch(playlist)
        return Applied(document, since, " ".join(remarks))

    def tidy(self, document: DesiredDocument) -> Iterator[float]:
        """Delete the media that a show does not need, once nothing else is on the screen."""
        while not self._stage.has_settled():
            yield 1.0
        self._media.sweep(document.media)

    def leave(self) -> bool:
        """Show the local playlist and delete what the hub sent; return whether that is done.

        Raises:
            ShowRefusedError, OSError: The local playlist cannot be shown, or the disk not be used.
        """
        if self.is_on:
            self._stage.switch(self._load(None))
        if not self._stage.has_settled():
            return False
        self._folder.delete()
        return True

    def _shows_the_same(self, before: DesiredDocument, document: DesiredDocument) -> bool:
        same = (before.playlist, before.media) == (document.playlist, document.media)
        return same and self.is_whole(document)

    def _prepare(
        self, link: Link, document: DesiredDocument, before: DesiredDocument | None
    ) -> Generator[float, None, Playlist]:
        """Fetch the media of a document; return its playlist, which was tried out."""
        kept = () if before is None else before.media
        for _ in range(MAX_DAMAGED):
            if self._stage.has_settled():
                self._media.sweep((*document.media, *kept))
            yield from self._fetch(link, document.media, kept)
            playlist = self._try_out(document)
            if playlist is not None:
                return replace(playlist, path=self._folder.playlist)
        raise ShowRefusedError(
            lazy("The media change on the disk after they were verified; check it.")
        )

    def _fetch(
        self, link: Link, media: Iterable[MediaEntry], kept: Iterable[MediaEntry]
    ) -> Iterator[float]:
        media, kept = tuple(media), tuple(kept)
        missing = self._media.missing(media)
        total = sum(entry.size for entry in media)
        here = total - sum(entry.size for entry in missing)
        for entry in missing:
            # Others write to the disk meanwhile.
            self._media.make_room(media, kept)
            download = self._media.download(entry)
            is_whole = False
            while not is_whole:
                while (wait_s := self._bucket.wait_s(time.monotonic())) > 0:
                    yield wait_s
                self._bucket.take(time.monotonic())
                try:
                    is_whole = download.step(link.client, link.key.key)
                except (HubRefusedError, HubUnreachableError) as error:
                    yield self._on_failure(error)
                    continue
                self._on_progress(min(1.0, (here + download.arrived) / total))
                yield 0.0
            here += entry.size

    def _try_out(self, document: DesiredDocument) -> Playlist | None:
        """Return the playlist as it is loaded; `None` if media have to be fetched again.

        Raises:
            ShowRefusedError: An ad of it could not be shown, or all its dates are over.
        """
        try:
            playlist = self._load(self._folder.write_candidate(document))
            damaged = self._damaged(playlist)
        except ShowRefusedError:
            names = [entry.name for entry in document.media]
            damaged = [name for name in names if not self._media.is_intact(name)]
            if not damaged:
                raise
        for name in damaged:
            self._media.forget(name)
        if damaged:
            return None
        for ad in playlist.skipped:
            reason = ad.reason.replace(str(ad.path), "its file")
            raise ShowRefusedError(
                lazy("The ad %(ad)s cannot be shown here: %(why)s", ad=ad.ad_id, why=reason)
            )
        # A day more, as the screen's day may not be over yet.
        today = (datetime.now(UTC) - timedelta(days=1)).date()
        if all(ad.last_day is not None and ad.last_day < today for ad in playlist.ads):
            raise ShowRefusedError(
                lazy("None of its ads would ever be shown: their dates are over.")
            )
        return playlist

    def _damaged(self, playlist: Playlist) -> list[str]:
        """Return the names of media that the disk has changed since they were verified."""
        changed = [ad.path for ad in playlist.ads if ad.sha256 and ad.sha256 != ad.path.stem]
        unread = [ad.path for ad in playlist.skipped if not self._media.is_intact(ad.path.name)]
        return [path.name for path in (*changed, *unread) if path.parent == self._folder.media]

    def _load(self, path: Path | None) -> Playlist:
        try:
            return self._stage.load(path)
        except AdsError as error:
            reason = str(error).replace(f"{self._folder.media}/", "")
            if path is None:
                raise ShowRefusedError(
                    lazy("The local playlist cannot be shown: %(why)s", why=reason)
                ) from error
            raise ShowRefusedError(
                lazy("The hub's playlist cannot be shown: %(why)s", why=reason)
            ) from error
