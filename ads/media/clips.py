"""Decode the picture of clips with PyAV."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ads.errors import MediaError
from ads.media.clip_file import open_clip, sound_stream
from ads.media.clip_stamps import picture_rate
from ads.media.clip_timing import PictureTrack, clip_length_s
from ads.media.types import ENDLESS_NS, MediaFrame, MediaInfo, Size, fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

LATE_NS = 100_000_000
"""A frame later than this is only converted if it turns out to be the one to show."""

MAX_STEP_NS = 500_000_000
"""When decoding cannot keep up, a frame is still shown for every such stretch of the clip."""


def probe_clip(path: Path) -> MediaInfo:
    """Look into a clip; see `ads.media.decode.probe`."""
    with open_clip(path) as container:
        track = PictureTrack(path, container)
        first = next(track.frames(), None)
        if first is None:
            raise MediaError(f"{path} holds no picture that can be decoded; replace the file.")
        width, height = _upright_size(first[1], track.stream)
        rate = picture_rate(track.stream)
        return MediaInfo(
            "video",
            width,
            height,
            duration_s=clip_length_s(path, container, track),
            has_sound=sound_stream(container) is not None,
            frames_per_second=float(rate) if rate else None,
        )


def video_frames(
    path: Path,
    viewport: Callable[[], Size],
    *,
    wanted_ns: Callable[[], int] | None = None,
    start_ns: int = 0,
) -> Iterator[MediaFrame]:
    """Decode the frames of a clip; see `ads.media.decode.frames`.

    Late frames are decoded but not converted, so a delayed show catches up. Each frame is yielded
    once the next one is decoded, because only then is its end known. A `MediaError` follows if the
    clip holds no frame, is cut off, or is damaged at its end.
    """
    emitted_ns: int | None = None
    left_out = 0
    held: tuple[int, VideoFrame] | None = None
    broken: MediaError | None = None
    with open_clip(path) as container:
        track = PictureTrack(path, container)
        stream = track.stream
        for position_ns, frame in track.frames(start_ns):
            reached_ns = -1 if wanted_ns is None else wanted_ns()
            if held is not None and position_ns > start_ns:
                held_ns, held_frame = held
                in_time = position_ns > reached_ns or held_ns + LATE_NS >= reached_ns
                if emitted_ns is None:
                    # If the file cannot be entered exactly, the first picture stands in.
                    held_ns = min(held_ns, start_ns)
                if in_time or emitted_ns is None or held_ns - emitted_ns >= MAX_STEP_NS:
                    emitted_ns = held_ns
                    rgb = _converted(held_frame, stream, viewport())
                    yield MediaFrame(held_ns, rgb, position_ns, left_out)
                    left_out = 0
                else:
                    left_out += 1
            held = (position_ns, frame)
        if held is not None:
            rgb = _converted(held[1], stream, viewport())
            yield MediaFrame(held[0], rgb, ENDLESS_NS, left_out)
            broken = track.why_broken(held[0])
    if held is None:
        raise MediaError(f"{path} holds no picture that can be decoded; replace the file.")
    if broken is not None:
        raise broken


def _quarter_turns(frame: VideoFrame) -> int:
    # To the left, until the frame is upright.
    return round(frame.rotation / 90) % 4


def _upright_size(frame: VideoFrame, stream: VideoStream) -> Size:
    """Return the size of a frame with square pixels, turned upright."""
    width, height, ratio = frame.width, frame.height, stream.sample_aspect_ratio
    if ratio and ratio > 0:
        width = max(1, round(width * ratio))
    return (height, width) if _quarter_turns(frame) % 2 else (width, height)


def _converted(frame: VideoFrame, stream: VideoStream, viewport: Size) -> NDArray[np.uint8]:
    turns = _quarter_turns(frame)
    width, height = fit(_upright_size(frame, stream), viewport)
    if turns % 2:
        width, height = height, width
    # Clips that do not state their colour matrix (2: unspecified) use the one of their size.
    is_untagged_hd = frame.colorspace == 2 and frame.height >= 720
    scaled = frame.reformat(
        width, height, "rgb24", src_colorspace="ITU709" if is_untagged_hd else None
    )
    rgb = scaled.to_ndarray()
    return np.ascontiguousarray(np.rot90(rgb, turns) if turns else rgb, dtype=np.uint8)
