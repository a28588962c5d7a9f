"""What splits are for, seeded splits, and pictures that occur in more than one."""

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

DUPLICATE_CORRELATION = 0.98
"""Pictures that correlate more are the same photograph, cropped or scaled slightly differently."""


def stratified_split(
    labels: NDArray[np.int64], shares: Sequence[float], seed: int
) -> NDArray[np.int64]:
    """Divide the rows of every class at random among parts with shares that sum to 1.

    Returns `(n,)` part of each row, at least one row of a class for each part if there are enough.
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
    """Return which `(n, h, h)` pictures occur, almost unchanged or mirrored, among others.

    Both have the same size, or at least 48 pixels; `correlation` is that of their pixels.
    """
    if len(images) == 0 or len(others) == 0:
        return np.zeros(len(images), dtype=np.bool_)
    images, reference = _reduced(images), _standardised(_reduced(others))
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
    """Drop training rows that nearly equal evaluation rows; return the rest and how many went."""
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
