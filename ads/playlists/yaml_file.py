"""Reads a YAML file that may have been written by anybody.

Such a file can do nothing but be wrong: it makes plain values only, never objects; it cannot take
the memory by repeating itself (`*alias` of `*alias` of …), nor the time by its size, nor hold the
reader up by being a pipe or a device.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_BYTES = 1 << 20
"""A playlist of a thousand ads has a fifth of it."""

MOST_VALUES = 100_000
"""Keys and values of a document, with all that it repeats by alias written out."""

DEEPEST = 50
"""Levels of a document; what people write has four."""

# What PyYAML's constructors raise beside its own errors, such as on `2024-13-41` or `!!int ""`.
_CONSTRUCTION_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


class YamlProblemError(ValueError):
    """A text is no YAML that is read here; the message says why, and where, without naming the file."""


class YamlFileError(ValueError):
    """A file cannot be read as YAML; the message is a sentence for a person, which names the file and what to do."""


def read_yaml(path: Path, what: str, expected: str = "a YAML file") -> object:
    """Read a file as plain values: mappings, lists, texts, numbers, truth values, dates, nothing.

    Args:
        path: A regular file, UTF-8 with or without a byte order mark, of at most `LARGEST_BYTES`.
        what: What the file is to its user, such as `playlist`.
        expected: What should have been there.

    Raises:
        YamlFileError: It is not there, no regular file, cannot be read, is no text in UTF-8, too
            large, no YAML, holds a key twice, or repeats itself beyond `MOST_VALUES`.
    """
    try:
        return parse_yaml(_bounded(path).decode("utf-8-sig"))
    except FileNotFoundError:
        raise YamlFileError(f"There is no {what} at {path}; expected {expected}.") from None
    except UnicodeDecodeError:
        raise YamlFileError(
            f"The {what} {path} is not text in UTF-8; expected {expected}."
        ) from None
    except YamlProblemError as error:
        raise YamlFileError(
            f"The {what} {path} is not valid YAML: {error}; correct it there."
        ) from None
    except OSError as error:
        raise YamlFileError(
            f"The {what} {path} cannot be read ({error.strerror}); check the file and its rights."
        ) from error


def parse_yaml(text: str) -> object:
    """A text as plain values; see `read_yaml`.

    Raises:
        YamlProblemError: See `read_yaml`.
    """
    loader = None
    try:
        loader = _StrictLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_bomb(node)
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise YamlProblemError(_described(error)) from None
    except _CONSTRUCTION_ERRORS as error:
        raise YamlProblemError(f"a value cannot be read ({error})") from None
    finally:
        if loader is not None:
            loader.dispose()


def _bounded(path: Path) -> bytes:
    # Opening a pipe without a writer would wait for ever; with this flag it does not.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", str(path))
        content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise YamlProblemError(f"it is larger than {LARGEST_BYTES >> 20} MiB")
    return content


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key that is written twice, where YAML readers usually let the last one win in silence, and depth."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        # Told while it is read: the time that PyYAML takes grows with the square of the depth.
        if self._depth > DEEPEST:
            raise _too_deep(self.get_mark())
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode):
                if key_node.value in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"the key {key_node.value!r} is written twice",
                        problem_mark=key_node.start_mark,
                    )
                seen.add(key_node.value)
        return super().construct_mapping(node, deep=deep)


def _refuse_bomb(root: yaml.Node) -> None:
    """Refuse what would be far larger, or without end, once its aliases are written out."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node, depth: int) -> int:
        if depth > DEEPEST:
            # Also what contains itself comes to this.
            raise _too_deep(node.start_mark)
        known = sizes.get(id(node))
        if known is not None:
            return known
        total = 1
        if isinstance(node, yaml.MappingNode):
            total += sum(size(key, depth + 1) + size(value, depth + 1) for key, value in node.value)
        elif isinstance(node, yaml.SequenceNode):
            total += sum(size(item, depth + 1) for item in node.value)
        if total > MOST_VALUES:
            raise yaml.MarkedYAMLError(
                problem=f"it holds more than {MOST_VALUES} values, its aliases written out",
                problem_mark=node.start_mark,
            )
        sizes[id(node)] = total
        return total

    size(root, 0)


def _too_deep(mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(
        problem=f"it is nested more than {DEEPEST} levels deep", problem_mark=mark
    )


def _described(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{error.problem or 'mistake'} in line {mark.line + 1}, column {mark.column + 1}"
    return " ".join(str(error).split())
