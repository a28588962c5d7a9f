"""How an ad stands among the other ads of the database, by percentiles.

The library holds the figures of every version of an ad over all its plays, for each site and over
all sites, from roll-ups. An ad is compared with ads of its length at its site where there are
enough, else more widely, and never with itself: by mid-rank percentiles (Crawford, Garthwaite and
Slick 2009). `monitor.analytics.score` makes one number of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.analytics.statistics import CONFIDENCE
from monitor.languages import lazy, nlazy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from db.read.ads import AdTotals

MIN_ADS = 10
"""A percentile among fewer other ads would move by ten points and more with each of them."""

MIN_VIEWERS = 20
"""Ads seen by fewer people are left out: their figures say more about these people than the ad."""

FIGURES = (
    "attraction_ratio",
    "conversion",
    "mean_valence",
    "valence_corrected_mean",
    "expressiveness",
    "dwell_share",
)
"""What an ad is compared by."""

EMOTION_FIGURES = {"mean_valence", "valence_corrected_mean", "expressiveness"}
"""These rest on the viewers whose emotion could be read."""


def dwell_share(figures: Mapping[str, Any]) -> float | None:
    """Return mean dwell / length of the ad, 0 or more; None where one is not known."""
    dwell, length = figures["mean_dwell_s"], figures["duration_s"]
    return None if dwell is None or not length else dwell / length


# --- the library ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LibraryAd:
    """One version of an ad at one site, or over all sites (None).

    `viewers` were in view, `emotion_viewers` had a readable emotion; `figures` go by `FIGURES`.
    """

    ad_id: str
    sha256: str
    length: str
    site: str | None
    viewers: int
    emotion_viewers: int
    figures: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Norms:
    """The library: an entry for each version of an ad and site, and one over all sites.

    The figures of an ad count when `min_viewers` stand behind them.
    """

    ads: tuple[LibraryAd, ...]
    min_viewers: int = MIN_VIEWERS

    def others(
        self, figure: str, *, ad_id: str, sha256: str, length: str | None, site: str | None
    ) -> list[float]:
        """Return one of `FIGURES` of all other ads that enough viewers saw.

        Args:
            figure: One of `FIGURES`.
            ad_id, sha256: The ad itself, which is left out.
            length: Only this length class; None: all.
            site: Only at this site; None: the figures over all sites.
        """
        found = (
            ad.figures[figure]
            for ad in self.ads
            if ad.site == site
            and (length is None or ad.length == length)
            and ad.ad_id != ad_id
            and not (sha256 and ad.sha256 == sha256)
            and (ad.emotion_viewers if figure in EMOTION_FIGURES else ad.viewers)
            >= self.min_viewers
        )
        return [value for value in found if value is not None]


def length_class(duration_s: float) -> str:
    """Return the name of the length class of an ad, whose length is rounded to whole seconds."""
    classes = {7: "up to 7 s", 15: "8 to 15 s", 30: "16 to 30 s", 60: "31 to 60 s"}
    return next((name for end, name in classes.items() if round(duration_s) <= end), "over 60 s")


def build_norms(totals: Iterable[AdTotals], *, min_viewers: int = 1) -> Norms:
    """Build the library from `db.read.ads.ad_totals`; `MIN_VIEWERS` at least are needed."""
    versions: dict[tuple[str, str, int], list[AdTotals]] = {}
    for at_site in totals:
        versions.setdefault((at_site.ad_id, at_site.sha256, at_site.duration_ms), []).append(
            at_site
        )
    ads: list[LibraryAd] = []
    for at_sites in versions.values():
        ads.append(_library_ad(at_sites, None))
        ads += [_library_ad([at_site], at_site.site) for at_site in at_sites]
    return Norms(tuple(ads), max(min_viewers, MIN_VIEWERS))


def _library_ad(parts: Sequence[AdTotals], site: str | None) -> LibraryAd:
    """Add up one version of an ad over some sites; each viewer is at one site only."""
    ad = parts[0]
    viewers, read = sum(part.viewers for part in parts), sum(part.emotion_viewers for part in parts)
    scored = sum(part.scored_viewers for part in parts)
    told = sum(part.told_viewers for part in parts)
    duration_s = ad.duration_ms / 1000

    def total(name: str) -> float:
        return math.fsum(getattr(part, name) for part in parts)

    # As `metrics.audience` and `metrics.reaction` define them.
    plain: dict[str, float | None] = {
        "attraction_ratio": total("attention_s") / total("dwell_s")
        if total("dwell_s") > 0
        else None,
        "conversion": sum(part.watchers for part in parts) / told if told else None,
        "mean_valence": total("valence") / read if read else None,
        "valence_corrected_mean": total("valence_corrected") / scored if scored else None,
        "expressiveness": total("expressiveness") / read if read else None,
        "mean_dwell_s": total("mean_dwell_s") / viewers,
        "duration_s": duration_s,
    }
    found = {**plain, "dwell_share": dwell_share(plain)}
    figures = {name: found[name] for name in FIGURES}
    return LibraryAd(ad.ad_id, ad.sha256, length_class(duration_s), site, viewers, read, figures)


# --- an ad among them -----------------------------------------------------------------------------


def percentile(value: float, others: Iterable[float]) -> float:
    """Return the mid-rank percentile, 0 to 100, of a value among at least one other."""
    library = np.fromiter(others, dtype=np.float64)
    return 100 * float((library < value).mean() + (library == value).mean() / 2)


def percentile_interval(value: float, others: Iterable[float]) -> tuple[float, float]:
    """Return the 95% interval of `percentile` that comes from the library being a sample of ads.

    Jeffreys' interval of the share of ads below, ties counted half (Crawford, Garthwaite and Slick
    2009); it knows nothing of the uncertainty of the value itself.
    """
    from scipy.special import betaincinv  # noqa: PLC0415 - slow to import

    library = np.fromiter(others, dtype=np.float64)
    below = float((library < value).sum() + (library == value).sum() / 2)
    above = library.size - below
    low, high = betaincinv(below + 0.5, above + 0.5, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return (100 * float(low) if below else 0.0), (100 * float(high) if above else 100.0)


def _mean_interval(others: Sequence[float]) -> tuple[float, float] | None:
    """Return Student's 95% interval of the mean of the library; None with fewer than two ads."""
    from scipy.special import stdtrit  # noqa: PLC0415 - slow to import

    count = len(others)
    if count < 2:
        return None
    error = float(np.std(others, ddof=1)) / math.sqrt(count)
    half = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * error
    mean = math.fsum(others) / count
    return mean - half, mean + half


def norms_of(
    entry: Mapping[str, Any], library: Norms, *, site: str | None = None
) -> list[dict[str, Any]]:
    """Say how an ad stands in each figure.

    It is compared with its length class at its site, else at all sites, else with all ads: the
    first of these with `MIN_ADS` that enough viewers saw. There is no percentile if all are too
    few, or too few viewers saw the ad.

    Args:
        entry: An entry of `ads` of a report.
        library: The other ads; the ad itself may be among them.
        site: The site that the entry is about; None when it is about several.

    Returns:
        For each of `FIGURES` the keys `figure`, `value`, `percentile`, `library_mean`, both with
        their intervals (`…_low`, `…_high`), `library_size` and `against`, which names what it was
        compared with.
    """
    values = {**entry, "dwell_share": dwell_share(entry)}
    return [_norm(entry, figure, values[figure], library, site) for figure in FIGURES]


def _norm(
    entry: Mapping[str, Any], figure: str, value: float | None, library: Norms, site: str | None
) -> dict[str, Any]:
    length = length_class(entry["duration_s"])
    steps: list[tuple[str | None, str | None]] = [(length, site)] if site is not None else []
    steps += [(length, None), (None, None)]
    for of_length, at_site in steps:
        others = library.others(
            figure, ad_id=entry["ad_id"], sha256=entry["sha256"], length=of_length, site=at_site
        )
        if len(others) >= MIN_ADS:
            break
    viewers = entry["emotion_viewers" if figure in EMOTION_FIGURES else "opportunities"] or 0
    compared = value is not None and len(others) >= MIN_ADS and viewers >= library.min_viewers
    rank = value if compared else None
    low, high = (None, None) if rank is None else percentile_interval(rank, others)
    mean_low, mean_high = _mean_interval(others) or (None, None)
    return {
        "figure": figure,
        "value": value,
        "percentile": None if rank is None else percentile(rank, others),
        "percentile_low": low,
        "percentile_high": high,
        "library_mean": math.fsum(others) / len(others) if others else None,
        "library_mean_low": mean_low,
        "library_mean_high": mean_high,
        "library_size": len(others),
        "against": _words(len(others), of_length, at_site),
    }


def _words(count: int, length: str | None, site: str | None) -> str:
    if not count:
        return lazy("no other ads yet")
    return lazy(
        "%(ads)s of %(length)s at %(site)s",
        ads=nlazy("%(num)s ad", "%(num)s ads", count),
        length=length or lazy("any length"),
        site=lazy("all sites") if site is None else site,
    )
