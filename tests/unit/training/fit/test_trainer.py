"""Real runs on a few random faces: what they write, how they go on, and when they end.

Also tests `training.fit.callbacks`.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from training.datasets.labels import Head, one_hot
from training.errors import TrainingDivergedError, TrainingError
from training.fit import augmentation as views
from training.fit import trainer
from training.fit.augmentation import NO_AUGMENTATION
from training.fit.batches import Rows
from training.fit.callbacks import Checkpoint, Progress, WeightAverage, validation_scores
from training.fit.schedule import RunProgress, Stage
from training.fit.trainer import TrainingSettings, fit

Faces = Callable[..., np.ndarray]
TINY = TrainingSettings(
    stages=(Stage(16, 1), Stage(24, 1)), batch_size=16, peak_learning_rate=0.02, seed=5
)
LABELS = ("angry", "happy", "sad")


def few_layers(side_px: int) -> keras.Model:
    """Two heads on two small layers; like the real network it takes any size and keeps a moving
    average.
    """
    inputs = keras.Input((side_px, side_px, 1))
    x = keras.layers.LayerNormalization(axis=[1, 2, 3], center=False, scale=False, epsilon=1.0)(
        inputs
    )
    # Cells that tell upper from lower half, whatever the size.
    x = keras.layers.AveragePooling2D((side_px // 4, side_px))(x)
    x = keras.layers.BatchNormalization(momentum=0.5)(keras.layers.Conv2D(8, (4, 1))(x))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
    return keras.Model(
        inputs, {name: keras.layers.Dense(3, name=name)(x) for name in ("votes", "original")}
    )


def rows(images: np.ndarray, labels: np.ndarray | None = None) -> Rows:
    truth = np.arange(len(images)) % 3 if labels is None else labels
    known = np.arange(len(images)) % 5 != 4
    heads = (
        Head("votes", LABELS, one_hot(truth, 3), known),
        Head("original", LABELS, one_hot(truth, 3), np.ones(len(images), bool), 0.5),
    )
    return Rows(images, heads)


@pytest.fixture(scope="module")
def finished_run(
    tmp_path_factory: pytest.TempPathFactory, faces: Faces
) -> tuple[Path, keras.Model, Rows]:
    folder = tmp_path_factory.mktemp("run") / "new"
    validation = rows(faces(21, 2))
    model, _ = fit(few_layers, rows(faces(60, 1)), validation, folder, TINY)
    return folder, model, validation


def state(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "state.json").read_text())


def test_a_run_keeps_its_settings_history_and_weights(finished_run: Any) -> None:
    folder, _, _ = finished_run
    kept = json.loads((folder / "settings.json").read_text())
    assert kept["stages"] == [{"side_px": 16, "epochs": 1}, {"side_px": 24, "epochs": 1}]
    assert (kept["seed"], kept["batch_size"], kept["augmentation"]["flip"]) == (5, 16, True)
    history = state(folder)["history"]
    assert [(row["epoch"], row["side_px"]) for row in history] == [(1, 16), (2, 24)]
    for row in history:
        for name in ("accuracy", "loss"):
            assert math.isfinite(row[f"val_{name}"])
            assert math.isfinite(row[f"votes_{name}"])
            assert math.isfinite(row[f"val_original_{name}"])
    assert {file.name for file in folder.iterdir()} == {
        *("settings.json", "state.json", "live.weights.h5", "average.npz", "best.npz")
    }


def test_the_model_has_the_best_epochs_weights_at_the_last_size(finished_run: Any) -> None:
    folder, model, validation = finished_run
    assert model.input_shape == (None, 24, 24, 1)
    logits = model.predict(views.plain(validation.images, 24), verbose=0)
    scores = validation_scores(logits, list(validation.heads))
    best = min(state(folder)["history"], key=lambda row: row["val_loss"])
    if best["side_px"] == 24:  # the other one was judged at another size
        assert scores["val_loss"] == pytest.approx(best["val_loss"], abs=1e-5)


def test_a_finished_run_is_not_trained_again(
    finished_run: Any, faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, model, validation = finished_run
    before = state(folder)
    monkeypatch.setattr(
        keras.Model, "fit", lambda *_args, **_options: pytest.fail("it was trained again")
    )
    again, history = fit(few_layers, rows(faces(60, 1)), validation, folder, TINY)
    assert state(folder) == before
    assert history == before["history"]
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_run_that_was_cut_off_ends_as_if_it_had_not_been(
    tmp_path: Path, faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, validation = rows(faces(32, 1)), rows(faces(14, 2))
    settings = replace(TINY, stages=(Stage(16, 4),))
    whole, whole_history = fit(few_layers, training, validation, tmp_path / "whole", settings)
    end_of_epoch = Checkpoint.on_epoch_end

    def pull_the_plug(callback: Any, epoch: int, logs: Any = None) -> None:
        end_of_epoch(callback, epoch, logs)
        raise KeyboardInterrupt

    with monkeypatch.context() as plug:
        plug.setattr(Checkpoint, "on_epoch_end", pull_the_plug)
        for done in (1, 2):
            with pytest.raises(KeyboardInterrupt):
                fit(few_layers, training, validation, tmp_path / "cut", settings)
            assert state(tmp_path / "cut")["epochs_done"] == done
    cut, history = fit(few_layers, training, validation, tmp_path / "cut", settings)
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    assert [row["val_loss"] for row in history] == pytest.approx(
        [row["val_loss"] for row in whole_history], rel=1e-3
    )
    for one, other in zip(whole.get_weights(), cut.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def striped(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Faces told apart by where a bright bar crosses them."""
    shown = faces.copy()
    labels = np.arange(len(faces)) % 2
    shown[labels == 0, 8:18] = 255
    shown[labels == 1, 30:40] = 255
    return shown, labels


@pytest.mark.slow
def test_training_learns_what_is_plain(tmp_path: Path, faces: Faces) -> None:
    settings = TrainingSettings(
        stages=(Stage(16, 5),),
        batch_size=8,
        peak_learning_rate=0.1,
        ema_momentum=0.5,
        seed=1,
        augmentation=NO_AUGMENTATION,
    )
    seen, unseen = rows(*striped(faces(64, 1))), rows(*striped(faces(20, 9)))
    for optimizer, rate in (("sgd", 0.1), ("adam", 0.02)):
        chosen = replace(settings, optimizer=optimizer, peak_learning_rate=rate)
        _, history = fit(few_layers, seen, unseen, tmp_path / optimizer, chosen)
        assert history[-1]["loss"] < history[0]["loss"] - 0.3
        assert max(row["val_accuracy"] for row in history) >= 0.8
        assert max(row["val_original_accuracy"] for row in history) >= 0.8


@pytest.mark.slow
def test_a_run_with_a_time_limit_ends_in_time(tmp_path: Path, faces: Faces) -> None:
    settings = replace(TINY, stages=(Stage(16, 1), Stage(24, 1)), minutes=12 / 60)
    started = time.monotonic()
    _, history = fit(few_layers, rows(faces(64, 1)), rows(faces(14, 2)), tmp_path, settings)
    assert 11 < time.monotonic() - started < 60
    assert len(history) > 2, "as many epochs as fit, not as many as the stages say"
    assert [row["side_px"] for row in history] == sorted(row["side_px"] for row in history)
    assert state(tmp_path)["spent_s"] >= 12


@pytest.mark.slow
def test_a_run_ends_early_without_progress(
    tmp_path: Path, faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([1.0, 0.9, 0.95, 0.91, 0.8])
    monkeypatch.setattr(
        "training.fit.callbacks.validation_scores",
        lambda *_: {"val_loss": next(losses), "val_accuracy": 0.5},
    )
    settings = replace(TINY, stages=(Stage(16, 50),), patience=2)
    training, validation = rows(faces(16, 1)), rows(faces(7, 2))
    _, history = fit(few_layers, training, validation, tmp_path, settings)
    assert [row["val_loss"] for row in history] == [1.0, 0.9, 0.95, 0.91]
    assert state(tmp_path)["stopped_early"]
    _, again = fit(few_layers, training, validation, tmp_path, settings)
    assert len(again) == 4, "an ended run stays ended"


@pytest.mark.slow
def test_who_watches_is_told_every_step(tmp_path: Path, faces: Faces) -> None:
    told: list[tuple[float, bool]] = []
    settings = replace(TINY, stages=(Stage(16, 2),))
    fit(
        few_layers,
        rows(faces(32, 1)),
        rows(faces(7, 2)),
        tmp_path,
        settings,
        callbacks=[
            lambda progress: Progress(
                progress, lambda p, logs: told.append((p.share, "val_loss" in logs))
            )
        ],
    )
    assert [share for share, _ in told] == [0.25, 0.5, 0.5, 0.75, 1.0, 1.0]
    assert [validated for _, validated in told] == [False, False, True] * 2


def test_a_network_of_one_size_refuses_another(tmp_path: Path, faces: Faces) -> None:
    def fixed(side_px: int) -> keras.Model:
        inputs = keras.Input((side_px, side_px, 1))
        x = keras.layers.Flatten()(inputs)
        return keras.Model(
            inputs,
            {name: keras.layers.Dense(3, name=name)(x) for name in ("votes", "original")},
            name="fixed",
        )

    with pytest.raises(
        TrainingError, match=r"fixed takes one picture size only: .* received 24 and 16 pixels"
    ):
        fit(fixed, rows(faces(16, 1)), rows(faces(7, 2)), tmp_path, TINY)


@pytest.mark.slow
def test_a_run_that_diverges_says_so(tmp_path: Path, faces: Faces) -> None:
    settings = replace(TINY, peak_learning_rate=1e30)
    diverged = pytest.raises(
        TrainingDivergedError, match=r"diverged in epoch 1 .*lower --learning-rate"
    )
    with diverged, np.errstate(all="ignore"):
        fit(few_layers, rows(faces(32, 1)), rows(faces(7, 2)), tmp_path, settings)


@pytest.mark.parametrize(
    ("devices", "expected"),
    [
        (3, "A batch of 16 cannot be shared by 3 devices: expected a multiple of 3"),
        (2, "Too few faces to train on: expected at least 16, received 15"),
    ],
)
def test_batches_that_cannot_be_made_are_refused(
    tmp_path: Path, faces: Faces, monkeypatch: pytest.MonkeyPatch, devices: int, expected: str
) -> None:
    monkeypatch.setattr(trainer, "replicas", lambda: devices)
    with pytest.raises(TrainingError, match=expected):
        fit(few_layers, rows(faces(15, 1)), rows(faces(7, 2)), tmp_path, TINY)


def test_unknown_optimizers_are_refused(tmp_path: Path, faces: Faces) -> None:
    with pytest.raises(TrainingError, match="expected sgd or adam"):
        fit(
            few_layers,
            rows(faces(16, 1)),
            rows(faces(7, 2)),
            tmp_path,
            replace(TINY, optimizer="lion"),
        )


def test_scores_leave_out_rows_that_say_nothing() -> None:
    head = Head("votes", LABELS, one_hot(np.array([0, 1, 2]), 3), np.array([True, True, False]))
    logits = np.log(np.array([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.9, 0.05, 0.05]]))
    scores = validation_scores({"votes": logits}, [head])
    assert scores["val_accuracy"] == scores["val_votes_accuracy"] == 0.5
    assert scores["val_loss"] == pytest.approx(-(math.log(0.8) + math.log(0.3)) / 2)


class FakeModel:
    def __init__(self, weights: list[np.ndarray]) -> None:
        self.weights_now = weights

    def get_weights(self) -> list[np.ndarray]:
        return self.weights_now


def test_the_average_follows_the_weights_with_a_memory_that_lengthens() -> None:
    def follow(progress: RunProgress, steps: int) -> np.ndarray:
        average = WeightAverage(0.9, progress)
        model = FakeModel([np.zeros(3, np.float32)])
        average.set_model(model)
        average.on_train_begin()
        model.weights_now = [np.ones(3, np.float32)]
        for step in range(steps):
            progress.steps += 1
            average.on_train_batch_end(step)
        return average.average[0]

    assert follow(RunProgress((Stage(16, 1),), 10), 4) == pytest.approx(
        np.full(3, 1 - (5 / 14) ** 4)
    )
    late = RunProgress((Stage(16, 2000),), 10, epochs_done=1000)
    assert follow(late, 40) == pytest.approx(np.full(3, 1 - 0.9**40), rel=1e-5)
