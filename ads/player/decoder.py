"""Decode slightly ahead of the show: one thread for each ad that is shown or about to be.

Only that thread touches the media and the show never waits, so a hanging file holds up only itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ads.errors import AdsError, MediaError
from ads.media.decode import frames
from ads.player.framing import decoded_box, framed
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ads.media.types import MediaFrame, Size
    from ads.playlists.playlist import Ad

logger = logging.getLogger(__name__)

THREAD_NAME = "ad-decoder"

STUCK_AFTER_S = 3.0
"""A thread that makes no progress for this long after its buffer was closed hangs in the file. The
file is not opened again meanwhile, so threads cannot pile up."""


class HangingMediaError(MediaError):
    """A media file that cannot be read at present, although it may be intact."""


class FrameBuffer:
    """The decoded frames of an ad from a position on; `dropped` were overtaken. Thread-safe."""

    def __init__(self, ad: Ad, start_ns: int, changed: threading.Condition) -> None:
        self.ad = ad
        self.start_ns = start_ns
        self.dropped = self._taken = 0
        self._changed = changed
        self._frames: deque[MediaFrame] = deque()
        self._is_exhausted = False
        self._error: MediaError | None = None
        # The position that the show has reached; -1 before its start.
        self.wanted_ns = -1
        self._closed_s: float | None = None
        self._closed_at: tuple[int, int] = (0, 0)
        # The progress of the thread: what it has read and decoded, and the clock of its CPU time.
        self._decoded = 0
        self._cpu_clock: int | None = None
        self._thread_id: int | None = None
        self._is_outdated = False
        self._is_busy = False

    @property
    def is_ready(self) -> bool:
        with self._changed:
            return bool(self._frames)

    @property
    def is_starved(self) -> bool:
        """Whether it holds no frame although more are to come."""
        with self._changed:
            return not self._frames and not self._is_exhausted

    @property
    def is_jerky(self) -> bool:
        """Whether most of its pictures were dropped, and at least a second of them."""
        return self.dropped > max(25, self._taken / 2)

    @property
    def error(self) -> MediaError | None:
        """What stopped the decoding, once the frames before it have been taken; else None."""
        with self._changed:
            return None if self._frames else self._error

    def take_due(self, position_ns: int) -> MediaFrame | None:
        """Take the newest frame due at a position, dropping older ones; None if none became due."""
        newest = None
        with self._changed:
            while self._frames and self._frames[0].position_ns <= position_ns:
                self.dropped += newest is not None
                newest = self._frames.popleft()
                self._taken += 1
                self.dropped += newest.left_out
            self.wanted_ns = position_ns
            if newest is not None:
                self._changed.notify_all()
        return newest

    def close(self) -> None:
        """Drop the frames; the thread closes the media and ends. Idempotent."""
        with self._changed:
            if self._closed_s is None:
                self._closed_s, self._closed_at = time.monotonic(), self.progress()
            self._frames.clear()
            self._changed.notify_all()

    def progress(self) -> tuple[int, int]:
        """Return what rises while the thread decodes: a count, and its CPU time in 10 ms."""
        cpu_ns = 0
        if self._cpu_clock is not None:
            with suppress(OSError):  # it has ended
                cpu_ns = time.clock_gettime_ns(self._cpu_clock)
        return self._decoded, cpu_ns // 10_000_000

    @property
    def is_waiting_for_processor(self) -> bool:
        """Whether its thread waits for a processor, not for the file."""
        try:
            text = Path(f"/proc/self/task/{self._thread_id}/stat").read_text(encoding="ascii")
        except (OSError, ValueError):
            return False
        # The state follows the name, which is in brackets and may contain some.
        return text.rpartition(")")[2].split()[0] == "R"

    # --- the decoder's side; the caller holds the condition, except to read `wanted_ns` ---

    @property
    def is_closed(self) -> bool:
        return self._closed_s is not None

    @property
    def is_idle(self) -> bool:
        return not self._is_busy and not self.wants_more

    @property
    def is_stuck(self) -> bool:
        """Whether its thread should have ended long ago, and makes no progress."""
        return self.stands_still_s > STUCK_AFTER_S

    @property
    def stands_still_s(self) -> float:
        """How long its thread has made no progress since the buffer was closed."""
        if self._closed_s is None:
            return 0.0
        if (progress := self.progress()) != self._closed_at or self.is_waiting_for_processor:
            self._closed_s, self._closed_at = time.monotonic(), progress
        return time.monotonic() - self._closed_s

    @property
    def wants_more(self) -> bool:
        if self._closed_s is not None or self._error is not None:
            return False
        held = len(self._frames)
        if self._is_outdated or self._is_exhausted or held < 2:
            return self._is_outdated or not self._is_exhausted
        # A third of a second of usual video, for a busy moment; fewer on very large screens.
        return held < 10 and (held + 1) * self._frames[0].rgb.nbytes <= 64 << 20

    def outdate(self) -> None:
        """Request still pictures, and ads that have not begun, again in another size."""
        self._is_outdated = self._is_outdated or self.ad.kind == "image" or self.wanted_ns < 0

    def enter(self) -> None:
        """Note which thread decodes; called by it."""
        self._cpu_clock = time.pthread_getcpuclockid(threading.get_ident())
        self._thread_id = threading.get_native_id()

    def note_progress(self) -> int:
        """Count a packet or a picture, shown or not; return where the show is."""
        self._decoded += 1
        return self.wanted_ns

    def begin(self) -> bool:
        """Mark the thread as busy; return whether it has to start over with the first frame."""
        self._is_busy = True
        again, self._is_outdated = self._is_outdated, False
        return again

    def store(self, frame: MediaFrame | None, error: MediaError | None, *, replace: bool) -> None:
        """Add the next frame, or in place of all; None and perhaps an error at the end."""
        if replace:
            self._frames.clear()
        if frame is not None and not self.is_closed:
            self._frames.append(frame)
        self._is_exhausted = frame is None
        self._error = error
        self._is_busy = False


class FrameDecoder:
    """Own the frame buffers and their threads; frames suit the viewport. A context manager."""

    def __init__(self, viewport: Size) -> None:
        self._changed = threading.Condition()
        self._viewport = viewport
        self._running: dict[FrameBuffer, threading.Thread] = {}
        self._is_stopping = False
        self._crash: BaseException | None = None

    def __enter__(self) -> FrameDecoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def raise_if_crashed(self) -> None:
        """Raise an `AdsError` if a thread ended because of a bug in this program."""
        if self._crash is not None:
            problem = AdsError(lazy("The decoding of ads broke down; see the log for where."))
            raise problem from self._crash

    def load(self, ad: Ad, start_ns: int = 0) -> FrameBuffer:
        """Begin to decode an ad from the picture at a position; never wait."""
        buffer = FrameBuffer(ad, start_ns, self._changed)
        thread = threading.Thread(target=self._run, args=(buffer,), name=THREAD_NAME, daemon=True)
        with self._changed:
            if any(other.ad.path == ad.path and other.is_stuck for other in self._running):
                hangs = lazy(
                    "%(path)s still hangs since the last attempt; check the disk, or replace the "
                    "file.",
                    path=ad.path,
                )
                buffer.store(None, HangingMediaError(hangs), replace=False)
            elif not self._is_stopping:
                self._running[buffer] = thread
                thread.start()
        return buffer

    def set_viewport(self, viewport: Size) -> None:
        """Set the size that new frames are to fit; see `FrameBuffer.outdate`."""
        with self._changed:
            if viewport == self._viewport:
                return
            self._viewport = viewport
            for buffer in self._running:
                buffer.outdate()
            self._changed.notify_all()

    def wait_idle(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds until every buffer is full; return whether that is so."""
        with self._changed:
            return self._changed.wait_for(
                lambda: all(buffer.is_idle for buffer in self._running), timeout
            )

    def stop(self) -> None:
        """End and join the threads, which close all media. Idempotent."""
        with self._changed:
            self._is_stopping = True
            running = dict(self._running)
        for buffer in running:
            buffer.close()
        deadline = time.monotonic() + 5.0
        for buffer, thread in running.items():
            # Most end at once; one that waits for a disk that does not answer never does.
            while thread.is_alive() and buffer.stands_still_s < 1.0:
                thread.join(0.05)
                if time.monotonic() > deadline:
                    break
            # It may be this whole process that stood still.
            thread.join(0.5)
            if thread.is_alive():
                logger.error("Decoding %s did not end: its file does not answer", buffer.ad.path)

    def _run(self, buffer: FrameBuffer) -> None:
        source: Iterator[MediaFrame] | None = None
        buffer.enter()
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: buffer.is_closed or buffer.wants_more)
                    if buffer.is_closed:
                        break
                    again = buffer.begin()
                if again or source is None:
                    _close(source)
                    source = self._open(buffer)
                error = None
                try:
                    frame = next(source, None)
                except MediaError as problem:
                    frame, error = None, problem
                if frame is not None and frame.position_ns >= buffer.ad.duration_ns:
                    # The playlist cuts the ad here.
                    frame = None
                if frame is None:
                    _close(source)
                    source = None
                else:
                    frame = framed(frame, buffer.ad, self._viewport)
                with self._changed:
                    buffer.store(frame, error, replace=again)
                    self._changed.notify_all()
        except Exception as problem:
            logger.exception("Decoding %s broke down", buffer.ad.path)
            self._crash = problem
        finally:
            _close(source)
            with self._changed:
                self._running.pop(buffer, None)
                self._changed.notify_all()

    def _open(self, buffer: FrameBuffer) -> Iterator[MediaFrame]:
        return frames(
            buffer.ad.path,
            buffer.ad.kind,
            lambda: decoded_box(buffer.ad, self._viewport),
            loop=True,
            wanted_ns=buffer.note_progress,
            start_ns=buffer.start_ns,
        )


def _close(source: Iterator[MediaFrame] | None) -> None:
    close = getattr(source, "close", None)
    if close is not None:
        close()
