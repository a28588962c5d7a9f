"""The audience's tastes: a Bayesian linear regression for each ad, with a common core."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ads.policies.audience import GROUP_SIZES, Reward
from detector.emotion.labels import EMOTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


PARTS_OF_DAY = ("night", "morning", "afternoon", "evening")

FEATURES = 1 + len(EMOTIONS) + len(GROUP_SIZES) + len(PARTS_OF_DAY)

_LEVELS = (
    (1, 0.5, 0.1),
    (len(EMOTIONS), 0.2, 0.1),
    (len(GROUP_SIZES), 0.1, 0.03),
    (len(PARTS_OF_DAY), 0.1, 0.03),
)
"""For intercept, moods, group sizes and parts of the day: how many features, and the prior standard
deviations of what ads have in common and of what sets one apart. Rewards are from 0 to 1."""

_COMMON_SD, _OWN_SD = (
    np.concatenate([np.full(level[0], level[which]) for level in _LEVELS]) for which in (1, 2)
)

NOISE_SD = 0.2
"""Prior standard deviation of a long look's reward about its mean."""

NOISE_PLAYS = 20
"""How many plays that prior counts for."""

HALF_TRUST_VIEWER_S = 5.0
"""A reward with this many viewer seconds has twice the variance of one with very many."""

NOISE_GROWTH = 1.1
"""The noise is estimated again whenever the number of plays has grown by this factor."""


def part_of_day(hour: int | None) -> str | None:
    """Return one of `PARTS_OF_DAY`, six hours each; None if the hour is unknown."""
    return None if hour is None else PARTS_OF_DAY[hour * len(PARTS_OF_DAY) // 24]


def features(context: Mapping[str, Any]) -> NDArray[np.float64]:
    """Encode a context as `(FEATURES,)`: 1, and one-hot mood, group and part of day if known."""
    hour = context.get("hour")
    part = part_of_day(hour) if isinstance(hour, int) and 0 <= hour < 24 else None
    present = [context.get("mood"), context.get("group"), part]
    levels = (EMOTIONS, GROUP_SIZES, PARTS_OF_DAY)
    pairs = zip(levels, present, strict=True)
    return np.array([1.0, *(float(level == value) for group, value in pairs for level in group)])


class TasteModel:
    """The posterior of each ad's mean reward in each context.

    The mean reward of ad `a` in context `x` is `x . theta_a`. A priori, `theta_a` is normal about a
    vector `beta` that all ads share, and `beta` is normal about 0: what moves the reactions to all
    ads alike is learnt once, and a new ad is taken to be like the others (a hierarchical linear
    model; Gelman and others, "Bayesian Data Analysis", chapter 15). Ads depend on each other only
    through `beta`, so the cost of an update is constant. `noise` is the estimated variance of the
    reward of a play with very many viewer seconds.
    """

    def __init__(self) -> None:
        self._index: dict[str, int] = {}
        # Weighted sums over the plays of each ad: x x', x y and y y.
        self._xx = np.zeros((0, FEATURES, FEATURES))
        self._xy = np.zeros((0, FEATURES))
        self._yy = 0.0
        self._plays = 0
        self._own_precision = _OWN_SD**-2.0
        self.noise = NOISE_SD**2
        self._noise_due = 1
        self._unsettled: set[int] = set()
        # Given beta, theta_a is normal with this covariance, about the covariance times
        # (xy / noise + precision beta).
        self._covariance = np.zeros((0, FEATURES, FEATURES))
        self._offset = np.zeros((0, FEATURES))
        self._common_mean = np.zeros(FEATURES)
        self._common_root = np.diag(_COMMON_SD)

    def update(self, ad_id: str, x: NDArray[np.float64], reward: Reward) -> None:
        """Update the posterior with a play: an ad, the features of its context, and the reward."""
        place = self._place(ad_id)
        weight = reward.viewer_s / (reward.viewer_s + HALF_TRUST_VIEWER_S)
        self._xx[place] += weight * np.outer(x, x)
        self._xy[place] += weight * reward.value * x
        self._yy += weight * reward.value**2
        self._plays += 1
        self._unsettled.add(place)
        if self._plays >= self._noise_due:
            # At fixed numbers of plays, so the posterior does not depend on when it was asked for.
            self._noise_due = math.ceil(self._plays * NOISE_GROWTH)
            self._settle()
            self.noise = self._estimated_noise()
            self._unsettled.update(range(len(self._index)))

    def sample(
        self,
        ad_ids: Sequence[str],
        x: NDArray[np.float64],
        draws: int,
        generator: np.random.Generator,
        *,
        spread: float = 1.0,
    ) -> NDArray[np.float64]:
        """Draw mean rewards, `(draws, ads)`, from the joint posterior of ads, known or new.

        `x` holds the features of the context; `spread` scales the draws' standard deviation, 0 for
        the posterior mean.
        """
        self._settle()
        steps = spread * generator.standard_normal((draws, FEATURES))
        common = self._common_mean + steps @ self._common_root.T
        # A new ad has the prior's covariance, and its mean is beta.
        loading = np.tile(x / self._own_precision, (len(ad_ids), 1))
        offset = np.zeros(len(ad_ids))
        places = [place for place, ad_id in enumerate(ad_ids) if ad_id in self._index]
        rows = [self._index[ad_ids[place]] for place in places]
        loading[places] = self._covariance[rows] @ x
        offset[places] = self._offset[rows] @ x
        own_sd = spread * np.sqrt(loading @ x)
        values = offset + common @ (loading * self._own_precision).T
        values += own_sd * generator.standard_normal(values.shape)
        return np.asarray(values, np.float64)

    def _place(self, ad_id: str) -> int:
        if ad_id not in self._index:
            self._index[ad_id] = len(self._index)
            prior = np.diag(1 / self._own_precision)
            self._xx = np.append(self._xx, np.zeros((1, FEATURES, FEATURES)), axis=0)
            self._xy = np.append(self._xy, np.zeros((1, FEATURES)), axis=0)
            self._covariance = np.append(self._covariance, prior[None], axis=0)
            self._offset = np.append(self._offset, np.zeros((1, FEATURES)), axis=0)
        return self._index[ad_id]

    def _settle(self) -> None:
        """Bring the posterior up to date."""
        if not self._unsettled:
            return
        own = self._own_precision
        ads = sorted(self._unsettled)
        self._unsettled.clear()
        covariance = np.linalg.inv(self._xx[ads] / self.noise + np.diag(own))
        self._covariance[ads] = covariance
        self._offset[ads] = (covariance @ self._xy[ads, :, None])[..., 0] / self.noise
        # The ads' evidence about beta, with their own vectors integrated out.
        told = len(self._index) * np.diag(own) - own[:, None] * self._covariance.sum(axis=0) * own
        common = np.linalg.inv(np.diag(_COMMON_SD**-2.0) + told)
        self._common_mean = common @ (own * self._offset.sum(axis=0))
        self._common_root = np.linalg.cholesky((common + common.T) / 2)

    def _estimated_noise(self) -> float:
        theta = self._offset + self._covariance @ (self._own_precision * self._common_mean)
        explained = 2 * (theta * self._xy).sum() - np.einsum("ai,aij,aj->", theta, self._xx, theta)
        unexplained = max(0.0, self._yy - float(explained))
        return (NOISE_PLAYS * NOISE_SD**2 + unexplained) / (NOISE_PLAYS + self._plays)
