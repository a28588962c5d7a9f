"""The baseline of an ad: what the other ads of its sites bring in each second since their start.

A place has people who look up when an ad begins and tire after ten seconds, whatever the ad. So an
ad's curves are read beside the mean of the others at the same sites, in which each ad counts alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.analytics.metrics import corrected_valence_sums
from monitor.analytics.scenes import MEASURES, within
from monitor.analytics.statistics import CONFIDENCE, Interval, known

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from monitor.analytics.report_data import ReportData

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class SiteCurves:
    """The curves of each ad at each site, all versions of an ad together.

    Attributes:
        ads: `ad_id` of each ad.
        files: The SHA-256 of the files of each ad.
        curves: By `scenes.MEASURES`, `(sites, ads, seconds)`: means over viewers of each one's
            mean; NaN where not known, or too few viewers are behind it.
        exposures: `(sites, ads)`.
    """

    ads: tuple[str, ...]
    files: tuple[frozenset[str], ...]
    curves: dict[str, Floats]
    exposures: Ints

    @classmethod
    def of(cls, data: ReportData, *, min_viewers: int = 1) -> SiteCurves:
        """Add up the seconds of all plays; figures about fewer viewers are left out."""
        ads = list(dict.fromkeys(ad.ad_id for ad in data.ads))
        files = [
            frozenset(one.sha256 for one in data.ads if one.ad_id == ad and one.sha256)
            for ad in ads
        ]
        sites = sorted({session.site for session in data.sessions})
        site_of = {session.id: sites.index(session.site) for session in data.sessions}
        ad_of = {version.ad_row_id: ads.index(version.ad_id) for version in data.ads}
        plays = sorted(data.plays, key=lambda play: play.id)
        ids = np.array([play.id for play in plays], dtype=np.int64)
        # A number for each site and ad.
        pair = np.array(
            [site_of[play.session_id] * len(ads) + ad_of[play.ad_row_id] for play in plays],
            dtype=np.int64,
        )
        seconds = data.seconds
        length = int(seconds.second.max(initial=-1)) + 1
        shape = (len(sites), len(ads), length)
        cell = pair[np.searchsorted(ids, seconds.play_id)] * length + seconds.second
        score = corrected_valence_sums(seconds.sums)
        read = (seconds.emotion_readings > 0) & np.isfinite(score)
        measures = {
            "attention": (seconds.attentive, seconds.readings, np.ones(len(seconds), dtype=bool)),
            "valence_corrected": (score, seconds.emotion_readings, read),
        }
        curves = {
            name: _means(
                cell[rows],
                seconds.viewer_id[rows],
                above[rows] / below[rows],
                below[rows],
                shape=shape,
                min_viewers=min_viewers,
            )
            for name, (above, below, rows) in measures.items()
        }
        exposed = pair[np.searchsorted(ids, data.exposures.play_id)]
        exposures = np.bincount(exposed, minlength=shape[0] * shape[1]).reshape(shape[:2])
        return cls(tuple(ads), tuple(files), curves, exposures)

    def baseline(self, ad_id: str, seconds: int) -> list[dict[str, Any]]:
        """Return the mean curve of the other ads, at each site of the ad by its exposures there.

        The 95% interval is Student's over ads, with the degrees of freedom of the site that has
        the fewest; it needs two other ads at each.

        Args:
            ad_id: One of `ads`; others with a file of it are left out too.
            seconds: How many seconds the ad itself has.

        Returns:
            For each second, as JSON: `second`, `ads` that are behind it, and each of
            `scenes.MEASURES` with its interval. Empty where there is no other ad.
        """
        own = self.ads.index(ad_id)
        others = [
            place
            for place, files in enumerate(self.files)
            if place != own and not files & self.files[own]
        ]
        weights = self.exposures[:, own].astype(np.float64)
        if not others or not weights.any():
            return []
        table: list[dict[str, Any]] = [{"second": second, "ads": 0} for second in range(seconds)]
        for name, limits in MEASURES.items():
            curves = self.curves[name][:, others, :seconds]
            found = _pooled(curves, weights)
            for entry, ads, value, reach in zip(table, *found, strict=False):
                if name == "attention":
                    entry["ads"] = int(ads)
                entry[name] = Interval(value, value - reach, value + reach)
            for entry in table:
                interval = within(entry.get(name, Interval(np.nan)), *limits)
                entry |= {
                    name: known(interval.value),
                    f"{name}_low": known(interval.low),
                    f"{name}_high": known(interval.high),
                }
        return table


def _means(
    cell: Ints,
    viewer: Ints,
    values: Floats,
    readings: Ints,
    *,
    shape: tuple[int, int, int],
    min_viewers: int,
) -> Floats:
    """Return means over viewers of each one's mean over readings, NaN below `min_viewers`.

    Args:
        cell: `(n,)`, places in the flat result.
        viewer, values, readings: `(n,)`, whose mean, and over how many readings.
        shape: Of the result.
        min_viewers: So many are needed in a cell, and at least 1.
    """
    size, viewers = int(np.prod(shape)), int(viewer.max(initial=0)) + 1
    pairs, place = np.unique(cell * viewers + viewer, return_inverse=True)
    own = np.bincount(place, values * readings) / np.bincount(place, readings)
    n = np.bincount(pairs // viewers, minlength=size)
    total = np.bincount(pairs // viewers, own, size)
    few = n < max(min_viewers, 1)
    return np.where(few, np.nan, total / np.maximum(n, 1)).reshape(shape)


def _pooled(curves: Floats, weights: Floats) -> tuple[Ints, Floats, Floats]:
    """Return by second how many ads are known, their weighted mean over sites, and its reach.

    Args:
        curves: `(sites, ads, k)`, NaN where not known.
        weights: `(sites,)`, 0 or more; sites without a known ad do not count.
    """
    from scipy.special import stdtrit  # noqa: PLC0415 - slow to import

    curves = curves[weights > 0]
    seen = np.isfinite(curves)
    n = seen.sum(axis=1)
    some = n > 0
    share = np.where(some, weights[weights > 0][:, None], 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share /= share.sum(axis=0)
        mean = np.where(seen, curves, 0.0).sum(axis=1) / n
        squares = np.where(seen, (curves - mean[:, None]) ** 2, 0.0).sum(axis=1)
        variance = np.where(some, share**2 * squares / (n - 1) / n, 0.0).sum(axis=0)
        fewest = np.where(some, n, np.iinfo(np.int64).max).min(axis=0)
        reach = stdtrit(np.maximum(fewest - 1, 0), (1 + CONFIDENCE) / 2) * np.sqrt(variance)
        value = np.where(some.any(axis=0), np.where(some, share * mean, 0.0).sum(axis=0), np.nan)
    return seen.any(axis=0).sum(axis=0), value, reach
