"""Webhooks that receivers can check, addresses that may be called, and nothing secret in errors."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec

import pytest

from db.hub.alerts.channels import KnownChannel
from monitor.fetch.target import OWN_NETWORK
from monitor.hub.alerts import senders
from monitor.hub.alerts.senders import ChannelAddressError, SendError
from monitor.hub.alerts.wording import Message
from monitor.settings.models import HubSettings
from tests.helpers.webhook_receiver import receiver

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PUBLIC_ONLY = senders.policy_of(())
NEEDS_APPRISE = pytest.mark.skipif(
    find_spec("apprise") is None, reason="needs Apprise: install the extra hub"
)
MESSAGE = Message("1.raised", {"id": "1.raised", "detail": "Café"}, "Silent", "It is dark.")


def a_channel(url, kind="webhook", secret="whsec_c2VjcmV0"):  # noqa: S107 (a test's)
    return KnownChannel(1, "operators", kind, url, secret, (), (), "UTC", NOON)


def test_signatures_are_those_of_the_standard():
    # The example of the specification of Standard Webhooks.
    found = senders.signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        *("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'),
    )
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_receiver_can_check_who_sent_a_webhook():
    secret = senders.new_secret()
    with receiver() as (url, received):
        senders.send(a_channel(url, secret=secret), MESSAGE, OWN_NETWORK, NOON)
    [(headers, body)] = received
    assert json.loads(body) == MESSAGE.document
    assert headers["webhook-id"] == "1.raised"
    assert headers["webhook-timestamp"] == str(int(NOON.timestamp()))
    signed = f"1.raised.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert len(key) == 32


def test_a_secret_that_is_none_is_refused():
    with pytest.raises(ValueError, match="whsec_"):
        senders.signature("whsec_?", "1", 1, b"")


@pytest.mark.parametrize(
    ("status", "is_refusal"), [(302, False), (400, True), (404, False), (422, True), (503, False)]
)
def test_only_some_answers_refuse_the_message_itself(status, is_refusal):
    with receiver(status) as (url, _), pytest.raises(SendError, match=str(status)) as caught:
        senders.send(a_channel(url), MESSAGE, OWN_NETWORK, NOON)
    assert caught.value.is_refusal is is_refusal


def test_the_own_network_is_called_only_where_it_is_allowed():
    with receiver() as (url, received):
        with pytest.raises(SendError, match="--allow-network"):
            senders.send(a_channel(url), MESSAGE, PUBLIC_ONLY, NOON)
        with pytest.raises(ChannelAddressError, match="--allow-network"):
            senders.check_address("webhook", url, PUBLIC_ONLY)
        assert received == []
        allowed = senders.policy_of(["127.0.0.0/8"])
        senders.check_address("webhook", url, allowed)
        senders.send(a_channel(url), MESSAGE, allowed, NOON)
    assert len(received) == 1


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example.org/T0/secret?key=1", "https://hooks.example.org/…"),
        ("https://user:secret@example.org/", "https://…"),
        ("slack://TokenA/TokenB/secret", "slack://…"),
        ("mailto://anna:secret@example.org", "mailto://…"),
        (" HTTPS://EXAMPLE.org:8443/secret", "https://example.org:8443/…"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url, shown):
    assert senders.masked(url) == shown


@NEEDS_APPRISE
def test_a_message_goes_through_apprise():
    with receiver() as (url, received):
        channel = a_channel(url.replace("http://", "json://"), "apprise", "")
        senders.send(channel, MESSAGE, OWN_NETWORK, NOON)
    [(_, body)] = received
    sent = json.loads(body)
    assert (sent["title"], sent["message"]) == ("Silent", "It is dark.")


@NEEDS_APPRISE
def test_people_get_a_link_to_the_hubs_page():
    message = MESSAGE._replace(page="/screens/1")
    with receiver() as (url, received):
        channel = a_channel(url.replace("http://", "json://"), "apprise", "")
        settings = HubSettings(networks=("127.0.0.0/8",), url="https://hub.example.org/")
        senders.sender(settings)(channel, message, NOON)
        senders.sender(HubSettings(networks=("127.0.0.0/8",)))(channel, message, NOON)
    texts = [json.loads(body)["message"] for _, body in received]
    assert texts == ["It is dark.\nhttps://hub.example.org/screens/1", "It is dark."]


@NEEDS_APPRISE
def test_apprise_may_not_call_the_own_network_either():
    with receiver() as (url, received):
        for scheme in ("json", "form"):
            channel = a_channel(url.replace("http", scheme), "apprise", "")
            with pytest.raises(SendError, match="--allow-network"):
                senders.send(channel, MESSAGE, PUBLIC_ONLY, NOON)
        mail = "mailto://anna:secret@example.org?smtp=127.0.0.1"
        with pytest.raises(ChannelAddressError, match="--allow-network"):
            senders.check_address("apprise", mail, PUBLIC_ONLY)
    assert received == []


@NEEDS_APPRISE
@pytest.mark.logs_errors  # Apprise does, to a log that is not shown.
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("nothing://x/y", "no address of Apprise"),
        ("mailto://", "no address of Apprise"),
        ("syslog://", "own machine"),
        ("json://localhost/?template=/etc/passwd", "template="),
        ("json://localhost/?redirect=yes", "redirect="),
    ],
)
def test_addresses_that_cannot_be_used_are_refused(url, expected):
    with pytest.raises(ChannelAddressError, match=expected):
        senders.check_address("apprise", url, OWN_NETWORK)


@NEEDS_APPRISE
def test_services_whose_servers_are_known_need_no_look_up():
    url = "slack://TokenA12345/TokenB12345/TokenC123456789012345/#alerts"
    senders.check_address("apprise", url, PUBLIC_ONLY)


@NEEDS_APPRISE
def test_what_a_service_says_went_wrong_holds_no_secret():
    with receiver(403) as (url, _):
        address = url.replace("http://", "json://anna:geheim99@") + "/hook-secret-token"
        with pytest.raises(SendError) as caught:
            senders.send(a_channel(address, "apprise", ""), MESSAGE, OWN_NETWORK, NOON)
    text = str(caught.value)
    assert text.startswith("Not delivered: ")
    assert "403" in text
    assert "geheim99" not in text
    assert "hook-secret-token" not in text


@contextmanager
def mail_server():
    """A mail server that takes one message; yields its port and the lines it received."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(60)
    received = []

    def serve():
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb") as stream:
            stream.write(b"220 here\r\n")
            stream.flush()
            in_message = False
            for line in stream:
                received.append(line.decode().rstrip("\r\n"))
                begins, ends = line.upper() == b"DATA\r\n", line == b".\r\n"
                in_message = (in_message or begins) and not ends
                if begins or not in_message:
                    stream.write(b"354 go on\r\n" if begins else b"250 yes\r\n")
                    stream.flush()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1], received
    finally:
        thread.join(60)
        listener.close()


@NEEDS_APPRISE
def test_a_message_arrives_as_mail():
    with mail_server() as (port, received):
        url = f"mailto://127.0.0.1:{port}?mode=insecure&from=hub@example.org&to=ann@example.org"
        senders.send(a_channel(url, "apprise", ""), MESSAGE, OWN_NETWORK, NOON)
    assert "Subject: Silent" in received
    assert any("ann@example.org" in line for line in received)
    assert "It is dark." in "\n".join(received)
