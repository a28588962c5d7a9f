"""A font that is surely there: Qt's wheel brings none, and a bare machine may have none either."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path

from PyQt5.QtGui import QFont, QFontDatabase

logger = logging.getLogger(__name__)

PREFERRED_FAMILIES = (
    "Inter",
    "Noto Sans",
    "Open Sans",
    "Source Sans 3",
    "Roboto",
    "Ubuntu",
    "Segoe UI",
    "Helvetica Neue",
    "Liberation Sans",
    "DejaVu Sans",
)
"""Sans-serif families that read well from afar, best first."""

BUNDLED_FILES = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")
"""Files that matplotlib carries inside its package."""


def choose_family() -> str:
    """Finds the family for all texts of the window; the application must exist.

    Where none of `PREFERRED_FAMILIES` is installed, the DejaVu Sans that comes with matplotlib is
    used.

    Returns:
        Name of the family; empty, which means Qt's own choice, if there is no font at all.
    """
    installed = set(QFontDatabase().families())
    for family in PREFERRED_FAMILIES:
        if family in installed:
            return family
    return _register_bundled()


def application_font() -> QFont:
    """The font of all texts, without hinting so that text keeps its proportions at every size."""
    font = QFont(choose_family())
    font.setStyleHint(QFont.StyleHint.SansSerif)
    font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    return font


def _register_bundled() -> str:
    # Only looked up, not imported: importing matplotlib costs a third of a second.
    found = importlib.util.find_spec("matplotlib")
    if found is None or found.origin is None:
        logger.info("No font was found: install one, for example the package fonts-dejavu-core.")
        return ""
    folder = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"
    family = ""
    for name in BUNDLED_FILES:
        number = QFontDatabase.addApplicationFont(str(folder / name))
        names = QFontDatabase.applicationFontFamilies(number) if number >= 0 else []
        family = family or (names[0] if names else "")
    return family
