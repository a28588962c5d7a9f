"""Tasks for workers, which import them by name."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable


def squared(number: int) -> tuple[int, int]:
    """The square, and who computed it."""
    return number * number, os.getpid()


def squared_unless_first(item: tuple[int, str]) -> int:
    """The square; the first process that is given a 2 dies of it."""
    number, flag = item
    if number == 2:
        die_once(flag)
    return number * number


def die_once(flag: str) -> None:
    """Kill this process unless the file is there."""
    if not Path(flag).exists():
        Path(flag).touch()
        os.kill(os.getpid(), signal.SIGKILL)


def done_after_a_death(function: Callable[[Any], Any], flag: str, item: Any) -> Any:
    """What the function makes of an item other than the first; its process dies after the work."""
    result = function(item)
    if item.first:
        die_once(flag)
    return result


def deadly(_number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def refused(number: int) -> None:
    raise SetupError(f"Number {number} is wrong.")
