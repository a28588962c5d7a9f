"""Callbacks of a run: learning rate, averaged weights, checkpoints, progress."""

from __future__ import annotations

import json
import logging
import math
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from boltons.fileutils import atomic_save
from scipy.special import log_softmax

from training.errors import TrainingDivergedError
from training.fit.devices import predict
from training.fit.schedule import learning_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from training.datasets.labels import Head
    from training.fit.schedule import RunProgress

logger = logging.getLogger(__name__)

STATE = "state.json"
LIVE, AVERAGE, BEST = "live.weights.h5", "average.npz", "best.npz"
"""The first holds the optimizer's state too; the others only weights, in the order of
`Model.get_weights`."""


class LearningRateSchedule(keras.callbacks.Callback):
    """Sets the learning rate of each step, counts the steps, and ends the stage in time."""

    def __init__(self, progress: RunProgress, peak: float, warmup_share: float) -> None:
        super().__init__()
        self._progress, self._peak, self._warmup_share = progress, peak, warmup_share
        self._stage = progress.stage

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.model.optimizer.learning_rate = learning_rate(
            self._progress.share, self._peak, self._warmup_share
        )

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._progress.steps += 1
        if self._progress.timed and self._progress.finished:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._progress.finished or self._progress.stage != self._stage:
            self.model.stop_training = True


class WeightAverage(keras.callbacks.Callback):
    """Keeps an exponential moving average of the weights, in every fourth step.

    The average starts short and lengthens, so the first weights do not dominate the early epochs
    (decay `min(momentum, (1 + step) / (10 + step))`).
    """

    def __init__(self, momentum: float, progress: RunProgress) -> None:
        super().__init__()
        self._momentum = momentum
        self._progress = progress
        self.average: list[NDArray[np.float32]] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not self.average:
            self.average = [np.array(weight) for weight in self.model.get_weights()]

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        step = self._progress.steps
        if step % 4:
            return
        decay = min(self._momentum, (1 + step) / (10 + step)) ** 4
        for index, weight in enumerate(self.model.get_weights()):
            self.average[index] += (1 - decay) * (weight - self.average[index])


def write_weights(path: Path, weights: Sequence[NDArray[np.float32]]) -> None:
    """Write the result of `Model.get_weights`."""
    np.savez(path, **{str(index): weight for index, weight in enumerate(weights)})


def read_weights(path: Path) -> list[NDArray[np.float32]]:
    """Read what `write_weights` wrote."""
    with np.load(path, allow_pickle=False) as kept:
        return [kept[str(index)] for index in range(len(kept.files))]


def validation_scores(
    logits: dict[str, NDArray[np.float32]], heads: list[Head]
) -> dict[str, float]:
    """Return loss and accuracy of every head; `val_loss`, `val_accuracy` are the first's."""
    scores: dict[str, float] = {}
    for head in reversed(heads):
        likelihood = log_softmax(logits[head.name][head.known].astype(np.float64), axis=1)
        loss = float(-(head.targets[head.known] * likelihood).sum(axis=1).mean())
        accuracy = float((likelihood.argmax(axis=1) == head.classes[head.known]).mean())
        scores |= {f"val_{head.name}_loss": loss, f"val_{head.name}_accuracy": accuracy}
        scores |= {"val_loss": loss, "val_accuracy": accuracy}
    return scores


class Progress(keras.callbacks.Callback):
    """Reports the progress of the run after every step."""

    def __init__(
        self, progress: RunProgress, tell: Callable[[RunProgress, dict[str, Any]], None]
    ) -> None:
        super().__init__()
        self._progress, self._tell = progress, tell

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._tell(self._progress, logs or {})

    on_epoch_end = on_train_batch_end


class Checkpoint(keras.callbacks.Callback):
    """Validates the averaged weights after every epoch, keeps the best, and saves for a resume."""

    def __init__(
        self,
        folder: Path,
        progress: RunProgress,
        average: WeightAverage,
        validation: tuple[NDArray[np.float32], list[Head]],
        history: list[dict[str, Any]],
        *,
        patience: int | None,
    ) -> None:
        super().__init__()
        self._folder, self._progress, self._average = folder, progress, average
        self._faces, self._heads = validation
        self._history = history
        self._patience = patience
        self.stopped = False

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = {} if logs is None else logs
        if not math.isfinite(logs.get("loss", 0.0)):
            raise TrainingDivergedError(
                f"The training diverged in epoch {epoch + 1} (loss {logs['loss']}): lower "
                "--learning-rate and start again in another folder."
            )
        live = self.model.get_weights()
        self.model.save_weights(self._folder / LIVE)
        self.model.set_weights(self._average.average)
        scores = validation_scores(predict(self.model, self._faces), self._heads)
        best = min((past["val_loss"] for past in self._history), default=math.inf)
        if scores["val_loss"] <= best:
            write_weights(self._folder / BEST, self._average.average)
        write_weights(self._folder / AVERAGE, self._average.average)
        self.model.set_weights(live)
        logs |= scores  # for the following callbacks
        side_px, spent_s = int(self._faces.shape[1]), round(self._progress.spent_s, 1)
        rounded = {name: round(float(value), 6) for name, value in logs.items()}
        self._history.append(
            {"epoch": epoch + 1, "side_px": side_px, "spent_s": spent_s, **rounded}
        )
        losses = [past["val_loss"] for past in self._history]
        waited = len(losses) - 1 - int(np.argmin(losses))
        self.stopped = self._patience is not None and waited >= self._patience
        state = {
            "epochs_done": len(self._history),
            "spent_s": self._progress.spent_s,
            "stopped_early": self.stopped,
            "history": self._history,
        }
        with atomic_save(str(self._folder / STATE), text_mode=True, overwrite_part=True) as file:
            json.dump(state, file, indent=1)
        logger.info(
            "Epoch %d at %d px: loss %.3f, validation loss %.3f, validation accuracy %.1f%%",
            epoch + 1,
            side_px,
            logs.get("loss", math.nan),
            scores["val_loss"],
            100 * scores["val_accuracy"],
        )
        if self.stopped:
            logger.info("No better validation loss for %d epochs: the run ends early", waited)
            self.model.stop_training = True
