"""Baselines: known answers at one site and at two, what counts as another ad, and laws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.read.formulas import SecondArrays
from monitor.analytics.baseline import SiteCurves
from monitor.analytics.metrics import HAPPY_SCORE, NEGATIVE_SCORE


def with_seconds(made, rows):
    """Give the data of a maker seconds: (play, viewer, second, attention, valence)."""
    for play, viewer in sorted({row[:2] for row in rows}):
        made.saw(play, viewer)
    play, viewer, second, attention, valence = map(np.array, zip(*sorted(rows), strict=True))
    sums = np.zeros((play.size, NEGATIVE_SCORE + 1))
    sums[:, HAPPY_SCORE] = 10 * valence
    ten = np.full(play.size, 10)
    attentive = np.round(10 * attention).astype(np.int64)
    seconds = SecondArrays(play, viewer, second, ten, attentive, ten, sums)
    data = made.data(order=np.lexsort((*zip(*[row[:2] for row in made.rows], strict=True),)[::-1]))
    return replace(data, seconds=seconds)


def attention_of(found) -> list[float | None]:
    return [second["attention"] for second in found]


@pytest.fixture
def three_ads(exposures):
    """Ads tea, rum and oat, one play of 2 s each with one viewer, attentive 0, 40 and 80 %."""
    rows = []
    for number, name in enumerate(("tea", "rum", "oat")):
        play = exposures.play(exposures.ad(name, 2.0), hours=number)
        rows += [(play, 10 + number, second, 0.4 * number, 0.1 * number) for second in (0, 1)]
    return exposures, rows


def test_the_mean_of_the_others_with_students_interval(three_ads):
    curves = SiteCurves.of(with_seconds(*three_ads))
    first, second, third = curves.baseline("tea", 3)
    assert (first["ads"], first["attention"]) == (2, pytest.approx(0.6))
    assert first["valence_corrected"] == pytest.approx(0.15)
    # One degree of freedom: 12.706 errors of 0.05 for valence; attention ends at what is possible.
    assert first["valence_corrected_high"] == pytest.approx(0.15 + 12.7062 * 0.05, abs=1e-3)
    assert (first["attention_low"], first["attention_high"]) == (0.0, 1.0)
    assert attention_of([second]) == [pytest.approx(0.6)]
    assert (third["ads"], third["attention"], third["attention_low"]) == (0, None, None)


def test_neither_versions_nor_copies_are_other_ads(three_ads):
    made, rows = three_ads
    made.ads[1] = replace(made.ads[1], sha256=made.ads[0].sha256)
    made.ads[2] = replace(made.ads[2], ad_id="tea")
    curves = SiteCurves.of(with_seconds(made, rows))
    assert curves.baseline("tea", 2) == []
    made.ads[1] = replace(made.ads[1], sha256="other")
    assert attention_of(SiteCurves.of(with_seconds(made, rows)).baseline("rum", 1)) == [
        pytest.approx(0.4)  # both versions of tea, one of which nobody looked at
    ]


def test_an_ad_at_one_site_is_read_beside_that_sites_ads(three_ads):
    made, rows = three_ads
    annex = made.session("Annex")
    for name, attention in (("rum", 0.1), ("oat", 0.3)):
        row = next(ad.ad_row_id for ad in made.ads if ad.ad_id == name)
        play = made.play(row, session=annex)
        rows.append((play, 900 + row, 0, attention, 0.0))
    curves = SiteCurves.of(with_seconds(made, rows))
    assert attention_of(curves.baseline("tea", 1)) == [pytest.approx(0.6)]
    # Rum has half of its exposures in the annex, where only oat is beside it.
    assert attention_of(curves.baseline("rum", 1)) == [pytest.approx((0.4 + 0.3) / 2)]


def test_seconds_with_too_few_viewers_do_not_count(three_ads):
    made, rows = three_ads
    rows.append((rows[2][0], 50, 0, 0.6, 0.0))
    curves = SiteCurves.of(with_seconds(made, rows), min_viewers=2)
    first, second = curves.baseline("tea", 2)
    assert (first["ads"], first["attention"]) == (1, pytest.approx(0.5))
    assert second["attention"] is None


def test_without_plays_there_is_nothing(exposures):
    exposures.ad("tea")
    exposures.ad("rum")
    assert SiteCurves.of(exposures.data()).baseline("tea", 5) == []


@settings(deadline=None)
@given(attention=st.lists(st.integers(0, 10), min_size=3, max_size=12), seed=st.integers(0, 9))
def test_many_ads_have_students_interval(make_exposures, attention, seed):
    made, rows = make_exposures(), []
    made.session()
    values = np.array(attention) / 10
    for number, value in enumerate(values):
        play = made.play(made.ad(f"ad-{number}"), hours=number)
        rows.append((play, 10 + number, 0, value, 0.0))
    own = seed % len(values)
    (found,) = SiteCurves.of(with_seconds(made, rows)).baseline(f"ad-{own}", 1)
    others = np.delete(values, own)
    assert found["ads"] == others.size
    assert found["attention"] == pytest.approx(others.mean())
    assert 0 <= found["attention_low"] <= found["attention"] <= found["attention_high"] <= 1
    if others.size == 11:
        reach = 2.22814 * others.std(ddof=1) / np.sqrt(11)
        assert found["attention_low"] == pytest.approx(max(0, others.mean() - reach), abs=1e-4)
