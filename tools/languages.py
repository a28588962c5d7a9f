"""Update the catalogues of the languages from the texts in code and templates.

    make languages              # or: python -m tools.languages
    python -m tools.languages --check

Each `monitor/languages/CODE.po` gets an empty entry for every new text and loses those that are no
longer used; translations and the head of the file stay. What still lacks a translation is listed.
With `--check` nothing is written. A test does the same check.
"""

from __future__ import annotations

import argparse
import re
import sys
from contextlib import redirect_stderr
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from monitor.settings.sources import all_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from babel.messages.catalog import Message

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "monitor" / "languages"

MODULES = ("monitor.languages", "detector.texts")
FOLDERS = ("ads", "db", "detector", "monitor", "training")

KEYWORDS = {
    "_": None,
    "gettext": None,
    "lazy": None,
    "ngettext": (1, 2),
    "nlazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "plazy": ((1, "c"), 2),
}
"""The functions of `monitor.languages`; the texts are these arguments of theirs."""

JINJA_OPTIONS = {
    "extensions": "jinja2.ext.do,jinja2.ext.loopcontrols",
    "lstrip_blocks": "true",
    "newstyle_gettext": "true",
    "silent": "false",
    "trim_blocks": "true",
    "trimmed": "true",
}

PLACEHOLDER = re.compile(r"%%|%(?:\((\w+)\))?.")
TAG = re.compile(r"</?[a-z][^>]*>")


def texts(root: Path = ROOT) -> Catalog:
    """Return all texts that code and templates have translated."""
    catalogue = Catalog()
    paths = (path for folder in FOLDERS for path in (root / folder).rglob("*"))
    for path in sorted(paths):
        method = _method(path)
        if method is None:
            continue
        options = JINJA_OPTIONS if method == "jinja2" else {}
        with path.open("rb") as source:
            # It warns of f-strings that are values, and no texts: ruff finds those that are.
            with redirect_stderr(StringIO()):
                found = list(
                    extract(method, source, KEYWORDS, comment_tags=("NOTE:",), options=options)
                )
            for _line, message, comments, context in found:
                place = [(path.relative_to(root).as_posix(), 1)]
                catalogue.add(message, locations=place, auto_comments=comments, context=context)
    # Their help is docstrings, not calls of the functions.
    for setting in all_settings().values():
        for text in filter(None, (setting.help, setting.fallback)):
            catalogue.add(text.one, locations=[("monitor/settings/models.py", 1)])
    return catalogue


def update(current: bytes, template: Catalog) -> bytes:
    """Return the file of a language with an entry for every text of the template, and no others.

    The entries have the order of their places, which are named without line numbers, so that
    branches seldom change the same lines.
    """
    catalogue = _read(current)
    catalogue.update(template, no_fuzzy_matching=True)
    target = BytesIO()
    write_po(
        target,
        catalogue,
        width=0,
        omit_header=True,
        ignore_obsolete=True,
        sort_by_file=True,
        include_lineno=False,
    )
    head = current.split(b"\n\n", 1)[0].rstrip(b"\n")
    return head + b"\n\n" + target.getvalue().strip(b"\n") + b"\n"


def problems(current: bytes, template: Catalog) -> Iterator[str]:
    """Say what is wrong with the file of a language."""
    catalogue = _read(current)
    expected = {_key(message): message for message in template if message.id}
    found = {_key(message): message for message in catalogue if message.id}
    for key in expected:
        if key not in found:
            yield f"no translation: {key[0]!r}"
    for key, message in found.items():
        if key not in expected:
            yield f"used nowhere: {key[0]!r}"
            continue
        sources, translations = _forms(message.id), _forms(message.string)
        if not all(translations):
            yield f"no translation: {sources[0]!r}"
            continue
        if message.fuzzy:
            yield f"marked as fuzzy: {sources[0]!r}"
        for translation in translations:
            wrong = _difference(sources, translation)
            if wrong:
                yield f"{wrong}: {sources[0]!r} and {translation!r}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Update or check the catalogues; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args(arguments)
    template, count = texts(), 0
    for path in sorted(FOLDER.glob("*.po")):
        content = path.read_bytes()
        if not options.check:
            content = update(content, template)
            path.write_bytes(content)
        found = list(problems(content, template))
        sys.stdout.write("".join(f"{path.name}: {line}\n" for line in found))
        sys.stdout.write(f"{path.name}: {len(template)} texts, {len(found)} problems\n")
        count += len(found)
    return 1 if count else 0


def _read(content: bytes) -> Catalog:
    """Read the file of a language.

    Of an entry that two branches added, one with a translation counts; babel would take the first.
    """
    head, *entries = content.strip(b"\n").split(b"\n\n")
    translated = [entry for entry in entries if re.search(rb'^msgstr.*"[^"]+"', entry, re.M)]
    return read_po(BytesIO(b"\n\n".join([head, *translated, b""])), abort_invalid=True)


def _key(message: Message) -> tuple[str, str]:
    return _forms(message.id)[0], message.context or ""


def _method(path: Path) -> str | None:
    if path.suffix == ".py":
        content = path.read_text("utf-8")
        return "python" if any(name in content for name in MODULES) else None
    is_template = path.parent.name == "templates" and path.suffix in {".html", ".j2"}
    return "jinja2" if is_template else None


def _forms(text: Message | str | Sequence[str] | None) -> tuple[str, ...]:
    return (text or "",) if isinstance(text, str) or text is None else tuple(text)  # type: ignore[arg-type, return-value]


def _difference(sources: Sequence[str], translation: str) -> str:
    """Say how placeholders or tags differ from those of the English text, of any of its forms."""
    found, expected = _placeholders(translation), [_placeholders(text) for text in sources]
    if None in found or found not in expected:
        names = ", ".join(sorted(str(name) for name in found))
        return f"other placeholders than the English text ({names or 'none'})"
    if not any(_tags(translation) == _tags(text) for text in sources):
        return "other HTML tags than the English text"
    return ""


def _placeholders(text: str) -> set[str | None]:
    return {match[1] for match in PLACEHOLDER.finditer(text) if match[0] != "%%"}


def _tags(text: str) -> list[str]:
    return sorted(TAG.findall(text))


if __name__ == "__main__":
    sys.exit(main())
