"""Policies that ignore the audience: the order of the playlist, random rounds, share of voice."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from ads.policies.base import Choice, Policy, Situation, describe
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ads.playlists.playlist import Ad


class _Candidates:
    """The candidates of the last choice, looked at again only when they change."""

    def __init__(self) -> None:
        self.by_id: dict[str, Ad] = {}
        self._candidates: Sequence[Ad] = ()
        self._no_chances: dict[str, float] = {}

    def update(self, candidates: Sequence[Ad]) -> bool:
        """Note the candidates; return whether they have changed."""
        if candidates is self._candidates:
            return False
        self._candidates = candidates
        self.by_id = {ad.ad_id: ad for ad in candidates}
        self._no_chances = dict.fromkeys(self.by_id, 0.0)
        return True

    def certain(self, ad: Ad, reason: str, situation: Situation) -> Choice:
        """Return the choice of one of them, made without chance."""
        chances = self._no_chances.copy()
        chances[ad.ad_id] = 1.0
        return Choice(ad, reason, 1.0, context={**describe(situation), "candidates": chances})


class SequentialPolicy(Policy):
    """Follow the playlist, round and round; an ad that may play again takes its old place."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._order: list[str] = []
        self._known: set[str] = set()
        self._last: str | None = None
        self._candidates = _Candidates()

    def _choose(self, candidates: Sequence[Ad], situation: Situation) -> Choice:
        have_changed = self._candidates.update(candidates)
        by_id = self._candidates.by_id
        if have_changed and not self._known.issuperset(by_id):
            self._insert(candidates)
        first = 0 if self._last is None else self._order.index(self._last) + 1
        following = chain(islice(self._order, first, None), islice(self._order, first))
        chosen = next(by_id[ad_id] for ad_id in following if ad_id in by_id)
        self._last = chosen.ad_id
        return self._candidates.certain(chosen, lazy("next in the playlist"), situation)

    def _insert(self, candidates: Sequence[Ad]) -> None:
        """Insert new ads behind the candidate that precedes them, as in the playlist."""
        behind: dict[str | None, list[str]] = {}
        neighbour: str | None = None
        for ad in candidates:
            if ad.ad_id in self._known:
                neighbour = ad.ad_id
            else:
                behind.setdefault(neighbour, []).append(ad.ad_id)
        order = behind.get(None, [])
        for ad_id in self._order:
            order += (ad_id, *behind.get(ad_id, ()))
        self._order = order
        self._known = set(order)


class ShufflePolicy(Policy):
    """Each ad that may play once per round, in random order, none twice in a row if avoidable."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._generator = np.random.default_rng(self._settings.seed)
        self._shown: set[str] = set()
        self._last: str | None = None

    def _choose(self, candidates: Sequence[Ad], situation: Situation) -> Choice:
        open_ads = [ad for ad in candidates if ad.ad_id not in self._shown]
        reason = lazy("drawn from the ads that this round has not shown yet")
        if not open_ads:
            self._shown.clear()
            open_ads = [ad for ad in candidates if ad.ad_id != self._last] or list(candidates)
            reason = lazy("drawn to begin a new round")
        if len(candidates) == 1:
            reason = lazy("the only ad that may play now")
        elif len(open_ads) == 1:
            reason = lazy("the only one left in this round")
        chosen = open_ads[int(self._generator.integers(len(open_ads)))]
        self._shown.add(chosen.ad_id)
        self._last = chosen.ad_id
        probability = 1 / len(open_ads)
        chances = {ad.ad_id: probability if ad in open_ads else 0.0 for ad in candidates}
        context = {**describe(situation), "candidates": chances}
        return Choice(chosen, reason, probability, context=context)


class WeightedPolicy(Policy):
    """Share of voice: always the ad that is furthest behind its share of the screen time.

    With every play, each candidate is credited its weight's part of the play's length, and the ad
    shown pays the whole length; balances of other ads stand still. They add up to 0 and the largest
    is shown, so none grows beyond a few plays: over a day the shares are those of the weights.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._balance_s: dict[str, float] = {}
        self._candidates = _Candidates()

    def _choose(self, candidates: Sequence[Ad], situation: Situation) -> Choice:
        self._candidates.update(candidates)
        total = sum(ad.weight for ad in candidates)

        def balance_s(ad: Ad) -> float:
            # At the middle of the ad's own next play, so its length does not matter.
            share = ad.weight / total
            return self._balance_s.get(ad.ad_id, 0.0) + (share - 1) * ad.duration_s / 2

        chosen = max(candidates, key=balance_s)
        for ad in candidates:
            credit_s = chosen.duration_s * ad.weight / total
            self._balance_s[ad.ad_id] = self._balance_s.get(ad.ad_id, 0.0) + credit_s
        self._balance_s[chosen.ad_id] -= chosen.duration_s
        reason = lazy("the only ad that may play now")
        if len(candidates) > 1:
            reason = lazy(
                "furthest behind its share of the screen time (%(percent)s%%)",
                percent=f"{100 * chosen.weight / total:.0f}",
            )
        return self._candidates.certain(chosen, reason, situation)
