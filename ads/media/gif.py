"""Draw the pictures of a GIF one over the other, as browsers do.

Pillow decodes each rectangle. It would also put them together, but shows the file's background
colour, often black, where browsers are transparent, and clears rectangles that are to stay.
"""

from __future__ import annotations

import io
import math
import struct
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from ads.media.types import MAX_PIXELS
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Iterator

Box = tuple[int, int, int, int]


class _Frame(NamedTuple):
    """A rectangle: its place, duration and disposal, and a GIF file of it alone."""

    box: Box
    duration_ms: float
    disposal: int
    content: bytes


class GifPictures:
    """The pictures of a GIF, at most `limit` + 1.

    Attributes:
        is_cut_off: Whether the file breaks off, so that pictures may be missing at its end.
        rounds: How often it is shown; infinity for an endless one.

    Raises:
        ValueError, struct.error, IndexError: The file breaks off in its first picture.
    """

    def __init__(self, content: bytes, size: tuple[int, int], limit: int) -> None:
        self.rounds: float = 1
        self._size = size
        self.is_cut_off = False
        self._frames: list[_Frame] = []
        try:
            self._frames.extend(islice(self._parsed(content), limit + 1))
        except (IndexError, struct.error):
            if not self._frames:
                raise
            self.is_cut_off = True
        if not self._frames:
            raise ValueError(lazy("it holds no picture"))
        self._canvas = Image.new("RGBA", size)
        self._below = self._canvas
        self._drawn = -1

    @property
    def count(self) -> int:
        return len(self._frames)

    def duration_ms(self, index: int) -> float:
        return self._frames[index].duration_ms

    def draw(self, index: int) -> Image.Image:
        """Return a picture in RGBA, drawn over what remains of those before it."""
        if index < self._drawn:
            self._drawn = -1
        for number in range(self._drawn + 1, index + 1):
            self._draw_over(number)
        return self._canvas

    def _draw_over(self, index: int) -> None:
        if index == 0:
            self._canvas = Image.new("RGBA", self._size)
        else:
            before = self._frames[index - 1]
            if before.disposal == 2:
                self._canvas.paste((0, 0, 0, 0), before.box)
            elif before.disposal == 3:
                self._canvas = self._below
        frame = self._frames[index]
        if frame.disposal == 3:
            self._below = self._canvas.copy()
        with Image.open(io.BytesIO(frame.content), formats=["GIF"]) as picture:
            rectangle = picture.convert("RGBA")
        self._canvas.paste(rectangle, frame.box[:2], rectangle)
        self._drawn = index

    def _parsed(self, content: bytes) -> Iterator[_Frame]:
        flags = content[10]
        place = 13 + _palette_bytes(flags)
        palette = content[13:place]
        control = bytes(4)
        while place < len(content) and content[place] in b"!,":
            if content[place] == ord("!"):
                label, start = content[place + 1], place + 2
                place = _after_blocks(content, start)
                if label == 0xF9:
                    control = content[start + 1 : start + 5]
                elif label == 0xFF and content[start + 1 : start + 12] in _LOOPS:
                    (repeats,) = struct.unpack_from("<H", content, start + 14)
                    # The file states the repetitions after the first round.
                    self.rounds = repeats + 1 if repeats else math.inf
                continue
            left, top, width, height, local = struct.unpack_from("<4HB", content, place + 1)
            if width * height > MAX_PIXELS:
                raise ValueError(
                    lazy(
                        "one picture has %(width)s x %(height)s pixels", width=width, height=height
                    )
                )
            start, place = place + 9, place + 10 + _palette_bytes(local)
            # The size of the codes comes first, then blocks of pixels.
            place = _after_blocks(content, place + 1)
            screen = struct.pack("<HHBBB", width, height, flags, 0, 0)
            own = struct.pack("<4H", 0, 0, width, height) + content[start:place]
            yield _Frame(
                (left, top, left + width, top + height),
                10.0 * (control[1] | control[2] << 8),
                control[0] >> 2 & 7,
                b"GIF89a" + screen + palette + b"!\xf9\x04" + control + b"\0," + own + b";",
            )
            control = bytes(4)


_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")


def _palette_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 128 else 0


def _after_blocks(content: bytes, place: int) -> int:
    """Return the place after blocks that each begin with their length; a length of 0 ends them."""
    while content[place]:
        place += 1 + content[place]
    return place + 1
