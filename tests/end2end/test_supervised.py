"""The kiosk that is kept running: killed, frozen, and without its camera."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tools.pictures.kiosk import still, virtual_screen

SOAK = Path(__file__).parents[1] / "soak"


def children(pid: int) -> list[int]:
    """Process ids of the children of a process; none once it has ended."""
    found = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            found += [int(number) for number in task.read_text().split()]
    return found


def is_alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


class Kiosk:
    """A supervised kiosk with a log of its own, and all processes that it ever had."""

    def __init__(self, program, *arguments):
        self.program = program
        self.log = program.folder / "log" / "run.log"
        self.process = program.start("run", "--supervised", "--log", str(self.log), *arguments)
        self.seen = {self.process.pid}

    @property
    def window(self):
        """Process id of the window, `None` between two."""
        found = children(self.process.pid)
        self.seen.update(found, *(children(pid) for pid in found))
        return found[0] if found else None

    def sessions(self):
        return self.program.rows("SELECT id, source, end_reason FROM sessions ORDER BY id")

    def readings(self, session):
        return self.program.rows(f"SELECT count(*) FROM readings WHERE session_id = {session}")[0][
            0
        ]

    def end(self):
        assert self.window is not None
        self.process.send_signal(signal.SIGTERM)
        _, complaints = self.process.communicate(timeout=300)
        assert self.process.returncode == 0, complaints
        assert not [pid for pid in self.seen if is_alive(pid)]
        return complaints


@pytest.fixture
def kiosk(program):
    made = []

    def start(*arguments):
        made.append(Kiosk(program, *arguments))
        return made[-1]

    yield start
    for one in made:
        one.process.kill()
        for pid in [one.window, *one.seen]:
            with suppress(ProcessLookupError, TypeError):
                os.kill(pid, signal.SIGKILL)


def assert_whole(program):
    for table in ("sessions", "plays", "gaps"):
        assert program.rows(f"SELECT count(*) FROM {table} WHERE ended_at IS NULL") == [(0,)], table
    assert program.rows("PRAGMA foreign_key_check") == []
    assert program.rows("PRAGMA integrity_check") == [("ok",)]


@pytest.mark.slow
def test_a_window_that_is_killed_or_frozen_comes_back_and_at_last_without_a_camera(
    kiosk, program, make_playlist, wait_for
):
    playlist = str(make_playlist([1.0, 1.5]))
    run = kiosk(
        "--source",
        "demo",
        "--playlist",
        playlist,
        "--duration",
        "900",
        "--stuck-after",
        "5",
        "--restart-limit",
        "2",
    )
    for session, number in ((1, signal.SIGKILL), (2, signal.SIGSTOP)):
        wait_for(
            lambda session=session: run.sessions()[session - 1 :] and run.readings(session) > 3,
            what="readings",
        )
        kept = run.readings(session)
        os.kill(run.window, number)
        wait_for(
            lambda session=session: len(run.sessions()) > session,
            what="the next session",
            limit_s=60,
        )
        assert run.readings(session) >= kept
        # The start after it has closed it.
        assert run.sessions()[session - 1] == (session, "demo", "interrupted")
    # The third one only shows the ads, and says why.
    wait_for(
        lambda: program.rows("SELECT 1 FROM plays WHERE session_id = 3 AND number > 2"),
        what="plays",
    )
    assert run.sessions()[2] == (3, "none", None)
    [(cause, detail)] = program.rows("SELECT cause, detail FROM gaps WHERE session_id = 3")
    assert (cause, detail[:31]) == ("no_camera", "The kiosk died 2 times within 1")
    complaints = run.end()
    assert "gave no sign of life for 5 s (showing): it is killed" in complaints
    assert run.sessions()[2][2] == "stopped by SIGTERM"
    assert run.readings(3) == 0
    assert_whole(program)
    assert "only the ads are shown" in run.log.with_name("supervisor.log").read_text()
    assert "Closed sessions that had been interrupted" in run.log.read_text()


@pytest.mark.slow
def test_a_run_that_ends_by_itself_is_not_started_again(program, make_playlist):
    playlist = str(make_playlist([1.0]))
    done = program.run(
        *(
            "run",
            "--supervised",
            "--headless",
            "--source",
            "demo",
            "--playlist",
            playlist,
            "--loops",
            "1",
        ),
        *("--log", "run.log", "--json"),
    )
    assert json.loads(done.stdout)["session"]["id"] == 1
    assert program.rows("SELECT end_reason FROM sessions") == [("all loops are done",)]
    assert (program.folder / "run.log").exists()
    assert (program.folder / "supervisor.log").exists()


def test_what_is_wrong_with_the_command_line_is_told_once(program):
    assert "missing.yaml" in program.complaint(
        "run", "--supervised", "--playlist", "missing.yaml", status=2
    )
    assert program.rows("SELECT 1 FROM sessions") == []


def test_the_ads_wait_neither_for_a_camera_nor_for_a_supervisor(
    kiosk, program, make_playlist, wait_for
):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}/live"
        run = kiosk("--headless", "--source", address, "--playlist", str(make_playlist([0.5])))
        wait_for(lambda: program.rows("SELECT 1 FROM plays WHERE number > 2"), what="plays")
    window = run.window
    run.process.kill()
    run.process.wait()
    [(number,)] = program.rows("SELECT max(number) FROM plays")
    wait_for(
        lambda: program.rows(f"SELECT 1 FROM plays WHERE number > {number + 3}"), what="more plays"
    )
    os.kill(window, signal.SIGTERM)
    wait_for(lambda: not is_alive(window), what="the end of the kiosk")
    [(cause, detail)] = program.rows("SELECT cause, detail FROM gaps")
    assert cause == "sensor_starting"
    assert "cannot be opened" in detail
    assert_whole(program)
    assert "The supervisor is gone" in run.log.read_text()


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed")
@pytest.mark.slow
def test_a_display_that_opens_later_gets_its_window(kiosk, program, make_playlist, wait_for):
    display = f":{1000 + os.getpid() % 50_000}"
    program.environment.update({"DISPLAY": display, "QT_QPA_PLATFORM": "xcb"})
    run = kiosk("--source", "demo", "--playlist", str(make_playlist([1.0])))
    wait_for(lambda: run.sessions() and run.readings(1) > 3, what="readings without a display")
    server = subprocess.Popen(["Xvfb", display], stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: len(run.sessions()) > 1 and run.readings(2) > 3, what="the next session")
        assert run.sessions()[0][2] == "the display is back"
        complaints = run.end()
    finally:
        server.terminate()
        server.wait()
    assert complaints.count("The display cannot be opened") == 1
    assert_whole(program)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_random_kills(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(SOAK.parents[1])}
    done = subprocess.run(
        [sys.executable, str(SOAK / "kills.py"), "--kills", "10", "--folder", str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if done.returncode == 2:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["kills"] == 10


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed")
@pytest.mark.slow
def test_a_kiosk_that_cannot_start_says_so_until_its_playlist_is_there(
    program, make_playlist, wait_for
):
    with virtual_screen() as display:
        program.environment.update({"DISPLAY": display, "QT_QPA_PLATFORM": "xcb"})
        black = still(display)
        process = program.start(
            *("run", "--supervised", "--no-camera", "--fullscreen"),
            *("--playlist", "playlist.yaml", "--log", "run.log"),
            stdin=subprocess.DEVNULL,
        )
        log = program.folder / "run.log"
        wait_for(
            lambda: log.exists() and "its window says so: There is no playlist" in log.read_text(),
            what="the fault",
        )
        wait_for(lambda: still(display) != black, what="the window")
        make_playlist([1.0])
        wait_for(lambda: program.rows("SELECT 1 FROM plays"), what="the first ad")
        process.send_signal(signal.SIGTERM)
        _, complaints = process.communicate(timeout=300)
    assert process.returncode == 0, complaints
    assert complaints.count("Error: There is no playlist at") >= 1
    assert_whole(program)
