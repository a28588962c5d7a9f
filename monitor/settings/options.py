"""Command-line options made from settings, and help in groups."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.settings.models import SECTIONS
from monitor.settings.sources import Setting, settings_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

_ALL = f"{__name__}.all"


class SettingOption(click.Option):
    """The option of a setting."""

    def __init__(self, setting: Setting, **attributes: Any) -> None:
        option, kind = str(setting.option), setting.kind
        default = (
            ""
            if kind is bool or setting.default_text in {"none", "[]", "''"}
            else (f" [default: {setting.default_text}]")
        )
        if kind is bool:
            # Neither --x nor --no-x: not given.
            attributes["default"] = None
        super().__init__(
            [setting.name, f"{option}/--no-{option[2:]}" if kind is bool else option],
            type=_click_type(setting),
            multiple=kind is tuple,
            metavar=setting.metavar or {int: "N", float: "X", Path: "FILE"}.get(kind),
            help=f"{setting.help}{' May be repeated.' if kind is tuple else ''}{default}",
            **attributes,
        )
        self.setting = setting


def _click_type(setting: Setting) -> Any:
    kind, limits = setting.kind, dict[str, Any](setting.limits)
    if isinstance(kind, tuple):
        return click.Choice(kind)
    if kind in {int, float}:
        make = WholeRange if kind is int else NumberRange
        return make(
            limits.get("ge", limits.get("gt")),
            limits.get("le", limits.get("lt")),
            min_open="gt" in limits,
            max_open="lt" in limits,
        )
    if kind is tuple:
        return str
    if kind is Path:
        return GivenPath(path_type=Path)
    return given_text if setting.name in {"database", "model"} else kind


class WholeRange(click.IntRange):
    """A range of whole numbers whose errors say which are expected."""

    name = "n"  # what the help calls a value: N

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Return the number."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(_expected("a whole number", self, value), param, ctx)


class NumberRange(click.FloatRange):
    """A range that refuses nan, which is below no bound and above none, and infinity."""

    name = "x"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Return the number."""
        try:
            number = super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(_expected("a number", self, value), param, ctx)
        if not math.isfinite(number):
            self.fail(_expected("a finite number", self, value), param, ctx)
        return number


def _expected(what: str, bounds: click.IntRange | click.FloatRange, value: Any) -> str:
    least, most = (None if one is None else f"{one:.10g}" for one in (bounds.min, bounds.max))
    low = "above" if bounds.min_open else "of at least" if most is None else "from"
    high = "below" if bounds.max_open else "to" if low == "from" else "and at most"
    words = [what, *([low, least] if least else []), *([high, most] if most else [])]
    return f"expected {' '.join(words)}, received {value!r}."


class GivenPath(click.Path):
    """A path that an empty variable of a script does not turn into this folder."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the path."""
        return super().convert(given_text(value) if value == "" else value, param, ctx)

    def split_envvar_value(self, rv: str) -> list[str]:
        """Return the paths of a variable; one that ends in the mark between them has no more."""
        return [path for path in super().split_envvar_value(rv) if path]


def given_text(value: str) -> str:
    """Return a text; refuse an empty one."""
    if not value.strip():
        raise click.BadParameter("expected a path or a name, received an empty text.")
    return value


def settings_options(
    *models: type[BaseModel], config: bool = True, without: tuple[str, ...] = ()
) -> Callable[[Any], Any]:
    """Return a decorator that gives a command the options of settings, and `--config`.

    `without` names settings for which the command has options of its own.
    """

    def decorate(command: Any) -> Any:
        options = [
            SettingOption(setting)
            for model in models
            for setting in settings_of(model)
            if setting.option is not None and setting.name not in without
        ]
        order = list(SECTIONS)
        options.sort(key=lambda one: order.index(one.setting.key.split(".")[0]))
        command.__dict__.setdefault("__click_params__", []).extend(reversed(options))
        return config_option(command) if config else command

    return decorate


def setting_option(model: type[BaseModel], name: str, **attributes: Any) -> Callable[[Any], Any]:
    """Return a decorator that gives a command the option of one setting."""

    def decorate(command: Any) -> Any:
        [setting] = [one for one in settings_of(model) if one.name == name]
        command.__dict__.setdefault("__click_params__", []).append(
            SettingOption(setting, **attributes)
        )
        return command

    return decorate


config_option = click.option(
    "--config",
    type=GivenPath(path_type=Path),
    metavar="FILE",
    help="Settings file; `ad-monitor config init` writes one. By default kiosk.yaml in your "
    "settings folder, if it is there. Options and environment variables (AD_MONITOR_...) override "
    "it.",
)


def _show_all(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        context.meta[_ALL] = True
        click.echo(context.get_help(), color=context.color)
        context.exit()


class SettingsCommand(click.Command):
    """A command whose help shows the most important settings in groups; `--help-all` shows all."""

    def is_important(self, setting: Setting) -> bool:
        """Return whether `--help` shows a setting."""
        return setting.first

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the options, `--help-all` last."""
        everything = click.Option(
            ["--help-all"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_all,
            help="Show all options and exit.",
        )
        return [*super().get_params(ctx), everything]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in groups."""
        groups: dict[str, list[tuple[str, str]]] = {}
        others: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            setting = getattr(parameter, "setting", None)
            record = parameter.get_help_record(ctx)
            # Arguments are in the line of usage, and explained below it.
            if (
                isinstance(parameter, click.Argument)
                or record is None
                or (setting and _ALL not in ctx.meta and not self.is_important(setting))
            ):
                continue
            section = SECTIONS[setting.key.split(".")[0]] if setting else ""
            (groups.setdefault(section, []) if section else others).append(record)
        for title, records in (groups | {"Other options": others}).items():
            with formatter.section(title):
                formatter.write_dl(records)
