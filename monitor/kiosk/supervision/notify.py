"""Tells systemd how the service is doing, see sd_notify(3); without systemd nothing happens."""

from __future__ import annotations

import logging
import os
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

logger = logging.getLogger(__name__)

WATCHDOG_EVERY_S = 1.0


class ServiceNotifier:
    """Sends datagrams to the socket that the environment names.

    Takes systemd's variables: only the process that systemd started may speak for the service.
    """

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        address = environ.pop("NOTIFY_SOCKET", "")
        for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
            environ.pop(name, None)
        # An address that begins with @ is in the abstract name space.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        if self._socket is not None:
            self._socket.setblocking(False)
        self._ready = False
        self._alive_at_s = 0.0

    def ready(self) -> None:
        """Say that the show runs; only the first call counts."""
        if not self._ready:
            self._ready = True
            self._send("READY=1")

    def alive(self) -> None:
        """Keep the watchdog waiting; sent once a second at most."""
        now_s = time.monotonic()
        if now_s - self._alive_at_s >= WATCHDOG_EVERY_S:
            self._alive_at_s = now_s
            self._send("WATCHDOG=1")

    def status(self, sentence: str) -> None:
        """Set what `systemctl status` shows."""
        self._send(f"STATUS={' '.join(sentence.split())}")

    def stopping(self) -> None:
        """Say that the service was asked to end."""
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
