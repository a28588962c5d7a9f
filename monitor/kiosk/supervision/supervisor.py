"""Keeps the kiosk running: listens to its heartbeat, kills it when it hangs, restarts it.

It loads neither Qt nor NumPy nor a driver, so what crashes the window spares it. The window is a
child in its own session, so Ctrl+C reaches the supervisor alone, which passes it on once. Both keep
running when the terminal closes: a logout must not turn the screen dark.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.backoff import RestartBackoff
from monitor.kiosk.supervision.heartbeat import VARIABLE, Phase
from monitor.kiosk.supervision.notify import ServiceNotifier
from monitor.sensor.child_process import child_environment
from monitor.terminal import leave_closed_terminal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

logger = logging.getLogger(__name__)

DONE, FAILED, WRONG = 0, 1, 2
TICK_S = 0.25

PASSWORDS_VARIABLE = "AD_MONITOR_PASSWORDS_ON_STDIN"
"""Set for a command whose passwords arrive on its standard input."""


@dataclass(frozen=True, slots=True)
class Limits:
    """For how many seconds the kiosk may be silent, by what it is doing."""

    starting_s: float = 300.0  # a large library of ads is read, a database is migrated
    showing_s: float = 10.0
    closing_s: float = 60.0  # also from being asked to end until the report begins
    reporting_s: float = 900.0
    restarting_s: float = 60.0
    explaining_s: float = 60.0

    def of(self, phase: Phase) -> float:
        """Return the limit of a phase."""
        limit: float = getattr(self, f"{phase.name.lower()}_s")
        return limit


@dataclass(frozen=True, slots=True)
class Ending:
    """How one run of the kiosk ended, and whether the show had begun by then."""

    status: int  # negative for a signal
    stuck: bool = False
    showed: bool = False
    explained: bool = False  # whether somebody saw why it could not start
    renewed: bool = False  # whether it ended to be started again at once

    @property
    def words(self) -> str:
        """Such as `was ended by SIGSEGV`."""
        if self.stuck:
            return "was stuck and was killed"
        if self.status >= 0:
            return f"ended with status {self.status}"
        try:
            return f"was ended by {signal.Signals(-self.status).name}"
        except ValueError:
            return f"was ended by signal {-self.status}"


class Restarts:
    """Answers each death of the kiosk with a pause; knows no clock.

    After `limit` deaths within `window_s` only the ads are shown: a kiosk can do without its
    camera. If even that dies as often, it is retried forever with long pauses.
    """

    def __init__(
        self,
        limit: int = 5,
        *,
        window_s: float = 600.0,
        first_s: float = 0.5,
        longest_s: float = 5.0,
        measure_again_s: float = 86_400.0,
    ) -> None:
        self.limit, self.window_s = limit, window_s
        self.ads_only = False
        self._first_s, self._measure_again_s = first_s, measure_again_s
        self._gave_up_s = 0.0
        self._backoff = RestartBackoff(
            limit, window_s, first_s=first_s, longest_s=longest_s, exhausted_s=60.0
        )

    def died(self, now_s: float) -> float:
        """Note a death; return the pause before the next start, in seconds."""
        pause_s = self._backoff.pause_s(now_s)
        if not self._backoff.exhausted or self.ads_only:
            return pause_s
        self.ads_only, self._gave_up_s = True, now_s
        self._backoff.reset()
        return self._first_s

    def measuring_due(self, now_s: float) -> bool:
        """Return whether measuring, which was given up, should be tried again."""
        return self.ads_only and now_s - self._gave_up_s >= self._measure_again_s

    def measure_again(self) -> None:
        """Forget the deaths and measure again."""
        self.ads_only = False
        self._backoff.reset()


class Supervisor:
    """Runs a command and keeps it running.

    Once measuring is given up, `ads_only` and the reason are added to the command. `secret` is
    written to its input, because every user can read a command line.
    """

    def __init__(
        self,
        command: Sequence[str],
        ads_only: Sequence[str],
        *,
        limits: Limits | None = None,
        restarts: Restarts | None = None,
        secret: bytes = b"",
    ) -> None:
        self._command = list(command)
        self._secret = secret
        self._ads_only = list(ads_only)
        self._limits = limits or Limits()
        self._restarts = restarts or Restarts()
        self._notifier = ServiceNotifier()
        self._received: list[int] = []
        self._hung_up = False
        self._asked: int | None = None
        self._asked_at_s = 0.0
        self._reason = ""
        self._awake, self._wake = socket.socketpair()

    def run(self) -> int:
        """Keep the kiosk running until it ends or is asked to; call once, in the main thread.

        Returns:
            0 if the kiosk ended as asked, by its options, its operator or a signal; 2 if it refused
            its command line or a file before the show ever began, or somebody closed the window
            that explained it; else its own exit status.
        """
        for end in (self._awake, self._wake):
            end.setblocking(False)
        handled = (signal.SIGTERM, signal.SIGINT)
        former = {number: signal.signal(number, self._on_signal) for number in handled}
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            former[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._on_hangup)
        former[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        former_fd = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        try:
            return self._keep_running()
        finally:
            signal.set_wakeup_fd(former_fd)
            for number, handler in former.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)
            self._awake.close()
            self._wake.close()
            self._notifier.close()

    def _keep_running(self) -> int:
        showed = False
        while True:
            ending = self._run_once()
            showed = showed or ending.showed
            if self._asked is not None:
                return _status_when_asked(ending, self._asked)
            if ending.renewed:
                continue
            if ending.status == DONE and not ending.stuck:
                return DONE
            if ending.status == WRONG and (ending.explained or not showed):
                # Time does not mend what somebody has just typed, or has closed the window about.
                return WRONG
            gave_up_before = self._restarts.ads_only
            pause_s = self._restarts.died(time.monotonic())
            if self._restarts.ads_only and not gave_up_before:
                minutes = f"{self._restarts.window_s / 60:g} minutes"
                died = f"The kiosk died {self._restarts.limit} times within {minutes}"
                self._reason = f"{died}; at last it {ending.words}"
                self._say(f"{self._reason}: only the ads are shown from now on")
            else:
                self._say(f"The kiosk {ending.words} and is started again in {pause_s:g} s")
            self._pause(pause_s)
            if self._asked is not None:
                return DONE

    def _run_once(self) -> Ending:
        reduced = [*self._ads_only, self._reason] if self._restarts.ads_only else []
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        self._hung_up = False  # A new process inherits the redirected streams.
        try:
            process = subprocess.Popen(
                self._command + reduced,
                env=child_environment()
                | {VARIABLE: str(writer)}
                | ({PASSWORDS_VARIABLE: "1"} if self._secret else {}),
                pass_fds=(writer,),
                start_new_session=True,
                stdin=subprocess.PIPE if self._secret else subprocess.DEVNULL,
            )
        except OSError as error:
            # Such as no memory: also a death, which passes.
            logger.error("The kiosk cannot be started: %s", error)
            os.close(reader)
            return Ending(FAILED)
        finally:
            os.close(writer)
        logger.info("The kiosk is process %d", process.pid)
        try:
            if process.stdin is not None:
                with contextlib.suppress(BrokenPipeError), process.stdin:
                    process.stdin.write(self._secret)
            return self._watch(process, reader)
        finally:
            os.close(reader)
            _kill(process)

    def _watch(self, process: subprocess.Popen[bytes], reader: int) -> Ending:
        phase, heard_s = Phase.STARTING, time.monotonic()
        showed = explained = renewed = False
        while True:
            self._sleep(TICK_S, reader)
            now_s = time.monotonic()
            # First what it has said: it may be the supervisor that slept.
            for said in _read(reader):
                phase, heard_s = said, now_s
                renewed = renewed or said is Phase.RESTARTING
            if phase is Phase.SHOWING and not showed:
                showed = True
                self._notifier.ready()
                self._notifier.status(
                    f"Only the ads: {self._reason}" if self._restarts.ads_only else "The show runs"
                )
            if phase is Phase.EXPLAINING and not explained:
                explained = True
                self._notifier.ready()
                self._notifier.status("The kiosk cannot start: its window and the log say why")
            status = process.poll()
            if status is not None:
                renewed = renewed and status == DONE
                return Ending(status, showed=showed, explained=explained, renewed=renewed)
            self._forward(process)
            if self._asked is not None and phase is not Phase.REPORTING:
                heard_s, limit_s = self._asked_at_s, self._limits.closing_s
            else:
                limit_s = self._limits.of(phase)
            if now_s - heard_s > limit_s:
                silence = f"gave no sign of life for {limit_s:.0f} s ({phase.name.lower()})"
                logger.warning("The kiosk %s: it is killed", silence)
                with contextlib.suppress(ProcessLookupError):
                    # It writes where each of its threads is into its log.
                    os.kill(process.pid, signal.SIGUSR2)
                time.sleep(0.4)
                _kill(process)
                return Ending(process.returncode or -signal.SIGKILL, stuck=True, showed=showed)
            self._notifier.alive()
            if not renewed and showed and self._restarts.measuring_due(now_s):
                self._say("Measuring is tried again")
                self._restarts.measure_again()
                renewed = True
                process.send_signal(signal.SIGTERM)

    def _forward(self, process: subprocess.Popen[bytes]) -> None:
        if self._hung_up:
            self._hung_up = False
            process.send_signal(signal.SIGHUP)
        while self._received:
            number = self._received.pop(0)
            if self._asked is None:
                self._asked, self._asked_at_s = number, time.monotonic()
                logger.info("Asked to end by %s", signal.Signals(number).name)
                self._notifier.stopping()
            process.send_signal(number)

    def _pause(self, pause_s: float) -> None:
        until_s = time.monotonic() + pause_s
        while time.monotonic() < until_s and not self._received:
            self._sleep(min(TICK_S, until_s - time.monotonic()))
            self._notifier.alive()
        if self._received:
            self._asked = self._received.pop(0)

    def _sleep(self, longest_s: float, reader: int | None = None) -> None:
        """Sleep until a signal or a beat comes."""
        waited_for = [self._awake.fileno()] + ([] if reader is None else [reader])
        ready, _, _ = select.select(waited_for, [], [], max(0.0, longest_s))
        if self._awake.fileno() in ready:
            with contextlib.suppress(BlockingIOError):
                self._awake.recv(4096)
        if reader in ready:
            # A pipe without a writer is always ready, until the kiosk's end is noticed.
            time.sleep(0.01)

    def _say(self, sentence: str) -> None:
        logger.warning("%s", sentence)
        self._notifier.status(sentence)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._received.append(number)

    def _on_hangup(self, _number: int, _frame: FrameType | None) -> None:
        """Keep running without the closed terminal, and tell the kiosk."""
        leave_closed_terminal()
        self._hung_up = True


def kiosk_command(arguments: Sequence[str]) -> list[str]:
    """Return the command that starts this program with other arguments."""
    return [sys.executable, "-m", "monitor", *arguments]


def _read(reader: int) -> list[Phase]:
    try:
        said = os.read(reader, 1 << 16)
    except BlockingIOError:
        return []
    return [Phase(bytes([code])) for code in said]


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the kiosk and whatever it started; harmless when they have ended."""
    # The kiosk leads its group, so no other process is hit.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        text = "The kiosk (process %d) cannot be killed: the system holds it, perhaps in a driver"
        logger.error(text, process.pid)


def _status_when_asked(ending: Ending, asked: int) -> int:
    if ending.stuck:
        return FAILED
    if ending.status < 0:
        # Before its handlers are in place a process simply ends by the signal.
        return DONE if -ending.status in {asked, signal.SIGTERM} else 128 - ending.status
    return ending.status
