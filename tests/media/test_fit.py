"""How media of another shape than the screen meet it: `fit: contain`, `cover` and `blur`."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.media.clip_maker import Coding, write_clip
from tests.media.painted import COLOURS, assert_colours, painted, quarters, shown_part

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PORTRAIT = (36, 64)
PLAIN = Coding()


def edged(size: tuple[int, int]) -> np.ndarray:
    """Draw four quarters with white beyond the part that a 16:9 screen keeps when it is filled."""
    width, height = size
    picture = np.full((height, width, 3), 255, np.uint8)
    kept_width, kept_height = min(width, height * 16 // 9), min(height, width * 9 // 16)
    left, top = (width - kept_width) // 2, (height - kept_height) // 2
    inner = quarters(COLOURS, (kept_width, kept_height))
    picture[top : top + kept_height, left : left + kept_width] = inner
    return picture


def clip(name: str, picture: np.ndarray, coding: Coding = PLAIN) -> Callable[[Path], Path]:
    return lambda folder: write_clip(folder / name, [picture] * 3, coding)


def still(name: str, picture: np.ndarray) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        Image.fromarray(picture).save(folder / name)
        return folder / name

    return make


def animation(name: str, picture: np.ndarray) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        second = Image.fromarray(np.ascontiguousarray(picture[::-1]))
        Image.fromarray(picture).save(
            folder / name, save_all=True, append_images=[second], duration=2000, lossless=True
        )
        return folder / name

    return make


WHOLE: dict[str, Callable[[Path], Path]] = {
    "portrait.mp4": clip("portrait.mp4", quarters(COLOURS, PORTRAIT)),
}
FILLING: dict[str, Callable[[Path], Path]] = {
    "portrait-cover.mp4": clip("portrait-cover.mp4", edged((144, 256))),
    "strip-cover.png": still("strip-cover.png", edged((1280, 180))),
    "portrait-cover.jpg": still("portrait-cover.jpg", edged((270, 480))),
    "wide-pixels-cover.mp4": clip(
        # Pixels half as wide as high: a portrait, although its pixels are 288 x 256.
        "wide-pixels-cover.mp4",
        edged((144, 256)).repeat(2, axis=1),
        Coding(aspect=Fraction(1, 2)),
    ),
}
BLURRED: dict[str, Callable[[Path], Path]] = {
    "portrait-blur.mp4": clip("portrait-blur.mp4", quarters(COLOURS, PORTRAIT)),
    "portrait-blur.png": still("portrait-blur.png", quarters(COLOURS, (360, 640))),
    "strip-blur.webp": animation("strip-blur.webp", quarters(COLOURS, (640, 90))),
}
SAME_SHAPE: dict[str, Callable[[Path], Path]] = {
    "same-shape.png": still("same-shape.png", quarters(COLOURS, (320, 180))),
}
INPUTS = [*WHOLE, *FILLING, *BLURRED, *SAME_SHAPE]


def keys_of(path: Path) -> dict[str, float]:
    """Return the key that a still picture needs."""
    return {} if path.suffix in {".mp4", ".webp"} else {"duration_s": 2}


@pytest.mark.parametrize("name", WHOLE)
def test_contain_is_the_default_and_leaves_black_beside_the_picture(tmp_path, name):
    path = WHOLE[name](tmp_path)
    for keys in ({}, {"fit": "contain"}):
        view = painted(path, 0.05, **keys)
        assert_colours(shown_part(view, PORTRAIT), COLOURS)
        assert view[:, :100].max() == view[:, -100:].max() == 0


@pytest.mark.parametrize("name", FILLING)
def test_cover_fills_the_screen_and_cuts_the_edges_off(tmp_path, name):
    path = FILLING[name](tmp_path)
    view = painted(path, 0.05, fit="cover", **keys_of(path))
    assert_colours(view, COLOURS)
    # Nothing of what lies beyond, and nothing black: up to the corners.
    corners = [view[4, 4], view[4, -5], view[-5, 4], view[-5, -5]]
    assert np.abs(np.array(corners, int) - np.array(COLOURS)).max() <= 6


@pytest.mark.parametrize("name", BLURRED)
def test_blur_shows_the_whole_picture_on_its_blurred_copy(tmp_path, name):
    path = BLURRED[name](tmp_path)
    view = painted(path, 0.05, fit="blur", **keys_of(path))
    shape = (640, 90) if "strip" in name else PORTRAIT
    assert_colours(shown_part(view, shape), COLOURS)
    # The corners are those of the picture, and no edge is as hard as in it.
    corners = [view[4, 4], view[4, -5], view[-5, 4], view[-5, -5]]
    assert np.abs(np.array(corners, int) - np.array(COLOURS)).max() <= 12
    beside = view[:40] if "strip" in name else view[:, :90].swapaxes(0, 1)
    assert np.abs(np.diff(beside.astype(int), axis=1)).max() < 40


@pytest.mark.parametrize("name", SAME_SHAPE)
@pytest.mark.parametrize("fit", ["contain", "cover", "blur"])
def test_a_picture_of_the_shape_of_the_screen_looks_the_same(tmp_path, name, fit):
    view = painted(SAME_SHAPE[name](tmp_path), 0.05, fit=fit, duration_s=2)
    assert (view == quarters(COLOURS, (320, 180))).all()


@pytest.mark.parametrize("size", [(1, 4000), (4000, 1), (3, 2)])
@pytest.mark.parametrize("fit", ["cover", "blur"])
def test_pictures_of_any_shape_fill_the_screen(tmp_path, size, fit):
    path = still("odd.png", np.full((size[1], size[0], 3), (40, 90, 220), np.uint8))(tmp_path)
    view = painted(path, 0.05, fit=fit, duration_s=2)
    assert np.abs(view.astype(int) - (40, 90, 220)).max() <= 2
