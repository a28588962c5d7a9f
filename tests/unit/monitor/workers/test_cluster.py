"""Clusters that are not there, or fail; a real one is in `tests/end2end/test_workers.py`."""

from __future__ import annotations

import socket
import sys
from types import SimpleNamespace

import pytest

from monitor.errors import SetupError, WorkersLostError
from monitor.version import VERSION
from monitor.workers import open_workers
from monitor.workers.cluster import check_address, run
from tests.helpers.worker_tasks import squared


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("ray://head", ("head", 10001)),
        ("ray://head:6000", ("head", 6000)),
        ("ray://[::1]:6000/", ("::1", 6000)),
    ],
)
def test_addresses_of_clusters(address, meant):
    assert check_address(address) == meant


@pytest.mark.parametrize(
    "address",
    ["", "head:10001", "http://head:1", "ray://", "ray://h:0", "ray://h:99999", "ray://["],
)
def test_other_addresses_are_refused_in_one_sentence(address):
    with pytest.raises(SetupError, match=r"^Invalid address of a cluster: expected ray://HOST"):
        check_address(address)


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    expected = r"^--on needs Ray, .* `pip install 'ad-reaction-monitor\[cluster\]'`\.$"
    with pytest.raises(SetupError, match=expected), open_workers(address="ray://127.0.0.1"):
        pass


def test_a_head_that_is_not_there_is_named():
    pytest.importorskip("ray", reason="the extra cluster is not installed")
    with socket.socket() as taken:
        # Bound, but not listening.
        taken.bind(("127.0.0.1", 0))
        address = f"ray://127.0.0.1:{taken.getsockname()[1]}"
        expected = rf"^The Ray cluster {address} cannot be used: Connection refused\. Expected"
        with pytest.raises(SetupError, match=expected), open_workers(address=address):
            pass


def test_a_machine_with_another_version_refuses():
    assert run(VERSION, squared, 3)[0] == 9
    with pytest.raises(SetupError, match=r"expected 0\.0\.1, as here; install the same version"):
        run("0.0.1", squared, 3)


class RayError(Exception):
    pass


class RayTaskError(RayError):
    def __init__(self, cause):
        super().__init__(f"a long traceback\n{cause!r}")
        self.cause = cause


@pytest.fixture
def ray(monkeypatch):
    """A Ray whose tasks run here, and which fails as it is told to.

    `refusals` are raised by the next connections, and `failures` by the results of items.
    """
    fake = SimpleNamespace(refusals=[], failures={}, connected=0, __version__="2.0")
    fake.exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def init(*_arguments, **_options):
        if fake.refusals:
            raise fake.refusals.pop()
        fake.connected += 1

    def get(call):
        function, arguments = call
        if arguments[-1] in fake.failures:
            raise fake.failures[arguments[-1]]
        return function(*arguments)

    def remote(function):
        task = SimpleNamespace(remote=lambda *arguments: (function, arguments))
        return SimpleNamespace(options=lambda **_options: task)

    fake.init, fake.get, fake.remote = init, get, remote
    fake.cluster_resources = lambda: {"CPU": 2.0}
    fake.shutdown = lambda: None
    monkeypatch.setitem(sys.modules, "ray", fake)
    return fake


@pytest.fixture
def head():
    """The address of a port that answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"ray://127.0.0.1:{server.getsockname()[1]}"


def test_results_come_in_order_from_a_head_that_is_busy_at_first(ray, head):
    ray.refusals = [ConnectionAbortedError("Initialization failure from server:\nbusy")] * 2
    with open_workers(address=head) as workers:
        assert [square for square, _ in workers(squared, range(9))] == [n * n for n in range(9)]
    assert ray.connected == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionAbortedError("Failure from server:\nTraceback\nOSError: no space"), "no space"),
        (RuntimeError("Python 3.11 and 3.12 differ.\nInstall another."), "Python 3.11 and 3.12"),
        (ConnectionError('<Rendezvous with:\n\tdetails = "not a head"\n>'), "not a head"),
    ],
)
def test_a_head_that_refuses_is_named_with_its_reason(ray, head, error, reason):
    ray.refusals = [error] * 3
    expected = rf"^The Ray cluster {head} cannot be used: .*{reason}.*\. Expected the client port"
    with pytest.raises(SetupError, match=expected), open_workers(address=head):
        pass


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ModuleNotFoundError("No module named 'monitor'"), SetupError, "lack this program"),
        (RayTaskError(RuntimeError("ModuleNotFoundError: numpy")), SetupError, "lack this program"),
        (RayTaskError(SetupError("Another model.")), SetupError, r"^Another model\.$"),
        (RayError("The worker died.\nSee its log."), WorkersLostError, "failed: The worker died"),
        (ConnectionError("gone"), WorkersLostError, r"failed: gone\. Start it again"),
    ],
)
def test_what_fails_in_the_cluster_is_one_sentence(ray, head, error, kind, message):
    ray.failures = {2: error}
    with open_workers(address=head) as workers:
        results = workers(squared, [1, 2, 3])
        assert next(results)[0] == 1
        with pytest.raises(kind, match=message):
            next(results)
