"""Which ad comes next."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ads.errors import AdsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from ads.playlist import Ad


@dataclass(frozen=True, slots=True)
class Choice:
    """A policy's decision.

    Attributes:
        ad: What to show.
        reason: Why, in words that a report can print.
        probability: The probability with which this ad was chosen from the candidates, above 0 and at most 1. An
            analysis needs it to undo the policy's preferences.
    """

    ad: Ad
    reason: str
    probability: float

    def __post_init__(self) -> None:
        if not 0 < self.probability <= 1:
            raise AdsError(f"The probability of a choice must be above 0 and at most 1, got {self.probability}.")


class Policy(Protocol):
    """Chooses the next ad. Called by the thread that drives the show, once for each play."""

    def choose(self, candidates: Sequence[Ad], now: datetime | None) -> Choice:
        """Chooses one of the candidates.

        Args:
            candidates: The ads that may play now, at least one, in the order of the playlist.
            now: Local wall-clock time with its zone; None where a recording's is not known.
        """


class SequentialPolicy:
    """One ad after the other, in the order of the playlist, round and round.

    The place in the round is kept while ads come and go with their hours: an ad that may play again takes its old
    place.
    """

    def __init__(self) -> None:
        self._order: list[str] = []
        self._last: str | None = None

    def choose(self, candidates: Sequence[Ad], now: datetime | None) -> Choice:
        """Chooses the candidate that follows the last one chosen. See `Policy.choose`."""
        if not candidates:
            raise AdsError("A policy needs at least one candidate, got none.")
        self._learn_order(candidates)
        by_id = {ad.ad_id: ad for ad in candidates}
        first = 0 if self._last is None else self._order.index(self._last) + 1
        following = self._order[first:] + self._order[:first]
        chosen = next(by_id[ad_id] for ad_id in following if ad_id in by_id)
        self._last = chosen.ad_id
        return Choice(chosen, "next in the playlist", 1.0)

    def _learn_order(self, candidates: Sequence[Ad]) -> None:
        """Candidates are a part of the playlist, so ads not seen before belong after their neighbour."""
        place = 0
        for ad in candidates:
            if ad.ad_id in self._order:
                place = self._order.index(ad.ad_id) + 1
            else:
                self._order.insert(place, ad.ad_id)
                place += 1


_POLICIES: dict[str, Callable[[], Policy]] = {"sequential": SequentialPolicy}

POLICY_NAMES = tuple(_POLICIES)
"""The names that `make_policy` knows."""


def make_policy(name: str) -> Policy:
    """Makes a policy from its name.

    Args:
        name: One of `POLICY_NAMES`.

    Raises:
        AdsError: There is no policy of that name.
    """
    try:
        return _POLICIES[name]()
    except KeyError:
        near = difflib.get_close_matches(name, POLICY_NAMES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise AdsError(f"There is no policy {name!r}; expected one of: {', '.join(POLICY_NAMES)}{hint}") from None
