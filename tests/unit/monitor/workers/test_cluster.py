"""Clusters that are not there; a real one is in `tests/end2end/test_workers.py`."""

from __future__ import annotations

import socket
import sys

import pytest

from monitor.errors import SetupError
from monitor.version import VERSION
from monitor.workers import open_workers
from monitor.workers.cluster import run
from tests.helpers.worker_tasks import squared


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
