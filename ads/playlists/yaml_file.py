"""Read a YAML or JSON file within limits: plain values, bounded size, depth and repetition.

Nothing in them can run code, exhaust memory through aliases of aliases, or block the reader.
"""

from __future__ import annotations

import codecs
import difflib
import errno
import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from yaml._yaml import CParser
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from ads.playlists.json_file import parse_json
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound=BaseModel)
Head = TypeVar("Head", bound=BaseModel)
Entry = TypeVar("Entry", bound=BaseModel)

MAX_BYTES = 8 << 20
"""A playlist of 20,000 ads takes half of this."""

MAX_VALUES = 500_000
"""Keys and values of a document with its aliases expanded."""

MAX_DEPTH = 50
"""Nesting levels; hand-written files have about four."""


class YamlProblemError(ValueError):
    """Invalid YAML; the message names the mistake and its place, not the file."""


class YamlFileError(ValueError):
    """A YAML file that cannot be read; the message names the file and the remedy.

    `others` holds the first mistake of each further entry, one sentence each.
    """

    def __init__(self, message: str, others: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.others = others


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """Plain values (mappings, lists, text, numbers, booleans, dates), and their parse tree.

    JSON has no tree: its values mean what they look like.
    """

    content: object
    root: yaml.Node | None

    def line_of(self, path: Sequence[str | int]) -> int:
        """Return the line, from 1, of a key or list item such as `("ads", 0, "file")`.

        Where the document ends before the path does, it is the line of the last part found.
        """
        return self._find(path)[1]

    def source_of(self, path: Sequence[str | int]) -> str | None:
        """Return how a value is written, such as `22:00`; None if it stands in quotes."""
        node, _, left = self._find(path)
        is_plain = isinstance(node, yaml.ScalarNode) and not node.style and not left
        return str(node.value) if is_plain and node is not None else None

    def _find(self, path: Sequence[str | int]) -> tuple[yaml.Node | None, int, int]:
        """Return the last node found on a path, its line, and how many parts are left."""
        node, line = self.root, 1
        for done, part in enumerate(path):
            if isinstance(node, yaml.MappingNode):
                matches = [pair for pair in node.value if pair[0].value == str(part)]
                if not matches:
                    return node, line, len(path) - done
                key, node = matches[-1]
                line = key.start_mark.line + 1
            elif isinstance(node, yaml.SequenceNode) and int(part) < len(node.value):
                node = node.value[int(part)]
                line = node.start_mark.line + 1
            else:
                return node, line, len(path) - done
        return node, line, 0


def read_yaml(path: Path, what: str, expected: str = lazy("a YAML file")) -> YamlDocument:
    """Read a regular file of at most `MAX_BYTES`; any problem is a `YamlFileError`.

    It is text in UTF-8, or in UTF-16 or UTF-32 with a byte order mark. A name that ends in `.json`
    is read as JSON. The message calls the file `what`, such as "playlist", and says what was
    `expected`.
    """
    is_json = path.suffix.lower() == ".json"
    try:
        text = _decoded(_read_bounded(path))
        if is_json:
            return YamlDocument(_parse_json(text), None)
        if text.lstrip().startswith("{"):
            # JSON under another ending, for its escaped emoji; other text in braces is YAML.
            with suppress(YamlProblemError):
                return YamlDocument(_parse_json(text), None)
        return parse_yaml(text)
    except FileNotFoundError:
        raise YamlFileError(
            lazy(
                "There is no %(thing)s at %(path)s; expected %(expected)s.",
                thing=what,
                path=path,
                expected=expected,
            )
        ) from None
    except UnicodeDecodeError:
        raise YamlFileError(
            lazy(
                "The %(thing)s %(path)s is not text in UTF-8; expected %(expected)s.",
                thing=what,
                path=path,
                expected=expected,
            )
        ) from None
    except YamlProblemError as error:
        form = "JSON" if is_json else "YAML"
        raise YamlFileError(
            lazy(
                "The %(thing)s %(path)s is not valid %(form)s: %(why)s; correct the file.",
                thing=what,
                path=path,
                form=form,
                why=error,
            )
        ) from None
    except OSError as error:
        raise YamlFileError(
            lazy(
                "The %(thing)s %(path)s cannot be read (%(why)s); check the file and its "
                "permissions.",
                thing=what,
                path=path,
                why=error.strerror,
            )
        ) from error


def read_yaml_list(
    path: Path,
    what: str,
    head: type[Head],
    entry: type[Entry],
    *,
    labels: tuple[str, ...],
    expected: Mapping[str, str],
    form: str = lazy("a YAML file with a list of entries"),
) -> tuple[Head, list[Entry]]:
    """Read a file such as `ads: [{file: a.png}, ...]`: its keys, and at least one entry.

    Args:
        what: The user's word for it, such as "playlist".
        head: The model of the file; its first field, a plural, is the key of the list.
        labels: The keys of an entry that may identify it in messages.
        expected: By key, the end of the sentence "has an invalid KEY: expected ...".
        form: What the file should have been; a `YamlFileError` says so.
    """
    key = next(iter(head.model_fields))
    source = read_yaml(path, what, form)
    document = source.content
    where, item = f"{what} {path}", key.removesuffix("s")
    empty = lazy(
        "The %(where)s is empty; expected the key '%(key)s' with a list of at least one %(item)s.",
        where=where,
        key=key,
        item=item,
    )
    if document is None or document == {}:
        raise YamlFileError(empty)
    if not isinstance(document, dict):
        raise YamlFileError(
            lazy(
                "The %(where)s has the wrong form: expected the key '%(key)s' with a "
                "list, got %(kind)s.",
                where=where,
                key=key,
                kind=_kind_of(document),
            )
        )
    checked_head = validate(head, document, f"The {where}", expected)
    entries = document.get(key)
    if entries is None or entries == []:
        raise YamlFileError(empty)
    if not isinstance(entries, list):
        raise YamlFileError(
            lazy(
                "'%(key)s' in the %(where)s must be a list of %(key)s, got %(kind)s.",
                key=key,
                where=where,
                kind=_kind_of(entries),
            )
        )
    checked: list[Entry] = []
    wrong: list[str] = []
    for number, raw in enumerate(entries, start=1):
        name: str = f"{item.capitalize()} {number}"
        try:
            if not isinstance(raw, dict):
                raise YamlFileError(_no_mapping(name, where, entry, raw))
            label = next((raw[label] for label in labels if raw.get(label)), None)
            name = name if label is None else f"{name} ({shortened(str(label))})"
            sources = partial(_source_in, source, key, number - 1)
            checked.append(validate(entry, raw, f"{name} in the {where}", expected, sources))
        except YamlFileError as error:
            wrong.append(error.args[0])
    if wrong:
        raise YamlFileError(wrong[0], tuple(wrong[1:]))
    return checked_head, checked


def _no_mapping(name: str, where: str, entry: type[BaseModel], raw: object) -> str:
    return lazy(
        "%(what)s in the %(where)s must be a mapping with the key '%(key)s', got %(kind)s.",
        what=name,
        where=where,
        key=next(key for key, field in entry.model_fields.items() if field.is_required()),
        kind=_kind_of(raw),
    )


def _source_in(
    document: YamlDocument, key: str, place: int, path: Sequence[str | int]
) -> str | None:
    return document.source_of((key, place, *path))


def validate(
    model: type[Model],
    raw: dict[Any, Any],
    where: str,
    expected: Mapping[str, str],
    source_of: Callable[[Sequence[str | int]], str | None] = lambda _: None,
) -> Model:
    """Check a mapping; see `read_yaml_list`. `YamlFileError` about the first mistake.

    `source_of` returns how the value of a path in it is written, see `YamlDocument.source_of`.
    """
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    for key in raw:
        if key not in fields:
            near = nearest(str(key), fields) or "."
            raise YamlFileError(
                lazy(
                    "%(where)s has the unknown key %(unknown)s; expected one of: %(known)s%(hint)s",
                    where=where,
                    unknown=shortened(repr(key)),
                    known=", ".join(fields),
                    hint=near,
                )
            )
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        problem = error.errors()[0]
    if not problem["loc"]:
        raise YamlFileError(f"{where} {problem['ctx']['error']}.")
    key = str(problem["loc"][0])
    if problem["type"] == "missing" and len(problem["loc"]) == 1:
        raise YamlFileError(
            lazy(
                "%(where)s lacks the key %(key)s; %(reason)s.",
                where=where,
                key=repr(key),
                reason=expected[key],
            )
        )
    what: str = expected[key]
    hint, trap = ".", ""
    if problem["type"] == "value_error":
        what, _, given = str(problem["ctx"]["error"]).partition("; did")
        hint = f"; did{given}" if given else "."
    elif problem["type"] == "literal_error":
        hint = nearest(str(raw[key]), _literals(fields[key].annotation)) or "."
    else:
        trap = _trap(raw[key], key, problem, source_of)
    given = shortened(str(raw[key]) if isinstance(raw[key], date) else repr(raw[key]))
    values = {"where": where, "key": repr(key), "reason": what, "given": given}
    if trap:
        raise YamlFileError(
            lazy(
                "%(where)s has an invalid %(key)s: %(reason)s, got %(given)s; %(what)s.",
                what=trap,
                **values,
            )
        )
    raise YamlFileError(
        lazy(
            "%(where)s has an invalid %(key)s: %(reason)s, got %(given)s%(hint)s",
            hint=hint,
            **values,
        )
    )


def _literals(annotation: Any) -> list[str]:
    """Return the words that an annotation such as `Literal["a"] | None` allows."""
    if get_origin(annotation) is Literal:
        return [str(word) for word in get_args(annotation)]
    return [word for part in get_args(annotation) for word in _literals(part)]


def _trap(
    given: Any,
    key: str,
    problem: ErrorDetails,
    source_of: Callable[[Sequence[str | int]], str | None],
) -> str:
    """Return a hint at how YAML misread a value; empty if it did not."""
    path: tuple[str | int, ...] = (key,)
    if isinstance(given, list):
        places = [part for part in problem["loc"] if isinstance(part, int)]
        odd = next((n for n, one in enumerate(given) if not isinstance(one, str)), None)
        place = places[0] if places else odd
        if place is None or place >= len(given):
            return ""
        path, given = (key, place), given[place]
    source = source_of(path)
    wants_text = any("str" in str(part) for part in (problem["type"], *problem["loc"][1:]))
    if wants_text and source and not isinstance(given, str | list | dict):
        return lazy(
            'YAML takes %(value)s for %(kind)s, so put it in quotes: "%(value)s"',
            value=source,
            kind=_kind_of(given),
        )
    if isinstance(given, str) and re.search(r"\b(float|int)_type", problem["type"]):
        number = given.strip().replace(",", ".")
        if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?", number):
            plain = f"{float(number):.10g}"
            if source:
                return lazy("%(value)s is text, so write %(plain)s", value=given, plain=plain)
            return lazy(
                "%(value)s is text in quotes, so write %(plain)s", value=repr(given), plain=plain
            )
    return ""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint at the most similar known word; empty if none is similar."""
    spelt = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), spelt, n=1, cutoff=0.5)
    return lazy("; did you mean %(word)s?", word=repr(spelt[near[0]])) if near else ""


def shortened(text: str, most: int = 100) -> str:
    """Return a text from outside for a message, its middle left out if it is long."""
    if len(text) <= most:
        return text
    return f"{text[: most // 2]}...{text[-most // 2 :]}"


def _kind_of(value: object) -> str:
    number = lazy("a number")
    kinds = {
        dict: lazy("a mapping"),
        list: lazy("a list"),
        str: lazy("text"),
        bool: lazy("yes or no"),
        int: number,
    }
    kinds |= {
        float: number,
        type(None): lazy("nothing"),
        date: lazy("a date"),
        datetime: lazy("a moment"),
    }
    return kinds.get(type(value), type(value).__name__)


def parse_yaml(text: str) -> YamlDocument:
    """Parse YAML; `YamlProblemError` for mistakes, repeated keys, or beyond a limit above."""
    try:
        loader = _StrictLoader(text)
        node = loader.get_single_node()
        if node is None:
            return YamlDocument(None, None)
        if "*" in text:  # without an alias, they were counted while parsing
            _count_values(node, {}, 0)
        return YamlDocument(loader.construct_document(node), node)
    except yaml.YAMLError as error:
        raise YamlProblemError(_describe(error, text)) from None
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as e:
        # PyYAML's constructors raise these, for example on `2024-13-41` or `!!int ""`.
        raise YamlProblemError(lazy("a value cannot be read (%(why)s)", why=e)) from None


def _decoded(content: bytes) -> str:
    # The mark of UTF-32 begins with that of UTF-16.
    marks = {
        "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
        "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
    }
    unmarked = {"utf-16-be": content[:1] == b"\0", "utf-16-le": content[1:2] == b"\0"}
    marked = (name for name, found in marks.items() if content.startswith(found))
    coding = next(marked, None) or next((name for name, is_it in unmarked.items() if is_it), None)
    return content.decode(coding or "utf-8-sig")


def _parse_json(text: str) -> Any:
    try:
        return parse_json(text, MAX_DEPTH, MAX_VALUES)
    except ValueError as error:
        raise YamlProblemError(str(error)) from None


def _read_bounded(path: Path) -> bytes:
    # Without O_NONBLOCK, opening a pipe that has no writer would block forever.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, lazy("it is a pipe or a device, not a file"), str(path))
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise YamlProblemError(lazy("it is larger than %(limit)s MiB", limit=MAX_BYTES >> 20))
    return content


class _StrictLoader(Composer, CParser, SafeConstructor, Resolver):
    """Refuse deep nesting, too many values and repeated keys; PyYAML lets the last key win.

    libyaml reads the text, ten times as fast as PyYAML's own parser.
    """

    def __init__(self, text: str) -> None:
        CParser.__init__(self, text)
        Composer.__init__(self)
        SafeConstructor.__init__(self)
        Resolver.__init__(self)
        self._depth = 0
        self._values = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        # Checked while parsing, so that a refused document takes neither time nor memory.
        if self._depth > MAX_DEPTH:
            raise _too_deep(self._mark())
        self._values += 1
        if self._values > MAX_VALUES:
            raise _too_many(self._mark())
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def _mark(self) -> Any:
        event = self.peek_event()
        return None if event is None else event.start_mark

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        value = super().construct_object(node, deep=deep)
        if type(value) in {int, float} and isinstance(node, yaml.ScalarNode):
            _refuse_odd_number(node, value)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode):
                if key_node.value in seen:
                    raise yaml.MarkedYAMLError(
                        problem=lazy("the key %(key)s is written twice", key=repr(key_node.value)),
                        problem_mark=key_node.start_mark,
                    )
                seen.add(key_node.value)
        return super().construct_mapping(node, deep=deep)

    def construct_yaml_timestamp(self, node: yaml.ScalarNode) -> Any:
        try:
            return super().construct_yaml_timestamp(node)
        except ValueError as error:
            raise yaml.MarkedYAMLError(
                problem=lazy(
                    "a value cannot be read: there is no %(value)s (%(why)s)",
                    value=node.value,
                    why=error,
                ),
                problem_mark=node.start_mark,
            ) from None


_StrictLoader.add_constructor(  # type: ignore[type-var]
    "tag:yaml.org,2002:timestamp", _StrictLoader.construct_yaml_timestamp
)


def _refuse_odd_number(node: yaml.ScalarNode, value: float) -> None:
    """Refuse numbers that YAML reads differently from people: 010 is 8, 22:00 is 1320."""
    if not node.style and re.search(r"^[-+]?0[0-7xXbBoO]|[:_]", node.value):
        text = node.value
        raise yaml.MarkedYAMLError(
            problem=lazy(
                'YAML takes %(value)s for the number %(number)s: write "%(value)s" in '
                "quotes if it is text, else %(number)s or the number you mean; it stands",
                value=text,
                number=f"{value:.10g}",
            ),
            problem_mark=node.start_mark,
        )


def _count_values(node: yaml.Node, counts: dict[int, int], depth: int) -> int:
    """Count the values below a node with aliases expanded; refuse too many, or endless nesting."""
    if depth > MAX_DEPTH:
        # A node that contains itself ends up here too.
        raise _too_deep(node.start_mark)
    if id(node) not in counts:
        children: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            children = [child for pair in node.value for child in pair]
        elif isinstance(node, yaml.SequenceNode):
            children = node.value
        total = 1 + sum(_count_values(child, counts, depth + 1) for child in children)
        if total > MAX_VALUES:
            raise _too_many(node.start_mark)
        counts[id(node)] = total
    return counts[id(node)]


def _too_deep(mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(
        problem=lazy("it is nested more than %(limit)s levels deep", limit=MAX_DEPTH),
        problem_mark=mark,
    )


def _too_many(mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(
        problem=lazy(
            "it holds more than %(limit)s values with its aliases expanded", limit=MAX_VALUES
        ),
        problem_mark=mark,
    )


_PLAIN_WORDS = {
    "mapping values are not allowed": lazy("a colon in a value that is not in quotes"),
    "invalid Unicode character escape code": lazy(
        "an escape that is half an emoji (write the emoji)"
    ),
    "tab character": lazy("a tab (indent with spaces)"),
}
"""What libyaml says, and plain words for it."""


def _describe(error: yaml.YAMLError, text: str) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        problem = error.problem or lazy("mistake")
        if "maximum nesting" in problem:  # libyaml's own limit, beyond ours
            problem = lazy("it is nested more than %(limit)s levels deep", limit=MAX_DEPTH)
        elif "cannot start any token" in problem:
            letter = "".join(text.splitlines()[mark.line : mark.line + 1])[mark.column :][:1]
            said = lazy("a value that begins with %(letter)s and is not in quotes", letter=letter)
            problem = _PLAIN_WORDS["tab character"] if letter == "\t" else said
        else:
            plain = (said for words, said in _PLAIN_WORDS.items() if words in problem)
            problem = next(plain, problem)
        return lazy(
            "%(problem)s in line %(line)s, column %(column)s",
            problem=problem,
            line=mark.line + 1,
            column=mark.column + 1,
        )
    return " ".join(str(error).split())
