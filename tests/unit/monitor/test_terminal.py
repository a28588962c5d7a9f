"""A terminal that closes."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from monitor.terminal import (
    end_signals,
    is_read,
    leave_terminal,
    stay_after_hangup,
    sure_interrupts,
)


@pytest.fixture(autouse=True)
def hangup_handler() -> Iterator[None]:
    """The default one, also where the tests run under nohup."""
    former = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, former)


def test_a_hangup_ends_the_kiosk_unless_it_is_ignored_or_kept_from_that() -> None:
    both = (signal.SIGINT, signal.SIGTERM)
    assert end_signals() == (*both, signal.SIGHUP)
    stay_after_hangup()
    assert end_signals() == both
    os.kill(os.getpid(), signal.SIGHUP)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stay_after_hangup()
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    assert end_signals() == both


def test_a_second_hangup_is_ignored() -> None:
    former = {signal.SIGHUP: signal.SIG_DFL, signal.SIGTERM: signal.SIG_DFL}
    leave_terminal(former)
    assert former == {signal.SIGTERM: signal.SIG_DFL}
    os.kill(os.getpid(), signal.SIGHUP)


CHILD = """
import contextlib, os
from monitor.terminal import leave_closed_terminal
leave_closed_terminal()
os.write(2, b"to the terminal\\n")
with contextlib.suppress(OSError):
    os.read(0, 1)
leave_closed_terminal()
os.write(2, b"to nowhere\\n")
os.write(1, b"whole" if os.read(0, 1) == b"" else b"more")
"""


def test_what_was_a_terminal_is_nowhere_and_the_rest_stays() -> None:
    terminal, inside = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=inside, stdout=subprocess.PIPE, stderr=inside
    )
    os.close(inside)
    assert os.read(terminal, 100) == b"to the terminal\r\n"
    os.close(terminal)
    assert child.communicate(timeout=300) == (b"whole", None)
    assert child.returncode == 0


def test_somebody_reads_a_terminal_but_no_file_and_no_console_behind_a_window(
    tmp_path, monkeypatch
) -> None:
    controller, terminal = os.openpty()
    with os.fdopen(terminal, "w") as stream, (tmp_path / "log").open("w") as file:
        assert is_read(stream)
        assert not is_read(file)
        for name in ("/dev/tty1", "/dev/console"):
            monkeypatch.setattr(os, "ttyname", lambda _descriptor, name=name: name)
            assert not is_read(stream)
    os.close(controller)
    assert not is_read(io.StringIO())


SWALLOWS = """
import gc, signal, sys, time

# A shell that runs the tests in the background has its children ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)

def command():
    times = []

    def callback(phase, _info):
        if not times:
            times.append(phase)
            signal.raise_signal(signal.SIGINT)

    class Finalised:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    {how}
    while True:
        time.sleep(3600)
        gc.collect()

from monitor.cli import main
main.__globals__["cli"].main = lambda **_options: command()
main([])
"""


@pytest.mark.parametrize("how", ["gc.callbacks.append(callback); gc.collect()", "Finalised()"])
def test_a_ctrl_c_that_a_callback_swallows_still_ends_the_command(how: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SWALLOWS.format(how=how)],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert (done.returncode, done.stderr) == (1, "Error: Stopped.\n")


def test_other_errors_of_finalisers_are_told_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)

    class Finalised:
        def __del__(self) -> None:
            raise ValueError

    with sure_interrupts():
        Finalised()
        assert len(told) == 1
    assert sys.unraisablehook == told.append
