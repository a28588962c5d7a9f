"""Calls to a hub: where they go, what they carry, and what is made of odd answers."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from monitor.uplink import client as client_module
from monitor.uplink.address import HubRefusedError, HubUnreachableError
from monitor.uplink.client import HubClient
from monitor.uplink.messages import JoinRequest, PairingRequest
from tests.helpers.fake_hub import receipt, serving

KIOSK = "a" * 32
KEY = "k" * 43


@pytest.fixture
def address(hub):
    with serving(hub) as address:
        yield address


def reply(hub, path, *replies):
    hub.replies[path] = deque(replies)


def test_an_envelope_goes_with_key_digest_and_encoding(hub, address, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    reply(hub, "envelopes", (200, receipt(7), {}))
    answer = HubClient(address).send(b"packed", KEY)
    assert (answer.status, answer.receipt.watermark, answer.receipt.expected) == (200, 7, 8)
    [(path, headers)] = hub.asked
    assert path == "envelopes"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["Content-Encoding"] == "zstd"
    assert headers["Content-Digest"].startswith("sha-256=:")
    # Without a key none is sent, and none is looked up elsewhere.
    HubClient(address).ask(PairingRequest(kiosk=KIOSK))
    assert "Authorization" not in hub.asked[-1][1]


@pytest.mark.parametrize(
    ("status", "document", "headers", "expected"),
    [
        (503, {"detail": "The hub is busy."}, {"Retry-After": "20"}, ("The hub is busy.", 20.0)),
        (503, {"detail": "x"}, {"Retry-After": "1000000"}, ("x", 3600.0)),
        (503, {"detail": "x"}, {"Retry-After": "Fri, 31 Dec"}, ("x", None)),
        (500, {"title": "?"}, {}, ("The hub answered with the status 500.", None)),
        (
            501,
            None,
            {},
            (
                "The hub answered with the status 501: there is no hub at this address; check it.",
                None,
            ),
        ),
        (401, {"detail": "Evil \x1b[2J text"}, {}, ("Evil \\x1b[2J text", None)),
    ],
)
def test_refusals(hub, address, status, document, headers, expected):
    reply(hub, "envelopes", (status, document, headers))
    answer = HubClient(address).send(b"packed", KEY)
    assert (answer.status, answer.receipt) == (status, None)
    assert (answer.detail, answer.retry_after_s) == expected


def test_redirects_are_not_followed(hub, address):
    reply(hub, "envelopes", (307, None, {"Location": f"{address}/elsewhere"}))
    answer = HubClient(address).send(b"packed", KEY)
    assert answer.status == 307
    assert "no hub at this address" in answer.detail
    assert len(hub.asked) == 1


@pytest.mark.parametrize(
    "document",
    [{}, {"watermark": -1, "expected": 0, "time": "now"}, {"watermark": 1}, {"x": "y" * 100_000}],
)
def test_what_does_not_answer_as_a_hub_is_none(hub, address, document):
    reply(hub, "envelopes", (200, document, {}))
    with pytest.raises(HubUnreachableError, match=r"does not answer as a hub|answers too much"):
        HubClient(address).send(b"packed", KEY)


def test_a_wrong_code_and_one_that_has_expired(hub, address):
    client = HubClient(address)
    with pytest.raises(HubRefusedError, match="The code is wrong") as error:
        client.join(JoinRequest(kiosk=KIOSK, code="222222"))
    assert error.value.status == 403
    with pytest.raises(HubRefusedError) as error:
        client.collect("c" * 43)
    assert error.value.status == 410
    with pytest.raises(HubRefusedError) as error:
        client.leave(KEY)
    assert error.value.status == 401


def test_a_hub_that_says_nothing_is_left(monkeypatch):
    monkeypatch.setattr(client_module, "TIMEOUT_S", 0.2)
    listener = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    try:
        with pytest.raises(HubUnreachableError, match=r"did not answer within 0.2 s"):
            HubClient(f"http://127.0.0.1:{listener.server_port}").send(b"packed", KEY)
    finally:
        listener.server_close()


def test_a_proxy_of_the_environment_is_used(monkeypatch):
    seen = []

    class Proxy(BaseHTTPRequestHandler):
        def do_POST(self):
            seen.append(self.path)
            self.send_response(502)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments):
            pass

    proxy = HTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=proxy.handle_request)
    thread.start()
    for name in ("NO_PROXY", "no_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.server_port}")
    try:
        answer = HubClient("http://hub.invalid").send(b"packed", KEY)
    finally:
        thread.join(60)
        proxy.server_close()
    assert answer.status == 502
    assert seen == ["http://hub.invalid/hub/v1/envelopes"]


def test_a_certificate_authority_that_is_not_there_is_named(tmp_path):
    with pytest.raises(HubUnreachableError, match=r"nowhere\.pem"):
        HubClient("https://127.0.0.1:9", tmp_path / "nowhere.pem").send(b"packed", KEY)


def test_the_hubs_own_authority_is_trusted_and_no_other(hub, tmp_path, monkeypatch):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl program, to make a certificate")
    certificate, key = tmp_path / "hub.pem", tmp_path / "hub.key"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with serving(hub, tls) as address:
        assert address.startswith("https://")
        with pytest.raises(HubUnreachableError, match=r"is not trusted .* --hub-ca"):
            HubClient(address).ask(PairingRequest(kiosk=KIOSK))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "another.pem"))
        assert HubClient(address, certificate).ask(PairingRequest(kiosk=KIOSK)).code


def test_what_is_wrong_with_encryption_is_not_called_distrust(hub, address, tmp_path):
    plain = address.replace("http://", "https://")
    with pytest.raises(HubUnreachableError, match="does not answer over https") as found:
        HubClient(plain).send(b"packed", KEY)
    assert "certificate of" not in str(found.value)
    with pytest.raises(HubUnreachableError, match=r"There is no file .*none\.pem"):
        HubClient(plain, tmp_path / "none.pem").send(b"packed", KEY)
    (tmp_path / "text.pem").write_text("no certificate")
    with pytest.raises(HubUnreachableError, match="holds no certificate"):
        HubClient(plain, tmp_path / "text.pem").send(b"packed", KEY)
