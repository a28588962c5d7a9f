"""A real run on a few random faces: what it writes, how it goes on, and the parts that steer it."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from detector.emotions import EMOTIONS
from training import fit as module
from training.architectures import compact
from training.augmentation import Augmentation, augment
from training.datasets import VOTE_LABELS, DatasetError, FaceDataset, soft_labels
from training.fit import (
    ORIGINAL_HEAD,
    VOTES_HEAD,
    AugmentedFaces,
    Stage,
    TrainingSettings,
    WarmupCosine,
    WeightAverage,
    seven_emotion_rows,
    train,
    without_twins,
)

Dataset = Callable[..., FaceDataset]
TINY = TrainingSettings(stages=(Stage(16, 1), Stage(24, 1)), batch_size=16, peak_learning_rate=0.02, seed=5)


def few_layers(side_px: int) -> keras.Model:
    """Both heads on two small layers; like the real network it takes any size and keeps a moving average."""
    inputs = keras.Input((side_px, side_px, 1))
    x = keras.layers.LayerNormalization(axis=[1, 2, 3], center=False, scale=False, epsilon=1.0)(inputs)
    # Cells that tell upper from lower half, whatever the size.
    x = keras.layers.AveragePooling2D((side_px // 4, side_px))(x)
    x = keras.layers.BatchNormalization(momentum=0.5)(keras.layers.Conv2D(8, (4, 1))(x))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
    heads = {VOTES_HEAD: len(VOTE_LABELS), ORIGINAL_HEAD: len(EMOTIONS)}
    return keras.Model(inputs, {name: keras.layers.Dense(size, name=name)(x) for name, size in heads.items()})


@pytest.fixture
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands for the real network, whose preparation takes longer than an epoch of these runs."""
    monkeypatch.setattr(module, "build_for", few_layers)


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> tuple[Path, keras.Model, FaceDataset]:
    folder = tmp_path_factory.mktemp("run") / "new"
    training, validation = dataset(64, 1), dataset(21, 2, "PublicTest")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "build_for", few_layers)
        return folder, train(training, validation, folder, TINY, verbose=0), validation


def state(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "state.json").read_text())


def test_a_run_keeps_its_settings_history_and_weights(finished_run: Any) -> None:
    folder, _, _ = finished_run
    kept = json.loads((folder / "settings.json").read_text())
    assert kept["stages"] == [{"side_px": 16, "epochs": 1}, {"side_px": 24, "epochs": 1}]
    assert (kept["seed"], kept["batch_size"], kept["augmentation"]["flip"]) == (5, 16, True)
    assert state(folder)["epochs_done"] == 2
    history = state(folder)["history"]
    assert [row["epoch"] for row in history] == [1, 2]
    for row in history:
        assert 0 <= row["validation_accuracy"] <= 1
        assert math.isfinite(row["loss"])
    assert {file.name for file in folder.glob("*.h5")} == {
        "best.weights.h5",
        "average.weights.h5",
        "checkpoint.weights.h5",
    }


def test_the_model_has_the_best_epochs_weights_at_the_last_size(finished_run: Any) -> None:
    folder, model, validation = finished_run
    assert model.input_shape == (None, 24, 24, 1)
    judged, labels = seven_emotion_rows(validation)
    logits = model.predict(module.views.plain(judged.images, 24), verbose=0)
    assert logits[VOTES_HEAD].shape == (len(labels), 8)
    assert logits[ORIGINAL_HEAD].shape == (len(labels), 7)
    best = max(state(folder)["history"], key=lambda row: (row["validation_accuracy"], row["epoch"]))
    if best["epoch"] == 2:  # the other one was judged at another size
        accuracy = float((logits[VOTES_HEAD][:, :7].argmax(axis=1) == labels).mean())
        assert accuracy == pytest.approx(best["validation_accuracy"])


def test_a_finished_run_is_not_trained_again(
    finished_run: Any, dataset: Dataset, small_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, model, validation = finished_run
    before = state(folder)
    monkeypatch.setattr(keras.Model, "fit", lambda *_args, **_options: pytest.fail("it was trained again"))
    again = train(dataset(64, 1), validation, folder, TINY, verbose=0)
    assert state(folder) == before
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_run_that_was_cut_off_goes_on_where_it_was(
    tmp_path: Path, dataset: Dataset, small_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, validation = dataset(32, 1), dataset(14, 2, "PublicTest")
    settings = replace(TINY, stages=(Stage(16, 2), Stage(24, 1)))
    fit = keras.Model.fit
    ran: list[tuple[int, int]] = []

    def noted(model: keras.Model, *args: Any, **options: Any) -> Any:
        ran.append((options["initial_epoch"], options["epochs"]))
        return fit(model, *args, **options)

    monkeypatch.setattr(keras.Model, "fit", noted)
    end_of_epoch = module.Progress.on_epoch_end

    def pull_the_plug(callback: Any, epoch: int, logs: Any = None) -> None:
        end_of_epoch(callback, epoch, logs)
        raise KeyboardInterrupt

    with monkeypatch.context() as plug:
        plug.setattr(module.Progress, "on_epoch_end", pull_the_plug)
        for done in (1, 2):
            with pytest.raises(KeyboardInterrupt):
                train(training, validation, tmp_path, settings, verbose=0)
            assert state(tmp_path)["epochs_done"] == done
    train(training, validation, tmp_path, settings, verbose=0)
    assert ran == [(0, 2), (1, 2), (2, 3)]
    assert state(tmp_path)["epochs_done"] == settings.epochs
    assert [row["epoch"] for row in state(tmp_path)["history"]] == [1, 2, 3]


def test_training_changes_the_weights_and_learns_what_is_plain(
    tmp_path: Path, dataset: Dataset, small_network: None
) -> None:
    """Two classes told apart by brightness alone, without augmentation: a few epochs are enough."""
    faces = dataset(64, 1)
    bright = np.arange(64) % 2
    images = np.where(bright[:, None, None], faces.images // 2 + 120, faces.images // 4)
    # Brightness itself is taken out by the network's own standardisation: a bar across the picture stays.
    images[bright == 1, 10:20] = 255
    images[bright == 0, 30:40] = 255
    labels = np.where(bright, EMOTIONS.index("happy"), EMOTIONS.index("sad"))
    votes = np.zeros((64, 10))
    votes[np.arange(64), labels] = 10
    training = FaceDataset(images.astype(np.uint8), labels, votes, faces.usage)
    # Other faces with the same bars, so that none is a twin.
    other = dataset(20, 9)
    shown = other.images.copy()
    shown[::2, 10:20] = 255
    shown[1::2, 30:40] = 255
    truth = np.where(np.arange(20) % 2 == 0, EMOTIONS.index("happy"), EMOTIONS.index("sad"))
    table = np.zeros((20, 10))
    table[np.arange(20), truth] = 10
    validation = FaceDataset(shown, truth, table, other.usage)
    nothing = Augmentation(0, 0, 0, False, 0, 1, 0, 0, 20, 0)
    settings = TrainingSettings(
        stages=(Stage(16, 5),), batch_size=8, peak_learning_rate=0.1, ema_momentum=0.5, augmentation=nothing, seed=1
    )
    train(training, validation, tmp_path, settings, verbose=0)
    history = state(tmp_path)["history"]
    assert history[-1]["loss"] < history[0]["loss"] - 0.3
    assert max(row["validation_accuracy"] for row in history) >= 0.8


@pytest.mark.slow
def test_the_real_network_is_trained_through_both_sizes(tmp_path: Path, dataset: Dataset) -> None:
    settings = replace(TINY, stages=(Stage(32, 1), Stage(48, 1)))
    model = train(dataset(64, 1), dataset(21, 2, "PublicTest"), tmp_path, settings, verbose=0)
    assert model.name == "compact"
    assert model.input_shape == (None, 48, 48, 1)
    assert all(math.isfinite(row["loss"]) for row in state(tmp_path)["history"])


def test_too_few_faces_are_refused(tmp_path: Path, dataset: Dataset, small_network: None) -> None:
    with pytest.raises(DatasetError, match="Too few faces to train on: expected at least one batch of 16"):
        train(dataset(15, 1), dataset(7, 2), tmp_path, TINY, verbose=0)


def test_votes_are_needed(dataset: Dataset) -> None:
    silent = dataset(8, voted=False)
    with pytest.raises(ValueError, match="needs the FER\\+ vote file beside"):
        AugmentedFaces(silent, TINY, 16, 0)
    with pytest.raises(ValueError, match="needs the vote file"):
        seven_emotion_rows(silent)


def test_twins_of_held_out_rows_are_left_out(dataset: Dataset, caplog: pytest.LogCaptureFixture) -> None:
    held_out, training = dataset(10, 1), dataset(30, 2)
    training.images[4] = held_out.images[7]
    training.images[20] = held_out.images[2][:, ::-1]
    with caplog.at_level(logging.INFO, logger="training.fit"):
        kept = without_twins(training, held_out)
    assert len(kept) == 28
    assert "2 of 30 training rows are near-twins" in caplog.text
    np.testing.assert_array_equal(kept.images[4], training.images[5])


def test_rows_of_seven_emotions() -> None:
    votes = np.zeros((4, 10))
    votes[0, 3], votes[1, 7], votes[2, 8], votes[3, :2] = 10, 10, 10, 5
    faces = FaceDataset(np.zeros((4, 48, 48), np.uint8), np.zeros(4, int), votes, np.array(["PublicTest"] * 4))
    kept, labels = seven_emotion_rows(faces)
    assert (len(kept), labels.tolist()) == (1, [3])


def test_batches_hold_every_usable_row_once_an_epoch(dataset: Dataset) -> None:
    faces = dataset(48, 3)
    assert faces.votes is not None
    faces.votes[5] = 0  # not usable
    batches = AugmentedFaces(faces, replace(TINY, batch_size=8), 20, 0)
    assert len(batches) == 5
    seen = []
    for index in range(len(batches)):
        pictures, targets = batches[index]
        assert pictures.shape == (8, 20, 20, 1)
        np.testing.assert_allclose(targets[VOTES_HEAD].sum(axis=1), 1, atol=1e-6)
        seen += [tuple(row.tolist()) for row in batches._order[index * 8 : index * 8 + 8, None]]
        rows = batches._order[index * 8 : index * 8 + 8]
        expected, usable = soft_labels(np.delete(faces.votes, 5, axis=0))
        assert usable.all()
        np.testing.assert_allclose(targets[VOTES_HEAD], expected[rows], atol=1e-6)
        assert targets[ORIGINAL_HEAD].tolist() == np.delete(faces.original, 5)[rows].tolist()
    assert len(set(seen)) == 40


def test_batches_repeat_by_seed_and_differ_by_epoch(dataset: Dataset) -> None:
    def first_batch(seed: int, epoch: int) -> bytes:
        return AugmentedFaces(dataset(48, 3), replace(TINY, seed=seed), 20, epoch)[0][0].tobytes()

    assert first_batch(1, 0) == first_batch(1, 0)
    assert len({first_batch(1, 0), first_batch(1, 1), first_batch(2, 0)}) == 3
    batches = AugmentedFaces(dataset(48, 3), replace(TINY, seed=1), 20, 0)
    batches.on_epoch_end()
    assert batches[0][0].tobytes() == first_batch(1, 1), "a resumed run sees what it would have seen"


def test_the_last_epochs_are_gentler(dataset: Dataset) -> None:
    faces = dataset(16, 3)
    settings = replace(TINY, stages=(Stage(20, 20),), gentle_share=0.15)
    for epoch, strength in ((16, settings.augmentation), (17, settings.augmentation.gentler())):
        batches = AugmentedFaces(faces, settings, 20, epoch)
        rng = np.random.default_rng([settings.seed, epoch, 0])
        np.testing.assert_array_equal(batches[0][0], augment(faces.images[batches._order], 20, strength, rng))


def test_the_learning_rate_rises_and_falls_once() -> None:
    settings = TrainingSettings(stages=(Stage(32, 5), Stage(48, 5)), peak_learning_rate=0.1, warmup_share=0.1)
    schedule = WarmupCosine(settings, steps_per_epoch=100, first_epoch=0)
    rates = [schedule.rate(step) for step in range(1001)]
    assert rates[0] == pytest.approx(0.001)
    assert max(rates) == rates[99] == rates[100] == pytest.approx(0.1)
    assert rates[100 + 450] == pytest.approx(0.05)
    assert rates[1000] == pytest.approx(0, abs=1e-12)
    assert rates[:100] == sorted(rates[:100])
    assert rates[100:] == sorted(rates[100:], reverse=True)
    assert schedule.rate(5000) == pytest.approx(0, abs=1e-12)


class FakeModel:
    def __init__(self, weights: list[np.ndarray]) -> None:
        self.weights_now = weights

    def get_weights(self) -> list[np.ndarray]:
        return self.weights_now


def test_the_average_follows_the_weights_with_a_memory_that_lengthens() -> None:
    average = WeightAverage(momentum=0.9, first_step=0)
    model = FakeModel([np.zeros(3, np.float32)])
    average.set_model(model)
    average.on_train_begin()
    model.weights_now = [np.ones(3, np.float32)]
    for _ in range(4):
        average.on_train_batch_end(0)
    assert average.average[0] == pytest.approx(np.full(3, 1 - (5 / 14) ** 4))
    late = WeightAverage(momentum=0.9, first_step=10_000)
    late.average = [np.zeros(3, np.float32)]
    late.set_model(model)
    late.on_train_begin()
    for _ in range(40):
        late.on_train_batch_end(0)
    assert late.average[0] == pytest.approx(np.full(3, 1 - 0.9**40), rel=1e-5)


def test_the_architecture_takes_any_size_and_standardises_by_itself() -> None:
    small, large = (compact.build({"a": 3, "b": 5}, side_px=side, widths=(4, 6, 8)) for side in (16, 32))
    large.set_weights(small.get_weights())
    faces = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 1)).astype(np.float32)
    logits = {name: np.asarray(values) for name, values in large(faces).items()}
    assert logits["a"].shape == (2, 3)
    assert logits["b"].shape == (2, 5)
    dimmed = large(faces * 0.5 + 60)
    np.testing.assert_allclose(np.asarray(dimmed["a"]), logits["a"], atol=1e-2)


def test_the_real_network_fits_into_eight_megabytes() -> None:
    network = compact.build({VOTES_HEAD: 8, ORIGINAL_HEAD: 7})
    assert network.count_params() * 4 < 8_000_000
    assert network.input_shape == (None, 48, 48, 1)
