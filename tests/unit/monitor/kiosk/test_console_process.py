"""The console's process: started, restarted, ended; never waited for."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
import requests

from monitor.kiosk import console_process as module
from monitor.kiosk.console_process import ConsoleProcess, OwnConsole
from monitor.settings.console_order import ConsoleOrder
from monitor.ui.operator.facts import Pages
from tests.helpers.waiting import Stopwatch, wait_until

FAKE = """
import json, sys
order = json.loads(sys.stdin.readline())
if order["site"] == "fails":
    print(json.dumps({"event": "failed", "message": "Port 80 is taken."}), flush=True)
    sys.exit(1)
print("no event", flush=True)
print(json.dumps({"event": "ready", "address": "http://x/", "link": None}), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def order(tmp_path):
    return ConsoleOrder(
        database=tmp_path / "kiosk.db", settings_file=tmp_path / "kiosk.yaml", port=0
    )


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """A console that only says it is ready; `-m monitor.cli.serving.console` are arguments to it."""
    script = tmp_path / "console.sh"
    (tmp_path / "fake.py").write_text(FAKE)
    script.write_text(f"#!/bin/sh\nexec {module.sys.executable} {tmp_path / 'fake.py'}\n")
    script.chmod(0o700)

    class Sys:
        executable = str(script)

    monkeypatch.setattr(module, "sys", Sys)


def test_a_console_that_dies_is_started_again_and_ends_when_asked(fake, order):
    ready: list[tuple[str, str | None]] = []
    came = threading.Semaphore(0)

    def on_ready(address, link):
        ready.append((address, link))
        came.release()

    console = ConsoleProcess(order, on_ready, first_pause_s=0.05)
    console.start()
    assert came.acquire(timeout=60)
    os.kill(console.pid, signal.SIGKILL)
    assert came.acquire(timeout=60)
    pid = console.pid
    console.stop()
    console.stop()
    assert ready == [("http://x/", None)] * 2
    assert console.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_why_it_fails_is_logged_once_per_try_and_stopping_does_not_wait(fake, order, caplog):
    console = ConsoleProcess(
        order.model_copy(update={"site": "fails"}), lambda *_: None, first_pause_s=60
    )
    console.start()
    deadline = time.monotonic() + 300
    while "Port 80 is taken" not in caplog.text and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "the ads go on. Port 80 is taken." in caplog.text
    watch = Stopwatch()
    console.stop()
    assert watch.seconds < 25


def test_whoever_asks_learns_how_it_is_with_the_pages(fake, order):
    console = OwnConsole(order, lambda *_: None)
    assert console.pages is None
    console.open()
    try:
        assert console.pages in {Pages(), Pages("http://x/")}
        wait_until(lambda: console.pages == Pages("http://x/"))
        assert OwnConsole(None, lambda *_: None).pages is None
    finally:
        console.close()
    assert console.pages is None
    console = OwnConsole(order.model_copy(update={"site": "fails"}), lambda *_: None)
    console.open()
    try:
        wait_until(lambda: console.pages == Pages(problem="Port 80 is taken."))
    finally:
        console.close()


@pytest.mark.slow
def test_the_real_console_answers_and_ends_when_its_kiosk_is_gone(order):
    came = threading.Event()
    found = []

    def on_ready(address, link):
        found.append((address, link))
        came.set()

    console = ConsoleProcess(order, on_ready)
    console.start()
    try:
        assert came.wait(60)
        address, link = found[0]
        assert link.startswith(f"{address}invitation#token=")
        assert requests.get(f"{address}login", timeout=20).status_code == 200
        page = requests.get(f"{address}screens", headers={"Accept": "text/html"}, timeout=20)
        assert page.url == f"{address}login?next=/screens"
    finally:
        console.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{address}login", timeout=5)
