"""Creatives matched to the audience's mood by the playlist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ads.policies.base import by_weight
from ads.policies.guard import GuardedPolicy, Preference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ads.playlists.playlist import Ad
    from ads.policies.audience import Reward

MOOD_WORDS = {
    "angry": "an angry",
    "disgust": "a disgusted",
    "fear": "an anxious",
    "happy": "a happy",
    "sad": "a sad",
    "surprise": "a surprised",
    "neutral": "a calm",
}
"""An audience of a mood, as a reason says it."""


class MoodPolicy(GuardedPolicy):
    """Shows what the playlist's key `moods` makes for the present mood of the audience.

    Where no candidate is made for it, or the mood could not be read, those without `moods` are
    shown; where there are none of these either, all. Among the ads that fit, each is drawn by its
    weight.
    """

    def learn(self, ad_id: str, context: Mapping[str, Any], reward: Reward) -> None:
        """Does nothing: the playlist says what suits whom. See `Policy.learn`."""

    def _prefer(
        self, candidates: Sequence[Ad], context: Mapping[str, Any], generator: np.random.Generator
    ) -> Preference:
        mood = context["mood"]
        audience = (
            f"{MOOD_WORDS[mood]} audience" if mood else "an audience whose mood could not be read"
        )
        fitting = [mood in ad.moods for ad in candidates]
        reason = f"made for {audience}"
        if not any(fitting):
            fitting = [not ad.moods for ad in candidates]
            reason = f"made for any mood; shown to {audience}"
        if not any(fitting):
            fitting = [True] * len(candidates)
            reason = f"drawn by its weight: no ad is made for {audience}"
        weights = np.where(fitting, by_weight(candidates), 0.0)
        return Preference(weights / weights.sum(), lambda _: reason)
