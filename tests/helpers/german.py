"""English words in what should be German."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import yaml
from babel.messages.pofile import read_po

ROOT = Path(__file__).parents[2]
WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
SHOWN = {"alt", "aria-description", "aria-label", "aria-valuetext", "placeholder", "title"}
"""Attributes that people read or hear."""

NOT_PROSE = {"code", "kbd", "pre", "samp", "script", "style"}
VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}

MEANS_ANOTHER_THING = {"am", "an", "art", "die", "in", "so", "was", "war", "will", "rest", "wer"}
"""Words of both languages."""

ALWAYS_ENGLISH = {
    *("and", "are", "at", "be", "been", "by", "cannot", "for", "from", "has", "have", "here", "is"),
    *("no", "not", "of", "or", "since", "that", "the", "their", "there", "they", "this", "to"),
    *("until", "when", "where", "which", "with", "would", "yet", "you", "your"),
}


@cache
def english_words() -> frozenset[str]:
    """Return the words of English texts that no German text has, in lower case."""
    english, german = set[str](), set[str]()
    with (ROOT / "monitor" / "languages" / "de.po").open("rb") as file:
        for entry in read_po(file):
            english |= _words_of(entry.id)
            german |= _words_of(entry.string)
    for code, found in (("en", english), ("de", german)):
        path = ROOT / "monitor" / "ui" / "languages" / f"{code}.yaml"
        found.update(
            *(words(str(text)) for text in yaml.safe_load(path.read_text("utf-8")).values())
        )
    return frozenset((english - german | ALWAYS_ENGLISH) - MEANS_ANOTHER_THING)


def _words_of(texts: object) -> set[str]:
    forms = (texts,) if isinstance(texts, str) else texts
    return set().union(*(words(re.sub(r"%\(\w+\)s|<[^>]+>|`[^`]*`", " ", one)) for one in forms))


def words(text: str) -> set[str]:
    """Return the words of a text, in lower case."""
    return {found.lower() for found in WORD.findall(text)}


def english_in(text: str) -> set[str]:
    """Return the English words of a German text, apart from what is code."""
    return words(re.sub(r"`[^`]*`", " ", text)) & english_words()


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        is_button = tag == "input" and named.get("type") in {"submit", "button"}
        self.texts += [
            value
            for name, value in attrs
            if value and (name in SHOWN or (is_button and name == "value"))
        ]
        if tag not in VOID:
            self._open.append((tag, tag in NOT_PROSE or named.get("lang") == "en"))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if data.strip() and not any(is_hidden for _, is_hidden in self._open):
            self.texts.append(" ".join(data.split()))


def shown_texts(page: str) -> list[str]:
    """Return what people read or hear of an HTML page, without code and what says it is English."""
    parser = _Page()
    parser.feed(page)
    return parser.texts
