"""Tiles are looked at where something moves, all in turn, and all soon after the scene has changed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from detector.faces.tile_scheduler import TileScheduler
from detector.faces.tiles import Tile, tile_ladder
from detector.types import Box

WIDTH, HEIGHT = 640, 360


def scene(seed: int = 0) -> np.ndarray:
    """A still room with structure everywhere."""
    cells = np.random.default_rng(seed).integers(60, 200, (9, 16, 3), dtype=np.uint8)
    return np.kron(cells, np.ones((40, 40, 1), np.uint8))


def with_patch(image: np.ndarray, x: int, y: int, size: int = 60) -> np.ndarray:
    changed = image.copy()
    changed[y : y + size, x : x + size] = 255 - changed[y : y + size, x : x + size]
    return changed


FRAME_NS = 33_333_333


class Watched(TileScheduler):
    """A scheduler that is shown 30 frames per second."""

    now_ns = 0

    def show(self, image: np.ndarray, known: Sequence[Box] = ()) -> None:
        self.now_ns += FRAME_NS
        self.notice(image, known, self.now_ns)


@pytest.fixture
def settled() -> Watched:
    """A scheduler that has seen all of the still room."""
    scheduler = Watched(tile_ladder(WIDTH, HEIGHT, 40), WIDTH, HEIGHT)
    for _ in range(60):
        scheduler.show(scene())
        scheduler.choose(12)
    assert not scheduler.catching_up
    return scheduler


def holds(tile: Tile, x: int, y: int, size: int = 60) -> bool:
    return (
        tile.x < x + size
        and tile.y < y + size
        and tile.x + tile.side > x
        and tile.y + tile.side > y
    )


def test_at_the_start_everything_is_looked_at_once_the_largest_tiles_first() -> None:
    tiles = tile_ladder(WIDTH, HEIGHT, 40)
    scheduler = Watched(tiles, WIDTH, HEIGHT)
    seen: list[Tile] = []
    while scheduler.catching_up:
        scheduler.show(scene())
        if not scheduler.catching_up:
            break
        looked = scheduler.choose(12)
        assert 1 <= len(looked) <= 12
        seen += looked
    assert seen == list(tiles)


def test_a_blank_picture_needs_no_looks_to_catch_up() -> None:
    scheduler = Watched(tile_ladder(WIDTH, HEIGHT, 40), WIDTH, HEIGHT)
    scheduler.show(np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    assert not scheduler.catching_up


def test_in_a_still_room_one_tile_after_the_other_gets_its_turn(settled: Watched) -> None:
    tiles = tile_ladder(WIDTH, HEIGHT, 40)
    seen: list[Tile] = []
    for _ in tiles:
        settled.show(scene())
        looked = settled.choose(2)
        assert len(looked) == 1
        seen += looked
    assert set(seen) == set(tiles)


def test_movement_is_looked_at_at_once_and_at_every_scale(settled: Watched) -> None:
    seen: list[Tile] = []
    for step in range(6):
        settled.show(with_patch(scene(), 400 + step % 2, 200))
        looked = settled.choose(2)
        seen += looked
        if step == 1:  # the first look may have been the turn of what rests
            assert any(holds(tile, 400, 200) for tile in seen)
    # In the whole picture it is too little to be worth a look.
    assert {tile.level for tile in seen} >= {
        tile.level for tile in tile_ladder(WIDTH, HEIGHT, 40)
    } - {0}


def test_what_rests_has_its_turn_while_something_moves(settled: Watched) -> None:
    looks: list[Tile] = []
    for step in range(40):
        settled.show(with_patch(scene(), 400 + step % 2, 200))
        looks += settled.choose(1)
    aside = [tile for tile in looks if not holds(tile, 400, 200)]
    assert len(aside) in range(8, 13)
    assert len(set(aside)) == len(aside)


def test_noise_of_a_camera_is_no_movement(settled: Watched) -> None:
    rng = np.random.default_rng(1)
    for _ in range(10):
        noise = rng.normal(0, 6, (HEIGHT, WIDTH, 3))
        settled.show(np.clip(scene() + noise, 0, 255).astype(np.uint8))
        assert len(settled.choose(2)) == 1


def test_flickering_light_is_no_movement(settled: Watched) -> None:
    for step in range(10):
        settled.show(scene() + np.uint8(20 * (step % 2)))
        assert not settled.catching_up
        assert len(settled.choose(2)) == 1


def test_a_scene_that_never_rests_is_still_seen_as_a_whole() -> None:
    tiles = tile_ladder(WIDTH, HEIGHT, 40)
    scheduler = Watched(tiles, WIDTH, HEIGHT)
    seen: set[Tile] = set()
    for step in range(2 * len(tiles) // 12 + 2):
        scheduler.show(scene(step))
        seen |= set(scheduler.choose(12))
    assert seen == set(tiles)


def test_a_known_face_that_moves_asks_for_no_look(settled: Watched) -> None:
    face = Box(400 / WIDTH, 200 / HEIGHT, 60 / WIDTH, 60 / HEIGHT)
    settled.show(with_patch(scene(), 400, 200), [face])
    assert len(settled.choose(2)) == 1


def test_another_scene_is_looked_at_as_a_whole_again(settled: Watched) -> None:
    settled.show(255 - scene())
    assert settled.catching_up
    assert len(settled.choose(12)) == 12


def test_only_new_movement_asks_for_the_full_rate(settled: Watched) -> None:
    assert not settled.newly_moved
    new = []
    for step in range(60):
        settled.show(with_patch(scene(), 400 + step % 2 * 20, 200))
        new.append(settled.newly_moved)
    assert new[0]
    assert not any(new[30:])  # it goes on and on, as a screen or a tree does
    settled.show(with_patch(scene(), 100, 100))
    assert settled.newly_moved


def test_new_movement_counts_until_its_tiles_are_searched(settled: Watched) -> None:
    settled.show(with_patch(scene(), 400, 200))
    searched = []
    while settled.newly_moved:
        searched += settled.choose(1)
        assert len(searched) < 100
    assert searched
    assert all(holds(tile, 400, 200) for tile in searched[1:])


def test_a_place_rests_until_it_is_hidden_or_left(settled: Watched) -> None:
    face = Box(400 / WIDTH, 200 / HEIGHT, 60 / WIDTH, 60 / HEIGHT)
    assert settled.rests(face)
    settled.show(with_patch(scene(), 410, 230, 20))  # a mouth
    assert settled.rests(face)
    gone = scene()
    gone[200:260, 400:460] = 255
    settled.show(gone, [face])
    assert not settled.rests(face)
    settled.show(gone, [face])
    assert settled.rests(face)


def test_before_the_second_frame_nothing_is_known_to_rest() -> None:
    scheduler = Watched(tile_ladder(WIDTH, HEIGHT, 40), WIDTH, HEIGHT)
    scheduler.show(scene())
    assert not scheduler.rests(Box(0.4, 0.4, 0.1, 0.1))
