"""Run a function over many items: here, in several processes, or on a Ray cluster.

`open_workers` yields something that is called as the built-in `map` is. Results come in the order
of the items. A worker that dies is replaced and its items run again, so a function must depend on
its item only and may run twice; it is a module-level function, as it is pickled by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from monitor.errors import SetupError

Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
"""What the built-in `map` does."""


@contextmanager
def open_workers(jobs: int = 1, address: str | None = None) -> Iterator[Map]:
    """Start workers, and end them on leaving.

    Args:
        jobs: Processes on this machine; 1: run everything in this one.
        address: Ray cluster, such as `ray://head:10001`, instead.

    Raises:
        SetupError: The address is wrong, or the cluster cannot be reached or used.
        MissingExtraError: Ray is not installed.
    """
    if address is not None:
        from monitor.workers.cluster import RayCluster  # noqa: PLC0415 (slow to import)

        with RayCluster(address) as cluster:
            yield cluster.map
    elif jobs > 1:
        from monitor.workers.pool import ProcessPool  # noqa: PLC0415 (slow to import)

        with ProcessPool(jobs) as pool:
            yield pool.map
    else:
        yield map


def check_address(address: str) -> tuple[str, int]:
    """Return host and port of a Ray cluster's address, or raise `SetupError`."""
    from urllib.parse import urlsplit  # noqa: PLC0415

    try:
        parts = urlsplit(address)
        host, port = parts.hostname, 10001 if parts.port is None else parts.port
    except ValueError:
        host, port, parts = None, 0, urlsplit("")
    if parts.scheme != "ray" or not host or not port or parts.path.strip("/") or parts.query:
        raise SetupError(
            f"Invalid address of a cluster: expected ray://HOST or ray://HOST:PORT, such as "
            f"ray://head:10001, received {address!r}."
        )
    return host, port
