"""Addresses of hubs, and how they fail."""

from __future__ import annotations

import re
import socket
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from detector.names import printable
from monitor.errors import MonitorError, SetupError

# RFC 1918, RFC 3927, RFC 4193 and RFC 4291; Python's `is_private` takes in examples and more.
_PRIVATE = tuple(
    ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
        *("fc00::/7", "fe80::/10"),
    )
)


class HubUnreachableError(MonitorError):
    """The hub does not answer, or not as one; trying again may help."""


class HubRefusedError(SetupError):
    """The hub answered, and refused.

    Attributes:
        status: HTTP status.
        retry_after_s: When trying again makes sense, if the hub said so.
    """

    def __init__(self, message: str, status: int, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


def hub_address(typed: str) -> str:
    """Return the address of a hub without a slash at its end.

    Raises:
        SetupError: It is none, or not encrypted and not of this machine or network.
    """
    typed = typed.strip()
    text = typed if "://" in typed else f"https://{typed}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or port == 0
        or parts.username is not None
        or parts.query
        or parts.fragment
        or re.search(r"\s", text)
    ):
        raise SetupError(
            "Invalid address of a hub: expected one such as https://hub.example.com, received "
            f"{printable(typed)!r}."
        )
    if parts.scheme == "http" and plain_reach(parts.hostname) == "public":
        raise SetupError(
            f"The connection to {printable(text)} would not be encrypted: everybody on the way "
            "could read and use this kiosk's key. Use https. Only hubs on this machine or in a "
            "private network may use http."
        )
    return text.rstrip("/")


def plain_warning(address: str) -> str | None:
    """Return what to say about a connection that is not encrypted and leaves this machine."""
    parts = urlsplit(address)
    if parts.scheme != "http" or plain_reach(parts.hostname or "") == "here":
        return None
    return (
        f"The connection to {printable(address)} is not encrypted: others in the network can read "
        "what is sent, and this kiosk's key. Use https outside of a network that you trust."
    )


def plain_reach(host: str) -> str:
    """Return how far a host is: `here`, on this machine; `private`; `public`, or unknown."""
    try:
        found = socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError):
        return "public"
    addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    # An address of version 4 within one of version 6 is neither, and counts as public.
    if all(one.is_loopback for one in addresses):
        return "here"
    is_private = all(any(one in network for network in _PRIVATE) for one in addresses)
    return "private" if is_private else "public"


def own_address() -> str | None:
    """Return the address by which others in the network reach this machine, as far as it knows."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        try:
            # Nothing is sent: the system only says from which of its addresses it would send.
            sender.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return str(sender.getsockname()[0])


def page_address(host: str, port: int) -> str:
    """Return the address at which others reach a page that listens at a host."""
    is_everywhere = host in {"0.0.0.0", "::", ""}  # noqa: S104 (compared with, not listened at)
    name = (own_address() or socket.gethostname()) if is_everywhere else host
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/"
