"""What splits are for, seeded splits, and pictures that occur in more than one."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from training.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from training.datasets.faces import FaceDataset

logger = logging.getLogger(__name__)

SHARES = (0.72, 0.14, 0.14)
"""Training, validation and test of a dataset that is published without splits."""

SPLIT_SEED = 20261121

HOLD_OUT_SHARE = 0.08
"""Share of the training rows that is held out where there is no third split."""

MIN_HELD_OUT_ROWS = 100
"""Fewer rows cannot tell epochs apart; the published validation split then chooses."""

HELD_OUT_OF = "held out of "
"""Begins the name of the split of held-out rows."""

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


def hash_places(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return a place from 0 to 1 for each picture, by a hash of its pixels.

    The same picture has the same place on every machine, whatever else the dataset holds.
    """
    digests = (hashlib.sha256(image.tobytes()).digest() for image in images)
    return np.array([int.from_bytes(digest[:8], "big") / 2**64 for digest in digests])


def held_out(training: FaceDataset, share: float = HOLD_OUT_SHARE) -> FaceDataset:
    """Return the rows of a training split that are held out of it, as a split of that name.

    Raises `DatasetError` if the share leaves no row on one side.
    """
    chosen = hash_places(training.images) < share
    if not chosen.any() or chosen.all():
        raise DatasetError(
            f"Cannot hold out {share:g} of {len(training):,} training rows: expected a share that "
            "leaves rows on both sides; give another one, or 0 to choose by the validation split."
        )
    rows = training.subset(chosen)
    return replace(rows, usage=np.char.add(HELD_OUT_OF, rows.usage))


@dataclass(frozen=True)
class DividedFaces:
    """Rows to learn from, rows that choose, and rows that only measure, if there are any.

    The validation rows choose the epoch, the temperature and the thresholds. `counts` are the rows
    of each kind, before a limit.
    """

    training: FaceDataset
    validation: FaceDataset
    test: FaceDataset | None
    counts: dict[str, int]


def divide(
    faces: FaceDataset, *, hold_out: float | None = None, limit: int | None = None, seed: int
) -> DividedFaces:
    """Divide a dataset by its splits.

    With a share to `hold_out`, training rows drawn by a hash of their pixels become the validation
    rows, and the validation split becomes the test unless there is one. By default, 0.08 are held
    out of a dataset without a test split, if that is 100 rows or more. Training rows that also
    occur in another split are dropped; `limit` draws from the rest, with classes in proportion, and
    from the validation rows alike. Raises `DatasetError` if a split is missing, or the share or the
    limit is too low.
    """
    training, roles = faces.split("training"), faces.roles
    test = faces.split("test") if "test" in roles else None
    by_default = hold_out is None
    if hold_out is None:
        hold_out = HOLD_OUT_SHARE if "validation" in roles and test is None else 0.0
    if by_default and hold_out * len(training) < MIN_HELD_OUT_ROWS:
        hold_out = 0.0
    if hold_out > 0:
        validation = held_out(training, hold_out)
        training = training.subset(hash_places(training.images) >= hold_out)
        if test is None and "validation" in roles:
            test = faces.split("validation")
        logger.info("%d faces held out of the training split choose", len(validation))
    else:
        validation = faces.split("validation")
    measured = [validation] if test is None else [validation, test]
    kept, dropped = without_duplicates(training, measured)
    if dropped:
        logger.info("%d training faces also occur in another split and are dropped", dropped)
    counts = {"training": len(training), "validation": len(validation)}
    counts |= {} if test is None else {"test": len(test)}
    counts["twins_left_out"] = dropped
    if limit is not None and limit < len(kept):
        if limit < len(faces.classes):
            raise DatasetError(
                f"A limit of {limit} rows is too low for {len(faces.classes)} classes: give more."
            )
        fewer = max(round(len(validation) * limit / len(kept)), len(faces.classes))
        validation = _in_proportion(validation, fewer, seed)
        kept = _in_proportion(kept, limit, seed)
    return DividedFaces(kept, validation, test, counts)


def _in_proportion(faces: FaceDataset, count: int, seed: int) -> FaceDataset:
    """Draw so many rows, or all if there are fewer, with the classes in proportion."""
    # Walk through the shuffled rows sorted by class: every class keeps its share.
    shuffled = np.random.default_rng(seed).permutation(len(faces))
    by_class = shuffled[np.argsort(faces.original[shuffled], kind="stable")]
    places = np.linspace(0, len(faces) - 1, min(count, len(faces))).round().astype(np.int64)
    return faces.subset(np.sort(by_class[places]))


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
