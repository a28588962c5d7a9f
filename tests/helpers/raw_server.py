"""A web server on this machine that answers with any bytes at all, at any speed."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable

Answer = Callable[[], Iterable[bytes]]


class RawServer:
    """Sends the pieces that belong to a path, one after the other, and closes the connection.

    Attributes:
        answers: From path to what makes the pieces.
        requests: The headers it received.
        names: The names that clients asked for when they began TLS.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: list[str] = []
        self.names: list[str | None] = []
        self._tls = tls
        if tls is not None:
            tls.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.02)
        self.port: int = self._listener.getsockname()[1]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="raw-server")
        self._thread.start()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{'http' if self._tls is None else 'https'}://{host}:{self.port}{path}"

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            connection.settimeout(60)
            try:
                if self._tls is not None:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                self._answer(connection)
            except OSError:
                pass  # the client left, as it should where an answer is refused
            finally:
                connection.close()

    def _answer(self, connection: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            part = connection.recv(65536)
            if not part:
                return
            request += part
        self.requests.append(request.decode("latin-1"))
        for piece in self.answers[request.split()[1].decode("latin-1")]():
            if self._stopping.is_set():
                return
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
