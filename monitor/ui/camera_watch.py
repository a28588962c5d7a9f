"""Show what a camera sees before one is chosen. Pictures stay in memory. Imports no Qt."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2

from detector.errors import DetectorError
from detector.sources.opening import open_source
from detector.sources.video_source import SourceSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from detector.sources.video_source import VideoSource
    from detector.types import Frame
    from monitor.sensor.camera_choice import Camera

logger = logging.getLogger(__name__)

PREVIEW_WIDTH_PX = 640


@dataclass(frozen=True, slots=True, eq=False)
class CameraView:
    """What a camera sees: `(height, width, 3)` RGB, uint8, reduced, or `None`."""

    camera: Camera
    picture: NDArray[np.uint8] | None


def open_camera(camera: Camera) -> VideoSource:
    """Open a camera as the sensor does; raises `SourceOpenError` if it gives no picture."""
    return open_source(SourceSpec("camera", str(camera.index)))


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
        """Release the camera and end the thread; return whether that was done in time.

        A driver that hangs must not hold the window. Harmless when repeated.
        """
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
        """Publish what a camera sees, or its failure, until another one is wanted."""
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
                    self._publish(CameraView(camera, _reduced(frame)))
        finally:
            with self._changed:
                self._source = None

    def _still_wanted(self, camera: Camera) -> bool:
        with self._changed:
            return not self._closed and self._wanted is camera


def _reduced(frame: Frame) -> NDArray[np.uint8]:
    height, width = frame.image.shape[:2]
    wanted = min(width, PREVIEW_WIDTH_PX)
    size = (wanted, max(1, round(height * wanted / width)))
    small = cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]
