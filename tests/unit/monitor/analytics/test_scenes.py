"""Reactions by scene: planted changes, none where nothing changes, and laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.read.formulas import SecondArrays
from monitor.analytics.metrics import HAPPY_SCORE, NEGATIVE_SCORE
from monitor.analytics.scenes import (
    correct_changes,
    scene_figures,
    usable_starts,
    within,
)
from monitor.analytics.statistics import Interval


def seconds_of(attention, valence, *, plays=None, readings=10) -> SecondArrays:
    """Make the seconds of viewers, `(v, k)`: attention 0 to 1, valence; NaN where not in view."""
    attention, valence = np.asarray(attention, float), np.asarray(valence, float)
    plays = np.arange(len(attention)) if plays is None else np.asarray(plays)
    viewer, second = np.nonzero(np.isfinite(attention))
    order = np.lexsort((second, viewer, plays[viewer]))
    viewer, second = viewer[order], second[order]
    own = valence[viewer, second]
    read = np.where(np.isfinite(own), readings, 0)
    sums = np.zeros((viewer.size, NEGATIVE_SCORE + 1))
    sums[:, HAPPY_SCORE] = np.nan_to_num(own) * read
    return SecondArrays(
        play_id=100 + plays[viewer],
        viewer_id=viewer,
        second=second,
        readings=np.full(viewer.size, readings),
        attentive=np.round(attention[viewer, second] * readings).astype(np.int64),
        emotion_readings=read,
        sums=sums,
    )


def test_known_answers():
    attention = [[1, 1, 0, 0], [1, 0, 1, 0], [np.nan, np.nan, 1, 1]]
    valence = [[0.2, 0.4, 0.0, 0.1], [0.1, 0.1, np.nan, np.nan], [np.nan] * 4]
    first, second = scene_figures(seconds_of(attention, valence), [0.0, 2.2], 4.0)
    assert (first["start_s"], first["end_s"], second["end_s"]) == (0.0, 2.2, 4.0)
    assert (first["n"], first["emotion_viewers"]) == (2, 2)
    assert (second["n"], second["emotion_viewers"]) == (3, 1)
    assert first["attention"] == pytest.approx((1 + 0.5) / 2)
    assert first["valence_corrected"] == pytest.approx((0.3 + 0.1) / 2)
    assert second["attention"] == pytest.approx((0 + 0.5 + 1) / 3)
    assert second["valence_corrected"] == pytest.approx(0.05)
    assert second["valence_corrected_low"] is None
    assert first["change"] is None
    # Only the two who saw both scenes.
    assert second["change"]["attention"]["viewers"] == 2
    assert second["change"]["attention"]["value"] == pytest.approx((-1 + 0) / 2)
    assert second["change"]["valence_corrected"]["p_adjusted"] is None


def test_viewers_without_group_scores_still_have_an_emotion():
    seconds = seconds_of([[1, 1], [1, 1]], [[0.2, 0.4], [0.1, np.nan]])
    seconds.sums[:] = np.nan
    scenes = scene_figures(seconds, [0.0, 1.0], 2.0)
    assert [scene["emotion_viewers"] for scene in scenes] == [2, 1]
    assert [scene["valence_corrected"] for scene in scenes] == [None, None]


def test_a_second_belongs_to_the_scene_of_its_middle():
    scenes = scene_figures(seconds_of([[1, 0, 0]], [[0, 0, 0]]), [0.0, 1.4], 3.0)
    assert [scene["attention"] for scene in scenes] == [1.0, 0.0]
    scenes = scene_figures(seconds_of([[1, 0, 0]], [[0, 0, 0]]), [0.0, 1.6], 3.0)
    assert [scene["attention"] for scene in scenes] == [0.5, 0.0]


@pytest.mark.parametrize("growing", [True, False])
def test_planted_changes_are_found_and_only_these(growing):
    rng = np.random.default_rng(3)
    viewers, plays = 60, 20
    valence = rng.normal(0, 0.2, (viewers, 1)) + rng.normal(0, 0.15, (viewers, 9))
    valence[:, 3:6] += 0.25
    valence[:, 6:] += 0.25
    attention = np.clip(rng.normal(0.6, 0.2, (viewers, 9)), 0, 1)
    attention[:, 6:] = np.clip(attention[:, 6:] - 0.25, 0, 1)
    seconds = seconds_of(attention, valence, plays=np.arange(viewers) % plays)
    found = corrected(scene_figures(seconds, [0.0, 3.0, 6.0], 9.0, growing=growing))
    changes = [scene["change"] for scene in found[1:]]
    assert changes[0]["valence_corrected"]["p_adjusted"] < 0.01
    assert changes[0]["valence_corrected"]["value"] == pytest.approx(0.25, abs=0.06)
    assert changes[1]["attention"]["p_adjusted"] < 0.01
    assert changes[1]["valence_corrected"]["p_adjusted"] > 0.05
    assert changes[0]["attention"]["p_adjusted"] > 0.05
    low, high = (changes[0]["valence_corrected"][key] for key in ("low", "high"))
    assert low < 0.25 < high


@pytest.mark.parametrize("growing", [True, False])
def test_equal_changes_of_a_few_viewers_are_not_certain(growing):
    seconds = seconds_of([[1, 0]] * 4, [[0, 0]] * 4)
    found = corrected(scene_figures(seconds, [0.0, 1.0], 2.0, growing=growing))
    assert found[1]["change"]["attention"]["value"] == -1.0
    assert found[1]["change"]["attention"]["p_adjusted"] > 0.1


def test_one_play_cannot_tell():
    found = scene_figures(
        seconds_of(np.tile([1, 0], (30, 1)), np.zeros((30, 2)), plays=[0] * 30), [0.0, 1.0], 2.0
    )
    assert found[1]["change"]["attention"]["p_adjusted"] is None
    assert found[1]["attention_low"] is None


def test_scenes_that_too_few_saw_are_withheld():
    attention = [[1, 1], [1, np.nan], [0, np.nan]]
    first, second = scene_figures(
        seconds_of(attention, np.zeros((3, 2))), [0.0, 1.0], 2.0, min_viewers=3
    )
    assert first["attention"] == pytest.approx(2 / 3)
    assert second["n"] == 1
    assert second["attention"] is second["valence_corrected"] is None
    assert second["change"]["attention"]["value"] is None


def corrected(scenes):
    correct_changes(scenes)
    return scenes


def certain_changes(rng, runs, viewers, plays, icc, *, ads=1, effect=0.0, growing=False) -> float:
    """Return the share of reports in which a change from the second to the third scene is certain.

    Each ad has four scenes of 3 s. Viewers keep a deviation for a scene, of 0.25 in both measures,
    in part shared by those of a play; without an effect any change counts.
    """
    found = 0
    for _ in range(runs):
        scenes = []
        for _ in range(ads):
            play = np.arange(viewers) % plays
            shared, own = rng.normal(0, 0.25, (2, plays, 4)), rng.normal(0, 0.25, (2, viewers, 4))
            values = np.sqrt(icc) * shared[:, play] + np.sqrt(1 - icc) * own
            attention, valence = np.repeat(values, 3, axis=2)
            valence = valence + rng.normal(0, 0.3, (viewers, 1))
            attention = np.clip(0.5 + attention - effect * (np.arange(12) >= 6), 0, 1)
            seconds = seconds_of(attention, valence, plays=play)
            scenes += scene_figures(seconds, [0.0, 3.0, 6.0, 9.0], 12.0, growing=growing)
            if growing:
                correct_changes(scenes[-4:])
        if not growing:
            correct_changes(scenes)
        some = [scenes[2]] if effect else [scene for scene in scenes if scene["change"]]
        names = ["attention"] if effect else ["attention", "valence_corrected"]
        found += any(scene["change"][name]["p_adjusted"] < 0.05 for scene in some for name in names)
    return found / runs


def test_without_an_effect_hardly_any_report_has_a_change():
    assert certain_changes(np.random.default_rng(1), 100, 30, 10, 0.2, ads=2) <= 0.08


@pytest.mark.slow
@pytest.mark.parametrize("growing", [True, False])
@pytest.mark.parametrize(("viewers", "plays"), [(20, 7), (60, 20), (300, 40)])
@pytest.mark.parametrize("icc", [0.0, 0.3])
def test_without_an_effect_at_many_sizes(viewers, plays, icc, growing):
    rng = np.random.default_rng(2)
    assert certain_changes(rng, 150, viewers, plays, icc, ads=12, growing=growing) <= 0.08


@pytest.mark.slow
@pytest.mark.parametrize(("viewers", "plays", "least"), [(60, 20, 0.68), (100, 30, 0.88)])
def test_a_change_of_20_points_is_found(viewers, plays, least):
    found = certain_changes(np.random.default_rng(3), 200, viewers, plays, 0.2, effect=0.2)
    assert found >= least


@settings(deadline=None)
@given(
    lengths=st.lists(st.floats(0.02, 4), min_size=1, max_size=12),
    duration_s=st.floats(1.0, 30),
)
def test_usable_scenes_begin_at_0_and_each_has_a_second(lengths, duration_s):
    starts = [0.0, *np.cumsum(lengths).tolist()]
    length = max(1, int(np.ceil(duration_s - 0.1)))
    found = usable_starts(starts, duration_s, length)
    assert set(found) <= set(starts)
    middles = np.arange(length) + 0.5
    edges = [*found[1:], np.inf]
    for start, end in zip(found, edges, strict=True):
        assert ((middles >= start) & (middles < end)).any()


@settings(deadline=None)
@given(seed=st.integers(0, 50), cuts=st.lists(st.integers(1, 9), max_size=4, unique=True))
def test_scenes_partition_the_seconds(seed, cuts):
    rng = np.random.default_rng(seed)
    attention = rng.integers(0, 11, (5, 10)) / 10
    starts = [0.0, *sorted(map(float, cuts))]
    found = scene_figures(seconds_of(attention, np.zeros((5, 10))), starts, 10.0)
    assert [scene["start_s"] for scene in found] == starts
    lengths = [scene["end_s"] - scene["start_s"] for scene in found]
    # Everybody saw all of it, so scenes weighted by their length give the mean of the ad.
    total = sum(a * scene["attention"] for a, scene in zip(lengths, found, strict=True))
    assert total / 10 == pytest.approx(attention.mean())


@settings(deadline=None)
@given(
    value=st.floats(-1.5, 1.5), below=st.floats(0, 9), above=st.floats(0, 9), unknown=st.booleans()
)
def test_cut_intervals_hold_their_value(value, below, above, unknown):
    nan = float("nan")
    whole = Interval(value, *(nan, nan) if unknown else (value - below, value + above))
    cut = within(whole, -1.0, 1.0)
    assert cut.value == value
    if unknown:
        assert np.isnan([cut.low, cut.high]).all()
    else:
        assert whole.low <= cut.low <= value <= cut.high <= whole.high
        assert cut.low >= -1.0 or cut.low == value
