"""Read a dataset in any of the published forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.datasets.fer2013 import ENDINGS, read_fer2013
from training.datasets.folders import read_folders
from training.datasets.splits import SPLIT_SEED
from training.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    from training.datasets.faces import FaceDataset
    from training.datasets.folders import FaceFinder


def read_dataset(
    path: Path,
    votes: Path | None = None,
    *,
    side_px: int = 48,
    seed: int = SPLIT_SEED,
    face_finder: FaceFinder | None = None,
) -> FaceDataset:
    """Read FER2013's CSV with optional FER+ votes, or a folder of pictures, see `read_folders`.

    `reading.sentences()` of the result reports what was read and skipped. Raises `DatasetError` if
    there is no such file or folder, or it has none of the forms.
    """
    if path.is_dir():
        if votes is not None:
            raise DatasetError(
                f"FER+ votes belong to FER2013's CSV, but {path} is a folder of pictures: leave "
                "--votes out, or name the fer2013.csv."
            )
        return read_folders(path, side_px=side_px, seed=seed, face_finder=face_finder)
    if not path.exists():
        raise DatasetError(
            f"There is no dataset {path}: expected FER2013's fer2013.csv, plain or packed, or a "
            "folder of pictures."
        )
    if path.suffix.lower() not in ENDINGS:
        raise DatasetError(
            f"Cannot tell what dataset {path} is: expected a file that ends in "
            f"{', '.join(ENDINGS)}, or a folder split/class/picture or class/picture."
        )
    return read_fer2013(path, votes)
