"""Head pose against projected heads of known pose, and its signs by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.faces import head_pose as module
from detector.faces.head_pose import (
    head_pose,
    head_poses,
)
from detector.types import HeadPose
from tests.helpers.heads import rotation

WIDTH, HEIGHT = 1280, 720
POSES = [
    (yaw, pitch, roll)
    for yaw, pitch, roll in itertools.product((-45, -20, 0, 20, 45), (-25, 0, 25), (-20, 0, 20))
]


def seen(
    pose: tuple[float, float, float],
    distance_cm: float | None = None,
    at: tuple[float, float] = (640, 360),
) -> np.ndarray:
    """Where the points of a head appear, as fractions of the frame; without a distance from
    infinitely far away.

    The ears are anywhere: nothing may depend on them.
    """
    points = module._HEAD_CM @ rotation(*pose).T
    scale = np.full(len(points), 12.0)
    if distance_cm is not None:
        scale = 12.0 * distance_cm / (distance_cm - points[:, 2])
    x = at[0] + scale * points[:, 0]
    y = at[1] - scale * points[:, 1]
    return np.vstack([np.stack([x / WIDTH, y / HEIGHT], axis=1), [(0.1, 0.9), (0.2, 0.3)]])


@pytest.mark.parametrize("pose", POSES)
def test_a_head_seen_from_far_away_is_solved_exactly(pose: tuple[float, float, float]) -> None:
    assert head_pose(seen(pose), WIDTH, HEIGHT) == pytest.approx(pose, abs=1e-6)


@settings(deadline=None)
@given(
    st.floats(-80, 80),
    st.floats(-70, 70),
    st.floats(-80, 80),
    st.floats(0, WIDTH),
    st.floats(0, HEIGHT),
)
def test_the_place_in_the_picture_does_not_matter(
    yaw: float, pitch: float, roll: float, x: float, y: float
) -> None:
    assert head_pose(seen((yaw, pitch, roll), at=(x, y)), WIDTH, HEIGHT) == pytest.approx(
        (yaw, pitch, roll), abs=1e-5
    )


@pytest.mark.parametrize(
    ("distance_cm", "mean_deg", "worst_deg"), [(100, 2.0, 3.3), (200, 1.0, 1.7), (500, 0.4, 0.7)]
)
def test_a_near_head_is_solved_with_a_small_error(
    distance_cm: float, mean_deg: float, worst_deg: float
) -> None:
    errors = np.abs(
        [np.subtract(head_pose(seen(pose, distance_cm), WIDTH, HEIGHT), pose) for pose in POSES]
    )
    assert errors.mean(axis=0).max() < mean_deg
    assert errors.max() < worst_deg


def test_noisy_points_move_the_pose_little() -> None:
    random = np.random.default_rng(1)
    noisy = [seen(pose) + random.normal(0, 1.5, (6, 2)) / (WIDTH, HEIGHT) for pose in POSES]
    errors = np.abs(
        [
            np.subtract(head_pose(points, WIDTH, HEIGHT), pose)
            for points, pose in zip(noisy, POSES, strict=True)
        ]
    )
    assert errors.mean() < 2


FRONTAL_PX = np.array([[-30, -20], [30, -20], [0, 10], [0, 35], [-70, -5], [70, -5]], dtype=float)
"""A face looking into the camera, drawn by hand: pixels from its centre, y downwards."""


def by_hand(pixels: np.ndarray) -> HeadPose:
    return head_pose((pixels + (640, 360)) / (WIDTH, HEIGHT), WIDTH, HEIGHT)


def test_a_face_drawn_from_the_front_looks_into_the_camera() -> None:
    pose = by_hand(FRONTAL_PX)
    assert pose.yaw == pytest.approx(0, abs=0.5)
    assert pose.roll == pytest.approx(0, abs=0.5)
    assert abs(pose.pitch) < 8


def test_yaw_is_positive_towards_the_persons_left() -> None:
    # The person's left is at the right of the picture: there the nose goes, and the left ear goes
    # behind the head.
    turned = FRONTAL_PX.copy()
    turned[2, 0] += 15
    assert by_hand(turned).yaw > by_hand(FRONTAL_PX).yaw + 5
    mirrored = turned[[1, 0, 2, 3, 5, 4]] * (-1, 1)
    assert by_hand(mirrored).yaw == pytest.approx(-by_hand(turned).yaw)


def test_pitch_is_positive_upwards() -> None:
    raised, lowered = FRONTAL_PX.copy(), FRONTAL_PX.copy()
    raised[2, 1] -= 12  # the nose rises against eyes and ears
    lowered[2, 1] += 12
    assert by_hand(raised).pitch > by_hand(FRONTAL_PX).pitch + 5 > by_hand(lowered).pitch + 10


def test_roll_is_positive_towards_the_persons_left_shoulder() -> None:
    # Towards the right of the picture, clockwise as the camera sees it.
    angle = math.radians(20)
    clockwise = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    assert by_hand(FRONTAL_PX @ clockwise).roll == pytest.approx(20, abs=0.5)


def test_the_shape_of_the_frame_is_taken_into_account() -> None:
    # With noise, because the exact points of a head would give their pose at any proportion.
    pixels = seen((25, -10, 15)) * (WIDTH, HEIGHT) + np.random.default_rng(0).normal(0, 8, (6, 2))
    square = head_pose(pixels / (1920, 1920), 1920, 1920)
    assert head_pose(pixels / (WIDTH, HEIGHT), WIDTH, HEIGHT) == pytest.approx(square, abs=1e-6)
    assert head_pose(pixels / (1920, 1920), 1920, 1080) != pytest.approx(square, abs=0.1)


def test_points_that_coincide_give_numbers_nevertheless() -> None:
    assert all(math.isfinite(angle) for angle in head_pose(np.full((6, 2), 0.5), WIDTH, HEIGHT))


def test_heads_solved_together_get_the_same_poses_as_alone() -> None:
    points = [
        seen(pose) + np.random.default_rng(3).normal(0, 3, (6, 2)) / (WIDTH, HEIGHT)
        for pose in POSES
    ]
    together = head_poses(points, WIDTH, HEIGHT)
    assert len(together) == len(POSES)
    for pose, alone in zip(together, points, strict=True):
        assert pose == pytest.approx(head_pose(alone, WIDTH, HEIGHT), abs=1e-9)


def test_nobody_has_no_pose() -> None:
    assert head_poses([], WIDTH, HEIGHT) == []


turns = st.tuples(st.floats(-179, 179), st.floats(-89, 89), st.floats(-179, 179))


@settings(deadline=None)
@given(turns)
def test_angles_are_the_inverse_of_a_rotation(pose: tuple[float, float, float]) -> None:
    assert module.angles_of(rotation(*pose)) == pytest.approx(pose, abs=1e-6)


@pytest.mark.parametrize(
    ("pose", "front", "up"),
    [
        ((0, 0, 0), (0, 0, 1), (0, 1, 0)),
        ((90, 0, 0), (1, 0, 0), (0, 1, 0)),  # the person's left is at the right of the picture
        ((0, 90, 0), (0, 1, 0), (0, 0, -1)),
        ((0, 0, 90), (0, 0, 1), (1, 0, 0)),
    ],
)
def test_where_a_turned_head_points(
    pose: tuple[float, float, float],
    front: tuple[float, float, float],
    up: tuple[float, float, float],
) -> None:
    turned = rotation(*pose)
    assert turned[:, 2] == pytest.approx(front, abs=1e-12)
    assert turned[:, 1] == pytest.approx(up, abs=1e-12)
