"""The real server, on a real socket: threads, memory, and a clean end."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import tempfile
import threading
import time

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from monitor.errors import SetupError
from monitor.web.services import EXTENSION
from monitor.web.serving.listening import listen, serve
from tests.helpers.waiting import Stopwatch

from .conftest import picture


@pytest.fixture
def served(make_app):
    """Serve an application; `served(**settings)` gives what makes connections to it."""
    started: list[tuple] = []

    def start(**settings):
        app = make_app(**settings)
        listening = listen("127.0.0.1", 0)
        port = listening.getsockname()[1]
        thread = threading.Thread(target=serve, args=(app, listening), name="web-server")
        thread.start()
        started.append((app, thread))
        return lambda timeout=60: http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)

    yield start
    for app, thread in started:
        app.extensions[EXTENSION].stopping.set()
        thread.join(60)
        assert not thread.is_alive()


def get(connect, path, **headers):
    connection = connect()
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def listener(connect, session_id):
    """A live page's connection, and its answer of which the first event was read."""
    connection = connect()
    connection.request(
        "GET", f"/sessions/{session_id}/events", headers={"Accept": "text/event-stream"}
    )
    answer = connection.getresponse()
    if answer.status == 200:
        while not answer.readline().startswith(b"data: "):
            pass
    return connection, answer


def leave(connection, answer):
    answer.close()
    connection.close()


def test_listeners_do_not_starve_the_pages(served, running):
    connect = served(listeners=10)
    open_ones = [listener(connect, running.id) for _ in range(10)]
    assert {answer.status for _, answer in open_ones} == {200}
    refused = listener(connect, running.id)
    assert refused[1].status == 503
    watch = Stopwatch()
    for _ in range(5):
        assert get(connect, "/sessions")[0] == 200
    assert watch.seconds < 30
    for left in (refused, *open_ones):
        leave(*left)


def test_a_listener_that_left_makes_room(served, running):
    connect = served(listeners=1)
    leave(*listener(connect, running.id))
    deadline = time.monotonic() + 300
    status = 503
    while status == 503 and time.monotonic() < deadline:
        again = listener(connect, running.id)
        status = again[1].status
        leave(*again)
        time.sleep(0.1)
    assert status == 200


def test_the_end_does_not_wait_for_listeners(make_app, running, caplog):
    app = make_app()
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    thread = threading.Thread(target=serve, args=(app, listening))
    thread.start()
    open_one = listener(
        lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=60), running.id
    )
    watch = Stopwatch()
    app.extensions[EXTENSION].stopping.set()
    thread.join(60)
    assert not thread.is_alive()
    assert watch.seconds < 30
    leave(*open_one)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_what_is_received_and_sent_never_becomes_a_file(served, monkeypatch):
    connect = served()
    asked: list[str] = []
    for name in ("TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, lambda *_args, **_more: asked.append("file"))
    content = picture(1200, 1200, ".bmp")
    assert len(content) > 4_000_000
    body = (
        b'--edge\r\nContent-Disposition: form-data; name="image"; filename="a.bmp"\r\n\r\n'
        + content
    )
    connection = connect()
    connection.request(
        "POST",
        "/",
        body + b"\r\n--edge--\r\n",
        {"Content-Type": "multipart/form-data; boundary=edge"},
    )
    answer = connection.getresponse()
    page = answer.read()
    connection.close()
    # More than waitress keeps in memory by itself, in both directions.
    assert answer.status == 200
    assert len(page) > 1 << 20
    assert asked == []


def test_a_body_that_is_far_too_large_is_refused_before_it_is_sent(served):
    connection = served()()
    connection.putrequest("POST", "/api/v1/classify")
    connection.putheader("Content-Type", "image/png")
    connection.putheader("Content-Length", str(1 << 40))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_health_over_the_wire_names_no_server(served):
    connection = served()()
    connection.request("GET", "/api/v1/health")
    answer = connection.getresponse()
    assert json.loads(answer.read())["status"] == "ok"
    assert "waitress" not in (answer.getheader("Server") or "")
    connection.close()


def test_a_taken_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match=f"Port {port} of 127.0.0.1 is taken"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["no such host", "203.0.113.7"])
def test_an_address_of_another_machine_is_refused(host):
    with pytest.raises(
        SetupError, match=r"not a name or address of this machine \([A-Z]|cannot be offered"
    ):
        listen(host, 0)


@pytest.mark.parametrize("host", ["a" * 300, "kiosk..example"])
def test_a_host_that_is_no_name_is_refused_in_plain_words(client, host):
    # Past the client's library, which would not send it. No link can be made from such a host, so
    # no page either.
    environ = EnvironBuilder(headers={"Accept": "text/html"}).get_environ() | {"HTTP_HOST": host}
    body, status, headers = run_wsgi_app(client.application, environ)
    assert status.startswith("421")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert b"does not answer to that name" in b"".join(body)
