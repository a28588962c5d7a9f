"""Decisions about labels: stored as CSV, and applied to the dataset that was reviewed."""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.emotion.labels import EMOTIONS
from training.datasets.faces import FaceDataset
from training.datasets.overlay import Decision, LabelOverlay, face_keys
from training.datasets.reading import read_dataset
from training.errors import DatasetError

Make = Callable[..., FaceDataset]


def overlay_of(*decisions: Decision) -> LabelOverlay:
    overlay = LabelOverlay()
    for decision in decisions:
        overlay.put(decision.face, decision)
    return overlay


def decided(face: str, kind: Any, new_label: str = "", old_label: str = "sad") -> Decision:
    return Decision(face, old_label, kind, new_label, "2026-11-29T08:00:00+00:00")


def test_labels_are_changed_and_faces_dropped(dataset: Make) -> None:
    faces = dataset(14)
    keys = face_keys(faces)
    found = overlay_of(
        decided(keys[0], "change", "happy"), decided(keys[1], "drop"), decided(keys[2], "keep")
    ).apply(faces, "overlay.csv")
    assert len(found) == 13
    assert found.original[0] == EMOTIONS.index("happy")
    assert found.votes is not None
    assert faces.votes is not None
    assert found.votes[0].tolist() == [0, 0, 0, 10, 0, 0, 0, 0, 0, 0]
    np.testing.assert_array_equal(found.images[1:], faces.images[2:])
    np.testing.assert_array_equal(found.votes[1:], faces.votes[2:])
    assert (
        "The overlay overlay.csv changed 1 label and dropped 1 face; 1 label reviewed and kept."
    ) in found.reading.sentences()
    assert faces.original[0] == 0  # the dataset itself stays as it was


def test_every_copy_of_a_picture_gets_the_decision(dataset: Make) -> None:
    faces = dataset(7)
    twice = faces.subset(np.array([0, 1, 0, 2]))
    found = overlay_of(decided(face_keys(faces)[0], "change", "surprise")).apply(twice, "o")
    assert [EMOTIONS[label] for label in found.original] == [
        "surprise",
        "disgust",
        "surprise",
        "fear",
    ]


def test_faces_that_are_not_in_the_data_are_counted(dataset: Make) -> None:
    faces = dataset(7)
    found = overlay_of(decided(face_keys(faces)[0], "drop"), decided("ab" * 32, "drop")).apply(
        faces, "o.csv"
    )
    assert "1 of the 2 faces in the overlay o.csv are not in the data." in found.reading.notes


def test_an_overlay_of_another_dataset_is_refused(dataset: Make) -> None:
    overlay = overlay_of(decided(face_keys(dataset(3, seed=1))[0], "drop"))
    with pytest.raises(DatasetError, match="belongs to another dataset: none of the 1 faces"):
        overlay.apply(dataset(7), "o.csv")


def test_a_label_that_the_dataset_does_not_have_is_refused(dataset: Make) -> None:
    faces = dataset(7)
    overlay = overlay_of(decided(face_keys(faces)[0], "change", "bored"))
    with pytest.raises(DatasetError, match="to 'bored': expected one of the dataset's, angry"):
        overlay.apply(faces, "o.csv")


def test_a_picture_of_a_folder_is_known_by_its_file(
    write_pictures: Any, faces: Any, tmp_path: Path
) -> None:
    first, second, third, fourth = faces(4)
    folder = write_pictures(
        {
            "train/happy/a.png": first,
            "train/sad/b.png": second,
            "valid/happy/c.png": third,
            "valid/sad/d.png": fourth,
        }
    )
    path = tmp_path / "overlay.csv"
    overlay_of(
        decided("train/sad/b.png", "change", "happy"), decided("valid/happy/c.png", "drop")
    ).save(path)
    for side_px in (48, 64):
        found = read_dataset(folder, overlay=path, side_px=side_px)
        assert found.files is not None
        assert found.files.tolist() == ["train/happy/a.png", "train/sad/b.png", "valid/sad/d.png"]
        assert [found.classes[label] for label in found.original] == ["happy", "happy", "sad"]


_text = st.text(
    string.printable.replace("\r", "").replace("\n", "") + "äß,\"';", min_size=1
).filter(lambda text: text.splitlines() == [text])


@given(
    st.lists(
        st.builds(
            Decision, _text, _text, st.sampled_from(["keep", "change", "drop"]), _text, _text
        ),
        max_size=8,
    )
)
def test_what_was_saved_is_read_again(tmp_path_factory: Any, decisions: list[Decision]) -> None:
    path = tmp_path_factory.mktemp("overlay") / "overlay.csv"
    overlay = overlay_of(*decisions)
    overlay.save(path)
    found = LabelOverlay.read(path)
    assert len(found) == len(overlay)
    assert all(found.of(one.face) == overlay.of(one.face) for one in decisions)
    assert found.last == overlay.last


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the columns face, old_label"),
        ("emotion,pixels,Usage\n", "received emotion, pixels, Usage"),
        ("face,old_label,decision,new_label,decided_at\na,b,burn,c,d\n", "decision 'burn'"),
        ("face,old_label,decision,new_label,decided_at\na,b\n", "row 1 has 2 fields"),
        ("face,old_label,decision,new_label,decided_at\na,b,change,,d\n", "its new label"),
    ],
)
def test_what_is_no_overlay_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "overlay.csv"
    path.write_text(text)
    with pytest.raises(DatasetError, match=message):
        LabelOverlay.read(path)


def test_a_missing_or_unwritable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="Cannot read the overlay"):
        LabelOverlay.read(tmp_path / "nowhere.csv")
    with pytest.raises(DatasetError, match="Cannot write the overlay"):
        LabelOverlay().save(tmp_path / "no folder" / "overlay.csv")


def test_the_newest_decision_about_a_face_counts() -> None:
    first, other = decided("a", "drop"), decided("b", "keep")
    overlay = overlay_of(first, other, replace(first, decision="keep"))
    assert len(overlay) == 2
    assert overlay.last == replace(first, decision="keep")
    assert overlay.counts == {"keep": 2}


@pytest.mark.parametrize("face", ["a\u2028b.png", "a\nb.png", "a\x0cb.png"])
def test_names_with_other_line_ends_are_kept(face: str, tmp_path: Path) -> None:
    path = tmp_path / "overlay.csv"
    overlay_of(decided(face, "drop")).save(path)
    assert LabelOverlay.read(path).of(face) is not None
