from __future__ import annotations

import os
import unicodedata

import pytest

from ads.playlists.finder import MediaFinder

ACCENTS = "Crème brûlée/été.mp4"


@pytest.mark.parametrize(("stored", "written"), [("NFD", "NFC"), ("NFC", "NFD"), ("NFC", "NFC")])
def test_accents_are_found_in_either_spelling(tmp_path, stored, written):
    path = tmp_path / unicodedata.normalize(stored, ACCENTS)
    path.parent.mkdir()
    path.touch()
    assert MediaFinder(tmp_path).find(unicodedata.normalize(written, ACCENTS)) == path


def test_an_exact_name_comes_first(tmp_path):
    for form in ("NFC", "NFD"):
        (tmp_path / unicodedata.normalize(form, "é.mp4")).touch()
    for form in ("NFC", "NFD"):
        name = unicodedata.normalize(form, "é.mp4")
        assert MediaFinder(tmp_path).find(name).name == name


def test_a_name_that_is_not_utf_8_is_found_as_it_is_shown(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    path.touch()
    assert MediaFinder(tmp_path).find(r"caf\udce9.mp4") == path


def test_what_is_not_there_keeps_its_name(tmp_path):
    finder = MediaFinder(tmp_path)
    assert [finder.find(name) for name in ("a/é.mp4", "b.mp4")] == [
        tmp_path / "a/é.mp4",
        tmp_path / "b.mp4",
    ]


def test_other_capitals_find_the_only_file(tmp_path):
    (tmp_path / "Summer.MP4").touch()
    for name in ("Tea.mp4", "TEA.mp4"):
        (tmp_path / name).touch()
    finder = MediaFinder(tmp_path)
    assert finder.find("summer.mp4") == finder.find("SUMMER.mp4") == tmp_path / "Summer.MP4"
    assert finder.find("Tea.mp4") == tmp_path / "Tea.mp4"
    assert finder.find("tea.mp4") == tmp_path / "tea.mp4"
