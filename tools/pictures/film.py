"""The camera of the pictures: drawn people who react to the ads, as a stream of JPEG images."""

from __future__ import annotations

import math
import threading
import time
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from tools.pictures import people
from tools.pictures.people import BLINK, HAPPY, NEUTRAL, PEOPLE, SMILE, SURPRISE, Expression

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

WIDTH, HEIGHT, FRAME_RATE = 640, 360, 12
LENGTH_S = 20.0
CHANGE_S = 0.5
STEPS = 3
"""Pictures of a changing face."""


class Role(NamedTuple):
    """Who stands where, and what they show from when on.

    Attributes:
        person: Place in `PEOPLE`.
        x, y: Centre of the face in pixels.
        height: Of the face in pixels.
        acts: Seconds of the film and expressions.
    """

    person: int
    x: float
    y: float
    height: float
    acts: tuple[tuple[float, Expression], ...]


CAST = (
    Role(0, 200, 157, 110, ((0, NEUTRAL), (3, SMILE), (6, HAPPY), (11, NEUTRAL), (16, SURPRISE))),
    Role(1, 400, 170, 120, ((0, NEUTRAL), (5, SURPRISE), (8, HAPPY), (13, SMILE), (17, NEUTRAL))),
)


@cache
def frame(number: int) -> bytes:
    """Return a picture of the film as JPEG, by its number from 0 on."""
    return encoded(scene(number / FRAME_RATE % LENGTH_S, number))


def encoded(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture, `(h, w, 3)` in BGR, as JPEG."""
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def scene(at_s: float, seed: int = 0) -> NDArray[np.uint8]:
    """Draw the people at a moment of the film, `(360, 640, 3)` in BGR, with a camera's noise."""
    picture = _room().copy()
    for role in CAST:
        _place(picture, role, at_s)
    # The same noise, each time from another place.
    noise = _noise()[37 * seed % HEIGHT :][:HEIGHT]
    noisy = cv2.add(picture.astype(np.int16), noise, dtype=cv2.CV_8U)
    return np.asarray(noisy, dtype=np.uint8)


def _place(picture: NDArray[np.uint8], role: Role, at_s: float) -> None:
    scale = role.height / 100 / people.UNIT_PX
    sway = 2 * math.pi * at_s / LENGTH_S
    angle, phase = 2 * math.sin(3 * sway + role.x), role.x
    centre = [axis * people.UNIT_PX for axis in people.CENTRE]
    turn = cv2.getRotationMatrix2D(centre, angle, scale)
    turn[:, 2] += [
        role.x - centre[0] + 4 * math.sin(2 * sway + phase),
        role.y - centre[1] + 2 * math.sin(5 * sway + phase),
    ]
    drawn = cv2.warpAffine(_drawn(role.person, *_expression(role, at_s)), turn, (WIDTH, HEIGHT))
    across = round(role.height * people.WIDTH / 100 / 2) + 20
    part = np.s_[:, max(0, round(role.x) - across) : round(role.x) + across]
    opacity = drawn[part][:, :, 3:].astype(np.uint16)
    mixed = picture[part] * (255 - opacity) + drawn[part][:, :, 2::-1] * opacity
    picture[part] = (mixed + 127) // 255


def _expression(role: Role, at_s: float) -> tuple[Expression, Expression, int]:
    """Return two expressions, and how many steps of the way to the second are done."""
    done = [act for act in role.acts if act[0] <= at_s]
    began, shown = done[-1]
    before = role.acts[len(done) - 2][1]
    if shown is NEUTRAL and 2.0 < (at_s - began) % 2.6 < 2.15:
        return shown, BLINK, STEPS
    return before, shown, min(STEPS, round(STEPS * (at_s - began) / CHANGE_S))


@cache
def _drawn(person: int, before: Expression, after: Expression, step: int) -> NDArray[np.uint8]:
    drawn = people.portrait(PEOPLE[person], before.towards(after, step / STEPS))
    # A little softer, so that the smaller picture has no jagged lines.
    return np.asarray(cv2.GaussianBlur(drawn, (0, 0), 0.6), dtype=np.uint8)


@cache
def _noise() -> NDArray[np.int16]:
    noise = np.random.default_rng(0).normal(0, 2, (2 * HEIGHT, WIDTH, 3))
    return noise.round().astype(np.int16)


@cache
def _room() -> NDArray[np.uint8]:
    """A shop's wall, out of focus."""
    room = np.full((HEIGHT, WIDTH, 3), (206, 208, 205), dtype=np.uint8)
    room[int(0.82 * HEIGHT) :] = (158, 165, 170)
    cv2.rectangle(room, (40, 40), (147, 293), (215, 205, 190), -1)
    for row in range(4):
        cv2.rectangle(room, (467, 60 + 63 * row), (620, 67 + 63 * row), (120, 140, 160), -1)
        for place, tint in enumerate(
            ((90, 120, 200), (150, 170, 90), (80, 90, 160), (170, 140, 80))
        ):
            left = 475 + 36 * place
            cv2.rectangle(room, (left, 30 + 63 * row), (left + 27, 59 + 63 * row), tint, -1)
    return np.asarray(cv2.GaussianBlur(room, (0, 0), 5), dtype=np.uint8)


class _Handler(BaseHTTPRequestHandler):
    server: _Camera

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        self.end_headers()
        sent = -1
        try:
            while True:
                due = int((time.monotonic() - self.server.began) * FRAME_RATE)
                if due == sent:
                    time.sleep(0.2 / FRAME_RATE)
                    continue
                sent = due
                coded = frame(due % round(LENGTH_S * FRAME_RATE))
                head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(coded)}\r\n\r\n"
                self.wfile.write(head.encode() + coded + b"\r\n")
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        pass


class _Camera(ThreadingHTTPServer):
    daemon_threads = True
    began = 0.0


@contextmanager
def camera() -> Iterator[str]:
    """Serve the film in real time, again and again; give its address."""
    for number in range(round(LENGTH_S * FRAME_RATE)):
        frame(number)
    with _Camera(("127.0.0.1", 0), _Handler) as server:
        server.began = time.monotonic()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
