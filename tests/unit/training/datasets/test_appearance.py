"""Drawn things cover the part of a face that they cover on people, and nothing else."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest

from tests.helpers.face_crops import demo_face
from training.datasets.appearance import turned, with_glasses, with_hand, with_hat, with_mask
from training.datasets.landmarks import CHIN, LEFT_EYE, MOUTH, RIGHT_EYE, find_landmarks

NOSE, FOREHEAD = 4, 10


@cache
def points() -> np.ndarray:
    return find_landmarks(demo_face()[None]).points[0]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(2)


def changed(picture: np.ndarray, place: np.ndarray) -> float:
    """Grey levels by which the picture differs from the face around a place."""
    x, y = np.rint(place[:2]).astype(int)
    near = np.s_[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
    return float(np.abs(picture[near].astype(float) - demo_face()[near]).mean())


@pytest.mark.parametrize("draw", [with_glasses, with_mask, with_hand, with_hat, turned])
def test_nothing_drawn_changes_nothing(draw, rng):
    np.testing.assert_array_equal(draw(demo_face(), 0, rng, points()), demo_face())


def test_glasses_and_dark_lenses(rng):
    eyes = [points()[list(eye)].mean(axis=0) for eye in (RIGHT_EYE, LEFT_EYE)]
    clear = with_glasses(demo_face(), 1, rng, points())
    dark = with_glasses(demo_face(), 2, rng, points())
    for eye in eyes:
        assert changed(clear, eye) < 2
        x, y = np.rint(eye[:2]).astype(int)
        assert dark[y, x] < 60
        # The frame is beside the eye.
        assert clear[y, x - 10 : x + 11].min() < 75
    assert changed(dark, points()[CHIN]) == 0


def test_a_mask_covers_the_mouth_and_not_the_eyes(rng):
    masked = with_mask(demo_face(), 1, rng, points())
    assert changed(masked, points()[list(MOUTH)].mean(axis=0)) > 20
    assert changed(masked, points()[RIGHT_EYE[0]]) == 0
    assert changed(masked, points()[FOREHEAD]) == 0


def test_a_hand_covers_the_mouth_on_either_side(rng):
    sides = set()
    for _ in range(8):
        shown = with_hand(demo_face(), 1, rng, points())
        difference = np.abs(shown.astype(float) - demo_face())
        assert changed(shown, points()[list(MOUTH)].mean(axis=0)) > 3
        assert changed(shown, points()[LEFT_EYE[1]]) == 0
        sides.add((difference[:, :24] > 3).sum() > (difference[:, 24:] > 3).sum())
    assert sides == {True, False}


def test_a_hat_covers_the_forehead_and_not_the_eyes(rng):
    shown = with_hat(demo_face(), 1, rng, points())
    assert np.ptp(shown[2, 10:38].astype(int)) <= 1
    assert changed(shown, points()[list(LEFT_EYE)].mean(axis=0)) == 0
    assert changed(shown, points()[NOSE]) == 0


def test_a_turned_head_shows_one_cheek(rng):
    """The nose moves between the eyes as it does on a head, and the picture stays whole."""
    before = points()
    ratios = []
    for _ in range(6):
        shown = turned(demo_face(), 30, rng, before)
        assert shown.shape == (48, 48)
        after = find_landmarks(shown[None])
        assert after.known.all()
        eyes = (after.points[0, RIGHT_EYE[0], 0], after.points[0, LEFT_EYE[1], 0])
        ratios.append((after.points[0, NOSE, 0] - eyes[0]) / (eyes[1] - eyes[0]))
    was = (before[NOSE, 0] - before[RIGHT_EYE[0], 0]) / (
        before[LEFT_EYE[1], 0] - before[RIGHT_EYE[0], 0]
    )
    assert min(ratios) < was - 0.1
    assert max(ratios) > was + 0.1
    assert cv2.norm(turned(demo_face(), 1, rng, before), demo_face(), cv2.NORM_L1) / 48**2 < 8
