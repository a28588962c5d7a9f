"""What another policy would have been worth, from the log of the one that ran.

Each choice was logged with the probability of every candidate, so rewards can be weighted as if
another policy had chosen. Three estimates of the mean reward of a play: inverse propensity (IPS),
self-normalised (SNIPS) and doubly robust (DR), the last with a cross-fitted ridge regression of the
rewards. `docs/explanation/comparisons.md` has the formulas, and what they do not say.

An adaptive policy chooses by earlier rewards, so the plays are not independent: the estimates stay
unbiased, but the intervals are approximate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ads.policies.audience import has_same_reward
from monitor.analytics.errors import ReportError
from monitor.analytics.statistics import UNKNOWN, Interval, clustered_interval, hours_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.read.plays import LoggedPlay
    from monitor.analytics.metrics import Bools, Floats, Ints

Target: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, float]]
"""A policy to judge: from the context of a choice (see `docs/reference/database.md`) to the
probability of each candidate."""

MAX_WEIGHT = 200.0
"""Larger weights are cut to this, or one play would speak for hundreds. A cut weight draws IPS
towards 0 and DR towards its model."""

FOLDS = 5
MIN_PLAYS = 50
"""With fewer plays nothing is estimated."""

MIN_EFFECTIVE_PLAYS = 10.0
"""With weights so uneven that they are worth fewer equal ones, nothing is estimated."""

MIN_LOG_P = 0.001
"""With a smaller p-value the logged probabilities are not what happened."""

MIN_SUPPORTED = 0.99
"""A policy is judged if the one that ran could have shown at least this share of what it would."""


@dataclass(frozen=True, slots=True)
class PolicyValue:
    """What a policy would be worth, in reward a play. Estimates that are withheld are NaN.

    `supported` is the share of what the policy would show that the log could have shown;
    `effective_plays`, `(sum w)^2 / sum w^2` (Kish), how many equal weights the weights are worth;
    `clipped` counts those that were cut, and `clipping_bias` is the most by which that may have
    moved IPS: the mean of what was cut, times the largest reward. `mean_weight` is the mean of the
    weights before the cut, about 1 if the logged probabilities hold. The 95% intervals are
    clustered by hour.
    """

    policy: str
    plays: int
    supported: float = math.nan
    effective_plays: float = math.nan
    clipped: int = 0
    ips: Interval = UNKNOWN
    snips: Interval = UNKNOWN
    doubly_robust: Interval = UNKNOWN
    mean_weight: Interval = UNKNOWN
    clipping_bias: float = math.nan
    withheld: str | None = None


def always(ad_id: str) -> Target:
    """Return the policy that shows one ad wherever it may play, and elsewhere draws evenly."""

    def probabilities(context: Mapping[str, Any]) -> Mapping[str, float]:
        return {ad_id: 1.0} if ad_id in context["candidates"] else _evenly(context["candidates"])

    return probabilities


def uniform() -> Target:
    """Return the policy that draws evenly."""
    return lambda context: _evenly(context["candidates"])


def weighted(rates: Mapping[str, float]) -> Target:
    """Return the policy that draws in proportion to the `rates` of the ads, each above 0.

    `weight / duration` gives screen time in proportion to the weights.
    """
    return lambda context: _by_rate(context["candidates"], rates)


def by_mood(moods: Mapping[str, Sequence[str]], rates: Mapping[str, float]) -> Target:
    """Return the kiosk's policy `mood` without guard rails: ads made for the audience's mood.

    Among several ads that fit, the `rates` decide as in `weighted`.
    """

    def probabilities(context: Mapping[str, Any]) -> Mapping[str, float]:
        candidates = list(context["candidates"])
        fitting = [ad_id for ad_id in candidates if context.get("mood") in moods.get(ad_id, ())]
        fitting = fitting or [ad_id for ad_id in candidates if not moods.get(ad_id)]
        return _by_rate(fitting or candidates, rates)

    return probabilities


@dataclass(frozen=True, slots=True)
class ShownShare:
    """How often an ad was shown, against the sum of its logged probabilities.

    `z` is the difference in standard deviations, as the choices were drawn one after the other.
    """

    ad_id: str
    shown: int
    expected: float
    z: float


@dataclass(frozen=True, slots=True)
class LogCheck:
    """Whether the logged probabilities are what happened: small `p_value` if not (Bonferroni)."""

    plays: int
    ads: tuple[ShownShare, ...]
    p_value: float

    @property
    def holds(self) -> bool:
        return not self.p_value < MIN_LOG_P


def check_log(plays: Sequence[LoggedPlay]) -> LogCheck:
    """Compare how often ads were shown with their logged probabilities, over all logged choices.

    `sum of (shown - p)` is a martingale, also when a policy adapts, so its sum divided by the root
    of `sum of p (1 - p)` is about normal (martingale central limit theorem; Hall and Heyde 1980).
    """
    from scipy.special import ndtr  # noqa: PLC0415 - slow to import

    counts: dict[str, list[float]] = {}
    used = 0
    for play in plays:
        chances = play.context.get("candidates", {})
        if play.ad_id not in chances:
            continue
        used += 1
        for ad_id, chance in chances.items():
            found = counts.setdefault(ad_id, [0.0, 0.0, 0.0])
            found[0] += ad_id == play.ad_id
            found[1] += chance
            found[2] += chance * (1 - chance)
    ads = []
    for ad_id, (shown, expected, variance) in sorted(counts.items()):
        off = shown - expected
        z = off / math.sqrt(variance) if variance > 1e-9 else (0.0 if abs(off) < 1e-6 else math.inf)
        ads.append(ShownShare(ad_id, int(shown), expected, z))
    p_values = [2 * float(ndtr(-abs(ad.z))) for ad in ads]
    p_value = min(1.0, len(ads) * min(p_values)) if p_values else math.nan
    return LogCheck(used, tuple(ads), p_value)


def judge(
    plays: Sequence[LoggedPlay],
    targets: Mapping[str, Target | None],
    *,
    max_weight: float = MAX_WEIGHT,
    seed: int = 0,
) -> list[PolicyValue]:
    """Estimate what policies would have been worth.

    Args:
        plays: From `db.read.plays.logged_plays`; those without a reward or probabilities, or rated
            by another definition of the reward, are left out.
        targets: The policies by name. None stands for the one learnt from the log: it shows the
            best ad by the model of the other folds, of those the log could have shown.
        max_weight: Larger weights are cut to this, above 1.
        seed: Of the folds.

    Raises:
        ReportError: A policy gives no probabilities that add up to 1 over the candidates.
    """
    usable = [
        play
        for play in plays
        if play.reward is not None
        and has_same_reward(play.context)
        and play.probability
        and play.ad_id in play.context.get("candidates", ())
    ]
    if len(usable) < MIN_PLAYS:
        why = (
            f"Withheld: {MIN_PLAYS - len(usable)} more plays with a reward and logged "
            f"probabilities are needed ({len(usable)} of {MIN_PLAYS})."
        )
        return [PolicyValue(name, len(usable), withheld=why) for name in targets]
    log = _Log.of(usable, seed)
    predicted = log.predicted()
    return [
        _judge(
            name,
            log,
            predicted,
            log.greedy(predicted) if target is None else log.of_target(name, target),
            max_weight,
        )
        for name, target in targets.items()
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Log:
    """Usable plays as arrays: `n` plays, `k` ads, `m` features of a context.

    `logged` and the results have the shape `(n, k)`, 0 for what was no candidate, in the order of
    `ad_ids`; `features` has `(n, m)`, the first one 1; the others have `(n,)`. An hour is in one
    fold.
    """

    contexts: list[Mapping[str, Any]]
    ad_ids: list[str]
    logged: Floats
    shown: Ints
    reward: Floats
    features: Floats
    hours: Ints
    fold: Ints

    @classmethod
    def of(cls, plays: Sequence[LoggedPlay], seed: int) -> _Log:
        contexts = [play.context for play in plays]
        ad_ids = sorted({ad_id for context in contexts for ad_id in context["candidates"]})
        column = {ad_id: place for place, ad_id in enumerate(ad_ids)}
        logged = np.zeros((len(plays), len(ad_ids)))
        for row, play in enumerate(plays):
            for ad_id, probability in play.context["candidates"].items():
                logged[row, column[ad_id]] = probability
        shown = np.array([column[play.ad_id] for play in plays])
        logged[np.arange(len(plays)), shown] = [play.probability or 0.0 for play in plays]
        hours = hours_of(plays)
        count = int(hours.max()) + 1
        rng = np.random.default_rng(seed)
        # Whole hours, so no fold explains rewards by those of the same people; plays where there
        # are too few hours.
        fold = (
            (rng.permutation(count) % FOLDS)[hours]
            if count >= FOLDS
            else rng.permutation(len(plays)) % FOLDS
        )
        rewards = np.array([play.reward for play in plays], dtype=np.float64)
        return cls(contexts, ad_ids, logged, shown, rewards, _features(contexts), hours, fold)

    def of_target(self, name: str, target: Target) -> Floats:
        """Return the probabilities that a policy gives, `(n, k)`."""
        column = {ad_id: place for place, ad_id in enumerate(self.ad_ids)}
        found = np.zeros_like(self.logged)
        for row, context in enumerate(self.contexts):
            for ad_id, probability in target(context).items():
                if ad_id not in context["candidates"] or not probability >= 0:
                    raise ReportError(
                        f"Invalid policy {name!r}: expected probabilities of "
                        f"{', '.join(context['candidates'])}, "
                        f"received {probability!r} for {ad_id!r}."
                    )
                found[row, column[ad_id]] = probability
        if not np.allclose(found.sum(axis=1), 1.0, atol=1e-6):
            raise ReportError(
                f"Invalid policy {name!r}: expected probabilities that add up to 1 in every "
                "context."
            )
        return found

    def predicted(self) -> Floats:
        """Predict the mean reward of each ad in each context, `(n, k)`, from the other folds."""
        values = np.empty_like(self.logged)
        for fold in range(FOLDS):
            rest, mine = self.fold != fold, self.fold == fold
            values[mine] = _fit(
                self.features[rest],
                self.shown[rest],
                self.reward[rest],
                self.features[mine],
                self.logged,
            )
        return values

    def greedy(self, predicted: Floats) -> Floats:
        """Return the policy that shows the best prediction among what the log could have shown."""
        best = np.where(self.logged > 0, predicted, -np.inf).argmax(axis=1)
        return np.asarray(np.eye(len(self.ad_ids))[best])


def _features(contexts: Sequence[Mapping[str, Any]]) -> Floats:
    """Return 1 and the one-hot mood, group size and six-hour part of the day of each context."""
    columns: list[Floats] = [np.ones(len(contexts))]
    for key in ("mood", "group", "hour"):
        levels = [context.get(key) for context in contexts]
        if key == "hour":
            levels = [None if hour is None else int(hour) // 6 for hour in levels]
        columns += [
            np.array([level == each for each in levels], dtype=np.float64)
            for level in sorted({level for level in levels if level is not None})
        ]
    return np.column_stack(columns)


def _fit(features: Floats, shown: Ints, reward: Floats, wanted: Floats, like: Floats) -> Floats:
    """Fit ridge regressions, then predict `(w, k)` for the `wanted` features `(w, m)`.

    They fit first what all ads have in common, then for each ad the residuals; `like` has a column
    for each ad.
    """
    common = _ridge(features, reward, penalty=1.0)
    left = reward - features @ common
    own = np.zeros((like.shape[1], features.shape[1]))
    for ad in np.unique(shown):
        mine = shown == ad
        own[ad] = _ridge(features[mine], left[mine], penalty=3.0)
    return np.asarray(wanted @ (common + own).T)


def _ridge(features: Floats, values: Floats, penalty: float) -> Floats:
    gram = features.T @ features + penalty * np.eye(features.shape[1])
    return np.asarray(np.linalg.solve(gram, features.T @ values))


def _judge(
    name: str, log: _Log, predicted: Floats, target: Floats, max_weight: float
) -> PolicyValue:
    rows = np.arange(log.shown.size)
    possible: Bools = log.logged > 0
    supported = float((target * possible).sum() / target.sum())
    weights = target[rows, log.shown] / log.logged[rows, log.shown]
    clipped = int((weights > max_weight).sum())
    mean_weight = clustered_interval(weights, log.hours)
    cut = np.maximum(weights - max_weight, 0.0)
    bias = float(cut.mean() * np.abs(log.reward).max())
    weights = np.minimum(weights, max_weight)
    total, squares = float(weights.sum()), float((weights**2).sum())
    effective = total**2 / squares if squares else 0.0
    why = None
    if supported < MIN_SUPPORTED:
        why = (
            f"Withheld: the policies that ran could not have shown {1 - supported:.0%} of what "
            "this one would; let one run that leaves every ad a chance (mood or learn)."
        )
    elif effective < MIN_EFFECTIVE_PLAYS:
        why = (
            "Withheld: too few plays show what this policy would; they are worth "
            f"{effective:.0f} plays, {MIN_EFFECTIVE_PLAYS:.0f} are needed."
        )
    if why is not None:
        return PolicyValue(
            name,
            rows.size,
            supported,
            effective,
            clipped,
            mean_weight=mean_weight,
            clipping_bias=bias,
            withheld=why,
        )
    weighted_reward = weights * log.reward
    ratio = float(weighted_reward.sum()) / total
    # The ratio's influence on itself, by its derivative (linearisation).
    snips = clustered_interval(
        ratio + (weighted_reward - ratio * weights) * rows.size / total, log.hours
    )
    corrected = (target * predicted).sum(axis=1) + weights * (
        log.reward - predicted[rows, log.shown]
    )
    return PolicyValue(
        name,
        rows.size,
        supported,
        effective,
        clipped,
        clustered_interval(weighted_reward, log.hours),
        snips,
        clustered_interval(corrected, log.hours),
        mean_weight,
        bias,
    )


def _evenly(candidates: Mapping[str, float]) -> Mapping[str, float]:
    return dict.fromkeys(candidates, 1 / len(candidates))


def _by_rate(
    candidates: Mapping[str, float] | Sequence[str], rates: Mapping[str, float]
) -> Mapping[str, float]:
    lacking = [ad_id for ad_id in candidates if ad_id not in rates]
    if lacking:
        raise ReportError(
            f"The playlist lacks {', '.join(lacking)}, which the log names; expected the playlist "
            "of the logged plays."
        )
    total = sum(rates[ad_id] for ad_id in candidates)
    return {ad_id: rates[ad_id] / total for ad_id in candidates}
