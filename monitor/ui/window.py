"""The kiosk window: the ad over the whole area, the measurements and the notice above it, and the keys."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from PyQt5.QtCore import QPoint, QRect, QSize, Qt, QTimer, pyqtSignal, pyqtSlot
from PyQt5.QtGui import QGuiApplication
from PyQt5.QtWidgets import QWidget

from ads.errors import AdsError
from monitor.ui.ad_view import AdView
from monitor.ui.application import APPLICATION_NAME
from monitor.ui.cards import HelpCard, PausedBadge
from monitor.ui.notice.notice import Notice
from monitor.ui.operator.facts import sections
from monitor.ui.operator.panel import OperatorPanel
from monitor.ui.overlay.overlay import Overlay
from monitor.ui.screens import fill_screen, fills_screen, put_on_screen
from monitor.ui.style import MARGIN, scale_for
from monitor.ui.texts import DEFAULT_LANGUAGE, texts_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PyQt5.QtGui import QCloseEvent, QKeyEvent, QResizeEvent, QScreen

    from ads.player.player import AdPlayer
    from monitor.sensor.live import LiveView
    from monitor.ui.bridge import LiveBridge
    from monitor.ui.operator.facts import NoticeState, Section, SessionFacts
    from monitor.ui.screen_saver import Method

logger = logging.getLogger(__name__)

TICK_MS = 5
"""How often the player is asked for a new picture: more often than a screen of 60 Hz refreshes, because a picture is
late by half of this on average, and asking costs next to nothing."""

VIEWPORT_DELAY_MS = 120
"""While the window's edge is dragged, the player is not told each size on the way."""

NOTICE_WATCH_MS = 200
"""How often it is looked whether the notice is still on the screen: within two readings of a viewer."""

FIRST_SIZE = QSize(1280, 720)
TITLE_BAR_PX = 48
SMALLEST_SIZE = QSize(320, 240)


class KioskWindow(QWidget):
    """Shows what the player plays and what the bridge brings.

    The window owns neither: whoever made the player starts and stops it. Keys: F or F11 full
    screen, N or Right next ad, Space pause, O overlay, F1 operator panel, H or ? help, Q quit. Esc
    closes the panel or the help if one is open; else it leaves full screen if a key had switched it
    on, and quits otherwise, so that a kiosk that was started in full screen is left by one key.

    The notice lies over everything else and cannot be switched off.

    Args:
        player: Already started or not; asked for pictures by a timer from `begin()` on.
        bridge: Brings the live views.
        language: Of all texts.
        notice_languages: Of the notice; the window's language by default.
        notice_url: Where people read more about the measurement; empty leaves that sentence out.
        notice_required: Whether nothing is measured while the notice is not on the screen; for the
            operator panel.
        measures: Whether there is a camera; without one the notice says that nobody is measured.
        fullscreen: Begin in full screen.
        screen: Where to begin; the system's choice by default.
        overlay: Begin with the overlay shown.
        session: What the operator panel says about the session; `None` leaves that out.
        saver: Asked how the screen saver is held off.
        clock: The clock of the frames' capture times, in nanoseconds.
        parent: The Qt owner.

    Signals:
        quit_requested: The window was closed, or a key asked for the end; emitted once.
        failed: No ad can be played, with the reason in one sentence; emitted once, and no picture
            comes any more.
        finished: The player has played everything it was to play; emitted once.
        notice_shown: The notice is on the screen: painted, in a window that is neither minimised
            nor hidden.
        notice_hidden: It no longer is. A window that lies behind another one is not noticed.

    Raises:
        LanguageError: There are no texts in a language.
    """

    quit_requested = pyqtSignal()
    failed = pyqtSignal(str)
    finished = pyqtSignal()
    notice_shown = pyqtSignal()
    notice_hidden = pyqtSignal()

    def __init__(
        self,
        player: AdPlayer,
        bridge: LiveBridge,
        *,
        language: str = DEFAULT_LANGUAGE,
        notice_languages: Sequence[str] | None = None,
        notice_url: str = "",
        notice_required: bool = False,
        measures: bool = True,
        fullscreen: bool = False,
        screen: QScreen | None = None,
        overlay: bool = True,
        session: SessionFacts | None = None,
        saver: Callable[[], Method] = lambda: "none",
        clock: Callable[[], int] = time.monotonic_ns,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._player = player
        self._bridge = bridge
        self._texts = texts_for(language)
        self._clock = clock
        self._session = session
        self._saver = saver
        self._view: LiveView | None = None
        self._notice_required = notice_required
        self._notice: NoticeState = "waiting"
        self._begin_fullscreen = fullscreen
        self._screen = screen
        self._windowed = QRect()
        self._fullscreen_by_key = False
        self._closed = False
        self._finished = False
        self._viewport: tuple[int, int] | None = None

        self.ad_view = AdView(self)
        self.ad_view.show_message(self._texts["loading"])
        self.ad_view.painted.connect(player.painted)
        self.overlay = Overlay(self._texts, self, clock=clock)
        self.overlay.setVisible(overlay)
        notice_texts = [texts_for(code) for code in (notice_languages or (language,))]
        self.notice = Notice(notice_texts, notice_url, self, measures=measures)
        self.notice.painted.connect(self._on_watch_notice)
        self.paused_badge = PausedBadge(self._texts, self)
        self.operator_panel = OperatorPanel(self._texts, self._panel_sections, self)
        self.help_card = HelpCard(self._texts, self)

        self._ticker = QTimer(self)
        self._ticker.setTimerType(Qt.TimerType.PreciseTimer)
        self._ticker.setInterval(TICK_MS)
        self._ticker.timeout.connect(self._on_tick)
        self._viewport_delay = QTimer(self)
        self._viewport_delay.setSingleShot(True)
        self._viewport_delay.setInterval(VIEWPORT_DELAY_MS)
        self._viewport_delay.timeout.connect(self._tell_viewport)
        self._notice_watch = QTimer(self)
        self._notice_watch.setInterval(NOTICE_WATCH_MS)
        self._notice_watch.timeout.connect(self._on_watch_notice)
        bridge.view_changed.connect(self._on_view_changed)

        self.setWindowTitle(APPLICATION_NAME)
        self.setMinimumSize(SMALLEST_SIZE)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.resize(FIRST_SIZE)

    def begin(self) -> None:
        """Shows the window and asks the player for pictures from now on."""
        primary = QGuiApplication.primaryScreen() if self._begin_fullscreen else None
        put_on_screen(self, self._screen or primary)
        self._windowed = self.geometry()
        if self._begin_fullscreen:
            fill_screen(self)
        elif self._fits_on_screen():
            self.show()
        else:
            # With its frame it would reach beyond the screen, and the notice at its lower edge
            # could not be read.
            self.showMaximized()
        self._hide_cursor_in_full_screen()
        self.activateWindow()
        # A view that came before the bridge was connected has waited for us, and keeps later ones
        # from being announced.
        self._on_view_changed()
        self._tell_viewport()
        self._ticker.start()
        self._notice_watch.start()

    def toggle_overlay(self) -> None:
        """Shows or hides the measurements; they go on either way."""
        self.overlay.setVisible(not self.overlay.isVisible())

    def toggle_full_screen(self) -> None:
        """Fills the screen, or goes back to a window."""
        self._fullscreen_by_key = not fills_screen(self)
        self._set_full_screen(self._fullscreen_by_key)

    def toggle_pause(self) -> None:
        """Pauses the show, or lets it go on."""
        if self._player.paused:
            self._player.resume()
        else:
            self._player.pause()
        self.paused_badge.setVisible(self._player.paused)

    def next_ad(self) -> None:
        """Ends the present ad."""
        self._player.skip()

    @pyqtSlot()
    def _on_tick(self) -> None:
        going_on = False
        try:
            picture = self._player.advance()
            going_on = True
        except AdsError as error:
            logger.error("The ads stopped: %s", error)
            self.ad_view.show_message(self._texts["no_ad"])
            self.failed.emit(str(error))
            return
        except Exception as error:
            # Ads that stand still must not be counted as shown: the run ends, and the exception
            # hook tells why.
            self.failed.emit(f"internal error ({type(error).__name__}: {error})")
            raise
        finally:
            # Once, and not a hundred times a second.
            if not going_on:
                self._ticker.stop()
        if picture is not None:
            self.ad_view.show_picture(picture)
        elif (
            self._player.current is None and self.ad_view.has_picture and not self._player.finished
        ):
            # Its play has ended: an ad that stays on the screen would be seen without being
            # counted.
            self.ad_view.show_message("" if self._player.resting else self._texts["idle"])
        self._show_state_of_player()

    def _show_state_of_player(self) -> None:
        paused = self._player.paused
        if self.paused_badge.isHidden() == paused:
            self.paused_badge.setVisible(paused)
        if self._player.finished and not self._finished:
            self._finished = True
            self._ticker.stop()
            self.finished.emit()

    @pyqtSlot()
    def _on_view_changed(self) -> None:
        view = self._bridge.take()
        if view is not None and not self._closed:
            self._view = view
            self.overlay.show_view(view)

    @pyqtSlot()
    def _on_watch_notice(self) -> None:
        handle = self.windowHandle()
        exposed = (
            handle is not None
            and handle.isExposed()
            and self.isVisible()
            and not self.isMinimized()
        )
        shown = exposed and self.notice.was_painted and not self._closed
        if shown and self._notice != "shown":
            self._notice = "shown"
            self.notice_shown.emit()
        elif not shown and self._notice == "shown":
            self._notice = "hidden"
            self.notice_hidden.emit()

    def _panel_sections(self) -> tuple[Section, ...]:
        notice = self._notice if self._notice == "waiting" or self._notice_required else "shown"
        return sections(
            self._texts,
            view=self._view,
            notice=notice,
            show=self._player,
            session=self._session,
            saver=self._saver(),
            now_ns=self._clock(),
        )

    @pyqtSlot()
    def _tell_viewport(self) -> None:
        ratio = self.devicePixelRatioF()
        viewport = max(1, round(self.width() * ratio)), max(1, round(self.height() * ratio))
        if viewport != self._viewport and not self._closed:
            self._viewport = viewport
            self._player.set_viewport(*viewport)

    def _fits_on_screen(self) -> bool:
        screen = (
            self._screen or QGuiApplication.screenAt(self.pos()) or QGuiApplication.primaryScreen()
        )
        if screen is None or QGuiApplication.platformName() == "offscreen":
            return True
        room = screen.availableGeometry()
        return self.width() <= room.width() and self.height() + TITLE_BAR_PX <= room.height()

    def _set_full_screen(self, wanted: bool) -> None:
        if wanted:
            self._windowed = self.geometry()
            fill_screen(self)
        else:
            self.showNormal()
            self.setGeometry(self._windowed)
        self._hide_cursor_in_full_screen()

    def _hide_cursor_in_full_screen(self) -> None:
        if fills_screen(self):
            self.setCursor(Qt.CursorShape.BlankCursor)
        else:
            self.unsetCursor()

    def _arrange(self) -> None:
        width, height = self.width(), self.height()
        scale = scale_for(width, height)
        self.ad_view.setGeometry(0, 0, width, height)
        self.ad_view.set_scale(scale)
        self.notice.set_scale(scale)
        notice_height = min(self.notice.natural_height(width), height)
        self.notice.setGeometry(0, height - notice_height, width, notice_height)
        margin = round(MARGIN * scale)
        room = QRect(margin, margin, width - 2 * margin, height - notice_height - 2 * margin)
        self.overlay.arrange(room, scale)
        self.paused_badge.set_scale(scale)
        badge = self.paused_badge.natural_size()
        # The corner that neither the column of measurements nor the band takes.
        self.paused_badge.setGeometry(
            QRect(QPoint(margin, room.bottom() + 1 - badge.height()), badge)
        )
        self.operator_panel.set_scale(scale)
        panel = QRect(QPoint(0, 0), self.operator_panel.natural_size(room.size()))
        panel.moveCenter(room.center())
        self.operator_panel.setGeometry(panel)
        self.help_card.set_scale(scale)
        card = QRect(QPoint(0, 0), self.help_card.natural_size())
        card.moveCenter(QPoint(width // 2, height // 2))
        self.help_card.setGeometry(card)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self._arrange()
        if self.isVisible():
            self._viewport_delay.start()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is None:
            return
        key = event.key()
        self.operator_panel.touched()
        if event.isAutoRepeat():
            event.accept()
        elif key in (Qt.Key.Key_F, Qt.Key.Key_F11):
            self.toggle_full_screen()
        elif key in (Qt.Key.Key_N, Qt.Key.Key_Right):
            self.next_ad()
        elif key == Qt.Key.Key_Space:
            self.toggle_pause()
        elif key == Qt.Key.Key_O:
            self.toggle_overlay()
        elif key in (Qt.Key.Key_H, Qt.Key.Key_Question):
            self.help_card.toggle()
        elif key == Qt.Key.Key_F1:
            self.operator_panel.toggle()
        elif key == Qt.Key.Key_Escape and (
            self.operator_panel.isVisible() or self.help_card.isVisible()
        ):
            self.operator_panel.hide()
            self.help_card.stop()
        elif key == Qt.Key.Key_Escape and self._fullscreen_by_key and fills_screen(self):
            self.toggle_full_screen()
        elif key in (Qt.Key.Key_Q, Qt.Key.Key_Escape):
            self.close()
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent | None) -> None:
        if not self._closed:
            self._closed = True
            self._ticker.stop()
            self._viewport_delay.stop()
            self._notice_watch.stop()
            self._on_watch_notice()
            self.overlay.stop()
            self.operator_panel.stop()
            self.help_card.stop()
            self.quit_requested.emit()
        # Accepted: the window is out of sight while the threads are being joined.
        super().closeEvent(event)
