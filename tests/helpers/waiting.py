"""Waiting for what another thread or process does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def wait_until(
    question: Callable[[], Any],
    limit_s: float = 120.0,
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
