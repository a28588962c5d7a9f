"""Colours and measures of the window.

What the people in front of the screen may read (overlay and notice) is written for 3 metres: no
text is smaller than `SMALLEST_TEXT`, 1/30 of the screen's height. Its capital letters are at least
0.71 of that (Inter, Noto Sans, Roboto and DejaVu Sans all reach it), so on a screen of 48 inches,
598 mm high, they are 14.1 mm high and seen from 3 m under 16 minutes of arc, the least that ISO
9241-303 allows: height = 2 pi x distance x minutes / 21,600 (NUREG-0700, 1.3.1-4). A smaller screen
has to be read from nearer, in proportion. The operator's panel is read at arm's length, 0.7 m, and
is written in `PANEL_TEXT`, which by the same rule is enough from a screen of 16 inches on.

The colours are those of Okabe and Ito, "Color Universal Design" (2008), which people with any kind
of colour vision can tell apart; their dark blue is left out, because it cannot be read on a dark
panel. No colour says anything alone: each has a word, a shape or a place beside it. Every text has
a contrast of at least 4.5 to 1 (WCAG 2.1, level AA) on its panel, over any ad.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from PyQt5.QtGui import QColor

from detector.emotion.labels import EMOTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

EMOTION_COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "angry": "#D55E00",
        "disgust": "#009E73",
        "fear": "#CC79A7",
        "happy": "#F0E442",
        "sad": "#56B4E9",
        "surprise": "#E69F00",
        "neutral": "#C9CED6",
    }
)

PANEL = QColor(11, 14, 20, 236)
PANEL_EDGE = QColor(255, 255, 255, 30)
DENSE_PANEL = QColor("#0B0E14")
"""Under long texts, which an ad that shines through would disturb."""
TEXT = QColor("#F5F7FA")
TEXT_SOFT = QColor("#AEB7C4")
TRACK = QColor(255, 255, 255, 26)
LINE = QColor(255, 255, 255, 70)
INK = QColor("#0B0E14")
UNREAD = QColor("#9AA4B5")
"""Boxes and labels of faces without an emotion; darker than neutral."""
GOOD = QColor("#56B4E9")
WARNING = QColor("#E69F00")
FAULT = QColor("#FF7A1A")
"""Vermillion, a little lighter than Okabe and Ito's, so that small text in it can be read on the panel."""

REFERENCE_HEIGHT = 720.0
"""Height of the window, in pixels, for which all measures are written; they grow and shrink with it."""

SMALLEST_TEXT = 24.0
"""Size of the smallest text that is read from afar."""

PANEL_TEXT = 17.0
"""Size of the text that is read at arm's length."""

OVERLAY_WIDTH = 410.0
"""Width of the column of measurements."""

MARGIN = 16.0
"""Between the window's edge and what lies over the ad."""

MIDDLE_SHARE = 1 / 3
"""Share of the window's width and height, in its middle, that nothing covers by itself: the ad is what people came for."""

_WIDTH_FOR_COLUMN = (OVERLAY_WIDTH + MARGIN) / ((1 - MIDDLE_SHARE) / 2)
"""Narrowest window in which the column leaves the middle free; in a narrower one everything is drawn smaller."""


def emotion_colour(name: str) -> QColor:
    """The colour of an emotion."""
    return QColor(EMOTION_COLOURS[name])


def scale_for(width: float, height: float) -> float:
    """How large everything is drawn, 1 in a window of 1280 x 720.

    A portrait window is measured by its width, so that lines of text keep their room.
    """
    return max(
        0.5,
        min(
            height / REFERENCE_HEIGHT,
            width / (REFERENCE_HEIGHT if height > width else _WIDTH_FOR_COLUMN),
        ),
    )


def colour_of_index(index: int) -> QColor:
    """The colour of the emotion at a place in `EMOTIONS`."""
    return emotion_colour(EMOTIONS[index])
