"""The `train` command: read, fit, export."""

from __future__ import annotations

import logging
import os
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from training.fit import Stage

logger = logging.getLogger(__name__)


def parse_stages(text: str) -> tuple[Stage, ...]:
    """Read `side:epochs` pairs, such as `32:12,48:18`.

    Raises:
        DatasetError: The text is not of this form.
    """
    from training.datasets import DatasetError  # noqa: PLC0415 (with the rest)
    from training.fit import Stage  # noqa: PLC0415 (imports Keras)

    try:
        pairs = [part.split(":") for part in text.split(",")]
        stages = tuple(Stage(int(side), int(epochs)) for side, epochs in pairs)
    except ValueError as error:
        raise DatasetError(f"Invalid stages {text!r}: expected side:epochs pairs such as 32:12,48:18.") from error
    if any(stage.side_px < 16 or stage.epochs < 1 for stage in stages):
        raise DatasetError(f"Invalid stages {text!r}: expected sides from 16 pixels up and at least one epoch each.")
    return stages


def train_and_export(
    data: Path, votes: Path, out: Path, name: str, *, stages: str, batch_size: int, learning_rate: float, seed: int
) -> Path:
    """Train the compact network and write the finished model into the run's folder.

    Args:
        data: FER2013's CSV, plain or packed.
        votes: FER+'s vote file.
        out: Folder of the run; a run that was cut off there goes on.
        name: Stem of the model's files.
        stages: See `parse_stages`.
        batch_size: Pictures a step.
        learning_rate: Peak of the schedule.
        seed: Of every random choice.

    Returns:
        The `.keras` file.

    Raises:
        DatasetError: The data or the stages are wrong.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.getLogger("training").setLevel(logging.INFO)
    from training.datasets import read_fer2013  # noqa: PLC0415 (with the rest)
    from training.export import export  # noqa: PLC0415 (imports Keras)
    from training.fit import TrainingSettings, train  # noqa: PLC0415 (imports Keras)

    settings = TrainingSettings(
        stages=parse_stages(stages), batch_size=batch_size, peak_learning_rate=learning_rate, seed=seed
    )
    faces = read_fer2013(data, votes)
    training, validation = faces.split("Training"), faces.split("PublicTest")
    logger.info("%d training rows, %d validation rows", len(training), len(validation))
    network = train(training, validation, out, settings)
    facts = {
        "data": "FER2013, Training rows with a usable FER+ vote, near-twins of PublicTest left out; FER+ vote "
        "distribution as soft labels, original labels on a second head",
        "settings": asdict(settings),
    }
    return export(network, out, name, validation, facts)
