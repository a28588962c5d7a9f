"""Knowledge distillation (Hinton et al., 2015): targets from the outputs of larger models."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from detector.emotion.classifier import load_network, probabilities
from detector.emotion.model_card import read_card
from detector.emotion.model_store import find_model
from detector.emotion.preprocessing import fitted
from training.datasets.labels import FITTED_TO_ORIGINAL, ORIGINAL
from training.errors import TrainingError
from training.fit.devices import predict
from training.fit.kept import keep, read_kept

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from detector.emotion.classifier import EmotionClassifier
    from detector.emotion.model_card import ModelCard
    from training.datasets.labels import Head

logger = logging.getLogger(__name__)

BLOCK = 512
"""Pictures prepared at once; large teachers take large pictures."""

ANSWERS = "teachers.npz"
"""What the teachers answered, in the folder of a run."""


class Teacher:
    """One exported output of a trained network, computed by Keras' backend in full precision."""

    runtime = "Keras"

    def __init__(self, trunk: _Trunk, output: tuple[Any, Any] | None, card: ModelCard) -> None:
        self.card = card
        self._trunk, self._output = trunk, output

    def logits(self, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
        """See `EmotionClassifier.logits`."""
        features = self._trunk.features(crops)
        if self._output is not None:
            kernel, bias = self._output
            features = features @ kernel + bias
        return np.asarray(features, dtype=np.float64)


class _Trunk:
    """A network up to its output; one that several outputs share remembers its answers."""

    def __init__(self, network: keras.Model) -> None:
        self.network = network
        self.is_shared = False
        self._seen: dict[bytes, NDArray[np.float32]] = {}

    def features(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        key = hashlib.sha256(crops.tobytes()).digest()
        if key in self._seen:
            return self._seen[key]
        found = np.asarray(predict(self.network, crops[..., None].astype(np.float32)))
        if self.is_shared:
            self._seen[key] = found
        return found

    def is_that_of(self, other: keras.Model) -> bool:
        """Return whether another network, up to its output, has the same weights."""
        pairs = (self.network.get_weights(), other.get_weights())
        return len(pairs[0]) == len(pairs[1]) and all(map(np.array_equal, *pairs))


def find_teachers(names: Iterable[str], heads: Sequence[Head]) -> tuple[Path, ...]:
    """Return the models of the named teachers, and what teaches the head of the original labels.

    That is `NAME-original` beside a teacher, as one training exports both. Raises `TrainingError`
    if a teacher knows a class that its head does not, `ModelLoadError` if there is no such model.
    """
    found: list[Path] = []
    for name in names:
        model = find_model(name)
        second = model.with_name(f"{model.stem}-{ORIGINAL}.keras")
        both = any(head.name == ORIGINAL for head in heads[1:]) and second.is_file()
        found += [model, second] if both else [model]
    models = tuple({model.resolve(): model for model in found}.values())
    for model in models:
        card = read_card(model)
        _refuse_foreign(card, _head_of(card, heads))
    return models


def load_teachers(models: Iterable[Path]) -> list[Teacher]:
    """Load teachers; two outputs of the same network share its work."""
    teachers: list[Teacher] = []
    trunks: list[_Trunk] = []
    for model in models:
        network = load_network(model)
        last = network.layers[-1]
        output = None
        if isinstance(last, keras.layers.Dense) and len(last.get_weights()) == 2:
            output = last.get_weights()
            network = keras.Model(network.inputs[0], last.input)
        trunk = next((trunk for trunk in trunks if trunk.is_that_of(network)), None)
        if trunk is None:
            trunk = _Trunk(network)
            trunks.append(trunk)
        else:
            trunk.is_shared = True
        teachers.append(Teacher(trunk, output, read_card(model)))
    return teachers


def taught(
    heads: Sequence[Head], images: NDArray[np.uint8], teachers: Sequence[EmotionClassifier]
) -> tuple[Head, ...]:
    """Return the heads with their teachers' probabilities mixed into the targets.

    A teacher calibrated to the original labels teaches their head, if there is one beside the main
    head; all others teach the main head. A head without a teacher stays as it is.
    """
    by_head: dict[str, list[EmotionClassifier]] = {head.name: [] for head in heads}
    for teacher in teachers:
        by_head[_head_of(teacher.card, heads).name].append(teacher)
    known = np.ones(len(images), dtype=np.bool_)
    return tuple(
        replace(head, targets=teacher_targets(found, images, head), known=known)
        if (found := by_head[head.name])
        else head
        for head in heads
    )


def taught_once(
    heads: Sequence[Head], images: NDArray[np.uint8], models: Sequence[Path], folder: Path
) -> tuple[Head, ...]:
    """Return what `taught` does; the answers are kept in the folder, for when the run is resumed.

    Large teachers take minutes.
    """
    if not models:
        return tuple(heads)
    asked = hashlib.sha256(images.tobytes())
    for head in heads:
        asked.update(head.targets.tobytes() + head.known.tobytes())
    for model in models:
        asked.update(read_card(model).sha256.encode())
    path = folder / ANSWERS
    kept = read_kept(path, asked.hexdigest())
    if kept is not None:
        return tuple(
            replace(head, targets=kept[f"{head.name}_targets"], known=kept[f"{head.name}_known"])
            for head in heads
        )
    names = ", ".join(model.stem for model in models)
    logger.info("Asking %s about %d faces and their mirror images", names, len(images))
    found = taught(heads, images, load_teachers(models))
    answers: dict[str, NDArray[Any]] = {f"{head.name}_targets": head.targets for head in found}
    answers |= {f"{head.name}_known": head.known for head in found}
    keep(path, asked.hexdigest(), answers)
    return found


def _head_of(card: ModelCard, heads: Sequence[Head]) -> Head:
    if card.calibration.get("fitted_to") == FITTED_TO_ORIGINAL:
        return next((head for head in heads if head.name == ORIGINAL), heads[0])
    return heads[0]


def _refuse_foreign(card: ModelCard, head: Head) -> None:
    foreign = [label for label in card.labels if label not in head.labels]
    if foreign:
        raise TrainingError(
            f"The teacher {card.name} gives {', '.join(foreign)}, which the student does not "
            f"learn: expected a teacher of {', '.join(head.labels)}, or of some of them."
        )


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
        _refuse_foreign(model.card, head)
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
