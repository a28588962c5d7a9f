"""The texts of the window: one YAML file per language in `languages/`. Imports no Qt.

To add a language, add its file; `en.yaml` is the pattern. A file with a missing or unknown key, or
with other fields in braces than the pattern, is refused, so no window is ever half translated.
"""

from __future__ import annotations

import os
import re
import string
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import yaml

from detector.names import printable
from monitor.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from detector.types import FaceReading
    from monitor.sensor.live import SensorHealth

Texts = Mapping[str, str]

FOLDER = Path(__file__).parent / "languages"
DEFAULT_LANGUAGE = "en"
MINUS = "\N{MINUS SIGN}"


class LanguageError(SetupError):
    """There are no texts in a language, or its file is wrong."""


def languages(folder: Path = FOLDER) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


def known_language(language: str, folder: Path = FOLDER) -> str:
    """Return a language's code, `de` also for `de-CH`; `LanguageError` if there are no texts."""
    code = re.split(r"[-_.@]", language.strip().lower(), maxsplit=1)[0]
    known = languages(folder)
    if code not in known:
        raise LanguageError(
            f"Invalid language: expected one of {', '.join(known)}, received {language!r}; choose "
            f"one of these, or add its texts as {code or 'its code'}.yaml beside the others."
        )
    return code


def default_language(environ: Mapping[str, str] | None = None, folder: Path = FOLDER) -> str:
    """Return the language of the machine's user, or English if it has no texts."""
    environ = os.environ if environ is None else environ
    # The first that is set counts (POSIX, chapter 8.2).
    variables = ("LC_ALL", "LC_MESSAGES", "LANG")
    wanted = next((environ[name] for name in variables if environ.get(name)), DEFAULT_LANGUAGE)
    try:
        return known_language(wanted, folder)
    except LanguageError:
        return DEFAULT_LANGUAGE


@cache
def texts_for(language: str, folder: Path = FOLDER) -> Texts:
    """Return the checked texts of a language, by key; raise `LanguageError` if they are wrong."""
    code = known_language(language, folder)
    path = folder / f"{code}.yaml"
    texts = _read(path)
    if code != DEFAULT_LANGUAGE:
        _check_against_pattern(path, texts, texts_for(DEFAULT_LANGUAGE, folder))
    return MappingProxyType(texts)


def emotion_text(texts: Texts, label: str) -> str:
    """Return the name of a label: translated if it is an emotion, else as the model has it."""
    return texts.get(f"emotion_{label}", printable(label))


def withheld_text(texts: Texts, reason: str) -> str:
    return texts[f"withheld_{reason.replace(' ', '_')}"]


def state_text(texts: Texts, health: SensorHealth, *, was_seen: bool = True) -> str:
    """Return the state of the sensor, or the reason why it does not measure if that has a text.

    Args:
        texts: Of the window's language.
        health: Of the sensor.
        was_seen: Whether the camera ever gave a picture; one that never did is not lost.
    """
    state = texts[f"state_{health.state}"]
    if health.cause == "camera_lost" and not was_seen:
        return state
    return texts.get(f"fault_{health.cause}", state)


def hint_text(texts: Texts, health: SensorHealth) -> str:
    """Return what to do so that the sensor measures again; empty where that is not known."""
    cause = health.cause or ("camera_lost" if health.state == "reconnecting" else "")
    return texts.get(f"hint_{cause}", "")


def viewers_text(texts: Texts, readings: Iterable[FaceReading]) -> str:
    """Return text such as `2 viewers · 1 looking`; static faces do not count."""
    viewers = [reading for reading in readings if not reading.static]
    count = len(viewers)
    if count == 0:
        return texts["viewers_0"]
    text = texts["viewers_1"] if count == 1 else texts["viewers_n"].format(count=count)
    attentive = sum(reading.attentive for reading in viewers)
    return f"{text} · {texts['attentive'].format(count=attentive)}"


def number_text(texts: Texts, value: float, digits: int = 1) -> str:
    """Return a number with a fixed count of decimals, in the notation of a language."""
    separators = str.maketrans(",.-", texts["group_separator"] + texts["decimal_point"] + MINUS)
    return f"{value:,.{digits}f}".translate(separators)


def signed_text(texts: Texts, value: float) -> str:
    """Return a number with its sign and two decimals; zero has no sign."""
    text = number_text(texts, value, 2)
    if float(f"{value:.2f}") == 0:
        return text.removeprefix(MINUS)
    return f"+{text}" if value > 0 else text


def percent_text(texts: Texts, share: float, digits: int = 0) -> str:
    """Return a share, 0 to 1, as a percentage."""
    return texts["percent"].format(percent=number_text(texts, 100 * share, digits))


def fields(text: str) -> frozenset[str]:
    """Return the words in braces; `ValueError` if one has no partner or holds other than a word."""
    found = set()
    for _, name, form, conversion in string.Formatter().parse(text):
        if name is None:
            continue
        if not name.isidentifier() or form or conversion:
            raise ValueError(f"expected one plain word in braces, received {{{name}}}")
        found.add(name)
    return frozenset(found)


def _read(path: Path) -> dict[str, str]:
    try:
        root = yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise LanguageError(
            f"The texts in {path} cannot be read: expected UTF-8 and YAML, received {reason}."
        ) from error
    if not isinstance(root, yaml.MappingNode):
        raise LanguageError(
            f"The texts in {path} are wrong: expected lines `key: text` as in en.yaml."
        )
    texts: dict[str, str] = {}
    for key, value in root.value:
        # Scalars as they were written: an unquoted `on` or `5` is a text like any other.
        is_text = isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode)
        problem = ""
        if not is_text or not value.value.strip():
            problem = "expected `key: text`, received something else or an empty text; fill it in"
        elif key.value in texts:
            problem = f"expected each key once, received {key.value!r} again; delete one of the two"
        else:
            try:
                fields(value.value)
            except ValueError as error:
                problem = f"the braces of {key.value!r} are wrong: {error}; correct them"
        if problem:
            raise LanguageError(f"{path}, line {key.start_mark.line + 1}: {problem}.")
        texts[key.value] = value.value
    return texts


def _check_against_pattern(path: Path, texts: Texts, pattern: Texts) -> None:
    missing, unknown = sorted(set(pattern) - set(texts)), sorted(set(texts) - set(pattern))
    if missing or unknown:
        received = [f"no {', '.join(missing)}"] if missing else []
        received += [f"the unknown {', '.join(unknown)}"] if unknown else []
        raise LanguageError(
            f"The texts in {path} are wrong: expected the keys of en.yaml, received "
            f"{' and '.join(received)}; add the missing and delete the unknown ones."
        )
    for key, text in texts.items():
        if fields(text) != fields(pattern[key]):
            expected = ", ".join(f"{{{name}}}" for name in sorted(fields(pattern[key]))) or "none"
            raise LanguageError(
                f"The text {key} in {path} is wrong: expected the words in braces of en.yaml "
                f"({expected}), received {text!r}; keep these words as they are."
            )
