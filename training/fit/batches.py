"""The batches of an epoch: drawn with the classes balanced, varied, blended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from training.fit import augmentation as views
from training.fit.expressions import NEUTRAL, varied_targets

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from training.datasets.labels import Head
    from training.datasets.landmarks import Landmarks
    from training.fit.augmentation import Augmentation
    from training.fit.expressions import Expressions


def draw_shares(classes: NDArray[np.int64], balance: float) -> NDArray[np.float64]:
    """Return how often each row is drawn, `(n,)`, summing to 1.

    A class of m rows is drawn in proportion to `m ** (1 - balance)`: 0 draws every row alike, 1
    every class.
    """
    counts = np.bincount(classes)
    weights = np.asarray(counts[classes], dtype=np.float64) ** -balance
    return np.asarray(weights / weights.sum())


def draw_rows(shares: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return n rows, each as often as its share says to the nearest whole number, shuffled.

    Systematic resampling (Kitagawa, 1996): with equal shares every row comes exactly once.
    """
    n = len(shares)
    # Slightly below 1: rounding must not move the last point behind the last row.
    points = (np.arange(n) + rng.random()) / n * (1 - 1e-12)
    edges = np.cumsum(shares)
    return rng.permutation(np.searchsorted(edges / edges[-1], points, side="right"))


@dataclass(frozen=True)
class Rows:
    """`(n, h, h)` pictures, their heads, the main one first, and what their landmarks tell."""

    images: NDArray[np.uint8]
    heads: tuple[Head, ...]
    landmarks: Landmarks | None = None
    expressions: Expressions | None = None

    def __len__(self) -> int:
        return len(self.images)


class FaceBatches(keras.utils.PyDataset):
    """Batches of varied faces with targets and weights of every head, drawn again each epoch.

    The first head decides how classes are balanced (see `draw_shares`). Seed and epoch repeat every
    draw. With the rows' expressions, some faces get stronger or weaker ones, and targets to match;
    with their landmarks, some are partly covered.
    `strength` gives the variation at a step of the run; batches are made ahead, so it must not
    depend on when it is asked. With `only_whole`, an epoch drops an incomplete last batch. Several
    `threads` make batches while the network is trained; one makes each when it is needed.
    """

    def __init__(
        self,
        rows: Rows,
        *,
        side_px: int,
        batch_size: int,
        balance: float,
        seed: int,
        epoch: int,
        strength: Callable[[int], Augmentation],
        only_whole: bool = False,
        threads: int = 1,
    ) -> None:
        super().__init__(workers=threads, use_multiprocessing=False, max_queue_size=4 * threads)
        self._rows, heads = rows, rows.heads
        self._neutral = {
            head.name: head.labels.index(NEUTRAL) for head in heads if NEUTRAL in head.labels
        }
        self._targets = {head.name: head.targets for head in heads}
        self._weights = {head.name: head.known.astype(np.float32) for head in heads}
        # Rows that the first head does not know are drawn like the others on average.
        main, known = heads[0], heads[0].known
        self._shares = np.full(len(main), 1 / len(main))
        if known.any():
            self._shares[known] = draw_shares(main.classes[known], balance) * known.mean()
        self._side_px, self._batch_size, self._seed = side_px, batch_size, seed
        self._epoch, self._strength = epoch, strength
        self._batches = len(rows) // batch_size if only_whole else -(-len(rows) // batch_size)
        self._order = self._drawn()

    def _drawn(self) -> NDArray[np.int64]:
        return draw_rows(self._shares, np.random.default_rng([self._seed, self._epoch]))

    def __len__(self) -> int:
        return self._batches

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], dict[str, Any], dict[str, Any]]:
        rows = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        rng = np.random.default_rng([self._seed, self._epoch, index])
        strength = self._strength(self._epoch * len(self) + index)
        images = self._rows.images[rows]
        targets = {name: values[rows] for name, values in self._targets.items()}
        if self._rows.expressions is not None and strength.expression > 0:
            factors = views.draw_expressions(len(rows), strength, rng)
            changed = self._rows.expressions.vary(images, rows, factors)
            for name, neutral in self._neutral.items():
                targets[name][changed] = varied_targets(
                    targets[name][changed], factors[changed], neutral
                )
        if self._rows.landmarks is not None and strength.cover_share > 0:
            views.cover(images, rows, self._rows.landmarks, strength, rng)
        faces = views.augment(images, self._side_px, strength, rng)
        weights = {name: values[rows] for name, values in self._weights.items()}
        if strength.mixup > 0:
            views.mixup(faces, [*targets.values(), *weights.values()], strength.mixup, rng)
        return faces, targets, weights

    def on_epoch_end(self) -> None:
        self._epoch += 1
        self._order = self._drawn()
