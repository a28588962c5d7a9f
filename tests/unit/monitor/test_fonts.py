"""The fonts of pages and PDFs: names in other scripts than Latin need no font of the machine."""

# ruff: noqa: RUF001 - names in other scripts

from __future__ import annotations

import base64
import io
import re

import pytest
from fontTools.ttLib import TTFont

from monitor import fonts

NAMES = {
    "Ad Monitor Letters": "Кафе",
    "Ad Monitor Arabic": "قهوة",
    "Ad Monitor Devanagari": "चाय",
    "Ad Monitor Hebrew": "קפה",
    "Ad Monitor Thai": "ชาเย็น",
    "Ad Monitor Emoji": "🔥",
    "Ad Monitor CJK": "咖啡コーヒー커피",
}


def embedded(css: str) -> dict[str, TTFont]:
    """Return the fonts in some `@font-face` rules, by family."""
    found = re.findall(r'font-family: "([^"]+)".*?base64,([^"]+)"', css)
    return {family: TTFont(io.BytesIO(base64.b64decode(data))) for family, data in found}


@pytest.mark.parametrize(("family", "name"), NAMES.items())
def test_a_name_in_another_script_brings_its_characters_and_no_others(family, name):
    css = fonts.fallback_css(f"Tea – {name}", "woff2")
    (found,) = embedded(css).items()
    assert found[0] == family
    assert set(map(ord, name)) <= set(found[1].getBestCmap())
    assert set(found[1].getBestCmap()) <= set(map(ord, name)) | fonts._WITHIN
    assert len(css) < 12_000
    assert css == fonts.fallback_css(f"Tea – {name}", "woff2")


def test_every_fallback_is_tested_and_its_file_is_there():
    assert list(NAMES) == list(fonts.FALLBACKS)
    assert all(fonts._path(name).is_file() for name in fonts.FALLBACKS.values())


def test_latin_needs_no_fallback_and_a_pdf_none_for_cyrillic():
    assert fonts.fallback_css("Sommer & Café – “Grün” − €", "woff2") == ""
    assert fonts.fallback_css("Кафе", "otf") == ""


def test_marks_without_a_name_bring_nothing():
    assert fonts.fallback_css("a\ufe0f\u200d\u202e\x00\n", "woff2") == ""


def test_parts_of_an_emoji_stay_together():
    (font,) = embedded(fonts.fallback_css("👩\u200d🍳", "otf")).values()
    assert {0x200D, 0x1F469, 0x1F373} <= set(font.getBestCmap())
    assert "GSUB" in font


def test_arabic_letters_keep_their_joined_forms():
    (font,) = embedded(fonts.fallback_css("قهوة", "otf")).values()
    assert {"init", "medi", "fina"} <= {
        record.FeatureTag for record in font["GSUB"].table.FeatureList.FeatureRecord
    }


def test_the_fallback_fonts_stay_small():
    sizes = [fonts._path(name).stat().st_size for name in set(fonts.FALLBACKS.values())]
    assert sum(sizes) < 6_000_000


def test_the_licences_lie_beside_the_fonts():
    folder = fonts._path("OFL.txt").parent
    texts = [path.read_text(encoding="utf-8") for path in folder.glob("*.txt")]
    assert sum("SIL OPEN FONT LICENSE" in text for text in texts) == 2
    assert sum("Apache License" in text for text in texts) == 1
