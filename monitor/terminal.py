"""The terminal in which a command was started, and which may close while the command runs."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
import termios
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

AGAIN_S = 0.02
"""Until a lost Ctrl+C is repeated: by then the callback that swallowed it has mostly ended."""


def is_read(stream: TextIO) -> bool:
    """Return whether somebody reads a stream: it is a terminal, and no window covers it.

    The text console from which an X server was started lies behind that server.
    """
    try:
        return not re.fullmatch(r"/dev/(tty\d+|console)", os.ttyname(stream.fileno()))
    except (OSError, ValueError):
        return False


@contextmanager
def sure_interrupts() -> Iterator[None]:
    """Repeat a Ctrl+C that was lost; use it in the main thread of a command.

    Python raises `KeyboardInterrupt` wherever the main thread happens to be. In a finaliser or a
    callback of the garbage collector, of which TensorFlow and JAX have some, it is printed and
    goes no further, and the command would run on.
    """
    former, main_thread = sys.unraisablehook, threading.main_thread().ident

    def interrupt() -> None:
        if main_thread is not None:
            # Not os.kill: this also wakes a call of the system that the main thread waits in.
            signal.pthread_kill(main_thread, signal.SIGINT)

    def on_unraisable(arguments: sys.UnraisableHookArgs) -> None:
        if not issubclass(arguments.exc_type, KeyboardInterrupt):
            former(arguments)
            return
        again = threading.Timer(AGAIN_S, interrupt)
        again.daemon = True
        again.start()

    sys.unraisablehook = on_unraisable
    try:
        yield
    finally:
        sys.unraisablehook = former


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
