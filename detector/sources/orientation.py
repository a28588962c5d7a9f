"""Turn pictures upright, as their file states or as a camera is mounted."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple, cast

import av
import numpy as np
from av.sidedata.sidedata import Type

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from av.sidedata.sidedata import SideDataContainer
    from numpy.typing import NDArray


class Orientation(NamedTuple):
    """One of the eight ways to lay a picture: swap its axes first, then mirror it."""

    transposed: bool = False
    left_right: bool = False
    upside_down: bool = False

    @classmethod
    def of_matrix(cls, matrix: Sequence[float]) -> Orientation:
        """Return the orientation nearest to a display matrix of nine numbers, row by row.

        ISO/IEC 14496-12, 6.2.2: (a b u, c d v, x y w) takes a point (p, q), downwards positive, to
        (ap + cq + x, bp + dq + y).
        """
        a, b, _, c, d = matrix[:5]
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(left_right=a < 0, upside_down=d < 0)
        return cls(transposed=True, left_right=c < 0, upside_down=b < 0)

    @classmethod
    def clockwise(cls, degrees: int) -> Orientation:
        """Return a turn by 0, 90, 180 or 270 degrees; raises `ValueError` for others."""
        if degrees not in {0, 90, 180, 270}:
            raise ValueError(f"Expected a turn by 0, 90, 180 or 270 degrees, received {degrees}.")
        return cls(degrees in {90, 270}, degrees in {90, 180}, degrees in {180, 270})

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a `(height, width, 3)` picture in this orientation."""
        if self == UPRIGHT:
            return image
        import cv2  # noqa: PLC0415 - large, and few files are turned

        if self.transposed:
            image = np.asarray(cv2.transpose(image), np.uint8)
        if self.left_right or self.upside_down:
            way = 0 if not self.left_right else -1 if self.upside_down else 1
            image = np.asarray(cv2.flip(image, way), np.uint8)
        return image


UPRIGHT = Orientation()


def stated_orientation(picture: av.VideoFrame) -> Orientation:
    """Return how a decoded picture is to be shown by its display matrix."""
    try:
        # PyAV's stubs take the container for a dictionary.
        matrix = cast("SideDataContainer", picture.side_data).get(Type.DISPLAYMATRIX)
    except ValueError:
        # PyAV gives up on side data that it does not know, such as EXIF. It still knows the turn,
        # counter-clockwise.
        return Orientation.clockwise(round(-picture.rotation / 90) % 4 * 90)
    return UPRIGHT if matrix is None else Orientation.of_matrix(struct.unpack("9i", bytes(matrix)))


class OrientationReader:
    """Read how the pictures of one video are to be shown; see `stated_orientation`.

    Reading the side data of a picture makes it refer to itself, so that only garbage collection
    frees it. So they are read once for each turn, which PyAV knows without them.
    """

    def __init__(self) -> None:
        self._known: dict[int, Orientation] = {}

    def read(self, picture: av.VideoFrame) -> Orientation:
        turn = picture.rotation
        if turn not in self._known:
            self._known[turn] = stated_orientation(picture)
        return self._known[turn]


def file_orientation(path: Path) -> Orientation:
    """Return how the first picture of a video file is to be shown; upright if there is none."""
    try:
        with av.open(str(path.absolute())) as container:
            for picture in container.decode(video=0):
                return stated_orientation(picture)
    except (av.FFmpegError, IndexError):
        pass
    return UPRIGHT
