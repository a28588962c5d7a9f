"""Every kind of source opens as its class."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detector.errors import SourceOpenError
from detector.sources import opening as module
from detector.sources.opening import open_source
from detector.sources.orientation import UPRIGHT, Orientation
from detector.sources.recording import PacedRecording, Recording
from detector.sources.stream import StreamCapture
from detector.sources.video_source import DEMO_VIDEO, SourceSpec
from tests.helpers.sources import read_all
from tests.helpers.turned_clips import ORIENTATIONS, corners_of, write_turned

Clip = Callable[..., Path]


def test_open_source_picks_the_kind(make_clip: Clip, stream_server: Any) -> None:
    clip = str(make_clip("clip.mp4"))
    with open_source(SourceSpec("file", clip)) as source:
        assert isinstance(source, PacedRecording)
    with open_source(SourceSpec("file", clip), lossless=True) as source:
        assert isinstance(source, Recording)
    with open_source(SourceSpec("demo"), lossless=True) as source:
        assert isinstance(source, Recording)
        assert source.frame_rate == pytest.approx(25)
    with open_source(SourceSpec("stream", stream_server.address)) as source:
        assert isinstance(source, StreamCapture)


def test_the_demo_viewer_starts_again_at_its_end(
    make_clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert DEMO_VIDEO.is_file()
    monkeypatch.setattr(module, "DEMO_VIDEO", make_clip("clip.mp4", frames=3))
    with open_source(SourceSpec("demo")) as source:
        assert sum(source.read() is not None for _ in range(8)) == 8


@pytest.mark.parametrize("text", ["0", "http://127.0.0.1:9/x"])
def test_a_live_source_cannot_be_replayed(text: str) -> None:
    with pytest.raises(
        SourceOpenError, match=r"is live and cannot be replayed: expected a video file\."
    ):
        open_source(SourceSpec.parse(text), lossless=True)


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize(
    ("degrees", "corners"),
    [
        (0, ORIENTATIONS["to the left"][1]),
        (90, ORIENTATIONS["as stored"][1]),
        (180, ORIENTATIONS["to the right"][1]),
        (270, ORIENTATIONS["upside down"][1]),
    ],
)
def test_the_mount_turns_what_the_file_s_own_matrix_shows(
    tmp_path: Path, degrees: int, corners: str, lossless: bool
) -> None:
    clip = write_turned(tmp_path / "clip.mp4", ORIENTATIONS["to the left"][0])
    mounted = Orientation.clockwise(degrees)
    spec = SourceSpec("file", str(clip))
    with open_source(spec, lossless=lossless, mounted=mounted) as source:
        assert source.live is not lossless
        assert source.frame_rate == pytest.approx(25)
        assert source.frame_count == (5 if lossless else 0)
        frames = read_all(source)
    assert [corners_of(frame.image) for frame in frames] == [corners] * 5
    assert [frame.sequence for frame in frames] == list(range(5))


def test_a_turned_stream_can_be_interrupted_and_closed(stream_server: Any) -> None:
    spec = SourceSpec("stream", stream_server.address)
    with open_source(spec, mounted=Orientation.clockwise(90)) as source:
        frame = source.read()
        source.interrupt()
    assert frame is not None
    assert frame.image.shape == (96, 64, 3)


def test_the_demo_viewer_is_upright_however_the_camera_is_mounted() -> None:
    with (
        open_source(SourceSpec("demo"), lossless=True) as plain,
        open_source(
            SourceSpec("demo"), lossless=True, mounted=Orientation.clockwise(180)
        ) as turned,
    ):
        first, again = plain.read(), turned.read()
    assert first is not None
    assert again is not None
    assert (first.image == again.image).all()


def test_only_quarter_turns() -> None:
    assert Orientation.clockwise(0) == UPRIGHT
    with pytest.raises(ValueError, match="by 0, 90, 180 or 270 degrees, received 45"):
        Orientation.clockwise(45)
