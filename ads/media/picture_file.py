"""Open picture files, and draw the pictures of animations one over the other."""

from __future__ import annotations

import io
import logging
import math
import os
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import Blend, PngImageFile

from ads.errors import MediaError
from ads.media.gif import GifPictures
from ads.media.heif import is_heic, read_heic
from ads.media.picture_colours import SrgbConverter
from ads.media.types import MAX_PIXELS, open_unblocked, reason, require_file, require_sane_size
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

logger = logging.getLogger(__name__)

# Pillow both logs damage and raises an error for it; the caller reports it.
logging.getLogger("PIL").setLevel(logging.CRITICAL)

_ANIMATED_FORMATS = ("AVIF", "GIF", "PNG", "WEBP")
"""In other formats, several pictures are pages, or views of one thing."""

_FORMATS = (*_ANIMATED_FORMATS, "JPEG", "BMP", "DIB", "TIFF")
"""All other formats are refused, whatever the name: for EPS, Pillow would run another program."""

_JPEG = b"\xff\xd8\xff"

MAX_WHOLE_BYTES = 200_000_000
"""Of files read as a whole, above all GIFs; a video would have a hundredth of the size."""

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
    return start.startswith((_JPEG, b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*"))


def _start(path: Path) -> bytes:
    try:
        with open_unblocked(path) as file:
            return file.read(64)
    except OSError:
        return b""


def _with_end(path: Path) -> io.BytesIO | None:
    """Return a JPEG with its end marker added, if nothing else is missing: some cameras omit it.

    If lines were missing too, padding before the marker would change the decoded picture.
    """
    with open_unblocked(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 4096))
        if size > MAX_WHOLE_BYTES or b"\xff\xd9" in file.read():
            return None
        file.seek(0)
        content = file.read()
    whole = [io.BytesIO(content + more + b"\xff\xd9") for more in (b"", b"\x55" * 1000)]
    decoded = []
    for one in whole:
        try:
            with Image.open(one, formats=["JPEG"]) as picture:
                require_sane_size(path, picture.size)
                decoded.append(picture.tobytes())
        except _ERRORS:
            return None
    return whole[0] if decoded[0] == decoded[1] else None


@contextmanager
def open_picture(path: Path, limit: int) -> Iterator[PictureFile]:
    """Open a picture file; errors here or in the body become a `MediaError`.

    Of an animated GIF, at most `limit` + 1 pictures are read.
    """
    require_file(path)
    try:
        start = _start(path)
        if is_heic(start):
            yield PictureFile(read_heic(path))
            return
        whole = _with_end(path) if start.startswith(_JPEG) else None
        with Image.open(whole or path, formats=_FORMATS) as picture:
            require_sane_size(path, picture.size)
            if picture.format != "GIF":
                yield PictureFile(picture)
            elif path.stat().st_size > MAX_WHOLE_BYTES:
                raise MediaError(
                    lazy("%(path)s is too large for a GIF; make a video of it.", path=path)
                )
            else:
                yield PictureFile(picture, GifPictures(path.read_bytes(), picture.size, limit))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaError(
            lazy(
                "%(path)s claims more than %(limit)s million pixels; make it smaller.",
                path=path,
                limit=MAX_PIXELS // 1000000,
            )
        ) from error
    except FileNotFoundError as error:
        raise MediaError(
            lazy("%(path)s does not exist; expected a media file there.", path=path)
        ) from error
    except _ERRORS as error:
        why, advice = reason(error), lazy("replace the file")
        if isinstance(error, UnidentifiedImageError):
            why, advice = lazy("unknown content, or a rare kind"), lazy("save it as JPEG or PNG")
        elif isinstance(error, IndexError | struct.error) or "truncated" in why.lower():
            why = lazy("the file is cut off")
        raise MediaError(
            lazy(
                "%(path)s cannot be decoded as a picture (%(why)s); %(advice)s.",
                path=path,
                why=why,
                advice=advice,
            )
        ) from error


class PictureFile:
    """An open file: its pictures from 0 on, drawn one over the other, and how they are shown.

    Attributes:
        count: How many there are to show; 1 for a still picture.
        rounds: How often an animation is shown; infinity for an endless one.
        is_cut_off: Whether pictures may be missing at the end of the file.
        converter: Brings its pictures to sRGB.
    """

    def __init__(self, picture: Image.Image, gif: GifPictures | None = None) -> None:
        self._picture = picture
        self._gif = gif
        # An animated PNG may begin with a poster for programs that only show stills.
        self._first = int(picture.info.get("default_image", False))
        self._drawn = -1
        self.converter = SrgbConverter(picture)
        self.count = 1
        self.rounds = 1.0
        self.is_cut_off = gif is not None and gif.is_cut_off
        if gif is not None:
            self.count, self.rounds = gif.count, gif.rounds
        elif picture.format in _ANIMATED_FORMATS:
            self.count = getattr(picture, "n_frames", 1) - self._first
            self.rounds = picture.info.get("loop") or math.inf

    def draft(self, side: int) -> None:
        """Decode a large JPEG at a fraction of its size, at least a square of this side."""
        self._picture.draft("RGB", (side, side))

    def draw(self, index: int) -> Image.Image:
        """Return a picture, turned upright by its EXIF data; damaged ones are ignored."""
        if self._gif is not None:
            return self._gif.draw(index)
        self._decode(index)
        try:
            return ImageOps.exif_transpose(self._picture)
        except _ERRORS as error:
            logger.debug("Ignoring damaged EXIF data: %s", reason(error))
            return self._picture

    def duration_ms(self, index: int) -> float:
        """Return how long a picture stands in each round; 0 may be stated."""
        if self._gif is not None:
            return self._gif.duration_ms(index)
        self._decode(index)
        return float(self._picture.info.get("duration", 0) or 0)

    def _decode(self, index: int) -> None:
        # One after the other, because pictures are drawn over those before them.
        if index < self._drawn:
            self._drawn = -1
        for number in range(self._first + self._drawn + 1, self._first + index + 1):
            if number == self._first == 1:
                self._clear_poster()
            self._picture.seek(number)
            _load(self._picture)
        self._drawn = index

    def _clear_poster(self) -> None:
        # The poster must not show through the first picture.
        picture = self._picture
        picture.seek(0)
        picture.load()
        picture.paste((0, 0, 0, 0) if picture.mode == "RGBA" else 0, (0, 0, *picture.size))


def _load(picture: Image.Image) -> None:
    """Decode a picture; blend one of an animated PNG as the standard says.

    Pillow only blends opaque pixels right; soft edges would become dark and more transparent.
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
