"""The audience that the choice of an ad may depend on, and what a play was worth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ads.errors import AdsError
from detector.emotion.labels import EMOTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

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


REWARD = "attention-times-liking"
"""Name of the definition that `play_reward` follows, logged with each choice. Rewards of another
one, or of none (attention times plain valence, until version 0.1), must not be mixed with it."""


def play_reward(attention: float, valence: float) -> float:
    """Return what a play is worth: `attention * (1 + valence) / 2`, from 0 to 1.

    It never rises when people look away, whatever they feel: valence is taken over all the time in
    view, and its factor is never negative. A neutral audience that looks all the time is worth 0.5.

    Args:
        attention: Share of the viewers' time in view in which they looked at the screen, 0 to 1.
        valence: Mean over their time in view, 0 for neutral faces; clipped to -1 to 1, as the
            estimate for a few faces may lie outside.
    """
    return attention * (1 + min(1.0, max(-1.0, valence))) / 2


def has_same_reward(context: Mapping[str, Any]) -> bool:
    """Whether a play with this context was rated by the definition that holds now."""
    return context.get("reward") == REWARD


@dataclass(frozen=True, slots=True)
class Reward:
    """What a play was worth, from 0 to 1, and the viewer seconds behind it.

    docs/explanation/comparisons.md has the formula.
    """

    value: float
    viewer_s: float

    def __post_init__(self) -> None:
        if not (-1 <= self.value <= 1 and self.viewer_s > 0 and math.isfinite(self.viewer_s)):
            raise AdsError(
                "Invalid reward: expected a value from -1 to 1 and viewer seconds above 0, "
                f"received {self.value} and {self.viewer_s}."
            )
