"""Colours and sizes of the window.

People read the overlay and the notice from 3 metres, so no text there is smaller than
`MIN_TEXT`: its capitals are 14.1 mm high on a 48-inch screen, 16 minutes of arc, the minimum
of ISO 9241-303 and NUREG-0700 (1.3.1-4). Smaller screens must be read from nearer, in proportion.
Operators read the panel from 0.7 m: `PANEL_TEXT` suffices on screens of 16 inches and more.

The emotions have the colours of pages and reports. No colour carries meaning alone: a word, a shape
or a place goes with it. Texts have a contrast of at least 4.5 to 1 (WCAG 2.1, AA) over any ad.
"""

from __future__ import annotations

from types import MappingProxyType

from PyQt5.QtGui import QColor

from monitor.palette import ON_DARK

EMOTION_COLOURS = ON_DARK

GROUP_COLOURS = MappingProxyType(
    {
        "happy": EMOTION_COLOURS["happy"],
        "surprise": EMOTION_COLOURS["surprise"],
        "negative": EMOTION_COLOURS["angry"],
        "neutral": EMOTION_COLOURS["neutral"],
    }
)

PANEL = QColor(11, 14, 20, 236)
PANEL_EDGE = QColor(255, 255, 255, 30)
INK = QColor("#0B0E14")
"""Dark text on colour, and the opaque ground of long texts."""
TEXT = QColor("#F5F7FA")
TEXT_SOFT = QColor("#AEB7C4")
TRACK = QColor(255, 255, 255, 26)
LINE = QColor(255, 255, 255, 70)
UNREAD = QColor("#9AA4B5")
"""Faces without an emotion; darker than neutral."""
GOOD = QColor("#56B4E9")
WARNING = QColor("#E69F00")
FAULT = QColor("#FF7A1A")
"""Vermillion, a little lighter than Okabe and Ito's, to be legible in small text on the panel."""

FIELD, FIELD_LINE, DISABLED, DEFAULT = "#1B212C", "#3A4354", "#7C8799", "#24415A"
"""What can be used in a dialog: its ground, its edge, while it cannot be used, the main button."""

REFERENCE_HEIGHT = 720.0
"""All sizes are in pixels of a window this high and scale with it."""
MIN_TEXT = 24.0
PANEL_TEXT = 17.0
OVERLAY_WIDTH = 410.0
MARGIN = 16.0
MIDDLE_SHARE = 1 / 3
"""Share of the window's width and height, in its middle, that nothing covers unasked."""


def scale_for(width: float, height: float) -> float:
    """Return the factor for all sizes: 1 in a window of 1280 x 720.

    A portrait window is measured by its width, to keep room for lines of text. In a narrow
    landscape one everything shrinks until the overlay leaves the middle free.
    """
    column = (OVERLAY_WIDTH + MARGIN) / ((1 - MIDDLE_SHARE) / 2)
    reference_width = REFERENCE_HEIGHT if height > width else column
    return max(0.5, min(height / REFERENCE_HEIGHT, width / reference_width))


def near_scale_for(width: float, height: float) -> float:
    """Return the factor for what is read and used from nearby: help, panel, set-up.

    It is that of `scale_for`, but does not shrink with the overlay, for which a small window has
    too little room.
    """
    return max(scale_for(width, height), min(1.0, height / REFERENCE_HEIGHT, width / 600))


def dialog_sheet(scale: float) -> str:
    """Return how dialogs look, as a style sheet of Qt, in sizes that follow the screen."""
    pad, mark, text = round(8 * scale), round(16 * scale), TEXT.name()
    border, radius = f"border: {round(2 * scale)}px solid", f"border-radius: {round(8 * scale)}px;"
    return f"""
        QDialog, QWidget {{ background: {INK.name()}; color: {text}; }}
        QLabel#soft {{ color: {TEXT_SOFT.name()}; }}
        QLabel#wrong {{ color: {WARNING.name()}; }}
        QListWidget, QPushButton, QLineEdit, QComboBox {{
            background: {FIELD}; color: {text}; {border} {FIELD_LINE}; {radius}
            padding: {pad}px; outline: 0;
        }}
        QListWidget::item {{ padding: {pad}px; {radius} }}
        QListWidget::item:selected {{ background: {GOOD.name()}; color: {INK.name()}; }}
        QPushButton {{ padding: {pad}px {2 * pad}px; }}
        QPushButton:disabled, QRadioButton:disabled {{ color: {DISABLED}; }}
        QPushButton:default:enabled {{ background: {DEFAULT}; }}
        QRadioButton, QCheckBox {{ padding: {pad}px; {border} transparent; {radius} }}
        QRadioButton::indicator, QCheckBox::indicator {{
            width: {mark}px; height: {mark}px; {border} {DISABLED}; background: {FIELD};
        }}
        QRadioButton::indicator {{ border-radius: {mark // 2 + round(2 * scale)}px; }}
        QRadioButton::indicator:checked, QCheckBox::indicator:checked {{
            background: {GOOD.name()}; border-color: {text};
        }}
        QScrollBar {{ background: {INK.name()}; width: {2 * pad}px; }}
        QScrollBar::handle {{ background: {FIELD_LINE}; {radius} min-height: {3 * pad}px; }}
        QScrollBar::add-line, QScrollBar::sub-line {{ height: 0; }}
        QListWidget:focus, QPushButton:focus, QLineEdit:focus, QComboBox:focus,
        QRadioButton:focus, QCheckBox:focus {{ {border} {WARNING.name()}; }}
    """
