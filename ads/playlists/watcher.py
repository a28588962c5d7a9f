"""Watches a playlist while the show runs, and brings the new one when it has changed and is right."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ads.errors import AdsError
from ads.playlists.loader import load_playlist, media_in
from ads.playlists.yaml_file import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ads.playlists.playlist import Playlist

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0
"""How long after the beginning of one look at the files the next one may begin."""

RETRY_LOOKS = 30
"""A playlist that was wrong is tried again after so many looks, although it has not changed: what it names may have come."""

FILE_CLOCK_NS = 20_000_000
"""How far the time stamps of files may lag behind the clock: they are taken from its last tick."""


class PlaylistWatcher:
    """Looks at a playlist and its media every few seconds, away from the thread that shows them.

    A change is taken up when two looks have seen the same, so a file that is being written or
    copied is left alone. If the new playlist is wrong, the one before stays, and `problem` says
    what is wrong until that is corrected. A playlist file has changed when its content has; a media
    file, or the listing of a folder, when a name, a size or a time of change has.

    Called by one thread. Looking, reading and probing happen in a thread of its own,
    `playlist-watch`, that lives for one look.

    Args:
        playlist: The playlist that is shown, loaded just before.
        load: Reads a playlist, as `load_playlist` does.

    Example:
        >>> watcher = PlaylistWatcher(playlist)
        >>> while showing:
        ...     changed = watcher.poll(time.monotonic_ns())
        ...     if changed is not None:
        ...         rotation.replace(changed.ads)
        >>> watcher.close()
    """

    def __init__(
        self, playlist: Playlist, *, load: Callable[[Path], Playlist] = load_playlist
    ) -> None:
        self._load = load
        # All but the thread itself belongs to the thread while there is one, and to the caller
        # otherwise.
        self._playlist = playlist
        self._seen = self._judged = _stamp(playlist)
        self._looks_since_wrong = 0
        self._found: Playlist | None = None
        self._problem: str | None = None
        self._thread: threading.Thread | None = None
        self._next_look_ns: int | None = None
        self._closed = False

    @property
    def problem(self) -> str | None:
        """Why the playlist as it stands on the disk is not shown, one sentence; None if it is."""
        return self._problem

    def poll(self, now_ns: int) -> Playlist | None:
        """Takes what a look has found, and begins the next look when it is time. Never waits.

        Args:
            now_ns: Now, on a clock that does not go back.

        Returns:
            The new playlist, once for each change; None if there is none.
        """
        if self._closed:
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
        """Waits for a look that is under way; nothing is found any more. Safe to call again."""
        self._closed = True
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _look(self) -> None:
        stamp = _stamp(self._playlist)
        settled = stamp == self._seen
        self._seen = stamp
        self._looks_since_wrong += 1
        overdue = self._problem is not None and self._looks_since_wrong >= RETRY_LOOKS
        if settled and (stamp != self._judged or overdue):
            self._judge(stamp)

    def _judge(self, stamp: _Stamp) -> None:
        began_ns = time.time_ns()
        try:
            playlist = self._load(self._playlist.path)
        except AdsError as error:
            self._refuse(stamp, str(error))
            return
        except Exception as error:
            logger.exception("The playlist could not be read")
            self._refuse(
                stamp,
                f"The playlist {self._playlist.path} could not be read ({error}); see the log for where.",
            )
            return
        loaded = _stamp(playlist)
        if loaded.changed_ns >= began_ns - FILE_CLOCK_NS:
            # Written while it was read: the next look begins anew.
            return
        self._seen = self._judged = loaded
        self._problem = None
        if playlist != self._playlist:
            logger.info("The playlist %s has changed: %d ads", playlist.path, len(playlist.ads))
            self._playlist = self._found = playlist

    def _refuse(self, stamp: _Stamp, problem: str) -> None:
        self._judged = stamp
        self._looks_since_wrong = 0
        if problem != self._problem:
            logger.warning("The playlist before stays in use: %s", problem)
        self._problem = problem


@dataclass(frozen=True, slots=True)
class _Stamp:
    """What differs when a playlist, or a file that it names, differs.

    Attributes:
        content: Of the playlist file; empty for a folder and for a file that cannot be read.
        files: Each medium with its size and its times of change.
        changed_ns: When any of them changed last, on the clock of the file system.
    """

    content: bytes
    files: tuple[tuple[str, int, int, int], ...]
    changed_ns: int = field(compare=False)


def _stamp(playlist: Playlist) -> _Stamp:
    content = b""
    written_ns = 0
    media: list[Path] = []
    try:
        if playlist.path.is_dir():
            media = media_in(playlist.path)
        else:
            written_ns = playlist.path.stat().st_ctime_ns
            content = _content(playlist.path)
            media = [*(ad.path for ad in playlist.ads), *(ad.path for ad in playlist.skipped)]
    except OSError:
        # Gone or unreadable is a state like any other; reading the playlist will say what is wrong.
        logger.debug("The playlist %s cannot be looked at", playlist.path, exc_info=True)
    states = [_state(path) for path in media]
    files = tuple((str(path), *state) for path, state in zip(media, states, strict=True))
    return _Stamp(content, files, max([written_ns, *(state[-1] for state in states)]))


def _content(path: Path) -> bytes:
    """Tells one content of a playlist file from the next; never reads on and on, nor waits for a pipe."""
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return hashlib.sha256(file.read(MAX_BYTES + 1)).digest()


def _state(path: Path) -> tuple[int, int, int]:
    """Size, time of the last change of the content, and of the file at all, in nanoseconds; -1 for what is not there."""
    try:
        found = path.stat()
    except OSError:
        return -1, -1, -1
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns
