"""The score: percentiles without the place, and its interval."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monitor.analytics.metrics import take
from monitor.analytics.norms import LibraryAd, Norms
from monitor.analytics.score import PARTS, ScoreLibrary, figure_covariance, score_of
from tests.helpers.simulated_session import World, simulate

FIGURES = {
    "attraction_ratio": 0.4,
    "conversion": 0.6,
    "valence_corrected_mean": 0.05,
    "dwell_share": 0.5,
}


def ad(number: int, site: str, shift: float, **changes: float) -> LibraryAd:
    figures = {name: value + shift for name, value in FIGURES.items()} | changes
    return LibraryAd(f"ad-{number}", f"{number:02x}", "8 to 15 s", site, 50, 50, figures)


def library(ads: list[LibraryAd]) -> ScoreLibrary:
    return ScoreLibrary.of(Norms(tuple(ads)))


def entry(**changes: float) -> dict:
    known = {
        "ad_id": "own",
        "sha256": "own",
        "duration_s": 10.0,
        "opportunities": 50,
        "emotion_viewers": 50,
        "mean_dwell_s": 5.0,
        **{name: value for name, value in FIGURES.items() if name != "dwell_share"},
    }
    return known | changes


SPREAD = [ad(number, "Hall", (number - 10) / 100) for number in range(21)]
"""Of all figures one ad for each hundredth around the mean of the site."""


def test_an_average_ad_has_fifty():
    found = score_of(entry(), library(SPREAD), {"Hall": 50})
    assert found.value == pytest.approx(50)
    assert found.parts == {part.name: pytest.approx(0.5) for part in PARTS}
    assert found.against == "Among 21 other ads, each against the mean of its site."
    assert (found.low, found.high) == (None, None)


def test_the_parts_are_the_shares_of_ads_beaten():
    better = entry(valence_corrected_mean=0.05 + 0.055, attraction_ratio=0.4 - 0.2)
    found = score_of(better, library(SPREAD), {"Hall": 50})
    assert found.parts["valence"] == pytest.approx(16 / 21)
    assert found.parts["attraction_ratio"] == 0.0
    assert found.value == pytest.approx(100 * (0.4 * 16 / 21 + 0.15 * 0.5 + 0.15 * 0.5))


def test_the_place_is_taken_out():
    """A hall in which everybody stops gives no points."""
    busy = [replace(each, site="Busy hall", figures=moved(each, 0.3)) for each in SPREAD]
    # Between two ads of the library: those that are equal differ by rounding errors.
    figures = {"attraction_ratio": 0.404, "conversion": 0.604, "valence_corrected_mean": 0.054}
    passage = score_of(entry(**figures, mean_dwell_s=5.04), library(SPREAD), {"Hall": 50})
    there = {name: value + 0.3 for name, value in figures.items()}
    hall = score_of(entry(**there, mean_dwell_s=8.04), library(SPREAD + busy), {"Busy hall": 50})
    assert hall.value == pytest.approx(passage.value)


def moved(each: LibraryAd, shift: float) -> dict:
    return {name: value + shift for name, value in each.figures.items()}


def test_an_audience_that_turns_angry_costs_real_points():
    calm = score_of(entry(), library(SPREAD), {"Hall": 50})
    angry = score_of(
        entry(valence_corrected_mean=-0.6, expressiveness=0.9), library(SPREAD), {"Hall": 50}
    )
    assert calm.value - angry.value == pytest.approx(20)


def test_without_a_library_the_score_says_why_there_is_none():
    found = score_of(entry(), library(SPREAD[:9]), {"Hall": 50})
    assert found.value is None
    assert found.against == "No score yet: 10 other ads with 20 viewers are needed, not 9."
    assert set(found.parts.values()) == {None}
    few = score_of(entry(opportunities=19), library(SPREAD), {"Hall": 19})
    assert few.against == "No score: 20 viewers whose emotion could be read are needed."
    elsewhere = score_of(entry(), library(SPREAD), {"Hall": 10, "Attic": 1})
    assert "at each of its sites" in elsewhere.against
    unknown = score_of(entry(mean_dwell_s=None), library(SPREAD), {"Hall": 50})
    assert unknown.against == "No score: not all of its parts are known."
    assert score_of(entry(), ScoreLibrary.of(Norms(())), {"Hall": 50}).value is None


def test_an_ad_is_not_compared_with_itself_or_its_file():
    same = [
        replace(SPREAD[0], ad_id="own"),
        replace(SPREAD[1], sha256="own"),
    ]
    assert "Among 21 " in score_of(entry(), library(SPREAD + same), {"Hall": 50}).against


def test_the_weights_add_up_and_are_published():
    assert sum(part.weight for part in PARTS) == pytest.approx(1.0)
    text = (Path(__file__).parents[4] / "docs" / "explanation" / "comparisons.md").read_text(
        encoding="utf-8"
    )
    for part in PARTS:
        assert f"| `{part.name}` | {part.weight:.2f} |" in text


def test_more_viewers_narrow_the_interval():
    widths = []
    wide = library([ad(number, "Hall", (number - 500) / 2000) for number in range(1001)])
    for viewers in (20, 400):
        data = simulate(World(ads=2, viewers=viewers), 1)
        mine = take(data.exposures, (data.exposures.play_id - 1) % 2 == 0)
        covariance = figure_covariance(mine, 10.0)
        found = score_of(entry(), wide, {"Hall": 50}, covariance, seed=1)
        assert 0 <= found.low <= found.value <= found.high <= 100
        widths.append(found.high - found.low)
    assert widths[1] < 0.6 * widths[0]


def test_the_covariance_is_that_of_repeated_sessions():
    """Over many simulated sessions the figures spread as the covariance says."""
    figures, variances = [], []
    for seed in range(150):
        data = simulate(World(ads=2, viewers=60), seed)
        mine = take(data.exposures, (data.exposures.play_id - 1) % 2 == 0)
        figures.append(mine.attention_s.sum() / mine.dwell_s.sum())
        variances.append(figure_covariance(mine, 10.0)[0, 0])
    assert np.mean(variances) == pytest.approx(np.var(figures), rel=0.35)
