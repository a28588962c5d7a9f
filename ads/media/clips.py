"""Decode the picture of clips with PyAV."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ads.errors import MediaError
from ads.media.chunks import is_cut_off
from ads.media.clip_file import open_clip, open_to_play
from ads.media.clip_length import clip_length_s
from ads.media.clip_stamps import picture_rate
from ads.media.clip_timing import PictureTrack
from ads.media.frame_converter import FrameConverter, upright_size
from ads.media.types import ENDLESS_NS, LATE_NS, MAX_STEP_NS, MediaFrame, MediaInfo, Size
from detector.sources.orientation import stated_orientation
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from av.video.frame import VideoFrame


def probe_clip(path: Path) -> MediaInfo:
    """Look into a clip; see `ads.media.decode.probe`."""
    with open_clip(path) as container:
        track = PictureTrack(path, container)
        first = next(track.frames(), None)
        if first is None:
            raise MediaError(
                lazy("%(path)s holds no picture that can be decoded; replace the file.", path=path)
            )
        orientation = stated_orientation(first[1])
        aspect = track.stream.sample_aspect_ratio
        width, height = upright_size(first[1], aspect, orientation)
        rate = picture_rate(track.stream)
        cut = lazy(
            "%(path)s is cut off: parts of it are missing, so it ends early; copy it again.",
            path=path,
        )
        return MediaInfo(
            "video",
            width,
            height,
            duration_s=clip_length_s(track.tracks),
            has_sound=track.tracks.sound is not None,
            frames_per_second=float(rate) if rate else None,
            remarks=(cut,) if is_cut_off(path) else (),
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
    with open_to_play(path) as container:
        track = PictureTrack(path, container)
        converter = FrameConverter(track.stream.sample_aspect_ratio)
        decoding_since_ns = time.monotonic_ns()
        for position_ns, frame in track.frames(start_ns, wanted_ns):
            reached_ns = -1 if wanted_ns is None else wanted_ns()
            if held is not None and position_ns > start_ns:
                held_ns, held_frame = held
                in_time = position_ns > reached_ns or held_ns + LATE_NS >= reached_ns
                if emitted_ns is None:
                    # If the file cannot be entered exactly, the first picture stands in.
                    held_ns = min(held_ns, start_ns)
                step_ns = max(held_ns - (emitted_ns or 0), time.monotonic_ns() - decoding_since_ns)
                if in_time or emitted_ns is None or step_ns >= MAX_STEP_NS:
                    left_out += track.take_left_out()
                    emitted_ns = held_ns
                    rgb = converter.converted(held_frame, viewport(), frame)
                    yield MediaFrame(held_ns, rgb, position_ns, left_out)
                    left_out, decoding_since_ns = 0, time.monotonic_ns()
                else:
                    left_out += 1
            held = (position_ns, frame)
        if held is not None:
            rgb = converter.converted(held[1], viewport())
            yield MediaFrame(held[0], rgb, ENDLESS_NS, left_out)
            broken = track.why_broken(held[0])
    if held is None:
        raise MediaError(
            lazy("%(path)s holds no picture that can be decoded; replace the file.", path=path)
        )
    if broken is not None:
        raise broken
