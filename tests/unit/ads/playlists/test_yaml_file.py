from __future__ import annotations

import os
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ads.playlists.yaml_file import (
    MAX_BYTES,
    MAX_DEPTH,
    YamlFileError,
    YamlProblemError,
    parse_yaml,
    read_yaml,
)
from tests.helpers.waiting import Stopwatch

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.text(alphabet="abc xyz", max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(alphabet="abcdef", min_size=1), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(value=PLAIN)
def test_plain_values_come_back(value):
    import yaml

    assert parse_yaml(yaml.safe_dump(value)).content == value


@given(text=st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    with suppress(YamlProblemError):
        parse_yaml(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\na: 2", "the key 'a' is written twice in line 2"),
        ("at: 2024-13-41", "a value cannot be read"),
        ("by: 1\nat: 2026-11-31", "a value cannot be read: there is no 2026-11-31"),
        ("n: !!int ''", "a value cannot be read"),
        ("t: !!timestamp soon", "a value cannot be read"),
        ("b: !!bool perhaps", "a value cannot be read"),
        ("m: !!map [1]", "."),
        ("x: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("&a [*a]", f"nested more than {MAX_DEPTH} levels deep"),
        ("[" * 60 + "]" * 60, f"nested more than {MAX_DEPTH} levels deep"),
        ("[" * 20_000, "levels deep"),
        ("a: 1\n---\nb: 2", "another document"),
        ("a: \x01", "control characters are not allowed"),
    ],
)
def test_what_is_refused(text, problem):
    with pytest.raises(YamlProblemError, match=problem):
        parse_yaml(text)


def test_a_value_may_be_repeated_by_alias_within_reason():
    assert parse_yaml("a: &x [1, 2]\nb: *x\nc: {<<: {d: *x}}").content == {
        "a": [1, 2],
        "b": [1, 2],
        "c": {"d": [1, 2]},
    }


def test_a_document_that_repeats_itself_is_refused_before_it_is_written_out():
    levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 30))
    watch = Stopwatch()
    with pytest.raises(
        YamlProblemError, match="holds more than 500000 values with its aliases expanded in line"
    ):
        parse_yaml(f"l0: &l0 [x]\n{levels}")
    assert watch.seconds < 60


def test_only_files_of_a_sensible_size_are_read(tmp_path):
    path = tmp_path / "file.yaml"
    path.write_bytes(b"a: 1".ljust(MAX_BYTES, b" "))
    assert read_yaml(path, "list").content == {"a": 1}
    path.write_bytes(b"a: 1".ljust(MAX_BYTES + 1, b" "))
    with pytest.raises(
        YamlFileError,
        match=r"^The list .*file\.yaml is not valid YAML: it is larger than 8 MiB; correct",
    ):
        read_yaml(path, "list")


def test_what_cannot_be_read_is_said_in_a_sentence(tmp_path):
    with pytest.raises(
        YamlFileError, match=r"^The list .+ cannot be read \(Is a directory\); check the file"
    ):
        read_yaml(tmp_path, "list")
    with pytest.raises(
        YamlFileError,
        match=r"^There is no list at .*none\.yaml; expected a YAML file with a key\.$",
    ):
        read_yaml(tmp_path / "none.yaml", "list", "a YAML file with a key")
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9")
    with pytest.raises(
        YamlFileError, match=r"^The list .+ is not text in UTF-8; expected a YAML file\.$"
    ):
        read_yaml(tmp_path / "latin.yaml", "list")


@pytest.mark.parametrize("device", ["pipe", "/dev/zero", "/dev/null"])
def test_a_pipe_or_a_device_is_refused_without_waiting(tmp_path, device):
    path = tmp_path / "file.yaml"
    if device == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(device)
    with pytest.raises(YamlFileError, match="a pipe or a device, not a file"):
        read_yaml(path, "list")


def test_the_line_of_a_key_is_known():
    document = parse_yaml(
        "show:\n  loops: 2\n\n  ads:\n    - {file: a}\n    - file: b\n      name: c\n"
    )
    assert document.line_of(()) == 1
    assert document.line_of(["show"]) == 1
    assert document.line_of(["show", "loops"]) == 2
    assert document.line_of(["show", "ads"]) == 4
    assert document.line_of(["show", "ads", 0, "file"]) == 5
    assert document.line_of(["show", "ads", 1]) == 6
    assert document.line_of(["show", "ads", 1, "name"]) == 7


def test_the_line_of_a_missing_key_is_that_of_the_nearest_one_above_it():
    document = parse_yaml("a: 1\nshow:\n  loops: 2\n")
    assert document.line_of(["show", "absent", "deeper"]) == 2
    assert document.line_of(["show", "loops", "deeper"]) == 3
    assert document.line_of(["show", 7]) == 2
    assert parse_yaml("").line_of(["a"]) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("hours: 22:00", 'takes 22:00 for the number 1320: write "22:00" in quotes if it is text'),
        ("weight: 010", 'takes 010 for the number 8: write "010" in quotes if it is text, else 8'),
        ("weight: 1_000", "takes 1_000 for the number 1000: "),
        ("weight: 0x1F", "takes 0x1F for the number 31: "),
        ("ads:\n  - weight: 1:30.5", "for the number 90.5: .*it stands in line 2, column 13"),
        ("a:\n\t- 1", r"a tab \(indent with spaces\) in line 2"),
        ("a: [1]\nb:\n  - c: 1\n\td: 2", r"a tab \(indent with spaces\) in line 4"),
        ("name: @home", "a value that begins with @ and is not in quotes in line 1"),
        ("name: Summer: drinks", "a colon in a value that is not in quotes in line 1"),
        (r'name: "\ud83d\ude00"', r"an escape that is half an emoji \(write the emoji\) in line 1"),
    ],
)
def test_what_yaml_would_take_for_something_else(text, problem):
    with pytest.raises(YamlProblemError, match=problem):
        parse_yaml(text)


def test_numbers_that_mean_what_they_look_like():
    content = parse_yaml("[0, 10, 0.5, .5, -3, 1.0e+3, '22:00', '010', 08:00-12:00, 1e3]").content
    assert content == [0, 10, 0.5, 0.5, -3, 1000.0, "22:00", "010", "08:00-12:00", "1e3"]


@pytest.mark.parametrize(
    ("coding", "is_marked"),
    [
        *(("utf-8", False), ("utf-8", True), ("utf-16", False), ("utf-32", False)),
        *(("utf-16-le", True), ("utf-16-le", False), ("utf-16-be", False)),
    ],
)
def test_codings_with_and_without_a_mark(tmp_path, coding, is_marked):
    path = tmp_path / "list.yaml"
    mark = "\ufeff" if is_marked else ""
    path.write_bytes(f"{mark}name: café 😀\r\nb: [1]\r\n".encode(coding))
    assert read_yaml(path, "list").content == {"name": "café 😀", "b": [1]}


def test_the_source_of_a_value_is_known():
    document = parse_yaml("show:\n  name: no\n  days: [mon, off]\n  hours: '22:00'\n")
    assert document.source_of(["show", "name"]) == "no"
    assert document.source_of(["show", "days", 1]) == "off"
    assert document.source_of(["show", "hours"]) is None
    assert document.source_of(["show", "absent"]) is None
