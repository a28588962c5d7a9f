"""The thread that owns the video source, from open to release."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from detector.errors import SourceError
from detector.video_source import open_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from detector.types import Frame
    from detector.video_source import SourceSpec, VideoSource
    from monitor.pipeline.links import Link

logger = logging.getLogger(__name__)

FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 5.0


class Capture:
    """Reads a source in a thread of its own and hands its frames over.

    A live source that is lost is reopened, with growing pauses, until the capture is stopped. A recording is read once.

    Args:
        spec: What to open.
        lossless: See `open_source`.
        link: Where the frames go; closed by the capture when there will be no more.
        on_lost: Called, in the capture's thread, with the reason when a live source is lost; once, however many
            attempts it takes until it gives pictures again.

    Attributes:
        error: Why the source could not be opened at first, or why a recording ended early; `None` while all is well.
        opened: Set once the first attempt to open the source has succeeded or failed.
        frame_rate: Frames per second as the source states it, valid once opened.
        frame_count: Frames that a recording states, 0 where that is not known; valid once opened.
    """

    def __init__(self, spec: SourceSpec, *, lossless: bool, link: Link[Frame], on_lost: Callable[[str], None]) -> None:
        self._spec = spec
        self._lossless = lossless
        self._link = link
        self._on_lost = on_lost
        self._stop = threading.Event()
        self._source: VideoSource | None = None
        self._source_lock = threading.Lock()
        self._lost = False
        self._pause_s = FIRST_RETRY_S
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self.error: Exception | None = None
        self.opened = threading.Event()
        self.frame_rate = 0.0
        self.frame_count = 0

    def start(self) -> None:
        """Start reading."""
        self._thread.start()

    def stop(self, timeout_s: float = 4.0) -> bool:
        """Stop reading and wait for the source to be released; whether that happened in time."""
        self._stop.set()
        with self._source_lock:
            if self._source is not None:
                self._source.interrupt()
        self._link.close()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._read_until_stopped()
        except Exception as error:
            # The top of the thread: the owner finds the error here and reports it.
            if not isinstance(error, SourceError):
                logger.exception("The capture thread failed")
            self.error = error
        finally:
            self.opened.set()
            self._link.close()

    def _read_until_stopped(self) -> None:
        while not self._stop.is_set():
            try:
                with open_source(self._spec, lossless=self._lossless) as source:
                    self.frame_rate, self.frame_count = source.frame_rate, source.frame_count
                    self.opened.set()
                    self._pump(source)
                    return
            except SourceError as error:
                # What cannot be opened at first is the wrong source, and a recording is read once.
                if not self.opened.is_set() or self._spec.kind in {"file", "demo"}:
                    raise
                if not self._lost:
                    self._lost = True
                    self._on_lost(str(error))
                logger.info("%s Next attempt in %.1f s", error, self._pause_s)
            self._stop.wait(self._pause_s)
            self._pause_s = min(2 * self._pause_s, LONGEST_RETRY_S)

    def _pump(self, source: VideoSource) -> None:
        """Hand frames over until the source ends or the capture is stopped."""
        with self._source_lock:
            self._source = source
        try:
            while not self._stop.is_set():
                frame = source.read()
                if frame is None:
                    return
                self._lost, self._pause_s = False, FIRST_RETRY_S
                self._link.put(frame)
        finally:
            with self._source_lock:
                self._source = None
