"""From a frame and a face box to the network's input: one copy, used live, offline and in training.

The network standardises its input itself, so cropping is all that is needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from detector.types import Box


@dataclass(frozen=True, slots=True)
class CropGeometry:
    """How a face box becomes the square that a network was trained on.

    Attributes:
        side_px: Side of the crop that the network takes.
        scale: Side of the square, in sides of the detector's box.
        raise_by: Height of the square's centre above the box's centre, in sides of the box.
        free_roll_deg: How far a head may lean before its square leans with it, by the excess.
            FER2013's faces lean that far themselves.
    """

    side_px: int = 48
    scale: float = 1.18
    raise_by: float = 0.10
    free_roll_deg: float = 10.0


FER_GEOMETRY = CropGeometry()
"""MediaPipe's short-range box to FER2013's framing, see `benchmarks/framing.py`."""


def face_crops(
    image: NDArray[np.uint8],
    boxes: Sequence[Box],
    geometry: CropGeometry = FER_GEOMETRY,
    rolls: Sequence[float] | None = None,
) -> NDArray[np.uint8]:
    """Cut faces out of a picture, repeating its outermost pixels beyond the border.

    Args:
        image: `(height, width, 3)` BGR or `(height, width)` grey, uint8.
        boxes: Face boxes in fractions of the picture.
        geometry: The network's framing.
        rolls: Lean of each head in degrees, as `HeadPose.roll`. Defaults to all upright.

    Returns:
        `(n, side_px, side_px)` grey levels, uint8.
    """
    if rolls is not None and len(rolls) != len(boxes):
        raise ValueError(
            f"Invalid rolls: expected one for each of the {len(boxes)} boxes, received "
            f"{len(rolls)}."
        )
    height, width = image.shape[:2]
    side_px = geometry.side_px
    crops = np.empty((len(boxes), side_px, side_px), dtype=np.uint8)
    for index, (crop, box) in enumerate(zip(crops, boxes, strict=True)):
        box_side = (box.width * width + box.height * height) / 2
        x, y = box.centre[0] * width, box.centre[1] * height
        lift = geometry.raise_by * box_side
        roll = 0.0 if rolls is None else rolls[index]
        turn = math.copysign(max(0.0, abs(roll) - geometry.free_roll_deg), roll)
        if turn:
            radians = math.radians(turn)
            centre = x + lift * math.sin(radians), y - lift * math.cos(radians)
            side = max(2.0, box_side * geometry.scale)
            crop[:] = _turned_square(image, centre, side, turn, side_px)
            continue
        side = max(2, round(box_side * geometry.scale))
        square = _grey_square(image, round(x - side / 2), round(y - lift - side / 2), side)
        _resize(square, crop)
    return crops


def fitted(images: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """Resize pictures for a network: `(n, h, h)` to `(n, side_px, side_px)` grey levels."""
    if images.shape[1:] == (side_px, side_px):
        return images
    resized = np.empty((len(images), side_px, side_px), dtype=np.uint8)
    for small, image in zip(resized, images, strict=True):
        _resize(image, small)
    return resized


def middle_square(image: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """Return the middle of a BGR or grey picture, as `(side_px, side_px)` grey levels."""
    grey = image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    height, width = grey.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = np.asarray(grey[None, top : top + side, left : left + side], dtype=np.uint8)
    return np.asarray(fitted(square, side_px)[0])


def _resize(image: NDArray[np.uint8], target: NDArray[np.uint8]) -> None:
    shrinks = image.shape[0] >= target.shape[0]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    cv2.resize(image, target.shape[::-1], dst=target, interpolation=how)


def _grey_square(image: NDArray[np.uint8], left: int, top: int, side: int) -> NDArray[np.uint8]:
    grey, x0, y0 = _grey_part(image, left, top, left + side, top + side)
    y1, x1 = y0 + grey.shape[0], x0 + grey.shape[1]
    rows = max(0, y0 - top), max(0, top + side - y1)
    columns = max(0, x0 - left), max(0, left + side - x1)
    if any(rows + columns):
        padded = cv2.copyMakeBorder(grey, *rows, *columns, cv2.BORDER_REPLICATE)
        return np.asarray(padded, dtype=np.uint8)
    return grey


def _turned_square(
    image: NDArray[np.uint8],
    centre: tuple[float, float],
    side: float,
    turn_deg: float,
    side_px: int,
) -> NDArray[np.uint8]:
    """Return the square around a point, leaning clockwise by an angle, scaled to `side_px`."""
    x, y = centre
    cos, sin = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    reach = side * (abs(cos) + abs(sin)) / 2 + 1
    left, top = math.floor(x - reach), math.floor(y - reach)
    grey, x0, y0 = _grey_part(image, left, top, math.ceil(x + reach), math.ceil(y + reach))
    height, width = grey.shape
    # Turn at twice the crop's resolution, which skips no pixels and smooths no visible detail.
    fine_px = 2 * side_px if side > side_px else side_px
    if side > fine_px:
        small = (max(1, round(width * fine_px / side)), max(1, round(height * fine_px / side)))
        grey = np.asarray(cv2.resize(grey, small, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    # Map a pixel of the square to the pixel of the (shrunk) part under its centre.
    shrink = np.array([[grey.shape[1] / width], [grey.shape[0] / height]])
    linear = shrink * np.array([[cos, -sin], [sin, cos]]) * (side / fine_px)
    offset = shrink[:, 0] * (x - x0, y - y0) - 0.5 - linear.sum(axis=1) * (fine_px - 1) / 2
    turned = cv2.warpAffine(
        grey,
        np.hstack([linear, offset[:, None]]),
        (fine_px, fine_px),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if fine_px > side_px:
        turned = cv2.resize(turned, (side_px, side_px), interpolation=cv2.INTER_AREA)
    return np.asarray(turned, dtype=np.uint8)


def _grey_part(
    image: NDArray[np.uint8], left: int, top: int, right: int, bottom: int
) -> tuple[NDArray[np.uint8], int, int]:
    height, width = image.shape[:2]
    # At least one row and column, even for a rectangle outside the picture.
    x0, x1 = min(max(left, 0), width - 1), max(min(right, width), 1)
    y0, y1 = min(max(top, 0), height - 1), max(min(bottom, height), 1)
    part = image[y0:y1, x0:x1]
    grey = part if part.ndim == 2 else cv2.cvtColor(part, cv2.COLOR_BGR2GRAY)
    return np.asarray(grey, dtype=np.uint8), x0, y0
