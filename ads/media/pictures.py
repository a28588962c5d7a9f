"""Decode still and animated pictures with Pillow, so that they look as in a browser.

They are turned upright by their EXIF data, brought to sRGB by their ICC profile, and laid over
`GROUND` where they are transparent. Of a file with several pages, the first one is a still picture.
"""

from __future__ import annotations

import logging
import math
import os
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps
from PIL.PngImagePlugin import Blend, PngImageFile

from ads.errors import MediaError
from ads.media.heif import is_heic, read_heic
from ads.media.picture_colours import SrgbConverter, with_8_bits
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

logger = logging.getLogger(__name__)

# Pillow logs damage as an error and raises it too; the caller says it in its own words.
logging.getLogger("PIL").setLevel(logging.CRITICAL)

MAX_ANIMATION_FRAMES = 10_000
"""Five minutes at 30 frames per second; a file of a megabyte can claim a million frames."""

_ANIMATED = ("AVIF", "GIF", "PNG", "WEBP")
_FORMATS = (*_ANIMATED, "JPEG", "BMP", "DIB", "TIFF")
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


def begins_like_picture(path: Path) -> bool:
    """Return whether a file begins like a picture of the known formats; False if unreadable."""
    start = _start(path)
    if start[4:8] == b"ftyp":
        return start[8:12] in {b"avif", b"avis"} or is_heic(start)
    if start.startswith(b"RIFF"):
        return start[8:12] == b"WEBP"
    return start.startswith((b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*"))


def probe_picture(path: Path) -> MediaInfo:
    """Look into a picture; see `ads.media.decode.probe`."""
    with _open(path) as picture:
        first = _first_index(picture)
        is_animated = picture.format in _ANIMATED and _seek(picture, first + 1)
        _seek(picture, first)
        width, height = _upright(picture).size
        if not is_animated:
            return MediaInfo("image", width, height)
        # Counted one by one: asking a GIF for their number would read through all of them first.
        total_ms, count = 0.0, 0
        while _seek(picture, first + count):
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
    with _open(path) as picture:
        size = viewport()
        # Decode a large JPEG at a fraction of its size; square, because it may yet be turned.
        picture.draft("RGB", (max(size), max(size)))
        _seek(picture, _first_index(picture))
        _load(picture)
        yield MediaFrame(0, _shown(picture, SrgbConverter(picture), size))


def animation_frames(
    path: Path, viewport: Callable[[], Size], *, loop: bool = False, start_ns: int = 0
) -> Iterator[MediaFrame]:
    """Yield the frames of an animation; see `ads.media.decode.frames`.

    It repeats as often as the file says, then its last picture stands.
    """
    with _open(path) as picture:
        first, end = _first_index(picture), getattr(picture, "n_frames", 1)
        converter = SrgbConverter(picture)
        rounds = _rounds(picture) if loop else 1
        position_ms = round_ms = 0.0
        while rounds > 0:
            if round_ms:
                # Whole rounds before the start need not be decoded.
                passed = min(rounds - 1, max(0, (start_ns / 1e6 - position_ms) // round_ms))
                position_ms += passed * round_ms
                rounds -= passed
            round_began_ms = position_ms
            for index in range(first, end):
                _seek(picture, index)
                _load(picture)
                began_ms, position_ms = position_ms, position_ms + _frame_ms(picture)
                is_last = rounds == 1 and index == end - 1
                if is_last or position_ms * 1e6 > start_ns:
                    until_ns = ENDLESS_NS if is_last else round(position_ms * 1e6)
                    rgb = _shown(picture, converter, viewport())
                    yield MediaFrame(round(began_ms * 1e6), rgb, until_ns)
            round_ms = position_ms - round_began_ms
            rounds -= 1


def _start(path: Path) -> bytes:
    try:
        # As in `open_clip`, a pipe in the place of the file must not block.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            return file.read(64)
    except OSError:
        return b""


@contextmanager
def _open(path: Path) -> Iterator[Image.Image]:
    """Open a picture; errors here or in the body become a `MediaError`."""
    require_file(path)
    if is_heic(_start(path)):
        yield read_heic(path)
        return
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
        if index == _first_index(picture) == 1 != picture.tell():
            # Nothing of the poster may show through the first picture.
            picture.seek(0)
            picture.load()
            picture.paste((0, 0, 0, 0) if picture.mode == "RGBA" else 0, (0, 0, *picture.size))
        picture.seek(index)
    except EOFError:
        return False
    return True


def _load(picture: Image.Image) -> None:
    """Decode a picture and blend it, if it is one of an animated PNG, as the standard says.

    Pillow blends what is opaque only; soft edges would become dark and more transparent.
    """
    if (
        not isinstance(picture, PngImageFile)
        or picture.mode not in {"LA", "RGBA"}
        or picture.info.get("blend") != Blend.OP_OVER
        or picture.tell() == 0
        or not picture.tile
    ):
        picture.load()
        return
    coming, picture.tile = picture.tile, []
    below = picture.copy()
    picture.tile, picture.blend_op = coming, Blend.OP_SOURCE
    picture.load()
    box = picture.info["bbox"]
    parts = (part.crop(box).convert("RGBA") for part in (below, picture))
    picture.paste(Image.alpha_composite(*parts).convert(picture.mode), box)


def _frame_ms(picture: Image.Image) -> float:
    # Browsers take 0 to 10 ms for 100 ms, and animations rely on it.
    stated = float(picture.info.get("duration", 0) or 0)
    return stated if stated > 10 else 100.0


def _first_index(picture: Image.Image) -> int:
    # The poster of an animated PNG, for programs that show stills only, need not belong to it.
    return int(picture.info.get("default_image", False))


def _rounds(picture: Image.Image) -> float:
    """Return how often an animation is shown; infinity for one without end."""
    stated = picture.info.get("loop")
    if picture.format == "GIF" and stated != 0:
        # A GIF states how often it repeats, and nothing if it does not.
        return 1 + (stated or 0)
    return stated or math.inf


def _upright(picture: Image.Image) -> Image.Image:
    picture.load()
    try:
        return ImageOps.exif_transpose(picture)
    except _ERRORS as error:
        logger.debug("Ignoring damaged EXIF data: %s", reason(error))
        return picture


def _shown(picture: Image.Image, converter: SrgbConverter, viewport: Size) -> NDArray[np.uint8]:
    plain = with_8_bits(_upright(picture))
    size = fit(plain.size, viewport)
    if plain.size != size:
        # Reduce by whole steps first: a third of the time, no visible difference.
        plain = plain.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return np.array(converter.opaque(plain), dtype=np.uint8)
