"""Every condition does to a picture what it says, and a classifier by brightness shows that it is
measured.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from detector.emotion.labels import EMOTIONS
from tests.helpers.classifiers import ScriptedClassifier
from training.datasets.faces import FaceDataset
from training.errors import DatasetError
from training.evaluation.robustness import (
    CONDITIONS,
    blurred,
    by_condition,
    compressed,
    darkened,
    noisy,
    resized,
    rolled,
)

HAPPY, SAD = EMOTIONS.index("happy"), EMOTIONS.index("sad")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_every_condition_has_a_name_and_values() -> None:
    assert CONDITIONS["face_side_px"].values == (24, 36, 48, 96)


@pytest.mark.parametrize("condition", ["blur_px", "low_light_gain", "noise_sd", "roll_deg"])
def test_the_neutral_value_changes_nothing(
    condition: str, faces: Callable[..., np.ndarray], rng: np.random.Generator
) -> None:
    picture = faces(1)[0]
    neutral = 1 if condition == "low_light_gain" else 0
    assert neutral in CONDITIONS[condition].values
    np.testing.assert_array_equal(CONDITIONS[condition].degrade(picture, neutral, rng), picture)


def test_a_face_of_few_pixels(faces: Callable[..., np.ndarray], rng: np.random.Generator) -> None:
    assert resized(faces(1)[0], 24, rng).shape == (24, 24)
    assert resized(faces(1)[0], 96, rng).shape == (96, 96)


def test_blur_keeps_the_mean_and_grows_with_the_picture(rng: np.random.Generator) -> None:
    edge = np.zeros((48, 48), np.uint8)
    edge[:, 24:] = 200
    soft, softer = blurred(edge, 1, rng).astype(float), blurred(edge, 3, rng).astype(float)
    assert soft.mean() == pytest.approx(100, abs=1)
    assert np.abs(np.diff(softer, axis=1)).max() < np.abs(np.diff(soft, axis=1)).max() < 200
    large = blurred(np.repeat(np.repeat(edge, 2, axis=0), 2, axis=1), 3, rng)
    np.testing.assert_allclose(large[::2, ::2], softer, atol=12)


def test_little_light_leaves_few_levels_and_noise(rng: np.random.Generator) -> None:
    dark = darkened(np.full((96, 96), 200, np.uint8), 0.1, rng)
    assert dark.mean() == pytest.approx(20, abs=0.3)
    assert dark.std() == pytest.approx(2, abs=0.3)


def test_noise_has_its_deviation(rng: np.random.Generator) -> None:
    assert noisy(np.full((96, 96), 128, np.uint8), 10, rng).std() == pytest.approx(10, abs=0.5)
    assert noisy(np.full((9, 9), 255, np.uint8), 20, rng).dtype == np.uint8


def test_compression_hurts_more_at_low_quality(
    faces: Callable[..., np.ndarray], rng: np.random.Generator
) -> None:
    picture = noisy(faces(1)[0], 15, rng)
    errors = [
        np.abs(compressed(picture, quality, rng).astype(int) - picture).mean()
        for quality in (95, 40, 10)
    ]
    assert errors == sorted(errors)
    assert errors[0] > 0


def test_a_roll_turns_the_picture_either_way(rng: np.random.Generator) -> None:
    bar = np.zeros((49, 49), np.uint8)
    bar[24, :] = 255
    turned = [rolled(bar, 90, rng) for _ in range(12)]
    for picture in turned:
        np.testing.assert_allclose(picture[2:-2, 24], 255, atol=1)
        assert picture[24, :20].max() <= 1
    tilted = {rolled(bar, 30, rng)[31, 36] > 50 for _ in range(20)}
    assert tilted == {True, False}


class Brightness(ScriptedClassifier):
    """Bright faces are happy, dark ones sad."""

    def answer(self, crops: np.ndarray) -> np.ndarray:
        bright = crops.mean(axis=(1, 2)) > 60
        return 5.0 * np.eye(7)[np.where(bright, HAPPY, SAD)]


def shades(count: int, side: int = 48) -> FaceDataset:
    labels = np.array([HAPPY, SAD] * (count // 2))
    levels = np.where(labels == HAPPY, 200, 30).astype(np.uint8)
    images = np.repeat(np.repeat(levels[:, None, None], side, axis=1), side, axis=2)
    return FaceDataset(images, labels, None, np.array(["test"] * count))


def test_accuracy_by_condition() -> None:
    classifier = Brightness()
    found = by_condition(classifier, shades(10), "original")
    # Plain squares have no landmarks.
    plain = {name: it for name, it in CONDITIONS.items() if not it.by_landmarks}
    assert {
        name: tuple(entry["value"] for entry in entries) for name, entries in found.items()
    } == {name: condition.values for name, condition in plain.items()}
    assert all(entry["n"] == 10 for entries in found.values() for entry in entries)
    for name, entries in found.items():
        accuracies = [entry["accuracy"] for entry in entries]
        # At a quarter and a tenth of the light, the bright faces are dark too.
        assert accuracies == ([1, 1, 0.5, 0.5] if name == "low_light_gain" else [1] * len(entries))
    # What changes nothing is only measured once: 48 px, no blur, all the light, no noise, no roll.
    assert len(classifier.shapes) == sum(len(condition.values) for condition in plain.values()) - 4
    assert set(classifier.shapes) == {(10, 48, 48)}
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert by_condition(Brightness(), shades(10), "original") == found


def test_pictures_of_another_size_than_the_model_takes() -> None:
    classifier = Brightness(input_side_px=32)
    found = by_condition(classifier, shades(4, 64), "original", ("happy", "sad"))
    assert set(classifier.shapes) == {(4, 32, 32)}
    assert found["face_side_px"][2] == {"value": 48, "n": 4, "accuracy": 1.0}


def test_a_limit_draws_rows() -> None:
    found = by_condition(Brightness(), shades(40), "original", limit=7)
    assert found["blur_px"][0] == {"value": 0, "n": 7, "accuracy": 1.0}


def test_rows_without_labels_are_refused() -> None:
    with pytest.raises(DatasetError, match="needs the vote file"):
        by_condition(Brightness(), shades(4), "majority")
