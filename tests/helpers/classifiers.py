"""Classifiers that say what a test wants, and the cards of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from detector.emotion.labels import EMOTIONS
from detector.emotion.model_card import ModelCard, sha256_of

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np


def model_card(name: str = "scripted", **changes: Any) -> ModelCard:
    """A card of the seven emotions that changes nothing: whole box, temperature 1, never unsure."""
    values: dict[str, Any] = {
        "labels": EMOTIONS,
        "input_side_px": 48,
        "crop_scale": 1,
        "crop_raise": 0,
        "temperature": 1,
        "uncertain_below": 0,
        "sha256": "",
    }
    return ModelCard(name=name, **(values | changes))


def write_card(model: Path, **changes: Any) -> None:
    """Write a card beside a model's file, with the file's stem and checksum."""
    card = model_card(model.stem, sha256=sha256_of(model), **changes)
    model.with_suffix(".json").write_text(card.model_dump_json())


class ScriptedClassifier:
    """Base of classifiers that have a card and say what `answer` returns.

    Attributes:
        card: Made from the values given, see `model_card`.
        shapes: Shape of every batch so far.
    """

    runtime = "scripted"

    def __init__(self, name: str = "scripted", **card: Any) -> None:
        self.card = model_card(name, **card)
        self.shapes: list[tuple[int, ...]] = []

    def logits(self, crops: np.ndarray) -> np.ndarray:
        """Note the batch, then answer."""
        self.shapes.append(crops.shape)
        return self.answer(crops)

    def answer(self, crops: np.ndarray) -> np.ndarray:
        """Logits of shape (faces, labels) for grey crops of shape (faces, side, side)."""
        raise NotImplementedError
