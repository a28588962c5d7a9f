"""An ad among the other ads of the database."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from db.read.ads import AdTotals
from monitor.analytics.norms import (
    FIGURES,
    MIN_VIEWERS,
    LibraryAd,
    Norms,
    build_norms,
    length_class,
    norms_of,
    percentile,
    percentile_interval,
)

ENTRY = {
    "ad_id": "own",
    "sha256": "aa",
    "duration_s": 10.0,
    "opportunities": 50,
    "emotion_viewers": 40,
    "attraction_ratio": 0.5,
    "conversion": 0.8,
    "mean_valence": 0.2,
    "valence_corrected_mean": 0.1,
    "expressiveness": 0.3,
    "mean_dwell_s": 6.0,
}


def library_ad(number, value, *, length="8 to 15 s", site="Hall", viewers=30, **more):
    figures = dict.fromkeys(FIGURES, value)
    known = {
        "ad_id": f"ad-{number}",
        "sha256": f"{number:02x}",
        "length": length,
        "site": site,
        "figures": figures,
    }
    return LibraryAd(**(known | {"viewers": viewers, "emotion_viewers": viewers} | more))


def library(*groups):
    """From groups of (count, what they have in common), values 0.00, 0.01, … within each."""
    ads = []
    for count, common in groups:
        ads += [library_ad(len(ads) + place, place / 100, **common) for place in range(count)]
    return Norms(tuple(ads))


def norm(entry, ads, figure="attraction_ratio", site="Hall"):
    return next(found for found in norms_of(entry, ads, site=site) if found["figure"] == figure)


# --- percentiles ----------------------------------------------------------------------------------


@settings(deadline=None)  # the first call imports SciPy
@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(0, 9))
def test_the_percentile_is_scipys_mean_rank_one(others, value):
    assert percentile(value, others) == pytest.approx(
        stats.percentileofscore(others, value, kind="mean")
    )


def test_the_interval_of_a_percentile_is_jeffreys():
    others = [float(place) for place in range(20)]
    low, high = percentile_interval(14.5, others)
    assert (low, high) == pytest.approx(
        [100 * float(limit) for limit in stats.beta.ppf([0.025, 0.975], 15.5, 5.5)]
    )
    assert percentile_interval(-1.0, others)[0] == 0.0
    assert percentile_interval(99.0, others)[1] == 100.0
    # Ties count half.
    assert percentile_interval(0.0, [0.0] * 10) == pytest.approx(
        [100 * float(limit) for limit in stats.beta.ppf([0.025, 0.975], 5.5, 5.5)]
    )


def test_the_interval_covers_the_percentile_among_all_ads():
    rng = np.random.default_rng(5)
    for size in (10, 40):
        covered = 0
        for _ in range(1000):
            place = float(rng.uniform())
            low, high = percentile_interval(place, rng.uniform(size=size))
            covered += low <= 100 * place <= high
        assert 930 <= covered <= 985


def test_a_norm_says_how_sure_it_is():
    found = norm(ENTRY | {"attraction_ratio": 0.055}, library((12, {})))
    assert found["percentile"] == pytest.approx(50)
    assert 20 < found["percentile_low"] < 30
    assert 70 < found["percentile_high"] < 80
    values = [place / 100 for place in range(12)]
    assert (found["library_mean_low"], found["library_mean_high"]) == pytest.approx(
        stats.t.interval(0.95, 11, np.mean(values), stats.sem(values))
    )
    found = norm(ENTRY, library((1, {"site": None})))
    assert found["library_mean"] == 0.0
    unknown = ("percentile", "percentile_low", "percentile_high", "library_mean_low")
    assert [found[key] for key in unknown] == [None] * 4


def test_ten_ads_of_the_length_at_the_site_come_first():
    ads = library((10, {}), (30, {"site": "Attic"}), (40, {"site": None}))
    found = norm(ENTRY | {"attraction_ratio": 0.045}, ads)
    assert found == {
        "figure": "attraction_ratio",
        "value": 0.045,
        "percentile": 50.0,
        "percentile_low": pytest.approx(22.35, abs=0.01),
        "percentile_high": pytest.approx(77.65, abs=0.01),
        "library_mean": pytest.approx(0.045),
        "library_mean_low": pytest.approx(0.0233, abs=1e-4),
        "library_mean_high": pytest.approx(0.0667, abs=1e-4),
        "library_size": 10,
        "against": "10 ads of 8 to 15 s at Hall",
    }


@pytest.mark.parametrize(
    ("groups", "size", "against"),
    [
        ([(9, {}), (12, {"site": None})], 12, "12 ads of 8 to 15 s at all sites"),
        ([(9, {}), (9, {"site": None}), (4, {"site": None, "length": "up to 7 s"})], 13,
         "13 ads of any length at all sites"),
        ([(9, {"viewers": 19}), (5, {"site": None}), (9, {"site": None, "viewers": 19})], 5,
         "5 ads of any length at all sites"),
        ([(1, {"site": None})], 1, "1 ad of any length at all sites"),
        ([], 0, "no other ads yet"),
    ],
)  # fmt: skip
def test_where_these_are_too_few_it_looks_further(groups, size, against):
    found = norm(ENTRY, library(*groups))
    assert (found["library_size"], found["against"]) == (size, against)
    assert (found["percentile"] is None) == (size < 10)
    assert (found["library_mean"] is None) == (size == 0)


def test_over_several_sites_only_figures_over_all_sites_count():
    ads = library((12, {}), (11, {"site": None}))
    assert norm(ENTRY, ads, site=None)["against"] == "11 ads of 8 to 15 s at all sites"


def test_an_ad_is_never_compared_with_itself():
    ads = library((10, {}))
    own = (
        library_ad(90, 0.9, ad_id="own"),
        library_ad(91, 0.9, sha256="aa"),
        library_ad(92, 0.9, ad_id="own", sha256="bb"),
    )
    found = norm(ENTRY, replace(ads, ads=ads.ads + own))
    assert (found["library_size"], found["library_mean"]) == (10, pytest.approx(0.045))


def test_what_rests_on_emotions_needs_viewers_with_one():
    ads = library((12, {"emotion_viewers": 3}))
    assert norm(ENTRY, ads)["percentile"] is not None
    for figure in ("mean_valence", "expressiveness"):
        assert (
            norm(ENTRY, ads, figure)["percentile"],
            norm(ENTRY, ads, figure)["library_size"],
        ) == (None, 0)


def test_few_viewers_give_no_percentile():
    ads = library((12, {}))
    few = ENTRY | {"opportunities": MIN_VIEWERS - 1, "emotion_viewers": MIN_VIEWERS - 1}
    found = norm(few, ads)
    assert (found["percentile"], found["value"], found["library_size"]) == (None, 0.5, 12)
    assert norm(ENTRY | {"opportunities": None}, ads)["percentile"] is None


def test_an_unknown_figure_has_no_percentile_and_is_json():
    found = norms_of(ENTRY | {"mean_valence": None}, library((12, {})), site="Hall")
    assert [entry["figure"] for entry in found] == list(FIGURES)
    lost = {entry["figure"] for entry in found if entry["percentile"] is None}
    assert lost == {"mean_valence"}
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize(
    ("length_s", "words"),
    [(0.4, "up to 7 s"), (7.04, "up to 7 s"), (8.0, "8 to 15 s"), (15.3, "8 to 15 s"), (16, "16 to 30 s"),
     (30.02, "16 to 30 s"), (60, "31 to 60 s"), (61, "over 60 s"), (3600, "over 60 s")],
)  # fmt: skip
def test_length_classes(length_s, words):
    assert length_class(length_s) == words


# --- the library ----------------------------------------------------------------------------------


def at(site: str, viewers: int, **changes) -> AdTotals:
    """What a site saw of an ad: every viewer for 5 s, 2 s of them attentive."""
    values = {
        "ad_id": "one",
        "sha256": "ab" * 32,
        "duration_ms": 10_000,
        "watchers": viewers // 2,
        "emotion_viewers": viewers,
        "dwell_s": 5.0 * viewers,
        "attention_s": 2.0 * viewers,
        "mean_dwell_s": 5.0 * viewers,
        "valence": 0.2 * viewers,
        "expressiveness": 0.3 * viewers,
        "scored_viewers": viewers,
        "valence_corrected": 0.1 * viewers,
        "told_viewers": viewers,
    }
    return AdTotals(site=site, viewers=viewers, **(values | changes))


def test_sites_add_up_by_viewers():
    library = build_norms([at("Attic", 30), at("Hall", 10, valence=-4.0, dwell_s=100.0)])
    whole, attic, hall = library.ads
    assert [(ad.site, ad.viewers) for ad in library.ads] == [
        (None, 40),
        ("Attic", 30),
        ("Hall", 10),
    ]
    assert (attic.figures["mean_valence"], hall.figures["mean_valence"]) == (
        pytest.approx(0.2),
        -0.4,
    )
    assert whole.figures["mean_valence"] == pytest.approx((6.0 - 4.0) / 40)
    assert whole.figures["valence_corrected_mean"] == pytest.approx(0.1)
    assert whole.figures["attraction_ratio"] == pytest.approx(80 / 250)
    assert whole.figures["conversion"] == 0.5
    assert whole.figures["dwell_share"] == 0.5
    assert whole.length == "8 to 15 s"


def test_conversion_rests_on_viewers_who_were_read_often_enough():
    (whole, *_) = build_norms([at("Attic", 30), at("Hall", 10, watchers=0, told_viewers=0)]).ads
    assert whole.figures["conversion"] == 0.5
    (whole, _) = build_norms([at("Hall", 30, watchers=0, told_viewers=0)]).ads
    assert whole.figures["conversion"] is None


def test_an_ad_whose_viewers_could_not_be_read():
    (whole, _) = build_norms(
        [at("Attic", 30, emotion_viewers=0, valence=0.0, expressiveness=0.0)]
    ).ads
    assert whole.figures["mean_valence"] is whole.figures["expressiveness"] is None
    assert whole.figures["conversion"] == 0.5


def test_an_empty_library():
    assert build_norms([]).ads == ()
    assert norm(ENTRY, build_norms([]))["against"] == "no other ads yet"


def test_more_viewers_than_twenty_can_be_asked_for():
    assert build_norms([]).min_viewers == MIN_VIEWERS
    assert build_norms([], min_viewers=30).min_viewers == 30
