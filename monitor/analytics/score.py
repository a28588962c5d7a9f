"""One number for a first look at a list of ads: the score, 0 to 100.

It is a weighted mean of percentiles: how many of the other ads of the database an ad beats in
attention, in watchers, in corrected valence and in dwell. Before ads are ranked, **the place is
taken out**: each figure counts as its distance from the mean of all ads at the same site, so an ad
in a hall where everybody stops has no better score than one in a passage. An ad that is average
for its sites has 50. What tells two ads apart is `monitor.analytics.comparison`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from db.read.formulas import WATCHER_ATTENTION_S
from monitor.analytics.metrics import corrected_valence_sums
from monitor.analytics.norms import MIN_ADS, dwell_share, length_class
from monitor.analytics.seconds import first_plays
from monitor.analytics.statistics import CONFIDENCE
from monitor.languages import lazy, nlazy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from db.read.formulas import ExposureArrays
    from monitor.analytics.norms import LibraryAd, Norms

    Floats = NDArray[np.float64]

MIN_SITE_ADS = 3
"""The mean of a site with fewer ads is mostly that of the ad itself."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the score: its key, its weight (all add up to 1), and the figure behind it."""

    name: str
    weight: float
    figure: str


PARTS = (
    Part("attraction_ratio", 0.30, "attraction_ratio"),
    Part("conversion", 0.15, "conversion"),
    Part("valence", 0.40, "valence_corrected_mean"),
    Part("dwell_share", 0.15, "dwell_share"),
)
"""The weights are our choice; they rest on no study of sales."""

_WEIGHTS = np.array([part.weight for part in PARTS])


@dataclass(frozen=True, slots=True)
class Score:
    """A score with its parts and its 95% interval; None where not known.

    Attributes:
        value, low, high: 0 to 100.
        parts: 0 to 1, by the names of `PARTS`: the share of other ads that the ad beats.
        against: What it was compared with, or why there is no score: a sentence.
    """

    value: float | None
    low: float | None
    high: float | None
    parts: dict[str, float | None]
    against: str


@dataclass(frozen=True, slots=True, eq=False)
class ScoreLibrary:
    """The ads of the database without their places.

    Attributes:
        ads: An entry for each of `n` versions of ads.
        distances: `(n, 4)`, of the figures of `PARTS` from the means of the ad's sites, weighted by
            viewers.
        means: Means of the figures by site, `(4,)` each.
        min_viewers: That an ad needs.
    """

    ads: tuple[LibraryAd, ...]
    distances: Floats
    means: Mapping[str, Floats]
    min_viewers: int

    @classmethod
    def of(cls, norms: Norms) -> ScoreLibrary:
        """Take the place out of the ads that enough viewers saw, where enough ads ran."""
        by_site: dict[str, list[tuple[LibraryAd, Floats]]] = {}
        for ad in norms.ads:
            figures = _figures(ad.figures)
            enough = min(ad.viewers, ad.emotion_viewers) >= norms.min_viewers
            if ad.site is not None and enough and np.isfinite(figures).all():
                by_site.setdefault(ad.site, []).append((ad, figures))
        means: dict[str, Floats] = {}
        sums: dict[tuple[str, str, str], tuple[LibraryAd, Floats, int]] = {}
        for site, there in by_site.items():
            if len(there) < MIN_SITE_ADS:
                continue
            means[site] = np.mean([figures for _, figures in there], axis=0)
            for ad, figures in there:
                key = (ad.ad_id, ad.sha256, ad.length)
                _, distance, viewers = sums.get(key, (ad, np.zeros(len(PARTS)), 0))
                distance = distance + ad.viewers * (figures - means[site])
                sums[key] = (ad, distance, viewers + ad.viewers)
        return cls(
            ads=tuple(ad for ad, _, _ in sums.values()),
            distances=np.array([distance / viewers for _, distance, viewers in sums.values()]),
            means=means,
            min_viewers=norms.min_viewers,
        )

    def others(self, entry: Mapping[str, Any]) -> Floats:
        """Return the distances of all other ads, those of its length if there are enough."""
        length = length_class(entry["duration_s"])
        other = [
            place
            for place, ad in enumerate(self.ads)
            if ad.ad_id != entry["ad_id"] and not (entry["sha256"] and ad.sha256 == entry["sha256"])
        ]
        alike = [place for place in other if self.ads[place].length == length]
        chosen = alike if len(alike) >= MIN_ADS else other
        return self.distances.reshape(-1, len(PARTS))[chosen]

    def expected(self, sites: Mapping[str, int]) -> Floats | None:
        """Return what an average ad has at some sites, weighted by viewers; None if not known."""
        there = {site: count for site, count in sites.items() if count and site in self.means}
        if sum(there.values()) < sum(sites.values()) or not there:
            return None
        means = [count * self.means[site] for site, count in there.items()]
        return np.asarray(np.sum(means, axis=0) / sum(there.values()))


def _figures(figures: Mapping[str, Any]) -> Floats:
    values = [figures.get(part.figure) for part in PARTS]
    return np.array([math.nan if value is None else value for value in values])


def score_of(
    entry: Mapping[str, Any],
    library: ScoreLibrary,
    sites: Mapping[str, int],
    covariance: Floats | None = None,
    *,
    seed: int | Sequence[int] = 0,
    draws: int = 1000,
) -> Score:
    """Return the score of an ad.

    Args:
        entry: An entry of `ads` of a report.
        library: The other ads; the ad itself may be among them.
        sites: Viewers of the ad by site.
        covariance: `(4, 4)`, of the figures of `PARTS`, from `figure_covariance`. The interval
            draws figures with these errors and, as other ads might have been shown, the other ads
            with replacement. None: no interval.
        seed: The same data and seed give the same interval.
        draws: How often.
    """
    figures = _figures({**entry, "dwell_share": dwell_share(entry)})
    others, expected = library.others(entry), library.expected(sites)
    why = _why_none(entry, figures, library, len(others), expected)
    if why or expected is None:
        return Score(None, None, None, {part.name: None for part in PARTS}, why)
    distance = figures - expected
    parts = _beaten(distance[None, :], others, np.ones((1, len(others))))[0]
    value = float(100 * parts @ _WEIGHTS)
    low: float | None = None
    high: float | None = None
    if covariance is not None:
        rng = np.random.default_rng(seed)
        drawn = rng.multivariate_normal(distance, covariance, size=draws, method="eigh")
        times = rng.multinomial(len(others), np.full(len(others), 1 / len(others)), size=draws)
        scores = 100 * _beaten(drawn, others, times.astype(np.float64)) @ _WEIGHTS
        tail = (1 - CONFIDENCE) / 2
        # An ad that beats all others is drawn lower in nearly every draw.
        low = min(value, float(np.quantile(scores, tail)))
        high = max(value, float(np.quantile(scores, 1 - tail)))
    return Score(
        value=value,
        low=low,
        high=high,
        parts={part.name: float(each) for part, each in zip(PARTS, parts, strict=True)},
        against=nlazy(
            "Among %(num)s other ads, each against the mean of its site.",
            "Among %(num)s other ads, each against the mean of its site.",
            len(others),
        ),
    )


def _why_none(
    entry: Mapping[str, Any],
    figures: Floats,
    library: ScoreLibrary,
    others: int,
    expected: Floats | None,
) -> str:
    """Return why there is no score; empty if there is one."""
    least = library.min_viewers
    if min(entry["opportunities"] or 0, entry["emotion_viewers"] or 0) < least:
        return lazy(
            "No score: %(least)s viewers whose emotion could be read are needed.", least=least
        )
    if others < MIN_ADS:
        return lazy(
            "No score yet: %(ads)s other ads with %(least)s viewers are needed, not %(others)s.",
            ads=MIN_ADS,
            least=least,
            others=others,
        )
    if expected is None:
        return lazy(
            "No score: %(ads)s ads with %(least)s viewers are needed at each of its sites.",
            ads=MIN_SITE_ADS,
            least=least,
        )
    known_all = np.isfinite(figures).all()
    return "" if known_all else lazy("No score: not all of its parts are known.")


def _beaten(distances: Floats, others: Floats, times: Floats) -> Floats:
    """Return the mid-rank shares of other ads, each counted so many `times`, that are beaten.

    Shapes: `(d, 4)`, `(n, 4)`, `(d, n)`; returns `(d, 4)`.
    """
    below = (others < distances[:, None]) + 0.5 * (others == distances[:, None])
    return np.asarray(np.einsum("dnp,dn->dp", below, times) / times.sum(axis=1)[:, None])


def figure_covariance(exposures: ExposureArrays, duration_s: float) -> Floats | None:
    """Return the covariance of the figures of `PARTS` of one ad, `(4, 4)`, clustered by play.

    Viewers are added up by the first play that they were in. None with fewer than two of these, or
    without any emotion.
    """
    viewers, plays = first_plays(exposures.viewer_id, exposures.play_id)
    clusters, cluster = np.unique(plays, return_inverse=True)
    index = np.searchsorted(viewers, exposures.viewer_id)

    def added(values: Floats) -> Floats:
        return np.bincount(index, values, viewers.size).astype(np.float64)

    valence = added(np.nan_to_num(corrected_valence_sums(exposures.sums)))
    scored = exposures.emotion_readings * np.isfinite(exposures.sums).all(axis=1)
    read = added(scored.astype(np.float64))
    known = read > 0
    dwell, attention = added(exposures.dwell_s), added(exposures.attention_s)
    if clusters.size < 2 or not known.any() or not dwell.sum() > 0 or not duration_s > 0:
        return None
    watched = added((exposures.longest_attention_s >= WATCHER_ATTENTION_S).astype(np.float64)) > 0
    mean_dwell = dwell / added(np.ones(len(exposures))) / duration_s
    own = np.divide(valence, read, out=np.zeros_like(valence), where=known)
    influence = np.column_stack(
        [
            (attention - attention.sum() / dwell.sum() * dwell) / dwell.sum(),
            (watched - watched.mean()) / viewers.size,
            np.where(known, own - own[known].mean(), 0.0) / known.sum(),
            (mean_dwell - mean_dwell.mean()) / viewers.size,
        ]
    )
    sums = np.zeros((clusters.size, len(PARTS)))
    np.add.at(sums, cluster, influence)
    return np.asarray(clusters.size / (clusters.size - 1) * sums.T @ sums)
