"""What the pipeline costs, compared with bare face detection and with other ways to run the
network.

Absolute times depend on the machine and on what else it does; each row is a ratio of medians taken
in turn in one run.

    python -m benchmarks.pipeline [VIDEO]
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from detector.analysis import FaceAnalyser
from detector.emotion.classifier import KerasClassifier, LiteRTClassifier, load_network
from detector.emotion.model_card import read_card
from detector.emotion.model_store import find_model
from detector.faces.detector import MediaPipeFaceDetector
from detector.sources.freeze_detector import FreezeDetector
from detector.sources.recording import Recording
from detector.sources.video_source import DEMO_VIDEO
from detector.types import Frame

if TYPE_CHECKING:
    from collections.abc import Callable

FRAMES = 150
ROUNDS = 3
CALLS = 60


def frames_of(video: Path) -> list[Frame]:
    """The first frames of a video, decoded."""
    with Recording(video) as source:
        found = []
        while len(found) < FRAMES and (frame := source.read()) is not None:
            found.append(frame)
        return found


def median_ms(actions: dict[str, Callable[[], None]], rounds: int, calls: int) -> dict[str, float]:
    """Median milliseconds a call of each action, taken in turn so that a busy moment hits all of
    them.
    """
    spent: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            spent[name].append((time.perf_counter() - start) * 1000 / calls)
    return {name: statistics.median(times) for name, times in spent.items()}


def compare_pipeline(frames: list[Frame]) -> dict[str, float]:
    """Bare detection against the whole pipeline, milliseconds a frame."""
    model = find_model()
    card = read_card(model)
    clock = [0]

    def later(frame: Frame) -> Frame:
        # Times must rise from round to round.
        clock[0] += 33_000_000
        return Frame(frame.image, clock[0], frame.sequence)

    with MediaPipeFaceDetector() as bare, MediaPipeFaceDetector() as used:
        analyser = FaceAnalyser(used, LiteRTClassifier(model.with_suffix(".tflite"), card))

        def detect_only() -> None:
            for frame in frames:
                bare.detect(later(frame))

        def whole() -> None:
            for frame in frames:
                analyser.analyse(later(frame))

        def watch() -> None:
            freeze = FreezeDetector()
            for frame in frames:
                freeze.observe(later(frame))

        actions = {
            "face detection alone": detect_only,
            "whole pipeline": whole,
            "freeze detector": watch,
        }
        return median_ms(actions, ROUNDS, len(frames))


def compare_runtimes(faces: int) -> dict[str, float]:
    """Ways to run the network on the faces of one frame, milliseconds a frame."""
    model = find_model()
    card = read_card(model)
    crops = np.random.default_rng(0).integers(0, 256, (faces, 48, 48), dtype=np.uint8)
    litert = LiteRTClassifier(model.with_suffix(".tflite"), card)
    compiled = KerasClassifier(model, card)
    network = load_network(model)
    batch = crops[..., None].astype(np.float32)

    def repeat(action: Callable[[], object]) -> Callable[[], None]:
        action()

        def run() -> None:
            for _ in range(CALLS):
                action()

        return run

    return median_ms(
        {
            "LiteRT": repeat(lambda: litert.logits(crops)),
            "tf.function": repeat(lambda: compiled.logits(crops)),
            "Model.predict": repeat(lambda: network.predict(batch, verbose=0)),
        },
        ROUNDS,
        CALLS,
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Compare the cost of the pipeline's parts.")
    parser.add_argument("video", type=Path, nargs="?", default=DEMO_VIDEO)
    console = Console()
    tables = {"Pipeline, a frame": compare_pipeline(frames_of(parser.parse_args().video))}
    tables |= {f"Network, {faces} face(s)": compare_runtimes(faces) for faces in (1, 8)}
    for title, figures in tables.items():
        table = Table(title=title, title_justify="left", box=None)
        for column in ("", "ms", "ratio"):
            table.add_column(column, justify="left" if not column else "right")
        first = next(iter(figures.values()))
        for name, spent in figures.items():
            table.add_row(name, f"{spent:.2f}", f"{spent / first:.2f}")
        console.print(table)


if __name__ == "__main__":
    main()
