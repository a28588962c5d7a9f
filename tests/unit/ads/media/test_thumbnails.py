"""Thumbnails along an ad: their positions and pictures, and broken or missing files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import ads.sample
from ads.errors import AdsError, MediaError
from ads.media.thumbnails import even_positions, thumbnails, thumbnails_at

SAMPLES = Path(ads.sample.__file__).parent


def pixels(still) -> np.ndarray:
    with Image.open(io.BytesIO(still.jpeg)) as picture:
        assert picture.format == "JPEG"
        assert picture.size == (still.width, still.height)
        return np.asarray(picture.convert("RGB")).astype(int)


@pytest.fixture
def clip(tmp_path) -> Path:
    """Four seconds at 10 frames a second; the grey of frame k is 40 + 5 k."""
    import av

    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        stream.options = {"crf": "1", "g": "5"}
        for number in range(40):
            picture = np.full((90, 160, 3), 40 + 5 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture
def animation(tmp_path) -> Path:
    """Red for half a second, then blue for a whole one."""
    path = tmp_path / "two.gif"
    first, second = (Image.new("RGB", (40, 30), colour) for colour in ("red", "blue"))
    first.save(path, save_all=True, append_images=[second], duration=[500, 1000], loop=0)
    return path


@given(
    duration_s=st.floats(0.05, 7200),
    every_s=st.floats(0.01, 60),
    most=st.integers(1, 40),
)
def test_positions_are_the_middles_of_equal_stretches_that_fill_the_ad(duration_s, every_s, most):
    found = even_positions(duration_s, every_s, most)
    assert 1 <= len(found) <= most
    step = duration_s / len(found)
    assert found == pytest.approx([(k + 0.5) * step for k in range(len(found))])
    assert found[0] > 0
    assert found[-1] < duration_s
    # A stretch is about as long as asked for, unless there would be too many.
    assert step >= every_s * 2 / 3 - 1e-9 or len(found) == 1


@pytest.mark.parametrize(
    ("duration_s", "every_s", "most"), [(0, 1, 1), (1, 0, 1), (1, 1, 0), (float("nan"), 1, 1)]
)
def test_lengths_that_make_no_sense(duration_s, every_s, most):
    with pytest.raises(AdsError, match="expected a number above 0"):
        even_positions(duration_s, every_s, most)


def test_a_clip_gives_the_pictures_of_its_seconds(clip):
    found = thumbnails(clip, 4.0, "video", height_px=45)
    assert [still.second for still in found] == [0.5, 1.5, 2.5, 3.5]
    assert {(still.width, still.height) for still in found} == {(80, 45)}
    # The frame at second s is number 10 s.
    assert [pixels(still).mean() for still in found] == pytest.approx([65, 115, 165, 215], abs=3)


def test_stills_at_any_seconds_come_in_order_and_once(clip):
    found = thumbnails_at(clip, "video", [3.05, 0.0, 0.05, 3.05, 60.0], 30)
    assert [still.second for still in found] == [0.0, 0.05, 3.05, 60.0]
    assert [pixels(still).mean() for still in found] == pytest.approx([40, 40, 190, 235], abs=3)
    assert thumbnails_at(clip, "video", []) == []


def test_an_animation_goes_round(animation):
    found = thumbnails(animation, 3.0, "animation", every_s=0.5, height_px=30)
    is_red = [bool(pixels(still)[..., 0].mean() > 128) for still in found]
    assert is_red == [True, False, False, True, False, False]


def test_a_picture_gives_one_still(tmp_path):
    path = tmp_path / "one.png"
    Image.new("RGBA", (300, 100), (0, 128, 0, 255)).save(path)
    (still,) = thumbnails(path, 6.0, "image", height_px=50)
    assert (still.second, still.width, still.height) == (3.0, 150, 50)
    assert pixels(still).mean(axis=(0, 1)) == pytest.approx([0, 128, 0], abs=4)
    assert [s.jpeg for s in thumbnails_at(path, "image", [1, 2], 50)] == [still.jpeg] * 2


def test_a_very_wide_picture_stays_small(tmp_path):
    path = tmp_path / "wide.png"
    Image.new("RGB", (8000, 10)).save(path)
    (still,) = thumbnails(path, 1.0, "image", height_px=90)
    assert still.width == 1600


def test_a_cut_clip_gives_the_pictures_before_the_cut(tmp_path):
    whole = (SAMPLES / "solina.mp4").read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    found = thumbnails(path, 8.0, "video")
    assert 1 <= len(found) < 8
    assert found == thumbnails(SAMPLES / "solina.mp4", 8.0, "video")[: len(found)]


def test_files_that_give_nothing(tmp_path):
    with pytest.raises(MediaError, match="does not exist"):
        thumbnails(tmp_path / "gone.mp4", 4.0, "video")
    (tmp_path / "text.mp4").write_text("no clip")
    with pytest.raises(MediaError, match="cannot be decoded"):
        thumbnails(tmp_path / "text.mp4", 4.0, "video")
    Image.new("1", (20000, 20000)).save(tmp_path / "giant.png")
    with pytest.raises(MediaError, match="million pixels"):
        thumbnails(tmp_path / "giant.png", 4.0, "image")


@pytest.mark.parametrize("seconds", [[-1.0], [float("inf")], [0.0, -0.1]])
def test_positions_outside(clip, seconds):
    with pytest.raises(AdsError, match="Invalid position"):
        thumbnails_at(clip, "video", seconds)
    with pytest.raises(AdsError, match="Invalid height_px"):
        thumbnails_at(clip, "video", [0.0], 0)


@pytest.mark.parametrize(
    ("name", "kind"), [("solina.mp4", "video"), ("brume.jpg", "image"), ("fleur.gif", "animation")]
)
def test_the_samples_make_small_strips_and_the_same_every_time(name, kind):
    found = thumbnails(SAMPLES / name, 6.0, kind)
    assert found == thumbnails(SAMPLES / name, 6.0, kind)
    assert sum(len(still.jpeg) for still in found) < 40_000
