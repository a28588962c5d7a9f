"""Decode the picture of clips with PyAV."""

from __future__ import annotations

import logging
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING

import av
import av.error
import numpy as np

from ads.errors import MediaError
from ads.media.clip_file import CLIP_ERRORS, open_clip, video_stream
from ads.media.types import ENDLESS_NS, MediaFrame, MediaInfo, Size, fit, reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

SHORT_BY_S = 0.5
"""A clip that ends this much before its stated length is broken; less is common."""

LATE_NS = 100_000_000
"""A frame later than this is only converted if it turns out to be the one to show."""

MAX_STEP_NS = 500_000_000
"""When decoding cannot keep up, a frame is still shown for every such stretch of the clip."""

_LATE_START_US = 200_000
"""Containers shift their clock by a few frames at will; beyond this, a late start is meant."""


def probe_clip(path: Path) -> MediaInfo:
    """Look into a clip; see `ads.media.decode.probe`."""
    with open_clip(path) as container:
        stream = video_stream(path, container)
        first = next(_timed_frames(path, container, stream), None)
        if first is None:
            raise MediaError(f"{path} holds no picture that can be decoded; replace the file.")
        width, height = _upright_size(first[1], stream)
        rate = stream.average_rate
        return MediaInfo(
            "video",
            width,
            height,
            duration_s=_length_s(path, container, stream),
            has_sound=bool(container.streams.audio),
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
    clip holds no frame, or ends more than `SHORT_BY_S` before its stated length.
    """
    emitted_ns: int | None = None
    left_out = 0
    held: tuple[int, VideoFrame] | None = None
    with open_clip(path) as container:
        stream = video_stream(path, container)
        for position_ns, frame in _timed_frames(path, container, stream, start_ns):
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
        stated_s = _stated_length_s(container, stream)
        frame_s = 0.0 if not stream.average_rate else float(1 / stream.average_rate)
    if held is None:
        raise MediaError(f"{path} holds no picture that can be decoded; replace the file.")
    reached_s = held[0] / 1e9 + frame_s
    if stated_s is not None and reached_s < stated_s - SHORT_BY_S:
        raise MediaError(
            f"{path} breaks off at {reached_s:.1f} s of {stated_s:.1f} s; replace the file."
        )


def _timed_frames(
    path: Path, container: InputContainer, stream: VideoStream, start_ns: int = 0
) -> Iterator[tuple[int, VideoFrame]]:
    """Yield frames with strictly rising positions, without damaged ones.

    The first one is at 0; or at or before `start_ns`, where the file can be entered there.
    """
    zero_s: Fraction | None = None
    step_ns = round(1e9 / stream.average_rate) if stream.average_rate else 40_000_000
    last_ns = -1
    is_first = True
    decoded: Iterator[VideoFrame] = _decoded(path, container, stream)
    while (frame := next(decoded, None)) is not None:
        if frame.pts is None or frame.time_base is None:
            position_ns = last_ns + step_ns
        else:
            at_s = frame.pts * frame.time_base
            zero_s = _start_s(stream, at_s) if zero_s is None else zero_s
            position_ns = round((at_s - zero_s) * 1_000_000_000)
            if is_first and start_ns > 0:
                start_s = Fraction(start_ns, 1_000_000_000)
                entered = _decoded_from(path, container, stream, zero_s, start_s)
                if entered is not None:
                    is_first, decoded = False, entered
                    continue
        if is_first:
            position_ns, is_first = 0, False
        if position_ns > last_ns:
            last_ns = position_ns
            yield position_ns, frame


def _decoded_from(
    path: Path,
    container: InputContainer,
    stream: VideoStream,
    zero_s: Fraction,
    position_s: Fraction,
) -> Iterator[VideoFrame] | None:
    """Decode from a frame at or before a position; None if the file must be read from its start."""
    # Only these containers index their key frames.
    is_indexed = {"mp4", "matroska", "avi"} & set(container.format.name.split(","))
    if not is_indexed or stream.time_base is None:
        return None
    # Frames are stored in another order than shown, so an index may lead to one shown too late.
    for earlier_s in (Fraction(0), Fraction(2), Fraction(10), position_s):
        target_s = zero_s + max(Fraction(0), position_s - earlier_s)
        try:
            container.seek(int(target_s / stream.time_base), stream=stream)
        except CLIP_ERRORS:
            return None
        decoded = _decoded(path, container, stream)
        first = next(decoded, None)
        if first is None or first.pts is None:
            continue
        if first.pts * stream.time_base <= zero_s + position_s:
            return chain([first], decoded)
    return None


def _start_s(stream: VideoStream, first_s: Fraction) -> Fraction:
    """Return where the clip begins: at its first frame, unless earlier ones were undecodable."""
    if stream.start_time is None or stream.time_base is None:
        return first_s
    stated_s = stream.start_time * stream.time_base
    return first_s if abs(first_s - stated_s) * 1_000_000 <= _LATE_START_US else stated_s


def _decoded(path: Path, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Yield every frame that can be decoded; a clip that stays broken fails for its length."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except CLIP_ERRORS as error:
            # The file ends within a packet, or cannot be read any further.
            logger.debug("Reading %s ends early: %s", path, reason(error))
            packet = None
        try:
            # Without a packet, the decoder returns what it has held back.
            decoded = stream.decode(packet)
        except av.error.EOFError:
            return
        except CLIP_ERRORS as error:
            logger.debug("Skipping a damaged packet of %s: %s", path, reason(error))
            decoded = []
        yield from decoded
        if packet is None:
            return


def _stated_length_s(container: InputContainer, stream: VideoStream) -> float | None:
    """Return the stated length of the picture track; None where it may be that of the sound."""
    if _starts_late(container, stream):
        return None
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is not None and not container.streams.audio:
        return container.duration / av.time_base
    return None


def _starts_late(container: InputContainer, stream: VideoStream) -> bool:
    """Return whether the clock may not start at 0; formats differ in what length means then."""
    if stream.start_time is not None and stream.time_base is not None:
        return stream.start_time * stream.time_base * 1_000_000 > _LATE_START_US
    return container.start_time is None or container.start_time > _LATE_START_US


def _length_s(path: Path, container: InputContainer, stream: VideoStream) -> float:
    """Return the length of the longest track as stated, else up to the last picture packet."""
    length = container.duration
    if length is not None and length > 0 and not _starts_late(container, stream):
        return length / av.time_base
    stated_s = _stated_length_s(container, stream)
    if stated_s is not None and stated_s > 0:
        return stated_s
    first: Fraction | None = None
    last = Fraction(0)
    step = 1 / stream.average_rate if stream.average_rate else Fraction(1, 25)
    with open_clip(path) as again:
        for packet in again.demux(video=0):
            if packet.pts is None or packet.time_base is None:
                continue
            at = packet.pts * packet.time_base
            first = at if first is None else min(first, at)
            last = max(last, at + (packet.duration * packet.time_base if packet.duration else step))
    if first is None or last <= first:
        raise MediaError(f"{path} does not state how long it is; convert it to MP4.")
    return float(last - first)


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
