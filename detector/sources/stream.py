"""A network stream, read with PyAV.

OpenCV keeps cropping to the size of the first picture, and does not say why a stream ended.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from detector.errors import SourceLostError, SourceOpenError
from detector.sources.orientation import stated_orientation
from detector.sources.video_source import SourceSpec, VideoSource, plausible_rate
from detector.types import Frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from av.container import InputContainer


class StreamCapture(VideoSource):
    """A network stream: frames are stamped when their data arrives; their size may change."""

    live = True

    OPEN_TIMEOUT_MS = 6000
    READ_TIMEOUT_MS = 2500
    """A stream that delivers nothing for this long is given up and reopened."""

    MAX_KEY_WAIT_S = 12.0
    """Data without a picture for this long never becomes one: key pictures come every 10 s or
    sooner."""

    def __init__(self, spec: SourceSpec, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._spec = spec
        self._clock = clock
        self._sequence = 0
        self._newest_ns = 0
        self._waiting: deque[Frame] = deque()
        self._container: InputContainer | None = None
        try:
            container = self._container = av.open(
                spec.target,
                timeout=(self.OPEN_TIMEOUT_MS / 1000, self.READ_TIMEOUT_MS / 1000),
                # TCP: no holes from lost packets. Three frames: no second spent on the frame rate.
                options={"rtsp_transport": "tcp", "fpsprobesize": "3"},
            )
            stream = container.streams.video[0]
            if stream.codec_context.name == "ansi":
                # FFmpeg plays a text file as a film of its letters.
                raise _open_error(spec, stalled=False)
            # Threads of one picture each would hold several pictures back.
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
            raise _open_error(spec, stalled=stalled) from error
        except SourceOpenError:
            self.close()
            raise
        self.frame_rate = plausible_rate(float(stream.average_rate or stream.guessed_rate or 0))

    def read(self) -> Frame | None:
        """Return the next frame, or raise `SourceLostError`: the stream ended or stalls."""
        if not self._waiting:
            self._decode()
        return self._waiting.popleft()

    def _decode(self) -> None:
        began_s = time.monotonic()
        while not self._waiting:
            asked_s = time.monotonic()
            try:
                packet = next(self._packets)
                # After a timeout FFmpeg still returns the pictures that it held back: stale ones.
                # A wait close to the limit counts as a timeout.
                waited_ms = 1000 * (time.monotonic() - asked_s)
                if (
                    waited_ms >= 0.9 * self.READ_TIMEOUT_MS
                    or asked_s - began_s > self.MAX_KEY_WAIT_S
                ):
                    raise self._stalled()
                # Stamped before decoding, which takes time.
                arrived_ns = self._clock()
                pictures = packet.decode()
            except av.InvalidDataError:
                # Damaged in transit; the next picture may be whole.
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
                upright = stated_orientation(picture).apply(np.asarray(image, dtype=np.uint8))
                self._waiting.append(Frame(upright, self._newest_ns, self._sequence))
                self._sequence += 1

    def _stalled(self) -> SourceLostError:
        return SourceLostError(
            f"The {self._spec} stalls: expected pictures all the time, received none for "
            f"{self.READ_TIMEOUT_MS / 1000:.1f} s or longer.",
            "stream_stalled",
        )

    def close(self) -> None:
        """Close the connection; harmless when repeated."""
        if self._container is not None:
            self._container.close()


def _open_error(spec: SourceSpec, *, stalled: bool) -> SourceOpenError:
    return SourceOpenError(
        f"The stream {spec.shown} cannot be opened: expected a server that answers within "
        f"{StreamCapture.OPEN_TIMEOUT_MS / 1000:.0f} s with a video; "
        "check the address and that the server runs.",
        "stream_stalled" if stalled else "camera_lost",
    )
