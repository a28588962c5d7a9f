"""Where a face is, and the screen as it lies from there."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from detector.faces.screen import Direction, ScreenView, face_position_cm
from detector.settings import FACE_BOX_M, CameraMount
from detector.types import Box, HeadPose
from tests.helpers.heads import rotation

WIDTH, HEIGHT = 1280, 720
angles = st.floats(-80, 80)
turns = st.tuples(angles, st.floats(-70, 70), angles)


def seen_from_screen(
    pose: HeadPose, box: Box, width_px: int, height_px: int, mount: CameraMount
) -> HeadPose:
    return ScreenView(box, width_px, height_px, mount).pose(pose)


VIEW_DEG = 60.0
FOCAL_PX = WIDTH / 2 / math.tan(math.radians(VIEW_DEG / 2))


def box_at(place_cm: np.ndarray) -> Box:
    """The box of a face at a place seen from the camera (x right, y up, z to the camera)."""
    x, y, z = place_cm
    side = FOCAL_PX * 100 * FACE_BOX_M / -z
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
    assert wide[2] == pytest.approx(-100 * FACE_BOX_M * 1280 / 128 / 2)
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
        self.camera = np.array([-mount.right_cm, mount.camera_above_cm, 0.0])
        # Columns: the picture's right, its up, and out of the scene; a camera that looks down has
        # its back up.
        self.axes = np.array(
            [[1, 0, 0], [0, math.cos(tilt), math.sin(tilt)], [0, -math.sin(tilt), math.cos(tilt)]],
            dtype=float,
        )

    def read(self, place: np.ndarray, head: np.ndarray) -> HeadPose:
        """What `ScreenView.pose` says of a head at a place."""
        from_camera = self.axes.T @ (place - self.camera)
        turned = toward(-from_camera).T @ self.axes.T @ head
        (_, _, x), (right, up, y), (_, _, z) = turned
        as_seen = HeadPose(
            math.degrees(math.atan2(x, z)),
            math.degrees(math.asin(y)),
            math.degrees(math.atan2(-right, up)),
        )
        return seen_from_screen(as_seen, box_at(from_camera), WIDTH, HEIGHT, self.mount)


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
    yaw, pitch, _ = Hall(mount).read(place, toward(-place, roll))
    assert (yaw, pitch) == pytest.approx((0, 0), abs=1e-5)


@settings(deadline=None)
@given(mounts, viewers, st.floats(-40, 40), st.floats(-30, 30), st.floats(-20, 20))
def test_a_pose_is_measured_from_the_direction_of_the_screen(
    mount: CameraMount, place: np.ndarray, yaw: float, pitch: float, roll: float
) -> None:
    level = mount.model_copy(update={"tilt_deg": 0.0})
    pose = Hall(level).read(place, toward(-place) @ rotation(yaw, pitch, roll))
    assert pose == pytest.approx((yaw, pitch, roll), abs=1e-5)


ABOVE = CameraMount(above_cm=30, view_angle_deg=VIEW_DEG)
RIGHT = CameraMount(above_cm=0, right_cm=40, view_angle_deg=VIEW_DEG)
INTO_THE_CAMERA = HeadPose(0, 0, 0)


def test_a_viewer_who_looks_into_a_camera_above_the_screen_looks_up() -> None:
    # 150 cm in front of the screen's centre, 30 below the camera.
    pose = seen_from_screen(INTO_THE_CAMERA, box_at(np.array([0, -30, -150])), WIDTH, HEIGHT, ABOVE)
    assert pose == pytest.approx((0, math.degrees(math.atan(30 / 150)), 0), abs=1e-6)


def test_a_tall_viewer_level_with_the_camera_looks_down_at_the_screen() -> None:
    pose = seen_from_screen(INTO_THE_CAMERA, box_at(np.array([0, 0, -150])), WIDTH, HEIGHT, ABOVE)
    assert pose.pitch == pytest.approx(math.degrees(math.atan(30 / 150)))
    below = ABOVE.model_copy(update={"above_cm": -30})
    pose = seen_from_screen(INTO_THE_CAMERA, box_at(np.array([0, 0, -150])), WIDTH, HEIGHT, below)
    assert pose.pitch == pytest.approx(-math.degrees(math.atan(30 / 150)))


def test_a_viewer_who_looks_into_a_camera_right_of_the_screen_turns_right() -> None:
    # In front of the screen's centre; the viewer's right is the left of the picture, so the face is
    # at its right.
    pose = seen_from_screen(INTO_THE_CAMERA, box_at(np.array([40, 0, -200])), WIDTH, HEIGHT, RIGHT)
    assert pose == pytest.approx((-math.degrees(math.atan(40 / 200)), 0, 0), abs=1e-6)
    left = RIGHT.model_copy(update={"right_cm": -40})
    pose = seen_from_screen(INTO_THE_CAMERA, box_at(np.array([-40, 0, -200])), WIDTH, HEIGHT, left)
    assert pose == pytest.approx((math.degrees(math.atan(40 / 200)), 0, 0), abs=1e-6)


def test_a_tilted_camera_sees_the_viewer_higher_in_the_picture() -> None:
    # 50 cm above the screen, tilted so that a viewer 150 cm in front of the screen's centre is in
    # the picture's middle.
    tilt = math.degrees(math.atan(50 / 150))
    mount = CameraMount(above_cm=50, view_angle_deg=VIEW_DEG, tilt_deg=tilt)
    middle = box_at(np.array([0, 0, -math.hypot(50, 150)]))
    assert seen_from_screen(INTO_THE_CAMERA, middle, WIDTH, HEIGHT, mount) == pytest.approx(
        (0, tilt, 0), abs=1e-6
    )


def test_the_further_away_the_less_the_cameras_place_matters() -> None:
    pitches = [
        seen_from_screen(
            INTO_THE_CAMERA, box_at(np.array([0, -30, -distance])), WIDTH, HEIGHT, ABOVE
        ).pitch
        for distance in (100, 150, 400)
    ]
    assert pitches == sorted(pitches, reverse=True)
    assert pitches[-1] < 5


@settings(deadline=None)
@given(turns, places, st.floats(-30, 30))
def test_a_camera_at_the_screens_centre_changes_nothing(
    pose: tuple[float, float, float], place: np.ndarray, tilt: float
) -> None:
    mount = CameraMount(above_cm=0, tilt_deg=tilt)
    assert seen_from_screen(HeadPose(*pose), box_at(place), WIDTH, HEIGHT, mount) == pytest.approx(
        pose, abs=1e-6
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"above_cm": 600},
        {"right_cm": math.nan},
        {"view_angle_deg": 180},
        {"tilt_deg": 90},
        {"screen_width_cm": 0},
        {"screen_height_cm": 3000},
        {"below_cm": 1},
    ],
)
def test_an_impossible_mount_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        CameraMount(**wrong)


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


def look_at(target_cm: np.ndarray, place_cm: np.ndarray, mount: CameraMount) -> Direction:
    """Where a viewer looks who looks at a place on the screen's plane, seen from the screen."""
    yaw, pitch, _ = Hall(mount).read(place_cm, toward(target_cm - place_cm))
    return Direction(yaw, pitch)


def view_from(place_cm: np.ndarray, mount: CameraMount) -> ScreenView:
    hall = Hall(mount)
    return ScreenView(box_at(hall.axes.T @ (place_cm - hall.camera)), WIDTH, HEIGHT, mount)


EXACT, ANYWHERE = Direction(0, 0), Direction(90, 90)


@settings(deadline=None)
@given(mounts, viewers, st.floats(30, 300), st.floats(-0.9, 0.9), st.floats(-0.9, 0.9))
def test_a_look_at_the_screen_is_on_it_from_any_place(
    mount: CameraMount, place: np.ndarray, width: float, across: float, up: float
) -> None:
    mount = mount.model_copy(update={"screen_width_cm": min(width, -place[2] - 50)})
    view = view_from(place, mount)
    # Seen from aside, an edge is a line of no single yaw or pitch.
    tolerance = Direction(12, 12)
    target = np.array([across * mount.screen_width_cm / 2, up * mount.height_cm / 2, 0])
    looks = look_at(target, place, mount)
    assert view.excess_deg(looks, tolerance, ANYWHERE) <= 0
    assert view.excess_deg(look_at(np.zeros(3), place, mount), EXACT, ANYWHERE) < 0


@pytest.mark.parametrize("distance_cm", [100, 200, 400])
def test_the_edges_are_where_the_screen_ends(distance_cm: float) -> None:
    mount = CameraMount(view_angle_deg=VIEW_DEG)
    place = np.array([0.0, 0.0, -distance_cm])
    view = view_from(place, mount)
    yaw, pitch = (math.degrees(math.atan(half / distance_cm)) for half in (50, 28.125))
    assert view.edges == pytest.approx((-yaw, yaw, -pitch, pitch), abs=1e-6)
    for target, excess in (((50, 0, 0), 0), ((-100, 0, 0), None), ((0, 28.125, 0), 0)):
        looks = look_at(np.array(target, dtype=float), place, mount)
        expected = abs(looks.yaw) - yaw if excess is None else excess
        assert view.excess_deg(looks, EXACT, ANYWHERE) == pytest.approx(expected, abs=1e-6)


def test_the_screen_ends_where_the_furthest_look_does() -> None:
    view = view_from(np.array([0.0, 0.0, -100.0]), CameraMount(above_cm=0, view_angle_deg=VIEW_DEG))
    wide, furthest = Direction(20, 20), Direction(30, 20)
    assert view.excess_deg(Direction(31, 0), wide, furthest) == pytest.approx(1)
    assert view.excess_deg(Direction(-31, 0), wide, furthest) == pytest.approx(1)
    assert view.excess_deg(Direction(0, 22), wide, furthest) == pytest.approx(2)
    assert view.excess_deg(Direction(0, -22), wide, furthest) == pytest.approx(2)


def test_a_face_that_seems_nearer_than_the_screen_is_wide_is_taken_to_be_that_far() -> None:
    mount = CameraMount(above_cm=0, view_angle_deg=VIEW_DEG)
    near, far = (
        ScreenView(box_at(np.array([0.0, 0.0, -z])), WIDTH, HEIGHT, mount) for z in (30, 100)
    )
    assert near.edges == pytest.approx(far.edges)


def test_the_camera_is_between_centre_and_upper_edge_unless_said_otherwise() -> None:
    assert CameraMount().camera_above_cm == pytest.approx(100 * 9 / 64)
    upright = CameraMount(screen_width_cm=60, screen_height_cm=107)
    assert (upright.camera_above_cm, upright.height_cm) == (26.75, 107)
    assert CameraMount(above_cm=0).camera_above_cm == 0
