"""How a user names a source, and one contract for every kind of source."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest

from detector.errors import DetectorError, SourceError, SourceLostError, SourceOpenError
from detector.sources import video_source
from detector.sources.recording import PacedRecording, Recording
from detector.sources.stream import StreamCapture
from detector.sources.video_source import SourceSpec, VideoSource
from tests.helpers.sources import read_all, until_lost

Clip = Callable[..., Path]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", SourceSpec("camera", "0")),
        ("12", SourceSpec("camera", "12")),
        ("/dev/video2", SourceSpec("camera", "/dev/video2")),
        (
            "/dev/v4l/by-id/usb-Maker_C920-index0",
            SourceSpec("camera", "/dev/v4l/by-id/usb-Maker_C920-index0"),
        ),
        ("demo", SourceSpec("demo")),
        ("clip.mp4", SourceSpec("file", "clip.mp4")),
        ("/a folder/clip.mp4", SourceSpec("file", "/a folder/clip.mp4")),
        ("C:\\clips\\one.mp4", SourceSpec("file", "C:\\clips\\one.mp4")),
        ("-1", SourceSpec("file", "-1")),
        ("²", SourceSpec("file", "²")),
        ("http://host:81/video", SourceSpec("stream", "http://host:81/video")),
        ("HTTPS://host/x", SourceSpec("stream", "HTTPS://host/x")),
        ("rtsp://user:word@host/x", SourceSpec("stream", "rtsp://user:word@host/x")),
        ("udp://@:1234", SourceSpec("stream", "udp://@:1234")),
    ],
)
def test_what_a_person_types(text: str, expected: SourceSpec) -> None:
    assert SourceSpec.parse(text) == expected


@pytest.mark.parametrize("text", ["ftp://host/clip.mp4", "file:///clip.mp4", "gopher://x"])
def test_an_unknown_kind_of_address_is_refused(text: str) -> None:
    with pytest.raises(
        SourceOpenError,
        match=rf"Unknown kind of source '{text}': expected a camera index or device.*'demo'\.",
    ):
        SourceSpec.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://",
        "http:///video",
        "rtsp://user:word@/1",
        "http://host:99999/",
        "http://host:0/",
        "rtsp://host:port/1",
        "rtsp://user:pa/ss@host/1",
        "http://[::1/",
        "http://a host/",
    ],
)
def test_an_address_that_cannot_be_right_is_refused(text: str) -> None:
    with pytest.raises(SourceOpenError, match=r"Invalid address .* expected .*://HOST") as caught:
        SourceSpec.parse(text)
    assert "pa/ss" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["http://[::1]:80/x", "rtsp://u:p@ss@host:554/x", "tcp://0.0.0.0:99?listen", "udp://:1234"],
)
def test_unusual_addresses_are_taken(text: str) -> None:
    assert SourceSpec.parse(text) == SourceSpec("stream", text)


def test_sources_name_themselves() -> None:
    names = [str(SourceSpec.parse(text)) for text in ("1", "demo", "clip.mp4", "http://host/x")]
    assert names == ["camera 1", "demo", "clip.mp4", "stream http://host/x"]


def test_each_kind_has_its_words_in_the_catalogue() -> None:
    kinds = get_args(get_type_hints(SourceSpec)["kind"])
    named = {text.one.split()[0] for text in video_source._SHOWN}
    assert named == set(kinds) - {"file"}, "a file is its path"


@pytest.fixture(params=["recording", "paced", "looped", "stream"])
def any_source(request: pytest.FixtureRequest, make_clip: Clip) -> Iterator[VideoSource]:
    """Each kind of source over one clip of one second."""
    if request.param == "recording":
        source: VideoSource = Recording(make_clip("clip.mp4"))
    elif request.param in {"paced", "looped"}:
        source = PacedRecording(make_clip("clip.mp4"), loop=request.param == "looped")
    else:
        server = request.getfixturevalue("stream_server")
        source = StreamCapture(SourceSpec("stream", server.serve(make_clip("clip.ts"))))
    yield source
    source.close()


def test_contract_of_every_source(
    any_source: VideoSource, grey_frames: Callable[[np.ndarray], int]
) -> None:
    assert any_source.frame_rate == pytest.approx(25)
    frames = list(itertools.islice(iter(any_source.read, None), 20))
    assert [frame.sequence for frame in frames] == list(range(20))
    assert all(a.captured_ns < b.captured_ns for a, b in itertools.pairwise(frames))
    assert all(frame.image.shape == (64, 96, 3) for frame in frames)
    numbers = [grey_frames(frame.image) for frame in frames]
    assert numbers == list(range(numbers[0], numbers[0] + 20))
    assert all(np.ptp(frame.image) <= 6 for frame in frames)
    with any_source:
        pass
    any_source.close()


def test_contract_of_the_end(any_source: VideoSource, request: pytest.FixtureRequest) -> None:
    kind = request.node.callspec.params["any_source"]
    assert any_source.live == (kind != "recording")
    assert any_source.frame_count == (25 if kind == "recording" else 0)
    if kind == "looped":  # has none
        assert len(list(itertools.islice(iter(any_source.read, None), 30))) == 30
        return
    ends = kind in {"recording", "paced"}
    frames = read_all(any_source) if ends else until_lost(any_source)
    assert len(frames) == 25
    if ends:
        assert any_source.read() is None
    else:
        until_lost(any_source)


def test_errors_share_a_base() -> None:
    assert issubclass(SourceOpenError, SourceError)
    assert issubclass(SourceLostError, SourceError)
    assert issubclass(SourceError, DetectorError)


def test_a_password_in_an_address_is_neither_shown_nor_stored() -> None:
    spec = SourceSpec.parse("rtsp://admin:secret@10.0.0.5:554/live")
    assert spec.target == "rtsp://admin:secret@10.0.0.5:554/live"
    assert str(spec) == spec.stored == "stream rtsp://***@10.0.0.5:554/live"


@pytest.mark.parametrize(
    ("text", "stored"),
    [("0", "camera 0"), ("demo", "demo"), ("folder/visitors.mp4", "visitors.mp4")],
)
def test_what_a_session_keeps_of_its_source(text: str, stored: str) -> None:
    assert SourceSpec.parse(text).stored == stored
