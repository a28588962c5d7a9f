"""Where an address that a stranger typed leads, and whether a program may go there.

The text is parsed once, by strict rules, and the request is made of the result. A name is looked up
once, and the connection goes to an address that was checked, so a name that answers differently the
second time (DNS rebinding) gains nothing.

Source of the address ranges: the IANA special-purpose registries (RFC 6890 and successors).
"""

from __future__ import annotations

import queue
import re
import socket
import threading
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote, urlsplit

import idna

from monitor.fetch.errors import Deadline, FetchError
from monitor.languages import lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Resolver: TypeAlias = Callable[[str, int], Iterable[str]]
    """From host and port to addresses; may block, and raises OSError where there are none."""

Address: TypeAlias = "IPv4Address | IPv6Address"

MAX_URL_LENGTH = 4096
LOOKUP_THREAD = "picture-lookup"
MAX_LOOKUPS = 16
"""At a time; a name server that never answers holds a thread for as long as the system waits."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOKUP_SLOTS = threading.BoundedSemaphore(MAX_LOOKUPS)

_SPECIAL = tuple(
    ip_network(network)
    for network in (
        "168.63.129.16/32",  # public by number; inside Azure the host's own service
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # 6to4 relays
        "224.0.0.0/4",  # multicast
        "2001::/23",  # Teredo and other protocols
        "2002::/16",  # 6to4: any IPv4 address in disguise
        "3fff::/20",  # documentation
    )
)
"""Ranges that are not public, of which `ipaddress` calls some addresses global in some version."""


def is_public(address: Address) -> bool:
    """Whether an address belongs to a host of the public internet.

    IPv6 counts only within `2000::/3`, which leaves out local, mapped, compatible, site-local and
    future forms. Of those that carry an IPv4 address NAT64's is read, because networks without IPv4
    reach every site through it.
    """
    if isinstance(address, IPv6Address):
        if address in IPv6Network("64:ff9b::/96"):
            address = IPv4Address(int(address) & 0xFFFFFFFF)
        elif address.scope_id is not None or address not in IPv6Network("2000::/3"):
            return False
    return address.is_global and not any(address in network for network in _SPECIAL)


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Where pictures may be fetched from: public addresses, and networks like `192.168.0.0/16`.

    Without `allowed_ports` any port may be named.
    """

    allowed_networks: tuple[str | IPv4Network | IPv6Network, ...] = ()
    allowed_ports: tuple[int, ...] | None = (80, 443)

    def allows(self, address: Address) -> bool:
        """Whether a connection may be made; an IPv4 address in IPv6 form counts as IPv4."""
        plain = (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
        return is_public(plain) or any(
            plain in ip_network(network) for network in self.allowed_networks
        )


PUBLIC = AddressPolicy()
"""For strangers."""

OWN_NETWORK = AddressPolicy(allowed_networks=("0.0.0.0/0", "::/0"), allowed_ports=None)
"""For the person at the machine, who can reach the own network anyway."""


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed address.

    `host` is a lower-case ASCII name without a trailing dot, or an IP address without brackets;
    `path` is the percent-encoded path and query.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """Host, and port unless it is the scheme's default, as in the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole address."""
        return f"{self.scheme}://{self.host_header}{self.path}"


def parse_url(url: str) -> Target:
    """Parse an address as typed, or from a redirect; blanks around it are ignored.

    Raises:
        FetchError: It is not an http or https address (`scheme`), or anything else is wrong
            (`url`). Spellings that one program reads as a name and another as a number (`127.1`,
            `0x7f000001`, `2130706433`, `%31`, a backslash) are always refused.
    """
    url = url.strip()
    if len(url) > MAX_URL_LENGTH:
        raise FetchError(
            "url",
            lazy(
                "The address has %(count)s characters: expected at most %(most)s.",
                count=len(url),
                most=MAX_URL_LENGTH,
            ),
        )
    if re.search(r"[\x00-\x1f\x7f\\]", url):
        raise FetchError(
            "url", lazy("The address holds a control character or a backslash: expected neither.")
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise FetchError(
            "url",
            lazy(
                "The address is not spelt right: expected a form like "
                "https://example.org/picture.jpg."
            ),
        ) from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise FetchError(
            "scheme",
            lazy(
                "The address begins with %(scheme)s: expected one that begins with http:// or "
                "https://.",
                scheme=parts.scheme[:20],
            )
            if parts.scheme
            else lazy(
                "The address lacks its beginning: expected one that begins with http:// or https://."
            ),
        )
    if "@" in parts.netloc:
        raise FetchError(
            "url", lazy("The address holds a user name or a password: expected one without.")
        )
    if port == 0:
        raise FetchError("url", lazy("The address names port 0: expected 1 to 65535."))
    safe = "%/:@!$&'()*+,;=~-._"
    path = quote(parts.path or "/", safe=safe)
    query = f"?{quote(parts.query, safe=safe + '?')}" if parts.query else ""
    host = (
        str(_literal(parts.hostname or "", 6))
        if "[" in parts.netloc
        else _host(parts.hostname or "")
    )
    return Target(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme], path + query)


def _host(host: str) -> str:
    try:
        # UTS 46, as browsers map names: full-width digits and dots become plain, capitals small.
        name = host.lower() if host.isascii() else idna.encode(host, uts46=True).decode("ascii")
    except UnicodeError as error:  # of which idna's errors are a kind
        raise FetchError(
            "url",
            lazy(
                "The host's name is not an allowed international name: expected one "
                "like example.org."
            ),
        ) from error
    name = name.removesuffix(".")
    labels = name.split(".")
    label_form = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):
        return str(_literal(name, 4))
    if len(name) > 253 or not all(re.fullmatch(label_form, label) for label in labels):
        raise FetchError(
            "url",
            lazy("The host's name is missing or not spelt right: expected one like example.org."),
        )
    return name


def _literal(host: str, version: int) -> Address:
    address: Address | None
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    if address is None or address.version != version or "%" in host:
        raise FetchError(
            "url",
            lazy(
                "The host is a number in an unusual form: expected a name, four numbers"
                " from 0 to 255 with dots between them, or an IPv6 address in brackets."
            ),
        )
    return address


def system_addresses(host: str, port: int) -> list[str]:
    """Ask the system's resolver for addresses, best first; blocks."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def checked_addresses(
    target: Target, policy: AddressPolicy, deadline: Deadline, resolve: Resolver = system_addresses
) -> list[Address]:
    """Look a host up, once, and check every address it leads to.

    Returns:
        At least one address, without repetition, all allowed by the policy.

    Raises:
        FetchError: The port or one of the addresses is not allowed, there is no such host, or the
            look-up took too long. The message discloses no private names.
    """
    if policy.allowed_ports is not None and target.port not in policy.allowed_ports:
        expected = ", ".join(map(str, policy.allowed_ports))
        raise FetchError(
            "port",
            lazy(
                "The address names port %(port)s: expected one of %(expected)s.",
                port=target.port,
                expected=expected,
            ),
        )
    try:
        addresses = [ip_address(target.host)]
    except ValueError:
        # Resolvers disagree about the names below localhost; browsers do not.
        local = IPv4Address("127.0.0.1")
        if target.host.split(".")[-1] == "localhost" and not policy.allows(local):
            addresses = [local]
        else:
            addresses = _look_up(target, deadline, resolve)
    if not all(policy.allows(address) for address in addresses):
        raise FetchError(
            "address_not_public",
            lazy(
                "%(host)s leads to an address that is not public: expected a picture on"
                " the public internet.",
                host=target.host,
            ),
        )
    return addresses


def _look_up(target: Target, deadline: Deadline, resolve: Resolver) -> list[Address]:
    # The system's look-up cannot be interrupted: it runs in a thread that may outlive the wait, of
    # which there is a limited number.
    answers: queue.SimpleQueue[list[Address] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found = dict.fromkeys(resolve(target.host, target.port))
            answers.put([ip_address(address) for address in found])
        except (OSError, ValueError) as error:
            answers.put(error)
        finally:
            _LOOKUP_SLOTS.release()

    if not _LOOKUP_SLOTS.acquire(timeout=deadline.left()):
        raise deadline.over()
    threading.Thread(target=look_up, name=LOOKUP_THREAD, daemon=True).start()
    try:
        answer = answers.get(timeout=deadline.left())
    except queue.Empty:
        raise deadline.over() from None
    if isinstance(answer, Exception) or not answer:
        raise FetchError(
            "unreachable",
            lazy("There is no host %(host)s: expected the name of a web server.", host=target.host),
        )
    return answer
