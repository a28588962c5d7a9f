"""ICC profiles with known colours (ICC.1:2022), as picture editors put them into files."""

from __future__ import annotations

import struct
from itertools import product

import numpy as np

SRGB_TO_XYZ = np.array(
    [[0.4360657, 0.3851471, 0.1430664], [0.2224884, 0.7168732, 0.0606079],
     [0.0139160, 0.0970764, 0.7140961]]
)  # fmt: skip
P3_TO_XYZ = np.array(
    [
        [0.515121, 0.291977, 0.157104],
        [0.241196, 0.692245, 0.066574],
        [-0.001053, 0.041885, 0.784073],
    ]
)
"""From linear light, with the white point D50 of the profiles."""


def rgb_profile(to_xyz: np.ndarray) -> bytes:
    """A profile of primaries, given as columns, with the tone curve of sRGB."""
    curve = b"para\0\0\0\0" + struct.pack(">HH", 3, 0)
    curve += _numbers(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    primaries = {
        name: b"XYZ \0\0\0\0" + _numbers(*column)
        for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), to_xyz.T, strict=True)
    }
    return _profile(b"RGB ", primaries | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve))


def swapped_profile() -> bytes:
    """A profile that calls blue what is red elsewhere, and the other way round."""
    return rgb_profile(SRGB_TO_XYZ[:, ::-1])


def grey_profile(gamma: float) -> bytes:
    """A profile of grey levels, proportional to light at a gamma of 1."""
    curve = b"para\0\0\0\0" + struct.pack(">HH", 0, 0) + _numbers(gamma)
    return _profile(b"GRAY", {b"kTRC": curve})


def cmyk_profile(cyan_lightness: int) -> bytes:
    """A profile of a press whose cyan ink is grey, of 0 to 255; all other inks are black."""
    linear = bytes(range(256))
    corners = b""
    for cyan, *others in product((0, 1), repeat=4):
        lightness = 0 if any(others) else cyan_lightness if cyan else 255
        corners += bytes([lightness, 128, 128])
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + _numbers(1, 0, 0, 0, 1, 0, 0, 0, 1)
    return _profile(b"CMYK", {b"A2B0": table + linear * 4 + corners + linear * 3}, b"Lab ", b"prtr")


def converted(colour: tuple[int, int, int], to_xyz: np.ndarray) -> np.ndarray:
    """The sRGB levels of a colour of a profile made by `rgb_profile`."""
    light = np.clip(np.linalg.solve(SRGB_TO_XYZ, to_xyz @ to_light(np.array(colour))), 0, 1)
    return of_light(light)


def to_light(levels: np.ndarray) -> np.ndarray:
    """The linear light, 0 to 1, of sRGB levels from 0 to 255."""
    value = levels / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def of_light(light: np.ndarray) -> np.ndarray:
    """The sRGB levels, 0 to 255, of linear light from 0 to 1."""
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def _numbers(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _profile(
    space: bytes, tags: dict[bytes, bytes], pcs: bytes = b"XYZ ", kind: bytes = b"mntr"
) -> bytes:
    white = _numbers(0.9642, 1.0, 0.8249)
    tags = {b"wtpt": b"XYZ \0\0\0\0" + white} | tags
    table, content = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", start + len(content), len(value))
        content += value + bytes(-len(value) % 4)
    size = start + len(content)
    head = struct.pack(">I4xI4s4s4s", size, 0x04200000, kind, space, pcs)
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + white
    return head.ljust(128, b"\0") + table + content
