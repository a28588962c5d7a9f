"""Documents are sent to checked addresses only, and every answer ends in time."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from monitor.fetch.errors import FetchError
from monitor.fetch.post import PostAnswer, post_document
from monitor.fetch.target import OWN_NETWORK


@contextmanager
def receiver(status=204, headers=()):
    """A web server; yields its port and what it has received."""
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            content = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, dict(self.headers), content))
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port, received
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def test_a_document_arrives_with_its_headers():
    with receiver() as (port, received):
        url = f"http://127.0.0.1:{port}/hook?key=1"
        headers = {"Content-Type": "application/json"}
        answer = post_document(url, b'{"a": 1}', headers, policy=OWN_NETWORK)
    assert answer == PostAnswer(204, None)
    [(path, sent, content)] = received
    assert (path, content) == ("/hook?key=1", b'{"a": 1}')
    assert sent["Content-Type"] == "application/json"
    assert sent["Host"] == f"127.0.0.1:{port}"


def test_the_own_network_is_not_called_unless_it_is_allowed():
    with receiver() as (port, received):
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(FetchError) as caught:
                post_document(f"http://{host}:{port}/", b"", {})
            assert caught.value.code in {"port", "address_not_public"}
    assert received == []


def test_a_redirect_is_not_followed():
    with receiver(307, [("Location", "http://127.0.0.1:1/")]) as (port, received):
        answer = post_document(f"http://127.0.0.1:{port}/", b"", {}, policy=OWN_NETWORK)
    assert answer.status == 307
    assert len(received) == 1


@pytest.mark.parametrize(
    ("value", "expected"), [("30", 30.0), ("9" * 30, 86400.0), ("soon", None), ("", None)]
)
def test_a_server_says_when_to_come_again(value, expected):
    with receiver(503, [("Retry-After", value)]) as (port, _):
        answer = post_document(f"http://127.0.0.1:{port}/", b"", {}, policy=OWN_NETWORK)
    assert answer == PostAnswer(503, expected)


def test_a_server_that_is_not_there_or_does_not_answer():
    with pytest.raises(FetchError) as caught:
        post_document("http://127.0.0.1:9/", b"", {}, policy=OWN_NETWORK)
    assert caught.value.code == "unreachable"


def test_an_answer_that_does_not_come_ends_in_time(server):
    server.answers["/"] = lambda: iter(())
    with pytest.raises(FetchError) as caught:
        post_document(server.url("/"), b"", {}, policy=OWN_NETWORK, seconds=0.3)
    assert caught.value.code in {"too_slow", "answer"}
