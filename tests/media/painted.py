"""Play one ad by the real player into the real view, on a clock that the test moves.

    with Show(path) as show:
        picture = show.play_to(0.5)  # what is on the screen then, as RGB
        show.play_out()
    assert show.outcome == "finished"

Nothing waits for the time to pass, so a test takes as long as the decoding does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from PyQt5 import sip
from PyQt5.QtGui import QImage

from ads.errors import MediaError
from ads.player.player import AdPlayer
from ads.playlists.loader import load_playlist
from ads.policies.fixed import SequentialPolicy
from ads.show.playback import PlaybackLog
from monitor.ui.ad_view import AdView
from monitor.ui.application import create_application

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ads.player.sound import SoundOutput
    from ads.show.playback import Play, PlayEnd

STEP_NS = 10_000_000
READY_S = 20.0
SIZE = (320, 180)

COLOURS = ((230, 30, 30), (30, 200, 40), (40, 40, 220), (128, 128, 128))
"""Of the quarters of an input, unless it says otherwise."""


@dataclass(frozen=True)
class Paint:
    """A painted picture: when, and which one, both in seconds from the start of the ad."""

    at_s: float
    position_s: float


class Show:
    """One play of an ad: what was painted, and what the player says about it.

    Args:
        path: The media file. A playlist with it as the only ad is written beside it and loaded, so
            a file that is refused raises a `PlaylistError`.
        size: Of the view in pixels.
        sound: Hears the ad; by default nothing does.
        keys: Of the ad in the playlist, for example `duration_s`.
    """

    def __init__(
        self,
        path: Path,
        *,
        size: tuple[int, int] = SIZE,
        sound: SoundOutput | None = None,
        **keys: Any,
    ) -> None:
        playlist = path.with_name(f"{path.name}.yaml")
        playlist.write_text(
            yaml.safe_dump({"ads": [{"file": path.name, **keys}]}), encoding="utf-8"
        )
        self.ad = load_playlist(playlist).ads[0]
        self.paints: list[Paint] = []
        self.outcome: str | None = None
        self.error: str | None = None
        self.shown_s = 0.0
        self._application = create_application(offscreen=True)
        self._size = size
        self._began_ns = self._now_ns = 1_000_000_007
        self._player = AdPlayer(
            [self.ad],
            SequentialPolicy(),
            PlaybackLog(),
            self,
            clock=lambda: self._now_ns,
            loops=1,
            sound=sound,
            viewport=size,
        )

    def __enter__(self) -> Show:
        self.view = AdView()
        self.view.painted.connect(self._player.painted)
        self.view.resize(*self._size)
        self.view.show()
        self._player.start()
        self._advance()
        return self

    def __exit__(self, *_: object) -> None:
        self._player.stop()
        # Now, and here: the collector might delete a widget in a decoder's thread, and Qt crash.
        sip.delete(self.view)

    def play_to(self, second: float) -> np.ndarray:
        """Play on to a position; return the painted view, `(height, width, 3)` uint8 RGB."""
        self._play(until_s=second)
        return self.picture()

    def play_out(self, *, within_s: float = 60.0) -> None:
        """Play to the end of the ad."""
        self._play(until_s=within_s)
        assert self.outcome is not None, f"the ad still plays after {within_s:g} s"

    def picture(self) -> np.ndarray:
        """Return the view as painted, `(height, width, 3)` uint8 RGB."""
        image = self.view.grab().toImage().convertToFormat(QImage.Format.Format_RGBA8888)
        pixels = image.constBits().asarray(image.sizeInBytes())
        shape = (image.height(), image.width(), 4)
        return np.frombuffer(pixels, np.uint8).reshape(shape)[..., :3].copy()

    def play_started(self, play: Play) -> None:
        """Hear from the player that the ad has begun."""

    def play_ended(self, end: PlayEnd) -> None:
        """Hear from the player how the play ended."""
        self.outcome, self.error, self.shown_s = end.outcome, end.error, end.shown_ms / 1000

    @property
    def _at_s(self) -> float:
        return (self._now_ns - self._began_ns) / 1e9

    def _play(self, until_s: float) -> None:
        while self.outcome is None and self._at_s < until_s:
            self._now_ns += STEP_NS
            self._advance()

    def _advance(self) -> None:
        assert self._player.wait_ready(READY_S), "the decoder hangs"
        try:
            picture = self._player.advance()
        except MediaError as error:
            self.outcome, self.error = self.outcome or "failed", self.error or str(error)
            return
        if picture is not None:
            self.view.show_picture(picture)
            self.paints.append(Paint(self._at_s, picture.position_ms / 1000))


def painted(path: Path, at_s: float = 0.5, **more: Any) -> np.ndarray:
    """Return what is painted at a position of an ad; the arguments are those of `Show`."""
    with Show(path, **more) as show:
        return show.play_to(at_s)


def quarters(colours: Sequence[Sequence[int]], size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """Draw four quarters: top left, top right, bottom left, bottom right.

    Returns:
        `(height, width, channels)` uint8, with as many channels as the colours have.
    """
    width, height = size
    picture = np.empty((height, width, len(colours[0])), np.uint8)
    picture[: height // 2, : width // 2] = colours[0]
    picture[: height // 2, width // 2 :] = colours[1]
    picture[height // 2 :, : width // 2] = colours[2]
    picture[height // 2 :, width // 2 :] = colours[3]
    return picture


def shown_part(view: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the part of a painted view that a medium of a shape (width, height) fills."""
    height, width = view.shape[:2]
    scale = min(width / shape[0], height / shape[1])
    inner_width, inner_height = round(shape[0] * scale), round(shape[1] * scale)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    return view[top : top + inner_height, left : left + inner_width]


def colours_of(picture: np.ndarray) -> list[tuple[int, int, int]]:
    """Return the mean colour in the middle of each quarter, in the order of `quarters`."""
    height, width = picture.shape[:2]
    found = []
    for y in (height // 4, 3 * height // 4):
        for x in (width // 4, 3 * width // 4):
            around = picture[y - height // 10 : y + height // 10, x - width // 10 : x + width // 10]
            found.append(tuple(int(value) for value in around.mean(axis=(0, 1)).round()))
    return found


def assert_colours(picture: np.ndarray, expected: Sequence[Sequence[int]], within: int = 4) -> None:
    """Compare the quarters of a picture with the reference, level by level."""
    found = colours_of(picture)
    away = np.abs(np.array(found) - np.array(expected)).max()
    assert away <= within, f"expected {[*map(tuple, expected)]} within {within}, painted {found}"
