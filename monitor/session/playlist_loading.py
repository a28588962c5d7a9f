"""Load the playlist of a run without ever waiting for its files in the main thread."""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from ads.errors import AdsError, LoadingStoppedError
from ads.media.check import check_apart
from ads.media.digests import TimeLimit
from ads.playlists.loader import load_playlist
from ads.playlists.watcher import PlaylistWatcher
from ads.sample import sample_playlist

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ads.playlists.playlist import Playlist

logger = logging.getLogger(__name__)

START_LIMIT_S = 5.0
"""Files not read by then join the show later."""

RELOAD_LIMIT_S = 60.0
"""For a reload during the show; the next one goes on with the files not read by then."""


def load_ads(
    playlist: Path | None, limit: TimeLimit | None = None, *, max_hashed_bytes: int | None = None
) -> Playlist:
    """Return the named playlist, or the bundled one."""
    if playlist is None:
        # No separate check: anyone who can change these files can change the program.
        return load_playlist(sample_playlist(), limit=limit)
    check = partial(check_apart, limit=limit)
    return load_playlist(playlist, check, limit=limit, max_hashed_bytes=max_hashed_bytes)


class WatchedPlaylist(NamedTuple):
    """A loaded playlist and its watcher; `stop_loading` ends a load of the watcher."""

    playlist: Playlist
    watcher: PlaylistWatcher
    stop_loading: threading.Event


def watch(playlist: Playlist) -> WatchedPlaylist:
    """Return a playlist that was loaded, with its watcher; may wait for a disk."""
    stopping = threading.Event()

    def keep_going() -> bool:
        return not stopping.is_set()

    watcher = PlaylistWatcher(
        playlist, load=lambda again: load_ads(again, TimeLimit(RELOAD_LIMIT_S, keep_going))
    )
    return WatchedPlaylist(playlist, watcher, stopping)


def load_watched(
    path: Path | None,
    should_continue: Callable[[], bool],
    of_hub: Callable[[], Path | None] = lambda: None,
) -> WatchedPlaylist | None:
    """Load a playlist in a thread; None as soon as `should_continue`, asked often, returns false.

    A thread that hangs in a file is left behind.

    Args:
        path: The local playlist; None for the bundled one.
        should_continue: Whether to go on.
        of_hub: Returns the playlist that the hub sent, to be taken instead if it can be shown.

    Raises:
        PlaylistError: See `load_playlist`.
    """
    stopping = threading.Event()
    results: list[WatchedPlaylist | Exception] = []

    def keep_going() -> bool:
        return not stopping.is_set()

    def load() -> None:
        try:
            results.append(watch(_load_first(of_hub(), path, keep_going)))
        except Exception as error:  # noqa: BLE001 (raised again below)
            results.append(error)

    thread = threading.Thread(target=load, name="playlist-load", daemon=True)
    thread.start()
    while should_continue():
        thread.join(0.02)
        if not thread.is_alive():
            break
    else:
        stopping.set()
        # Most end at once; one that waits for a disk does not.
        thread.join(0.5)
        return None
    (result,) = results
    if isinstance(result, Exception):
        raise result
    return result


def _load_first(
    of_hub: Path | None, local: Path | None, keep_going: Callable[[], bool]
) -> Playlist:
    if of_hub is not None:
        try:
            return load_ads(of_hub, TimeLimit(START_LIMIT_S, keep_going))
        except LoadingStoppedError:
            raise
        except AdsError as error:
            logger.warning("The hub's show cannot be shown, but the local playlist: %s", error)
    return load_ads(local, TimeLimit(START_LIMIT_S, keep_going))
