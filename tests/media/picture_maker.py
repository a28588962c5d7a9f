"""Write pictures as people hand them over: deep, transparent, turned, animated, in any format."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

Box = tuple[int, int, int, int]

SIZE = (64, 48)


def written(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """Return a file without visible loss; all pictures of an animation with `append_images`."""
    lossless: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": 100, "subsampling": 0},
        "WEBP": {"lossless": True, "exact": True},
        "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    }
    file = io.BytesIO()
    picture.save(file, kind, **lossless.get(kind, {}), **options)
    return file.getvalue()


def animation(pictures: Sequence[Image.Image], kind: str, **options: Any) -> bytes:
    """Return an animation; `duration` of a picture in milliseconds, `loop` as the format has it."""
    return written(pictures[0], kind, save_all=True, append_images=pictures[1:], **options)


def ramp(white: float, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Return levels that rise from 0 on the left to white on the right: `(height, width)`."""
    return np.tile(np.linspace(0, white, size[0]), (size[1], 1))


def deep_png(rgb: np.ndarray) -> bytes:
    """Return a PNG of `(height, width, 3)` levels up to 65535, which Pillow cannot write."""
    height, width = rgb.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in rgb)
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def deep_tiff(pixels: np.ndarray, bits: int = 16) -> bytes:
    """Return a TIFF that Pillow cannot write, with 12 or 16 bits a level.

    Args:
        pixels: Levels, `(height, width)` grey or `(height, width, 3)` RGB.
    """
    height, width = pixels.shape[:2]
    count = pixels.size // (height * width)
    if bits == 12:
        first, second = pixels.reshape(-1, 2).astype(np.uint16).T
        packed = np.c_[first >> 4, (first & 15) << 4 | second >> 8, second & 255]
        data = packed.astype(np.uint8).tobytes()
    else:
        data = pixels.astype("<u2").tobytes()
    kind = 2 if count == 3 else 1
    fields = [(256, width), (257, height), (258, bits), (259, 1), (262, kind), (273, 8),
              (277, count), (278, height), (279, len(data))]  # fmt: skip
    bits_at = 8 + len(data)
    entries = b"".join(
        struct.pack("<HHII", tag, 3, 3, bits_at)
        if tag == 258 and count == 3
        else struct.pack("<HHII", tag, 4, 1, value)
        for tag, value in fields
    )
    directory = struct.pack("<H", len(fields)) + entries + bytes(4)
    stated = struct.pack("<3H2x", bits, bits, bits)
    return struct.pack("<2sHI", b"II", 42, bits_at + len(stated)) + data + stated + directory


class GifFrame:
    """A rectangle of one colour in a GIF.

    Args:
        box: Left, top, right and bottom in pixels.
        colour: Its number in the palette.
        hundredths: How long it stands, in hundredths of a second.
        disposal: What becomes of it: 1 stays, 2 is cleared, 3 gives way to what was there before.
        clear: The number of the transparent colour, if there is one.
    """

    def __init__(
        self, box: Box, colour: int, hundredths: int, *, disposal: int = 1, clear: int | None = None
    ) -> None:
        left, top, right, bottom = box
        flags = disposal << 2 | (clear is not None)
        control = struct.pack("<BHBB", flags, hundredths, clear or 0, 0)
        place = struct.pack("<HHHHB", left, top, right - left, bottom - top, 0)
        # Codes of 4 bits; clearing the table (8) in time keeps them so. 9 is the end.
        count = (right - left) * (bottom - top)
        codes = [code for n in range(count) for code in ([8, colour] if n % 6 == 0 else [colour])]
        codes += [9, 0] if len(codes) % 2 == 0 else [9]
        packed = bytes(a | b << 4 for a, b in zip(codes[::2], codes[1::2], strict=True))
        blocks = [packed[start : start + 255] for start in range(0, len(packed), 255)]
        pixels = b"\x03" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"
        self.content = b"!\xf9\x04" + control + b"," + place + pixels


def gif(
    frames: Sequence[GifFrame],
    palette: Sequence[tuple[int, int, int]],
    *,
    loop: int | None = 0,
    background: int = 0,
) -> bytes:
    """Return a GIF of `SIZE` with at most 8 colours.

    Args:
        loop: How often it repeats, 0 for ever; None states nothing.
        background: The number of the colour that the file calls its background.
    """
    colours = bytes(level for colour in palette for level in colour).ljust(24, b"\0")
    content = b"GIF89a" + struct.pack("<HHBBB", *SIZE, 0xF2, background, 0) + colours
    if loop is not None:
        content += b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", loop, 0)
    return content + b"".join(frame.content for frame in frames) + b";"


def _chunk(name: bytes, content: bytes) -> bytes:
    checked = name + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))
