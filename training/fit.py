"""One training run: data in, the best checkpoint and its history out.

Plain Keras 3 and NumPy, so that any Keras backend will do. Concerns are callbacks; the loop is `keras.Model.fit`.
A run keeps its state in its folder and goes on where it was cut off.
"""

from __future__ import annotations

import json
import logging
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from detector.emotions import EMOTIONS
from training import augmentation as views
from training.architectures import compact
from training.datasets import NO_LABEL, VOTE_LABELS, DatasetError, FaceDataset, majority, near_twins, soft_labels

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

VOTES_HEAD = "votes"
ORIGINAL_HEAD = "original"
CHECKPOINT = "checkpoint.weights.h5"
STATE = "state.json"


@dataclass(frozen=True)
class Stage:
    """Some epochs at one picture size.

    Attributes:
        side_px: Side of the pictures.
        epochs: How many epochs.
    """

    side_px: int
    epochs: int


@dataclass(frozen=True)
class TrainingSettings:
    """Everything a run depends on besides the data.

    Attributes:
        stages: Sizes and epochs, in order; small pictures first save time and cost no accuracy.
        batch_size: Pictures a step.
        peak_learning_rate: Highest rate of the warm-up and cosine schedule.
        warmup_share: Share of all steps in which the rate rises.
        momentum: Of the Nesterov gradient descent.
        original_weight: Weight of the original-label head's loss.
        ema_momentum: Of the moving average of the weights, per step.
        gentle_share: Share of the run, at its end, with augmentation at half strength.
        seed: Of every random choice.
        augmentation: How the pictures are varied.
    """

    stages: tuple[Stage, ...] = (Stage(32, 12), Stage(48, 18))
    batch_size: int = 128
    peak_learning_rate: float = 0.12
    warmup_share: float = 0.06
    momentum: float = 0.9
    original_weight: float = 0.3
    ema_momentum: float = 0.998
    gentle_share: float = 0.15
    seed: int = 20261121
    augmentation: views.Augmentation = field(default_factory=views.Augmentation)

    @property
    def epochs(self) -> int:
        return sum(stage.epochs for stage in self.stages)


class AugmentedFaces(keras.utils.PyDataset):
    """Batches of augmented faces with the targets of both heads, shuffled anew every epoch."""

    def __init__(self, faces: FaceDataset, settings: TrainingSettings, side_px: int, first_epoch: int) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        if faces.votes is None:
            raise ValueError("Training on votes needs the FER+ vote file beside fer2013.csv; received none.")
        targets, usable = soft_labels(faces.votes)
        self._images = faces.images[usable]
        self._votes = targets[usable].astype(np.float32)
        self._original = faces.original[usable]
        self._settings = settings
        self._side_px = side_px
        self._epoch = first_epoch
        self._order = self._shuffled()

    def _shuffled(self) -> NDArray[np.int64]:
        return np.random.default_rng([self._settings.seed, self._epoch]).permutation(len(self._images))

    def __len__(self) -> int:
        return len(self._images) // self._settings.batch_size

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], dict[str, NDArray[Any]]]:
        size = self._settings.batch_size
        rows = self._order[index * size : (index + 1) * size]
        strength = self._settings.augmentation
        if self._epoch >= self._settings.epochs * (1 - self._settings.gentle_share):
            strength = strength.gentler()
        rng = np.random.default_rng([self._settings.seed, self._epoch, index])
        faces = views.augment(self._images[rows], self._side_px, strength, rng)
        return faces, {VOTES_HEAD: self._votes[rows], ORIGINAL_HEAD: self._original[rows]}

    def on_epoch_end(self) -> None:
        self._epoch += 1
        self._order = self._shuffled()


class WarmupCosine(keras.callbacks.Callback):
    """Sets the learning rate before every step: a linear rise, then one cosine down to zero over the whole run."""

    def __init__(self, settings: TrainingSettings, steps_per_epoch: int, first_epoch: int) -> None:
        super().__init__()
        self._peak = settings.peak_learning_rate
        self._total = settings.epochs * steps_per_epoch
        self._warmup = max(1, int(settings.warmup_share * self._total))
        self._step = first_epoch * steps_per_epoch

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from the start of the run."""
        if step < self._warmup:
            return self._peak * (step + 1) / self._warmup
        progress = (step - self._warmup) / max(1, self._total - self._warmup)
        return self._peak * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.model.optimizer.learning_rate = self.rate(self._step)
        self._step += 1


class WeightAverage(keras.callbacks.Callback):
    """Keeps an exponential moving average of the weights and validates and saves with it.

    The average starts short and lengthens, so that early epochs are not dominated by the first weights
    (decay `min(momentum, (1 + step) / (10 + step))`).
    """

    def __init__(self, momentum: float, first_step: int) -> None:
        super().__init__()
        self._momentum = momentum
        self._step = first_step
        self.average: list[NDArray[np.float32]] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not self.average:
            self.average = [np.array(weight) for weight in self.model.get_weights()]

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._step += 1
        # Every fourth step is enough for an average over hundreds, and costs a quarter.
        if self._step % 4:
            return
        decay = min(self._momentum, (1 + self._step) / (10 + self._step)) ** 4
        for index, weight in enumerate(self.model.get_weights()):
            self.average[index] += (1 - decay) * (weight - self.average[index])


class Progress(keras.callbacks.Callback):
    """After every epoch: validates the averaged weights, keeps the best, and saves what a resume needs."""

    def __init__(
        self,
        folder: Path,
        average: WeightAverage,
        validation: tuple[NDArray[np.float32], NDArray[np.int64]],
        history: list[dict[str, float]],
    ) -> None:
        super().__init__()
        self._folder = folder
        self._average = average
        self._faces, self._labels = validation
        self._history = history

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            raise DatasetError(
                f"The training diverged in epoch {epoch + 1} (loss {loss}): lower --learning-rate and run it again; "
                "it goes on from the epoch before."
            )
        live = self.model.get_weights()
        self.model.save_weights(self._folder / CHECKPOINT)
        self.model.set_weights(self._average.average)
        logits = self.model.predict(self._faces, batch_size=256, verbose=0)[VOTES_HEAD]
        accuracy = float((logits[:, : len(EMOTIONS)].argmax(axis=1) == self._labels).mean())
        row = {"epoch": epoch + 1, "validation_accuracy": accuracy}
        row |= {name: float(value) for name, value in (logs or {}).items()}
        best = max((past["validation_accuracy"] for past in self._history), default=-1.0)
        self._history.append(row)
        if accuracy >= best:
            self.model.save_weights(self._folder / "best.weights.h5")
        self.model.save_weights(self._folder / "average.weights.h5")
        self.model.set_weights(live)
        # In one step: a run that is cut off here must find the old state or the new one.
        part = self._folder / f"{STATE}.part"
        part.write_text(json.dumps({"epochs_done": epoch + 1, "history": self._history}, indent=1))
        part.replace(self._folder / STATE)
        logger.info("Epoch %d: validation accuracy %.4f (%s)", epoch + 1, accuracy, row)


def without_twins(training: FaceDataset, held_out: FaceDataset) -> FaceDataset:
    """The training rows that do not stand, almost unchanged, among the held-out ones."""
    twins = near_twins(training.images, held_out.images)
    logger.info("%d of %d training rows are near-twins of held-out rows and left out", twins.sum(), len(training))
    return training.subset(~twins)


def seven_emotion_rows(faces: FaceDataset) -> tuple[FaceDataset, NDArray[np.int64]]:
    """The rows whose FER+ majority is one of the seven emotions, and that label."""
    if faces.votes is None:
        raise ValueError("The FER+ majority needs the vote file; received none.")
    labels = majority(faces.votes)
    chosen = (labels != NO_LABEL) & (labels < len(EMOTIONS))
    return faces.subset(chosen), labels[chosen]


def build_for(side_px: int) -> keras.Model:
    """The compact network with both heads, for one picture size."""
    return compact.build({VOTES_HEAD: len(VOTE_LABELS), ORIGINAL_HEAD: len(EMOTIONS)}, side_px=side_px)


def train(
    training: FaceDataset, validation: FaceDataset, folder: Path, settings: TrainingSettings, *, verbose: int = 1
) -> keras.Model:
    """Train, or go on with, the run whose state lies in a folder.

    Args:
        training: Rows to learn from, with votes.
        validation: Rows that pick the best epoch; their near-twins are taken out of `training`.
        folder: Where checkpoints and history are kept. Created if missing.
        settings: Of the run; the same when it is resumed.
        verbose: 0 silent, 1 a progress bar, 2 a line an epoch. Defaults to 1.

    Returns:
        The model with the averaged weights of the best epoch, at the size of the last stage.
    """
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(settings.seed)
    training = without_twins(training, validation)
    judged, labels = seven_emotion_rows(validation)
    done, history = _resume(folder)
    (folder / "settings.json").write_text(json.dumps(asdict(settings), indent=1))
    start = 0
    model = build_for(settings.stages[-1].side_px)
    average: list[NDArray[np.float32]] = []
    for stage in settings.stages:
        end = start + stage.epochs
        if done < end:
            previous = model.get_weights()
            model = build_for(stage.side_px)
            model.set_weights(previous)
            if done and not average:  # resumed: nothing was trained in this call yet
                model.load_weights(folder / "average.weights.h5")
                average = [np.array(weight) for weight in model.get_weights()]
                model.load_weights(folder / CHECKPOINT)
            faces = AugmentedFaces(training, settings, stage.side_px, first_epoch=done)
            if len(faces) == 0:
                raise DatasetError(
                    f"Too few faces to train on: expected at least one batch of {settings.batch_size} with usable votes."
                )
            _compile(model, settings)
            averaging = WeightAverage(settings.ema_momentum, done * len(faces))
            averaging.average = average
            checked = (views.plain(judged.images, stage.side_px), labels)
            model.fit(
                faces,
                initial_epoch=done,
                epochs=end,
                verbose=verbose,
                callbacks=[
                    WarmupCosine(settings, len(faces), done),
                    averaging,
                    Progress(folder, averaging, checked, history),
                ],
            )
            average = averaging.average
            done = end
        start = end
    model.load_weights(folder / "best.weights.h5")
    return model


def _compile(model: keras.Model, settings: TrainingSettings) -> None:
    model.compile(
        optimizer=keras.optimizers.SGD(settings.peak_learning_rate, momentum=settings.momentum, nesterov=True),
        loss={
            VOTES_HEAD: keras.losses.CategoricalCrossentropy(from_logits=True),
            ORIGINAL_HEAD: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        },
        loss_weights={VOTES_HEAD: 1.0, ORIGINAL_HEAD: settings.original_weight},
        jit_compile=False,
    )


def _resume(folder: Path) -> tuple[int, list[dict[str, float]]]:
    state = folder / STATE
    if not state.exists():
        return 0, []
    kept = json.loads(state.read_text())
    logger.info("Resuming after epoch %d", kept["epochs_done"])
    return int(kept["epochs_done"]), list(kept["history"])
