"""The ad as it is painted, for people who look at a screen from afar.

It is made from the pictures of the ads alone, so nothing that lies over them can be in it: neither
the camera's preview nor a notice.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ads.media.types import Size
    from ads.player.player import Picture
    from ads.player.transition import Blend

MAX_SIDE_PX = 1280
JPEG_QUALITY = 85


def draw_ad(picture: Picture | None, size: Size) -> NDArray[np.uint8]:
    """Return what a window of a size would paint, `(height, width, 3)`; black without a picture."""
    canvas = Image.new("RGB", size)
    if picture is not None:
        _paint(canvas, picture)
        if picture.blend is not None:
            over = canvas.copy()
            _paint(over, picture.blend)
            canvas = Image.blend(canvas, over, picture.blend.opacity)
    return np.asarray(canvas, np.uint8)


def _paint(canvas: Image.Image, shown: Picture | Blend) -> None:
    """Paint a picture, or one that lies over it, as `monitor.ui.ad_view` does."""
    front = Image.fromarray(shown.rgb)
    if shown.fit == "cover":
        canvas.paste(ImageOps.fit(front, canvas.size))
        return
    if shown.backdrop is None:
        canvas.paste((0, 0, 0), (0, 0, *canvas.size))
    else:
        canvas.paste(ImageOps.fit(Image.fromarray(shown.backdrop), canvas.size))
    fitted = ImageOps.contain(front, canvas.size)
    left, top = ((canvas.width - fitted.width) // 2, (canvas.height - fitted.height) // 2)
    canvas.paste(fitted, (left, top))


def as_jpeg(rgb: NDArray[np.uint8]) -> bytes:
    """Return a picture as JPEG, its longer side at most `MAX_SIDE_PX`."""
    image = Image.fromarray(rgb)
    image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=JPEG_QUALITY)
    return packed.getvalue()
