"""Whether a face can be read well enough for a verdict on its emotion, and if not, why.

Five scores from 0 to 1, of the face's size, completeness, direction, light and sharpness: 1 where
it costs nothing, 0.5 at the limit beyond which emotions are withheld, and straight lines between.
The quality of a face is the smallest of them, so that it is below 0.5 exactly where the gate
withholds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from detector.emotion.preprocessing import fitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from detector.types import Box, HeadPose

CHECKS = ("cut off", "too small", "turned away", "too dark", "too blurred")
"""The reasons in the order in which they are named when several hold: what the box and its points say comes first, because
the pixels of such a face mislead; darkness comes before the blur that it brings."""

PASSES = 0.5
"""Least score that passes, the same for all checks."""

SMALLEST_PX = 20.0
"""Side of the smallest face box that is read: its crop has 24 px, at which the shipped model is right for 83 % of the faces,
against 87 % at 48 px and 77 % at 16 px."""

LEAST_SHARPNESS = 0.31
"""Of 900 faces of FER2013's PublicTest, this withholds none as they are, 0.9 % blurred with a sigma of 1 px at 48 px, 13 %
at 1.5, 44 % at 2, 80 % at 2.5 and 96 % at 3 px, where the shipped model is right for 85, 80, 73, 65 and 57 %; of faces moved
by 4, 8 and 12 px while exposed 0.7, 31 and 69 % (83, 71 and 57 % right). Scaled down to 24 px and up again, 0.9 %; noise of
10 grey levels leaves 71 % of the withholding at 3 px."""

SHARP = 0.45
"""Sharpness that costs nothing: 95 % of the sharp faces of video have more."""

LEAST_CONTRAST = 2.0
"""Of the same faces with a tenth of their light and a sensor's noise of 2 grey levels, this withholds 6 %, with 7 % of the
light 29 %, with 5 % of it 72 % and with 3 % of it 99 %; the shipped model is right for 81, 76, 67 and 50 % of them. Faces as
they are have 7 and more."""

GOOD_CONTRAST = 8.0
"""Contrast that costs nothing: half of the faces with a quarter of their light have more, of which 87 % are read right."""

MAX_YAW_DEG = 50.0
"""Beyond this one eye and half of the mouth are hidden, and faces turned so far are hardly among the model's examples."""

MAX_PITCH_DEG = 35.0
"""Beyond this the brows or the mouth are foreshortened to half of their height."""

MAX_CUT_OFF = 0.15
"""Below this share the crop still holds brows and mouth: beyond the border are hair, chin or one cheek."""

_SIDE_PX = 48
_SMOOTHING_PX = 1.5
_KERNEL_PX = 9
# Brows to mouth, without the background in the corners; also, half a kernel and a pixel away from
# the neighbouring face when all are smoothed as one picture.
_MARGIN_PX = 8
# Of squared slopes in grey levels: rounding alone makes a flat crop look sharp, and this makes it
# look flat.
_SLOPE_FLOOR = 0.01


class QualitySettings(BaseModel):
    """The limits beyond which emotions are withheld.

    Attributes:
        smallest_px: Side of the smallest face box, in pixels of the picture.
        least_sharpness: See `sharpness_and_contrast`; above 0.
        least_contrast: See `sharpness_and_contrast`; above 0, in grey levels.
        max_yaw_deg: Furthest turn to a side, seen from the camera.
        max_pitch_deg: Furthest turn up or down, seen from the camera.
        max_cut_off: Largest share of the face box beyond the picture's border.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    smallest_px: float = Field(SMALLEST_PX, gt=0, le=1000)
    least_sharpness: float = Field(LEAST_SHARPNESS, gt=0, lt=SHARP)
    least_contrast: float = Field(LEAST_CONTRAST, gt=0, lt=GOOD_CONTRAST)
    max_yaw_deg: float = Field(MAX_YAW_DEG, gt=0, le=90)
    max_pitch_deg: float = Field(MAX_PITCH_DEG, gt=0, le=90)
    max_cut_off: float = Field(MAX_CUT_OFF, gt=0, le=1)


class Verdict(NamedTuple):
    """What the gate says of one face.

    Attributes:
        quality: 0 to 1; below 0.5 exactly where there is a reason.
        reason: Why its emotion is withheld, one of `CHECKS`; `None` where it can be read.
    """

    quality: float
    reason: str | None


class QualityGate:
    """Judges the faces of a frame.

    Args:
        settings: The limits. Defaults to the measured ones.
    """

    def __init__(self, settings: QualitySettings | None = None) -> None:
        self._settings = settings or QualitySettings()

    def judge(
        self,
        crops: NDArray[np.uint8],
        boxes: Sequence[Box],
        width_px: int,
        height_px: int,
        poses: Sequence[HeadPose],
    ) -> list[Verdict]:
        """Judge all faces of a frame at once.

        Args:
            crops: `(n, side, side)` grey levels, as the network will see them.
            boxes: Their boxes in fractions of the picture.
            width_px: Width of the picture.
            height_px: Height of the picture.
            poses: Where the heads point, seen from the camera.

        Returns:
            A verdict for each face, in order. When several reasons hold, the first in `CHECKS` is
            given.

        Raises:
            ValueError: There are not as many boxes and poses as crops.
        """
        if not len(crops) == len(boxes) == len(poses):
            raise ValueError(
                "Invalid faces: expected as many boxes and poses as crops, "
                f"received {len(crops)} crops, {len(boxes)} boxes and {len(poses)} poses."
            )
        if len(boxes) == 0:
            return []
        limits = self._settings
        sharpness, contrast = sharpness_and_contrast(crops)
        left, top, width, height = np.array(boxes, dtype=np.float64).T
        side_px = (width * width_px + height * height_px) / 2
        cut_off = 1.0 - _inside(left, width) * _inside(top, height)
        yaw, pitch = np.abs(np.array([pose[:2] for pose in poses], dtype=np.float64)).T
        scores = np.stack(
            [
                _score(-cut_off, -2 * limits.max_cut_off, -limits.max_cut_off, 0.0),
                _score(side_px, 0.0, limits.smallest_px, 2 * limits.smallest_px),
                np.minimum(_facing(yaw, limits.max_yaw_deg), _facing(pitch, limits.max_pitch_deg)),
                _score(contrast, 0.0, limits.least_contrast, GOOD_CONTRAST),
                _score(sharpness, 0.0, limits.least_sharpness, SHARP),
            ]
        )
        failed = scores < PASSES
        first = failed.argmax(axis=0)
        return [
            Verdict(float(quality), CHECKS[check] if fails else None)
            for quality, check, fails in zip(
                scores.min(axis=0), first, failed.any(axis=0), strict=True
            )
        ]


def sharpness_and_contrast(
    crops: NDArray[np.uint8],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How sharp faces are and how much light and shade they have, in the middle of their crops.

    Sharpness is a mean spatial frequency: the root of the mean square of the second derivative over
    that of the first, across or down, whichever is less, so that movement in one direction shows.
    Both derivatives grow alike with contrast, so it does not depend on the light. Noise is smoothed
    away first.

    Args:
        crops: `(n, side, side)` grey levels of n faces, at least one; measured at 48 x 48.

    Returns:
        `(n,)` sharpness in radians per pixel, about 0.3 to 0.8 for faces, and `(n,)` contrast: the
        standard deviation of the smoothed grey levels.
    """
    count = len(crops)
    stack = fitted(crops, _SIDE_PX).reshape(count * _SIDE_PX, _SIDE_PX).astype(np.float32)
    smooth = cv2.GaussianBlur(stack, (_KERNEL_PX, _KERNEL_PX), _SMOOTHING_PX).reshape(
        count, _SIDE_PX, _SIDE_PX
    )
    part = smooth[:, _MARGIN_PX - 1 : 1 - _MARGIN_PX, _MARGIN_PX - 1 : 1 - _MARGIN_PX]
    middle = part[:, 1:-1, 1:-1]
    right, left = part[:, 1:-1, 2:], part[:, 1:-1, :-2]
    below, above = part[:, 2:, 1:-1], part[:, :-2, 1:-1]
    across = _power(right + left - 2 * middle) / (_power((right - left) / 2) + _SLOPE_FLOOR)
    down = _power(below + above - 2 * middle) / (_power((below - above) / 2) + _SLOPE_FLOOR)
    contrast = middle.reshape(count, -1).std(axis=1)
    return np.sqrt(np.minimum(across, down)).astype(np.float64), contrast.astype(np.float64)


def _power(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean square of each face's values."""
    squares: NDArray[np.float32] = np.einsum("nij,nij->n", values, values)
    return squares / (values.shape[1] * values.shape[2])


def _inside(start: NDArray[np.float64], length: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of each stretch that lies between 0 and 1."""
    within = np.maximum(np.minimum(start + length, 1.0) - np.maximum(start, 0.0), 0.0)
    shares: NDArray[np.float64] = np.minimum(
        within / np.maximum(length, np.finfo(np.float64).tiny), 1.0
    )
    return shares


def _score(
    values: NDArray[np.float64], worst: float, limit: float, best: float
) -> NDArray[np.float64]:
    """0 up to `worst`, 0.5 at the limit, 1 from `best`."""
    return np.interp(values, (worst, limit, best), (0.0, PASSES, 1.0))


def _facing(angles_deg: NDArray[np.float64], limit_deg: float) -> NDArray[np.float64]:
    """1 up to half of the limit, 0.5 at the limit, 0 from one and a half of it."""
    return _score(-angles_deg, -1.5 * limit_deg, -limit_deg, -0.5 * limit_deg)
