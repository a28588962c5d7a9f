"""The ad's own pictures along its time: small JPEGs for a strip under its curves, and for single moments.

Files go through the same opening as in the player, so the same limits hold: nothing but local
files, no giant pictures, and of a file that breaks off the pictures before the break.
"""

from __future__ import annotations

import io
import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from ads.errors import AdsError, MediaError
from ads.media.decode import frames
from ads.media.types import ENDLESS_NS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ads.media.types import MediaFrame, MediaKind, Size

STRIP_HEIGHT_PX = 80
MOST_STILLS = 10
"""In one strip: as many as can be told apart across a page."""

MOST_WIDTH_PX = 1600
"""Of one still; only a picture of an odd shape would be wider."""

JPEG_QUALITY = 70
LEAST_STEP_S = 0.04


@dataclass(frozen=True, slots=True)
class Still:
    """One picture of an ad.

    Attributes:
        second: The position in the ad that it stands for, in seconds.
        jpeg: The picture, packed.
        width: In pixels.
        height: In pixels.
    """

    second: float
    jpeg: bytes
    width: int
    height: int


def film_strip(
    path: Path,
    duration_s: float,
    kind: MediaKind,
    *,
    every_s: float = 1.0,
    height_px: int = STRIP_HEIGHT_PX,
    most: int = MOST_STILLS,
) -> list[Still]:
    """Pictures at even distances over an ad, each from the middle of the stretch that it stands for.

    Args:
        path: The media file.
        duration_s: How long the ad is shown, above 0; an animation starts again as in the player,
            and the last picture of a clip that is shorter stays.
        kind: As `ads.media.decode.probe` found it; a still picture gives one still.
        every_s: The wanted length of a stretch; longer where there would be more than `most`.
        height_px: Height of the stills.
        most: At most so many stills, at least 1.

    Returns:
        Stills in rising order; fewer than asked for when the file breaks off.

    Raises:
        AdsError: A length, a height or a count is not above 0.
        MediaError: The file is missing, too large, or no picture of it can be decoded.
    """
    return stills_at(
        path, kind, strip_positions(duration_s, every_s, 1 if kind == "image" else most), height_px
    )


def strip_positions(duration_s: float, every_s: float, most: int) -> list[float]:
    """The positions of the stills of a strip, in seconds: the middles of stretches of equal length.

    Args:
        duration_s: Length of the ad.
        every_s: The wanted length of a stretch; the next one that divides the ad evenly is taken.
        most: At most so many.

    Raises:
        AdsError: One of them is not above 0.

    Example:
        >>> strip_positions(4.0, 1.0, 10)
        [0.5, 1.5, 2.5, 3.5]
    """
    for name, value in (("duration_s", duration_s), ("every_s", every_s), ("most", most)):
        if not (math.isfinite(value) and value > 0):
            raise AdsError(f"Invalid {name}: expected a number above 0, received {value}.")
    count = max(1, min(most, round(duration_s / max(every_s, LEAST_STEP_S))))
    return [(k + 0.5) * duration_s / count for k in range(count)]


def stills_at(
    path: Path, kind: MediaKind, seconds: Sequence[float], height_px: int = STRIP_HEIGHT_PX
) -> list[Still]:
    """The pictures that are on the screen at some positions of an ad.

    Args:
        path: The media file.
        kind: As `ads.media.decode.probe` found it.
        seconds: Positions from the start, at least 0, in any order; an animation starts again at
            its end, and the last picture of a clip stays.
        height_px: Height of the stills.

    Returns:
        A still for each different position in rising order, without those that lie behind a break
        in the file.

    Raises:
        AdsError: A position is negative, or the height is not above 0.
        MediaError: The file is missing, too large, or no picture of it can be decoded.
    """
    if height_px <= 0:
        raise AdsError(f"Invalid height_px: expected a number above 0, received {height_px}.")
    wanted = sorted(set(seconds))
    if wanted and not (wanted[0] >= 0 and math.isfinite(wanted[-1])):
        raise AdsError(
            f"Invalid position: expected seconds of at least 0, received {wanted[0]} to {wanted[-1]}."
        )
    if not wanted:
        return []
    found: list[Still] = []
    seen: NDArray[np.uint8] | None = None
    jpeg = b""
    try:
        for second, rgb in _shown(path, kind, wanted, (MOST_WIDTH_PX, height_px)):
            if rgb is not seen:
                seen, jpeg = rgb, _packed(rgb)
            found.append(Still(second, jpeg, rgb.shape[1], rgb.shape[0]))
    except MediaError:
        if not found:
            raise
    return found


def _shown(
    path: Path, kind: MediaKind, wanted: Sequence[float], viewport: Size
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """The picture of each wanted position; both in rising order."""
    places = deque(round(second * 1e9) for second in wanted)
    names = deque(wanted)
    # Told what is wanted next, a clip's pictures in between are not converted.
    source = frames(path, kind, lambda: viewport, loop=True, wanted_ns=lambda: places[0])
    try:
        for frame in source:
            until_ns = frame.until_ns
            if until_ns == ENDLESS_NS and kind == "video":
                until_ns = _end_of(frame, source)
            while places and places[0] < until_ns:
                yield names.popleft(), frame.rgb
                places.popleft()
            if not places:
                return
    finally:
        close = getattr(source, "close", None)
        if close is not None:
            close()


def _end_of(last: MediaFrame, source: Iterator[MediaFrame]) -> int:
    """Until when a clip's last picture stands: only for itself where the file breaks off behind it."""
    try:
        next(source, None)
    except MediaError:
        return last.position_ns + 1
    return ENDLESS_NS


def _packed(rgb: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return file.getvalue()
