"""Thumbnails of an ad along its time: small JPEGs, under the same limits as in the player."""

from __future__ import annotations

import io
import math
from collections import deque
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from ads.errors import AdsError, MediaError
from ads.media.decode import frames
from ads.media.types import ENDLESS_NS, MediaKind, Size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


DEFAULT_HEIGHT_PX = 80


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """One picture of an ad, at a second of it; width and height in pixels."""

    second: float
    jpeg: bytes
    width: int
    height: int


def thumbnails(
    path: Path,
    duration_s: float,
    kind: MediaKind,
    *,
    every_s: float = 1.0,
    height_px: int = DEFAULT_HEIGHT_PX,
    most: int = 10,
) -> list[Thumbnail]:
    """Return thumbnails at even distances over an ad, each from the middle of its stretch.

    A still picture gives one thumbnail, a file that breaks off fewer than requested. An animation
    repeats as in the player, and the last picture of a shorter clip stays.

    Args:
        duration_s: How long the ad is shown, above 0.
        kind: As found by `ads.media.decode.probe`.
        every_s: The wanted length of a stretch; longer where there would be more than `most`.
        most: At most this many, at least 1.

    Raises:
        AdsError: A length, a height or a count is not above 0.
        MediaError: The file is missing, too large, or no picture of it can be decoded.
    """
    positions = even_positions(duration_s, every_s, 1 if kind == "image" else most)
    return thumbnails_at(path, kind, positions, height_px)


def even_positions(duration_s: float, every_s: float, most: int) -> list[float]:
    """Return the middles of stretches of equal length; `AdsError` if an argument is not above 0.

    Example:
        >>> even_positions(4.0, 1.0, 10)
        [0.5, 1.5, 2.5, 3.5]
    """
    for name, value in (("duration_s", duration_s), ("every_s", every_s), ("most", most)):
        if not (math.isfinite(value) and value > 0):
            raise AdsError(f"Invalid {name}: expected a number above 0, received {value}.")
    # No more than one per frame of a usual video.
    count = max(1, min(most, round(duration_s / max(every_s, 0.04))))
    return [(k + 0.5) * duration_s / count for k in range(count)]


def thumbnails_at(
    path: Path, kind: MediaKind, seconds: Sequence[float], height_px: int = DEFAULT_HEIGHT_PX
) -> list[Thumbnail]:
    """Return what is on the screen at some positions of an ad, in seconds of at least 0.

    See `thumbnails`. One for each different position in rising order, until the file breaks off.
    """
    if height_px <= 0:
        raise AdsError(f"Invalid height_px: expected a number above 0, received {height_px}.")
    wanted = sorted(set(seconds))
    if wanted and not (wanted[0] >= 0 and math.isfinite(wanted[-1])):
        raise AdsError(
            "Invalid position: expected seconds of at least 0, "
            f"received {wanted[0]} to {wanted[-1]}."
        )
    if not wanted:
        return []
    found: list[Thumbnail] = []
    seen: NDArray[np.uint8] | None = None
    jpeg = b""
    try:
        # Only a picture of an odd shape would be wider.
        for second, rgb in _pictures(path, kind, wanted, (1600, height_px)):
            if rgb is not seen:
                file = io.BytesIO()
                Image.fromarray(rgb).save(file, "JPEG", quality=70, optimize=True)
                seen, jpeg = rgb, file.getvalue()
            found.append(Thumbnail(second, jpeg, rgb.shape[1], rgb.shape[0]))
    except MediaError:
        if not found:
            raise
    return found


def _pictures(
    path: Path, kind: MediaKind, wanted: Sequence[float], viewport: Size
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Yield the picture of each wanted position; both in rising order."""
    places = deque((round(second * 1e9), second) for second in wanted)
    # With the next wanted position known, a clip's pictures in between are not converted.
    source = frames(path, kind, lambda: viewport, loop=True, wanted_ns=lambda: places[0][0])
    with closing(source):  # type: ignore[type-var]
        for frame in source:
            until_ns = frame.until_ns
            if until_ns == ENDLESS_NS and kind == "video":
                try:
                    next(source, None)
                except MediaError:
                    # The clip breaks off here, so its last picture does not stay.
                    until_ns = frame.position_ns + 1
            while places and places[0][0] < until_ns:
                yield places[0][1], frame.rgb
                places.popleft()
            if not places:
                return
