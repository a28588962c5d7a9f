"""Knowledge distillation (Hinton et al., 2015): targets from the outputs of larger models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from detector.emotion.classifier import probabilities
from detector.emotion.preprocessing import fitted
from training.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from detector.emotion.classifier import EmotionClassifier
    from training.datasets.labels import Head

BLOCK = 512
"""Pictures prepared at once; large teachers take large pictures."""


def teacher_targets(
    models: Sequence[EmotionClassifier],
    images: NDArray[np.uint8],
    head: Head,
    *,
    share: float = 0.7,
    temperature: float = 1.0,
    flip: bool = True,
) -> NDArray[np.float32]:
    """Return targets of a head, mixed from its own and the teachers' mean distributions.

    A teacher may know fewer classes than the head: each row keeps its own share of the others. Rows
    unknown to the head are taught by the teachers alone. `share` is that of the teachers; a
    `temperature` above 1 raises unlikely classes; `flip` shows them mirrored pictures too. Raises
    `TrainingError` if a teacher knows a class that the head does not.
    """
    if not models:
        raise TrainingError("There is no teacher: expected one model or more.")
    if not 0 <= share <= 1:
        raise TrainingError(f"Invalid share of the teachers: expected 0 to 1, received {share}.")
    if temperature <= 0:
        raise TrainingError(
            "Invalid temperature of the teachers: expected a number above 0, received "
            f"{temperature}."
        )
    if len(images) != len(head):
        raise TrainingError(
            f"Expected a picture for each of the {len(head)} rows of {head.name}, got "
            f"{len(images)}."
        )
    own = np.where(head.known[:, None], head.targets, 0).astype(np.float64)
    taught = np.zeros_like(own)
    for model in models:
        known = model.card.labels
        foreign = [label for label in known if label not in head.labels]
        if foreign:
            raise TrainingError(
                f"The teacher {model.card.name} gives {', '.join(foreign)}, which the student does "
                f"not learn: expected a teacher of {', '.join(head.labels)}, or of some of them."
            )
        columns = [head.labels.index(label) for label in known]
        targets = own.copy()
        targets[:, columns] = 0
        left = 1 - targets.sum(axis=1, keepdims=True)
        for start in range(0, len(images), BLOCK):
            block = images[start : start + BLOCK]
            views = (block, block[:, :, ::-1]) if flip else (block,)
            found = np.mean([_probabilities(model, view, temperature) for view in views], axis=0)
            targets[start : start + BLOCK, columns] = left[start : start + BLOCK] * found
        taught += targets / len(models)
    mixed = share * taught + (1 - share) * own
    mixed[~head.known] = taught[~head.known]
    return mixed.astype(np.float32)


def _probabilities(
    model: EmotionClassifier, images: NDArray[np.uint8], temperature: float
) -> NDArray[np.float64]:
    crops = fitted(np.ascontiguousarray(images), model.card.input_side_px)
    return probabilities(model.logits(crops), model.card.temperature * temperature)
