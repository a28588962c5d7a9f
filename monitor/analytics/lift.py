"""Does adapting to the audience pay: adaptive plays against those of the hold-out.

The hold-out is an experiment: a fixed share, drawn by lot, of the choices that could look at the
audience does not. Mean rewards are subtracted within each hour of a session, and the differences
averaged with the weights `n_a n_h / (n_a + n_h)`, so plays are compared with plays of the same
place and time only (Imbens and Rubin 2015; see `docs/explanation/comparisons.md`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ads.policies.audience import has_same_reward
from monitor.analytics import resampling
from monitor.analytics.resampling import (
    bounds_of_parts,
    digits_for,
    key_of,
    weighted_ratios,
)
from monitor.analytics.statistics import (
    CONFIDENCE,
    DRAWS,
    MAX_CELLS,
    PERMUTATIONS,
    UNKNOWN,
    Interval,
    expanded_level,
    hours_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from db.read.plays import LoggedPlay
    from monitor.analytics.metrics import Floats, Ints
    from monitor.workers import Map

MIN_PLAYS = 30
"""Of each kind, in hours that have both. With fewer an interval is too wide to decide anything, and
often covers too little."""

MIN_HOURS = 8
"""Hours with both kinds. The bootstrap draws hours, and fewer say little about their spread."""


@dataclass(frozen=True, slots=True)
class Lift:
    """What adaptation brought. Figures that are not known, or withheld, are NaN.

    Plays have a reward and are in hours with both kinds; `left_out_plays` are in the other hours,
    and `other_reward_plays` were rated by another definition of the reward. Mean rewards are
    weighted as the difference is: adaptive minus held out. `…_measured` are shares of all plays
    with a reward: if they are far apart, adaptation changes who is in view.
    """

    adaptive_plays: int
    held_out_plays: int
    left_out_plays: int
    adaptive_measured: float
    held_out_measured: float
    hours: int
    adaptive: float = math.nan
    held_out: float = math.nan
    difference: Interval = UNKNOWN
    p_value: float = math.nan
    withheld: str | None = None
    other_reward_plays: int = 0

    def sentence(self) -> str:
        """Return the figures in words."""
        if self.withheld is not None:
            return self.withheld
        found = self.difference
        if found.low > 0:
            verdict = "Adapting to the audience pays"
        elif found.high < 0:
            verdict = "Adapting to the audience does harm"
        else:
            verdict = "It is not certain that adapting to the audience changes anything"
        return (
            f"{verdict}: {found.value:+.3f} reward a play ({CONFIDENCE:.0%} interval "
            f"{found.low:+.3f} to {found.high:+.3f}, p = {self.p_value:.2g}), from "
            f"{self.adaptive:+.3f} against {self.held_out:+.3f} of the hold-out."
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Arms:
    """Rewards in hours with both kinds, sorted by hour. Lengths: `n` plays, `b` hours."""

    reward: Floats
    held_out: Floats
    hour: Ints
    starts: Ints
    plays: Floats
    held: Floats

    @property
    def weights(self) -> Floats:
        return (self.plays - self.held) * self.held / self.plays

    def means(self, rewards: Floats, marked: Floats) -> tuple[Floats, Floats]:
        """Return mean rewards by hour of the adaptive and the held-out plays, `(..., b)` each.

        `rewards` has the shape `(..., n)`, `marked` `(n,)`, 1 for the held-out ones.
        """
        held = np.add.reduceat(rewards * marked, self.starts, axis=-1)
        whole = np.add.reduceat(rewards, self.starts, axis=-1)
        return (whole - held) / (self.plays - self.held), held / self.held


def could_adapt(play: LoggedPlay) -> bool:
    """Whether the choice took part in the hold-out's draw: enough of an audience was in view."""
    return play.context.get("holdout") is not None


def lift(
    plays: Sequence[LoggedPlay],
    *,
    draws: int = DRAWS,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    workers: Map = map,
) -> Lift:
    """Measure what adaptation brought.

    The interval is a bootstrap that draws hours, expanded for few of them. The p-value is that of a
    permutation test that redraws, within each hour, which plays were held out.

    Args:
        plays: From `db.read.plays.logged_plays`; those without a draw or a reward, or rated by
            another definition of the reward, are left out.
        draws: Of the bootstrap.
        permutations: Of the test.
        seed: The same plays and seed give the same figures.
        workers: What draws if there are `resampling.SPLIT_UNITS` hours or more; the figures are the
            same.
    """
    candidates = [play for play in plays if could_adapt(play)]
    chosen = [play for play in candidates if has_same_reward(play.context)]
    rewarded = [play for play in chosen if play.reward is not None]
    arms = _arms(rewarded)
    held = int(arms.held.sum())
    found = Lift(
        adaptive_plays=arms.reward.size - held,
        held_out_plays=held,
        left_out_plays=len(rewarded) - arms.reward.size,
        adaptive_measured=_measured(chosen, held_out=False),
        held_out_measured=_measured(chosen, held_out=True),
        hours=arms.plays.size,
        other_reward_plays=len(candidates) - len(chosen),
    )
    lacking = _lacking(found, bool(candidates))
    if lacking is not None:
        return replace(found, withheld=lacking)
    weights = arms.weights
    adaptive, held_out = arms.means(arms.reward, arms.held_out)
    value = float(weights @ (adaptive - held_out) / weights.sum())
    if weights.size < resampling.SPLIT_UNITS:
        rng = np.random.default_rng(seed)
        drawn = _drawn(adaptive - held_out, weights, draws, rng)
        p_value = _permutation_p(arms, value, permutations, rng)
    else:
        from scipy.sparse import csr_array  # noqa: PLC0415 - slow to import

        above, below = (
            csr_array(each[None]) for each in (weights * (adaptive - held_out), weights)
        )
        [drawn] = weighted_ratios(above, below, draws, seed=[seed, 0], workers=workers)
        p_value = _split_permutation_p(arms, value, permutations, [seed, 1], workers)
    level = expanded_level(weights.size - 1, math.sqrt(weights.size / (weights.size - 1)))
    low, high = np.quantile(drawn, [level, 1 - level]).tolist()
    return replace(
        found,
        adaptive=float(weights @ adaptive / weights.sum()),
        held_out=float(weights @ held_out / weights.sum()),
        difference=Interval(value, low, high),
        p_value=p_value,
    )


def _arms(plays: Sequence[LoggedPlay]) -> _Arms:
    hours = hours_of(plays)
    held = np.array([play.held_out for play in plays], dtype=np.float64)
    rewards = np.array([play.reward for play in plays], dtype=np.float64)
    count = np.bincount(hours)
    held_count = np.bincount(hours, weights=held).astype(np.float64)
    both = (held_count > 0) & (held_count < count)
    order = np.argsort(hours, kind="stable")
    order = order[both[hours[order]]] if len(plays) else order
    kept = hours[order]
    starts = np.flatnonzero(np.diff(kept, prepend=-1))
    plays_by_hour = count[both].astype(np.float64)
    return _Arms(rewards[order], held[order], kept, starts, plays_by_hour, held_count[both])


def _measured(plays: Sequence[LoggedPlay], *, held_out: bool) -> float:
    of_kind = [play.reward is not None for play in plays if play.held_out is held_out]
    return sum(of_kind) / len(of_kind) if of_kind else math.nan


def _lacking(found: Lift, any_chosen: bool) -> str | None:
    """Return what is missing for figures, as a sentence."""
    if not any_chosen:
        return (
            "Withheld: no play was chosen by an adaptive policy with a hold-out; run the kiosk "
            "with --policy mood or --policy learn."
        )
    needs = []
    for kind, count in (("adaptive", found.adaptive_plays), ("held-out", found.held_out_plays)):
        if count < MIN_PLAYS:
            needs.append(
                f"{MIN_PLAYS - count} more {kind} plays with a reward ({count} of {MIN_PLAYS})"
            )
    if found.hours < MIN_HOURS:
        missing = MIN_HOURS - found.hours
        needs.append(
            f"{missing} more {'hour' if missing == 1 else 'hours'} with plays of both kinds "
            f"({found.hours} of {MIN_HOURS})"
        )
    if not needs:
        return None
    return f"Withheld: too little was measured. Still needed: {', '.join(needs)}."


def _drawn(differences: Floats, weights: Floats, draws: int, rng: np.random.Generator) -> Floats:
    """Return the mean differences of hours drawn with replacement, `(draws,)`."""
    n = differences.size
    times = rng.multinomial(n, np.full(n, 1 / n), size=draws).astype(np.float64)
    return np.asarray((times @ (weights * differences)) / (times @ weights))


def _first_places(arms: _Arms) -> Floats:
    """Return 1 for as many first plays of each hour as it held out; their rewards are shuffled."""
    plays = arms.plays.astype(np.int64)
    place = np.arange(arms.reward.size) - np.repeat(arms.starts, plays)
    return (place < np.repeat(arms.held, plays)).astype(np.float64)


def _permutation_p(arms: _Arms, value: float, permutations: int, rng: np.random.Generator) -> float:
    """Return the share of draws of the hold-out, the real one included, that differ as much."""
    weights = arms.weights
    marked = _first_places(arms)
    step = max(1, MAX_CELLS // arms.reward.size)
    as_large = 1
    for start in range(0, permutations, step):
        rows = min(step, permutations - start)
        order = np.argsort(arms.hour + rng.random((rows, arms.reward.size)), axis=1)
        adaptive, held_out = arms.means(arms.reward[order], marked)
        drawn = (adaptive - held_out) @ weights / weights.sum()
        # Equal sums in another order may differ in their last bits.
        as_large += int((np.abs(drawn) >= abs(value) - 1e-12).sum())
    return as_large / (permutations + 1)


@dataclass(frozen=True, slots=True, eq=False)
class HoursPart:
    """Hours in which it is redrawn together which plays were held out.

    Attributes:
        arms: Of these hours; the first has the number 0.
        first: Number of their first play among all plays.
        key: Of the random numbers.
        permutations: How many.
        digits: Binary digits behind the point that differences keep.
    """

    arms: _Arms
    first: int
    key: tuple[int, int]
    permutations: int
    digits: int


def permuted_sums(part: HoursPart) -> Ints:
    """Return the weighted sums of differences in each permutation, `(permutations,)`.

    Differences are whole numbers, `digits` binary places behind the point, so parts add up to the
    same bits in any order. A play's place in a permutation depends on its number alone.
    """
    arms, sums = part.arms, np.zeros(part.permutations, dtype=np.int64)
    marked = _first_places(arms)
    # Sorted by hour, then by lot.
    hours = arms.hour.astype(np.uint64) << np.uint64(40)
    skipped = part.first % 4
    for number in range(part.permutations):
        generator = np.random.Philox(
            key=np.array(part.key, dtype=np.uint64), counter=(number << 64) + part.first // 4
        )
        lots: NDArray[np.uint64] = generator.random_raw(skipped + hours.size)[skipped:]
        order = np.argsort(hours | lots >> np.uint64(24))
        adaptive, held_out = arms.means(arms.reward[order], marked)
        whole = np.rint(np.ldexp(arms.weights * (adaptive - held_out), part.digits))
        sums[number] = whole.astype(np.int64).sum()
    return sums


def _split_permutation_p(
    arms: _Arms, value: float, permutations: int, seed: Sequence[int], workers: Map
) -> float:
    """Return the p-value as `_permutation_p` does, of permutations that may be drawn in parts."""
    weights, size = arms.weights, arms.reward.size
    largest = 2 * float(weights.max()) * float(np.abs(arms.reward).max())
    digits = digits_for(largest, weights.size)
    starts = np.append(arms.starts, size)
    parts = (
        HoursPart(
            _hours_between(arms, first, end), int(starts[first]), key_of(seed), permutations, digits
        )
        # Sorting takes ten times as long as adding.
        for first, end in bounds_of_parts(starts, 10)
    )
    sums = np.zeros(permutations, dtype=np.int64)
    for each in workers(permuted_sums, parts):
        sums += each
    drawn = np.ldexp(sums.astype(np.float64), -digits) / weights.sum()
    as_large = 1 + int((np.abs(drawn) >= abs(value) - 1e-12).sum())
    return as_large / (permutations + 1)


def _hours_between(arms: _Arms, first: int, end: int) -> _Arms:
    """Return the hours numbered from `first` on and before `end`."""
    begin = int(arms.starts[first])
    plays = slice(begin, int(arms.starts[end]) if end < arms.starts.size else None)
    return _Arms(
        arms.reward[plays],
        arms.held_out[plays],
        np.repeat(np.arange(end - first), arms.plays[first:end].astype(np.int64)),
        arms.starts[first:end] - begin,
        arms.plays[first:end],
        arms.held[first:end],
    )
