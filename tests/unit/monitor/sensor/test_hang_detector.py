"""A stuck process and a slow one, by hand and in the flesh."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monitor.sensor import hang_detector as module
from monitor.sensor.hang_detector import (
    SILENCE_LIMIT_S,
    STARTUP_LIMIT_S,
    STARVED_LIMIT_S,
    TICK_S,
    Activity,
    HangDetector,
    activity,
)

LINUX = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")


def stuck_after_s(doing: Callable[[float], Activity | None], *, started: bool = True) -> float:
    """After how many seconds of silence a process counts as stuck.

    Args:
        doing: What it does at a moment.
        started: Whether it has begun to talk.
    """
    watch, now_s = HangDetector(), 100.0
    while not watch.is_stuck(100.0, now_s, doing(now_s - 100.0), started=started):
        now_s += TICK_S
        assert now_s < 10_000
    return now_s - 100.0


def test_one_that_was_stopped_is_stuck() -> None:
    assert (
        SILENCE_LIMIT_S
        <= stuck_after_s(lambda _: Activity("TTT", 5.0))
        <= SILENCE_LIMIT_S + 2 * TICK_S
    )


def test_one_that_sleeps_is_stuck() -> None:
    assert stuck_after_s(lambda _: Activity("SSS", 5.0)) <= SILENCE_LIMIT_S + 2 * TICK_S


def test_one_that_runs_in_a_circle_is_stuck() -> None:
    assert stuck_after_s(lambda now_s: Activity("RSS", 5.0 + now_s)) <= SILENCE_LIMIT_S + 2 * TICK_S


@pytest.mark.parametrize("state", ["R", "D", "SSR"])
def test_one_that_waits_for_a_processor_or_a_disk_gets_more_time(state: str) -> None:
    waited_s = stuck_after_s(lambda now_s: Activity(state, 5.0 + 0.1 * now_s))
    assert STARVED_LIMIT_S <= waited_s <= STARVED_LIMIT_S + 2 * TICK_S


def test_one_of_which_nothing_is_known_gets_more_time_too() -> None:
    assert STARVED_LIMIT_S <= stuck_after_s(lambda _: None) <= STARVED_LIMIT_S + 2 * TICK_S


@pytest.mark.parametrize("doing", [Activity("S", 1.0), Activity("R", 1.0), None])
def test_one_that_has_not_begun_to_talk_may_load_its_models(doing: Activity | None) -> None:
    waited_s = stuck_after_s(lambda _: doing, started=False)
    assert STARTUP_LIMIT_S <= waited_s <= STARTUP_LIMIT_S + 2 * TICK_S


def test_a_message_begins_the_silence_anew() -> None:
    watch = HangDetector()
    for tick in range(200):
        now_s = tick * TICK_S
        heard_s = now_s // 1.0
        assert not watch.is_stuck(heard_s, now_s, Activity("S", 0.0), started=True)


def test_a_reader_that_does_not_listen_hears_no_silence() -> None:
    watch = HangDetector()
    assert not any(
        watch.is_stuck(None, tick * TICK_S, Activity("S", 0.0), started=True) for tick in range(200)
    )
    assert watch.silent_s == 0.0


def test_a_machine_that_slept_makes_nobody_stuck() -> None:
    watch, process = HangDetector(), Activity("S", 0.0)
    assert not watch.is_stuck(1.0, 1.0, process, started=True)
    assert not watch.is_stuck(1.0, 3601.0, process, started=True)
    assert watch.silent_s <= 2 * TICK_S
    assert not watch.is_stuck(3601.1, 3601.2, process, started=True)


@pytest.fixture
def run() -> Iterator[Callable[[str], int]]:
    """Runs a few lines of Python that say when they begin; returns the process id."""
    made: list[subprocess.Popen[bytes]] = []

    def start(body: str) -> int:
        code = f"import os, threading, time; os.write(1, b'x')\n{body}"
        made.append(subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE))
        assert made[-1].stdout is not None
        assert made[-1].stdout.read(1) == b"x"
        return made[-1].pid

    yield start
    for process in made:
        process.kill()
        process.communicate()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@LINUX
def test_what_processes_do(run: Callable[[str], int]) -> None:
    sleeps = run("time.sleep(600)")
    circles = run("while True: pass")
    until(lambda: (seen := activity(sleeps)) is not None and seen.states == "S")
    asleep = activity(sleeps)
    assert asleep is not None
    assert not asleep.wants_to_work
    before = activity(circles)
    assert before is not None
    until(
        lambda: (now := activity(circles)) is not None and now.computed_s > before.computed_s + 0.1
    )
    os.kill(circles, signal.SIGSTOP)
    until(lambda: (now := activity(circles)) is not None and now.states == "T")
    stopped = activity(circles)
    assert stopped is not None
    assert not stopped.wants_to_work


@LINUX
def test_all_threads_count(run: Callable[[str], int]) -> None:
    pid = run("threading.Thread(target=time.sleep, args=(600,)).start()\ntime.sleep(600)")
    until(lambda: (seen := activity(pid)) is not None and seen.states == "SS")


def test_a_process_that_is_gone_does_nothing() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    assert activity(done.pid) is None


@pytest.mark.parametrize(
    "stat", ["", "1 (a) b", "nonsense", "1 (x) R 1 2 3 4 5 6 7 8 9 10 eleven 12 13"]
)
def test_a_report_of_the_system_that_cannot_be_read_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stat: str
) -> None:
    (tmp_path / "7/task/7").mkdir(parents=True)
    (tmp_path / "7/task/7/stat").write_text(stat)
    monkeypatch.setattr(module, "PROC", tmp_path)
    assert activity(7) is None


def test_a_name_with_brackets_and_spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "7/task/7").mkdir(parents=True)
    (tmp_path / "7/task/7/stat").write_text(
        "7 (a) b) R) D 1 7 7 0 -1 4194304 1 2 3 4 150 50 0 0 30 10 1 0 99"
    )
    monkeypatch.setattr(module, "PROC", tmp_path)
    assert activity(7) == Activity("D", 2.0)
