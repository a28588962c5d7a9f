"""Fetch pictures from addresses that a stranger typed.

Such a server is a door into its network. So the typed address and every redirect are parsed and
rechecked (`fetch.target`); the connection goes to a checked IP address, while the certificate is
checked against the host's name; time and size are bounded over everything, from look-up to body.
No proxy, cookie, stored password or packed content; only decoding tells whether it is a picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import httpcore

from monitor.fetch.connection import Budget, PinnedBackend, authorities, network_error
from monitor.fetch.errors import Deadline, FetchError
from monitor.fetch.target import (
    PUBLIC,
    checked_addresses,
    is_public,
    parse_url,
    system_addresses,
)
from monitor.languages import lazy

if TYPE_CHECKING:
    import ssl

    from monitor.fetch.target import Address, AddressPolicy, Resolver, Target


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What one picture may cost; `seconds` are for everything, `header_bytes` for each answer."""

    seconds: float = 10.0
    content_bytes: int = 30 << 20
    header_bytes: int = 64 << 10
    redirects: int = 5


def fetch_picture(
    url: str,
    *,
    limits: FetchLimits | None = None,
    policy: AddressPolicy = PUBLIC,
    resolve: Resolver = system_addresses,
    tls: ssl.SSLContext | None = None,
) -> bytes:
    """Fetch the content of an address into memory.

    Args:
        url: An http or https address.
        limits: By default those of `FetchLimits`.
        policy: Which addresses and ports are allowed. A redirect from a public address leads to
            public addresses only: a stranger's server must not send anybody into the own network.
        resolve: How names are looked up.
        tls: How certificates are checked; by default with the system's and certifi's authorities.

    Raises:
        FetchError: It was not fetched; its `code` says why.
    """
    limits = limits or FetchLimits()
    deadline = Deadline(limits.seconds)
    target = parse_url(url)
    for _ in range(limits.redirects + 1):
        addresses = checked_addresses(target, policy, deadline, resolve)
        answer = _get(target, addresses, limits, deadline, tls or authorities())
        if isinstance(answer, bytes):
            return answer
        if all(is_public(address) for address in addresses):
            policy = replace(policy, allowed_networks=())
        target = _following(target, answer)
    raise FetchError(
        "redirects",
        lazy(
            "The address was redirected more than %(redirects)s times: expected the"
            " picture itself.",
            redirects=limits.redirects,
        ),
    )


def _following(target: Target, location: str) -> Target:
    try:
        url = urljoin(target.url, location)
    except ValueError as error:
        raise FetchError(
            "redirects",
            lazy(
                "%(host)s redirects to no address: expected the picture itself.", host=target.host
            ),
        ) from error
    following = parse_url(url)
    if target.scheme == "https" and following.scheme == "http":
        raise FetchError(
            "redirects",
            lazy(
                "%(host)s redirects from https to http: expected a redirect that stays "
                "on an encrypted connection.",
                host=target.host,
            ),
        )
    return following


def _get(
    target: Target,
    addresses: list[Address],
    limits: FetchLimits,
    deadline: Deadline,
    tls: ssl.SSLContext,
) -> bytes | str:
    """Return the content of an address, or the location that it redirects to."""
    budget = Budget(deadline, limits.header_bytes)
    url = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
    headers = [
        ("Host", target.host_header),
        ("User-Agent", "ad-monitor"),
        ("Accept", "image/*"),
        ("Accept-Encoding", "identity"),
        ("Connection", "close"),
    ]
    try:
        with (
            httpcore.HTTPConnection(
                url.origin, ssl_context=tls, network_backend=PinnedBackend(addresses, budget)
            ) as connection,
            connection.stream("GET", url, headers=headers) as response,
        ):
            budget.header_left = None
            location = _field(response, b"location")
            if response.status in {301, 302, 303, 307, 308} and location:
                return location.decode("utf-8", "replace")
            _check_header(target, response, limits)
            return _body(response, limits)
    except httpcore.TimeoutException as error:
        raise deadline.over() from error
    except httpcore.NetworkError as error:
        raise network_error(target, error) from error
    except httpcore.ProtocolError as error:
        raise FetchError(
            "answer",
            lazy(
                "%(host)s did not send a complete HTTP answer: expected a picture.",
                host=target.host,
            ),
        ) from error


def _check_header(target: Target, response: httpcore.Response, limits: FetchLimits) -> None:
    if response.status != 200:
        raise FetchError(
            "not_found",
            lazy(
                "%(host)s answered with status %(status)s: expected 200 and a picture.",
                host=target.host,
                status=response.status,
            ),
        )
    if _field(response, b"content-encoding").lower() not in {b"", b"identity"}:
        raise FetchError(
            "answer",
            lazy("%(host)s sent packed content: expected the picture as it is.", host=target.host),
        )
    length = _field(response, b"content-length")  # a number, as h11 has checked
    if length and int(length) > limits.content_bytes:
        raise _too_large(limits)


def _field(response: httpcore.Response, name: bytes) -> bytes:
    """Return a header field; repeated ones are joined (RFC 9110)."""
    return b", ".join(value.strip() for key, value in response.headers if key.lower() == name)


def _body(response: httpcore.Response, limits: FetchLimits) -> bytes:
    content = bytearray()
    for part in response.iter_stream():
        content += part
        if len(content) > limits.content_bytes:
            raise _too_large(limits)
    return bytes(content)


def _too_large(limits: FetchLimits) -> FetchError:
    count = limits.content_bytes
    size = f"{count / (1 << 20):g} MiB" if count >= 1 << 20 else f"{count} bytes"
    return FetchError(
        "too_large",
        lazy("The picture has more bytes than allowed: expected at most %(size)s.", size=size),
    )
