"""What a model is, where it came from, and how its numbers are to be read.

A model is three files with one stem: `NAME.keras` (the network), `NAME.json` (this card) and, as a quick start on
machines without a GPU, `NAME.tflite` (its converted twin).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from detector.emotions import EMOTIONS
from detector.errors import ModelLoadError

MODELS_FOLDER = Path(__file__).parent / "models"
DEFAULT_MODEL = "compact-1"


class ModelCard(BaseModel):
    """The card beside a model.

    Attributes:
        name: Stem of the model's files.
        labels: Emotions of the outputs, in order.
        input_side_px: Side of the square grey picture that the network takes.
        crop_scale: Side of the crop, in sides of the face detector's box.
        crop_raise: How far the crop's centre lies above the box's centre, in sides of the box.
        temperature: Divides the logits before the softmax (Guo et al., 2017), above 0.
        uncertain_below: A reading whose highest probability is lower is `uncertain`, 0 to 1.
        sha256: Checksum of the `.keras` file.
        twin_sha256: Checksum of the `.tflite` file; empty where none is shipped.
        training: Data, settings, seeds and versions of the run.
        scores: Measured figures, by dataset and split.
        limits: What the model is not good at, in sentences.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    labels: tuple[str, ...]
    input_side_px: int = Field(gt=0)
    crop_scale: float = Field(gt=0)
    crop_raise: float
    temperature: float = Field(gt=0)
    uncertain_below: float = Field(ge=0, le=1)
    sha256: str
    twin_sha256: str = ""
    training: dict[str, Any] = Field(default_factory=dict)
    scores: dict[str, Any] = Field(default_factory=dict)
    limits: tuple[str, ...] = ()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def find_model(name_or_path: str | Path | None = None) -> Path:
    """The `.keras` file of a model.

    Args:
        name_or_path: Name of a shipped model, or the path of a `.keras` file. Defaults to the shipped default.

    Raises:
        ModelLoadError: There is no such model.
    """
    wanted = str(name_or_path or DEFAULT_MODEL)
    shipped = MODELS_FOLDER / f"{wanted}.keras"
    if shipped.is_file():
        return shipped
    path = Path(wanted)
    if path.is_file():
        return path
    known = ", ".join(sorted(file.stem for file in MODELS_FOLDER.glob("*.keras")))
    raise ModelLoadError(
        f"There is no model {wanted!r}: expected a .keras file or the name of a shipped model ({known})."
    )


def read_card(model: Path) -> ModelCard:
    """Read the card beside a model and check that it belongs to it.

    Args:
        model: The `.keras` file.

    Raises:
        ModelLoadError: The card is missing or malformed, names other labels, or the file is not the one it describes.
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
        raise ModelLoadError(f"The model card {path} is not valid: {where}: {first['msg']}.") from error
    if card.labels != EMOTIONS:
        raise ModelLoadError(
            f"The model {model} gives {', '.join(card.labels)}; the kiosk expects {', '.join(EMOTIONS)}."
        )
    received = sha256_of(model)
    if received != card.sha256:
        raise ModelLoadError(
            f"The model {model} is not the one its card describes: expected SHA-256 {card.sha256[:12]}…, "
            f"received {received[:12]}…; restore the file or train it again."
        )
    return card
