"""A Ray cluster: any number of machines, with this program on each."""

from __future__ import annotations

import importlib
import logging
import os
import platform
import re
import socket
import warnings
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from monitor.errors import SetupError, WorkersLostError
from monitor.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

logger = logging.getLogger(__name__)

REACH_S = 5.0
"""How long a head is waited for before it counts as unreachable."""

CONNECTIONS = 3
"""Tries to connect to a head that answers."""

RETRIES = 3
"""How often Ray runs a task again whose worker or machine died."""


def check_address(address: str) -> tuple[str, int]:
    """Return host and port of a Ray cluster's address, or raise `SetupError`."""
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


class RayCluster:
    """A connection to a cluster; one at a time in a process.

    Raises:
        SetupError: Ray is not installed, or the cluster cannot be reached, or not used from here.
    """

    def __init__(self, address: str) -> None:
        host, port = check_address(address)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # Of tasks behind the first one that failed.
        os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
        # Tasks carry their data, some megabytes each.
        warnings.filterwarnings("ignore", "More than 10MB of messages", UserWarning)
        try:
            ray: Any = importlib.import_module("ray")
        except ModuleNotFoundError as error:
            if error.name != "ray":
                raise
            raise SetupError(
                "--on needs Ray, which is not installed; install it with "
                "`pip install 'ad-reaction-monitor[cluster]'`."
            ) from error
        try:
            # Ray itself keeps trying for half a minute.
            socket.create_connection((host, port), REACH_S).close()
            _connect(ray, address)
        except (OSError, RuntimeError, ValueError) as error:
            python = ".".join(platform.python_version_tuple()[:2])
            raise SetupError(
                f"The Ray cluster {address} cannot be used: {_reason(error)}. Expected the client "
                f"port of a running head with Ray {ray.__version__} and Python {python}; check it "
                "with `ray status` there."
            ) from error
        self._ray = ray
        self._address = address
        self._slots = max(1, int(ray.cluster_resources().get("CPU", 1)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ray.shutdown()

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """Yield the results in the order of the items, as many in work as the cluster has CPUs.

        Raises:
            SetupError: The machines have another version of this program, or none.
            WorkersLostError: Workers died again and again, or the cluster is gone.
        """
        remote = self._ray.remote(run).options(max_retries=RETRIES)
        items = iter(items)
        window: deque[Any] = deque()
        try:
            while True:
                for item in islice(items, 2 * self._slots - len(window)):
                    window.append(remote.remote(VERSION, function, item))
                if not window:
                    return
                yield self._ray.get(window.popleft())
        except ModuleNotFoundError as error:
            raise self._lacks_program() from error
        except self._ray.exceptions.RayTaskError as error:
            raise self._cause(error) from error
        except (self._ray.exceptions.RayError, ConnectionError) as error:
            raise WorkersLostError(
                f"The Ray cluster {self._address} failed: {_reason(error)}. Start it again and "
                "repeat the command; what was finished before is kept."
            ) from error

    def _cause(self, error: Any) -> Exception:
        """Return what a task raised; Ray wraps it in an error whose text is a traceback."""
        cause = error.cause
        if "ModuleNotFoundError" in str(error):
            return self._lacks_program()
        return cause if isinstance(cause, Exception) else WorkersLostError(str(error))

    def _lacks_program(self) -> SetupError:
        return SetupError(
            f"The machines of {self._address} lack this program: install ad-reaction-monitor "
            f"{VERSION} on all of them, for the Python that runs Ray."
        )


def run(version: str, function: Callable[[Any], Any], item: Any) -> Any:
    """Run a task on a machine of the cluster, if that has the same program.

    Raises:
        SetupError: It has another version.
    """
    if version != VERSION:
        raise SetupError(
            f"{socket.gethostname()} of the Ray cluster has ad-reaction-monitor {VERSION}: "
            f"expected {version}, as here; install the same version on all machines."
        )
    return function(item)


def _connect(ray: Any, address: str) -> None:
    """Connect; a busy head may need several tries to start what serves this client."""
    options = {"log_to_driver": False, "logging_level": logging.WARNING}
    for attempt in range(CONNECTIONS):
        try:
            ray.init(address, namespace="ad-monitor", **options)
        except ConnectionAbortedError:
            ray.shutdown()
            if attempt == CONNECTIONS - 1:
                raise
            logger.info("The head of the cluster could not serve another client yet; retrying")
        else:
            return


def _reason(error: Exception) -> str:
    """Return what is wrong as a part of a sentence."""
    text = getattr(error, "strerror", None) or str(error)
    if detail := re.search(r'details = "(.+)"', text):
        return detail[1].rstrip(".")
    lines = [line.strip() for line in text.splitlines() if re.search(r"\w", line)]
    # A line that ends in a colon introduces a traceback, whose last line says what is wrong.
    found = lines[-1] if lines and lines[0].endswith(":") else next(iter(lines), "")
    return (found or type(error).__name__).rstrip(".:")
