"""The guard rails of the policies that adapt to the audience."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ads.errors import AdsError
from ads.policies.base import (
    Choice,
    PolicySettings,
    Situation,
    by_weight,
    describe,
    draw,
    require_candidates,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from ads.playlists.playlist import Ad

SHORTEST_BLOCK = 20
"""Least number of choices within which the hold-out gets exactly its share."""

SHARE_STEPS = 1000
"""The hold-out's share is kept exactly to one part in so many."""

_ASSIGNMENT, _CHOICE = 0, 1
"""Keep the random numbers of the hold-out apart from those of the choices."""


class HoldOut:
    """Which choices ignore the audience: exactly the stated share of each block of choices, at random places in it.

    Permuted blocks (as in clinical trials) keep the share exact, not only on average, also while
    the audience changes over a day. The places follow from the seed and the number of the block, so
    that nothing has to be stored: a run that goes on after a restart with the next number keeps the
    block that it was in.

    Args:
        share: Of the choices, 0 to 1; taken to the nearest thousandth.
        seed: Of the draws.

    Attributes:
        block: Choices in a block: the least multiple of the share's denominator that is not below
            `SHORTEST_BLOCK`.
        per_block: How many of them are held out.
    """

    def __init__(self, share: float, seed: int) -> None:
        if not 0 <= share <= 1:
            raise AdsError(f"Invalid hold-out: expected a share from 0 to 1, received {share}.")
        exact = Fraction(round(share * SHARE_STEPS), SHARE_STEPS)
        repeats = math.ceil(SHORTEST_BLOCK / exact.denominator)
        self.block = exact.denominator * repeats
        self.per_block = exact.numerator * repeats
        self._seed = seed
        self._block_number = -1
        self._places: NDArray[np.bool_] = np.zeros(self.block, np.bool_)

    def at(self, number: int) -> tuple[bool, float]:
        """Whether a choice is held out.

        Args:
            number: Of the choice, from 0.

        Returns:
            Whether it is, and how probable that was, given the choices of its block before it.
        """
        block_number, place = divmod(number, self.block)
        if block_number != self._block_number:
            self._block_number = block_number
            self._places[:] = False
            self._places[: self.per_block] = True
            np.random.default_rng([self._seed, _ASSIGNMENT, block_number]).shuffle(self._places)
        left = self.per_block - int(self._places[:place].sum())
        return bool(self._places[place]), left / (self.block - place)


@dataclass(frozen=True, slots=True)
class Preference:
    """What a policy would do without guard rails.

    Attributes:
        probabilities: One for each candidate, `(n,)`; they add up to 1.
        reason: Why a candidate was chosen, by its place.
    """

    probabilities: NDArray[np.float64]
    reason: Callable[[int], str]


class GuardedPolicy(ABC):
    """A policy that adapts to the audience, within guard rails.

    - Blocked ads are left out as long as any other ad may play.
    - With fewer viewers in view than `min_audience`, or none measured, the choice does not look at
      the audience: ads are drawn by their weights.
    - Of the other choices exactly the share `holdout` is held out: made in the same way as without
      an audience. They are what adaptation is compared with.
    - A share `floor` of every choice is spread evenly over the candidates, so that each keeps being
      tried.

    Caps, days, hours and priorities are not its business: it is only given what may play.

    To the context of its choices it adds "choice" (the number of this choice, from 0), "holdout"
    (the probability of being held out, given the block so far; None for a choice that took no part
    in that draw) and "trials" (how many choices have taken part in it). What adaptation brings is
    measured over the choices that took part.

    All random numbers follow from the seed and these counts, so after a restart `after` is all that
    is needed to go on as if nothing had happened.

    Args:
        settings: The guard rails and the seed.
        after: Context of the last play of an earlier run of this policy; None to begin anew.
    """

    def __init__(self, settings: PolicySettings, after: Mapping[str, Any] | None = None) -> None:
        self._settings = settings
        self._blocked = frozenset(settings.blocked)
        self._holdout = HoldOut(settings.holdout, settings.seed)
        self._choices = 0 if after is None else int(after.get("choice", -1)) + 1
        self._trials = 0 if after is None else int(after.get("trials", 0))

    def choose(self, candidates: Sequence[Ad], situation: Situation) -> Choice:
        """Chooses within the guard rails. See `Policy.choose`."""
        require_candidates(candidates)
        allowed = [ad for ad in candidates if ad.ad_id not in self._blocked] or list(candidates)
        generator = np.random.default_rng([self._settings.seed, _CHOICE, self._choices])
        context: dict[str, Any] = {**describe(situation), "choice": self._choices, "holdout": None}
        self._choices += 1
        neutral = Preference(by_weight(allowed), lambda _: "drawn by its weight")
        audience = situation.audience
        held_out = False
        if audience is None:
            chosen, probabilities, reason = self._mixed(generator, neutral)
            reason += "; the audience is not measured now"
        elif audience.viewers < self._settings.min_audience:
            chosen, probabilities, reason = self._mixed(generator, neutral)
            reason += f"; fewer than {self._settings.min_audience} in view"
        else:
            held_out, chance = self._holdout.at(self._trials)
            context["holdout"] = chance
            self._trials += 1
            adapted = self._prefer(allowed, context, generator)
            chosen, _, reason = self._mixed(generator, neutral if held_out else adapted)
            if held_out:
                reason += "; held out, to measure what adapting to the audience brings"
            blend = chance * neutral.probabilities + (1 - chance) * adapted.probabilities
            probabilities = self._floored(blend)
        context["trials"] = self._trials
        chances = dict.fromkeys((ad.ad_id for ad in candidates), 0.0)
        chances.update({ad.ad_id: float(p) for ad, p in zip(allowed, probabilities, strict=True)})
        context["candidates"] = chances
        if len(allowed) == 1:
            reason = "the only ad that may play now"
        return Choice(
            allowed[chosen], reason, min(1.0, float(probabilities[chosen])), held_out, context
        )

    @abstractmethod
    def _prefer(
        self, candidates: Sequence[Ad], context: Mapping[str, Any], generator: np.random.Generator
    ) -> Preference:
        """What to show to this audience. Draws that it needs for that come from the generator."""

    def _floored(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        floor = self._settings.floor
        return (1 - floor) * probabilities + floor / len(probabilities)

    def _mixed(
        self, generator: np.random.Generator, preference: Preference
    ) -> tuple[int, NDArray[np.float64], str]:
        """Draws from a preference and the floor beneath it: the place, all probabilities, and the reason."""
        probabilities = preference.probabilities
        if generator.random() < self._settings.floor:
            chosen = int(generator.integers(len(probabilities)))
            reason = "tried out, as every ad is now and then"
        else:
            chosen = draw(generator, probabilities)
            reason = preference.reason(chosen)
        return chosen, self._floored(probabilities), reason
