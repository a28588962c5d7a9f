"""Every kind of source opens as its class."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detector.errors import SourceOpenError
from detector.sources import opening as module
from detector.sources.opening import open_source
from detector.sources.recording import PacedRecording, Recording
from detector.sources.stream import StreamCapture
from detector.sources.video_source import DEMO_VIDEO, SourceSpec

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
