"""When the pictures of a clip are due, and whether it is whole."""

from __future__ import annotations

import logging
from collections import deque
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, Any

import av
import av.error

from ads.errors import MediaError
from ads.media.chunks import is_cut_off
from ads.media.clip_file import CLIP_ERRORS, open_clip, picture_decoder
from ads.media.clip_length import LATE_START_S, Tracks, stated_length_s
from ads.media.clip_stamps import clock_of, in_seconds, packets, picture_step_s
from ads.media.types import reason
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

logger = logging.getLogger(__name__)

SHORT_BY_S = 0.5
"""A clip that ends this much before its stated length may be broken; less is common."""

JUMP_NS = 1_000_000_000
"""When decoding is this far behind the show, it skips to the newest key frame that is due."""

MAX_AHEAD = 2000
"""Packets searched for that key frame, a minute of a usual clip."""


class PictureTrack:
    """The picture track of an open clip: its frames with their positions.

    Positions count from the start of the clip: of its picture, or of its sound if that begins
    `LATE_START_S` earlier.
    """

    def __init__(self, path: Path, container: InputContainer) -> None:
        self.tracks = Tracks(path, container)
        self.stream: VideoStream = self.tracks.picture
        self._path = path
        self._container = container
        # AVI states when a picture is decoded, not when it is shown, and FFmpeg's guess at the
        # latter is often wrong. Decoders return one picture for each packet, in display order.
        self._is_avi = container.format.name == "avi"
        # The newest stamp read so far, and when the picture after it is due.
        self._read_s: Fraction | None = None
        self._read_to_s: Fraction | None = None
        self._zero_s = Fraction(0)
        self._reached_ns: Callable[[], int] | None = None
        self._left_out = 0

    def frames(
        self, start_ns: int = 0, reached_ns: Callable[[], int] | None = None
    ) -> Iterator[tuple[int, VideoFrame]]:
        """Yield frames with strictly rising positions in nanoseconds, without damaged ones.

        The first one is at 0 or, if the file can be entered there, at or before `start_ns`. Frames
        far behind the position that the show has reached are left out, up to a key frame.
        """
        self._reached_ns = reached_ns
        step_ns = gap_ns = 0
        last_ns = -1
        is_first = True
        decoded = self._decoded()
        while (frame := next(decoded, None)) is not None:
            # The last frames come without one.
            at_s = in_seconds(frame.pts, frame.time_base or self.stream.time_base)
            if at_s is None:
                # Known once a frame is decoded, for files without a container.
                step_ns = step_ns or gap_ns or round(picture_step_s(self.stream) * 1_000_000_000)
                position_ns = last_ns + step_ns if last_ns >= 0 else 0
            else:
                if is_first:
                    self._zero_s = self._start_s(at_s)
                position_ns = round((at_s - self._zero_s) * 1_000_000_000)
                if is_first and start_ns > 0:
                    entered = self._decoded_from(Fraction(start_ns, 1_000_000_000))
                    if entered is not None:
                        is_first, decoded = False, entered
                        continue
            if is_first:
                position_ns, is_first = 0, False
            if position_ns > last_ns:
                gap_ns, last_ns = position_ns - last_ns if last_ns >= 0 else 0, position_ns
                yield position_ns, frame

    def take_left_out(self) -> int:
        """Return how many pictures were left out undecoded since the last call."""
        left_out, self._left_out = self._left_out, 0
        return left_out

    def why_broken(self, last_ns: int) -> MediaError | None:
        """Return why the frame at a position should not be the last one; None if it should.

        A last picture may stand for long and sound may continue after it, but the file must be
        whole and hold no later picture.
        """
        step_s = float(picture_step_s(self.stream))
        shown_s = last_ns / 1e9 + step_s
        read_s = 0.0 if self._read_s is None else float(self._read_s - self._zero_s) + step_s
        end_s = 0.0 if self._read_to_s is None else float(self._read_to_s - self._zero_s)
        stated_s = self._stated_s()
        if read_s > shown_s + SHORT_BY_S:
            # Later pictures are damaged.
            stated_s = max(stated_s or 0.0, read_s)
        elif stated_s is None:
            if not is_cut_off(self._path):
                return None
            return MediaError(
                lazy(
                    "%(path)s breaks off at %(seconds)s s; replace the file.",
                    path=self._path,
                    seconds=f"{shown_s:.1f}",
                )
            )
        elif stated_s < max(shown_s, end_s) + SHORT_BY_S or not self._is_short():
            return None
        return MediaError(
            lazy(
                "%(path)s breaks off at %(seconds)s s of %(length)s s; replace the file.",
                path=self._path,
                seconds=f"{shown_s:.1f}",
                length=f"{stated_s:.1f}",
            )
        )

    def _stated_s(self) -> float | None:
        stated_s = stated_length_s(self.tracks)
        if self._is_avi and self.stream.average_rate:
            # For a file that was cut off, FFmpeg estimates the remaining length.
            return max(stated_s or 0.0, float(self.stream.frames / self.stream.average_rate))
        return stated_s

    def _is_short(self) -> bool:
        """Return whether the file is cut off, or a large part of it unreadable."""
        if is_cut_off(self._path):
            return True
        last = 0
        with open_clip(self._path) as again:
            try:
                for packet in again.demux():
                    last = max(last, (packet.pos or 0) + packet.size)
            except CLIP_ERRORS as error:
                logger.debug("Reading %s ends early: %s", self._path, reason(error))
            size = self._path.stat().st_size
            # An index may follow, but hardly one as large.
            return last > 0 and size - last > 16_384 + size // 4

    def _decoded(self) -> Iterator[VideoFrame]:
        """Yield every frame that can be decoded."""
        clock = clock_of(self._container, self.stream)
        decoder = picture_decoder(self.stream)
        # If stamps can jump, the sound distinguishes a jump from a picture that stands.
        tracks = (self.stream,) if clock is None else self.tracks.all
        read = packets(self._path, self._container, tracks, clock)
        shown = (packet for packet in read if packet.stream is self.stream)
        for packet, is_jump in chain(self._due(shown), [(None, False)]):
            if packet is not None:
                self._note(packet)
            if is_jump:
                # The pictures that it holds back are late as well.
                decoder.flush_buffers()
            try:
                # Without a packet, the decoder returns what it has held back.
                decoded = decoder.decode(packet)
            except av.error.EOFError:
                return
            except CLIP_ERRORS as error:
                logger.debug("Skipping a damaged packet of %s: %s", self._path, reason(error))
                decoded = []
            for frame in decoded:
                if self._is_avi:
                    frame.pts = frame.dts
                yield frame

    def _due(self, shown: Iterator[Packet[Any]]) -> Iterator[tuple[Packet[Any], bool]]:
        """Yield the packets to decode, each with whether others were left out before it."""
        ahead: deque[Packet[Any]] = deque()
        while (packet := ahead.popleft() if ahead else next(shown, None)) is not None:
            key_at = self._jump_to(packet, shown, ahead)
            if key_at is None:
                yield packet, False
                continue
            for _ in range(key_at):
                ahead.popleft()
            self._left_out += 1 + key_at
            yield ahead.popleft(), True

    def _jump_to(
        self, packet: Packet[Any], shown: Iterator[Packet[Any]], ahead: deque[Packet[Any]]
    ) -> int | None:
        """Return the index in `ahead`, after filling it, of a key frame to skip to, if any."""
        reached_ns = -1 if self._reached_ns is None else self._reached_ns()
        if reached_ns - self._position_ns(packet) < JUMP_NS:
            return None
        while (not ahead or self._position_ns(ahead[-1]) <= reached_ns) and len(ahead) < MAX_AHEAD:
            if (following := next(shown, None)) is None:
                break
            ahead.append(following)
        for place in range(len(ahead) - 1, -1, -1):
            if ahead[place].is_keyframe and self._position_ns(ahead[place]) <= reached_ns:
                return place
        return None

    def _stamp_s(self, packet: Packet[Any]) -> Fraction | None:
        stamp = packet.dts if packet.pts is None or self._is_avi else packet.pts
        return in_seconds(stamp, packet.time_base)

    def _position_ns(self, packet: Packet[Any]) -> int:
        at_s = self._stamp_s(packet)
        return 1 << 62 if at_s is None else round((at_s - self._zero_s) * 1_000_000_000)

    def _note(self, packet: Packet[Any]) -> None:
        """Note how far the file was read; tiny packets do not count, as they repeat a picture."""
        at_s = self._stamp_s(packet)
        if at_s is None or packet.is_discard or packet.size <= 8:
            return
        to_s = at_s + (in_seconds(packet.duration, packet.time_base) or 0)
        self._read_s = at_s if self._read_s is None else max(self._read_s, at_s)
        self._read_to_s = to_s if self._read_to_s is None else max(self._read_to_s, to_s)

    def _decoded_from(self, position_s: Fraction) -> Iterator[VideoFrame] | None:
        """Decode from a frame at or before a position; None if the file cannot be entered."""
        # Only these containers index their key frames.
        is_indexed = {"mp4", "matroska", "avi"} & set(self._container.format.name.split(","))
        if not is_indexed or self.stream.time_base is None:
            return None
        # Frames are stored in another order than shown, so an index may lead to one shown too late.
        for earlier_s in (Fraction(0), Fraction(2), Fraction(10), position_s):
            target_s = self._zero_s + max(Fraction(0), position_s - earlier_s)
            try:
                self._container.seek(int(target_s / self.stream.time_base), stream=self.stream)
            except CLIP_ERRORS:
                return None
            decoded = self._decoded()
            first = next(decoded, None)
            if first is None or first.pts is None:
                continue
            if first.pts * self.stream.time_base <= self._zero_s + position_s:
                return chain([first], decoded)
        return None

    def _start_s(self, first_s: Fraction) -> Fraction:
        """Return where the clip begins: at its first frame, unless earlier ones were undecodable.

        With sound it begins at its stated start, which both tracks know.
        """
        stated_s = self.tracks.start_s
        if stated_s is None:
            return first_s
        if self._is_avi:
            # The decoder takes a few packets before it returns the first picture.
            return first_s if abs(first_s - stated_s) <= 1 else stated_s
        is_exact = self.tracks.sound is None
        return first_s if is_exact and abs(first_s - stated_s) <= LATE_START_S else stated_s
