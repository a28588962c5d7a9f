"""A camera of this machine, read with OpenCV."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import cv2
import numpy as np

from detector.errors import SourceLostError, SourceOpenError
from detector.sources.recording import quiet_capture, shows_video
from detector.sources.v4l2 import camera_index, cameras, is_busy
from detector.sources.video_source import SourceSpec, VideoSource, plausible_rate
from detector.texts import lazy
from detector.types import Frame

if TYPE_CHECKING:
    from collections.abc import Callable


class CameraCapture(VideoSource):
    """A camera; frames are stamped when they arrive. Raises `SourceOpenError` without a picture."""

    live = True

    def __init__(self, spec: SourceSpec, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._spec = spec
        self._clock = clock
        # Resolved at every opening: a camera that was plugged in again may have a new index.
        self._capture = quiet_capture(camera_index(spec.target), cv2.CAP_ANY)
        # Buffer one frame: we want the newest, not the oldest.
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._sequence = 0
        self._newest_ns = 0
        if not shows_video(self._capture) or not self._capture.grab():
            self._capture.release()
            raise _open_error(spec)
        self.frame_rate = plausible_rate(self._capture.get(cv2.CAP_PROP_FPS))

    def read(self) -> Frame | None:
        """Return the next frame, or raise `SourceLostError`: the camera was unplugged."""
        grabbed = self._capture.grab()
        # Stamped before decoding, which takes time.
        captured_ns = max(self._clock(), self._newest_ns + 1)
        read, image = self._capture.retrieve() if grabbed else (False, None)
        if not read or image is None:
            raise SourceLostError(
                lazy(
                    "The %(source)s gives no more pictures: expected a running source.",
                    source=self._spec,
                )
            )
        self._newest_ns = captured_ns
        frame = Frame(np.asarray(image, dtype=np.uint8), captured_ns, self._sequence)
        self._sequence += 1
        return frame

    def close(self) -> None:
        """Release the camera; harmless when repeated."""
        self._capture.release()


def _open_error(spec: SourceSpec) -> SourceOpenError:
    if is_busy(camera_index(spec.target)):
        return SourceOpenError(
            lazy(
                "Camera %(camera)s is in use by another program: expected it to be free; "
                "close that program.",
                camera=spec.target,
            ),
            "camera_busy",
        )
    known = ", ".join(map(str, cameras()))
    found = (
        lazy("cameras found: %(known)s", known=known)
        if known
        else lazy("no camera was found on this machine")
    )
    return SourceOpenError(
        lazy(
            "Camera %(camera)s cannot be opened (%(what)s): plug it in, close "
            "programs that use it, choose another with --source, or try the built-in "
            "viewer with --source demo.",
            camera=spec.target,
            what=found,
        )
    )
