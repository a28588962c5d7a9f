"""Parse JSON, whose escaped emoji YAML parsers refuse, within the limits for YAML files."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from detector.names import printable
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Iterator

_HALF = re.compile("[\ud800-\udfff]")


def parse_json(text: str, max_depth: int, max_values: int) -> Any:
    """Return the plain values of a JSON document.

    Raises:
        ValueError: It is not JSON, repeats a key, holds half an emoji, or exceeds a limit; the
            message names the mistake and its place.
    """
    try:
        content = json.loads(text, object_pairs_hook=_without_repetition, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        where = lazy("in line %(line)s, column %(column)s", line=error.lineno, column=error.colno)
        if text[: error.pos].rstrip().endswith(",") and text[error.pos : error.pos + 1] in "]}":
            raise ValueError(
                lazy("a comma stands before a closing bracket %(where)s", where=where)
            ) from None
        raise ValueError(f"{error.msg} {where}") from None
    except RecursionError:
        raise ValueError(
            lazy("it is nested more than %(limit)s levels deep", limit=max_depth)
        ) from None
    for values, (value, depth) in enumerate(_walk(content), start=1):
        if depth > max_depth:
            raise ValueError(lazy("it is nested more than %(limit)s levels deep", limit=max_depth))
        if values > max_values:
            raise ValueError(lazy("it holds more than %(limit)s values", limit=max_values))
        if isinstance(value, str) and (half := _HALF.search(value)):
            raise ValueError(
                lazy(
                    "the text '%(value)s' holds half a character (%(half)s without its other "
                    "half); write the character itself",
                    value=printable(value[:40]),
                    half=printable(half[0]),
                )
            )
    return content


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(lazy("the key %(key)s is written twice", key=repr(printable(twice))))
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(lazy("%(constant)s is no number of JSON", constant=constant))


def _walk(content: Any) -> Iterator[tuple[Any, int]]:
    """Yield every key and value with its depth, without recursion."""
    waiting = [(content, 0)]
    while waiting:
        value, depth = waiting.pop()
        yield value, depth
        inner = value if isinstance(value, list) else []
        if isinstance(value, dict):
            inner = [*value, *value.values()]
        waiting += [(one, depth + 1) for one in inner]
