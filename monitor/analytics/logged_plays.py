"""What estimates from the log have in common: which plays stand together, and how an interval allows for that.

Plays within an hour of one session are not independent: often the same people see several of them,
under the same light, on the same day. So the unit that is drawn anew, and over which sums are
taken, is the **hour**: the plays of one session that began in one hour of UTC. Two people who come
back in another hour are taken for different ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.read.plays import LoggedPlay
    from monitor.analytics.metrics import Floats, Ints

CONFIDENCE = 0.95
SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and how sure it is; NaN where that is not known.

    Attributes:
        value: The estimate.
        low, high: Its 95 % interval.
    """

    value: float
    low: float = math.nan
    high: float = math.nan

    def document(self) -> dict[str, float | None]:
        """As it goes into JSON."""
        return {"value": known(self.value), "low": known(self.low), "high": known(self.high)}


UNKNOWN = Interval(math.nan)


def known(value: float) -> float | None:
    """A figure for JSON, which knows no NaN."""
    return float(value) if math.isfinite(value) else None


def hours_of(plays: Sequence[LoggedPlay]) -> Ints:
    """Numbers the hours in which plays began, from 0 in their order.

    Returns:
        Shape `(n,)`: equal for plays of the same session and the same hour of UTC.
    """
    keys = [(play.session, play.started_at.timestamp() // SECONDS_PER_HOUR) for play in plays]
    places = {key: place for place, key in enumerate(sorted(set(keys)))}
    return np.array([places[key] for key in keys], dtype=np.int64)


def clustered_interval(influence: Floats, hours: Ints) -> Interval:
    """The mean of values, with an interval that allows for what the plays of an hour have in common.

    `se^2 = B / (B - 1) * sum_b (sum_(i in b) (psi_i - mean))^2 / n^2` over the `B` hours, and the
    limits are `mean -+ t * se` with Student's 97.5 % quantile for `B - 1` degrees of freedom.

    Source: cluster-robust variance, with the quantile for few clusters that Cameron and Miller
    recommend ("A Practitioner's Guide to Cluster-Robust Inference", 2015).

    Args:
        influence: Shape `(n,)`, what each play adds to the estimate.
        hours: Shape `(n,)`, from `hours_of`.

    Returns:
        NaN limits with fewer than two hours: nothing is known of the spread.
    """
    from scipy.special import stdtrit  # noqa: PLC0415 - slow to import

    mean = float(influence.mean())
    sums = np.bincount(np.unique(hours, return_inverse=True)[1], weights=influence - mean)
    count = sums.size
    if count < 2:
        return Interval(mean)
    error = math.sqrt(count / (count - 1) * float((sums**2).sum())) / influence.size
    reach = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * error
    return Interval(mean, mean - reach, mean + reach)
