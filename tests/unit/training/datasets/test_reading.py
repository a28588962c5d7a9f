"""Faces without labels. `read_dataset` is tested with the forms that it reads."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from training.datasets.reading import read_unlabelled
from training.errors import DatasetError

Faces = Callable[..., np.ndarray]


def test_all_pictures_of_a_folder_at_any_depth(
    faces: Faces, write_pictures: Callable[..., Path], tmp_path: Path
) -> None:
    images = faces(3)
    folder = write_pictures({"b.png": images[0], "a/x/1.png": images[1], "a/2.png": images[2]})
    (folder / "notes.txt").write_text("not a picture")
    found, report = read_unlabelled(folder)
    assert np.array_equal(found, images[[2, 1, 0]])
    assert report.sentences()[0] == "3 files read, 1 left out."
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", folder)
    assert np.array_equal(read_unlabelled(Path(packed))[0], found)
    assert read_unlabelled(folder, side_px=32)[0].shape == (3, 32, 32)


def test_a_table_needs_only_pixels(faces: Faces, tmp_path: Path) -> None:
    path = tmp_path / "crops.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("where", "pixels"))
        for face in faces(2):
            rows.writerow(("shop", " ".join(map(str, face.ravel()))))
        rows.writerow(("shop", "1 2 3"))
    found, report = read_unlabelled(path)
    assert np.array_equal(found, faces(2))
    assert report.skipped_count == 1
    assert read_unlabelled(path, side_px=24)[0].shape == (2, 24, 24)


def test_what_holds_no_face_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"There are no faces .*gone: expected a folder"):
        read_unlabelled(tmp_path / "gone")
    with pytest.raises(DatasetError, match="holds no picture that can be used"):
        read_unlabelled(tmp_path)
    (tmp_path / "empty.csv").write_text("pixels\n1 2 3\n")
    with pytest.raises(DatasetError, match="no row that can be used"):
        read_unlabelled(tmp_path / "empty.csv")
