"""Run a function over many items: here, in several processes, or on a Ray cluster.

`open_workers` yields something that is called as the built-in `map` is. Results come in the order
of the items. A worker that dies is replaced and its items run again, so a function must depend on
its item only and may run twice; it is a module-level function, as it is pickled by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

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
