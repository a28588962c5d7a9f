"""The published files as published, their label rules by known answers, and pictures that stand in both splits."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from detector.emotions import EMOTIONS
from training.datasets import (
    NO_LABEL,
    VOTE_LABELS,
    DatasetError,
    FaceDataset,
    majority,
    near_twins,
    plurality,
    read_fer2013,
    soft_labels,
)

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
        target.write_bytes({".xz": lzma.compress, ".gz": gzip.compress, ".bz2": bz2.compress}[ending](content))
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
    votes = write_votes([(usage, {"happiness": number}) for number, (_, _, usage) in enumerate(rows)])
    found = read_fer2013(write_fer(rows), votes)
    public = found.split("PublicTest")
    assert public.original.tolist() == [2, 6]
    assert public.votes is not None
    assert public.votes[:, VOTE_LABELS.index("happy")].tolist() == [2, 6]
    assert found.subset(np.array([7, 0])).original.tolist() == [0, 0]
    with pytest.raises(DatasetError, match=r"no rows in the split 'Test'; it has PrivateTest, PublicTest, Training\."):
        found.split("Test")


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
    found = read_fer2013(write_fer([(0, faces(1)[0], "Training")]), write_votes([("Training", named)]))
    assert [*VOTE_LABELS] == [*EMOTIONS, "contempt"]
    assert found.votes is not None
    assert found.votes.tolist() == [[5, 6, 7, 2, 4, 3, 1, 8, 9, 10]]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((0, "1 2 3", "Training"), r"row 1: expected 2304 pixels, received 3\."),
        ((0, "", "Training"), r"row 1: expected 2304 pixels, received 0\."),
        ((0, "a " * 2304, "Training"), "row 1: expected whole numbers as emotion and pixels"),
        (("happy", "1 " * 2304, "Training"), "row 1: expected whole numbers as emotion and pixels"),
        ((7, "1 " * 2304, "Training"), r"row 1: expected an emotion from 0 to 6, received 7\."),
        ((-1, "1 " * 2304, "Training"), r"row 1: expected an emotion from 0 to 6, received -1\."),
        ((0, "256 " + "1 " * 2303, "Training"), r"row 1: expected pixels from 0 to 255, received 1 to 256\."),
        ((0, "-1 " + "1 " * 2303, "Training"), r"row 1: expected pixels from 0 to 255, received -1 to 1\."),
    ],
)
def test_a_wrong_row_is_named(write_fer: Any, row: tuple[object, str, str], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read_fer2013(write_fer([row]))


def test_wrong_columns_are_named(tmp_path: Path) -> None:
    path = tmp_path / "fer2013.csv"
    path.write_text("label,pixels\n0,1 2 3\n")
    with pytest.raises(DatasetError, match=r"lacks the column\(s\) Usage, emotion of FER2013's Kaggle form\."):
        read_fer2013(path)


def test_an_empty_file_and_one_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "fer2013.csv"
    path.write_text("")
    with pytest.raises(DatasetError, match="lacks the column"):
        read_fer2013(path)
    path.write_text("emotion,pixels,Usage\n")
    with pytest.raises(DatasetError, match="has a header but no rows"):
        read_fer2013(path)


@pytest.mark.parametrize("ending", [".xz", ".gz", ".bz2", ".zip"])
@pytest.mark.parametrize("damage", ["cut", "replaced", "scratched"])
def test_a_broken_archive_is_refused(write_fer: Any, faces: Faces, ending: str, damage: str) -> None:
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
    with pytest.raises(DatasetError, match=r"Cannot read the dataset .*nowhere\.csv: .*No such file"):
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
    with pytest.raises(DatasetError, match=r"must hold exactly one \.csv file, but holds 2\."):
        read_fer2013(path)


def test_votes_of_other_rows_are_refused(write_fer: Any, write_votes: Any, faces: Faces) -> None:
    fer = write_fer(rows_of(faces(4)))
    usages = ["Training", "Training", "PublicTest", "PrivateTest"]
    for wrong in (usages[:3], usages[::-1], [*usages, "Training"]):
        votes = write_votes([(usage, {"fear": 5}) for usage in wrong])
        with pytest.raises(DatasetError, match=rf"does not belong .*expected 4 rows .*received {len(wrong)}\."):
            read_fer2013(fer, votes)


def test_a_wrong_vote_file_is_refused(write_fer: Any, write_votes: Any, faces: Faces, tmp_path: Path) -> None:
    fer = write_fer([(0, faces(1)[0], "Training")])
    with pytest.raises(DatasetError, match="Cannot read the vote file"):
        read_fer2013(fer, tmp_path / "nowhere.csv")
    with pytest.raises(DatasetError, match=r"lacks the column\(s\) NF, anger,.* of the FER\+ vote file"):
        read_fer2013(fer, fer)
    with pytest.raises(DatasetError, match="expected numbers of votes"):
        read_fer2013(fer, write_votes([("Training", {"fear": "many"})]))
    without_usage = tmp_path / "votes.csv"
    text = write_votes([("Training", {"fear": 10})]).read_text()
    without_usage.write_text(text.replace("Usage", "Split"))
    with pytest.raises(DatasetError, match=r"lacks the column\(s\) Usage"):
        read_fer2013(fer, without_usage)


def votes(**named: int) -> list[float]:
    """A row of votes: our emotions, contempt, unknown, not_a_face."""
    order = (*VOTE_LABELS, "unknown", "not_a_face")
    assert set(named) <= set(order)
    return [float(named.get(name, 0)) for name in order]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (votes(happy=10), "happy"),
        (votes(happy=6, neutral=4), "happy"),
        # Half of the votes is not more than half.
        (votes(happy=5, neutral=5), None),
        (votes(happy=4, neutral=3, sad=3), None),
        # Single votes are dropped before the votes are counted: 4 of 7 and 3 of 5 that remain.
        (votes(happy=4, neutral=3, sad=1, fear=1, angry=1), "happy"),
        (votes(sad=3, neutral=2, happy=1, fear=1, angry=1, disgust=1, surprise=1), "sad"),
        (votes(surprise=2, happy=1, fear=1, angry=1, disgust=1, sad=1), "surprise"),
        (votes(happy=1, neutral=1, sad=1), None),
        (votes(), None),
        (votes(contempt=7, neutral=3), "contempt"),
        (votes(unknown=6, neutral=4), None),
        (votes(not_a_face=10), None),
        # Votes for unknown and not-a-face count among those of which half is asked.
        (votes(happy=4, unknown=3, not_a_face=3), None),
    ],
)
def test_majority_by_the_rule_of_the_ferplus_authors(row: list[float], expected: str | None) -> None:
    [label] = majority(np.array([row]))
    assert label == (NO_LABEL if expected is None else VOTE_LABELS.index(expected))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (votes(happy=4, neutral=3, sad=3), "happy"),
        (votes(happy=1), "happy"),
        (votes(unknown=8, fear=2), "fear"),
        (votes(contempt=4, sad=3), "contempt"),
        (votes(sad=4, angry=4), "angry"),
        (votes(unknown=10), None),
        (votes(), None),
    ],
)
def test_plurality_among_the_eight(row: list[float], expected: str | None) -> None:
    [label] = plurality(np.array([row]))
    assert label == (NO_LABEL if expected is None else VOTE_LABELS.index(expected))


def test_soft_labels_are_the_votes_without_the_single_ones() -> None:
    rows = np.array(
        [
            votes(happy=6, neutral=3, sad=1),
            votes(happy=4, unknown=3, contempt=3),
            votes(unknown=6, happy=4),
            votes(not_a_face=10),
            votes(),
        ]
    )
    soft, usable = soft_labels(rows)
    assert usable.tolist() == [True, True, False, False, False]
    happy, neutral, contempt = (VOTE_LABELS.index(name) for name in ("happy", "neutral", "contempt"))
    assert soft[0, [happy, neutral]] == pytest.approx([6 / 9, 3 / 9])
    assert soft[1, [happy, contempt]] == pytest.approx([4 / 7, 3 / 7])
    assert soft[0].sum() == pytest.approx(1)
    assert (soft[2:] == 1 / 8).all()


vote_tables = hnp.arrays(np.float64, st.tuples(st.integers(1, 20), st.just(10)), elements=st.integers(0, 10).map(float))


@given(vote_tables)
def test_the_rules_agree_where_they_must(table: np.ndarray) -> None:
    most, more_than_half = plurality(table), majority(table)
    labelled = more_than_half != NO_LABEL
    assert (most[labelled] == more_than_half[labelled]).all()
    soft, usable = soft_labels(table)
    np.testing.assert_allclose(soft.sum(axis=1), 1)
    assert usable[labelled].all()
    assert (soft[labelled].argmax(axis=1) == more_than_half[labelled]).all()
    assert (soft[labelled].max(axis=1) > 0.5).all()


def test_twins_are_found_although_they_were_changed_a_little(faces: Faces) -> None:
    others = faces(20, seed=1)
    turn = cv2.getRotationMatrix2D((23.5, 23.5), 0.7, 1.01)
    twins = np.stack(
        [
            others[3],
            np.clip(others[4].astype(int) * 0.7 + 40, 0, 255).astype(np.uint8),
            others[5][:, ::-1],
            cv2.warpAffine(others[6], turn, (48, 48), borderMode=cv2.BORDER_REPLICATE),
            others[7][::-1],
            faces(1, seed=2)[0],
            255 - others[8],
        ]
    )
    assert near_twins(twins, others).tolist() == [True, True, True, True, False, False, False]


def test_twins_are_told_from_neighbours_by_the_threshold(faces: Faces) -> None:
    [face] = faces(1)
    noisy = np.clip(face + np.random.default_rng(0).normal(0, 25, face.shape), 0, 255).astype(np.uint8)
    together = float(np.corrcoef(face.ravel(), noisy.ravel())[0, 1])
    assert near_twins(noisy[None], face[None], together - 0.01).tolist() == [True]
    assert near_twins(noisy[None], face[None], together + 0.01).tolist() == [False]


def test_twins_beyond_the_first_block_are_found(faces: Faces) -> None:
    many = np.tile(faces(10), (250, 1, 1))
    found = near_twins(many, faces(10)[[7]])
    assert np.flatnonzero(found).tolist() == list(range(7, 2500, 10))


def test_twins_of_nothing(faces: Faces) -> None:
    nothing = np.zeros((0, 48, 48), np.uint8)
    assert near_twins(faces(3), nothing).tolist() == [False] * 3
    assert near_twins(nothing, faces(3)).shape == (0,)
    flat = np.full((1, 48, 48), 90, np.uint8)
    assert near_twins(flat, faces(3)).tolist() == [False]


@pytest.mark.slow
def test_the_published_data_have_their_published_size(dataset_folder: Path) -> None:
    fer = next(dataset_folder.glob("fer2013.csv*"))
    found: FaceDataset = read_fer2013(fer, dataset_folder / "fer2013new.csv")
    published = {"Training": 28709, "PublicTest": 3589, "PrivateTest": 3589}
    for name in set(found.usage.tolist()):
        assert 0.9 * published[name] < len(found.split(name)) <= published[name]
    assert found.votes is not None
    assert found.votes.shape == (len(found), 10)
    # The taggers and the first label agree for about two pictures in three; in any other order they would not.
    labels = majority(found.votes)
    told = labels != NO_LABEL
    assert 0.55 < (labels == found.original)[told].mean() < 0.8
