"""A network camera, read with PyAV.

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
from detector.sources.feeds import NoVideoError, open_feed
from detector.sources.orientation import OrientationReader
from detector.sources.video_source import SourceSpec, VideoSource, plausible_rate
from detector.texts import lazy
from detector.types import Frame

if TYPE_CHECKING:
    from collections.abc import Callable


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
        try:
            timeout = (self.OPEN_TIMEOUT_MS / 1000, self.READ_TIMEOUT_MS / 1000)
            self._feed = open_feed(spec.target, timeout)
        except (av.FFmpegError, NoVideoError) as error:
            raise _open_error(spec, error) from error
        self._packets = self._feed.packets()
        self._reformatter = VideoReformatter()
        self._orientations = OrientationReader()
        try:
            self._decode()
        except SourceLostError as error:
            self.close()
            raise _open_error(spec, error) from error
        self.frame_rate = plausible_rate(self._feed.frame_rate)

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
                pictures = [] if packet is None else self._feed.decode(packet)
            except av.InvalidDataError:
                # Damaged in transit; the next picture may be whole.
                continue
            except (av.ExitError, TimeoutError) as error:
                raise self._stalled() from error
            except (av.FFmpegError, StopIteration) as error:
                raise SourceLostError(
                    lazy(
                        "The %(source)s gives no more pictures: expected a running source.",
                        source=self._spec,
                    )
                ) from error
            for picture in pictures:
                self._newest_ns = max(arrived_ns, self._newest_ns + 1)
                image = self._reformatter.reformat(picture, format="bgr24").to_ndarray()
                upright = self._orientations.read(picture).apply(np.asarray(image, dtype=np.uint8))
                self._waiting.append(Frame(upright, self._newest_ns, self._sequence))
                self._sequence += 1

    def _stalled(self) -> SourceLostError:
        return SourceLostError(
            lazy(
                "The %(source)s stalls: expected pictures all the time, received none "
                "for %(seconds)s s or longer.",
                source=self._spec,
                seconds=f"{self.READ_TIMEOUT_MS / 1000:.1f}",
            ),
            "stream_stalled",
        )

    def close(self) -> None:
        """Close the connection; harmless when repeated."""
        self._feed.close()


def _open_error(spec: SourceSpec, error: Exception) -> SourceOpenError:
    stalled = (
        isinstance(error, av.ExitError | TimeoutError)
        or getattr(error, "cause", "") == "stream_stalled"
    )
    if isinstance(error, av.HTTPUnauthorizedError | av.HTTPForbiddenError):
        why = lazy(
            "the server refuses the user name or the password; write both before the "
            "host, with a colon between them and an @ after them."
        )
    elif isinstance(error, av.HTTPNotFoundError):
        why = lazy("the server answers, but has nothing under this path; check the address.")
    elif isinstance(error, ConnectionRefusedError):
        why = lazy(
            "nothing listens at this host and port; check the address and that the server runs."
        )
    else:
        why = lazy(
            "expected a server that answers within %(seconds)s s with a video; check "
            "the address and that the server runs.",
            seconds=f"{StreamCapture.OPEN_TIMEOUT_MS / 1000:.0f}",
        )
    return SourceOpenError(
        lazy("The stream %(stream)s cannot be opened: %(why)s", stream=spec.shown, why=why),
        "stream_stalled" if stalled else "camera_lost",
    )
