"""Share of voice: screen time in proportion to the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ads.policies.base import Choice, Situation, certain, require_candidates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ads.playlists.playlist import Ad
    from ads.policies.audience import Reward


class WeightedPolicy:
    """Always the ad that is furthest behind its share of the screen time.

    With every play each ad that may play at the time is owed its weight's part of the play's
    length, and the one that is shown pays the whole length. What is owed to an ad stands still
    while it may not play, so it neither catches up for the time it was away nor loses what it had.
    The sum of all accounts is always 0, and the ad with the largest one is shown, so that no
    account grows beyond the length of a few plays: over a day the shares are those of the weights,
    also while ads come and go with their hours and caps. Nothing is left to chance.
    """

    def __init__(self) -> None:
        self._owed_s: dict[str, float] = {}

    def choose(self, candidates: Sequence[Ad], situation: Situation) -> Choice:
        """Chooses the candidate to which most screen time is owed; among equals the first. See `Policy.choose`."""
        require_candidates(candidates)
        total = sum(ad.weight for ad in candidates)
        chosen = max(candidates, key=lambda ad: self._due_s(ad, ad.weight / total))
        for ad in candidates:
            self._owed_s[ad.ad_id] = (
                self._owed_s.get(ad.ad_id, 0.0) + chosen.duration_s * ad.weight / total
            )
        self._owed_s[chosen.ad_id] -= chosen.duration_s
        reason = "the only ad that may play now"
        if len(candidates) > 1:
            reason = f"furthest behind its share of the screen time ({chosen.weight / total:.0%})"
        return certain(chosen, reason, candidates, situation)

    def learn(self, ad_id: str, context: Mapping[str, Any], reward: Reward) -> None:
        """Does nothing: the weights decide. See `Policy.learn`."""

    def _due_s(self, ad: Ad, share: float) -> float:
        """What is owed to an ad after half of its own next play.

        Judged at the middle, a long ad is neither favoured nor put off against short ones, and
        after a play each account is as near to zero as it can be.
        """
        return self._owed_s.get(ad.ad_id, 0.0) + (share - 1) * ad.duration_s / 2
