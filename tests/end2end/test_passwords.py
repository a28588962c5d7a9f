"""Where a password must not appear: each place is filled by the real program."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SHAPES = (
    "rtsp://admin:S3@cr/et@127.0.0.1:9/live",
    "rtsp://127.0.0.1:9/user=admin&password=S3@cr/et&channel=1",
    "http://127.0.0.1:9/video?pwd=S3@cr/et",
)
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
        timeout=120,
        check=False,
    )
    kept = [file.read_bytes().decode("latin-1") for file in folder.rglob("*") if file.is_file()]
    return "\n".join([done.stdout, done.stderr, *kept])


def assert_hidden(text: str) -> None:
    """The host is named and no part of the password is."""
    assert "127.0.0.1" in text
    assert not [trace for trace in TRACES if trace in text], text


@pytest.mark.parametrize("address", SHAPES)
def test_a_run_whose_camera_does_not_answer(tmp_path: Path, address: str) -> None:
    run = ("run", "--source", address, "--headless", "--loops", "1", "--log", "run.log")
    said = said_by(tmp_path, *run, "--db", "results.db", "--report", "report.html", "--debug")
    assert (tmp_path / "results.db").exists()
    assert (tmp_path / "run.log").exists()
    assert_hidden(said)


@pytest.mark.parametrize("command", ["doctor", "replay", "config"])
@pytest.mark.parametrize("address", SHAPES)
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
        "postgresql://shop:S3cr/et@127.0.0.1:9/ads",
        "postgresql://127.0.0.1:9/ads?user=shop&password=S3cr/et",
        "postgresql://shop:S3cr/et@127.0.0.1:port/ads",
    ],
)
@pytest.mark.parametrize("command", ["doctor", "sessions", "config"])
def test_commands_that_name_the_database(tmp_path: Path, command: str, address: str) -> None:
    arguments = {
        "doctor": ("doctor", "--db", address),
        "sessions": ("sessions", "--db", address),
        "config": ("config", "show", "--", "--db", address),
    }
    assert_hidden(said_by(tmp_path, *arguments[command]))
