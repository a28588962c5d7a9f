"""Connections and their server, on a real socket, with small limits and a tiny application."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from waitress import wasyncore

from monitor.web.request.security import REFUSAL, SECURITY_HEADERS
from monitor.web.serving.connections import ConnectionLimits, origin_of
from monitor.web.serving.server import Server
from tests.helpers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BIG = 8 << 20
"""An answer that no buffer of the system takes whole."""


class Site:
    """A server with a tiny application, and what that was asked.

    `/echo` answers the length of the body, `/big` many bytes, anything else `hello`; a header
    `X-Stranger` is refused by the gate.
    """

    def __init__(self, trusted_proxy: str | None = None, **limits: Any) -> None:
        self.asked: list[str] = []
        self.refusals: list[str] = []
        listening = socket.create_server(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        self._channels: dict[int, Any] = {}
        self._server = Server(
            self._answer,
            self._judge,
            listening,
            self._channels,
            threads=2,
            max_body=4 << 20,
            trusted_proxy=trusted_proxy,
            limits=ConnectionLimits(**limits),
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="strangers-server")
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(60)
        self._server.task_dispatcher.shutdown()
        self._server.close()
        wasyncore.close_all(self._channels)

    @property
    def room(self) -> int:
        return self._server._room

    def _run(self) -> None:
        while not self._stopping.is_set():
            wasyncore.loop(timeout=0.02, use_poll=True, map=self._channels, count=1)
            self._server.tend()

    def _judge(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        start("403 Forbidden" if "HTTP_X_STRANGER" in environ else "200 OK", [])
        return []

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        path = environ["PATH_INFO"]
        self.asked.append(path)
        refusal = environ[REFUSAL]
        if refusal:
            self.refusals.append(refusal)
            start(f"{'403 Early' if refusal == 'early' else '503 ' + refusal}", [])
            return [refusal.encode()]
        body = environ["wsgi.input"].read()
        start("200 OK", [("Content-Type", "text/plain")])
        if path == "/echo":
            return [str(len(body)).encode()]
        return [bytes(BIG)] if path == "/big" else [b"hello"]


@pytest.fixture
def site() -> Iterator[Callable[..., Site]]:
    with ExitStack() as stack:

        def make(**limits: Any) -> Site:
            made = Site(**limits)
            stack.callback(made.close)
            return made

        yield make


@contextmanager
def connected(site: Site, sent: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", site.port), timeout=60) as connection:
        connection.sendall(sent)
        yield connection


def rest(connection: socket.socket) -> bytes:
    """Everything until the server closes the connection."""
    content = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(1 << 16):
            content += part
    return content


def ask(site: Site, request: bytes) -> bytes:
    with connected(site, request) as connection:
        return rest(connection)


def get(path: str = "/", last: bool = True) -> bytes:
    close = "Connection: close\r\n" if last else ""
    return f"GET {path} HTTP/1.1\r\nHost: here\r\n{close}\r\n".encode()


def post(length: int | str, *headers: str) -> bytes:
    lines = ["POST /echo HTTP/1.1", "Host: here", f"Content-Length: {length}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode()


def is_closed(connection: socket.socket, within_s: float) -> bool:
    connection.settimeout(within_s)
    try:
        return connection.recv(1 << 16) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def test_a_header_that_does_not_end_is_given_up_and_others_are_served_meanwhile(site):
    here = site(header_s=0.5)
    with ExitStack() as stack:
        slow = [stack.enter_context(connected(here, b"GET / HTTP/1.1\r\nX: ")) for _ in range(50)]
        assert ask(here, get()).endswith(b"hello")
        end = time.monotonic() + 60
        # Bytes that keep coming do not prolong it.
        while not is_closed(slow[0], 0.01) and time.monotonic() < end:
            for one in slow[1:]:
                with suppress(OSError):
                    one.send(b"x")
        assert time.monotonic() < end
        assert all(is_closed(one, 60) for one in slow)


def test_a_newcomer_takes_the_place_of_the_one_that_waits_longest(site):
    here = site(per_address=5, header_s=60, idle_s=60)
    with ExitStack() as stack:
        slow = [stack.enter_context(connected(here, b"GET")) for _ in range(5)]
        time.sleep(0.1)
        assert ask(here, get()).endswith(b"hello")
        assert is_closed(slow[0], 60)
        assert not is_closed(slow[4], 0.1)


def test_a_trusted_proxy_has_no_limit_of_its_own(site):
    here = site(trusted_proxy="127.0.0.1", per_address=5, header_s=60, idle_s=60)
    with ExitStack() as stack:
        slow = [stack.enter_context(connected(here, b"GET")) for _ in range(20)]
        assert ask(here, get()).endswith(b"hello")
        assert not any(is_closed(one, 0.01) for one in slow)


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("localhost", "localhost"),
    ],
)
def test_what_tells_visitors_apart(address, origin):
    assert origin_of(address) == origin


def test_all_connections_together_have_a_limit(site):
    here = site(connections=5, header_s=60, idle_s=60)
    with ExitStack() as stack:
        slow = [stack.enter_context(connected(here, b"GET")) for _ in range(20)]
        assert ask(here, get()).endswith(b"hello")
        assert sum(not is_closed(one, 0.02) for one in slow) <= 5


def test_an_idle_connection_ends(site):
    here = site(idle_s=1.5)
    with connected(here, get(last=False)) as connection:
        answer = b""
        while b"hello" not in answer:
            more = connection.recv(1 << 16)
            assert more, answer
            answer += more
        assert is_closed(connection, 60)


def test_requests_of_one_connection_are_answered_one_after_the_other(site):
    here = site()
    answer = ask(here, post(3).replace(b"Connection: close\r\n", b"") + b"abc" + get())
    assert answer.count(b"200 OK") == 2
    assert answer.index(b"\r\n\r\n3") < answer.index(b"hello")
    assert here.asked == ["/echo", "/"]


def test_a_stranger_is_refused_before_the_body_is_sent(site):
    here = site()
    with connected(here, post(4_000_000, "X-Stranger: 1", "Expect: 100-continue")) as connection:
        answer = rest(connection)
    assert answer.startswith(b"HTTP/1.1 403")
    assert b"100 Continue" not in answer
    assert here.room == ConnectionLimits().bodies


def test_a_refused_sender_can_read_why_and_nothing_it_sends_is_a_request(site):
    here = site()
    body = get("/smuggled") * 40_000
    with connected(here, post(len(body), "X-Stranger: 1")) as connection:
        connection.sendall(body)
        connection.shutdown(socket.SHUT_WR)
        assert rest(connection).startswith(b"HTTP/1.1 403")
    assert here.asked == ["/echo"]


def test_large_bodies_wait_for_room_the_smallest_first(site):
    here = site(bodies=3_000_000, window_s=60, turn_s=60)
    with (
        connected(here, post(2_500_000)) as first,
        connected(here, post(2_000_000)) as second,
        connected(here, post(1_000_000, "Expect: 100-continue")) as third,
        connected(here, post(50_000) + bytes(50_000)) as small,
    ):
        assert rest(small).endswith(b"\r\n\r\n50000")
        assert not is_closed(third, 0.2)
        first.settimeout(60)
        first.sendall(bytes(2_500_000))
        assert rest(first).endswith(b"\r\n\r\n2500000")
        third.settimeout(60)
        assert third.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        second.sendall(bytes(2_000_000))
        third.sendall(bytes(1_000_000))
        assert rest(third).endswith(b"\r\n\r\n1000000")
        assert rest(second).endswith(b"\r\n\r\n2000000")
    wait_until(lambda: here.room == 3_000_000)


def test_who_waits_for_room_too_long_is_told(site):
    here = site(bodies=3_000_000, window_s=60, turn_s=0.3)
    with connected(here, post(2_000_000)), connected(here, post(2_000_000)) as second:
        assert b"503 busy" in rest(second)


def test_a_body_that_stalls_or_trickles_is_given_up(site):
    here = site(window_s=0.5, window_bytes=1000)
    with connected(here, post(2_000_000)) as stalled, connected(here, post(2_000_000)) as trickling:
        end = time.monotonic() + 60
        trickling.settimeout(0.02)
        answer = b""
        while not answer and time.monotonic() < end:
            trickling.send(b"x")
            with suppress(TimeoutError):
                answer = trickling.recv(1 << 16)
        assert b"503 too_slow" in answer
        assert b"503 too_slow" in rest(stalled)


def test_a_sender_that_leaves_gives_its_room_back(site):
    here = site(bodies=2_000_000, window_s=60)
    with connected(here, post(2_000_000) + bytes(100_000)):
        wait_until(lambda: here.room == 0)
    assert ask(here, post(2_000_000) + bytes(2_000_000)).endswith(b"\r\n\r\n2000000")


def test_slow_readers_hold_no_thread_and_are_given_up(site):
    here = site(window_s=0.5, answers=3 * BIG)
    with ExitStack() as stack:
        slow = [stack.enter_context(connected(here, get("/big"))) for _ in range(6)]
        wait_until(lambda: here.asked.count("/big") == 6)
        assert ask(here, get()).endswith(b"hello")
        # Only the listening socket and what wakes the loop are left of the server's.
        wait_until(lambda: not any(hasattr(one, "request") for one in [*here._channels.values()]))
        for one in slow:
            one.settimeout(60)
            assert len(rest(one)) < BIG


def test_a_large_answer_is_read_whole(site):
    assert len(ask(site(), get("/big"))) > BIG


CHUNKED = b"POST /echo HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n"
MISUNDERSTOOD = {
    "two lengths": CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": CHUNKED.replace(b"1.1", b"1.0") + b"\r\n0\r\n\r\n",
    "a chunk line without end": CHUNKED + b"\r\n5;" + b"x" * 100_000,
    "a trailer without end": CHUNKED + b"\r\n0\r\n" + b"x" * 100_000,
    "chunks of one byte": CHUNKED + b"\r\n" + b"1\r\nx\r\n" * 30_000,
    "a chunk of no number": CHUNKED + b"\r\nxyz\r\n",
    "a chunk larger than any body": CHUNKED + b"\r\n" + b"f" * 1000 + b"\r\n",
    "a length of 5000 digits": post("1" * 5000),
    "an address of no network": b"GET http://[::1/ HTTP/1.1\r\nHost: here\r\n\r\n",
    "a header without end": b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000,
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
    "another encoding": CHUNKED.replace(b"chunked", b"gzip") + b"\r\n",
}


@pytest.mark.parametrize("name", MISUNDERSTOOD)
def test_what_is_not_http_is_answered_in_words(site, name, caplog):
    here = site()
    answer = ask(here, MISUNDERSTOOD[name])
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] in {b"400", b"431"}
    assert body.endswith(b".\n")
    for header, value in SECURITY_HEADERS.items():
        assert f"{header}: {value}".encode() in head
    assert here.asked == []
    assert ask(here, get()).endswith(b"hello")
    assert not [record for record in caplog.records if record.name != "waitress.queue"]


def test_chunks_are_put_together(site):
    here = site()
    sent = CHUNKED + b"Connection: close\r\n\r\n" + (b"400\r\n" + bytes(1024) + b"\r\n") * 200
    assert ask(here, sent + b"0\r\n\r\n").endswith(b"\r\n\r\n204800")


def test_blank_lines_keep_no_connection(site):
    here = site(idle_s=0.2, header_s=0.2)
    with connected(here) as connection:
        end = time.monotonic() + 5
        while not is_closed(connection, 0.05) and time.monotonic() < end:
            with suppress(OSError):
                connection.send(b"\r\n\r\n")
        assert time.monotonic() < end
