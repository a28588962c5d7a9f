"""Knowledge distillation (Hinton et al., 2015): what larger models say of the training rows becomes part of the targets."""

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
"""Pictures prepared at once; a large teacher wants large pictures."""


def teacher_targets(
    models: Sequence[EmotionClassifier],
    images: NDArray[np.uint8],
    head: Head,
    *,
    share: float = 0.7,
    temperature: float = 1.0,
    flip: bool = True,
) -> NDArray[np.float32]:
    """Targets of a head, taught by other models.

    Args:
        models: The teachers; their mean counts. Each may know fewer classes than the head: of what
            it does not know, such as contempt, every row keeps its own share.
        images: `(n, h, h)` grey levels.
        head: Of the student, with its own targets.
        share: Of the teachers in the targets, 0 to 1; the rest is the head's own. Rows that the
            head knows nothing about are taught by the teachers alone. Defaults to 0.7.
        temperature: Divides the teachers' calibrated logits, above 0; above 1 the less likely
            classes say more. Defaults to 1.
        flip: Whether the teachers see every picture mirrored as well. Defaults to true.

    Returns:
        `(n, len(head.labels))` distributions; rows sum to 1.

    Raises:
        TrainingError: A teacher knows a class that the head does not, there is no teacher, or a
            setting is out of range.
    """
    if not models:
        raise TrainingError("There is no teacher: expected one model or more.")
    if not 0 <= share <= 1:
        raise TrainingError(f"Invalid share of the teachers: expected 0 to 1, received {share}.")
    if temperature <= 0:
        raise TrainingError(
            f"Invalid temperature of the teachers: expected a number above 0, received {temperature}."
        )
    if len(images) != len(head):
        raise TrainingError(
            f"Expected a picture for each of the {len(head)} rows of {head.name}, got {len(images)}."
        )
    own = np.where(head.known[:, None], head.targets, 0).astype(np.float64)
    taught = np.zeros_like(own)
    for model in models:
        taught += _lesson(
            model, images, head.labels, own, temperature=temperature, flip=flip
        ) / len(models)
    mixed = share * taught + (1 - share) * own
    mixed[~head.known] = taught[~head.known]
    return mixed.astype(np.float32)


def _lesson(
    model: EmotionClassifier,
    images: NDArray[np.uint8],
    labels: tuple[str, ...],
    own: NDArray[np.float64],
    *,
    temperature: float,
    flip: bool,
) -> NDArray[np.float64]:
    """One teacher's distributions over the head's classes."""
    foreign = [label for label in model.card.labels if label not in labels]
    if foreign:
        raise TrainingError(
            f"The teacher {model.card.name} gives {', '.join(foreign)}, which the student does not learn: expected a "
            f"teacher of {', '.join(labels)}, or of some of them."
        )
    columns = [labels.index(label) for label in model.card.labels]
    targets = own.copy()
    targets[:, columns] = 0
    left = 1 - targets.sum(axis=1, keepdims=True)
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK]
        said = _said(model, block, temperature)
        if flip:
            said = (said + _said(model, block[:, :, ::-1], temperature)) / 2
        targets[start : start + BLOCK, columns] = left[start : start + BLOCK] * said
    return targets


def _said(
    model: EmotionClassifier, images: NDArray[np.uint8], temperature: float
) -> NDArray[np.float64]:
    crops = fitted(np.ascontiguousarray(images), model.card.input_side_px)
    return probabilities(model.logits(crops), model.card.temperature * temperature)
