"""Whether a face is clear enough to read its emotion, and if not, why.

Five scores from 0 to 1, for size, completeness, direction, light and sharpness: 1 where nothing is
lost, 0.5 at the limit beyond which emotions are withheld, linear in between. The quality of a face
is the lowest of them, so it is below 0.5 exactly when its emotion is withheld.
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
"""The reasons, of which the first that applies is named. Those of box and points come first, as the
pixels of such a face mislead; darkness comes before the blur that it causes."""

PASSES = 0.5
"""Minimum score, the same for all checks."""

SHARP = 0.45
"""Sharpness that loses nothing: 95% of the sharp faces of video have more."""

GOOD_CONTRAST = 8.0
"""Contrast that loses nothing: half of the faces with a quarter of their light have more, of which
87% are read right."""


class QualitySettings(BaseModel):
    """The limits beyond which emotions are withheld.

    Attributes:
        smallest_px: Side of the smallest face box, in pixels of the picture. At 20 px the shipped
            model is right for 83% of the faces, against 87% at 48 px.
        least_sharpness: See `sharpness_and_contrast`; above 0. Of 900 faces of FER2013's test, 0.31
            withholds none as they are, and 0.9, 44 and 96% blurred with a sigma of 1, 2 and 3 px
            at 48 px, where the shipped model is right for 85, 73 and 57%.
        least_contrast: See `sharpness_and_contrast`; above 0, in grey levels. Of these faces with
            10, 5 and 3% of their light and sensor noise, 2.0 withholds 6, 72 and 99%, where the
            shipped model is right for 81, 67 and 50%. Unchanged faces have 7 and more.
        max_yaw_deg: Furthest turn to a side, seen from the camera; beyond, one eye is hidden.
        max_pitch_deg: Furthest turn up or down; beyond, brows or mouth lose half of their height.
        max_cut_off: Largest share of the face box beyond the picture's border. Up to 0.15, only
            hair, chin or one cheek is missing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    smallest_px: float = Field(20.0, gt=0, le=1000)
    least_sharpness: float = Field(0.31, gt=0, lt=SHARP)
    least_contrast: float = Field(2.0, gt=0, lt=GOOD_CONTRAST)
    max_yaw_deg: float = Field(50.0, gt=0, le=90)
    max_pitch_deg: float = Field(35.0, gt=0, le=90)
    max_cut_off: float = Field(0.15, gt=0, le=1)


class Verdict(NamedTuple):
    """The gate's result: quality, below 0.5 exactly if there is a reason, one of `CHECKS`."""

    quality: float
    reason: str | None


class QualityGate:
    """Checks the faces of a frame."""

    def __init__(self, settings: QualitySettings | None = None) -> None:
        self._settings = settings or QualitySettings()

    def check(
        self,
        crops: NDArray[np.uint8],
        boxes: Sequence[Box],
        width_px: int,
        height_px: int,
        poses: Sequence[HeadPose],
    ) -> list[Verdict]:
        """Return a verdict for each face of a frame: crops, boxes, poses seen from the camera."""
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
            Verdict(float(quality), CHECKS[reason] if fails else None)
            for quality, reason, fails in zip(
                scores.min(axis=0), first, failed.any(axis=0), strict=True
            )
        ]


def sharpness_and_contrast(
    crops: NDArray[np.uint8],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Measure `(n,)` sharpness and contrast in the middle of `(n, side, side)` crops, n at least 1.

    Sharpness is a mean spatial frequency in radians per pixel, about 0.3 to 0.8 for faces, across
    or down, whichever is less, so movement in one direction shows. Contrast is the standard
    deviation of the grey levels. Noise is smoothed away first.
    """
    count, side_px = len(crops), 48
    stack = fitted(crops, side_px).reshape(count * side_px, side_px).astype(np.float32)
    smooth = cv2.GaussianBlur(stack, (9, 9), 1.5).reshape(count, side_px, side_px)
    # Brows to mouth, without the background in the corners. The margin of 8 px exceeds half of the
    # kernel: smoothing all faces as one picture mixes in no neighbour.
    part = smooth[:, 7:-7, 7:-7]
    middle = part[:, 1:-1, 1:-1]
    right, left = part[:, 1:-1, 2:], part[:, 1:-1, :-2]
    below, above = part[:, 2:, 1:-1], part[:, :-2, 1:-1]
    floor = 0.01  # without it, rounding makes a flat crop look sharp
    across = _power(right + left - 2 * middle) / (_power((right - left) / 2) + floor)
    down = _power(below + above - 2 * middle) / (_power((below - above) / 2) + floor)
    contrast = middle.reshape(count, -1).std(axis=1)
    return np.sqrt(np.minimum(across, down)).astype(np.float64), contrast.astype(np.float64)


def _power(values: NDArray[np.float32]) -> NDArray[np.float32]:
    squares: NDArray[np.float32] = np.einsum("nij,nij->n", values, values)
    return squares / (values.shape[1] * values.shape[2])


def _inside(start: NDArray[np.float64], length: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of each interval that lies between 0 and 1."""
    within = np.maximum(np.minimum(start + length, 1.0) - np.maximum(start, 0.0), 0.0)
    shares = within / np.maximum(length, np.finfo(np.float64).tiny)
    return np.asarray(np.minimum(shares, 1.0))


def _score(
    values: NDArray[np.float64], worst: float, limit: float, best: float
) -> NDArray[np.float64]:
    """Return 0 up to `worst`, 0.5 at the limit, 1 from `best`."""
    return np.interp(values, (worst, limit, best), (0.0, PASSES, 1.0))


def _facing(angles_deg: NDArray[np.float64], limit_deg: float) -> NDArray[np.float64]:
    """Return 1 up to half of the limit, 0.5 at the limit, 0 from one and a half of it."""
    return _score(-angles_deg, -1.5 * limit_deg, -limit_deg, -0.5 * limit_deg)
