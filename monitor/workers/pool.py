"""Processes on this machine."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from monitor.errors import WorkersLostError
from monitor.sensor.child_process import disable_core_dumps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.connection import Connection

logger = logging.getLogger(__name__)

MAX_DEATHS = 4
"""Workers that die without a result in between. More is a fault of the task or the machine."""


class ProcessPool:
    """A fixed number of processes, which end with this one however it ends."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._context = multiprocessing.get_context("spawn")
        self._executor: ProcessPoolExecutor | None = None
        self._lifeline: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """Yield the results in the order of the items, a few of which are in work.

        Raises:
            WorkersLostError: Workers died again and again.
        """
        items, deaths = iter(items), 0
        # Results that wait for an earlier one are kept in memory, so there must be few.
        window: deque[tuple[Any, Future[Any]]] = deque()
        while True:
            for item in islice(items, 2 * self._jobs - len(window)):
                window.append((item, self._submitted(function, item)))
            if not window:
                return
            try:
                result = window[0][1].result()
            except BrokenProcessPool:
                deaths += 1
                if deaths == MAX_DEATHS:
                    raise WorkersLostError(
                        f"The {self._jobs} processes of --jobs died {deaths} times without a "
                        "result, perhaps for lack of memory; try fewer."
                    ) from None
                logger.warning("A worker died; running its task again")
                self._end()
                window = deque(
                    (item, future if _succeeded(future) else self._submitted(function, item))
                    for item, future in window
                )
                continue
            deaths = 0
            window.popleft()
            yield result

    def _submitted(self, function: Callable[[Any], Any], item: Any) -> Future[Any]:
        if self._executor is None:
            receiver, self._lifeline = self._context.Pipe(duplex=False)
            self._executor = ProcessPoolExecutor(
                self._jobs, self._context, initializer=_begin, initargs=(receiver,)
            )
        try:
            return self._executor.submit(function, item)
        except BrokenProcessPool as error:
            broken: Future[Any] = Future()
            broken.set_exception(error)
            return broken

    def _end(self) -> None:
        """End the processes at once, in the middle of a task too."""
        if self._lifeline is not None:
            self._lifeline.close()
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
        self._executor = self._lifeline = None


def _succeeded(future: Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _begin(lifeline: Connection) -> None:
    """Prepare a worker: Ctrl+C is its parent's business, and it ends when its parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    disable_core_dumps()

    def watch() -> None:
        lifeline.poll(None)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
