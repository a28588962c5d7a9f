"""Network streams: times, stalls, ends and damaged data."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.errors import SourceLostError, SourceOpenError
from detector.sources.stream import StreamCapture
from detector.sources.video_source import SourceSpec
from tests.helpers.sources import read_all, until_lost

Clip = Callable[..., Path]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be lost only because the machine is busy."""
    monkeypatch.setattr(StreamCapture, "OPEN_TIMEOUT_MS", 60_000)
    monkeypatch.setattr(StreamCapture, "READ_TIMEOUT_MS", 60_000)


def test_a_live_stream_is_stamped_when_a_frame_arrives(
    stream_server: Any, grey_frames: Callable[[np.ndarray], int]
) -> None:
    before_ns = time.monotonic_ns()
    with StreamCapture(SourceSpec("stream", stream_server.address)) as source:
        frames = [source.read() for _ in range(10)]
    assert all(frame is not None for frame in frames)
    stamps = [frame.captured_ns for frame in frames if frame is not None]
    assert before_ns < stamps[0]
    assert stamps[-1] < time.monotonic_ns()
    assert stamps == sorted(set(stamps))
    numbers = [grey_frames(frame.image) for frame in frames if frame is not None]
    assert numbers == list(range(numbers[0], numbers[0] + 10))


def test_stamps_of_a_live_stream_rise_even_if_the_clock_stands(
    make_clip: Clip, stream_server: Any
) -> None:
    spec = SourceSpec("stream", stream_server.serve(make_clip("clip.ts")))
    with StreamCapture(spec, clock=lambda: 1000) as source:
        assert [frame.captured_ns for frame in until_lost(source)] == list(range(1000, 1025))


def test_a_stream_that_stalls_is_lost(stream_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StreamCapture, "READ_TIMEOUT_MS", 1000)
    with StreamCapture(SourceSpec("stream", stream_server.address)) as source:
        assert source.read() is not None
        stream_server.pause.set()
        with pytest.raises(
            SourceLostError, match=r"The stream http://127.* stalls: .* received none for 1\.0 s"
        ) as caught:
            read_all(source)
        assert caught.value.cause == "stream_stalled"


def test_a_stream_that_ends_is_lost(stream_server: Any) -> None:
    with StreamCapture(SourceSpec("stream", stream_server.address)) as source:
        assert source.read() is not None
        stream_server.stop.set()
        until_lost(source)


def test_an_address_that_is_not_there_or_no_video(stream_server: Any, tmp_path: Path) -> None:
    text = tmp_path / "list.txt"
    text.write_text("this is a shopping list\n" * 100)
    for address in (
        stream_server.address.replace("pictures", "nothing"),
        stream_server.serve(text),
    ):
        with pytest.raises(
            SourceOpenError, match=rf"The stream {address} cannot be opened: .*check the address"
        ):
            StreamCapture(SourceSpec("stream", address))


def test_a_stream_may_change_the_size_of_its_pictures(stream_server: Any) -> None:
    with StreamCapture(SourceSpec("stream", stream_server.address)) as source:
        first = source.read()
        stream_server.size = (128, 72)
        larger = next(
            frame for frame in iter(source.read, None) if frame.image.shape != (64, 96, 3)
        )
    assert first is not None
    assert first.image.shape == (64, 96, 3)
    assert larger.image.shape == (72, 128, 3)
    assert np.ptp(larger.image) <= 6, "the whole picture, and nothing else"


def test_a_stream_that_breaks_off_within_a_picture_goes_on_with_the_next(
    stream_server: Any,
) -> None:
    with StreamCapture(SourceSpec("stream", stream_server.address)) as source:
        assert source.read() is not None
        stream_server.spoil.set()
        time.sleep(0.1)
        stream_server.spoil.clear()
        assert source.read() is not None
        assert source.read() is not None


def test_data_that_never_gives_a_picture_is_given_up(
    stream_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StreamCapture(SourceSpec("stream", stream_server.address)) as source:
        assert source.read() is not None
        monkeypatch.setattr(StreamCapture, "MAX_KEY_WAIT_S", 0.3)
        stream_server.spoil.set()
        with pytest.raises(SourceLostError, match="stalls") as caught:
            read_all(source)
        assert caught.value.cause == "stream_stalled"


def test_a_server_that_does_not_answer_stalls(
    stream_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StreamCapture, "OPEN_TIMEOUT_MS", 400)
    monkeypatch.setattr(StreamCapture, "READ_TIMEOUT_MS", 400)
    stream_server.pause.set()
    with pytest.raises(SourceOpenError, match="cannot be opened") as caught:
        StreamCapture(SourceSpec("stream", stream_server.address))
    assert caught.value.cause == "stream_stalled"
