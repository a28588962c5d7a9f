"""Read HEIC pictures, as telephones store them: HEVC in tiles, put together as the file says.

PyAV decodes the tiles but does not tell how they are arranged, so the file's boxes are read here
(ISO/IEC 14496-12 and 23008-12).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from av import VideoFrame
from PIL import Image

from ads.errors import MediaError
from ads.media.clip_file import open_clip
from ads.media.types import MAX_PIXELS, require_sane_size
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_META_BYTES = 4 << 20
"""For the description of a picture: a thousand tiles take a tenth of it."""


@dataclass
class _Items:
    """What the file says about its pictures, by item number."""

    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)
    parts: dict[int, list[int]] = field(default_factory=dict)
    properties: dict[int, list[tuple[bytes, bytes]]] = field(default_factory=dict)
    places: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    inline: bytes = b""


def is_heic(start: bytes) -> bool:
    """Return whether a file holds a HEIC picture, given its first 64 bytes or more."""
    (size,) = struct.unpack_from(">I", start.ljust(4, b"\0"))
    brands = {start[place : place + 4] for place in range(8, min(size, len(start)), 4)}
    return start[4:8] == b"ftyp" and bool(brands & {b"heic", b"heix", b"heim", b"heis"})


def read_heic(path: Path) -> Image.Image:
    """Return the main picture of a HEIC file, upright, with its ICC profile.

    Raises:
        MediaError: It is damaged, too large, or composed in another way.
    """
    try:
        items = _items(path)
        picture = _assembled(path, items)
    except (LookupError, OSError, ValueError, struct.error) as error:
        why = (
            error
            if isinstance(error, OSError | ValueError)
            else lazy("its description is incomplete")
        )
        raise MediaError(
            lazy(
                "%(path)s is a HEIC picture that is damaged or of a rare kind (%(why)s); "
                "convert it to JPEG.",
                path=path,
                why=why,
            )
        ) from error
    for kind, content in items.properties.get(items.primary, []):
        if kind == b"irot" and content[0] & 3:
            # In quarter turns to the left, as Pillow's.
            turn = (
                Image.Transpose.ROTATE_90,
                Image.Transpose.ROTATE_180,
                Image.Transpose.ROTATE_270,
            )
            picture = picture.transpose(turn[(content[0] & 3) - 1])
        elif kind == b"imir":
            flips = (Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.FLIP_LEFT_RIGHT)
            picture = picture.transpose(flips[content[0] & 1])
        elif kind == b"colr" and content[:4] in {b"prof", b"rICC"}:
            picture.info["icc_profile"] = content[4:]
    return picture


def _assembled(path: Path, items: _Items) -> Image.Image:
    kind = items.kinds[items.primary]
    if kind in {b"hvc1", b"hev1"}:
        size, columns, tiles = _size(items, items.primary), 1, [items.primary]
    elif kind == b"grid":
        rows, columns, size = _grid(path, items)
        tiles = items.parts[items.primary]
        if len(tiles) != rows * columns:
            raise ValueError(f"{len(tiles)} of {rows * columns} tiles")
    else:
        raise ValueError(
            lazy("its main picture is of the kind %(kind)s", kind=kind.decode("latin-1"))
        )
    require_sane_size(path, size)
    picture = Image.new("RGB", size)
    tile_width, tile_height = _size(items, tiles[0])
    places: dict[int, list[int]] = {}
    for place, tile in enumerate(tiles):
        places.setdefault(tile, []).append(place)
    for tile, pixels in _decoded(path, set(places)):
        for place in places.pop(tile, []):
            picture.paste(pixels, (place % columns * tile_width, place // columns * tile_height))
    if places:
        raise ValueError(
            lazy(
                "%(count)s of %(total)s tiles cannot be decoded",
                count=len(places),
                total=len(tiles),
            )
        )
    return picture


def _decoded(path: Path, wanted: set[int]) -> Iterator[tuple[int, Image.Image]]:
    """Yield the number and the pixels of each wanted item."""
    try:
        with open_clip(path) as container:
            # FFmpeg gives each track the number of its item.
            streams = [stream for stream in container.streams.video if stream.id in wanted]
            for stream in streams:
                stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
            for packet in container.demux(streams):
                for frame in packet.decode():
                    if isinstance(frame, VideoFrame):
                        pixels = frame.to_ndarray(format="rgb24")
                        yield packet.stream.id, Image.fromarray(pixels)
    except MediaError as error:
        raise ValueError(lazy("its pixels cannot be decoded")) from error


def _size(items: _Items, item: int) -> tuple[int, int]:
    stated = dict(items.properties[item])[b"ispe"]
    return _number(stated, 4, 4), _number(stated, 8, 4)


def _grid(path: Path, items: _Items) -> tuple[int, int, tuple[int, int]]:
    """Return the rows and columns of a grid, and the size of the picture it is cut to."""
    method, start, length = items.places[items.primary]
    if method == 1:
        content = items.inline[start : start + length]
    else:
        with path.open("rb") as file:
            file.seek(start)
            content = file.read(min(length, 12))
    flags, rows, columns = content[1:4]
    width, height = struct.unpack_from(">II" if flags & 1 else ">HH", content, 4)
    return rows + 1, columns + 1, (width, height)


def _items(path: Path) -> _Items:
    items = _Items()
    readers = {
        b"pitm": _read_primary,
        b"iinf": _read_kinds,
        b"iref": _read_parts,
        b"iprp": _read_properties,
        b"iloc": _read_places,
    }
    for kind, content in _boxes(_meta(path)[4:]):
        if kind in readers:
            readers[kind](items, content)
        elif kind == b"idat":
            items.inline = content
    return items


def _read_primary(items: _Items, content: bytes) -> None:
    items.primary = _number(content, 4, 4 if content[0] else 2)


def _read_kinds(items: _Items, content: bytes) -> None:
    for _, entry in _boxes(content[8:] if content[0] else content[6:]):
        wide = 4 if entry[0] > 2 else 2
        items.kinds[_number(entry, 4, wide)] = entry[6 + wide : 10 + wide]


def _read_parts(items: _Items, content: bytes) -> None:
    wide = 4 if content[0] else 2
    for relation, entry in _boxes(content[4:]):
        if relation == b"dimg":
            begin, count = wide + 2, _number(entry, wide, 2)
            places = range(begin, begin + count * wide, wide)
            items.parts[_number(entry, 0, wide)] = [_number(entry, at, wide) for at in places]


def _read_properties(items: _Items, content: bytes) -> None:
    boxes = list(_boxes(content))
    properties = [one for kind, entry in boxes if kind == b"ipco" for one in _boxes(entry)]
    for kind, entry in boxes:
        if kind == b"ipma":
            for item, numbers in _associations(entry):
                items.properties[item] = [properties[number - 1] for number in numbers if number]


def _associations(content: bytes) -> Iterator[tuple[int, list[int]]]:
    """Yield each item with the numbers of its properties, from 1."""
    wide, step = (4 if content[0] else 2), (2 if content[3] & 1 else 1)
    place = 8
    for _ in range(_number(content, 4, 4)):
        item, count = _number(content, place, wide), content[place + wide]
        place += wide + 1
        # The highest bit marks properties that a reader must support.
        yield (
            item,
            [
                _number(content, place + step * one, step) & (0x7FFF if step == 2 else 0x7F)
                for one in range(count)
            ],
        )
        place += step * count


def _read_places(items: _Items, content: bytes) -> None:
    version = content[0]
    offset, length, base = content[4] >> 4, content[4] & 15, content[5] >> 4
    index = content[5] & 15 if version else 0
    wide = 4 if version > 1 else 2
    place = 6 + wide
    for _ in range(_number(content, 6, wide)):
        item, method = _number(content, place, wide), 0
        place += wide
        if version:
            method = _number(content, place, 2) & 15
            place += 2
        start, parts = _number(content, place + 2, base), _number(content, place + 2 + base, 2)
        place += base + 4
        # If there are several parts, the first one holds all that is read here.
        start += _number(content, place + index, offset)
        items.places[item] = (method, start, _number(content, place + index + offset, length))
        place += parts * (index + offset + length)


def _meta(path: Path) -> bytes:
    with path.open("rb") as file:
        start = 0
        while head := file.read(16):
            size, kind = struct.unpack_from(">I4s", head)
            if size == 1:
                (size,) = struct.unpack_from(">Q", head, 8)
            if kind == b"meta":
                if size > MAX_META_BYTES:
                    raise ValueError(lazy("its description is too long"))
                file.seek(start + 8)
                return file.read(size - 8)
            if size < 8:
                break
            start += size
            file.seek(start)
    raise ValueError(lazy("it has no description"))


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        if size < 8:
            return
        yield kind, content[place + 8 : place + size]
        place += size


def _number(content: bytes, place: int, size: int) -> int:
    """Return a whole number of `size` bytes, 0 for none; `ValueError` beyond the end."""
    part = content[place : place + size]
    if len(part) < size:
        raise ValueError(lazy("its description is cut off"))
    return int.from_bytes(part, "big")
