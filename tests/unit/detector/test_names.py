from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.names import (
    is_blank,
    is_system_file,
    plain_name,
    printable,
    printable_document,
    printable_json,
)

ANY_TEXT = st.text(st.characters(), max_size=60) | st.text(
    'a\x00\x07\x1b\x7f\x9b\n\t\u2028\u202e\u2066\ud83d\udce9\ufffe😀é\\"', max_size=30
)


@given(text=ANY_TEXT)
def test_what_is_printable_is_plain_and_stays(text):
    shown = printable(text)
    assert printable(shown) == shown
    shown.encode("utf-8")
    for letter in shown:
        assert unicodedata.category(letter) not in {"Cc", "Cs", "Zl", "Zp"}
        assert unicodedata.bidirectional(letter) not in {"RLO", "LRO", "RLE", "LRE", "PDF", "RLI"}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Sommer 😀 «été»", "Sommer 😀 «été»"),
        ("👩\u200d👩\u200d👧 שלום", "👩\u200d👩\u200d👧 שלום"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b31m", r"\x9b31m"),
        ("a\nERROR: b\r", r"a\nERROR: b\r"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        (b"caf\xe9.mp4".decode("utf-8", "surrogateescape"), r"caf\udce9.mp4"),
    ],
)
def test_what_is_shown(name, shown):
    assert printable(name) == shown


def test_lines_may_be_kept():
    assert printable("a\n\tb\x1b", keep="\n\t") == "a\n\tb\\x1b"


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | ANY_TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
        max_leaves=8,
    ),
    indent=st.sampled_from([None, 2]),
)
def test_json_is_plain_and_read_by_everybody(value, indent):
    text = printable_json(value, indent=indent)
    assert printable(text, keep="\n") == text
    assert type(json.loads(text)) is type(value)
    assert json.loads(printable_json(printable_document(value))) == printable_document(value)


def test_json_keeps_what_its_escapes_can_say():
    name = "\x9bA\u202e\n"
    assert json.loads(printable_json({name: [name]})) == {name: [name]}
    assert printable_json("\udce9") == r'"\\udce9"'
    with pytest.raises(ValueError, match="not JSON compliant"):
        printable_json(float("nan"))


def test_accents_are_composed():
    assert plain_name("Cafe\u0301\x07") == "Café\\x07"


@pytest.mark.parametrize("text", ["", " ", "\u3000\xa0", "\u200b\u200d", "\n"])
def test_nothing_is_seen(text):
    assert is_blank(text)
    assert not is_blank(f"{text}.")


@pytest.mark.parametrize(
    "name",
    ["._a.jpg", ".DS_Store", "Thumbs.db", "__MACOSX", "@eaDir", "lost+found", "#recycle",
     "desktop.ini", "System Volume Information", "~$offer.pptx"],
)  # fmt: skip
def test_what_systems_leave_is_known(name):
    assert is_system_file(name)
    assert not is_system_file(f"my {name}")
