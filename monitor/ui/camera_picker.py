"""Ask at the first start which of several cameras to use, with a live preview kept in memory."""

from __future__ import annotations

import logging
import math
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
from PyQt5.QtCore import QEvent, QObject, QSize, QTimer, pyqtSlot
from PyQt5.QtWidgets import QDialog, QHBoxLayout, QLabel, QListWidget, QPushButton, QVBoxLayout

from detector.errors import DetectorError
from detector.sources.opening import open_source
from detector.sources.orientation import UPRIGHT, Orientation
from detector.sources.video_source import SourceSpec
from monitor.ui import style
from monitor.ui.application import APPLICATION_NAME
from monitor.ui.bridge import LiveBridge
from monitor.ui.busy import BusyBar
from monitor.ui.overlay.preview import Preview
from monitor.ui.painting import text_font
from monitor.ui.screens import fitting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from PyQt5.QtGui import QCloseEvent, QShowEvent

    from detector.sources.video_source import VideoSource
    from monitor.sensor.camera_choice import Camera

logger = logging.getLogger(__name__)

UNATTENDED_AFTER_S = 60.0
"""Without a key for this long nobody is there to choose, and the kiosk must not wait forever."""
MAX_SEARCH_S = 30.0
"""After that, limit to trying the cameras until the show begins without a choice."""
PREVIEW_WIDTH_PX = 640


@dataclass(frozen=True, slots=True, eq=False)
class CameraView:
    """What a camera sees: `(height, width, 3)` RGB, uint8, reduced, or `None`."""

    camera: Camera
    picture: NDArray[np.uint8] | None


def open_camera(camera: Camera, mounted: Orientation = UPRIGHT) -> VideoSource:
    """Open a camera as the sensor does; raises `SourceOpenError` if it gives no picture."""
    return open_source(SourceSpec("camera", str(camera.index)), mounted=mounted)


class CameraWatch:
    """Open one camera after the other, in the thread `camera-preview`, and publish what it sees."""

    def __init__(
        self,
        publish: Callable[[CameraView], None],
        open_source: Callable[[Camera], VideoSource] = open_camera,
    ) -> None:
        self._publish = publish
        self._open = open_source
        self._changed = threading.Condition()
        self._wanted: Camera | None = None
        self._closed = False
        self._source: VideoSource | None = None
        self._thread = threading.Thread(target=self._run, name="camera-preview", daemon=True)
        self._thread.start()

    def watch(self, camera: Camera) -> None:
        """Release the present camera and open another one; returns at once."""
        with self._changed:
            self._wanted = camera
            self._wake()

    def close(self, timeout_s: float = 5.0) -> bool:
        """Release the camera and end the thread; return `False` if the driver hangs."""
        with self._changed:
            self._closed = True
            self._wake()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            logger.warning("The camera of the preview was not released within %.0f s", timeout_s)
        return not self._thread.is_alive()

    def _wake(self) -> None:
        self._changed.notify_all()
        if self._source is not None:
            self._source.interrupt()

    def _run(self) -> None:
        present: Camera | None = None
        while True:
            with self._changed:
                while not self._closed and self._wanted is present:
                    self._changed.wait()
                if self._closed:
                    return
                present = self._wanted
            if present is not None:
                self._show(present)

    def _show(self, camera: Camera) -> None:
        try:
            with self._open(camera) as source:
                self._pump(camera, source)
        except DetectorError as error:
            logger.info("%s", error)
        except Exception:
            # The other cameras can still be looked at.
            logger.exception("The preview of camera %d failed", camera.index)
        if self._still_wanted(camera):
            self._publish(CameraView(camera, None))

    def _pump(self, camera: Camera, source: VideoSource) -> None:
        with self._changed:
            self._source = source
        due_ns = 0
        try:
            while self._still_wanted(camera) and (frame := source.read()) is not None:
                if frame.captured_ns >= due_ns:
                    # 15 pictures a second look alive and leave the cores alone.
                    due_ns = frame.captured_ns + 66_000_000
                    self._publish(CameraView(camera, _reduced(frame.image)))
        finally:
            with self._changed:
                self._source = None

    def _still_wanted(self, camera: Camera) -> bool:
        with self._changed:
            return not self._closed and self._wanted is camera


def _reduced(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    wanted = min(width, PREVIEW_WIDTH_PX)
    size = (wanted, max(1, round(height * wanted / width)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]


class CameraPicker(QDialog):
    """A list of cameras, and what the selected one sees.

    Keys: Up and Down select, Enter uses the selected camera, Esc cancels, Tab goes round. Only a
    camera that gives a picture can be used. If nobody touches a key for `unattended_after_s`, the
    first camera with a picture is used, beginning with the selected one; `None` waits forever.
    Nothing is measured or kept; only the newest picture is in memory.

    Attributes:
        chosen: The camera to use; `None` while none is chosen, and after a cancel.
        by_hand: Whether a person chose it.
        cancelled: Whether a person gave up.
    """

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
                "Invalid cameras: expected at least one, received none; ask only for a choice."
            )
        self._cameras = tuple(cameras)
        self._texts = texts
        self._clock = clock
        self._deadline_s = None if unattended_after_s is None else clock() + unattended_after_s
        self._unattended = False
        self._failed: set[int] = set()
        self.chosen: Camera | None = None
        self.by_hand = self.cancelled = False

        self.list = QListWidget(self)
        self.preview = Preview(texts, self)
        self.use = QPushButton(texts["picker_use"], self)
        self.cancel = QPushButton(texts["picker_cancel"], self)
        self.countdown = QLabel(self)
        self.busy = BusyBar(scale, self)
        self._build(scale)

        self._ticker = QTimer(self)
        self._ticker.timeout.connect(self._on_tick)
        self._ticker.start(250)
        self._views: LiveBridge[CameraView] = LiveBridge()
        self._views.view_changed.connect(self._on_view)
        self._watch = CameraWatch(self._views.publish, open_source)
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
        return self._cameras[max(0, self.list.currentRow())]

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        touches = (QEvent.Type.KeyPress, QEvent.Type.MouseButtonPress)
        if event is not None and event.type() in touches:
            self._deadline_s = None
            self._unattended = False
            self.countdown.clear()
        return bool(super().eventFilter(watched, event))

    def done(self, result: int) -> None:
        """Release the camera for the sensor, and close the dialog."""
        if result != QDialog.DialogCode.Accepted and not self._unattended:
            self.cancelled = True
        self._ticker.stop()
        self._watch.close()
        super().done(result)

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        # Without a window manager nobody else gives the window the keyboard.
        self.activateWindow()

    def closeEvent(self, event: QCloseEvent | None) -> None:
        self.reject()
        super().closeEvent(event)

    def _build(self, scale: float) -> None:
        texts, pad = self._texts, round(18 * scale)
        title, explanation, hint = (
            QLabel(texts[f"picker_{name}"], self) for name in ("title", "explanation", "hint")
        )
        labels, controls = (explanation, hint, self.countdown), (self.list, self.use, self.cancel)
        for widget in (*labels, *controls):
            widget.setFont(text_font(style.PANEL_TEXT * scale))
        title.setFont(text_font(26 * scale, bold=True))
        for label in labels:
            label.setWordWrap(True)
        hint.setObjectName("soft")
        self.countdown.setObjectName("soft")
        # Its room stays when it is empty, so nothing jumps.
        self.countdown.setMinimumHeight(self.countdown.fontMetrics().height())
        for camera in self._cameras:
            index = texts["picker_camera"].format(index=camera.index)
            self.list.addItem(f"{camera.name} ({index})" if camera.name else index)
        self.list.setAccessibleName(texts["picker_title"])
        self.list.setWordWrap(True)
        self.preview.set_scale(scale)
        size = fitting(QSize(980, 560) * scale)
        is_upright = size.width() < 900 * scale
        self.preview.setMinimumSize(QSize(360 if is_upright else 560, 315) * scale)
        self.use.setDefault(True)
        self.use.setEnabled(False)
        self.cancel.setAutoDefault(False)
        middle = QVBoxLayout() if is_upright else QHBoxLayout()
        buttons, whole = QHBoxLayout(), QVBoxLayout(self)
        for layout in (middle, buttons, whole):
            layout.setSpacing(pad)
        middle.addWidget(self.list, 2)
        middle.addWidget(self.preview, 3)
        if is_upright:
            size.setHeight(round(840 * scale))
        else:
            buttons.addWidget(hint, 1)
        buttons.addWidget(self.cancel)
        buttons.addWidget(self.use)
        whole.setContentsMargins(pad, pad, pad, pad)
        whole.addWidget(title)
        whole.addWidget(explanation)
        whole.addLayout(middle, 1)
        whole.addWidget(self.busy)
        if is_upright:
            whole.addWidget(hint)
        whole.addWidget(self.countdown)
        whole.addLayout(buttons)
        self.setStyleSheet(style.dialog_sheet(scale))
        self.setWindowTitle(f"{APPLICATION_NAME}: {texts['picker_title']}")
        self.resize(fitting(size))

    @pyqtSlot()
    def _on_view(self) -> None:
        view = self._views.take()
        decided = self.chosen is not None or self.cancelled
        if view is None or view.camera is not self.selected or decided:
            return
        has_picture = view.picture is not None
        self.busy.hide()
        self.use.setEnabled(has_picture)
        message = "" if has_picture else self._texts["picker_no_picture"]
        self.preview.show_frame(view.picture, message=message)
        if not has_picture:
            self._failed.add(self.list.currentRow())
        if self._unattended:
            self._choose_unattended()

    @pyqtSlot(int)
    def _on_selected(self, _row: int) -> None:
        self.use.setEnabled(False)
        self.busy.show_share(None)
        self.preview.show_frame(None, message=self._texts["picker_opening"])
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
        seconds = max(0, math.ceil(left_s))
        self.countdown.setText(self._texts["picker_countdown"].format(seconds=seconds))
        if left_s <= -MAX_SEARCH_S:
            # A driver hangs; the show must begin without a camera.
            self.reject()
        elif left_s <= 0 and not self._unattended:
            self._unattended = True
            self._choose_unattended()

    def _choose_unattended(self) -> None:
        if self.use.isEnabled():
            self.chosen = self.selected
            self.accept()
        elif self.list.currentRow() in self._failed:
            untried = set(range(len(self._cameras))) - self._failed
            if untried:
                self.list.setCurrentRow(min(untried))
            else:
                self.reject()
