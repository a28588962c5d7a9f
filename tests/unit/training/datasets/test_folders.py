"""Folders of pictures in the published layouts, whole, damaged and hostile."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from detector.emotion.labels import EMOTIONS
from training.datasets import folders
from training.datasets.folders import emotion_of, read_folders
from training.datasets.reading import read_dataset
from training.errors import DatasetError

Faces = Callable[..., np.ndarray]


def test_split_folders_are_read_in_order(write_pictures: Any, faces: Faces) -> None:
    pictures = faces(6)
    folder = write_pictures(
        {
            "test/neutral/f.png": pictures[5],
            "valid/happy/e.png": pictures[4],
            "train/happy/b.png": pictures[1],
            "train/happy/a.png": pictures[0],
            "train/sad/a.png": pictures[2],
            "train/neutral/a.png": pictures[3],
        }
    )
    found = read_dataset(folder)
    np.testing.assert_array_equal(found.images, pictures)
    assert found.classes == EMOTIONS
    assert [found.classes[label] for label in found.original] == [
        "happy",
        "happy",
        "sad",
        "neutral",
        "happy",
        "neutral",
    ]
    assert found.usage.tolist() == ["train"] * 4 + ["valid", "test"]
    assert found.votes is None
    assert len(found.split("validation")) == len(found.split("valid")) == 1
    assert found.reading.sentences()[0] == "6 files read, 0 left out."
    assert found.reading.notes == (
        "The split test has no class folder for happy.",
        "The split test has no class folder for sad.",
        "The split valid has no class folder for neutral.",
        "The split valid has no class folder for sad.",
    )


def test_validation_is_drawn_from_training_where_there_is_none(
    write_pictures: Any, faces: Faces
) -> None:
    pictures = iter(faces(60))
    named = {
        f"Train/{name}/{number:02}.png": next(pictures)
        for name in ("happy", "sad")
        for number in range(25)
    }
    named |= {
        f"Test/{name}/{number:02}.png": next(pictures)
        for name in ("happy", "sad")
        for number in range(5)
    }
    folder = write_pictures(named)
    found = read_folders(folder)
    assert found.splits() == {"Train": 42, "validation": 8, "Test": 10}
    assert found.roles == {"training": 42, "validation": 8, "test": 10}
    # As many of each class.
    assert np.bincount(found.split("validation").original, minlength=7).tolist() == [
        0,
        0,
        0,
        4,
        4,
        0,
        0,
    ]
    [note] = found.reading.notes
    assert note.startswith(
        "The folder has no split for validation: 8 of the 50 training pictures were drawn"
    )
    np.testing.assert_array_equal(read_folders(folder).usage, found.usage)
    assert (read_folders(folder, seed=1).usage != found.usage).any()


def test_a_folder_with_a_test_only_stays_a_test(write_pictures: Any, faces: Faces) -> None:
    first, second = faces(2)
    found = read_folders(write_pictures({"test/happy/a.png": first, "test/sad/a.png": second}))
    assert found.splits() == {"test": 2}
    assert found.reading.notes == ()


def test_a_flat_folder_is_dealt_by_the_seed(write_pictures: Any, faces: Faces) -> None:
    pictures = iter(faces(100))
    folder = write_pictures(
        {
            f"{name}/{number:02}.png": next(pictures)
            for name in ("happy", "sad")
            for number in range(50)
        }
    )
    found = read_folders(folder)
    assert found.splits() == {"training": 72, "validation": 14, "test": 14}
    for name, count in (("training", 36), ("validation", 7), ("test", 7)):
        assert np.bincount(found.split(name).original)[3:].tolist() == [count, count]
    assert found.reading.notes == (
        "The folder has no splits: its classes were dealt 72 / 14 / 14 by the seed 20261121.",
    )
    np.testing.assert_array_equal(read_folders(folder).usage, found.usage)
    assert (read_folders(folder, seed=1).usage != found.usage).any()


@pytest.mark.parametrize(
    ("name", "emotion"),
    [
        ("Anger", "angry"),
        ("ANGRY", "angry"),
        ("disgusted", "disgust"),
        ("Fearful", "fear"),
        ("happiness", "happy"),
        ("Sadness", "sad"),
        ("surprised", "surprise"),
        (" Neutral ", "neutral"),
        ("contempt", None),
        ("smile", None),
    ],
)
def test_class_folders_by_their_common_names(name: str, emotion: str | None) -> None:
    assert emotion_of(name) == emotion


def test_own_classes_stay_beside_the_emotions(write_pictures: Any, faces: Faces) -> None:
    pictures = faces(4)
    names = ("contempt", "Bored", "Happiness", "joy")
    folder = write_pictures(
        {f"{name}/a.png": face for name, face in zip(names, pictures, strict=True)}
    )
    found = read_folders(folder)
    assert found.classes == (*EMOTIONS, "Bored", "contempt")
    assert [found.classes[label] for label in found.original] == [
        "happy",
        "happy",
        "Bored",
        "contempt",
    ]
    assert found.reading.notes[:2] == (
        "The class folder Happiness was read as happy.",
        "The class folder joy was read as happy.",
    )


def test_a_folder_of_own_classes_only(write_pictures: Any, faces: Faces) -> None:
    first, second = faces(2)
    found = read_folders(write_pictures({"train/open/a.png": first, "train/closed/a.png": second}))
    assert found.classes == ("closed", "open")
    assert found.present == ("closed", "open")


def test_a_class_folder_in_another_encoding_can_be_written(tmp_path: Path, faces: Faces) -> None:
    for name in (b"m\xfcde", b"wach"):
        folder = tmp_path / os.fsdecode(name)
        folder.mkdir()
        for number, level in enumerate((20, 90, 160)):
            Image.new("L", (48, 48), level).save(folder / f"{number}.png")
    found = read_folders(tmp_path)
    assert found.classes == (r"m\udcfcde", "wach")
    assert "\n".join(found.classes).encode()


def truncated(path: Path, share: float = 0.6) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".tif", ".bmp", ".pgm"])
@pytest.mark.parametrize("share", [0.002, 0.3, 0.9])
def test_a_truncated_picture_is_left_out(
    write_pictures: Any, faces: Faces, ending: str, share: float
) -> None:
    first, second = faces(2)
    folder = write_pictures({f"test/happy/a{ending}": first, "test/happy/b.png": second})
    truncated(folder / f"test/happy/a{ending}", share)
    found = read_folders(folder)
    np.testing.assert_array_equal(found.images, [second])
    [(reason, skipped)] = found.reading.skipped.items()
    assert reason in {"damaged or truncated pictures", "empty files"}
    assert skipped.count == 1
    assert skipped.first.startswith(f"test/happy/a{ending}: expected a ")


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises a picture of this size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 9999))
        + chunk(b"IEND", b"")
    )


def test_what_cannot_be_used_is_counted_by_reason(
    write_pictures: Any, faces: Faces, tmp_path: Path
) -> None:
    pictures = faces(3)
    folder = write_pictures(
        {
            "train/sad/a.png": pictures[0],
            "train/happy/a.png": pictures[1],
            "valid/sad/a.png": pictures[2],
        }
    )
    sad = folder / "train/sad"
    (sad / "b.png").write_bytes(b"")
    (sad / "c.png").write_bytes(b"this is a shopping list\n" * 30)
    (sad / "notes.txt").write_text("from the archive")
    (sad / ".hidden").write_text("not counted")
    (sad / "more").mkdir()
    (sad / "wide.png").write_bytes(png_that_claims(9_000, 9_000))
    (sad / "bomb.png").write_bytes(png_that_claims(60_000, 60_000))
    (sad / "dot.png").write_bytes(png_that_claims(1, 1))
    (folder / "valid/disgust").mkdir()
    (folder / "valid/angry").mkdir()
    (folder / "valid/angry/a.jpg").write_bytes(b"\xff\xd8\xff")
    (folder / "leftovers").mkdir()
    found = read_folders(folder)
    np.testing.assert_array_equal(found.images, pictures[[1, 0, 2]])
    assert {reason: entry.count for reason, entry in found.reading.skipped.items()} == {
        "empty files": 1,
        "damaged or truncated pictures": 3,
        "files that are no pictures": 1,
        "folders or special files among the pictures": 1,
        "pictures with too many pixels": 1,
        "pictures that are too small": 1,
    }
    assert found.reading.skipped["pictures with too many pixels"].first == (
        "train/sad/wide.png: expected at most 50,000,000, received 9000 x 9000"
    )
    assert set(found.reading.notes) >= {
        "The folder leftovers was left out: it is no split that holds class folders.",
        "The class folder valid/disgust holds no picture.",
        "The class folder valid/angry holds no picture that can be used.",
        "The split train has no class folder for disgust.",
    }
    lines = found.reading.sentences()
    assert lines[0] == "3 files read, 8 left out."
    assert (
        "1 file was left out: empty files. The first is train/sad/b.png: expected a picture, received 0 bytes."
        in lines
    )


def test_a_file_that_is_too_large_is_not_opened(
    write_pictures: Any, faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = faces(2)
    folder = write_pictures({"test/happy/a.png": first, "test/sad/a.bmp": second})
    monkeypatch.setattr("training.datasets.folders.MAX_FILE_BYTES", 2900)
    found = read_folders(folder)
    assert found.present == ("happy",)
    assert found.reading.skipped["files that are too large"].count == 1


@pytest.mark.parametrize(
    "layout", ["empty", "classes without pictures", "pictures only", "a table", "broken pictures"]
)
def test_a_folder_without_a_usable_picture_is_refused(tmp_path: Path, layout: str) -> None:
    expected = {
        "empty": "has no class folders: expected split/class/picture or class/picture; name the folder above",
        "classes without pictures": r"holds no picture that can be used\. .*The class folder sad holds no picture\.",
        "pictures only": "has no class folders",
        "a table": r"has no class folders: .*, or the path of the fer2013\.csv in it\.",
        "broken pictures": r"holds no picture that can be used\. .*1 file was left out: damaged or truncated pictures",
    }
    if layout == "classes without pictures":
        (tmp_path / "happy").mkdir()
        (tmp_path / "sad").mkdir()
    elif layout == "pictures only":
        (tmp_path / "a.png").write_bytes(b"")
    elif layout == "a table":
        (tmp_path / "fer2013.csv.xz").write_bytes(b"")
    elif layout == "broken pictures":
        (tmp_path / "train/happy").mkdir(parents=True)
        (tmp_path / "train/happy/a.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=expected[layout]):
        read_folders(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"Cannot read the folder .*nowhere: No such file"):
        read_folders(tmp_path / "nowhere")


def test_other_sizes_and_shapes_become_squares(write_pictures: Any, faces: Faces) -> None:
    [face] = faces(1)
    large = cv2.resize(face, (96, 96), interpolation=cv2.INTER_NEAREST)
    wide = np.zeros((96, 200), np.uint8)
    wide[:, 52:148] = large
    tall = np.ascontiguousarray(wide.T)
    folder = write_pictures(
        {
            "test/happy/a.png": large,
            "test/happy/b.png": wide,
            "test/happy/c.png": tall,
            "test/happy/d.png": face[:24, :24],
        }
    )
    found = read_folders(folder)
    np.testing.assert_array_equal(found.images[:2], [face, face])
    np.testing.assert_array_equal(found.images[2], face.T)
    np.testing.assert_array_equal(found.images[3], cv2.resize(face[:24, :24], (48, 48)))
    assert read_folders(folder, side_px=96).images.shape == (4, 96, 96)
    np.testing.assert_array_equal(read_folders(folder, side_px=96).images[0], large)
    for wrong in (15, 513):
        with pytest.raises(DatasetError, match=f"expected 16 to 512 pixels, received {wrong}"):
            read_folders(folder, side_px=wrong)


def test_pictures_of_every_kind_become_grey(tmp_path: Path, faces: Faces) -> None:
    """Colour, transparency, a palette, 16 bits, animation, damaged EXIF data: the same face in each."""
    [face] = faces(1)
    grey = Image.fromarray(face)
    folder = tmp_path / "test" / "happy"
    folder.mkdir(parents=True)
    grey.convert("RGB").save(folder / "a.png")
    grey.convert("RGBA").save(folder / "b.png")
    grey.convert("LA").save(folder / "c.png")
    grey.quantize(256).save(folder / "d.png")
    Image.fromarray(face.astype(np.uint16) * 257).save(folder / "e.png")
    grey.convert("CMYK").save(folder / "f.tif")
    grey.save(folder / "g.gif", save_all=True, append_images=[Image.fromarray(255 - face)])
    Image.fromarray(face.astype(np.float32)).save(folder / "h.tif")
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(face)))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by a quarter to the right
    turned.save(folder / "i.png", exif=exif)
    Image.fromarray(face.astype(np.float32) / 255).save(folder / "j.tif")
    grey.save(folder / "k.jfif", "JPEG", quality=100, exif=b"Exif\0\0MM\0\x2a\xff\xff\xff\xff")
    found = read_folders(tmp_path)
    assert len(found) == 11
    for image in found.images:
        assert np.abs(image.astype(int) - face).max() <= 2


@pytest.mark.parametrize(
    ("shape", "is_said"), [((90, 120), True), ((160, 90), True), ((96, 120), False)]
)
def test_photographs_that_are_taken_for_faces_are_pointed_out(
    write_pictures: Any, shape: tuple[int, int], is_said: bool
) -> None:
    named = {
        f"{name}/{number}.png": np.zeros(shape, np.uint8)
        for name in ("happy", "sad")
        for number in range(3)
    }
    named["sad/face.png"] = np.zeros((48, 48), np.uint8)
    folder = write_pictures(named)
    said = read_folders(folder).reading.sentences()
    assert any(line.startswith("6 files of 7 are far from square") for line in said) == is_said
    cut = read_folders(folder, face_finder=lambda _: np.zeros((48, 30), np.uint8))
    assert not any("--find-faces" in line for line in cut.reading.sentences())


def test_a_long_search_for_faces_is_told(
    write_pictures: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_pictures(
        {
            f"{name}/{number}.png": np.zeros((90, 120), np.uint8)
            for name in ("happy", "sad")
            for number in range(3)
        }
    )
    now_s = 0.0

    def find(_picture: np.ndarray) -> np.ndarray:
        nonlocal now_s
        now_s += 4
        return np.zeros((48, 48), np.uint8)

    monkeypatch.setattr(folders.time, "monotonic", lambda: now_s)
    with caplog.at_level("INFO", logger="training"):
        read_folders(folder, face_finder=folders._counting(find))
    assert caplog.messages == [
        "Finding the faces in the photographs: up to half a second for each",
        "3 photographs searched so far",
    ]


def test_a_face_finder_cuts_photographs(write_pictures: Any, faces: Faces) -> None:
    face, other = faces(2)
    photo = np.zeros((120, 160, 3), np.uint8)
    photo[30:78, 50:98] = face[:, :, None]
    photo[0, 0] = (255, 0, 0)
    folder = write_pictures(
        {"test/happy/a.png": photo, "test/happy/b.png": other, "test/sad/c.png": photo}
    )
    seen = []

    def finder(image: np.ndarray) -> np.ndarray | None:
        seen.append(image)
        if image.shape != photo.shape:
            return None
        return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[30:78, 50:98]

    found = read_dataset(folder, face_finder=finder)
    np.testing.assert_array_equal(found.images, [face, face])
    np.testing.assert_array_equal(seen[0], photo)
    assert [image.shape for image in seen] == [(120, 160, 3), (48, 48, 3), (120, 160, 3)]
    [(reason, skipped)] = found.reading.skipped.items()
    assert reason == "pictures in which no face was found"
    assert skipped.first == "test/happy/b.png: expected a face"
