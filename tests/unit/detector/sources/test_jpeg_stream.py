"""JPEG pictures over HTTP, as cameras really send them and browsers take them."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.errors import SourceLostError, SourceOpenError
from detector.sources import jpeg_stream
from detector.sources.jpeg_stream import JpegSplitter, begins_with_jpeg
from detector.sources.stream import StreamCapture
from detector.sources.video_source import SourceSpec


def coded(grey: int, *options: int, width: int = 96) -> bytes:
    picture = np.full((64, width, 3), grey, np.uint8)
    # Detail, so that there are stuffed bytes among the coded data.
    picture[:, :40] = np.random.default_rng(grey).integers(0, 255, (64, 40, 3), np.uint8)
    return bytes(cv2.imencode(".jpg", picture, list(options))[1])


PLAIN = [coded(grey) for grey in (40, 90, 140, 190)]
RESTARTS = coded(70, cv2.IMWRITE_JPEG_RST_INTERVAL, 2)
PROGRESSIVE = coded(70, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
THUMBNAIL = PLAIN[0][:2] + b"\xff\xe1" + (2 + len(PLAIN[1])).to_bytes(2, "big") + PLAIN[1]
THUMBNAIL += PLAIN[0][2:]
"""A picture with another one in its metadata."""
PICTURES = [*PLAIN, RESTARTS, PROGRESSIVE, THUMBNAIL]


WHICH = st.integers(0, len(PICTURES) - 1)
"""Numbers, because an example with the pictures would be too long to print."""


@settings(deadline=None)
@given(
    st.lists(WHICH, max_size=5),
    st.lists(st.sampled_from([b"", b"\r\n--x\r\n\r\n", b"\0" * 9, b"\xff", b"--\n"]), min_size=6),
    st.lists(st.integers(50, 3000), min_size=1, max_size=5),
)
def test_pictures_are_cut_out_whatever_lies_between_them_and_however_they_arrive(
    which: list[int], between: list[bytes], sizes: list[int]
) -> None:
    pictures = [PICTURES[number] for number in which]
    data = b"".join(gap + picture for gap, picture in zip(between, pictures, strict=False))
    splitter, found, at = JpegSplitter(), [], 0
    for number in count():
        size = sizes[number % len(sizes)]
        found += splitter.feed(data[at : at + size])
        at += size
        if at >= len(data):
            break
    assert found + splitter.end() == pictures


def test_pictures_are_cut_out_byte_by_byte() -> None:
    splitter = JpegSplitter()
    data = b"\r\n--x\r\n\r\n".join([b"", *PICTURES])
    found = [picture for byte in data for picture in splitter.feed(bytes([byte]))]
    assert found == PICTURES


@settings(deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=200), WHICH), max_size=20))
def test_any_bytes_are_taken(parts: list[bytes | int]) -> None:
    splitter = JpegSplitter()
    for part in parts:
        for picture in splitter.feed(PICTURES[part] if isinstance(part, int) else part):
            assert picture.startswith(b"\xff\xd8\xff")
    splitter.end()
    assert splitter.feed(PLAIN[0]) == [PLAIN[0]]


def test_a_picture_without_an_end_ends_where_the_next_one_begins() -> None:
    splitter = JpegSplitter()
    assert splitter.feed(PLAIN[0][:-2] + b"\r\n--x\r\n\r\n" + PLAIN[1][:-2]) == [
        PLAIN[0][:-2] + b"\r\n--x\r\n\r\n"
    ]
    assert splitter.end() == [PLAIN[1][:-2]]


def test_a_picture_that_never_ends_does_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(JpegSplitter, "MAX_BYTES", 10_000)
    splitter = JpegSplitter()
    splitter.feed(PLAIN[0][:-2])
    for _ in range(100):
        assert splitter.feed(b"\x11" * 1000) == []
    assert splitter.feed(PLAIN[1]) == [PLAIN[1]]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (PLAIN[0], True),
        (b"\r\n--x\r\nContent-Type: image/jpeg\r\n\r\n" + PLAIN[0], True),
        (b"\x47\x40\x00" + PLAIN[0], False),
        (b"#EXTM3U\n", False),
        (b"", False),
    ],
)
def test_what_a_body_holds_is_known_by_how_it_begins(head: bytes, expected: bool) -> None:
    assert begins_with_jpeg(head) is expected


class Camera:
    """Serves one JPEG after the other by HTTP, with the heads that a test wants."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.part = "--x\r\nContent-Type: image/jpeg\r\nContent-Length: {length}\r\n\r\n"
        self.first: str | None = None
        self.after = "\r\n"
        self.chunked = False
        self.snapshot = False
        self.pictures = PLAIN
        self.redirect = False
        self.user: tuple[str, str] | None = None
        self.digest = False
        self.status = 200
        self.asked_s: list[float] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with suppress(OSError):  # The viewer hangs up.
                    owner.answer(self)
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}/camera"
        self.stopped = threading.Event()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked_s.append(time.monotonic())
        if self.redirect and handler.path == "/camera":
            self.head(handler, 302, {"Location": "/other", "Content-Length": "0"})
        elif self.user is not None and not self.allows(handler.headers["Authorization"]):
            way = 'Digest realm="cam", nonce="5", qop="auth"' if self.digest else 'Basic realm="c"'
            self.head(handler, 401, {"WWW-Authenticate": way, "Content-Length": "0"})
        else:
            self.head(handler, self.status, self.headers)
            self.send(handler)

    @staticmethod
    def head(handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
        handler.send_response_only(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()

    def allows(self, said: str | None) -> bool:
        name, password = self.user or ("", "")
        if not self.digest:
            return said == "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
        said = said or ""
        fields = dict(re.findall(r'(\w+)="?([^",]*)"?', said))

        def md5(text: str) -> str:
            return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

        ours = md5(f"{name}:cam:{password}")
        request = md5(f"GET:{fields.get('uri')}")
        middle = ":".join(fields.get(key, "") for key in ("nonce", "nc", "cnonce", "qop"))
        return fields.get("response") == md5(f"{ours}:{middle}:{request}")

    def send(self, handler: BaseHTTPRequestHandler) -> None:
        write: Callable[[bytes], Any] = handler.wfile.write
        if self.chunked:
            write = lambda data: handler.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))  # noqa: E731
        for number in count():
            picture = self.pictures[number % len(self.pictures)]
            part = self.first if self.first is not None and number == 0 else self.part
            if self.snapshot:
                write(self.pictures[len(self.asked_s) % len(self.pictures)])
                return
            write(part.format(length=len(picture)).encode() + picture + self.after.encode())
            if self.stopped.wait(0.02):
                return

    def close(self) -> None:
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def camera() -> Iterator[Camera]:
    made = Camera()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.close()
    thread.join()


def greys_of(address: str, frames: int = 6) -> list[int]:
    """The grey levels of a stream's first pictures, to the nearest ten."""
    with StreamCapture(SourceSpec("stream", address)) as source:
        pictures = [source.read() for _ in range(frames)]
    return [round(float(one.image[:, 60:].mean()), -1) for one in pictures if one is not None]


GREYS = [40, 90, 140, 190, 40, 90]
MULTIPART = "multipart/x-mixed-replace; boundary="
HEAD = "--x\r\nContent-Type: image/jpeg\r\n\r\n"
WAYS: dict[str, dict[str, Any]] = {
    "as the standard has it": {"type": MULTIPART + "x"},
    "no boundary before the first part": {"type": MULTIPART + "x", "first": HEAD[5:]},
    "only boundaries behind parts": {
        "type": MULTIPART + "x",
        "part": HEAD[5:],
        "after": "\r\n--x\r\n",
    },
    "image/jpg": {"type": MULTIPART + "x", "part": "--x\r\nContent-Type: image/jpg\r\n\r\n"},
    "a type with parameters": {
        "type": MULTIPART + "x",
        "part": "--x\r\nContent-Type: image/jpeg; charset=utf-8\r\n\r\n",
    },
    "a type in capitals": {
        "type": MULTIPART.upper() + "x",
        "part": "--x\r\nCONTENT-TYPE: IMAGE/JPEG\r\n\r\n",
    },
    "no type": {"type": MULTIPART + "x", "part": "--x\r\nContent-Length: {length}\r\n\r\n"},
    "another type": {
        "type": MULTIPART + "x",
        "part": "--x\r\nContent-Type: application/octet-stream\r\n\r\n",
    },
    "no head at all": {"type": MULTIPART + "x", "part": "--x\r\n\r\n"},
    "no length": {"type": MULTIPART + "x", "part": HEAD},
    "a wrong length": {"type": MULTIPART + "x", "part": HEAD[:-2] + "Content-Length: 7\r\n\r\n"},
    "a quoted boundary": {"type": MULTIPART + '"x"'},
    "dashes in the boundary": {"type": MULTIPART + "--x"},
    "dashes twice": {"type": MULTIPART + "--x", "part": "--" + HEAD},
    "another boundary than stated": {"type": MULTIPART + "y", "part": HEAD},
    "an end after each part": {"type": MULTIPART + "x", "part": HEAD, "after": "\r\n--x--\r\n"},
    "line feeds alone": {"type": MULTIPART + "x", "part": HEAD.replace("\r", ""), "after": "\n"},
    "boundary and head on one line": {"type": MULTIPART + "x", "part": HEAD.replace("\r\n", "", 1)},
    "chunks": {"type": MULTIPART + "x", "chunked": True},
    "no type above": {"part": HEAD},
    "a wrong type above": {"type": "text/html", "part": HEAD},
    "pictures alone": {"type": "image/jpeg", "part": "", "after": ""},
    "a redirection": {"type": MULTIPART + "x", "redirect": True},
}


@pytest.mark.parametrize("way", WAYS)
def test_what_browsers_take(camera: Camera, way: str) -> None:
    for name, value in WAYS[way].items():
        if name == "type":
            camera.headers["Content-Type"] = value
        else:
            setattr(camera, name, value)
    if camera.chunked:
        camera.headers["Transfer-Encoding"] = "chunked"
    assert greys_of(camera.address) == GREYS


@pytest.mark.parametrize("digest", [False, True], ids=["Basic", "Digest"])
@pytest.mark.parametrize("redirect", [False, True], ids=["direct", "redirected"])
def test_a_user_and_a_password_in_the_address(camera: Camera, digest: bool, redirect: bool) -> None:
    camera.user, camera.digest, camera.redirect = ("viewer", "p@ss:word"), digest, redirect
    named = camera.address.replace("//", "//viewer:p%40ss%3Aword@")
    assert greys_of(named) == GREYS
    with pytest.raises(
        SourceOpenError, match="refuses the user name or the password; write both before the host"
    ):
        greys_of(camera.address)


@pytest.mark.parametrize("states_length", [True, False])
def test_one_picture_for_each_request(
    camera: Camera, monkeypatch: pytest.MonkeyPatch, states_length: bool
) -> None:
    monkeypatch.setattr(jpeg_stream, "SNAPSHOTS_PER_S", 25.0)
    camera.snapshot, camera.headers = True, {"Content-Type": "image/jpeg"}
    if states_length:
        size = max(len(picture) for picture in PLAIN)
        camera.pictures = [picture.ljust(size, b"\0") for picture in PLAIN]
        camera.headers |= {"Content-Length": str(size), "Connection": "keep-alive"}
    assert greys_of(camera.address) == [90, 140, 190, 40, 90, 140]
    assert min(np.diff(camera.asked_s)) >= 0.9 / 25
    if not states_length:
        camera.pictures = [picture[:-2] for picture in PLAIN]
        assert len(greys_of(camera.address)) == 6, "pictures that end with the answer"


def test_a_snapshot_camera_that_goes_away_is_lost(
    camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jpeg_stream, "SNAPSHOTS_PER_S", 25.0)
    camera.snapshot = True
    with StreamCapture(SourceSpec("stream", camera.address)) as source:
        assert source.read() is not None
        camera.status, camera.pictures = 503, [b"busy"]
        with pytest.raises(SourceLostError, match="gives no more pictures"):
            [source.read() for _ in range(5)]


def test_damaged_pictures_are_left_out(camera: Camera) -> None:
    broken = PLAIN[1][:300] + b"\xff\x77" + PLAIN[1][300:]
    camera.pictures = [PLAIN[0], broken[:200], PLAIN[2], PLAIN[3][:-50]]
    assert set(greys_of(camera.address, 8)) >= {40, 140}


def test_a_size_that_changes_with_every_picture(camera: Camera) -> None:
    camera.pictures = [coded(40), coded(90, width=160)]
    with StreamCapture(SourceSpec("stream", camera.address)) as source:
        widths = [frame.image.shape[1] for _ in range(6) if (frame := source.read()) is not None]
    assert widths == [96, 160, 96, 160, 96, 160]


def test_an_address_with_nothing_behind_it(camera: Camera) -> None:
    camera.status = 404
    with pytest.raises(SourceOpenError, match="has nothing under this path; check the address"):
        greys_of(camera.address)
    camera.status, camera.pictures = 200, [b"<html>Sorry</html>"]
    camera.snapshot = True
    with pytest.raises(SourceOpenError, match=r"expected a server that answers .* with a video"):
        greys_of(camera.address)
