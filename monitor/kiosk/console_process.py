"""Runs the console of this kiosk in a separate process."""

from __future__ import annotations

import json
import logging
import secrets
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, cast

from monitor.backoff import Backoff
from monitor.sensor.child_process import child_environment
from monitor.ui.operator.facts import Pages

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.settings.console_order import ConsoleOrder

logger = logging.getLogger(__name__)

SETTLED_S = 60.0
"""A console that lived this long did not fail at its start."""


class ConsoleProcess:
    """Starts the console, restarts it when it ends, and ends it with the kiosk; thread-safe.

    The ads and the readings never wait for it. It reads the order from its standard input and ends
    when that is closed, so also when the kiosk is killed.

    Args:
        order: What it is to do.
        ready: Called with its address and the link that sets the first password, if there is none
            yet, each time it has started; from another thread.
        failed: Called with a sentence each time it could not be started, or ended; likewise.
        first_pause_s: Before the first restart; further pauses double up to a minute.

    Attributes:
        set_up: Set once somebody has set the kiosk up on the console's pages: it has to start
            again, with the settings that were written.
    """

    def __init__(
        self,
        order: ConsoleOrder,
        ready: Callable[[str, str | None], None],
        *,
        failed: Callable[[str], None] = lambda _why: None,
        first_pause_s: float = 1.0,
    ) -> None:
        self._order = order
        self._ready = ready
        self._failed = failed
        self._backoff = Backoff(first_pause_s, 60.0)
        self.set_up = threading.Event()
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="console", daemon=True)

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def start(self) -> None:
        """Start it; returns at once."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End it; harmless when repeated. Pages that are being answered have that long."""
        self._stopping.set()
        with self._guard:
            process = self._process
        if process is not None:
            with suppress(OSError):
                cast("IO[bytes]", process.stdin).close()
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            began_s, why = time.monotonic(), "it could not be started"
            try:
                why = self._run_once()
            except OSError as error:
                why = str(error)
            if self._stopping.is_set():
                return
            if time.monotonic() - began_s > SETTLED_S:
                self._backoff.reset()
            pause_s = self._backoff.pause_s()
            logger.warning(
                "The kiosk's pages ended and start again in %.0f s; the ads go on. %s", pause_s, why
            )
            self._failed(why)
            self._stopping.wait(pause_s)

    def _run_once(self) -> str:
        """Run the process until it ends; return why it did."""
        with self._guard:
            if self._stopping.is_set():
                return ""
            process = self._process = subprocess.Popen(
                [sys.executable, "-m", "monitor.cli.serving.console"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=child_environment(),
                start_new_session=True,  # Ctrl+C asks the kiosk alone, which then ends this.
            )
        pipe = cast("IO[bytes]", process.stdin)
        why = ""
        with process:
            with suppress(BrokenPipeError):
                pipe.write(self._order.model_dump_json().encode() + b"\n")
                pipe.flush()
            for line in cast("IO[bytes]", process.stdout):
                why = self._take(line) or why
            with suppress(OSError):
                pipe.close()
        return why or f"Its exit status was {process.returncode}."

    def _take(self, line: bytes) -> str:
        """Take an event; return why the console fails, if it says so."""
        try:
            event: dict[str, Any] = json.loads(line)
        except ValueError:
            return ""
        if event.get("event") == "ready":
            self._ready(str(event["address"]), event.get("link"))
        elif event.get("event") == "set_up":
            self.set_up.set()
        return str(event.get("message", ""))


class OwnConsole:
    """The console of this kiosk, if it has or may have one; and its set-up, while that is open.

    Args:
        order: What the console is to do; `None` if this kiosk cannot have one.
        say: Called with the console's address and link each time it has started, from another
            thread.
        can_set_up: Whether nobody has set the kiosk up yet.
        is_declined: Whether set-up was declined.

    Attributes:
        link: Where to go, once the console has started.
        pages: How it is with its pages; `None` while they are not wanted.
        wants_wizard: Whether set-up in the window was chosen.
    """

    def __init__(
        self,
        order: ConsoleOrder | None,
        say: Callable[[str, str | None], None],
        *,
        can_set_up: bool = False,
        is_declined: bool = False,
    ) -> None:
        self._order = order
        self._say = say
        self._process: ConsoleProcess | None = None
        self.wants_wizard = False
        self.is_declined = is_declined
        self.can_set_up = can_set_up and order is not None
        self.link: str | None = None
        self.pages: Pages | None = None

    @property
    def order(self) -> ConsoleOrder | None:
        """What the console is to do."""
        return self._order

    def open(self, host: str | None = None) -> None:
        """Start the console, or start it again at another address; returns at once.

        Args:
            host: Where a phone is to set the kiosk up; by default the console listens where the
                settings say.
        """
        if self._order is None:
            return
        self.close()
        self.link = None
        sets_up = self.can_set_up and (host is not None or not self.is_declined)
        order = self._order.model_copy(
            update={
                "host": host or self._order.host,
                "setup": secrets.token_urlsafe(16) if sets_up else None,
            }
        )
        self.pages = Pages()
        self._process = ConsoleProcess(order, self._on_ready, failed=self._on_failed)
        self._process.start()

    def is_set_up(self) -> bool:
        """Whether the kiosk has to start again: it was set up, or is to be at its own window."""
        process = self._process
        return self.wants_wizard or (process is not None and process.set_up.is_set())

    def close(self) -> None:
        """End the console; harmless when repeated."""
        if self._process is not None:
            self._process.stop()
        self.pages = None

    def _on_ready(self, address: str, link: str | None) -> None:
        self.link = link
        self.pages = Pages(address)
        self._say(address, link)

    def _on_failed(self, why: str) -> None:
        self.pages = Pages(problem=why)
