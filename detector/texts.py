"""Texts for people that also programs read: English, and translated where a page shows them.

`monitor.languages` has the translations, and `python -m tools.languages` finds the texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Translator(Protocol):
    """Speaks the language of the moment."""

    def text(self, one: str, many: str | None, num: int, context: str) -> str:
        """Return a text with its placeholders."""

    def number(self, text: str) -> str:
        """Return a number that is written in English."""

    def value(self, name: str, value: Any) -> Any:
        """Return what stands for a placeholder, if that is a text or a number in English."""


class LazyText(str):
    """A text whose content is English, and which is translated where it is shown.

    It is a normal English string for JSON, comparisons and `join`. `str(text)`, `f"{text}"` and
    templates show it in the language of the moment. Make it while English is spoken, if its values
    are `Later`.

    Args:
        one: The English text; with `many`, that for one thing.
        values: What its `%(name)s` stand for.
        many: The English text for other numbers of things.
        num: How many; `%(num)s` shows it.
        context: Tells texts apart that are the same in English; see `plazy`.
    """

    translator: Translator | None = None
    """Set by what has the translations."""

    one: str
    many: str | None
    num: int
    values: dict[str, Any]
    context: str

    def __new__(
        cls,
        one: str,
        values: dict[str, Any] | None = None,
        many: str | None = None,
        num: int = 1,
        context: str = "",
    ) -> LazyText:
        values = values or {}
        english = {
            name: str.__str__(value) if isinstance(value, str) else value
            for name, value in {"num": f"{num:,}", **values}.items()
        }
        made = super().__new__(cls, (one if many is None or num == 1 else many) % english)
        made.one, made.values, made.many, made.num, made.context = one, values, many, num, context
        return made

    def __getnewargs__(self) -> tuple[str, dict[str, Any], str | None, int, str]:  # type: ignore[override]
        return self.one, self.values, self.many, self.num, self.context

    def __str__(self) -> str:
        spoken = type(self).translator
        if spoken is None:
            return str.__str__(self)
        values = {name: spoken.value(name, value) for name, value in self.values.items()}
        values = {"num": spoken.number(f"{self.num:,}"), **values}
        return spoken.text(self.one, self.many, self.num, self.context) % values

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


@dataclass(frozen=True, slots=True)
class Later:
    """A value of a `LazyText` that is written where the text is shown, such as a number."""

    write: Callable[..., str]
    arguments: tuple[Any, ...]

    def __str__(self) -> str:
        return str(self.write(*self.arguments))


def lazy(message: str, **values: Any) -> LazyText:
    """Return a text for a constant or an error; see `LazyText`.

    Args:
        message: The English text, a literal; a percent sign is written twice.
        **values: What its `%(name)s` stand for.
    """
    return LazyText(message, values)


def nlazy(one: str, many: str, num: int, **values: Any) -> LazyText:
    """Return a text about a number of things, which `%(num)s` shows; see `LazyText`."""
    return LazyText(one, values, many, num)


def plazy(context: str, message: str, **values: Any) -> LazyText:
    """Return a text that English also uses for something else, such as "measure"; see `lazy`."""
    return LazyText(message, values, context=context)


def later(write: Callable[..., str], *arguments: Any) -> Later:
    """Return what a function writes, for a `LazyText`; it is called each time that is shown."""
    return Later(write, arguments)
