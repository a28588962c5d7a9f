"""Reactions by scene: planted changes, none where nothing changes, and laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.read.formulas import SecondArrays
from monitor.analytics.metrics import HAPPY_SCORE, NEGATIVE_SCORE
from monitor.analytics.scenes import scene_figures, usable_starts, within
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


def test_a_second_belongs_to_the_scene_of_its_middle():
    scenes = scene_figures(seconds_of([[1, 0, 0]], [[0, 0, 0]]), [0.0, 1.4], 3.0)
    assert [scene["attention"] for scene in scenes] == [1.0, 0.0]
    scenes = scene_figures(seconds_of([[1, 0, 0]], [[0, 0, 0]]), [0.0, 1.6], 3.0)
    assert [scene["attention"] for scene in scenes] == [0.5, 0.0]


def test_planted_changes_are_found_and_only_these():
    rng = np.random.default_rng(3)
    viewers, plays = 60, 20
    valence = rng.normal(0, 0.2, (viewers, 1)) + rng.normal(0, 0.15, (viewers, 9))
    valence[:, 3:6] += 0.25
    valence[:, 6:] += 0.25
    attention = np.clip(rng.normal(0.6, 0.2, (viewers, 9)), 0, 1)
    attention[:, 6:] = np.clip(attention[:, 6:] - 0.25, 0, 1)
    found = scene_figures(
        seconds_of(attention, valence, plays=np.arange(viewers) % plays), [0.0, 3.0, 6.0], 9.0
    )
    changes = [scene["change"] for scene in found[1:]]
    assert changes[0]["valence_corrected"]["p_adjusted"] < 0.01
    assert changes[0]["valence_corrected"]["value"] == pytest.approx(0.25, abs=0.06)
    assert changes[1]["attention"]["p_adjusted"] < 0.01
    assert changes[1]["valence_corrected"]["p_adjusted"] > 0.05
    assert changes[0]["attention"]["p_adjusted"] > 0.05
    low, high = (changes[0]["valence_corrected"][key] for key in ("low", "high"))
    assert low < 0.25 < high


def test_equal_changes_of_a_few_viewers_are_not_certain():
    found = scene_figures(seconds_of([[1, 0]] * 4, [[0, 0]] * 4), [0.0, 1.0], 2.0)
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


def called_different(rng, runs, viewers, plays, icc) -> int:
    """Count the sessions without any effect in which some change is called certain."""
    wrong = 0
    for _ in range(runs):
        play = np.arange(viewers) % plays
        shared = rng.normal(0, np.sqrt(icc), (plays, 12))[play]
        noise = shared + rng.normal(0, np.sqrt(1 - icc), (viewers, 12))
        attention = np.clip(0.6 + 0.25 * noise, 0, 1)
        valence = rng.normal(0, 0.2, (viewers, 1)) + 0.2 * rng.permuted(noise, axis=1)
        found = scene_figures(
            seconds_of(attention, valence, plays=play), [0.0, 3.0, 6.0, 9.0], 12.0
        )
        p = [change["p_adjusted"] for scene in found[1:] for change in scene["change"].values()]
        wrong += min(p) < 0.05
    return wrong


def test_without_an_effect_hardly_any_ad_has_a_change():
    assert called_different(np.random.default_rng(1), 120, 30, 10, 0.2) <= 6


@pytest.mark.slow
@pytest.mark.parametrize("icc", [0.0, 0.3])
@pytest.mark.parametrize(("viewers", "plays"), [(20, 7), (60, 20), (300, 40)])
def test_without_an_effect_at_many_sizes(viewers, plays, icc):
    assert called_different(np.random.default_rng(2), 400, viewers, plays, icc) <= 20


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
