"""Read a dataset in any of the published forms."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from detector.emotion.preprocessing import fitted
from training.datasets.archives import (
    DAMAGE,
    ENDINGS,
    holds_pictures,
    is_archive,
    unpacked_pictures,
    unreadable,
)
from training.datasets.faces import require_two_classes
from training.datasets.fer2013 import read_fer2013, read_pixels
from training.datasets.folders import entries, innermost, read_folders, read_pictures, tables
from training.datasets.overlay import LabelOverlay
from training.datasets.splits import SPLIT_SEED
from training.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from training.datasets.faces import FaceDataset
    from training.datasets.folders import FaceFinder
    from training.datasets.report import ReadingReport


def read_dataset(
    path: Path,
    votes: Path | None = None,
    *,
    side_px: int = 48,
    seed: int = SPLIT_SEED,
    face_finder: FaceFinder | None = None,
    to_train: bool = False,
    overlay: Path | None = None,
) -> FaceDataset:
    """Read FER2013's CSV with optional FER+ votes, or pictures in folders, see `read_folders`.

    `overlay` names a file of reviewed labels, see `LabelOverlay.apply`.

    Both may be packed (zip, tar, gzip, bzip2, xz) or lie in nested folders.
    `reading.sentences()` of the result reports what was read and skipped. Raises `DatasetError` if
    there is no such file or folder, it has none of the forms, or it is not safe to unpack;
    `to_train`, also if it has only one class.
    """
    decisions = None if overlay is None else LabelOverlay.read(overlay)
    faces = _read(
        path,
        votes,
        partial(
            read_folders, side_px=side_px, seed=seed, face_finder=face_finder, to_train=to_train
        ),
    )
    if decisions is not None:
        faces = decisions.apply(faces, str(overlay))
    if to_train:
        require_two_classes(faces.present, path)
    return faces


def _read(path: Path, votes: Path | None, read: Callable[[Path], FaceDataset]) -> FaceDataset:
    if path.is_dir():
        folder = innermost(path)
        table = _only_table(folder)
        if table is not None:
            return read_fer2013(table, votes)
        _refuse_votes(path, votes)
        return read(folder)
    if not path.exists():
        raise DatasetError(
            f"There is no dataset {path}: expected FER2013's fer2013.csv, plain or packed, or a "
            "folder of pictures."
        )
    if not path.name.lower().endswith(ENDINGS):
        raise DatasetError(
            f"Cannot tell what dataset {path} is: expected a file that ends in "
            f"{', '.join(ENDINGS)}, or a folder split/class/picture or class/picture."
        )
    if not is_archive(path):
        return read_fer2013(path, votes)
    try:
        if not holds_pictures(path):
            return read_fer2013(path, votes)
        _refuse_votes(path, votes)
        with unpacked_pictures(path) as folder:
            try:
                return read(innermost(folder))
            except DatasetError as error:
                raise DatasetError(str(error).replace(str(folder), str(path))) from None
    except DAMAGE as error:
        raise unreadable("dataset", path, error) from error


def read_unlabelled(
    path: Path, *, side_px: int = 48, face_finder: FaceFinder | None = None
) -> tuple[NDArray[np.uint8], ReadingReport]:
    """Read `(n, side_px, side_px)` faces without labels, and report what was read and skipped.

    A table needs only the column `pixels`; of a folder, plain or packed, all pictures are read.
    Raises `DatasetError` as `read_dataset` does.
    """
    read = partial(read_pictures, side_px=side_px, face_finder=face_finder)
    if path.is_dir():
        return read(path)
    if not path.exists():
        raise DatasetError(
            f"There are no faces {path}: expected a folder of pictures, or a table with a column "
            "pixels, plain or packed."
        )
    try:
        if is_archive(path) and holds_pictures(path):
            with unpacked_pictures(path) as folder:
                return read(folder)
        faces, report = read_pixels(path)
    except DAMAGE as error:
        raise unreadable("faces", path, error) from error
    return fitted(faces, side_px), report


def _only_table(folder: Path) -> Path | None:
    """Return the table in a folder without pictures: `fer2013.csv`, or the only one."""
    inside = entries(folder)
    if any(entry.is_dir() for entry in inside):
        return None
    found = tables(inside)
    named = [table for table in found if table.name.lower().startswith("fer2013.csv")]
    return named[0] if len(named) == 1 else found[0] if len(found) == 1 else None


def _refuse_votes(path: Path, votes: Path | None) -> None:
    if votes is not None:
        raise DatasetError(
            f"FER+ votes belong to FER2013's CSV, but {path} is a folder of pictures: leave "
            "--votes out, or name the fer2013.csv."
        )
