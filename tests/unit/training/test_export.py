"""What is shipped: the network without contempt, its calibration, and files that belong together."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from detector.classifier import classify, load_classifier
from detector.emotions import EMOTIONS
from detector.model_card import read_card, sha256_of
from training.architectures import compact
from training.augmentation import plain
from training.datasets import VOTE_LABELS, DatasetError, FaceDataset
from training.export import LIMITS, card_text, export, fit_temperature, serving_network, uncertain_threshold
from training.fit import ORIGINAL_HEAD, VOTES_HEAD

SIDE = 48


def votes_for(distribution: np.ndarray) -> np.ndarray:
    """Votes in the proportions of a distribution over the seven emotions, with some that do not count."""
    table = np.zeros((len(distribution), 10))
    table[:, :7] = distribution * 10
    table[:, 7:] = 3
    return table


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7, 3.0])
def test_the_temperature_that_was_put_in_is_found(temperature: float) -> None:
    distribution = np.random.default_rng(0).dirichlet(np.ones(7), 400)
    logits = temperature * np.log(distribution + 1e-12)
    assert fit_temperature(logits, votes_for(distribution)) == pytest.approx(temperature, abs=0.01)


def test_rows_without_a_vote_for_the_seven_do_not_count() -> None:
    distribution = np.random.default_rng(0).dirichlet(np.ones(7), 100)
    logits = np.concatenate([2 * np.log(distribution + 1e-12), 50 * np.ones((20, 7))])
    table = np.concatenate([votes_for(distribution), np.tile([0.0] * 7 + [10, 0, 0], (20, 1))])
    assert fit_temperature(logits, table) == pytest.approx(2, abs=0.01)


def test_the_threshold_is_where_wrong_outweighs_right() -> None:
    confidence = np.linspace(0.2, 1.0, 801)
    correct = confidence > 0.4
    # All are wrong up to 0.4 and right from there on, so a window around 0.4 holds as many of each.
    assert uncertain_threshold(confidence, correct) == pytest.approx(0.4, abs=0.01)
    shuffled = np.random.default_rng(0).permutation(801)
    assert uncertain_threshold(confidence[shuffled], correct[shuffled]) == pytest.approx(0.4, abs=0.01)


def test_without_doubt_there_is_no_threshold() -> None:
    confidence = np.linspace(0.2, 1.0, 100)
    assert uncertain_threshold(confidence, np.ones(100, dtype=bool)) == 0.0
    # A handful of unlucky rows is no evidence.
    assert uncertain_threshold(confidence, np.arange(100) >= 8) == 0.0


@pytest.fixture(scope="module")
def trained() -> keras.Model:
    keras.utils.set_random_seed(3)
    return compact.build({VOTES_HEAD: len(VOTE_LABELS), ORIGINAL_HEAD: len(EMOTIONS)}, side_px=SIDE, widths=(4, 6, 8))


@pytest.fixture(scope="module")
def exported(
    tmp_path_factory: pytest.TempPathFactory, trained: keras.Model, dataset: Callable[..., FaceDataset]
) -> tuple[Path, FaceDataset]:
    calibration = dataset(70, 4, "PublicTest")
    folder = tmp_path_factory.mktemp("exported") / "made" / "on the way"
    return export(trained, folder, "tiny", calibration, {"data": "random faces", "seed": 4}), calibration


def test_the_serving_network_is_the_votes_head_without_contempt(
    trained: keras.Model, faces: Callable[..., np.ndarray]
) -> None:
    network = serving_network(trained)
    pictures = plain(faces(9), SIDE)
    assert network.output_shape == (None, 7)
    votes = np.asarray(trained(pictures)[VOTES_HEAD])
    np.testing.assert_allclose(np.asarray(network(pictures)), votes[:, :7], atol=1e-5)
    assert VOTE_LABELS[:7] == EMOTIONS


def test_all_files_are_there_and_belong_together(exported: Any) -> None:
    model, _ = exported
    assert sorted(file.name for file in model.parent.iterdir()) == [
        "tiny.json",
        "tiny.keras",
        "tiny.md",
        "tiny.tflite",
    ]
    card = read_card(model)
    assert (card.name, card.labels, card.input_side_px) == ("tiny", EMOTIONS, SIDE)
    assert (card.crop_scale, card.crop_raise) == (1.18, 0.10)
    assert card.sha256 == sha256_of(model)
    assert card.twin_sha256 == sha256_of(model.with_suffix(".tflite"))
    assert 0.3 <= card.temperature <= 4
    assert 0 <= card.uncertain_below <= 1
    assert card.limits == LIMITS


def test_the_card_tells_where_the_model_came_from(exported: Any) -> None:
    model, calibration = exported
    card = read_card(model)
    assert card.training["data"] == "random faces"
    assert card.training["seed"] == 4
    assert card.training["parameters"] > 0
    assert card.training["calibrated_on"] == "PublicTest, 70 rows"
    assert {"keras", "tensorflow", "numpy", "python"} <= set(card.training["versions"])
    assert set(card.scores) == {f"PublicTest, {name}" for name in ("majority", "plurality", "original", "happy-sad")}
    for score in card.scores.values():
        assert 0 < score["n"] <= len(calibration)
        assert 0 <= score["accuracy"] <= 1
    json.dumps(card.model_dump(mode="json"), allow_nan=False)


def test_the_card_can_be_read_by_people(exported: Any) -> None:
    model, _ = exported
    text = model.with_suffix(".md").read_text(encoding="utf-8")
    card = read_card(model)
    assert text == card_text(card)
    assert text.startswith("# Model tiny\n")
    assert card.sha256 in text
    assert all(limit in text for limit in LIMITS)
    assert "| PublicTest, majority | " in text
    for emotion in EMOTIONS:
        assert f"| {emotion} | " in text


def test_the_exported_model_runs_and_agrees_in_both_runtimes(exported: Any) -> None:
    model, calibration = exported
    by_twin, by_network = (load_classifier(model, device) for device in ("cpu", "gpu"))
    pictures = calibration.images[:11]
    np.testing.assert_allclose(classify(by_twin, pictures), classify(by_network, pictures), atol=1e-3)


def test_calibration_needs_votes(trained: keras.Model, tmp_path: Path, dataset: Callable[..., FaceDataset]) -> None:
    with pytest.raises(DatasetError, match="needs the vote file"):
        export(trained, tmp_path / "out", "tiny", dataset(14, 4, voted=False), {})
    assert not (tmp_path / "out").exists()
