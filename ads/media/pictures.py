"""Decode still and animated pictures with Pillow, so that they look as in a browser.

They are turned upright by their EXIF data, brought to sRGB by their ICC profile, and laid over
`GROUND` where they are transparent. Of a file with several pages, only the first one is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ads.errors import MediaError
from ads.media.picture_colours import with_8_bits
from ads.media.picture_file import open_picture
from ads.media.types import ENDLESS_NS, LATE_NS, MAX_STEP_NS, MediaFrame, MediaInfo, Size, fit
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from ads.media.picture_colours import SrgbConverter
    from ads.media.picture_file import PictureFile

MAX_ANIMATION_FRAMES = 10_000
"""Five minutes at 30 frames per second; a file of a megabyte can claim a million frames."""

MAX_KEPT_BYTES = 100_000_000
"""For the decoded pictures of an animation: 16 of full HD."""


def probe_picture(path: Path) -> MediaInfo:
    """Look into a picture; see `ads.media.decode.probe`."""
    with open_picture(path, MAX_ANIMATION_FRAMES) as file:
        if file.count > MAX_ANIMATION_FRAMES:
            raise MediaError(
                lazy(
                    "%(path)s is an animation of more than %(limit)s pictures; make a video of it.",
                    path=path,
                    limit=MAX_ANIMATION_FRAMES,
                )
            )
        first = file.draw(0)
        width, height = first.size
        remarks = tuple(_remarks(path, file, first))
        if file.count == 1:
            return MediaInfo("image", width, height, remarks=remarks)
        total_ms = 0.0
        for index in range(file.count):
            file.draw(index)
            total_ms += _shown_ms(file, index)
        return MediaInfo(
            "animation",
            width,
            height,
            duration_s=total_ms / 1000,
            frames_per_second=file.count * 1000 / total_ms,
            remarks=remarks,
        )


def _remarks(path: Path, file: PictureFile, first: Image.Image) -> Iterator[str]:
    # One pixel shows whether the profile can be used.
    file.converter.opaque(with_8_bits(first.crop((0, 0, 1, 1))))
    if file.converter.is_profile_ignored:
        yield (
            lazy(
                "%(path)s has a colour profile that is damaged or meant for another kind "
                "of picture, so its colours may be wrong; save it again in sRGB.",
                path=path,
            )
        )
    if file.is_cut_off:
        yield lazy("%(path)s is cut off: its last pictures are missing; copy it again.", path=path)


def image_frames(path: Path, viewport: Callable[[], Size]) -> Iterator[MediaFrame]:
    """Yield the frame of a still picture."""
    with open_picture(path, 1) as file:
        size = viewport()
        # A square, because it may yet be turned.
        file.draft(max(size))
        yield MediaFrame(0, _scaled(file.draw(0), file.converter, size))


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
    with open_picture(path, MAX_ANIMATION_FRAMES) as file:
        animation = _Animation(file, viewport)
        rounds = file.rounds if loop else 1
        position_ms = 0.0
        emitted_ns, left_out = -1, 0
        while rounds > 0:
            if animation.round_ms:
                # Whole rounds before the start need not be decoded.
                passed = (start_ns / 1e6 - position_ms) // animation.round_ms
                passed = min(rounds - 1, max(0, passed))
                position_ms += passed * animation.round_ms
                rounds -= passed
            for index in range(file.count):
                began_ns = round(position_ms * 1e6)
                position_ms += animation.duration_ms(index)
                is_last = rounds == 1 and index == file.count - 1
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

    def __init__(self, file: PictureFile, viewport: Callable[[], Size]) -> None:
        self._file = file
        self._viewport = viewport
        self._durations_ms: list[float] = []
        self._kept: dict[int, NDArray[np.uint8]] = {}
        self._size = (0, 0)
        self._bytes = 0

    @property
    def round_ms(self) -> float:
        """The length of a round; 0 until each picture was decoded once."""
        is_known = len(self._durations_ms) == self._file.count
        return sum(self._durations_ms) if is_known else 0.0

    @property
    def is_kept(self) -> bool:
        """Whether all pictures fit into the memory, judged by the last one that was shown."""
        return self._file.count * self._bytes <= MAX_KEPT_BYTES

    def duration_ms(self, index: int) -> float:
        if index == len(self._durations_ms):
            self._durations_ms.append(_shown_ms(self._file, index))
        return self._durations_ms[index]

    def rgb(self, index: int) -> NDArray[np.uint8]:
        size = self._viewport()
        if size != self._size:
            self._kept, self._size = {}, size
        if index in self._kept:
            return self._kept[index]
        rgb = _scaled(self._file.draw(index), self._file.converter, size)
        self._bytes = rgb.nbytes
        if self.is_kept:
            self._kept[index] = rgb
        return rgb


def _shown_ms(file: PictureFile, index: int) -> float:
    # Browsers take 0 to 10 ms for 100 ms, and animations rely on it.
    stated = file.duration_ms(index)
    return stated if stated > 10 else 100.0


def _scaled(picture: Image.Image, converter: SrgbConverter, viewport: Size) -> NDArray[np.uint8]:
    plain = with_8_bits(picture, converter.bits)
    size = fit(plain.size, viewport)
    if plain.size != size:
        # Reduce by whole steps first: a third of the time, no visible difference.
        plain = plain.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return np.array(converter.opaque(plain), dtype=np.uint8)
