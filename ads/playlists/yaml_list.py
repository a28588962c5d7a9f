"""A YAML file with a list of entries under one key, checked against pydantic models.

Each mistake is one sentence: where, what was expected and received, and the nearest known word.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from ads.playlists.yaml_file import YamlFileError, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

Model = TypeVar("Model", bound=BaseModel)
Head = TypeVar("Head", bound=BaseModel)
Entry = TypeVar("Entry", bound=BaseModel)


def read_yaml_list(
    path: Path,
    what: str,
    head: type[Head],
    entry: type[Entry],
    *,
    labels: tuple[str, ...],
    expected: Mapping[str, str],
    form: str = "a YAML file with a list of entries",
) -> tuple[Head, list[Entry]]:
    """Read a file such as `ads: [{file: a.png}, ...]`: its keys, and at least one entry.

    Args:
        path: The file.
        what: The user's word for it, such as "playlist".
        head: The model of the file; its first field, without a type, is the key of the list, in
            the plural.
        entry: The model of an entry.
        labels: The keys of an entry that may identify it in messages.
        expected: By key, the end of the sentence "has an invalid KEY: expected ...".
        form: What the file should have been.

    Raises:
        YamlFileError: The file cannot be read or breaks the format.
    """
    key = next(iter(head.model_fields))
    document = read_yaml(path, what, form).content
    where, item = f"{what} {path}", key.removesuffix("s")
    empty = f"The {where} is empty; expected the key '{key}' with a list of at least one {item}."
    if document is None or document == {}:
        raise YamlFileError(empty)
    if not isinstance(document, dict):
        raise YamlFileError(
            f"The {where} has the wrong form: expected the key '{key}' with a list, "
            f"got {_kind_of(document)}."
        )
    checked_head = validate(head, document, f"The {where}", expected)
    entries = document.get(key)
    if entries is None or entries == []:
        raise YamlFileError(empty)
    if not isinstance(entries, list):
        raise YamlFileError(
            f"'{key}' in the {where} must be a list of {key}, got {_kind_of(entries)}."
        )
    checked: list[Entry] = []
    for number, raw in enumerate(entries, start=1):
        name = f"{item.capitalize()} {number}"
        if not isinstance(raw, dict):
            required = next(key for key, field in entry.model_fields.items() if field.is_required())
            raise YamlFileError(
                f"{name} in the {where} must be a mapping with the key '{required}', "
                f"got {_kind_of(raw)}."
            )
        label = next((raw[label] for label in labels if raw.get(label)), None)
        name = name if label is None else f"{name} ({label})"
        checked.append(validate(entry, raw, f"{name} in the {where}", expected))
    return checked_head, checked


def validate(
    model: type[Model], raw: dict[Any, Any], where: str, expected: Mapping[str, str]
) -> Model:
    """Check a mapping; see `read_yaml_list`. `YamlFileError` about the first mistake."""
    fields = model.model_fields
    for key in raw:
        if key not in fields:
            hint = nearest(str(key), fields) or "."
            raise YamlFileError(
                f"{where} has the unknown key {key!r}; expected one of: {', '.join(fields)}{hint}"
            )
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        problem = error.errors()[0]
    if not problem["loc"]:
        raise YamlFileError(f"{where} {problem['ctx']['error']}.")
    key = str(problem["loc"][0])
    if problem["type"] == "missing" and len(problem["loc"]) == 1:
        raise YamlFileError(f"{where} lacks the key {key!r}; {expected[key]}.")
    what, hint = expected[key], "."
    if problem["type"] == "value_error":
        what, _, given = str(problem["ctx"]["error"]).partition("; did")
        hint = f"; did{given}" if given else "."
    elif problem["type"] == "literal_error":
        hint = nearest(str(raw[key]), get_args(fields[key].annotation)) or "."
    raise YamlFileError(f"{where} has an invalid {key!r}: {what}, got {raw[key]!r}{hint}")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint at the most similar known word; empty if none is similar."""
    spelt = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), spelt, n=1, cutoff=0.5)
    return f"; did you mean {spelt[near[0]]!r}?" if near else ""


def _kind_of(value: object) -> str:
    number = "a number"
    kinds = {dict: "a mapping", list: "a list", str: "text", bool: "yes or no", int: number}
    kinds |= {float: number, type(None): "nothing"}
    return kinds.get(type(value), type(value).__name__)
