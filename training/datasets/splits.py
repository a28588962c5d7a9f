"""What splits are for, seeded splits, and pictures that occur in more than one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from training.datasets.faces import FaceDataset

TRAINING, VALIDATION, TEST = ROLES = ("training", "validation", "test")

SHARES = (0.72, 0.14, 0.14)
"""Training, validation and test of a dataset that is published without splits."""

SPLIT_SEED = 20261121

DUPLICATE_CORRELATION = 0.98
"""Pictures that correlate more are the same photograph, cropped or scaled slightly differently."""

_PUBLISHED_NAMES = {
    TRAINING: ("training", "train"),
    VALIDATION: ("validation", "valid", "val", "dev", "publictest"),
    TEST: ("test", "testing", "privatetest"),
}


def role_of(split: str) -> str | None:
    """Return the role of a split by its published name, in any case; `None` for other names.

    FER2013's `PublicTest` is for validation, its `PrivateTest` for the test.
    """
    name = split.strip().lower()
    return next((role for role, names in _PUBLISHED_NAMES.items() if name in names), None)


def stratified_split(
    labels: NDArray[np.int64], shares: Sequence[float], seed: int
) -> NDArray[np.int64]:
    """Divide the rows of every class among parts at random.

    Args:
        labels: `(n,)` class of each row.
        shares: Shares of the parts, above 0, summing to 1.
        seed: Seed of the draw.

    Returns:
        `(n,)` part of each row. A part gets its share of each class to the nearest row, and at
        least one row if the class has enough for all parts.

    Raises:
        ValueError: A share is not above 0, or they do not sum to 1.
    """
    if min(shares, default=0) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise ValueError(
            f"Invalid shares: expected parts above 0 that sum to 1, received {tuple(shares)}."
        )
    rng = np.random.default_rng(seed)
    parts = np.zeros(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        ends = np.floor(len(rows) * np.cumsum(shares) + 0.5).astype(np.int64)
        ends[-1] = len(rows)
        counts = np.diff(ends, prepend=0)
        if len(rows) >= len(shares):
            for empty in np.flatnonzero(counts == 0):
                counts[counts.argmax()] -= 1
                counts[empty] = 1
        parts[rows] = np.repeat(np.arange(len(shares)), counts)
    return parts


def near_duplicates(
    images: NDArray[np.uint8], others: NDArray[np.uint8], correlation: float = DUPLICATE_CORRELATION
) -> NDArray[np.bool_]:
    """Return which pictures also occur, almost unchanged, among others.

    Args:
        images: `(n, h, h)` grey levels.
        others: `(m, k, k)` grey levels; of the same size, or both of 48 pixels and more.
        correlation: Pearson correlation of the pixels above which two pictures are the same.
            Defaults to 0.98.

    Returns:
        `(n,)` whether the picture or its mirror image occurs among the others.
    """
    if len(images) == 0 or len(others) == 0:
        return np.zeros(len(images), dtype=np.bool_)
    images, others = _reduced(images), _reduced(others)
    reference = _standardised(others)
    found = np.zeros(len(images), dtype=np.bool_)
    step = 2048
    for start in range(0, len(images), step):
        part = images[start : start + step]
        for view in (part, part[:, :, ::-1]):
            highest = (_standardised(view) @ reference.T).max(axis=1)
            found[start : start + step] |= highest > correlation
    return found


def without_duplicates(
    training: FaceDataset, others: Iterable[FaceDataset]
) -> tuple[FaceDataset, int]:
    """Drop the training rows that also occur, almost unchanged or mirrored, in evaluation rows.

    Args:
        training: Rows to learn from.
        others: Rows for validation and test.

    Returns:
        The remaining training rows, and how many were dropped.
    """
    found = np.zeros(len(training), dtype=np.bool_)
    for other in others:
        found |= near_duplicates(training.images, other.images)
    return training.subset(~found), int(found.sum())


def _reduced(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    # Duplicates differ in fine detail, and time grows with size.
    if max(images.shape[1:]) <= 48:
        return images
    small = [cv2.resize(image, (48, 48), interpolation=cv2.INTER_AREA) for image in images]
    return np.asarray(small, dtype=np.uint8)


def _standardised(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    flat = images.reshape(len(images), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(norm, 1e-6), dtype=np.float32)
