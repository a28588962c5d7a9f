"""Asks at the first start which of several cameras is the one, with a live preview."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING

from PyQt5.QtCore import QEvent, QObject, QSize, QTimer, pyqtSignal, pyqtSlot
from PyQt5.QtWidgets import QDialog, QHBoxLayout, QLabel, QListWidget, QPushButton, QVBoxLayout

from monitor.ui import style
from monitor.ui.application import APPLICATION_NAME
from monitor.ui.camera_watch import CameraView, CameraWatch, open_camera
from monitor.ui.overlay.preview import Preview
from monitor.ui.painting import text_font

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from PyQt5.QtGui import QCloseEvent, QShowEvent

    from detector.sources.video_source import VideoSource
    from monitor.sensor.camera_choice import Camera

UNATTENDED_AFTER_S = 60.0
"""Without a key for so long nobody is there to choose: a kiosk that starts by itself must not wait for ever."""

LONGEST_SEARCH_S = 30.0
"""How long the cameras are tried after that, until the show begins without a choice."""

TICK_MS = 250
FIRST_SIZE = QSize(980, 560)
PREVIEW_SIZE = QSize(560, 315)


class CameraPicker(QDialog):
    """A list of cameras, and what the selected one sees.

    Keys: Up and Down select, Enter uses the selected camera, Esc cancels, Tab goes round. Only a
    camera that gives a picture can be used. When nobody touches a key for a minute, the first
    camera with a picture is taken, the selected one before the others.

    Nothing that the cameras give is measured or kept: the newest picture is in memory, and nothing
    else.

    Args:
        cameras: At least one.
        texts: Of the window's language.
        scale: How large everything is drawn.
        first: Selected at first; the first one of the list by default.
        open_source: Opens a camera.
        unattended_after_s: Seconds without a key until a camera is taken; `None` waits for ever.
        clock: Seconds that never go back.

    Attributes:
        chosen: The camera to use; `None` while none is chosen, and after a cancel.
        by_hand: Whether a person chose it.
        cancelled: Whether a person gave up.

    Raises:
        ValueError: There is no camera.
    """

    _woken = pyqtSignal()

    def __init__(
        self,
        cameras: Sequence[Camera],
        texts: Mapping[str, str],
        *,
        scale: float = 1.0,
        first: Camera | None = None,
        open_source: Callable[[Camera], VideoSource] = open_camera,
        unattended_after_s: float | None = UNATTENDED_AFTER_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        if not cameras:
            raise ValueError(
                "Invalid cameras: expected at least one, received none; ask only where there is a choice."
            )
        self._cameras = tuple(cameras)
        self._texts = texts
        self._clock = clock
        self._deadline_s = None if unattended_after_s is None else clock() + unattended_after_s
        self._unattended = False
        self._failed: set[int] = set()
        self._lock = threading.Lock()
        self._newest: CameraView | None = None
        self.chosen: Camera | None = None
        self.by_hand = False
        self.cancelled = False

        self.list = QListWidget(self)
        self.preview = Preview(texts, self)
        self.use = QPushButton(texts["picker_use"], self)
        self.cancel = QPushButton(texts["picker_cancel"], self)
        self.countdown = QLabel(self)
        self._build(scale)

        self._ticker = QTimer(self)
        self._ticker.setInterval(TICK_MS)
        self._ticker.timeout.connect(self._on_tick)
        self._ticker.start()
        # Queued by Qt, because it is emitted in the thread of the camera.
        self._woken.connect(self._on_view)
        self._watch = CameraWatch(self._take, open_source)
        self.list.currentRowChanged.connect(self._on_selected)
        self.list.itemActivated.connect(self._on_use)
        self.use.clicked.connect(self._on_use)
        self.cancel.clicked.connect(self.reject)
        for widget in (self, self.list, self.use, self.cancel):
            widget.installEventFilter(self)
        self.list.setCurrentRow(self._cameras.index(first) if first in self._cameras else 0)
        self.list.setFocus()
        self._on_tick()

    @property
    def selected(self) -> Camera:
        """The camera whose picture is shown."""
        return self._cameras[max(0, self.list.currentRow())]

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is not None and event.type() in (
            QEvent.Type.KeyPress,
            QEvent.Type.MouseButtonPress,
        ):
            # Somebody is there after all.
            self._deadline_s = None
            self._unattended = False
            self.countdown.clear()
        return bool(super().eventFilter(watched, event))

    def done(self, result: int) -> None:
        """Releases the camera, so that the sensor can open it, and closes the dialog."""
        if result != QDialog.DialogCode.Accepted and not self._unattended:
            self.cancelled = True
        self._ticker.stop()
        self._watch.close()
        super().done(result)

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        # Without a desktop nobody else gives the window the keyboard.
        self.activateWindow()

    def closeEvent(self, event: QCloseEvent | None) -> None:
        # The title bar's cross is a cancel too.
        self.reject()
        super().closeEvent(event)

    def _build(self, scale: float) -> None:
        texts = self._texts
        title, explanation, hint = (
            QLabel(texts[f"picker_{name}"], self) for name in ("title", "explanation", "hint")
        )
        title.setFont(text_font(26 * scale, bold=True))
        for label in (explanation, hint, self.countdown):
            label.setFont(text_font(style.PANEL_TEXT * scale))
            label.setWordWrap(True)
        hint.setObjectName("soft")
        self.countdown.setObjectName("soft")
        # Its room stays when there is no more to say, so that nothing jumps under the eye.
        self.countdown.setMinimumHeight(self.countdown.fontMetrics().height())
        for widget in (self.list, self.use, self.cancel):
            widget.setFont(text_font(style.PANEL_TEXT * scale))
        for camera in self._cameras:
            index = texts["picker_camera"].format(index=camera.index)
            self.list.addItem(f"{camera.name} ({index})" if camera.name else index)
        self.list.setAccessibleName(texts["picker_title"])
        self.list.setWordWrap(True)
        self.preview.set_scale(scale)
        self.preview.setMinimumSize(PREVIEW_SIZE * scale)
        self.use.setDefault(True)
        self.use.setEnabled(False)
        self.cancel.setAutoDefault(False)
        pad = round(18 * scale)
        middle = QHBoxLayout()
        middle.setSpacing(pad)
        middle.addWidget(self.list, 2)
        middle.addWidget(self.preview, 3)
        buttons = QHBoxLayout()
        buttons.setSpacing(pad)
        buttons.addWidget(hint, 1)
        buttons.addWidget(self.cancel)
        buttons.addWidget(self.use)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(pad, pad, pad, pad)
        whole.setSpacing(pad)
        whole.addWidget(title)
        whole.addWidget(explanation)
        whole.addLayout(middle, 1)
        whole.addWidget(self.countdown)
        whole.addLayout(buttons)
        self.setStyleSheet(_style_sheet(scale))
        self.setWindowTitle(f"{APPLICATION_NAME}: {texts['picker_title']}")
        self.resize(FIRST_SIZE * scale)

    def _take(self, view: CameraView) -> None:
        """Runs in the camera's thread: keeps the newest view, and wakes the window once for all that have come."""
        with self._lock:
            waiting = self._newest is not None
            self._newest = view
        if not waiting:
            self._woken.emit()

    @pyqtSlot()
    def _on_view(self) -> None:
        with self._lock:
            view, self._newest = self._newest, None
        if (
            view is None
            or view.camera is not self.selected
            or self.chosen is not None
            or self.cancelled
        ):
            return
        self.use.setEnabled(view.picture is not None)
        self.preview.show_frame(
            view.picture, (), "" if view.picture is not None else self._texts["picker_no_picture"]
        )
        if view.picture is None:
            self._failed.add(self.list.currentRow())
        if self._unattended:
            self._settle()

    @pyqtSlot(int)
    def _on_selected(self, _row: int) -> None:
        self.use.setEnabled(False)
        self.preview.show_frame(None, (), self._texts["picker_opening"])
        self._watch.watch(self.selected)

    @pyqtSlot()
    def _on_use(self) -> None:
        if self.use.isEnabled():
            self.chosen = self.selected
            self.by_hand = True
            self.accept()

    @pyqtSlot()
    def _on_tick(self) -> None:
        if self._deadline_s is None:
            return
        left_s = self._deadline_s - self._clock()
        self.countdown.setText(
            self._texts["picker_countdown"].format(seconds=max(0, math.ceil(left_s)))
        )
        if left_s <= -LONGEST_SEARCH_S:
            # A driver hangs. The show must begin, with a camera or without.
            self.reject()
        elif left_s <= 0 and not self._unattended:
            self._unattended = True
            self._settle()

    def _settle(self) -> None:
        """Takes the selected camera if it gives a picture, else goes on to one that was not tried yet."""
        if self.use.isEnabled():
            self.chosen = self.selected
            self.accept()
        elif self.list.currentRow() in self._failed:
            untried = [row for row in range(len(self._cameras)) if row not in self._failed]
            if untried:
                self.list.setCurrentRow(untried[0])
            else:
                self.reject()


def _style_sheet(scale: float) -> str:
    edge, radius, pad = round(3 * scale), round(8 * scale), round(9 * scale)
    return f"""
        QDialog {{ background: {style.INK.name()}; }}
        QLabel {{ color: {style.TEXT.name()}; }}
        QLabel#soft {{ color: {style.TEXT_SOFT.name()}; }}
        QListWidget, QPushButton {{
            background: #1B212C; color: {style.TEXT.name()}; border: {edge}px solid #3A4354; border-radius: {radius}px;
            padding: {pad}px; outline: 0;
        }}
        QListWidget::item {{ padding: {pad}px; border-radius: {radius}px; }}
        QListWidget::item:selected {{ background: {style.GOOD.name()}; color: {style.INK.name()}; }}
        QPushButton {{ padding: {pad}px {2 * pad}px; }}
        QPushButton:disabled {{ color: #7C8799; }}
        QPushButton:default:enabled {{ background: #24415A; }}
        QListWidget:focus, QPushButton:focus {{ border: {edge}px solid {style.WARNING.name()}; }}
    """
