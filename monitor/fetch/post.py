"""Send a document to an address that somebody typed, with the same care as `fetch_picture`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import httpcore

from monitor.fetch.connection import Budget, PinnedBackend, authorities, network_error
from monitor.fetch.errors import Deadline, FetchError
from monitor.fetch.target import PUBLIC, checked_addresses, parse_url, system_addresses

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from monitor.fetch.target import AddressPolicy, Resolver


class PostAnswer(NamedTuple):
    """How a server answered: its status, and the seconds after which it wants to be asked again."""

    status: int
    retry_after_s: float | None


def post_document(
    url: str,
    content: bytes,
    headers: Mapping[str, str],
    *,
    seconds: float = 15.0,
    policy: AddressPolicy = PUBLIC,
    resolve: Resolver = system_addresses,
    tls: ssl.SSLContext | None = None,
) -> PostAnswer:
    """Post a document and return the status of the answer, whose content is not read.

    Redirects are not followed: they could lead anywhere.

    Args:
        url: An http or https address.
        content: The document.
        headers: Such as its type; the host and the length are added.
        seconds: Time for everything, from the look-up to the answer.
        policy: Which addresses and ports are allowed.
        resolve: How names are looked up.
        tls: How certificates are checked; by default with the system's and certifi's authorities.

    Raises:
        FetchError: It could not be sent, or there was no answer; its `code` says why.
    """
    deadline = Deadline(seconds)
    target = parse_url(url)
    addresses = checked_addresses(target, policy, deadline, resolve)
    backend = PinnedBackend(addresses, Budget(deadline, header_left=64 << 10))
    where = httpcore.URL(
        scheme=target.scheme, host=target.host, port=target.port, target=target.path
    )
    named = {"Host": target.host_header, "User-Agent": "ad-monitor", "Connection": "close"}
    lines = [*(named | dict(headers)).items(), ("Content-Length", str(len(content)))]
    try:
        with (
            httpcore.HTTPConnection(
                where.origin, ssl_context=tls or authorities(), network_backend=backend
            ) as connection,
            connection.stream("POST", where, headers=lines, content=content) as response,
        ):
            return PostAnswer(response.status, _retry_after_s(response))
    except httpcore.TimeoutException as error:
        raise deadline.over() from error
    except httpcore.NetworkError as error:
        raise network_error(target, error) from error
    except httpcore.ProtocolError as error:
        raise FetchError("answer", f"{target.host} did not send a complete HTTP answer.") from error


def _retry_after_s(response: httpcore.Response) -> float | None:
    for name, value in response.headers:
        if name.lower() == b"retry-after" and value.strip().isdigit():
            return float(min(int(value[:6]), 86400))
    return None
