"""Settings of the detector that a user can change, importable without OpenCV or NumPy.

The docstring of a field is its help on the command line.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Device = Literal["auto", "gpu", "cpu"]
"""Which runtime classifies; see `detector.emotion.classifier.load_classifier`."""

DEFAULT_VIEW_ANGLE_DEG = 70.0
"""Horizontal angle of view of common webcams, which state 60 to 78 degrees."""

FACE_BOX_M = 0.158
"""Side of MediaPipe's box around an adult's face, from heads rendered with eyes 6.3 cm apart."""

MIN_FACE_PX = 12.0
"""Smallest face to search for: below it the tiles number thousands, and nothing is left to read."""


def _degrees(value: object) -> object:
    """Turn the digits of an option or environment variable into a number."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


class CameraMount(BaseModel):
    """The screen, and the position of the camera relative to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    screen_width_cm: float = Field(100.0, ge=5, le=2000)
    """Width of the screen that viewers look at, in centimetres, without its frame."""
    screen_height_cm: float | None = Field(
        None, ge=5, le=2000, json_schema_extra={"fallback": "9/16 of the width"}
    )
    """Height of the screen, in centimetres."""
    above_cm: float | None = Field(
        None, ge=-500, le=500, json_schema_extra={"fallback": "halfway to the upper edge"}
    )
    """Height of the camera above the screen's centre, in centimetres; negative below it."""
    right_cm: float = Field(0.0, ge=-500, le=500)
    """Distance to the right of the screen's centre, in centimetres, as a viewer sees it; negative
    to the left."""
    view_angle_deg: float = Field(DEFAULT_VIEW_ANGLE_DEG, ge=20, le=170)
    """Horizontal angle of view of the camera as its maker states it, before any --rotate."""
    tilt_deg: float = Field(0.0, ge=-60, le=60)
    """How far the camera looks down; negative looks up."""
    rotate: Annotated[Literal[0, 90, 180, 270], BeforeValidator(_degrees)] = 0
    """Degrees by which to rotate the pictures clockwise, for a camera mounted on its side or upside
    down; everything else sees the rotated picture. The demo viewer needs no rotation."""

    @property
    def height_cm(self) -> float:
        """Height of the screen, in centimetres."""
        given = self.screen_height_cm
        return self.screen_width_cm * 9 / 16 if given is None else given

    @property
    def camera_above_cm(self) -> float:
        """Height of the camera above the screen's centre, in centimetres.

        Cameras sit on the upper edge or, behind glass, near the centre. The default, halfway
        between, suits both: from 2 m on, it is off by less than the tolerance of `attention.py`.
        """
        return self.height_cm / 4 if self.above_cm is None else self.above_cm

    def across_deg(self, width_px: int, height_px: int) -> float:
        """Return the horizontal angle of view of a turned picture of this size."""
        if self.rotate in {0, 180}:
            return self.view_angle_deg
        half = math.tan(math.radians(self.view_angle_deg) / 2)
        return 2 * math.degrees(math.atan(half * width_px / height_px))


class DetectionSettings(BaseModel):
    """Which faces to find."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    smallest_face_px: float = Field(36.0, ge=MIN_FACE_PX, le=2000)
    """Side of the smallest face to look for, in pixels of the source; smaller ones cost time."""
    farthest_m: float | None = Field(None, gt=0, le=50)
    """Distance of the furthest viewer to look for, in metres, instead of the face's size."""
    min_confidence: float = Field(0.5, gt=0, le=1)
    """Minimum score of a face."""

    def smallest_px(self, width_px: int, view_angle_deg: float) -> float:
        """Return the side of the smallest face to search for in a picture of this width."""
        if self.farthest_m is None:
            return self.smallest_face_px
        seen_m = 2 * self.farthest_m * math.tan(math.radians(view_angle_deg) / 2)
        return max(MIN_FACE_PX, width_px * FACE_BOX_M / seen_m)
