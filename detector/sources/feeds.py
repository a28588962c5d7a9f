"""Connections to network cameras, whatever they send: a video, or JPEG pictures over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

import av

from detector.sources.jpeg_stream import HttpBody, JpegFeed, begins_with_jpeg, is_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import InputContainer
    from av.packet import Packet

_udp_only: set[str] = set()
"""RTSP addresses that could be opened by UDP alone: they are not asked for TCP at each loss."""


class NoVideoError(ValueError):
    """The server sends something other than video."""


class Feed(Protocol):
    """An open connection; `frame_rate` is 0 if unknown.

    `packets` ends when the server hangs up; `None` stands for data without a whole picture.
    """

    frame_rate: float

    def packets(self) -> Iterator[Packet[Any] | None]: ...

    def decode(self, packet: Packet[Any]) -> list[av.VideoFrame]: ...

    def close(self) -> None: ...


class VideoFeed:
    """A video that FFmpeg demuxes, from an address or the body of an answer, which it owns."""

    def __init__(
        self,
        source: str | HttpBody,
        timeout: tuple[float, float],
        options: dict[str, str] | None = None,
    ) -> None:
        self._body = source if isinstance(source, HttpBody) else None
        # Three frames: no second spent on the frame rate.
        options = {"fpsprobesize": "3"} | (options or {})
        self._container = cast("InputContainer", av.open(source, timeout=timeout, options=options))
        videos = self._container.streams.video
        # FFmpeg plays a text file as a film of its letters.
        if not videos or videos[0].codec_context.name == "ansi":
            self._container.close()
            raise NoVideoError
        self._stream = videos[0]
        # Threads of one picture each would hold several pictures back.
        self._stream.codec_context.thread_type = "SLICE"
        self.frame_rate = float(self._stream.average_rate or self._stream.guessed_rate or 0)

    def packets(self) -> Iterator[Packet[Any] | None]:
        """Yield the coded pictures as they arrive."""
        return self._container.demux(self._stream)

    def decode(self, packet: Packet[Any]) -> list[av.VideoFrame]:
        """Decode a packet; raises `av.InvalidDataError` if it is damaged."""
        return packet.decode()

    def close(self) -> None:
        """Hang up; harmless when repeated."""
        self._container.close()
        if self._body is not None:
            self._body.close()


def open_feed(address: str, timeout: tuple[float, float]) -> Feed:
    """Connect to a camera; `timeout` limits, in seconds, each attempt and each read.

    Raises:
        av.FFmpegError: It cannot be reached.
        NoVideoError: It sends no video.
    """
    scheme = address.partition(":")[0].lower()
    if scheme in {"http", "https"}:
        return _open_http(address, timeout)
    if scheme == "rtsp":
        return _open_rtsp(address, timeout)
    return VideoFeed(address, timeout)


def _open_http(address: str, timeout: tuple[float, float]) -> Feed:
    body = HttpBody(address, timeout)
    try:
        head = body.head()
        if begins_with_jpeg(head):
            return JpegFeed(body, address, timeout)
        # FFmpeg resolves a playlist against its address, and may have to read an MP4 file from its
        # end: both are opened again. Others are read on, because some servers take one viewer only.
        if not is_text(head) and head[4:8] != b"ftyp":
            return VideoFeed(body, timeout)
    except (av.FFmpegError, NoVideoError):
        body.close()
        raise
    body.close()
    return VideoFeed(address, timeout)


def _open_rtsp(address: str, timeout: tuple[float, float]) -> Feed:
    """Open by TCP, which loses no packets, or by UDP where the server refuses that.

    FFmpeg itself falls back to UDP if the server says that it has no TCP (461). Some servers give
    another answer, or hang up.
    """
    either = {"rtsp_transport": "udp+tcp", "rtsp_flags": "prefer_tcp"}
    udp = {"rtsp_transport": "udp"}
    first, second = (udp, either) if address in _udp_only else (either, udp)
    try:
        return VideoFeed(address, timeout, first)
    except _UNREACHABLE:
        raise
    except (av.FFmpegError, NoVideoError):
        feed = VideoFeed(address, timeout, second)
    if second is udp:
        _udp_only.add(address)
    else:
        _udp_only.discard(address)
    return feed


_UNREACHABLE = (
    av.ExitError,
    TimeoutError,
    ConnectionRefusedError,
    av.HTTPUnauthorizedError,
    av.HTTPForbiddenError,
    av.HTTPNotFoundError,
)
"""Errors of a server that is away or refuses the address, whatever the transport."""
