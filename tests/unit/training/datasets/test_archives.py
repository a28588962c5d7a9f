"""Datasets packed as they are published, and archives made to do harm. Also tests `reading`."""

from __future__ import annotations

import csv
import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from training.datasets import archives
from training.datasets.reading import read_dataset
from training.errors import DatasetError

Faces = Callable[..., np.ndarray]
ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def pack(path: Path, files: Mapping[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path
    mode = {"tgz": "gz", "tar": ""}.get(path.suffix[1:], path.suffix[1:])
    with tarfile.open(path, f"w:{mode}") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def png(picture: np.ndarray) -> bytes:
    return cv2.imencode(".png", picture)[1].tobytes()


def table(faces: np.ndarray, header: str = "emotion,pixels,Usage", mark: str = ",") -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=mark)
    writer.writerow(header.split(","))
    for number, face in enumerate(faces):
        row = (number % 2 + 3, " ".join(map(str, face.ravel())), "Training")
        writer.writerow(row[: header.count(",") + 1])
    return text.getvalue().encode()


@pytest.mark.parametrize("ending", ENDINGS)
def test_fer2013_in_an_archive(tmp_path: Path, faces: Faces, ending: str) -> None:
    files = {
        "fer2013/README": b"read me",
        "fer2013/fer2013.csv": table(faces(4)),
        "__MACOSX/fer2013/._fer2013.csv": b"\0\5\x16\7",
        "fer2013/.DS_Store": b"x",
        "fer2013/other.csv": b"a,b\n",
    }
    found = read_dataset(pack(tmp_path / f"fer2013{ending}", files))
    np.testing.assert_array_equal(found.images, faces(4))


@pytest.mark.parametrize("ending", ENDINGS)
def test_pictures_in_an_archive(tmp_path: Path, faces: Faces, ending: str) -> None:
    pictures = faces(4)
    files = {
        "faces/faces/train/HAPPINESS/1.png": png(pictures[0]),
        "faces/faces/train/ Anger/1.png": png(pictures[1]),
        "faces/faces/Test/happy/1.png": png(pictures[2]),
        "faces/faces/validation/Sad/1.png": png(pictures[3]),
        "__MACOSX/faces/faces/train/HAPPINESS/._1.png": b"\0\5\x16\7",
        "faces/faces/train/HAPPINESS/Thumbs.db": b"x",
    }
    found = read_dataset(pack(tmp_path / f"faces{ending}", files))
    assert [found.classes[label] for label in found.original] == ["angry", "happy", "sad", "happy"]
    np.testing.assert_array_equal(found.images, pictures[[1, 0, 3, 2]])
    assert found.roles == {"training": 2, "validation": 1, "test": 1}
    assert found.reading.skipped_count == 0


def test_names_of_windows_and_a_picture_beside_the_table(tmp_path: Path, faces: Faces) -> None:
    pictures = faces(2)
    names = ("train\\happy\\1.png", "train\\sad\\1.png")
    files = dict(zip(names, map(png, pictures), strict=True))
    path = tmp_path / "windows.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo("x")
            info.filename = name
            archive.writestr(info, content)
    assert len(read_dataset(path)) == 2
    both = pack(
        tmp_path / "both.zip", {"a/icml_face_data.csv": table(pictures), "a/logo.png": b"?"}
    )
    np.testing.assert_array_equal(read_dataset(both).images, pictures)


@pytest.mark.parametrize(
    "name", ["../../evil.png", "/etc/evil.png", "a/../../evil.png", "C:\\x.png"]
)
@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_paths_that_lead_outside_are_refused(tmp_path: Path, name: str, ending: str) -> None:
    path = pack(tmp_path / f"evil{ending}", {"train/happy/1.png": b"x", name: b"x"})
    with pytest.raises(DatasetError, match=r"is not safe to unpack: .* whose path leads outside"):
        read_dataset(path)
    assert not list(tmp_path.parent.rglob("evil.png"))


@pytest.mark.parametrize("kind", ["symbolic", "hard", "device", "in a zip"])
def test_links_and_devices_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ("links.zip" if kind == "in a zip" else "links.tar.gz")
    if kind == "in a zip":
        info = zipfile.ZipInfo("train/happy/1.png")
        info.external_attr = 0o120777 << 16
        with zipfile.ZipFile(path, "w") as packed:
            packed.writestr(info, "/etc/passwd")
    else:
        kinds = {"symbolic": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "device": tarfile.CHRTYPE}
        member = tarfile.TarInfo("train/happy/1.png")
        member.type, member.linkname = kinds[kind], "/etc/passwd"
        with tarfile.open(path, "w:gz") as archive:
            archive.addfile(member)
    with pytest.raises(DatasetError, match=r"is not safe to unpack: .* which is (a link|no file)"):
        read_dataset(path)


@pytest.mark.parametrize("name", ["train/happy/1.png", "fer2013.csv"])
@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_bombs_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, ending: str
) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 1 << 20)
    path = pack(tmp_path / f"bomb{ending}", {name: b"0" * (2 << 20)})
    with pytest.raises(DatasetError, match="unpacks to more than 1 MiB, too much for its size"):
        read_dataset(path)


def test_a_packed_table_that_never_ends_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 1 << 20)
    path = tmp_path / "fer2013.csv.gz"
    path.write_bytes(gzip.compress(b"emotion,pixels\n" + b"\n" * (2 << 20)))
    with pytest.raises(DatasetError, match="unpacks to more than 1 MiB"):
        read_dataset(path)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_cut_archive_is_refused(tmp_path: Path, faces: Faces, ending: str) -> None:
    names = [f"train/{label}/{n}.png" for label in ("happy", "sad") for n in range(20)]
    path = pack(
        tmp_path / f"cut{ending}", {n: png(f) for n, f in zip(names, faces(40), strict=True)}
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DatasetError, match="Cannot read the dataset"):
        read_dataset(path)


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_FILES", 3)
    path = pack(tmp_path / "many.zip", {f"happy/{number}.png": b"x" for number in range(4)})
    with pytest.raises(DatasetError, match="holds more than 3 files"):
        read_dataset(path)


def test_errors_name_the_archive_not_the_folder_it_was_unpacked_to(tmp_path: Path) -> None:
    path = pack(tmp_path / "flat.zip", {"a.png": b"x"})
    with pytest.raises(DatasetError, match=r"flat\.zip has no class folders: expected split/class"):
        read_dataset(path)


def test_a_folder_in_a_folder(tmp_path: Path, write_pictures: Any, faces: Faces) -> None:
    [face] = faces(1)
    folder = write_pictures({f"set/set/train/{name}/a.png": face for name in ("happy", "sad")})
    (folder / "@eaDir").mkdir()
    (folder / "readme.txt").write_text("x")
    assert len(read_dataset(folder)) == 2


def test_a_table_in_a_folder(tmp_path: Path, faces: Faces) -> None:
    folder = tmp_path / "download/fer2013"
    folder.mkdir(parents=True)
    (folder / "fer2013.csv").write_bytes(table(faces(3)))
    (folder / "._fer2013.csv").write_bytes(b"\0")
    (folder / "README.txt").write_text("x")
    assert len(read_dataset(tmp_path / "download")) == 3


@pytest.mark.parametrize(
    ("header", "mark", "start"),
    [
        ("emotion,pixels,Usage", ";", b""),
        (" Emotion ,PIXELS , usage", ",", b"\xef\xbb\xbf"),
        ("EMOTION,Pixels,USAGE", "\t", b""),
    ],
)
def test_other_marks_and_capitals(
    tmp_path: Path, faces: Faces, header: str, mark: str, start: bytes
) -> None:
    path = tmp_path / "faces.csv"
    path.write_bytes(start + table(faces(4), header, mark).replace(b"Training", b"TRAINING"))
    found = read_dataset(path)
    np.testing.assert_array_equal(found.images, faces(4))
    assert found.usage.tolist() == ["Training"] * 4


def test_a_table_without_usage_is_dealt_by_a_hash(
    tmp_path: Path, faces: Faces, write_votes: Any
) -> None:
    pictures = faces(200)
    path = tmp_path / "train.csv"
    path.write_bytes(table(pictures, "emotion,pixels"))
    found = read_dataset(path)
    assert 130 < found.roles["training"] < 160
    assert found.roles.keys() == {"training", "validation", "test"}
    [note] = found.reading.notes
    assert note.startswith("The table has no column Usage: its rows were dealt 72 / 14 / 14 to")
    by_picture = {
        face.tobytes(): split for face, split in zip(found.images, found.usage, strict=True)
    }
    path.write_bytes(table(pictures[::-1], "emotion,pixels"))
    for face, split in zip(read_dataset(path).images[:50], read_dataset(path).usage, strict=False):
        assert by_picture[face.tobytes()] == split
    votes = write_votes([("PublicTest" if n % 2 else "Training", {"fear": 5}) for n in range(200)])
    voted = read_dataset(path, votes)
    assert voted.usage.tolist() == ["Training", "PublicTest"] * 100
    assert voted.reading.notes == ("The table has no column Usage: that of the votes was taken.",)
