"""The server of `ad-monitor serve`: waitress, with limits on what one client can tie up.

Tested with its connections, in `test_connections.py`.
"""

from __future__ import annotations

import io
import logging
import threading
import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from waitress.adjustments import Adjustments  # type: ignore[import-untyped]
from waitress.proxy_headers import proxy_headers_middleware  # type: ignore[import-untyped]
from waitress.server import TcpWSGIServer  # type: ignore[import-untyped]
from waitress.task import ThreadedTaskDispatcher  # type: ignore[import-untyped]

from monitor.web.serving.connections import Connection, ConnectionLimits, RefusalTask, origin_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from monitor.web.serving.connections import Request

logger = logging.getLogger(__name__)

ACCEPTED_AT_ONCE = 64
"""New connections in one turn of the loop, so that open ones have theirs."""


class Server(TcpWSGIServer):  # type: ignore[misc]
    """Answers with an application on a listening socket; `tend` enforces the limits.

    Args:
        app: The application, of WSGI.
        gate: Judges a request by its header, as a WSGI application: any status but 200 refuses it.
        listening: The socket.
        map: What polls each file descriptor; filled here.
        threads: How many answer requests.
        max_body: Largest body of a request, in bytes.
        trusted_proxy: Address whose `X-Forwarded-*` headers are believed; it has no limit of its
            own.
        limits: What connections may cost.
        behind_tls: Accept nothing from the socket; `adopt` brings connections that were decrypted.
    """

    channel_class = Connection

    def __init__(
        self,
        app: Callable[..., Any],
        gate: Callable[..., Any],
        listening: socket.socket,
        map: dict[int, Any],  # noqa: A002 (waitress' name)
        *,
        threads: int,
        max_body: int,
        trusted_proxy: str | None = None,
        limits: ConnectionLimits | None = None,
        behind_tls: bool = False,
    ) -> None:
        self.limits = limits or ConnectionLimits()
        proxy: dict[str, Any] = {}
        if trusted_proxy is not None:
            headers = "x-forwarded-for x-forwarded-proto x-forwarded-host"
            proxy = {"trusted_proxy": trusted_proxy, "trusted_proxy_headers": headers}
        adj = Adjustments(
            ident=None,
            sockets=[listening],
            threads=threads,
            # Notices a visitor who leaves while events are still sent.
            channel_request_lookahead=1,
            max_request_header_size=self.limits.header_bytes,
            max_request_body_size=max_body + 1,
            # waitress would put large answers into files.
            outbuf_overflow=1 << 40,
            clear_untrusted_proxy_headers=True,
            url_scheme="https" if behind_tls else "http",
            **proxy,
        )
        self._gate = proxy_headers_middleware(
            gate,
            trusted_proxy=adj.trusted_proxy,
            trusted_proxy_count=adj.trusted_proxy_count,
            trusted_proxy_headers=adj.trusted_proxy_headers,
            clear_untrusted=True,
        )
        self._proxy = None if trusted_proxy is None else origin_of(trusted_proxy)
        self._guard = threading.Lock()
        self._room = self.limits.bodies
        self._asking: list[Request] = []
        self._welcome: list[Request] = []
        self._next_check = 0.0
        self._behind_tls = behind_tls
        self._adopted: deque[tuple[socket.socket, Any]] = deque()
        dispatcher = ThreadedTaskDispatcher()
        dispatcher.set_thread_count(threads)
        place = (listening.family, listening.type, listening.proto, listening.getsockname())
        super().__init__(
            app, map, True, listening, dispatcher=dispatcher, adj=adj, sockinfo=place,
            bind_socket=False,
        )  # fmt: skip

    def tend(self) -> None:
        """Enforce the limits; call it after each turn of the loop, at least twice a second."""
        while self._adopted:
            connection, address = self._adopted.popleft()
            self.channel_class(self, connection, address, self.adj, map=self._map)
            self._limit_connections(list(self.active_channels.values()))
        self._share_room()
        while self._welcome:
            self._welcome.pop().connection.welcome_body()
        now = time.monotonic()
        if now < self._next_check:
            return
        self._next_check = now + 0.2
        for connection in list(self.active_channels.values()):
            connection.check(now)
        self._limit_answers()

    def readable(self) -> bool:
        """Whether to accept connections: always, because newcomers replace others."""
        return bool(self.accepting) and not self._behind_tls

    def adopt(self, connection: socket.socket, address: Any) -> None:
        """Serve a connection that was accepted elsewhere; any thread may call this.

        Args:
            connection: Connected; it is the server's from now on.
            address: Of the visitor, as `accept` gives it.
        """
        self._adopted.append((connection, address))
        self.pull_trigger()

    def handle_accept(self) -> None:
        """Accept pending connections; drop some if there are too many then."""
        for _ in range(ACCEPTED_AT_ONCE):
            before = len(self.active_channels)
            super().handle_accept()
            if len(self.active_channels) == before:
                break
            self._limit_connections(list(self.active_channels.values()))

    def _limit_connections(self, connections: list[Connection]) -> None:
        counts = Counter(one.origin for one in connections)
        newest = connections[-1].origin
        if counts[newest] > self.limits.per_address and newest != self._proxy:
            self._make_way([one for one in connections if one.origin == newest])
        elif len(connections) > self.limits.connections:
            most = counts.most_common(1)[0][0]
            self._make_way([one for one in connections if one.origin == most])

    def admits(self, connection: Connection, request: Request) -> bool:
        """Whether the application would accept a request, judged by its header."""
        statuses: list[str] = []
        environ = RefusalTask(connection, request).get_environment()
        environ["wsgi.input"] = io.BytesIO()
        try:
            self._gate(environ, lambda status, *_: statuses.append(status))
        except Exception:
            logger.exception("Cannot judge a request by its header")
            return False
        return statuses == ["200 OK"]

    # --- room for bodies; any thread may call `give_room_back` ---

    @property
    def is_room_wanted(self) -> bool:
        """Whether a body waits for room."""
        return bool(self._asking)

    def ask_for_room(self, request: Request) -> None:
        """Queue the body of a request for room, which it often gets at once."""
        with self._guard:
            request.waits_for_room = True
            self._asking.append(request)
        self._share_room()

    def give_room_back(self, request: Request) -> None:
        """Free the room of a request, or its place in the queue; harmless when repeated."""
        with self._guard:
            self._room += request.room
            request.room = 0
            if request.waits_for_room:
                request.waits_for_room = False
                self._asking.remove(request)

    def _share_room(self) -> None:
        """Give room to the smallest bodies first, so that large ones do not hold them up."""
        with self._guard:
            for request in sorted(self._asking, key=lambda request: request.size):
                if request.size > self._room:
                    return
                self._room -= request.size
                request.room = request.size
                request.waits_for_room = False
                self._asking.remove(request)
                request.start_body()
                self._welcome.append(request)

    def _make_way(self, connections: list[Connection]) -> None:
        """Drop one of these: the one that has kept the server waiting longest, else the newest."""
        idle = [one for one in connections if one.is_idle]
        longest = min(idle, key=lambda one: (one.is_uploading, one.waiting_since), default=None)
        (longest or connections[-1]).drop()

    def _limit_answers(self) -> None:
        unread = [one for one in self.active_channels.values() if one.total_outbufs_len]
        unread.sort(key=lambda one: one.answer_began, reverse=True)
        held = sum(one.total_outbufs_len for one in unread)
        while held > self.limits.answers and len(unread) > 1:
            longest = unread.pop()
            held -= longest.total_outbufs_len
            longest.drop()
