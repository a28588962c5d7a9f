"""Creatives matched to the audience's mood by the playlist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ads.policies.base import by_weight
from ads.policies.guard import GuardedPolicy, Preference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ads.playlists.playlist import Ad

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
    """Show ads whose key `moods` names the audience's present mood, drawn by their weights.

    If there is none, or the mood could not be read, ads without `moods` are shown; failing these,
    all.
    """

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
