"""One process, several, and a Ray cluster give the same bytes, also if a worker is killed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import uuid
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.analytics import resampling
from monitor.analytics.lift import lift
from monitor.cli.main import cli
from monitor.reports.document import build_report
from monitor.reports.export import to_json
from monitor.sensor.child_process import child_environment
from monitor.workers import open_workers
from tests.helpers.recorded_sessions import logged_play
from tests.helpers.simulated_session import World, simulate
from tests.helpers.worker_tasks import done_after_a_death

from .live_database import replayed_rows

CLUSTER_CPUS = 4
MARK = "AD_MONITOR_TEST_MARK"


def free_ports(number: int) -> list[str]:
    """Ports that were free a moment ago."""
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [str(one.getsockname()[1]) for one in taken]


@pytest.fixture(scope="module")
def cluster(wait_for):
    """The address of a real cluster of one machine, and the mark of its processes."""
    pytest.importorskip("ray", reason="the extra cluster is not installed")
    mark = uuid.uuid4().hex
    port, client_port = free_ports(2)
    # The paths of Ray's sockets have an upper limit that a test's own folder may break.
    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")
    command = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
        *(f"--port={port}", f"--ray-client-server-port={client_port}", f"--temp-dir={folder}"),
        *("--min-worker-port=0", "--max-worker-port=0", "--node-ip-address=127.0.0.1"),
        *(f"--num-cpus={CLUSTER_CPUS}", "--object-store-memory=100000000"),
        *("--include-dashboard=false", "--disable-usage-stats"),
    ]
    environment = child_environment() | {MARK: mark}
    head = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        wait_for(lambda: _answers(int(client_port)) or head.poll() is not None, what="Ray's start")
        assert head.poll() is None, head.stdout.read()
        yield f"ray://127.0.0.1:{client_port}", mark
    finally:
        head.terminate()
        try:
            head.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            head.kill()
            head.communicate()
        for process in _processes(mark):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _processes(mark: str, command: str = "") -> list[int]:
    """The processes with a mark in their environment whose command line holds a text."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (
                f"{MARK}={mark}".encode() in (folder / "environ").read_bytes()
                and command.encode() in (folder / "cmdline").read_bytes()
            ):
                found.append(int(folder.name))
    return found


def kill_a_measuring_worker(mark: str) -> int:
    """Kill the parent of a sensor, which is a worker; 0 while there is none."""
    for sensor in _processes(mark, "monitor.sensor.process"):
        with suppress(OSError):
            parent = int(Path(f"/proc/{sensor}/stat").read_text().rpartition(")")[2].split()[1])
            os.kill(parent, signal.SIGKILL)
            return parent
    return 0


@pytest.fixture
def recordings(program, demo_video):
    """A folder with three recordings of three different days."""
    folder = program.folder / "recordings"
    folder.mkdir()
    for day in (10, 2, 1):
        clip = folder / f"day{day}.mp4"
        shutil.copy(demo_video, clip)
        os.utime(clip, (1.6e9 + 86_400 * day,) * 2)
    return folder


def replayed(program, recordings, name, *options, mark=None, wait_for=None):
    """Replay the folder, killing a worker if there is a mark; returns the rows and the report."""
    arguments = (
        *("replay", str(recordings), "--duration", "4", "--db", f"{name}.db"),
        *("--report", f"{name}.json", *options),
    )
    if mark is None:
        program.run(*arguments)
    else:
        running = program.start(*arguments)
        wait_for(lambda: kill_a_measuring_worker(mark), what="a worker that measures")
        output = running.communicate(timeout=240)
        assert running.returncode == 0, output
    return replayed_rows(program.folder / f"{name}.db"), (
        program.folder / f"{name}.json"
    ).read_bytes()


@pytest.mark.slow
def test_recordings_of_a_folder_are_the_same_whoever_measures(
    program, recordings, cluster, wait_for
):
    address, mark = cluster
    here = uuid.uuid4().hex
    one = replayed(program, recordings, "one")
    assert [row[:2] for row in sessions(program, "one")] == [
        ("day1.mp4", "finished"),
        ("day2.mp4", "finished"),
        ("day10.mp4", "finished"),
    ]
    reports = [
        program.run("report", "--all", "--replays", "--json", "--db", "one.db", *options).stdout
        for options in ((), ("--jobs", "2"), ("--on", address))
    ]
    assert reports == reports[:1] * 3
    assert replayed(program, recordings, "jobs", "--jobs", "4") == one
    assert replayed(program, recordings, "ray", "--on", address) == one
    program.environment[MARK] = here
    killed = ("--jobs", "2")
    assert (
        replayed(program, recordings, "jobs-killed", *killed, mark=here, wait_for=wait_for) == one
    )
    killed = ("--on", address)
    assert replayed(program, recordings, "ray-killed", *killed, mark=mark, wait_for=wait_for) == one


def sessions(program, name):
    connection = sqlite3.connect(program.folder / f"{name}.db")
    try:
        return connection.execute("SELECT source, end_reason FROM sessions ORDER BY id").fetchall()
    finally:
        connection.close()


@pytest.mark.slow
def test_figures_are_the_same_whoever_draws(cluster, tmp_path, monkeypatch):
    # Few units in small parts stand for many in large ones.
    monkeypatch.setattr(resampling, "SPLIT_UNITS", 10)
    monkeypatch.setattr(resampling, "PART_CELLS", 25)
    data = simulate(World(ads=3, viewers=200), 1)
    plays = [
        logged_play(
            hour,
            place,
            "tea",
            held_out=place % 5 == 0,
            context={"holdout": 0.1},
            reward=(7 * hour + 11 * place) % 13 / 13,
        )
        for hour in range(30)
        for place in range(20)
    ]
    parts = []

    def here(function, items):
        for item in items:
            parts.append(item)
            yield function(item)

    def killed(workers, name):
        flag = str(tmp_path / name)
        return lambda function, items: workers(partial(done_after_a_death, function, flag), items)

    def figures(workers):
        return to_json(build_report(data, workers=workers)), lift(plays, workers=workers)

    one = figures(here)
    assert len(parts) > 20
    assert one[1].withheld is None
    for name, options in (("jobs", {"jobs": 4}), ("ray", {"address": cluster[0]})):
        with open_workers(**options) as workers:
            assert figures(workers) == one
            assert figures(killed(workers, name)) == one
        assert (tmp_path / name).exists()


@pytest.mark.slow
def test_a_recording_that_cannot_be_read_does_not_end_the_others(program, recordings):
    (recordings / "day1.mp4").write_bytes(b"no video")
    (recordings / "day10.mp4").unlink()
    done = program.run("replay", str(recordings), "--duration", "1", status=1)
    assert "day1.mp4: " in done.stderr
    assert "Session 1 is in" in done.stderr
    assert "Error: 1 of 2 recordings could not be measured to the end: day1.mp4." in done.stderr
    assert program.rows("SELECT source FROM sessions") == [("day2.mp4",)]


@pytest.mark.slow
def test_wrong_workers_are_refused_before_anything_is_measured(program, recordings):
    complaints = {
        ("--jobs", "2", "--on", "ray://head"): "received both",
        ("--on", "head:10001"): "expected ray://HOST or ray://HOST:PORT",
        ("--started-at", "2026-03-29 17:05"): "expected a recording, received the folder",
    }
    for options, meant in complaints.items():
        arguments = ["replay", str(recordings), "--db", str(program.database), *options]
        done = CliRunner().invoke(cli, arguments)
        assert done.exit_code > 0
        assert meant in f"{done.output} {done.exception}"
    assert not program.database.exists()
    gone = ("replay", "gone.mp4")
    assert program.complaint(*gone, "--jobs", "2", status=2) == program.complaint(*gone, status=2)
