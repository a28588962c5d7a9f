"""The one QApplication."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PyQt5.QtCore import QCoreApplication, QMessageLogContext, Qt, QtMsgType, qInstallMessageHandler
from PyQt5.QtWidgets import QApplication

from monitor.ui import fonts, qt_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)

APPLICATION_NAME = "Ad Reaction Monitor"


def create_application(
    argv: Sequence[str] = ("ad-monitor",), *, offscreen: bool = False
) -> QApplication:
    """Makes the application with its font, or gives back the one that exists.

    Args:
        argv: Arguments for Qt; the program's name alone by default, so that Qt reads none of the
            user's options.
        offscreen: Draw into memory, whether or not there is a screen.

    Raises:
        RuntimeError: A Qt application without windows exists already.
    """
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
    application = QApplication(list(argv))
    application.setApplicationName(APPLICATION_NAME)
    application.setFont(fonts.load_application_font())
    # The window asks to quit and the quitter decides; Qt must not end the loop while threads are
    # being joined.
    application.setQuitOnLastWindowClosed(False)
    return application


def _log_qt_message(kind: QtMsgType, _context: QMessageLogContext, text: str | None) -> None:
    # Qt warns about its surroundings (no sound server, no runtime folder) even where nothing is
    # wrong for us.
    level = {
        QtMsgType.QtWarningMsg: logging.INFO,
        QtMsgType.QtCriticalMsg: logging.ERROR,
        QtMsgType.QtFatalMsg: logging.CRITICAL,
    }.get(kind, logging.DEBUG)
    logger.log(level, "Qt: %s", text)
