"""The pipeline beside what else one might run, on the same frames, in turn, in one process.

Absolute times depend on the machine and on what else it does; the ratios are those of each round,
and of them the median. Every contestant keeps its own thread counts: here, OpenCV and the networks
have one thread, as in the sensor; the others choose theirs.

`fer` (its Haar cascade and its network) is no dependency, and what it asks for does not go with
ours: it is installed without its dependencies, into a folder of its own, as the table says where it
is missing. It needs `pkg_resources`, which setuptools dropped in version 82.

    pip install --target FOLDER --no-deps fer "setuptools<82"
    PYTHONPATH=FOLDER python -m benchmarks.peers VIDEO
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import statistics
import time
import warnings
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.tracking import WARM_UP_FRAMES, build_analyser
from detector.emotion.pacing import limit_threads
from detector.errors import DetectorError
from detector.sources.opening import open_source
from detector.sources.video_source import DEMO_VIDEO, SourceSpec
from detector.types import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Contestant = Callable[[Frame], int]
    """Does its work on a frame and says how many faces it found."""

FRAMES = 300
ROUNDS = 3
MESH_FACES = 5
"""Most faces that the mesh looks for; it has to be told."""

BETWEEN_ROUNDS_NS = 10_000_000_000
"""Time that passes for the pipeline between two rounds, so that it has forgotten all viewers."""

OURS = "this project, whole pipeline"
GET_FER = (
    'pip install --target FOLDER --no-deps fer "setuptools<82", then run with PYTHONPATH=FOLDER'
)


@dataclass
class Round:
    """One pass over the frames.

    Attributes:
        wall_s: Seconds for each frame.
        cpu_s: Processor seconds of the whole process for all frames.
        faces: Faces found in each frame.
    """

    wall_s: list[float] = field(default_factory=list)
    cpu_s: float = 0.0
    faces: list[int] = field(default_factory=list)

    @property
    def fps(self) -> float:
        return len(self.wall_s) / sum(self.wall_s)


@dataclass(frozen=True)
class Row:
    """What the table shows of a contestant.

    Attributes:
        fps: Frames per second, median of the rounds.
        p50_ms: Median time of a frame, over all rounds.
        p95_ms: 95th percentile.
        cpu_ms: Processor time of a frame, median of the rounds.
        faces: Faces found a frame.
        share_with_face: Share of the frames in which one was found.
        ratio: Frames per second in those of the first contestant, median of the rounds.
        cpu_ratio: Processor time in that of the first contestant, median of the rounds; steadier on
            a busy machine.
    """

    fps: float
    p50_ms: float
    p95_ms: float
    cpu_ms: float
    faces: float
    share_with_face: float
    ratio: float
    cpu_ratio: float


def row_of(rounds: Sequence[Round], first: Sequence[Round]) -> Row:
    """The figures of a contestant, against the first one in the same rounds."""
    p50, p95 = np.percentile([wall for one in rounds for wall in one.wall_s], [50, 95]) * 1000
    faces = [found for one in rounds for found in one.faces]
    return Row(
        fps=statistics.median(one.fps for one in rounds),
        p50_ms=float(p50),
        p95_ms=float(p95),
        cpu_ms=statistics.median(1000 * one.cpu_s / len(one.wall_s) for one in rounds),
        faces=statistics.fmean(faces),
        share_with_face=statistics.fmean(found > 0 for found in faces),
        ratio=statistics.median(
            theirs.fps / ours.fps for theirs, ours in zip(rounds, first, strict=True)
        ),
        cpu_ratio=statistics.median(
            theirs.cpu_s / ours.cpu_s for theirs, ours in zip(rounds, first, strict=True)
        ),
    )


def timed(contestant: Contestant, frames: Iterable[Frame]) -> Round:
    """One contestant over all frames."""
    result = Round()
    cpu = time.process_time()
    for frame in frames:
        start = time.perf_counter()
        result.faces.append(contestant(frame))
        result.wall_s.append(time.perf_counter() - start)
    result.cpu_s = time.process_time() - cpu
    return result


def later(frames: Sequence[Frame], turn: int) -> list[Frame]:
    """The same frames at a later time: the pipeline is never shown a frame from its past."""
    offset = turn * (frames[-1].captured_ns - frames[0].captured_ns + BETWEEN_ROUNDS_NS)
    return [Frame(frame.image, frame.captured_ns + offset, frame.sequence) for frame in frames]


def compare(
    contestants: dict[str, Contestant], frames: Sequence[Frame], rounds: int
) -> dict[str, list[Round]]:
    """Let all contestants run in turn; another one begins each round, so that a busy moment hits
    all of them.
    """
    names = list(contestants)
    for contestant in contestants.values():
        timed(contestant, frames[:WARM_UP_FRAMES])
    found: dict[str, list[Round]] = {name: [] for name in names}
    threads = cv2.getNumThreads()
    for turn in range(rounds):
        shown = later(frames, turn + 1)
        begins = turn % len(names)
        for name in names[begins:] + names[:begins]:
            if name == OURS:
                limit_threads()
            found[name].append(timed(contestants[name], shown))
            cv2.setNumThreads(threads)
    return found


def pipeline(stack: ExitStack, model: str | None) -> Contestant:
    """This project: the viewers of a frame, with their emotions."""
    analyser = build_analyser(model)
    stack.callback(analyser.close)
    return lambda frame: sum(not reading.static for reading in analyser.analyse(frame).readings)


def mediapipe(stack: ExitStack) -> dict[str, Contestant]:
    """MediaPipe's solutions, each alone, with the conversion of colours that they need."""
    from mediapipe.python.solutions.face_detection import FaceDetection as MediaPipe
    from mediapipe.python.solutions.face_mesh import FaceMesh

    def alone(solution: Any, results: str) -> Contestant:
        stack.callback(solution.close)
        return lambda frame: len(
            getattr(solution.process(cv2.cvtColor(frame.image, cv2.COLOR_BGR2RGB)), results) or ()
        )

    return {
        "MediaPipe short range, alone": alone(MediaPipe(model_selection=0), "detections"),
        "MediaPipe full range, alone": alone(MediaPipe(model_selection=1), "detections"),
        f"MediaPipe face mesh ({MESH_FACES}), alone": alone(
            FaceMesh(max_num_faces=MESH_FACES), "multi_face_landmarks"
        ),
    }


def fer() -> Contestant:
    """The package `fer` with its Haar cascade.

    Raises:
        ImportError: It is not installed, or something that it needs is not.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        detector = importlib.import_module("fer.fer").FER(mtcnn=False)
    # It turns on everybody's log when it is imported.
    root.handlers, root.level = handlers, level
    return lambda frame: len(detector.detect_emotions(frame.image))


def frames_of(video: str, count: int) -> list[Frame]:
    """The first frames of a video, decoded."""
    found: list[Frame] = []
    with open_source(SourceSpec.parse(video), lossless=True) as source:
        while len(found) < count and (frame := source.read()) is not None:
            found.append(frame)
    return found


def measure(video: str, count: int, rounds: int, model: str | None = None) -> dict[str, Any]:
    """Run everything that is installed.

    Returns:
        Video, frames, rounds and processors; `rows` with a `Row` by name, and `missing` with a
        reason by name.

    Raises:
        DetectorError: The video or the model cannot be used.
    """
    frames = frames_of(video, count)
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        contestants = {OURS: pipeline(stack, model)}
        try:
            contestants["fer, Haar cascade"] = fer()
        except ImportError as error:
            missing["fer, Haar cascade"] = f"cannot be imported ({error}); install it: {GET_FER}"
        contestants |= mediapipe(stack)
        found = compare(contestants, frames, rounds)
    return {
        "video": Path(video).name,
        "frames": len(frames),
        "rounds": rounds,
        "cpus": os.cpu_count(),
        "rows": {name: row_of(passes, found[OURS]) for name, passes in found.items()},
        "missing": missing,
    }


def cells(name: str, row: Row) -> list[str]:
    """A row of the table."""
    return [
        name,
        f"{row.fps:.1f}",
        f"{row.p50_ms:.2f}",
        f"{row.p95_ms:.2f}",
        f"{row.cpu_ms:.2f}",
        f"{row.faces:.2f}",
        f"{100 * row.share_with_face:.1f} %",
        f"{row.ratio:.2f}",
        f"{row.cpu_ratio:.2f}",
    ]


def table(document: dict[str, Any]) -> Table:
    """The document of `measure` for people."""
    made = Table(
        title=f"{document['video']}: {document['frames']} frames, {document['rounds']} rounds, {document['cpus']} CPUs, "
        "decoding left out",
        title_justify="left",
        box=None,
    )
    for column in (
        "",
        "frames/s",
        "p50, ms",
        "p95, ms",
        "CPU, ms",
        "faces",
        "with a face",
        "speed ratio",
        "CPU ratio",
    ):
        made.add_column(column, justify="right" if column else "left")
    for name, row in document["rows"].items():
        made.add_row(*cells(name, row))
    return made


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description="Compare the pipeline with other programs on the same frames."
    )
    parser.add_argument("video", nargs="?", default=str(DEMO_VIDEO))
    parser.add_argument("--frames", type=int, default=FRAMES, help="kept in memory, decoded")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--model", help="name or .keras file; default: the shipped one")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    for name in ("frames", "rounds"):
        if getattr(options, name) < 1:
            parser.error(
                f"argument --{name}: expected at least 1, received {getattr(options, name)}"
            )
    try:
        document = measure(options.video, options.frames, options.rounds, options.model)
    except DetectorError as error:
        raise SystemExit(str(error)) from error
    if options.json:
        print(
            json.dumps(
                document | {"rows": {name: vars(row) for name, row in document["rows"].items()}},
                indent=1,
            )
        )
        return
    console = Console()
    console.print(table(document))
    for name, reason in document["missing"].items():
        console.print(
            f"{name}: not measured, {reason}", markup=False, highlight=False, soft_wrap=True
        )


if __name__ == "__main__":
    main()
