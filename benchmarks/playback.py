"""What the window painted, and when: black and late pictures, and how far sound and picture are
apart.

    xvfb-run -s "-screen 0 1280x720x24" python -m benchmarks.playback --minutes 10 --sensor
    FACES.mp4

The real window shows the real player's ads: by default 1080p clips at 30 frames per second and
pictures in turn, made on the spot, or the media of a folder. With `--sensor`, the sensor's process
analyses a video meanwhile, as it would in a venue. Every picture counts from the end of the paint
event that brought it into the window's memory; what a screen adds after that is not measured.

A frame is due when its play began plus its own position. Of the frames that were due while their
play was on, those never painted count as not in time. At a change of ads, the first picture is due
when the ad before has had its length; the lateness reported is the largest of that and of all
frames due within a second after a change.

One of the clips that are made flashes and beeps at the same instants. A flash is seen when its
first frame was painted. A beep is heard when the samples written to the sound device before it have
been played, by what the device says that it holds. By default the device is one that plays at the
pace of the clock and holds 0.2 s; `--sound device` takes the system's own, which may be a null
sink.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import statistics
import sys
import tempfile
import time
from bisect import bisect_left, bisect_right
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from PIL import Image
from PyQt5.QtCore import QEvent, QObject, QTimer
from rich.console import Console
from rich.table import Table

from ads.errors import AdsError
from ads.media.clips import video_frames
from ads.media.decode import probe
from ads.player.player import AdPlayer
from ads.playlists.loader import load_playlist
from ads.policies import make_policy
from ads.show.playback import PlaybackLog
from detector.emotion.model_store import find_model
from detector.errors import DetectorError
from monitor.sensor.client import SupervisedSensor
from monitor.sensor.live import LiveView, SensorHealth
from monitor.sensor.messages import FrameRead, HealthReport
from monitor.sensor.process import SensorSettings
from monitor.ui.application import create_application
from monitor.ui.bridge import LiveBridge
from monitor.ui.sound import BYTES_PER_SECOND, RATE_HZ, AudioSink, QtSound, open_default_sink
from monitor.ui.window import KioskWindow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ads.player.player import Picture
    from ads.playlists.playlist import Ad
    from ads.show.playback import Play, PlayEnd
    from monitor.sensor.messages import Message

SIZE = (1920, 1080)
RATE = 30
CLIP_S = 10
PICTURE_S = 5.0

IN_TIME_MS = 20.0
NEAR_CHANGE_MS = 1000.0

BLACK_LEVEL = 16.0
"""Mean brightness, of 255, below which a picture counts as black; all pictures that are made here
are above 40.
"""

FLASH_LEVEL = 200.0
FLASH_NAME = "flash-and-beep"
FIRST_FLASH_S = 0.5
FLASH_FRAMES = 3
BEEP_S = 0.1
LOUD = 3000
SILENCE_S = 0.3
"""So much silence comes before a beep that counts as one."""

SINK_S = 0.2
STEP_S = 1.0
"""The longest step in which a device takes samples."""

SENSOR_START_S = 60.0


# --- what is recorded -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Paint:
    """One painted picture.

    Attributes:
        at_ns: The end of its paint event.
        play: Its play; 0 where no picture was there to be painted.
        position_ms: Its position in the ad.
        level: Its mean brightness, 0 to 255.
    """

    at_ns: int
    play: int
    position_ms: float
    level: float


@dataclass(frozen=True)
class Shown:
    """One play.

    Attributes:
        number: Its number.
        ad: What was shown.
        origin_ns: When its position was 0, or would have been.
        began_ns: Its first instant.
        ended_ns: Its end; `None` while it is on.
        outcome: How it ended; empty while it is on.
    """

    number: int
    ad: Ad
    origin_ns: int
    began_ns: int
    ended_ns: int | None = None
    outcome: str = ""


class Account(PlaybackLog):
    """The playback log and the player's listener: what was played when."""

    def __init__(self) -> None:
        super().__init__()
        self._ads: dict[int, Ad] = {}
        self._starts: dict[int, tuple[int, int]] = {}
        self._ends: dict[int, tuple[int, str]] = {}

    def play_started(self, play: Play) -> None:
        self._ads[play.number] = play.ad

    def play_ended(self, end: PlayEnd) -> None:
        self._ends[end.number] = (end.ended_ns, end.outcome)

    def start(self, play_number: int, at_ns: int, position_ns: int = 0) -> None:
        super().start(play_number, at_ns, position_ns)
        self._starts[play_number] = (at_ns, at_ns - position_ns)

    def shown(self) -> list[Shown]:
        """All plays in order."""
        return [
            Shown(
                number, self._ads[number], origin_ns, began_ns, *self._ends.get(number, (None, ""))
            )
            for number, (began_ns, origin_ns) in sorted(self._starts.items())
        ]


class Witness(QObject):
    """Writes down every picture that a view paints, and every paint without one."""

    def __init__(self, view: Any) -> None:
        super().__init__(view)
        self._view = view
        self.paints: list[Paint] = []
        view.painted.connect(self._on_painted)
        view.installEventFilter(self)

    def _on_painted(self, picture: Picture) -> None:
        now_ns = time.monotonic_ns()
        self.paints.append(
            Paint(
                now_ns,
                picture.play_number,
                picture.position_ms,
                float(picture.rgb[::60, ::60].mean()),
            )
        )

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 (Qt's name)
        # Before the first picture, the window says that it is loading.
        if (
            event is not None
            and event.type() == QEvent.Type.Paint
            and self.paints
            and not self._view.has_picture
        ):
            self.paints.append(Paint(time.monotonic_ns(), 0, 0.0, 0.0))
        return super().eventFilter(watched, event)


class PacedSink:
    """A sound device that plays at the pace of the clock, like a null sink."""

    def __init__(self, buffer_s: float = SINK_S) -> None:
        self._buffer_s = buffer_s
        self._until_s = 0.0
        self._suspended_s: float | None = None

    def start(self) -> None:
        self._until_s = time.monotonic()

    def reset(self) -> None:
        self._until_s = 0.0
        self._suspended_s = None

    def suspend(self) -> None:
        self._suspended_s = time.monotonic()

    def resume(self) -> None:
        if self._suspended_s is not None:
            self._until_s += time.monotonic() - self._suspended_s
            self._suspended_s = None

    def free_bytes(self) -> int:
        return max(0, round(self._buffer_s * BYTES_PER_SECOND) - self.held_bytes())

    def held_bytes(self) -> int:
        now_s = time.monotonic() if self._suspended_s is None else self._suspended_s
        return max(0, round((self._until_s - now_s) * BYTES_PER_SECOND))

    def write(self, data: bytes) -> int:
        taken = min(len(data), self.free_bytes())
        self._until_s = max(self._until_s, time.monotonic()) + taken / BYTES_PER_SECOND
        return taken

    def broken(self) -> bool:
        return False


class Ear:
    """A sound device that notes when beeps are heard, and passes all on to another one.

    A device plays evenly while it has something to play, but many take samples in steps and count
    them as played then. Of all moments at which a sample may be heard by the device's answers about
    it, the latest is right.
    """

    def __init__(self, sink: AudioSink) -> None:
        self._sink = sink
        self._beeps_s: list[float] = []
        self._begin_stretch()

    @property
    def beeps_ns(self) -> list[int]:
        """When each beep was heard, on the monotonic clock."""
        return [round(at_s * 1e9) for at_s in [*self._beeps_s, *self._heard()]]

    def start(self) -> None:
        self._sink.start()

    def reset(self) -> None:
        now_s = time.monotonic()
        # What was written and not played yet is never heard.
        self._beeps_s.extend(at_s for at_s in self._heard() if at_s <= now_s)
        self._begin_stretch()
        self._sink.reset()

    def suspend(self) -> None:
        self._sink.suspend()

    def resume(self) -> None:
        self._sink.resume()

    def free_bytes(self) -> int:
        return self._sink.free_bytes()

    def held_bytes(self) -> int:
        now_s, held = time.monotonic(), self._sink.held_bytes()
        if held == 0 and self._written:
            # It ran dry; the next block starts fresh.
            self._beeps_s.extend(self._heard())
            self._begin_stretch()
        self._firsts.append((now_s, now_s + held / BYTES_PER_SECOND - self._written / RATE_HZ))
        return held

    def write(self, data: bytes) -> int:
        self.held_bytes()
        taken = self._sink.write(data)
        samples = np.frombuffer(data[: taken // 4 * 4], np.int16).reshape(-1, 2)
        loud = self._written + np.flatnonzero(np.abs(samples[:, 0].astype(np.int32)) > LOUD)
        if len(loud):
            onsets = loud[np.diff(loud, prepend=self._last_loud) > SILENCE_S * RATE_HZ]
            self._onsets.extend((time.monotonic(), int(frame)) for frame in onsets)
            self._last_loud = int(loud[-1])
        self._written += len(samples)
        return taken

    def broken(self) -> bool:
        return self._sink.broken()

    def _begin_stretch(self) -> None:
        self._written = 0
        self._last_loud = -RATE_HZ
        # When beeps were written and as which frame; and when which moment followed for the first
        # frame of all.
        self._onsets: list[tuple[float, int]] = []
        self._firsts: list[tuple[float, float]] = []

    def _heard(self) -> list[float]:
        found = []
        for written_s, frame in self._onsets:
            begin = bisect_left(self._firsts, (written_s,))
            end = bisect_left(self._firsts, (written_s + STEP_S,))
            moments = [first_s for _, first_s in self._firsts[begin:end]]
            if moments:
                found.append(max(moments) + frame / RATE_HZ)
        return found


@dataclass
class Watch:
    """The sensor, how fast it worked, and what it told the window."""

    bridge: LiveBridge
    rates: list[float] = field(default_factory=list)
    _view: LiveView = field(default_factory=lambda: LiveView(SensorHealth("starting")))

    def hear(self, message: Message) -> None:
        """Passes a message on to the window, as the kiosk does."""
        if isinstance(message, FrameRead):
            preview = message.preview if message.preview is not None else self._view.preview
            self._view = LiveView(self._view.health, message.frame, preview)
        elif isinstance(message, HealthReport):
            self._view = LiveView(message.health, self._view.frame, self._view.preview)
            if message.health.state == "running":
                self.rates.append(message.health.fps)
        self.bridge.publish(self._view)


# --- the figures ----------------------------------------------------------------------------------


def late_ms(paint: Paint, shown: Shown) -> float:
    """How long after its time a picture was painted, in milliseconds."""
    return (paint.at_ns - shown.origin_ns) / 1e6 - paint.position_ms


def first_seen(paints: Iterable[Paint]) -> dict[int, dict[float, Paint]]:
    """The first paint of every picture, by play and position."""
    found: dict[int, dict[float, Paint]] = defaultdict(dict)
    for paint in paints:
        found[paint.play].setdefault(paint.position_ms, paint)
    return found


def summarise(
    paints: Sequence[Paint],
    plays: Sequence[Shown],
    frames_ms: dict[str, Sequence[float]],
    until_ns: int,
) -> dict[str, Any]:
    """The figures of a run.

    Args:
        paints: What was painted, in order.
        plays: What was played, in order.
        frames_ms: The positions of the frames of every clip, by ad.
        until_ns: The end of the run; what was due later is left out.
    """
    seen = first_seen(paints)
    due = dropped = in_time = 0
    lateness: list[float] = []
    for play in plays:
        # What is due when the run ends is never painted.
        ended_ns = min(until_ns - round(1e9 / RATE), play.ended_ns or until_ns)
        positions = [
            position
            for position in frames_ms.get(play.ad.ad_id, ())
            if play.began_ns <= play.origin_ns + position * 1e6 < ended_ns
        ]
        painted = {round(position, 3): paint for position, paint in seen[play.number].items()}
        for position in positions:
            due += 1
            paint = painted.get(round(position, 3))
            if paint is None:
                dropped += 1
                continue
            late = late_ms(paint, play)
            lateness.append(late)
            in_time += abs(late) <= IN_TIME_MS
    changes = change_lateness(plays, seen)
    return {
        "plays": len(plays),
        "failed_plays": sum(play.outcome == "failed" for play in plays),
        "paints": len(paints),
        "black": sum(paint.play == 0 or paint.level < BLACK_LEVEL for paint in paints),
        "changes": len(changes),
        "late_at_changes_ms": max(changes, default=None),
        "late_at_changes_p50_ms": statistics.median(changes) if changes else None,
        "video_frames_due": due,
        "video_frames_dropped": dropped,
        "in_time": in_time / due if due else None,
        "late_ms": {f"p{share}": percentile(lateness, share) for share in (50, 95, 99, 100)},
        "longest_standstill_ms": longest_standstill(plays, seen, frames_ms),
    }


def percentile(values: Sequence[float], share: float) -> float | None:
    """A percentile; `None` of nothing."""
    return float(np.percentile(values, share)) if values else None


def change_lateness(plays: Sequence[Shown], seen: dict[int, dict[float, Paint]]) -> list[float]:
    """For each change from an ad that was shown to its end: the latest of the pictures of the first
    second after it.
    """
    found = []
    for before, after in pairwise(plays):
        paints = list(seen[after.number].values())
        if before.outcome != "finished" or not paints:
            continue
        due_ns = (
            after.origin_ns
            if after.origin_ns != after.began_ns
            else before.origin_ns + before.ad.duration_ns
        )
        # What was faded in belongs to its play from the middle of the fade on; a still picture was
        # there before.
        begun_ms = (after.began_ns - after.origin_ns) / 1e6
        first = (paints[0].at_ns - due_ns) / 1e6 - max(paints[0].position_ms, begun_ms)
        rest = [
            late_ms(paint, after) for paint in paints[1:] if paint.position_ms <= NEAR_CHANGE_MS
        ]
        found.append(max([first, *rest]))
    return found


def longest_standstill(
    plays: Sequence[Shown],
    seen: dict[int, dict[float, Paint]],
    frames_ms: dict[str, Sequence[float]],
) -> float | None:
    """The longest time between two pictures of a clip, beyond what lies between their positions, in
    milliseconds.
    """
    found = []
    for play in plays:
        if play.ad.ad_id in frames_ms:
            lags = [late_ms(paint, play) for paint in seen[play.number].values()]
            found += [later - earlier for earlier, later in pairwise(lags)]
    return max(found, default=None)


def flashes_ns(paints: Sequence[Paint], plays: Sequence[Shown]) -> list[int]:
    """When each flash was seen."""
    flashing = {play.number for play in plays if play.ad.ad_id == FLASH_NAME}
    found, was_bright = [], True
    for paint in paints:
        is_bright = paint.level >= FLASH_LEVEL
        if paint.play in flashing and is_bright and not was_bright:
            found.append(paint.at_ns)
        was_bright = is_bright or paint.play not in flashing
    return found


def sound_offsets(flashes: Sequence[int], beeps: Sequence[int]) -> list[float]:
    """By how many milliseconds each flash's beep came after it; a flash without a beep within 0.4 s
    is left out.
    """
    found = []
    for flash in flashes:
        near = beeps[bisect_left(beeps, flash - 0.4e9) : bisect_right(beeps, flash + 0.4e9)]
        if near:
            found.append(min(((beep - flash) / 1e6 for beep in near), key=abs))
    return found


# --- what is shown --------------------------------------------------------------------------------


def make_media(folder: Path, size: tuple[int, int] = SIZE, clip_s: int = CLIP_S) -> None:
    """Makes clips and pictures whose names sort so that they take turns, none of them dark."""
    width, height = size
    blocks = np.random.default_rng(1).integers(60, 190, (height // 8, width // 8, 3), np.uint8)
    texture = blocks.repeat(8, 0).repeat(8, 1)
    grey = np.full((texture.shape[0], texture.shape[1], 3), 90, np.uint8)
    white = np.full_like(grey, 250)

    def moving(index: int) -> np.ndarray:
        return np.roll(texture, 8 * index, axis=1)

    def flashing(index: int) -> np.ndarray:
        since = index - round(FIRST_FLASH_S * RATE)
        return white if since >= 0 and since % RATE < FLASH_FRAMES else grey

    at = np.arange(clip_s * RATE_HZ) / RATE_HZ
    tone = 0.2 * np.sin(2 * np.pi * 440 * at)
    beeps = np.where(
        (at >= FIRST_FLASH_S) & ((at - FIRST_FLASH_S) % 1 < BEEP_S),
        np.sin(2 * np.pi * 1000 * at),
        0.0,
    )
    # Each clip is recognised by its tone, which is too quiet to count as a beep.
    _write_clip(
        folder / "1-moving.mp4", [moving(index) for index in range(RATE)], clip_s, 0.4 * tone
    )
    _write_clip(
        folder / f"{FLASH_NAME}.mp4",
        [flashing(index) for index in range(clip_s * RATE)],
        clip_s,
        0.7 * beeps,
    )
    large = Image.fromarray(texture).resize((2 * width, 2 * height), Image.Resampling.NEAREST)
    large.save(folder / "2-large.jpg", quality=90)
    Image.fromarray(np.ascontiguousarray(texture[:, : height * 9 // 16])).save(
        folder / "g-portrait.png"
    )


def _write_clip(path: Path, pictures: Sequence[np.ndarray], seconds: int, wave: np.ndarray) -> None:
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=RATE)
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt = "yuv420p"
        video.options = {"preset": "veryfast", "crf": "23"}
        audio = container.add_stream("aac", rate=RATE_HZ, layout="stereo")
        for index in range(seconds * RATE):
            frame = av.VideoFrame.from_ndarray(pictures[index % len(pictures)], format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        samples = np.repeat(np.round(wave * 32767).astype(np.int16), 2).reshape(1, -1)
        block = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
        block.sample_rate, block.pts, block.time_base = RATE_HZ, 0, Fraction(1, RATE_HZ)
        container.mux(audio.encode(block))
        container.mux(audio.encode())


def looped(video: Path, seconds: float, folder: Path) -> Path:
    """A video repeated until it is long enough, without re-encoding it."""
    path = folder / f"looped{video.suffix}"
    with av.open(str(video)) as source, av.open(str(path), "w") as target:
        length_s = probe(video).duration_s or 1.0
        copied = target.add_stream_from_template(source.streams.video[0])
        for turn in range(math.ceil(seconds / length_s)):
            source.seek(0)
            for packet in source.demux(video=0):
                if packet.pts is None or packet.dts is None or packet.time_base is None:
                    continue
                shift = round(turn * length_s / packet.time_base)
                packet.pts += shift
                packet.dts += shift
                packet.stream = copied
                target.mux(packet)
    return path


def frame_positions(ads: Sequence[Ad]) -> dict[str, Sequence[float]]:
    """When the frames of every clip are due, milliseconds."""
    return {
        ad.ad_id: [frame.position_ns / 1e6 for frame in video_frames(ad.path, lambda: (16, 16))]
        for ad in ads
        if ad.kind == "video"
    }


# --- the run --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """What a run is to be.

    Attributes:
        folder: With the media to show.
        seconds: How long it lasts.
        sensor: A video that the sensor analyses meanwhile; `None` for no sensor.
        size: Of the window, pixels.
        cross_fade_s: Between ads.
        device: Whether the system's sound device is used.
    """

    folder: Path
    seconds: float
    sensor: Path | None = None
    size: tuple[int, int] = (1280, 720)
    cross_fade_s: float = 0.0
    device: bool = False


def ear_of(run: Run) -> Ear:
    """The sound device of a run.

    Raises:
        SystemExit: The system's own was asked for, and there is none.
    """
    if not run.device:
        return Ear(PacedSink())
    sink = open_default_sink(0.0)
    if sink is None:
        raise SystemExit(
            "No sound device was found; leave --sound out to use one that is only timed."
        )
    return Ear(sink)


def measure(run: Run) -> dict[str, Any]:
    """Shows the media for a while and tells how that went."""
    listed = load_playlist(run.folder).ads
    ads = [ad if ad.kind == "video" else replace(ad, duration_s=PICTURE_S) for ad in listed]
    frames_ms = frame_positions(ads)
    application = create_application()
    account, bridge = Account(), LiveBridge()
    watch = Watch(bridge)
    ear = ear_of(run)
    load_before = os.getloadavg()[0]
    with ExitStack() as stack:
        stack.callback(bridge.close)
        if run.sensor is not None:
            scratch = stack.enter_context(tempfile.TemporaryDirectory())
            video = looped(run.sensor, run.seconds + 10, Path(scratch))
            settings = SensorSettings(
                source=str(video), model=str(find_model(None)), preview_width_px=480
            )
            sensor = SupervisedSensor(settings, watch.hear, lambda _: None)
            stack.callback(sensor.stop)
            sensor.start()
            if not sensor.wait_settled(SENSOR_START_S) or sensor.failure is not None:
                raise SystemExit(
                    f"The sensor did not start: {sensor.failure or 'it took too long'}"
                )
        sound = stack.enter_context(QtSound(open_sink=lambda _: ear))
        player = stack.enter_context(
            AdPlayer(
                ads,
                make_policy("sequential"),
                account,
                account,
                sound=sound,
                viewport=run.size,
                cross_fade_s=run.cross_fade_s,
            )
        )
        window = KioskWindow(player, bridge)
        # The ad has this size; the notice has its strip below, which grows with the window.
        width, height = run.size
        for _ in range(5):
            window.resize(width, height)
            window.grab()  # a window that is not shown yet is arranged when it is drawn
            height += run.size[1] - window.ad_view.height()
        witness = Witness(window.ad_view)
        window.ad_view.painted.connect(player.painted)
        ending = QTimer()
        ending.setSingleShot(True)
        ending.timeout.connect(application.quit)
        window.failed.connect(lambda _: application.quit())
        used_s, began_s = time.process_time(), time.monotonic()
        window.begin()
        ending.start(round(run.seconds * 1000))
        application.exec_()
        until_ns = time.monotonic_ns()
        used_s, wall_s = time.process_time() - used_s, time.monotonic() - began_s
        size = (window.ad_view.width(), window.ad_view.height())
        window.close()
        window.deleteLater()
    plays = account.shown()
    flashes = flashes_ns(witness.paints, plays)
    offsets = sound_offsets(flashes, ear.beeps_ns)
    return {
        "seconds": wall_s,
        "window": size,
        "platform": application.platformName(),
        "cpus": os.cpu_count(),
        "load": (load_before, os.getloadavg()[0]),
        "window_cpu": used_s / wall_s,
        **summarise(witness.paints, plays, frames_ms, until_ns),
        "passed_over": player.dropped_frames,
        "sound_device": "the system's" if run.device else "timed",
        "flashes": len(flashes),
        "beeps": len(ear.beeps_ns),
        "sound_after_picture_ms": {
            f"p{share}": percentile(offsets, share) for share in (0, 50, 100)
        },
        "sound_apart_ms": max((abs(offset) for offset in offsets), default=None),
        "sensor_fps": statistics.median(watch.rates) if watch.rates else None,
    }


def table(document: dict[str, Any]) -> Table:
    """The document of `measure` for people."""
    load = " and ".join(f"{value:.1f}" for value in document["load"])
    made = Table(
        title=f"{document['seconds']:.0f} s in a window of {document['window'][0]} x {document['window'][1]} "
        f"({document['platform']}), {document['cpus']} CPUs, load {load} before and after",
        title_justify="left",
        box=None,
    )
    made.add_column("")
    made.add_column("", justify="right")
    late = document["late_ms"]
    rows: list[tuple[str, str]] = [
        ("plays, of these failed", f"{document['plays']}, {document['failed_plays']}"),
        ("black pictures", f"{document['black']} of {document['paints']}"),
        ("latest picture at a change of ads, ms", _figure(document["late_at_changes_ms"])),
        ("the same, median of the changes, ms", _figure(document["late_at_changes_p50_ms"])),
        (
            f"video frames painted within {IN_TIME_MS:.0f} ms",
            _figure(document["in_time"], 100, " %"),
        ),
        (
            "video frames never painted",
            f"{document['video_frames_dropped']} of {document['video_frames_due']}",
        ),
        (
            "lateness p50, p95, p99, most, ms",
            ", ".join(_figure(late[name]) for name in ("p50", "p95", "p99", "p100")),
        ),
        ("longest standstill in a clip, ms", _figure(document["longest_standstill_ms"])),
        ("flashes, beeps", f"{document['flashes']}, {document['beeps']}"),
        (
            f"sound after picture ({document['sound_device']} device) least, median, most, ms",
            ", ".join(_figure(value) for value in document["sound_after_picture_ms"].values()),
        ),
        ("CPUs used by the window's process", _figure(document["window_cpu"])),
        ("frames/s of the sensor", _figure(document["sensor_fps"])),
    ]
    for name, value in rows:
        made.add_row(name, value)
    return made


def _figure(value: float | None, factor: float = 1.0, unit: str = "") -> str:
    return "-" if value is None else f"{value * factor:.1f}{unit}"


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = (int(part) for part in text.split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected a size like 1280x720, received {text!r}"
        ) from None
    return width, height


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what the window paints, and when.")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument(
        "--media", type=Path, help="folder with clips and pictures; made on the spot by default"
    )
    parser.add_argument("--sensor", type=Path, help="video that the sensor analyses meanwhile")
    parser.add_argument("--size", type=_size, default=(1280, 720), help="of the window")
    parser.add_argument("--cross-fade", type=float, default=0.0, help="seconds")
    parser.add_argument("--sound", choices=("timed", "device"), default="timed")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not options.minutes > 0:
        parser.error(f"argument --minutes: expected more than 0, received {options.minutes:g}")
    # Without our hook, PyQt ends the process at the first exception in a slot.
    sys.excepthook = lambda *error: logging.getLogger(__name__).error(
        "Unexpected error", exc_info=error
    )
    try:
        with tempfile.TemporaryDirectory() as scratch:
            folder = options.media
            if folder is None:
                folder = Path(scratch)
                make_media(folder)
            document = measure(
                Run(
                    folder,
                    60 * options.minutes,
                    options.sensor,
                    options.size,
                    options.cross_fade,
                    options.sound == "device",
                )
            )
    except (AdsError, DetectorError) as error:
        raise SystemExit(str(error)) from error
    if options.json:
        print(json.dumps(document, indent=1))
    else:
        Console().print(table(document))


if __name__ == "__main__":
    main()
