"""The kiosk window: the ad with the measurements over it, the notice below it, and the keys."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PyQt5.QtCore import (
    QEvent,
    QPoint,
    QRect,
    QRectF,
    QSize,
    Qt,
    QTimer,
    pyqtSignal,
    pyqtSlot,
)
from PyQt5.QtWidgets import QWidget

from ads.errors import AdsError
from detector.emotion.labels import EMOTIONS
from monitor.languages import speaking
from monitor.ui.ad_view import AdView
from monitor.ui.application import APPLICATION_NAME
from monitor.ui.cards import CodeBadge, DemoMark, HelpCard, NameCard, PausedBadge
from monitor.ui.first_run.card import SetupCard
from monitor.ui.notice.notice import Notice
from monitor.ui.operator.facts import sections
from monitor.ui.operator.panel import OperatorPanel
from monitor.ui.overlay.overlay import Overlay
from monitor.ui.screens import FullScreen, fills_screen
from monitor.ui.style import MARGIN, near_scale_for, scale_for
from monitor.ui.texts import DEFAULT_LANGUAGE, known_language, texts_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PyQt5.QtGui import QCloseEvent, QKeyEvent, QResizeEvent, QScreen

    from ads.player.player import AdPlayer
    from detector.emotion.labels import LabelSet
    from detector.emotion.prevalence import PrevalenceCalibration
    from monitor.sensor.live import LiveView
    from monitor.ui.bridge import LiveBridge
    from monitor.ui.operator.facts import Section, SessionFacts
    from monitor.ui.screen_saver import Method

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NoticeOptions:
    """What the people in front of the screen are told.

    Attributes:
        languages: In which; empty for the window's.
        url: Where they read more about the measurement; empty leaves that sentence out.
        required: Whether nothing is measured while the notice is not on the screen.
        measures: Whether there is a camera; without one the notice says that nobody is measured.
    """

    languages: Sequence[str] = ()
    url: str = ""
    required: bool = False
    measures: bool = True


@dataclass(frozen=True, slots=True)
class ReadingsOptions:
    """What of the measurement is shown over the ad.

    Attributes:
        shown: Whether live readings, with people's own faces, are; `None` shows them in a window
            but not in full screen.
        calibration: That of the model, for the audience's shares and valence.
        labels: Its label set.
    """

    shown: bool | None = None
    calibration: PrevalenceCalibration | None = None
    labels: LabelSet = EMOTIONS


class KioskWindow(QWidget):
    """Show what the player plays and what the bridge brings; it owns neither.

    Keys: F or F11 full screen, N or Right next ad, Space pause, O overlay, F1 operator panel,
    H or ? help, Q quit. Esc closes the panel or the help if one is open; else it leaves full screen
    if a key had switched it on, and quits otherwise.

    The notice has its own strip below the ad. Nothing covers it and no key switches it off.

    Args:
        language: Of the window.
        notice: What the people in front of the screen are told.
        readings: What of the measurement is shown over the ad.
        session: What is known of the session; over the ads of a demonstration it is written that
            the demo viewer is measured.
        saver: Returns how the screen saver is held off.
        clock: Of the frames' capture times, in nanoseconds.

    Signals, each emitted once:
        quit_requested: The window was closed, by a key or otherwise.
        failed: No ad can be played, with the reason in one sentence; no picture comes any more.
        finished: The player has played everything.

    Raises:
        LanguageError: There are no texts in a language.
    """

    quit_requested = pyqtSignal()
    failed = pyqtSignal(str)
    finished = pyqtSignal()

    def __init__(
        self,
        player: AdPlayer,
        bridge: LiveBridge[LiveView],
        *,
        language: str = DEFAULT_LANGUAGE,
        notice: NoticeOptions = NoticeOptions(),
        readings: ReadingsOptions = ReadingsOptions(),
        session: SessionFacts | None = None,
        saver: Callable[[], Method] = lambda: "none",
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        super().__init__()
        self._player = player
        self._bridge = bridge
        self._language = known_language(language)
        self._texts = self.texts = texts_for(language)
        self._clock = clock
        self._session = session
        self._saver = saver
        self._view: LiveView | None = None
        self._notice_required = notice.required
        self._full_screen = FullScreen(self)
        self._closed = self._finished = False
        self._viewport: tuple[int, int] | None = None

        self.ad_view = AdView(self)
        self.ad_view.show_message(self._texts["loading"], self._texts["loading_hint"], is_busy=True)
        self.ad_view.painted.connect(player.painted)
        self.demo_mark = DemoMark(self._texts, self)
        self.demo_mark.setVisible(session is not None and session.kind == "demo")
        self.overlay = Overlay(
            self._texts,
            self,
            calibration=readings.calibration,
            labels=readings.labels,
            clock=clock,
        )
        self._shows_overlay = {
            "window": readings.shown is not False,
            "full screen": readings.shown is True,
        }
        notice_texts = [texts_for(code) for code in (notice.languages or (language,))]
        self.notice = Notice(notice_texts, notice.url, self, measures=notice.measures)
        self.paused_badge = PausedBadge(self._texts, self)
        self.code_badge = CodeBadge(self._texts, self._hub_code, self)
        self.name_card = NameCard(self)
        self.setup_card = SetupCard(self._texts, self)
        self.setup_card.changed.connect(self._arrange)
        self.operator_panel = OperatorPanel(self._texts, self.operator_facts, self)
        self.help_card = HelpCard(self._texts, self)

        self._ticker = QTimer(self)
        self._ticker.setTimerType(Qt.TimerType.PreciseTimer)
        self._ticker.timeout.connect(self._on_tick)
        # While the window's edge is dragged, the player does not get every size on the way.
        self._viewport_delay = QTimer(self)
        self._viewport_delay.setSingleShot(True)
        self._viewport_delay.timeout.connect(self._update_viewport)
        bridge.view_changed.connect(self._on_view_changed)

        self.setWindowTitle(APPLICATION_NAME)
        self.setMinimumSize(QSize(320, 240))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.resize(QSize(1280, 720))

    def begin(self, *, fullscreen: bool = False, screen: QScreen | None = None) -> None:
        """Show the window, on a screen, and ask the player for pictures from now on."""
        self._full_screen = FullScreen(self, screen)
        self._full_screen.begin(fullscreen=fullscreen)
        self.activateWindow()
        self.code_badge.begin()
        # A view that came before the bridge was connected keeps later ones from being announced.
        self._on_view_changed()
        self._update_viewport()
        # A picture is late by half of this on average, and asking for it costs next to nothing.
        self._ticker.start(5)

    def toggle_overlay(self) -> None:
        self._shows_overlay[self._mode] = not self._shows_overlay[self._mode]
        self._arrange()

    @property
    def _mode(self) -> str:
        return "full screen" if fills_screen(self) else "window"

    def toggle_pause(self) -> None:
        if self._player.paused:
            self._player.resume()
        else:
            self._player.pause()
        self.paused_badge.setVisible(self._player.paused)

    def _hub_code(self) -> str | None:
        return None if self._session is None else self._session.uplink().code

    def operator_facts(self) -> tuple[Section, ...]:
        notice = self.notice.state
        with speaking(self._language):
            return sections(
                self._texts,
                view=self._view,
                notice=notice if notice == "waiting" or self._notice_required else "shown",
                show=self._player,
                session=self._session,
                saver=self._saver(),
                now_ns=self._clock(),
                was_seen=self.overlay.was_seen,
            )

    @pyqtSlot()
    def _on_tick(self) -> None:
        try:
            picture = self._player.advance()
        except Exception as error:
            self._ticker.stop()
            if isinstance(error, AdsError):
                logger.error("The ads stopped: %s", error)
                self.ad_view.show_message(self._texts["no_ad"])
                self.failed.emit(str(error))
                return
            # Ads that stand still must not count as shown: the run ends, and the exception hook
            # reports why.
            self.failed.emit(f"internal error ({type(error).__name__}: {error})")
            raise
        player = self._player
        if picture is not None:
            self.ad_view.show_picture(picture)
        elif player.current is None and not player.filling and not player.finished:
            # An ad left on the screen after its play would be seen without being counted.
            is_idle = player.next_choice is None and not player.resting
            if self.ad_view.has_picture or is_idle:
                if player.resting:
                    self.ad_view.show_message("")
                else:
                    self.ad_view.show_message(self._texts["idle"], self._texts["idle_hint"])
        if self.paused_badge.isHidden() == player.paused:
            self.paused_badge.setVisible(player.paused)
        if player.finished and not self._finished:
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
    def _update_viewport(self) -> None:
        ratio = self.devicePixelRatioF()
        area = self.ad_view.size() * ratio
        viewport = max(1, area.width()), max(1, area.height())
        if viewport != self._viewport and not self._closed:
            self._viewport = viewport
            self._player.set_viewport(*viewport)

    @pyqtSlot()
    def _arrange(self) -> None:
        width, height = self.width(), self.height()
        scale = scale_for(width, height)
        for part in (self.paused_badge, self.code_badge, self.demo_mark, self.name_card):
            part.set_scale(scale)
        for part in (self.setup_card, self.operator_panel, self.help_card):
            part.set_scale(near_scale_for(width, height))
        notice_height = self.notice.fit(width, height, scale)
        self.notice.setGeometry(0, height - notice_height, width, notice_height)
        area = QRect(0, 0, width, height - notice_height)
        self.ad_view.setGeometry(area)
        margin = round(MARGIN * scale)
        room = area.adjusted(margin, margin, -margin, -margin)
        self.overlay.arrange(room, scale)
        self.overlay.setVisible(self._shows_overlay[self._mode])
        free = _beside(self.overlay, room)
        self.ad_view.set_scale(scale, QRectF(free))
        self.name_card.setGeometry(room)
        code = QRect(free.topLeft(), self.code_badge.natural_size(room.size()))
        code.moveBottom(min(code.bottom(), room.bottom()))
        self.code_badge.setGeometry(code)
        for part in (self.operator_panel, self.help_card):
            place = QRect(QPoint(), part.natural_size(room.size()))
            place.moveCenter(room.center())
            part.setGeometry(place)
        # The corner that the overlay takes neither as a column nor as a band.
        card = QRect(QPoint(), self.setup_card.natural_size())
        card.moveBottomLeft(room.bottomLeft())
        self.setup_card.setGeometry(card)
        badge = QRect(QPoint(), self.paused_badge.natural_size())
        badge.moveBottomLeft(room.bottomLeft())
        if not self.setup_card.isHidden():
            badge.moveBottom(card.top() - margin)
            above, beside = QRect(free), QRect(free)
            above.setBottom(card.top() - margin)
            beside.setLeft(card.right() + margin)
            free = max(above, beside, key=self._mark_size_in)
        self.paused_badge.setGeometry(badge)
        mark = QRect(QPoint(), self.demo_mark.natural_size(free.size()))
        mark.moveCenter(free.center())
        self.demo_mark.setGeometry(mark)

    def _mark_size_in(self, place: QRect) -> int:
        """Return how many pixels the mark of a demonstration would cover in a place."""
        size = self.demo_mark.natural_size(place.size())
        return max(0, size.width()) * max(0, size.height())

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self._arrange()
        if self.isVisible():
            self._viewport_delay.start(120)

    def changeEvent(self, event: QEvent | None) -> None:
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.WindowStateChange:
            self._arrange()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is None:
            return
        actions: dict[int, Callable[[], object]] = {
            Qt.Key.Key_F: self._full_screen.toggle,
            Qt.Key.Key_F11: self._full_screen.toggle,
            Qt.Key.Key_N: self._player.skip,
            Qt.Key.Key_Right: self._player.skip,
            Qt.Key.Key_Space: self.toggle_pause,
            Qt.Key.Key_O: self.toggle_overlay,
            Qt.Key.Key_H: self.help_card.toggle,
            Qt.Key.Key_Question: self.help_card.toggle,
            Qt.Key.Key_F1: self.operator_panel.toggle,
            Qt.Key.Key_Q: self.close,
            Qt.Key.Key_Escape: self._escape,
        }
        self.operator_panel.touched()
        action = actions.get(event.key())
        if event.isAutoRepeat():
            event.accept()
        elif action is not None:
            action()
        elif not self.setup_card.press(event.key()):
            super().keyPressEvent(event)

    def _escape(self) -> None:
        if self.operator_panel.isVisible() or self.help_card.isVisible():
            self.operator_panel.hide()
            self.help_card.stop()
        elif not self._full_screen.leave():
            self.close()

    def closeEvent(self, event: QCloseEvent | None) -> None:
        if not self._closed:
            self._closed = True
            self._ticker.stop()
            self._viewport_delay.stop()
            self.notice.stop()
            self.help_card.stop()
            self.code_badge.stop()
            self.name_card.stop()
            self.quit_requested.emit()
        # Accepted: the window is out of sight while the threads are being joined.
        super().closeEvent(event)


def _beside(overlay: Overlay, room: QRect) -> QRect:
    """Return the part of a room that the overlay leaves."""
    free = QRect(room)
    if not overlay.isHidden():
        taken, margin = overlay.geometry(), room.left()
        if taken.width() > room.width() / 2:
            free.setTop(taken.bottom() + margin)
        else:
            free.setRight(taken.left() - margin)
    return free
