"""Limits on connections: deadlines, connections per address, and memory for request bodies.

waitress reads all connections in one thread, so a slow one costs no thread. But it stores a whole
body before the application sees the request, waits for a header as long as bytes keep coming, and
stops accepting connections at its limit. Here a request is judged by its header, before any of its
body is stored; a large body stays unread until there is room for it; and when too many connections
are open, the one that has kept the server waiting longest is dropped for the newcomer.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv6Address, ip_address
from typing import Any, Protocol

from waitress.buffers import BytesIOBasedBuffer  # type: ignore[import-untyped]
from waitress.channel import HTTPChannel  # type: ignore[import-untyped]
from waitress.parser import (  # type: ignore[import-untyped]
    HTTPRequestParser,
    ParsingError,
    TransferEncodingNotImplemented,
)
from waitress.task import ErrorTask, WSGITask  # type: ignore[import-untyped]
from waitress.utilities import BadRequest  # type: ignore[import-untyped]

from monitor.web.request.security import REFUSAL, SECURITY_HEADERS


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What connections may cost; times in seconds, sizes in bytes.

    Attributes:
        connections: Open at the same time.
        per_address: Of these from one address, unless it is the trusted proxy.
        header_bytes: First line and header of a request.
        header_s: From the first byte of a request to the end of its header.
        idle_s: Without a request.
        body_s: From the header to the end of the body.
        window_s: In each window of this length a body must bring at least `window_bytes`, and the
            reader of an answer must take some of it.
        small_body: Largest body that does not wait for room.
        bodies: All larger bodies together, each from its header until it is answered.
        turn_s: Longest wait for room.
        answers: All unread answers together.
        linger_s: How long to keep reading from a refused sender, so that it can read why.
    """

    connections: int = 512
    per_address: int = 256
    header_bytes: int = 32 << 10
    header_s: float = 10.0
    idle_s: float = 30.0
    body_s: float = 180.0
    window_s: float = 10.0
    window_bytes: int = 100_000
    small_body: int = 64 << 10
    bodies: int = 48 << 20
    turn_s: float = 10.0
    answers: int = 48 << 20
    linger_s: float = 5.0


class Request(HTTPRequestParser):  # type: ignore[misc]
    """A request that is judged when its header is complete, before its body is kept.

    `refusal` says why the body is not read, as `security.REFUSAL` explains. The application still
    answers, without the body.
    """

    def __init__(self, connection: Connection, adj: Any) -> None:
        super().__init__(adj)
        self.connection = connection
        self.refusal = ""
        self.began = self.window_began = time.monotonic()
        self.window_bytes = 0
        self.size = 0
        self.room = 0
        self.waits_for_room = False

    def received(self, data: bytes) -> int:
        """Take bytes and return how many; after a refusal all, because no request can follow."""
        in_body = self.body_rcv is not None
        taken: int = super().received(data)
        if self.refusal:
            return len(data)
        if in_body:
            self.window_bytes += taken
            if self.chunked and self._has_odd_chunks():
                self.error = BadRequest("The chunks cannot be understood.")
                self.completed = True
        return taken

    def _has_odd_chunks(self) -> bool:
        """Whether a line or size is too large, or the chunks are so small that most bytes are
        their sizes. waitress bounds neither, and copies a line again with each read.
        """
        chunks: Any = self.body_rcv
        received = self.body_bytes_received
        return (
            received > max(self.connection.server.limits.small_body, 2 * len(chunks))
            or len(chunks.control_line) > 1024
            or len(chunks.trailer) > 8192
            or chunks.chunk_remainder > self.adj.max_request_body_size
        )

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the header; where a body follows, judge the request and ask for room."""
        try:
            super().parse_header(header_plus)
        except (ValueError, TransferEncodingNotImplemented) as error:
            # A ValueError comes from an address or a length that Python refuses.
            raise ParsingError("Invalid number, address or encoding") from error
        if "TRANSFER_ENCODING" in self.headers or (
            self.chunked and "CONTENT_LENGTH" in self.headers
        ):
            # A proxy may read another length, and see the next request begin elsewhere.
            raise ParsingError("Ambiguous length")
        if self.body_rcv is None:
            return
        self.body_rcv.buf = BytesIOBasedBuffer()  # Not waitress', which becomes a file.
        server = self.connection.server
        if not server.admits(self.connection, self):
            self.refuse("early")
            return
        # The length of a body in chunks is unknown until it ends.
        self.size = self.adj.max_request_body_size if self.chunked else self.content_length
        if self.size > server.limits.small_body:
            server.ask_for_room(self)
        self.start_body()

    def start_body(self) -> None:
        """Start the clock of the body."""
        self.began = self.window_began = time.monotonic()

    def refuse(self, why: str) -> None:
        """Drop the body, and close the connection after the answer."""
        self.close()
        self.refusal = why
        self.body_rcv = None
        self.content_length = 0
        self.expect_continue = False
        self.completed = True
        self.headers["CONNECTION"] = "close"

    def close(self) -> None:
        """Free the body and its room; harmless when repeated."""
        super().close()
        self.connection.server.give_room_back(self)


class RefusalTask(WSGITask):  # type: ignore[misc]
    """Tells the application why a request has no body."""

    def get_environment(self) -> dict[str, Any]:
        """Return the environment of WSGI, with the refusal."""
        environ: dict[str, Any] = super().get_environment()
        environ[REFUSAL] = self.request.refusal
        return environ


class MisunderstoodTask(ErrorTask):  # type: ignore[misc]
    """Answers what is not HTTP; the application never sees it."""

    def execute(self) -> None:
        """Answer in words, with the headers of every other page."""
        error = self.request.error
        limits = self.channel.server.limits
        sentence = {
            413: "The body is too large: send less.",
            431: "The header is too large: expected at most "
            f"{limits.header_bytes >> 10} kB, with address and cookies. Shorten the address, or "
            "delete this site's cookies.",
            500: "The page failed. The server's log has the details; trying again may help.",
        }.get(error.code, "The request cannot be understood: expected HTTP/1.1.")
        body = f"{sentence}\n".encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers += [
            ("Content-Type", "text/plain; charset=utf-8"),
            *SECURITY_HEADERS.items(),
        ]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class Host(Protocol):
    """What a connection asks of its server; see `monitor.web.serving.server.Server`."""

    limits: ConnectionLimits

    @property
    def is_room_wanted(self) -> bool: ...

    def admits(self, connection: Connection, request: Request) -> bool: ...

    def ask_for_room(self, request: Request) -> None: ...

    def give_room_back(self, request: Request) -> None: ...

    def add_task(self, task: Connection) -> None: ...


class Connection(HTTPChannel):  # type: ignore[misc]
    """A connection that answers one request at a time, and never makes a thread wait.

    Everything but `service` and `write_soon` runs in the thread of the sockets. `origin` is the
    visitor's address; for IPv6 its network, because one visitor has many addresses in it.
    """

    task_class = RefusalTask
    error_task_class = MisunderstoodTask
    server: Host
    request: Request | None = None

    def __init__(self, server: Host, sock: Any, addr: Any, adj: Any, map: Any = None) -> None:  # noqa: A002 (waitress' name)
        self._unread = b""
        self._is_refused = False
        self._lingers_until: float | None = None
        self.origin = origin_of(str(addr[0]))
        self.waiting_since = self.answer_began = time.monotonic()
        super().__init__(server, sock, addr, adj, map=map)
        self.parser_class = partial(Request, self)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being answered, so that the connection may be dropped."""
        return not self.requests and not self.total_outbufs_len

    @property
    def is_uploading(self) -> bool:
        """Whether a body is on its way."""
        return self.request is not None and bool(self.request.headers_finished)

    def readable(self) -> bool:
        """Whether to read more bytes."""
        if self._lingers_until is not None:
            return True
        # A little is read while a request is answered, to notice a visitor who leaves.
        return bool(super().readable()) and not self._waits_for_room() and len(self._unread) <= 8192

    def writable(self) -> bool:
        """Whether `handle_write` has something to do."""
        return bool(super().writable()) or self._can_go_on()

    def handle_read(self) -> None:
        """Read, and discard what a refused sender still sends."""
        if self._lingers_until is None:
            super().handle_read()
        else:
            self._discard()

    def handle_write(self) -> None:
        """Send, then go on with the next request."""
        super().handle_write()
        if self._can_go_on():
            self._go_on()

    def received(self, data: bytes) -> bool:
        """Take bytes; those of the next request wait until this one is answered."""
        self._unread += data
        self._go_on()
        return True

    def handle_close(self) -> None:
        """Close; but keep reading for a while from a sender refused in mid-upload."""
        lingers = self._lingers_until is None and self._is_refused and self.connected
        self._unread = b""
        if lingers:
            self._lingers_until = time.monotonic() + self.server.limits.linger_s
            self.will_close = False
            try:
                self.socket.shutdown(1)
            except OSError:
                self._end()
        else:
            self._end()

    def welcome_body(self) -> None:
        """Send `100 Continue` if the sender waits for it and there is room for the body."""
        request = self.request
        if request is None or request.body_rcv is None or request.waits_for_room:
            return
        if request.expect_continue:
            self.send_continue()

    def end_upload(self, why: str) -> None:
        """Stop reading a body, and let the application say why."""
        with self.requests_lock:
            if self.request is not None:
                self.request.refuse(why)
                self._answer(self.request)

    def drop(self) -> None:
        """Close at once, without an answer."""
        self._is_refused = False
        self.handle_close()

    def check(self, now: float) -> None:
        """Enforce the deadlines; `now` is of the monotonic clock."""
        limits = self.server.limits
        if self._lingers_until is not None:
            if now > self._lingers_until:
                self._end()
        elif self.total_outbufs_len:
            if time.time() - self.last_activity > limits.window_s:
                self.drop()
        elif self.requests:
            pass
        elif self.request is not None and self.is_uploading:
            self._check_upload(now, self.request)
        elif self._has_waited_too_long(now):
            self.drop()

    def _has_waited_too_long(self, now: float) -> bool:
        limits, limit_s = self.server.limits, self.server.limits.idle_s
        if self.request is not None:
            if now - self.request.began > limits.header_s:
                return True
            limit_s += limits.header_s
        return now - self.waiting_since > limit_s

    def _check_upload(self, now: float, request: Request) -> None:
        limits = self.server.limits
        if request.waits_for_room:
            if now - request.began > limits.turn_s:
                self.end_upload("busy")
            return
        # A body that holds room which others wait for must show progress sooner.
        share = 0.3 if request.room and self.server.is_room_wanted else 1.0
        if now - request.began > limits.body_s:
            self.end_upload("too_slow")
        elif now - request.window_began > share * limits.window_s:
            if request.window_bytes < share * limits.window_bytes:
                self.end_upload("too_slow")
            else:
                request.window_began, request.window_bytes = now, 0

    def _waits_for_room(self) -> bool:
        return self.request is not None and self.request.waits_for_room

    def _can_go_on(self) -> bool:
        return (
            bool(self._unread)
            and self.is_idle
            and not self._waits_for_room()
            and not (self.will_close or self.close_when_flushed)
            and self._lingers_until is None
        )

    def _go_on(self) -> None:
        with self.requests_lock:
            while self._can_go_on():
                if self.request is None:
                    self.request = self.parser_class(self.adj)
                request = self.request
                self._unread = self._unread[request.received(self._unread) :]
                if request.completed:
                    self._answer(request)
                else:
                    self.welcome_body()

    def _answer(self, request: Request) -> None:
        self.request = None
        self.sent_continue = False
        self._is_refused = bool(request.refusal or request.error)
        if self._is_refused:
            self._unread = b""
        if not request.empty:
            self.requests.append(request)
            self.server.add_task(self)

    def _discard(self) -> None:
        try:
            # Only so much at a time, so that other connections have their turn.
            for _ in range(16):
                if not self.socket.recv(1 << 16):
                    self._end()
                    return
        except BlockingIOError:
            pass
        except OSError:
            self._end()

    def _end(self) -> None:
        if self.request is not None:
            self.request.close()
            self.request = None
        super().handle_close()

    def service(self) -> None:
        """Answer a request, in a thread of the application."""
        super().service()
        self.waiting_since = time.monotonic()

    def write_soon(self, data: Any) -> int:
        """Send a part of an answer, or keep it until it can be sent."""
        if not self.total_outbufs_len:
            self.answer_began = time.monotonic()
            self.last_activity = time.time()
        return int(super().write_soon(data))

    def _flush_outbufs_below_high_watermark(self) -> None:
        """Let no thread wait for a reader: the server drops those who do not read."""


def origin_of(text: str) -> str:
    """Return the key of a visitor: the address, or the network of an IPv6 address."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return text
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(IPv6Address(int(address) >> 64 << 64))
    return text
