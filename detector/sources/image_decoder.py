"""Decode untrusted bytes as a picture, in memory.

A few kilobytes can claim to be a picture of gigabytes. So the header is read first, and nothing is
decoded before the number of pixels is checked. One library does both, so the two cannot disagree.
"""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image

from detector.errors import PictureDecodeError
from detector.texts import lazy

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Pillow logs damage as an error and raises it too; a stranger's picture is no error of ours.
logging.getLogger("PIL").setLevel(logging.CRITICAL)

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF")
FORMAT_NAMES = lazy("JPEG, PNG, BMP, WebP, TIFF or GIF")

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""Inverse of each EXIF orientation (CIPA DC-008, tag 274)."""


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """Limits of the cost of decoding: each pixel takes up to 10 bytes, each scan a whole pass."""

    pixels: int = 50_000_000
    jpeg_scans: int = 100


def decode_picture(
    content: bytes, limits: PictureLimits | None = None, name: str = lazy("The picture")
) -> NDArray[np.uint8]:
    """Decode a JPEG, PNG, BMP, WebP, TIFF or GIF file, called `name` in error messages.

    Returns `(height, width, 3)` BGR, the first frame, upright by EXIF, without transparency. Raises
    `PictureDecodeError` if it has another format, is larger than allowed, or is damaged.
    """
    limits = limits or PictureLimits()
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(name, limits) from error
    except Exception as error:  # a decoder may fail in any way on hostile bytes
        raise PictureDecodeError(
            lazy(
                "%(name)s is not a picture: expected %(formats)s.", name=name, formats=FORMAT_NAMES
            ),
            "not_a_picture",
        ) from error
    with image:
        if image.width * image.height > limits.pixels:
            raise _too_many_pixels(name, limits)
        # Within a scan, 0x00 or a restart mark follows every 0xff: a match is a scan or metadata.
        is_jpeg = image.format in {"JPEG", "MPO"}
        if is_jpeg and content.count(b"\xff\xda") > limits.jpeg_scans:
            raise PictureDecodeError(
                lazy(
                    "%(name)s has too many scans: expected at most %(limit)s.",
                    name=name,
                    limit=limits.jpeg_scans,
                ),
                "too_many_scans",
            )
        try:
            return _pixels(image)
        except Exception as error:  # as above
            raise PictureDecodeError(
                lazy(
                    "%(name)s is damaged or of a rare kind: expected a whole %(formats)s "
                    "file with 8 or 16 bits per colour.",
                    name=name,
                    formats=FORMAT_NAMES,
                ),
                "damaged",
            ) from error


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    image.load()
    image.info.pop("transparency", None)  # Pillow would warn that it is lost
    if image.mode in {"I", "F"}:
        raise ValueError(f"32 bits per value ({image.mode})")
    image = upright(image)
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    pixels = cv2.cvtColor(np.asarray(image.convert("RGB")), cv2.COLOR_RGB2BGR)
    return np.asarray(pixels, dtype=np.uint8)


def upright(image: Image.Image) -> Image.Image:
    """Return a loaded picture as its EXIF data say it is to be shown; damaged data are ignored."""
    try:
        turn = _UPRIGHT.get(int(image.getexif().get(274, 1)))
    except Exception:  # noqa: BLE001 (damaged metadata must not spoil the picture)
        turn = None
    return image if turn is None else image.transpose(turn)


def _too_many_pixels(name: str, limits: PictureLimits) -> PictureDecodeError:
    return PictureDecodeError(
        lazy(
            "%(name)s has too many pixels: expected at most %(limit)s million.",
            name=name,
            limit=f"{limits.pixels / 1000000.0:g}",
        ),
        "too_many_pixels",
    )
