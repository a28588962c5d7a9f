"""The operator's job: the real kiosk, from its start to a closed session."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest


def children(pid: int) -> list[int]:
    """Process ids of the children of a process."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(number) for task in tasks for number in task.read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


MODES = [
    pytest.param([], id="window"),
    pytest.param(["--headless"], id="headless", marks=pytest.mark.slow),
]


def assert_closed(program: Any, reason: str) -> None:
    [(ended_at, end_reason)] = program.rows("SELECT ended_at, end_reason FROM sessions")
    assert ended_at is not None
    assert reason in end_reason
    assert program.rows("SELECT count(*) FROM plays WHERE ended_at IS NULL") == [(0,)]
    assert program.rows("PRAGMA foreign_key_check") == []
    assert program.rows("PRAGMA integrity_check") == [("ok",)]


def run_until_seen(
    program: Any, make_playlist: Any, ads_s: tuple[float, ...], *options: str, readings: int
) -> Any:
    """Show the ads once; a busy machine sees little of a short loop, and gets a longer one."""
    for longer in (1, 5, 25):
        for file in program.folder.glob("monitor.db*"):
            file.unlink()
        playlist = make_playlist([longer * ad_s for ad_s in ads_s])
        done = program.run("run", "--source", "demo", "--playlist", str(playlist), *options)
        if program.rows(f"SELECT count(*) >= {readings} FROM readings") == [(1,)]:
            return done
    pytest.fail(f"fewer than {readings} readings in {longer * sum(ads_s)} s")


@pytest.mark.parametrize("mode", MODES)
def test_one_loop_with_the_demo_viewer(program, make_playlist, mode):
    options = *mode, "--loops", "1", "--report", "reaction.html", "--overwrite-report"
    done = run_until_seen(program, make_playlist, (2.5, 3.0), *options, readings=20)
    assert re.search(r"^Report: .*reaction\.html$", done.stderr, re.MULTILINE)
    page = (program.folder / "reaction.html").read_text()
    assert page.count("<svg") >= 2
    assert program.rows("SELECT outcome FROM plays ORDER BY number") == [("finished",)] * 2
    assert_closed(program, "all loops are done")
    # One viewer, whose readings are credited to the play that was on. Where two frames are seconds
    # apart, the same face may come back as another viewer, but never beside itself.
    twice = """SELECT count(*) FROM viewers a JOIN viewers b ON a.id < b.id
               WHERE a.first_seen_at < b.last_seen_at AND b.first_seen_at < a.last_seen_at"""
    assert program.rows(twice) == [(0,)]
    [(viewers, counted, credited)] = program.rows(
        "SELECT count(DISTINCT viewer_id), count(*), count(play_id) FROM readings"
    )
    assert viewers <= 1 + pauses(program)
    assert credited >= 0.9 * counted
    wrong = """SELECT count(*) FROM readings r JOIN plays p ON p.id = r.play_id
               WHERE r.at < p.started_at OR r.at >= p.ended_at"""
    assert program.rows(wrong) == [(0,)]


def pauses(program: Any) -> int:
    """Return how often two readings are 0.8 s apart or more: a track is not kept for longer."""
    [(found,)] = program.rows(
        """SELECT count(*) FROM (
             SELECT julianday(at) - julianday(lag(at) OVER (ORDER BY at)) AS days FROM readings
           ) WHERE days * 86400 >= 0.8"""
    )
    return found


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_signal_closes_the_session_and_leaves_no_process(program, wait_for, number):
    process = program.start("run", "--source", "demo", "--duration", "100")
    wait_for(lambda: program.rows("SELECT 1 FROM readings LIMIT 1"), what="a reading")
    [sensor] = children(process.pid)
    process.send_signal(number)
    _, complaints = process.communicate(timeout=300)
    assert process.returncode == 0, complaints
    assert not is_alive(sensor)
    assert_closed(program, number.name)


def test_the_show_goes_on_when_the_sensor_is_killed(program, make_playlist, wait_for):
    playlist = make_playlist([2.0, 2.0])
    began_s = time.monotonic()
    process = program.start("run", "--headless", "--source", "demo", "--playlist", str(playlist))
    wait_for(lambda: program.rows("SELECT 1 FROM readings LIMIT 1"), what="a reading")
    first_start_s = time.monotonic() - began_s
    [sensor] = children(process.pid)
    os.kill(sensor, signal.SIGKILL)
    [(started, ended, cause)] = wait_for(
        lambda: program.rows(
            "SELECT started_at, ended_at, cause FROM gaps WHERE ended_at IS NOT NULL"
        ),
        what="the end of the gap",
    )
    assert cause == "sensor_died"
    since = program.rows(f"SELECT julianday('{ended}') - julianday('{started}')")[0][0] * 86400
    assert since < max(60, 4 * first_start_s), "on a busy machine the first start is as slow"
    wait_for(
        lambda: program.rows(f"SELECT 1 FROM readings WHERE at > '{ended}' LIMIT 1"),
        what="new readings",
    )
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=300)
    assert process.returncode == 0
    assert_closed(program, "SIGTERM")
    # The viewers after the restart are new ones, and no ad was cut short by it.
    during = "SELECT count(*) FROM viewers WHERE first_seen_at > (SELECT started_at FROM gaps)"
    assert program.rows(during)[0][0] >= 1
    outcomes = program.rows("SELECT outcome FROM plays ORDER BY number")
    assert outcomes[:-1] == [("finished",)] * (len(outcomes) - 1)


@pytest.mark.slow
def test_the_sensor_does_not_outlive_a_killed_kiosk(program, wait_for):
    process = program.start("run", "--headless", "--source", "demo")
    wait_for(lambda: program.rows("SELECT 1 FROM readings LIMIT 1"), what="a reading")
    [sensor] = children(process.pid)
    process.kill()
    process.communicate()
    wait_for(lambda: not is_alive(sensor), limit_s=10, what="the end of the sensor")
    done = program.run("run", "--headless", "--source", "demo", "--duration", "1")
    assert "interrupted: 1" in done.stderr
    assert program.rows("SELECT end_reason FROM sessions WHERE id = 1") == [("interrupted",)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("pause_s", [pytest.param(0.8, marks=pytest.mark.slow), 1.6])
def test_a_signal_while_the_sensor_starts_is_obeyed(program, mode, pause_s):
    process = program.start("run", *mode, "--source", "demo", "--duration", "60")
    time.sleep(pause_s)  # somewhere within the start, wherever this machine is by then
    process.send_signal(signal.SIGTERM)
    _, complaints = process.communicate(timeout=300)
    # Before its handlers are in place a process simply ends by the signal.
    assert process.returncode in {0, -signal.SIGTERM}, complaints
    assert program.rows("SELECT count(*) FROM sessions WHERE ended_at IS NULL") in ([], [(0,)])


@pytest.mark.slow
def test_a_sensor_that_dies_at_every_start_is_an_error(program):
    (program.folder / "ai_edge_litert").mkdir()
    (program.folder / "ai_edge_litert" / "__init__.py").write_text(
        "import os; os.kill(os.getpid(), 11)"
    )
    program.environment["PYTHONPATH"] = str(program.folder)
    sentence = program.complaint("run", "--headless", "--source", "demo", status=1)
    assert "died 3 times" in sentence
    assert program.rows("SELECT count(*) FROM sessions") == [(0,)]


@pytest.mark.slow
def test_a_replay_that_is_asked_to_end_closes_its_session(program, demo_video, wait_for):
    process = program.start("replay", str(demo_video))
    wait_for(lambda: program.rows("SELECT 1 FROM readings LIMIT 1"), what="a reading")
    process.send_signal(signal.SIGTERM)
    _, complaints = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "interrupted" in complaints
    assert_closed(program, "stopped")


@pytest.mark.slow
def test_a_recording_that_is_cut_off_ends_the_run_as_failed(program, demo_video):
    whole = demo_video.read_bytes()
    (program.folder / "cut.mp4").write_bytes(whole[: len(whole) // 8])
    sentence = program.complaint(
        "run", "--headless", "--source", "cut.mp4", "--report", "cut.json", status=1
    )
    assert "cut off" in sentence
    assert_closed(program, "failed")
    assert (program.folder / "cut.json").exists()


@pytest.mark.parametrize(
    "display",
    [
        {"DISPLAY": ":97", "QT_QPA_PLATFORM": "xcb", "QT_SCALE_FACTOR": "2"},
        pytest.param({"DISPLAY": ":97"}, marks=pytest.mark.slow),
        pytest.param({"WAYLAND_DISPLAY": "wayland-97"}, marks=pytest.mark.slow),
    ],
)
def test_a_display_that_does_not_open_does_not_end_the_kiosk(program, make_playlist, display):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        program.environment.pop(name, None)
    program.environment.update(display)
    done = run_until_seen(program, make_playlist, (4.0,), readings=1)
    assert "The display cannot be opened: the window is drawn into memory" in done.stderr
    assert_closed(program, "all loops are done")


SLOW_SENSOR = """
import sys, time
if "monitor.sensor.process" in sys.orig_argv:
    time.sleep(60)
"""


@pytest.mark.parametrize("mode", MODES)
def test_a_stop_while_the_sensor_still_loads_is_clean(program, wait_for, mode):
    (program.folder / "sitecustomize.py").write_text(SLOW_SENSOR)
    path = program.environment.get("PYTHONPATH", "")
    program.environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(program.folder), path]))
    process = program.start("run", *mode, "--source", "demo")
    wait_for(lambda: children(process.pid), what="the sensor's process")
    time.sleep(0.5)
    began_s = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, complaints = process.communicate(timeout=300)
    assert process.returncode == 0, complaints
    assert "Stopped before the session began." in complaints
    assert time.monotonic() - began_s < 50, "the sensor would have slept for longer"
