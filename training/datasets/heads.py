"""What a network is asked to learn: one head for each set of labels, each with a target for every row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Head:
    """One output of a network and what it should say of each row.

    Attributes:
        name: Of the output.
        labels: Its classes, in order.
        targets: `(n, len(labels))` distributions over the classes; rows sum to 1.
        known: `(n,)` whether the row says anything to this head.
        loss_weight: Weight of this head's loss, above 0.
    """

    name: str
    labels: tuple[str, ...]
    targets: NDArray[np.float32]
    known: NDArray[np.bool_]
    loss_weight: float = 1.0

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def classes(self) -> NDArray[np.int64]:
        """`(n,)` the strongest class of each row."""
        return np.asarray(self.targets.argmax(axis=1))

    def subset(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Head:
        """The rows a mask or an index names."""
        return Head(
            self.name, self.labels, self.targets[chosen], self.known[chosen], self.loss_weight
        )


def one_hot(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """`(n, classes)` with a one at each label; rows without a label (below 0) are uniform."""
    rows = np.full((len(labels), classes), 1.0 / classes, dtype=np.float32)
    known = labels >= 0
    rows[known] = np.eye(classes, dtype=np.float32)[labels[known]]
    return rows
