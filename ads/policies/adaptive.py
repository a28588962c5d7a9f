"""Policies that adapt to the audience: creatives matched to its mood, or learnt from reactions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ads.policies.base import by_weight
from ads.policies.guard import GuardedPolicy, Preference
from ads.policies.taste import TasteModel, features, part_of_day
from detector.texts import lazy

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
    "nobody": lazy("no viewers"),
    "one": lazy("one viewer"),
    "few": lazy("two or three viewers"),
    "many": lazy("four or more viewers"),
}

MOOD_WORDS = {
    "angry": lazy("an angry audience"),
    "disgust": lazy("a disgusted audience"),
    "fear": lazy("an anxious audience"),
    "happy": lazy("a happy audience"),
    "sad": lazy("a sad audience"),
    "surprise": lazy("a surprised audience"),
    "neutral": lazy("a calm audience"),
}

PARTS = {
    "night": lazy("night"),
    "morning": lazy("morning"),
    "afternoon": lazy("afternoon"),
    "evening": lazy("evening"),
}


class MoodPolicy(GuardedPolicy):
    """Show ads whose key `moods` names the audience's present mood, drawn by their weights.

    Without one, or if the mood could not be read: ads without `moods`; failing these, all.
    """

    def _prefer(
        self, candidates: Sequence[Ad], context: Mapping[str, Any], generator: np.random.Generator
    ) -> Preference:
        mood = context["mood"]
        audience = lazy("an audience whose mood could not be read")
        if mood:
            audience = MOOD_WORDS[mood]
        fitting = [mood in ad.moods for ad in candidates]
        reason = lazy("made for %(audience)s", audience=audience)
        if not any(fitting):
            fitting = [not ad.moods for ad in candidates]
            reason = lazy("made for any mood; shown to %(audience)s", audience=audience)
        if not any(fitting):
            fitting = [True] * len(candidates)
            reason = lazy("drawn by its weight: no ad is made for %(audience)s", audience=audience)
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
                return lazy("believed to suit %(audience)s best", audience=audience)
            return lazy("may suit %(audience)s best, so it is tried", audience=audience)

        return Preference(best, reason)


def _audience_words(context: Mapping[str, Any]) -> str:
    words = GROUP_WORDS[context["group"]]
    if context["mood"]:
        mood = MOOD_WORDS[context["mood"]]
        words = lazy("%(mood)s of %(viewers)s", mood=mood, viewers=words)
    part = part_of_day(context["hour"])
    return words if part is None else lazy("%(words)s (%(part)s)", words=words, part=PARTS[part])
