"""A bent picture has its points where they were moved to, and the rest where it was."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import Delaunay

from training.datasets.warping import bent, frame_points

FRAME = frame_points(48)


def ramp() -> np.ndarray:
    """A picture that tells where each pixel came from: brighter to the right."""
    return np.repeat(np.linspace(40, 181, 48)[None], 48, axis=0).round().astype(np.uint8)


def moved(image: np.ndarray, points: np.ndarray, by: np.ndarray) -> np.ndarray:
    sources = np.vstack([points, FRAME])
    targets = np.vstack([points + by, FRAME])
    return bent(image, sources, targets, Delaunay(sources).simplices.astype(np.int64))


def test_what_stays_is_the_picture() -> None:
    image = np.random.default_rng(0).integers(0, 256, (48, 48)).astype(np.uint8)
    points = np.array([[12.0, 20.0], [30.0, 25.0], [20.0, 40.0]])
    np.testing.assert_array_equal(moved(image, points, np.zeros((3, 2))), image)


@settings(max_examples=20)
@given(st.floats(-5, 5), st.floats(-5, 5))
def test_a_moved_point_takes_its_pixels_along(right: float, down: float) -> None:
    point = np.array([[24.0, 24.0]])
    image = ramp()
    shown = moved(image, point, np.array([[right, down]]))
    x, y = round(24 + right), round(24 + down)
    assert abs(int(shown[y, x]) - int(image[24, 24])) <= 4
    assert abs(int(shown[1, 46]) - int(image[1, 46])) <= 12


def test_closed_lips_hide_what_was_between() -> None:
    image = np.full((48, 48), 150, np.uint8)
    image[22:27] = 0
    rows = [(x, y) for y in (21.0, 27.0) for x in (4.0, 24.0, 44.0)]
    points = np.array(rows)
    closing = np.array([[0.0, 3.0]] * 3 + [[0.0, -3.5]] * 3)
    shown = moved(image, points, closing)
    assert (image[:, 24] < 60).sum() == 5
    assert (shown[:, 24] < 60).sum() <= 1


def test_any_side_of_a_picture() -> None:
    image = np.full((64, 64), 7, np.uint8)
    points = np.vstack([np.array([[30.0, 30.0]]), frame_points(64)])
    triangles = Delaunay(points).simplices.astype(np.int64)
    assert (bent(image, points, points, triangles) == 7).all()
