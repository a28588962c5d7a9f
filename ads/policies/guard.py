"""The guard rails of the policies that adapt to the audience."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ads.errors import AdsError
from ads.policies.base import Choice, Policy, Situation, by_weight, describe, draw
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from ads.playlists.playlist import Ad

MIN_BLOCK = 20
"""Smallest number of choices within which the hold-out gets exactly its share."""

# Separate streams of random numbers.
_ASSIGNMENT, _CHOICE = 0, 1


class HoldOut:
    """Which choices ignore the audience: exactly the given share of each block, at random places.

    Permuted blocks, as in clinical trials, keep the share (0 to 1, in thousandths) exact while the
    audience changes over a day. The places follow from the seed and the number of the block of at
    least `MIN_BLOCK` choices, so nothing has to be stored.
    """

    def __init__(self, share: float, seed: int) -> None:
        if not 0 <= share <= 1:
            raise AdsError(f"Invalid hold-out: expected a share from 0 to 1, received {share}.")
        exact = Fraction(round(share * 1000), 1000)
        repeats = math.ceil(MIN_BLOCK / exact.denominator)
        self.block = exact.denominator * repeats
        self.per_block = exact.numerator * repeats
        self._seed = seed
        self._block_number = -1
        self._places: NDArray[np.bool_] = np.zeros(self.block, np.bool_)

    def at(self, number: int) -> tuple[bool, float]:
        """Return whether a choice, from 0, is held out, and how probable that was in its block."""
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
    """Without guard rails: probabilities, `(n,)`, and the reason for a candidate by its place."""

    probabilities: NDArray[np.float64]
    reason: Callable[[int], str]


class GuardedPolicy(Policy):
    """A policy that adapts to the audience, within guard rails.

    - Blocked ads are left out while any other ad may play.
    - With fewer viewers than `min_audience`, or none measured, ads are drawn by their weights.
    - Of the other choices, exactly the share `holdout` is drawn by weight too, for comparison.
    - A share `floor` of every choice is spread evenly, so that each candidate keeps being tried.

    The context of its choices also has "choice" (the number of this choice, from 0), "holdout" (the
    probability of being held out, given the block so far; None for a choice outside the trial) and
    "trials" (how many choices the trial has had). All random numbers follow from the seed and these
    counts, so `after` is enough to continue after a restart.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._holdout = HoldOut(self._settings.holdout, self._settings.seed)
        self._choices = int(self._after.get("choice", -1)) + 1
        self._trials = int(self._after.get("trials", 0))

    def _choose(self, candidates: Sequence[Ad], situation: Situation) -> Choice:
        settings, audience = self._settings, situation.audience
        allowed = [ad for ad in candidates if ad.ad_id not in settings.blocked] or list(candidates)
        generator = np.random.default_rng([settings.seed, _CHOICE, self._choices])
        context: dict[str, Any] = {**describe(situation), "choice": self._choices, "holdout": None}
        self._choices += 1
        neutral = Preference(by_weight(allowed), lambda _: lazy("drawn by its weight"))
        held_out = False
        if audience is None or audience.viewers < settings.min_audience:
            chosen, reason = self._draw(generator, neutral)
            probabilities = neutral.probabilities
            least = settings.min_audience
            reason = (
                lazy("%(reason)s; fewer than %(least)s in view", reason=reason, least=least)
                if audience
                else lazy("%(reason)s; the audience is not measured now", reason=reason)
            )
        else:
            held_out, chance = self._holdout.at(self._trials)
            context["holdout"] = chance
            self._trials += 1
            adapted = self._prefer(allowed, context, generator)
            chosen, reason = self._draw(generator, neutral if held_out else adapted)
            if held_out:
                reason = lazy(
                    "%(reason)s; held out, to measure what adapting to the audience brings",
                    reason=reason,
                )
            probabilities = chance * neutral.probabilities + (1 - chance) * adapted.probabilities
        probabilities = (1 - settings.floor) * probabilities + settings.floor / len(allowed)
        context["trials"] = self._trials
        chances = dict.fromkeys((ad.ad_id for ad in candidates), 0.0)
        chances.update({ad.ad_id: float(p) for ad, p in zip(allowed, probabilities, strict=True)})
        context["candidates"] = chances
        if len(allowed) == 1:
            reason = lazy("the only ad that may play now")
        probability = min(1.0, float(probabilities[chosen]))
        return Choice(allowed[chosen], reason, probability, held_out, context)

    @abstractmethod
    def _prefer(
        self, candidates: Sequence[Ad], context: Mapping[str, Any], generator: np.random.Generator
    ) -> Preference:
        """Return what to show to this audience, using the generator for any draws."""

    def _draw(self, generator: np.random.Generator, preference: Preference) -> tuple[int, str]:
        if generator.random() < self._settings.floor:
            place = int(generator.integers(len(preference.probabilities)))
            return place, lazy("tried out, as every ad is now and then")
        place = draw(generator, preference.probabilities)
        return place, preference.reason(place)
