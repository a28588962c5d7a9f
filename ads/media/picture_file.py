"""Open pictures, turn them upright, and go from one picture of an animation to the next."""

from __future__ import annotations

import logging
import os
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import Blend, PngImageFile

from ads.errors import MediaError
from ads.media.heif import is_heic, read_heic
from ads.media.types import MAX_PIXELS, reason, require_file, require_sane_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

logger = logging.getLogger(__name__)

# Pillow logs damage as an error and raises it too; the caller says it in its own words.
logging.getLogger("PIL").setLevel(logging.CRITICAL)

ANIMATED_FORMATS = ("AVIF", "GIF", "PNG", "WEBP")
"""Several pictures in another format are pages, or views of one thing."""

_FORMATS = (*ANIMATED_FORMATS, "JPEG", "BMP", "DIB", "TIFF")
"""All other formats are refused, whatever the name: for EPS, Pillow would run another program."""

# What Pillow and its plugins raise on broken files.
_ERRORS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
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


def _start(path: Path) -> bytes:
    try:
        # As in `open_clip`, a pipe in the place of the file must not block.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            return file.read(64)
    except OSError:
        return b""


@contextmanager
def open_picture(path: Path) -> Iterator[Image.Image]:
    """Open a picture; errors here or in the body become a `MediaError`."""
    require_file(path)
    try:
        if is_heic(_start(path)):
            yield read_heic(path)
            return
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
        why = "unknown content" if isinstance(error, UnidentifiedImageError) else reason(error)
        why = "the file is cut off" if "truncated" in why.lower() else why
        raise MediaError(
            f"{path} cannot be decoded as a picture ({why}); replace the file."
        ) from error


def seek(picture: Image.Image, index: int) -> bool:
    """Go to a picture of an animation; return whether there is one."""
    try:
        if index == first_index(picture) == 1 != picture.tell():
            # Nothing of the poster may show through the first picture.
            picture.seek(0)
            picture.load()
            picture.paste((0, 0, 0, 0) if picture.mode == "RGBA" else 0, (0, 0, *picture.size))
        picture.seek(index)
    except EOFError:
        return False
    return True


def load(picture: Image.Image) -> None:
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


def first_index(picture: Image.Image) -> int:
    """Return the index of the first picture to show.

    The poster of an animated PNG, for programs that show stills only, need not belong to it.
    """
    return int(picture.info.get("default_image", False))


def upright(picture: Image.Image) -> Image.Image:
    """Return a picture turned as its EXIF data say; damaged ones are ignored."""
    picture.load()
    try:
        return ImageOps.exif_transpose(picture)
    except _ERRORS as error:
        logger.debug("Ignoring damaged EXIF data: %s", reason(error))
        return picture
