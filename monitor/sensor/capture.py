"""The thread that owns the video source, from open to release, and how its silence is noticed.

Native code that reads a camera may block for seconds or for ever. So the thread only notes when it
began to wait, and whoever takes the frames asks `Capture.check` a few times a second: a source that
gives nothing is lost after less than two seconds, whatever the call that waits for it does; one
that does not even come back from that call costs the process.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from detector.errors import SourceError, SourceLostError
from detector.sources.opening import open_source
from monitor.sensor.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable

    from detector.errors import SourceFault
    from detector.sources.video_source import SourceSpec, VideoSource
    from detector.types import Frame
    from monitor.sensor.links import Link

logger = logging.getLogger(__name__)

FIRST_RETRY_S = 0.2
LONGEST_RETRY_S = 2.0
"""Pauses between attempts to reopen a source; readings are to go on within five seconds of its return."""

STALL_S = 1.7
"""A live source that gave no picture for so long is lost; a camera in the dark still gives five a second. With the time to
look and to write, that is known within three seconds."""

HUNG_S = 20.0
"""A call into native code that takes so long never comes back: longer than any timeout that such a call has of its own."""

FIRST_REOPENING_S, LONGEST_REOPENING_S = 4.0, 60.0
"""Pauses between attempts to help a source by reopening it, while it is open but its picture stands still."""

LOG_EVERY_S = 60.0


class CaptureHungError(Exception):
    """A call into native code does not come back; only the end of the process frees the device."""


class Capture:
    """Reads a source in a thread of its own and hands its frames over.

    A live source that is lost is reopened, with growing pauses, until the capture is stopped. A
    recording is read once.

    Args:
        spec: What to open.
        lossless: See `open_source`.
        link: Where the frames go; closed by the capture when there will be no more.
        on_lost: Called with the reason when a live source is lost; once, however many attempts it
            takes until it gives pictures again. Mostly in the capture's thread, else in the one
            that calls `check`.
        wait_for_source: Retry a live source that cannot be opened at first instead of failing.
            Defaults to `False`.
        locate: Names the source before each attempt to open it. Defaults to `spec`.

    Attributes:
        live: Whether the source is a camera or a stream, of which something is expected all the
            time.
        error: Why the source could not be opened at first, or why a recording ended early; `None`
            while all is well.
        opened: Set once the first attempt to open the source has succeeded or failed for good.
        frame_rate: Frames per second as the source states it, valid once opened.
        frame_count: Frames that a recording states, 0 where that is not known; valid once opened.
    """

    def __init__(
        self,
        spec: SourceSpec,
        *,
        lossless: bool,
        link: Link[Frame],
        on_lost: Callable[[SourceError], None],
        wait_for_source: bool = False,
        locate: Callable[[], SourceSpec] | None = None,
    ) -> None:
        self._spec = spec
        self._locate = locate or (lambda: spec)
        self._lossless = lossless
        self._link = link
        self._on_lost = on_lost
        self.live = spec.kind in {"camera", "stream"}
        self._wait_for_source = wait_for_source and self.live
        self._stop = threading.Event()
        self._reopen = threading.Event()
        self._source: VideoSource | None = None
        # Guards what both the capture's thread and the caller of `check` look at.
        self._lock = threading.Lock()
        self._lost = False
        self._waits_since_s: float | None = None
        self._reading = False
        self._retries = Backoff(FIRST_RETRY_S, LONGEST_RETRY_S)
        self._reopenings = Backoff(FIRST_REOPENING_S, LONGEST_REOPENING_S)
        self._reopening_due_s = 0.0
        self._log_due_s = 0.0
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self.error: Exception | None = None
        self.opened = threading.Event()
        self.frame_rate = 0.0
        self.frame_count = 0

    def start(self) -> None:
        """Start reading."""
        self._thread.start()

    def check(self) -> None:
        """Notice that a live source gives nothing; to be called a few times a second.

        Raises:
            CaptureHungError: A call into native code does not come back.
        """
        with self._lock:
            since_s, reading = self._waits_since_s, self._reading
        if not self.live or since_s is None:
            return
        silent_s = time.monotonic() - since_s
        if silent_s >= HUNG_S:
            raise CaptureHungError(
                f"The {self._spec} hangs: a call into its driver did not return for {HUNG_S:.0f} s."
            )
        if reading and silent_s >= STALL_S:
            cause: SourceFault = "stream_stalled" if self._spec.kind == "stream" else "camera_lost"
            self._lose(
                SourceLostError(f"The {self._spec} gave no picture for {STALL_S:.1f} s.", cause)
            )

    def reopen(self) -> None:
        """Ask for an open source to be closed and opened again, which helps some cameras whose picture stands still.

        Asked again and again while that lasts, it is done with growing pauses.
        """
        now_s = time.monotonic()
        if self._reopening_due_s == 0.0:
            self._reopening_due_s = now_s + self._reopenings.pause_s()
        elif now_s >= self._reopening_due_s:
            self._reopening_due_s = now_s + self._reopenings.pause_s()
            self._reopen.set()

    def recovered(self) -> None:
        """Say that the pictures are as they should be; the pauses between reopenings begin anew."""
        self._reopening_due_s = 0.0
        self._reopenings.reset()

    def stop(self, timeout_s: float = 4.0) -> bool:
        """Stop reading and wait for the source to be released; whether that happened in time."""
        self._stop.set()
        with self._lock:
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
                self._wait_begins(reading=False)
                self._reopen.clear()
                with open_source(self._locate(), lossless=self._lossless) as source:
                    self.frame_rate, self.frame_count = source.frame_rate, source.frame_count
                    self.opened.set()
                    ended = self._pump(source)
                if ended:
                    return
                continue
            except SourceError as error:
                # What cannot be opened at first is the wrong source, and a recording is read once.
                if not self.live or not (self.opened.is_set() or self._wait_for_source):
                    raise
                self._lose(error)
                self._log(error)
            finally:
                self._wait_ends()
            self._stop.wait(self._retries.pause_s())

    def _pump(self, source: VideoSource) -> bool:
        """Hand frames over; whether the source has ended or the capture was stopped, not so if it is to be reopened."""
        with self._lock:
            self._source = source
        try:
            while not self._reopen.is_set():
                if self._stop.is_set():
                    return True
                self._wait_begins(reading=True)
                frame = source.read()
                self._wait_ends()
                if frame is None:
                    return True
                self._found()
                self._link.put(frame)
            return False
        finally:
            with self._lock:
                self._source = None

    def _wait_begins(self, *, reading: bool) -> None:
        with self._lock:
            self._waits_since_s, self._reading = time.monotonic(), reading

    def _wait_ends(self) -> None:
        with self._lock:
            self._waits_since_s = None

    def _lose(self, error: SourceError) -> None:
        with self._lock:
            if self._lost:
                return
            self._lost = True
        self._log_due_s = 0.0
        self._on_lost(error)

    def _found(self) -> None:
        with self._lock:
            self._lost = False
        self._retries.reset()

    def _log(self, error: SourceError) -> None:
        """Say at once that a source is lost, and then once a minute that it still is."""
        now_s = time.monotonic()
        if now_s >= self._log_due_s:
            self._log_due_s = now_s + LOG_EVERY_S
            logger.warning("%s Retrying until it works", error)
