"""Planted expressions are found in landmarks, and faces are bent by them; targets follow."""

from __future__ import annotations

import logging
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.face_crops import demo_face
from training.datasets.labels import Head
from training.datasets.landmarks import POINTS, Landmarks, find_landmarks
from training.fit.expressions import (
    MIN_FACES,
    MOVED,
    expressions_of,
    fit_expressions,
    varied_targets,
)

LABELS = ("happy", "surprise", "neutral")
HAPPY, SURPRISE, NEUTRAL = range(3)
CORNERS, INNER_LIPS = (61, 291), (13, 14)


@cache
def shape_of_the_demo() -> np.ndarray:
    return find_landmarks(demo_face()[None]).points[0].astype(np.float64)


def planted(count: int = 240, seed: int = 0) -> tuple[Landmarks, Head, np.ndarray]:
    """Faces of the demo viewer's shape, turned and leaned, with smiles and open mouths of known
    strength.
    """
    random = np.random.default_rng(seed)
    shape = shape_of_the_demo()
    effects = np.zeros((2, POINTS, 2))
    effects[HAPPY, list(CORNERS)] = [(-3, -2), (3, -2)]
    effects[SURPRISE, list(INNER_LIPS)] = [(0, -2), (0, 4)]
    classes = np.arange(count) % 3
    strengths = np.zeros((count, 2))
    strengths[classes == HAPPY, HAPPY] = random.uniform(0.4, 1.6, (classes == HAPPY).sum())
    strengths[classes == SURPRISE, SURPRISE] = random.uniform(0.4, 1.6, (classes == SURPRISE).sum())
    points = np.empty((count, POINTS, 3), dtype=np.float32)
    for row in range(count):
        angle, zoom = random.uniform(-0.3, 0.3), random.uniform(0.8, 1.1)
        linear = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        flat = shape[:, :2] + np.tensordot(strengths[row], effects, axes=1)
        flat = flat + random.normal(0, 0.15, flat.shape)
        points[row, :, :2] = (flat - 23.5) @ linear.T + 23.5 + random.uniform(-2, 2, 2)
        points[row, :, 2] = zoom * shape[:, 2]
    targets = np.eye(3, dtype=np.float32)[classes]
    known = np.ones(count, dtype=np.bool_)
    scores = np.ones(count, dtype=np.float32)
    return Landmarks(points, scores), Head("votes", LABELS, targets, known), strengths


def test_the_strength_of_each_expression() -> None:
    landmarks, head, truth = planted()
    found = fit_expressions(landmarks, head)
    assert found is not None
    for label in (HAPPY, SURPRISE):
        shown = head.targets[:, label] == 1
        mine = found.strengths[shown, label]
        assert np.corrcoef(mine, truth[shown, label])[0, 1] > 0.93
        # The usual strength is 1.
        assert np.median(mine) == pytest.approx(1, abs=0.15)
        assert not found.strengths[~shown, label].any()
    assert not found.expressive[head.targets[:, NEUTRAL] == 1].any()
    corner = found.movements[HAPPY, MOVED.index(CORNERS[0])]
    assert corner[0] < -1
    assert corner[1] < -1


def test_faces_without_landmarks_or_label_express_nothing() -> None:
    landmarks, head, _ = planted()
    landmarks.scores[0] = 0
    head.known[1] = False
    found = fit_expressions(landmarks, head)
    assert found is not None
    assert not found.expressive[:2].any()
    assert found.expressive[3]


def test_a_stronger_smile_is_wider_and_a_weaker_one_narrower() -> None:
    landmarks, head, _ = planted()
    landmarks.points[0] = shape_of_the_demo()
    found = fit_expressions(landmarks, head)
    assert found is not None
    found.strengths[0, HAPPY] = 1.0
    widths = []
    for factor in (0.4, 1.0, 1.8):
        shown = find_landmarks(found.varied(demo_face(), 0, factor)[None]).points[0]
        widths.append(shown[CORNERS[1], 0] - shown[CORNERS[0], 0])
    assert widths[0] < widths[1] - 0.3
    assert widths[1] + 0.3 < widths[2]
    np.testing.assert_array_equal(found.varied(demo_face(), 0, 1.0), demo_face())


def test_only_pictures_with_an_expression_change() -> None:
    landmarks, head, _ = planted()
    found = fit_expressions(landmarks, head)
    assert found is not None
    images = np.repeat(demo_face()[None], 4, axis=0)
    # Rows 0 and 3 smile, row 2 is neutral; the factor of row 3 is 1.
    changed = found.vary(images, np.array([0, 2, 3, 0]), np.array([1.5, 1.5, 1.0, 0.5]))
    assert changed.tolist() == [True, False, False, True]
    assert [bool((image != demo_face()).any()) for image in images] == [True, False, False, True]


@given(
    st.lists(st.floats(0.01, 1), min_size=3, max_size=3),
    st.floats(0.2, 2),
)
def test_targets_stay_distributions_and_follow_the_strength(
    weights: list[float], factor: float
) -> None:
    target = np.array([weights], dtype=np.float32)
    target /= target.sum()
    found = varied_targets(target, np.array([factor]), NEUTRAL)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1, abs=1e-5)
    # Neutral loses from strengthening, and nothing changes from weakening; the rest keep their
    # proportions.
    if factor <= 1:
        np.testing.assert_allclose(found, target, atol=1e-6)
    else:
        assert found[0, NEUTRAL] <= target[0, NEUTRAL] + 1e-6
    assert found[0, 0] * target[0, 1] == pytest.approx(found[0, 1] * target[0, 0], abs=1e-5)


def test_targets_of_sure_faces_stay_and_divided_ones_are_decided() -> None:
    rows = np.array([[1, 0, 0], [0.5, 0, 0.5], [0, 0, 1]], dtype=np.float32)
    found = varied_targets(rows, np.full(3, 1.5), NEUTRAL)
    np.testing.assert_allclose(found, [[1, 0, 0], [0.6, 0, 0.4], [0, 0, 1]], atol=1e-6)
    np.testing.assert_array_equal(rows[1], [0.5, 0, 0.5])


def test_labels_and_data_that_allow_none(caplog: pytest.LogCaptureFixture) -> None:
    landmarks, head, _ = planted(3 * MIN_FACES - 30)
    assert fit_expressions(landmarks, head) is None
    caplog.set_level(logging.INFO)
    others = Head("original", ("happy", "sad", "fear"), head.targets, head.known)
    assert expressions_of(landmarks, others) is None
    assert "no neutral" in caplog.text
    assert expressions_of(landmarks, head) is None
    assert "too few faces" in caplog.text
