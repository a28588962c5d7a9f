"""Sends mail through the server that the settings name."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import TYPE_CHECKING

from monitor.languages import lazy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.settings.mail_server import MailServer

TIMEOUT_S = 30.0


class MailError(Exception):
    """A message could not be sent; the text has no password."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in a message, such as `("report.pdf", "application/pdf", b"...")`."""

    name: str
    content_type: str
    content: bytes


def send_mail(
    server: MailServer,
    recipients: Sequence[str],
    subject: str,
    text: str,
    attachments: Sequence[Attachment] = (),
) -> None:
    """Send a message to each recipient by itself, so that none sees the others.

    Raises:
        MailError: The server cannot be used, or refuses a recipient; the others got it.
    """
    try:
        with _connected(server) as connection:
            refused = []
            for recipient in recipients:
                message = _message(server.sender, recipient, subject, text, attachments)
                try:
                    connection.send_message(message)
                except smtplib.SMTPRecipientsRefused:
                    refused.append(recipient)
    except (OSError, smtplib.SMTPException) as error:
        raise MailError(
            lazy(
                "The mail server %(server)s cannot be used: %(why)s.",
                server=server.host,
                why=_reason(error),
            )
        ) from error
    if refused:
        raise MailError(
            lazy(
                "The mail server %(server)s refused %(refused)s.",
                server=server.host,
                refused=", ".join(refused),
            )
        )


def _connected(server: MailServer) -> smtplib.SMTP:
    context = ssl.create_default_context()
    where = (server.host, server.port)
    if server.encryption == "tls":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(*where, timeout=TIMEOUT_S, context=context)
    else:
        connection = smtplib.SMTP(*where, timeout=TIMEOUT_S)
    try:
        if server.encryption == "starttls":
            connection.starttls(context=context)
        if server.password:
            connection.login(server.user, server.password)
    except BaseException:
        connection.close()
        raise
    return connection


def _message(
    sender: str, recipient: str, subject: str, text: str, attachments: Sequence[Attachment]
) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = sender, recipient
    message["Subject"] = " ".join(subject.split())
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="ad-monitor")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    for one in attachments:
        kind, _, subtype = one.content_type.partition("/")
        message.add_attachment(one.content, maintype=kind, subtype=subtype, filename=one.name)
    return message


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        words = error.smtp_error
        told = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
        return f"it answered {error.smtp_code} {told[:200]}".rstrip(". ")
    return str(error).rstrip(". ") or type(error).__name__
