"""The terminal closes in which the kiosk was started."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import sys
import termios
import time
from contextlib import suppress

import pytest


class Terminal:
    """A pseudo terminal with one command in it, in a session of its own, as an emulator has it."""

    def __init__(self, program, *arguments, nohup=False):
        self._window, inside = pty.openpty()

        def enter():
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL)

        self.process = program.start(
            *arguments,
            stdin=inside,
            stdout=inside,
            stderr=inside,
            start_new_session=True,
            preexec_fn=enter,  # No threads hold locks here.
        )
        os.close(inside)

    def close(self):
        if self._window >= 0:
            os.close(self._window)
        self._window = -1


@pytest.fixture
def terminal(program):
    made = []

    def start(*arguments, **options):
        made.append(Terminal(program, *arguments, **options))
        return made[-1]

    yield start
    for one in made:
        one.close()
        with suppress(ProcessLookupError):
            one.process.kill()


def readings(program):
    return (program.rows("SELECT count(*) FROM readings") or [(0,)])[0][0]


@pytest.mark.slow
@pytest.mark.parametrize("mode", [["--headless"], []], ids=["headless", "window"])
def test_the_session_is_closed_when_the_terminal_closes(program, terminal, wait_for, mode):
    program.environment["QT_QPA_PLATFORM"] = "offscreen"
    shell = terminal(
        "run", *mode, "--source", "demo", "--duration", "60", "--report", "report.html"
    )
    wait_for(lambda: readings(program) > 5, what="readings")
    before = readings(program)
    shell.close()
    assert shell.process.wait(300) == 0
    assert readings(program) >= before
    assert program.rows("SELECT end_reason, lost FROM sessions") == [("stopped by SIGHUP", 0)]
    assert program.rows("SELECT count(*) FROM sessions WHERE ended_at IS NULL") == [(0,)]
    assert program.rows("SELECT count(*) FROM gaps WHERE cause LIKE 'sensor_%'") == [(0,)]
    assert (program.folder / "report.html").exists()


@pytest.mark.slow
def test_under_nohup_the_kiosk_goes_on(program, terminal, wait_for):
    shell = terminal(
        *("run", "--headless", "--source", "demo", "--duration", "60"),
        *("--report", "report.html"),
        nohup=True,
    )
    wait_for(lambda: readings(program), what="a reading")
    shell.close()
    shell.process.send_signal(signal.SIGHUP)
    before = readings(program)
    wait_for(lambda: readings(program) > before + 5, what="readings after the hangup")
    shell.process.send_signal(signal.SIGTERM)
    assert shell.process.wait(300) == 0
    assert (program.folder / "report.html").exists()
    assert program.rows("SELECT end_reason FROM sessions") == [("stopped by SIGTERM",)]


@pytest.mark.slow
def test_a_supervised_kiosk_goes_on_and_is_still_restarted(program, terminal, wait_for):
    shell = terminal("run", "--supervised", "--headless", "--source", "demo")
    wait_for(lambda: readings(program), what="a reading")
    shell.close()
    before = readings(program)
    wait_for(lambda: readings(program) > before + 5, what="readings after the hangup")
    children = f"/proc/{shell.process.pid}/task/{shell.process.pid}/children"
    with open(children) as file:  # noqa: PTH123 (a file of the kernel)
        os.kill(int(file.read().split()[0]), signal.SIGKILL)
    wait_for(
        lambda: program.rows("SELECT 1 FROM readings WHERE session_id = 2 LIMIT 1"),
        what="readings after a restart",
    )
    began_s = time.monotonic()
    shell.process.send_signal(signal.SIGTERM)
    assert shell.process.wait(300) == 0
    sys.stdout.write(f"stopped within {time.monotonic() - began_s:.1f} s\n")
    assert program.rows("SELECT count(*) FROM sessions") == [(2,)]
