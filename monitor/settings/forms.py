"""A form for every setting, made from the settings' models: kind of input, bounds, help, origin."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from detector.sources.passwords import hide_passwords
from monitor.settings.models import MODELS, RunSettings
from monitor.settings.sources import Sources, all_settings, mistakes, settings_of, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from monitor.settings.sources import Setting, SettingsFile

Input = Literal["switch", "choice", "number", "lines", "text", "secret"]
"""How a setting is asked for."""

TOKENS = ("web.token", "hub.token", "hub.oidc_client_secret")
"""Settings that are secret as a whole."""

SECRET_KEYS = (*TOKENS, "mqtt.broker", "hub.mail")
"""Settings that are, or usually hold, a password or token."""


@dataclass(frozen=True, slots=True)
class SettingField:
    """A setting as a form shows it.

    Attributes:
        key: Such as `data.site`.
        help, expected, default: In words.
        input: How it is asked for.
        choices: Of a `choice`.
        attributes: Bounds of a `number`, as HTML's input takes them.
        value: What the settings file says, as it is typed; empty if it says nothing, and for a
            `secret`, which is never shown.
        is_set: Whether the settings file says something.
        in_force: The value that applies, as the file would write it, without passwords.
        origin: Where it comes from; `default` if nobody set it.
        is_overridden: Whether an option or the environment stands above the file.
    """

    key: str
    help: str
    expected: str
    default: str
    input: Input
    choices: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    value: str = ""
    is_set: bool = False
    in_force: str = ""
    origin: str = "default"
    is_overridden: bool = False

    @property
    def name(self) -> str:
        """The setting's name in its section."""
        return self.key.partition(".")[2]


def fields_of(
    section: str,
    file: SettingsFile | None,
    options: Mapping[str, Any],
    hub: Mapping[str, Any] | None = None,
) -> list[SettingField]:
    """Return the fields of a section.

    Args:
        section: One of `SECTIONS`.
        file: The settings file; `None` if there is none yet.
        options: The kiosk's, by name; they do not count for other commands.
        hub: What the kiosk's hub has set, by key.
    """
    nothing = Sources({}, file)
    kiosk = Sources(options, file, hub=hub or {})
    return [
        _field(setting, file, kiosk if _model_of(setting.key) is RunSettings else nothing)
        for setting in all_settings().values()
        if setting.key.startswith(f"{section}.")
    ]


def typed_value(field: SettingField, typed: str) -> Any:
    """Return what somebody typed in YAML's types; `None` for nothing, which means the default.

    What is no number where one is expected stays text, so that the settings' models refuse it.
    """
    text = typed.strip()
    if field.input == "lines":
        lines = [line.strip() for line in typed.splitlines()]
        return [line for line in lines if line] or None
    if not text:
        return None
    if field.input == "switch":
        return {"true": True, "false": False}.get(text, text)
    if field.input == "number":
        plain = text.replace(",", ".") if text.count(",") == 1 else text
        if re.fullmatch(r"[-+]?\d{1,18}", plain):
            return int(plain)
        if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?", plain):
            return float(plain)
    return text


def problem_with(key: str, value: Any) -> str | None:
    """Return what is wrong with the value of a setting, in a sentence; `None` is never wrong."""
    if value is None:
        return None
    found = mistakes(_model_of(key), {key: value})
    if not found:
        return None
    return f"{found[0].why[:1].upper()}{found[0].why[1:]}"


def public(key: str, value: Any) -> Any:
    """Return a value as the audit log keeps it: without passwords."""
    if value is None:
        return None
    if key in SECRET_KEYS:
        return "***"
    if isinstance(value, list | tuple):
        return [hide_passwords(str(one)) for one in value]
    return hide_passwords(value) if isinstance(value, str) else value


@cache
def _model_of(key: str) -> type[BaseModel]:
    return next(
        model for model in MODELS if any(setting.key == key for setting in settings_of(model))
    )


def _field(setting: Setting, file: SettingsFile | None, sources: Sources) -> SettingField:
    key, kind = setting.key, setting.kind
    in_file = None if file is None else file.values.get(key)
    found = sources.find(setting)
    applies = setting.field.get_default(call_default_factory=True) if found is None else found[0]
    origin = "default" if found is None else found[1]
    in_force = setting.default_text if found is None and setting.fallback else _shown(key, applies)
    is_secret = key in SECRET_KEYS or (
        isinstance(in_file, str) and hide_passwords(in_file) != in_file
    )
    words = _words_of(setting)
    asked: Input = "secret" if is_secret else "choice" if words else _input_of(kind)
    return SettingField(
        key=key,
        help=setting.help,
        expected=setting.expected,
        default=setting.default_text,
        input=asked,
        choices=words,
        attributes=_attributes(setting) if asked == "number" else (),
        value="" if is_secret or in_file is None else _typed(in_file, asked),
        is_set=in_file is not None,
        in_force=in_force,
        origin=origin,
        is_overridden=origin.startswith(("option ", "environment variable ")),
    )


def _words_of(setting: Setting) -> tuple[str, ...]:
    """Return the words to choose from, also those that only the placeholder names: `[de|en]`."""
    if isinstance(setting.kind, tuple):
        return setting.kind
    placeholder = setting.metavar or ""
    is_list = setting.kind is str and placeholder.startswith("[")
    return tuple(placeholder.strip("[]").split("|")) if is_list else ()


def _input_of(kind: Any) -> Input:
    inputs: dict[Any, Input] = {bool: "switch", int: "number", float: "number", tuple: "lines"}
    return inputs.get(kind, "text")


def _attributes(setting: Setting) -> tuple[tuple[str, str], ...]:
    limits = setting.limits
    found = [("step", "1" if setting.kind is int else "any")]
    for name, bound in (("min", "ge"), ("min", "gt"), ("max", "le"), ("max", "lt")):
        if bound in limits:
            found.append((name, f"{limits[bound]:g}"))
    return tuple(found)


def _typed(value: Any, asked: Input) -> str:
    if asked == "lines":
        parts = value if isinstance(value, list | tuple) else [value]
        return "\n".join(str(part) for part in parts)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _shown(key: str, value: Any) -> str:
    return "***" if key in SECRET_KEYS and value else hide_passwords(shown(value))
