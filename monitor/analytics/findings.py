"""What a report may claim: differences between ads, and seconds of an ad, with a test behind each.

A report of twelve ads makes hundreds of comparisons, and the largest of them always looks like
news. A finding is what is left after correction for all of them: at most one report in twenty in
which nothing happened claims anything.

- **Seconds**: `monitor.analytics.seconds` tests all seconds of all ads together, at 2%.
- **Ads**: each against the rest, always valid, corrected over the ads
  (`monitor.analytics.standings`). At one look these are wrong in less than 2%.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from detector.emotion.labels import EMOTIONS
from monitor.analytics.metrics import (
    VALENCE,
    Moment,
    corrected_valence_sums,
    valence_moments,
    viewer_seconds,
)
from monitor.analytics.seconds import (
    Means,
    ShrunkCurve,
    curve_of,
    falls,
    first_plays,
    largest_p,
    shrink,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from db.read.formulas import ExposureArrays, SecondArrays
    from monitor.analytics.seconds import Shrunk

    Floats = NDArray[np.float64]

SECOND_LEVEL = 0.02
"""Corrected p-value below which something is said about a second: with the differences between ads
less than one report in twenty claims something that is not so."""

MIN_SIZE = 0.05
"""A certain peak or fall smaller than this, in valence or as a share, is not worth a sentence."""

Kind: TypeAlias = Literal[
    "more_positive",
    "less_positive",
    "more_attention",
    "less_attention",
    "peak",
    "trough",
    "attention_drop",
]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a report may say.

    Attributes:
        kind: What kind of thing.
        ad: Place of the ad in the report.
        measure: What was measured: "valence" or "attention".
        value, low, high: The figure and its 95% interval: of a peak or trough in that second, the
            level taken as known, of a fall by how much, of a difference from the rest.
        p: After correction, 0 to 1.
        viewers: Behind the figure.
        second: Of a peak or trough, or the first one after a fall.
        before, after: First and last second of the spans that a fall compares.
        level: Of a peak or trough, the figure over the whole ad.
    """

    kind: Kind
    ad: int
    measure: str
    value: float
    low: float
    high: float
    p: float
    viewers: int
    second: int | None = None
    before: tuple[int, int] | None = None
    after: tuple[int, int] | None = None
    level: float | None = None


# --- seconds --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """The curves of one ad, shrunk; None where too little is known.

    `corrected` is corrected valence, or plain valence where that is not known.
    """

    valence: ShrunkCurve | None
    corrected: ShrunkCurve | None
    attention: ShrunkCurve | None
    surprise: ShrunkCurve | None


def curves_of(
    entries: ExposureArrays, seconds: SecondArrays, duration_s: float, *, min_viewers: int = 1
) -> Curves:
    """Return the curves of one ad of this length, from its sorted exposures and seconds."""
    viewers, plays = first_plays(entries.viewer_id, entries.play_id)
    cells = viewer_seconds(seconds, entries, duration_s, plays)
    clusters = plays[np.searchsorted(viewers, np.unique(seconds.viewer_id))]

    def curve(sums: Floats, counts: Floats) -> ShrunkCurve | None:
        with np.errstate(invalid="ignore", divide="ignore"):
            values = sums / counts
        found = curve_of(cells.viewer, cells.second, values, clusters, min_viewers=min_viewers)
        return None if found is None else shrink(found)

    read = cells.emotion_readings.astype(np.float64)
    valence = curve(cells.sums.T[VALENCE], read)
    scores = corrected_valence_sums(cells.sums)
    return Curves(
        valence=valence,
        corrected=curve(scores, read) if np.isfinite(scores).any() else valence,
        attention=curve(cells.attentive.astype(np.float64), cells.readings.astype(np.float64)),
        surprise=curve(cells.sums.T[EMOTIONS.index("surprise")], read),
    )


def shrunk_moment(moment: Moment, curves: Curves) -> Shrunk | None:
    """Return a key moment's figure shrunk, with its interval; None where not known."""
    curve = {
        "attention_drop": curves.attention,
        "attraction": curves.surprise,
        "impact": None,
    }.get(moment.kind, curves.valence)
    return None if curve is None else _of_moment(moment, curve)


def corrected_moments(curves: Curves) -> list[tuple[Moment, Shrunk | None]]:
    """Return peak, trough and steepest rise of corrected valence, each with its shrunk figure."""
    shrunk = curves.corrected
    if shrunk is None:
        return []
    found = shrunk.curve
    raw = np.full(int(found.seconds[-1]) + 1, np.nan)
    raw[found.seconds] = found.level + found.deviation
    return [(moment, _of_moment(moment, shrunk)) for moment in valence_moments(raw)]


def _of_moment(moment: Moment, curve: ShrunkCurve) -> Shrunk | None:
    if moment.kind == "steepest_rise":
        return curve.change(moment.second)
    if moment.kind == "attention_drop":
        change = curve.change(moment.second)
        return None if change is None else -change
    return curve.at(moment.second)


def second_findings(ads: Sequence[Curves | None], *, seed: int | Sequence[int]) -> list[Finding]:
    """Return the peaks, troughs and falls of attention that are certain, all ads together.

    Args:
        ads: The curves of each ad of the report; None where they are withheld.
        seed: The same data and seed give the same findings.
    """
    valence = [(place, each.corrected) for place, each in enumerate(ads) if each and each.corrected]
    attention = [
        (place, each.attention) for place, each in enumerate(ads) if each and each.attention
    ]
    p_values = largest_p(
        [
            [Means.seconds(each.curve) for _, each in valence],
            [Means.falls(each.curve) for _, each in attention],
        ],
        seed=seed,
    )
    found = [
        _extreme(place, each, p)
        for (place, each), p in zip(valence, p_values[: len(valence)], strict=True)
    ]
    found += [
        _fall(place, each, p)
        for (place, each), p in zip(attention, p_values[len(valence) :], strict=True)
        if p.size
    ]
    certain = [each for each in found if each.p < SECOND_LEVEL and _large(each)]
    return sorted(certain, key=lambda each: each.ad)


def _large(finding: Finding) -> bool:
    """Return whether a finding is worth a sentence, and its interval does not deny it."""
    level = finding.level or 0.0
    apart = not finding.low <= level <= finding.high
    return apart and abs(finding.value - level) >= MIN_SIZE


def _extreme(place: int, shrunk: ShrunkCurve, p_values: Floats) -> Finding:
    """Return the second that differs most clearly from the level of the ad."""
    curve = shrunk.curve
    at = int(np.lexsort((-np.abs(curve.deviation), p_values))[0])
    estimate = shrunk.above_level(at)
    return Finding(
        kind="peak" if curve.deviation[at] > 0 else "trough",
        ad=place,
        measure="valence",
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        p=float(p_values[at]),
        viewers=int(curve.viewers[at]),
        second=int(curve.seconds[at]),
        level=curve.level,
    )


def _fall(place: int, shrunk: ShrunkCurve, p_values: Floats) -> Finding:
    """Return the clearest fall of attention."""
    curve = shrunk.curve
    seconds, weights = falls(curve)
    at = int(np.lexsort((-(weights @ curve.deviation), p_values))[0])
    estimate = shrunk.contrast(weights[at])
    before, after = curve.seconds[weights[at] > 0], curve.seconds[weights[at] < 0]
    return Finding(
        kind="attention_drop",
        ad=place,
        measure="attention",
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        p=float(p_values[at]),
        viewers=int(curve.viewers[weights[at] != 0].min()),
        second=int(seconds[at]),
        before=(int(before[0]), int(before[-1])),
        after=(int(after[0]), int(after[-1])),
    )
