"""One worker thread that reads pictures one at a time, taking turns between visitors.

The reader belongs to the thread that made it. When the short queue is full, a visitor is asked to
try again rather than made to wait.
"""

from __future__ import annotations

import logging
import queue
import threading
import traceback
from collections import deque
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from detector.errors import DetectorError, PictureDecodeError
from monitor.languages import lazy
from monitor.web.request.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.web.pictures.reader import SeenPicture

logger = logging.getLogger(__name__)


class Reader(Protocol):
    """Reads pictures, here or in another process; used by one thread."""

    def read(self, content: bytes) -> SeenPicture:
        """Decode a picture and classify its faces; `PictureDecodeError` if it cannot."""
        ...

    def interrupt(self) -> None:
        """Abort the picture that is being read, if possible; any thread may call this."""
        ...

    def close(self) -> None:
        """Free everything."""
        ...


@dataclass(slots=True)
class _Job:
    """A picture to read; `content` is emptied once it is no longer needed."""

    content: bytes
    visitor: str
    answer: Future[SeenPicture] = field(default_factory=Future)


class _FairQueue(queue.Queue["_Job | None"]):
    """A queue in which visitors take turns, however many pictures each has in it."""

    def _init(self, maxsize: int) -> None:
        self._waiting: dict[str, deque[_Job | None]] = {}

    def _qsize(self) -> int:
        return sum(map(len, self._waiting.values()))

    def _put(self, job: _Job | None) -> None:
        visitor = "" if job is None else job.visitor
        self._waiting.setdefault(visitor, deque()).append(job)

    def _get(self) -> _Job | None:
        visitor = next(iter(self._waiting))
        jobs = self._waiting.pop(visitor)
        job = jobs.popleft()
        if jobs:
            self._waiting[visitor] = jobs  # At the end.
        return job


class PictureWorker:
    """The worker thread; loads the network at once, and ends with `close`.

    Args:
        load: Makes the reader; called once, on the worker's thread.
        waiting: Pictures that may wait, at least 1; most take some tens of milliseconds.
        limit_s: Longest wait of `read`; the first picture may have to wait for the network.
    """

    def __init__(
        self, load: Callable[[], Reader], *, waiting: int = 6, limit_s: float = 30.0
    ) -> None:
        self._load = load
        self._limit_s = limit_s
        self._jobs = _FairQueue(waiting)
        self._closing = threading.Event()
        self._ready = threading.Event()
        self._broken = ""
        self._reader: Reader | None = None
        self._thread = threading.Thread(target=self._run, name="web-classifier", daemon=True)
        self._thread.start()

    @property
    def state(self) -> str:
        """`loading`, `ready` or `broken`."""
        if self._broken:
            return "broken"
        return "ready" if self._ready.is_set() else "loading"

    def read(self, content: bytes, visitor: str = "") -> SeenPicture:
        """Decode a visitor's picture and classify its faces; safe to call from any thread.

        Raises:
            PictureDecodeError: It cannot be decoded, or not within the limits.
            ProblemError: Too many pictures wait, this one took too long, or the network cannot be
                loaded.
        """
        job = _Job(content, visitor)
        if self._closing.is_set():
            raise _closing()
        if self._broken:
            raise _unusable(self._broken)
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            raise ProblemError(
                503,
                "busy",
                lazy("Too many pictures are waiting already. Try again in a few seconds."),
                retry_after_s=3,
            ) from None
        if self._closing.is_set():
            job.answer.cancel()  # It may be behind the mark that ends the queue.
        try:
            return job.answer.result(self._limit_s)
        except CancelledError:
            raise _closing() from None
        except FutureTimeoutError:
            job.answer.cancel()
            job.content = b""
            raise ProblemError(
                503,
                "too_slow",
                lazy(
                    "The picture was not classified within %(seconds)s s. Try again in a "
                    "few seconds, or use a smaller picture.",
                    seconds=format(self._limit_s, "g"),
                ),
                retry_after_s=10,
            ) from None
        finally:
            # The error's traceback refers to this frame, a cycle that would keep the picture.
            del job, content

    def close(self) -> None:
        """End the thread, and cancel what waits."""
        self._closing.set()
        self._cancel_waiting()
        if self._reader is not None:
            self._reader.interrupt()
        self._jobs.put(None)
        self._thread.join(10)

    def _cancel_waiting(self) -> None:
        with suppress(queue.Empty):
            while True:
                job = self._jobs.get_nowait()
                if job is not None:
                    job.answer.cancel()

    def _run(self) -> None:
        try:
            self._reader = self._load()
        except Exception as error:  # noqa: BLE001 (every request is answered with it)
            logger.warning("Pictures cannot be classified: %s", error)
            self._broken = str(error)
        self._ready.set()
        try:
            while (job := self._jobs.get()) is not None:
                self._answer(job)
                del job  # and the picture with it
        finally:
            if self._reader is not None:
                self._reader.close()
            self._cancel_waiting()

    def _answer(self, job: _Job) -> None:
        if not job.answer.set_running_or_notify_cancel():
            return
        try:
            if self._reader is None:
                raise _unusable(self._broken)
            content, job.content = job.content, b""
            seen = self._reader.read(content)
        except Exception as error:  # noqa: BLE001 (raised again in `read`)
            traceback.clear_frames(error.__traceback__)  # They hold the picture.
            lost = isinstance(error, DetectorError) and not isinstance(error, PictureDecodeError)
            if self._closing.is_set():
                job.answer.set_exception(_closing())
            else:
                job.answer.set_exception(_unusable(str(error)) if lost else error)
        else:
            job.answer.set_result(seen)
        finally:
            # As in `read`.
            content = b""
            del job


def _unusable(reason: str) -> ProblemError:
    return ProblemError(
        503,
        "model_unusable",
        lazy(
            "The model cannot be loaded, so no picture can be classified: %(reason)s", reason=reason
        ),
    )


def _closing() -> ProblemError:
    return ProblemError(
        503, "closing", lazy("The server is stopping. Try again when it is back."), retry_after_s=10
    )
