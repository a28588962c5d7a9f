"""Detect files that were cut off, by the stated lengths of their parts."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")

_MAX_CHUNKS = 200_000
"""Half an hour of FLV, whose chunks are the smallest; other containers have a few dozen."""


def is_cut_off(path: Path) -> bool:
    """Return whether a clip ends within a part whose length it states; may raise `OSError`.

    False for containers without such lengths (transport and program streams, Ogg).
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length_of = _reader(file.read(32))
        end = 0
        for _ in itertools.repeat(None, _MAX_CHUNKS):
            file.seek(end)
            head = file.read(32)
            length = length_of(head) if length_of is not None and len(head) >= 12 else 0
            if length <= 0 or end + length > size:
                return length > 0
            end += length
    return False


def _reader(head: bytes) -> Callable[[bytes], int] | None:
    """Return a function that reads the length of a part from its first bytes, 0 if not stated."""
    if head[4:8] in {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp"}:
        return _box_length
    if head[:4] == b"RIFF":
        return _riff_length
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return _ebml_length
    if head[:16] == _ASF:
        return lambda head: int.from_bytes(head[16:24], "little")
    return _flv_length if head[:3] == b"FLV" else None


def _box_length(head: bytes) -> int:
    length = int.from_bytes(head[:4], "big")
    return int.from_bytes(head[8:16], "big") if length == 1 else length


def _riff_length(head: bytes) -> int:
    length = int.from_bytes(head[4:8], "little")
    return 8 + length + length % 2 if head[:4] == b"RIFF" and length else 0


def _ebml_length(head: bytes) -> int:
    id_bytes = 9 - head[0].bit_length()
    size_bytes = 9 - head[id_bytes].bit_length() if id_bytes <= 4 else 9
    if size_bytes > 8:
        return 0
    end = id_bytes + size_bytes
    mask = (1 << 7 * size_bytes) - 1
    length = int.from_bytes(head[id_bytes:end], "big") & mask
    # All ones: unknown, as in a live recording.
    return 0 if length == mask else end + length


def _flv_length(head: bytes) -> int:
    if head[:3] == b"FLV":
        # Four more bytes follow the header, as they follow each tag.
        return int.from_bytes(head[5:9], "big") + 4
    return 11 + int.from_bytes(head[1:4], "big") + 4
