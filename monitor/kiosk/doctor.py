"""Checks the machine, one line each: what was found, and what to do about it."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

import av
import numpy as np

from ads.errors import AdsError
from db.engine import open_database
from db.errors import DatabaseError
from db.purpose import refuse_hub_database
from db.transfer.uplink import UplinkStore
from detector.emotion.classifier import gpu_available, load_classifier
from detector.errors import DetectorError
from detector.faces.detector import MediaPipeFaceDetector
from detector.sources.opening import open_source
from detector.sources.orientation import Orientation
from detector.sources.passwords import hide_passwords
from detector.sources.v4l2 import cameras
from detector.sources.video_source import SourceSpec
from monitor.logs import default_log, log_size
from monitor.mqtt.connection import BrokerConnection, BrokerError, reason
from monitor.session.playlist_loading import load_ads
from monitor.settings.broker import Broker
from monitor.settings.paths import sqlite_file
from monitor.ui.qt_environment import prepare, screen_available, screen_named
from monitor.uplink.documents import DocumentError
from monitor.uplink.key_file import KeyFileError, key_path, read_key
from monitor.uplink.stored_show import ShowFolder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from monitor.uplink.key_file import HubKey


@dataclass(frozen=True, slots=True)
class Finding:
    """One checked thing; the kiosk works with a `warn`, and not with a `fail`."""

    name: str
    state: Literal["ok", "warn", "fail"]
    found: str
    advice: str = ""


def examine(
    *,
    source: str | None,
    rotate: int = 0,
    database: str,
    model: str | None,
    mqtt: str | None = None,
    playlist: Path | None = None,
) -> list[Finding]:
    """Run all checks.

    Args:
        source: Without one, the first camera is tried if there is one.
        rotate: Turns its pictures clockwise, by 0, 90, 180 or 270 degrees.
        database: URL or path.
        model: Name or file; `None` for the model in use.
        mqtt: Address of the broker to publish to, if any.
        playlist: A YAML file or a folder of ads; without one, the bundled ads are checked.
    """
    findings = (
        *_camera(source, rotate),
        _screen(),
        _codecs(),
        _sound(),
        _gpu(),
        _model(model),
        _database(database),
        _disk(database),
        _log(),
        *_broker(mqtt),
        *_hub(database),
        _ads(playlist),
    )
    return [replace(finding, found=hide_passwords(finding.found)) for finding in findings]


def _camera(source: str | None, rotate: int) -> Iterator[Finding]:
    found = cameras()
    if source is None and not found:
        advice = "Plug one in, name a stream with --source, or use --source demo."
        yield Finding("camera", "warn", "no camera is connected", advice)
        return
    wanted = source if source is not None else str(found[0])
    levels: list[float] = []
    faces, clearest, image = 0, -1.0, None
    turn, began_s = 0, time.monotonic()
    mounted = Orientation.clockwise(rotate)
    try:
        with (
            open_source(SourceSpec.parse(wanted), mounted=mounted) as opened,
            MediaPipeFaceDetector() as detector,
        ):
            while len(levels) < 20 and (frame := opened.read()) is not None:
                levels.append(float(frame.image.mean()))
                found_faces = detector.detect(frame)
                faces = max(faces, len(found_faces))
                confidence = max((face.confidence for face in found_faces), default=0.0)
                if confidence > clearest:
                    clearest, image = confidence, frame.image
            rate = len(levels) / (time.monotonic() - began_s)
            if image is not None:
                turn = _turn_of_faces(detector, image)
    except DetectorError as error:
        yield Finding("camera", "fail", str(error), "Check the source and run the doctor again.")
        return
    seen = f"{faces} face{'' if faces == 1 else 's'} in view"
    pictures = f"{wanted} gives pictures at {rate:.0f} frames a second; {seen}"
    yield Finding("camera", "ok", pictures)
    if turn:
        sideways = f"faces are found more clearly in the picture turned clockwise by {turn} degrees"
        advice = f"The camera seems to be turned: try --rotate {(rotate + turn) % 360}."
        yield Finding("mount", "warn", sideways, advice)
    brightness = float(np.mean(levels))
    if brightness >= 40:  # below, the detector misses faces
        yield Finding("light", "ok", f"mean brightness {brightness:.0f} of 255")
        return
    dark = f"the picture is dark (mean {brightness:.0f} of 255)"
    advice = "Put a lamp in front of the viewers or open the camera's exposure."
    yield Finding("light", "warn", dark, advice)


def _turn_of_faces(detector: MediaPipeFaceDetector, image: NDArray[np.uint8]) -> int:
    """Return by how many degrees to turn a picture clockwise to make its faces upright."""
    best = {
        turn: max(
            (
                face.confidence
                for face in detector.detect_still(Orientation.clockwise(turn).apply(image))
            ),
            default=0.0,
        )
        for turn in (0, 90, 180, 270)
    }
    # The detector also finds sideways faces, but less confidently (0.85 to 0.98 in the demo).
    turn = max(best, key=lambda turn: best[turn])
    return turn if best[turn] > best[0] + 0.08 else 0


def _screen() -> Finding:
    if screen_available():
        return Finding("screen", "ok", "a display is there")
    found = "the display cannot be opened" if screen_named() else "no display"
    advice = "The window is drawn into memory; log in to a desktop to see it."
    return Finding("screen", "warn", found, advice)


def _codecs() -> Finding:
    codecs = ("h264", "hevc", "vp9", "av1", "aac")
    missing = [name for name in codecs if name not in av.codecs_available]
    if not missing:
        return Finding("codecs", "ok", ", ".join(codecs))
    advice = "Videos in these formats are skipped; convert them to H.264 with AAC."
    return Finding("codecs", "warn", f"no decoder for {', '.join(missing)}", advice)


def _sound() -> Finding:
    prepare(offscreen=not screen_available())
    try:
        from PyQt5.QtMultimedia import QAudioDeviceInfo  # noqa: PLC0415 (a library may be missing)
    except ImportError as error:
        advice = "Install libpulse-mainloop-glib0; until then ads play without sound."
        return Finding("sound", "warn", f"Qt's sound cannot be loaded ({error})", advice)
    device = QAudioDeviceInfo.defaultOutputDevice()
    if not device.isNull():
        return Finding("sound", "ok", device.deviceName())
    advice = "Ads play without sound; connect a loudspeaker."
    return Finding("sound", "warn", "no sound output", advice)


def _gpu() -> Finding:
    if gpu_available():
        return Finding("gpu", "ok", "TensorFlow sees a GPU")
    return Finding("gpu", "ok", f"none; the model runs on the CPU ({os.cpu_count()} cores)")


def _model(model: str | None) -> Finding:
    try:
        classifier = load_classifier(model)
        side = classifier.card.input_side_px
        crops = np.zeros((1, side, side), dtype=np.uint8)
        classifier.logits(crops)
        began_s = time.perf_counter()
        for _ in range(20):
            classifier.logits(crops)
        spent_ms = (time.perf_counter() - began_s) / 20 * 1000
    except DetectorError as error:
        advice = "Restore the model's files or choose another with --model."
        return Finding("model", "fail", str(error), advice)
    found = f"{classifier.card.name}, {classifier.runtime}, {spent_ms:.1f} ms a face"
    return Finding("model", "ok", found)


def _database(url: str) -> Finding:
    file = sqlite_file(url)
    if file is not None and not file.exists():
        folder = _nearest_folder(file)
        if os.access(folder, os.W_OK):
            return Finding("database", "ok", f"{url} will be made by the first run")
        found = f"{folder} cannot be written"
    else:
        try:
            refuse_hub_database(file)
            open_database(url, read_only=True).dispose()
            return Finding("database", "ok", url)
        except DatabaseError as error:
            found = str(error)
    return Finding("database", "fail", found, "Name another database with --db.")


def _disk(url: str) -> Finding:
    # What waits for a database server lies in the user's own folder.
    folder = _nearest_folder(sqlite_file(url) or default_log())
    free_gb = shutil.disk_usage(folder).free / 1e9
    if free_gb >= 2:
        return Finding("disk", "ok", f"{free_gb:.0f} GB free at {folder}")
    advice = "Free some space or move the database."
    return Finding("disk", "warn", f"{free_gb:.1f} GB free at {folder}", advice)


def _log() -> Finding:
    path = default_log()
    folder = _nearest_folder(path)
    if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        advice = "The kiosk runs without a log; name one with --log."
        return Finding("log", "warn", f"{path} cannot be written", advice)
    if not path.exists():
        return Finding("log", "ok", f"{path} will be made by the first run")
    return Finding("log", "ok", f"{path}, {log_size(path) / 1e6:.1f} MB with its old files")


def _hub(url: str) -> Iterator[Finding]:
    file = sqlite_file(url)
    if file is None:
        return
    try:
        key = read_key(key_path(file))
        if key is None:
            return
        engine = open_database(url, read_only=True)
        try:
            state = UplinkStore(engine).state()
        finally:
            engine.dispose()
    except (DatabaseError, KeyFileError) as error:
        yield Finding("hub", "warn", str(error), "Nothing is sent to the hub until then.")
        return
    where = f"{key.name} on {key.hub}"
    if key.console:
        where = f"none but this kiosk's own pages, {key.hub}"
    found = f"{where}; {state.waiting} records wait"
    since = state.oldest
    if since is not None and datetime.now(UTC) - since > timedelta(hours=1):
        found = f"{found}, the first since {since.astimezone():%Y-%m-%d %H:%M}"
        advice = "They are sent while the kiosk runs; its log says why the hub does not take them."
        yield Finding("hub", "warn", found, advice)
    else:
        yield Finding("hub", "ok", found)
    if state.lost:
        lost = f"{state.lost} records waited for more than 30 days and are given up"
        yield Finding("hub", "warn", lost, "The hub will never have them; this database has.")
    yield _show(file, key)


def _show(database: Path, key: HubKey) -> Finding:
    folder = ShowFolder(database)
    try:
        stored = folder.read(key)
    except (DocumentError, OSError) as error:
        advice = "The kiosk shows its own playlist until it gets the hub's show again."
        return Finding("show", "warn", f"the hub's show cannot be used ({error})", advice)
    if stored is None:
        return Finding("show", "ok", "this kiosk's own; nothing has come from the hub")
    document, since = stored
    when = f"version {document.version} since {since.astimezone():%Y-%m-%d %H:%M}"
    if document.playlist is None:
        booked = "the calendar has" if key.console else "the hub has"
        return Finding("show", "ok", f"this kiosk's own; {booked} booked none ({when})")
    size = sum(entry.size for entry in document.media)
    files = f"{len(document.media)} media, {size / 1e6:.1f} MB"
    gone = [entry for entry in document.media if not (folder.media / entry.name).is_file()]
    if gone:
        found = f"from the hub, {when}; {len(gone)} of {files} are missing"
        return Finding("show", "warn", found, "They are fetched again while the kiosk runs.")
    return Finding("show", "ok", f"from the hub, {when}; {files}")


def _broker(address: str | None) -> Iterator[Finding]:
    if address is None:
        return
    broker = Broker.parse(address)
    try:
        # Under another name, so that a kiosk that runs here keeps its connection.
        with BrokerConnection(broker, f"ad-monitor-doctor-{os.getpid()}") as connection:
            connection.connect()
    except (OSError, UnicodeError, BrokerError) as error:
        advice = "Check the address in --mqtt; until then the kiosk runs without it and retries."
        yield Finding("mqtt", "warn", f"{broker.shown} cannot be used: {reason(error)}", advice)
        return
    yield Finding("mqtt", "ok", f"{broker.shown} accepts the kiosk")


def _ads(chosen: Path | None) -> Finding:
    """Check the ads of a playlist or folder, or the bundled ones."""
    try:
        playlist = load_ads(chosen)
    except AdsError as error:
        if chosen is None:
            found = f"the bundled ads cannot be played: {error}"
            return Finding("ads", "fail", found, "Install the program again.")
        return Finding("ads", "fail", str(error), "Correct it, or name another with --playlist.")
    count = len(playlist.ads)
    if chosen is None:
        return Finding("ads", "ok", f"the {count} bundled ads can be played")
    left_out = [ad for ad in playlist.skipped if ad.is_ad]
    if left_out:
        found = f"{len(left_out)} of {count + len(left_out)} ads in {chosen} cannot be played"
        advice = f"ad-monitor playlist check '{chosen}' says why."
        return Finding("ads", "warn", f"{found}: {left_out[0].reason}", advice)
    return Finding("ads", "ok", f"all ads in {chosen} can be played: {count}")


def _nearest_folder(file: Path) -> Path:
    return next(folder for folder in file.absolute().parents if folder.exists())
