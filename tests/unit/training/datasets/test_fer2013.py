"""FER2013 and FER+ as published, whole and damaged; one door for every form.

Also tests `training.datasets.reading` and `training.datasets.report`.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.emotion.labels import EMOTIONS
from training.datasets.faces import NO_LABEL, VOTE_LABELS, FaceDataset, majority
from training.datasets.fer2013 import MAX_LINE_BYTES, read_fer2013
from training.datasets.reading import read_dataset
from training.errors import DatasetError

Faces = Callable[..., np.ndarray]


def rows_of(pictures: np.ndarray) -> list[tuple[int, np.ndarray, str]]:
    usages = ("Training", "Training", "PublicTest", "PrivateTest")
    return [(number % 7, picture, usages[number % 4]) for number, picture in enumerate(pictures)]


def packed(path: Path, ending: str) -> Path:
    """The same file as it is handed around."""
    target = path.with_name(path.name + ending)
    content = path.read_bytes()
    if ending == ".zip":
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr("readme.txt", "from the archive")
            archive.writestr("fer2013/fer2013.csv", content)
    else:
        target.write_bytes(
            {".xz": lzma.compress, ".gz": gzip.compress, ".bz2": bz2.compress}[ending](content)
        )
    path.unlink()
    return target


@pytest.mark.parametrize("ending", ["", ".xz", ".gz", ".bz2", ".zip"])
def test_fer2013_plain_and_packed(write_fer: Any, faces: Faces, ending: str) -> None:
    pictures = faces(8)
    path = write_fer(rows_of(pictures))
    found = read_fer2013(packed(path, ending) if ending else path)
    assert len(found) == 8
    np.testing.assert_array_equal(found.images, pictures)
    assert found.images.dtype == np.uint8
    assert found.original.tolist() == [0, 1, 2, 3, 4, 5, 6, 0]
    assert found.usage.tolist() == ["Training", "Training", "PublicTest", "PrivateTest"] * 2
    assert found.votes is None


def test_splits_and_subsets(write_fer: Any, write_votes: Any, faces: Faces) -> None:
    rows = rows_of(faces(8))
    votes = write_votes(
        [(usage, {"happiness": number}) for number, (_, _, usage) in enumerate(rows)]
    )
    found = read_fer2013(write_fer(rows), votes)
    public = found.split("PublicTest")
    assert public.original.tolist() == [2, 6]
    assert public.votes is not None
    assert public.votes[:, VOTE_LABELS.index("happy")].tolist() == [2, 6]
    assert found.subset(np.array([7, 0])).original.tolist() == [0, 0]
    with pytest.raises(
        DatasetError,
        match=r"'Test': expected one of Training \(4 rows\), .*role among training, .*, test\.",
    ):
        found.split("Test")
    assert found.split("validation").original.tolist() == [2, 6]
    assert found.subset(np.array([1])).reading is found.reading


def test_votes_are_put_in_our_order(write_fer: Any, write_votes: Any, faces: Faces) -> None:
    named = {
        "neutral": 1,
        "happiness": 2,
        "surprise": 3,
        "sadness": 4,
        "anger": 5,
        "disgust": 6,
        "fear": 7,
        "contempt": 8,
        "unknown": 9,
        "NF": 10,
    }
    found = read_fer2013(
        write_fer([(0, faces(1)[0], "Training")]), write_votes([("Training", named)])
    )
    assert [*VOTE_LABELS] == [*EMOTIONS, "contempt"]
    assert found.votes is not None
    assert found.votes.tolist() == [[5, 6, 7, 2, 4, 3, 1, 8, 9, 10]]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((0, "1 2 3", "Training"), r"row 1: expected 2304 pixels, received 3\."),
        ((0, "", "Training"), r"row 1: expected 2304 pixels, received 0\."),
        ((0, "   ", "Training"), r"row 1: expected 2304 pixels, received 0\."),
        ((0, "1 " * 2305, "Training"), r"row 1: expected 2304 pixels, received 2305\."),
        ((0, "1.5 " * 2304, "Training"), "row 1: expected whole numbers as emotion and pixels"),
        ((0, "- " * 2304, "Training"), "row 1: expected whole numbers as emotion and pixels"),
        ((0, "9" * 400 + " 1" * 2303, "Training"), "row 1: expected "),
        (
            (0, "9" * 30 + " 1" * 2303, "Training"),
            r"row 1: expected pixels from 0 to 255, received 1 to 9",
        ),
        (("", "1 " * 2304, "Training"), "row 1: expected whole numbers as emotion and pixels"),
        (
            (0, "1 " * 2304, "Test"),
            "row 1: expected Training, PublicTest, PrivateTest as Usage, received 'Test'",
        ),
        (
            (0, "1 " * 2304, ""),
            "row 1: expected Training, PublicTest, PrivateTest as Usage, received ''",
        ),
        ((0, "a " * 2304, "Training"), "row 1: expected whole numbers as emotion and pixels"),
        (("happy", "1 " * 2304, "Training"), "row 1: expected whole numbers as emotion and pixels"),
        ((7, "1 " * 2304, "Training"), r"row 1: expected an emotion from 0 to 6, received 7\."),
        ((-1, "1 " * 2304, "Training"), r"row 1: expected an emotion from 0 to 6, received -1\."),
        (
            (0, "256 " + "1 " * 2303, "Training"),
            r"row 1: expected pixels from 0 to 255, received 1 to 256\.",
        ),
        (
            (0, "-1 " + "1 " * 2303, "Training"),
            r"row 1: expected pixels from 0 to 255, received -1 to 1\.",
        ),
    ],
)
def test_a_wrong_row_is_left_out_and_named(
    write_fer: Any, faces: Faces, row: tuple[object, str, str], message: str
) -> None:
    with pytest.raises(
        DatasetError, match=rf"has no row that can be used\. .*1 row was left out: .*{message}"
    ):
        read_fer2013(write_fer([row]))
    first, second = faces(2)
    found = read_fer2013(write_fer([(3, first, "Training"), row, row, (6, second, "PublicTest")]))
    np.testing.assert_array_equal(found.images, [first, second])
    assert found.original.tolist() == [3, 6]
    assert found.usage.tolist() == ["Training", "PublicTest"]
    assert found.reading.read == 2
    [(reason, skipped)] = found.reading.skipped.items()
    assert skipped.count == 2
    summary, sentence = found.reading.sentences()
    assert summary == "2 rows read, 2 left out."
    assert sentence.startswith(f"2 rows were left out: {reason}. The first is row 2: expected ")


def test_wrong_columns_are_named(tmp_path: Path) -> None:
    path = tmp_path / "fer2013.csv"
    path.write_text("label,pixels\n0,1 2 3\n")
    with pytest.raises(
        DatasetError,
        match=r"lacks the column\(s\) Usage, emotion of FER2013's Kaggle form: expected .*received label",
    ):
        read_fer2013(path)


def test_an_empty_file_and_one_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "fer2013.csv"
    path.write_text("")
    with pytest.raises(
        DatasetError, match=r"is empty: expected FER2013's .* columns emotion, pixels, Usage\."
    ):
        read_fer2013(path)
    path.write_text("emotion,pixels,Usage\n")
    with pytest.raises(DatasetError, match="has a header but no rows"):
        read_fer2013(path)


@pytest.mark.parametrize("ending", [".xz", ".gz", ".bz2", ".zip"])
@pytest.mark.parametrize("damage", ["cut", "replaced", "scratched"])
def test_a_broken_archive_is_refused(
    write_fer: Any, faces: Faces, ending: str, damage: str
) -> None:
    path = packed(write_fer(rows_of(faces(8))), ending)
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(
        {
            "cut": content[:middle],
            "replaced": b"this is a shopping list\n" * 30,
            "scratched": content[:middle] + b"\x00" * 200 + content[middle + 200 :],
        }[damage]
    )
    with pytest.raises(DatasetError):
        read_fer2013(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"Cannot read the dataset .*nowhere\.csv: .*No such file"
    ):
        read_fer2013(tmp_path / "nowhere.csv")


def test_a_picture_instead_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "fer2013.csv").write_bytes(bytes(range(256)) * 10)
    with pytest.raises(DatasetError):
        read_fer2013(tmp_path / "fer2013.csv")


def test_an_archive_with_two_tables_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "both.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "")
        archive.writestr("b.csv", "")
    with pytest.raises(
        DatasetError, match=r"must hold exactly one \.csv file, but holds 2: unpack"
    ):
        read_fer2013(path)


def test_votes_of_other_rows_are_refused(write_fer: Any, write_votes: Any, faces: Faces) -> None:
    fer = write_fer(rows_of(faces(4)))
    usages = ["Training", "Training", "PublicTest", "PrivateTest"]
    for wrong in (usages[:3], usages[::-1], [*usages, "Training"]):
        votes = write_votes([(usage, {"fear": 5}) for usage in wrong])
        with pytest.raises(
            DatasetError, match=rf"does not belong .*expected 4 rows .*received {len(wrong)}"
        ):
            read_fer2013(fer, votes)


def test_a_wrong_vote_file_is_refused(
    write_fer: Any, write_votes: Any, faces: Faces, tmp_path: Path
) -> None:
    fer = write_fer([(0, faces(1)[0], "Training")])
    with pytest.raises(DatasetError, match="Cannot read the vote file"):
        read_fer2013(fer, tmp_path / "nowhere.csv")
    with pytest.raises(
        DatasetError, match=r"lacks the column\(s\) NF, anger,.* of the FER\+ vote file"
    ):
        read_fer2013(fer, fer)
    without_usage = tmp_path / "votes.csv"
    text = write_votes([("Training", {"fear": 10})]).read_text()
    without_usage.write_text(text.replace("Usage", "Split"))
    with pytest.raises(DatasetError, match=r"lacks the column\(s\) Usage"):
        read_fer2013(fer, without_usage)


def test_broken_votes_take_their_row_with_them(
    write_fer: Any, write_votes: Any, faces: Faces
) -> None:
    pictures = faces(8)
    rows: list[tuple[object, object, str]] = [
        (number % 7, face, "Training") for number, face in enumerate(pictures)
    ]
    rows[1] = (1, "1 2 3", "Training")
    rows[2] = (2, pictures[2], "nowhere")
    votes: list[tuple[str, dict[str, object]]] = [
        ("Training", {"fear": number}) for number in range(8)
    ]
    votes[1] = ("Training", {"fear": "broken in both files"})
    votes[4] = ("Training", {"fear": "many"})
    votes[5] = ("Training", {"sadness": -1, "fear": "inf"})
    votes[6] = ("elsewhere", {"sadness": 5})
    votes[7] = ("Training", {"sadness": "", "NF": 10})
    found = read_fer2013(write_fer(rows), write_votes(votes))
    assert found.original.tolist() == [0, 3, 0]
    np.testing.assert_array_equal(found.images, pictures[[0, 3, 7]])
    assert found.votes is not None
    assert found.votes[:, VOTE_LABELS.index("fear")].tolist() == [0, 3, 0]
    assert found.votes[2, -1] == 10
    assert found.reading.read == 3
    assert found.reading.skipped_count == 5
    assert {reason: entry.first for reason, entry in found.reading.skipped.items()} == {
        "a wrong number of pixels": "row 2: expected 2304 pixels, received 3",
        "an unknown Usage": "row 3: expected Training, PublicTest, PrivateTest as Usage, received 'nowhere'",
        "votes that are not numbers from 0 up": "row 5 of fer2013new.csv: expected numbers of votes from 0 up, "
        "received 'many'",
        "an unknown Usage beside the votes": "row 7 of fer2013new.csv: expected Training, PublicTest, PrivateTest as "
        "Usage, received 'elsewhere'",
    }


def test_votes_that_are_cut_off_are_counted(write_fer: Any, write_votes: Any, faces: Faces) -> None:
    votes = write_votes([("Training", {"fear": 5})] * 3)
    votes.write_text(votes.read_text().removesuffix(",0,0\n") + "\n")
    found = read_fer2013(
        write_fer([(number, face, "Training") for number, face in enumerate(faces(3))]), votes
    )
    assert found.original.tolist() == [0, 1]
    assert found.reading.skipped["fewer votes than the header names"].first.startswith(
        "row 3 of fer2013new.csv"
    )


def test_a_table_in_another_dress(write_fer: Any, faces: Faces, tmp_path: Path) -> None:
    """Columns in another order, quoted fields, Windows' line ends, a byte order mark, a blank last
    line.
    """
    [face] = faces(1)
    path = tmp_path / "icml.csv"
    pixels = " ".join(map(str, face.ravel()))
    lines = [
        "emotion, Usage, pixels",
        f'"3","PublicTest","{pixels}"',
        f"4, Training , {pixels} ",
        "",
    ]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    found = read_fer2013(path)
    assert found.original.tolist() == [3, 4]
    assert found.usage.tolist() == ["PublicTest", "Training"]
    np.testing.assert_array_equal(found.images, [face, face])


def test_what_is_torn_stays_one_row(write_fer: Any, faces: Faces) -> None:
    """A stray quotation mark, an overlong line, bytes of no alphabet, a line that is cut off."""
    pictures = faces(5)
    path = write_fer([(3, face, "Training") for face in pictures])
    header, *lines = path.read_bytes().splitlines(keepends=True)
    lines[0] = lines[0].replace(b",", b',"', 1)
    lines[1] = lines[1].strip() + b" 1" * MAX_LINE_BYTES + b"\r\n"
    lines[2] = b"\x00\xff\xfe" + lines[2]
    lines[4] = lines[4][:3000]
    path.write_bytes(header + b"".join(lines))
    found = read_fer2013(path)
    np.testing.assert_array_equal(found.images, pictures[[3]])
    assert found.reading.skipped_count == 4


def test_nothing_is_left_out_of_a_whole_file(write_fer: Any, faces: Faces) -> None:
    reading = read_fer2013(write_fer(rows_of(faces(8)))).reading
    assert reading.sentences() == ["8 rows read, 0 left out."]
    assert (reading.read, reading.skipped_count, reading.notes) == (8, 0, ())


def test_one_door_for_files(write_fer: Any, write_votes: Any, faces: Faces, tmp_path: Path) -> None:
    fer = write_fer([(0, faces(1)[0], "Training")])
    found = read_dataset(fer, write_votes([("Training", {"fear": 10})]))
    assert found.votes is not None
    np.testing.assert_array_equal(found.images, faces(1))
    with pytest.raises(
        DatasetError, match=r"There is no dataset .*nowhere: expected FER2013's fer2013\.csv"
    ):
        read_dataset(tmp_path / "nowhere")
    (tmp_path / "other.csv").write_text("emotion,pixels\n")
    with pytest.raises(DatasetError, match="has a header but no rows"):
        read_dataset(tmp_path / "other.csv")
    (tmp_path / "faces.npz").write_bytes(b"PK")
    with pytest.raises(
        DatasetError, match=r"Cannot tell what dataset .*faces\.npz is: expected .* \.csv, \.xz"
    ):
        read_dataset(tmp_path / "faces.npz")
    (tmp_path / "pictures").mkdir()
    with pytest.raises(DatasetError, match="leave --votes out, or name"):
        read_dataset(tmp_path / "pictures", fer)


@pytest.mark.slow
def test_the_published_data_have_their_published_size(dataset_folder: Path) -> None:
    fer = next(dataset_folder.glob("fer2013.csv*"))
    found: FaceDataset = read_fer2013(fer, dataset_folder / "fer2013new.csv")
    published = {"Training": 28709, "PublicTest": 3589, "PrivateTest": 3589}
    for name in set(found.usage.tolist()):
        assert 0.9 * published[name] < len(found.split(name)) <= published[name]
    assert found.votes is not None
    assert found.votes.shape == (len(found), 10)
    # The taggers and the first label agree for about two pictures in three; in any other order they
    # would not.
    labels = majority(found.votes)
    told = labels != NO_LABEL
    assert 0.55 < (labels == found.original)[told].mean() < 0.8
