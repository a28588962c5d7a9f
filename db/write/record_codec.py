"""Records as JSON and back, for the spool: by the names of their fields, so that a newer program reads older ones."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeAlias, get_args

from db.write.records import ModelRecord, Record, SessionEnded, SessionRecord

Stored: TypeAlias = Record | SessionRecord | SessionEnded
"""What can be turned into JSON."""

_TYPES: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Stored)}
# The annotations are texts here; a field is told by how its text begins.
_TIMES = {
    name: {f.name for f in fields(kind) if str(f.type).startswith("datetime")}
    for name, kind in _TYPES.items()
}
_TUPLES = {
    name: {f.name for f in fields(kind) if str(f.type).startswith("tuple")}
    for name, kind in _TYPES.items()
}
_NAMES = {name: tuple(f.name for f in fields(kind)) for name, kind in _TYPES.items()}


def encode(record: Stored) -> bytes:
    """One line of ASCII, a JSON object, without an end of line; `decode` gives an equal record back."""
    return json.dumps(
        _document(record), separators=(",", ":"), allow_nan=False, default=_plain
    ).encode("ascii")


def decode(document: Any) -> Stored:
    """The record of `encode`, from the object that its JSON says.

    Raises:
        ValueError: It is not one, or of a kind that this version of the program does not know.
    """
    try:
        return _record(document)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"Invalid record: expected one that this version of the program knows, received {document!r:.80}."
        ) from error


def _document(record: Stored) -> dict[str, Any]:
    kind = type(record).__name__
    values = {name: getattr(record, name) for name in _NAMES[kind]}
    for name in _TIMES[kind]:
        values[name] = values[name].isoformat()
    if isinstance(record, SessionRecord) and record.model is not None:
        values["model"] = _document(record.model)
    return {"type": kind, **values}


def _record(document: dict[str, Any]) -> Stored:
    values = dict(document)
    kind = values.pop("type")
    for name in _TIMES[kind] & values.keys():
        values[name] = datetime.fromisoformat(values[name])
    for name in _TUPLES[kind] & values.keys():
        values[name] = None if values[name] is None else tuple(values[name])
    if kind == SessionRecord.__name__ and values.get("model") is not None:
        model = _record(values["model"])
        if not isinstance(model, ModelRecord):
            raise TypeError(kind)
        values["model"] = model
    record: Stored = _TYPES[kind](**values)
    return record


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's, and other mappings as dictionaries."""
    if hasattr(value, "item"):
        return value.item()
    return dict(value)
