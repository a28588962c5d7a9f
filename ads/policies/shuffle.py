"""Random order in rounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ads.policies.base import Choice, PolicySettings, Situation, describe, require_candidates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ads.playlists.playlist import Ad
    from ads.policies.audience import Reward


class ShufflePolicy:
    """Each ad once per round, in an order that is drawn anew for every round.

    A round is over when every ad that may play now has had its turn. A new round does not begin
    with the ad that ended the last one, as long as another may play.

    Args:
        settings: Its seed counts.
    """

    def __init__(self, settings: PolicySettings) -> None:
        self._generator = np.random.default_rng(settings.seed)
        self._shown: set[str] = set()
        self._last: str | None = None

    def choose(self, candidates: Sequence[Ad], situation: Situation) -> Choice:
        """Draws evenly among the candidates that this round has not shown yet. See `Policy.choose`."""
        require_candidates(candidates)
        open_ads = [ad for ad in candidates if ad.ad_id not in self._shown]
        reason = "drawn from the ads that this round has not shown yet"
        if not open_ads:
            self._shown.clear()
            open_ads = [ad for ad in candidates if ad.ad_id != self._last] or list(candidates)
            reason = "drawn to begin a new round"
        if len(open_ads) == 1:
            reason = (
                "the only one left in this round"
                if len(candidates) > 1
                else "the only ad that may play now"
            )
        chosen = open_ads[int(self._generator.integers(len(open_ads)))]
        self._shown.add(chosen.ad_id)
        self._last = chosen.ad_id
        probability = 1 / len(open_ads)
        chances = {ad.ad_id: probability if ad in open_ads else 0.0 for ad in candidates}
        return Choice(
            chosen, reason, probability, context={**describe(situation), "candidates": chances}
        )

    def learn(self, ad_id: str, context: Mapping[str, Any], reward: Reward) -> None:
        """Does nothing: the order is left to chance. See `Policy.learn`."""
