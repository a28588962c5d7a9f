"""Ads against ads, with the viewer as the unit."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from db.read.formulas import ExposureArrays
from monitor.analytics.comparison import MEASURES, Comparison, compare_ads
from monitor.analytics.errors import ReportError
from monitor.analytics.metrics import HAPPY_SCORE, VALENCE
from monitor.analytics.statistics import Interval, to_document


@pytest.fixture
def two_ads(exposures):
    """Two ads with a play each, hour by hour in turn."""
    rows = exposures.ad("solina"), exposures.ad("nordlys")
    plays = [
        exposures.play(row, hours=hour + 0.3 * place)
        for hour in range(3)
        for place, row in enumerate(rows)
    ]
    return SimpleNamespace(
        made=exposures, rows=rows, plays=plays, solina=plays[0::2], nordlys=plays[1::2]
    )


def filled(two_ads, first, second, **more):
    """Gives each ad viewers of its own with these valences, the plays in turn."""
    for place, value in enumerate(first):
        two_ads.made.saw(two_ads.solina[place % 3], 1 + place, value, **more)
    for place, value in enumerate(second):
        two_ads.made.saw(two_ads.nordlys[place % 3], 1001 + place, value, **more)
    return two_ads.made


def normal(seed, mean, spread, viewers):
    return np.random.default_rng(seed).normal(mean, spread, viewers)


# --- what a viewer's value is ---------------------------------------------------------------------


def test_measures_by_hand(two_ads):
    made, solina, nordlys = two_ads.made, two_ads.solina, two_ads.nordlys
    # One viewer sees the first ad twice: 30 readings of 0.4 and 10 of 0.
    made.saw(
        solina[0],
        1,
        0.4,
        readings=30,
        dwell_s=6,
        attention_s=3,
        happy=0.5,
        surprise=0.1,
        expressiveness=0.8,
    )
    made.saw(
        solina[1],
        1,
        0.0,
        readings=10,
        dwell_s=2,
        attention_s=2,
        happy=0.1,
        surprise=0.3,
        expressiveness=0.2,
    )
    made.saw(solina[0], 2, -0.1, dwell_s=5, attention_s=0)
    made.saw(nordlys[0], 3, 0.0, dwell_s=4, attention_s=1)
    made.saw(nordlys[0], 4, None, dwell_s=1, attention_s=1)
    made.saw(nordlys[1], 5, 0.2, dwell_s=1, attention_s=0)
    expected = {
        "valence": ((12 / 40 - 0.1) / 2, 0.1),
        "attention": ((5 / 8 + 0) / 2, (0.25 + 1 + 0) / 3),
        "happy": ((16 / 40 + 0) / 2, 0.0),
        "surprise": ((6 / 40 + 0) / 2, 0.0),
        "expressiveness": ((26 / 40 + 0) / 2, 0.0),
        "dwell": ((4 + 5) / 2, 2.0),
    }
    assert expected.keys() == MEASURES.keys()
    for measure, means in expected.items():
        (found,) = compare_ads(made.data(), measure=measure)
        assert (found.first_mean, found.second_mean) == pytest.approx(means), measure
        assert found.difference.value == pytest.approx(means[0] - means[1])
        # The viewer whose emotion could not be read counts where none is needed.
        assert (found.first_viewers, found.second_viewers) == (
            2,
            3 if measure in {"attention", "dwell"} else 2,
        )


def test_all_versions_of_an_ad_are_one(two_ads):
    again = two_ads.made.ad("solina", 12.0)
    play = two_ads.made.play(again, hours=5)
    made = filled(two_ads, [0.1] * 4, [0.2] * 5)
    made.saw(play, 77, 0.6)
    (found,) = compare_ads(made.data())
    assert (found.first, found.first_viewers, found.first_mean) == ("solina", 5, pytest.approx(0.2))


def test_a_viewer_of_both_ads_stays_one(two_ads):
    people = normal(1, 0.0, 0.5, 30)
    for viewer, mood in enumerate(people, 1):
        two_ads.made.saw(two_ads.solina[0], viewer, mood + 0.05)
        two_ads.made.saw(two_ads.nordlys[0], viewer, mood + normal(viewer, 0.0, 0.02, 1)[0])
    (found,) = compare_ads(two_ads.made.data())
    assert found.common_viewers == 30
    # The moods that people bring along are in both values and drop out.
    assert found.difference.high - found.difference.low < 0.02
    assert found.verdict == "better"


# --- verdicts -------------------------------------------------------------------------------------


def test_a_clear_difference(two_ads):
    made = filled(two_ads, normal(1, 0.3, 0.3, 60), normal(2, 0.0, 0.3, 50))
    (found,) = compare_ads(made.data())
    welch = stats.ttest_ind(normal(1, 0.3, 0.3, 60), normal(2, 0.0, 0.3, 50), equal_var=False)
    interval = welch.confidence_interval()
    assert found.verdict == "better"
    assert found.difference.value == pytest.approx(found.first_mean - found.second_mean)
    assert (found.difference.low, found.difference.high) == pytest.approx(
        (interval.low, interval.high), abs=0.01
    )
    assert found.p_value < 0.005
    assert (found.needed_viewers, found.withheld, found.tests) == (None, None, 1)
    assert found.sentence().startswith("Solina is better than Nordlys in valence. Valence: +0.")
    assert "from 60 and 50 viewers." in found.sentence()
    assert "correction" not in found.sentence()


def test_the_other_way_round_it_is_the_mirror_image(two_ads):
    made = filled(two_ads, normal(1, 0.3, 0.3, 60), normal(2, 0.0, 0.3, 50))
    (one,) = compare_ads(made.data(), ["solina", "nordlys"])
    (other,) = compare_ads(made.data(), ["nordlys", "solina"])
    assert other.verdict == "worse"
    assert other.sentence().startswith("Nordlys is worse than Solina in valence.")
    assert other.difference == Interval(
        -one.difference.value, -one.difference.high, -one.difference.low
    )
    assert (other.equal_low, other.equal_high) == (-one.equal_high, -one.equal_low)
    assert (other.p_value, other.p_adjusted) == (one.p_value, one.p_adjusted)
    assert (other.first_mean, other.second_viewers) == (one.second_mean, one.first_viewers)


def test_the_same_needs_an_interval_within_what_matters(two_ads):
    made = filled(two_ads, normal(1, 0.1, 0.1, 60), normal(2, 0.1, 0.1, 60))
    (found,) = compare_ads(made.data())
    assert found.verdict == "same"
    assert -0.1 < found.equal_low < found.equal_high < 0.1
    assert "are the same in valence: any difference is smaller than 0.10." in found.sentence()
    (strict,) = compare_ads(made.data(), relevant=0.01)
    assert strict.verdict == "not_yet"


def test_a_few_viewers_who_agree_prove_nothing(two_ads):
    (found,) = compare_ads(filled(two_ads, [0.2] * 9, [0.2] * 12).data())
    assert (found.verdict, found.needed_viewers) == ("not_yet", 1)
    assert (found.difference.value, found.p_value) == (0.0, 1.0)


def test_a_certain_difference_may_not_matter(two_ads):
    made = filled(two_ads, normal(1, 0.05, 0.05, 90), normal(2, 0.0, 0.05, 90))
    (found,) = compare_ads(made.data())
    assert found.verdict == "better"
    assert (
        "Solina is better than Nordlys in valence, but by less than the 0.10 that matter."
        in found.sentence()
    )


def test_not_yet_says_how_many_viewers_are_lacking(two_ads):
    first, second = normal(1, 0.0, 0.4, 20), normal(2, 0.0, 0.4, 30)
    (found,) = compare_ads(filled(two_ads, first, second).data())
    assert found.verdict == "not_yet"
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    target = max(0.1, abs(found.difference.value))
    error = math.sqrt(
        first.var(ddof=1) / (20 + found.needed_viewers)
        + second.var(ddof=1) / (30 + found.needed_viewers)
    )
    assert z * error == pytest.approx(target, rel=0.01)
    assert (
        f"about {found.needed_viewers // 10 + 1}0 more viewers of each ad are needed."
        in found.sentence()
    )


def test_enough_for_four_out_of_five_asks_for_more_power(two_ads):
    """With enough viewers for 80 % power and nothing certain, more are needed."""
    first = normal(1, 0.0, 0.3, 40)
    second = first[::-1] - first.mean() + 0.11 + first.mean()
    (found,) = compare_ads(filled(two_ads, first, second).data(), relevant=0.19)
    assert found.verdict == "not_yet"
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert z * math.sqrt(2 * first.var(ddof=1) / 40) < 0.19
    assert found.needed_viewers > 0


def test_fewer_viewers_than_asked_for_are_withheld(two_ads):
    made = filled(two_ads, [0.5, 0.6, 0.4], [0.1] * 8)
    (found,) = compare_ads(made.data(), min_viewers=5)
    assert found.withheld == "5 viewers of each ad are needed, and there are 3 of Solina"
    assert found.sentence() == f"Solina against Nordlys: withheld, {found.withheld}."
    document = found.document()
    assert document["difference"] == {"value": None, "low": None, "high": None}
    figures = (
        "first_mean",
        "second_mean",
        "equal_low",
        "p_value",
        "p_adjusted",
        "verdict",
        "common_share",
    )
    assert {document[key] for key in figures} == {None}
    assert (document["first_viewers"], document["second_viewers"]) == (3, 8)
    (shown,) = compare_ads(made.data(), min_viewers=3)
    assert shown.withheld is None


def test_one_viewer_is_too_few(two_ads):
    (found,) = compare_ads(filled(two_ads, [0.5], [])
                           .data())  # fmt: skip
    assert (
        found.withheld
        == "2 viewers of each ad are needed, and there are 1 of Solina and 0 of Nordlys"
    )


def test_documents_are_json(two_ads):
    (found,) = compare_ads(filled(two_ads, normal(1, 0.3, 0.3, 9), normal(2, 0.0, 0.3, 9)).data())
    document = found.document()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["sentence"] == found.sentence()
    assert document.keys() - {"sentence"} == set(Comparison.__slots__)


def test_every_key_is_documented():
    text = (Path(__file__).parents[4] / "docs" / "metrics.md").read_text(encoding="utf-8")
    section = text.partition("## Comparing ads")[2].partition("\n## ")[0]
    missing = [
        key for key in (*Comparison.__slots__, *MEASURES, "sentence") if f"`{key}`" not in section
    ]
    assert missing == []


# --- several at once ------------------------------------------------------------------------------


@pytest.fixture
def many_ads(exposures):
    """Five ads, one of them better than the rest."""
    for place in range(5):
        play = exposures.play(exposures.ad(f"ad-{place}"))
        for viewer, value in enumerate(normal(place, 0.4 if place == 3 else 0.0, 0.35, 25)):
            exposures.saw(play, 100 * place + viewer, value)
    return exposures


def test_all_pairs_are_corrected_together(many_ads):
    found = compare_ads(many_ads.data())
    assert [(c.first[-1], c.second[-1]) for c in found] == [
        (a, b) for a in "01234" for b in "01234" if a < b
    ]  # fmt: skip
    raw = np.array([c.p_value for c in found])
    adjusted = np.array([c.p_adjusted for c in found])
    assert {c.tests for c in found} == {10}
    assert (adjusted >= raw).all()
    assert adjusted.min() == pytest.approx(10 * raw.min())
    better = {
        (c.first[-1], c.second[-1]): c.verdict for c in found if c.verdict in {"better", "worse"}
    }
    assert better == {
        ("0", "3"): "worse",
        ("1", "3"): "worse",
        ("2", "3"): "worse",
        ("3", "4"): "better",
    }
    assert "after correction for 10 comparisons" in found[0].sentence()
    (alone,) = compare_ads(many_ads.data(), ["ad-0", "ad-3"])
    assert alone.p_adjusted == alone.p_value


def test_withheld_ones_are_no_tests(many_ads):
    many_ads.play(many_ads.ad("unseen"))
    found = compare_ads(many_ads.data())
    assert len(found) == 15
    assert sum(c.withheld is None for c in found) == 10
    assert {c.tests for c in found} == {10}


def test_more_viewers_are_needed_when_more_is_asked(many_ads):
    (alone,) = compare_ads(many_ads.data(), ["ad-0", "ad-1"])
    among = compare_ads(many_ads.data())[0]
    assert (among.first, among.second) == (alone.first, alone.second)
    assert among.needed_viewers > alone.needed_viewers > 0


# --- segments, filters, who met whom --------------------------------------------------------------


def test_by_site_source_hour_and_weekday(exposures):
    exposures.session("Attic", "rtsp://door")
    one, two = exposures.ad("one"), exposures.ad("two")
    viewer = 0
    # The ads tie over all, and are told apart by where and when.
    for ad, session, hours, value in [
        (one, 1, 0, 0.4), (two, 1, 0, 0.0), (one, 2, 24, 0.0), (two, 2, 24.5, 0.4),
        (one, 2, 26, 0.2)
    ]:  # fmt: skip
        play = exposures.play(ad, session=session, hours=hours)
        for noise in normal(viewer, 0.0, 0.1, 20):
            viewer += 1
            exposures.saw(play, viewer, value + noise)
    data = exposures.data()

    def verdicts(by, zone=UTC):
        return [(c.segment, c.verdict) for c in compare_ads(data, by=by, zone=zone)]

    assert verdicts("site") == [("Attic", "worse"), ("Hall", "better")]
    assert verdicts("source") == [("0", "better"), ("rtsp://door", "worse")]
    assert verdicts("weekday") == [("mon", "better"), ("tue", "worse")]
    # 11 o'clock had one ad only. At 9 the two days are taken together.
    assert [segment for segment, _ in verdicts("hour")] == [9]
    assert [segment for segment, _ in verdicts("hour", timezone(timedelta(hours=3)))] == [12]
    by_site = compare_ads(data, by="site")
    assert by_site[0].sentence().startswith("Attic: One is worse than Two in valence.")
    assert by_site[0].tests == 2
    assert compare_ads(data, by="hour", zone=UTC)[0].sentence().startswith("9:00 to 10:00: ")


def test_filters_act_on_plays(two_ads):
    made = filled(two_ads, [0.4] * 3 + [0.1] * 3, [0.0] * 6)
    data = made.data()
    (nine,) = compare_ads(data, hours={9}, zone=UTC)
    assert (nine.first_viewers, nine.second_viewers) == (2, 2)
    (monday,) = compare_ads(data, weekdays=["mon"], zone=UTC)
    assert (monday.first_viewers, monday.second_viewers) == (6, 6)
    assert compare_ads(data, weekdays=["tue"], zone=UTC) == []
    assert len(compare_ads(data, sources=["0"])) == 1


def test_the_share_of_viewers_from_hours_in_which_both_ran(exposures):
    one, two = exposures.ad("one"), exposures.ad("two")
    together = [exposures.play(one), exposures.play(two, hours=0.5)]
    apart = [exposures.play(one, hours=3), exposures.play(two, hours=5)]
    for play, first, last in [
        (together[0], 1, 3),
        (together[1], 3, 5),
        (apart[0], 4, 14),
        (apart[1], 20, 28),
    ]:
        for viewer in range(first, last):
            exposures.saw(play, viewer, 0.1)
    (found,) = compare_ads(exposures.data(), zone=UTC)
    # Viewers 1 to 4 of 1 to 13 and 20 to 27.
    assert found.common_share == pytest.approx(4 / 21)
    assert "Only 19% of these viewers were there in hours in which both ads ran" in found.sentence()
    (alone,) = compare_ads(exposures.data(), zone=UTC, hours={9})
    assert alone.common_share == 1.0
    assert "Only" not in alone.sentence()


def test_hours_are_those_of_a_session(exposures):
    exposures.session("Attic")
    for ad, session in (("one", 1), ("two", 2)):
        play = exposures.play(exposures.ad(ad), session=session)
        for viewer in range(3):
            exposures.saw(play, 10 * session + viewer, 0.1)
    (found,) = compare_ads(exposures.data())
    assert found.common_share == 0.0


# --- wrong questions ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ads", "options", "words"),
    [
        (
            ["solina", "nordlis"],
            {},
            "There is no ad 'nordlis' in these sessions; did you mean 'nordlys'?",
        ),
        (
            ["solina", "xxxxx"],
            {},
            "There is no ad 'xxxxx' in these sessions; expected one of solina, nordlys.",
        ),
        (
            None,
            {"sources": ["rtsp"]},
            "There is no source 'rtsp' in these sessions; expected one of 0.",
        ),
        (["solina"], {}, "Expected two or more different ads to compare, received solina."),
        (["solina", "nordlys", "solina"], {}, "Expected two or more different ads"),
        ([], {}, "received none."),
        (None, {"measure": "joy"}, "expected one of valence, attention"),
        (None, {"by": "day"}, "expected one of site, hour, weekday, source, received 'day'"),
        (None, {"min_viewers": 0}, "expected 1 or more, received 0"),
        (None, {"relevant": 0.0}, "expected a difference above 0, received 0.0"),
        (None, {"relevant": math.nan}, "expected a difference above 0, received nan"),
    ],
)
def test_what_cannot_be_asked(two_ads, ads, options, words):
    with pytest.raises(ReportError, match=words.replace("?", r"\?")):
        compare_ads(filled(two_ads, [0.1] * 3, [0.2] * 3).data(), ads, **options)


def test_nothing_to_compare(exposures, make_exposures):
    assert compare_ads(make_exposures().data()) == []
    exposures.play(exposures.ad("only"))
    assert compare_ads(exposures.data()) == []


# --- properties -----------------------------------------------------------------------------------

values = st.lists(st.floats(-1, 1).map(lambda v: round(v, 3)), min_size=2, max_size=12)


def overlapping(made, first, second, shift=0.0):
    """The second ad's viewers begin in the middle of the first's, so some saw both."""
    one, two = made.play(made.ad("one")), made.play(made.ad("two"))
    for viewer, value in enumerate(first):
        made.saw(one, viewer, value + shift)
    for viewer, value in enumerate(second, len(first) // 2):
        made.saw(two, viewer, value + shift)
    return made


@settings(max_examples=25, deadline=None)
@given(values, values, st.integers(0, 1000))
def test_order_and_direction_do_not_matter(make_exposures, first, second, seed):
    made = make_exposures()
    made.session()
    overlapping(made, first, second)
    (found,) = compare_ads(made.data(), ["one", "two"], draws=100)
    order = np.random.default_rng(seed).permutation(len(made.rows))
    assert compare_ads(made.data(order=order), ["one", "two"], draws=100) == [found]
    (mirrored,) = compare_ads(made.data(), ["two", "one"], draws=100)
    assert mirrored.difference.value == -found.difference.value
    assert (mirrored.difference.low, mirrored.difference.high) == (
        -found.difference.high,
        -found.difference.low,
    )
    assert mirrored.p_value == found.p_value
    assert 0 < found.p_value <= found.p_adjusted <= 1
    assert found.difference.low <= found.equal_low <= found.equal_high <= found.difference.high


@settings(max_examples=25, deadline=None)
@given(values, values, st.sampled_from([-0.5, 0.25, 0.7]))
def test_a_shift_of_both_ads_changes_nothing(make_exposures, first, second, shift):
    found = []
    for by in (0.0, shift):
        made = make_exposures()
        made.session()
        found += compare_ads(overlapping(made, first, second, by).data(), draws=100)
    one, other = found
    intervals = to_document(other.difference), to_document(one.difference)
    assert intervals[0] == pytest.approx(intervals[1], abs=1e-9)
    assert other.p_value == pytest.approx(one.p_value)
    assert other.verdict == one.verdict
    assert other.first_mean == pytest.approx(one.first_mean + shift)


# --- simulated audiences --------------------------------------------------------------------------


@pytest.fixture
def audience(two_ads):
    """Makes the data of an audience: viewers of the first ad only, of the second only, and of both.

    What a viewer brings along (`mood`) is in both values, what an ad does varies by `spread`. A
    viewer's readings vary around the viewer's value by `flicker`, and viewers stay for between 10
    and 300 readings.
    """
    base = two_ads.made.data()

    def make(seed, alone, both=0, spread=(0.3, 0.3), *, effect=0.0, mood=0.0, flicker=0.3):
        rng = np.random.default_rng(seed)
        of_first, of_second = (
            np.arange(alone[0] + both),
            np.arange(alone[0], alone[0] + both + alone[1]),
        )
        moods = rng.normal(0, mood, alone[0] + both + alone[1])
        viewer = np.concatenate([of_first, of_second])
        ad = np.repeat([0, 1], [of_first.size, of_second.size])
        readings = rng.integers(10, 300, viewer.size)
        value = moods[viewer] + rng.normal(np.where(ad == 0, effect, 0.0), np.asarray(spread)[ad])
        value += rng.normal(0, flicker / np.sqrt(readings))
        order = np.lexsort((viewer, ad))
        sums = np.zeros((viewer.size, 12))
        # Plain and corrected valence are the same.
        sums[:, VALENCE] = sums[:, HAPPY_SCORE] = value * readings
        count, some = np.zeros(viewer.size, dtype=np.int64), np.ones(viewer.size)
        shown = ExposureArrays(
            play_id=np.asarray(two_ads.plays)[ad][order],
            viewer_id=viewer[order],
            readings=readings[order],
            emotion_readings=readings[order],
            uncertain=count,
            dwell_s=some,
            attention_s=some,
            longest_attention_s=some,
            baseline=some,
            end_readings=count,
            end_happy=some,
            sums=sums[order],
        )
        return replace(base, exposures=shown)

    return make


EQUAL_ADS = {
    "equal spreads": {"alone": (40, 40)},
    "the smaller group spreads more": {"alone": (20, 60), "spread": (0.6, 0.2)},
    "some viewers saw both": {"alone": (15, 25), "both": 30, "mood": 0.3},
    "both, and unequal spreads": {"alone": (10, 40), "both": 20, "spread": (0.5, 0.2), "mood": 0.3},
    "all viewers saw both": {"alone": (0, 0), "both": 30, "spread": (0.2, 0.4), "mood": 0.3},
}


@pytest.mark.slow
@pytest.mark.parametrize("case", EQUAL_ADS)
def test_equal_ads_are_told_apart_in_one_of_twenty_at_most(audience, case):
    found = [
        compare_ads(audience([len(case), run], **EQUAL_ADS[case]), draws=1000)[0]
        for run in range(2000)
    ]
    wrong = np.mean([c.verdict in {"better", "worse"} for c in found])
    covered = np.mean([c.difference.low <= 0 <= c.difference.high for c in found])
    assert 0.02 <= wrong <= 0.06
    assert 0.93 <= covered <= 0.97


@pytest.mark.slow
def test_a_true_difference_is_found(audience):
    found = [
        compare_ads(audience([2, run], (40, 40), effect=0.2), draws=1000)[0] for run in range(500)
    ]
    better = np.mean([c.verdict == "better" for c in found])
    covered = np.mean([c.difference.low <= 0.2 <= c.difference.high for c in found])
    assert better >= 0.8
    assert not any(c.verdict == "worse" for c in found)
    assert 0.93 <= covered <= 0.97


@pytest.mark.slow
def test_the_viewers_that_it_asks_for_are_enough(audience):
    """The viewers asked for find a relevant difference in four of five runs."""
    first = [
        compare_ads(audience([3, run], (30, 30), effect=0.2), draws=50, relevant=0.2)[0]
        for run in range(200)
    ]
    undecided = [c for c in first if c.verdict == "not_yet" and abs(c.difference.value) <= 0.2]
    needed = round(float(np.median([c.needed_viewers for c in undecided])))
    more = (30 + needed, 30 + needed)
    later = [compare_ads(audience([4, run], more, effect=0.2), draws=50)[0] for run in range(300)]
    share = np.mean([c.verdict == "better" for c in later])
    assert 0.72 <= share <= 0.88


@pytest.mark.slow
def test_readings_as_the_unit_would_call_winners_without_any(audience):
    """Hundreds of readings of a few people look like certainty, and are not."""
    by_viewer = by_reading = 0
    for run in range(200):
        data = audience([5, run], (20, 20))
        by_viewer += compare_ads(data, draws=50)[0].verdict in {"better", "worse"}
        shown = data.exposures
        rng = np.random.default_rng([6, run])
        value = shown.sums[:, 7] / shown.readings
        ads = [
            np.concatenate(
                [rng.normal(value[place], 0.3, shown.readings[place]) for place in places]
            )
            for places in (range(20), range(20, 40))
        ]
        by_reading += stats.ttest_ind(*ads, equal_var=False).pvalue < 0.05
    assert by_viewer <= 0.08 * 200
    assert by_reading >= 0.5 * 200
