"""Read the packets of a clip on one clock, even if its time stamps start again or jump."""

from __future__ import annotations

import logging
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from av.format import Flags

from ads.media.clip_file import CLIP_ERRORS
from ads.media.types import reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

logger = logging.getLogger(__name__)

MAX_GAP_S = 10
"""A longer gap in a transport stream is a jump unless the sound continues; FFmpeg's limit too."""

MAX_RATE = 240
"""Pictures per second; a higher stated rate is the unit of the clock, given by mistake."""


def picture_rate(stream: VideoStream) -> Fraction | None:
    """Return the pictures per second that a track states, if they are plausible."""
    # Files without a container have no mean rate, and FFmpeg invents one.
    is_bare = stream.start_time is None and stream.duration is None and not stream.frames
    stated = (stream.codec_context.framerate if is_bare else None, stream.average_rate)
    return next((rate for rate in stated if rate and 0 < rate <= MAX_RATE), None)


def picture_step_s(stream: VideoStream) -> Fraction:
    """Return how long a picture without a stated duration stands."""
    rate = picture_rate(stream)
    return 1 / rate if rate else Fraction(1, 25)


def can_jump(container: InputContainer) -> bool:
    """Return whether stamps may start again mid-file, as in joined transport streams."""
    flags = Flags(container.format.flags)
    return Flags.ts_discont in flags and container.format.name != "ogg"


def in_seconds(stamp: int | None, time_base: Fraction | None) -> Fraction | None:
    """Return a stamp or a length in seconds; None if it is not stated."""
    return None if stamp is None or time_base is None else stamp * time_base


def clock_of(container: InputContainer, picture: VideoStream) -> ContinuousClock | None:
    """Return a clock that bridges jumps of the stamps; None if they cannot jump."""
    if not can_jump(container):
        return None
    rate = picture_rate(picture)
    return ContinuousClock(1 / rate if rate else None)


def packets(
    path: Path,
    container: InputContainer,
    tracks: Sequence[VideoStream | AudioStream],
    clock: ContinuousClock | None = None,
) -> Iterator[Packet[Any]]:
    """Yield the packets of tracks until the file ends or cannot be read further.

    With a clock, which needs both picture and sound, their stamps are made continuous.
    """
    demuxed = container.demux(*tracks)
    while True:
        try:
            packet = next(demuxed, None)
        except (*CLIP_ERRORS, IndexError) as error:
            # The file ends within a packet or cannot be read further. PyAV raises an IndexError
            # when a track appears that the header does not list.
            logger.debug("Reading %s ends early: %s", path, reason(error))
            return
        if packet is None:
            return
        if not packet.size:
            # It only tells a decoder that its track has ended.
            continue
        if clock is not None:
            restamp(packet, clock)
        yield packet


def restamp(packet: Packet[Any], clock: ContinuousClock) -> None:
    """Move a packet to its place on a continuous clock; no-op without stamps."""
    base = packet.time_base
    decoded_at = packet.pts if packet.dts is None else packet.dts
    shown_at = packet.dts if packet.pts is None else packet.pts
    if base is None or decoded_at is None or shown_at is None:
        return
    length_s = (packet.duration or 0) * base
    if packet.stream.type == "video":
        offset_s = clock.picture_offset_s(
            decoded_at * base, shown_at * base, length_s, is_key=packet.is_keyframe
        )
    else:
        offset_s = clock.sound_offset_s(shown_at * base, length_s)
    offset = round(offset_s / base)
    if packet.pts is not None:
        packet.pts += offset
    if packet.dts is not None:
        packet.dts += offset


class ContinuousClock:
    """Bridge the jumps of stamps, so that each segment follows the one before.

    The picture decides where a segment begins. Sound follows, although its packets may be stored a
    little before or after the picture's.

    Args:
        step_s: How long a picture without a duration stands; by default as long as the one before.
    """

    def __init__(self, step_s: Fraction | None = None) -> None:
        self._step_s = step_s
        self._gap_s = Fraction(1, 25)
        # What to add to the stamps of each segment.
        self._offsets_s = [Fraction(0)]
        self._decoded_s: Fraction | None = None
        self._picture_end_s: Fraction | None = None
        # The sound is in the segment of this number; it may be ahead of the picture by one.
        self._sound_segment = 0
        self._sound_s: Fraction | None = None
        self._sound_end_s: Fraction | None = None

    def picture_offset_s(
        self, decoded_s: Fraction, shown_s: Fraction, length_s: Fraction, *, is_key: bool
    ) -> Fraction:
        """Return what to add to the stamps of the next picture, given when it is decoded."""
        last_s, self._decoded_s = self._decoded_s, decoded_s
        if last_s is not None and self._picture_end_s is not None:
            gap_s = decoded_s - last_s
            # Some encoders step back a little within a segment.
            starts_again = gap_s < 0 and (is_key or gap_s < -0.5)
            if starts_again or (gap_s > MAX_GAP_S and not self._sound_reaches(shown_s)):
                self._offsets_s.append(self._picture_end_s - shown_s)
            elif gap_s > 0:
                self._gap_s = gap_s
        offset_s = self._offsets_s[-1]
        end_s = shown_s + offset_s + (length_s or self._step_s or self._gap_s)
        self._picture_end_s = max(self._picture_end_s or end_s, end_s)
        return offset_s

    def sound_offset_s(self, sound_s: Fraction, length_s: Fraction) -> Fraction:
        """Return what to add to the stamp of the next packet of sound."""
        offset_s = self._sound_offset_s(sound_s)
        self._sound_s = sound_s
        self._sound_end_s = sound_s + offset_s + length_s
        return offset_s

    def _sound_offset_s(self, sound_s: Fraction) -> Fraction:
        expected_s = self._sound_end_s
        if self._sound_s is None or expected_s is None:
            self._sound_segment = len(self._offsets_s) - 1
            return self._offsets_s[-1]
        if sound_s < self._sound_s:
            self._sound_segment += 1
        candidates = self._offsets_s[self._sound_segment :]
        if not candidates:
            # The picture has not begun this segment yet.
            self._sound_segment = len(self._offsets_s)
            return expected_s - sound_s
        offset_s = min(candidates, key=lambda offset_s: abs(sound_s + offset_s - expected_s))
        at_s = sound_s + offset_s
        near_s = (expected_s, expected_s if self._picture_end_s is None else self._picture_end_s)
        if min(abs(at_s - other_s) for other_s in near_s) > MAX_GAP_S:
            self._sound_segment = len(self._offsets_s)
            return expected_s - sound_s
        self._sound_segment += candidates.index(offset_s)
        return offset_s

    def _sound_reaches(self, shown_s: Fraction) -> bool:
        """Return whether the sound continued up to a picture, which then was merely late."""
        if self._sound_end_s is None:
            return False
        return abs(shown_s + self._offsets_s[-1] - self._sound_end_s) < 5
