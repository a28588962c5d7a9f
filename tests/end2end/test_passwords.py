"""Where a password must not appear: each place is filled by the real program."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

SHAPES = (
    "rtsp://admin:S3@cr/et@127.0.0.1:9/live",
    "rtsp://127.0.0.1:9/user=admin&password=S3@cr/et&channel=1",
    "http://127.0.0.1:9/video?pwd=S3@cr/et",
)
EACH = [SHAPES[0], *(pytest.param(shape, marks=pytest.mark.slow) for shape in SHAPES[1:])]
"""Every shape is tried on the function that hides it; the program by default on one."""

TRACES = ("S3", "cr/et")


def said_by(folder: Path, *arguments: object) -> str:
    """Return what a command prints and leaves in its folder."""
    homes = {f"XDG_{name}_HOME": str(folder) for name in ("DATA", "STATE", "CONFIG", "CACHE")}
    done = subprocess.run(
        [sys.executable, "-m", "monitor", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, **homes, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    kept = [file.read_bytes().decode("latin-1") for file in folder.rglob("*") if file.is_file()]
    return "\n".join([done.stdout, done.stderr, *kept])


def assert_hidden(text: str) -> None:
    """The host is named and no part of the password is."""
    assert "127.0.0.1" in text
    assert not [trace for trace in TRACES if trace in text], text


@pytest.mark.parametrize("address", EACH)
def test_a_run_whose_camera_does_not_answer(tmp_path: Path, address: str) -> None:
    run = ("run", "--source", address, "--headless", "--loops", "1", "--log", "run.log")
    said = said_by(tmp_path, *run, "--db", "results.db", "--report", "report.html", "--debug")
    assert (tmp_path / "results.db").exists()
    assert (tmp_path / "run.log").exists()
    assert_hidden(said)


@pytest.mark.parametrize(
    "command", ["doctor", pytest.param("replay", marks=pytest.mark.slow), "config"]
)
@pytest.mark.parametrize("address", EACH)
def test_commands_that_name_the_camera(tmp_path: Path, command: str, address: str) -> None:
    arguments = {
        "doctor": ("doctor", "--source", address),
        "replay": ("replay", address),
        "config": ("config", "show", "--", "--source", address),
    }
    assert_hidden(said_by(tmp_path, *arguments[command]))


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://shop:S3@cr/et@127.0.0.1:9/ads",
        *(
            pytest.param(address, marks=pytest.mark.slow)
            for address in (
                "postgresql://shop:S3cr/et@127.0.0.1:9/ads",
                "postgresql://127.0.0.1:9/ads?user=shop&password=S3cr/et",
                "postgresql://shop:S3cr/et@127.0.0.1:port/ads",
            )
        ),
    ],
)
@pytest.mark.parametrize(
    "command", [pytest.param("doctor", marks=pytest.mark.slow), "sessions", "config"]
)
def test_commands_that_name_the_database(tmp_path: Path, command: str, address: str) -> None:
    arguments = {
        "doctor": ("doctor", "--db", address),
        "sessions": ("sessions", "--db", address),
        "config": ("config", "show", "--", "--db", address),
    }
    assert_hidden(said_by(tmp_path, *arguments[command]))


def descendants(pid: int) -> set[int]:
    """Process ids below a process."""
    found: set[int] = set()
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in map(int, task.read_text().split()):
                found |= {child} | descendants(child)
    return found


def test_no_process_below_has_a_password_in_its_command_line(tmp_path: Path) -> None:
    address = "rtsp://admin:S3@cr/et@127.0.0.1:9/live"
    database = tmp_path / "results.db"
    options = ("--headless", "--loops", "3", "--log", "run.log", "--db", str(database))
    homes = {f"XDG_{name}_HOME": str(tmp_path) for name in ("DATA", "STATE", "CONFIG", "CACHE")}
    kiosk = subprocess.Popen(
        [sys.executable, "-m", "monitor", "run", "--supervised", "--source", address, *options],
        cwd=tmp_path,
        env={**os.environ, **homes, "AD_MONITOR_SOURCE": address},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    lines: dict[int, str] = {}
    environments: dict[int, str] = {}
    sources: list[str] = []
    try:
        deadline_s = time.monotonic() + 300
        while time.monotonic() < deadline_s and not (sources and len(lines) > 1):
            for pid in descendants(kiosk.pid):
                with suppress(OSError):
                    lines[pid] = Path(f"/proc/{pid}/cmdline").read_text()
                    environments[pid] = Path(f"/proc/{pid}/environ").read_text()
            with suppress(sqlite3.Error), sqlite3.connect(database) as connection:
                sources = [row[0] for row in connection.execute("SELECT source FROM sessions")]
            time.sleep(0.05)
    finally:
        kiosk.send_signal(signal.SIGTERM)
        kiosk.wait(300)
    assert any("rtsp://admin:***@127.0.0.1:9/live" in line for line in lines.values())
    assert not [line for line in lines.values() if any(trace in line for trace in TRACES)]
    sensors = [pid for pid, line in lines.items() if "monitor.sensor.process" in line]
    assert sensors
    assert not [trace for trace in TRACES for pid in sensors if trace in environments[pid]]
    # The child was given the whole address: it is the one that the session keeps.
    assert sources == ["stream rtsp://***@127.0.0.1:9/live"]
    kept = "".join(
        file.read_bytes().decode("latin-1") for file in tmp_path.rglob("*") if file.is_file()
    )
    assert_hidden(kept)
