"""Crops of pictures whose every pixel is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.emotion.preprocessing import FER_GEOMETRY, CropGeometry, face_crops
from detector.types import Box

HEIGHT, WIDTH = 120, 200
GREY = (np.arange(WIDTH)[None, :] + np.arange(HEIGHT)[:, None] // 4).astype(np.uint8)
"""Rises by one from column to column and every four rows."""


def box_px(left: float, top: float, width: float, height: float) -> Box:
    return Box(left / WIDTH, top / HEIGHT, width / WIDTH, height / HEIGHT)


def exact(side_px: int, *, scale: float = 1.0, raise_by: float = 0.0) -> CropGeometry:
    return CropGeometry(side_px, scale, raise_by)


def test_without_any_change_a_crop_is_that_part_of_the_picture() -> None:
    [crop] = face_crops(GREY, [box_px(30, 20, 48, 48)], exact(48))
    np.testing.assert_array_equal(crop, GREY[20:68, 30:78])


def test_scale_and_raise() -> None:
    # Box side 40, centre (60, 70): the square has side 60 and its centre 0.25 * 40 = 10 pixels
    # higher.
    [crop] = face_crops(GREY, [box_px(40, 50, 40, 40)], exact(60, scale=1.5, raise_by=0.25))
    np.testing.assert_array_equal(crop, GREY[30:90, 30:90])


def test_the_side_is_the_mean_of_the_boxs_sides() -> None:
    [crop] = face_crops(GREY, [box_px(40, 45, 40, 50)], exact(45))
    np.testing.assert_array_equal(crop, GREY[48:93, 38:83])


def test_shrinking_takes_the_mean_of_what_falls_together() -> None:
    [crop] = face_crops(GREY, [box_px(20, 16, 64, 64)], exact(32))
    blocks = GREY[16:80, 20:84].reshape(32, 2, 32, 2).mean(axis=(1, 3))
    assert np.abs(crop - blocks).max() <= 0.5


def test_enlarging_keeps_the_gradient() -> None:
    [crop] = face_crops(GREY, [box_px(50, 40, 24, 24)], exact(48))
    steps = np.diff(crop[:, 2:-2].astype(int), axis=1)
    assert set(steps.ravel()) <= {0, 1}
    assert crop[24, 24] == pytest.approx(GREY[52, 62], abs=1)


def test_beyond_the_border_the_outermost_pixels_go_on() -> None:
    [crop] = face_crops(GREY, [box_px(-10, -6, 40, 40)], exact(40))
    np.testing.assert_array_equal(crop[6:, 10:], GREY[:34, :30])
    np.testing.assert_array_equal(crop[6:, :10], np.repeat(GREY[:34, :1], 10, axis=1))
    np.testing.assert_array_equal(crop[:6, 10:], np.repeat(GREY[:1, :30], 6, axis=0))
    [crop] = face_crops(GREY, [box_px(180, 100, 40, 40)], exact(40))
    np.testing.assert_array_equal(crop[:20, :20], GREY[100:, 180:])
    np.testing.assert_array_equal(crop[:20, 20:], np.repeat(GREY[100:, -1:], 20, axis=1))
    assert (crop[20:, 20:] == GREY[-1, -1]).all()


@pytest.mark.parametrize(
    ("left", "top", "level"),
    [
        (-90, -70, GREY[0, 0]),
        (250, -70, GREY[0, -1]),
        (-90, 200, GREY[-1, 0]),
        (250, 200, GREY[-1, -1]),
    ],
)
def test_a_box_wholly_outside_sees_the_nearest_corner(left: float, top: float, level: int) -> None:
    [crop] = face_crops(GREY, [box_px(left, top, 40, 40)], exact(48))
    assert (crop == level).all()


def test_colour_and_grey_give_the_same() -> None:
    boxes = [box_px(-10, 30, 60, 60), box_px(80, 40, 50, 50)]
    colour = np.repeat(GREY[..., None], 3, axis=2)
    np.testing.assert_array_equal(face_crops(colour, boxes), face_crops(GREY, boxes))


def test_colours_weigh_as_the_eye_sees_them() -> None:
    weights = [
        face_crops(
            np.full((60, 60, 3), np.eye(3)[channel] * 200, dtype=np.uint8),
            [Box(0.2, 0.2, 0.5, 0.5)],
        ).mean()
        for channel in range(3)
    ]
    assert weights == pytest.approx(
        [0.114 * 200, 0.587 * 200, 0.299 * 200], abs=1
    )  # blue, green, red


def test_the_default_framing_is_that_of_fer2013() -> None:
    assert CropGeometry(48, 1.18, 0.10, 10.0) == FER_GEOMETRY
    [crop] = face_crops(GREY, [box_px(60, 40, 50, 50)])
    # Side 59, from column 85 - 29.5 and row 65 - 5 - 29.5.
    assert crop[:, 0].mean() == pytest.approx(GREY[30:89, 56].mean(), abs=1.5)
    assert crop[:, -1].mean() == pytest.approx(GREY[30:89, 114].mean(), abs=1.5)


def portrait(roll_deg: float = 0.0, *, side: int = 400, spread: float = 1.0) -> np.ndarray:
    """A smooth picture without symmetry, leaning clockwise about its centre."""
    down, across = np.mgrid[:side, :side] - (side - 1) / 2
    roll = np.deg2rad(roll_deg)
    x, y = (
        (across * np.cos(roll) + down * np.sin(roll)) / spread,
        (down * np.cos(roll) - across * np.sin(roll)) / spread,
    )
    return np.rint(
        128
        + 60 * np.sin(x / 17) * np.cos(y / 23)
        + 50 * np.exp(-((x - 30) ** 2 + (y + 20) ** 2) / 900)
    ).astype(np.uint8)


HELD = CropGeometry(48, 1.2, 0.2, free_roll_deg=0.0)


@pytest.mark.parametrize("box_side", [0.08, 0.15, 0.25, 0.5])
@pytest.mark.parametrize("roll", [-75.0, -30.0, -12.0, 12.0, 30.0, 75.0])
def test_the_square_leans_with_the_head(box_side: float, roll: float) -> None:
    # The box of the leaning picture is that of the upright one: its centre is what the picture
    # leans about.
    box = Box(0.5 - box_side / 2, 0.5 - box_side / 2, box_side, box_side)
    [upright] = face_crops(portrait(spread=4 * box_side), [box], HELD)
    [leaning] = face_crops(portrait(roll, spread=4 * box_side), [box], HELD, [roll])
    # The upright square is cut at whole pixels, the leaning one is not: half a pixel of a small
    # face is a few levels.
    assert np.abs(leaning.astype(int) - upright).mean() < 3
    assert np.abs(leaning.astype(int) - upright).max() <= 12


def test_an_upright_head_is_cut_as_without_rolls() -> None:
    boxes = [box_px(-10, 30, 60, 60), box_px(80, 40, 50, 50)]
    np.testing.assert_array_equal(
        face_crops(GREY, boxes, HELD, [0.0, -0.0]), face_crops(GREY, boxes, HELD)
    )


@pytest.mark.parametrize("roll", [-10.0, -4.0, 10.0])
def test_within_the_free_roll_the_square_stays_upright(roll: float) -> None:
    boxes = [box_px(60, 40, 50, 50)]
    np.testing.assert_array_equal(face_crops(GREY, boxes, rolls=[roll]), face_crops(GREY, boxes))


@pytest.mark.parametrize("roll", [-25.0, 25.0])
def test_the_square_takes_what_exceeds_the_free_roll(roll: float) -> None:
    picture, box = portrait(), Box(0.35, 0.35, 0.3, 0.3)
    free = CropGeometry(48, 1.2, 0.2, free_roll_deg=10.0)
    np.testing.assert_array_equal(
        face_crops(picture, [box], free, [roll]),
        face_crops(picture, [box], HELD, [np.copysign(15.0, roll)]),
    )


@pytest.mark.parametrize("box_side", [0.1, 0.2, 0.5])
def test_a_head_that_leans_over_slowly_never_makes_the_square_jump(box_side: float) -> None:
    picture, box = portrait(), Box(0.5 - box_side / 2, 0.5 - box_side / 2, box_side, box_side)
    before, at, after = face_crops(picture, [box] * 3, rolls=[9.99, 10.01, 10.5]).astype(int)
    assert np.abs(at - before).mean() < 3
    assert np.abs(after - before).mean() < 3


def test_a_leaning_square_goes_on_beyond_the_border_too() -> None:
    [crop] = face_crops(
        np.full((60, 80), 77, dtype=np.uint8), [Box(-0.3, -0.2, 0.5, 0.6)], HELD, [30.0]
    )
    assert (crop == 77).all()


def test_leaning_shrinks_without_skipping_pixels() -> None:
    # A pattern of single pixels is grey from afar; taking every tenth pixel would make stripes of
    # it.
    board = np.indices((500, 500)).sum(axis=0) % 2 * 255
    [crop] = face_crops(board.astype(np.uint8), [Box(0.1, 0.1, 0.8, 0.8)], HELD, [40.0])
    assert np.abs(crop.astype(int) - 128).max() < 12


def test_each_box_needs_its_roll() -> None:
    with pytest.raises(ValueError, match="expected one for each of the 2 boxes, received 1"):
        face_crops(GREY, [box_px(0, 0, 40, 40)] * 2, rolls=[3.0])


def test_no_face_gives_no_crop() -> None:
    assert face_crops(GREY, []).shape == (0, 48, 48)


def test_the_picture_is_left_as_it_was() -> None:
    before = GREY.copy()
    face_crops(GREY, [box_px(-20, -20, 100, 100)])
    np.testing.assert_array_equal(GREY, before)


sides = st.floats(-2, 3)


@given(sides, sides, st.floats(0, 2), st.floats(0, 2), st.none() | st.floats(-180, 180))
def test_any_box_gives_a_crop_within_the_levels_of_the_picture(
    x: float, y: float, width: float, height: float, roll: float | None
) -> None:
    picture = 50 + GREY // 2
    crops = face_crops(picture, [Box(x, y, width, height)], rolls=None if roll is None else [roll])
    assert crops.shape == (1, 48, 48)
    assert crops.dtype == np.uint8
    assert picture.min() <= crops.min() <= crops.max() <= picture.max()
