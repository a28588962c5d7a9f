"""Open a source of any kind."""

from __future__ import annotations

from pathlib import Path

from detector.errors import SourceOpenError
from detector.sources.camera import CameraCapture
from detector.sources.orientation import UPRIGHT, Orientation
from detector.sources.recording import PacedRecording, Recording
from detector.sources.stream import StreamCapture
from detector.sources.turned import TurnedSource
from detector.sources.video_source import DEMO_VIDEO, SourceSpec, VideoSource
from detector.texts import lazy


def open_source(
    spec: SourceSpec, *, lossless: bool = False, mounted: Orientation = UPRIGHT
) -> VideoSource:
    """Open a source, or raise `SourceOpenError`.

    If `lossless`, a file or the demo viewer is read frame by frame on its own clock, as fast as
    possible, instead of in real time; live sources cannot be. `mounted` turns the pictures of a
    camera that is not mounted upright; the demo viewer stays as it is.
    """
    source = _open(spec, lossless=lossless)
    if mounted == UPRIGHT or spec.kind == "demo":
        return source
    return TurnedSource(source, mounted)


def _open(spec: SourceSpec, *, lossless: bool) -> VideoSource:
    if spec.is_live:
        if lossless:
            raise SourceOpenError(
                lazy(
                    "The %(source)s is live and cannot be replayed: expected a video file.",
                    source=spec,
                )
            )
        return CameraCapture(spec) if spec.kind == "camera" else StreamCapture(spec)
    path = DEMO_VIDEO if spec.kind == "demo" else Path(spec.target)
    if lossless:
        return Recording(path)
    return PacedRecording(path, loop=spec.kind == "demo")
