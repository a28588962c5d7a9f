"""The thread that owns the source: it reads, reopens with growing pauses, and always lets go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from detector.errors import SourceError, SourceLostError, SourceOpenError
from detector.sources.video_source import SourceSpec
from detector.types import Frame
from monitor.sensor import capture as module
from monitor.sensor.capture import FIRST_RETRY_S, MAX_RETRY_S, Capture, CaptureHungError, FrameQueue

PATIENCE_S = 60.0
CAMERA = SourceSpec("camera", "0")
STREAM = SourceSpec("stream", "http://127.0.0.1:9/x")
FILE = SourceSpec("file", "clip.mp4")
LOST = SourceLostError("The camera 0 gives no more pictures: expected a running source.")
CLOSED = SourceOpenError("Camera 0 cannot be opened (no camera was found on this machine).")

Start = Callable[..., Capture]


class NoPause(threading.Event):
    """A stop event whose waits are noted instead of waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        if timeout is not None:
            self.pauses.append(timeout)
        return super().wait(0)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a capture without real pauses; it is stopped at the end of the test."""
    started: list[Capture] = []

    def begin(
        spec: SourceSpec = CAMERA,
        *,
        lossless: bool = False,
        queue: Any = None,
        on_lost: Callable[[SourceError], None] = lambda _: None,
        wait_for_source: bool = False,
    ) -> Capture:
        capture = Capture(
            spec,
            lossless=lossless,
            queue=queue or FrameQueue(lossless=True, capacity=100),
            on_lost=on_lost,
            wait_for_source=wait_for_source,
        )
        capture._stop = NoPause()
        started.append(capture)
        capture.start()
        return capture

    yield begin
    assert all(capture.stop() for capture in started)


def taken(capture: Capture) -> list[int]:
    """Sequence numbers of all frames until the link is closed."""
    numbers = []
    while (frame := capture._queue.take(PATIENCE_S)) is not None:
        numbers.append(frame.sequence)
    return numbers


def finished(capture: Capture) -> None:
    capture._thread.join(PATIENCE_S)
    assert not capture._thread.is_alive()


def test_a_recording_is_read_once_to_its_end(
    scripted: Any, start: Start, picture: Callable[..., Frame]
) -> None:
    opener = scripted([picture(1, 0), picture(2, 1), picture(3, 2), None])
    capture = start(FILE, lossless=True)
    assert taken(capture) == [0, 1, 2]
    finished(capture)
    assert capture.error is None
    assert (capture.opened.is_set(), capture.frame_rate, capture.frame_count) == (True, 20.0, 0)
    assert opener.asked == [(FILE, True)]
    [source] = opener.opened
    assert source.closed == 1
    assert source.threads == {"capture"}


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("spec", [FILE, SourceSpec("demo")])
def test_a_recording_that_is_cut_off_ends_with_its_reason(
    scripted: Any, start: Start, picture: Callable[..., Frame], spec: SourceSpec, lossless: bool
) -> None:
    opener = scripted([picture(1, 0), picture(2, 1), LOST])
    losses: list[SourceError] = []
    capture = start(spec, lossless=lossless, on_lost=losses.append)
    assert taken(capture) == [0, 1]
    finished(capture)
    assert capture.error is LOST
    assert losses == []
    assert len(opener.opened) == 1
    assert opener.opened[0].closed == 1


@pytest.mark.parametrize("spec", [CAMERA, STREAM, FILE])
def test_what_cannot_be_opened_at_first_is_an_error(
    scripted: Any, start: Start, spec: SourceSpec
) -> None:
    opener = scripted(CLOSED)
    losses: list[SourceError] = []
    capture = start(spec, on_lost=losses.append)
    finished(capture)
    assert capture.error is CLOSED
    assert capture.opened.is_set()
    assert capture.frame_rate == 0.0
    assert losses == []
    assert len(opener.asked) == 1
    assert taken(capture) == []


def test_a_lost_camera_is_reopened_and_reported_once(
    scripted: Any, start: Start, picture: Callable[..., Frame]
) -> None:
    opener = scripted(
        [picture(1, 0), LOST],
        CLOSED,
        CLOSED,
        CLOSED,
        [picture(2, 1), LOST],
        CLOSED,
        [picture(3, 2), "block"],
    )
    losses: list[SourceError] = []
    capture = start(on_lost=losses.append)
    assert [capture._queue.take(PATIENCE_S).sequence for _ in range(3)] == [0, 1, 2]
    assert losses == [LOST, LOST]
    assert capture.stop()
    assert capture.error is None
    assert [source.closed for source in opener.opened] == [1, 1, 1]
    assert len(opener.asked) == 7


def test_a_camera_that_opens_but_gives_nothing_is_one_loss(
    scripted: Any, start: Start, picture: Callable[..., Frame]
) -> None:
    scripted([picture(1, 0), LOST], [LOST], [LOST], [picture(2, 1), "block"])
    losses: list[SourceError] = []
    capture = start(on_lost=losses.append)
    assert [capture._queue.take(PATIENCE_S).sequence for _ in range(2)] == [0, 1]
    assert losses == [LOST]


def test_pauses_grow_while_the_camera_is_away_and_start_anew_when_it_was_back(
    scripted: Any, start: Start, picture: Callable[..., Frame]
) -> None:
    scripted(
        [picture(1, 0), LOST],
        *[CLOSED] * 6,
        [picture(2, 1), LOST],
        CLOSED,
        [picture(3, 2), "block"],
    )
    capture = start()
    for _ in range(3):
        assert capture._queue.take(PATIENCE_S) is not None
    doubled = [min(FIRST_RETRY_S * 2**n, MAX_RETRY_S) for n in range(7)]
    assert isinstance(capture._stop, NoPause)
    pauses = capture._stop.pauses
    assert len(pauses) == 9
    assert all(
        0.8 * full <= pause <= full
        for pause, full in zip(pauses, doubled + doubled[:2], strict=True)
    )
    assert MAX_RETRY_S in doubled


def test_a_loss_is_logged_at_once_and_then_once_a_minute(
    scripted: Any, start: Start, picture: Callable[..., Frame], caplog: pytest.LogCaptureFixture
) -> None:
    scripted([picture(1, 0), LOST], *[CLOSED] * 20, [picture(2, 1), LOST], [picture(3, 2), "block"])
    capture = start()
    for _ in range(3):
        assert capture._queue.take(PATIENCE_S) is not None
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said == [f"{LOST} Retrying until it works"] * 2


def test_a_source_that_had_worked_before_is_waited_for(
    scripted: Any, start: Start, picture: Callable[..., Frame]
) -> None:
    scripted(CLOSED, CLOSED, [picture(1, 0), "block"])
    losses: list[SourceError] = []
    capture = start(wait_for_source=True, on_lost=losses.append)
    assert capture._queue.take(PATIENCE_S) is not None
    assert losses == [CLOSED]
    assert capture.opened.is_set()
    assert capture.error is None


def test_the_source_is_located_before_each_attempt(
    scripted: Any, picture: Callable[..., Frame]
) -> None:
    opener = scripted(CLOSED, [picture(1, 0), "block"])
    found = iter([CAMERA, SourceSpec("camera", "2")])
    queue: FrameQueue[Frame] = FrameQueue(lossless=True, capacity=100)
    capture = Capture(
        CAMERA,
        lossless=False,
        queue=queue,
        on_lost=lambda _: None,
        wait_for_source=True,
        locate=lambda: next(found),
    )
    capture.start()
    assert queue.take(PATIENCE_S) is not None
    assert capture.stop()
    assert [spec.target for spec, _ in opener.asked] == ["0", "2"]


def test_patience_is_for_live_sources_only(scripted: Any, start: Start) -> None:
    scripted(CLOSED)
    capture = start(FILE, wait_for_source=True)
    finished(capture)
    assert capture.error is CLOSED


@pytest.mark.parametrize("patient", [True, False])
def test_an_address_that_does_not_answer_holds_up_neither_start_nor_stop(
    monkeypatch: pytest.MonkeyPatch, start: Start, patient: bool
) -> None:
    monkeypatch.setattr(module, "SLOW_OPENING_S", 0.1)
    asked, answers = threading.Event(), threading.Event()

    def open_slowly(*_: Any, **__: Any) -> Any:
        asked.set()
        answers.wait(PATIENCE_S)
        raise CLOSED

    monkeypatch.setattr(module, "open_source", open_slowly)
    losses: list[SourceError] = []
    capture = start(STREAM, on_lost=losses.append, wait_for_source=patient)
    assert asked.wait(PATIENCE_S)
    time.sleep(0.15)
    capture.check()
    capture.check()
    # Without patience the start waits for the error instead.
    assert [error.cause for error in losses] == (["stream_stalled"] if patient else [])
    joined: list[float] = []
    monkeypatch.setattr(capture._thread, "join", joined.append)
    assert not capture.stop()
    assert joined == [0.5], "a camera would have had 4 s"
    monkeypatch.undo()
    answers.set()


@pytest.mark.parametrize(("spec", "cause"), [(STREAM, "stream_stalled"), (CAMERA, "camera_lost")])
def test_a_read_that_waits_is_a_loss_although_it_does_not_return(
    scripted: Any,
    start: Start,
    picture: Callable[..., Frame],
    monkeypatch: pytest.MonkeyPatch,
    spec: SourceSpec,
    cause: str,
) -> None:
    waits, let_go = threading.Event(), threading.Event()

    def hang() -> bool:
        waits.set()
        return let_go.wait(PATIENCE_S)

    scripted([picture(1, 0), hang, picture(2, 1), "block"])
    monkeypatch.setattr(module, "STALL_S", PATIENCE_S)
    losses: list[SourceError] = []
    capture = start(spec, on_lost=losses.append)
    assert capture._queue.take(PATIENCE_S) is not None
    capture.check()
    assert losses == []
    assert waits.wait(PATIENCE_S)
    monkeypatch.setattr(module, "STALL_S", 0.0)
    capture.check()
    capture.check()
    assert [(error.cause, type(error)) for error in losses] == [(cause, SourceLostError)]
    monkeypatch.setattr(module, "STALL_S", PATIENCE_S)
    let_go.set()
    assert capture._queue.take(PATIENCE_S) is not None
    capture.check()
    assert len(losses) == 1


def test_a_recording_may_take_its_time(
    scripted: Any, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STALL_S", 0.0)
    monkeypatch.setattr(module, "HUNG_S", 0.0)
    opener = scripted(["block"])
    losses: list[SourceError] = []
    capture = start(FILE, on_lost=losses.append)
    assert capture.opened.wait(PATIENCE_S)
    assert opener.opened[0].waits.wait(PATIENCE_S)
    capture.check()
    assert losses == []


def test_a_call_that_never_returns_costs_the_process(
    scripted: Any, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HUNG_S", 0.0)
    opener = scripted(["block"])
    capture = start()
    assert capture.opened.wait(PATIENCE_S)
    assert opener.opened[0].waits.wait(PATIENCE_S)
    with pytest.raises(CaptureHungError, match="The camera 0 hangs"):
        capture.check()


def test_a_source_whose_picture_stands_still_is_reopened_with_growing_pauses(
    scripted: Any, start: Start, picture: Callable[..., Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    asked, waiting = threading.Semaphore(0), threading.Semaphore(0)

    def wait_in_the_source() -> bool:
        waiting.release()
        return asked.acquire(timeout=PATIENCE_S)

    script = [step for n in range(1, 4) for step in (wait_in_the_source, picture(n, n))]
    opener = scripted(
        [picture(0, 0), *script[:2], "block"], [*script[2:4], "block"], [*script[4:], "block"]
    )
    capture = start()
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    assert capture._queue.take(PATIENCE_S) is not None
    reopened_at = []
    assert waiting.acquire(timeout=PATIENCE_S)
    while len(reopened_at) < 2:
        now[0] += 0.1
        capture.reopen()
        if capture._reopen.is_set():
            reopened_at.append(now[0] - 100.0)
            asked.release()
            assert capture._queue.take(PATIENCE_S) is not None
            while len(opener.opened) < 1 + len(reopened_at):
                threading.Event().wait(0.01)
            assert waiting.acquire(timeout=PATIENCE_S)
            assert not capture._reopen.is_set()
    first, second = reopened_at[0], reopened_at[1] - reopened_at[0]
    assert 0.8 * module.FIRST_REOPENING_S <= first <= module.FIRST_REOPENING_S + 0.3
    assert 1.6 * module.FIRST_REOPENING_S <= second <= 2 * module.FIRST_REOPENING_S + 0.3
    capture.recovered()
    capture.reopen()
    assert not capture._reopen.is_set(), "the first pause begins anew"
    assert opener.opened[0].closed == 1
    asked.release()


def test_a_live_source_is_newest_wins(
    scripted: Any, start: Start, picture: Callable[..., Frame]
) -> None:
    opener = scripted([picture(n, n) for n in range(50)])
    slot: FrameQueue[Frame] = FrameQueue(lossless=False)
    capture = start(queue=slot)
    assert capture.opened.wait(PATIENCE_S)
    assert opener.opened[0].waits.wait(PATIENCE_S)
    newest = slot.take(0)
    assert newest is not None
    assert (newest.sequence, slot.dropped) == (49, 49)


def test_stopping_frees_a_read_that_waits(scripted: Any, start: Start) -> None:
    opener = scripted(["block"])
    capture = start()
    assert capture.opened.wait(PATIENCE_S)
    assert opener.opened[0].waits.wait(PATIENCE_S)
    began = time.monotonic()
    assert capture.stop(PATIENCE_S)
    assert time.monotonic() - began < PATIENCE_S / 2
    assert opener.opened[0].closed == 1
    assert capture.stop(), "stopping twice is harmless"


def test_stopping_frees_a_capture_that_waits_for_room(
    scripted: Any, start: Start, picture: Callable[..., Frame]
) -> None:
    opener = scripted([picture(n, n) for n in range(10)] + [None])
    capture = start(FILE, lossless=True, queue=FrameQueue(lossless=True, capacity=1))
    assert capture.opened.wait(PATIENCE_S)
    assert capture.stop(PATIENCE_S)
    assert opener.opened[0].closed == 1


def test_stopping_ends_the_pause_before_the_next_attempt(
    scripted: Any, picture: Callable[..., Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_RETRY_S", 3600.0)
    monkeypatch.setattr(module, "MAX_RETRY_S", 3600.0)
    scripted([picture(1, 0), LOST])
    lost = threading.Event()
    capture = Capture(
        CAMERA, lossless=False, queue=FrameQueue(lossless=False), on_lost=lambda _: lost.set()
    )
    capture.start()
    assert lost.wait(PATIENCE_S)
    assert capture.stop(PATIENCE_S)


def test_a_source_that_hangs_is_left_behind_in_time(
    scripted: Any, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    opener = scripted(["block"])
    capture = start()
    assert capture.opened.wait(PATIENCE_S)
    [source] = opener.opened
    assert source.waits.wait(PATIENCE_S)
    with monkeypatch.context() as deaf:
        deaf.setattr(source, "interrupt", lambda: None)
        began = time.monotonic()
        assert not capture.stop(0.2)
        assert time.monotonic() - began < PATIENCE_S / 2
    source.interrupt()


@pytest.mark.logs_errors
def test_a_defect_in_a_source_is_kept_and_logged(
    scripted: Any, start: Start, picture: Callable[..., Frame], caplog: pytest.LogCaptureFixture
) -> None:
    defect = RuntimeError("a bug")
    scripted([picture(1, 0), defect])
    capture = start()
    assert taken(capture) == [0]
    finished(capture)
    assert capture.error is defect
    assert "The capture thread failed" in caplog.text
