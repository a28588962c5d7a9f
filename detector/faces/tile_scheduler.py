"""Choose the tiles to search in a frame: where something changed first, everything else in turn.

Searching all tiles in every frame would cost a hundred times the budget, and new faces come with
movement. At the start and when the whole scene changes, a burst covers everything in a few frames.
"""

from __future__ import annotations

import math
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

    RESTING_SHARE = 0.3
    """Largest share of a face's cells that an expression or a slow movement changes; a face that
    leaves or is hidden changes more."""

    USUAL_S, USUAL_SHARE = 1.0, 0.1
    """Time constant of a cell's mean movement (0 to 1), and the mean up to which its movement is
    new: a screen, a tree or the body of a known person never stops moving."""

    NEW_SHARE = 0.03
    """Least share of a tile that has to start moving at once; a newcomer fills more of a tile that
    suits the face."""

    NEW_NS = 500_000_000
    """How long a tile with new movement waits to be searched at the full rate."""

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
        self._before_ns = 0
        self._moved: NDArray[np.uint8] | None = None
        self._usual = np.zeros((self._size[1], self._size[0]), dtype=np.float32)
        self._changed = np.zeros(len(tiles))
        self._new_until_ns = np.zeros(len(tiles), dtype=np.int64)
        self._waiting = np.zeros(len(tiles), dtype=np.int64)
        self._unseen = np.ones(len(tiles), dtype=bool)
        self._turn = 0
        self._choices = 0

    @property
    def catching_up(self) -> bool:
        """Whether tiles are left that were not searched since the scene changed."""
        return bool(self._unseen.any())

    @property
    def newly_moved(self) -> bool:
        """Whether something began to move within `NEW_NS` in a tile not searched since."""
        return bool((self._new_until_ns > self._before_ns).any())

    def rests(self, box: Box) -> bool:
        """Return whether a face's place looks as in the frame before."""
        if self._moved is None:
            return False
        cells = self._cells(self._moved, box, 0.0)
        return cv2.countNonZero(cells) <= self.RESTING_SHARE * cells.size

    def notice(self, image: NDArray[np.uint8], known: Sequence[Box], captured_ns: int) -> None:
        """Add what changed since the frame before, outside known faces; BGR of any size."""
        small = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
        small = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
        levels = small.astype(np.int16)
        self._waiting += 1
        if self._before is not None:
            self._moved = moved = self._movement(levels - self._before)
            # Catch up once with a picture that never rests, rather than restart at every frame.
            share = cv2.countNonZero(moved) / moved.size
            if share > self.SCENE_CHANGE_SHARE and not self.catching_up:
                self._unseen[:] = True
            strange = moved.copy()
            for box in known:
                self._cells(strange, box, self.KNOWN_MARGIN)[:] = 0
            if cv2.countNonZero(strange) > 0:
                self._changed += self._sums(strange)
                new = self._sums(strange * (self._usual <= self.USUAL_SHARE)) / self._area
                self._new_until_ns[new > self.NEW_SHARE] = captured_ns + self.NEW_NS
            passed_s = max(0, captured_ns - self._before_ns) / 1e9
            weight = 1 - math.exp(-passed_s / self.USUAL_S)
            cv2.accumulateWeighted(moved, self._usual, weight)
        self._before, self._before_ns = levels, captured_ns
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

    def _movement(self, difference: NDArray[np.int16]) -> NDArray[np.uint8]:
        """Return 1 for the cells that moved, 0 for the others."""
        # Flickering light, or a camera that adapts to light, changes the whole picture alike. A
        # quarter of the cells give the median well enough.
        some = difference[::2, ::2].ravel()
        difference -= np.partition(some, some.size // 2)[some.size // 2]
        return (np.abs(difference) > self.CHANGED_LEVELS).view(np.uint8)

    def _cells(self, cells: NDArray[np.uint8], box: Box, margin: float) -> NDArray[np.uint8]:
        """Return the part of a map at a box, widened by a margin in sides of the box."""
        width, height = self._size
        before, after = -margin, 1 + margin
        left, right = (int((box.x + side * box.width) * width) for side in (before, after))
        top, bottom = (int((box.y + side * box.height) * height) for side in (before, after))
        return cells[max(0, top) : max(0, bottom + 1), max(0, left) : max(0, right + 1)]

    def _most_changed(self) -> int | None:
        """Return the tile with the densest movement on the next level: near and far in turn.

        New movement comes first.
        """
        density = self._changed / self._area
        worth = self._new_until_ns > self._before_ns
        if not worth.any():
            worth = density > self.MIN_CHANGE
        if not worth.any():
            return None
        levels = np.unique(self._level[worth])
        later = levels[levels > self._turn]
        self._turn = int(later[0]) if len(later) else int(levels[0])
        return int(np.argmax(np.where(worth & (self._level == self._turn), density, -1.0)))

    def _seen(self, number: int) -> None:
        self._changed[number] = 0.0
        self._new_until_ns[number] = 0
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
