"""The texts of Jinja templates: `_`, `ngettext`, `pgettext`, and `{% trans %}`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from jinja2 import pass_context
from markupsafe import Markup

from monitor.languages import language, ntemplate, numeral, ptemplate, template

if TYPE_CHECKING:
    from collections.abc import Callable

    from jinja2 import Environment
    from jinja2.runtime import Context


def install_texts(environment: Environment) -> None:
    """Give the functions to all templates of an environment, and `language()`.

    A translated text may hold HTML, like the template around it; the values in it are escaped, and
    pass the environment's `finalize`.
    """
    environment.add_extension("jinja2.ext.i18n")
    environment.policies["ext.i18n.trimmed"] = True
    environment.newstyle_gettext = True  # type: ignore[attr-defined]
    # The extension's own functions would not let the values pass `finalize`.
    environment.globals |= {
        "_": _gettext,
        "gettext": _gettext,
        "ngettext": _ngettext,
        "pgettext": _pgettext,
        "language": language,
    }


def spoken(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter whose result depends on the language, so Jinja must not compute it early.

    It does so with constants, such as those of `{{ 0.5 | percent }}`, once for all languages.
    """

    @pass_context
    @functools.wraps(function)
    def apply(_context: Context, *args: Any, **options: Any) -> Any:
        return function(*args, **options)

    return apply


@pass_context
def _gettext(context: Context, message: str, **values: Any) -> str:
    return _filled(context, template(message), values)


@pass_context
def _ngettext(context: Context, one: str, many: str, num: int, **values: Any) -> str:
    values.setdefault("num", numeral(f"{num:,}"))
    return _filled(context, ntemplate(one, many, num), values)


@pass_context
def _pgettext(context: Context, about: str, message: str, **values: Any) -> str:
    return _filled(context, ptemplate(about, message), values)


def _filled(context: Context, text: str, values: dict[str, Any]) -> str:
    final = context.environment.finalize or (lambda value: value)
    shown = {name: final(value) for name, value in values.items()}
    return (Markup(text) if context.eval_ctx.autoescape else text) % shown  # noqa: S704 (ours)
