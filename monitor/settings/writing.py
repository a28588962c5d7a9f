"""Change keys in a settings file; every other character of it stays as it was.

`ruamel.yaml` keeps comments too, but writes the whole file anew in its own layout, and cannot take
the `#` from a setting that is commented out. So the text is changed at the places that the parser
names, and the result is read back before it is written.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import yaml

from ads.playlists.yaml_file import YamlProblemError, parse_yaml
from monitor.languages import _
from monitor.settings.page import settings_file
from monitor.settings.sources import SettingsError, SettingsFile, check
from monitor.whole_file import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class SettingsChangedError(SettingsError):
    """Somebody else has changed the file since it was looked at."""


def digest_of(path: Path) -> str:
    """Return a checksum of a file's content; empty if there is no such file.

    Raises:
        SettingsError: It cannot be read.
    """
    content = _read(path)
    return "" if content is None else hashlib.sha256(content).hexdigest()


def write_settings(path: Path, changes: Mapping[str, Any], *, seen: str | None = None) -> None:
    """Change settings in a file, which is made if it is not there.

    What was in it before stays beside it, as `NAME.bak`. The file keeps its rights; a new one can
    be read by its owner only. A link stays a link.

    Args:
        path: The settings file.
        changes: Values by key, such as `data.site`; `None` comments a setting out.
        seen: What `digest_of` said when the person who wants the changes looked; `None` to change
            whatever is there.

    Raises:
        SettingsChangedError: The file is not the one that was seen.
        SettingsError: It cannot be read or written, would have a mistake, or is laid out in a way
            that cannot be changed here. It stays as it was.
    """
    target = path.resolve()
    before = _read(target)
    if seen is not None and seen != digest_of(target):
        raise SettingsChangedError(
            _(
                "%(file)s was changed by somebody else in the meantime, so nothing was written: "
                "look at its settings again, then repeat your change.",
                file=path,
            )
        )
    text = settings_file() if before is None else _decoded(path, before)
    changed = changed_text(text, changes, path)
    mistakes = check(SettingsFile(path, changed))
    if mistakes:
        raise SettingsError(mistakes[0])
    content = changed.encode()
    if content == before:
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = 0o600 if before is None else stat.S_IMODE(target.stat().st_mode)
        if before is not None:
            write_whole(target.with_name(f"{target.name}.bak"), before, mode=mode)
        write_whole(target, content, mode=mode)
    except OSError as error:
        raise SettingsError(
            _(
                "The settings cannot be written to %(file)s (%(why)s): expected a file in a folder "
                "where this user may write.",
                file=path,
                why=error.strerror,
            )
        ) from error


def changed_text(text: str, changes: Mapping[str, Any], path: Path | str = "file") -> str:
    """Return the text of a settings file with other values; see `write_settings`.

    Raises:
        SettingsError: The text has a mistake, or a layout that cannot be changed here.
    """
    expected = _values(text, path)
    for key, value in changes.items():
        section, _dot, name = key.partition(".")
        entries = expected.get(section) or {}
        if value is None:
            if entries.get(name) is None:
                continue
            entries = {one: kept for one, kept in entries.items() if one != name}
        else:
            entries = {**entries, name: _plain(value)}
        expected[section] = entries
        try:
            text = _Editor(text).changed(section, name, entries.get(name))
        except (yaml.YAMLError, ValueError, AttributeError, TypeError):
            raise _unchangeable(path, key) from None
        try:
            found = _values(text, path)
        except SettingsError:
            raise _unchangeable(path, key) from None
        if _without_none(found) != _without_none(expected):
            raise _unchangeable(path, key)
    return text


class _Editor:
    """The text of a settings file, and where its parts are."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = text.splitlines(keepends=True)
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._root: Any = yaml.compose(text, Loader=yaml.SafeLoader)

    def changed(self, section: str, name: str, value: Any) -> str:
        """Return the text with one value changed; `None` comments it out."""
        if self._root is None or (isinstance(self._root, yaml.ScalarNode) and not self._root.value):
            return self._with_section(section, name, value, 0)
        pairs = self._root.value
        found = next((pair for pair in pairs if pair[0].value == section), None)
        if found is None:
            if self._root.flow_style:
                return self._in_braces(self._root, section, {name: value})
            column = pairs[0][0].start_mark.column if pairs else 0
            return self._with_section(section, name, value, column)
        key, node = found
        if isinstance(node, yaml.MappingNode):
            return self._in_mapping(key, node, name, value)
        return self._in_empty_section(key, node, name, value)

    def _in_mapping(self, section: Any, node: Any, name: str, value: Any) -> str:
        entry = next((pair for pair in node.value if pair[0].value == name), None)
        if node.flow_style:
            if entry is None:
                return self._in_braces(node, name, value)
            return self._with_value(entry[1], _dump_in_braces(value))
        if entry is None:
            last = self._end(node.value[-1][1])
            return self._in_section(section, node.value[0][0].start_mark.column, last, name, value)
        key, old = entry
        return self._commented(key, old) if value is None else self._replaced(key, old, value)

    def _in_empty_section(self, key: Any, node: Any, name: str, value: Any) -> str:
        if node.start_mark.index != node.end_mark.index:
            # A word for nothing, such as `data: ~`.
            cut = self._text[: node.start_mark.index] + self._text[node.end_mark.index :]
            return _Editor(cut).changed(key.value, name, value)
        column = key.start_mark.column + 2
        return self._in_section(key, column, key.end_mark.index, name, value)

    def _in_section(self, key: Any, column: int, after: int, name: str, value: Any) -> str:
        """Set what the section does not set yet: in place of its comment, if there is one."""
        first = key.start_mark.line + 1
        later = [pair[0].start_mark.line for pair in self._root.value]
        last = min((line for line in later if line >= first), default=len(self._lines))
        for number in range(first, last):
            found = re.match(rf"( *)#{re.escape(name)}:(.*?)( +#.*)?(\r?\n|$)", self._lines[number])
            if found is not None:
                line = f"{' ' * column}{name}: {_dump(value)}{found[3] or ''}{found[4]}"
                return "".join([*self._lines[:number], line, *self._lines[number + 1 :]])
        end = self._text.find("\n", after)
        head, tail = (self._text, "") if end < 0 else (self._text[: end + 1], self._text[end + 1 :])
        return self._joined(head, f"{' ' * column}{name}: {_dump(value)}", tail)

    def _with_section(self, section: str, name: str, value: Any, column: int) -> str:
        lines = f"{' ' * column}{section}:{self._newline}{' ' * (column + 2)}{name}: {_dump(value)}"
        return self._joined(self._text, lines, "")

    def _joined(self, head: str, line: str, tail: str) -> str:
        if head and not head.endswith("\n"):
            head += self._newline
        return f"{head}{line}{self._newline}{tail}"

    def _in_braces(self, node: Any, name: str, value: Any) -> str:
        entry = f"{json.dumps(name)}: {_dump_in_braces(value)}"
        at = self._end(node.value[-1][1]) if node.value else node.end_mark.index - 1
        comma = ", " if node.value else ""
        return f"{self._text[:at]}{comma}{entry}{self._text[at:]}"

    def _replaced(self, key: Any, node: Any, value: Any) -> str:
        if not isinstance(node, yaml.SequenceNode) or node.flow_style:
            return self._with_value(node, _dump(value))
        # What people wrote between the items of a list stays, above it.
        start = key.start_mark.index - key.start_mark.column
        inside = self._text[key.end_mark.index : self._end(node)].splitlines(keepends=True)[1:]
        kept = "".join(line for line in inside if line.lstrip().startswith("#"))
        colon = self._text.index(":", key.end_mark.index) + 1
        head = self._text[:start] + kept + self._text[start:colon]
        return f"{head} {_dump(value)}{self._text[self._end(node) :]}"

    def _with_value(self, node: Any, text: str) -> str:
        start, end = node.start_mark.index, self._end(node)
        before = self._text[:start]
        gap = "" if before.endswith((" ", "\n")) else " "
        return f"{before}{gap}{text}{self._text[end:]}"

    def _commented(self, key: Any, node: Any) -> str:
        first = key.start_mark.line
        last = self._text.count("\n", 0, max(self._end(node), key.end_mark.index))
        column = key.start_mark.column
        lines = [
            line if line.lstrip().startswith("#") else f"{line[:column]}#{line[column:]}"
            for line in self._lines[first : last + 1]
        ]
        return "".join([*self._lines[:first], *lines, *self._lines[last + 1 :]])

    def _end(self, node: Any) -> int:
        """Return where the text of a node ends; the parser includes the comments after a list."""
        start, end = node.start_mark.index, node.end_mark.index
        if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
            last = node.value[-1]
            return self._end(last[1] if isinstance(last, tuple) else last)
        if isinstance(node, yaml.ScalarNode) and node.style in {"|", ">"}:
            return int(start + len(self._text[start:end].rstrip()))
        return int(end)


def _dump(value: Any) -> str:
    """Return a value as one line of YAML, with quotes where YAML needs them."""
    style = '"' if isinstance(value, str) and not value.isprintable() else None
    text = yaml.safe_dump(
        value, default_flow_style=True, default_style=style, allow_unicode=True, width=1 << 30
    )
    return text.removesuffix("...\n").strip("\n")


def _dump_in_braces(value: Any) -> str:
    """Return a value as it is valid in YAML's braces and in JSON."""
    if isinstance(value, dict):
        inside = ", ".join(f"{json.dumps(k)}: {_dump_in_braces(v)}" for k, v in value.items())
        return f"{{{inside}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_dump_in_braces, value))}]"
    if isinstance(value, str) and value.isprintable():
        return json.dumps(value, ensure_ascii=False)
    return _dump(value)


def _plain(value: Any) -> Any:
    """Return a value in YAML's types."""
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if isinstance(value, bool | int | float | str) else str(value)


def _values(text: str, path: Path | str) -> dict[str, Any]:
    try:
        content = parse_yaml(text).content
    except YamlProblemError as error:
        raise SettingsError(
            _(
                "The settings file %(file)s is not valid YAML: %(why)s; correct the file.",
                file=path,
                why=error,
            )
        ) from None
    if content is not None and not isinstance(content, dict):
        raise SettingsError(
            _(
                "%(file)s: expected sections such as %(sections)s, received %(value)s.",
                file=path,
                sections="data",
                value=repr(content),
            )
        )
    return dict(content or {})


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        section: {name: value for name, value in entries.items() if value is not None}
        if isinstance(entries, dict)
        else entries
        for section, entries in values.items()
        if entries
    }


def _unchangeable(path: Path | str, key: str) -> SettingsError:
    return SettingsError(
        _(
            "%(file)s is laid out in a way in which %(key)s can only be changed by hand: nothing "
            "was written. Open the file in an editor.",
            file=path,
            key=key,
        )
    )


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(
            _(
                "The settings file %(file)s cannot be read (%(why)s); check the file and its "
                "permissions.",
                file=path,
                why=error.strerror,
            )
        ) from error


def _decoded(path: Path, content: bytes) -> str:
    with suppress(UnicodeDecodeError):
        return content.decode("utf-8")
    raise SettingsError(
        _(
            "The settings file %(file)s is not text in UTF-8: save it as UTF-8 first.",
            file=path,
        )
    )
