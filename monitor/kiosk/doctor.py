"""Checks the machine, one line each: what was found, and what to do about it."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import av
import numpy as np

from ads.errors import AdsError
from ads.media.decode import probe
from ads.playlists.loader import load_playlist
from ads.sample import sample_playlist
from db.engine import open_database
from db.errors import DatabaseError
from detector.emotion.classifier import gpu_available, load_classifier
from detector.errors import DetectorError
from detector.faces.detector import MediaPipeFaceDetector
from detector.sources.opening import open_source
from detector.sources.v4l2 import cameras
from detector.sources.video_source import SourceSpec
from monitor.logs import default_log, log_size
from monitor.settings.paths import sqlite_file
from monitor.ui.qt_environment import screen_available, screen_named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

State = Literal["ok", "warn", "fail"]

FRAMES_TRIED = 20
DARK_BELOW = 40.0
"""Mean grey level, of 255, under which the detector misses faces."""

LEAST_FREE_GB = 2.0
CODECS = ("h264", "hevc", "vp9", "av1", "aac")


@dataclass(frozen=True, slots=True)
class Finding:
    """One checked thing.

    Attributes:
        name: What was checked.
        state: `ok`, `warn` (works, but not as well as it could) or `fail` (the kiosk cannot work).
        found: What was found.
        advice: What to do; empty when all is well.
    """

    name: str
    state: State
    found: str
    advice: str = ""

    def document(self) -> dict[str, str]:
        """The finding as JSON."""
        return {"name": self.name, "state": self.state, "found": self.found, "advice": self.advice}


def examine(*, source: str | None, database: str, model: str | None) -> list[Finding]:
    """Run all checks.

    Args:
        source: A camera, file or address to try as well; `None` to try the first camera, where
            there is one.
        database: URL or path of the database.
        model: Name or path of the model; `None` for the default.
    """
    checks: list[Callable[[], Iterator[Finding]]] = [
        lambda: _camera(source),
        _screen,
        _codecs,
        _sound,
        _gpu,
        lambda: _model(model),
        lambda: _database(database),
        lambda: _disk(database),
        _log,
        _ads,
    ]
    return [finding for check in checks for finding in check()]


def _camera(source: str | None) -> Iterator[Finding]:
    found = cameras()
    if source is None and not found:
        yield Finding(
            "camera",
            "warn",
            "no camera is connected",
            "Plug one in, name a stream with --source, or use --source demo.",
        )
        return
    wanted = source if source is not None else str(found[0])
    try:
        brightness, rate, faces = _look(SourceSpec.parse(wanted))
    except DetectorError as error:
        yield Finding("camera", "fail", str(error), "Check the source and run the doctor again.")
        return
    yield Finding(
        "camera",
        "ok",
        f"{wanted} gives pictures at {rate:.0f} frames a second; {faces} face(s) in view",
    )
    if brightness < DARK_BELOW:
        advice = "Put a lamp in front of the viewers or open the camera's exposure."
        yield Finding(
            "light", "warn", f"the picture is dark (mean {brightness:.0f} of 255)", advice
        )
    else:
        yield Finding("light", "ok", f"mean brightness {brightness:.0f} of 255")


def _look(spec: SourceSpec) -> tuple[float, float, int]:
    """Mean brightness, measured frame rate and faces over a few frames."""
    levels, faces = [], 0
    start = time.monotonic()
    with open_source(spec) as source, MediaPipeFaceDetector() as detector:
        for _ in range(FRAMES_TRIED):
            frame = source.read()
            if frame is None:
                break
            levels.append(float(frame.image.mean()))
            faces = max(faces, len(detector.detect(frame)))
    return float(np.mean(levels)), len(levels) / (time.monotonic() - start), faces


def _screen() -> Iterator[Finding]:
    if screen_available():
        yield Finding("screen", "ok", "a display is there")
    else:
        yield Finding(
            "screen",
            "warn",
            "the display cannot be opened" if screen_named() else "no display",
            "The window is drawn into memory; log in to a desktop to see it.",
        )


def _codecs() -> Iterator[Finding]:
    missing = [name for name in CODECS if name not in av.codecs_available]
    if missing:
        advice = "Videos in these formats are skipped; convert them to H.264 with AAC."
        yield Finding("codecs", "warn", f"no decoder for {', '.join(missing)}", advice)
    else:
        yield Finding("codecs", "ok", ", ".join(CODECS))


def _sound() -> Iterator[Finding]:
    try:
        from monitor.ui.qt_environment import prepare  # noqa: PLC0415

        prepare(offscreen=not screen_available())
        from PyQt5.QtMultimedia import QAudioDeviceInfo  # noqa: PLC0415 (needs a system library that may be missing)
    except ImportError as error:
        advice = "Install libpulse-mainloop-glib0; until then ads play without sound."
        yield Finding("sound", "warn", f"Qt's sound cannot be loaded ({error})", advice)
        return
    device = QAudioDeviceInfo.defaultOutputDevice()
    if device.isNull():
        yield Finding(
            "sound", "warn", "no sound output", "Ads play without sound; connect a loudspeaker."
        )
    else:
        yield Finding("sound", "ok", device.deviceName())


def _gpu() -> Iterator[Finding]:
    if gpu_available():
        yield Finding("gpu", "ok", "TensorFlow sees a GPU")
    else:
        yield Finding("gpu", "ok", f"none; the model's CPU twin is used ({os.cpu_count()} cores)")


def _model(model: str | None) -> Iterator[Finding]:
    try:
        classifier = load_classifier(model)
        side = classifier.card.input_side_px
        crops = np.zeros((1, side, side), dtype=np.uint8)
        classifier.logits(crops)
        start = time.perf_counter()
        for _ in range(20):
            classifier.logits(crops)
        spent_ms = (time.perf_counter() - start) / 20 * 1000
    except DetectorError as error:
        yield Finding(
            "model", "fail", str(error), "Restore the model's files or choose another with --model."
        )
        return
    yield Finding(
        "model", "ok", f"{classifier.card.name}, {classifier.runtime}, {spent_ms:.1f} ms a face"
    )


def _database(url: str) -> Iterator[Finding]:
    file, folder = sqlite_file(url), _database_folder(url)
    if file is not None and not file.exists():
        if os.access(folder, os.W_OK):
            yield Finding("database", "ok", f"{url} will be made by the first run")
        else:
            yield Finding(
                "database",
                "fail",
                f"{folder} cannot be written",
                "Name another database with --db.",
            )
        return
    try:
        # Looked at only: a doctor changes nothing.
        engine = open_database(url, read_only=True)
    except DatabaseError as error:
        yield Finding("database", "fail", str(error), "Name another database with --db.")
        return
    engine.dispose()
    yield Finding("database", "ok", url)


def _log() -> Iterator[Finding]:
    path = default_log()
    folder = nearest_folder(path)
    if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        yield Finding(
            "log",
            "warn",
            f"{path} cannot be written",
            "The kiosk runs without a log; name one with --log.",
        )
    elif path.exists():
        yield Finding("log", "ok", f"{path}, {log_size(path) / 1e6:.1f} MB with its old files")
    else:
        yield Finding("log", "ok", f"{path} will be made by the first run")


def _database_folder(url: str) -> Path:
    """The nearest folder above an SQLite file that exists; the user's own for a database server."""
    file = sqlite_file(url)
    return Path.home() if file is None else nearest_folder(file)


def nearest_folder(file: Path) -> Path:
    """The nearest folder above a file that exists."""
    folder = file.absolute().parent
    while not folder.exists():
        folder = folder.parent
    return folder


def _disk(url: str) -> Iterator[Finding]:
    folder = _database_folder(url)
    free_gb = shutil.disk_usage(folder).free / 1e9
    if free_gb < LEAST_FREE_GB:
        yield Finding(
            "disk",
            "warn",
            f"{free_gb:.1f} GB free at {folder}",
            "Free some space or move the database.",
        )
    else:
        yield Finding("disk", "ok", f"{free_gb:.0f} GB free at {folder}")


def _ads() -> Iterator[Finding]:
    try:
        playlist = load_playlist(sample_playlist())
        for ad in playlist.ads:
            probe(ad.path)
    except AdsError as error:
        yield Finding(
            "ads",
            "fail",
            f"the bundled ads cannot be played: {error}",
            "Install the program again.",
        )
        return
    yield Finding("ads", "ok", f"the {len(playlist.ads)} bundled ads can be played")
