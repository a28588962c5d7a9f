"""An RTSP camera on this machine: GStreamer's server as a process of its own."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from tests.helpers.ports import reserved_port

SERVER = Path(__file__).with_name("rtsp_server.py")
PYTHON = "/usr/bin/python3"
"""The system's Python, for which Debian builds GStreamer's bindings."""
PACKAGES = "python3-gi and gir1.2-gst-rtsp-server-1.0"


@functools.cache
def why_not() -> str:
    """Why there is no RTSP server here; empty if there is one."""
    try:
        done = subprocess.run(
            [PYTHON, str(SERVER)], capture_output=True, text=True, timeout=300, check=False
        )
    except OSError as error:
        return f"needs {PYTHON}: {error.strerror}"
    if done.returncode == 0:
        return ""
    last_line = "".join(done.stderr.strip().splitlines()[-1:])
    return f"needs Debian's {PACKAGES}: {last_line}"


def free_port() -> int:
    with reserved_port() as probe:
        return int(probe.getsockname()[1])


def write_h264(folder: Path, pictures: Sequence[np.ndarray], *, key_every: int = 25) -> Path:
    """Write pictures (height, width, 3), BGR, as access units; a whole number of groups loops."""
    folder.mkdir()
    coder = av.CodecContext.create("libx264", "w")
    coder.height, coder.width = pictures[0].shape[:2]
    coder.pix_fmt, coder.framerate, coder.time_base = "yuv420p", 25, Fraction(1, 25)
    coder.gop_size, coder.bit_rate = key_every, 4_000_000
    coder.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "x264-params": "scenecut=0:sliced-threads=0",
    }
    units = []
    for picture in pictures:
        units += coder.encode(av.VideoFrame.from_ndarray(picture, format="bgr24"))
    units += coder.encode(None)
    for number, unit in enumerate(units):
        (folder / f"{number:04d}.h264").write_bytes(bytes(unit))
    return folder


def write_jpegs(folder: Path, pictures: Sequence[np.ndarray]) -> Path:
    """Write pictures (height, width, 3), BGR; RTP wants sides that 8 divides."""
    folder.mkdir()
    for number, picture in enumerate(pictures):
        coded = cv2.imencode(".jpg", picture)[1].tobytes()
        (folder / f"{number:04d}.jpg").write_bytes(coded)
    return folder


class RtspCamera:
    """The server's process, which shows the pictures of a folder.

    Attributes:
        address: Without a user.
    """

    def __init__(self, folder: Path, transport: str = "both", user: str = "") -> None:
        self._port = free_port()
        self._command = [PYTHON, str(SERVER), str(folder), str(self._port)]
        self._command += ["--transport", transport, *(["--user", user] if user else [])]
        self._process: subprocess.Popen[str] | None = None
        self.address = f"rtsp://127.0.0.1:{self._port}/camera"

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "listening\n"

    def signal(self, number: int) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, number)

    def kill(self) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self.signal(signal.SIGKILL)
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None
