"""Clips of four coloured corners that a display matrix turns or mirrors."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import av
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

CORNERS = {"red": (0, 0, 255), "green": (0, 200, 0), "blue": (255, 0, 0), "white": (255,) * 3}
"""Blue, green, red: of the corner at the top left, top right, bottom left and bottom right."""

ORIENTATIONS = {
    "as stored": ((1, 0, 0, 1), "red green blue white"),
    "to the right": ((0, 1, -1, 0), "blue red white green"),
    "upside down": ((-1, 0, 0, -1), "white blue green red"),
    "to the left": ((0, -1, 1, 0), "green white red blue"),
    "left and right": ((-1, 0, 0, 1), "green red white blue"),
    "up and down": ((1, 0, 0, -1), "blue white red green"),
    "transposed": ((0, 1, 1, 0), "red blue green white"),
    "across": ((0, -1, -1, 0), "white green blue red"),
}
"""By name: a, b, c, d of the display matrix, and the corners as shown, written like text."""


def four_corners(width: int = 160, height: int = 96) -> np.ndarray:
    picture = np.empty((height, width, 3), np.uint8)
    top_left, top_right, bottom_left, bottom_right = CORNERS.values()
    picture[: height // 2, : width // 2] = top_left
    picture[: height // 2, width // 2 :] = top_right
    picture[height // 2 :, : width // 2] = bottom_left
    picture[height // 2 :, width // 2 :] = bottom_right
    return picture


def corners_of(image: np.ndarray) -> str:
    """The names of the corners' colours, like `ORIENTATIONS`."""
    height, width = image.shape[:2]
    points = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    found = []
    for point in points:
        away = {name: np.abs(image[point] - np.array(bgr)).sum() for name, bgr in CORNERS.items()}
        found.append(min(away, key=lambda name: away[name]))
        assert away[found[-1]] < 60
    return " ".join(found)


def write_turned(path: Path, matrix: tuple[int, int, int, int], frames: int = 5) -> Path:
    """Write an MP4 or MOV of 160 x 96 whose track has a display matrix."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for _ in range(frames):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(four_corners(), "bgr24")))
        out.mux(stream.encode())
    return set_display_matrix(path, matrix)


def set_display_matrix(path: Path, matrix: tuple[float, float, float, float]) -> Path:
    """Put a, b, c, d of a display matrix into the first track of an MP4 or MOV that has none."""
    content = path.read_bytes()
    a, b, c, d = (round(value * 65536) for value in matrix)
    stored = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    at = content.index(stored, content.index(b"tkhd"))
    turned = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content[:at] + turned + content[at + 36 :])
    return path
