"""The texts of pages and reports in the person's language: one gettext catalogue per language.

The source text is English and is its own key. `CODE.po` beside this file translates it; to add a
language, add its file. `python -m tools.languages` updates the files from the code.

    from monitor.languages import _, lazy, ngettext

    _("The playlist %(name)s was saved.", name=name)
    ngettext("%(num)s screen", "%(num)s screens", count)
    TITLE = lazy("Screens")  # For constants: English for programs, translated where it is shown.

A percent sign in a text is written twice. Packages below this one have `lazy` and `nlazy` from
`detector.texts`. Templates have the same functions without an import, and
`{% trans %}`. The window's texts are elsewhere (`monitor/ui/texts.py`): several languages are
on the screen at the same time there, a missing text must stop the start, and Qt draws them.
"""

from __future__ import annotations

import gettext as gettext_files
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from babel import Locale
from babel.dates import format_date
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import get_decimal_symbol, get_group_symbol

from detector.texts import Later, LazyText, later, lazy, nlazy, plazy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date
    from typing import Any

    from babel.messages.catalog import Catalog

__all__ = [
    "LazyText",
    "_",
    "gettext",
    "later",
    "lazy",
    "ngettext",
    "nlazy",
    "pgettext",
    "plazy",
]

FOLDER = Path(__file__).parent
ENGLISH = "en"

_current: ContextVar[str] = ContextVar("language", default=ENGLISH)


@cache
def language_codes() -> tuple[str, ...]:
    """Return the code of each language, English first."""
    return (ENGLISH, *sorted(path.stem for path in FOLDER.glob("*.po")))


@cache
def languages() -> dict[str, str]:
    """Return the name of each language in itself, by its code; English is first."""
    return {code: str(Locale(code).get_display_name()).title() for code in language_codes()}


def language() -> str:
    """Return the code of the language of this thread, request or task; English by default."""
    return _current.get()


def set_language(code: str) -> None:
    """Speak a language from now on.

    Args:
        code: One of `languages`; any other means English.
    """
    _current.set(code if code in language_codes() else ENGLISH)


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Speak a language in a `with` block; as `set_language`."""
    token = _current.set(code if code in language_codes() else ENGLISH)
    try:
        yield
    finally:
        _current.reset(token)


def gettext(message: str, **values: Any) -> str:
    """Return a text in the current language, with `values` in the place of its `%(name)s`."""
    return template(message) % values


_ = gettext


def ngettext(one: str, many: str, num: int, **values: Any) -> str:
    """Return a text for a number of things.

    Args:
        one: The English text for one.
        many: The English text for all other numbers.
        num: How many. `%(num)s` shows it; give `shown_num` or another value to show it otherwise.
        **values: As in `gettext`.
    """
    return ntemplate(one, many, num) % {"num": numeral(f"{num:,}"), **values}


def pgettext(context: str, message: str, **values: Any) -> str:
    """Return a text that English also uses for something else, as `gettext`.

    Args:
        context: Tells the two apart for translators, such as "verb".
        message: The English text.
        **values: As in `gettext`.
    """
    return ptemplate(context, message) % values


def template(message: str) -> str:
    """Return a text in the current language with its placeholders, for Jinja."""
    found = _catalogue(language())
    return found.gettext(message) if message else ""


def ntemplate(one: str, many: str, num: int) -> str:
    """Return a text for a number of things with its placeholders, for Jinja."""
    return _catalogue(language()).ngettext(one, many, num)


def ptemplate(context: str, message: str) -> str:
    """Return a text of a context with its placeholders, for Jinja."""
    return _catalogue(language()).pgettext(context, message)


def numeral(text: str) -> str:
    """Write a number such as `-1,234.5` with the current language's separators."""
    code = language()
    return text if code == ENGLISH else text.translate(_separators(code))


def long_date(day: date) -> str:
    """Write `2 November 2026`."""
    return format_date(day, gettext("d MMMM y"), locale=language())


def short_date(day: date) -> str:
    """Write `2 Nov`."""
    return format_date(day, gettext("d MMM"), locale=language())


def listed(names: Sequence[str]) -> str:
    """Write `a, b and c`."""
    # British English has no comma before the "and".
    code = language()
    return format_list([str(name) for name in names], locale="en_GB" if code == ENGLISH else code)


def in_english(error: BaseException) -> str:
    """Return the sentence of an error for programs, logs and the database."""
    with speaking(ENGLISH):
        return str(error)


@cache
def catalogue(code: str) -> Catalog:
    """Return the texts of a language other than English, with their translations."""
    with (FOLDER / f"{code}.po").open("rb") as source:
        return read_po(source, locale=code, abort_invalid=True)


@cache
def _catalogue(code: str) -> gettext_files.NullTranslations:
    if code == ENGLISH:
        return gettext_files.NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, catalogue(code))
    compiled.seek(0)
    return gettext_files.GNUTranslations(compiled)


@cache
def _separators(code: str) -> dict[int, str]:
    return {ord("."): get_decimal_symbol(code), ord(","): get_group_symbol(code)}


class _Translator:
    """What `LazyText` asks."""

    def text(self, one: str, many: str | None, num: int, context: str) -> str:
        if many is not None:
            return ntemplate(one, many, num)
        return ptemplate(context, one) if context else template(one)

    def number(self, text: str) -> str:
        return numeral(text)

    def value(self, name: str, value: Any) -> Any:
        if language() == ENGLISH or isinstance(value, LazyText | Later | int | float):
            return value
        from monitor.languages.recognition import translated_value  # noqa: PLC0415 - imports this

        return translated_value(name, str(value))


LazyText.translator = _Translator()
