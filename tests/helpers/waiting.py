"""Waiting for what another thread or process does, and for how long."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def wait_until(
    question: Callable[[], Any],
    limit_s: float = 300.0,
    what: str = "what was waited for",
    *,
    every_s: float = 0.01,
) -> Any:
    """Ask a question until its answer is true, and return the answer; fail after the limit.

    The limit is for a machine that is busy with other work: raise it rather than lower it.
    """
    deadline = time.monotonic() + limit_s
    while not (answer := question()):
        assert time.monotonic() < deadline, f"{what} did not happen within {limit_s} s"
        time.sleep(every_s)
    return answer


class Stopwatch:
    """Measures waiting that is the program's own: time in which this process had no core, because
    others used them all, does not count. It is zero on an idle machine, and where the system does
    not tell it.
    """

    def __init__(self) -> None:
        self._began_s, self._queued_s = time.monotonic(), _queued_s()

    @property
    def seconds(self) -> float:
        """Seconds since it was made, less those in which a thread was ready to run and could not."""
        return time.monotonic() - self._began_s - (_queued_s() - self._queued_s)


def _queued_s() -> float:
    """Seconds in which the threads of this process waited for a core so far."""
    total_ns = 0
    for file in Path("/proc/self/task").glob("*/schedstat"):
        with suppress(OSError):  # a thread that has just ended
            total_ns += int(file.read_text().split()[1])
    return total_ns / 1e9
