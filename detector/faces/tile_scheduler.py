"""Choose the tiles to search in a frame: where something changed first, everything else in turn.

Searching all tiles in every frame would cost a hundred times the budget, and new faces come with
movement. At the start and when the whole scene changes, a burst covers everything in a few frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from detector.faces.tiles import Tile
    from detector.types import Box

MAP_WIDTH = 160
"""Width of the reduced picture in which movement is detected: one cell is 8 px of a 1280 px one."""


class TileScheduler:
    """Chooses the tiles of each frame, with frames in order of time."""

    CHANGED_LEVELS = 8.0
    """A larger change of a cell's grey level between frames is movement: averaging over a cell
    leaves less than 3 of a camera's noise."""

    SCENE_CHANGE_SHARE = 0.5
    """Share of the picture that changes at once with the scene: a cut, the light, a turned
    camera."""

    MIN_CHANGE = 0.01
    """Share of a tile that must have changed for it to be worth searching."""

    FLAT_LEVELS = 2.0
    """A tile whose grey levels deviate less than this contains no face."""

    RESTING_TURN = 4
    """Every so many tiles, the one that has waited longest, even if something moves elsewhere."""

    KNOWN_MARGIN = 0.35
    """Movement this close to a known face, in sides of its box, is that person's."""

    def __init__(self, tiles: Sequence[Tile], width: int, height: int) -> None:
        self._tiles = tuple(tiles)
        map_width = min(MAP_WIDTH, width)
        self._size = (map_width, max(1, round(height * map_width / width)))
        scale = np.array([self._size[0] / width, self._size[1] / height])
        x, y, side, self._level = np.array(tiles).T
        start = np.stack([x, y], axis=1)
        low = np.floor(start * scale).astype(np.int64)
        high = np.ceil((start + side[:, None]) * scale).astype(np.int64)
        self._low = np.clip(low, 0, np.array(self._size) - 1)
        self._high = np.clip(np.maximum(high, self._low + 1), 1, self._size)
        self._area = (self._high - self._low).prod(axis=1)
        self._before: NDArray[np.int16] | None = None
        self._changed = np.zeros(len(tiles))
        self._waiting = np.zeros(len(tiles), dtype=np.int64)
        self._unseen = np.ones(len(tiles), dtype=bool)
        self._turn = 0
        self._choices = 0

    @property
    def catching_up(self) -> bool:
        """Whether tiles are left that were not searched since the scene changed."""
        return bool(self._unseen.any())

    def notice(self, image: NDArray[np.uint8], known: Sequence[Box]) -> None:
        """Add what changed since the frame before, outside known faces; BGR of any size."""
        small = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
        small = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
        levels = small.astype(np.int16)
        self._waiting += 1
        if self._before is not None:
            difference = levels - self._before
            # Flickering light, or a camera that adapts to light, changes the whole picture alike.
            difference -= np.int16(np.median(difference))
            moved = (np.abs(difference) > self.CHANGED_LEVELS).astype(np.uint8)
            # Catch up once with a picture that never rests, rather than restart at every frame.
            if moved.mean() > self.SCENE_CHANGE_SHARE and not self.catching_up:
                self._unseen[:] = True
            for box in known:
                self._blank(moved, box)
            self._changed += self._sums(moved)
        self._before = levels
        if self.catching_up:
            self._skip_flat_tiles(small)

    def choose(self, most: int) -> list[Tile]:
        """Return at most `most` tiles to search now, and count them as seen.

        While catching up, the next unseen ones; afterwards those with movement, and in turn at most
        one that has waited longest.
        """
        chosen: list[int] = np.flatnonzero(self._unseen)[:most].tolist()
        for number in chosen:
            self._seen(number)
        rested = bool(chosen)
        while len(chosen) < most and not rested:
            self._choices += 1
            moved = None if self._choices % self.RESTING_TURN == 0 else self._most_changed()
            rested = moved is None
            number = int(np.argmax(self._waiting)) if moved is None else moved
            chosen.append(number)
            self._seen(number)
        return [self._tiles[number] for number in chosen]

    def _blank(self, cells: NDArray[np.uint8], box: Box) -> None:
        width, height = self._size
        before, after = -self.KNOWN_MARGIN, 1 + self.KNOWN_MARGIN
        left, right = (int((box.x + side * box.width) * width) for side in (before, after))
        top, bottom = (int((box.y + side * box.height) * height) for side in (before, after))
        cells[max(0, top) : max(0, bottom + 1), max(0, left) : max(0, right + 1)] = 0

    def _most_changed(self) -> int | None:
        """Return the tile with the densest movement on the next level: near and far in turn."""
        density = self._changed / self._area
        worth = density > self.MIN_CHANGE
        if not worth.any():
            return None
        levels = np.unique(self._level[worth])
        later = levels[levels > self._turn]
        self._turn = int(later[0]) if len(later) else int(levels[0])
        return int(np.argmax(np.where(worth & (self._level == self._turn), density, -1.0)))

    def _seen(self, number: int) -> None:
        self._changed[number] = 0.0
        self._waiting[number] = 0
        self._unseen[number] = False

    def _skip_flat_tiles(self, small: NDArray[np.generic]) -> None:
        values = small.astype(np.float64)
        mean = self._sums(values) / self._area
        variance = self._sums(values * values) / self._area - mean * mean
        self._unseen &= variance > self.FLAT_LEVELS * self.FLAT_LEVELS

    def _sums(self, cells: NDArray[np.uint8 | np.float64]) -> NDArray[np.float64]:
        """Return the sum of the cells in each tile, by the summed-area table (Crow, 1984)."""
        table = cv2.integral(cells, sdepth=cv2.CV_64F)
        (x0, y0), (x1, y1) = self._low.T, self._high.T
        return np.asarray(table[y1, x1] - table[y0, x1] - table[y1, x0] + table[y0, x0])
