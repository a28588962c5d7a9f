"""The colours of emotions, texts and advice: the same in the window, on pages and in reports.

Those of the emotions are Okabe and Ito's (2008), which people with any colour vision can tell
apart. `monitor/web/static/page.css` and `monitor/reports/templates/report.css` repeat them, because
style sheets read no Python; a test compares.
"""

from __future__ import annotations

from types import MappingProxyType

EMOTION_COLOURS = MappingProxyType(
    {
        "angry": "#D55E00",
        "disgust": "#009E73",
        "fear": "#CC79A7",
        "happy": "#E69F00",
        "sad": "#0072B2",
        "surprise": "#56B4E9",
        "neutral": "#6B7280",
    }
)

ON_DARK = MappingProxyType({**EMOTION_COLOURS, "sad": "#1583C9", "neutral": "#C9CED6"})
"""On dark ground: blue and grey are lighter, to be legible there."""

INK, MUTED, LINE, ACCENT = "#14213d", "#5b6478", "#e3e6ec", "#0b5394"
"""Text, lesser text, lines and links on light ground."""

TONES = MappingProxyType(
    {"keep": "#00795a", "stop": "#b23a00", "keep_testing": ACCENT, "collect": MUTED}
)
"""Of each advice about an ad."""
