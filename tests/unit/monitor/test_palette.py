"""One palette: the style sheet of the pages has the colours of reports and window."""

from __future__ import annotations

import re
from pathlib import Path

from detector.emotion.labels import EMOTIONS
from monitor import palette, reports, web
from monitor.reports.faces import _LINES

STYLES = (Path(web.__file__).parent / "static" / "page.css").read_text("utf-8")
REPORT_STYLES = (Path(reports.__file__).parent / "templates" / "report.css").read_text("utf-8")


def variables(styles: str) -> tuple[dict[str, str], dict[str, str]]:
    """The colours by name, on light ground and on dark."""
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#\w+);", block))
        for block in re.findall(r":root \{(.*?)\}", styles, re.DOTALL)[:2]
    )
    return light, dark


def test_pages_and_reports_have_the_same_colours_for_the_emotions():
    light, dark = variables(STYLES)
    for name in EMOTIONS:
        assert light[name] == palette.EMOTION_COLOURS[name].lower()
        assert _LINES[name][0] == palette.EMOTION_COLOURS[name]
    assert dark["sad"] == palette.ON_DARK["sad"].lower()


def test_pages_and_reports_have_the_same_colours_for_texts_and_grounds():
    for of_page, of_report in zip(variables(STYLES), variables(REPORT_STYLES), strict=True):
        common = of_page.keys() & of_report.keys()
        assert {"ink", "muted", "line", "accent", "wash", "card", "top", "warn"} <= common
        assert {name: of_page[name] for name in common} == {
            name: of_report[name] for name in common
        }
    light = variables(STYLES)[0]
    found = [light[name] for name in ("ink", "muted", "line", "accent")]
    assert found == [palette.INK, palette.MUTED, palette.LINE, palette.ACCENT]


def test_advice_has_the_same_colours_on_pages_and_slides():
    found = dict(re.findall(r"\.a-(\w+) \{ --tone: (#\w+); \}", REPORT_STYLES))
    assert found == dict(palette.TONES)
