"""Landmarks lie where the parts of a face are, follow a shifted crop, and miss what is no face."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.face_crops import demo_face
from training.datasets import landmarks as module
from training.datasets.landmarks import LEFT_EYE, POINTS, RIGHT_EYE, find_landmarks

NOSE, CHIN = 4, 152


def test_eyes_nose_and_chin() -> None:
    found = find_landmarks(demo_face()[None])
    assert found.points.shape == (1, POINTS, 3)
    assert found.known.all()
    points = found.points[0, :, :2]
    right, left = (points[list(eye)].mean(axis=0) for eye in (RIGHT_EYE, LEFT_EYE))
    # FER2013's framing: the eyes at 0.39 of the crop's height, 0.365 of its side apart.
    assert (right[1] + left[1]) / 2 == pytest.approx(0.39 * 48, abs=4)
    assert left[0] - right[0] == pytest.approx(0.365 * 48, abs=3)
    assert right[1] < points[NOSE, 1] < points[CHIN, 1]


def test_points_follow_the_face() -> None:
    face = demo_face()
    shifted = np.roll(face, 3, axis=1)
    mirrored = np.ascontiguousarray(face[:, ::-1])
    tried: list[tuple[int, int]] = []
    found = find_landmarks(np.stack([face, shifted, mirrored]), lambda *at: tried.append(at))
    assert tried == [(1, 3), (2, 3), (3, 3)]
    plain, moved, other = found.points[..., :2]
    assert np.abs(moved - plain - (3, 0)).mean() < 0.6
    assert other[NOSE, 0] == pytest.approx(47 - plain[NOSE, 0], abs=0.8)


def test_what_is_no_face_has_no_landmarks() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2, 48, 48)).astype(np.uint8)
    found = find_landmarks(np.stack([*noise, np.full((48, 48), 90, np.uint8)]))
    assert not found.known.any()
    assert find_landmarks(noise[:0]).points.shape == (0, POINTS, 3)


def test_a_larger_crop_has_the_same_places() -> None:
    face = demo_face()
    large = np.repeat(np.repeat(face, 2, axis=0), 2, axis=1)
    small, big = (find_landmarks(image[None]).points[0, :, :2] for image in (face, large))
    np.testing.assert_allclose(big, 2 * small + 0.5, atol=1.5)
    assert module.MIN_SCORE < 1
