"""The sensor's loop inside the test's own process, with a scripted source and a scripted analysis."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
from pydantic import ValidationError

from detector.analysis import AnalysisSettings
from detector.emotion.labels import EMOTIONS
from detector.errors import ModelLoadError, SourceError, SourceLostError, SourceOpenError
from detector.settings import CameraMount
from detector.sources.freeze_detector import FreezeDetector
from detector.sources.orientation import Orientation
from detector.types import AnalysedFrame, Frame, ShadowCell, ShadowCounts
from monitor.sensor import process as module
from monitor.sensor.capture import CaptureHungError, FrameQueue
from monitor.sensor.live import SensorHealth
from monitor.sensor.messages import (
    Ended,
    Failed,
    FrameRead,
    HealthReport,
    Message,
    Ready,
    ShadowCounted,
    SourceLost,
    read_message,
)
from monitor.sensor.process import EXIT_FAILED, SensorLoop, SensorSettings, Statistics

PATIENCE_S = 60.0
CARD = SimpleNamespace(labels=EMOTIONS)
LOST = SourceLostError("The camera 0 gives no more pictures.")


class FakeAnalyser:
    """Sees nobody, at two thirds of the effort."""

    def __init__(self, *_parts: Any, **_choices: Any) -> None:
        self.governor = SimpleNamespace(share=0.66)
        self.closed = False

    def analyse(self, frame: Frame) -> AnalysedFrame:
        self._image = frame.image
        height, width = frame.image.shape[:2]
        return AnalysedFrame(frame.sequence, frame.captured_ns, width, height, ())

    def reduced(self, _width_px: int) -> np.ndarray:
        return self._image

    def close(self) -> None:
        self.closed = True


class Wire(io.RawIOBase):
    """Where the loop writes; the test reads what was written so far."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.data = b""
        self.broken = False

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        with self._changed:
            if self.broken:
                raise BrokenPipeError("nobody listens")
            self.data += bytes(data)
            self._changed.notify_all()
        return len(data)

    def messages(self) -> list[Message]:
        stream = io.BytesIO(self.data)
        return list(iter(lambda: read_message(stream), None))

    def wait_for(self, condition: Callable[[list[Message]], Any]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self.messages()), PATIENCE_S), (
                self.messages()
            )


@dataclass
class Sensor:
    """A loop that runs in a thread."""

    settings: SensorSettings
    wire: Wire = field(default_factory=Wire)
    stop: threading.Event = field(default_factory=threading.Event)
    status: list[Any] = field(default_factory=list)

    def start(self) -> Sensor:
        self.thread = threading.Thread(target=self._run, name="loop")
        self.thread.start()
        return self

    def _run(self) -> None:
        try:
            self.status.append(SensorLoop(self.settings, self.wire, self.stop).run())  # type: ignore[arg-type]
        except (RuntimeError, CaptureHungError) as error:
            self.status.append(error)

    def finish(self) -> list[Message]:
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()
        return self.wire.messages()


@pytest.fixture
def sensor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Sensor]]:
    monkeypatch.setattr(module, "mediapipe_analyser", FakeAnalyser)
    monkeypatch.setattr(
        module,
        "load_classifier",
        lambda _model, _device: SimpleNamespace(runtime="scripted", card=CARD),
    )
    monkeypatch.setattr("monitor.sensor.capture.FIRST_RETRY_S", 0.01)
    monkeypatch.setattr(module, "HEARTBEAT_S", 0.05)
    monkeypatch.setattr(module, "CHECK_S", 0.05)
    made: list[Sensor] = []

    def make(**settings: Any) -> Sensor:
        made.append(Sensor(SensorSettings(**{"source": "0", **settings})))
        return made[-1].start()

    yield make
    for one in made:
        one.stop.set()
        one.finish()


def of(messages: list[Message], kind: type) -> list[Any]:
    return [message for message in messages if isinstance(message, kind)]


Picture = Callable[..., Frame]


def test_a_recording_from_ready_to_end(sensor: Any, scripted: Any, picture: Picture) -> None:
    scripted([picture(n * 50_000_000, n) for n in range(20)] + [None])
    one = sensor(source="clip.mp4", lossless=True)
    messages = one.finish()
    assert one.status == [0]
    first, ready = messages[:2]
    assert first == HealthReport(SensorHealth("starting", "opening the clip.mp4"))
    assert isinstance(ready, Ready)
    assert (ready.source, ready.frame_rate, ready.live, ready.runtime) == (
        "clip.mp4",
        20.0,
        False,
        "scripted",
    )
    assert [read.frame.sequence for read in of(messages, FrameRead)] == list(range(20))
    assert messages[-1] == Ended(19 * 50_000_000 + 50_000_000, 20, "")
    health = of(messages, HealthReport)[1].health
    assert (health.latency_ms, health.effort) == (0.0, 0.66)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_the_source_is_turned_as_its_camera_is_mounted(
    sensor: Any, scripted: Any, picture: Picture, degrees: Literal[0, 90, 180, 270]
) -> None:
    opener = scripted([picture(0, 0), None])
    mount = CameraMount(rotate=degrees)
    sensor(source="clip.mp4", analysis=AnalysisSettings(camera=mount)).finish()
    assert opener.mounted == Orientation.clockwise(degrees)


def test_a_recording_that_is_cut_off_ends_with_its_reason(
    sensor: Any, scripted: Any, picture: Picture
) -> None:
    scripted([picture(0, 0), picture(50_000_000, 1), SourceLostError("clip.mp4 is cut off")])
    messages = sensor(source="clip.mp4", lossless=True).finish()
    assert messages[-1] == Ended(100_000_000, 2, "clip.mp4 is cut off")
    assert of(messages, SourceLost) == []


def test_a_source_that_cannot_be_opened(sensor: Any, scripted: Any) -> None:
    scripted(SourceOpenError("Camera 0 cannot be opened."))
    one = sensor()
    assert one.finish()[-1] == Failed("SourceOpenError", "Camera 0 cannot be opened.")
    assert one.status == [EXIT_FAILED]


def test_a_model_that_cannot_be_loaded(
    sensor: Any, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opener = scripted()

    def fail(model: str, _device: str) -> None:
        raise ModelLoadError(f"There is no model {model!r}.")

    monkeypatch.setattr(module, "load_classifier", fail)
    one = sensor(model="sphinx")
    assert one.finish() == [Failed("ModelLoadError", "There is no model 'sphinx'.")]
    assert one.status == [EXIT_FAILED]
    assert opener.asked == []


@pytest.mark.parametrize(("lossless", "kind"), [(False, Ready), (True, Failed)])
def test_a_shadow_model_that_cannot_be_loaded_stops_only_a_replay(
    sensor: Any,
    scripted: Any,
    picture: Picture,
    monkeypatch: pytest.MonkeyPatch,
    lossless: bool,
    kind: type,
) -> None:
    scripted([picture(0), None])

    def load(model: str | None, _device: str) -> Any:
        if model == "gone":
            raise ModelLoadError("There is no model gone.")
        return SimpleNamespace(runtime="scripted", card=CARD)

    monkeypatch.setattr(module, "load_classifier", load)
    one = sensor(source="clip.mp4", lossless=lossless, shadow_model="gone")
    one.wire.wait_for(lambda messages: of(messages, kind))


def test_a_shadow_model_is_counted_until_the_end(
    sensor: Any, scripted: Any, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted([picture(n * 5_000_000_000, n) for n in range(4)] + [None])
    counts = ShadowCounts(0, 9, "candidate", "ab" * 32, (ShadowCell("happy", "sad", 1),))

    class Reader:
        def __init__(self, *_parts: Any, **_choices: Any) -> None:
            pass

        def take(self, now_ns: int) -> ShadowCounts | None:
            return counts if now_ns == 10_000_000_000 else None

        def close(self) -> ShadowCounts:
            return counts

    monkeypatch.setattr(module, "ShadowReader", Reader)
    monkeypatch.setattr(
        module,
        "load_classifier",
        lambda _model, _device: SimpleNamespace(runtime="scripted", card=CARD),
    )
    messages = sensor(source="clip.mp4", lossless=True, shadow_model="candidate").finish()
    assert of(messages, ShadowCounted) == [ShadowCounted(counts)] * 2
    assert isinstance(messages[-1], Ended)


def test_an_address_of_an_unknown_kind(sensor: Any, scripted: Any) -> None:
    scripted()
    [failed] = sensor(source="ftp://host/clip.mp4").finish()
    assert failed.kind == "SourceOpenError"
    assert "Unknown kind of source" in failed.message


@pytest.mark.logs_errors
def test_a_defect_in_the_capture_is_a_death_and_not_an_end(
    sensor: Any, scripted: Any, picture: Picture
) -> None:
    defect = RuntimeError("a bug")
    scripted([picture(0, 0), defect])
    one = sensor()
    messages = one.finish()
    assert one.status == [defect]
    assert of(messages, Ended) == []


def test_stopping_a_camera_says_nothing_more(sensor: Any, scripted: Any, picture: Picture) -> None:
    opener = scripted([picture(time.monotonic_ns(), 0), "block"])
    one = sensor()
    one.wire.wait_for(lambda messages: of(messages, FrameRead))
    one.stop.set()
    messages = one.finish()
    assert one.status == [0]
    assert of(messages, Ended) == []
    assert opener.opened[0].closed == 1


def test_a_kiosk_that_is_gone_ends_the_loop(sensor: Any, scripted: Any, picture: Picture) -> None:
    scripted([picture(time.monotonic_ns(), 0), "block"])
    one = sensor()
    one.wire.wait_for(lambda messages: of(messages, FrameRead))
    one.wire.broken = True
    one.finish()
    assert one.status == [0]


def test_a_live_sensor_that_sees_nothing_yet_gives_signs_of_life(
    sensor: Any, scripted: Any
) -> None:
    scripted(["block"])
    one = sensor()
    one.wire.wait_for(lambda messages: len(of(messages, HealthReport)) >= 2)
    healths = [report.health for report in of(one.wire.messages(), HealthReport)]
    assert {health.state for health in healths} == {"starting"}


def test_a_source_that_is_slow_to_open_is_reported_as_starting(
    sensor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = threading.Event()

    def slow(*_arguments: Any, **_options: Any) -> None:
        assert opening.wait(PATIENCE_S)
        raise SourceOpenError("It took long and came to nothing.")

    monkeypatch.setattr("monitor.sensor.capture.open_source", slow)
    one = sensor(source="http://127.0.0.1:9/x")
    one.wire.wait_for(lambda messages: len(messages) >= 2)
    opening.set()
    messages = one.finish()
    assert [report.health.state for report in of(messages, HealthReport)] == ["starting"] * (
        len(messages) - 1
    )
    assert "opening the stream http" in of(messages, HealthReport)[0].health.detail
    assert messages[-1] == Failed("SourceOpenError", "It took long and came to nothing.")


def test_a_loss_is_told_after_the_last_frame_before_it_and_before_the_next(
    sensor: Any, scripted: Any, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last frame before a loss may still wait to be analysed when the loss is noticed."""
    busy, lost, caught_up = threading.Event(), threading.Event(), threading.Event()
    report = SensorLoop._on_lost

    def on_lost(loop: SensorLoop, error: SourceError) -> None:
        report(loop, error)
        lost.set()

    class SlowAnalyser(FakeAnalyser):
        def analyse(self, frame: Frame) -> AnalysedFrame:
            if frame.sequence == 0:
                busy.set()
                assert lost.wait(PATIENCE_S)
            if frame.sequence == 1:
                caught_up.set()
            return super().analyse(frame)

    monkeypatch.setattr(SensorLoop, "_on_lost", on_lost)
    monkeypatch.setattr(module, "mediapipe_analyser", SlowAnalyser)
    far_ns = time.monotonic_ns() + 3600 * 1_000_000_000
    scripted(
        [picture(1, 0), lambda: busy.wait(PATIENCE_S), picture(2, 1), LOST],
        [lambda: caught_up.wait(PATIENCE_S), picture(far_ns, 2), "block"],
    )
    one = sensor()
    one.wire.wait_for(lambda messages: len(of(messages, FrameRead)) == 3)
    told = [
        message.frame.sequence if isinstance(message, FrameRead) else message.detail
        for message in one.wire.messages()
        if isinstance(message, FrameRead | SourceLost)
    ]
    assert told == [0, 1, str(LOST), 2]


def test_health_says_that_the_source_is_away_until_it_is_back(
    sensor: Any, scripted: Any, picture: Picture
) -> None:
    far_ns = time.monotonic_ns() + 3600 * 1_000_000_000
    opener = scripted([picture(1, 0), LOST], *[SourceOpenError("still away")] * 200)
    one = sensor()
    one.wire.wait_for(
        lambda messages: [m for m in of(messages, HealthReport) if m.health.state == "reconnecting"]
    )
    assert [m.health.detail for m in of(one.wire.messages(), HealthReport)][-1] == str(LOST)
    assert len(of(one.wire.messages(), SourceLost)) == 1
    opener.scripts[:] = [[picture(far_ns, 1), "block"]]
    one.wire.wait_for(lambda messages: len(of(messages, FrameRead)) == 2)
    one.wire.wait_for(lambda messages: of(messages, HealthReport)[-1].health.state == "running")
    assert len(of(one.wire.messages(), SourceLost)) == 1


def test_previews_are_small_rarer_than_frames_and_in_rgb(sensor: Any, scripted: Any) -> None:
    blue = np.zeros((48, 64, 3), np.uint8)
    blue[..., 0] = 200
    scripted([Frame(blue, n * 20_000_000, n) for n in range(10)] + [None])
    messages = sensor(
        source="clip.mp4", lossless=True, preview_width_px=32, preview_every_ms=60
    ).finish()
    previews = [read.preview for read in of(messages, FrameRead)]
    assert [number for number, preview in enumerate(previews) if preview is not None] == [
        0,
        3,
        6,
        9,
    ]
    assert all(preview.shape == (24, 32, 3) for preview in previews if preview is not None)
    assert previews[0][0, 0].tolist() == [0, 0, 200]
    assert blue[0, 0].tolist() == [200, 0, 0], "the frame itself must not change"


def test_a_preview_is_never_enlarged_and_absent_when_not_asked_for(
    sensor: Any, scripted: Any, picture: Picture
) -> None:
    scripted([picture(0, 0), None], [picture(0, 0), None])
    [read] = of(sensor(source="clip.mp4", lossless=True, preview_width_px=480).finish(), FrameRead)
    assert read.preview.shape == (12, 16, 3)
    [read] = of(sensor(source="clip.mp4", lossless=True).finish(), FrameRead)
    assert read.preview is None


def test_statistics_of_the_last_second() -> None:
    statistics, ms = Statistics(), 1_000_000
    assert statistics.health(0, fault=None, dropped=0, live=True).state == "starting"
    for frame in range(50):  # two seconds at 25 frames a second, 30 ms from capture to reading
        statistics.add(frame * 40 * ms, (frame * 40 + 30) * ms)
    health = statistics.health((49 * 40 + 30) * ms, fault=None, dropped=7, live=True)
    assert (health.state, health.frames, health.dropped) == ("running", 50, 7)
    assert health.fps == pytest.approx(25, abs=1)
    assert health.latency_ms == pytest.approx(30)
    later = statistics.health(10_000 * ms, fault=SourceLost(1, "away"), dropped=7, live=True)
    assert (later.state, later.detail, later.fps, later.latency_ms) == (
        "reconnecting",
        "away",
        0.0,
        0.0,
    )
    assert later.cause == "camera_lost"
    dark = statistics.health(
        10_000 * ms, fault=SourceLost(1, "dark", "camera_black"), dropped=7, live=True
    )
    assert (dark.state, dark.cause) == ("blind", "camera_black")


# --- pictures that show nothing -------------------------------------------------------------------

MS = 1_000_000
RANDOM = np.random.default_rng(3)


def scene(number: int, size: tuple[int, int] = (90, 160)) -> Frame:
    """One of a camera's pictures, ten a second; no two are alike."""
    return Frame(RANDOM.integers(0, 256, (*size, 3), np.uint8), (1 + number) * 100 * MS, number)


def plain(number: int, level: int) -> Frame:
    picture = np.full((90, 160, 3), level, np.uint8)
    picture[number % 90, 0] += 1
    return Frame(picture, (1 + number) * 100 * MS, number)


Watch = Callable[..., list[Message]]


@pytest.fixture
def watch(sensor: Any, scripted: Any, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """What a sensor says that gets every one of some frames, however slow the machine is."""
    monkeypatch.setattr(module, "FrameQueue", lambda **_: FrameQueue(lossless=True))

    def run(frames: list[Frame], source: str = "0") -> list[Message]:
        scripted([*frames, None])
        return sensor(source=source).finish()

    return run


def analysed(messages: list[Message]) -> list[int]:
    return [read.frame.sequence for read in of(messages, FrameRead)]


def test_a_frozen_picture_is_no_reading_from_its_first_repetition_on(watch: Watch) -> None:
    still = scene(10).image
    frozen = [Frame(still, (1 + n) * 100 * MS, n) for n in range(10, 50)]
    messages = watch([*map(scene, range(10)), *frozen, *map(scene, range(50, 70))])
    [lost] = of(messages, SourceLost)
    assert (lost.cause, lost.since_ns) == ("camera_frozen", 1100 * MS)
    assert lost.at_ns == pytest.approx(1100 * MS + FreezeDetector.FROZEN_AFTER_NS, abs=100 * MS)
    seen = analysed(messages)
    assert seen[:11] == list(range(11)), "the first showing is a measurement"
    assert 50 <= seen[11] <= 54
    assert seen[-1] == 69


@pytest.mark.parametrize(("level", "cause"), [(2, "camera_black"), (120, "camera_covered")])
def test_a_picture_that_shows_nothing_is_a_gap_from_where_it_began(
    watch: Watch, level: int, cause: str
) -> None:
    messages = watch(
        [
            *map(scene, range(10)),
            *(plain(n, level) for n in range(10, 60)),
            *map(scene, range(60, 80)),
        ]
    )
    [lost] = of(messages, SourceLost)
    assert (lost.cause, lost.since_ns) == (cause, 1100 * MS)
    told = messages.index(lost)
    after = [m.frame.sequence for m in messages[told:] if isinstance(m, FrameRead)]
    assert 60 <= after[0] <= 64
    assert after[-1] == 79


def test_health_names_what_is_wrong_with_the_picture(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEARTBEAT_S", 0.0)
    messages = watch(
        [*map(scene, range(5)), *(plain(n, 2) for n in range(5, 40)), *map(scene, range(40, 50))]
    )
    healths = [report.health for report in of(messages, HealthReport)]
    dark = [health for health in healths if health.state == "blind"]
    assert {health.cause for health in dark} == {"camera_black"}
    assert all("The picture is black" in health.detail for health in dark)
    assert (healths[-1].state, healths[-1].cause, healths[-1].detail) == ("running", "", "")


@pytest.mark.parametrize("source", ["clip.mp4", "demo"])
def test_a_recording_is_taken_as_it_is(watch: Watch, source: str) -> None:
    messages = watch([plain(0, 2)] * 40, source)
    assert of(messages, SourceLost) == []
    assert len(analysed(messages)) == 40


def test_a_frozen_source_is_reopened(
    sensor: Any, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FrameQueue", lambda **_: FrameQueue(lossless=True))
    monkeypatch.setattr("monitor.sensor.capture.FIRST_REOPENING_S", 0.05)
    monkeypatch.setattr("monitor.sensor.capture.MAX_REOPENING_S", 0.05)
    still = scene(0).image
    frames = [Frame(still, (1 + n) * 100 * MS, n) for n in range(3000)]
    opener = scripted([*frames, "block"], [scene(4000), None])
    messages = sensor().finish()
    assert len(opener.opened) == 2
    assert opener.opened[0].closed == 1
    assert [lost.cause for lost in of(messages, SourceLost)] == ["camera_frozen"]
    assert of(messages, Ended)


def test_another_size_is_told_and_measured_at_once(watch: Watch) -> None:
    messages = watch([scene(0), scene(1), scene(2, (180, 320)), scene(3, (180, 320)), scene(103)])
    told = [
        message.frame.sequence
        if isinstance(message, FrameRead)
        else (message.cause, message.detail)
        for message in messages
        if isinstance(message, FrameRead | SourceLost)
    ]
    assert told == [
        0,
        1,
        ("format_changed", "The size of the pictures changed from 160 x 90 to 320 x 180."),
        2,
        3,
        ("format_changed", "The size of the pictures changed from 320 x 180 to 160 x 90."),
        103,
    ]
    assert {report.health.state for report in of(messages, HealthReport)} <= {"starting", "running"}


@pytest.mark.parametrize("frames_between", [1, 2, 7, 60])
def test_a_size_that_changes_all_the_time_is_told_once_and_measured(
    watch: Watch, frames_between: int
) -> None:
    sizes = [(90, 160), (180, 320), (45, 80)]
    frames = [scene(n, sizes[n // frames_between % len(sizes)]) for n in range(155)]
    messages = watch(frames)
    [lost] = of(messages, SourceLost)
    assert lost.cause == "format_changed"
    assert lost.at_ns == frames[frames_between].captured_ns
    assert analysed(messages) == list(range(155))


def test_a_source_that_is_waited_for_is_reported_as_away(sensor: Any, scripted: Any) -> None:
    opener = scripted(*[SourceOpenError("Camera 0 is in use.", "camera_busy")] * 300)
    one = sensor(wait_for_source=True)
    one.wire.wait_for(
        lambda messages: [m for m in of(messages, HealthReport) if m.health.state == "reconnecting"]
    )
    messages = one.wire.messages()
    assert [lost.cause for lost in of(messages, SourceLost)] == ["camera_busy"]
    assert of(messages, Ready) == of(messages, Failed) == []
    opener.scripts[:] = [[scene(0), "block"]]
    one.wire.wait_for(lambda messages: of(messages, Ready) and of(messages, FrameRead))


def test_a_read_that_does_not_return_is_told_while_it_waits(
    sensor: Any, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.sensor.capture.STALL_S", PATIENCE_S)
    scripted([scene(0), "block"])
    one = sensor(source="http://127.0.0.1:9/x")
    one.wire.wait_for(lambda messages: of(messages, FrameRead))
    monkeypatch.setattr("monitor.sensor.capture.STALL_S", 0.2)
    one.wire.wait_for(lambda messages: of(messages, SourceLost))
    [lost] = of(one.wire.messages(), SourceLost)
    assert lost.cause == "stream_stalled"
    one.wire.wait_for(
        lambda messages: of(messages, HealthReport)[-1].health.cause == "stream_stalled"
    )


def test_a_driver_that_hangs_ends_the_process(
    sensor: Any, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.sensor.capture.HUNG_S", 0.2)
    scripted([scene(0), "block"])
    one = sensor()
    messages = one.finish()
    [hung] = one.status
    assert isinstance(hung, CaptureHungError)
    assert of(messages, Ended) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"source": "0", "preview_width_px": -1},
        {"source": "0", "first_viewer": 0},
        {"source": "0", "colour": "blue"},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SensorSettings(**wrong)


def test_settings_cross_the_pipe_unchanged() -> None:
    settings = SensorSettings(
        source="http://host/ä", lossless=True, preview_width_px=480, first_viewer=12
    )
    line = settings.model_dump_json()
    assert "\n" not in line
    assert SensorSettings.model_validate_json(line) == settings


@pytest.mark.parametrize("name", ["demo", "caf\xe9.mp4", os.fsdecode(b"caf\xe9.mp4"), "a\x1b.mp4"])
def test_settings_cross_the_pipe_with_names_of_any_bytes(name):
    settings = SensorSettings(source=name, model=name)
    assert SensorSettings.model_validate_json(settings.model_dump_json()) == settings
