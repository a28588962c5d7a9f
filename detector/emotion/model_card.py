"""What a model is, where it came from, and how its numbers are to be read.

A model is three files with one stem: `NAME.keras` (the network), `NAME.json` (this card) and, as a
quick start on machines without a GPU, `NAME.tflite` (its converted twin).
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from detector.emotion.labels import EMOTIONS
from detector.emotion.model_store import (
    DEFAULT_MODEL,
    MODELS_FOLDER,
    available,
    current_model,
    find_stored,
    sha256_of,
    shipped_default,
)
from detector.errors import ModelLoadError

__all__ = [
    "DEFAULT_MODEL",
    "MODELS_FOLDER",
    "ModelCard",
    "find_model",
    "read_card",
    "require_emotions",
    "sha256_of",
]

logger = logging.getLogger(__name__)


class ModelCard(BaseModel):
    """The card beside a model.

    Attributes:
        name: Stem of the model's files.
        labels: Names of the outputs, in order; the kiosk needs the seven emotions, other uses take
            any.
        input_side_px: Side of the square grey picture that the network takes.
        crop_scale: Side of the crop, in sides of the face detector's box.
        crop_raise: How far the crop's centre lies above the box's centre, in sides of the box.
        temperature: Divides the logits before the softmax (Guo et al., 2017), above 0.
        uncertain_below: A reading whose highest probability is lower is `uncertain`, 0 to 1.
        sha256: Checksum of the `.keras` file.
        twin_sha256: Checksum of the `.tflite` file; empty where none is shipped.
        framing: How the pictures that it was trained on are framed, in words.
        training: Data, settings, seeds and versions of the run.
        scores: Measured figures, by dataset and split.
        calibration: On what and how well the temperature was fitted.
        conditions: Accuracy by size of the face, blur, light and so on: by condition, a list of
            value, rows, accuracy.
        limits: What the model is not good at, in sentences.
        licences: What is known of the rights to the data, in sentences.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    labels: tuple[str, ...] = Field(min_length=2)
    input_side_px: int = Field(gt=0)
    crop_scale: float = Field(gt=0)
    crop_raise: float
    temperature: float = Field(gt=0)
    uncertain_below: float = Field(ge=0, le=1)
    sha256: str
    twin_sha256: str = ""
    framing: str = ""
    training: dict[str, Any] = Field(default_factory=dict)
    scores: dict[str, Any] = Field(default_factory=dict)
    calibration: dict[str, Any] = Field(default_factory=dict)
    conditions: dict[str, Any] = Field(default_factory=dict)
    limits: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()

    @field_validator("labels")
    @classmethod
    def _different(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(labels)) != len(labels) or not all(labels):
            raise ValueError(f"expected different names, received {', '.join(labels)}")
        return labels


def find_model(name_or_path: str | Path | None = None) -> Path:
    """The `.keras` file of a model.

    Args:
        name_or_path: Name of a shipped or own model, or the path of a `.keras` file. Defaults to
            the model in use (see `detector.emotion.model_store`); where that one is damaged, to the
            shipped default, with a warning.

    Raises:
        ModelLoadError: There is no such model.
    """
    if not name_or_path:
        return _usable(current_model())
    stored = find_stored(str(name_or_path))
    if stored is not None:
        return stored
    path = Path(name_or_path)
    if path.is_file():
        return path
    known = ", ".join(model.name for model in available())
    raise ModelLoadError(
        f"There is no model {str(name_or_path)!r}: expected a .keras file or the name of a shipped or own model ({known})."
    )


def _usable(model: Path) -> Path:
    """The model, or the shipped default if the kiosk could not run with it."""
    if model == shipped_default():
        return model
    try:
        require_emotions(read_card(model))
    except ModelLoadError as error:
        logger.warning(
            "The shipped %s is used instead of the promoted model: %s", DEFAULT_MODEL, error
        )
        return shipped_default()
    return model


def read_card(model: Path) -> ModelCard:
    """Read the card beside a model and check that it belongs to it.

    Args:
        model: The `.keras` file.

    Raises:
        ModelLoadError: The card is missing or malformed, or the file is not the one it describes.
    """
    path = model.with_suffix(".json")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelLoadError(
            f"The model {model} has no card: expected {path.name} beside it, as the training writes it ({error})."
        ) from error
    try:
        card = ModelCard.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ModelLoadError(
            f"The model card {path} is not valid: {where}: {first['msg']}."
        ) from error
    received = sha256_of(model)
    if received != card.sha256:
        raise ModelLoadError(
            f"The model {model} is not the one its card describes: expected SHA-256 {card.sha256[:12]}…, "
            f"received {received[:12]}…; restore the file or train it again."
        )
    return card


def require_emotions(card: ModelCard) -> None:
    """Make sure that a model can serve the kiosk, whose readings are of the seven emotions.

    Raises:
        ModelLoadError: It gives other labels, or in another order.
    """
    if card.labels != EMOTIONS:
        raise ModelLoadError(
            f"The model {card.name} gives {', '.join(card.labels)}; the kiosk expects {', '.join(EMOTIONS)}."
        )
