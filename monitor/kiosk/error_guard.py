"""Errors that nobody expected: logged, counted and survived, unless they come in a flood."""

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
FLOOD_WINDOW_S = 60.0
"""More errors than this within this time are no accident: a fresh start is better than going on."""

MOST_KINDS = 200
LAST_ERROR = ("last_type", "last_value", "last_traceback", "last_exc")
"""Where the interpreter keeps the last error for a debugger, with all that its frames hold."""


class ErrorGuard:
    """Catches what no caller catches: in slots, timers and paint events of Qt, in threads, in finalisers.

    Without such a hook PyQt ends the process at the first exception in a slot. Use it as a context
    manager; the hooks that were there before come back at its end.

    Attributes:
        count: Errors so far.
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        sys.excepthook, threading.excepthook, sys.unraisablehook = self._former

    @property
    def flooded(self) -> bool:
        """Whether so many errors came within a minute that a fresh start is better."""
        with self._lock:
            return (
                len(self._recent) > FLOOD and self._recent[-1] - self._recent[0] <= FLOOD_WINDOW_S
            )

    def note(self, error: BaseException, where: str) -> None:
        """Count an error, and log it unless one of its kind was logged a moment ago.

        Args:
            error: With its traceback.
            where: In which part of the program, in words.
        """
        now_s = time.monotonic()
        kind = (where, type(error).__name__, *_place(error.__traceback__))
        with self._lock:
            self.count += 1
            self._recent.append(now_s)
            logged_s, silent = self._logged.get(kind, (-LOG_EVERY_S, 0))
            due = now_s - logged_s >= LOG_EVERY_S
            if len(self._logged) >= MOST_KINDS and kind not in self._logged:
                self._logged.clear()
            self._logged[kind] = (now_s, 0) if due else (logged_s, silent + 1)
        if due:
            again = (
                f" ({silent} more of this kind since the last time it was logged)" if silent else ""
            )
            logger.error("Unexpected error in %s%s", where, again, exc_info=error)

    def _on_error(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        self.note(error, "the window")
        _let_go(trace)

    def _on_thread_error(self, arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None and not issubclass(arguments.exc_type, SystemExit):
            name = arguments.thread.name if arguments.thread is not None else "unknown"
            self.note(arguments.exc_value, f"the thread {name}")

    def _on_unraisable(self, arguments: sys.UnraisableHookArgs) -> None:
        if arguments.exc_value is not None:
            self.note(arguments.exc_value, "a finaliser")


def _place(trace: TracebackType | None) -> tuple[str, ...]:
    """File and line of the innermost call."""
    innermost = None
    while trace is not None:
        innermost, trace = trace, trace.tb_next
    return (
        ()
        if innermost is None
        else (innermost.tb_frame.f_code.co_filename, str(innermost.tb_lineno))
    )


def _let_go(trace: TracebackType | None) -> None:
    """Release what the failed calls held: a painter that lives on would keep its widget from ever being painted again."""
    for name in LAST_ERROR:
        if hasattr(sys, name):
            delattr(sys, name)
    traceback.clear_frames(trace)
