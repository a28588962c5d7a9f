"""Read the YAML file that names the zones of a camera image."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ads.playlists.yaml_file import YamlFileError, read_yaml
from detector.errors import ZonesError
from detector.faces.zones import KINDS, MAX_POINTS, Zone, Zones

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pydantic_core import ErrorDetails


def read_zones(path: Path) -> tuple[Zone, ...]:
    """Read zones from a YAML file.

    The file has one key, `zones`, with a list; each entry has a `kind`, either `points` or a `box`,
    and may have a `name`, as in `Zone`.

    Args:
        path: The file.

    Returns:
        At least one zone, in the order of the file.

    Raises:
        ZonesError: The file cannot be read, breaks the format, or leaves nothing of the picture.
    """
    zones = tuple(
        _checked(path, number, raw)
        for number, raw in enumerate(_entries(path, _document(path)), start=1)
    )
    if not Zones(zones).mask(160, 90).any():
        raise ZonesError(
            f"The zones of {path} leave nothing of the picture to measure or count; make the ignored zones smaller."
        )
    return zones


def _document(path: Path) -> object:
    try:
        return read_yaml(path, "zones file", "a YAML file with the key 'zones'").content
    except YamlFileError as error:
        raise ZonesError(str(error)) from None


def _entries(path: Path, document: object) -> list[object]:
    empty = f"The zones file {path} is empty; expected the key 'zones' with a list of at least one zone."
    if document is None or document == {}:
        raise ZonesError(empty)
    if not isinstance(document, dict):
        raise ZonesError(
            f"The zones file {path} has the wrong form: expected the key 'zones' with a list, got {_described(document)}."
        )
    for key in document:
        if key != "zones":
            raise ZonesError(
                f"The zones file {path} has the unknown key {key!r} at its top; expected only 'zones'"
                f"{_nearest(str(key), ('zones',)) or '.'}"
            )
    zones = document["zones"]
    if zones is None or zones == []:
        raise ZonesError(empty)
    if not isinstance(zones, list):
        raise ZonesError(f"'zones' in {path} must be a list of zones, got {_described(zones)}.")
    return zones


_KEYS = tuple(Zone.model_fields)

_EXPECTED = {
    "kind": f"expected one of {', '.join(KINDS)}",
    "points": f"expected a list of 3 to {MAX_POINTS} corners [x, y], in fractions of the picture from 0 to 1",
    "box": "expected [left, top, width, height], in fractions of the picture from 0 to 1",
    "name": "expected text of 1 to 80 characters (in quotes if it is a number)",
}


def _checked(path: Path, number: int, raw: object) -> Zone:
    if not isinstance(raw, dict):
        raise ZonesError(
            f"Zone {number} in the zones file {path} must be a mapping with the key 'kind', got {_described(raw)}."
        )
    name = raw.get("name")
    where = f"Zone {number}{f' ({name})' if name else ''} in the zones file {path}"
    for key in raw:
        if key not in _KEYS:
            hint = _nearest(str(key), _KEYS) or f"; expected one of: {', '.join(_KEYS)}."
            raise ZonesError(f"{where} has the unknown key {key!r}{hint}")
    try:
        return Zone.model_validate(raw)
    except ValidationError as error:
        raise ZonesError(f"{where} {_problem(error.errors()[0], raw)}") from None


def _problem(problem: ErrorDetails, raw: dict[Any, Any]) -> str:
    if not problem["loc"]:
        return f"{problem['ctx']['error']}."
    key = str(problem["loc"][0])
    if problem["type"] == "missing" and len(problem["loc"]) == 1:
        return f"lacks the key {key!r}; {_EXPECTED[key]}."
    hint = _nearest(str(raw[key]), KINDS) if key == "kind" else ""
    return f"has an invalid {key!r}: {_EXPECTED[key]}, got {raw[key]!r}{hint or '.'}"


def _nearest(word: str, known: Iterable[str]) -> str:
    """A hint at the known word that is written most like this one; empty if none is like it."""
    near = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _described(value: object) -> str:
    kinds = {
        dict: "a mapping",
        list: "a list",
        str: "text",
        bool: "yes or no",
        int: "a number",
        float: "a number",
    }
    return "nothing" if value is None else kinds.get(type(value), type(value).__name__)
