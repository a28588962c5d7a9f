"""Every face is seen well in some tile, wherever it is and however large."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from detector.faces.tiles import LADDER, STRIDE, Tile, tile_ladder

pictures = st.tuples(st.integers(64, 1920), st.integers(64, 1080))


@settings(deadline=None)
@given(pictures, st.floats(24, 200))
def test_tiles_lie_in_the_picture_and_cover_it(size: tuple[int, int], smallest: float) -> None:
    width, height = size
    whole, *others = tile_ladder(width, height, smallest)
    assert (whole.side, whole.level) == (max(size), 0)
    for level in {tile.level for tile in others}:
        tiles = [tile for tile in others if tile.level == level]
        sides = {tile.side for tile in tiles}
        assert len(sides) == 1
        [side] = sides
        columns, rows = sorted({tile.x for tile in tiles}), sorted({tile.y for tile in tiles})
        for starts, length in ((columns, width), (rows, height)):
            if side >= length:
                assert len(starts) == 1
                assert starts[0] <= 0
                assert starts[0] + side >= length
            else:
                assert (starts[0], starts[-1] + side) == (0, length)
            assert all(later - earlier <= STRIDE * side + 1 for earlier, later in pairwise(starts))


@settings(deadline=None)
@given(pictures, st.floats(24, 120), st.data())
def test_every_face_is_large_enough_in_a_tile_that_holds_it(
    size: tuple[int, int], smallest: float, data: st.DataObject
) -> None:
    width, height = size
    assume(smallest <= min(size))
    face = data.draw(st.floats(smallest, min(size)))
    x = data.draw(st.floats(0, width - face))
    y = data.draw(st.floats(0, height - face))
    shares = [
        face / tile.side
        for tile in tile_ladder(width, height, smallest)
        if tile.x <= x
        and tile.y <= y
        and x + face <= tile.x + tile.side
        and y + face <= tile.y + tile.side
    ]
    # The smallest side that surely holds it is at most one step above the face's size by the share
    # that tiles overlap.
    assert max(shares) >= (1 - STRIDE) / LADDER - 0.02


def test_smaller_faces_need_more_tiles() -> None:
    counts = [len(tile_ladder(1280, 720, smallest)) for smallest in (400, 200, 100, 50, 36)]
    assert counts == sorted(counts)
    assert counts[0] == 1
    assert counts[-1] < 400


def test_a_picture_as_small_as_a_face_is_one_tile() -> None:
    assert tile_ladder(48, 48, 36) == (Tile(0, 0, 48, 0),)


@pytest.mark.parametrize("sizes", [(0, 10, 20), (10, 0, 20), (10, 10, 0)])
def test_impossible_sizes_are_refused(sizes: tuple[int, int, float]) -> None:
    with pytest.raises(
        ValueError, match="Invalid sizes: expected a picture and a face larger than 0"
    ):
        tile_ladder(*sizes)
