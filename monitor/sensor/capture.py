"""The thread that owns the video source, from open to release, and retries it.

Native code that reads a camera may block forever. So the thread only notes when it began to wait,
and the consumer calls `Capture.check` a few times a second.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from detector.errors import SourceError, SourceFault, SourceLostError
from detector.sources.opening import open_source
from detector.sources.orientation import UPRIGHT, Orientation
from detector.texts import lazy
from monitor.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable

    from detector.sources.video_source import SourceSpec, VideoSource
    from detector.types import Frame

logger = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_RETRY_S, MAX_RETRY_S = 0.2, 2.0
"""Pauses between attempts to open a source: readings resume within five seconds of its return."""

STALL_S = 1.7
"""A live source without a picture for this long is lost; in the dark there are five a second."""

SLOW_OPENING_S = 2.0
"""If the kiosk waits for a source that takes longer to open, it counts as lost until it does."""

HUNG_S = 20.0
"""A call into native code that takes this long never returns; its own timeouts are shorter."""

FIRST_REOPENING_S, MAX_REOPENING_S = 4.0, 60.0
"""Pauses between reopenings of a source whose picture stands still."""


class CaptureHungError(Exception):
    """A call into native code does not return; only the end of the process frees the device."""


class FrameQueue(Generic[T]):
    """A queue between one producer and one consumer.

    A full lossless queue makes its producer wait: the result of a recording must not depend on the
    speed of the machine. In a live one a newer item replaces the one that waits (`dropped`).
    """

    def __init__(self, *, lossless: bool, capacity: int = 4) -> None:
        self._changed = threading.Condition()
        self._items: deque[T] = deque()
        self._lossless = lossless
        self._capacity = capacity
        self.dropped = 0
        self.closed = False

    def put(self, item: T) -> None:
        """Add an item, waiting for room in a lossless queue; ignored once the queue is closed."""
        with self._changed:
            if self._lossless:
                self._changed.wait_for(lambda: len(self._items) < self._capacity or self.closed)
            if self.closed:
                return
            if not self._lossless and self._items:
                self.dropped += 1
                self._items.clear()
            self._items.append(item)
            self._changed.notify_all()

    def take(self, timeout_s: float) -> T | None:
        """Return the next item, or `None` if none came in time or the queue is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self.closed, timeout_s)
            if not self._items:
                return None
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Wake both threads; items that wait can still be taken. Harmless when repeated."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()


class Capture:
    """Reads a source in its thread and hands the frames over.

    A live source that is lost is reopened, with growing pauses, until the capture is stopped. A
    recording is read once. The queue is closed after the last frame.

    Args:
        on_lost: Called once per loss, from the capture's thread or that of `check`.
        wait_for_source: Retry a live source that cannot be opened at first instead of failing.
        locate: Names the source before each attempt to open it. Defaults to `spec`.
        mounted: How to turn the pictures of a camera that is not mounted upright.

    Attributes:
        error: Why the source could not be opened at first, or why a recording ended early.
        opened: Set once the source was opened or that failed for good; `frame_rate` and
            `frame_count` (0 if unknown) are valid from then on.
    """

    def __init__(
        self,
        spec: SourceSpec,
        *,
        lossless: bool,
        queue: FrameQueue[Frame],
        on_lost: Callable[[SourceError], None],
        wait_for_source: bool = False,
        locate: Callable[[], SourceSpec] | None = None,
        mounted: Orientation = UPRIGHT,
    ) -> None:
        self._spec = spec
        self._locate = locate or (lambda: spec)
        self._mounted = mounted
        self._lossless = lossless
        self._queue = queue
        self._on_lost = on_lost
        self.live = spec.is_live
        self._wait_for_source = wait_for_source and self.live
        self._stop = threading.Event()
        self._reopen = threading.Event()
        # Guards what both the capture's thread and the caller of `check` use.
        self._lock = threading.Lock()
        self._source: VideoSource | None = None
        self._lost = False
        self._waits_since_s: float | None = None
        self._reading = False
        self._retries = Backoff(FIRST_RETRY_S, MAX_RETRY_S)
        self._reopenings = Backoff(FIRST_REOPENING_S, MAX_REOPENING_S)
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
        """Notice a silent source, or raise `CaptureHungError`; call it a few times a second."""
        with self._lock:
            since_s, reading = self._waits_since_s, self._reading
        if not self.live or since_s is None:
            return
        silent_s = time.monotonic() - since_s
        if silent_s >= HUNG_S:
            call = lazy(
                "a call into its driver did not return for %(seconds)s s", seconds=f"{HUNG_S:.0f}"
            )
            raise CaptureHungError(
                lazy("The %(source)s hangs: %(why)s.", source=self._spec, why=call)
            )
        cause: SourceFault = "stream_stalled" if self._spec.kind == "stream" else "camera_lost"
        if reading and silent_s >= STALL_S:
            detail = lazy(
                "The %(source)s gave no picture for %(seconds)s s.",
                source=self._spec,
                seconds=f"{STALL_S:.1f}",
            )
            self._lose(SourceLostError(detail, cause))
        elif not reading and self._wait_for_source and silent_s >= SLOW_OPENING_S:
            detail = lazy(
                "The %(source)s has not answered for %(seconds)s s.",
                source=self._spec,
                seconds=f"{SLOW_OPENING_S:.0f}",
            )
            self._lose(SourceLostError(detail, cause))

    def reopen(self) -> None:
        """Ask, for every frozen frame, to reopen the source; it is reopened with growing pauses."""
        now_s = time.monotonic()
        if now_s < self._reopening_due_s:
            return
        if self._reopening_due_s > 0:
            self._reopen.set()
        self._reopening_due_s = now_s + self._reopenings.pause_s()

    def recovered(self) -> None:
        """Note that the picture moves again; the pauses between reopenings start over."""
        self._reopening_due_s = 0.0
        self._reopenings.reset()

    def stop(self, timeout_s: float | None = None) -> bool:
        """Stop reading and wait until the source is released; return whether it was in time.

        By default a camera gets 4 s, because another program may want it. A stream gets half a
        second: it needs no release, and may block for much longer.
        """
        if timeout_s is None:
            timeout_s = 0.5 if self._spec.kind == "stream" else 4.0
        self._stop.set()
        with self._lock:
            if self._source is not None:
                self._source.interrupt()
        self._queue.close()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._read_until_stopped()
        except Exception as error:
            if not isinstance(error, SourceError):
                logger.exception("The capture thread failed")
            self.error = error
        finally:
            self.opened.set()
            self._queue.close()

    def _read_until_stopped(self) -> None:
        while not self._stop.is_set():
            try:
                self._begin_wait(reading=False)
                self._reopen.clear()
                with open_source(
                    self._locate(), lossless=self._lossless, mounted=self._mounted
                ) as source:
                    self.frame_rate, self.frame_count = source.frame_rate, source.frame_count
                    self.opened.set()
                    if self._pump(source):
                        return
                continue
            except SourceError as error:
                # A source that never opened is the wrong one, and a recording is read once.
                if not self.live or not (self.opened.is_set() or self._wait_for_source):
                    raise
                self._lose(error)
                self._log(error)
            finally:
                self._end_wait()
            self._stop.wait(self._retries.pause_s())

    def _pump(self, source: VideoSource) -> bool:
        """Hand frames over; return `False` if the source is to be reopened, `True` at its end."""
        with self._lock:
            self._source = source
        try:
            while not self._reopen.is_set():
                if self._stop.is_set():
                    return True
                self._begin_wait(reading=True)
                frame = source.read()
                self._end_wait()
                if frame is None:
                    return True
                with self._lock:
                    self._lost = False
                self._retries.reset()
                self._queue.put(frame)
            return False
        finally:
            with self._lock:
                self._source = None

    def _begin_wait(self, *, reading: bool) -> None:
        with self._lock:
            self._waits_since_s, self._reading = time.monotonic(), reading

    def _end_wait(self) -> None:
        with self._lock:
            self._waits_since_s = None

    def _lose(self, error: SourceError) -> None:
        with self._lock:
            if self._lost:
                return
            self._lost = True
        self._log_due_s = 0.0
        self._on_lost(error)

    def _log(self, error: SourceError) -> None:
        """Log a loss at once, and then once a minute while it lasts."""
        now_s = time.monotonic()
        if now_s >= self._log_due_s:
            self._log_due_s = now_s + 60
            logger.warning("%s Retrying until it works", error)
