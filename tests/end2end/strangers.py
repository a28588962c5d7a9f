"""Connections to `ad-monitor serve` as strangers make them: raw, from any address of this machine."""

from __future__ import annotations

import itertools
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.helpers.hostile_requests import request

if TYPE_CHECKING:
    from .serving import Served

ADDRESSES = itertools.cycle(f"127.{a}.{b}.1" for a in range(1, 9) for b in range(1, 250))
"""One visitor each, so that limits per visitor do not hide what a request does."""


class Target:
    """A running server, and what it takes."""

    def __init__(self, served: Served, folder: Path) -> None:
        self.served = served
        self.port = served.port
        self.folder = folder

    @property
    def pid(self) -> int:
        return self.served.process.pid

    def memory(self, kind: str = "VmRSS") -> int:
        """Bytes that the server holds; `VmHWM` is the most so far."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{kind}:"):
                return int(line.split()[1]) << 10
        raise AssertionError(f"no {kind}")

    def forget_peak(self) -> None:
        """Reset `VmHWM`."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def cpu_s(self) -> float:
        """Processor seconds of the server, without those of its children."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def connect(self, address: str | None = None, timeout_s: float = 20.0) -> socket.socket:
        """Connect from an address, by default another one each time."""
        source = (address or next(ADDRESSES), 0)
        return socket.create_connection(("127.0.0.1", self.port), timeout_s, source)

    def exchange(self, sent: bytes, *, answers: bool = True, timeout_s: float = 20.0) -> bytes:
        """Send bytes and return everything that comes until the connection ends."""
        received = b""
        with self.connect(timeout_s=timeout_s) as connection:
            with suppress(OSError):  # It may be refused while it is sent.
                connection.sendall(sent)
                if not answers:
                    connection.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                while part := connection.recv(1 << 16):
                    received += part
        return received

    def health(self, timeout_s: float = 20.0) -> bytes:
        """Ask whether all is well, as another visitor; nothing if that is not answered."""
        answer = self.exchange(request(path="/api/v1/health"), timeout_s=timeout_s)
        return answer if answer.startswith(b"HTTP/1.1 200 ") else b""
