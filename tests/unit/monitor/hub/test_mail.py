"""Mail that the hub sends: to each recipient by itself, with a reason if it fails."""

from __future__ import annotations

import pytest

from detector.sources.passwords import hide_passwords
from monitor.hub.mail import Attachment, MailError, send_mail
from monitor.settings.mail_server import MailServer
from tests.helpers.mail_server import mail_server


def test_each_recipient_gets_a_message_and_sees_no_other():
    with mail_server() as server:
        to = MailServer.parse(f"smtp://127.0.0.1:{server.port}?from=ads@example.com&tls=no")
        file = Attachment("figures.csv", "text/csv", "é".encode())
        send_mail(to, ["ann@example.com", "ben@example.com"], "Two\nlines", "Text", [file])
    assert [str(one["To"]) for one in server.messages] == ["ann@example.com", "ben@example.com"]
    assert all(one["Subject"] == "Two lines" for one in server.messages)
    (attached,) = server.messages[0].iter_attachments()
    assert attached.get_filename() == "figures.csv"
    assert attached.get_payload(decode=True) == "é".encode()


def test_a_refused_recipient_is_named_and_the_others_get_theirs():
    with mail_server() as server:
        to = MailServer.parse(f"smtp://127.0.0.1:{server.port}?from=ads@example.com&tls=no")
        with pytest.raises(MailError, match=r"refused nobody@example\.com"):
            send_mail(to, ["nobody@example.com", "ben@example.com"], "Hello", "Text")
    assert [str(one["To"]) for one in server.messages] == ["ben@example.com"]


def test_a_server_that_is_away_is_named_without_its_password():
    to = MailServer.parse("smtps://ann%40example.com:hush@127.0.0.1:9")
    with pytest.raises(MailError, match=r"127\.0\.0\.1 cannot be used") as caught:
        send_mail(to, ["ben@example.com"], "Hello", "Text")
    assert "hush" not in str(caught.value)
    assert "hush" not in repr(to)


@pytest.mark.parametrize(
    "address",
    ["", "http://host?from=a@b", "smtp://host", "smtps://user@?from=a@b", "smtp://h?from=a@b&x=1"],
)
def test_other_addresses_are_refused(address):
    with pytest.raises(ValueError, match="expected smtps://") as refused:
        MailServer.parse(address)
    # Errors about settings hide passwords, and must leave the example whole.
    assert "?from=SENDER" in hide_passwords(str(refused.value))


def test_ports_and_encryption():
    first = MailServer.parse("smtps://a%40b.c:p@mail.b.c")
    assert (first.port, first.encryption, first.sender, first.password) == (
        465,
        "tls",
        "a@b.c",
        "p",
    )
    assert MailServer.parse("smtp://h?from=a@b").encryption == "starttls"
    assert MailServer.parse("smtp://h:25?from=a@b&tls=no").port == 25


@pytest.mark.parametrize("port", ["99999", "0", "mail"])
def test_a_wrong_port_is_said_in_our_words(port):
    with pytest.raises(ValueError, match="expected a port from 1 to 65535 after HOST"):
        MailServer.parse(f"smtp://127.0.0.1:{port}?from=ads@example.com")
