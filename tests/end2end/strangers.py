"""Connections to `ad-monitor serve` as strangers make them: raw, from any address of this machine."""

from __future__ import annotations

import itertools
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fuzz.web import write_session
from tests.helpers.hostile_requests import TOKEN

from .conftest import Program, wait_until
from .serving import Served

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDRESSES = itertools.cycle(f"127.{a}.{b}.1" for a in range(1, 9) for b in range(1, 250))
"""Each a visitor of its own, so that limits per visitor do not hide what a request does."""


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
        """Let `VmHWM` begin anew."""
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

    def health(self, timeout_s: float = 20.0) -> bool:
        """Whether another visitor is served."""
        sent = (
            f"GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
        )
        answer = self.exchange(f"{sent}Connection: close\r\n\r\n".encode(), timeout_s=timeout_s)
        return answer.startswith(b"HTTP/1.1 200 ")


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A server with a token, and a database with one session."""
    folder = tmp_path_factory.mktemp("strangers")
    program = Program(folder)
    write_session(program.database)
    program.environment["AD_MONITOR_TOKEN"] = TOKEN
    served = Served(program.start("serve", "--port", "0"), wait_until)
    made = Target(served, folder)
    wait_until(lambda: b'"classifier":"ready"' in health_text(made), what="the classifier")
    yield made
    status = served.end()
    served.process.communicate()
    assert status == 0
    assert "Traceback" not in served.text, served.text


def health_text(target: Target) -> bytes:
    sent = f"GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
    return target.exchange(f"{sent}Connection: close\r\n\r\n".encode())
