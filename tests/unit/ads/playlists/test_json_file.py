from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ads.playlists.json_file import parse_json
from ads.playlists.yaml_file import MAX_DEPTH, YamlFileError, read_yaml

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab😀"), inner, max_size=4),
    max_leaves=15,
)


@given(value=VALUES, escaped=st.booleans())
def test_json_comes_back(value, escaped):
    assert parse_json(json.dumps(value, ensure_ascii=escaped), 50, 1000) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' is written twice"),
        (
            r'{"a": "\ud83d"}',
            r"text '\\ud83d' holds half a character \(\\ud83d without its other half\); write the",
        ),
        (r'{"\ude00": 1}', "half a character"),
        ('{"a": NaN}', "NaN is no number of JSON"),
        ('{"a": 1,}', "a comma stands before a closing bracket in line 1, column"),
        ("{'a': 1}", "double quotes in line 1, column 2"),
        ("", "Expecting value in line 1, column 1"),
        ("[" * 60 + "]" * 60, "nested more than 50 levels deep"),
        ("[" * 100_000, "nested more than 50 levels deep"),
        ("[" + "1," * 2000 + "1]", "more than 1000 values"),
    ],
)
def test_what_is_refused(text, problem):
    with pytest.raises(ValueError, match=problem):
        parse_json(text, MAX_DEPTH, 1000)


@pytest.mark.parametrize("name", ["list.json", "LIST.JSON", "list.yaml"])
@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_escaped_emoji_in_any_coding(tmp_path, name, coding):
    path = tmp_path / name
    path.write_bytes('{\r\n"name": "\\ud83d\\ude00 été"\r\n}\r\n'.encode(coding))
    assert read_yaml(path, "list").content == {"name": "😀 été"}


def test_the_message_names_the_form(tmp_path):
    path = tmp_path / "list.json"
    path.write_text('{"a": 1,}')
    with pytest.raises(YamlFileError, match=r"^The list .+ is not valid JSON: a comma .*; correct"):
        read_yaml(path, "list")
