"""From a frame and a face to what the network sees: the only copy, used live, offline and in training.

The network standardises its input itself, so a crop is all there is to prepare.
"""

from __future__ import annotations

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
        raise_by: How far the square's centre lies above the box's centre, in sides of the box.
    """

    side_px: int = 48
    scale: float = 1.18
    raise_by: float = 0.10


FER_GEOMETRY = CropGeometry()
"""MediaPipe's short-range box to FER2013's framing, by medians over 696 faces of its PublicTest rows."""


def face_crops(
    image: NDArray[np.uint8], boxes: Sequence[Box], geometry: CropGeometry = FER_GEOMETRY
) -> NDArray[np.uint8]:
    """Cut faces out of a picture in the framing of a network.

    What lies beyond the border of the picture is filled with its outermost pixels.

    Args:
        image: `(height, width, 3)` BGR or `(height, width)` grey, uint8.
        boxes: Face boxes in fractions of the picture.
        geometry: The network's framing.

    Returns:
        `(n, side_px, side_px)` grey levels, uint8.
    """
    height, width = image.shape[:2]
    side_px = geometry.side_px
    crops = np.empty((len(boxes), side_px, side_px), dtype=np.uint8)
    for crop, box in zip(crops, boxes, strict=True):
        box_side = (box.width * width + box.height * height) / 2
        side = max(2, round(box_side * geometry.scale))
        x, y = box.centre
        left = round(x * width - side / 2)
        top = round(y * height - geometry.raise_by * box_side - side / 2)
        square = _grey_square(image, left, top, side)
        how = cv2.INTER_AREA if side >= side_px else cv2.INTER_LINEAR
        cv2.resize(square, (side_px, side_px), dst=crop, interpolation=how)
    return crops


def _grey_square(image: NDArray[np.uint8], left: int, top: int, side: int) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    # At least one row and column of the picture, even for a box that lies wholly outside.
    x0, x1 = min(max(left, 0), width - 1), max(min(left + side, width), 1)
    y0, y1 = min(max(top, 0), height - 1), max(min(top + side, height), 1)
    part = image[y0:y1, x0:x1]
    grey = part if part.ndim == 2 else cv2.cvtColor(part, cv2.COLOR_BGR2GRAY)
    margins = (max(0, y0 - top), max(0, top + side - y1), max(0, x0 - left), max(0, left + side - x1))
    if any(margins):
        grey = cv2.copyMakeBorder(grey, *margins, cv2.BORDER_REPLICATE)
    return np.asarray(grey, dtype=np.uint8)
