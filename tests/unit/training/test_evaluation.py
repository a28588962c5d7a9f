"""Figures by known answers, and a classifier whose every mistake is known."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.emotions import EMOTIONS
from detector.model_card import ModelCard
from training.datasets import VOTE_LABELS, DatasetError, FaceDataset
from training.evaluation import (
    calibration_error,
    confusion_matrix,
    evaluate,
    judged_rows,
    per_class,
    vote_shares,
)

HAPPY, SAD, NEUTRAL = (EMOTIONS.index(name) for name in ("happy", "sad", "neutral"))


def test_perfect_calibration_has_no_error() -> None:
    confidence = np.repeat([0.5, 0.75, 1.0], 100)
    correct = np.concatenate([np.repeat([1, 0], 50), np.repeat([1, 0], [75, 25]), np.ones(100)])
    assert calibration_error(confidence, correct) == pytest.approx(0)


@pytest.mark.parametrize(
    ("confidence", "correct", "expected"),
    [
        ([1.0, 1.0], [0, 0], 1.0),
        ([0.9, 0.9, 0.9, 0.9], [1, 1, 0, 0], 0.4),
        ([0.2, 0.2], [1, 1], 0.8),
        # Two bins of 3 and 1 rows: |0.8 * 3 - 3| and |0.4 - 0|, over 4 rows.
        ([0.8, 0.8, 0.8, 0.4], [1, 1, 1, 0], (0.6 + 0.4) / 4),
        # In one bin, too sure and too unsure cancel each other out.
        ([0.68, 0.72], [0, 1], abs(1.4 - 1) / 2),
        # The share of the votes stands for the accuracy.
        ([0.6, 0.6], [0.6, 0.6], 0.0),
    ],
)
def test_calibration_error_by_hand(confidence: list[float], correct: list[float], expected: float) -> None:
    assert calibration_error(np.array(confidence), np.array(correct, dtype=float)) == pytest.approx(expected)


def test_the_number_of_bins_counts() -> None:
    confidence, correct = np.array([0.1, 0.9]), np.array([1.0, 0.0])
    assert calibration_error(confidence, correct, bins=1) == pytest.approx(0)
    assert calibration_error(confidence, correct) == pytest.approx(0.9)
    assert math.isnan(calibration_error(np.zeros(0), np.zeros(0)))


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=50))
def test_calibration_error_is_a_share(rows: list[tuple[float, float]]) -> None:
    confidence, correct = np.array(rows).T
    assert 0 <= calibration_error(confidence, correct) <= 1 + 1e-12


def test_confusion_has_the_truth_in_rows() -> None:
    confusion = confusion_matrix(np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 0, 2, 2]), 3)
    assert confusion.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 2]]


def test_precision_recall_and_f1_by_hand() -> None:
    found = per_class(np.array([[1, 1, 0], [0, 1, 0], [1, 0, 2]]))
    assert found["precision"] == pytest.approx([1 / 2, 1 / 2, 1])
    assert found["recall"] == pytest.approx([1 / 2, 1, 2 / 3])
    assert found["f1"] == pytest.approx([1 / 2, 2 / 3, 4 / 5])


def test_a_class_without_rows_or_predictions_counts_as_nothing() -> None:
    found = per_class(np.array([[3, 0, 0], [1, 0, 0], [0, 0, 0]]))
    assert found["recall"].tolist() == [1, 0, 0]
    assert found["precision"] == pytest.approx([3 / 4, 0, 0])
    assert found["f1"][1:].tolist() == [0, 0]


def test_vote_shares_are_among_the_seven() -> None:
    table = np.zeros((3, 10))
    table[0, [HAPPY, SAD]] = 6, 2
    table[0, 8] = 2  # unknown
    table[1, 7] = 10  # contempt only
    table[2, NEUTRAL] = 10
    assert vote_shares(table[:, :7], np.array([HAPPY, HAPPY, SAD])).tolist() == [0.75, 0, 0]


class KeyedClassifier:
    """Reads what it is to say from the first pixel of a picture: twice the class, odd for an unsure verdict."""

    runtime = "keyed"

    def __init__(self, sure: float = 0.9, unsure: float = 0.4) -> None:
        self.card = ModelCard(
            name="keyed",
            labels=EMOTIONS,
            input_side_px=48,
            crop_scale=1,
            crop_raise=0,
            temperature=1,
            uncertain_below=0,
            sha256="",
        )
        self._sure, self._unsure = sure, unsure
        self.largest_batch = 0

    def logits(self, crops: np.ndarray) -> np.ndarray:
        self.largest_batch = max(self.largest_batch, len(crops))
        said, odd = np.divmod(crops[:, 0, 0], 2)
        top = np.where(odd, self._unsure, self._sure)
        scores = np.repeat((1 - top)[:, None] / 6, 7, axis=1)
        scores[np.arange(len(crops)), said] = top
        return np.log(scores)


def keyed(rows: list[dict[str, Any]]) -> FaceDataset:
    """Rows with `original`, `votes` by name, what the classifier `says`, and whether it is `unsure`."""
    images = np.zeros((len(rows), 48, 48), np.uint8)
    table = np.zeros((len(rows), 10))
    for number, row in enumerate(rows):
        images[number, 0, 0] = 2 * EMOTIONS.index(row["says"]) + row.get("unsure", False)
        for name, count in row.get("votes", {}).items():
            table[number, (*VOTE_LABELS, "unknown", "nf").index(name)] = count
    original = np.array([EMOTIONS.index(row["original"]) for row in rows])
    voted = any("votes" in row for row in rows)
    return FaceDataset(images, original, table if voted else None, np.array(["PublicTest"] * len(rows)))


FACES = keyed(
    [
        {"original": "happy", "votes": {"happy": 10}, "says": "happy"},
        {"original": "happy", "votes": {"happy": 8, "neutral": 2}, "says": "neutral"},
        {"original": "sad", "votes": {"neutral": 6, "sad": 4}, "says": "neutral"},
        {"original": "angry", "votes": {"sad": 5, "neutral": 5}, "says": "sad"},
        {"original": "fear", "votes": {"contempt": 8, "fear": 2}, "says": "fear"},
        {"original": "sad", "votes": {"unknown": 10}, "says": "sad", "unsure": True},
    ]
)


@pytest.mark.parametrize(
    ("against", "rows", "truth"),
    [
        ("original", [0, 1, 2, 3, 4, 5], ["happy", "happy", "sad", "angry", "fear", "sad"]),
        ("majority", [0, 1, 2], ["happy", "happy", "neutral"]),
        ("plurality", [0, 1, 2, 3], ["happy", "happy", "neutral", "sad"]),
        ("happy-sad", [0, 1, 2, 5], ["happy", "happy", "sad", "sad"]),
    ],
)
def test_which_rows_count(against: Any, rows: list[int], truth: list[str]) -> None:
    found, labels = judged_rows(FACES, against)
    assert found.tolist() == rows
    assert [EMOTIONS[label] for label in labels] == truth


def test_the_document_against_the_majority() -> None:
    document = evaluate(KeyedClassifier(), FACES, "majority")
    assert list(document) == ["n", "against", "labels", "accuracy", "macro_f1", "ece", "per_class", "confusion"]
    assert (document["n"], document["against"], document["labels"]) == (3, "majority", list(EMOTIONS))
    assert document["accuracy"] == pytest.approx(2 / 3)
    # Happy: precision 1, recall 1/2. Neutral: precision 1/2, recall 1.
    assert document["macro_f1"] == pytest.approx((2 / 3 + 2 / 3) / 7)
    # Said with 0.9; the votes for what was said: 1, 0.2 and 0.6.
    assert document["ece"] == pytest.approx(abs(3 * 0.9 - 1.8) / 3)
    assert document["confusion"][HAPPY][HAPPY] == 1
    assert document["confusion"][HAPPY][NEUTRAL] == 1
    assert document["confusion"][NEUTRAL][NEUTRAL] == 1
    assert np.sum(document["confusion"]) == 3
    assert document["per_class"]["happy"] == pytest.approx({"precision": 1, "recall": 0.5, "f1": 2 / 3, "support": 2})
    assert document["per_class"]["fear"] == {"precision": 0, "recall": 0, "f1": 0, "support": 0}
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_against_the_original_labels_without_votes() -> None:
    faces = keyed([{"original": "happy", "says": "happy"}, {"original": "sad", "says": "happy", "unsure": True}])
    document = evaluate(KeyedClassifier(), faces, "original")
    assert document["accuracy"] == 0.5
    assert document["ece"] == pytest.approx((0.1 + 0.4) / 2)


def test_happy_or_sad_is_asked_of_these_two_only() -> None:
    faces = keyed(
        [
            {"original": "happy", "says": "happy"},
            {"original": "sad", "says": "sad", "unsure": True},
            {"original": "sad", "says": "happy"},
            # Neither of the two is more likely: the first is taken.
            {"original": "happy", "says": "neutral"},
            {"original": "neutral", "says": "happy"},
        ]
    )
    document = evaluate(KeyedClassifier(sure=0.7, unsure=0.4), faces, "happy-sad")
    assert (document["n"], document["labels"]) == (4, ["happy", "sad"])
    assert document["confusion"] == [[2, 0], [1, 1]]
    assert document["accuracy"] == pytest.approx(3 / 4)
    sure, unsure = 0.7 / (0.7 + 0.05), 0.4 / (0.4 + 0.1)
    # 14/15 and 0.8 and 0.5, each in a bin of its own: right 1 of 2, 1 of 1, 1 of 1.
    assert document["ece"] == pytest.approx((abs(2 * sure - 1) + abs(unsure - 1) + abs(0.5 - 1)) / 4)


def test_large_datasets_go_in_batches() -> None:
    classifier = KeyedClassifier()
    faces = keyed([{"original": EMOTIONS[n % 7], "says": EMOTIONS[n % 7]} for n in range(600)])
    document = evaluate(classifier, faces, "original")
    assert (document["n"], document["accuracy"]) == (600, 1.0)
    assert classifier.largest_batch <= 256


@pytest.mark.parametrize("against", ["majority", "plurality"])
def test_without_votes_there_is_no_vote_label(against: Any) -> None:
    faces = keyed([{"original": "happy", "says": "happy"}])
    with pytest.raises(DatasetError, match=rf"the FER\+ {against} needs the vote file"):
        evaluate(KeyedClassifier(), faces, against)


def test_a_dataset_without_any_such_row_is_refused() -> None:
    faces = keyed([{"original": "fear", "votes": {"unknown": 10}, "says": "fear"}])
    for against in ("majority", "plurality", "happy-sad"):
        with pytest.raises(DatasetError, match=f"No row of the dataset has a label against {against}"):
            evaluate(KeyedClassifier(), faces, against)  # type: ignore[arg-type]


def test_the_temperature_of_the_card_is_used(dataset: Callable[..., FaceDataset]) -> None:
    faces = keyed([{"original": "happy", "says": "happy"}] * 10)
    classifier = KeyedClassifier()
    cool = evaluate(classifier, faces, "original")["ece"]
    classifier.card = classifier.card.model_copy(update={"temperature": 3.0})
    assert cool == pytest.approx(0.1)
    assert evaluate(classifier, faces, "original")["ece"] > 0.4
