"""The one font family of the window, the HTML report and the PDF.

A subset of Inter, made by `tools/subset_fonts.py`: OpenType files with Latin, Greek and Cyrillic,
and WOFF2 files with Latin only, small enough to embed in a page. Other scripts, such as Chinese,
and emoji come from the system's fonts.
"""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

FAMILY = "Ad Monitor Sans"


def font_file(weight: str, suffix: str = "otf") -> Path:
    """Return the path of the file for `Regular` or `Bold`; `woff2` is the smaller one."""
    return Path(__file__).with_name(f"AdMonitorSans-{weight}.{suffix}")


def font_face_css(suffix: str) -> str:
    """Return the `@font-face` rules of both weights, with the files embedded as `data:` URLs."""
    kind = "opentype" if suffix == "otf" else suffix
    rules = []
    for weight, number in (("Regular", 400), ("Bold", 700)):
        data = b64encode(font_file(weight, suffix).read_bytes()).decode("ascii")
        rules.append(
            f'@font-face {{ font-family: "{FAMILY}"; font-weight: {number}; '
            f'src: url("data:font/{suffix};base64,{data}") format("{kind}") }}\n'
        )
    return "".join(rules)
