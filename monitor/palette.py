"""The colours of the emotions: the same in the window, on the pages and in reports.

They are Okabe and Ito's (2008), which people with any colour vision can tell apart.
`monitor/web/static/page.css` repeats them, because style sheets read no Python.
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
