"""The order of the playlist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ads.policies.base import Choice, Situation, certain, require_candidates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ads.playlists.playlist import Ad
    from ads.policies.audience import Reward


class SequentialPolicy:
    """One ad after the other, in the order of the playlist, round and round.

    The place in the round is kept while ads come and go with their hours: an ad that may play again
    takes its old place.
    """

    def __init__(self) -> None:
        self._order: list[str] = []
        self._last: str | None = None

    def choose(self, candidates: Sequence[Ad], situation: Situation) -> Choice:
        """Chooses the candidate that follows the last one chosen. See `Policy.choose`."""
        require_candidates(candidates)
        self._learn_order(candidates)
        by_id = {ad.ad_id: ad for ad in candidates}
        first = 0 if self._last is None else self._order.index(self._last) + 1
        following = self._order[first:] + self._order[:first]
        chosen = next(by_id[ad_id] for ad_id in following if ad_id in by_id)
        self._last = chosen.ad_id
        return certain(chosen, "next in the playlist", candidates, situation)

    def learn(self, ad_id: str, context: Mapping[str, Any], reward: Reward) -> None:
        """Does nothing: the order is fixed. See `Policy.learn`."""

    def _learn_order(self, candidates: Sequence[Ad]) -> None:
        """Candidates are a part of the playlist, so ads not seen before belong after their neighbour."""
        place = 0
        for ad in candidates:
            if ad.ad_id in self._order:
                place = self._order.index(ad.ad_id) + 1
            else:
                self._order.insert(place, ad.ad_id)
                place += 1
