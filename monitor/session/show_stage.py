"""The show of the running kiosk, and how the hub's thread puts another one in its place."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ads.media.digests import TimeLimit
from monitor.session.playlist_loading import load_ads, load_watched, watch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ads.player.player import AdPlayer
    from ads.playlists.playlist import Playlist
    from monitor.session.playlist_loading import WatchedPlaylist


class ShowStage:
    """The playlist that is shown, watched for changes; the `Stage` of `monitor.uplink`.

    `begin`, `poll` and `close` belong to the show's thread and never wait for a disk; the others to
    the hub's.

    Args:
        local: The kiosk's own playlist; `None` for the bundled one.

    Attributes:
        playlist: What is shown; once `begin` has returned true.
    """

    playlist: Playlist

    def __init__(self, local: Path | None) -> None:
        self._local = local
        self._watched: WatchedPlaylist | None = None
        self._next: WatchedPlaylist | None = None
        self._shown: Path | None = None
        self._has_settled = True
        self._handover = threading.Lock()
        self._closing = threading.Event()

    @property
    def problem(self) -> str | None:
        """Why the last change of the playlist was not taken over, in one sentence, or `None`."""
        return None if self._watched is None else self._watched.watcher.problem

    def begin(self, should_continue: Callable[[], bool], of_hub: Callable[[], Path | None]) -> bool:
        """Load the first playlist; return whether it is there; see `load_watched`."""
        found = load_watched(self._local, should_continue, of_hub)
        if found is None:
            return False
        self._watched = found
        self.playlist = found.playlist
        self._shown = found.playlist.path
        return True

    def poll(self, player: AdPlayer, now_ns: int) -> None:
        """Hand a changed or another playlist to the player."""
        with self._handover:
            following, self._next = self._next, None
        if following is not None:
            # The watcher before may hang in a file, and is left behind.
            if self._watched is not None:
                self._watched.stop_loading.set()
            self._watched = following
            self._take(player, following.playlist)
        elif self._watched is not None:
            changed = self._watched.watcher.poll(now_ns)
            if changed is not None:
                self._take(player, changed)
        play = player.current
        with self._handover:
            if not self._has_settled and self._next is None:
                self._has_settled = play is None or play.ad in self.playlist.ads

    def _take(self, player: AdPlayer, playlist: Playlist) -> None:
        self.playlist = playlist
        player.replace(playlist.ads, playlist.filler, playlist.cross_fade_s)

    def close(self) -> None:
        """Stop watching and loading."""
        self._closing.set()
        if self._watched is not None:
            self._watched.stop_loading.set()
            self._watched.watcher.close()

    # --- the hub's thread ---

    def load(self, playlist: Path | None) -> Playlist:
        """Read a playlist, `None` for the local one, and try all its media.

        Raises:
            AdsError: It cannot be shown, or the kiosk is stopping.
        """
        limit = TimeLimit(None, lambda: not self._closing.is_set())
        return load_ads(self._local if playlist is None else playlist, limit)

    def switch(self, playlist: Playlist) -> None:
        """Show another playlist once the present ad has ended."""
        following = watch(playlist)
        self._shown = playlist.path
        with self._handover:
            self._next = following
            self._has_settled = False

    def shows(self, playlist: Path) -> bool:
        """Return whether this is the playlist that is shown, or will be in a moment."""
        return self._shown == playlist

    def has_settled(self) -> bool:
        """Return whether nothing of a playlist before is on the screen."""
        return self._has_settled
