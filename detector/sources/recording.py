"""Video files: frame by frame on their own clock, or played in real time like a camera."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
from av.format import Flags

from detector.errors import SourceLostError, SourceOpenError
from detector.names import printable
from detector.sources.orientation import file_orientation
from detector.sources.video_source import VideoSource, plausible_rate
from detector.texts import lazy
from detector.types import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def quiet_capture(target: str | int, backend: int) -> cv2.VideoCapture:
    """Open an OpenCV capture whose failures are ours to report, not printed by OpenCV."""
    cv2.setLogLevel(0)
    return cv2.VideoCapture(target, backend, [])


@contextmanager
def _name_for_opencv(path: Path) -> Iterator[str]:
    """Yield a name under which OpenCV can open a file: it crashes on one that is not UTF-8."""
    name = str(path)
    if printable(name, keep="\n\t") == name:
        yield name
        return
    with TemporaryDirectory(prefix="ad-monitor-video-") as folder:
        link = type(path)(folder, "video")
        link.symlink_to(path)
        yield str(link)


def shows_video(capture: cv2.VideoCapture) -> bool:
    """Return whether a capture is open, and not a text file that FFmpeg plays as a film."""
    text = cv2.VideoWriter.fourcc(*"ansi")
    return capture.isOpened() and int(capture.get(cv2.CAP_PROP_FOURCC)) != text


class Recording(VideoSource):
    """A video file, every frame in order and upright, stamped with its time since the first."""

    live = False

    CUT_OFF_TOLERANCE_S = 1.0
    """How much earlier than its header says a whole recording may end: containers round lengths."""

    MAX_OUTAGE_S = 3600.0
    """A longer gap in a transport stream is no outage: another recording was joined to it."""

    def __init__(self, path: Path) -> None:
        if path.is_dir():
            raise SourceOpenError(
                lazy(
                    "%(path)s is a folder: expected a video file; `ad-monitor replay` also takes a "
                    "folder of them.",
                    path=path,
                )
            )
        if not path.is_file():
            raise SourceOpenError(
                lazy("The video %(path)s is missing: expected a file; check the path.", path=path)
            )
        self._path = path
        # Absolute: FFmpeg takes text before a colon for a protocol.
        with _name_for_opencv(path.absolute()) as name:
            self._capture = quiet_capture(name, cv2.CAP_FFMPEG)
        # OpenCV turns pictures itself, but confuses mirrored and turned ones.
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        self._orientation = file_orientation(path)
        opened = shows_video(self._capture)
        self.frame_rate = plausible_rate(self._capture.get(cv2.CAP_PROP_FPS))
        # Negative if the header states no length.
        self.frame_count = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self._sequence = 0
        self._origin_ms: float | None = None
        self._stamp_ms = 0.0
        self._is_joined = False
        self._last_ns = -1
        self._pending = self._decode() if opened else None
        if self._pending is None:
            self._capture.release()
            raise SourceOpenError(
                lazy(
                    "%(path)s holds no picture that can be decoded: expected a video file, "
                    "received %(size)s bytes that are empty, cut off or of another kind; "
                    "record or copy it again.",
                    path=path,
                    size=path.stat().st_size,
                )
            )

    def read(self) -> Frame | None:
        """Return the next frame, `None` at the end, or raise `SourceLostError` if it is cut off."""
        frame = self._pending
        if frame is None:
            if self._is_cut_off():
                raise SourceLostError(
                    lazy(
                        "%(path)s is cut off: expected %(expected)s frames, received "
                        "%(received)s; what came before the cut was measured.",
                        path=self._path,
                        expected=self.frame_count,
                        received=self._sequence,
                    )
                )
            return None
        self._pending = self._decode()
        return frame

    def _decode(self) -> Frame | None:
        read, image = self._capture.read()
        if not read:
            return None
        stamp_ms = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        if self._origin_ms is None:
            self._origin_ms = stamp_ms
        elif self._begins_again(stamp_ms - self._stamp_ms):
            self._is_joined = True
            self._origin_ms = stamp_ms - self._last_ns / 1e6 - 1000.0 / self.frame_rate
        self._stamp_ms = stamp_ms
        captured_ns = round((stamp_ms - self._origin_ms) * 1e6)
        if captured_ns == 0:
            # A raw stream of pictures carries no times; use its rate.
            captured_ns = round(self._sequence * 1e9 / self.frame_rate)
        # MediaPipe and the tracker need rising times; damaged files repeat some.
        captured_ns = max(captured_ns, self._last_ns + 1) if self._last_ns >= 0 else 0
        upright = self._orientation.apply(np.asarray(image, dtype=np.uint8))
        frame = Frame(upright, captured_ns, self._sequence)
        self._last_ns = captured_ns
        self._sequence += 1
        return frame

    def _begins_again(self, gap_ms: float) -> bool:
        """Return whether stamps show a joined recording; damaged files step back only a little."""
        is_far_ahead = gap_ms > self.MAX_OUTAGE_S * 1000
        return gap_ms < -200 or (is_far_ahead and _can_be_joined(self._path))

    def _is_cut_off(self) -> bool:
        if self._is_joined:
            # The header describes one part only.
            return False
        if (self.frame_count - self._sequence) / self.frame_rate <= self.CUT_OFF_TOLERANCE_S:
            return False
        # Without a count in the header, OpenCV multiplies length and highest rate: far too many
        # frames for a recording of varying rate. The length is more reliable where it is stated.
        length_s = _stated_length_s(self._path)
        read_s = self._last_ns / 1e9 + 1.0 / self.frame_rate
        if length_s is not None and length_s - read_s <= self.CUT_OFF_TOLERANCE_S:
            return False
        return not _is_whole(self._path, read_s + self.CUT_OFF_TOLERANCE_S)

    def close(self) -> None:
        """Close the file; harmless when repeated."""
        self._pending = None
        self._capture.release()


def _can_be_joined(path: Path) -> bool:
    """Return whether time stamps may jump within a file of this container."""
    try:
        with av.open(str(path.absolute())) as container:
            return Flags.ts_discont in Flags(container.format.flags)
    except av.FFmpegError:
        return False


def _stated_length_s(path: Path) -> float | None:
    """Return the length in a video's header; `None` if its frame count is more reliable.

    MP4 states both, but its count includes frames that were trimmed away without re-encoding.
    """
    try:
        with av.open(str(path.absolute())) as container:
            stream = container.streams.video[0]
            if stream.frames > 0 and "mp4" not in container.format.name:
                return None
            lengths = []
            if stream.duration is not None and stream.time_base is not None:
                lengths.append(float(stream.duration * stream.time_base))
            if container.duration is not None:
                lengths.append(container.duration / av.time_base)
    except (av.FFmpegError, IndexError):
        return None
    # The shorter one: sound may outlast the picture.
    return min(lengths, default=None)


def _is_whole(path: Path, picture_s: float) -> bool:
    """Return whether a file is complete although its pictures, read up to `picture_s`, end early.

    The last picture may stand for long, or sound and subtitles may go on.
    """
    last_s = end_s = 0.0
    try:
        with av.open(str(path.absolute())) as container:
            start_s, length_s = (
                (n or 0) / av.time_base for n in (container.start_time, container.duration)
            )
            if "matroska" in container.format.name and length_s > start_s:
                # It states when it ends, on a clock that need not start at 0.
                length_s -= start_s
            picture = container.streams.video[0]
            if container.format.name == "avi" and picture.average_rate:
                # FFmpeg estimates the length that is left of a cut file.
                length_s = max(length_s, float(picture.frames / picture.average_rate))
            for packet in container.demux():
                if packet.pts is None or packet.time_base is None:
                    continue
                at_s = float(packet.pts * packet.time_base) - start_s
                end_s = max(end_s, at_s + float((packet.duration or 0) * packet.time_base))
                if packet.stream.type == "video":
                    last_s = max(last_s, at_s)
    except (av.FFmpegError, IndexError):
        return False
    return end_s >= length_s - Recording.CUT_OFF_TOLERANCE_S and 0 < last_s <= picture_s


class PacedRecording(VideoSource):
    """A video file played like a camera: each frame appears at its time on the monotonic clock."""

    live = True

    def __init__(self, path: Path, *, loop: bool = False) -> None:
        self._path = path
        self._loop = loop
        self._recording = Recording(path)
        self.frame_rate = self._recording.frame_rate
        self._interrupted = threading.Event()
        self._start_ns = time.monotonic_ns()
        self._sequence = 0
        self._newest_ns = 0

    def read(self) -> Frame | None:
        """Return the next frame when it is due."""
        frame = self._recording.read()
        if frame is None and self._loop:
            self._recording.close()
            self._recording = Recording(self._path)
            self._start_ns += self._newest_ns + round(1e9 / self.frame_rate)
            frame = self._recording.read()
        if frame is None:
            return None
        self._newest_ns = frame.captured_ns
        due_ns = self._start_ns + frame.captured_ns
        ahead_s = (due_ns - time.monotonic_ns()) / 1e9
        if self._interrupted.wait(max(0.0, ahead_s)):
            return None
        paced = Frame(frame.image, due_ns, self._sequence)
        self._sequence += 1
        return paced

    def interrupt(self) -> None:
        """Make a waiting `read` return `None` at once."""
        self._interrupted.set()

    def close(self) -> None:
        """Close the file; harmless when repeated."""
        self._recording.close()
