"""The terminal in which a command was started, and which may close while the command runs."""

from __future__ import annotations

import errno
import os
import re
import signal
import termios
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import MutableMapping


def is_read(stream: TextIO) -> bool:
    """Return whether somebody reads a stream: it is a terminal, and no window covers it.

    The text console from which an X server was started lies behind that server.
    """
    try:
        return not re.fullmatch(r"/dev/(tty\d+|console)", os.ttyname(stream.fileno()))
    except (OSError, ValueError):
        return False


def end_signals() -> tuple[signal.Signals, ...]:
    """Return the signals that ask the kiosk to end.

    A closing terminal sends SIGHUP, which is one of them unless it is ignored, as under `nohup`, or
    `stay_after_hangup` was called.
    """
    ends = (signal.SIGINT, signal.SIGTERM)
    return (*ends, signal.SIGHUP) if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL else ends


def stay_after_hangup() -> None:
    """Keep running when the terminal closes."""
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda _number, _frame: leave_closed_terminal())


def leave_terminal(former_handlers: MutableMapping[signal.Signals, Any]) -> None:
    """Prepare to end after SIGHUP: ignore a second one, even once the handlers are restored."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    former_handlers.pop(signal.SIGHUP, None)
    leave_closed_terminal()


def leave_closed_terminal() -> None:
    """Redirect the standard streams of a closed terminal to /dev/null: using them would fail."""
    for stream in (0, 1, 2):
        try:
            termios.tcgetattr(stream)
        except termios.error as error:
            if error.args[0] == errno.EIO:
                nowhere = os.open(os.devnull, os.O_RDWR)
                os.dup2(nowhere, stream)
                os.close(nowhere)
