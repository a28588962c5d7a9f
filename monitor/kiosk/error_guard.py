"""Unexpected errors: logged, counted and survived, unless they come in a flood."""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

logger = logging.getLogger(__name__)

LOG_EVERY_S = 60.0
"""One kind of error is logged with its traceback once in this time."""

FLOOD = 50
"""After more errors within a minute a restart is better than going on."""

MAX_KINDS = 200


class ErrorGuard:
    """Catches what no caller catches: in slots, timers and paint events, threads and finalisers.

    Without such a hook PyQt ends the process at the first exception in a slot. Use it as a context
    manager; it restores the former hooks at its end. `count` is the number of errors so far.
    """

    def __init__(self) -> None:
        # A finaliser may run, and fail, in the very thread that is noting an error.
        self._lock = threading.RLock()
        self._recent: deque[float] = deque(maxlen=FLOOD + 1)
        self._logged: dict[tuple[str, ...], tuple[float, int]] = {}
        self.count = 0

    def __enter__(self) -> ErrorGuard:
        self._former = sys.excepthook, threading.excepthook, sys.unraisablehook
        sys.excepthook = self._on_error
        threading.excepthook = self._on_thread_error
        sys.unraisablehook = self._on_unraisable
        return self

    def __exit__(self, *_error: object) -> None:
        sys.excepthook, threading.excepthook, sys.unraisablehook = self._former

    @property
    def flooded(self) -> bool:
        """Whether more than `FLOOD` errors came within a minute."""
        with self._lock:
            return len(self._recent) > FLOOD and self._recent[-1] - self._recent[0] <= 60.0

    def note(self, error: BaseException, where: str) -> None:
        """Count an error, and log it unless one of its kind was logged within the last minute."""
        now_s = time.monotonic()
        innermost = traceback.extract_tb(error.__traceback__, limit=-1)
        place = (innermost[0].filename, str(innermost[0].lineno)) if innermost else ()
        kind = (where, type(error).__name__, *place)
        with self._lock:
            self.count += 1
            self._recent.append(now_s)
            logged_s, silent = self._logged.get(kind, (-LOG_EVERY_S, 0))
            due = now_s - logged_s >= LOG_EVERY_S
            if len(self._logged) >= MAX_KINDS and kind not in self._logged:
                self._logged.clear()
            self._logged[kind] = (now_s, 0) if due else (logged_s, silent + 1)
        if due:
            again = f" ({silent} more of this kind since the last time it was logged)"
            logger.error("Unexpected error in %s%s", where, again if silent else "", exc_info=error)

    def _on_error(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        self.note(error, "the window")
        # Release what the failed calls held, also in the interpreter's copy for debuggers: a
        # painter that lives on would keep its widget from ever being painted again.
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            sys.__dict__.pop(name, None)
        traceback.clear_frames(trace)

    def _on_thread_error(self, arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None and not issubclass(arguments.exc_type, SystemExit):
            name = arguments.thread.name if arguments.thread is not None else "unknown"
            self.note(arguments.exc_value, f"the thread {name}")

    def _on_unraisable(self, arguments: sys.UnraisableHookArgs) -> None:
        if arguments.exc_value is not None:
            self.note(arguments.exc_value, "a finaliser")
