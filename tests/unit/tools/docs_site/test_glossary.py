"""The words of `docs/reference/glossary.md` are used, and those that it rules out are not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import click
import pytest
import yaml
from babel.messages.pofile import read_po

from monitor.cli.main import cli

ROOT = Path(__file__).parents[4]
GLOSSARY = ROOT / "docs" / "reference" / "glossary.md"
CODE = re.compile(r"^ *```.*?^ *```|`[^`]*`|\]\([^)]*\)", re.MULTILINE | re.DOTALL)


class Term(NamedTuple):
    """A row of the glossary."""

    word: str
    german: str
    banned: list[str]
    banned_german: list[str]


def terms():
    """Read the rows of the page."""
    for line in GLOSSARY.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or cells[0] in {"word", "---"}:
            continue
        word, _meaning, banned, german, banned_german = cells
        yield Term(
            word,
            german,
            *([w.strip() for w in one.split(",") if w.strip()] for one in (banned, banned_german)),
        )


TERMS = list(terms())


def has(text, word):
    # The names of options and settings are code: `--console`, `console.enabled`.
    text = re.sub(r"--[\w-]+|\b[a-z_]+\.[a-z_]+\b", " ", text)
    return re.search(rf"\b{re.escape(word)}s?\b", text, re.IGNORECASE)


def helps(command, path):
    """Yield where a command or an option is described, and how."""
    yield f"help of {path}", command.get_help(click.Context(command, info_name=path))
    for name, one in getattr(command, "commands", {}).items():
        yield from helps(one, f"{path} {name}")


def spoken(english):
    """Yield the texts of pages, reports and window, each with its place."""
    code = "en" if english else "de"
    window = yaml.safe_load((ROOT / f"monitor/ui/languages/{code}.yaml").read_text("utf-8"))
    yield from ((f"window, {key}", str(text)) for key, text in window.items())
    with (ROOT / "monitor/languages/de.po").open("rb") as file:
        for entry in read_po(file):
            for text in [entry.id if english else entry.string]:
                all_forms = [text] if isinstance(text, str) else text
                # The name of a value in a text is code.
                yield from (("page or report", re.sub(r"%\(\w+\)", " ", one)) for one in all_forms)


@pytest.fixture(scope="module")
def english():
    """Every English text that a user sees, with its place."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    written = [
        (str(page.relative_to(ROOT)), CODE.sub(" ", page.read_text(encoding="utf-8")))
        for page in pages
        if page != GLOSSARY
    ]
    return [*spoken(english=True), *helps(cli, "ad-monitor"), *written]


@pytest.fixture(scope="module")
def german():
    """Every German text that a user sees, with its place."""
    return list(spoken(english=False))


def test_the_page_is_read():
    assert len(TERMS) > 30
    assert any(term.banned for term in TERMS)
    assert any(term.banned_german for term in TERMS)


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.word)
def test_a_word_is_used_and_its_synonyms_are_not(term, english, german):
    """If this fails: use the glossary's word in the text, or say in the glossary that both mean other things."""
    assert any(has(text, term.word) for _place, text in english), "nobody uses this word"
    assert any(term.german.lower() in text.lower() for _place, text in german), "not in German"
    for words, texts in ((term.banned, english), (term.banned_german, german)):
        for word in words:
            used = [(place, found[0]) for place, text in texts if (found := has(text, word))]
            assert not used, f"say {term.word!r} ({term.german!r}) instead of {word!r}"
