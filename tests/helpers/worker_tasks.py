"""Tasks for workers, which import them by name."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from monitor.errors import SetupError


def squared(number: int) -> tuple[int, int]:
    """The square, and who computed it."""
    return number * number, os.getpid()


def squared_unless_first(item: tuple[int, str]) -> int:
    """The square; the first process that is given a 2 dies of it."""
    number, flag = item
    if number == 2 and not Path(flag).exists():
        Path(flag).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def deadly(_number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def refused(number: int) -> None:
    raise SetupError(f"Number {number} is wrong.")
