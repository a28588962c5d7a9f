"""English texts that were stored or sent as plain text, in the person's language.

A database, a kiosk and the sensor's process keep sentences such as an alert's detail in English, as
programs read them. Where a page or the window shows one, it is found among the catalogue's texts
and translated with its values. So rows of earlier versions and kiosks of other versions are
understood as well, and a sentence that no catalogue has is shown as it is.

A sentence is only found if its text was made by `lazy` or one of the others of `monitor.languages`.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from monitor.languages import (
    ENGLISH,
    LazyText,
    catalogue,
    gettext,
    language,
    lazy,
    long_date,
    ntemplate,
    numeral,
    ptemplate,
    short_date,
    template,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from babel.messages.catalog import Message

TEXTS = frozenset(
    ["advice", "detail", "duration", "expected", "hint", "how", "kind", "more", "problem", "reason"]
    + ["source", "thing", "what", "where", "why"]
)
"""Placeholders that stand for another text, which is translated as well; others hold names."""

NUMBERS = frozenset({"count", "line", "num", "number", "status"})
"""Placeholders that always stand for a number."""

NAMES = frozenset(
    ["ad", "ads", "camera", "code", "database", "file", "hub", "name", "path", "place", "screen"]
    + ["session", "site", "stream", "url", "value", "version"]
)
"""Placeholders whose numbers are names, or are shown as they were typed."""

OTHERS_SENTENCES = (
    lazy("Connection refused"),
    lazy("File exists"),
    lazy("Input/output error"),
    lazy("Invalid data found when processing input"),
    lazy("Is a directory"),
    lazy("No route to host"),
    lazy("No space left on device"),
    lazy("No such file or directory"),
    lazy("Permission denied"),
    lazy("Read-only file system"),
    lazy("attempt to write a readonly database"),
    lazy("could not find expected ':'"),
    lazy("database disk image is malformed"),
    lazy("database is locked"),
    lazy("database or disk is full"),
    lazy("did not find expected ',' or ']'"),
    lazy("did not find expected key"),
    lazy("disk I/O error"),
    lazy("found unexpected end of stream"),
    lazy("unable to open database file"),
)
"""What the system, FFmpeg, SQLite and libyaml say most often; our sentences quote it."""

MIN_LETTERS = 8
"""A text with fewer letters besides its placeholders would be found in any sentence.

Half of them are enough before the first placeholder, and a few beside a number.
"""

_PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]|(%%)")
_NUMBER = re.compile(r"-?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?(?P<percent>%)?( [kMG]?B| ms| s)?")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(?= UTC$)")
_DAY = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d)")
_SENTENCE_END = re.compile(r"(?<=[.!?…]) (?=[A-Z0-9])")


def translated(text: str | None) -> str:
    """Return a text in the current language; one that no catalogue has stays English.

    Args:
        text: English, as it was stored; `None` is empty.
    """
    if not text or language() == ENGLISH or isinstance(text, LazyText):
        return str(text or "")
    return _translated(language(), str.__str__(text))


class _Pattern(NamedTuple):
    """A text with placeholders, as it looks when it is filled in."""

    letters: int
    size: int
    prefix: str
    suffix: str
    filled: re.Pattern[str]
    message: Message


class _Found(NamedTuple):
    """A translation, and how many letters of the text are ours and not values."""

    letters: int
    text: str


# The language is an argument because results are kept.
@lru_cache(2048)
def _translated(code: str, text: str) -> str:
    whole = _whole(code, text)
    found = _in_parts(code, text, -1 if whole is None else whole.letters) or whole
    return text if found is None else found.text


def _whole(code: str, text: str) -> _Found | None:
    # The full stop is left out where a text stands within another one.
    found, longer = _found(code, text), _found(code, f"{text}.")
    if longer is not None and (found is None or longer.letters > found.letters):
        return longer._replace(text=longer.text.removesuffix("."))
    return found


def _in_parts(code: str, text: str, least: int) -> _Found | None:
    """Translate sentence after sentence, if more than `least` letters are found to be ours."""
    sentences = _SENTENCE_END.split(text)
    letters, said, start = 0, [], 0
    while len(sentences) > 1 and start < len(sentences):
        for end in range(len(sentences), start, -1):
            part = " ".join(sentences[start:end])
            found = None if part == text else _whole(code, part)
            if found is not None:
                break
        else:
            found, end = _Found(0, sentences[start]), start + 1
        letters, start = letters + found.letters, end
        said.append(found.text)
    return _Found(letters, " ".join(said)) if letters > max(least, 0) else None


def _found(code: str, text: str) -> _Found | None:
    plain, patterns = _texts(code)
    message = plain.get(text)
    if message is not None:
        return _Found(_letters(text), _said(message, {}, text))
    for pattern in patterns:
        if text.startswith(pattern.prefix) and text.endswith(pattern.suffix):
            match = pattern.filled.fullmatch(text)
            if match is not None:
                said = _said(pattern.message, match.groupdict(), text)
                return _Found(pattern.letters, said)
    return None


def _letters(text: str) -> int:
    return len(re.findall(r"[^\W\d_]", text))


def _said(message: Message, found: dict[str, str], text: str) -> str:
    """Return the translation of a text, with the values that were found in it."""
    values = {name: translated_value(name, value) for name, value in found.items()}
    if not isinstance(message.id, str):
        one, many = message.id
        digits = found.get("num", "").replace(",", "")
        is_one = digits == "1" or (not digits and _filled(one).fullmatch(text) is not None)
        return ntemplate(one, many, 1 if is_one else 2) % values
    if message.context:
        return ptemplate(message.context, message.id) % values
    return template(message.id) % values


def translated_value(name: str, value: str) -> str:
    """Return what stands for a placeholder in the current language, if it is a text or a number.

    Args:
        name: Of the placeholder.
        value: As an English text has it.
    """
    if name in NAMES:
        return value
    if _DAY.fullmatch(value):
        return long_date(date.fromisoformat(value))
    number = _NUMBER.fullmatch(value)
    if number is not None:
        digits = numeral(value.removesuffix("%"))
        return f"{digits}\N{NO-BREAK SPACE}%" if number["percent"] else digits
    if name in TEXTS:
        # As pydantic lists the values of which one is expected.
        choice = gettext("or")
        return _translated(language(), value).replace("' or '", f"' {choice} '")
    return _MOMENT.sub(_moment, value)


def _moment(found: re.Match[str]) -> str:
    moment = datetime.strptime(found[0], "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    return f"{short_date(moment.date())} {moment:%Y, %H:%M}"


@cache
def _texts(code: str) -> tuple[dict[str, Message], list[_Pattern]]:
    """Return the texts of a catalogue, and those with placeholders, the longest first."""
    plain: dict[str, Message] = {}
    patterns = []
    for message in catalogue(code):
        for one in _forms(message):
            pieces = _PLACEHOLDER.split(one)
            if len(pieces) == 1:
                # A text without a context is what the word means alone.
                if not message.context or one not in plain:
                    plain[one] = message
                continue
            fixed = _PLACEHOLDER.sub("", one)
            letters = _letters(fixed)
            is_known = letters >= MIN_LETTERS or 2 * _letters(pieces[0]) >= MIN_LETTERS
            if is_known or (letters > 1 and NUMBERS.intersection(pieces)):
                ends = (pieces[0], pieces[-1])
                patterns.append(_Pattern(letters, len(fixed), *ends, _filled(one), message))
    # Of two with the same words, the one with more around its values says more of them.
    patterns.sort(key=lambda pattern: (-pattern.letters, -pattern.size))
    return plain, patterns


def _forms(message: Message) -> Iterator[str]:
    yield from filter(None, (message.id,) if isinstance(message.id, str) else message.id)


@cache
def _filled(text: str) -> re.Pattern[str]:
    """Return the expression that a filled-in text matches, with a group for each value."""
    parts, position, seen = [], 0, set[str]()
    for found in _PLACEHOLDER.finditer(text):
        parts.append(re.escape(text[position : found.start()]))
        name = found[1]
        if name is None:
            parts.append("%")
        else:
            kind = r"-?\d[\d.,]*" if name in NUMBERS else ".*?"
            if name in {"camera", "stream"}:
                kind = r"\S+"
            if name == "hint":  # It follows on a list.
                kind = "(?:[;.].*)?"
            parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{kind})")
            seen.add(name)
        position = found.end()
    return re.compile("".join(parts) + re.escape(text[position:]), re.DOTALL)
