"""The card beside a model: what it is, where it came from, and how to read its numbers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from detector.emotion.labels import labels_of_persons
from detector.emotion.prevalence import PrevalenceCalibration
from detector.errors import ModelLoadError

if TYPE_CHECKING:
    from pathlib import Path


class ModelCard(BaseModel):
    """The card beside a model.

    Attributes:
        name: Stem of the model's files.
        labels: Names of the outputs, in order; by default the seven emotions.
        input_side_px: Side of the square grey picture that the network takes.
        crop_scale: Side of the crop, in sides of the face detector's box.
        crop_raise: Height of the crop's centre above the box's centre, in sides of the box.
        temperature: Divides the logits before the softmax (Guo et al., 2017), above 0.
        uncertain_below: A reading whose highest probability is lower is `uncertain`, 0 to 1.
        sha256: Checksum of the `.keras` file.
        twin_sha256: Checksum of the `.tflite` file; empty if none is shipped.
        framing: How the training pictures are framed, in words.
        training: Data, settings, seeds and versions of the run.
        scores: Measured figures, by dataset and split.
        calibration: Data and quality of the fit of the temperature.
        prevalence: Makes shares of an audience from probabilities; `None` on older cards, and
            where the data could not give it.
        conditions: By face size, blur, light and so on, a list of value, rows, accuracy.
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
    prevalence: PrevalenceCalibration | None = None
    conditions: dict[str, Any] = Field(default_factory=dict)
    limits: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()

    @field_validator("labels")
    @classmethod
    def _different(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(labels)) != len(labels) or not all(labels):
            raise ValueError(f"expected different names, received {', '.join(labels)}")
        return labels


def read_card(model: Path) -> ModelCard:
    """Read the card beside a `.keras` file, or raise `ModelLoadError` if they do not match."""
    path = model.with_suffix(".json")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not text in UTF-8"
        raise ModelLoadError(
            f"The model {model} has no card: expected {path.name} beside it, as the training "
            f"writes it ({why})."
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
            f"The model {model} is not the one its card describes: expected SHA-256 "
            f"{card.sha256[:12]}…, received {received[:12]}…; restore the file or train it again."
        )
    return card


def require_expressions(card: ModelCard) -> None:
    """Raise `ModelLoadError` if a model's labels say who somebody is: nobody in view is sorted."""
    persons = labels_of_persons(card.labels)
    if persons:
        raise ModelLoadError(
            f"The model {card.name} sorts people: its labels include {', '.join(persons)}. Cameras "
            "measure expressions only: use a model whose labels say how a face looks, not whose it "
            "is."
        )


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
