"""One application without a screen, and builders of what the window shows."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest

from detector.emotion.labels import EMOTIONS, expressiveness, valence
from detector.types import AnalysedFrame, Box, FaceReading, HeadPose
from monitor.sensor.live import LiveView, SensorHealth
from monitor.ui import qt_environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from PyQt5.QtWidgets import QApplication

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

FACE = Box(0.1, 0.2, 0.2, 0.4)


@pytest.fixture(scope="session")
def qapp() -> QApplication:
    qt_environment.prepare(offscreen=True)
    from monitor.ui.application import create_application

    return create_application(offscreen=True)


@pytest.fixture
def make_reading() -> Callable[..., FaceReading]:
    def build(
        viewer: int = 1,
        emotion: str = "happy",
        probability: float = 0.7,
        *,
        box: Box = FACE,
        attentive: bool = True,
        uncertain: bool = False,
        at_ns: int = 0,
        withheld: str | None = None,
        static: bool = False,
    ) -> FaceReading:
        known = withheld is None
        p = np.full(len(EMOTIONS), (1 - probability) / (len(EMOTIONS) - 1))
        p[EMOTIONS.index(emotion)] = probability
        return FaceReading(
            viewer,
            at_ns,
            box,
            tuple(float(value) for value in p) if known else None,
            float(valence(p)) if known else None,
            float(expressiveness(p)) if known else None,
            uncertain or not known,
            HeadPose(0.0, 0.0, 0.0),
            attentive,
            0.9,
            withheld,
            static,
        )

    return build


@pytest.fixture
def make_view() -> Callable[..., LiveView]:
    def build(
        *readings: FaceReading,
        at_ns: int = 0,
        state: str = "running",
        detail: str = "",
        fps: float = 29.6,
        dropped: int = 3,
        preview: np.ndarray | None = None,
    ) -> LiveView:
        health = SensorHealth(state, detail, 100, dropped, fps, 20.0)
        return LiveView(health, AnalysedFrame(7, at_ns, 640, 360, readings), preview)

    return build


@dataclass
class FakePicture:
    rgb: np.ndarray
    play_number: int = 1
    position_ms: float = 0.0
    blend: object | None = None
    fit: str = "contain"
    backdrop: np.ndarray | None = None


@dataclass
class FakePlayer:
    """Hands out the pictures that a test puts in, and writes down what it is told."""

    pictures: list[FakePicture] = field(default_factory=list)
    calls: list[object] = field(default_factory=list)
    error: Exception | None = None
    paused: bool = False
    finished: bool = False
    resting: bool = False
    filling: bool = False
    current: object | None = "a play"
    position_ms: float = 0.0
    next_choice: object | None = None
    failures: tuple[object, ...] = ()
    dropped_frames: int = 0
    seen: list[object] = field(default_factory=list)
    advanced: int = 0

    def advance(self) -> FakePicture | None:
        self.advanced += 1
        if self.error is not None:
            raise self.error
        return self.pictures.pop(0) if self.pictures else None

    def painted(self, picture: object) -> None:
        self.seen.append(picture)

    def pause(self) -> None:
        self.paused = True
        self.calls.append("pause")

    def resume(self) -> None:
        self.paused = False
        self.calls.append("resume")

    def skip(self) -> None:
        self.calls.append("skip")

    def set_viewport(self, width: int, height: int) -> None:
        self.calls.append((width, height))


@pytest.fixture
def player() -> FakePlayer:
    return FakePlayer()


@pytest.fixture
def make_picture() -> Callable[..., FakePicture]:
    def build(colour: tuple[int, int, int], width: int = 64, height: int = 36) -> FakePicture:
        return FakePicture(np.full((height, width, 3), colour, np.uint8))

    return build
