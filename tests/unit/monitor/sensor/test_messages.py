"""Every message crosses the pipe unchanged, and nothing that arrives can do harm."""

from __future__ import annotations

import io
import json
import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from detector.types import (
    WITHHELD_REASONS,
    AnalysedFrame,
    Box,
    FaceReading,
    HeadPose,
    ShadowCell,
    ShadowCounts,
)
from monitor.sensor.live import SensorHealth
from monitor.sensor.messages import (
    Ended,
    Failed,
    FrameRead,
    HealthReport,
    Message,
    ProtocolError,
    Ready,
    ShadowCounted,
    SourceLost,
    read_message,
    write_message,
)

numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 2**62)
texts = st.text(max_size=40)
whole: dict[str, st.SearchStrategy[Any]] = {
    "viewer": st.integers(1, 2**40),
    "captured_ns": st.just(0),
    "box": st.builds(Box, numbers, numbers, numbers, numbers),
    "probabilities": st.tuples(*[numbers] * 7),
    "valence": numbers,
    "expressiveness": numbers,
    "uncertain": st.booleans(),
    "pose": st.builds(HeadPose, numbers, numbers, numbers),
    "attentive": st.booleans(),
    "quality": numbers,
    "static": st.booleans(),
}
withheld = whole | dict.fromkeys(("probabilities", "valence", "expressiveness"), st.none())
readings = st.builds(FaceReading, **whole) | st.builds(
    FaceReading, **withheld, withheld=st.sampled_from(WITHHELD_REASONS)
)
previews = hnp.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3)))
plain_messages = st.one_of(
    st.builds(Ready, texts, numbers, counts, st.booleans(), texts),
    st.builds(SourceLost, counts, texts),
    st.builds(Ended, counts, counts, texts),
    st.builds(Failed, texts, texts),
    st.builds(
        ShadowCounted,
        st.builds(
            ShadowCounts,
            counts,
            counts,
            texts,
            texts,
            st.lists(
                st.builds(
                    ShadowCell,
                    texts,
                    texts,
                    counts,
                    numbers | st.none(),
                    numbers | st.none(),
                    numbers,
                    numbers,
                    numbers,
                    numbers,
                )
            ).map(tuple),
        ),
    ),
    st.builds(
        HealthReport,
        st.builds(
            SensorHealth,
            state=st.sampled_from(["starting", "running", "reconnecting", "ended"]),
            detail=texts,
            frames=counts,
            dropped=counts,
            fps=numbers,
            latency_ms=numbers,
        ),
    ),
)


def sent(*messages: Message) -> io.BytesIO:
    stream = io.BytesIO()
    for message in messages:
        write_message(stream, message)
    stream.seek(0)
    return stream


def frame_of(captured_ns: int, found: list[FaceReading]) -> AnalysedFrame:
    stamped = tuple(
        FaceReading(
            **{name: getattr(one, name) for name in FaceReading.__slots__}
            | {"captured_ns": captured_ns}
        )
        for one in found
    )
    return AnalysedFrame(7, captured_ns, 640, 480, stamped)


@settings(deadline=None)
@given(st.lists(plain_messages, max_size=4))
def test_plain_messages_arrive_unchanged_and_in_order(messages: list[Message]) -> None:
    stream = sent(*messages)
    assert [read_message(stream) for _ in messages] == messages
    assert read_message(stream) is None


@settings(deadline=None)
@given(counts, st.lists(readings, max_size=3), st.none() | previews)
def test_frames_arrive_to_the_last_digit(
    captured_ns: int, found: list[FaceReading], preview: np.ndarray | None
) -> None:
    frame = frame_of(captured_ns, found)
    stream = sent(FrameRead(frame, preview), SourceLost(1, "next"))
    received = read_message(stream)
    assert isinstance(received, FrameRead)
    assert received.frame == frame
    assert all(
        isinstance(one.box, Box) and isinstance(one.pose, HeadPose)
        for one in received.frame.readings
    )
    if preview is None:
        assert received.preview is None
    else:
        assert received.preview is not None
        np.testing.assert_array_equal(received.preview, preview)
    assert read_message(stream) == SourceLost(1, "next")


def test_a_part_of_a_larger_picture_can_be_a_preview(
    analysed: Callable[..., AnalysedFrame],
) -> None:
    large = np.arange(20 * 30 * 3, dtype=np.uint32).astype(np.uint8).reshape(20, 30, 3)
    part = large[2:9, 4:20, ::-1]
    received = read_message(sent(FrameRead(analysed(1), part)))
    assert isinstance(received, FrameRead)
    assert received.preview is not None
    np.testing.assert_array_equal(received.preview, part)


def test_what_is_not_a_number_arrives_as_such() -> None:
    received = read_message(sent(HealthReport(SensorHealth("running", latency_ms=math.nan))))
    assert isinstance(received, HealthReport)
    assert math.isnan(received.health.latency_ms)


def test_every_cut_through_a_message_is_noticed(analysed: Callable[..., AnalysedFrame]) -> None:
    whole = sent(FrameRead(analysed(5, (1, 2)), np.ones((2, 3, 3), np.uint8))).getvalue()
    assert read_message(io.BytesIO(b"")) is None
    for length in range(1, len(whole)):
        with pytest.raises(ProtocolError, match="The sensor's message is cut off"):
            read_message(io.BytesIO(whole[:length]))
    assert isinstance(read_message(io.BytesIO(whole)), FrameRead)


def packed(text: bytes, preview: bytes = b"") -> io.BytesIO:
    return io.BytesIO(struct.pack("<II", len(text), len(preview)) + text + preview)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"hello",
        b"\xff\xfe",
        b"5",
        b"[]",
        b"null",
        b"{}",
        b'{"type":"Surprise"}',
        b'{"type":["Ready"]}',
        b'{"type":"Ready"}',
        b'{"type":"Ended","at_ns":1,"frames":2,"colour":"blue"}',
        b'{"type":"FrameRead"}',
        b'{"type":"FrameRead","sequence":1,"captured_ns":2,"size":[1],"readings":[]}',
        b'{"type":"FrameRead","sequence":1,"captured_ns":2,"size":[1,2],"readings":[[1]]}',
        b'{"type":"FrameRead","sequence":1,"captured_ns":2,"size":[1,2],"readings":5}',
        b'{"type":"FrameRead","sequence":1,"captured_ns":2,"size":[1,2],"readings":[],"preview":[2,2,3]}',
        b'{"type":"HealthReport","state":"running","mood":1}',
        b"[" * 50_000,
    ],
)
def test_what_is_no_message_is_refused(text: bytes) -> None:
    with pytest.raises(ProtocolError, match="The sensor's message cannot be read: "):
        read_message(packed(text))


def test_a_reading_with_the_wrong_number_of_probabilities_is_refused(
    analysed: Callable[..., AnalysedFrame],
) -> None:
    whole = sent(FrameRead(analysed(5))).getvalue()
    document = json.loads(whole[8:])
    document["readings"][0][3].append(0.5)
    message = packed(json.dumps(document).encode())
    with pytest.raises(ProtocolError, match="expected 7 numbers, received 8"):
        read_message(message)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (3, None, "or a reason why all are withheld"),
        (10, "too small", "or a reason why all are withheld"),
        (10, "too far", "received 'too far'"),
    ],
)
def test_a_reading_with_half_an_emotion_is_refused(
    analysed: Callable[..., AnalysedFrame], place: int, value: Any, words: str
) -> None:
    document = json.loads(sent(FrameRead(analysed(5))).getvalue()[8:])
    document["readings"][0][place] = value
    with pytest.raises(ProtocolError, match=words):
        read_message(packed(json.dumps(document).encode()))


@pytest.mark.parametrize(("text", "preview"), [(2**32 - 1, 0), (10, 2**32 - 1)])
def test_a_senseless_length_is_refused_before_anything_is_read(text: int, preview: int) -> None:
    stream = io.BytesIO(struct.pack("<II", text, preview) + b"x" * 100)
    with pytest.raises(ProtocolError, match=f"claims {text} and {preview} bytes"):
        read_message(stream)
    assert stream.tell() == 8


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_garbage_is_refused_or_is_the_end(garbage: bytes) -> None:
    try:
        read_message(io.BytesIO(garbage))
    except ProtocolError:
        return
    assert garbage == b""


class ClosedPipe(io.BytesIO):
    def write(self, _data: Any) -> int:
        raise BrokenPipeError("the kiosk is gone")


def test_a_closed_pipe_is_the_senders_to_handle() -> None:
    with pytest.raises(OSError, match="the kiosk is gone"):
        write_message(ClosedPipe(), SourceLost(1, ""))
