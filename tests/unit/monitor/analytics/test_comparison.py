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

from monitor.analytics.comparison import Comparison, compare_ads
from monitor.analytics.errors import ReportError
from monitor.analytics.measures import MEASURES
from monitor.analytics.metrics import HAPPY_SCORE, VALENCE
from monitor.analytics.statistics import Interval, to_document

WEEK = 168.0
"""Hours. Plays on Mondays at 9, each ad every other week, leave nothing to group or stratify."""


@pytest.fixture
def two_ads(exposures):
    """Two ads with six plays each, on Mondays at 9 in turn."""
    rows = exposures.ad("solina"), exposures.ad("nordlys")
    plays = [exposures.play(rows[week % 2], hours=WEEK * week) for week in range(12)]
    return SimpleNamespace(
        made=exposures, rows=rows, plays=plays, solina=plays[0::2], nordlys=plays[1::2]
    )


def filled(two_ads, first, second, **more):
    """Gives each ad viewers with these valences, each viewer a play of the ad."""
    for row, values in zip(two_ads.rows, (first, second), strict=True):
        for place, value in enumerate(values):
            week = 12 + 2 * place + (row == two_ads.rows[1])
            play = two_ads.made.play(row, hours=WEEK * week)
            two_ads.made.saw(play, 1000 * row + place, value, **more)
    return two_ads.made


def one(*arguments, **options):
    """The only comparison, with figures for a single look."""
    (found,) = compare_ads(*arguments, fixed=True, **options)
    return found


def normal(seed, mean, spread, viewers):
    return np.random.default_rng(seed).normal(mean, spread, viewers)


# --- what a viewer's value is ---------------------------------------------------------------------


def test_measures_by_hand(two_ads):
    made, solina, nordlys = two_ads.made, two_ads.solina, two_ads.nordlys
    # Five times the same people, so that there are groups enough.
    for place in range(5):
        ten = 10 * place
        # One viewer sees the first ad twice: 30 readings of 0.4 and 10 of 0.
        made.saw(
            solina[place],
            ten + 1,
            0.4,
            readings=30,
            dwell_s=6,
            attention_s=3,
            happy=0.5,
            surprise=0.1,
            expressiveness=0.8,
        )
        made.saw(
            solina[place + 1],
            ten + 1,
            0.0,
            readings=10,
            dwell_s=2,
            attention_s=2,
            happy=0.1,
            surprise=0.3,
            expressiveness=0.2,
        )
        made.saw(solina[place], ten + 2, -0.1, dwell_s=5, attention_s=0)
        made.saw(nordlys[place], ten + 3, 0.0, dwell_s=4, attention_s=1)
        made.saw(nordlys[place], ten + 4, None, dwell_s=1, attention_s=1)
        made.saw(nordlys[place + 1], ten + 5, 0.2, dwell_s=1, attention_s=0)
    expected = {
        "valence": ((12 / 40 - 0.1) / 2, 0.1),
        "valence_raw": ((12 / 40 - 0.1) / 2, 0.1),
        "attention": ((5 / 8 + 0) / 2, (0.25 + 1 + 0) / 3),
        "happy": ((16 / 40 + 0) / 2, 0.0),
        "surprise": ((6 / 40 + 0) / 2, 0.0),
        "expressiveness": ((26 / 40 + 0) / 2, 0.0),
        "dwell": ((4 + 5) / 2, 2.0),
        "happy_share": ((12 / 40 + 0) / 2, 0.1),
        "surprise_share": ((6 / 40 + 0) / 2, 0.0),
        "negative_share": ((0 + 0.1) / 2, 0.0),
    }
    assert expected.keys() == MEASURES.keys()
    for measure, means in expected.items():
        found = one(made.data(), measure=measure)
        assert (found.first_mean, found.second_mean) == pytest.approx(means), measure
        assert found.difference.value == pytest.approx(means[0] - means[1])
        # The viewer whose emotion could not be read counts where none is needed.
        assert (found.first_viewers, found.second_viewers) == (
            10,
            15 if measure in {"attention", "dwell"} else 10,
        )


def test_valence_is_corrected_for_what_is_common(two_ads):
    made = filled(two_ads, normal(1, 0.1, 0.1, 8), normal(2, 0.0, 0.1, 8))
    data = made.data()
    sums = data.exposures.sums.copy()
    sums[:, VALENCE] -= 0.2 * data.exposures.emotion_readings
    data = replace(data, exposures=replace(data.exposures, sums=sums))
    corrected, raw = (one(data, measure=measure) for measure in ("valence", "valence_raw"))
    assert corrected.first_mean == pytest.approx(raw.first_mean + 0.2)
    # Without a calibration of the model there is no corrected valence.
    sums[:, HAPPY_SCORE] = np.nan
    unknown = one(replace(data, exposures=replace(data.exposures, sums=sums)))
    assert (unknown.first_viewers, unknown.verdict) == (0, None)


def test_all_versions_of_an_ad_are_one(two_ads):
    again = two_ads.made.ad("solina", 12.0)
    play = two_ads.made.play(again, hours=50 * WEEK)
    made = filled(two_ads, [0.1] * 4, [0.2] * 5)
    made.saw(play, 77, 0.6)
    found = one(made.data())
    assert (found.first, found.first_viewers, found.first_mean) == ("solina", 5, pytest.approx(0.2))


def test_a_viewer_of_both_ads_stays_one(two_ads):
    people = normal(1, 0.0, 0.5, 30)
    for viewer, mood in enumerate(people, 1):
        for row, value in ((0, 0.05), (1, normal(viewer, 0.0, 0.02, 1)[0])):
            play = two_ads.made.play(two_ads.rows[row], hours=WEEK * (20 + viewer) + 0.02 * row)
            two_ads.made.saw(play, viewer, mood + value)
    found = one(two_ads.made.data())
    assert (found.common_viewers, found.first_groups) == (30, 30)
    # The moods that people bring along are in both values and drop out.
    assert found.difference.high - found.difference.low < 0.02
    assert found.verdict == "better"


# --- verdicts -------------------------------------------------------------------------------------


def test_a_clear_difference(two_ads):
    made = filled(two_ads, normal(1, 0.3, 0.3, 60), normal(2, 0.0, 0.3, 50))
    found = one(made.data())
    welch = stats.ttest_ind(normal(1, 0.3, 0.3, 60), normal(2, 0.0, 0.3, 50), equal_var=False)
    interval = welch.confidence_interval()
    assert found.verdict == "better"
    assert found.difference.value == pytest.approx(found.first_mean - found.second_mean)
    assert (found.difference.low, found.difference.high) == pytest.approx(
        (interval.low, interval.high)
    )
    assert found.p_value == pytest.approx(welch.pvalue)
    assert (found.needed_viewers, found.withheld, found.tests) == (None, None, 1)
    assert found.sentence().startswith("Solina is better than Nordlys in valence. Valence: +0.")
    assert "from 60 and 50 viewers." in found.sentence()
    assert "correction" not in found.sentence()


def test_the_other_way_round_it_is_the_mirror_image(two_ads):
    made = filled(two_ads, normal(1, 0.3, 0.3, 60), normal(2, 0.0, 0.3, 50))
    (ahead,) = compare_ads(made.data(), ["solina", "nordlys"])
    (other,) = compare_ads(made.data(), ["nordlys", "solina"])
    assert other.verdict == "worse"
    assert other.sentence().startswith("Nordlys is worse than Solina in valence.")
    assert other.difference == Interval(
        -ahead.difference.value, -ahead.difference.high, -ahead.difference.low
    )
    assert (other.equal_low, other.equal_high) == (-ahead.equal_high, -ahead.equal_low)
    assert (other.p_value, other.p_adjusted) == (ahead.p_value, ahead.p_adjusted)
    assert (other.first_mean, other.second_viewers) == (ahead.second_mean, ahead.first_viewers)


def test_the_same_needs_an_interval_within_what_matters(two_ads):
    made = filled(two_ads, normal(1, 0.1, 0.1, 60), normal(2, 0.1, 0.1, 60))
    found = one(made.data())
    assert found.verdict == "same"
    assert -0.1 < found.equal_low < found.equal_high < 0.1
    assert "are the same in valence: any difference is smaller than 0.10." in found.sentence()
    strict = one(made.data(), relevant=0.01)
    assert strict.verdict == "not_yet"


def test_a_few_viewers_who_agree_prove_nothing(two_ads):
    found = one(filled(two_ads, [0.2] * 9, [0.2] * 12).data())
    assert (found.verdict, found.needed_viewers) == ("not_yet", 1)
    assert (found.difference.value, found.p_value) == (0.0, 1.0)


def test_a_certain_difference_may_not_matter(two_ads):
    made = filled(two_ads, normal(1, 0.05, 0.05, 90), normal(2, 0.0, 0.05, 90))
    found = one(made.data())
    assert found.verdict == "better"
    assert (
        "Solina is better than Nordlys in valence, but by less than the 0.10 that matter."
        in found.sentence()
    )


def test_not_yet_says_how_many_viewers_are_lacking(two_ads):
    first, second = normal(1, 0.0, 0.4, 20), normal(2, 0.0, 0.4, 30)
    found = one(filled(two_ads, first, second).data())
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
    found = one(filled(two_ads, first, second).data(), relevant=0.19)
    assert found.verdict == "not_yet"
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert z * math.sqrt(2 * first.var(ddof=1) / 40) < 0.19
    assert found.needed_viewers > 0


def test_fewer_viewers_than_asked_for_are_withheld(two_ads):
    made = filled(two_ads, [0.5, 0.6, 0.4, 0.5, 0.4, 0.3], [0.1] * 8)
    (found,) = compare_ads(made.data(), min_viewers=7)
    assert found.withheld == "7 viewers of each ad are needed, and there are 6 of Solina"
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
    assert (document["first_viewers"], document["second_viewers"]) == (6, 8)
    (shown,) = compare_ads(made.data(), min_viewers=6)
    assert shown.withheld is None


def test_one_viewer_is_too_few(two_ads):
    (found,) = compare_ads(filled(two_ads, [0.5], [])
                           .data())  # fmt: skip
    assert (
        found.withheld
        == "2 viewers of each ad are needed, and there are 1 of Solina and 0 of Nordlys"
    )


def test_viewers_of_few_plays_are_few_groups(two_ads):
    for play in (*two_ads.solina[:4], *two_ads.nordlys):
        for viewer in range(20):
            two_ads.made.saw(play, 100 * play + viewer, 0.01 * viewer)
    (found,) = compare_ads(two_ads.made.data())
    assert (found.first_viewers, found.first_groups) == (80, 4)
    assert found.withheld == (
        "5 separate groups of viewers of each ad are needed, and there are 4 of Solina: show the "
        "ads at more times"
    )


def test_ads_that_share_no_hour_are_not_compared(exposures):
    rows = exposures.ad("solina"), exposures.ad("nordlys")
    for day in range(20):
        for row, hour in zip(rows, (0, 6), strict=True):
            exposures.saw(exposures.play(row, hours=24 * day + hour), 2 * day + row, 0.01 * day)
    (found,) = compare_ads(exposures.data(), zone=UTC)
    assert found.withheld == (
        "the ads ran at different sites or hours of day: only 0% of their viewers were there "
        "within an hour of day of the other; let them share hours, so that they meet the same "
        "audience"
    )


def test_ads_of_other_days_are_compared_with_a_warning(exposures):
    for day, ad_id in enumerate(("solina", "nordlys")):
        row = exposures.ad(ad_id)
        for place in range(40):
            play = exposures.play(row, hours=24 * day + place / 8)
            exposures.saw(play, play, 0.4 * day + 0.01 * (place % 7))
    (found,) = compare_ads(exposures.data(), zone=UTC)
    assert (found.verdict, found.within, found.common_share) == ("worse", "hour", 0.0)
    assert "the ads met different audiences" in found.sentence()


def test_ads_that_take_turns_by_the_hour_share_hours(exposures):
    rows = exposures.ad("solina"), exposures.ad("nordlys")
    for hour in range(24):
        exposures.saw(exposures.play(rows[hour % 2], hours=hour), hour, 0.01 * hour)
    (found,) = compare_ads(exposures.data(), zone=UTC)
    assert (found.withheld, found.within) == (None, "part of the day")


def test_documents_are_json(two_ads):
    (found,) = compare_ads(filled(two_ads, normal(1, 0.3, 0.3, 9), normal(2, 0.0, 0.3, 9)).data())
    document = found.document()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["sentence"] == found.sentence()
    assert document.keys() - {"sentence"} == set(Comparison.__slots__)


def test_every_key_is_documented():
    text = (Path(__file__).parents[4] / "docs" / "explanation" / "comparisons.md").read_text(
        encoding="utf-8"
    )
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
        row = exposures.ad(f"ad-{place}")
        for viewer, value in enumerate(normal(place, 0.4 if place == 3 else 0.0, 0.35, 25)):
            play = exposures.play(row, hours=WEEK * (5 * viewer + place))
            exposures.saw(play, 100 * place + viewer, value)
    return exposures


def test_all_pairs_are_corrected_together(many_ads):
    found = compare_ads(many_ads.data(), fixed=True)
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
    assert "corrected for 10 comparisons" in found[0].sentence()
    for c in found:
        assert (c.p_adjusted < 0.05) == (c.difference.low > 0 or c.difference.high < 0)
    (alone,) = compare_ads(many_ads.data(), ["ad-0", "ad-3"], fixed=True)
    assert alone.p_adjusted == alone.p_value
    # An interval for one of ten comparisons is wider.
    assert alone.difference.low > found[2].difference.low


def test_withheld_ones_are_no_tests(many_ads):
    many_ads.play(many_ads.ad("unseen"))
    found = compare_ads(many_ads.data(), fixed=True)
    assert len(found) == 15
    assert sum(c.withheld is None for c in found) == 10
    assert {c.tests for c in found} == {10}


def test_more_viewers_are_needed_when_more_is_asked(many_ads):
    (alone,) = compare_ads(many_ads.data(), ["ad-0", "ad-1"], fixed=True)
    among = compare_ads(many_ads.data(), fixed=True)[0]
    assert (among.first, among.second) == (alone.first, alone.second)
    assert among.needed_viewers > alone.needed_viewers > 0


def test_more_than_eight_ads_are_compared_with_all_others(exposures):
    for place in range(9):
        row = exposures.ad(f"ad-{place}")
        for viewer, value in enumerate(normal(place, 0.5 if place == 3 else 0.0, 0.3, 20)):
            play = exposures.play(row, hours=WEEK * (9 * viewer + place))
            exposures.saw(play, 100 * place + viewer, value)
    found = compare_ads(exposures.data(), fixed=True)
    assert [c.first for c in found] == [f"ad-{place}" for place in range(9)]
    assert {(c.second, c.second_name, c.second_viewers, c.tests) for c in found} == {
        (None, "all other ads", 160, 9)
    }
    assert [c.verdict for c in found].index("better") == 3
    assert sum(c.verdict == "better" for c in found) == 1
    assert found[3].sentence().startswith("Ad-3 is better than all other ads in valence.")
    assert found[3].document()["second"] is None


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
        for noise in normal(viewer, 0.0, 0.1, 20):
            play = exposures.play(ad, session=session, hours=hours + WEEK * (viewer % 20))
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


def test_filters_act_on_plays(exposures):
    rows = exposures.ad("solina"), exposures.ad("nordlys")
    for place in range(6):
        for row in rows:
            play = exposures.play(row, hours=place % 3 + 0.3 * (row == 2))
            exposures.saw(play, 10 * place + row, 0.1)
    data = exposures.data()
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
    (alone,) = compare_ads(exposures.data(), zone=UTC, hours={9})
    assert alone.common_share == 1.0


def test_ads_of_other_weeks_met_other_people(two_ads):
    found = one(filled(two_ads, normal(1, 0.3, 0.3, 9), normal(2, 0.0, 0.3, 9)).data())
    assert found.common_share == 0.0
    assert "Only 0% of these viewers were there in hours in which both ads ran" in found.sentence()


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

values = st.lists(st.floats(-1, 1).map(lambda v: round(v, 3)), min_size=5, max_size=12)


def overlapping(made, first, second, shift=0.0):
    """The second ad's viewers begin in the middle of the first's, so some saw both."""
    rows = made.ad("one"), made.ad("two")
    for row, values_of, start in ((0, first, 0), (1, second, len(first) // 2)):
        for viewer, value in enumerate(values_of, start):
            play = made.play(rows[row], hours=WEEK * (2 * viewer + row))
            made.saw(play, viewer, value + shift)
    return made


@settings(max_examples=25, deadline=None)
@given(values, values, st.integers(0, 1000))
def test_order_and_direction_do_not_matter(make_exposures, first, second, seed):
    made = make_exposures()
    made.session()
    overlapping(made, first, second)
    (found,) = compare_ads(made.data(), ["one", "two"])
    order = np.random.default_rng(seed).permutation(len(made.rows))
    assert compare_ads(made.data(order=order), ["one", "two"]) == [found]
    (mirrored,) = compare_ads(made.data(), ["two", "one"])
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
        found += compare_ads(overlapping(made, first, second, by).data())
    one, other = found
    intervals = to_document(other.difference), to_document(one.difference)
    assert intervals[0] == pytest.approx(intervals[1], abs=1e-9)
    assert other.p_value == pytest.approx(one.p_value)
    assert other.verdict == one.verdict
    assert other.first_mean == pytest.approx(one.first_mean + shift)


# --- simulated audiences --------------------------------------------------------------------------
