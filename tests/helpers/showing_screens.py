"""Screens without a window that follow a hub, in a separate process.

    python -m tests.helpers.showing_screens FOLDER...

Each folder is that of one screen: `kiosk.db.hub.json` has the key of its hub, `local.yaml` its
local playlist. The screen plays its show as the window does, ad after ad, and for each play checks
that the file is the one that was published. What it shows is in `shown.log`, a line for each change,
what went wrong in `wrong.log`. While there is a file `full`, its disk has no room for media.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ads.errors import PlaylistError
from ads.playlists.loader import load_playlist
from monitor.uplink import follower, media
from monitor.uplink.client import HubClient
from monitor.uplink.documents import CommandResult
from monitor.uplink.follower import HubFollower
from monitor.uplink.key_file import key_path, read_key
from monitor.uplink.stored_show import stored_playlist

if TYPE_CHECKING:
    from ads.playlists.playlist import Playlist

PLAY_S = 0.5


class Screen:
    """Plays a show, and follows its hub."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._local = folder / "local.yaml"
        self._guard = threading.Lock()
        self._next: Playlist | None = None
        self._place = 0
        database = folder / "kiosk.db"
        self._playlist = self._begin(stored_playlist(database))
        self._note(self._playlist)
        self.follower = HubFollower(
            database,
            lambda: read_key(key_path(database)),
            lambda key: HubClient(key.hub),
            self,
            lambda _order, _key: CommandResult(succeeded=True, detail="done"),
        )
        self.follower.start()

    # --- what a stage does ---

    def load(self, playlist: Path | None) -> Playlist:
        return load_playlist(self._local if playlist is None else playlist)

    def switch(self, playlist: Playlist) -> None:
        with self._guard:
            self._next = playlist

    def shows(self, playlist: Path) -> bool:
        with self._guard:
            return (self._next or self._playlist).path == playlist

    def has_settled(self) -> bool:
        with self._guard:
            return self._next is None

    def play(self) -> None:
        """Play the next ad, and check its file as it is at the end of the play."""
        with self._guard:
            if self._next is not None:
                self._playlist, self._next, self._place = self._next, None, 0
                self._note(self._playlist)
            ad = self._playlist.ads[self._place % len(self._playlist.ads)]
            self._place += 1
        try:
            digest = hashlib.sha256(ad.path.read_bytes()).hexdigest()
        except OSError as error:
            self._log("wrong.log", f"{ad.ad_id}: {error}")
            return
        is_of_hub = ad.path.parent.name == "media"
        if digest != ad.sha256 or (is_of_hub and ad.path.stem != digest):
            self._log("wrong.log", f"{ad.ad_id}: another file than the published one")

    def _begin(self, path: Path | None) -> Playlist:
        if path is not None:
            with suppress(PlaylistError):
                return load_playlist(path)
            self._log("wrong.log", "the stored show cannot be loaded")
        return load_playlist(self._local)

    def _note(self, playlist: Playlist) -> None:
        self._log("shown.log", " ".join(ad.ad_id for ad in playlist.ads))

    def _log(self, name: str, line: str) -> None:
        with (self._folder / name).open("a") as file:
            file.write(f"{time.time():.2f} {line}\n")


def disk_usage(path: str | Path) -> object:
    """Return the use of the disk of a screen, which is full while its folder has the file."""
    found = shutil._ntuple_diskusage  # type: ignore[attr-defined]
    folder = Path(path)
    is_full = any((parent / "full").exists() for parent in (folder, *folder.parents[:3]))
    real = os.statvfs(folder if folder.exists() else folder.parent)
    total = real.f_frsize * real.f_blocks
    return found(total, total, 0) if is_full else found(total, 0, total)


def main() -> None:
    """Play until the process is ended."""
    media.shutil = type("Disk", (), {"disk_usage": staticmethod(disk_usage)})  # type: ignore[attr-defined]
    follower.ASK_S = float(os.environ.get("ASK_S", follower.ASK_S))
    screens = [Screen(Path(folder)) for folder in sys.argv[1:]]
    while True:
        for screen in screens:
            screen.play()
        time.sleep(PLAY_S)


if __name__ == "__main__":
    main()
