"""Decode still and animated pictures with Pillow."""

from __future__ import annotations

import logging
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from ads.errors import MediaError
from ads.media.types import (
    ENDLESS_NS,
    MAX_PIXELS,
    MediaFrame,
    MediaInfo,
    Size,
    fit,
    reason,
    require_file,
    require_sane_size,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

# Pillow logs damage as an error and raises it too; the caller says it in its own words.
logging.getLogger("PIL").setLevel(logging.CRITICAL)

MAX_ANIMATION_FRAMES = 10_000
"""Five minutes at 30 frames per second; a file of a megabyte can claim a million frames."""

_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "DIB", "TIFF")
"""All other formats are refused, whatever the name: for EPS, Pillow would run another program."""

# What Pillow and its plugins raise on broken files.
_ERRORS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


def probe_picture(path: Path) -> MediaInfo:
    """Look into a picture; see `ads.media.decode.probe`."""
    with _open(path) as picture:
        is_animated = getattr(picture, "is_animated", False)
        if not is_animated or picture.format not in {"GIF", "PNG", "WEBP"}:
            upright = ImageOps.exif_transpose(picture)
            upright.load()
            return MediaInfo("image", *upright.size)
        # Counted one by one: asking a GIF for their number would read through all of them first.
        total_ms, count = 0.0, 0
        while _seek(picture, count):
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
            *picture.size,
            duration_s=total_ms / 1000,
            frames_per_second=count * 1000 / total_ms,
        )


def image_frames(path: Path, viewport: Callable[[], Size]) -> Iterator[MediaFrame]:
    """Yield the frame of a still picture, turned upright by its EXIF data."""
    with _open(path) as picture:
        size = viewport()
        # Decode a large JPEG at a fraction of its size; square, because it may yet be turned.
        picture.draft("RGB", (max(size), max(size)))
        upright = ImageOps.exif_transpose(picture)
        yield MediaFrame(0, _scaled(upright, size))


def animation_frames(
    path: Path, viewport: Callable[[], Size], *, loop: bool = False, start_ns: int = 0
) -> Iterator[MediaFrame]:
    """Yield the frames of an animation; see `ads.media.decode.frames`."""
    with _open(path) as picture:
        position_ms = 0.0
        while True:
            count = getattr(picture, "n_frames", 1)
            for index in range(count):
                picture.seek(index)
                picture.load()
                began_ms, position_ms = position_ms, position_ms + _frame_ms(picture)
                is_last = not loop and index == count - 1
                if is_last or position_ms * 1e6 > start_ns:
                    until_ns = ENDLESS_NS if is_last else round(position_ms * 1e6)
                    rgb = _scaled(picture, viewport())
                    yield MediaFrame(round(began_ms * 1e6), rgb, until_ns)
            if not loop:
                return


@contextmanager
def _open(path: Path) -> Iterator[Image.Image]:
    """Open a picture; errors here or in the body become a `MediaError`."""
    require_file(path)
    try:
        with Image.open(path, formats=_FORMATS) as picture:
            require_sane_size(path, picture.size)
            yield picture
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaError(
            f"{path} claims more than {MAX_PIXELS // 1_000_000} million pixels; make it smaller."
        ) from error
    except FileNotFoundError as error:
        raise MediaError(f"{path} does not exist; expected a media file there.") from error
    except _ERRORS as error:
        raise MediaError(
            f"{path} cannot be decoded as a picture ({reason(error)}); replace the file."
        ) from error


def _seek(picture: Image.Image, index: int) -> bool:
    """Go to a picture of an animation; return whether there is one."""
    try:
        picture.seek(index)
    except EOFError:
        return False
    return True


def _frame_ms(picture: Image.Image) -> float:
    # Browsers take 0 to 10 ms for 100 ms, and animations rely on it.
    stated = float(picture.info.get("duration", 0) or 0)
    return stated if stated > 10 else 100.0


def _scaled(picture: Image.Image, viewport: Size) -> NDArray[np.uint8]:
    size = fit(picture.size, viewport)
    if "A" in picture.getbands() or "transparency" in picture.info:
        # On white, as in a browser.
        shown = picture if picture.mode == "RGBA" else picture.convert("RGBA")
        if shown.size != size:
            shown = shown.resize(size, Image.Resampling.LANCZOS)
        ground = Image.new("RGBA", size, "white")
        ground.alpha_composite(shown)
        opaque = ground.convert("RGB")
    else:
        opaque = picture.convert("RGB")
        if opaque.size != size:
            # Reduce by whole steps first: a third of the time, no visible difference.
            opaque = opaque.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return np.array(opaque, dtype=np.uint8)
