"""How each ad of a report stands against the rest, and what to do with it.

Every ad is compared with the viewers of all other ads together, in corrected valence, in attention
and in the shares of emotions, with the clustered and always-valid tests of
`monitor.analytics.statistics`. The same figures decide what is said about an ad, what is advised,
and in which emotion it stands out, so they cannot contradict each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from monitor.analytics.findings import LEVEL, Finding, Kind, corrected_valence
from monitor.analytics.metrics import HAPPY_SCORE, NEGATIVE_SCORE, SURPRISE_SCORE
from monitor.analytics.statistics import (
    UNKNOWN,
    Interval,
    always_valid_reach,
    clustered_difference,
    holm,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from db.read.formulas import ExposureArrays

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

RELEVANT = 0.1
"""The smallest difference that matters, in valence or as a share."""

MIN_VIEWERS = 10
"""Fewer viewers of an ad give no advice but to collect more."""


@dataclass(frozen=True, slots=True)
class Standing:
    """An ad against the viewers of all other ads together, by one measure.

    Attributes:
        viewers: Of the ad, with a value.
        mean, rest: Means of the ad and of the others.
        difference: Ad minus rest, with its always-valid 95 % interval.
        error: Standard error of the difference.
        p: Always valid, of `Standings` corrected for all ads.
    """

    viewers: int
    mean: float
    rest: float
    difference: Interval
    error: float
    p: float

    @property
    def sign(self) -> int:
        """1 or -1 when the ad certainly differs from the rest, else 0."""
        if not self.p < LEVEL:
            return 0
        return 1 if self.difference.value > 0 else -1

    @property
    def no_worse(self) -> bool:
        """Whether the ad is certainly not worse than the rest by what matters."""
        return self.difference.low > -RELEVANT

    @property
    def much_worse(self) -> bool:
        """Whether the ad is certainly worse than the rest by what matters."""
        return self.sign < 0 and self.difference.high < -RELEVANT

    def finding(self, kind: Kind, ad: int, measure: str) -> Finding:
        """Return the finding that says so."""
        return Finding(
            kind=kind,
            ad=ad,
            measure=measure,
            value=self.difference.value,
            low=self.difference.low,
            high=self.difference.high,
            p=self.p,
            viewers=self.viewers,
            level=self.rest,
        )

    def needed_viewers(self) -> int | None:
        """Return about how many more viewers tell whether the ad is worse by what matters.

        All ads are taken to gain viewers at the same rate. None without an error.
        """
        if not self.error > 0:
            return None
        margin = max(abs(self.difference.value + RELEVANT), RELEVANT / 2)
        times = 1.0
        while True:
            error = self.error / math.sqrt(times)
            if error * always_valid_reach(error, RELEVANT) < margin:
                return math.ceil((times - 1) * self.viewers)
            times *= 1.05


@dataclass(frozen=True, slots=True, eq=False)
class Exposed:
    """The exposures that count, `e` entries, and to which ads.

    Attributes:
        exposures: The entries.
        ad: `(e,)`, place of the ad, -1 for one that is left out.
        group: `(e,)`, equal numbers for exposures that belong together.
        ads: Number of ads.
        min_viewers: Of an ad, and of the rest; with fewer nothing is said.
    """

    exposures: ExposureArrays
    ad: Ints
    group: Ints
    ads: int
    min_viewers: int = 1


def against_rest(exposed: Exposed, above: Floats, below: Floats) -> list[Standing | None]:
    """Compare each ad with the viewers of all others by a viewer's `above / below`.

    Args:
        exposed: Who saw what.
        above, below: `(e,)`, whose sums over a viewer's exposures are divided.

    Returns:
        For each ad; None where it or the rest has fewer viewers than needed, at least two.
    """
    use = (exposed.ad >= 0) & np.isfinite(above) & (below > 0)
    ad, group, viewer = exposed.ad[use], exposed.group[use], exposed.exposures.viewer_id[use]
    # One entry for each viewer of an ad, in the group of the first exposure.
    keys, first, entry = np.unique(
        np.column_stack([ad, viewer]), axis=0, return_index=True, return_inverse=True
    )
    entry = entry.reshape(-1)
    values = np.bincount(entry, above[use]) / np.bincount(entry, below[use])
    of_ad = keys[:, 0]
    groups = np.unique(group[first], return_inverse=True)[1]
    least = max(2, exposed.min_viewers)
    found: list[Standing | None] = []
    for place in range(exposed.ads):
        mine = of_ad == place
        viewers = int(mine.sum())
        if min(viewers, mine.size - viewers) < least:
            found.append(None)
            continue
        contrast = clustered_difference(values, np.ones_like(values), mine, groups)
        found.append(
            Standing(
                viewers=viewers,
                mean=contrast.first_mean,
                rest=contrast.second_mean,
                difference=contrast.interval(effect=RELEVANT)
                if math.isfinite(contrast.error)
                else UNKNOWN,
                error=contrast.error,
                p=contrast.p_value(effect=RELEVANT),
            )
        )
    return found


def _corrected(
    by_measure: Sequence[Sequence[Standing | None]],
) -> list[list[Standing | None]]:
    """Correct the p-values of all measures together (Holm 1979)."""
    known = [each.p for found in by_measure for each in found if each and math.isfinite(each.p)]
    adjusted = iter(holm(known))
    return [
        [
            replace(each, p=next(adjusted)) if each and math.isfinite(each.p) else each
            for each in found
        ]
        for found in by_measure
    ]


Action: TypeAlias = Literal["keep", "stop", "test_on", "collect"]
Reason: TypeAlias = Literal[
    "better",
    "better_valence",
    "better_attention",
    "no_worse",
    "worse",
    "worse_valence",
    "worse_attention",
    "mixed",
    "open",
    "few",
    "few_plays",
    "alone",
]


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do with an ad, why, and about how many more viewers would tell; None if not known."""

    action: Action
    reason: Reason
    viewers_needed: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Standings:
    """How the ads of a report stand against each other, by measure, in the order of the ads."""

    valence: list[Standing | None]
    attention: list[Standing | None]
    groups: dict[str, list[Standing | None]]

    @classmethod
    def of(cls, exposed: Exposed) -> Standings:
        """Compare all ads."""
        entries = exposed.exposures
        read = entries.emotion_readings.astype(np.float64)
        columns = {"happy": HAPPY_SCORE, "surprise": SURPRISE_SCORE, "negative": NEGATIVE_SCORE}
        valence = against_rest(exposed, corrected_valence(entries.sums), read)
        attention = against_rest(exposed, entries.attention_s, entries.dwell_s)
        groups = [
            against_rest(exposed, entries.sums.T[column], read) for column in columns.values()
        ]
        return cls(
            valence=_corrected([valence])[0],
            attention=_corrected([attention])[0],
            groups=dict(zip(columns, _corrected(groups), strict=True)),
        )

    def findings(self) -> list[Finding]:
        """Return which ads certainly differ from the rest."""
        found: list[Finding] = []
        for place, each in enumerate(self.valence):
            if each is not None and each.sign:
                kind: Kind = "more_positive" if each.sign > 0 else "less_positive"
                found.append(each.finding(kind, place, "valence"))
        for place, each in enumerate(self.attention):
            if each is not None and each.sign:
                kind = "more_attention" if each.sign > 0 else "less_attention"
                found.append(each.finding(kind, place, "attention"))
        return found

    def stands_out(self, ad: int) -> tuple[str, Standing] | None:
        """Return the emotion in whose share the ad differs most from the rest, if in any."""
        certain = [
            (name, each)
            for name, found in self.groups.items()
            if (each := found[ad]) is not None and each.sign
        ]
        return max(certain, key=lambda each: abs(each[1].difference.value), default=None)

    def advice(self, ad: int) -> Advice:
        """Return what to do with an ad.

        `keep`: certainly not worse than the rest by what matters, in valence and attention.
        `stop`: certainly worse by what matters in one of them, and not better in the other.
        `test_on`: not known yet, or better in one and worse in the other.
        `collect`: too few viewers, or nothing to compare with.
        """
        valence, attention = self.valence[ad], self.attention[ad]
        both = [each for each in (valence, attention) if each is not None]
        missing = self._missing(both)
        if missing is not None:
            return missing
        worse = [each for each in both if each.much_worse]
        better = [each for each in both if each.sign > 0]
        if worse and better:
            return Advice("test_on", "mixed", None)
        if worse:
            which: Reason = "worse_valence" if valence in worse else "worse_attention"
            return Advice("stop", "worse" if len(worse) == 2 else which, None)
        if all(each.no_worse for each in both):
            return Advice("keep", self._good(valence in better, attention in better), None)
        lacking = [each.needed_viewers() or 1 for each in both if not each.no_worse]
        return Advice("test_on", "open", max(lacking))

    def _missing(self, both: Sequence[Standing]) -> Advice | None:
        """Return the advice to collect more data, if an ad cannot be compared yet."""
        fewest = min((each.viewers for each in both), default=0)
        if len(self.valence) == 1:
            return Advice("collect", "alone", None)
        if len(both) < 2 or fewest < MIN_VIEWERS:
            return Advice("collect", "few", max(MIN_VIEWERS - fewest, 1))
        if not all(math.isfinite(each.error) for each in both):
            return Advice("collect", "few_plays", None)
        return None

    @staticmethod
    def _good(valence: bool, attention: bool) -> Reason:
        if valence and attention:
            return "better"
        if valence:
            return "better_valence"
        return "better_attention" if attention else "no_worse"
