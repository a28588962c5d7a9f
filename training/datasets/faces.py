"""Faces with labels, as every part of the training receives them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from detector.emotion.labels import EMOTIONS
from training.datasets.report import ReadingReport
from training.datasets.splits import ROLES, role_of
from training.errors import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_LABEL = -1


@dataclass(frozen=True)
class FaceDataset:
    """Faces with their labels.

    Attributes:
        images: `(n, h, h)` grey levels, uint8.
        original: `(n,)` index into `classes` of the published label, or `NO_LABEL`.
        votes: `(n, 10)` votes for `VOTE_LABELS`, unknown and not-a-face; `None` without.
        usage: `(n,)` published split of each row, such as `Training` or `train`.
        classes: Names of the labels.
        reading: What was read and skipped, of the whole dataset.
    """

    images: NDArray[np.uint8]
    original: NDArray[np.int64]
    votes: NDArray[np.float64] | None
    usage: NDArray[np.str_]
    classes: tuple[str, ...] = EMOTIONS
    reading: ReadingReport = field(default_factory=ReadingReport)

    def __post_init__(self) -> None:
        rows = {
            "images": len(self.images),
            "original": len(self.original),
            "votes": len(self.images if self.votes is None else self.votes),
            "usage": len(self.usage),
        }
        if len(set(rows.values())) > 1:
            found = ", ".join(f"{name} {count}" for name, count in rows.items())
            raise ValueError(
                f"Invalid FaceDataset: expected as many rows of each kind, received {found}."
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def present(self) -> tuple[str, ...]:
        """The classes that have rows, in order."""
        return tuple(
            name for index, name in enumerate(self.classes) if (self.original == index).any()
        )

    @property
    def roles(self) -> dict[str, int]:
        """Number of rows by role of their split: training, validation, test; without empty
        roles."""
        counts = self.splits()
        summed = {
            role: sum(n for name, n in counts.items() if role_of(name) == role) for role in ROLES
        }
        return {role: count for role, count in summed.items() if count}

    def splits(self) -> dict[str, int]:
        """Return the number of rows of each published split: training, validation, test, others."""
        names, counts = np.unique(self.usage, return_counts=True)
        found = dict(zip(names.tolist(), counts.tolist(), strict=True))
        order = [*ROLES, None]
        return dict(
            sorted(found.items(), key=lambda item: (order.index(role_of(item[0])), item[0]))
        )

    def subset(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> FaceDataset:
        """Return the rows that a mask or an index selects."""
        return replace(
            self,
            images=self.images[chosen],
            original=self.original[chosen],
            votes=None if self.votes is None else self.votes[chosen],
            usage=self.usage[chosen],
        )

    def split(self, name: str) -> FaceDataset:
        """Return the rows of a split by its published name (`PublicTest`, `train`) or role."""
        mask = self.usage == name
        if not mask.any() and name in ROLES:
            mask = np.isin(self.usage, [split for split in self.splits() if role_of(split) == name])
        if not mask.any():
            known = ", ".join(f"{split} ({count:,} rows)" for split, count in self.splits().items())
            roles = ", ".join(self.roles)
            raise DatasetError(
                f"The dataset has no rows in the split {name!r}: expected one of "
                f"{known or 'no split'}" + (f", or a role among {roles}." if roles else ".")
            )
        return self.subset(mask)
