"""The technical file on the site."""

from __future__ import annotations

from pathlib import Path

from detector.emotion.model_store import shipped_default
from tools.docs_site.technical_file import technical_file_text

PAGE = Path(__file__).parents[4] / "docs" / "explanation" / "technical-file.md"


def test_it_is_about_the_shipped_model_and_begins_below_the_page_s_title():
    text = technical_file_text()
    assert f"model {shipped_default().stem}" in text.partition("\n")[0]
    assert not [line for line in text.splitlines() if line.startswith("# ")]


def test_the_page_has_its_place():
    assert "<!-- technical file -->" in PAGE.read_text(encoding="utf-8")
