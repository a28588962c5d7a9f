"""Starts the real program, as a user would, in a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from tests.fuzz.web import write_session
from tests.helpers.hostile_requests import TOKEN
from tests.helpers.waiting import wait_until

from .live_database import rows_of
from .serving import Served
from .strangers import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PROGRAM = [sys.executable, "-m", "monitor"]
LIMIT_S = 600


class Program:
    """Runs `ad-monitor` with a database and a home of its own.

    Attributes:
        folder: Where it works.
        database: The database that every command is given.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "monitor.db"
        self.environment = {**os.environ, "HOME": str(folder), "AD_MONITOR_DB": str(self.database)}
        self.started: list[subprocess.Popen[str]] = []

    def run(
        self, *arguments: str, status: int = 0, limit_s: float = LIMIT_S
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and check its exit status."""
        done = subprocess.run(
            [*PROGRAM, *arguments],
            capture_output=True,
            text=True,
            timeout=limit_s,
            env=self.environment,
            cwd=self.folder,
            check=False,
        )
        assert done.returncode == status, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def json(self, *arguments: str) -> Any:
        """Run a command with --json and parse what it prints."""
        return json.loads(self.run(*arguments, "--json").stdout)

    def rows(self, query: str) -> list[tuple]:
        """Read the database, which another process may be writing; nothing while it is not there
        yet.
        """
        return rows_of(self.database, query)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command that goes on until it is stopped; `options` are those of `Popen`."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(
            [*PROGRAM, *arguments],
            text=True,
            env=self.environment,
            cwd=self.folder,
            **(pipes | options),
        )
        self.started.append(process)
        return process

    def complaint(self, *arguments: str, status: int) -> str:
        """Run a command that must fail; returns its one sentence."""
        done = self.run(*arguments, status=status)
        lines = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
        assert len(lines) == 1, done.stderr
        assert done.stdout == ""
        return lines[0].removeprefix("Error: ")


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path)
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def wait_for() -> Callable[..., Any]:
    """The function `wait_until`, for what processes do."""
    return partial(wait_until, every_s=0.1)


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A web server for strangers, with a token, and a database with one session."""
    program = Program(tmp_path_factory.mktemp("strangers"))
    write_session(program.database)
    program.environment["AD_MONITOR_TOKEN"] = TOKEN
    served = Served(program.start("serve", "--port", "0"), wait_until)
    made = Target(served, program.folder)
    wait_until(lambda: b'"classifier":"ready"' in made.health(), what="the classifier")
    yield made
    status = served.end()
    served.process.communicate()
    assert status == 0
    assert "Traceback" not in served.text, served.text


@pytest.fixture
def make_playlist(tmp_path: Path) -> Callable[[list[float]], Path]:
    """A playlist of pictures that last the given seconds: ad1, ad2, …"""

    def make(durations_s: list[float]) -> Path:
        lines = ["ads:"]
        for number, duration_s in enumerate(durations_s, start=1):
            shade = (40 * number % 256, 90, 255 - 30 * number % 256)
            Image.new("RGB", (320, 180), shade).save(tmp_path / f"ad{number}.png")
            lines += [f"  - file: ad{number}.png", f"    duration_s: {duration_s}"]
        playlist = tmp_path / "playlist.yaml"
        playlist.write_text("\n".join(lines) + "\n")
        return playlist

    return make
