"""Cut the faces out of photographs, exactly as the camera's pipeline does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from detector.emotion.preprocessing import CropGeometry
from detector.image_analysis import FaceCutter

if TYPE_CHECKING:
    from numpy.typing import NDArray


class FaceFinder(FaceCutter):
    """Finds the largest face of a photograph.

    Args:
        side_px: Side of the crops.
    """

    def __init__(self, side_px: int) -> None:
        super().__init__(CropGeometry(side_px))

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        """Return the `(side_px, side_px)` grey crop of a BGR picture's largest face, or `None`."""
        boxes, crops = self.cut(image)
        if not boxes:
            return None
        return np.asarray(crops[int(np.argmax([box.width * box.height for box in boxes]))])
