"""Colours and measures of the window.

The emotion colours are those of Okabe and Ito, "Color Universal Design" (2008), which people with any kind of colour
vision can tell apart; their dark blue is left out, because it cannot be read on a dark panel.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from PyQt5.QtGui import QColor

from detector.emotions import EMOTIONS

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

PANEL = QColor(11, 14, 20, 214)
PANEL_EDGE = QColor(255, 255, 255, 30)
TEXT = QColor("#F5F7FA")
TEXT_SOFT = QColor("#AEB7C4")
TRACK = QColor(255, 255, 255, 26)
LINE = QColor(255, 255, 255, 70)
INK = QColor("#0B0E14")
UNREAD = QColor("#8A94A6")
"""Boxes and labels of faces without an emotion; darker than neutral."""
GOOD = QColor("#56B4E9")
WARNING = QColor("#E69F00")
FAULT = QColor("#FF7A1A")
"""Vermillion, a little lighter than Okabe and Ito's, so that small text in it can be read on the panel."""

REFERENCE_HEIGHT = 720.0
"""Height of the window, in pixels, for which all measures are written; they grow and shrink with it."""


def emotion_colour(name: str) -> QColor:
    """The colour of an emotion."""
    return QColor(EMOTION_COLOURS[name])


def scale_for(width: float, height: float) -> float:
    """How large everything is drawn, 1 in a window of 1280 x 720.

    A portrait window is measured by its width, so that lines of text keep their room.
    """
    return max(0.5, min(height / REFERENCE_HEIGHT, width / (REFERENCE_HEIGHT if height > width else 960.0)))


def colour_of_index(index: int) -> QColor:
    """The colour of the emotion at a place in `EMOTIONS`."""
    return emotion_colour(EMOTIONS[index])
