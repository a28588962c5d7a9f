"""Windows that are shown until the kiosk's own is there; and the plain one, which says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt5.QtCore import QRectF, QSize, Qt, pyqtSignal
from PyQt5.QtWidgets import QWidget

from monitor.ui.ad_view import AdView
from monitor.ui.application import APPLICATION_NAME
from monitor.ui.notice.notice import Notice
from monitor.ui.screens import FullScreen
from monitor.ui.style import scale_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PyQt5.QtGui import QCloseEvent, QKeyEvent, QResizeEvent, QScreen


class WaitingScreen(QWidget):
    """A window that stands in for the kiosk's.

    Signals:
        quit_requested: It was closed other than by `dismiss`; emitted once.
    """

    quit_requested = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self._dismissed = False
        self.setWindowTitle(APPLICATION_NAME)
        self.resize(QSize(1280, 720))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def begin(self, *, fullscreen: bool, screen: QScreen | None = None) -> None:
        """Show the window; in full screen without the cursor."""
        FullScreen(self, screen).begin(fullscreen=fullscreen)
        self.activateWindow()

    def dismiss(self) -> None:
        """Close it; nobody wants to quit."""
        self._dismissed = True
        self.close()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is not None and event.key() in (Qt.Key.Key_Q, Qt.Key.Key_Escape):
            self.close()
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent | None) -> None:
        if not self._dismissed:
            self._dismissed = True
            self.quit_requested.emit()
        super().closeEvent(event)


class StartScreen(WaitingScreen):
    """Say that the kiosk starts, above the notice, as its window does until the first ad.

    Args:
        texts: Of the window's language.
        notice: Of the notice's languages.
        url: Where people read more about the measurement; may be empty.
        measures: Whether there is a camera.
    """

    def __init__(
        self,
        texts: Mapping[str, str],
        notice: Sequence[Mapping[str, str]],
        url: str,
        *,
        measures: bool = True,
    ) -> None:
        super().__init__()
        self.ad_view = AdView(self)
        self.ad_view.show_message(texts["loading"], texts["loading_hint"], is_busy=True)
        self.notice = Notice(notice, url, self, measures=measures)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        width, height = self.width(), self.height()
        scale = scale_for(width, height)
        strip = self.notice.fit(width, height, scale)
        self.notice.setGeometry(0, height - strip, width, strip)
        self.ad_view.setGeometry(0, 0, width, height - strip)
        self.ad_view.set_scale(scale, QRectF(self.ad_view.rect()))

    def closeEvent(self, event: QCloseEvent | None) -> None:
        self.notice.stop()
        super().closeEvent(event)
