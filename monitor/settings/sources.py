"""Where settings come from: option, else environment variable, else settings file, else default.

`pydantic-settings` merges sources too, but knows neither the line of a value in the file nor which
source a value came from, and takes longer to import than all of this.
"""

from __future__ import annotations

import ast
import difflib
import os
import re
import sys
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from detector.names import printable
from monitor.errors import SetupError
from monitor.languages import _, later, lazy, numeral
from monitor.settings.models import MODELS, SECTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

    from ads.playlists.yaml_file import YamlDocument
    from monitor.languages import LazyText

Model = TypeVar("Model", bound=BaseModel)


class SettingsError(SetupError):
    """A setting, or the settings file, is wrong."""


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        key: Section and name in the settings file, such as `camera.source`.
        path: Names of the fields that lead to it from its model.
        field: Its default and bounds.
        help, option, fallback, metavar, first: See `monitor.settings.models.setting`.
    """

    key: str
    path: tuple[str, ...]
    field: FieldInfo
    help: LazyText
    option: str | None
    fallback: LazyText | None = None
    metavar: str | None = None
    first: bool = False

    @property
    def name(self) -> str:
        """Its name among the parameters of a command."""
        return self.path[-1]

    @property
    def variable(self) -> str:
        """Its environment variable."""
        section = "training_" if self.key.startswith("training.") else ""
        name = self.option or self.key
        return f"AD_MONITOR_{section}{re.sub('[-.]', '_', name.lstrip('-'))}".upper()

    @property
    def kind(self) -> Any:
        """Its type: bool, int, float, str, Path, tuple, or a tuple of the words to choose from."""
        return _kind(self.field.annotation)

    @property
    def holds_paths(self) -> bool:
        """Whether it is a path, or a list of paths."""
        return Path in {self.kind, *get_args(self.field.annotation)}

    @property
    def limits(self) -> dict[str, float]:
        """Its bounds, by `ge`, `gt`, `le` and `lt`."""
        return {
            name: getattr(bound, name)
            for bound in self.field.metadata
            for name in ("ge", "gt", "le", "lt")
            if hasattr(bound, name)
        }

    @property
    def default_text(self) -> str:
        """What applies if nobody sets it."""
        return self.fallback or shown(self.field.get_default())

    @property
    def expected(self) -> LazyText:
        """The values it takes, for help and errors."""
        if isinstance(self.kind, tuple):
            return lazy("one of %(words)s", words=", ".join(self.kind))
        words = {
            bool: lazy("true or false"),
            int: lazy("a whole number"),
            float: lazy("a number"),
            Path: lazy("a path"),
            tuple: lazy("a list"),
        }
        what = words.get(self.kind, lazy("text"))
        limits = {name: later(numeral, f"{bound:.10g}") for name, bound in self.limits.items()}
        if {"ge", "le"} <= limits.keys():
            return lazy("%(what)s from %(ge)s to %(le)s", what=what, **limits)
        if {"gt", "le"} <= limits.keys():
            return lazy("%(what)s above %(gt)s and at most %(le)s", what=what, **limits)
        if "ge" in limits:
            return lazy("%(what)s of at least %(ge)s", what=what, **limits)
        return lazy("%(what)s above %(gt)s", what=what, **limits) if limits else what


def _kind(annotation: Any) -> Any:
    if get_origin(annotation) is Literal:
        return tuple(str(choice) for choice in get_args(annotation))
    if get_origin(annotation) in {Union, UnionType}:
        return _kind(get_args(annotation)[0])
    return get_origin(annotation) or annotation


@cache
def settings_of(model: type[BaseModel]) -> tuple[Setting, ...]:
    """Return the settings of a model, in the order of its fields."""
    found, docs = [], _docs(model)
    for name, described in model.model_fields.items():
        extra = described.json_schema_extra
        if not isinstance(extra, dict):
            continue
        if "key" in extra:
            given: Any = dict(extra)
            section, _dot, key = given.pop("key").partition(".")
            key = key or name
            given["option"] = given["option"] or f"--{key.replace('_', '-')}"
            given["fallback"] = _text(given["fallback"])
            words = _text(docs[name])
            found.append(Setting(f"{section}.{key}", (name,), described, words, **given))
            continue
        inner: Any = described.annotation
        options: Any = extra["options"]
        for part, part_field in inner.model_fields.items():
            key, words = f"{extra['section']}.{part}", _text(_docs(inner)[part])
            given = part_field.json_schema_extra
            fallback = _text(given.get("fallback")) if isinstance(given, dict) else None
            found.append(Setting(key, (name, part), part_field, words, options.get(part), fallback))
    return tuple(found)


def all_settings() -> dict[str, Setting]:
    """Return every setting by its key, in the order of the sections."""
    found = {setting.key: setting for model in MODELS for setting in settings_of(model)}
    order = list(SECTIONS)
    return dict(sorted(found.items(), key=lambda item: order.index(item[0].split(".")[0])))


def _text(words: Any) -> Any:
    """Return a text of a model, translated where it is shown; `tools.languages` finds them."""
    return lazy(words.replace("%", "%%")) if words else None


@cache
def _docs(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstrings of a model's fields. Pydantic's own way parses the file per model."""
    classes = [_classes(base.__module__)[base.__name__] for base in reversed(model.__mro__[:-2])]
    return {
        field.target.id: " ".join(str(doc.value.value).split())
        for body in (node.body for node in classes)
        for field, doc in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(doc, ast.Expr) and isinstance(doc.value, ast.Constant)
    }


@cache
def _classes(module: str) -> dict[str, ast.ClassDef]:
    source = Path(str(sys.modules[module].__file__)).read_text(encoding="utf-8")
    return {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}


class SettingsFile:
    """A settings file: YAML with sections of keys.

    Args:
        path: The file.
        text: What is in it, or is to be written there; `None` reads the file.

    Attributes:
        values: What it sets, by key.
        unknown: A sentence for every unknown key.

    Raises:
        SettingsError: It cannot be read.
    """

    def __init__(self, path: Path, text: str | None = None) -> None:
        from ads.playlists.yaml_file import (  # noqa: PLC0415
            YamlFileError,
            parse_yaml,
            read_yaml,
        )

        self.path = path
        self.values: dict[str, Any] = {}
        self.unknown: list[str] = []
        try:
            self._document: YamlDocument = (
                read_yaml(path, lazy("settings file")) if text is None else parse_yaml(text)
            )
        except YamlFileError as error:
            raise SettingsError(str(error)) from None
        known, content = all_settings(), self._document.content or {}
        if not isinstance(content, dict):
            raise SettingsError(
                _(
                    "%(file)s: expected sections such as %(sections)s, received %(value)s.",
                    file=path,
                    sections=", ".join(list(SECTIONS)[:3]),
                    value=shown(content),
                )
            )
        for section, entries in content.items():
            if section not in SECTIONS:
                self._refuse(str(section), list(SECTIONS), known)
            elif entries is not None and not isinstance(entries, dict):
                self.unknown.append(
                    _(
                        "%(place)s: %(section)s must be a section with keys below it, received "
                        "%(value)s.",
                        place=self.place(section),
                        section=section,
                        value=shown(entries),
                    )
                )
            else:
                for name, value in (entries or {}).items():
                    key = f"{section}.{name}"
                    if key not in known:
                        self._refuse(key, [k for k in known if k.startswith(f"{section}.")], known)
                    elif value is not None:
                        self.values[key] = value

    def place(self, key: str) -> str:
        """Return file and line of a key."""
        return f"{self.path}:{self._document.line_of(key.split('.'))}"

    def _refuse(self, key: str, near: list[str], known: Mapping[str, Setting]) -> None:
        name = key.rpartition(".")[2]
        elsewhere = [k for k in known if k.rpartition(".")[2] == name]
        nearest = (
            elsewhere
            or difflib.get_close_matches(key, near, n=1)
            or difflib.get_close_matches(key, [*SECTIONS, *known], n=1)
        )
        facts = {"place": self.place(key), "key": key}
        if nearest:
            wrong = _(
                "%(place)s: unknown key %(key)s; did you mean %(near)s?", near=nearest[0], **facts
            )
        else:
            wrong = _(
                "%(place)s: unknown key %(key)s; expected one of %(names)s.",
                names=", ".join(near),
                **facts,
            )
        self.unknown.append(wrong)


@dataclass(frozen=True)
class Sources:
    """What users have set: options by name (`None` or empty if not given), file, environment.

    `hub` holds what the hub wishes, by key; whatever is set on this machine comes first. `ignored`
    are keys that count as not set.
    """

    options: Mapping[str, Any]
    file: SettingsFile | None = None
    environ: Mapping[str, str] | None = None
    hub: Mapping[str, Any] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()

    def find(self, setting: Setting) -> tuple[Any, str] | None:
        """Return the value that applies and its origin; `None` if nobody set it."""
        if setting.key in self.ignored:
            return None
        option = self.options.get(setting.name)
        if setting.option is not None and option is not None and option != ():
            return option, lazy("option %(name)s", name=setting.option)
        variable = (os.environ if self.environ is None else self.environ).get(setting.variable)
        if variable:
            mark = os.pathsep if setting.holds_paths else ","
            parts = [part.strip() for part in variable.split(mark) if part.strip()]
            return (
                parts if setting.kind is tuple else variable,
                lazy("environment variable %(name)s", name=setting.variable),
            )
        if self.file is not None and setting.key in self.file.values:
            value = self.file.values[setting.key]
            return _relative_to(self.file.path.parent, setting, value), self.file.place(setting.key)
        if setting.key in self.hub:
            return self.hub[setting.key], lazy("the hub")
        return None


def _relative_to(folder: Path, setting: Setting, value: Any) -> Any:
    """Make relative paths in the file begin in its folder."""
    if setting.holds_paths and isinstance(value, list):
        return [str(folder / str(part)) if part != "" else part for part in value]
    plain = (
        setting.key in {"data.database", "hub.database"}
        and isinstance(value, str)
        and "://" not in value
    )
    is_log = setting.key == "run.log" and value != "none"
    if isinstance(value, str) and value and (setting.holds_paths or plain or is_log):
        return str(folder / value)
    return value


def load(model: type[Model], sources: Sources, **computed: Any) -> Model:
    """Make frozen settings from all sources; `computed` are fields or defaults of the program.

    Raises:
        SettingsError: The file has an unknown key, or a value is wrong.
    """
    if sources.file is not None and sources.file.unknown:
        raise SettingsError(sources.file.unknown[0])
    made, wrong = _make(model, sources, computed)
    if made is None:
        raise SettingsError(wrong[0].sentence)
    return made


def load_usable(model: type[Model], sources: Sources, **computed: Any) -> Model:
    """Make settings like `load`, with the defaults in the place of values that are wrong."""
    made, wrong = _make(model, sources, computed)
    if made is not None:
        return made
    ignored = sources.ignored | {one.key for one in wrong}
    return load_usable(model, replace(sources, ignored=ignored), **computed)


def check(file: SettingsFile) -> list[str]:
    """Return a sentence for every mistake in a file."""
    sources = Sources({}, file, {})
    wrong = [one.sentence for model in MODELS for one in _make(model, sources, {})[1]]
    return list(dict.fromkeys([*file.unknown, *wrong]))


@dataclass(frozen=True, slots=True)
class Mistake:
    """A wrong value of a setting: its key, where it was set, and why it is wrong, in a sentence."""

    key: str
    origin: str
    why: str

    @property
    def sentence(self) -> str:
        """All of it, in the current language."""
        return _(
            "%(origin)s: invalid %(key)s: %(why)s",
            origin=self.origin,
            key=self.key,
            why=self.why,
        )


def mistakes(model: type[BaseModel], values: Mapping[str, Any]) -> list[Mistake]:
    """Return what is wrong with values by key, of a form or a hub, in the current language."""
    return _make(model, Sources({}, None, {}, values), {})[1]


def _make(
    model: type[Model], sources: Sources, computed: Mapping[str, Any]
) -> tuple[Model | None, list[Mistake]]:
    values: dict[str, Any] = dict(computed)
    found: dict[tuple[str, ...], tuple[Setting, Any, str]] = {}
    files: dict[str, Any] = {}
    wrong = []
    for setting in settings_of(model):
        given = sources.find(setting)
        if given is None:
            continue
        value, origin = given
        found[setting.path] = (setting, value, origin)
        if isinstance(value, bool) and setting.kind is not bool:
            # Pydantic takes true for 1.
            wrong.append(Mistake(setting.key, origin, _why(setting, value, None)))
            continue
        if _lacks_text(setting, value):
            wrong.append(Mistake(setting.key, origin, _expected_some(setting)))
            continue
        values_of = values if len(setting.path) == 1 else values.setdefault(setting.path[0], {})
        plain = values_of[setting.name] = _in_utf8(setting, value)
        if plain != value and setting.key in _FILES_AS_TEXT:
            files[setting.name] = value
    try:
        made = model.model_validate(values).model_copy(update=files)
    except ValidationError as error:
        for problem in error.errors():
            path = tuple(str(part) for part in problem["loc"])
            known = found.get(path[:2]) or found.get(path[:1])
            if known is None:
                raise
            setting, value, origin = known
            wrong.append(Mistake(setting.key, origin, _why(setting, value, problem)))
    return (None if wrong else made), wrong


_FILES_AS_TEXT = {
    *("camera.source", "data.database", "faces.model", "hub.database", "run.log"),
    "training.start",
}
"""Settings that may name a file but are text, because they may name something else."""

_WORDS = {"data.site", "data.campaign", "data.venue_type"}
"""Settings that reports show."""


def _in_utf8(setting: Setting, value: Any) -> Any:
    """Return a value that Pydantic accepts: it refuses text with bytes that are not UTF-8.

    File names may have such bytes: paths become `Path`, other text is made printable.
    """
    if isinstance(value, list | tuple):
        return type(value)(_in_utf8(setting, part) for part in value)
    if isinstance(value, str) and setting.key in _WORDS:
        return printable(value)
    if not isinstance(value, str) or not re.search(r"[\ud800-\udfff]", value):
        return value
    return Path(value) if setting.holds_paths else printable(value)


def _lacks_text(setting: Setting, value: Any) -> bool:
    """Return whether a text is empty, as of an unset variable, where that is no choice."""
    parts = value if isinstance(value, list | tuple) else [value]
    is_choice = isinstance(setting.kind, tuple) or setting.field.get_default() == ""
    return not is_choice and any(isinstance(part, str) and not part.strip() for part in parts)


def _expected_some(setting: Setting) -> str:
    return _(
        "expected %(what)s, received an empty text; leave it out for the default.",
        what=lazy("text") if setting.kind is tuple else setting.expected,
    )


def _why(setting: Setting, value: Any, problem: ErrorDetails | None) -> str:
    if problem is not None and problem["type"] == "value_error":
        return f"{str(problem['ctx']['error']).rstrip('.')}."
    facts = {"what": setting.expected, "value": shown(value)}
    if isinstance(setting.kind, tuple):
        for near in difflib.get_close_matches(str(value), setting.kind, n=1):
            return _(
                "expected %(what)s, received %(value)s; did you mean %(near)s?", near=near, **facts
            )
    return _("expected %(what)s, received %(value)s.", **facts)


def shown(value: Any) -> str:
    """Return a value as the settings file writes it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(shown(item) for item in value)}]"
    if isinstance(value, float):
        return f"{value:g}"
    return repr(value) if value == "" else str(value)
