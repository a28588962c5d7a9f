"""Labels that are probably wrong are found, also where the network knows the labels already."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from detector.emotion.model_store import DEFAULT_MODEL
from training.errors import DatasetError
from training.evaluation.suspects import cross_validated, find_suspects

pytest.importorskip("cleanlab", reason="the extra `training` is not installed")


def scores_of(labels: np.ndarray, seed: int = 0, *, sure: float = 3.0) -> np.ndarray:
    """Probabilities that say the label most of the time."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(len(labels), labels.max() + 1))
    logits[np.arange(len(labels)), labels] += sure
    scores = np.exp(logits)
    return scores / scores.sum(axis=1, keepdims=True)


def test_flipped_labels_come_first() -> None:
    random = np.random.default_rng(3)
    labels = np.arange(600) % 4
    flipped = random.permutation(600)[:60]
    wrong = labels.copy()
    wrong[flipped] = (labels[flipped] + random.integers(1, 4, 60)) % 4
    found = find_suspects(scores_of(labels), wrong, 4)
    assert sorted(found.order) == list(range(600))
    assert np.isin(found.order[:60], flipped).mean() > 0.7
    assert np.isin(flipped, found.order[:120]).mean() > 0.9
    assert 30 < found.likely < 120
    assert found.expected.shape == (600, 4)
    np.testing.assert_allclose(found.expected.sum(axis=1), 1, atol=1e-9)


def test_a_label_does_not_vouch_for_itself() -> None:
    """Scores that say nothing: whatever the label, its probability is that of the others."""
    labels = np.arange(300) % 2
    scores = np.random.default_rng(1).dirichlet([1, 1], 300)
    expected = cross_validated(scores, labels, 2)
    assert abs(expected[np.arange(300), labels].mean() - 0.5) < 0.05


def test_labels_without_rows_and_rare_ones_are_no_problem() -> None:
    labels = np.array([0] * 30 + [2] * 30 + [5] * 2)
    found = find_suspects(scores_of(labels), labels, 7)
    assert set(found.order[:2]) <= set(range(62))
    assert (found.expected[:, [1, 3, 4, 6]] == 0).all()


def test_too_few_faces_are_refused() -> None:
    labels = np.array([0, 0, 0, 1, 1, 0, 0])
    with pytest.raises(DatasetError, match="at least two labels with 5 faces or more"):
        find_suspects(scores_of(labels), labels, 2)


@pytest.mark.slow
@pytest.mark.parametrize(("against", "at_least"), [("majority", 0.9), ("original", 0.75)])
def test_flipped_labels_of_fer2013_are_among_the_first(against: str, at_least: float) -> None:
    """300 labels of 3,000 flipped at random, 600 shown: of faces that the model never saw."""
    from detector.emotion.classifier import load_classifier
    from training.datasets.faces import majority
    from training.datasets.reading import read_dataset
    from training.evaluation.evaluate import predict

    folder = Path(os.environ.get("AD_MONITOR_TEST_DATA", "nowhere"))
    if not (folder / "fer2013.csv.xz").is_file():
        pytest.skip("needs FER2013 and FER+ in $AD_MONITOR_TEST_DATA")
    faces = read_dataset(folder / "fer2013.csv.xz", folder / "fer2013new.csv").split("PublicTest")
    assert faces.votes is not None
    labels = majority(faces.votes) if against == "majority" else faces.original
    random = np.random.default_rng(20261129)
    rows = random.permutation(np.flatnonzero((labels >= 0) & (labels < 7)))[:3000]
    flipped = random.permutation(len(rows))[: len(rows) // 10]
    wrong = labels[rows].copy()
    wrong[flipped] = (wrong[flipped] + random.integers(1, 7, len(flipped))) % 7
    scores = predict(load_classifier(DEFAULT_MODEL, "cpu"), faces.images[rows])
    found = find_suspects(scores, wrong, 7)
    share = np.isin(flipped, found.order[: len(rows) // 5]).mean()
    assert share >= at_least
