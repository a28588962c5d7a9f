"""One palette: the style sheet of the pages has the colours of reports and window."""

from __future__ import annotations

import re
from pathlib import Path

from detector.emotion.labels import EMOTIONS
from monitor import palette, web
from monitor.reports.faces import _LINES

STYLES = (Path(web.__file__).parent / "static" / "page.css").read_text("utf-8")


def test_pages_and_reports_have_the_same_colours_for_the_emotions():
    light, dark = (
        dict(re.findall(r"--(\w+): (#\w+);", block))
        for block in re.findall(r":root \{(.*?)\}", STYLES, re.DOTALL)[:2]
    )
    for name in EMOTIONS:
        assert light[name] == palette.EMOTION_COLOURS[name].lower()
        assert _LINES[name][0] == palette.EMOTION_COLOURS[name]
    assert dark["sad"] == palette.ON_DARK["sad"].lower()
