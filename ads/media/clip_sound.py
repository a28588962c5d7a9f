"""Decode the sound of clips with PyAV."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import numpy as np

from ads.errors import MediaError
from ads.media.clip_file import open_clip

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from numpy.typing import NDArray

SAMPLE_RATE_HZ = 48_000
"""Of the decoded sound, which always has two channels of 16 bits."""


def sound_blocks(
    path: Path, start_s: float = 0.0
) -> Generator[tuple[float, NDArray[np.int16]], None, None]:
    """Decode the sound of a clip in blocks without gaps; what has no sound becomes silence.

    Begin `start_s` (at least 0) after the start of the clip's picture. Close to release the file.

    Yields:
        The position of the block in seconds, and samples: `(n, 2)` int16 at `SAMPLE_RATE_HZ`.
        `MediaError` if there is no sound that can be decoded.
    """
    done = round(start_s * SAMPLE_RATE_HZ)
    with open_clip(path) as container:
        if not container.streams.audio:
            raise MediaError(f"{path} has no sound; expected a clip with a sound track.")
        stream = container.streams.audio[0]
        zero_s = _zero_s(container, stream)
        if start_s > 0:
            # Slightly early: codecs need a block or two before the first valid sample.
            container.seek(int((zero_s + max(0.0, start_s - 0.2)) * av.time_base))
        for at, samples in _resampled(container, stream, zero_s):
            if at > done:
                yield done / SAMPLE_RATE_HZ, np.zeros((at - done, 2), np.int16)
                done = at
            fresh = samples[done - at :]
            if len(fresh):
                yield done / SAMPLE_RATE_HZ, np.ascontiguousarray(fresh)
                done += len(fresh)


def _zero_s(container: InputContainer, stream: AudioStream) -> float:
    # Of the clip's own clock: its first picture, or its first sound without a picture.
    for track in (*container.streams.video[:1], stream):
        if track.start_time is not None and track.time_base is not None:
            return float(track.start_time * track.time_base)
    return 0.0


def _resampled(
    container: InputContainer, stream: AudioStream, zero_s: float
) -> Iterator[tuple[int, NDArray[np.int16]]]:
    """Yield samples with the number of their first one, counted from the start of the clip."""
    resampler = av.AudioResampler(format="s16", layout="stereo", rate=SAMPLE_RATE_HZ)
    at: int | None = None
    for frame in container.decode(stream):
        if frame.pts is not None and frame.time_base is not None:
            stated = (float(frame.pts * frame.time_base) - zero_s) * SAMPLE_RATE_HZ
            # The resampler holds a few samples back, so counting is more exact than the time
            # stamps, which only tell of real gaps.
            if at is None or abs(stated - at) > SAMPLE_RATE_HZ / 20:
                at = round(stated)
        at = at or 0
        for block in resampler.resample(frame):
            yield at, np.asarray(block.to_ndarray(), np.int16).reshape(-1, 2)
            at += block.samples
    if at is not None:
        for block in resampler.resample(None):
            yield at, np.asarray(block.to_ndarray(), np.int16).reshape(-1, 2)
