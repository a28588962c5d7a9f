"""How a message is sent: as a signed webhook, or through Apprise to mail and chats."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import logging
import re
import secrets
import threading
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from detector.sources.passwords import hide_passwords
from monitor.errors import MonitorError
from monitor.fetch.errors import Deadline, FetchError
from monitor.fetch.post import post_document
from monitor.fetch.target import AddressPolicy, checked_addresses, parse_url
from monitor.languages import lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from db.hub.alerts.channels import ChannelKind, KnownChannel
    from monitor.hub.alerts.wording import Message
    from monitor.settings.models import HubSettings

SECRET_PREFIX = "whsec_"  # noqa: S105 (the standard's prefix of secrets, not one itself)

_WHY = {
    "url": lazy("its address is not spelt right"),
    "scheme": lazy("its address must begin with http:// or https://"),
    "port": lazy("the port of its address is not allowed"),
    "address_not_public": lazy(
        "its address lies in a network of your own, which must be allowed: with `web.networks` "
        "in the settings file, or with `--allow-network 192.168.1.0/24` or the like, for `hub "
        "serve` and for `hub channel`"
    ),
    "unreachable": lazy("the server cannot be reached"),
    "certificate": lazy("the certificate of the server does not prove its name"),
    "answer": lazy("the server did not send a complete answer"),
    "too_large": lazy("the server sent too much"),
    "too_slow": lazy("the server did not answer in time"),
}


class SendError(MonitorError):
    """A message did not arrive.

    Attributes:
        is_refusal: The receiver refused this message, and may take others.
        retry_after_s: When the receiver wants to be asked again, if it said so.
    """

    def __init__(
        self, message: str, *, is_refusal: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.is_refusal = is_refusal
        self.retry_after_s = retry_after_s


class ChannelAddressError(MonitorError):
    """The address of a channel cannot be used."""


def policy_of(networks: Sequence[str]) -> AddressPolicy:
    """Return where messages may be sent: to public addresses, and to some networks."""
    return AddressPolicy(allowed_networks=tuple(networks), allowed_ports=None)


def send(channel: KnownChannel, message: Message, policy: AddressPolicy, now: datetime) -> None:
    """Send a message to a channel.

    Args:
        channel: Where to.
        message: What.
        policy: Which addresses may be called.
        now: The time with which a webhook is signed.

    Raises:
        SendError: It did not arrive.
    """
    if channel.kind == "webhook":
        _send_webhook(channel, message, policy, now)
    else:
        _send_apprise(channel, message, policy)


def sender(settings: HubSettings) -> Callable[[KnownChannel, Message, datetime], None]:
    """Return `send` for the networks of a hub, with links to its pages if it knows its address."""
    policy = policy_of(settings.networks)
    home = settings.url.rstrip("/")

    def send_linked(channel: KnownChannel, message: Message, now: datetime) -> None:
        text = f"{message.text}\n{home}{message.page}" if home else message.text
        send(channel, message._replace(text=text), policy, now)

    return send_linked


def check_address(kind: ChannelKind, url: str, policy: AddressPolicy) -> None:
    """Check the address of a channel as far as can be done without sending anything.

    Raises:
        ChannelAddressError: It cannot be used; the message does not repeat it.
    """
    try:
        if kind == "webhook":
            checked_addresses(parse_url(url), policy, Deadline(5.0))
        else:
            _plugin(url, policy)
    except FetchError as error:
        raise ChannelAddressError(
            lazy("The webhook cannot be used: %(why)s.", why=_WHY.get(error.code, str(error)))
        ) from error
    except SendError as error:
        raise ChannelAddressError(str(error)) from error


def kind_of(url: str) -> ChannelKind:
    """Return how messages are sent to an address: https and http ones are webhooks."""
    return "webhook" if url.strip().lower().startswith(("https://", "http://")) else "apprise"


def masked(url: str) -> str:
    """Return what may be shown of a channel's address, which holds passwords or is one."""
    if kind_of(url) == "apprise":
        return f"{url.strip().split(':')[0][:20]}://…"
    try:
        return f"{urlsplit(url).scheme}://{parse_url(url).host_header}/…"
    except FetchError:
        return "https://…"


def new_secret() -> str:
    """Return a new secret to sign webhooks with."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode("ascii")


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the header `webhook-signature` of Standard Webhooks 1.0.0.

    Args:
        secret: `whsec_` and Base64.
        message_id: The header `webhook-id`.
        timestamp: The header `webhook-timestamp`, in seconds since 1970.
        body: As it is sent.

    Raises:
        ValueError: The secret is not one.
    """
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("Invalid secret of a webhook: expected whsec_ and Base64.") from error
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode('ascii')}"


def _send_webhook(
    channel: KnownChannel, message: Message, policy: AddressPolicy, now: datetime
) -> None:
    body = json.dumps(message.document, ensure_ascii=False, separators=(",", ":")).encode()
    timestamp = int(now.astimezone(UTC).timestamp())
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(channel.secret, message.id, timestamp, body),
    }
    try:
        answer = post_document(channel.url, body, headers, policy=policy)
    except FetchError as error:
        why = _WHY.get(error.code, lazy("the server cannot be used"))
        raise SendError(lazy("Not delivered: %(why)s.", why=why)) from error
    if 200 <= answer.status < 300:
        return
    raise SendError(
        lazy(
            "Not delivered: the server answered with status %(status)s; expected 200 to 299.",
            status=answer.status,
        ),
        is_refusal=answer.status in {400, 413, 415, 422},
        retry_after_s=answer.retry_after_s,
    )


def _send_apprise(channel: KnownChannel, message: Message, policy: AddressPolicy) -> None:
    plugin = _plugin(channel.url, policy)
    with _Complaints() as complaints:
        try:
            arrived = plugin.notify(body=message.text, title=message.title, body_format="text")
        except Exception as error:  # Over a hundred services, each with code of its own.
            raise SendError(
                lazy(
                    "Not delivered: %(url)s failed (%(kind)s).",
                    url=masked(channel.url),
                    kind=type(error).__name__,
                )
            ) from error
    if not arrived:
        raise SendError(lazy("Not delivered: %(why)s.", why=complaints.text(channel.url)))


def _plugin(url: str, policy: AddressPolicy) -> Any:
    """Return Apprise's service for an address, which leads where the policy allows."""
    if re.search(r"[?&](template|redirect)=", url, re.IGNORECASE):
        raise SendError(
            lazy(
                "The address has the option template= or redirect=, with which files of"
                " the hub could be sent, or its network be explored: leave it out."
            )
        )
    apprise = _apprise()
    asset = apprise.AppriseAsset()
    asset.http_redirects = False
    plugin = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if plugin is None and "://" not in url and "@" in url:
        raise SendError(
            lazy(
                "A mail address alone does not say through which mailbox to send: expected one "
                "such as mailto://anna:PASSWORD@example.com, with ?to= and another address if "
                "others shall read the messages."
            )
        )
    if plugin is None:
        raise SendError(
            lazy(
                "%(url)s is no address of Apprise: expected one such as mailto://, "
                "slack://, msteams:// or tgram://, as "
                "https://github.com/caronc/apprise/wiki lists them.",
                url=masked(url),
            )
        )
    if not any("{host}" in template for template in plugin.templates):
        if "{schema}://" in plugin.templates:
            raise SendError(
                lazy("%(url)s only shows messages on the hub's own machine.", url=masked(url))
            )
        return plugin  # A service whose servers Apprise knows.
    host = getattr(plugin, "smtp_host", None) or plugin.host
    if host:
        try:
            target = parse_url(f"https://[{host}]/" if ":" in host else f"https://{host}/")
            checked_addresses(target, policy, Deadline(5.0))
        except FetchError as error:
            raise SendError(
                lazy(
                    "Messages cannot be sent to %(url)s: %(why)s.",
                    url=masked(url),
                    why=_WHY.get(error.code, str(error)),
                )
            ) from error
    return plugin


def _apprise() -> Any:
    try:
        apprise = import_module("apprise")
    except ModuleNotFoundError as error:
        raise SendError(
            lazy(
                "Alerts by mail and chat need Apprise: install the extra hub (`make "
                "hub-setup`, or `pip install ad-reaction-monitor[hub]`)."
            )
        ) from error
    # What it logs is part of the error that is raised here, without its secrets.
    own_log = logging.getLogger("apprise")
    own_log.propagate = False
    if not own_log.handlers:
        own_log.addHandler(logging.NullHandler())
    return apprise


class _Complaints(logging.Handler):
    """Collects what Apprise logs in this thread; it says only there why it failed."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self._lines: list[str] = []

    def __enter__(self) -> _Complaints:
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the first lines of this thread."""
        if record.thread == self._thread and len(self._lines) < 3:
            self._lines.append(record.getMessage())

    def text(self, url: str) -> str:
        """Return the logged text on one line, without any part of the address."""
        text = hide_passwords(" ".join(self._lines) or lazy("the service did not take the message"))
        parts = re.split(r"[/:@?&=#]+", url.split("://", 1)[-1])
        for part in sorted(filter(lambda part: len(part) >= 6, parts), key=len, reverse=True):
            text = text.replace(part, "***")
        return text[:300].rstrip(". ")
