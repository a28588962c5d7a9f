"""The thread that shows what a camera sees before one is chosen. Pictures stay in memory. Imports no Qt."""

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
PREVIEW_EVERY_NS = 66_000_000
"""Fifteen pictures a second look alive, and leave the cores alone."""

JOIN_LIMIT_S = 5.0
"""How long a camera may take to be released; a driver that hangs must not hold the window."""


@dataclass(frozen=True, slots=True, eq=False)
class CameraView:
    """What a camera gives.

    Attributes:
        camera: Which one.
        picture: `(height, width, 3)` RGB, uint8, reduced; `None` where it gives none.
    """

    camera: Camera
    picture: NDArray[np.uint8] | None


def open_camera(camera: Camera) -> VideoSource:
    """Opens a camera as the sensor does.

    Raises:
        SourceOpenError: It gives no picture.
    """
    return open_source(SourceSpec("camera", str(camera.index)))


class CameraWatch:
    """Opens one camera after the other, as it is told, and publishes what the present one sees.

    Each source is opened, read and released by the one thread `camera-preview`.

    Args:
        publish: Called in that thread with every new view.
        open_source: Opens a camera.
    """

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
        """Releases the present camera and opens another one; returns at once."""
        with self._changed:
            self._wanted = camera
            self._wake()

    def close(self, timeout_s: float = JOIN_LIMIT_S) -> bool:
        """Releases the camera and ends the thread; harmless when repeated.

        Args:
            timeout_s: How long that may take.

        Returns:
            Whether the camera was released in that time.
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
        """Publishes what a camera sees until another one is wanted; at last that it gives nothing, if it fails."""
        try:
            with self._open(camera) as source:
                self._pump(camera, source)
        except DetectorError as error:
            logger.info("%s", error)
        except Exception:
            # The top of the thread: the other cameras can still be looked at.
            logger.exception("The preview of camera %d failed", camera.index)
        if self._still_wanted(camera):
            self._publish(CameraView(camera, None))

    def _pump(self, camera: Camera, source: VideoSource) -> None:
        with self._changed:
            self._source = source
        due_ns = 0
        try:
            while self._still_wanted(camera):
                frame = source.read()
                if frame is None:
                    return
                if frame.captured_ns >= due_ns:
                    due_ns = frame.captured_ns + PREVIEW_EVERY_NS
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
