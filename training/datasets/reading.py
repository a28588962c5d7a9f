"""One door for every dataset: tells its form and has it read."""

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
    """Read a dataset in one of the published forms.

    Args:
        path: FER2013's CSV, plain or packed, or a folder of pictures (see `read_folders`).
        votes: FER+'s vote file, for the CSV only.
        side_px: Side of the squares that pictures of folders are made; the CSV keeps its 48 pixels.
        seed: Of the draw of splits that the dataset does not have.
        face_finder: For folders of photographs that are not cropped to the face yet, see
            `read_folders`.

    Returns:
        The faces; `reading.sentences()` says what was read, left out and drawn.

    Raises:
        DatasetError: There is no such file or folder, or it is in none of the forms.
    """
    if path.is_dir():
        if votes is not None:
            raise DatasetError(
                f"FER+ votes belong to FER2013's CSV, but {path} is a folder of pictures: leave --votes out, or name "
                "the fer2013.csv."
            )
        return read_folders(path, side_px=side_px, seed=seed, face_finder=face_finder)
    if not path.exists():
        raise DatasetError(
            f"There is no dataset {path}: expected FER2013's fer2013.csv, plain or packed, or a folder of pictures."
        )
    if path.suffix.lower() not in ENDINGS:
        raise DatasetError(
            f"Cannot tell what dataset {path} is: expected a file that ends in {', '.join(ENDINGS)}, or a folder "
            "split/class/picture or class/picture."
        )
    return read_fer2013(path, votes)
