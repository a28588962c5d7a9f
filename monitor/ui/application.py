"""The one QApplication and its font, loaded from the package to look the same on every machine."""

from __future__ import annotations

import logging

from PyQt5.QtCore import (
    QCoreApplication,
    QLibraryInfo,
    QMessageLogContext,
    Qt,
    QtMsgType,
    QTranslator,
    qInstallMessageHandler,
)
from PyQt5.QtGui import QFont, QFontDatabase
from PyQt5.QtWidgets import QApplication

from monitor.fonts import FAMILY, font_file
from monitor.ui import qt_environment

logger = logging.getLogger(__name__)
APPLICATION_NAME = "Ad Reaction Monitor"


def create_application(*, offscreen: bool = False) -> QApplication:
    """Make the application with its font, or return the existing one, if that has windows."""
    existing = QCoreApplication.instance()
    if isinstance(existing, QApplication):
        return existing
    if existing is not None:
        raise RuntimeError(
            "A Qt application without windows exists: expected none, or a QApplication; received "
            f"{type(existing).__name__}; create the window's application first."
        )
    qt_environment.prepare(offscreen=offscreen)
    qInstallMessageHandler(_log_qt_message)
    QCoreApplication.setAttribute(Qt.ApplicationAttribute.AA_EnableHighDpiScaling)
    QCoreApplication.setAttribute(Qt.ApplicationAttribute.AA_UseHighDpiPixmaps)
    # Only the program's name, so Qt reads none of the user's options.
    application = QApplication(["ad-monitor"])
    application.setApplicationName(APPLICATION_NAME)
    application.setFont(load_font())
    # The quitter ends the loop, after the threads were joined.
    application.setQuitOnLastWindowClosed(False)
    return application


def speak(language: str) -> None:
    """Let Qt's own words, such as those of a dialog for files, be in a language, if it has them."""
    application = QCoreApplication.instance()
    if application is None:
        return
    for before in application.findChildren(QTranslator):
        application.removeTranslator(before)
        before.setParent(None)
    translator = QTranslator(application)
    folder = QLibraryInfo.location(QLibraryInfo.LibraryLocation.TranslationsPath)
    if translator.load(f"qtbase_{language}", folder):
        application.installTranslator(translator)


def load_font() -> QFont:
    """Load the packaged family; characters that it lacks are drawn in the system's fonts."""
    for weight in ("Regular", "Bold"):
        path = font_file(weight)
        if QFontDatabase.addApplicationFont(str(path)) < 0:
            logger.warning("Cannot load the font %s; using the system's fonts. Reinstall it.", path)
    font = QFont(FAMILY)
    font.setStyleHint(QFont.StyleHint.SansSerif)
    # Text keeps its proportions at every size.
    font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    return font


def _log_qt_message(kind: QtMsgType, _context: QMessageLogContext, text: str | None) -> None:
    # Qt warns about its surroundings (no sound server, no runtime folder) where all is well for us.
    level = {
        QtMsgType.QtWarningMsg: logging.INFO,
        QtMsgType.QtCriticalMsg: logging.ERROR,
        QtMsgType.QtFatalMsg: logging.CRITICAL,
    }.get(kind, logging.DEBUG)
    logger.log(level, "Qt: %s", text)
