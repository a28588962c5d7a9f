"""Fetching against real servers that are slow, endless, lying or lead elsewhere: each ends in time,
with the right words.
"""

from __future__ import annotations

import gzip
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpcore
import pytest

from monitor.fetch.errors import FetchError
from monitor.fetch.fetch import FetchLimits, fetch_picture
from monitor.fetch.target import OWN_NETWORK, PUBLIC, AddressPolicy

HERE = AddressPolicy(allowed_networks=("127.0.0.1/32",), allowed_ports=None)
SMALL = FetchLimits(seconds=60, content_bytes=100_000, header_bytes=4096)
HASTY = replace(SMALL, seconds=0.4)

CONTENT = bytes(range(256)) * 8


def answer(
    *headers: str, status: str = "200 OK", body: bytes = CONTENT
) -> Callable[[], Iterable[bytes]]:
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *headers, ""))
    return lambda: [head.encode("latin-1"), body]


def redirect(location: str, status: str = "302 Found") -> Callable[[], Iterable[bytes]]:
    return answer(f"Location: {location}", "Content-Length: 0", status=status, body=b"")


def names(**known: str) -> Callable[[str, int], list[str]]:
    return lambda host, _port: [known[host.split(".")[0]]]


def refusal(url: str, **settings: Any) -> FetchError:
    """The error of a fetch that has to end."""
    with pytest.raises(FetchError) as caught:
        fetch_picture(url, **{"limits": SMALL, "policy": HERE, **settings})
    return caught.value


def test_a_picture_arrives_as_it_is(server) -> None:
    server.answers["/a.jpg?size=%C3%BC"] = answer(f"Content-Length: {len(CONTENT)}")
    assert fetch_picture(server.url("/a.jpg?size=ü"), policy=HERE) == CONTENT
    first, *headers = server.requests[0].split("\r\n")
    assert first == "GET /a.jpg?size=%C3%BC HTTP/1.1"
    assert dict(line.split(": ") for line in headers if line) == {
        "Host": f"127.0.0.1:{server.port}",
        "User-Agent": "ad-monitor",
        "Accept": "image/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }


@pytest.mark.parametrize(
    "made",
    [
        answer(),  # ends with the connection
        answer("Transfer-Encoding: chunked", body=b"800\r\n" + CONTENT + b"\r\n0\r\n\r\n"),
        answer("Content-Type: text/html", "Content-Encoding: identity", "Set-Cookie: a=b"),
    ],
)
def test_ways_to_send_a_picture(server, made) -> None:
    server.answers["/"] = made
    assert fetch_picture(server.url("/"), policy=HERE) == CONTENT


def test_proxies_of_the_environment_are_not_used(server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.answers["/"] = answer()
    assert fetch_picture(server.url("/"), policy=HERE) == CONTENT


def test_this_machine_is_refused_without_the_setting(server) -> None:
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
        assert refusal(server.url("/", host), policy=PUBLIC).code == "port"
        assert (
            refusal(server.url("/", host), policy=AddressPolicy((), None)).code
            == "address_not_public"
        )
    assert not server.requests


# Redirects


def test_redirects_are_followed_without_cookies_and_relative_to_where_they_are(server) -> None:
    server.answers["/a/first"] = redirect("../b/second?x=1", "301 Moved Permanently")
    server.answers["/b/second?x=1"] = redirect(f"//127.0.0.1:{server.port}/third", "303 See Other")
    server.answers["/third"] = answer(
        "Location: /elsewhere", "Set-Cookie: a=b", status="307 Temporary", body=b"x" * 900
    )
    server.answers["/elsewhere"] = redirect("/ä b#part", "308 Permanent Redirect")
    server.answers["/%EF%BF%BD%20b"] = answer()
    assert fetch_picture(server.url("/a/first"), policy=HERE) == CONTENT
    assert len(server.requests) == 5
    assert "cookie" not in "".join(server.requests).lower()
    assert "referer" not in "".join(server.requests).lower()


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://127.0.0.2/", "address_not_public"),
        ("http://localhost.localhost/", "unreachable"),
        ("http://169.254.169.254/latest/meta-data/", "address_not_public"),
        ("http://10.0.0.1/", "address_not_public"),
        ("http://[::1]/", "address_not_public"),
        ("//192.168.0.1/", "address_not_public"),
        ("http://2130706433/", "url"),
        ("http://0x7f.1/", "url"),
        ("http://a:b@127.0.0.1/", "url"),
        ("/\\127.0.0.1/", "url"),
        ("http://[::1", "redirects"),
        ("file:///etc/passwd", "scheme"),
        ("ftp://127.0.0.1/", "scheme"),
        ("data:image/png;base64,AAAA", "scheme"),
        ("gopher://127.0.0.1:6379/_INFO", "scheme"),
    ],
)
def test_each_redirect_is_checked_from_the_start(server, location: str, code: str) -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise OSError(f"no host {host}:{port}")

    server.answers["/"] = redirect(location)
    assert refusal(server.url("/"), resolve=unknown).code == code
    assert len(server.requests) == 1


def test_a_redirect_to_another_port_is_checked(server) -> None:
    server.answers["/"] = redirect("http://127.0.0.1:22/")
    assert (
        refusal(server.url("/"), policy=AddressPolicy(("127.0.0.1/32",), (server.port,))).code
        == "port"
    )


def test_redirects_come_to_an_end(server) -> None:
    server.answers["/loop"] = redirect("/loop")
    error = refusal(server.url("/loop"))
    assert error.code == "redirects"
    assert (
        str(error) == "The address was redirected more than 5 times: expected the picture itself."
    )
    assert len(server.requests) == 6
    for step in range(5):
        server.answers[f"/{step}"] = redirect(f"/{step + 1}")
    server.answers["/5"] = answer()
    assert fetch_picture(server.url("/0"), policy=HERE) == CONTENT


class Internet:
    """Stands for the public internet: answers at addresses that no test may really connect to."""

    def __init__(self) -> None:
        self.answers: dict[str, list[bytes]] = {}
        self.connected: list[str] = []

    def connect_tcp(
        self, _backend: object, host: str, *_: Any, **__: Any
    ) -> httpcore.NetworkStream:
        self.connected.append(host)
        if host not in self.answers:
            raise httpcore.ConnectError(f"no host {host}")
        return httpcore.MockStream(list(self.answers[host]))


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> Iterator[Internet]:
    made = Internet()
    monkeypatch.setattr(
        httpcore.SyncBackend,
        "connect_tcp",
        lambda backend, host, *rest, **named: made.connect_tcp(backend, host, *rest),
    )
    return made


def test_a_name_that_turns_to_this_machine_after_the_check_is_still_asked_at_the_checked_address(
    internet,
) -> None:
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])
    internet.answers["93.184.216.34"] = list(answer()())
    resolved = []

    def rebinding(host: str, port: int) -> list[str]:
        resolved.append(host)
        return next(answers)

    assert fetch_picture("http://rebinding.example/", resolve=rebinding) == CONTENT
    assert (internet.connected, resolved) == (["93.184.216.34"], ["rebinding.example"])


def test_a_name_that_turns_to_this_machine_for_a_redirect_is_refused(internet) -> None:
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])
    internet.answers["93.184.216.34"] = list(redirect("/again")())
    internet.answers["127.0.0.1"] = list(answer()())
    error = refusal(
        "http://rebinding.example/", policy=PUBLIC, resolve=lambda _host, _port: next(answers)
    )
    assert error.code == "address_not_public"
    assert internet.connected == ["93.184.216.34"]


def test_a_public_server_sends_nobody_into_the_own_network(internet) -> None:
    internet.answers["93.184.216.34"] = list(redirect("http://192.168.1.1:8080/secret")())
    internet.answers["192.168.1.1"] = list(answer()())
    assert fetch_picture("http://192.168.1.1:8080/", policy=OWN_NETWORK) == CONTENT
    assert refusal("http://93.184.216.34/", policy=OWN_NETWORK).code == "address_not_public"


def test_an_address_that_does_not_answer_is_followed_by_the_next(internet) -> None:
    internet.answers["8.8.4.4"] = list(answer()())
    assert (
        fetch_picture("http://two.example/", resolve=lambda _host, _port: ["8.8.8.8", "8.8.4.4"])
        == CONTENT
    )
    assert internet.connected == ["8.8.8.8", "8.8.4.4"]
    many = [f"8.8.8.{last}" for last in range(1, 100)]
    assert (
        refusal("http://many.example/", policy=PUBLIC, resolve=lambda _host, _port: many).code
        == "unreachable"
    )
    assert len(internet.connected) == 2 + 4


# Answers that are no picture


@pytest.mark.parametrize(
    ("made", "code", "sentence"),
    [
        (answer(status="404 Not Found"), "not_found", "status 404: expected 200"),
        (answer(status="401 Unauthorized"), "not_found", "status 401"),
        (answer(status="500 secret words"), "not_found", "status 500: expected 200"),
        (answer(status="206 Partial Content"), "not_found", "status 206"),
        (answer(status="302 Found"), "not_found", "status 302"),
        (answer(status="304 Not Modified", body=b""), "not_found", "status 304"),
        (
            answer("Content-Encoding: gzip", body=gzip.compress(bytes(10_000_000))),
            "answer",
            "sent packed content",
        ),
        (answer("Content-Encoding: br"), "answer", "sent packed content"),
        (
            answer("Content-Encoding: identity", "Content-Encoding: gzip"),
            "answer",
            "sent packed content",
        ),
        (answer("Transfer-Encoding: gzip, chunked"), "answer", "complete HTTP answer"),
        (answer("Content-Length: 9999"), "answer", "complete HTTP answer"),
        (answer("Content-Length: 5", "Content-Length: 6"), "answer", "complete HTTP answer"),
        (answer("Content-Length: -5"), "answer", "complete HTTP answer"),
        (answer("Transfer-Encoding: chunked", body=b"zz\r\n"), "answer", "complete HTTP answer"),
        (lambda: [b"SSH-2.0-OpenSSH_9.6\r\n"], "answer", "complete HTTP answer"),
        (lambda: [b"\x00" * 3000], "answer", "complete HTTP answer"),
        (list, "answer", "complete HTTP answer"),
        (answer("Content-Length: 100001", body=b""), "too_large", "expected at most 100000 bytes"),
        (answer(f"Content-Length: {10**18}", body=b""), "too_large", "more bytes than allowed"),
        (answer(body=bytes(100_001)), "too_large", "more bytes than allowed"),
        (answer("X: " + "a" * 5000), "too_large", "header"),
        (answer(*(f"X-{n}: {n}" for n in range(1000))), "too_large", "header"),
    ],
)
def test_an_answer_that_is_no_picture(server, made, code: str, sentence: str) -> None:
    server.answers["/"] = made
    error = refusal(server.url("/"))
    assert error.code == code
    assert sentence in str(error)
    assert "secret" not in str(error)


def test_a_length_that_is_too_small_cuts_the_content(server) -> None:
    server.answers["/"] = answer("Content-Length: 10")
    assert fetch_picture(server.url("/"), policy=HERE) == CONTENT[:10]


def test_the_limit_of_bytes_is_said_in_mebibytes(server) -> None:
    server.answers["/"] = answer(f"Content-Length: {31 << 20}", body=b"")
    error = refusal(server.url("/"), limits=FetchLimits())
    assert str(error) == "The picture has more bytes than allowed: expected at most 30 MiB."


def test_the_largest_content_that_is_allowed(server) -> None:
    server.answers["/"] = answer(body=bytes(SMALL.content_bytes))
    assert len(fetch_picture(server.url("/"), limits=SMALL, policy=HERE)) == SMALL.content_bytes


# Time


def forever(piece: bytes, every_s: float = 0.0) -> Iterator[bytes]:
    while True:
        yield piece
        if every_s:
            time.sleep(every_s)


def after(head: bytes, pieces: Iterator[bytes]) -> Callable[[], Iterator[bytes]]:
    def send() -> Iterator[bytes]:
        yield head
        yield from pieces

    return send


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (after(b"", forever(b"", 0.05)), "too_slow"),  # accepts and is silent
        (after(OK + b"X: ", forever(b"a", 0.02)), "too_slow"),
        (after(b"", forever(b"HTTP/1.1 100 Continue\r\n\r\n", 0.02)), "too_slow"),
        (after(OK + b"\r\n", forever(b"a", 0.02)), "too_slow"),
        (after(OK + b"Content-Length: 90000\r\n\r\n", forever(b"a", 0.02)), "too_slow"),
        (after(CHUNKED, forever(b"1\r\na\r\n", 0.02)), "too_slow"),
        (after(CHUNKED + b"1;x=", forever(b"a", 0.02)), "too_slow"),
        (after(CHUNKED + b"0\r\n", forever(b"X: a\r\n", 0.02)), "too_slow"),
        (after(b"", forever(b"HTTP/1.1 100 Continue\r\n\r\n")), "too_large"),
        (after(OK, forever(b"X: aaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n")), "too_large"),
        (after(OK + b"\r\n", forever(bytes(1000))), "too_large"),
        (after(CHUNKED, forever(b"3e8\r\n" + bytes(1000) + b"\r\n")), "too_large"),
        (after(CHUNKED + b"1;x=", forever(bytes(b"a" * 1000))), "answer"),
        (after(CHUNKED + b"0\r\n", forever(b"X: aaaaaaaaaaaaaaaaaaaaaa\r\n" * 100)), "answer"),
    ],
)
def test_slow_and_endless_answers_end_in_time(server, made, code: str) -> None:
    server.answers["/"] = made
    # Only what has to be too slow has little time: others may be so on a busy machine.
    assert refusal(server.url("/"), limits=HASTY if code == "too_slow" else SMALL).code == code


def test_the_time_counts_over_all_redirects(server) -> None:
    def slow() -> Iterator[bytes]:
        time.sleep(0.15)
        yield from redirect("/")()

    server.answers["/"] = slow
    error = refusal(server.url("/"), limits=HASTY)
    assert error.code == "too_slow"
    assert str(error) == "The picture did not arrive in time: expected it within 0.4 s."
    assert len(server.requests) <= 3


def test_nobody_listens(server) -> None:
    free = server.port
    server.close()
    error = refusal(f"http://127.0.0.1:{free}/")
    assert error.code == "unreachable"
    assert "127.0.0.1 cannot be reached" in str(error)


# Certificates


def trusting(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate[0]))


HERE_BY_NAME = {"resolve": names(pictures="127.0.0.1", other="127.0.0.1")}


def test_the_connection_goes_to_the_checked_address_and_the_certificate_is_checked_for_the_name(
    tls_server, certificate
) -> None:
    tls_server.answers["/"] = answer()
    url = tls_server.url("/", "pictures.example")
    assert fetch_picture(url, policy=HERE, tls=trusting(certificate), **HERE_BY_NAME) == CONTENT
    assert tls_server.names == ["pictures.example"]
    assert f"Host: pictures.example:{tls_server.port}\r\n" in tls_server.requests[0]


@pytest.mark.parametrize(
    ("host", "trusted", "reason"),
    [
        ("pictures.example", False, "self-signed certificate"),
        ("other.example", True, "Hostname mismatch"),
        ("127.0.0.1", True, "IP address mismatch"),
    ],
)
def test_a_certificate_that_proves_nothing(
    tls_server, certificate, host: str, trusted: bool, reason: str
) -> None:
    settings = {"tls": trusting(certificate)} if trusted else {}
    error = refusal(tls_server.url("/", host), **settings, **HERE_BY_NAME)
    assert error.code == "certificate"
    assert reason.lower() in str(error).lower().replace("self signed", "self-signed")
    assert not tls_server.requests


def test_a_redirect_never_leaves_encryption(tls_server, server, certificate) -> None:
    tls_server.answers["/"] = redirect(server.url("/"))
    error = refusal(
        tls_server.url("/", "pictures.example"), tls=trusting(certificate), **HERE_BY_NAME
    )
    assert error.code == "redirects"
    assert "from https to http" in str(error)
    assert not server.requests


def test_a_server_without_encryption(server) -> None:
    url = server.url("/", "pictures.example").replace("http:", "https:")
    server.answers["/"] = answer()
    assert refusal(url, limits=HASTY, **HERE_BY_NAME).code in {"certificate", "too_slow"}


def test_a_handshake_that_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        assert refusal(address, limits=HASTY).code == "too_slow"
