"""Head pose against projected heads of known pose, its signs by hand, the camera's place, and
attention without flicker.
"""

from __future__ import annotations

import itertools
import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from detector.faces import head_pose as module
from detector.faces.head_pose import (
    Attention,
    face_position_cm,
    head_pose,
    head_poses,
    screen_pose,
)
from detector.settings import CameraMount
from detector.types import Box, HeadPose

WIDTH, HEIGHT = 1280, 720
POSES = [
    (yaw, pitch, roll)
    for yaw, pitch, roll in itertools.product((-45, -20, 0, 20, 45), (-25, 0, 25), (-20, 0, 20))
]


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Head to camera (x right, y up, z to the camera): roll first, then pitch, then yaw, in
    degrees.
    """
    y, p, r = map(math.radians, (yaw, pitch, roll))
    turn = np.array([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
    nod = np.array([[1, 0, 0], [0, math.cos(p), math.sin(p)], [0, -math.sin(p), math.cos(p)]])
    lean = np.array([[math.cos(r), math.sin(r), 0], [-math.sin(r), math.cos(r), 0], [0, 0, 1]])
    return turn @ nod @ lean


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


def test_angles_come_from_memory_without_strides(monkeypatch: pytest.MonkeyPatch) -> None:
    # With strides their last bit depends on where the memory lies, so replays would differ.
    strides = []

    def arctan2(*sides: np.ndarray) -> np.ndarray:
        strides.extend(side.strides for side in sides)
        return np.hypot(*sides)

    monkeypatch.setattr(module.np, "arctan2", arctan2)
    for heads in (1, 2):
        head_poses(np.random.default_rng(1).uniform(size=(heads, 6, 2)), 640, 480)
    assert set(strides) == {(8,)}


def test_nobody_has_no_pose() -> None:
    assert head_poses([], WIDTH, HEIGHT) == []


turns = st.tuples(st.floats(-179, 179), st.floats(-89, 89), st.floats(-179, 179))


@settings(deadline=None)
@given(turns)
def test_angles_are_the_inverse_of_a_rotation(pose: tuple[float, float, float]) -> None:
    assert module._angles(module._rotation(*pose)) == pytest.approx(pose, abs=1e-6)
    assert module._rotation(*pose) == pytest.approx(rotation(*pose))


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
    turned = module._rotation(*pose)
    assert turned[:, 2] == pytest.approx(front, abs=1e-12)
    assert turned[:, 1] == pytest.approx(up, abs=1e-12)


VIEW_DEG = 60.0
FOCAL_PX = WIDTH / 2 / math.tan(math.radians(VIEW_DEG / 2))


def box_at(place_cm: np.ndarray) -> Box:
    """The box of a face at a place seen from the camera (x right, y up, z to the camera)."""
    x, y, z = place_cm
    side = FOCAL_PX * 100 * module.FACE_BOX_M / -z
    left = WIDTH / 2 + FOCAL_PX * x / -z - side / 2
    top = HEIGHT / 2 - FOCAL_PX * y / -z - side / 2
    return Box(left / WIDTH, top / HEIGHT, side / WIDTH, side / HEIGHT)


places = st.tuples(st.floats(-300, 300), st.floats(-100, 100), st.floats(-600, -60)).map(np.array)


@settings(deadline=None)
@given(places)
def test_the_place_of_a_face_follows_from_its_box(place: np.ndarray) -> None:
    assert face_position_cm(box_at(place), WIDTH, HEIGHT, VIEW_DEG) == pytest.approx(
        place, abs=1e-6
    )


def test_a_wider_angle_of_view_puts_a_face_nearer() -> None:
    box = Box(0.45, 0.45, 0.1, 0.1 * WIDTH / HEIGHT)
    # 128 px of 1280: at 90 degrees the picture is twice as wide as it is far away.
    wide = face_position_cm(box, WIDTH, HEIGHT, 90)
    assert wide[2] == pytest.approx(-100 * module.FACE_BOX_M * 1280 / 128 / 2)
    assert face_position_cm(box, WIDTH, HEIGHT, 50)[2] < wide[2]


def toward(direction: np.ndarray, roll: float = 0.0) -> np.ndarray:
    """The rotation of a head that points in a direction, with its up axis as near to the vertical
    as can be.
    """
    front = direction / np.linalg.norm(direction)
    left = np.cross((0, 1, 0), front)
    left /= np.linalg.norm(left)
    return np.stack([left, np.cross(front, left), front], axis=1) @ rotation(0, 0, roll)


class Hall:
    """A screen, a camera and a head, measured in the world: centimetres from the screen's centre.

    x is the viewers' left, y up, and z from the viewers into the screen.
    """

    def __init__(self, mount: CameraMount) -> None:
        self.mount = mount
        tilt = math.radians(mount.tilt_deg)
        self.camera = np.array([-mount.right_cm, mount.above_cm, 0.0])
        # Columns: the picture's right, its up, and out of the scene; a camera that looks down has
        # its back up.
        self.axes = np.array(
            [[1, 0, 0], [0, math.cos(tilt), math.sin(tilt)], [0, -math.sin(tilt), math.cos(tilt)]],
            dtype=float,
        )

    def read(self, place: np.ndarray, head: np.ndarray) -> HeadPose:
        """What `screen_pose` says of a head at a place."""
        from_camera = self.axes.T @ (place - self.camera)
        turned = toward(-from_camera).T @ self.axes.T @ head
        (_, _, x), (right, up, y), (_, _, z) = turned
        as_seen = HeadPose(
            math.degrees(math.atan2(x, z)),
            math.degrees(math.asin(y)),
            math.degrees(math.atan2(-right, up)),
        )
        return screen_pose(as_seen, box_at(from_camera), WIDTH, HEIGHT, self.mount)


mounts = st.builds(
    CameraMount,
    above_cm=st.floats(-80, 80),
    right_cm=st.floats(-80, 80),
    view_angle_deg=st.just(VIEW_DEG),
    tilt_deg=st.floats(-25, 25),
)
viewers = st.tuples(st.floats(-150, 150), st.floats(-60, 60), st.floats(-500, -150)).map(np.array)


@settings(deadline=None)
@given(mounts, viewers, st.floats(-30, 30))
def test_who_looks_at_the_screens_centre_reads_zero_from_any_place(
    mount: CameraMount, place: np.ndarray, roll: float
) -> None:
    if abs(mount.above_cm) + abs(mount.right_cm) < 1e-6:  # too near to the centre: taken as it is
        return
    yaw, pitch, _ = Hall(mount).read(place, toward(-place, roll))
    assert (yaw, pitch) == pytest.approx((0, 0), abs=1e-5)


@settings(deadline=None)
@given(mounts, viewers, st.floats(-40, 40), st.floats(-30, 30), st.floats(-20, 20))
def test_a_pose_is_measured_from_the_direction_of_the_screen(
    mount: CameraMount, place: np.ndarray, yaw: float, pitch: float, roll: float
) -> None:
    level = mount.model_copy(update={"tilt_deg": 0.0, "above_cm": mount.above_cm or 1.0})
    pose = Hall(level).read(place, toward(-place) @ rotation(yaw, pitch, roll))
    assert pose == pytest.approx((yaw, pitch, roll), abs=1e-5)


ABOVE = CameraMount(above_cm=30, view_angle_deg=VIEW_DEG)
RIGHT = CameraMount(right_cm=40, view_angle_deg=VIEW_DEG)
INTO_THE_CAMERA = HeadPose(0, 0, 0)


def test_a_viewer_who_looks_into_a_camera_above_the_screen_looks_up() -> None:
    # 150 cm in front of the screen's centre, 30 below the camera.
    pose = screen_pose(INTO_THE_CAMERA, box_at(np.array([0, -30, -150])), WIDTH, HEIGHT, ABOVE)
    assert pose == pytest.approx((0, math.degrees(math.atan(30 / 150)), 0), abs=1e-6)


def test_a_tall_viewer_level_with_the_camera_looks_down_at_the_screen() -> None:
    pose = screen_pose(INTO_THE_CAMERA, box_at(np.array([0, 0, -150])), WIDTH, HEIGHT, ABOVE)
    assert pose.pitch == pytest.approx(math.degrees(math.atan(30 / 150)))
    below = ABOVE.model_copy(update={"above_cm": -30})
    pose = screen_pose(INTO_THE_CAMERA, box_at(np.array([0, 0, -150])), WIDTH, HEIGHT, below)
    assert pose.pitch == pytest.approx(-math.degrees(math.atan(30 / 150)))


def test_a_viewer_who_looks_into_a_camera_right_of_the_screen_turns_right() -> None:
    # In front of the screen's centre; the viewer's right is the left of the picture, so the face is
    # at its right.
    pose = screen_pose(INTO_THE_CAMERA, box_at(np.array([40, 0, -200])), WIDTH, HEIGHT, RIGHT)
    assert pose == pytest.approx((-math.degrees(math.atan(40 / 200)), 0, 0), abs=1e-6)
    left = RIGHT.model_copy(update={"right_cm": -40})
    pose = screen_pose(INTO_THE_CAMERA, box_at(np.array([-40, 0, -200])), WIDTH, HEIGHT, left)
    assert pose == pytest.approx((math.degrees(math.atan(40 / 200)), 0, 0), abs=1e-6)


def test_a_tilted_camera_sees_the_viewer_higher_in_the_picture() -> None:
    # 50 cm above the screen, tilted so that a viewer 150 cm in front of the screen's centre is in
    # the picture's middle.
    tilt = math.degrees(math.atan(50 / 150))
    mount = CameraMount(above_cm=50, view_angle_deg=VIEW_DEG, tilt_deg=tilt)
    middle = box_at(np.array([0, 0, -math.hypot(50, 150)]))
    assert screen_pose(INTO_THE_CAMERA, middle, WIDTH, HEIGHT, mount) == pytest.approx(
        (0, tilt, 0), abs=1e-6
    )


def test_the_further_away_the_less_the_cameras_place_matters() -> None:
    pitches = [
        screen_pose(
            INTO_THE_CAMERA, box_at(np.array([0, -30, -distance])), WIDTH, HEIGHT, ABOVE
        ).pitch
        for distance in (60, 150, 400)
    ]
    assert pitches == sorted(pitches, reverse=True)
    assert pitches[-1] < 5


@settings(deadline=None)
@given(turns, places, st.floats(-30, 30))
def test_a_camera_at_the_screens_centre_changes_nothing(
    pose: tuple[float, float, float], place: np.ndarray, tilt: float
) -> None:
    mount = CameraMount(tilt_deg=tilt)
    assert screen_pose(HeadPose(*pose), box_at(place), WIDTH, HEIGHT, mount) == pose


@pytest.mark.parametrize(
    "wrong",
    [
        {"above_cm": 600},
        {"right_cm": math.nan},
        {"view_angle_deg": 180},
        {"tilt_deg": 90},
        {"below_cm": 1},
    ],
)
def test_an_impossible_mount_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        CameraMount(**wrong)


def film(
    attention: Attention, yaws: list[float], fps: float = 15.0, pitch: float = 0.0
) -> list[bool]:
    """The verdicts on poses at a frame rate."""
    return [
        attention.update(HeadPose(yaw, pitch, 0), round(index * 1e9 / fps))
        for index, yaw in enumerate(yaws)
    ]


def test_attention_with_hysteresis() -> None:
    yaws = [0, 29, 31, 34.9, 35.1, 34, 31, 30, 33]
    assert film(Attention(30, 20, 5, 0), yaws) == [1, 1, 1, 1, 0, 0, 0, 1, 1]
    attention = Attention(30, 20, 5, 0)
    pitches = [0, 19, -24, -26, -21, -20]
    verdicts = [
        attention.update(HeadPose(0, pitch, 90), time_ns) for time_ns, pitch in enumerate(pitches)
    ]
    assert verdicts == [1, 1, 1, 0, 0, 1]


def test_who_was_never_attentive_gets_no_slack() -> None:
    assert not Attention(30, 20, 5).update(HeadPose(31, 0, 0), 0)
    assert not Attention(30, 20, 5).update(HeadPose(0, -21, 0), 0)


@pytest.mark.parametrize(("yaw", "looks"), [(0.0, True), (60.0, False)])
def test_the_first_pose_decides_at_once(yaw: float, looks: bool) -> None:
    assert Attention().update(HeadPose(yaw, 0, 0), 7_000_000_000) is looks


AWAY, AT_THE_SCREEN = 60.0, 0.0


@pytest.mark.parametrize("fps", [5, 15, 30])
@pytest.mark.parametrize(("usual", "odd"), [(AT_THE_SCREEN, AWAY), (AWAY, AT_THE_SCREEN)])
@settings(deadline=None)
@given(gaps=st.lists(st.integers(1, 6), min_size=1, max_size=8))
def test_single_bad_frames_change_nothing(
    fps: int, usual: float, odd: float, gaps: list[int]
) -> None:
    yaws = [usual]
    for gap in gaps:
        yaws += [odd] + [usual] * gap
    assert set(film(Attention(), yaws, fps)) == {usual == AT_THE_SCREEN}


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
    yaws = [AWAY] * fps + [AT_THE_SCREEN] * (2 * fps) + [AWAY] * fps
    assert sum(film(Attention(), yaws, fps)) == 2 * fps


def test_a_contradiction_that_is_taken_back_starts_anew() -> None:
    yaws = [AT_THE_SCREEN] + [AWAY, AWAY, AT_THE_SCREEN] * 20
    assert all(film(Attention(delay_s=0.2), yaws, 15))  # two frames are 67 ms


def test_a_trembling_head_at_the_limit_does_not_flicker() -> None:
    random = np.random.default_rng(2)
    for delay_s in (0.0, 0.2):
        verdicts = film(Attention(delay_s=delay_s), (30 + random.uniform(-2, 2, 200)).tolist())
        changes = sum(a != b for a, b in itertools.pairwise(verdicts))
        assert changes <= 1


@pytest.mark.parametrize(
    "limits",
    [
        (0, 20, 5, 0.2),
        (30, 0, 5, 0.2),
        (30, 20, -1, 0.2),
        (30, 20, 5, -0.1),
        (math.nan, 20, 5, 0.2),
    ],
)
def test_limits_out_of_range_are_refused(limits: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match=r"Invalid attention limits: expected .*received"):
        Attention(*limits)


@pytest.mark.parametrize("rotate", [90, 270])
def test_a_camera_on_its_side_has_its_angle_along_its_own_rows(rotate: Literal[90, 270]) -> None:
    upright = CameraMount(view_angle_deg=VIEW_DEG)
    on_its_side = CameraMount(view_angle_deg=VIEW_DEG, rotate=rotate)
    assert upright.across_deg(WIDTH, HEIGHT) == VIEW_DEG
    narrow = on_its_side.across_deg(HEIGHT, WIDTH)
    assert math.tan(math.radians(narrow / 2)) == pytest.approx(
        math.tan(math.radians(VIEW_DEG / 2)) * HEIGHT / WIDTH
    )
    face = Box(0.45, 0.45, 100 / WIDTH, 100 / HEIGHT)
    turned = Box(0.45, 0.45, 100 / HEIGHT, 100 / WIDTH)
    assert face_position_cm(turned, HEIGHT, WIDTH, narrow)[2] == pytest.approx(
        face_position_cm(face, WIDTH, HEIGHT, VIEW_DEG)[2]
    )
