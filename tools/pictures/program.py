"""Starts the program as a person does, in a home of its own, and waits for what it says."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Program:
    """`ad-monitor` in an empty home: no file or setting of this account is read or changed.

    Args:
        home: A new folder.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        kept = {name: value for name, value in os.environ.items() if "AD_MONITOR" not in name}
        kept = {name: value for name, value in kept.items() if not name.startswith(("XDG_", "QT_"))}
        self._environment = kept | {"HOME": str(home), "LANG": "C.UTF-8", "TZ": "Europe/Berlin"}

    def run(self, *arguments: str) -> str:
        """Run a command to its end; return all it printed.

        Raises:
            RuntimeError: It failed.
        """
        done = subprocess.run(
            self._command(arguments),
            env=self._environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"ad-monitor {' '.join(arguments)} failed:\n{done.stderr}")
        return done.stdout + done.stderr

    def wait_for_readings(self, count: int, limit_s: float = 300.0) -> None:
        """Return once the kiosk that runs has stored so many readings.

        Raises:
            RuntimeError: It took too long.
        """
        deadline = time.monotonic() + limit_s
        while (made := self._readings()) < count:
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"The kiosk made {made} readings in {limit_s:.0f} seconds, expected {count}: "
                    "this machine is too busy to film it. Try again when it is idle."
                )
            time.sleep(2)

    def _readings(self) -> int:
        try:
            said = self.run("sessions", "--json")
        except RuntimeError:
            # There is no database yet.
            return 0
        sessions = json.loads(said[said.index("{") : said.rindex("}") + 1])["sessions"]
        return int(sessions[0]["readings"]) if sessions else 0

    @contextmanager
    def running(self, *arguments: str, display: str | None = None) -> Iterator[Running]:
        """Keep a command running; with a `display`, on this X server."""
        shown = {"DISPLAY": display, "QT_QPA_PLATFORM": "xcb"} if display else {}
        log = self.home / f"{arguments[0]}.log"
        with log.open("w") as out:
            process = subprocess.Popen(
                self._command(arguments),
                env=self._environment | shown,
                cwd=self.home,
                stdout=out,
                stderr=out,
            )
        try:
            yield Running(process, log)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()

    @staticmethod
    def _command(arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "monitor", *arguments]


class Running:
    """A command that runs, and what it said so far."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process, self._log = process, log

    def wait_for(self, pattern: str, limit_s: float = 240.0) -> str:
        """Return the first group of what it says, once it says it.

        Raises:
            RuntimeError: It ended before, or took too long.
        """
        deadline = time.monotonic() + limit_s
        while (found := re.search(pattern, said := self._log.read_text())) is None:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The program never said {pattern!r}. It said:\n{said}")
            time.sleep(0.2)
        return found[1]
