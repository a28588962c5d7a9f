"""Learns from the reactions which ad suits which audience."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ads.policies.guard import GuardedPolicy, Preference
from ads.policies.mood import MOOD_WORDS
from ads.policies.taste import TasteModel, features, part_of_day

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ads.playlists.playlist import Ad
    from ads.policies.audience import Reward
    from ads.policies.base import PolicySettings

DRAWS = 256
"""Draws from what is believed, for each choice; the probability of an ad is the share of draws in which it is best."""

SPREAD = 0.7
"""Standard deviation of these draws in proportion to that of what is believed. Below 1 fewer plays go to ads that are hardly
the best (Chapelle and Li, "An Empirical Evaluation of Thompson Sampling", 2011); hold-out and floor go on trying them."""

GROUP_WORDS = {
    "nobody": "no viewers",
    "one": "one viewer",
    "few": "two or three viewers",
    "many": "four or more viewers",
}


class LearningPolicy(GuardedPolicy):
    """Contextual Thompson sampling: an ad is shown as often as it is believed to be the best for this audience.

    The context is the audience's mood, its group size, and the part of the day; `TasteModel` holds
    what is believed. For each choice `DRAWS` draws are made from it. The share of them in which an
    ad is the best is its probability, and the ad is then drawn from just these probabilities: so
    the logged probability is exact, given the draws (Russo and others, "A Tutorial on Thompson
    Sampling", 2018, describe the method).

    Args:
        settings: The guard rails and the seed.
        after: Context of the last play of an earlier run; the plays' rewards are given to `learn`
            again.
    """

    def __init__(self, settings: PolicySettings, after: Mapping[str, Any] | None = None) -> None:
        super().__init__(settings, after)
        self._tastes = TasteModel()

    def learn(self, ad_id: str, context: Mapping[str, Any], reward: Reward) -> None:
        """Takes a play into account, whoever chose it and why. See `Policy.learn`."""
        self._tastes.update(ad_id, features(context), reward)

    def _prefer(
        self, candidates: Sequence[Ad], context: Mapping[str, Any], generator: np.random.Generator
    ) -> Preference:
        ids = [ad.ad_id for ad in candidates]
        values = self._tastes.sample(ids, features(context), DRAWS, generator, spread=SPREAD)
        best = np.bincount(values.argmax(axis=1), minlength=len(candidates)) / DRAWS

        def reason(place: int) -> str:
            audience = _audience_words(context)
            if best[place] == best.max():
                return f"believed to suit {audience} best"
            return f"may suit {audience} best, so it is tried"

        return Preference(best, reason)


def _audience_words(context: Mapping[str, Any]) -> str:
    mood = context["mood"]
    words = (
        f"{MOOD_WORDS[mood]} audience of {GROUP_WORDS[context['group']]}"
        if mood
        else GROUP_WORDS[context["group"]]
    )
    part = part_of_day(context["hour"])
    return words if part is None else f"{words} ({part})"
