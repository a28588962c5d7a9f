"""Fine-tuning: start a fresh network from trained weights of the same architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from detector.emotion.classifier import load_network
from detector.emotion.model_card import read_card
from detector.errors import ModelLoadError
from training.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from training.datasets.labels import Head


@dataclass(frozen=True)
class Transfer:
    """Layers that start from trained weights, layers left fresh, and the copied labels."""

    copied: tuple[str, ...]
    left: tuple[str, ...]
    labels: tuple[str, ...] = ()

    def __str__(self) -> str:
        fresh = f"; fresh: {', '.join(self.left)}" if self.left else ""
        return f"{len(self.copied)} layers start from trained weights{fresh}"


def start_from(
    network: keras.Model, model: Path, head: Head | None = None, others: Sequence[Head] = ()
) -> Transfer:
    """Copy the weights of a trained model into a fresh network, in place.

    Layers are matched by name and shape. The classes of the model's only output go to the same
    classes of `head`; those of other heads come from the models `NAME-HEAD` beside it, as one
    training exports them. Raises `TrainingError` if the model has another architecture or cannot be
    read.
    """
    try:
        card = read_card(model)
        trained = load_network(model)
    except ModelLoadError as error:
        raise TrainingError(f"Fine-tuning cannot start: {error}") from error
    made_as = card.training.get("architecture")
    if made_as is not None and made_as != network.name:
        raise TrainingError(
            f"Fine-tuning cannot start: {card.name} is a network of the architecture {made_as}, "
            f"this run trains {network.name}; choose --architecture {made_as}."
        )
    known = {layer.name: layer for layer in _weighted(trained)}
    outputs = set(network.output_names)
    matching: list[tuple[Any, Any]] = []
    left: list[str] = []
    for layer in _weighted(network):
        if layer.name in outputs:
            continue
        source = known.get(layer.name)
        if source is not None and _shapes(source) == _shapes(layer):
            matching.append((source, layer))
        else:
            left.append(layer.name)
    if len(matching) < 0.5 * (len(matching) + len(left)):
        raise TrainingError(
            f"Fine-tuning cannot start: only {len(matching)} of {len(matching) + len(left)} layers "
            f"of {network.name} have a namesake of the same shape in {model.name}; expected a "
            "model of this architecture trained by this version, at the same picture size where "
            "its dense layers depend on it."
        )
    for source, layer in matching:
        layer.set_weights(source.get_weights())
    copied = [layer.name for _, layer in matching]
    labels = () if head is None else _copy_output(trained, card.labels, network, head)
    started = {head.name} if head is not None and labels else set()
    for other in others:
        beside = model.with_name(f"{model.stem}-{other.name}.keras")
        if beside.is_file() and _copy_output(
            load_network(beside), read_card(beside).labels, network, other
        ):
            started.add(other.name)
    for name in network.output_names:
        (copied if name in started else left).append(name)
    return Transfer(tuple(copied), tuple(left), labels)


def _copy_output(
    trained: Any, source_labels: tuple[str, ...], network: keras.Model, head: Head
) -> tuple[str, ...]:
    if len(trained.output_names) != 1:
        return ()
    source = {layer.name: layer for layer in _weighted(trained)}.get(trained.output_names[0])
    target, target_labels = network.get_layer(head.name), head.labels
    shared = tuple(label for label in target_labels if label in source_labels)
    if source is None or not isinstance(source, keras.layers.Dense) or not shared:
        return ()
    kernel, bias = source.get_weights()
    new_kernel, new_bias = target.get_weights()
    if kernel.shape != (new_kernel.shape[0], len(source_labels)):
        return ()
    there = [target_labels.index(label) for label in shared]
    here = [source_labels.index(label) for label in shared]
    # A fresh class should start neither above nor below the trained ones.
    new_bias = np.full_like(new_bias, bias[here].mean())
    new_kernel[:, there], new_bias[there] = kernel[:, here], bias[here]
    target.set_weights([new_kernel, new_bias])
    return shared


def _weighted(model: Any) -> Iterator[Any]:
    """Yield the layers with weights, those of inner models too."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _weighted(layer)
        elif layer.weights:
            yield layer


def _shapes(layer: Any) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]
