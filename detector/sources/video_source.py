"""Where frames come from: a camera, a recording, a network stream, or the demo viewer.

Every source is opened, read and closed by one thread. A live source stamps a frame when it is
captured; a recording stamps it with its own presentation time, so that nothing measured on it
depends on the speed of the machine.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import struct
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from detector.errors import SourceLostError, SourceOpenError
from detector.sources.passwords import hide_passwords
from detector.types import Frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from av.container import InputContainer

logger = logging.getLogger(__name__)

DEMO_VIDEO = Path(__file__).parent / "demo" / "viewer.mp4"

STREAM_OPEN_TIMEOUT_MS = 6000
STREAM_READ_TIMEOUT_MS = 2500
"""A stream that stalls is given up, and opened anew, after this time."""

STREAM_OPTIONS = {"rtsp_transport": "tcp", "fpsprobesize": "3"}
"""For FFmpeg: no pictures with holes where packets are lost, and no second spent on finding out the rate."""

LONGEST_WAIT_FOR_KEY_S = 12.0
"""Data that gives no picture for so long never will: cameras that save bits send a key picture every ten seconds."""

ALMOST = 0.9
"""Share of a timeout after which a failure is put down to it."""

CUT_OFF_TOLERANCE_S = 1.0
"""A recording may end this much before the length in its header: containers round, sound may outlast the picture."""

DEFAULT_FRAME_RATE = 30.0

DEVICES = Path("/dev")
STABLE_NAMES = (DEVICES / "v4l" / "by-id", DEVICES / "v4l" / "by-path")
"""Where Linux keeps names of cameras that stay when their indices change: by maker and serial number, and by socket."""

_REQUEST_BUFFERS = 0xC0145608
"""VIDIOC_REQBUFS of Linux's videodev2.h: asks for the right to stream, which only one program can have."""
_BUFFERS = struct.Struct("<IIIIB3x")
_VIDEO_CAPTURE, _MEMORY_MAPPED = 1, 1

SourceKind = Literal["camera", "file", "stream", "demo"]


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """What to open.

    Attributes:
        kind: Camera, file, stream or the demo viewer.
        target: Index of the camera or path of its device, path of the file, or address of the
            stream; empty for the demo viewer.
    """

    kind: SourceKind
    target: str = ""

    @classmethod
    def parse(cls, text: str) -> SourceSpec:
        """Read what a person typed.

        Args:
            text: A camera's index or device (`/dev/video2`, `/dev/v4l/by-id/...`), `demo`, an
                address (http, https, rtsp, rtmp, udp, tcp), or a file's path.

        Raises:
            SourceOpenError: It is none of these.
        """
        if text.isdecimal() or text.startswith(("/dev/video", "/dev/v4l/")):
            return cls("camera", text)
        if text == "demo":
            return cls("demo")
        scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", text)
        if scheme is None:
            return cls("file", text)
        if scheme[1].lower() in {"http", "https", "rtsp", "rtsps", "rtmp", "udp", "tcp"}:
            return cls("stream", text)
        raise SourceOpenError(
            f"Unknown kind of source {text!r}: expected a camera index or device, a video file, "
            "an http or rtsp address, or 'demo'."
        )

    @property
    def shown(self) -> str:
        """The target without what others need not know: a password in an address."""
        is_stream = self.kind == "stream"
        return hide_passwords(self.target, keep_user=False) if is_stream else self.target

    @property
    def stored(self) -> str:
        """The source as a session keeps it: a file's name without its folder, and no password."""
        return Path(self.target).name if self.kind == "file" else str(self)

    def __str__(self) -> str:
        return self.target if self.kind == "file" else f"{self.kind} {self.shown}".strip()


class VideoSource(ABC):
    """A source of frames, open from its construction until `close`.

    Attributes:
        live: Whether the frames come at their own pace, so that a late reader loses some.
        frame_rate: Frames per second as the source states it; 30 where it states none.
        frame_count: Frames that a recording states in its header; 0 for a live source.
    """

    live: bool
    frame_rate: float
    frame_count: int = 0

    def __enter__(self) -> VideoSource:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def read(self) -> Frame | None:
        """The next frame, or `None` at the end of a recording and after `interrupt`.

        Raises:
            SourceLostError: The source failed before its end.
        """

    def interrupt(self) -> None:  # noqa: B027 (most sources never wait for long)
        """Make a waiting `read` return soon; the only method that another thread may call."""

    @abstractmethod
    def close(self) -> None:
        """Release the source; harmless when repeated."""


def _quiet_capture(
    target: str | int, backend: int, parameters: list[int] | None = None
) -> cv2.VideoCapture:
    # OpenCV and its FFmpeg print to the terminal what we say ourselves, in better words.
    cv2.setLogLevel(0)
    return cv2.VideoCapture(target, backend, parameters or [])


def _shows_video(capture: cv2.VideoCapture) -> bool:
    # FFmpeg plays a text file as a film of its letters.
    return capture.isOpened() and int(capture.get(cv2.CAP_PROP_FOURCC)) != cv2.VideoWriter.fourcc(
        *"ansi"
    )


def _stated_rate(capture: cv2.VideoCapture) -> float:
    rate = capture.get(cv2.CAP_PROP_FPS)
    return rate if 1.0 <= rate <= 1000.0 else DEFAULT_FRAME_RATE


class Recording(VideoSource):
    """A video file, every frame in order, stamped with its presentation time since the first frame.

    Args:
        path: The file.

    Raises:
        SourceOpenError: It is missing, not a video, or without a picture.
    """

    live = False

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise SourceOpenError(f"The video {path} is missing: expected a file; check the path.")
        self._path = path
        self._capture = _quiet_capture(str(path), cv2.CAP_FFMPEG)
        opened = _shows_video(self._capture)
        self.frame_rate = _stated_rate(self._capture)
        # A header without a length gives a senseless negative number.
        self.frame_count = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self._sequence = 0
        self._origin_ms: float | None = None
        self._last_ns = -1
        self._pending = self._decode() if opened else None
        if self._pending is None:
            self._capture.release()
            raise SourceOpenError(
                f"{path} holds no picture that can be decoded: expected a video file, received "
                f"{path.stat().st_size} bytes that are empty, cut off or of another kind; record or copy it again."
            )

    def read(self) -> Frame | None:
        """The next frame, or `None` at the end.

        Raises:
            SourceLostError: The file ends well before the length that its header states.
        """
        frame = self._pending
        if frame is None:
            if self._is_cut_off():
                raise SourceLostError(
                    f"{self._path} is cut off: expected {self.frame_count} frames, received {self._sequence}; "
                    "what came before the cut was measured."
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
        captured_ns = round((stamp_ms - self._origin_ms) * 1e6)
        if captured_ns == 0:
            # A bare stream of pictures carries no times at all; its rate is all there is to go by.
            captured_ns = round(self._sequence * 1e9 / self.frame_rate)
        # MediaPipe and the tracker need rising times; broken files repeat a stamp now and then.
        captured_ns = max(captured_ns, self._last_ns + 1) if self._last_ns >= 0 else 0
        frame = Frame(np.asarray(image, dtype=np.uint8), captured_ns, self._sequence)
        self._last_ns = captured_ns
        self._sequence += 1
        return frame

    def _is_cut_off(self) -> bool:
        if (self.frame_count - self._sequence) / self.frame_rate <= CUT_OFF_TOLERANCE_S:
            return False
        # Where the header counts no frames, OpenCV takes length times highest rate for their
        # number, which is far too many for a recording of varying rate. The length is the better
        # witness, where the header states it.
        length_s = _stated_length_s(self._path)
        read_s = self._last_ns / 1e9 + 1.0 / self.frame_rate
        return length_s is None or length_s - read_s > CUT_OFF_TOLERANCE_S

    def close(self) -> None:
        """Close the file; harmless when repeated."""
        self._pending = None
        self._capture.release()


def _stated_length_s(path: Path) -> float | None:
    """Length of a video by its header, which OpenCV does not tell; `None` where the header's count of frames is better.

    MP4 has both, and its count includes frames that were trimmed away without encoding anew; the
    length does not.
    """
    try:
        with av.open(str(path)) as container:
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
    # The shorter one, because sound may outlast the picture.
    return min(lengths, default=None)


class PacedRecording(VideoSource):
    """A video file played like a camera: each frame appears at its time on the monotonic clock.

    Args:
        path: The file.
        loop: Whether it starts again at its end. Defaults to `False`.
    """

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
        """The next frame, when it is due."""
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


class CameraCapture(VideoSource):
    """A camera: frames are stamped when they arrive.

    Args:
        spec: The camera.
        clock: Nanoseconds of the monotonic clock. Defaults to the system's.

    Raises:
        SourceOpenError: It cannot be opened or gives no picture.
    """

    live = True

    def __init__(self, spec: SourceSpec, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._spec = spec
        self._clock = clock
        # Looked up at every opening: a camera that was plugged in again may have got another index.
        self._capture = _quiet_capture(camera_index(spec.target), cv2.CAP_ANY)
        # One buffered frame: the newest is wanted, not the oldest.
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._sequence = 0
        self._newest_ns = 0
        if not _shows_video(self._capture) or not self._capture.grab():
            self._capture.release()
            raise _why_no_camera(spec)
        self.frame_rate = _stated_rate(self._capture)

    def read(self) -> Frame | None:
        """The next frame.

        Raises:
            SourceLostError: No picture came, mostly because the camera was unplugged.
        """
        grabbed = self._capture.grab()
        # Stamped before decoding, which takes its own time.
        captured_ns = max(self._clock(), self._newest_ns + 1)
        read, image = self._capture.retrieve() if grabbed else (False, None)
        if not read or image is None:
            raise SourceLostError(
                f"The {self._spec} gives no more pictures: expected a running source."
            )
        self._newest_ns = captured_ns
        frame = Frame(np.asarray(image, dtype=np.uint8), captured_ns, self._sequence)
        self._sequence += 1
        return frame

    def close(self) -> None:
        """Release the camera; harmless when repeated."""
        self._capture.release()


class StreamCapture(VideoSource):
    """A network stream: frames are stamped when their data arrives, and may change their size at any time.

    Read with PyAV, because OpenCV goes on cutting pictures to the first one's size, and does not
    say why a stream ended.

    Args:
        spec: The stream.
        clock: Nanoseconds of the monotonic clock. Defaults to the system's.

    Raises:
        SourceOpenError: It cannot be opened or gives no picture.
    """

    live = True

    def __init__(self, spec: SourceSpec, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._spec = spec
        self._clock = clock
        self._sequence = 0
        self._newest_ns = 0
        self._waiting: deque[Frame] = deque()
        self._container: InputContainer | None = None
        try:
            limits_s = (STREAM_OPEN_TIMEOUT_MS / 1000, STREAM_READ_TIMEOUT_MS / 1000)
            container = self._container = av.open(
                spec.target, timeout=limits_s, options=STREAM_OPTIONS
            )
            stream = container.streams.video[0]
            if stream.codec_context.name == "ansi":
                # FFmpeg plays a text file as a film of its letters.
                raise _why_no_stream(spec, stalled=False)
            # Threads that work at one picture each would hold several of them back.
            stream.codec_context.thread_type = "SLICE"
            self._packets = container.demux(stream)
            self._reformatter = VideoReformatter()
            self._decode()
        except (av.FFmpegError, SourceLostError, IndexError) as error:
            self.close()
            stalled = (
                isinstance(error, av.ExitError | TimeoutError)
                or getattr(error, "cause", "") == "stream_stalled"
            )
            raise _why_no_stream(spec, stalled=stalled) from error
        except SourceOpenError:
            self.close()
            raise
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        self.frame_rate = rate if 1.0 <= rate <= 1000.0 else DEFAULT_FRAME_RATE

    def read(self) -> Frame | None:
        """The next frame.

        Raises:
            SourceLostError: No picture came: the stream ended, or stalls.
        """
        if not self._waiting:
            self._decode()
        return self._waiting.popleft()

    def _decode(self) -> None:
        """Take in data until there is a frame.

        Raises:
            SourceLostError: There is none.
        """
        began_s = time.monotonic()
        while not self._waiting:
            asked_s = time.monotonic()
            try:
                packet = next(self._packets)
                # FFmpeg ends a read that timed out with what it held back: pictures of seconds ago,
                # and then nothing more.
                if (
                    _timed_out(asked_s, STREAM_READ_TIMEOUT_MS)
                    or asked_s - began_s > LONGEST_WAIT_FOR_KEY_S
                ):
                    raise self._stalled()
                # Stamped before decoding, which takes its own time.
                arrived_ns = self._clock()
                pictures = packet.decode()
            except av.InvalidDataError:
                # What came over the network in pieces; the next picture may be whole.
                continue
            except (av.ExitError, TimeoutError) as error:
                raise self._stalled() from error
            except (av.FFmpegError, StopIteration) as error:
                raise SourceLostError(
                    f"The {self._spec} gives no more pictures: expected a running source."
                ) from error
            for picture in pictures:
                self._newest_ns = max(arrived_ns, self._newest_ns + 1)
                image = self._reformatter.reformat(picture, format="bgr24").to_ndarray()
                self._waiting.append(
                    Frame(np.asarray(image, dtype=np.uint8), self._newest_ns, self._sequence)
                )
                self._sequence += 1

    def _stalled(self) -> SourceLostError:
        return SourceLostError(
            f"The {self._spec} stalls: expected pictures all the time, received none for "
            f"{STREAM_READ_TIMEOUT_MS / 1000:.1f} s or longer.",
            "stream_stalled",
        )

    def close(self) -> None:
        """End the connection; harmless when repeated."""
        if self._container is not None:
            self._container.close()


def _timed_out(began_s: float, limit_ms: float) -> bool:
    return time.monotonic() - began_s >= ALMOST * limit_ms / 1000


def _why_no_stream(spec: SourceSpec, *, stalled: bool) -> SourceOpenError:
    return SourceOpenError(
        f"The stream {spec.shown} cannot be opened: expected a server that answers within "
        f"{STREAM_OPEN_TIMEOUT_MS / 1000:.0f} s with a video; check the address and that the server runs.",
        "stream_stalled" if stalled else "camera_lost",
    )


def _why_no_camera(spec: SourceSpec) -> SourceOpenError:
    if _in_use(DEVICES / f"video{camera_index(spec.target)}"):
        return SourceOpenError(
            f"Camera {spec.target} is in use by another program: expected it to be free; close that program.",
            "camera_busy",
        )
    found = cameras()
    have = (
        f"cameras found: {', '.join(map(str, found))}"
        if found
        else "no camera was found on this machine"
    )
    return SourceOpenError(
        f"Camera {spec.target} cannot be opened ({have}): plug it in, close programs that use it, choose another "
        "with --source, or try the built-in viewer with --source demo."
    )


def _in_use(device: Path) -> bool:
    """Whether another program has a camera's pictures; false where that cannot be told."""
    if not sys.platform.startswith("linux"):
        return False
    import fcntl  # noqa: PLC0415 (there is none elsewhere)

    try:
        number = os.open(device, os.O_RDWR | os.O_NONBLOCK)
        try:
            # Given back when the device is closed.
            fcntl.ioctl(
                number,
                _REQUEST_BUFFERS,
                bytearray(_BUFFERS.pack(1, _VIDEO_CAPTURE, _MEMORY_MAPPED, 0, 0)),
            )
        finally:
            os.close(number)
    except OSError as error:
        return error.errno == errno.EBUSY
    return False


def cameras() -> list[int]:
    """Indices of the cameras that the system lists (Linux: /dev/video*), without opening them."""
    numbers = (re.fullmatch(r"video(\d+)", device.name) for device in DEVICES.glob("video*"))
    return sorted(int(number[1]) for number in numbers if number)


def camera_index(target: str) -> int:
    """The index that a camera has now.

    Args:
        target: Its index, or the path of its device; a stable name (`/dev/v4l/by-id/...`) is
            followed to where it leads.

    Raises:
        SourceOpenError: The name leads to no camera.
    """
    if target.isdecimal():
        return int(target)
    number = re.fullmatch(r"video(\d+)", Path(target).resolve().name)
    if number is None:
        known = (
            ", ".join(str(link) for folder in STABLE_NAMES for link in sorted(folder.glob("*")))
            or "none"
        )
        raise SourceOpenError(
            f"Camera {target} is not there: expected the name of a camera that is plugged in (known: {known}); "
            "plug it in or choose another with --source."
        )
    return int(number[1])


def stable_names(index: int) -> list[str]:
    """Paths of a camera that stay when its index changes, by its maker and number first; empty where there is none."""
    device = DEVICES / f"video{index}"
    links = (link for folder in STABLE_NAMES for link in sorted(folder.glob("*")))
    return [str(link) for link in links if link.resolve() == device.resolve()]


def open_source(spec: SourceSpec, *, lossless: bool = False) -> VideoSource:
    """Open a source.

    Args:
        spec: What to open.
        lossless: Read a file or the demo viewer frame by frame on its own clock, as fast as it is
            asked, instead of in real time. Defaults to `False`.

    Raises:
        SourceOpenError: It cannot be opened, or a live source was asked to be lossless.
    """
    if spec.kind in {"camera", "stream"}:
        if lossless:
            raise SourceOpenError(
                f"The {spec} is live and cannot be replayed: expected a video file."
            )
        return CameraCapture(spec) if spec.kind == "camera" else StreamCapture(spec)
    path = DEMO_VIDEO if spec.kind == "demo" else Path(spec.target)
    if lossless:
        return Recording(path)
    return PacedRecording(path, loop=spec.kind == "demo")
