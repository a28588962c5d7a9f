"""Faces with labels, as every part of the training receives them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from detector.emotion.labels import EMOTIONS
from training.datasets.report import ReadingReport
from training.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from numpy.typing import NDArray

NO_LABEL = -1

VOTE_LABELS = (*EMOTIONS, "contempt")
"""The eight FER+ emotions, the usual seven first: dropping the last column leaves those."""

ROLES = ("training", "validation", "test")


def role_of(split: str) -> str | None:
    """Return the role of a split by its published name, in any case; `None` for other names.

    FER2013's `PublicTest` is for validation, its `PrivateTest` for the test.
    """
    published = {
        "training": ("training", "train"),
        "validation": ("validation", "valid", "val", "dev", "publictest"),
        "test": ("test", "testing", "privatetest"),
    }
    name = split.strip().lower()
    return next((role for role, names in published.items() if name in names), None)


def require_two_classes(classes: Collection[str], where: Path) -> None:
    """Raise `DatasetError` if there are fewer than two classes."""
    if len(classes) < 2:
        raise DatasetError(
            f"{where} has pictures of one class only ({', '.join(classes)}): expected at least "
            "two, because there is nothing to tell apart; add the folders of the other classes."
        )


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
        files: `(n,)` path of each picture in its folder; `None` for the rows of a table.
    """

    images: NDArray[np.uint8]
    original: NDArray[np.int64]
    votes: NDArray[np.float64] | None
    usage: NDArray[np.str_]
    classes: tuple[str, ...] = EMOTIONS
    reading: ReadingReport = field(default_factory=ReadingReport)
    files: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        votes = len(self.images if self.votes is None else self.votes)
        counts = (len(self.images), len(self.original), votes, len(self.usage))
        if len(set(counts)) > 1:
            names = ("images", "original", "votes", "usage")
            found = ", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True))
            raise ValueError(
                f"Invalid FaceDataset: expected as many rows of each kind, received {found}."
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def present(self) -> tuple[str, ...]:
        """The classes that have rows, in order."""
        return tuple(name for index, name in enumerate(self.classes) if index in self.original)

    @property
    def roles(self) -> dict[str, int]:
        """Number of rows by role of their split, without empty roles."""
        counts = Counter(map(role_of, self.usage.tolist()))
        return {role: counts[role] for role in ROLES if counts[role]}

    def splits(self) -> dict[str, int]:
        """Return the number of rows of each published split: training, validation, test, others."""
        counts = Counter(self.usage.tolist())
        order = [*ROLES, None]
        return {
            name: counts[name]
            for name in sorted(counts, key=lambda name: (order.index(role_of(name)), name))
        }

    def subset(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> FaceDataset:
        """Return the rows that a mask or an index selects."""
        return replace(
            self,
            images=self.images[chosen],
            original=self.original[chosen],
            votes=None if self.votes is None else self.votes[chosen],
            usage=self.usage[chosen],
            files=None if self.files is None else self.files[chosen],
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


def majority(votes: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the FER+ authors' majority label (Barsoum et al., 2016) of `(n, 10)` votes.

    Single votes are dropped; a label needs more than half of the remaining votes. Rows without one,
    and rows won by unknown or not-a-face, get `NO_LABEL`.
    """
    kept = np.where(votes > 1, votes, 0.0)
    winner = kept.argmax(axis=1)
    won = kept.max(axis=1) > 0.5 * kept.sum(axis=1)
    return np.where(won & (winner < len(VOTE_LABELS)), winner, NO_LABEL)


def plurality(votes: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the emotion with the most of `(n, 10)` votes, the first on a tie, or `NO_LABEL`."""
    emotions = votes[:, : len(VOTE_LABELS)]
    return np.where(emotions.max(axis=1) > 0, emotions.argmax(axis=1), NO_LABEL)


def soft_labels(votes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return `(n, 8)` distributions of `(n, 10)` votes over the emotions, single votes dropped.

    The second result tells which rows are usable: those won by unknown or not-a-face, or without
    any vote for an emotion, are not, and are uniform.
    """
    kept = np.where(votes > 1, votes, 0.0)
    emotions = kept[:, : len(VOTE_LABELS)]
    total = emotions.sum(axis=1, keepdims=True)
    usable = (total[:, 0] > 0) & (kept.argmax(axis=1) < len(VOTE_LABELS))
    uniform = np.full_like(emotions, 1.0 / len(VOTE_LABELS))
    return np.where(usable[:, None], emotions / np.maximum(total, 1.0), uniform), usable
