"""Seeded splits, and pictures that stand in more than one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from training.datasets.faces import FaceDataset

SHARES = (0.72, 0.14, 0.14)
"""Training, validation and test of a dataset that is published without splits."""
SPLIT_SEED = 20261121
NEAR_TWIN_CORRELATION = 0.98
"""Pictures that correlate more than this are the same photograph, cropped or scaled a little differently."""
TWIN_SIDE_PX = 48
"""Larger pictures are made this small before they are compared: twins differ in detail, and time grows with size."""


def stratified_split(
    labels: NDArray[np.int64], shares: Sequence[float], seed: int
) -> NDArray[np.int64]:
    """Deal the rows of every class into parts, by chance.

    Args:
        labels: `(n,)` class of each row.
        shares: Of the parts; above 0, they sum to 1.
        seed: Of the draw.

    Returns:
        `(n,)` which part each row belongs to. Of each class a part gets its share to the nearest
        row, and at least one row where the class has enough for all parts.

    Raises:
        ValueError: The shares are not above 0, or do not sum to 1.
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
    images: NDArray[np.uint8], others: NDArray[np.uint8], correlation: float = NEAR_TWIN_CORRELATION
) -> NDArray[np.bool_]:
    """Which pictures also stand, almost unchanged, among others.

    Args:
        images: `(n, h, h)` grey levels.
        others: `(m, k, k)` grey levels; of the same size, or both of 48 pixels and more.
        correlation: Pearson correlation of the pixels above which two pictures are the same.
            Defaults to 0.98.

    Returns:
        `(n,)` whether the picture or its mirror image has a twin among the others.
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
            found[start : start + step] |= (_standardised(view) @ reference.T).max(
                axis=1
            ) > correlation
    return found


def without_duplicates(
    training: FaceDataset, others: Iterable[FaceDataset]
) -> tuple[FaceDataset, int]:
    """Leave out the training rows that also stand, almost unchanged or mirrored, in the rows that judge.

    Args:
        training: Rows to learn from.
        others: Rows for validation, for the test.

    Returns:
        The training rows that remain, and how many were left out.
    """
    twins = np.zeros(len(training), dtype=np.bool_)
    for other in others:
        twins |= near_duplicates(training.images, other.images)
    return training.subset(~twins), int(twins.sum())


def _reduced(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if max(images.shape[1:]) <= TWIN_SIDE_PX:
        return images
    size = (TWIN_SIDE_PX, TWIN_SIDE_PX)
    small = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images]
    return np.asarray(small, dtype=np.uint8)


def _standardised(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    flat = images.reshape(len(images), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(norm, 1e-6), dtype=np.float32)
