"""The audience that the choice of an ad may depend on, and what a play was worth."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ads.errors import AdsError
from detector.emotion.labels import EMOTIONS

GROUP_SIZES = ("nobody", "one", "few", "many")
"""Group sizes that a choice distinguishes: 0, 1, 2 or 3, and 4 or more viewers."""


@dataclass(frozen=True, slots=True)
class Audience:
    """The viewers of the last few seconds.

    Attributes:
        viewers: In view, without faces in pictures; `attentive` ones look at the screen.
        mood: The emotion with the largest mean, one of `EMOTIONS`; None if none is readable.
    """

    viewers: int
    attentive: int = 0
    mood: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.attentive <= self.viewers:
            raise AdsError(
                "Invalid audience: expected 0 <= attentive <= viewers, "
                f"received {self.attentive} of {self.viewers}."
            )
        if self.mood is not None and self.mood not in EMOTIONS:
            raise AdsError(
                f"Invalid mood: expected one of {', '.join(EMOTIONS)}, received {self.mood!r}."
            )

    @property
    def group_size(self) -> str:
        """One of `GROUP_SIZES`."""
        return GROUP_SIZES[self.viewers if self.viewers < 2 else 2 if self.viewers < 4 else 3]


@dataclass(frozen=True, slots=True)
class Reward:
    """What a play was worth: from -1 to 1 (docs/metrics.md), and the viewer seconds behind it."""

    value: float
    viewer_s: float

    def __post_init__(self) -> None:
        if not (-1 <= self.value <= 1 and self.viewer_s > 0 and math.isfinite(self.viewer_s)):
            raise AdsError(
                "Invalid reward: expected a value from -1 to 1 and viewer seconds above 0, "
                f"received {self.value} and {self.viewer_s}."
            )
