"""Tells systemd how the service is doing; without systemd nothing happens. See sd_notify(3)."""

from __future__ import annotations

import logging
import os
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

logger = logging.getLogger(__name__)

SOCKET_VARIABLE = "NOTIFY_SOCKET"
WATCHDOG_VARIABLES = ("WATCHDOG_USEC", "WATCHDOG_PID")
WATCHDOG_EVERY_S = 1.0


class ServiceNotifier:
    """Sends datagrams to the service manager's socket.

    Args:
        environ: The environment that names the socket; the process's own by default. The variables
            are taken out, because only the process that systemd started may speak for the service.
    """

    def __init__(self, environ: MutableMapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        address = environ.pop(SOCKET_VARIABLE, "")
        for name in WATCHDOG_VARIABLES:
            environ.pop(name, None)
        # An address that begins with @ is in the abstract name space.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        if self._socket is not None:
            self._socket.setblocking(False)
        self._ready = False
        self._alive_at_s = 0.0

    def ready(self) -> None:
        """The show runs; only the first call counts."""
        if not self._ready:
            self._ready = True
            self._send("READY=1")

    def alive(self) -> None:
        """The watchdog may go on waiting; sent once a second at most."""
        now_s = time.monotonic()
        if now_s - self._alive_at_s >= WATCHDOG_EVERY_S:
            self._alive_at_s = now_s
            self._send("WATCHDOG=1")

    def status(self, sentence: str) -> None:
        """What `systemctl status` shows."""
        self._send(f"STATUS={' '.join(sentence.split())}")

    def stopping(self) -> None:
        """The service was asked to end."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Say no more; harmless when repeated."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, text: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(text.encode(), self._address)
        except OSError as error:
            logger.debug("The service manager does not listen: %s", error)
