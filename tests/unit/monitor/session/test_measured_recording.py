"""What a sensor said is kept whole, and a sensor that dies is started again."""

from __future__ import annotations

from itertools import count

import pytest

from detector.emotion.model_card import sha256_of
from detector.emotion.model_store import find_model
from monitor.errors import SetupError
from monitor.sensor.live import SensorHealth
from monitor.sensor.messages import Ended, Failed, FrameRead, HealthReport, Ready
from monitor.sensor.process import SensorSettings
from monitor.session import measured_recording as module
from monitor.session.measured_recording import RecordingTask, measure

READY = Ready("clip.mp4", 25.0, 4, False, "scripted")


@pytest.fixture
def task(tmp_path):
    video = tmp_path / "clip.mp4"
    video.write_bytes(b"video")

    def make(**changed):
        settings = SensorSettings(source=str(video), lossless=True)
        usual = {"model": None, "model_sha256": sha256_of(find_model()), "size_bytes": 5}
        return RecordingTask(settings, **{**usual, "limit_ns": float("inf"), **changed})

    return make


@pytest.fixture
def sensors(monkeypatch):
    """Scripts one sensor after the other; returns how many were started."""

    def script(*runs):
        started = count()

        class Scripted:
            def __init__(self, _settings):
                self._messages = iter(runs[next(started)])

            def read(self):
                return next(self._messages, None)

            def close(self):
                return "was ended by signal 9"

        monkeypatch.setattr(module, "SensorProcess", Scripted)
        return started

    return script


def told(measured):
    return list(iter(measured.read, None))


def test_messages_arrive_whole_without_health(task, sensors, analysed):
    frames = [FrameRead(analysed(at)) for at in (0, 40_000_000)]
    health = HealthReport(SensorHealth("measuring"))
    sensors([health, READY, frames[0], health, frames[1], Ended(80_000_000, "")])
    ready, first, second, ended = told(measure(task()))
    assert (ready, ended) == (READY, Ended(80_000_000, ""))
    assert [first.frame, second.frame] == [one.frame for one in frames]


def test_a_sensor_that_dies_is_started_again(task, sensors, analysed):
    frame = FrameRead(analysed(0))
    started = sensors([READY, frame], [READY], [READY, frame, Ended(40_000_000, "")])
    measured = measure(task())
    assert next(started) == 3
    assert [type(one) for one in told(measured)] == [Ready, FrameRead, Ended]


def test_what_the_last_of_three_sensors_said_is_kept(task, sensors, analysed):
    started = sensors([READY], [READY], [READY, FrameRead(analysed(0))])
    measured = measure(task())
    assert next(started) == 3
    assert [type(one) for one in told(measured)] == [Ready, FrameRead]
    assert measured.close() == "was ended by signal 9"


def test_nothing_is_measured_after_the_limit_or_a_failure(task, sensors, analysed):
    frames = [FrameRead(analysed(at)) for at in (0, 40_000_000, 80_000_000)]
    started = sensors([READY, *frames], [Failed("source", "no video")])
    assert len(told(measure(task(limit_ns=40_000_000)))) == 3
    assert told(measure(task())) == [Failed("source", "no video")]
    assert next(started) == 2


def test_another_recording_or_model_is_refused(task, sensors):
    sensors()
    with pytest.raises(SetupError, match=r"expected a file of 6 bytes, found a file of 5 bytes"):
        measure(task(size_bytes=6))
    with pytest.raises(SetupError, match=r"has another emotion model"):
        measure(task(model_sha256="0" * 64))
    gone = SensorSettings(source="/nowhere/clip.mp4")
    with pytest.raises(SetupError, match=r"found no such file; put the recordings on storage"):
        measure(RecordingTask(gone, None, sha256_of(find_model()), 5, float("inf")))
