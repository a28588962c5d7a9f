"""Texts for people that also programs read: English, and translated where a page shows them.

`monitor.languages` has the translations, and `python -m tools.languages` finds the texts.
"""

from __future__ import annotations

from typing import Any, Protocol


class Translate(Protocol):
    """Returns a text in the current language, with its placeholders."""

    def __call__(self, one: str, many: str | None, num: int) -> str: ...


class LazyText(str):
    """A text whose content is English, and which is translated where it is shown.

    It is a normal English string for JSON, comparisons and `join`. `str(text)`, `f"{text}"` and
    templates show it in the language of the moment.

    Args:
        one: The English text; with `many`, that for one thing.
        values: What its `%(name)s` stand for.
        many: The English text for other numbers of things.
        num: How many.
    """

    translator: Translate | None = None
    """Set by what has the translations."""

    one: str
    many: str | None
    num: int
    values: dict[str, Any]

    def __new__(
        cls, one: str, values: dict[str, Any] | None = None, many: str | None = None, num: int = 1
    ) -> LazyText:
        values = values or {}
        english = {
            name: str.__str__(value) if isinstance(value, str) else value
            for name, value in values.items()
        }
        made = super().__new__(cls, (one if many is None or num == 1 else many) % english)
        made.one, made.values, made.many, made.num = one, values, many, num
        return made

    def __getnewargs__(self) -> tuple[str, dict[str, Any], str | None, int]:  # type: ignore[override]
        return self.one, self.values, self.many, self.num

    def __str__(self) -> str:
        translate = type(self).translator
        if translate is None:
            return str.__str__(self)
        return translate(self.one, self.many, self.num) % self.values

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


def lazy(message: str, **values: Any) -> LazyText:
    """Return a text for a constant or an error; see `LazyText`.

    Args:
        message: The English text, a literal; a percent sign is written twice.
        **values: What its `%(name)s` stand for.
    """
    return LazyText(message, values)


def nlazy(one: str, many: str, num: int, **values: Any) -> LazyText:
    """Return a text about a number of things, which `%(num)s` shows; see `LazyText`."""
    return LazyText(one, {"num": f"{num:,}", **values}, many, num)
