"""Names from outside, of files, ads and sites: make them safe to show, recognise system files."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

_UNSAFE = re.compile(
    # Control characters, line and paragraph separators; embeddings, overrides and isolates, which
    # reorder the text around them; halves of surrogate pairs, which stand for bytes of a file name
    # that are not UTF-8; noncharacters.
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)

_SYSTEM_NAMES = frozenset(
    {
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information"),
        *("__macosx", "icon\r"),
        *("@eadir", "#recycle", "@recycle", "#snapshot", "@recently-snapshot"),
        *("lost+found", "found.000"),
    }
)
"""Of Windows, macOS, network storage, and file checks; in lower case."""


def printable(text: str, keep: str = "") -> str:
    r"""Escape what would control a terminal, reorder a text or break a line.

    Control characters, bidirectional overrides, and bytes that are not UTF-8 become escapes such as
    `\x1b`, `\u202e` and `\udce9`, except those in `keep`. Idempotent.
    """
    return _UNSAFE.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def printable_json(value: object, **options: Any) -> str:
    """Return JSON with readable letters and without the characters that `printable` escapes.

    They are escaped in JSON's own way, except halves of surrogate pairs, which most readers refuse:
    these become the text that `printable` makes of them.

    Raises:
        ValueError: A number is infinite or not a number.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, **options)
    return _UNSAFE.sub(lambda found: _json_escape(found[0]), text)


def printable_document(value: Any) -> Any:
    """Return a JSON-like value in which all texts, keys too, are `printable`."""
    if isinstance(value, str):
        # What is translated where it is shown is translated here.
        return printable(str(value))
    if isinstance(value, dict):
        return {printable_document(key): printable_document(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [printable_document(one) for one in value]
    return value


def plain_name(name: str) -> str:
    """Return a name as it is shown and compared: printable, its accents composed (NFC).

    macOS decomposes accents, so one name can be written in two ways.
    """
    return unicodedata.normalize("NFC", printable(name))


def is_blank(text: str) -> bool:
    """Return whether a text shows nothing: it has only spaces, joiners and the like."""
    return all(unicodedata.category(letter)[0] in "CZ" for letter in text)


def is_system_file(name: str) -> bool:
    """Return whether a file or folder is hidden, or was made by a system rather than a person.

    Examples: `.DS_Store`, `._photo.jpg`, `Thumbs.db`, `__MACOSX`, `@eaDir`, `lost+found`.
    """
    return name.startswith((".", "~$")) or name.lower() in _SYSTEM_NAMES


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def _json_escape(letter: str) -> str:
    if letter in "\n":  # between the lines of an indented document
        return letter
    if "\ud800" <= letter <= "\udfff":
        return "\\" + _escape(letter)
    return f"\\u{ord(letter):04x}"
