from __future__ import annotations

import select
import socket

import pytest

from monitor.kiosk.supervision import notify
from monitor.kiosk.supervision.notify import ServiceNotifier


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """The service manager's socket, and the environment that names it."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.setblocking(False)
    if request.param == "path":
        address = str(tmp_path / "notify")
        listener.bind(address)
    else:
        address = "@" + tmp_path.name + "-notify"
        listener.bind("\0" + address[1:])
    yield (
        listener,
        {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1", "HOME": "x"},
    )
    listener.close()


def heard(listener):
    return [
        listener.recv(4096).decode()
        for _ in iter(lambda: select.select([listener], [], [], 0)[0], [])
    ]


def test_what_systemd_is_told(manager, monkeypatch):
    listener, environ = manager
    notifier = ServiceNotifier(environ)
    assert environ == {"HOME": "x"}, "a child could speak for the service"
    notifier.status("All is\nwell")
    for _ in range(5):
        notifier.alive()
        notifier.ready()
    notifier.stopping()
    assert heard(listener) == ["STATUS=All is well", "WATCHDOG=1", "READY=1", "STOPPING=1"]
    monkeypatch.setattr(notify, "WATCHDOG_EVERY_S", 0.0)
    notifier.alive()
    assert heard(listener) == ["WATCHDOG=1"]
    notifier.close()
    notifier.close()
    notifier.alive()
    assert heard(listener) == []


def test_without_systemd_nothing_is_sent(monkeypatch):
    monkeypatch.setattr(socket, "socket", None)
    notifier = ServiceNotifier({})
    notifier.ready()
    notifier.alive()
    notifier.close()


def test_a_manager_that_is_gone_is_no_error(manager):
    listener, environ = manager
    notifier = ServiceNotifier(environ)
    notifier.ready()
    assert heard(listener) == ["READY=1"]
    listener.close()
    notifier.alive()
    notifier.close()
