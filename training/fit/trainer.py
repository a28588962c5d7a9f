"""One training run: rows in, the best checkpoint and its history out; resumes where it was cut."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import keras

from training.datasets.splits import SPLIT_SEED
from training.errors import TrainingError
from training.fit import augmentation as views
from training.fit.batches import FaceBatches, Rows
from training.fit.callbacks import (
    AVERAGE,
    BEST,
    LIVE,
    STATE,
    Checkpoint,
    LearningRateSchedule,
    WeightAverage,
    read_weights,
)
from training.fit.devices import loading_threads, replicas
from training.fit.schedule import RunProgress, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from training.datasets.labels import Head

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingSettings:
    """Everything that a run depends on besides data and network.

    Attributes:
        stages: Sizes and epochs, in order; small pictures first save time without losing accuracy.
        minutes: Time limit, shared by the stages; `None` runs their epochs.
        optimizer: `sgd` (Nesterov momentum 0.9) or `adam`.
        warmup_share: Share of the run in which the rate rises.
        balance: How far the draw balances the classes, 0 (not at all) to 1 (fully).
        ema_momentum: Momentum of the average of the weights, per step.
        gentle_share: Final share of the run with augmentation at half strength.
        patience: Epochs without a better validation loss after which the run ends; `None` never.
        label_smoothing: Share of every target spread over all classes.
    """

    stages: tuple[Stage, ...] = (Stage(32, 12), Stage(48, 18))
    minutes: float | None = None
    batch_size: int = 128
    optimizer: str = "sgd"
    peak_learning_rate: float = 0.12
    warmup_share: float = 0.06
    balance: float = 0.35
    ema_momentum: float = 0.998
    gentle_share: float = 0.15
    patience: int | None = None
    label_smoothing: float = 0.0
    seed: int = SPLIT_SEED
    augmentation: views.Augmentation = field(default_factory=views.Augmentation)


def fit(
    build: Callable[[int], keras.Model],
    training: Rows,
    validation: Rows,
    folder: Path,
    settings: TrainingSettings,
    *,
    callbacks: Sequence[Callable[[RunProgress], keras.callbacks.Callback]] = (),
) -> tuple[keras.Model, list[dict[str, Any]]]:
    """Train, or resume, the run whose state lies in a folder.

    Args:
        build: Makes the network for pictures of a side in pixels.
        training, validation: The faces to learn from, and those that choose the best epoch.
        folder: Of the run; it is created if there is none.
        settings: As when the run began, if it is resumed.
        callbacks: Make further callbacks.

    Returns:
        The network with the averaged weights of the best epoch, at the last stage's size, and the
        history, one entry per epoch.

    Raises:
        TrainingDivergedError: The loss is no number any more.
        TrainingError: The settings do not match rows or network.
    """
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(settings.seed)
    state = _read_state(folder)
    history: list[dict[str, Any]] = state["history"]
    (folder / "settings.json").write_text(json.dumps(asdict(settings), indent=1), encoding="utf-8")
    steps, only_whole = _steps_per_epoch(len(training), settings.batch_size)
    progress = RunProgress(
        settings.stages,
        steps,
        limit_s=None if settings.minutes is None else settings.minutes * 60,
        epochs_done=len(history),
        spent_s=state["spent_s"],
    )
    averaging = WeightAverage(settings.ema_momentum, progress)
    model = build(settings.stages[-1].side_px)
    stopped, resumed = bool(state["stopped_early"]), bool(history)
    while not progress.finished and not stopped:
        side_px = progress.stage.side_px
        model = _at_size(build, side_px, model)
        compile_network(model, training.heads, settings)
        if resumed:
            _resume(model, averaging, folder)
            resumed = False
        held_out = (views.plain(validation.images, side_px), list(validation.heads))
        checkpoint = Checkpoint(
            folder, progress, averaging, held_out, history, patience=settings.patience
        )
        schedule = LearningRateSchedule(
            progress, settings.peak_learning_rate, settings.warmup_share
        )
        # The schedule ends the stage.
        model.fit(
            _batches(training, settings, progress, side_px, len(history), only_whole=only_whole),
            initial_epoch=len(history),
            epochs=1_000_000,
            shuffle=False,  # the batches are drawn in random order already
            verbose=0,
            callbacks=[schedule, averaging, checkpoint, *(make(progress) for make in callbacks)],
        )
        stopped = checkpoint.stopped
    model = _at_size(build, settings.stages[-1].side_px, model)
    model.set_weights(read_weights(folder / BEST))
    return model, history


def _read_state(folder: Path) -> dict[str, Any]:
    if not (folder / STATE).exists():
        return {"spent_s": 0.0, "stopped_early": False, "history": []}
    state: dict[str, Any] = json.loads((folder / STATE).read_text(encoding="utf-8"))
    logger.info("Resuming after epoch %d", state["epochs_done"])
    return state


def _resume(model: keras.Model, averaging: WeightAverage, folder: Path) -> None:
    """Give a compiled network the state of its last epoch, the optimizer's included."""
    # What the file holds of the optimizer is only read into existing variables.
    model.optimizer.build(model.trainable_variables)
    model.load_weights(folder / LIVE)
    averaging.average = read_weights(folder / AVERAGE)


def _batches(
    rows: Rows,
    settings: TrainingSettings,
    progress: RunProgress,
    side_px: int,
    epoch: int,
    *,
    only_whole: bool,
) -> FaceBatches:
    def strength(step: int) -> views.Augmentation:
        gentle = progress.share_at(step) >= 1 - settings.gentle_share
        return settings.augmentation.gentler() if gentle else settings.augmentation

    return FaceBatches(
        rows,
        side_px=side_px,
        batch_size=settings.batch_size,
        balance=settings.balance,
        seed=settings.seed,
        epoch=epoch,
        strength=strength,
        only_whole=only_whole,
        threads=loading_threads(),
    )


def _steps_per_epoch(faces: int, batch_size: int) -> tuple[int, bool]:
    """Return how many batches an epoch has, and whether only whole ones are drawn."""
    devices = replicas()
    if batch_size % devices:
        raise TrainingError(
            f"A batch of {batch_size} cannot be shared by {devices} devices: expected a multiple "
            f"of {devices}."
        )
    # JAX would compile again for the smaller last batch of an epoch.
    only_whole = devices > 1 or keras.config.backend() == "jax"
    steps = faces // batch_size if only_whole else -(-faces // batch_size)
    if steps == 0:
        raise TrainingError(
            f"Too few faces to train on: expected at least {batch_size}, received {faces}."
        )
    return steps, only_whole


def _at_size(build: Callable[[int], keras.Model], side_px: int, model: keras.Model) -> keras.Model:
    """Return the same weights in a network for another picture size."""
    if model.input_shape[1] == side_px:
        return model
    resized = build(side_px)
    try:
        resized.set_weights(model.get_weights())
    except ValueError as error:
        raise TrainingError(
            f"The architecture {model.name} takes one picture size only: expected stages of one "
            f"size, received {model.input_shape[1]} and {side_px} pixels."
        ) from error
    return resized


def compile_network(model: keras.Model, heads: Sequence[Head], settings: TrainingSettings) -> None:
    """Give a network its optimizer and losses, or raise `TrainingError`."""
    rate = settings.peak_learning_rate
    if settings.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True)
    elif settings.optimizer == "adam":
        optimizer = keras.optimizers.Adam(rate)
    else:
        raise TrainingError(f"Unknown optimizer {settings.optimizer!r}: expected sgd or adam.")
    smoothing = settings.label_smoothing
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
    accuracy = keras.metrics.CategoricalAccuracy
    model.compile(
        optimizer=optimizer,
        loss={head.name: loss for head in heads},
        loss_weights={head.name: head.loss_weight for head in heads},
        weighted_metrics={head.name: [accuracy(name="accuracy")] for head in heads},
        # JAX without it runs each operation by itself; XLA made TensorFlow slower on processors.
        jit_compile=keras.config.backend() == "jax",
    )
