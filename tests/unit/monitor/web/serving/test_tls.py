"""TLS in front of the server, on real sockets."""

from __future__ import annotations

import http.client
import shutil
import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from waitress import wasyncore

from monitor.errors import SetupError
from monitor.web.serving.server import Server
from monitor.web.serving.tls import Certificate, TlsFront

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BIG = 8 << 20


def make_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl program, to make a certificate")
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    request = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    names = ("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}")
    subprocess.run(
        [openssl, *request, "-nodes", "-days", "2", *names]
        + ["-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    return certificate, key


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("certificate"), "localhost")


class Site:
    """A server behind TLS; `/big` answers many bytes, anything else what it knows of the request."""

    trusted: Path

    def __init__(self, files: tuple[Path, Path]) -> None:
        self.certificate = Certificate(*files)
        listening = socket.create_server(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        self._channels: dict[int, Any] = {}
        self._server = Server(
            self._answer,
            self._judge,
            listening,
            self._channels,
            threads=4,
            max_body=16 << 20,
            behind_tls=True,
        )
        self._front = TlsFront(listening, self.certificate, self._server.adopt)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tls-site")
        self._thread.start()

    def get(self, path: str, body: bytes | None = None, trust: Path | None = None) -> bytes:
        context = ssl.create_default_context(cafile=str(trust or self.trusted))
        connection = http.client.HTTPSConnection(
            "localhost", self.port, context=context, timeout=60
        )
        try:
            for _ in range(2):  # The second one on the same connection.
                connection.request("GET" if body is None else "POST", path, body)
                answer = connection.getresponse().read()
            return answer
        finally:
            connection.close()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(60)
        self._front.close()
        self._front.close()
        self._server.task_dispatcher.shutdown()
        self._server.close()
        wasyncore.close_all(self._channels)

    def _run(self) -> None:
        while not self._stopping.is_set():
            wasyncore.loop(timeout=0.05, use_poll=True, map=self._channels, count=1)
            self._server.tend()

    def _judge(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        start("200 OK", [])
        return []

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        size = len(environ["wsgi.input"].read())
        start("200 OK", [])
        if environ["PATH_INFO"] == "/big":
            return [b"x" * BIG]
        return [f"{environ['wsgi.url_scheme']} {environ['REMOTE_ADDR']} {size}".encode()]


@pytest.fixture
def site(files: tuple[Path, Path]) -> Iterator[Site]:
    made = Site(files)
    made.trusted = files[0]
    yield made
    made.close()


def test_requests_pass_with_the_visitors_address(site):
    assert site.get("/") == b"https 127.0.0.1 0"
    assert site.get("/", b"x" * 3_000_000) == b"https 127.0.0.1 3000000"
    assert site.get("/big") == b"x" * BIG


def test_many_at_once(site):
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(lambda _: site.get("/"), range(48))) == {b"https 127.0.0.1 0"}


def test_who_speaks_no_tls_gets_no_answer_and_harms_nobody(site):
    for said in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03", b""):
        with socket.create_connection(("127.0.0.1", site.port), timeout=20) as stranger:
            stranger.sendall(said)
            stranger.shutdown(socket.SHUT_WR)
            while part := _received(stranger):
                assert b"HTTP" not in part
    assert site.get("/") == b"https 127.0.0.1 0"


def _received(stranger: socket.socket) -> bytes:
    try:
        return stranger.recv(4096)
    except ConnectionError:
        return b""


def test_a_renewed_certificate_is_used_without_a_restart(tmp_path):
    first = make_certificate(tmp_path, "localhost")
    old = tmp_path / "old.pem"
    shutil.copy(first[0], old)
    site = Site(first)
    try:
        site.trusted = old
        assert site.get("/") == b"https 127.0.0.1 0"
        time.sleep(0.02)  # File systems may keep times to ten milliseconds.
        first[1].write_text("half of a key")
        site.certificate.refresh()
        assert site.get("/") == b"https 127.0.0.1 0"
        make_certificate(tmp_path, "localhost")
        site.certificate.refresh()
        with pytest.raises(ssl.SSLCertVerificationError):
            site.get("/", trust=old)
        assert site.get("/", trust=first[0]) == b"https 127.0.0.1 0"
    finally:
        site.close()


def test_files_that_are_no_certificate_are_refused(tmp_path, files):
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("nothing")
    missing = tmp_path / "missing.pem"
    for wrong, why in (
        ((missing, None), rf"\(No such file or directory\).* received {missing}\.$"),
        ((nothing, None), rf"received {nothing}\.$"),
        ((files[0], nothing), rf"received {files[0]} and {nothing}\.$"),
    ):
        with pytest.raises(SetupError, match=f"The certificate cannot be used .*{why}"):
            Certificate(*wrong)
