"""JPEG pictures over HTTP, a series of them in one answer or one for each request.

FFmpeg accepts only parts as RFC 2046 describes them. Cameras leave out boundaries, types and
lengths, or state wrong ones, and browsers show their pictures all the same. So everything between
the pictures is ignored here: a JPEG itself says where it ends.
"""

from __future__ import annotations

import errno
import re
import time
from typing import TYPE_CHECKING, Any

import av

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.packet import Packet

BEGIN = b"\xff\xd8\xff"

SNAPSHOTS_PER_S = 5.0
"""How often a camera that answers each request with one picture is asked."""

_NO_TEXT = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
# Neither a stuffed byte, a fill byte nor a restart mark (ITU-T T.81, B.1.1).
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


class HttpBody:
    """The body of an answer by HTTP, read as it arrives; a file for `av.open`.

    Raises:
        av.FFmpegError: From the constructor and from reading.
    """

    def __init__(self, address: str, timeout: tuple[float, float]) -> None:
        options = {"raw_packet_size": "32768"}
        self._container = av.open(address, format="data", timeout=timeout, options=options)
        self._packets = self._container.demux()
        self._head = b""

    def read(self, size: int = 1 << 20) -> bytes:
        """Return at most `size` bytes, as soon as there are any; none at the end."""
        data = self._head or self._next()
        self._head = data[size:]
        return data[:size]

    def head(self) -> bytes:
        """Return the start of the body, up to a JPEG or other data; `read` returns it again."""
        more = True
        while more and BEGIN not in self._head and not _NO_TEXT.search(self._head):
            data = self._next()
            self._head += data
            more = data != b"" and len(self._head) < 1 << 16
        return self._head

    def _next(self) -> bytes:
        try:
            return bytes(next(self._packets))
        except (StopIteration, av.EOFError):
            return b""
        except av.OSError as error:
            # FFmpeg reports an end that the server did not announce as a failed read.
            if error.errno != errno.EIO:
                raise
            return b""

    def close(self) -> None:
        """Hang up; harmless when repeated."""
        self._container.close()


def begins_with_jpeg(head: bytes) -> bool:
    """Return whether a body begins with a JPEG, or with text such as a part's head and a JPEG."""
    before, begin, _ = head.partition(BEGIN)
    return bool(begin) and not _NO_TEXT.search(before)


def is_text(head: bytes) -> bool:
    """Return whether a body begins with text."""
    return not _NO_TEXT.search(head)


class JpegSplitter:
    """Cuts JPEG pictures out of a stream of bytes, whatever lies between them.

    A picture without an end ends where the next one begins. One that breaks off before its pixels
    is left out.
    """

    MAX_BYTES = 1 << 25

    def __init__(self) -> None:
        self._data = bytearray()
        self._at = 0  # Where to go on in the picture that begins at 0; 0 while there is none.
        self._in_scan = False
        self._has_pixels = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the pictures that the next bytes complete."""
        self._data += data
        pictures: list[bytes] = []
        while self._advance(pictures):
            pass
        if len(self._data) > self.MAX_BYTES:
            self._drop(len(self._data))
        return pictures

    def end(self) -> list[bytes]:
        """Return the picture that the end of the bytes completes, if any."""
        rest = [bytes(self._data)] if self._has_pixels else []
        self._drop(len(self._data))
        return rest

    def _advance(self, pictures: list[bytes]) -> bool:
        """Go one segment on; return `False` if that takes more bytes."""
        if self._at == 0:
            return self._find_begin()
        if self._in_scan and not self._skip_scan():
            return False
        data, at = self._data, self._at
        if len(data) < at + 2:
            return False
        marker = data[at + 1]
        if data[at] != 0xFF or marker == 0x00:
            self._drop(2)  # damaged
        elif marker == 0xFF:
            self._at += 1
        elif marker == 0xD9:  # end of image
            pictures.append(bytes(data[: at + 2]))
            self._drop(at + 2)
        elif marker == 0xD8:  # start of another image
            pictures += [bytes(data[:at])] if self._has_pixels else []
            self._drop(at)
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:  # without parameters
            self._at += 2
        elif len(data) < at + 4:
            return False
        else:
            self._at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
            self._in_scan = marker == 0xDA  # start of scan
            self._has_pixels = self._has_pixels or self._in_scan
        return True

    def _find_begin(self) -> bool:
        begin = self._data.find(BEGIN)
        if begin < 0:
            del self._data[: -(len(BEGIN) - 1)]
            return False
        del self._data[:begin]
        self._at = 2
        return True

    def _skip_scan(self) -> bool:
        found = _END_OF_SCAN.search(self._data, self._at)
        self._at = max(self._at, len(self._data) - 1) if found is None else found.start()
        self._in_scan = found is None
        return found is not None

    def _drop(self, length: int) -> None:
        del self._data[:length]
        self._at, self._in_scan, self._has_pixels = 0, False, False


class JpegFeed:
    """The pictures of a camera that sends JPEG over HTTP.

    Attributes:
        frame_rate: 0; such a stream does not state it.
    """

    frame_rate = 0.0

    def __init__(self, body: HttpBody, address: str, timeout: tuple[float, float]) -> None:
        self._body = body
        self._address = address
        self._timeout = timeout
        self._decoder = av.CodecContext.create("mjpeg", "r")
        self._decoder.thread_type = "SLICE"

    def packets(self) -> Iterator[Packet[Any] | None]:
        """Yield the coded pictures as they arrive; `None` for data that completes none."""
        while True:
            asked_s, count = time.monotonic(), 0
            splitter = JpegSplitter()
            while data := self._body.read():
                pictures = splitter.feed(data)
                count += len(pictures)
                yield from map(av.Packet, pictures)
                if not pictures:
                    yield None
            pictures = splitter.end()
            count += len(pictures)
            yield from map(av.Packet, pictures)
            if count != 1:
                return
            # A snapshot; the next answer brings the next one.
            self._body.close()
            time.sleep(max(0.0, asked_s + 1 / SNAPSHOTS_PER_S - time.monotonic()))
            self._body = HttpBody(self._address, self._timeout)

    def decode(self, packet: Packet[Any]) -> list[av.VideoFrame]:
        """Decode a picture; raises `av.InvalidDataError` if it is damaged."""
        return self._decoder.decode(packet)

    def close(self) -> None:
        """Hang up; harmless when repeated."""
        self._body.close()
