"""Pictures from addresses that a stranger typed in.

A server that fetches what it is told to is a door into the network it stands in. So each address,
the typed one and every redirect, is taken apart and checked anew (`fetch_target`), the connection
goes to a checked IP address while the host's certificate is still checked against the name, and
time and size are bounded over everything: look-up, connection, TLS, each byte of the header and of
the body. No proxy, no cookie, no stored password, no packed content. What the server says about the
content is not believed; that it is a picture is seen when it is decoded
(`detector.sources.image_decoder`).
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import certifi
import httpcore

from monitor.web.fetch.errors import (
    AnswerError,
    CertificateError,
    FetchError,
    NotFoundError,
    RedirectError,
    TooLargeError,
    UnreachableError,
)
from monitor.web.fetch.limits import Deadline, FetchLimits
from monitor.web.fetch.target import (
    OWN_NETWORK,
    PUBLIC,
    AddressPolicy,
    checked_addresses,
    is_public,
    parse_url,
    system_addresses,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from monitor.web.fetch.target import Address, Resolver, Target

__all__ = ["OWN_NETWORK", "PUBLIC", "AddressPolicy", "FetchError", "FetchLimits", "fetch_picture"]

_MOST_ADDRESSES = 4
_REDIRECTS = {301, 302, 303, 307, 308}
_REQUEST_HEADERS: tuple[tuple[str, str], ...] = (
    ("User-Agent", "ad-monitor"),
    ("Accept", "image/*"),
    ("Accept-Encoding", "identity"),
    ("Connection", "close"),
)


def fetch_picture(
    url: str,
    *,
    limits: FetchLimits | None = None,
    policy: AddressPolicy = PUBLIC,
    resolve: Resolver = system_addresses,
    tls: ssl.SSLContext | None = None,
) -> bytes:
    """Fetch what lies at an address into memory.

    Args:
        url: An http or https address.
        limits: Defaults to those of `FetchLimits`.
        policy: Which addresses and ports are allowed. A redirect from a public address leads to
            public addresses only, whatever the policy allows besides: a stranger's server must not
            send anybody into the own network.
        resolve: How names are looked up.
        tls: How certificates are checked. Defaults to the system's and certifi's authorities.

    Returns:
        The content, not yet known to be a picture.

    Raises:
        FetchError: It was not fetched; the subclass and its `code` say why.
    """
    limits = limits or FetchLimits()
    deadline = Deadline(limits.seconds)
    target = parse_url(url)
    for _ in range(limits.redirects + 1):
        addresses = checked_addresses(target, policy, deadline, resolve)
        answer = _get(target, addresses, limits, deadline, tls or _authorities())
        if isinstance(answer, bytes):
            return answer
        if all(is_public(address) for address in addresses):
            policy = replace(policy, allowed_networks=())
        target = _following(target, answer)
    raise RedirectError(
        f"The address was redirected more than {limits.redirects} times: expected the picture itself."
    )


@dataclass(frozen=True, slots=True)
class _Redirect:
    location: str


def _following(target: Target, redirect: _Redirect) -> Target:
    try:
        url = urljoin(target.url, redirect.location)
    except ValueError as error:
        raise RedirectError(
            f"{target.host} redirects to no address: expected the picture itself."
        ) from error
    following = parse_url(url)
    if target.scheme == "https" and following.scheme == "http":
        raise RedirectError(
            f"{target.host} redirects from https to http: expected a redirect that stays on an encrypted connection."
        )
    return following


def _get(
    target: Target,
    addresses: list[Address],
    limits: FetchLimits,
    deadline: Deadline,
    tls: ssl.SSLContext,
) -> bytes | _Redirect:
    budget = _Budget(deadline, limits.header_bytes)
    url = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
    headers = [("Host", target.host_header), *_REQUEST_HEADERS]
    try:
        with (
            httpcore.HTTPConnection(
                url.origin, ssl_context=tls, network_backend=_Pinned(addresses, budget)
            ) as connection,
            connection.stream("GET", url, headers=headers) as response,
        ):
            budget.header_left = None
            location = _field(response, b"location")
            if response.status in _REDIRECTS and location:
                return _Redirect(location.decode("utf-8", "replace"))
            _check_header(target, response, limits)
            return _body(response, limits)
    except httpcore.TimeoutException as error:
        raise deadline.over() from error
    except httpcore.NetworkError as error:
        raise _network_error(target, error) from error
    except httpcore.ProtocolError as error:
        raise AnswerError(
            f"{target.host} did not send a complete HTTP answer: expected a picture."
        ) from error


def _check_header(target: Target, response: httpcore.Response, limits: FetchLimits) -> None:
    if response.status != 200:
        raise NotFoundError(
            f"{target.host} answered with status {response.status}: expected 200 and a picture."
        )
    if _field(response, b"content-encoding").lower() not in {b"", b"identity"}:
        raise AnswerError(f"{target.host} sent packed content: expected the picture as it is.")
    length = _field(response, b"content-length")  # h11 has seen to it that this is a number
    if length and int(length) > limits.content_bytes:
        raise _too_large(limits)


def _field(response: httpcore.Response, name: bytes) -> bytes:
    """A header field; repeated ones are joined, as RFC 9110 has it."""
    return b", ".join(value.strip() for key, value in response.headers if key.lower() == name)


def _body(response: httpcore.Response, limits: FetchLimits) -> bytes:
    content = bytearray()
    for part in response.iter_stream():
        content += part
        if len(content) > limits.content_bytes:
            raise _too_large(limits)
    return bytes(content)


def _too_large(limits: FetchLimits) -> FetchError:
    return TooLargeError(
        f"The picture has more bytes than allowed: expected at most {_size(limits.content_bytes)}."
    )


def _size(count: int) -> str:
    return f"{count / (1 << 20):g} MiB" if count >= 1 << 20 else f"{count} bytes"


def _network_error(target: Target, error: httpcore.NetworkError) -> FetchError:
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return CertificateError(
            f"The certificate of {target.host} does not prove its name ({cause.verify_message}): expected a valid one."
        )
    if isinstance(cause, ssl.SSLError):
        return CertificateError(
            f"No encrypted connection to {target.host} could be made: expected TLS 1.2 or newer."
        )
    return UnreachableError(
        f"{target.host} cannot be reached or broke off: check the address, or try again later."
    )


@lru_cache(maxsize=1)
def _authorities() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


@dataclass(slots=True)
class _Budget:
    """What one request may still take.

    Attributes:
        deadline: For every wait.
        header_left: Bytes that may still be read before the header has to be complete; None once it
            is.
    """

    deadline: Deadline
    header_left: int | None


class _Pinned(httpcore.NetworkBackend):
    """Connects to addresses that were checked, whatever name is asked for."""

    def __init__(self, addresses: Sequence[Address], budget: _Budget) -> None:
        self._addresses = addresses[:_MOST_ADDRESSES]
        self._budget = budget
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError("no address was given")
        for number, address in enumerate(self._addresses):
            # An address that swallows packets must not use up the time of the next one.
            share = self._budget.deadline.left() / (len(self._addresses) - number)
            try:
                stream = self._sockets.connect_tcp(
                    str(address), port, share, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _BudgetedStream(stream, self._budget)
        raise failure


class _BudgetedStream(httpcore.NetworkStream):
    """A connection on which every wait ends at the deadline, and the header at its limit."""

    def __init__(self, stream: httpcore.NetworkStream, budget: _Budget) -> None:
        self._stream = stream
        self._budget = budget

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = self._budget.header_left
        if left is None:
            return self._stream.read(max_bytes, self._budget.deadline.left())
        if left == 0:
            raise TooLargeError(
                "The header of the answer has more bytes than allowed: expected a picture."
            )
        content = self._stream.read(min(max_bytes, left), self._budget.deadline.left())
        self._budget.header_left = left - len(content)
        return content

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._budget.deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = self._budget.deadline.left()
        return _BudgetedStream(
            self._stream.start_tls(ssl_context, server_hostname, left), self._budget
        )

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
