"""Watch a playlist while the show runs, and load it again when it has changed."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ads.errors import AdsError, LoadingStoppedError
from ads.playlists.finder import MediaFinder
from ads.playlists.folder import media_in
from ads.playlists.loader import load_playlist
from ads.playlists.yaml_file import MAX_BYTES
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ads.playlists.playlist import Playlist

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0

RETRY_LOOKS = 30
"""Retry an invalid playlist after this many unchanged looks: what it names may have arrived."""

CLOSE_S = 2.0
"""How long to wait for a look when the watcher is closed: its files may not answer."""

FILE_CLOCK_NS = 20_000_000
"""How far file time stamps may lag behind the clock: they come from its last tick."""


class PlaylistWatcher:
    """Look at a playlist and its media every few seconds, without blocking the show.

    A change counts once two looks have seen the same, so files being written or copied are left
    alone. A playlist file has changed when its content has; media, or the listing of a folder, when
    a name, a size or a time stamp has.

    Called by one thread. Each look has its own short-lived thread, `playlist-watch`.

    Attributes:
        problem: Why the playlist on the disk is not shown, one sentence; None if it is.
    """

    def __init__(
        self, playlist: Playlist, *, load: Callable[[Path], Playlist] = load_playlist
    ) -> None:
        self._load = load
        # While there is a thread, everything else belongs to it.
        self._playlist = playlist
        self._seen = self._judged = _stamp(playlist)
        self._looks_since_wrong = 0
        self._retry_looks = 1 if _has_pending(playlist) else RETRY_LOOKS
        self._found: Playlist | None = None
        self.problem: str | None = None
        self._thread: threading.Thread | None = None
        self._next_look_ns: int | None = None
        self._is_closed = False

    def poll(self, now_ns: int) -> Playlist | None:
        """Return a changed playlist, once; start the next look when it is due. Never waits."""
        if self._is_closed:
            return None
        if self._thread is not None:
            if self._thread.is_alive():
                return None
            self._thread = None
            found, self._found = self._found, None
            return found
        if self._next_look_ns is None or now_ns >= self._next_look_ns:
            if self._next_look_ns is not None:
                self._thread = threading.Thread(
                    target=self._look, name="playlist-watch", daemon=True
                )
                self._thread.start()
            self._next_look_ns = now_ns + round(LOOK_EVERY_S * 1e9)
        return None

    def close(self) -> None:
        """Stop, and wait for a look that is under way, unless it hangs. Idempotent."""
        self._is_closed = True
        if self._thread is not None:
            self._thread.join(CLOSE_S)
            self._thread = None

    def _look(self) -> None:
        stamp = _stamp(self._playlist)
        is_settled = stamp == self._seen
        self._seen = stamp
        self._looks_since_wrong += 1
        is_wrong = self.problem is not None or _has_pending(self._playlist)
        is_overdue = is_wrong and self._looks_since_wrong >= self._retry_looks
        if is_settled and (stamp != self._judged or is_overdue):
            self._judge(stamp)

    def _judge(self, stamp: _Stamp) -> None:
        began_ns = time.time_ns()
        path = self._playlist.path
        try:
            playlist = self._load(path)
        except LoadingStoppedError:
            return
        except AdsError as error:
            self._refuse(stamp, str(error))
            return
        except Exception as error:
            logger.exception("The playlist could not be read")
            problem = lazy(
                "The playlist %(path)s could not be read (%(why)s); see the log for where.",
                path=path,
                why=error,
            )
            self._refuse(stamp, problem)
            return
        loaded = _stamp(playlist)
        if loaded.changed_ns >= began_ns - FILE_CLOCK_NS:
            # Written while it was read: the next look starts over.
            return
        self._seen = self._judged = loaded
        self.problem = None
        self._looks_since_wrong = 0
        # Files that are being read become ready one by one, the others perhaps never.
        is_moving = playlist.ads != self._playlist.ads
        self._retry_looks = 1 if is_moving else min(2 * self._retry_looks, RETRY_LOOKS)
        if playlist != self._playlist:
            logger.info("The playlist %s has changed: %d ads", path, len(playlist.ads))
            self._playlist = self._found = playlist

    def _refuse(self, stamp: _Stamp, problem: str) -> None:
        self._judged = stamp
        self._looks_since_wrong = 0
        self._retry_looks = RETRY_LOOKS
        if problem != self.problem:
            logger.warning("The playlist before stays in use: %s", problem)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class _Stamp:
    """What differs when a playlist differs: its digest, and its media's sizes and time stamps."""

    content: bytes
    files: tuple[tuple[str, int, int, int], ...]
    # The newest change, on the clock of the file system.
    changed_ns: int = field(compare=False)


def _has_pending(playlist: Playlist) -> bool:
    """Return whether files of a playlist have not been read yet, so that they may come later."""
    return any(ad.is_pending for ad in playlist.skipped)


def _stamp(playlist: Playlist) -> _Stamp:
    path = playlist.path
    content = b""
    written_ns = 0
    media: list[Path] = []
    try:
        if path.is_dir():
            media = media_in(path)
        else:
            written_ns = path.stat().st_ctime_ns
            # Neither endless files nor pipes.
            if path.is_file():
                with path.open("rb") as file:
                    content = hashlib.sha256(file.read(MAX_BYTES + 1)).digest()
            media = [*(ad.path for ad in playlist.ads), *(ad.path for ad in playlist.skipped)]
            if playlist.filler is not None and playlist.filler.picture is not None:
                media.append(playlist.filler.picture.path)
    except OSError:
        # Loading the playlist reports the error.
        logger.debug("The playlist %s cannot be looked at", path, exc_info=True)
    finders: dict[Path, MediaFinder] = {}
    files = tuple((str(file), *_state(file, finders)) for file in media)
    return _Stamp(content, files, max([written_ns, *(state[-1] for state in files)]))


def _state(path: Path, finders: dict[Path, MediaFinder]) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        # A missing file may have come under another spelling of its name.
        finder = finders.setdefault(path.parent, MediaFinder(path.parent))
        try:
            found = finder.find(path.name).stat()
        except OSError:
            return -1, -1, -1
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns
