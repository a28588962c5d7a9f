"""What a kiosk costs, part by part, in processor seconds per hour of ads.

    python -m benchmarks.kiosk_cost FACES.mp4

Each part does its work as fast as it can and is charged with the processor time of all its threads;
multiplied by how often a kiosk does it, that holds on a busy machine, too. Of several turns the
fastest counts. The ad is a 1080p clip of H.264 at 30 pictures per second, made on the spot. The
window draws in memory; a screen server's copy is not in it. A video of faces stands for the camera;
its decoding counts as a part of its own. The database's writer and the sound are left out.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PyQt5.QtWidgets import QApplication
from rich.console import Console
from rich.table import Table

from ads.media.clips import video_frames
from ads.player.player import Picture
from benchmarks.peers import frames_of
from benchmarks.playback import RATE, SIZE, _write_clip
from benchmarks.tracking import build_analyser
from detector.emotion.pacing import limit_threads
from detector.errors import DetectorError
from detector.types import Frame
from monitor.sensor.live import LiveView, SensorHealth
from monitor.sensor.messages import FrameRead, read_message, write_message
from monitor.sensor.process import preview_of
from monitor.ui.ad_view import AdView
from monitor.ui.application import create_application
from monitor.ui.overlay.overlay import Overlay
from monitor.ui.texts import texts_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Parts = dict[str, tuple[float, float]]
"""Of each part: ms each time, and how often it is done in a second."""

TURNS = 5
PICTURES = 60
FIGURES_A_SECOND = 25
PREVIEWS_A_SECOND = 15
PREVIEW_PX = 480


def fastest_ms(work: Callable[[], int], turns: int = TURNS) -> float:
    """Return the processor time per unit of work, in ms, of the fastest turn.

    `work` returns how many units it has done.
    """
    spent = []
    for _ in range(turns):
        began = time.process_time()
        done = work()
        spent.append((time.process_time() - began) * 1000 / done)
    return min(spent)


def per_hour_s(each_ms: float, a_second: float) -> float:
    """Return the processor seconds in an hour of something done so often."""
    return each_ms / 1000 * a_second * 3600


def moving_clip(folder: Path) -> Path:
    """Write a silent clip of two seconds in which everything moves."""
    width, height = SIZE
    cells = np.random.default_rng(0).integers(40, 216, (height // 40, width // 20, 3), np.uint8)
    wide = np.kron(cells, np.ones((40, 40, 1), np.uint8))
    pictures = [wide[:, 8 * step : 8 * step + width] for step in range(PICTURES)]
    path = folder / "moving.mp4"
    _write_clip(path, [np.ascontiguousarray(each) for each in pictures], 2, np.zeros(96_000))
    return path


def window_parts(clip: Path, views: Sequence[LiveView]) -> Parts:
    """Measure what the window's process does."""
    application = create_application(offscreen=True)
    ads = AdView()
    ads.resize(*SIZE)
    ads.show()
    overlay = Overlay(texts_for("en"), ads)
    overlay.arrange(ads.rect(), SIZE[1] / 720)
    overlay.hide()
    application.processEvents()

    def decode() -> int:
        return sum(1 for _ in video_frames(clip, lambda: SIZE))

    pictures = [frame.rgb for frame in islice(video_frames(clip, lambda: SIZE), 10)]

    def paint() -> int:
        for number, rgb in enumerate(pictures * 3):
            # A view of the array is new to the window, as each decoded frame is.
            ads.show_picture(Picture(rgb[:], 1, float(number)))
        return 3 * len(pictures)

    def show_figures() -> int:
        for view in views:
            overlay.show_view(view)
            overlay._on_tick()
            QApplication.processEvents()
        return len(views)

    parts = {"decode an ad": (fastest_ms(decode, 3), RATE), "paint it": (fastest_ms(paint), RATE)}
    overlay.show()
    application.processEvents()
    bare_ms = parts["paint it"][0]
    under_ms = max(0.0, fastest_ms(paint) - bare_ms)
    parts["the overlay over each picture"] = under_ms, RATE
    parts["figures and preview in the overlay"] = fastest_ms(show_figures), FIGURES_A_SECOND
    ads.close()
    return parts


def sensor_parts(frames: Sequence[Frame], video: str) -> tuple[Parts, list[LiveView]]:
    """Measure what the sensor does; return that and what it tells the window."""
    limit_threads()
    analyser = build_analyser(None)
    views: list[LiveView] = []
    step_ns = 1_000_000_000 // RATE
    number = 0

    def analyse() -> int:
        nonlocal number
        for frame in frames:
            number += 1
            analysed = analyser.analyse(Frame(frame.image, number * step_ns, number))
            if len(views) < PICTURES:
                picture = views[-1].preview if number % 2 == 0 and views else None
                if picture is None:
                    picture = preview_of(analyser, frame.image.shape, PREVIEW_PX)
                views.append(LiveView(SensorHealth("running"), analysed, picture))
        return len(frames)

    def preview() -> int:
        for _ in range(20):
            preview_of(analyser, frames[-1].image.shape, PREVIEW_PX)
        return 20

    def tell() -> int:
        for view in views:
            if view.frame is not None:
                pipe = io.BytesIO()
                write_message(pipe, FrameRead(view.frame, view.preview))
                pipe.seek(0)
                read_message(pipe)
        return len(views)

    def decode() -> int:
        return len(frames_of(video, len(frames)))

    parts = {
        "decode the camera": (fastest_ms(decode, 3), RATE),
        "analyse a frame": (fastest_ms(analyse, 3), RATE),
        "make a preview": (fastest_ms(preview), PREVIEWS_A_SECOND),
        "tell the window, with preview": (fastest_ms(tell), PREVIEWS_A_SECOND),
    }
    analyser.close()
    return parts, views


def measure(video: str) -> dict[str, Parts]:
    """Return the parts of both processes.

    Raises `DetectorError` if the video cannot be read.
    """
    sensor, views = sensor_parts(frames_of(video, 8 * RATE), video)
    with tempfile.TemporaryDirectory() as folder:
        return {"window": window_parts(moving_clip(Path(folder)), views), "sensor": sensor}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description="Measure what the parts of a kiosk cost in processor seconds per hour."
    )
    parser.add_argument("video", help="a video of faces, in place of the camera")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        found = measure(options.video)
    except DetectorError as error:
        raise SystemExit(str(error)) from error
    if options.json:
        print(json.dumps(found, indent=1))
        return
    table = Table("process", "part", "ms each", "a second", "s an hour", box=None)
    for process, parts in found.items():
        for part, (each_ms, a_second) in parts.items():
            hourly_s = f"{per_hour_s(each_ms, a_second):.0f}"
            table.add_row(process, part, f"{each_ms:.2f}", f"{a_second:.0f}", hourly_s)
        whole_s = sum(per_hour_s(*part) for part in parts.values())
        table.add_row(process, "all", "", "", f"{whole_s:.0f}", style="bold")
    Console().print(table)


if __name__ == "__main__":
    main()
