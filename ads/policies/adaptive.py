"""Policies that adapt to the audience: creatives matched to its mood, or learnt from reactions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ads.policies.base import by_weight
from ads.policies.guard import GuardedPolicy, Preference
from ads.policies.taste import TasteModel, features, part_of_day

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ads.playlists.playlist import Ad
    from ads.policies.audience import Reward

DRAWS = 256
"""Posterior draws for each choice; an ad's probability is the share of draws that it wins."""

SPREAD = 0.7
"""Scale of these draws' standard deviation. Below 1, fewer plays go to ads that are hardly the best
(Chapelle and Li, "An Empirical Evaluation of Thompson Sampling", 2011); hold-out and floor still
try them."""

GROUP_WORDS = {
    "nobody": "no viewers",
    "one": "one viewer",
    "few": "two or three viewers",
    "many": "four or more viewers",
}

MOOD_WORDS = {
    "angry": "an angry",
    "disgust": "a disgusted",
    "fear": "an anxious",
    "happy": "a happy",
    "sad": "a sad",
    "surprise": "a surprised",
    "neutral": "a calm",
}


class MoodPolicy(GuardedPolicy):
    """Show ads whose key `moods` names the audience's present mood, drawn by their weights.

    Without one, or if the mood could not be read: ads without `moods`; failing these, all.
    """

    def _prefer(
        self, candidates: Sequence[Ad], context: Mapping[str, Any], generator: np.random.Generator
    ) -> Preference:
        mood = context["mood"]
        audience = "an audience whose mood could not be read"
        if mood:
            audience = f"{MOOD_WORDS[mood]} audience"
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


class LearningPolicy(GuardedPolicy):
    """Contextual Thompson sampling: show an ad as often as it probably suits the audience best.

    For each choice, an ad's probability is the share of `DRAWS` posterior draws in which it is the
    best, so the logged probability is exact given the draws (Russo and others, "A Tutorial on
    Thompson Sampling", 2018).
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._tastes = TasteModel()

    def learn(self, ad_id: str, context: Mapping[str, Any], reward: Reward) -> None:
        """Learn from a play, no matter what chose it. See `Policy.learn`."""
        self._tastes.update(ad_id, features(context), reward)

    def _prefer(
        self, candidates: Sequence[Ad], context: Mapping[str, Any], generator: np.random.Generator
    ) -> Preference:
        ids = [ad.ad_id for ad in candidates]
        values = self._tastes.sample(ids, features(context), DRAWS, generator, spread=SPREAD)
        best = np.bincount(values.argmax(axis=1), minlength=len(candidates)) / DRAWS
        audience = _audience_words(context)

        def reason(place: int) -> str:
            if best[place] == best.max():
                return f"believed to suit {audience} best"
            return f"may suit {audience} best, so it is tried"

        return Preference(best, reason)


def _audience_words(context: Mapping[str, Any]) -> str:
    words = GROUP_WORDS[context["group"]]
    if context["mood"]:
        words = f"{MOOD_WORDS[context['mood']]} audience of {words}"
    part = part_of_day(context["hour"])
    return words if part is None else f"{words} ({part})"
