"""The values between the stages: what they refuse, and the geometry of boxes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.emotion.labels import EMOTIONS
from detector.types import Box, FaceDetection, FaceReading, Frame, HeadPose

places = st.floats(-1, 2)
sides = st.floats(1e-3, 2)
boxes = st.builds(Box, places, places, sides, sides)


def reading(probabilities: tuple[float, ...], derived: float | None = 0.0) -> FaceReading:
    pose = HeadPose(0, 0, 0)
    return FaceReading(
        1, 0, Box(0, 0, 1, 1), probabilities, derived, derived, False, pose, True, 1.0
    )


@pytest.mark.parametrize(
    ("image", "received"),
    [
        (np.zeros((4, 4), np.uint8), r"uint8 of shape \(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), r"uint8 of shape \(4, 4, 4\)"),
        (np.zeros((4, 4, 3), np.float32), r"float32 of shape \(4, 4, 3\)"),
    ],
)
def test_a_frame_is_a_colour_picture(image: np.ndarray, received: str) -> None:
    with pytest.raises(
        ValueError,
        match=r"Invalid frame: expected a uint8 image of shape \(height.*received " + received,
    ):
        Frame(image, 0, 0)


def test_a_face_has_six_points() -> None:
    with pytest.raises(
        ValueError, match=r"Invalid keypoints: expected shape \(6, 2\), received \(5, 2\)\."
    ):
        FaceDetection(Box(0, 0, 1, 1), 1.0, np.zeros((5, 2)))


@pytest.mark.parametrize("count", [0, 1])
def test_a_reading_has_a_probability_for_each_label(count: int) -> None:
    with pytest.raises(ValueError, match=f"for each label .* at least 2, received {count}."):
        reading((0.1,) * count)


@pytest.mark.parametrize("labels", [("happy", "sad"), ("bored", "keen", "happy")])
def test_the_label_of_another_set(labels: tuple[str, ...]) -> None:
    probabilities = tuple(0.6 if name == labels[-1] else 0.2 for name in labels)
    assert reading(probabilities).label(labels) == labels[-1]
    assert reading(probabilities, derived=None).valence is None


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_the_label_is_the_most_probable_emotion(emotion: str) -> None:
    assert (
        reading(tuple(0.4 if name == emotion else 0.1 for name in EMOTIONS)).label(EMOTIONS)
        == emotion
    )


def test_values_are_frozen(face: Callable[..., FaceDetection]) -> None:
    with pytest.raises(FrozenInstanceError):
        face().confidence = 0.1  # type: ignore[misc]


def test_the_centre_of_a_box() -> None:
    assert Box(0.1, 0.2, 0.4, 0.2).centre == pytest.approx((0.3, 0.3))


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (Box(0, 0, 2, 2), 1.0),
        (Box(1, 0, 2, 2), 1 / 3),
        (Box(0.5, 0.5, 1, 1), 1 / 4),
        (Box(2, 0, 2, 2), 0.0),
        (Box(5, 5, 1, 1), 0.0),
        (Box(1, 1, 0, 0), 0.0),
    ],
)
def test_overlaps_by_hand(other: Box, expected: float) -> None:
    assert Box(0, 0, 2, 2).overlap(other) == pytest.approx(expected)


@given(boxes, boxes)
def test_overlap_is_symmetric_and_a_share(one: Box, other: Box) -> None:
    assert one.overlap(other) == other.overlap(one)
    assert 0 <= one.overlap(other) <= 1 + 1e-9
    assert one.overlap(one) == pytest.approx(1)


@given(boxes, boxes, places, places)
def test_overlap_does_not_depend_on_the_place(one: Box, other: Box, dx: float, dy: float) -> None:
    def moved(box: Box) -> Box:
        return box._replace(x=box.x + dx, y=box.y + dy)

    assert moved(one).overlap(moved(other)) == pytest.approx(one.overlap(other), abs=1e-6)
