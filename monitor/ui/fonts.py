"""The window's font, loaded from the package so that the layout is the same on every machine."""

from __future__ import annotations

import logging

from PyQt5.QtGui import QFont, QFontDatabase

from monitor.fonts import FAMILY, font_file

logger = logging.getLogger(__name__)


def load_application_font() -> QFont:
    """Load the packaged family and return it as a font; the application must exist.

    Characters that it lacks, such as Chinese and emoji, are drawn in the system's fonts.
    """
    for weight in ("Regular", "Bold"):
        path = font_file(weight)
        if QFontDatabase.addApplicationFont(str(path)) < 0:
            logger.warning("Cannot load the font %s; using the system's fonts. Reinstall it.", path)
    font = QFont(FAMILY)
    font.setStyleHint(QFont.StyleHint.SansSerif)
    # Text keeps its proportions at every size.
    font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    return font
