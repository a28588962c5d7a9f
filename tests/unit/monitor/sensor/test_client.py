"""Supervision, with small processes that misbehave as they are told to, and with the sensor itself."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from detector.types import AnalysedFrame
from monitor.sensor import client as module
from monitor.sensor import hang_detector as silence
from monitor.sensor.client import SensorDied, SensorProcess, SupervisedSensor
from monitor.sensor.live import SensorHealth
from monitor.sensor.messages import Ended, Failed, FrameRead, HealthReport, Ready
from monitor.sensor.process import SensorSettings
from tests.helpers.waiting import Stopwatch, wait_until

PATIENCE_S = 60.0

HEAD = """\
import json, os, signal, sys, time
from detector.types import AnalysedFrame, Box, FaceReading, HeadPose
from monitor.sensor.live import SensorHealth
from monitor.sensor.messages import *

settings = json.loads(sys.stdin.buffer.readline())
first = settings["first_viewer"]

def say(message):
    write_message(sys.stdout.buffer, message)

def ready():
    say(Ready("camera 0", 25.0, 0, True, "scripted"))

def show(*viewers, at=1):
    readings = tuple(
        FaceReading(v, at, Box(0, 0, 1, 1), (1.0,) + (0.0,) * 6, 0.0, 0.0, False, HeadPose(0, 0, 0), True, 1.0)
        for v in viewers
    )
    say(FrameRead(AnalysedFrame(0, at, 64, 48, readings)))

def until_told():
    while sys.stdin.buffer.read(1):
        pass
"""


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes a few lines of Python take the sensor's place."""

    def install(body: str) -> None:
        script = tmp_path / "child"
        (tmp_path / "child.py").write_text(f"{HEAD}\n{body}\n")
        # A first line that names Python would break where the path has a space.
        script.write_text(
            f"#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(script))}.py\n"
        )
        script.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(script))

    return install


class Watched:
    """A supervised sensor and all that it told."""

    def __init__(self, told: Any, **settings: Any) -> None:
        self.told = told
        self.sensor = SupervisedSensor(SensorSettings(**{"source": "demo", **settings}), told, told)
        self.pids: set[int] = set()

    def wait_for(self, condition: Callable[[list[Any]], Any]) -> Any:
        found = self.told.wait_for(condition)
        if (pid := self.sensor.pid) is not None:
            self.pids.add(pid)
        return found

    def died(self) -> list[SensorDied]:
        return self.told.of(SensorDied)

    def viewers(self) -> list[int]:
        return [
            reading.viewer for read in self.told.of(FrameRead) for reading in read.frame.readings
        ]


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture
def watched(collector: Callable[[], Any]) -> Iterator[Callable[..., Watched]]:
    """Makes supervised sensors; at the end they must stop and leave neither a process nor a thread."""
    made: list[Watched] = []

    def make(**settings: Any) -> Watched:
        made.append(Watched(collector(), **settings))
        return made[-1]

    yield make
    for one in made:
        if (pid := one.sensor.pid) is not None:
            one.pids.add(pid)
        assert one.sensor.stop(PATIENCE_S)
        assert one.sensor.stop(), "stopping twice is harmless"
        assert one.sensor.pid is None
        assert all(gone(pid) for pid in one.pids)
    assert [
        thread.name for thread in threading.enumerate() if thread.name.startswith("sensor")
    ] == []


def kinds(items: list[Any]) -> list[str]:
    return [type(item).__name__ for item in items]


def test_messages_are_passed_on_in_order(child: Any, watched: Any) -> None:
    child("ready(); show(1); say(SourceLost(5, 'away')); show(1, 2); until_told()")
    one = watched()
    one.sensor.start()
    assert one.sensor.wait_settled(PATIENCE_S)
    one.wait_for(lambda items: len(items) >= 4)
    assert kinds(one.told.items) == ["Ready", "FrameRead", "SourceLost", "FrameRead"]
    assert one.sensor.failure is None
    assert one.pids == {one.sensor.pid}


def test_a_sensor_that_dies_is_started_again_and_goes_on_counting(child: Any, watched: Any) -> None:
    child(
        "ready(); show(first, first + 1)\n"
        "print('it hurts', file=sys.stderr, flush=True)\n"
        "if first >= 5: until_told()\n"
        "else: os.kill(os.getpid(), signal.SIGKILL)"
    )
    one = watched()
    one.sensor.start()
    one.wait_for(lambda items: kinds(items).count("FrameRead") == 3)
    assert one.viewers() == [1, 2, 3, 4, 5, 6]
    assert [death.detail for death in one.died()] == [
        "the sensor was ended by signal 9: it hurts"
    ] * 2
    assert all(0 < death.at_ns <= time.monotonic_ns() for death in one.died())
    states = [report.health.state for report in one.told.of(HealthReport)]
    assert states == ["restarting", "restarting"]
    order = [kind for kind in kinds(one.told.items) if kind != "HealthReport"]
    assert order == ["Ready", "FrameRead", "SensorDied"] * 2 + ["Ready", "FrameRead"]


def test_viewers_out_of_sight_are_not_numbered_again(child: Any, watched: Any) -> None:
    child("ready(); show(first + 6); show(); show(first)\nif first > 1: until_told()")
    one = watched(first_viewer=1)
    one.sensor.start()
    one.wait_for(lambda items: kinds(items).count("FrameRead") == 6)
    assert one.viewers() == [7, 1, 14, 8]
    assert one.died()[0].detail == "the sensor ended with status 0"


@pytest.mark.parametrize(
    ("talks", "then", "limit"),
    [
        ("ready()", "time.sleep(600)", "SILENCE_LIMIT_S"),
        ("ready()", "os.kill(os.getpid(), signal.SIGSTOP)", "SILENCE_LIMIT_S"),
        ("ready()", "while True: pass", "SILENCE_LIMIT_S"),
        ("pass", "time.sleep(600)", "STARTUP_LIMIT_S"),
    ],
)
def test_a_sensor_that_is_stuck_counts_as_dead_and_is_replaced(
    child: Any, watched: Any, monkeypatch: pytest.MonkeyPatch, talks: str, then: str, limit: str
) -> None:
    monkeypatch.setattr(silence, limit, 0.6)
    # On a busy machine even a circle has to wait for its turns.
    monkeypatch.setattr(silence, "STARVED_LIMIT_S", 2.0)
    child(f"{talks}\n{then}")
    one = watched()
    one.sensor.start()
    one.wait_for(lambda items: kinds(items).count("SensorDied") == 2)
    [death, _] = one.died()
    assert death.cause == "sensor_stuck"
    assert death.detail.startswith("the sensor was stuck: it said nothing for ")
    states = [report.health.state for report in one.told.of(HealthReport)]
    assert states[0] == "restarting"


def test_a_stuck_sensor_is_noticed_within_three_seconds(child: Any, watched: Any) -> None:
    child("ready(); show(first, at=time.monotonic_ns())\ntime.sleep(600)")
    one = watched()
    one.sensor.start()
    one.wait_for(lambda items: "SensorDied" in kinds(items))
    # Only the time in which the kiosk itself could look.
    silence = re.fullmatch(
        r"the sensor was stuck: it said nothing for (.+) s", one.died()[0].detail
    )
    assert silence
    assert float(silence[1]) < 3.0


def test_a_sensor_that_takes_long_to_end_after_its_last_message_is_not_stuck(
    child: Any, watched: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "SILENCE_LIMIT_S", 0.3)
    child("ready(); show(1); say(Ended(40, 1)); time.sleep(1.5)")
    one = watched(source="clip.mp4")
    one.sensor.start()
    one.sensor._thread.join(PATIENCE_S)
    assert kinds(one.told.items) == ["Ready", "FrameRead", "Ended"]


@pytest.mark.slow
def test_a_kiosk_that_does_not_listen_does_not_blame_the_sensor(
    child: Any, collector: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "SILENCE_LIMIT_S", 1.0)
    child(
        "ready()\nfor _ in range(600):\n    say(HealthReport(SensorHealth('running'))); time.sleep(0.1)\nuntil_told()"
    )
    told = collector()

    def listen(message: Any) -> None:
        if isinstance(message, Ready):
            time.sleep(3.0)
        told(message)

    sensor = SupervisedSensor(SensorSettings(source="demo"), listen, told)
    sensor.start()
    told.wait_for(lambda items: kinds(items).count("HealthReport") >= 40)
    assert sensor.stop(0.3)
    assert told.of(SensorDied) == []


def test_a_sensor_that_talks_is_left_alone(
    child: Any, watched: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "SILENCE_LIMIT_S", 30.0)
    child(
        "ready()\nfor _ in range(15):\n    say(HealthReport(SensorHealth('running'))); time.sleep(0.1)\nuntil_told()"
    )
    one = watched()
    one.sensor.start()
    one.wait_for(lambda items: kinds(items).count("HealthReport") == 15)
    assert one.died() == []


def test_only_a_sensor_that_had_worked_is_told_to_wait_for_its_source(
    child: Any, watched: Any
) -> None:
    child(
        "print(settings['wait_for_source'], file=sys.stderr, flush=True)\n"
        "if not settings['wait_for_source']: ready(); show(first); sys.exit(1)\n"
        "ready(); show(first); until_told()"
    )
    one = watched()
    one.sensor.start()
    one.wait_for(lambda items: kinds(items).count("FrameRead") == 2)
    assert [death.detail for death in one.died()] == ["the sensor ended with status 1: False"]


@pytest.mark.parametrize(
    ("kind", "message"),
    [("SourceOpenError", "Camera 7 cannot be opened."), ("ModelLoadError", "There is no model.")],
)
def test_a_sensor_that_cannot_work_is_not_started_again(
    child: Any, watched: Any, kind: str, message: str
) -> None:
    child(f"say(Failed({kind!r}, {message!r})); sys.exit(3)")
    one = watched()
    one.sensor.start()
    assert one.sensor.wait_settled(PATIENCE_S)
    one.sensor._thread.join(PATIENCE_S)
    assert one.sensor.failure == Failed(kind, message)
    assert one.told.items == []
    assert one.sensor.pid is None


def test_a_sensor_that_had_worked_is_tried_again_when_it_cannot(
    child: Any, watched: Any, tmp_path: Path
) -> None:
    child(
        f"turn = 1 + sum(name.startswith('turn') for name in os.listdir({str(tmp_path)!r}))\n"
        f"open(f'{tmp_path}/turn{{turn}}', 'w').close()\n"
        "if turn == 2: say(Failed('ModelLoadError', 'The model is damaged.')); sys.exit(3)\n"
        "ready(); show(first)\n"
        "if turn > 2: until_told()"
    )
    one = watched()
    one.sensor.start()
    one.wait_for(lambda items: kinds(items).count("Ready") == 2)
    assert one.sensor.failure is None
    reports = [report.health for report in one.told.of(HealthReport)]
    assert SensorHealth("restarting", "The model is damaged.") in reports
    assert len(one.died()) == 2


def test_restarting_is_given_up_for_a_while_after_too_many_deaths(
    child: Any, watched: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DEATHS_PER_MINUTE", 3)
    monkeypatch.setattr(module, "FIRST_RESTART_S", 0.01)
    child("sys.exit(1)")
    one = watched()
    one.sensor.start()
    one.wait_for(
        lambda items: [
            i for i in items if isinstance(i, HealthReport) and i.health.state == "unavailable"
        ]
    )
    assert len(one.died()) == 3
    assert one.told.items[-1].health.detail == "the sensor died 3 times in a minute"
    assert one.sensor._thread.is_alive(), "it tries again after a while"


def test_pauses_before_restarts_grow() -> None:
    sensor = SupervisedSensor(SensorSettings(source="demo"), lambda _: None, lambda _: None)
    pauses = [sensor._pause_before_restart() for _ in range(module.DEATHS_PER_MINUTE)]
    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, module.UNAVAILABLE_RETRY_S]
    assert sensor._pause_before_restart() == module.UNAVAILABLE_RETRY_S


def test_a_sensor_that_waits_for_its_source_has_settled(child: Any, watched: Any) -> None:
    child(
        "assert settings['wait_for_source']\n"
        "say(SourceLost(1, 'Camera 0 cannot be opened.'))\n"
        "until_told()"
    )
    one = watched(wait_for_source=True)
    one.sensor.start()
    assert one.sensor.wait_settled(PATIENCE_S)
    assert one.sensor.failure is None
    assert kinds(one.told.items) == ["SourceLost"]


def test_a_sensor_that_still_loads_is_stopped_at_once(child: Any, watched: Any) -> None:
    child("time.sleep(60)")
    one = watched()
    one.sensor.start()
    wait_until(lambda: one.sensor.pid is not None)
    watch = Stopwatch()
    assert one.sensor.stop(PATIENCE_S)
    assert watch.seconds < PATIENCE_S / 2
    assert one.died() == []


def test_a_sensor_that_talks_nonsense_is_killed_and_started_again(
    child: Any, watched: Any, caplog: pytest.LogCaptureFixture
) -> None:
    child(
        "ready(); show(first)\n"
        "if first == 1: sys.stdout.buffer.write(b'nonsense, and more nonsense'); sys.stdout.flush(); time.sleep(600)\n"
        "until_told()"
    )
    one = watched()
    one.sensor.start()
    one.wait_for(lambda items: kinds(items).count("FrameRead") == 2)
    assert one.viewers() == [1, 2]
    assert "The sensor's message claims" in caplog.text
    assert one.died()[0].detail == "the sensor was ended by signal 9"


def test_the_end_of_a_recording_is_no_death(child: Any, watched: Any) -> None:
    child("ready(); show(1); say(Ended(40, 1))")
    one = watched(source="clip.mp4")
    one.sensor.start()
    one.sensor._thread.join(PATIENCE_S)
    assert kinds(one.told.items) == ["Ready", "FrameRead", "Ended"]
    assert one.died() == []


def test_a_sensor_that_does_not_listen_is_killed_when_it_has_to_stop(
    child: Any, watched: Any, caplog: pytest.LogCaptureFixture
) -> None:
    child("ready()\nwhile True: say(HealthReport(SensorHealth('running'))); time.sleep(0.05)")
    one = watched()
    one.sensor.start()
    one.wait_for(lambda items: "HealthReport" in kinds(items))
    [pid] = one.pids
    assert one.sensor.stop(0.3)
    assert gone(pid)
    assert "The sensor did not stop within 0 s and is killed" in caplog.text
    assert one.died() == [], "it was asked to"


def test_stopping_while_the_sensor_starts(child: Any, watched: Any) -> None:
    child("until_told()")
    one = watched()
    one.sensor.start()
    assert one.sensor.stop(PATIENCE_S)
    assert not one.sensor.wait_settled(0) or one.sensor.failure is None
    assert one.told.items == []


def test_stopping_what_was_never_started() -> None:
    assert SupervisedSensor(SensorSettings(source="demo"), lambda _: None, lambda _: None).stop()


@pytest.mark.logs_errors
def test_a_listener_that_fails_once_is_logged_and_the_sensor_is_started_again(
    child: Any, collector: Any, caplog: pytest.LogCaptureFixture
) -> None:
    child("ready(); until_told()")
    told = collector()
    failed = []

    def listen(message: Any) -> None:
        if isinstance(message, Ready) and not failed:
            failed.append(message)
            raise RuntimeError("a bug in the kiosk")
        told(message)

    sensor = SupervisedSensor(SensorSettings(source="demo"), listen, listen)
    sensor.start()
    told.wait_for(lambda items: [i for i in items if isinstance(i, Ready)])
    assert kinds(told.items) == ["SensorDied", "HealthReport", "Ready"]
    assert told.of(SensorDied)[0].detail == "internal error, see the log"
    assert sensor.stop(PATIENCE_S)
    assert sensor.pid is None
    assert "The sensor's thread failed" in caplog.text


@pytest.mark.logs_errors
def test_a_listener_that_always_fails_does_not_end_the_thread(
    child: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    child("ready(); until_told()")
    monkeypatch.setattr("monitor.sensor.client.UNAVAILABLE_RETRY_S", 0.05)
    calls: list[Any] = []

    def listen(message: Any) -> None:
        calls.append(message)
        raise RuntimeError("a bug in the kiosk")

    sensor = SupervisedSensor(SensorSettings(source="demo"), listen, listen)
    sensor.start()
    deadline = time.monotonic() + PATIENCE_S
    while sum(isinstance(call, Ready) for call in calls) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert sum(isinstance(call, Ready) for call in calls) >= 2
    assert sensor.stop(PATIENCE_S)
    assert "Nobody handles what the sensor says" in caplog.text


@pytest.mark.logs_errors
def test_a_process_that_cannot_be_started_for_a_while(
    child: Any, watched: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    child("ready(); until_told()")
    start, refused = subprocess.Popen, []

    def popen(*given: Any, **more: Any) -> Any:
        if len(refused) < 2:
            refused.append(given)
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return start(*given, **more)

    monkeypatch.setattr("monitor.sensor.client.subprocess.Popen", popen)
    one = watched()
    one.sensor.start()
    one.wait_for(lambda items: [item for item in items if isinstance(item, Ready)])
    assert [death.cause for death in one.died()] == ["sensor_died"] * 2


def test_a_process_that_ignores_its_end_is_killed(
    child: Any, caplog: pytest.LogCaptureFixture
) -> None:
    child("ready()\nwhile True: say(HealthReport(SensorHealth('running'))); time.sleep(0.05)")
    process = SensorProcess(SensorSettings(source="demo"))
    assert isinstance(process.read(), Ready)
    assert process.talking
    assert process.close(0.2) == "was ended by signal 9"
    assert gone(process.pid)
    assert "was killed" in caplog.text
    assert process.read() is None
    process.kill()


def test_the_last_words_of_a_process_are_kept(child: Any) -> None:
    child(
        "print('first', file=sys.stderr); print('cannot open the box', file=sys.stderr); sys.exit(5)"
    )
    process = SensorProcess(SensorSettings(source="demo"))
    assert process.read() is None
    assert process.close(PATIENCE_S) == "ended with status 5: cannot open the box"


def test_a_process_that_is_gone_before_it_has_its_settings(child: Any, tmp_path: Path) -> None:
    child("")
    script = tmp_path / "child"
    script.write_text("#!/bin/sh\nexit 4\n")
    process = SensorProcess(SensorSettings(source="demo"))
    assert process.read() is None
    assert process.close(PATIENCE_S) == "ended with status 4"


# From here on the sensor itself.


@pytest.mark.slow
def test_the_sensor_sees_the_demo_viewer_survives_a_kill_and_stops(watched: Any) -> None:
    one = watched(preview_width_px=160, preview_every_ms=1)
    one.sensor.start()
    assert one.sensor.wait_settled(PATIENCE_S)
    one.wait_for(lambda items: [i for i in items if isinstance(i, FrameRead) and i.frame.readings])
    [ready] = one.told.of(Ready)
    assert (ready.source, ready.live, ready.runtime) == ("demo", True, "LiteRT on CPU")
    assert ready.frame_rate == pytest.approx(25)
    frames: list[AnalysedFrame] = [read.frame for read in one.told.of(FrameRead)]
    stamps, numbers = [frame.captured_ns for frame in frames], [frame.sequence for frame in frames]
    assert stamps == sorted(set(stamps))
    assert numbers == sorted(set(numbers))
    assert stamps[-1] <= time.monotonic_ns()
    previews = [read.preview for read in one.told.of(FrameRead)]
    assert previews[0] is not None
    assert previews[0].shape == (120, 160, 3)
    assert previews[0].std() > 10, "a picture, not a plain area"
    assert max(one.viewers()) == 1

    os.kill(one.sensor.pid, signal.SIGKILL)
    one.wait_for(lambda items: "SensorDied" in kinds(items))
    died_ns = one.died()[0].at_ns
    assert one.died()[0].detail.startswith("the sensor was ended by signal 9")
    one.wait_for(
        lambda items: [
            i
            for i in items
            if isinstance(i, FrameRead) and i.frame.readings and i.frame.captured_ns > died_ns
        ]
    )
    assert set(one.viewers()) == {1, 2}
    assert one.viewers() == sorted(one.viewers())
    assert len(one.pids) == 2

    began = time.monotonic()
    assert one.sensor.stop(PATIENCE_S)
    assert time.monotonic() - began < PATIENCE_S / 2
    assert all(gone(pid) for pid in one.pids)


def test_the_sensor_says_in_one_sentence_what_is_wrong_with_its_source(
    watched: Any, tmp_path: Path
) -> None:
    one = watched(source=str(tmp_path / "missing.mp4"))
    one.sensor.start()
    assert one.sensor.wait_settled(PATIENCE_S)
    one.sensor._thread.join(PATIENCE_S)
    failure = one.sensor.failure
    assert failure is not None
    assert failure.kind == "SourceOpenError"
    assert (
        failure.message
        == f"The video {tmp_path / 'missing.mp4'} is missing: expected a file; check the path."
    )
    assert one.died() == []


CHATTER = """\
import os, threading, time

def chat():
    time.sleep(0.2)
    while True:
        os.write(1, b"INFO: what native libraries say\\n")
        time.sleep(0.05)

duplicate = os.dup

def dup(number):
    threading.Thread(target=chat, daemon=True).start()
    return duplicate(number)

os.dup = dup
"""


def test_the_sensor_reads_a_recording_to_its_end(
    short_clip: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is printed on the way must not get among the messages.
    (tmp_path / "sitecustomize.py").write_text(CHATTER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    process = SensorProcess(SensorSettings(source=str(short_clip(40)), lossless=True))
    messages = list(iter(process.read, None))
    assert process.close(PATIENCE_S) == "ended with status 0"
    assert [read.frame.captured_ns for read in messages if isinstance(read, FrameRead)] == [
        40_000_000 * index for index in range(40)
    ]
    assert messages[-1] == Ended(40 * 40_000_000, 40, "")
    [ready] = [message for message in messages if isinstance(message, Ready)]
    assert (ready.live, ready.frames) == (False, 40)
    assert "INFO: what native libraries say" in process._last_words
