"""The paired test and its interval by known answers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.emotion.labels import EMOTIONS
from tests.helpers.classifiers import ScriptedClassifier
from training.datasets.faces import FaceDataset
from training.errors import DatasetError
from training.evaluation.comparison import compare, mcnemar, paired_interval, wilson_interval


class Scripted(ScriptedClassifier):
    """Says for each picture what its corner pixel indexes in a list of classes."""

    def __init__(self, name: str, says: list[int], labels: tuple[str, ...] = EMOTIONS) -> None:
        super().__init__(name, labels=labels)
        self._says = np.array(says)

    def answer(self, crops: np.ndarray) -> np.ndarray:
        return 5.0 * np.eye(len(self.card.labels))[self._says[crops[:, 0, 0]]]


def numbered(truth: list[int]) -> FaceDataset:
    images = np.zeros((len(truth), 48, 48), np.uint8)
    images[:, 0, 0] = np.arange(len(truth))
    return FaceDataset(images, np.array(truth), None, np.array(["test"] * len(truth)))


@pytest.mark.parametrize(
    ("only_first", "only_second", "expected"),
    [
        (0, 0, 1.0),
        (0, 1, 1.0),
        (5, 5, 1.0),
        (0, 10, 2 / 2**10),
        (10, 0, 2 / 2**10),
        (1, 9, 2 * 11 / 2**10),
    ],
)
def test_mcnemar_by_hand(only_first: int, only_second: int, expected: float) -> None:
    assert mcnemar(only_first, only_second) == pytest.approx(expected)


def test_wilson_by_known_answer() -> None:
    # Newcombe's (1998) example of a single share: 81 of 263.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 20)[0] == 0.0
    assert wilson_interval(20, 20)[1] == 1.0


def test_the_interval_agrees_with_a_bootstrap() -> None:
    counts = np.array([2500, 180, 240, 238])
    low, high = paired_interval(*counts.tolist())
    drawn = np.random.default_rng(0).multinomial(counts.sum(), counts / counts.sum(), 20_000)
    differences = (drawn[:, 2] - drawn[:, 1]) / counts.sum()
    assert (low, high) == pytest.approx(np.quantile(differences, [0.025, 0.975]), abs=7e-4)


@given(st.tuples(*[st.integers(0, 60)] * 4).filter(any))
def test_the_interval_holds_the_difference_and_mirrors(counts: tuple[int, int, int, int]) -> None:
    both, first, second, neither = counts
    low, high = paired_interval(*counts)
    difference = (second - first) / sum(counts)
    assert -1 - 1e-9 <= low <= difference + 1e-12
    assert difference - 1e-12 <= high <= 1 + 1e-9
    mirrored = paired_interval(both, second, first, neither)
    assert mirrored == pytest.approx((-high, -low), abs=1e-9)


def test_two_models_on_the_same_rows() -> None:
    truth = [0, 1, 2, 3, 4, 5, 6, 3, 3, 3]
    first = Scripted("first", [0, 1, 2, 3, 4, 0, 0, 0, 0, 0])
    second = Scripted("second", [0, 1, 2, 3, 0, 5, 6, 3, 3, 0])
    found = compare(first, second, numbered(truth), "original")
    assert (found.n, found.both_right, found.only_first, found.only_second, found.both_wrong) == (
        10,
        4,
        1,
        4,
        1,
    )
    assert (found.first.accuracy, found.second.accuracy) == (0.5, 0.8)
    assert found.difference == pytest.approx(0.3)
    assert found.p_value == pytest.approx(mcnemar(1, 4))
    assert found.low < 0 < found.high
    assert (found.first.model, found.second.model, found.labels) == ("first", "second", EMOTIONS)
    assert found.second.macro_f1 > found.first.macro_f1
    assert json.loads(json.dumps(found.document(), allow_nan=False))["first"]["accuracy"] == 0.5
    assert found.sentence().startswith(
        "second is right on 30.0 points more of the faces than first (95% interval -"
    )
    assert "may well be chance; 10 faces, against original" in found.sentence()
    other = compare(second, first, numbered(truth), "original")
    assert "first is right on 30.0 points less of the faces than second" in other.sentence()
    assert (other.low, other.high) == pytest.approx((-found.high, -found.low))


def test_a_model_compared_with_itself() -> None:
    model = Scripted("same", [0, 1, 0, 0])
    found = compare(model, model, numbered([0, 1, 2, 3]), "original")
    assert (found.difference, found.p_value, found.only_first, found.only_second) == (0, 1, 0, 0)
    assert found.low <= 0 <= found.high
    assert math.isfinite(found.low)


def test_models_are_compared_on_the_labels_they_share() -> None:
    seven = Scripted("seven", [3, 3, 4, 6])
    pair = Scripted("pair", [1, 0, 0, 0], ("sad", "happy", "bored"))
    found = compare(seven, pair, numbered([3, 3, 4, 6]), "original")
    assert (found.labels, found.n) == (("happy", "sad"), 3)
    assert (found.first.accuracy, found.second.accuracy) == (1.0, pytest.approx(2 / 3))
    with pytest.raises(
        DatasetError, match="at least two labels that the model and the dataset share"
    ):
        compare(seven, Scripted("own", [0], ("bored", "keen")), numbered([3]), "original")


def test_a_sure_difference_is_called_one(dataset: Callable[..., FaceDataset]) -> None:
    truth = [3] * 40
    found = compare(
        Scripted("bad", [0] * 40), Scripted("good", [3] * 40), numbered(truth), "original"
    )
    assert "hardly chance" in found.sentence()
    assert found.low > 0.8
