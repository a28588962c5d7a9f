"""The way through the suspicious labels: order, decisions, undo, and what is on the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.emotion.labels import EMOTIONS
from training.datasets.faces import FaceDataset
from training.datasets.overlay import LabelOverlay
from training.errors import DatasetError
from training.evaluation.review import LabelReview

from .test_evaluate import KeyedClassifier

pytest.importorskip("cleanlab", reason="the extra `training` is not installed")

ROWS = 140
WRONG = (3, 40, 77, 100)


@pytest.fixture
def reviewed(dataset: Any) -> FaceDataset:
    """Faces whose first pixel tells the classifier the right label; four labels are wrong."""
    faces = dataset(ROWS)
    for row, label in enumerate(faces.original):
        faces.images[row, 0, 0] = 2 * label
    for row in WRONG:
        faces.original[row] = (faces.original[row] + 3) % 7
    return faces


@pytest.fixture
def start(reviewed: FaceDataset, tmp_path: Path) -> Any:
    def make(**options: Any) -> LabelReview:
        return LabelReview(reviewed, KeyedClassifier(), tmp_path / "overlay.csv", **options)

    return make


def test_the_wrong_labels_come_first(start: Any, reviewed: FaceDataset) -> None:
    review = start(limit=4)
    assert len(review) == 4
    shown = [review.face(place) for place in range(4)]
    rows = [
        int(np.flatnonzero((reviewed.images == face.image).all(axis=(1, 2)))[0]) for face in shown
    ]
    assert sorted(rows) == list(WRONG)
    face = shown[0]
    assert face.label == EMOTIONS[reviewed.original[rows[0]]]
    assert (
        max(face.model, key=face.model.__getitem__) == EMOTIONS[reviewed.images[rows[0], 0, 0] // 2]
    )
    assert sum(face.votes.values()) == 10
    assert list(face.votes.values()) == sorted(face.votes.values(), reverse=True)
    assert face.decision is None


def test_each_decision_is_saved_at_once_and_continued(start: Any) -> None:
    review = start(limit=4)
    review.decide(0, "change", "happy")
    review.decide(2, "drop")
    assert review.next_open() == 1
    assert review.next_open(1) == 3
    assert review.counts == {"keep": 0, "change": 1, "drop": 1}
    again = start(limit=4)
    assert again.counts == review.counts
    decision = again.face(0).decision
    assert decision is not None
    assert (decision.decision, decision.new_label) == ("change", "happy")
    again.decide(1, "keep")
    again.decide(3, "keep")
    assert again.next_open(3) is None


def test_undo_brings_back_what_was_decided_before(start: Any) -> None:
    review = start(limit=3)
    review.decide(0, "keep")
    review.decide(1, "drop")
    review.decide(0, "change", "sad")
    assert review.undo() == 0
    before = review.face(0).decision
    assert before is not None
    assert before.decision == "keep"
    assert review.undo() == 1
    assert review.undo() == 0
    assert review.undo() is None
    assert len(LabelOverlay.read(review.path)) == 0


def test_undo_also_after_a_restart(start: Any) -> None:
    start(limit=3).decide(1, "drop")
    again = start(limit=3)
    assert again.undo() == 1
    assert again.face(1).decision is None


def test_a_decision_that_cannot_be_saved_is_none(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    review = start(limit=3)
    review.decide(0, "keep")

    def full(*_: Any) -> None:
        raise DatasetError("Cannot write the overlay")

    monkeypatch.setattr(LabelOverlay, "save", full)
    with pytest.raises(DatasetError):
        review.decide(1, "drop")
    assert review.face(1).decision is None
    with pytest.raises(DatasetError):
        review.undo()
    assert review.face(0).decision is not None


def test_a_file_of_another_dataset_is_refused(start: Any, dataset: Any, tmp_path: Path) -> None:
    start(limit=3).decide(0, "drop")
    with pytest.raises(DatasetError, match="belongs to another dataset"):
        LabelReview(dataset(70, seed=9), KeyedClassifier(), tmp_path / "overlay.csv")


def test_copies_of_a_picture_are_shown_once(reviewed: FaceDataset, tmp_path: Path) -> None:
    twice = reviewed.subset(np.array([*range(ROWS), *WRONG]))
    review = LabelReview(twice, KeyedClassifier(), tmp_path / "o.csv", limit=ROWS + 4)
    assert len(review) == ROWS


def test_the_decisions_reach_the_dataset(start: Any, reviewed: FaceDataset) -> None:
    review = start(limit=4)
    for place in range(4):
        face = review.face(place)
        review.decide(place, "change", max(face.model, key=face.model.__getitem__))
    found = LabelOverlay.read(review.path).apply(reviewed, "o")
    np.testing.assert_array_equal(found.original, reviewed.images[:, 0, 0] // 2)


def test_decisions_of_another_review_are_not_overwritten(start: Any) -> None:
    first, second = start(limit=4), start(limit=4)
    first.decide(0, "drop")
    with pytest.raises(DatasetError, match="Another program, such as a second review"):
        second.decide(1, "keep")
    assert second.counts["keep"] == 0
    first.decide(1, "keep")
    assert start(limit=4).counts == {"keep": 1, "change": 0, "drop": 1}


def test_a_deleted_overlay_is_written_anew(start: Any) -> None:
    review = start(limit=4)
    review.decide(0, "drop")
    review.path.unlink()
    review.decide(1, "keep")
    assert start(limit=4).counts == {"keep": 1, "change": 0, "drop": 1}
