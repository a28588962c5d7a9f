"""A plan, end to end on a small dataset: what is read, what is kept of the run, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from detector.classifier import load_classifier
from detector.model_card import read_card
from training import run
from training.architectures import compact
from training.augmentation import NO_AUGMENTATION
from training.errors import DatasetError, TrainingError
from training.fit import TrainingSettings
from training.run import TrainingPlan, split, train
from training.schedule import Stage

Faces = Callable[..., np.ndarray]
SHORT = TrainingSettings(stages=(Stage(48, 1),), batch_size=16, peak_learning_rate=0.02, augmentation=NO_AUGMENTATION)


@pytest.fixture
def fer2013(faces: Faces, write_fer: Callable[..., Path], write_votes: Callable[..., Path]) -> tuple[Path, Path]:
    """Happy and sad faces with votes: 40 to train on, 12 to validate, one of them also among the training rows."""
    images = faces(52, 3)
    images[5] = images[45]
    usage = ["Training"] * 40 + ["PublicTest"] * 12
    emotions = [3 if row % 2 else 4 for row in range(52)]
    names = {3: "happiness", 4: "sadness"}
    votes = [(usage[row], {names[emotions[row]]: 8, "neutral": 2}) for row in range(52)]
    return write_fer(list(zip(emotions, images, usage, strict=True))), write_votes(votes)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compact network with few channels: the real one takes longer to prepare than to train here."""
    monkeypatch.setattr(
        "training.architectures.Architecture.build",
        lambda _self, heads, *, side_px: compact.build(heads, side_px=side_px, widths=(8, 16, 24), blocks=(1, 1, 1)),
    )


def test_a_plan_leaves_a_model_that_others_can_use(
    fer2013: tuple[Path, Path], tiny: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data, votes = fer2013
    plan = TrainingPlan(data, votes, labels="happy-sad", targets="votes")
    shares: list[float] = []
    with caplog.at_level("INFO", logger="training"):
        model = train(
            plan, tmp_path / "run", name="mood", settings=SHORT, tell=lambda progress, _: shares.append(progress.share)
        )
    assert "52 rows read" in caplog.text
    assert "1 training faces also stand in another split and are left out" in caplog.text
    assert shares[-1] == 1
    card = read_card(model)
    assert (card.name, card.labels) == ("mood", ("happy", "sad"))
    assert card.training["rows"] == {"training": 40, "validation": 12, "twins_left_out": 1, "used": 39}
    assert card.training["settings"]["seed"] == SHORT.seed
    assert str(tmp_path) not in json.dumps(card.model_dump(mode="json")), "no path of this machine"
    faces = run.read_faces(plan, 48, SHORT.seed)
    logits = load_classifier(model, "cpu").logits(faces.images[:4])
    network = keras.saving.load_model(model)
    np.testing.assert_allclose(
        network.predict(faces.images[:4, ..., None].astype("float32"), verbose=0), logits, atol=1e-4
    )
    for name in ("mood.tflite", "mood.md", "curves.png", "confusion.png", "reliability.png", "scores.json"):
        assert (tmp_path / "run" / name).stat().st_size > 100, name


def test_the_same_plan_goes_on_and_another_one_is_refused(
    fer2013: tuple[Path, Path], tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, votes = fer2013
    plan = TrainingPlan(data, votes, labels="happy-sad", targets="majority")
    train(plan, tmp_path / "run", settings=SHORT)
    monkeypatch.setattr(keras.Model, "fit", lambda *_args, **_options: pytest.fail("it was trained again"))
    train(plan, tmp_path / "run", settings=SHORT)
    with pytest.raises(TrainingError, match="other settings: targets was 'majority', now it is 'original'"):
        train(replace(plan, targets="original"), tmp_path / "run", settings=SHORT)
    with pytest.raises(TrainingError, match="other settings: seed was 20261121, now it is 1"):
        train(plan, tmp_path / "run", settings=replace(SHORT, seed=1))


def test_a_limit_keeps_the_classes_in_proportion(dataset: Callable[..., object]) -> None:
    training, validation = dataset(140, 1), dataset(14, 2, "PublicTest")
    both = type(training)(  # type: ignore[call-arg]
        np.concatenate([training.images, validation.images]),  # type: ignore[attr-defined]
        np.concatenate([training.original, validation.original]),  # type: ignore[attr-defined]
        None,
        np.concatenate([training.usage, validation.usage]),  # type: ignore[attr-defined]
    )
    kept, judged, counts = split(both, 21, seed=3)
    assert np.bincount(kept.original).tolist() == [3] * 7
    assert (len(judged), counts) == (14, {"training": 140, "validation": 14, "twins_left_out": 0})
    assert not np.array_equal(kept.images, split(both, 21, seed=4)[0].images)
    with pytest.raises(DatasetError, match="limit of 3 rows is too low for 7 classes"):
        split(both, 3, seed=3)


def test_weights_are_only_for_networks_that_have_pretrained_ones(fer2013: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="compact has no pretrained part: leave --weights out"):
        train(TrainingPlan(*fer2013, labels="happy-sad", weights="imagenet"), tmp_path / "run", settings=SHORT)
