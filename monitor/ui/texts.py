"""Every text that the window shows, by language: one YAML file each in `languages/`. Imports no Qt.

A language is added by adding its file; `en.yaml` is the pattern. A file that lacks a text, has one
too many, or has other words in braces than the pattern is refused, so that no window is ever half
translated.
"""

from __future__ import annotations

import os
import re
import string
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import yaml

from monitor.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.sensor.live import SensorHealth

FOLDER = Path(__file__).parent / "languages"
DEFAULT_LANGUAGE = "en"
LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
"""Where a system says which language its user reads, the first one that is set counts (POSIX, chapter 8.2)."""


class LanguageError(SetupError):
    """There are no texts in a language, or its file is wrong."""


def languages(folder: Path = FOLDER) -> tuple[str, ...]:
    """The codes that can be asked for, in the order of the alphabet."""
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


def known_language(language: str, folder: Path = FOLDER) -> str:
    """The code of a language that there are texts for.

    Args:
        language: A code such as `de`; of `de_AT.UTF-8` or `de-CH` only the first part counts.
        folder: Where the files of the languages are.

    Raises:
        LanguageError: There are no texts in that language.
    """
    code = re.split(r"[-_.@]", language.strip().lower(), maxsplit=1)[0]
    known = languages(folder)
    if code not in known:
        raise LanguageError(
            f"Invalid language: expected one of {', '.join(known)}, received {language!r}; choose one of these, or add "
            f"its texts as {code or 'its code'}.yaml beside those of the others."
        )
    return code


def default_language(environ: Mapping[str, str] | None = None, folder: Path = FOLDER) -> str:
    """The language of the machine's user, or English where there are no texts in it.

    Args:
        environ: The environment to look at; the process's own by default.
        folder: Where the files of the languages are.
    """
    environ = os.environ if environ is None else environ
    wanted = next(
        (environ[name] for name in LOCALE_VARIABLES if environ.get(name)), DEFAULT_LANGUAGE
    )
    try:
        return known_language(wanted, folder)
    except LanguageError:
        return DEFAULT_LANGUAGE


@cache
def texts_for(language: str, folder: Path = FOLDER) -> Mapping[str, str]:
    """The texts of a language, checked.

    Args:
        language: A code such as `de`; of `de_AT.UTF-8` or `de-CH` only the first part counts.
        folder: Where the files of the languages are.

    Returns:
        Key -> text, with the keys of the English file and the same words in braces.

    Raises:
        LanguageError: There are no texts in that language, or its file is wrong.
    """
    code = known_language(language, folder)
    texts = _read(folder / f"{code}.yaml")
    if code != DEFAULT_LANGUAGE:
        _compare(folder / f"{code}.yaml", texts, texts_for(DEFAULT_LANGUAGE, folder))
    return MappingProxyType(texts)


def withheld_text(texts: Mapping[str, str], reason: str) -> str:
    """Why a viewer's emotion is withheld, in the words of a language.

    Args:
        texts: Of that language.
        reason: One of `detector.types.WITHHELD_REASONS`.
    """
    return texts[f"withheld_{reason.replace(' ', '_')}"]


def state_text(texts: Mapping[str, str], health: SensorHealth) -> str:
    """What the sensor is doing, in the words of a language; why nothing is measured, where there are words for that.

    Args:
        texts: Of that language.
        health: How the sensor is doing.
    """
    return texts.get(f"fault_{health.cause}", texts[f"state_{health.state}"])


def number_text(texts: Mapping[str, str], value: float, digits: int = 1) -> str:
    """A number with a fixed count of digits after the point, written as in a language."""
    return f"{value:.{digits}f}".replace(".", texts["decimal_point"])


def fields(text: str) -> frozenset[str]:
    """The words in braces of a text.

    Raises:
        ValueError: A brace has no partner, or there is more in the braces than one plain word.
    """
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
        raise LanguageError(
            f"The texts in {path} cannot be read: expected UTF-8 and YAML, received {_on_one_line(error)}."
        ) from error
    if not isinstance(root, yaml.MappingNode):
        raise LanguageError(
            f"The texts in {path} are wrong: expected lines `key: text` as in en.yaml."
        )
    texts: dict[str, str] = {}
    for key, value in root.value:
        # The scalars as they were written: an unquoted `on` or `5` is a text like any other.
        where = f"{path}, line {key.start_mark.line + 1}"
        if (
            not isinstance(key, yaml.ScalarNode)
            or not isinstance(value, yaml.ScalarNode)
            or not value.value.strip()
        ):
            raise LanguageError(
                f"{where}: expected `key: text`, received something else or an empty text; fill it in."
            )
        if key.value in texts:
            raise LanguageError(
                f"{where}: expected each key once, received {key.value!r} again; delete one of the two."
            )
        try:
            fields(value.value)
        except ValueError as error:
            raise LanguageError(
                f"{where}: the braces of {key.value!r} are wrong: {error}; correct them."
            ) from error
        texts[key.value] = value.value
    return texts


def _compare(path: Path, texts: Mapping[str, str], pattern: Mapping[str, str]) -> None:
    missing, unknown = sorted(set(pattern) - set(texts)), sorted(set(texts) - set(pattern))
    if missing or unknown:
        received = [f"no {', '.join(missing)}"] if missing else []
        received += [f"the unknown {', '.join(unknown)}"] if unknown else []
        raise LanguageError(
            f"The texts in {path} are wrong: expected the keys of en.yaml, received {' and '.join(received)}; add what "
            "is missing and delete what is unknown."
        )
    for key, text in texts.items():
        if fields(text) != fields(pattern[key]):
            expected = ", ".join(f"{{{name}}}" for name in sorted(fields(pattern[key]))) or "none"
            raise LanguageError(
                f"The text {key} in {path} is wrong: expected the words in braces of en.yaml ({expected}), received "
                f"{text!r}; keep these words as they are."
            )


def _on_one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
