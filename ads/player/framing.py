"""Fit the frames of an ad to the screen: scaled, cropped, or on a blurred copy of themselves."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ads.media.types import MediaFrame, Size
    from ads.playlists.playlist import Ad

BACKDROP_PX = 64
"""The longer side of a blurred copy; the blur leaves no finer detail."""


def decoded_box(ad: Ad, viewport: Size) -> Size:
    """Return the size to decode the frames of an ad to fit, so that they fill the viewport.

    An ad of a very different shape is decoded smaller and enlarged on the screen: most pixels of a
    strip would be cropped anyway.
    """
    if ad.fit != "cover" or not (ad.width and ad.height):
        return viewport
    scale = max(viewport[0] / ad.width, viewport[1] / ad.height)
    pixels = ad.width * ad.height * scale**2
    scale *= math.sqrt(min(1.0, 4 * viewport[0] * viewport[1] / pixels))
    return max(1, math.ceil(ad.width * scale)), max(1, math.ceil(ad.height * scale))


def framed(frame: MediaFrame, ad: Ad, viewport: Size) -> MediaFrame:
    """Return a decoded frame as its ad is shown: cropped to the screen, or with a backdrop."""
    if ad.fit == "contain":
        return frame
    height, width = frame.rgb.shape[:2]
    left, top, right, bottom = _cut(width, height, viewport)
    if (left, top) == (0, 0):
        return frame
    if ad.fit == "blur":
        return replace(frame, backdrop=_blurred(frame.rgb, (left, top, right, bottom)))
    return replace(frame, rgb=np.ascontiguousarray(frame.rgb[top:bottom, left:right]))


def _cut(width: int, height: int, viewport: Size) -> tuple[int, int, int, int]:
    """Return the edges of the largest part in the middle of a picture with the viewport's shape."""
    kept_width = min(width, max(1, round(height * viewport[0] / viewport[1])))
    kept_height = min(height, max(1, round(width * viewport[1] / viewport[0])))
    left, top = (width - kept_width) // 2, (height - kept_height) // 2
    return left, top, left + kept_width, top + kept_height


def _blurred(rgb: NDArray[np.uint8], part: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Return a small blurred copy of a part of a picture."""
    width, height = part[2] - part[0], part[3] - part[1]
    scale = BACKDROP_PX / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = Image.fromarray(rgb).resize(size, Image.Resampling.BOX, part)
    return np.asarray(small.filter(ImageFilter.GaussianBlur(BACKDROP_PX / 20)), np.uint8)
