"""Reading video sources to their end."""

from __future__ import annotations

import pytest

from detector.errors import SourceLostError
from detector.sources.video_source import VideoSource
from detector.types import Frame


def read_all(source: VideoSource) -> list[Frame]:
    return list(iter(source.read, None))


def until_lost(source: VideoSource) -> list[Frame]:
    """The frames before the error with which the source ends."""
    frames: list[Frame] = []
    with pytest.raises(SourceLostError):
        _read_into(frames, source)
    return frames


def _read_into(frames: list[Frame], source: VideoSource) -> None:
    while (frame := source.read()) is not None:
        frames.append(frame)
