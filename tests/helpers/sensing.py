"""Readings, frames and sources made by hand, and patient waiting on a busy machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from detector.emotion.labels import EMOTIONS
from detector.sources.orientation import UPRIGHT
from detector.sources.video_source import VideoSource
from detector.types import AnalysedFrame, Box, FaceReading, Frame, HeadPose

PATIENCE_S = 60.0
"""Nothing here takes so long; a busy machine must not fail a test."""


@pytest.fixture(scope="session")
def reading() -> Callable[..., FaceReading]:
    def make(
        viewer: int = 1,
        captured_ns: int = 0,
        emotion: str = "neutral",
        *,
        withheld: str | None = None,
        static: bool = False,
    ) -> FaceReading:
        known = withheld is None
        probabilities = tuple(0.7 if name == emotion else 0.05 for name in EMOTIONS)
        return FaceReading(
            viewer=viewer,
            captured_ns=captured_ns,
            box=Box(0.1, 0.2, 0.3, 0.4),
            probabilities=probabilities if known else None,
            valence=0.0 if known else None,
            expressiveness=0.3 if known else None,
            uncertain=not known,
            pose=HeadPose(1.0, -2.0, 3.0),
            attentive=True,
            quality=0.9,
            withheld=withheld,
            static=static,
        )

    return make


@pytest.fixture(scope="session")
def analysed(reading: Callable[..., FaceReading]) -> Callable[..., AnalysedFrame]:
    def make(captured_ns: int, viewers: Iterable[int] = (1,), sequence: int = 0) -> AnalysedFrame:
        readings = tuple(reading(viewer, captured_ns) for viewer in viewers)
        return AnalysedFrame(sequence, captured_ns, 640, 480, readings)

    return make


@pytest.fixture(scope="session")
def picture() -> Callable[..., Frame]:
    def make(captured_ns: int, sequence: int = 0, size: tuple[int, int] = (12, 16)) -> Frame:
        return Frame(np.full((*size, 3), sequence % 256, np.uint8), captured_ns, sequence)

    return make


class ScriptedSource(VideoSource):
    """Gives what it was told to: frames, errors, `None` for the end, or "block" until it is
    interrupted.

    A function in the script is called, and the script goes on when it returns true.
    """

    live = True
    frame_rate = 20.0

    def __init__(self, script: Sequence[Any]) -> None:
        self._script = list(script)
        self.interrupted = threading.Event()
        self.waits = threading.Event()
        self.closed = 0
        self.threads: set[str] = set()

    def read(self) -> Frame | None:
        self.threads.add(threading.current_thread().name)
        step = self._script.pop(0) if self._script else "block"
        if isinstance(step, Exception):
            raise step
        if callable(step):
            assert step(), "what the script waits for did not happen"
            return self.read()
        if step == "block":
            self.waits.set()
            assert self.interrupted.wait(PATIENCE_S), "nobody interrupted the source"
            return None
        return step

    def interrupt(self) -> None:
        self.interrupted.set()

    def close(self) -> None:
        self.threads.add(threading.current_thread().name)
        self.closed += 1


@dataclass
class Opener:
    """Stands for `open_source`: opens one scripted source after the other, or fails as it was told
    to.
    """

    scripts: list[Any]
    opened: list[ScriptedSource] = field(default_factory=list)
    asked: list[tuple[Any, bool]] = field(default_factory=list)
    mounted: Any = UPRIGHT

    def __call__(
        self, spec: Any, *, lossless: bool = False, mounted: Any = UPRIGHT
    ) -> ScriptedSource:
        self.mounted = mounted
        self.asked.append((spec, lossless))
        script = self.scripts.pop(0) if self.scripts else ["block"]
        if isinstance(script, Exception):
            raise script
        self.opened.append(ScriptedSource(script))
        return self.opened[-1]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Opener]:
    """Makes captures open scripted sources."""

    def install(*scripts: Any) -> Opener:
        opener = Opener(list(scripts))
        monkeypatch.setattr("monitor.sensor.capture.open_source", opener)
        return opener

    return install


class Collector:
    """Keeps what it is called with, and lets a test wait for it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.items: list[Any] = []

    def __call__(self, item: Any) -> None:
        with self._changed:
            self.items.append(item)
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[list[Any]], Any], timeout_s: float = PATIENCE_S) -> Any:
        """Wait until a condition on the items holds; returns its value."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self.items), timeout_s), (
                f"still waiting; has {self.items}"
            )
            return condition(self.items)

    def of(self, kind: type) -> list[Any]:
        """The items of one type."""
        with self._changed:
            return [item for item in self.items if isinstance(item, kind)]


@pytest.fixture
def collector() -> Callable[[], Collector]:
    return Collector


@pytest.fixture
def short_clip(tmp_path: Path) -> Callable[..., Path]:
    """A grey clip in which nobody is to be seen."""

    def make(frames: int = 10, name: str = "clip.mp4") -> Path:
        path = tmp_path / name
        random = np.random.default_rng(0)
        with av.open(str(path), "w", options={"movflags": "+faststart"}) as out:
            stream = out.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            for _ in range(frames):
                image = random.integers(90, 130, (64, 96, 3), dtype=np.uint8)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            out.mux(stream.encode())
        return path

    return make
