"""Figures by known answers, and a classifier whose every mistake is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.emotion.labels import EMOTIONS
from tests.helpers.classifiers import ScriptedClassifier
from training.datasets.faces import NO_LABEL, VOTE_LABELS, FaceDataset
from training.datasets.labels import LABEL_SETS
from training.errors import DatasetError
from training.evaluation.evaluate import (
    confusion_matrix,
    evaluate,
    fitted,
    per_class,
    predict,
    restricted,
    select,
    vote_shares,
)

HAPPY, SAD, NEUTRAL = (EMOTIONS.index(name) for name in ("happy", "sad", "neutral"))


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


class KeyedClassifier(ScriptedClassifier):
    """Reads what it is to say from the first pixel of a picture: twice the class, odd for an unsure
    verdict.
    """

    def __init__(
        self, sure: float = 0.9, unsure: float = 0.4, labels: tuple[str, ...] = EMOTIONS
    ) -> None:
        super().__init__("keyed", labels=labels)
        self._sure, self._unsure = sure, unsure

    def answer(self, crops: np.ndarray) -> np.ndarray:
        said, odd = np.divmod(crops[:, 0, 0], 2)
        top = np.where(odd, self._unsure, self._sure)
        classes = len(self.card.labels)
        scores = np.repeat((1 - top)[:, None] / (classes - 1), classes, axis=1)
        scores[np.arange(len(crops)), said] = top
        return np.log(scores)


def keyed(rows: list[dict[str, Any]]) -> FaceDataset:
    """Rows with `original`, `votes` by name, what the classifier `says`, and whether it is
    `unsure`.
    """
    images = np.zeros((len(rows), 48, 48), np.uint8)
    table = np.zeros((len(rows), 10))
    for number, row in enumerate(rows):
        images[number, 0, 0] = 2 * EMOTIONS.index(row["says"]) + row.get("unsure", False)
        for name, count in row.get("votes", {}).items():
            table[number, (*VOTE_LABELS, "unknown", "nf").index(name)] = count
    original = np.array([EMOTIONS.index(row["original"]) for row in rows])
    voted = any("votes" in row for row in rows)
    return FaceDataset(
        images, original, table if voted else None, np.array(["PublicTest"] * len(rows))
    )


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
    selection = select(FACES, against)
    found, labels = selection.rows, selection.truth
    assert found.tolist() == rows
    names = LABEL_SETS["happy-sad"] if against == "happy-sad" else EMOTIONS
    assert [names[label] for label in labels] == truth


def test_the_document_against_the_majority() -> None:
    document = evaluate(KeyedClassifier(), FACES, "majority")
    assert list(document) == [
        "n",
        "against",
        "labels",
        "accuracy",
        "balanced_accuracy",
        "taken_for_neutral",
        "macro_f1",
        "loss",
        "ece",
        "per_class",
        "confusion",
    ]
    assert (document["n"], document["against"], document["labels"]) == (
        3,
        "majority",
        list(EMOTIONS),
    )
    assert document["accuracy"] == pytest.approx(2 / 3)
    # Happy: precision 1, recall 1/2. Neutral: precision 1/2, recall 1. No other has a row.
    assert document["balanced_accuracy"] == pytest.approx(0.75)
    # One of the two happy faces.
    assert document["taken_for_neutral"] == 0.5
    assert document["macro_f1"] == pytest.approx((2 / 3 + 2 / 3) / 7)
    # Twice 0.9 for the truth, once a sixth of the rest.
    assert document["loss"] == pytest.approx(-np.log([0.9, 0.9, 0.1 / 6]).mean())
    # Said with 0.9; the votes for what was said: 1, 0.2 and 0.6.
    assert document["ece"] == pytest.approx(abs(3 * 0.9 - 1.8) / 3)
    assert document["confusion"][HAPPY][HAPPY] == 1
    assert document["confusion"][HAPPY][NEUTRAL] == 1
    assert document["confusion"][NEUTRAL][NEUTRAL] == 1
    assert np.sum(document["confusion"]) == 3
    assert document["per_class"]["happy"] == pytest.approx(
        {"precision": 1, "recall": 0.5, "f1": 2 / 3, "support": 2}
    )
    assert document["per_class"]["fear"] == {"precision": 0, "recall": 0, "f1": 0, "support": 0}
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_against_the_original_labels_without_votes() -> None:
    faces = keyed(
        [
            {"original": "happy", "says": "happy"},
            {"original": "sad", "says": "happy", "unsure": True},
        ]
    )
    document = evaluate(KeyedClassifier(), faces, "original")
    assert document["accuracy"] == 0.5
    assert document["taken_for_neutral"] == 0
    pair = evaluate(KeyedClassifier(), faces, "happy-sad")
    assert pair["taken_for_neutral"] is None
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
    assert document["ece"] == pytest.approx(
        (abs(2 * sure - 1) + abs(unsure - 1) + abs(0.5 - 1)) / 4
    )


def test_large_datasets_go_in_batches() -> None:
    classifier = KeyedClassifier()
    faces = keyed([{"original": EMOTIONS[n % 7], "says": EMOTIONS[n % 7]} for n in range(600)])
    document = evaluate(classifier, faces, "original")
    assert (document["n"], document["accuracy"]) == (600, 1.0)
    assert max(shape[0] for shape in classifier.shapes) <= 256


@pytest.mark.parametrize("against", ["majority", "plurality"])
def test_without_votes_there_is_no_vote_label(against: Any) -> None:
    faces = keyed([{"original": "happy", "says": "happy"}])
    with pytest.raises(DatasetError, match=rf"the FER\+ {against} needs the vote file"):
        evaluate(KeyedClassifier(), faces, against)


def test_a_dataset_without_any_such_row_is_refused() -> None:
    faces = keyed([{"original": "fear", "votes": {"unknown": 10}, "says": "fear"}])
    for against in ("majority", "plurality", "happy-sad"):
        with pytest.raises(
            DatasetError, match=f"No row of the dataset has a label against {against}"
        ):
            evaluate(KeyedClassifier(), faces, against)  # type: ignore[arg-type]


def test_the_temperature_of_the_card_is_used(dataset: Callable[..., FaceDataset]) -> None:
    faces = keyed([{"original": "happy", "says": "happy"}] * 10)
    classifier = KeyedClassifier()
    cool = evaluate(classifier, faces, "original")["ece"]
    classifier.card = classifier.card.model_copy(update={"temperature": 3.0})
    assert cool == pytest.approx(0.1)
    assert evaluate(classifier, faces, "original")["ece"] > 0.4


def test_some_labels_only() -> None:
    labels = ("happy", "neutral", "sad")
    document = evaluate(KeyedClassifier(sure=0.7), FACES, "plurality", labels=labels)
    assert (document["n"], document["labels"], document["against"]) == (
        4,
        list(labels),
        "plurality",
    )
    assert document["confusion"] == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    # 0.7 of 0.7 + 2 * 0.05; votes among the three for what was said: 10/10, 2/10, 6/10, 5/10.
    assert document["ece"] == pytest.approx(abs(0.7 / 0.8 - 2.3 / 4))


def test_a_model_of_two_labels_is_judged_by_these() -> None:
    classifier = KeyedClassifier(labels=("sad", "happy"))
    faces = keyed(
        [{"original": "happy", "says": "disgust"}, {"original": "sad", "says": "angry"}] * 3
    )
    document = evaluate(classifier, faces, "original")
    # What it says first is `sad` to it, `angry` to the seven; what it says second is `happy`.
    assert (document["n"], document["labels"], document["accuracy"]) == (6, ["happy", "sad"], 1.0)
    assert evaluate(classifier, faces, "happy-sad")["confusion"] == [[3, 0], [0, 3]]


def test_classes_of_ones_own() -> None:
    images = np.zeros((4, 48, 48), np.uint8)
    images[2:, 0, 0] = 2
    faces = FaceDataset(
        images,
        np.array([2, NO_LABEL, 0, 0]),
        None,
        np.array(["test"] * 4),
        ("bored", "happy", "keen"),
    )
    classifier = KeyedClassifier(labels=("keen", "bored", "asleep"))
    document = evaluate(classifier, faces, "original")
    assert (document["labels"], document["n"], document["accuracy"]) == (["bored", "keen"], 3, 1.0)
    with pytest.raises(DatasetError, match="needs both labels: the dataset has bored, happy, keen"):
        evaluate(classifier, faces, "happy-sad")


@pytest.mark.parametrize(
    ("against", "labels", "known", "message"),
    [
        (
            "original",
            ("happy", "bored"),
            None,
            r"Against original, the dataset does not know bored: expected some of angry",
        ),
        (
            "majority",
            ("happy", "sad"),
            ("happy", "fear"),
            "The model does not know sad: expected some of happy, fear",
        ),
        ("original", ("happy",), None, "at least two different labels, received happy"),
        (
            "original",
            ("happy", "happy"),
            None,
            "at least two different labels, received happy, happy",
        ),
        ("original", (), None, "received none"),
        (
            "original",
            None,
            ("happy", "bored"),
            "the model knows happy, bored, against original there are angry",
        ),
        ("original", ("fear", "disgust"), None, None),
        (
            "majority",
            ("fear", "disgust"),
            None,
            "No row of the dataset has a label against majority among fear, disgust",
        ),
        ("minority", None, None, "Cannot measure against 'minority': expected original, majority"),
    ],
)
def test_labels_that_cannot_be_judged(
    against: Any, labels: Any, known: Any, message: str | None
) -> None:
    if message is None:
        assert len(select(FACES, against, labels, known)) == 1
        return
    with pytest.raises(DatasetError, match=message):
        select(FACES, against, labels, known)


def test_pictures_are_resized_to_what_the_model_takes(faces: Callable[..., np.ndarray]) -> None:
    pictures = faces(3)
    assert fitted(pictures, 48) is pictures
    assert fitted(pictures, 24).shape == (3, 24, 24)
    np.testing.assert_array_equal(
        fitted(np.full((2, 48, 48), 77, np.uint8), 227), np.full((2, 227, 227), 77)
    )
    # Shrinking by a half takes the mean of four.
    quarters = pictures.reshape(3, 24, 2, 24, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(fitted(pictures, 24), quarters, atol=0.5)
    assert fitted(pictures[:0], 24).shape == (0, 24, 24)


class LeftEye(KeyedClassifier):
    """Happy or sad by the brightness of the left half."""

    def answer(self, crops: np.ndarray) -> np.ndarray:
        left = crops[:, :, : crops.shape[2] // 2].mean(axis=(1, 2)) / 255
        scores = np.full((len(crops), 7), 1e-6)
        scores[:, HAPPY], scores[:, SAD] = left, 1 - left
        return np.log(np.maximum(scores, 1e-6))


def test_the_mirror_image_counts_half() -> None:
    picture = np.zeros((1, 48, 48), np.uint8)
    picture[:, :, :24] = 255
    once, twice = (predict(LeftEye(), picture, flip=flip) for flip in (False, True))
    assert once[0, HAPPY] == pytest.approx(1, abs=1e-4)
    assert twice[0, [HAPPY, SAD]] == pytest.approx([0.5, 0.5], abs=1e-4)
    assert twice.sum() == pytest.approx(1)
    both = FaceDataset(picture, np.array([HAPPY]), None, np.array(["test"]))
    assert evaluate(LeftEye(), both, "original", flip=True)["ece"] == pytest.approx(0.5, abs=1e-4)


@given(
    st.lists(st.lists(st.floats(0, 1), min_size=7, max_size=7), min_size=1, max_size=5),
    st.permutations(range(7)),
)
def test_restricted_probabilities_sum_to_one(rows: list[list[float]], order: list[int]) -> None:
    scores = np.array(rows)
    labels = [EMOTIONS[index] for index in order[:3]]
    part = restricted(scores, EMOTIONS, labels)
    np.testing.assert_allclose(part.sum(axis=1), 1)
    assert part.shape == (len(rows), 3)
    assert restricted(scores, EMOTIONS, EMOTIONS) is scores
