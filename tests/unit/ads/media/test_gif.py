"""The pictures of a GIF: put together as browsers do, endless, damaged."""

from __future__ import annotations

import io
import math
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ads.errors import MediaError
from ads.media.decode import probe
from ads.media.gif import GifPictures
from tests.media.picture_maker import SIZE, GifFrame, gif

WHOLE = (0, 0, *SIZE)
PALETTE = ((0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255))


def opened(content: bytes, limit: int = 100) -> GifPictures:
    return GifPictures(content, SIZE, limit)


def colours(pictures: GifPictures, index: int, *places: tuple[int, int]) -> list[tuple[int, ...]]:
    drawn = pictures.draw(index)
    return [drawn.getpixel(place) for place in places]


@pytest.mark.parametrize("mode", ["P", "L", "1"])
def test_pictures_are_those_of_their_maker(mode):
    noise = np.random.default_rng(2).integers(0, 256, (3, 24, 32, 3), np.uint8)
    pictures = [Image.fromarray(part).resize(SIZE) for part in noise]
    pictures = [one.quantize(200) if mode == "P" else one.convert(mode) for one in pictures]
    file = io.BytesIO()
    pictures[0].save(
        file, "GIF", save_all=True, append_images=pictures[1:], duration=[40, 50, 60], loop=3
    )
    found = opened(file.getvalue())
    assert (found.count, found.rounds) == (3, 4)
    for index, picture in enumerate(pictures):
        assert np.array_equal(found.draw(index), picture.convert("RGBA"))
        assert found.duration_ms(index) == 40 + 10 * index


@settings(max_examples=25, deadline=None)
@given(order=st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_a_picture_is_the_same_from_wherever_it_is_reached(order):
    boxes = [WHOLE, (5, 5, 20, 20), (10, 2, 30, 40), (0, 0, 12, 48)]
    content = gif(
        [GifFrame(box, 1 + n % 3, 5, disposal=n, clear=0) for n, box in enumerate(boxes)], PALETTE
    )
    pictures = opened(content)
    for index in order:
        assert np.array_equal(np.asarray(pictures.draw(index)), opened(content).draw(index))


def test_what_nothing_covers_is_transparent():
    frames = [GifFrame((8, 8, 16, 16), 1, 5, disposal=2), GifFrame((0, 0, 4, 4), 2, 5)]
    pictures = opened(gif(frames, PALETTE, background=3))
    clear, red, green = (0, 0, 0, 0), (255, 0, 0, 255), (0, 255, 0, 255)
    assert colours(pictures, 0, (1, 1), (10, 10), (40, 40)) == [clear, red, clear]
    assert colours(pictures, 1, (1, 1), (10, 10), (40, 40)) == [green, clear, clear]


def test_what_lies_outside_the_screen_is_cut_off():
    frames = [GifFrame(WHOLE, 1, 5), GifFrame((50, 40, 80, 60), 2, 5)]
    pictures = opened(gif(frames, PALETTE))
    assert pictures.draw(1).size == SIZE
    assert colours(pictures, 1, (49, 47), (63, 47)) == [(255, 0, 0, 255), (0, 255, 0, 255)]


@pytest.mark.parametrize(("loop", "rounds"), [(None, 1), (0, math.inf), (1, 2), (65535, 65536)])
def test_how_often_it_is_shown(loop, rounds):
    assert opened(gif([GifFrame(WHOLE, 1, 5)], PALETTE, loop=loop)).rounds == rounds


def test_no_more_are_looked_for_than_are_wanted():
    content = gif([GifFrame((0, 0, 1, 1), 1, 5)] * 500, PALETTE)
    assert opened(content, 20).count == 21


def test_one_giant_among_small_pictures_is_refused(tmp_path):
    path = tmp_path / "giant.gif"
    content = gif([GifFrame((0, 0, 1, 1), 1, 5), GifFrame((1, 1, 2, 2), 1, 5)], PALETTE)
    path.write_bytes(content.replace(b",\1\0\1\0\1\0\1\0", b",\1\0\1\0\xff\xff\xff\xff"))
    with pytest.raises(MediaError, match="65535 x 65535 pixels"):
        probe(path)


def test_a_file_that_is_cut_off_shows_its_whole_pictures(tmp_path):
    path = tmp_path / "cut.gif"
    content = gif([GifFrame(WHOLE, colour, 5) for colour in (1, 2, 3)], PALETTE)
    assert probe(make(path, content)).remarks == ()
    info = probe(make(path, content[:-20]))
    assert (info.kind, info.duration_s) == ("animation", pytest.approx(0.1))
    [remark] = info.remarks
    assert remark == f"{path} is cut off: its last pictures are missing; copy it again."
    assert probe(make(path, content[: len(content) // 2])).kind == "image"
    with pytest.raises(MediaError, match=r"cut\.gif cannot be decoded .*the file is cut off"):
        probe(make(path, content[: len(content) // 4]))


def make(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_files_are_shown_or_refused(tmp_path_factory, data):
    content = bytearray(gif([GifFrame(WHOLE, 1, 5), GifFrame((3, 3, 9, 9), 2, 5)], PALETTE))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("gif") / "a.gif"
    path.write_bytes(content)
    with suppress(MediaError):
        assert probe(path).width > 0
