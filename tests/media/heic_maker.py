"""Write HEIC pictures as telephones do (ISO/IEC 23008-12): tiles of HEVC, turned by the reader."""

from __future__ import annotations

import io
import struct
from functools import cache
from typing import TYPE_CHECKING

import av
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

GRID = 1
"""The number of the item that is the whole picture; its tiles follow."""


def heic(
    rgb: np.ndarray,
    tile: tuple[int, int] | None = None,
    *,
    turns: int = 0,
    mirror: int | None = None,
    icc: bytes = b"",
) -> bytes:
    """Return a picture, `(height, width, 3)` uint8 RGB.

    Args:
        tile: Width and height of its tiles, even numbers; None for one picture.
        turns: Quarter turns to the left after decoding.
        mirror: 0 exchanges top and bottom after that, 1 left and right.
        icc: A colour profile.
    """
    height, width = rgb.shape[:2]
    if tile is None:
        tiles, numbers = [rgb], [GRID]
        tile = (width, height)
    else:
        tiles = _cut(rgb, tile)
        numbers = [GRID + 1 + number for number in range(len(tiles))]
    coded = [_coded(part.tobytes(), tile) for part in tiles]
    own = [_box(b"colr", b"prof" + icc)] if icc else []
    own += [_box(b"irot", bytes([turns]))] if turns else []
    own += [_box(b"imir", bytes([mirror]))] if mirror is not None else []
    properties = [
        _box(b"hvcC", coded[0][0]),
        _full_box(b"ispe", struct.pack(">II", *tile)),
        _full_box(b"ispe", struct.pack(">II", width, height)),
        *own,
    ]
    whole = [*([1] if numbers == [GRID] else []), 3, *range(4, 4 + len(own))]
    uses = {GRID: whole} | {number: [1, 2] for number in numbers if number != GRID}
    kinds = dict.fromkeys(numbers, b"hvc1")
    inline = b""
    if GRID not in numbers:
        kinds = {GRID: b"grid"} | kinds
        columns, rows = -(-width // tile[0]), -(-height // tile[1])
        inline = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)

    def described(start: int) -> bytes:
        places = {}
        for number, (_, content) in zip(numbers, coded, strict=True):
            places[number] = (0, start, len(content))
            start += len(content)
        if inline:
            places[GRID] = (1, 0, len(inline))
        return _meta(kinds, places, numbers if inline else [], properties, uses, inline)

    head = _box(b"ftyp", b"heic\0\0\0\0mif1heic")
    start = len(head) + len(described(0)) + 8
    return head + described(start) + _box(b"mdat", b"".join(content for _, content in coded))


def _meta(
    kinds: dict[int, bytes],
    places: dict[int, tuple[int, int, int]],
    parts: Sequence[int],
    properties: Sequence[bytes],
    uses: dict[int, list[int]],
    inline: bytes,
) -> bytes:
    entries = b"".join(
        _full_box(b"infe", struct.pack(">HH4sB", number, 0, kind, 0), version=2)
        for number, kind in kinds.items()
    )
    located = b"".join(
        struct.pack(">HHHHII", number, method, 0, 1, start, length)
        for number, (method, start, length) in places.items()
    )
    used = b"".join(struct.pack(">HB", number, len(of)) + bytes(of) for number, of in uses.items())
    boxes = [
        _full_box(b"hdlr", b"\0\0\0\0pict" + bytes(13)),
        _full_box(b"pitm", struct.pack(">H", GRID)),
        _full_box(b"iloc", struct.pack(">BBH", 0x44, 0, len(places)) + located, version=1),
        _full_box(b"iinf", struct.pack(">H", len(kinds)) + entries),
        _box(
            b"iprp",
            _box(b"ipco", b"".join(properties))
            + _full_box(b"ipma", struct.pack(">I", len(uses)) + used),
        ),
    ]
    if parts:
        refers = struct.pack(f">HH{len(parts)}H", GRID, len(parts), *parts)
        boxes += [_full_box(b"iref", _box(b"dimg", refers)), _box(b"idat", inline)]
    return _full_box(b"meta", b"".join(boxes))


def _cut(rgb: np.ndarray, tile: tuple[int, int]) -> list[np.ndarray]:
    """Cut a picture into tiles, row by row; those at its end are filled up."""
    height, width = rgb.shape[:2]
    filled = np.pad(rgb, ((0, -height % tile[1]), (0, -width % tile[0]), (0, 0)), "edge")
    return [
        filled[top : top + tile[1], left : left + tile[0]]
        for top in range(0, height, tile[1])
        for left in range(0, width, tile[0])
    ]


@cache
def _coded(pixels: bytes, size: tuple[int, int]) -> tuple[bytes, bytes]:
    """Return the configuration and the data of a picture in HEVC, as they are stored in MP4."""
    width, height = size
    rgb = np.frombuffer(pixels, np.uint8).reshape(height, width, 3)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx265", rate=1)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv444p"
        stream.options = {"crf": "1", "x265-params": "keyint=1:log-level=none:pools=1"}
        stream.codec_context.color_range, stream.codec_context.colorspace = 2, 6
        frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(
            format="yuv444p", dst_colorspace="ITU601", dst_color_range="JPEG"
        )
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        stream = container.streams.video[0]
        packet = next(packet for packet in container.demux(stream) if packet.size)
        return bytes(stream.codec_context.extradata), bytes(packet)


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def _full_box(kind: bytes, content: bytes, *, version: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", version << 24) + content)
