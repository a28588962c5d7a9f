"""The JSON document: stable keys, known answers, an independent calculation, withheld figures."""

from __future__ import annotations

import json
import math
import statistics
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from detector.emotion.labels import EMOTIONS
from detector.emotion.prevalence import GROUPS, corrected_valence, group_scores, shares
from monitor.analytics.errors import ReportError
from monitor.analytics.report_data import Scope
from monitor.reports.document import build_report
from monitor.reports.formatting import utc_text
from monitor.reports.wording import figure_names

SESSION_KEYS = {
    "id",
    "site",
    "source",
    "started_at",
    "ended_at",
    "model",
    "frames",
    "fps",
    "viewers",
}
AD_KEYS = {
    "ad_id",
    "name",
    "plays",
    "shown_s",
    "opportunities",
    "watchers",
    "attention_s",
    "attraction_ratio",
    "dominant_emotion",
    "mean_probabilities",
    "mean_valence",
    "peak_valence",
    "expressiveness",
    "timeline",
    "moments",
}
TIMELINE_KEYS = {
    "second",
    "n",
    "valence",
    "valence_low",
    "valence_high",
    "attention",
    "probabilities",
}
HAPPY = (0.05, 0.0, 0.0, 0.8, 0.05, 0.0, 0.1)
SAD = (0.1, 0.0, 0.0, 0.0, 0.6, 0.0, 0.3)
SURPRISED = (0.0, 0.0, 0.1, 0.1, 0.0, 0.7, 0.1)


@pytest.fixture
def small(maker):
    """One ad of 3 s, shown once; viewer 1 sees all, viewer 2 the last second, looking away."""
    made = maker(length=10.0)
    play = made.play(made.ad("tea", 3.0, brand=(1.5,)), 2.0, 3.0)
    for k, p in ((0, SAD), (1, SURPRISED), (2, HAPPY)):
        for step in range(4):
            position = k + step * 0.25
            made.reading(play, 1, 2.0 + position, position, p, uncertain=k == 0)
    for position in (2.2, 2.4, 2.6):
        made.reading(play, 2, 2.0 + position, position, SAD, attentive=False)
    made.gap(6.0, 7.5, "too dark")
    return made


def test_shares_and_corrected_valence_by_hand(small):
    (ad,) = build_report(small.data())["ads"]
    scores = group_scores(np.array([SAD, SURPRISED, HAPPY]), small.calibration)
    viewers = np.array([scores.mean(axis=0), scores[0]])
    right = shares(viewers.mean(axis=0))
    assert list(ad["shares"]) == list(GROUPS)
    assert list(ad["shares"].values()) == pytest.approx(right.tolist())
    assert math.fsum(ad["shares"].values()) == pytest.approx(1)
    assert ad["valence_corrected_mean"] == pytest.approx(corrected_valence(viewers).mean())
    # Both saw the only play, so nothing is known of how other plays would differ.
    assert ad["valence_corrected_mean_low"] is ad["shares_low"] is ad["shares_high"] is None

    last = ad["timeline"][2]
    assert last["scored_viewers"] == 2
    assert list(last["shares"].values()) == pytest.approx(
        shares((scores[2] + scores[0]) / 2).tolist()
    )
    assert last["valence_corrected_audience"] == pytest.approx(
        corrected_valence(scores[2] + scores[0]) / 2
    )


def test_intervals_of_shares_count_plays_of_ten_minutes(maker):
    made = maker(length=4000.0)
    ad = made.ad("tea", 3.0)
    for place, start in enumerate((0.0, 900.0, 1900.0, 2900.0)):
        play = made.play(ad, start, 3.0)
        for viewer in range(3):
            face = HAPPY if viewer <= place - 2 else (0.02,) * 6 + (0.88,)
            made.reading(play, 3 * place + viewer, start + 1.0, 1.0, face)
    (entry,) = build_report(made.data())["ads"]
    for group in GROUPS:
        low, high = entry["shares_low"][group], entry["shares_high"][group]
        assert 0 <= low <= entry["shares"][group] <= high <= 1
    low, high = entry["valence_corrected_mean_low"], entry["valence_corrected_mean_high"]
    assert -1 <= low < entry["valence_corrected_mean"] < high <= 1
    (hidden,) = build_report(made.data(), min_viewers=13)["ads"]
    assert hidden["shares"] is hidden["valence_corrected_mean"] is None


def test_without_a_calibration_the_shares_are_not_known(small):
    small.calibration = None
    (ad,) = build_report(small.data())["ads"]
    names = ("shares", "shares_low", "shares_high", "valence_corrected_mean")
    assert {key: ad[key] for key in names} == dict.fromkeys(names)
    for second in ad["timeline"]:
        assert second["scored_viewers"] == 0
        assert second["shares"] is second["valence_corrected_audience"] is None
    assert ad["mean_valence"] is not None


def test_known_answers(small):
    report = build_report(small.data())
    (ad,) = report["ads"]
    assert (ad["ad_id"], ad["name"], ad["plays"], ad["shown_s"]) == ("tea", "Tea", 1, 3.0)
    assert (ad["opportunities"], ad["watchers"], ad["conversion"]) == (2, 1, 0.5)
    assert ad["funnel"] == {"opportunities": 2, "watchers": 1, "held": 1}
    # Viewer 1: 12 readings of 0.25 s. Viewer 2: 0.2 + 0.2 + median 0.2.
    assert ad["dwell_s"] == pytest.approx(3.6, abs=1e-12)
    assert ad["attention_s"] == pytest.approx(3.0, abs=1e-12)
    assert ad["mean_dwell_s"] == pytest.approx(1.8, abs=1e-12)
    assert ad["attraction_ratio"] == pytest.approx(3.0 / 3.6, abs=1e-12)
    # Valence of the three faces: -0.6, 0.0, 0.75; viewer 1 has all three for as long, viewer 2 only
    # the first.
    assert ad["mean_valence"] == pytest.approx((0.05 - 0.6) / 2, abs=1e-12)
    one = np.mean([SAD, SURPRISED, HAPPY], axis=0)
    expected = (one + np.array(SAD)) / 2
    assert list(ad["mean_probabilities"]) == list(EMOTIONS)
    assert list(ad["mean_probabilities"].values()) == pytest.approx(expected.tolist(), abs=1e-12)
    assert ad["dominant_emotion"] == "sad"
    assert ad["expressiveness"] == pytest.approx(1 - expected[6], abs=1e-12)
    assert ad["uncertain_share"] == pytest.approx(4 / 15)
    # Baseline of viewer 1 is -0.6; viewer 2 came too late to have one.
    assert ad["mean_valence_corrected"] == pytest.approx(0.05 + 0.6, abs=1e-12)

    first, second, last = ad["timeline"]
    assert [entry["n"] for entry in ad["timeline"]] == [1, 1, 2]
    assert first["valence"] == pytest.approx(-0.6)
    assert first["valence_low"] is None
    assert second["probabilities"]["surprise"] == pytest.approx(0.7)
    assert second["share_over_half"]["surprise"] == 1.0
    assert last["valence"] == pytest.approx((0.75 - 0.6) / 2)
    assert (last["valence_low"], last["valence_high"]) == pytest.approx((-0.6, 0.75))
    assert last["valence_corrected"] == pytest.approx(1.35)
    assert last["attention"] == 0.5
    assert last["share_over_half"] == pytest.approx(
        dict.fromkeys(EMOTIONS, 0.0) | {"happy": 0.5, "sad": 0.5}
    )
    assert ad["peak_valence"] == pytest.approx(0.075)
    assert ad["attraction"] == {"kind": "attraction", "second": 1, "value": pytest.approx(0.7)}
    assert ad["impact"] == pytest.approx((0.4 + 0.4) / 2)
    assert [(m["kind"], m["second"]) for m in ad["moments"]] == [
        ("peak", 2),
        ("trough", 0),
        ("steepest_rise", 1),
        ("attention_drop", 2),
        ("attraction", 1),
        ("impact", 2),
    ]
    assert report["gaps"] == [
        {
            "start": "2026-03-01T09:00:06.000000Z",
            "end": "2026-03-01T09:00:07.500000Z",
            "cause": "too dark",
            "detail": None,
            "session": 7,
        }
    ]
    assert report["quality"]["gap_s"] == 1.5
    assert report["quality"]["measured_share"] == pytest.approx(0.85)
    assert report["withheld"] == []


def test_watchers_are_withheld_below_five_readings_a_second(small):
    report = build_report(small.data())
    assert report["ads"][0]["watchers"] == report["session"]["watchers"] == 1
    assert report["withheld"] == []
    small.settings["readings_per_second"] = 5.0
    assert build_report(small.data()) == report
    small.settings["readings_per_second"] = 4.9
    found = build_report(small.data())
    (ad,) = found["ads"]
    hidden = ("watchers", "held", "conversion", "audience_impressions")
    assert [ad[key] for key in hidden] == [None] * 4
    assert ad["funnel"] == {"opportunities": 2, "watchers": None, "held": None}
    assert ad["score"] is None
    assert found["session"]["watchers"] is None
    assert [(one["ad_id"], one["figures"]) for one in found["withheld"]] == [
        (None, ["session.watchers"]),
        ("tea", list(hidden)),
    ]
    assert figure_names(hidden) == "watchers, held, conversion"
    same = ("dwell_s", "attention_s", "attraction_ratio", "opportunities", "mean_valence")
    assert ad["moments"] == report["ads"][0]["moments"]
    assert [ad[key] for key in same] == [report["ads"][0][key] for key in same]


@pytest.mark.parametrize(("step", "withheld"), [(0.2, False), (0.3, True)])
def test_watchers_are_withheld_if_the_camera_is_slow(maker, step, withheld):
    made = maker()
    play = made.play(made.ad("tea", 30.0), 0.0, 30.0)
    for viewer in range(3):
        for number in range(int(25 / step)):
            made.reading(play, viewer, number * step, number * step)
    report = build_report(made.data())
    assert (report["ads"][0]["watchers"] is None) is withheld
    assert report["ads"][0]["dwell_s"] == pytest.approx(75, abs=1)


def test_viewers_seen_only_between_ads_are_told_apart(small):
    small.reading(-1, 3, 1.0, math.nan)
    small.reading(-1, 1, 8.0, math.nan)
    data = small.data()
    data = replace(data, sessions=(replace(data.sessions[0], viewers=3),))
    summary = build_report(data)["session"]
    assert (summary["viewers"], summary["viewers_between_ads"]) == (3, 1)
    part = build_report(data, scope=Scope(since=data.sessions[0].started_at))["session"]
    assert part["viewers_between_ads"] is None


def test_session_keys_and_times(small):
    session = build_report(small.data())["session"]
    assert session.keys() >= SESSION_KEYS
    assert session["started_at"] == "2026-03-01T09:00:00.000000Z"
    assert session["ended_at"] == "2026-03-01T09:00:10.000000Z"
    assert (session["id"], session["viewers"], session["model"], session["frames"]) == (
        7,
        2,
        "test-model",
        600,
    )
    assert utc_text(None) is None


def test_stable_keys_everywhere(any_session):
    report = build_report(any_session.data())
    assert {"session", "ads", "gaps", "withheld"} <= report.keys()
    for ad in report["ads"]:
        assert ad.keys() >= AD_KEYS
        for entry in ad["timeline"]:
            assert entry.keys() >= TIMELINE_KEYS


# --- the same figures, calculated in another way ---


def second_opinion(data, ad):
    """Figures of an ad from plain loops over readings, sharing no code with the report."""
    plays = {p.id: p for p in data.plays if p.ad_row_id == ad.ad_row_id}
    r = data.readings
    start_us = round(data.info.started_at.timestamp()) * 1_000_000
    mine = sorted(
        (i for i in range(len(r)) if int(r.play_id[i]) in plays), key=lambda i: int(r.at_us[i])
    )
    groups = defaultdict(list)
    for i in mine:
        groups[int(r.viewer[i]), int(r.play_id[i])].append(i)
    intervals = {}
    for play in plays:
        steps = [
            step
            for (_, of_play), members in groups.items()
            if of_play == play
            for step in np.diff([int(r.at_us[i]) for i in members]).tolist()
        ]
        slow = statistics.median(steps) / 1e6 if len(steps) >= 5 else 0.0
        intervals[play] = min(0.5, max(0.1, slow))
    dwell, attention, watchers, per_viewer = 0.0, 0.0, set(), defaultdict(list)
    for (viewer, play), members in groups.items():
        # From the session's start on: as seconds since 1970 the last digits of a float would be
        # lost.
        times = [(int(r.at_us[i]) - start_us) / 1e6 for i in members]
        end = (plays[play].ended_at - data.info.started_at).total_seconds()
        steps = np.diff(times).tolist()
        steps.append(statistics.median(steps) if steps else intervals[play])
        time_in_view = looking = run = longest = 0.0
        for k, i in enumerate(members):
            span = max(0.0, min(steps[k], 1.5 * intervals[play], end - times[k]))
            time_in_view += span
            if not r.attentive[i]:
                run = 0.0
                continue
            looking += span
            run = span if k and times[k] - times[k - 1] > 0.5 + 1e-9 else run + span
            longest = max(longest, run)
        dwell, attention = dwell + time_in_view, attention + looking
        per_viewer[viewer].append(time_in_view)
        if longest >= 0.5 - 1e-7:
            watchers.add(viewer)
    viewers = sorted(per_viewer)
    own = {v: [i for i in mine if r.viewer[i] == v] for v in viewers}
    read = {v: known for v in viewers if (known := [i for i in own[v] if r.withheld[i] < 0])}
    seconds = math.ceil(ad.duration_ms / 1000 - 0.1)
    curve = []
    for k in range(seconds):
        rows, looks = [], []
        for v in viewers:
            inside = [
                i
                for i in own[v]
                if not math.isnan(r.position_ms[i])
                and min(int(r.position_ms[i] // 1000), seconds - 1) == k
            ]
            if inside:
                looks.append(np.mean(r.attentive[inside]))
            if inside := [i for i in inside if r.withheld[i] < 0]:
                rows.append(
                    [
                        np.mean(r.valence[inside]),
                        np.mean(r.expressiveness[inside]),
                        *np.mean(r.probabilities[inside], axis=0),
                    ]
                )
        curve.append((np.array(rows), looks))
    return {
        "opportunities": len(viewers),
        "emotion_viewers": len(read),
        "watchers": len(watchers),
        "dwell_s": dwell,
        "attention_s": attention,
        "attraction_ratio": attention / dwell,
        "conversion": len(watchers) / len(viewers),
        "mean_dwell_s": statistics.mean(statistics.mean(per_viewer[v]) for v in viewers),
        "mean_valence": statistics.mean(
            float(np.mean(r.valence[known])) for known in read.values()
        ),
        "expressiveness": statistics.mean(
            float(np.mean(r.expressiveness[known])) for known in read.values()
        ),
        "uncertain_share": float(
            np.mean(r.uncertain[[i for known in read.values() for i in known]])
        ),
        "mean_probabilities": np.mean(
            [np.mean(r.probabilities[known], axis=0) for known in read.values()], axis=0
        ),
    }, curve


def test_equals_an_independent_calculation(any_session):
    data = any_session.read()
    report = build_report(any_session.data())
    compared = 0
    for ad, entry in zip(data.ads, report["ads"], strict=True):
        if ad.ad_id == "unseen":
            continue
        figures, curve = second_opinion(data, ad)
        probabilities = figures.pop("mean_probabilities")
        assert list(entry["mean_probabilities"].values()) == pytest.approx(
            probabilities.tolist(), abs=1e-9
        )
        assert entry["dominant_emotion"] == EMOTIONS[int(np.argmax(probabilities))]
        for key, value in figures.items():
            assert entry[key] == pytest.approx(value, abs=1e-9), key
        assert len(entry["timeline"]) == len(curve)
        for second, (rows, looks) in zip(entry["timeline"], curve, strict=True):
            assert (second["n"], second["emotion_viewers"]) == (len(looks), len(rows))
            assert second["attention"] == (
                pytest.approx(np.mean(looks), abs=1e-9) if looks else None
            )
            if not len(rows):
                assert (
                    second["valence"] is second["probabilities"] is second["expressiveness"] is None
                )
                continue
            assert second["valence"] == pytest.approx(rows[:, 0].mean(), abs=1e-9)
            assert second["valence_median"] == pytest.approx(np.median(rows[:, 0]), abs=1e-9)
            assert second["expressiveness"] == pytest.approx(rows[:, 1].mean(), abs=1e-9)
            for j, emotion in enumerate(EMOTIONS):
                column = rows[:, 2 + j]
                assert second["probabilities"][emotion] == pytest.approx(column.mean(), abs=1e-9)
                assert second["probabilities_median"][emotion] == pytest.approx(
                    np.median(column), abs=1e-9
                )
                assert second["share_over_half"][emotion] == pytest.approx(
                    (column > 0.5).mean(), abs=1e-9
                )
            compared += 1
        values = [rows[:, 0].mean() for rows, _ in curve if len(rows)]
        assert entry["peak_valence"] == pytest.approx(max(values), abs=1e-9)
    assert compared >= 10


# --- laws ---


def test_order_of_readings_does_not_matter(any_session):
    shuffled = any_session.data(shuffle=np.random.default_rng(9))
    assert json.dumps(build_report(any_session.data())) == json.dumps(build_report(shuffled))


def test_no_nan_anywhere(any_session):
    json.dumps(build_report(any_session.data(), min_viewers=6), allow_nan=False)


def test_laws(any_session):
    for ad in build_report(any_session.data())["ads"]:
        if not ad["opportunities"]:
            continue
        assert ad["attention_s"] <= ad["dwell_s"]
        assert 0 <= ad["attraction_ratio"] <= 1
        assert ad["watchers"] <= ad["opportunities"]
        assert 0 < ad["emotion_viewers"] <= ad["opportunities"]
        assert sum(ad["mean_probabilities"].values()) == pytest.approx(1)
        if ad["emotion_viewers"] > 1:
            assert ad["mean_valence_low"] <= ad["mean_valence"] <= ad["mean_valence_high"]
        for second in ad["timeline"]:
            if second["probabilities"] is not None:
                assert sum(second["probabilities"].values()) == pytest.approx(1)
            if second["valence_low"] is not None:
                assert second["valence_low"] <= second["valence"] <= second["valence_high"]


# --- emotions that could not be read, and pictures ---


@pytest.fixture
def half_read(maker):
    """One ad of 3 s. Viewer 1 can be read in the first second, viewer 2 never, 3 always."""
    made = maker(length=10.0)
    play = made.play(made.ad("tea", 3.0), 2.0, 3.0)
    for step in range(12):
        position = step * 0.25
        at = 2.0 + position
        made.reading(play, 1, at, position, HAPPY, withheld=None if position < 1 else "turned away")
        made.reading(play, 2, at, position, withheld="too small")
        if position >= 1:
            made.reading(play, 3, at, position, SAD, uncertain=True, attentive=False)
    return made


def test_withheld_readings_count_for_presence_and_attention_only(half_read):
    report = build_report(half_read.data())
    (ad,) = report["ads"]
    assert (ad["opportunities"], ad["emotion_viewers"], ad["watchers"], ad["readings"]) == (
        3,
        2,
        2,
        32,
    )
    assert ad["dwell_s"] == pytest.approx(3 + 3 + 2)
    assert ad["attention_s"] == pytest.approx(6)
    assert ad["mean_valence"] == pytest.approx((0.75 - 0.6) / 2)
    assert ad["mean_valence_corrected"] == pytest.approx(0.0), (
        "viewer 3 came too late, viewer 2 has no baseline"
    )
    assert ad["uncertain_share"] == pytest.approx(8 / 12)
    assert list(ad["mean_probabilities"].values()) == pytest.approx(
        ((np.array(HAPPY) + np.array(SAD)) / 2).tolist()
    )
    assert [(s["n"], s["emotion_viewers"], s["valence"]) for s in ad["timeline"]] == [
        (2, 1, pytest.approx(0.75)),
        (3, 1, pytest.approx(-0.6)),
        (3, 1, pytest.approx(-0.6)),
    ]
    assert [s["attention"] for s in ad["timeline"]] == pytest.approx([1, 2 / 3, 2 / 3])
    assert ad["impact"] == pytest.approx((0.8 + 0.0) / 2), (
        "of those who can be read only viewer 3 saw the end"
    )
    assert report["quality"]["uncertain_share"] == pytest.approx(8 / 12)
    assert report["quality"]["withheld_readings"] == pytest.approx(
        {
            "too small": 12 / 32,
            "too blurred": 0,
            "too dark": 0,
            "turned away": 8 / 32,
            "cut off": 0,
            "count only": 0,
        }
    )
    assert report["withheld"] == []


def test_second_with_viewers_and_without_any_emotion(half_read):
    half_read.rows = [row for row in half_read.rows if row[1] != 3]
    (ad,) = build_report(half_read.data())["ads"]
    first, second, _ = ad["timeline"]
    assert (first["n"], first["valence"], first["valence_low"]) == (2, pytest.approx(0.75), None)
    assert (second["n"], second["emotion_viewers"], second["attention"]) == (2, 0, 1.0)
    emotional = (
        "valence",
        "valence_median",
        "valence_corrected",
        "expressiveness",
        "probabilities",
        "share_over_half",
    )
    assert {key: second[key] for key in emotional} == dict.fromkeys(emotional)
    assert ad["impact"] is None, "nobody who saw the end can be read"
    assert ad["peak_valence"] == pytest.approx(0.75)


def test_ad_of_which_no_emotion_is_known(maker):
    made = maker()
    play = made.play(made.ad("tea", 2.0), 0.0, 2.0)
    for step in range(8):
        made.reading(play, 1, step / 4, step / 4, withheld="count only")
    report = build_report(made.data())
    (ad,) = report["ads"]
    assert (ad["opportunities"], ad["watchers"], ad["emotion_viewers"], ad["dwell_s"]) == (
        1,
        1,
        0,
        2.0,
    )
    unknown = (
        "mean_valence",
        "mean_probabilities",
        "dominant_emotion",
        "expressiveness",
        "uncertain_share",
        "impact",
    )
    assert {key: ad[key] for key in unknown} == dict.fromkeys(unknown)
    assert ad["moments"] == []
    assert report["withheld"] == [], "not known is not withheld"
    assert report["quality"]["uncertain_share"] is None
    assert report["quality"]["withheld_readings"]["count only"] == 1.0
    json.dumps(report, allow_nan=False)


def test_readings_between_ads_without_an_emotion_are_no_baseline(maker):
    made = maker()
    play = made.play(made.ad("tea", 2.0), 5.0, 2.0)
    made.reading(-1, 1, 3.0, math.nan, withheld="too dark")
    made.reading(-1, 1, 4.0, math.nan, SAD)
    made.reading(play, 1, 6.5, 1.5, HAPPY)
    (ad,) = build_report(made.data())["ads"]
    assert ad["mean_valence_corrected"] == pytest.approx(0.75 + 0.6)


def test_too_few_viewers_with_an_emotion_are_withheld(half_read):
    report = build_report(half_read.data(), min_viewers=3)
    (ad,) = report["ads"]
    assert (ad["opportunities"], ad["watchers"], ad["dwell_s"]) == (3, 2, pytest.approx(8))
    assert ad["mean_valence"] is ad["dominant_emotion"] is ad["uncertain_share"] is None
    assert [second["valence"] for second in ad["timeline"]] == [None] * 3
    assert [second["attention"] for second in ad["timeline"]] == [
        None,
        pytest.approx(2 / 3),
        pytest.approx(2 / 3),
    ]
    about_emotion, about_second = report["withheld"]
    assert about_emotion["why"] == "the emotion of 2 viewers could be read, 3 are needed"
    assert "mean_valence" in about_emotion["figures"]
    assert "watchers" not in about_emotion["figures"]
    assert (about_second["seconds"], about_second["figures"]) == ([0], ["timeline"])


def test_thin_seconds_of_emotion_are_withheld(half_read):
    report = build_report(half_read.data(), min_viewers=2)
    (ad,) = report["ads"]
    assert ad["mean_valence"] == pytest.approx(0.075)
    assert [second["valence"] for second in ad["timeline"]] == [None] * 3
    assert [second["attention"] for second in ad["timeline"]] == pytest.approx([1, 2 / 3, 2 / 3])
    (entry,) = report["withheld"]
    assert (entry["ad_id"], entry["seconds"]) == ("tea", [0, 1, 2])
    assert entry["figures"] == [
        "timeline.valence",
        "timeline.expressiveness",
        "timeline.probabilities",
        "peak_valence",
        "attraction",
        "impact",
    ]
    assert entry["why"] == "in these seconds the emotion of fewer than 2 viewers could be read"


def test_static_faces_are_only_counted(half_read):
    half_read.static_faces = 2
    assert build_report(half_read.data())["session"]["static_faces"] == 2


# --- repeated plays, versions ---


def test_repeated_plays_are_pooled_by_position_and_viewer(maker):
    made = maker()
    ad = made.ad("tea", 2.0)
    for start, p in ((0.0, HAPPY), (10.0, SAD)):
        play = made.play(ad, start, 2.0)
        for step in range(8):
            made.reading(play, 1, start + step * 0.25, step * 0.25, p)
    (entry,) = build_report(made.data())["ads"]
    assert (entry["plays"], entry["opportunities"], entry["exposures"]) == (2, 1, 2)
    assert entry["shown_s"] == 4.0
    assert entry["mean_dwell_s"] == pytest.approx(2.0)
    assert [s["n"] for s in entry["timeline"]] == [1, 1]
    assert entry["timeline"][0]["valence"] == pytest.approx((0.75 - 0.6) / 2)


def test_versions_of_an_ad_are_apart_only_when_there_are_several(maker):
    made = maker()
    made.play(made.ad("tea", 2.0, row=4), 0.0, 2.0)
    made.play(made.ad("milk", 2.0, row=1), 3.0, 2.0)
    assert [(a["ad_id"], a["version"]) for a in build_report(made.data())["ads"]] == [
        ("tea", None),
        ("milk", None),
    ]
    made.play(made.ad("tea", 2.5, row=2), 6.0, 2.5)
    report = build_report(made.data())
    assert [(a["ad_id"], a["version"], a["duration_s"]) for a in report["ads"]] == [
        ("tea", 1, 2.5),
        ("tea", 2, 2.0),
        ("milk", None, 2.0),
    ]


# --- not known ---


def test_ad_that_nobody_saw(any_session):
    entry = build_report(any_session.data())["ads"][-1]
    assert entry["ad_id"] == "unseen"
    assert (entry["plays"], entry["shown_s"], entry["opportunities"], entry["watchers"]) == (
        1,
        4.0,
        0,
        0,
    )
    unknown = AD_KEYS - {
        "ad_id",
        "name",
        "plays",
        "shown_s",
        "opportunities",
        "watchers",
        "timeline",
        "moments",
    }
    assert {key: entry[key] for key in unknown} == dict.fromkeys(unknown)
    assert entry["moments"] == []
    assert len(entry["timeline"]) == 4
    for second in entry["timeline"]:
        assert second["n"] == 0
        assert all(second[key] is None for key in TIMELINE_KEYS - {"second", "n"})


def test_ad_that_could_not_be_measured_has_no_zero(maker):
    made = maker()
    made.play(made.ad("tea", 4.0), 5.0, 4.0)
    made.gap(4.0, 7.0)
    made.gap(6.5, 12.0, "too dark")
    (entry,) = build_report(made.data())["ads"]
    assert entry["opportunities"] is None
    assert entry["watchers"] is None
    made.gaps.pop()
    (entry,) = build_report(made.data())["ads"]
    assert entry["opportunities"] == 0


def test_empty_session(maker):
    report = build_report(maker(length=None, fps=None).data())
    assert report["ads"] == []
    assert report["session"]["ended_at"] is None
    assert report["session"]["duration_s"] is None
    assert report["session"]["viewers"] == 0
    assert report["session"]["attention_s"] is None
    assert report["quality"]["measured_share"] is None
    assert report["quality"]["withheld_readings"] is None
    json.dumps(report, allow_nan=False)


def test_session_with_only_an_open_gap(maker):
    made = maker(length=20.0)
    made.gap(0.0, None)
    report = build_report(made.data())
    assert report["gaps"][0]["end"] is None
    assert report["quality"] | {"gap_s": 20.0, "measured_share": 0.0} == report["quality"]


def test_running_session_with_an_open_play(maker):
    made = maker(length=None, settings={"readings_per_second": 5.0})
    play = made.play(made.ad("tea", 8.0), 1.0, None)
    for step in range(5):
        made.reading(play, 1, 1.0 + step * 0.2, step * 0.2, HAPPY)
    (entry,) = build_report(made.data())["ads"]
    assert entry["outcomes"] == {"open": 1}
    assert entry["shown_s"] == pytest.approx(0.8)
    assert entry["dwell_s"] == pytest.approx(1.0)
    assert entry["impact"] is None  # nobody has seen the end yet


def test_readings_between_ads_are_counted_but_belong_to_none(maker):
    made = maker()
    made.play(made.ad("tea", 2.0), 5.0, 2.0)
    made.reading(-1, 1, 2.0, math.nan, HAPPY)
    report = build_report(made.data())
    assert report["quality"]["readings_between_ads"] == 1
    assert report["ads"][0]["opportunities"] == 0


# --- withheld ---


def test_too_few_viewers_are_withheld(small):
    report = build_report(small.data(), min_viewers=3)
    (ad,) = report["ads"]
    assert ad["opportunities"] == 2
    for key in (
        "watchers",
        "attention_s",
        "attraction_ratio",
        "dominant_emotion",
        "mean_valence",
        "peak_valence",
    ):
        assert ad[key] is None
    assert ad["moments"] == []
    assert all(second["valence"] is None for second in ad["timeline"])
    whole, about_ad, about_hours = report["withheld"]
    assert whole["ad_id"] is None
    assert about_hours["figures"] == ["multipliers.exposures", "multipliers.multiplier"]
    assert ad["watchers_2s"] is ad["average_unit_audience"] is ad["attentive_s_per_1000"] is None
    assert report["session"]["attention_s"] is None
    assert about_ad["ad_id"] == "tea"
    assert {"mean_valence", "timeline", "watchers"} <= set(about_ad["figures"])
    assert about_ad["why"] == "2 viewers were in view, 3 are needed"


def test_thin_seconds_are_withheld(small):
    report = build_report(small.data(), min_viewers=2)
    (ad,) = report["ads"]
    assert ad["mean_valence"] is not None
    assert [second["valence"] is None for second in ad["timeline"]] == [True, True, False]
    (entry,) = report["withheld"]
    assert (entry["ad_id"], entry["seconds"]) == ("tea", [0, 1])
    assert entry["figures"] == ["timeline"]


def test_sums_do_not_give_away_what_an_ad_withholds(maker):
    made = maker(length=20.0)
    for ad, start, viewers in (("tea", 1.0, range(1, 7)), ("rum", 5.0, (7,)), ("oat", 9.0, (8,))):
        play = made.play(made.ad(ad, 3.0), start, 3.0)
        for viewer in viewers:
            for step in range(8):
                made.reading(play, viewer, start + step / 4, step / 4, HAPPY)
    report = build_report(made.data(), min_viewers=5)
    assert [ad["watchers"] for ad in report["ads"]] == [6, None, None]
    # All eight of the session less the six of the tea would be the two of the others.
    assert report["session"]["watchers"] is None
    assert report["session"]["attention_s"] is None
    assert report["session"]["viewers"] == 8
    assert "give away" in report["withheld"][0]["why"]
    # From two viewers on, what is left over is about enough of them.
    assert build_report(made.data(), min_viewers=2)["session"]["watchers"] == 8


def test_min_viewers_must_be_sensible(small):
    with pytest.raises(ReportError, match="expected 1 or more, received 0"):
        build_report(small.data(), min_viewers=0)
