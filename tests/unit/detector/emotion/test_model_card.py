"""Cards: what the shipped models say of themselves, and every way in which a card can be wrong."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from detector.emotion.labels import EMOTIONS
from detector.emotion.model_card import ModelCard, read_card, require_expressions, sha256_of
from detector.emotion.model_store import DEFAULT_MODEL, MODELS_FOLDER, find_model
from detector.errors import DetectorError, ModelLoadError

SHIPPED = sorted(MODELS_FOLDER.glob("*.keras"))
CONTENT = b"a network, as far as the card can tell"


def card_values(**changes: Any) -> dict[str, Any]:
    return {
        "name": "mine",
        "labels": list(EMOTIONS),
        "input_side_px": 48,
        "crop_scale": 1.18,
        "crop_raise": 0.1,
        "temperature": 1.2,
        "uncertain_below": 0.4,
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
    } | changes


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "mine.keras"
    path.write_bytes(CONTENT)
    path.with_suffix(".json").write_text(json.dumps(card_values()))
    return path


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_models_fit_their_cards_and_are_small(path: Path) -> None:
    card = read_card(path)
    assert card.name == path.stem
    # Only the default one starts quickly everywhere; the twin of another is made where it is first
    # used.
    assert bool(card.twin_sha256) == path.with_suffix(".tflite").exists()
    if card.twin_sha256:
        assert card.twin_sha256 == sha256_of(path.with_suffix(".tflite"))
    assert path.stat().st_size <= 8_000_000
    assert 0 <= card.uncertain_below < 1


def test_the_default_model_is_shipped() -> None:
    assert (
        find_model()
        == find_model(None)
        == find_model(DEFAULT_MODEL)
        == MODELS_FOLDER / f"{DEFAULT_MODEL}.keras"
    )
    assert find_model() in SHIPPED
    assert read_card(find_model()).twin_sha256


def test_a_model_can_be_named_by_its_path(model: Path) -> None:
    assert find_model(model) == find_model(str(model)) == model
    card = read_card(model)
    assert (card.name, card.labels, card.temperature) == ("mine", EMOTIONS, 1.2)


def test_an_unknown_model_is_named_with_those_that_exist() -> None:
    with pytest.raises(
        ModelLoadError, match=rf"no model 'sphinx': expected a \.keras file or .*{DEFAULT_MODEL}"
    ):
        find_model("sphinx")


def test_a_model_without_a_card(model: Path) -> None:
    model.with_suffix(".json").unlink()
    with pytest.raises(
        ModelLoadError,
        match=r"has no card: expected mine\.json beside it.*\(No such file or directory\)\.$",
    ):
        read_card(model)


def test_a_card_that_is_no_text(model: Path) -> None:
    model.with_suffix(".json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelLoadError, match="has no card"):
        read_card(model)


def write_card(model: Path, **changes: Any) -> None:
    values = card_values(**changes)
    model.with_suffix(".json").write_text(
        json.dumps({key: value for key, value in values.items() if value is not None})
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": None}, r"mine\.json is not valid: temperature: Field required"),
        ({"temperature": 0}, "temperature: Input should be greater than 0"),
        ({"uncertain_below": 1.5}, "uncertain_below: Input should be less than or equal to 1"),
        ({"input_side_px": "wide"}, "input_side_px: Input should be a valid integer"),
        ({"colour": "blue"}, "colour: Extra inputs are not permitted"),
    ],
)
def test_a_card_with_a_wrong_value(model: Path, changes: dict[str, Any], message: str) -> None:
    write_card(model, **changes)
    with pytest.raises(ModelLoadError, match=message):
        read_card(model)


@pytest.mark.parametrize("text", ["", "{", "not json", "[]", "7"])
def test_a_card_that_is_no_document(model: Path, text: str) -> None:
    model.with_suffix(".json").write_text(text)
    with pytest.raises(ModelLoadError, match=r"mine\.json is not valid: the document"):
        read_card(model)


@pytest.mark.parametrize(
    "labels", [EMOTIONS[::-1], EMOTIONS[:-1], (*EMOTIONS, "contempt"), ("bored", "keen")]
)
def test_other_labels_can_be_read(model: Path, labels: tuple[str, ...]) -> None:
    write_card(model, labels=labels)
    assert read_card(model).labels == labels


def test_a_model_that_sorts_people_is_refused(model: Path) -> None:
    write_card(model, labels=("happy", "adult male", "child"))
    with pytest.raises(ModelLoadError, match="its labels include adult male, child"):
        require_expressions(read_card(model))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (("happy",), "labels: .*at least 2"),
        (("happy", "happy"), "expected different names, received happy, happy"),
        (("happy", ""), "expected different names"),
    ],
)
def test_labels_that_are_none(model: Path, labels: tuple[str, ...], message: str) -> None:
    write_card(model, labels=labels)
    with pytest.raises(ModelLoadError, match=message):
        read_card(model)


def test_a_model_that_was_changed_is_refused(model: Path) -> None:
    model.write_bytes(CONTENT + b".")
    with pytest.raises(
        ModelLoadError,
        match=r"not the one its card describes: expected SHA-256 \w{12}…, received \w{12}",
    ):
        read_card(model)


def test_cards_are_frozen_and_errors_share_a_base() -> None:
    with pytest.raises(ValidationError):
        ModelCard(**card_values()).temperature = 2  # type: ignore[misc]
    assert issubclass(ModelLoadError, DetectorError)


def test_a_checksum_by_known_answer(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert (
        sha256_of(tmp_path / "abc")
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
