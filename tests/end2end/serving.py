"""Starts `ad-monitor serve` on a free port and asks it things."""

from __future__ import annotations

import http.client
import re
import signal
import threading

import av
import cv2
import pytest


@pytest.fixture(scope="module")
def photo():
    """A frame of the demo viewer as a JPEG."""
    from detector.sources.video_source import DEMO_VIDEO

    with av.open(str(DEMO_VIDEO)) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="bgr24")
    return cv2.imencode(".jpg", frame)[1].tobytes()


class Served:
    """A running `ad-monitor serve`, and what it wrote to standard error so far."""

    def __init__(self, process, wait_for) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reader = threading.Thread(
            target=lambda: self.lines.extend(iter(process.stderr.readline, ""))
        )
        self._reader.start()
        wait_for(lambda: "(Ctrl+C ends it)" in self.text, what="the address")
        self.port = int(re.search(r"http://[^/]*:(\d+)/", self.text)[1])

    @property
    def text(self) -> str:
        return "".join(self.lines)

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def end(self, how=signal.SIGTERM) -> int:
        self.process.send_signal(how)
        status = self.process.wait(300)
        self._reader.join(60)
        return status


@pytest.fixture
def serve(program, wait_for):
    started: list[Served] = []

    def start(*options, command=("serve",)):
        served = Served(program.start(*command, "--port", "0", *options), wait_for)
        started.append(served)
        return served

    yield start
    for served in started:
        if served.process.poll() is None:
            served.end()
