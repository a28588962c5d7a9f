"""Attention without flicker, and what decides it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.faces.attention import (
    HEAD_SHARE,
    HEAD_TOLERANCE,
    LOOKS_PER_SECOND,
    MAX_EYE_SHARE_DEG,
    MAX_LOOKS_PER_SECOND,
    Attention,
    LookSchedule,
    ViewerGaze,
)
from detector.faces.gaze import Look
from detector.faces.screen import Direction, ScreenView
from detector.settings import FACE_BOX_M, CameraMount
from detector.types import Box, HeadPose


def film(attention: Attention, excesses: list[float], fps: float = 15.0) -> list[bool]:
    """The verdicts on looks at a frame rate."""
    return [
        attention.update(excess, round(index * 1e9 / fps)) for index, excess in enumerate(excesses)
    ]


def test_attention_with_hysteresis() -> None:
    excesses = [-30, -1, 1, 4.9, 5.1, 4, 1, 0, 3]
    assert film(Attention(5, 0), excesses) == [1, 1, 1, 1, 0, 0, 0, 1, 1]


def test_who_was_never_attentive_gets_no_slack() -> None:
    assert not Attention(5).update(1, 0)


@pytest.mark.parametrize(("excess", "looks"), [(0.0, True), (30.0, False)])
def test_the_first_look_decides_at_once(excess: float, looks: bool) -> None:
    assert Attention().update(excess, 7_000_000_000) is looks


AWAY, AT_THE_SCREEN = 30.0, -5.0


@pytest.mark.parametrize("fps", [5, 15, 30])
@pytest.mark.parametrize(("usual", "odd"), [(AT_THE_SCREEN, AWAY), (AWAY, AT_THE_SCREEN)])
@settings(deadline=None)
@given(gaps=st.lists(st.integers(1, 6), min_size=1, max_size=8))
def test_single_bad_frames_change_nothing(
    fps: int, usual: float, odd: float, gaps: list[int]
) -> None:
    excesses = [usual]
    for gap in gaps:
        excesses += [odd] + [usual] * gap
    assert set(film(Attention(), excesses, fps)) == {usual == AT_THE_SCREEN}


@pytest.mark.parametrize("fps", [5, 15, 30])
@pytest.mark.parametrize(("before", "after"), [(AT_THE_SCREEN, AWAY), (AWAY, AT_THE_SCREEN)])
def test_a_change_shows_within_the_delay_and_a_frame(fps: int, before: float, after: float) -> None:
    verdicts = film(Attention(delay_s=0.2), [before] * fps + [after] * fps, fps)
    assert set(verdicts[:fps]) == {before == AT_THE_SCREEN}
    late = verdicts.index(after == AT_THE_SCREEN) / fps - 1.0  # since the first frame that shows it
    assert 0.2 - 1e-9 <= late <= 0.2 + 1 / fps
    assert set(verdicts[fps + round(late * fps) :]) == {after == AT_THE_SCREEN}


@pytest.mark.parametrize("fps", [5, 15, 30])
def test_a_look_is_as_long_as_it_was(fps: int) -> None:
    excesses = [AWAY] * fps + [AT_THE_SCREEN] * (2 * fps) + [AWAY] * fps
    assert sum(film(Attention(), excesses, fps)) == 2 * fps


def test_a_contradiction_that_is_taken_back_starts_anew() -> None:
    excesses = [AT_THE_SCREEN] + [AWAY, AWAY, AT_THE_SCREEN] * 20
    assert all(film(Attention(delay_s=0.2), excesses, 15))  # two frames are 67 ms


def test_a_trembling_head_at_the_limit_does_not_flicker() -> None:
    random = np.random.default_rng(2)
    for delay_s in (0.0, 0.2):
        verdicts = film(Attention(delay_s=delay_s), random.uniform(-1, 1, 200).tolist())
        changes = sum(a != b for a, b in itertools.pairwise(verdicts))
        assert changes <= 1


@pytest.mark.parametrize("limits", [(-1, 0.2), (5, -0.1), (math.nan, 0.2)])
def test_limits_out_of_range_are_refused(limits: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"Invalid attention limits: expected .*received"):
        Attention(*limits)


# A screen of 100 by 56 cm with the camera at its centre, and a face 2 m in front of it.
WIDTH, HEIGHT = 1280, 720
SIDE_PX = 640 / math.tan(math.radians(35)) * FACE_BOX_M / 2
BOX = Box(0.5 - SIDE_PX / WIDTH / 2, 0.5 - SIDE_PX / HEIGHT / 2, SIDE_PX / WIDTH, SIDE_PX / HEIGHT)
VIEW = ScreenView(BOX, WIDTH, HEIGHT, CameraMount(above_cm=0))
AHEAD = HeadPose(0, 0, 0)
FURTHEST = Direction(30, 20)
STEP_NS = 100_000_000


def excess_of(gaze: ViewerGaze, pose: HeadPose, now_ns: int = 0) -> float:
    return gaze.excess_deg(VIEW, pose, now_ns, FURTHEST)


def test_a_head_alone_is_taken_to_make_a_part_of_the_turn() -> None:
    edge = math.degrees(math.atan(50 / 200)) + HEAD_TOLERANCE.yaw
    limit = math.degrees(math.atan(28.125 / 200)) + HEAD_TOLERANCE.pitch
    for pose, excess in (
        (HeadPose(edge - MAX_EYE_SHARE_DEG, 0, 0), 0),
        (HeadPose(-edge, 0, 0), MAX_EYE_SHARE_DEG),
        (HeadPose(0, 6.5, 0), 6.5 / HEAD_SHARE - limit),
    ):
        assert excess_of(ViewerGaze(), pose) == pytest.approx(excess, abs=1e-6)


def test_a_trembling_head_is_steadied() -> None:
    random, gaze = np.random.default_rng(3), ViewerGaze()
    excesses = [
        excess_of(gaze, HeadPose(10 + yaw, 0, 0), step * 33_000_000)
        for step, yaw in enumerate(random.normal(0, 4, 200))
    ]
    single = [excess_of(ViewerGaze(), HeadPose(10 + yaw, 0, 0)) for yaw in random.normal(0, 4, 200)]
    assert np.std(excesses[10:]) < 0.5 * np.std(single)
    # A turn arrives within half a second.
    turned = [
        excess_of(gaze, HeadPose(30, 0, 0), 7_000_000_000 + step * 100_000_000) for step in range(6)
    ]
    assert turned[-1] > 10


@pytest.mark.parametrize("eyes", [Direction(28, 0), Direction(-28, 0), Direction(0, -25)])
def test_eyes_decide_where_the_head_does_not_turn(eyes: Direction) -> None:
    gaze = ViewerGaze()
    gaze.update(Look(AHEAD, eyes, lowered=False), AHEAD, 0)
    assert excess_of(gaze, AHEAD) > 5
    assert excess_of(gaze, AHEAD, ViewerGaze.HOLD_NS) > 5
    assert excess_of(gaze, AHEAD, ViewerGaze.HOLD_NS + 1) < 0  # too long ago: the head decides


def test_eyes_on_the_screen_outdo_a_turned_head() -> None:
    gaze, turned = ViewerGaze(), HeadPose(28, 0, 0)
    assert excess_of(gaze, turned) > 5
    gaze.update(Look(turned, Direction(8, 0), lowered=False), turned, 0)
    assert excess_of(gaze, turned) < 0


def test_a_blink_changes_nothing_but_lowered_lids_do() -> None:
    gaze = ViewerGaze()
    gaze.update(Look(AHEAD, Direction(0, 0), lowered=False), AHEAD, 0)
    excesses = []
    for step in range(1, 9):
        gaze.update(Look(AHEAD, None, lowered=True), AHEAD, step * STEP_NS)
        excesses.append(excess_of(gaze, AHEAD, step * STEP_NS))
    assert max(excesses[:4]) < 0
    assert min(excesses[4:]) > 45
    gaze.update(Look(AHEAD, Direction(0, 0), lowered=False), AHEAD, 9 * STEP_NS)
    assert excess_of(gaze, AHEAD, 9 * STEP_NS) < 0


def test_the_mesh_corrects_poses_until_it_is_asked_again() -> None:
    gaze = ViewerGaze()
    assert gaze.pose(HeadPose(3, -4, 5)) == (3, -4, 5)
    gaze.update(Look(HeadPose(10, 2, 0), None, lowered=False), HeadPose(8, -4, 1), 0)
    assert gaze.pose(HeadPose(1, 1, 1)) == (3, 7, 1)
    gaze.update(None, AHEAD, STEP_NS)
    assert gaze.pose(HeadPose(1, 1, 1)) == (3, 7, 1)


@pytest.mark.parametrize("viewers", [1, 2, 10])
def test_looks_are_shared_among_the_viewers(viewers: int) -> None:
    schedule, gazes = LookSchedule(), [ViewerGaze() for _ in range(viewers)]
    looks = [0] * viewers
    for frame in range(300):
        now_ns = frame * 33_333_333
        chosen = schedule.choose(gazes, now_ns)
        if chosen is not None:
            gazes[chosen].update(None, AHEAD, now_ns)
            looks[chosen] += 1
    assert sum(looks) <= MAX_LOOKS_PER_SECOND * 10 + 1
    assert max(looks) <= LOOKS_PER_SECOND * 10 + 1
    assert min(looks) >= 0.8 * min(LOOKS_PER_SECOND * 10, MAX_LOOKS_PER_SECOND * 10 / viewers)


def test_nobody_is_looked_at_in_an_empty_frame_and_fewer_under_load() -> None:
    assert LookSchedule().choose([], 0) is None
    schedule, gaze = LookSchedule(), ViewerGaze()
    looks = 0
    for frame in range(300):
        if schedule.choose([gaze], frame * 33_333_333, 0.25) is not None:
            gaze.update(None, AHEAD, frame * 33_333_333)
            looks += 1
    assert looks <= LOOKS_PER_SECOND * 10 / 4 + 1
