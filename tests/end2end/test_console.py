"""`run --console`: the pages of one kiosk beside it, on a separate database."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time

import pytest
import requests

from db.engine import open_database
from db.hub.screens.wall import read_wall
from monitor.settings.paths import console_database
from monitor.uplink.key_file import key_path

pytestmark = pytest.mark.slow


def started(log, *arguments):
    command = [sys.executable, "-m", "monitor", *arguments]
    with log.open("w") as errors:
        return subprocess.Popen(command, stderr=errors, stdout=subprocess.DEVNULL)


def until(check, seconds=90):
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.2)
    return found


def address_in(log):
    return until(lambda: re.search(r"pages of this kiosk are at (http://\S+)", log.read_text()))[1]


def test_the_kiosk_joins_its_console_sends_its_sums_and_both_end(tmp_path):
    database, log = tmp_path / "kiosk.db", tmp_path / "log"
    arguments = ("--source", "demo", "--headless", "--console", "--console-port", "0")
    kiosk = started(log, "run", *arguments, "--db", str(database), "--site", "Shop 12")
    try:
        address = address_in(log)
        assert f"{address}invitation#token=" in log.read_text()
        assert requests.get(f"{address}login", timeout=20).status_code == 200
        key = until(
            lambda: key_path(database).exists() and json.loads(key_path(database).read_text())
        )
        assert (key["name"], key["console"]) == ("Shop 12", True)
        engine = open_database(str(console_database(database)), read_only=True)

        def is_known():
            with engine.connect() as connection:
                return [one for one in read_wall(connection) if one.received_at is not None]

        [screen] = until(is_known)
        assert screen.screen.place.name == "Shop 12"
        engine.dispose()
    finally:
        kiosk.send_signal(signal.SIGTERM)
        status = kiosk.wait(300)
    assert status == 0, log.read_text()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{address}login", timeout=5)


def test_serve_console_is_the_same_beside_a_kiosk_that_ran(tmp_path):
    database, log = tmp_path / "kiosk.db", tmp_path / "log"
    open_database(str(database)).dispose()
    page = started(log, "serve", "--console", "--db", str(database), "--port", "0")
    try:
        address = address_in(log)
        until(lambda: key_path(database).exists())
        assert requests.get(f"{address}login", timeout=20).status_code == 200
    finally:
        page.send_signal(signal.SIGTERM)
        assert page.wait(300) == 0, log.read_text()


def test_a_kiosk_of_a_hub_refuses_a_console_that_is_asked_for(tmp_path):
    database = tmp_path / "kiosk.db"
    open_database(str(database)).dispose()
    hubs = {
        "hub": "https://hub.example.com",
        "kiosk": "0" * 32,
        "key": "k" * 43,
        "screen": "1" * 32,
    }
    key_path(database).write_text(json.dumps({**hubs, "name": "Shop 12"}))
    key_path(database).chmod(0o600)
    command = [
        sys.executable,
        "-m",
        "monitor",
        "run",
        "--console",
        "--headless",
        "--source",
        "demo",
    ]
    done = subprocess.run(
        [*command, "--db", str(database), "--loops", "1"],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 2
    assert "has joined the hub https://hub.example.com: use the pages there" in done.stderr
