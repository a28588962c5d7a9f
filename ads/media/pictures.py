"""Decode still and animated pictures with Pillow, so that they look as in a browser.

They are turned upright by their EXIF data, brought to sRGB by their ICC profile, and laid over
`GROUND` where they are transparent. Of a file with several pages, the first one is a still picture.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ads.errors import MediaError
from ads.media.picture_colours import SrgbConverter, with_8_bits
from ads.media.picture_file import ANIMATED_FORMATS, first_index, load, open_picture, seek, upright
from ads.media.types import ENDLESS_NS, LATE_NS, MAX_STEP_NS, MediaFrame, MediaInfo, Size, fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

MAX_ANIMATION_FRAMES = 10_000
"""Five minutes at 30 frames per second; a file of a megabyte can claim a million frames."""

MAX_KEPT_BYTES = 100_000_000
"""Of an animation's decoded pictures: 16 of a full HD screen."""


def probe_picture(path: Path) -> MediaInfo:
    """Look into a picture; see `ads.media.decode.probe`."""
    with open_picture(path) as picture:
        first = first_index(picture)
        is_animated = picture.format in ANIMATED_FORMATS and seek(picture, first + 1)
        seek(picture, first)
        width, height = upright(picture).size
        if not is_animated:
            return MediaInfo("image", width, height)
        # Counted one by one: asking a GIF for their number would read through all of them first.
        total_ms, count = 0.0, 0
        while seek(picture, first + count):
            if count == MAX_ANIMATION_FRAMES:
                raise MediaError(
                    f"{path} is an animation of more than {MAX_ANIMATION_FRAMES} pictures; "
                    "make a video of it."
                )
            picture.load()
            total_ms += _frame_ms(picture)
            count += 1
        return MediaInfo(
            "animation",
            width,
            height,
            duration_s=total_ms / 1000,
            frames_per_second=count * 1000 / total_ms,
        )


def image_frames(path: Path, viewport: Callable[[], Size]) -> Iterator[MediaFrame]:
    """Yield the frame of a still picture."""
    with open_picture(path) as picture:
        size = viewport()
        # Decode a large JPEG at a fraction of its size; square, because it may yet be turned.
        picture.draft("RGB", (max(size), max(size)))
        seek(picture, first_index(picture))
        load(picture)
        yield MediaFrame(0, _shown(picture, SrgbConverter(picture), size))


def animation_frames(
    path: Path,
    viewport: Callable[[], Size],
    *,
    loop: bool = False,
    wanted_ns: Callable[[], int] | None = None,
    start_ns: int = 0,
) -> Iterator[MediaFrame]:
    """Yield the frames of an animation; see `ads.media.decode.frames`.

    It repeats as often as the file says, then its last picture stands. Late frames are left out as
    in a clip, unless every frame is kept for the next round.
    """
    with open_picture(path) as picture:
        animation = _Animation(picture, viewport)
        rounds = _rounds(picture) if loop else 1
        position_ms = 0.0
        emitted_ns, left_out = -1, 0
        while rounds > 0:
            if animation.round_ms:
                # Whole rounds before the start need not be decoded.
                passed = (start_ns / 1e6 - position_ms) // animation.round_ms
                passed = min(rounds - 1, max(0, passed))
                position_ms += passed * animation.round_ms
                rounds -= passed
            for index in range(animation.count):
                began_ns = round(position_ms * 1e6)
                position_ms += animation.duration_ms(index)
                is_last = rounds == 1 and index == animation.count - 1
                until_ns = ENDLESS_NS if is_last else round(position_ms * 1e6)
                if until_ns <= start_ns:
                    continue
                reached_ns = -1 if wanted_ns is None else wanted_ns()
                is_late = until_ns <= reached_ns and began_ns + LATE_NS < reached_ns
                may_skip = emitted_ns >= 0 and began_ns - emitted_ns < MAX_STEP_NS
                if is_late and may_skip and not animation.is_kept:
                    left_out += 1
                    continue
                yield MediaFrame(began_ns, animation.rgb(index), until_ns, left_out)
                emitted_ns, left_out = began_ns, 0
            rounds -= 1


class _Animation:
    """The pictures of an animation, decoded once if they fit into `MAX_KEPT_BYTES`."""

    def __init__(self, picture: Image.Image, viewport: Callable[[], Size]) -> None:
        self._picture = picture
        self._viewport = viewport
        self._first = first_index(picture)
        self.count = getattr(picture, "n_frames", 1) - self._first
        self._converter = SrgbConverter(picture)
        self._durations_ms: list[float] = []
        self._decoded = -1
        self._kept: dict[int, NDArray[np.uint8]] = {}
        self._size = (0, 0)

    @property
    def round_ms(self) -> float:
        """The length of a round; 0 until each picture was decoded once."""
        return sum(self._durations_ms) if len(self._durations_ms) == self.count else 0.0

    @property
    def is_kept(self) -> bool:
        """Whether all pictures fit into the memory at the size they are shown in."""
        width, height = fit(self._picture.size, self._viewport())
        return self.count * width * height * 3 <= MAX_KEPT_BYTES

    def duration_ms(self, index: int) -> float:
        if index == len(self._durations_ms):
            self._decode(index)
            self._durations_ms.append(_frame_ms(self._picture))
        return self._durations_ms[index]

    def rgb(self, index: int) -> NDArray[np.uint8]:
        size = self._viewport()
        if size != self._size:
            self._kept, self._size = {}, size
        if index in self._kept:
            return self._kept[index]
        self._decode(index)
        rgb = _shown(self._picture, self._converter, size)
        if self.is_kept:
            self._kept[index] = rgb
        return rgb

    def _decode(self, index: int) -> None:
        # One after the other, because pictures are drawn over those before them.
        if index < self._decoded:
            self._decoded = -1
        for number in range(self._decoded + 1, index + 1):
            seek(self._picture, self._first + number)
            load(self._picture)
        self._decoded = index


def _frame_ms(picture: Image.Image) -> float:
    # Browsers take 0 to 10 ms for 100 ms, and animations rely on it.
    stated = float(picture.info.get("duration", 0) or 0)
    return stated if stated > 10 else 100.0


def _rounds(picture: Image.Image) -> float:
    """Return how often an animation is shown; infinity for one without end."""
    stated = picture.info.get("loop")
    if picture.format == "GIF" and stated != 0:
        # A GIF states how often it repeats, and nothing if it does not.
        return 1 + (stated or 0)
    return stated or math.inf


def _shown(picture: Image.Image, converter: SrgbConverter, viewport: Size) -> NDArray[np.uint8]:
    plain = with_8_bits(upright(picture))
    size = fit(plain.size, viewport)
    if plain.size != size:
        # Reduce by whole steps first: a third of the time, no visible difference.
        plain = plain.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return np.array(converter.opaque(plain), dtype=np.uint8)
