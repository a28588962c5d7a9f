"""One worker thread that finds and names the faces of pictures, one picture after the other.

MediaPipe's and the network's runtime objects belong to the thread that made them, so all of them
live in this one. The queue is short on purpose: whoever comes when it is full is told at once to
try again, rather than made to wait.
"""

from __future__ import annotations

import logging
import queue
import threading
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from monitor.web.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from detector.image_analysis import PictureFace
    from detector.settings import Device

logger = logging.getLogger(__name__)

WAITING_PICTURES = 6
"""Pictures that may wait; at a few tens of milliseconds each nobody waits long."""

LIMIT_S = 20.0
"""Longest wait for an answer. The first one may have to wait for the network to be loaded."""

END_S = 10.0


class Looker(Protocol):
    """Finds and names the faces of one picture after the other, see `detector.image_analysis.PictureClassifier`."""

    def faces_and_crops(
        self, image: NDArray[np.uint8]
    ) -> tuple[list[PictureFace], NDArray[np.uint8]]:
        """The faces of a `(height, width, 3)` BGR picture, and the `(n, side, side)` grey levels the network saw."""
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What was found in a picture.

    Attributes:
        faces: From left to right.
        crops: `(n, side, side)` uint8, each face as the network saw it.
    """

    faces: tuple[PictureFace, ...]
    crops: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    image: NDArray[np.uint8]
    answer: Future[Seen]


def load_looker(model: str | None, device: Device) -> Looker:
    """The real thing; slow, and only to be called on the thread that will use it."""
    from detector.emotion.classifier import load_classifier  # noqa: PLC0415 (slow to import)
    from detector.image_analysis import PictureClassifier  # noqa: PLC0415

    return PictureClassifier(load_classifier(model, device))


class PictureWorker:
    """The worker thread; starts to load the network at once, and is ended by `close`.

    Args:
        make: Makes what looks at the pictures; called once, on the worker's thread.
        waiting: Pictures that may wait, at least 1.
        limit_s: Longest wait of `look` in seconds, above 0.
    """

    def __init__(
        self,
        make: Callable[[], Looker],
        *,
        waiting: int = WAITING_PICTURES,
        limit_s: float = LIMIT_S,
    ) -> None:
        self._make = make
        self._limit_s = limit_s
        self._jobs: queue.Queue[_Job | None] = queue.Queue(waiting)
        self._closing = threading.Event()
        self._ready = threading.Event()
        self._broken = ""
        self._thread = threading.Thread(target=self._run, name="web-classifier", daemon=True)
        self._thread.start()

    @property
    def state(self) -> str:
        """`loading`, `ready` or `broken`."""
        if self._broken:
            return "broken"
        return "ready" if self._ready.is_set() else "loading"

    def look(self, image: NDArray[np.uint8]) -> Seen:
        """Find and name the faces of a picture; may be called from any thread.

        Args:
            image: `(height, width, 3)` BGR, uint8.

        Raises:
            ProblemError: Too many pictures wait, this one took too long, or the network cannot be
                loaded.
        """
        job = _Job(image, Future())
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
                "Too many pictures are waiting already. Try again in a few seconds.",
                retry_after_s=3,
            ) from None
        if self._closing.is_set():
            # Perhaps put behind the sign to end, where nobody would find it.
            job.answer.cancel()
        try:
            return job.answer.result(self._limit_s)
        except CancelledError:
            raise _closing() from None
        except FutureTimeoutError:
            # Not begun yet: nobody waits for it any more, so it is left out.
            job.answer.cancel()
            raise ProblemError(
                503,
                "too_slow",
                f"The picture was not looked at within {self._limit_s:g} s. Try again in a few seconds, or use a "
                "smaller picture.",
                retry_after_s=10,
            ) from None

    def close(self) -> None:
        """End the thread after the picture that it is looking at; those that wait are answered with a problem."""
        self._closing.set()
        self._forget_waiting()
        self._jobs.put(None)
        self._thread.join(END_S)

    def _forget_waiting(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is not None:
                job.answer.cancel()

    def _run(self) -> None:
        try:
            looker = self._make()
        except Exception as error:  # noqa: BLE001 (told to everybody who asks)
            logger.warning("Pictures cannot be classified: %s", error)
            self._broken = str(error)
            looker = None
        self._ready.set()
        try:
            while (job := self._jobs.get()) is not None:
                self._answer(looker, job)
        finally:
            if looker is not None:
                looker.close()
            self._forget_waiting()

    def _answer(self, looker: Looker | None, job: _Job) -> None:
        if not job.answer.set_running_or_notify_cancel():
            return
        if looker is None:
            job.answer.set_exception(_unusable(self._broken))
            return
        try:
            faces, crops = looker.faces_and_crops(job.image)
        except Exception as error:  # noqa: BLE001 (raised again where it was asked for)
            job.answer.set_exception(error)
        else:
            job.answer.set_result(Seen(tuple(faces), crops))


def _unusable(reason: str) -> ProblemError:
    return ProblemError(
        503,
        "model_unusable",
        f"The network cannot be loaded, so no picture can be classified: {reason}",
    )


def _closing() -> ProblemError:
    return ProblemError(
        503,
        "closing",
        "The server is being stopped. Try again when it runs again.",
        retry_after_s=10,
    )
