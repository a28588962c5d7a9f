"""Connections to addresses that were checked before, within a time and a size."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import certifi
import httpcore

from monitor.fetch.errors import Deadline, FetchError
from monitor.languages import lazy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.fetch.target import Address, Target


def network_error(target: Target, error: httpcore.NetworkError) -> FetchError:
    """Return what to tell somebody about a connection that failed."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return FetchError(
            "certificate",
            lazy(
                "The certificate of %(host)s does not prove its name "
                "(%(why)s): expected a valid one.",
                host=target.host,
                why=cause.verify_message,
            ),
        )
    if isinstance(cause, ssl.SSLError):
        return FetchError(
            "certificate",
            lazy(
                "No encrypted connection to %(host)s could be made: expected TLS 1.2 or newer.",
                host=target.host,
            ),
        )
    return FetchError(
        "unreachable",
        lazy(
            "%(host)s cannot be reached or broke off: check the address, or try again later.",
            host=target.host,
        ),
    )


@lru_cache(maxsize=1)
def authorities() -> ssl.SSLContext:
    """Return how certificates are checked: with the system's and certifi's authorities."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


@dataclass(slots=True)
class Budget:
    """What one request may still take; `header_left` is bytes, None once the header is complete."""

    deadline: Deadline
    header_left: int | None


class PinnedBackend(httpcore.NetworkBackend):
    """Connects to the checked addresses, whatever name is asked for."""

    def __init__(self, addresses: Sequence[Address], budget: Budget) -> None:
        self._addresses = addresses[:4]
        self._budget = budget
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(self, host: str, port: int, *_: Any, **options: Any) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError("no address was given")
        for number, address in enumerate(self._addresses):
            # An address that swallows packets must not use up the time of the next.
            share = self._budget.deadline.left() / (len(self._addresses) - number)
            options["timeout"] = share
            try:
                stream = self._sockets.connect_tcp(str(address), port, **options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _BudgetedStream(stream, self._budget)
        raise failure


class _BudgetedStream(httpcore.NetworkStream):
    """A connection on which every wait ends at the deadline, and the header at its limit."""

    def __init__(self, stream: httpcore.NetworkStream, budget: Budget) -> None:
        self._stream = stream
        self._budget = budget

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = self._budget.header_left
        if left is None:
            return self._stream.read(max_bytes, self._budget.deadline.left())
        if left == 0:
            raise FetchError(
                "too_large",
                lazy("The header of the answer has more bytes than allowed: expected a picture."),
            )
        content = self._stream.read(min(max_bytes, left), self._budget.deadline.left())
        self._budget.header_left = left - len(content)
        return content

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._budget.deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        options["timeout"] = self._budget.deadline.left()
        return _BudgetedStream(self._stream.start_tls(*args, **options), self._budget)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
