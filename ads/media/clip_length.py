"""When a clip begins, and how long it is."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

import av

from ads.errors import MediaError
from ads.media.clip_file import is_cover, open_clip, sound_stream, video_stream
from ads.media.clip_stamps import (
    can_jump,
    clock_of,
    in_seconds,
    packets,
    picture_rate,
    picture_step_s,
)
from detector.texts import lazy

if TYPE_CHECKING:
    from pathlib import Path

    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.stream import VideoStream

LATE_START_S = Fraction(1, 5)
"""Containers shift their clock by a few frames; a later start is intended."""


class Tracks:
    """The tracks of an open clip that are shown and heard; `sound` is None for a silent clip."""

    def __init__(self, path: Path, container: InputContainer) -> None:
        self.path = path
        self.container = container
        self.picture: VideoStream = video_stream(path, container)
        self.sound: AudioStream | None = sound_stream(container)

    @property
    def all(self) -> tuple[VideoStream | AudioStream, ...]:
        return (self.picture,) if self.sound is None else (self.picture, self.sound)

    @cached_property
    def start_s(self) -> Fraction | None:
        """The stamp at which the clip begins: its picture, or earlier sound; None if not stated."""
        picture_s = _start_s(self.picture)
        sound_s = None if self.sound is None else _start_s(self.sound)
        is_sure = can_jump(self.container) or "mp4" in self.container.format.name
        if not is_sure and picture_s is not None and picture_s > LATE_START_S:
            # For a track that it has not seen yet, FFmpeg states the start of another one.
            picture_s, sound_s = self._first_stamps_s()
        if picture_s is None or (sound_s is not None and sound_s < picture_s - LATE_START_S):
            return sound_s
        return picture_s

    def _first_stamps_s(self) -> tuple[Fraction | None, Fraction | None]:
        """Return the first stamps of picture and sound, if that comes before the picture."""
        sound_s: Fraction | None = None
        with open_clip(self.path) as again:
            tracks = Tracks(self.path, again)
            for packet in packets(self.path, again, tracks.all):
                at_s = in_seconds(packet.pts, packet.time_base)
                if at_s is None:
                    continue
                if packet.stream is tracks.picture:
                    return at_s, sound_s
                sound_s = at_s if sound_s is None else sound_s
        return None, sound_s


def clip_length_s(tracks: Tracks) -> float:
    """Return how long picture and sound of a clip last together; subtitles do not count.

    A length that the file does not state is measured from its packets.

    Raises:
        MediaError: The length is not stated and cannot be measured.
    """
    stated_s = stated_length_s(tracks)
    if stated_s is not None and stated_s > 0:
        return stated_s
    with open_clip(tracks.path) as again:
        length_s = _measured_length_s(Tracks(tracks.path, again))
    if length_s <= 0:
        raise MediaError(
            lazy("%(path)s does not state how long it is; convert it to MP4.", path=tracks.path)
        )
    return float(length_s)


def stated_length_s(tracks: Tracks) -> float | None:
    """Return the length in seconds that a clip states for its tracks; None if it does not."""
    container = tracks.container
    if can_jump(container):
        # FFmpeg would guess from the first and the last stamp.
        return None
    start_s = tracks.start_s
    is_alone = all(stream in tracks.all or _lasts_no_time(stream) for stream in container.streams)
    begins_late = start_s is None or start_s > LATE_START_S
    if is_alone and not begins_late:
        return None if container.duration is None else container.duration / av.time_base
    ends_s = [_stated_end_s(stream) for stream in tracks.all]
    if start_s is None or None in ends_s:
        return None
    return float(max(end_s for end_s in ends_s if end_s is not None) - start_s)


def _stated_end_s(stream: Stream) -> Fraction | None:
    start_s, length_s = _start_s(stream), in_seconds(stream.duration, stream.time_base)
    if start_s is not None and length_s is not None:
        return start_s + length_s
    # Matroska, as FFmpeg and others write it: 00:00:09.000000000
    parts = stream.metadata.get("DURATION", "").split(":")
    try:
        hours, minutes, seconds = (Fraction(part.strip("\0")) for part in parts)
    except ValueError:
        return None
    return hours * 3600 + minutes * 60 + seconds


def _measured_length_s(tracks: Tracks) -> Fraction:
    """Return the length from the start of the clip to the end of its last packet; 0 if unknown."""
    picture = tracks.picture
    step_s = picture_step_s(picture)
    shown_s: list[Fraction] = []
    ends_s: list[Fraction] = []
    pictures = 0
    clock = clock_of(tracks.container, picture)
    for packet in packets(tracks.path, tracks.container, tracks.all, clock):
        is_picture = packet.stream is picture
        pictures += is_picture
        stamp = packet.dts if packet.pts is None else packet.pts
        at_s = in_seconds(stamp, packet.time_base)
        if at_s is None or packet.is_discard:
            continue
        if is_picture:
            shown_s = [min([at_s, *shown_s]), max([at_s, *shown_s])]
        end_s = at_s + (in_seconds(packet.duration, packet.time_base) or 0)
        ends_s = [max([end_s, *ends_s])]
    if not shown_s:
        return pictures * step_s
    if picture_rate(picture) is None and pictures > 1:
        step_s = (shown_s[-1] - shown_s[0]) / (pictures - 1)
    start_s = shown_s[0] if tracks.start_s is None else tracks.start_s
    return max(*ends_s, shown_s[-1] + step_s) - start_s


def _start_s(stream: Stream) -> Fraction | None:
    return in_seconds(stream.start_time, stream.time_base)


def _lasts_no_time(stream: Stream) -> bool:
    return stream.type not in {"video", "audio", "subtitle", "data"} or is_cover(stream)
