"""The fonts of the window, the HTML report and the PDF.

The family `FAMILY` is a subset of Inter, made by `tools/subset_fonts.py`: OpenType files with
Latin, Greek and Cyrillic, and WOFF2 files with Latin only, small enough to embed in a page.
`FALLBACKS` are for names of ads and sites in other scripts, on machines without such fonts: Noto
Sans and Noto Emoji (SIL Open Font License, `OFL-Noto.txt`) and Droid Sans Fallback (Apache License
2.0, `Apache-2.0.txt`) for Chinese, Japanese and Korean. A page embeds only the characters it uses.
"""

from __future__ import annotations

import functools
import io
import logging
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

FAMILY = "Ad Monitor Sans"
FALLBACKS = {
    "Ad Monitor Letters": "AdMonitorSans-Regular.otf",
    "Ad Monitor Arabic": "NotoSansArabic-Regular.ttf",
    "Ad Monitor Devanagari": "NotoSansDevanagari-Regular.ttf",
    "Ad Monitor Hebrew": "NotoSansHebrew-Regular.ttf",
    "Ad Monitor Thai": "NotoSansThai-Regular.ttf",
    "Ad Monitor Emoji": "NotoEmoji-Regular.ttf",
    "Ad Monitor CJK": "DroidSansFallback.ttf",
}
"""File by family, in the order in which they are asked for a character."""

STACK = ", ".join(f'"{name}"' for name in (FAMILY, *FALLBACKS))
"""Value of `font-family` that names all of them."""

_WITHIN = {0x20, 0xA0, 0x200D, 0xFE0F}
"""Spaces, zero-width joiner and emoji variation selector: parts of words and emoji in any font."""


def font_file(weight: str, suffix: str = "otf") -> Path:
    """Return the path of the file for `Regular` or `Bold`; `woff2` is the smaller one."""
    return _path(f"AdMonitorSans-{weight}.{suffix}")


def font_face_css(suffix: str) -> str:
    """Return the `@font-face` rules of both weights, with the files embedded as `data:` URLs."""
    return "".join(
        _rule(FAMILY, number, suffix, font_file(weight, suffix).read_bytes())
        for weight, number in (("Regular", 400), ("Bold", 700))
    )


def fallback_css(text: str, suffix: str) -> str:
    """Return `@font-face` rules of `FALLBACKS` for what `FAMILY` lacks of a text.

    The same text gives the same rules, byte for byte.

    Args:
        text: What is shown; each font is cut down to its characters.
        suffix: `woff2` for pages, whose own font has Latin only; `otf` for PDFs.
    """
    wanted = {ord(character) for character in set(text) if character.isprintable()} | _WITHIN
    missing = wanted - _characters(font_file("Regular", suffix)) - _WITHIN
    rules = []
    for family, name in FALLBACKS.items():
        if not missing:
            break
        if found := missing & _characters(_path(name)):
            missing -= found
            kind = "woff2" if suffix == "woff2" else "ttf"
            rules.append(_rule(family, 400, kind, _subset(_path(name), found | _WITHIN, kind)))
    return "".join(rules)


def _path(name: str) -> Path:
    return Path(__file__).with_name(name)


def _rule(family: str, weight: int, suffix: str, content: bytes) -> str:
    kind = {"otf": "opentype", "ttf": "truetype"}.get(suffix, suffix)
    data = b64encode(content).decode("ascii")
    return (
        f'@font-face {{ font-family: "{family}"; font-weight: {weight}; '
        f'src: url("data:font/{suffix};base64,{data}") format("{kind}") }}\n'
    )


@functools.cache
def _characters(path: Path) -> set[int]:
    from fontTools.ttLib import TTFont  # noqa: PLC0415 - slow to import, and rarely needed

    with TTFont(path, lazy=True) as font:
        return set(font.getBestCmap())


def _subset(path: Path, characters: Iterable[int], suffix: str) -> bytes:
    from fontTools import subset  # noqa: PLC0415
    from fontTools.ttLib import TTFont  # noqa: PLC0415

    logging.getLogger("fontTools").setLevel(logging.ERROR)
    with TTFont(path, lazy=True, recalcTimestamp=False) as font:
        worker = subset.Subsetter(subset.Options(hinting=False, notdef_outline=True))
        worker.populate(unicodes=characters)
        worker.subset(font)
        font.flavor = "woff2" if suffix == "woff2" else None
        out = io.BytesIO()
        font.save(out)
    return out.getvalue()
