"""Media with known answers, faces made by hand, and a server for streams; all on the spot, nothing
fetched.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from detector.types import Box, FaceDetection

CLIP_SIZE = (96, 64)
FRONTAL = np.array([[0.35, 0.4], [0.65, 0.4], [0.5, 0.58], [0.5, 0.72], [0.16, 0.47], [0.84, 0.47]])
"""The six points of a face that looks into the camera, in fractions of its box."""


def grey_of(frame: int) -> int:
    """The grey level of a clip's frame; neighbours differ by more than any codec blurs."""
    return 30 + 7 * (frame % 28)


def frame_of(image: np.ndarray) -> int:
    """Which of the first 28 frames of a clip a picture is."""
    return round((float(image.mean()) - 30) / 7)


@pytest.fixture(scope="session")
def grey_frames() -> Callable[[np.ndarray], int]:
    return frame_of


@pytest.fixture
def make_clip(tmp_path: Path) -> Callable[..., Path]:
    """Writes a clip at 25 frames a second, or with frames at the given times."""

    def make(
        name: str,
        *,
        frames: int = 25,
        times_ms: Sequence[int] | None = None,
        codec: str = "libx264",
        container: str | None = None,
        noise: bool = False,
        keyframe_every: int = 12,
    ) -> Path:
        path = tmp_path / name
        times = list(times_ms) if times_ms is not None else [40 * index for index in range(frames)]
        random = np.random.default_rng(0)
        options = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
        with av.open(str(path), "w", format=container, options=options) as out:
            stream = out.add_stream(codec, rate=25)
            stream.width, stream.height = CLIP_SIZE
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.codec_context.gop_size = keyframe_every
            if times_ms is not None:
                stream.codec_context.time_base = Fraction(1, 1000)
            for index, time_ms in enumerate(times):
                picture = np.full((CLIP_SIZE[1], CLIP_SIZE[0], 3), grey_of(index), dtype=np.uint8)
                if (
                    noise
                ):  # so that the file is large enough to be cut in the middle of its pictures
                    picture += random.integers(0, 25, picture.shape, dtype=np.uint8)
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                if times_ms is not None:
                    frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
                out.mux(stream.encode(frame))
            out.mux(stream.encode())
        return path

    return make


@pytest.fixture
def cut() -> Callable[[Path, float], Path]:
    """Keeps the first part of a file, as a full disk or a pulled plug does."""

    def cut_file(path: Path, share: float) -> Path:
        content = path.read_bytes()
        short = path.with_name(f"cut-{path.name}")
        short.write_bytes(content[: int(len(content) * share)])
        return short

    return cut_file


class StreamServer:
    """Serves files, and a picture stream that begins and ends when the test says so.

    Attributes:
        address: Of the picture stream.
        pause: Set to keep the connection but send nothing any more.
        stop: Set to end the picture stream.
        spoil: Set to send pictures that cannot be decoded.
        size: Width and height of the pictures.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.pause = threading.Event()
        self.stop = threading.Event()
        self.spoil = threading.Event()
        self.size = CLIP_SIZE
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/pictures":
                    owner._send_pictures(self)
                elif self.path.strip("/") in owner.files:
                    content = owner.files[self.path.strip("/")]
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    with _ignored_disconnect():
                        self.wfile.write(content)
                else:
                    self.send_error(404)

            def log_message(self, *_arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="stream-server"
        )
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}/pictures"

    def serve(self, path: Path) -> str:
        """Address of a file."""
        self.files[path.name] = path.read_bytes()
        return f"http://127.0.0.1:{self._server.server_port}/{path.name}"

    def _send_pictures(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        handler.end_headers()
        number = 0
        with _ignored_disconnect():
            while not self.stop.wait(0.02):
                if self.pause.is_set():
                    continue
                picture = np.full((self.size[1], self.size[0], 3), grey_of(number), dtype=np.uint8)
                coded = cv2.imencode(".jpg", picture)[1].tobytes()
                if self.spoil.is_set():
                    coded = coded[:20]
                head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(coded)}\r\n\r\n"
                handler.wfile.write(head.encode() + coded + b"\r\n")
                number += 1

    def close(self) -> None:
        self.stop.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def _ignored_disconnect() -> Iterator[None]:
    with suppress(BrokenPipeError, ConnectionResetError):
        yield


@pytest.fixture
def stream_server() -> Iterator[StreamServer]:
    server = StreamServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def face() -> Callable[..., FaceDetection]:
    """A face by its centre and size; it looks into the camera unless its points are given."""

    def make(
        x: float = 0.5,
        y: float = 0.5,
        size: float = 0.2,
        *,
        confidence: float = 0.9,
        points: np.ndarray = FRONTAL,
    ) -> FaceDetection:
        box = Box(x - size / 2, y - size / 2, size, size)
        return FaceDetection(box, confidence, np.array([box.x, box.y]) + points * size)

    return make
