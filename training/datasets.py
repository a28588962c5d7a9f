"""Published datasets, read as published.

The Kaggle file `fer2013.csv` (plain or packed) carries one 48 x 48 face a row; the FER+ file beside it carries the votes
of ten taggers for the same rows in the same order.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from detector.emotions import EMOTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

    from numpy.typing import NDArray

FACE_SIDE_PX = 48
VOTE_LABELS = (*EMOTIONS, "contempt")
"""Our order of the eight FER+ emotions: the seven first, so that dropping the last column leaves the usual seven."""

_FERPLUS_NAMES = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "sad": "sadness",
    "surprise": "surprise",
    "neutral": "neutral",
    "contempt": "contempt",
}
_NOT_AN_EMOTION = ("unknown", "NF")
_UNREADABLE = (OSError, lzma.LZMAError, zlib.error, EOFError, zipfile.BadZipFile, UnicodeDecodeError, csv.Error)
NO_LABEL = -1
NEAR_TWIN_CORRELATION = 0.98
"""Pictures that correlate more than this are the same photograph, cropped or scaled a little differently."""


class DatasetError(ValueError):
    """A dataset is missing, or is not in its published form."""


@dataclass(frozen=True)
class FaceDataset:
    """Faces with their labels.

    Attributes:
        images: `(n, 48, 48)` grey levels, uint8.
        original: `(n,)` index into `EMOTIONS` of the first published label.
        votes: `(n, 10)` votes, the eight of `VOTE_LABELS`, then unknown and not-a-face; `None` without a vote file.
        usage: `(n,)` split of each row: `Training`, `PublicTest` or `PrivateTest`.
    """

    images: NDArray[np.uint8]
    original: NDArray[np.int64]
    votes: NDArray[np.float64] | None
    usage: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> FaceDataset:
        """The rows a mask or an index names."""
        votes = None if self.votes is None else self.votes[chosen]
        return FaceDataset(self.images[chosen], self.original[chosen], votes, self.usage[chosen])

    def split(self, name: str) -> FaceDataset:
        """The rows of one published split.

        Raises:
            DatasetError: The split has no rows.
        """
        mask = self.usage == name
        if not mask.any():
            raise DatasetError(
                f"The dataset has no rows in the split {name!r}; it has {', '.join(sorted(set(self.usage.tolist())))}."
            )
        return self.subset(mask)


@contextmanager
def _open_text(path: Path) -> Iterator[TextIO]:
    """Open a CSV file that may be packed with xz, gzip, bzip2 or zip, told by its ending."""
    openers: dict[str, Any] = {".xz": lzma.open, ".gz": gzip.open, ".bz2": bz2.open}
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.endswith(".csv")]
            if len(members) != 1:
                raise DatasetError(f"{path} must hold exactly one .csv file, but holds {len(members)}.")
            with archive.open(members[0]) as packed:
                yield io.TextIOWrapper(packed, encoding="utf-8", newline="")
    elif path.suffix in openers:
        with openers[path.suffix](path, "rt", encoding="utf-8", newline="") as text:
            yield text
    else:
        with path.open(encoding="utf-8", newline="") as text:
            yield text


def read_fer2013(path: Path, votes_path: Path | None = None) -> FaceDataset:
    """Read the Kaggle form of FER2013 and, where given, the FER+ votes of the same rows.

    Args:
        path: `fer2013.csv`, plain or packed (`.xz`, `.gz`, `.bz2`, `.zip`), with the columns emotion, pixels, Usage.
        votes_path: FER+'s `fer2013new.csv`: same rows, same order.

    Raises:
        DatasetError: A file is missing, a column is missing, or the two files do not belong together.
    """
    images: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    usage: list[str] = []
    try:
        with _open_text(path) as text:
            reader = csv.DictReader(text)
            missing = {"emotion", "pixels", "Usage"} - set(reader.fieldnames or ())
            if missing:
                raise DatasetError(f"{path} lacks the column(s) {', '.join(sorted(missing))} of FER2013's Kaggle form.")
            for row in reader:
                face, label = _face(row, f"{path}, row {len(images) + 1}")
                images.append(face)
                labels.append(label)
                usage.append(row["Usage"])
    except _UNREADABLE as error:
        raise DatasetError(f"Cannot read the dataset {path}: {error}.") from error
    if not images:
        raise DatasetError(f"{path} has a header but no rows.")
    votes = None if votes_path is None else _read_votes(votes_path, usage)
    stacked = np.stack(images).reshape(-1, FACE_SIDE_PX, FACE_SIDE_PX)
    return FaceDataset(stacked, np.array(labels, dtype=np.int64), votes, np.array(usage))


def _face(row: dict[str, str], where: str) -> tuple[NDArray[np.uint8], int]:
    """Pixels and label of one row."""
    try:
        pixels = np.array((row["pixels"] or "").split(), dtype=np.int64)
        label = int(row["emotion"])
    except ValueError as error:
        raise DatasetError(f"{where}: expected whole numbers as emotion and pixels ({error}).") from error
    if pixels.size != FACE_SIDE_PX**2:
        raise DatasetError(f"{where}: expected {FACE_SIDE_PX**2} pixels, received {pixels.size}.")
    if not 0 <= pixels.min() <= pixels.max() <= 255:
        raise DatasetError(f"{where}: expected pixels from 0 to 255, received {pixels.min()} to {pixels.max()}.")
    if not 0 <= label < len(EMOTIONS):
        raise DatasetError(f"{where}: expected an emotion from 0 to {len(EMOTIONS) - 1}, received {label}.")
    return pixels.astype(np.uint8), label


def _read_votes(path: Path, usage: list[str]) -> NDArray[np.float64]:
    columns = [_FERPLUS_NAMES[label] for label in VOTE_LABELS] + list(_NOT_AN_EMOTION)
    try:
        with _open_text(path) as text:
            reader = csv.DictReader(text)
            missing = {*columns, "Usage"} - set(reader.fieldnames or ())
            if missing:
                raise DatasetError(f"{path} lacks the column(s) {', '.join(sorted(missing))} of the FER+ vote file.")
            rows = list(reader)
    except _UNREADABLE as error:
        raise DatasetError(f"Cannot read the vote file {path}: {error}.") from error
    if [row["Usage"] for row in rows] != usage:
        raise DatasetError(
            f"{path} does not belong to the dataset: expected {len(usage)} rows in the same order and splits, "
            f"received {len(rows)}."
        )
    try:
        return np.array([[float(row[column] or 0) for column in columns] for row in rows])
    except ValueError as error:
        raise DatasetError(f"{path}: expected numbers of votes ({error}).") from error


def majority(votes: NDArray[np.float64]) -> NDArray[np.int64]:
    """The FER+ authors' majority label (Barsoum et al., 2016).

    Single votes are dropped; a label needs more than half of the votes that remain. Rows without one, and rows won by
    unknown or not-a-face, have no label.

    Args:
        votes: `(n, 10)` as in `FaceDataset.votes`.

    Returns:
        `(n,)` index into `VOTE_LABELS`, or `NO_LABEL`.
    """
    kept = np.where(votes > 1, votes, 0.0)
    winner = kept.argmax(axis=1)
    won = kept.max(axis=1) > 0.5 * kept.sum(axis=1)
    return np.where(won & (winner < len(VOTE_LABELS)), winner, NO_LABEL)


def plurality(votes: NDArray[np.float64]) -> NDArray[np.int64]:
    """The label with the most votes among the eight emotions; the first on a tie, `NO_LABEL` where none has a vote.

    Args:
        votes: `(n, 10)` as in `FaceDataset.votes`.

    Returns:
        `(n,)` index into `VOTE_LABELS`, or `NO_LABEL`.
    """
    emotions = votes[:, : len(VOTE_LABELS)]
    return np.where(emotions.max(axis=1) > 0, emotions.argmax(axis=1), NO_LABEL)


def soft_labels(votes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The distribution of the votes over the eight emotions, single votes dropped.

    Args:
        votes: `(n, 10)` as in `FaceDataset.votes`.

    Returns:
        `(n, 8)` rows that sum to 1, and `(n,)` whether the row has a usable distribution: rows whose strongest label is
        unknown or not-a-face, or without any vote for an emotion, have none (their row is uniform).
    """
    kept = np.where(votes > 1, votes, 0.0)
    emotions = kept[:, : len(VOTE_LABELS)]
    total = emotions.sum(axis=1, keepdims=True)
    usable = (total[:, 0] > 0) & (kept.argmax(axis=1) < len(VOTE_LABELS))
    uniform = np.full_like(emotions, 1.0 / len(VOTE_LABELS))
    return np.where(usable[:, None], emotions / np.maximum(total, 1.0), uniform), usable


def near_twins(
    images: NDArray[np.uint8], others: NDArray[np.uint8], correlation: float = NEAR_TWIN_CORRELATION
) -> NDArray[np.bool_]:
    """Which pictures also stand, almost unchanged, among others.

    Args:
        images: `(n, h, w)` grey levels.
        others: `(m, h, w)` grey levels.
        correlation: Pearson correlation of the pixels above which two pictures are the same. Defaults to 0.98.

    Returns:
        `(n,)` whether the picture or its mirror image has a twin among the others.
    """
    if len(images) == 0 or len(others) == 0:
        return np.zeros(len(images), dtype=np.bool_)
    reference = _standardised(others)
    found = np.zeros(len(images), dtype=np.bool_)
    step = 2048
    for start in range(0, len(images), step):
        part = images[start : start + step]
        for view in (part, part[:, :, ::-1]):
            found[start : start + step] |= (_standardised(view) @ reference.T).max(axis=1) > correlation
    return found


def _standardised(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    flat = images.reshape(len(images), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(norm, 1e-6), dtype=np.float32)
