"""The figures of a playback from paints, plays and sounds that are known; and one short run of the
real window.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
from rich.console import Console

from ads.media.decode import probe
from ads.playlists.playlist import Ad
from benchmarks import playback
from benchmarks.playback import Ear, PacedSink, Paint, Shown
from monitor.ui.sound import BYTES_PER_SECOND, RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Sequence

MS = 1_000_000


def ad(name: str, kind: str = "video", duration_s: float = 1.0) -> Ad:
    return Ad(name, Path(f"{name}.mp4"), name, kind, duration_s, "0" * 64)  # type: ignore[arg-type]


def shown(number: int, name: str, began_ms: float, ended_ms: float | None, **more: Any) -> Shown:
    ended_ns = None if ended_ms is None else round(ended_ms * MS)
    began_ns = round(began_ms * MS)
    outcome = more.pop("outcome", "" if ended_ms is None else "finished")
    return Shown(number, ad(name, **more), began_ns, began_ns, ended_ns, outcome)


def paint(at_ms: float, play: int, position_ms: float, level: float = 120.0) -> Paint:
    return Paint(round(at_ms * MS), play, position_ms, level)


FRAMES = [0.0, 250.0, 500.0, 750.0]


def figures(
    paints: Sequence[Paint], plays: Sequence[Shown], until_ms: float = 10_000
) -> dict[str, Any]:
    return playback.summarise(paints, plays, {"clip": FRAMES}, round(until_ms * MS))


def test_frames_are_in_time_late_or_never_painted() -> None:
    plays = [shown(1, "clip", 100, 1100), shown(2, "still", 1100, None, kind="image")]
    found = figures(
        [paint(105, 1, 0), paint(380, 1, 250), paint(611, 1, 500), paint(1112, 2, 0)], plays
    )
    assert (found["video_frames_due"], found["video_frames_dropped"]) == (4, 1)
    assert found["in_time"] == pytest.approx(0.5)
    assert found["late_ms"]["p100"] == pytest.approx(30)
    assert found["late_at_changes_ms"] == pytest.approx(12)
    assert (found["changes"], found["plays"], found["failed_plays"], found["black"]) == (1, 2, 0, 0)
    # The second picture came 25 ms later than the first had led to expect.
    assert found["longest_standstill_ms"] == pytest.approx(25)


def test_what_was_due_after_the_run_or_the_play_does_not_count() -> None:
    paints = [paint(5, 1, 0), paint(251, 1, 250)]
    assert figures(paints, [shown(1, "clip", 0, 400, outcome="skipped")])["video_frames_due"] == 2
    assert figures(paints, [shown(1, "clip", 0, None)], until_ms=520)["video_frames_due"] == 2
    assert figures(paints, [shown(1, "clip", 0, None)], until_ms=600)["video_frames_due"] == 3


def test_a_repainted_picture_counts_once_and_with_its_first_time() -> None:
    found = figures(
        [paint(1, 1, 0), paint(90, 1, 0), paint(252, 1, 250)],
        [shown(1, "clip", 0, None)],
        until_ms=400,
    )
    assert found["in_time"] == 1.0
    assert found["late_ms"]["p100"] == pytest.approx(2)


def test_paints_without_a_picture_and_dark_ones_are_black() -> None:
    paints = [paint(1, 1, 0), paint(50, 0, 0, 0.0), paint(251, 1, 250, 3.0), paint(501, 1, 500)]
    assert figures(paints, [shown(1, "clip", 0, None)], until_ms=700)["black"] == 2


def test_a_change_is_as_late_as_the_latest_picture_of_its_first_second() -> None:
    plays = [shown(1, "still", 0, 1010, kind="image"), shown(2, "clip", 1010, None)]
    paints = [paint(2, 1, 0), paint(1015, 2, 0), paint(1420, 2, 250), paint(1511, 2, 500)]
    assert figures(paints, plays, until_ms=1700)["late_at_changes_ms"] == pytest.approx(160)
    # A skip comes when it comes.
    skipped = [shown(1, "still", 0, 700, kind="image", outcome="skipped"), plays[1]]
    assert figures(paints, skipped, until_ms=1700)["late_at_changes_ms"] is None


def test_what_is_faded_in_is_not_late_for_the_half_that_was_not_its_own() -> None:
    still = Shown(2, ad("still", "image"), 500 * MS, 1000 * MS)
    plays = [shown(1, "clip", 0, 1000), still]
    assert figures([paint(1, 1, 0), paint(1009, 2, 0)], plays)[
        "late_at_changes_ms"
    ] == pytest.approx(9)


def test_of_nothing_there_are_no_figures() -> None:
    found = figures([], [])
    assert found["in_time"] is None
    assert found["late_at_changes_ms"] is None
    assert found["late_ms"] == {"p50": None, "p95": None, "p99": None, "p100": None}


def test_flashes_are_told_from_other_bright_pictures() -> None:
    plays = [shown(1, playback.FLASH_NAME, 0, 1000), shown(2, "still", 1000, None, kind="image")]
    levels = [90, 90, 250, 250, 90, 250, 90]
    paints = [paint(100 * index, 1, 100 * index, level) for index, level in enumerate(levels)]
    paints.append(paint(1001, 2, 0, 255))
    assert playback.flashes_ns(paints, plays) == [200 * MS, 500 * MS]


def test_each_flash_gets_its_nearest_beep() -> None:
    flashes = [1000 * MS, 2000 * MS, 3000 * MS]
    beeps = [990 * MS, 2030 * MS, 2200 * MS, 3500 * MS]
    assert playback.sound_offsets(flashes, beeps) == pytest.approx([-10.0, 30.0])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [50.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def beep(frames: int, at: int) -> bytes:
    samples = np.zeros((frames, 2), np.int16)
    samples[at:] = 9000
    return samples.tobytes()


def test_the_timed_sink_plays_at_the_pace_of_the_clock(clock: list[float]) -> None:
    sink = PacedSink(0.2)
    sink.start()
    size = round(0.2 * BYTES_PER_SECOND)
    assert sink.free_bytes() == size
    assert sink.write(bytes(2 * size)) == size
    assert (sink.held_bytes(), sink.free_bytes()) == (size, 0)
    clock[0] += 0.05
    assert sink.held_bytes() == pytest.approx(size * 3 / 4, abs=4)
    sink.suspend()
    clock[0] += 10
    assert sink.held_bytes() == pytest.approx(size * 3 / 4, abs=4)
    sink.resume()
    clock[0] += 1
    assert sink.held_bytes() == 0
    sink.write(bytes(400))
    assert sink.held_bytes() == 400
    sink.reset()
    assert sink.held_bytes() == 0
    assert not sink.broken()


def test_a_beep_is_heard_when_what_lies_before_it_was_played(clock: list[float]) -> None:
    ear = Ear(PacedSink(0.2))
    ear.start()
    ear.write(beep(RATE_HZ // 10, RATE_HZ // 20))
    assert ear.beeps_ns == [pytest.approx(50.05e9)]
    # The rest of the same beep is no other one.
    ear.write(beep(RATE_HZ // 20, 0))
    assert len(ear.beeps_ns) == 1
    for _ in range(10):
        clock[0] += 0.05
        ear.write(bytes(ear.free_bytes()))
    ear.write(b"")
    clock[0] += 0.1
    ear.write(beep(RATE_HZ // 10, 0))
    assert ear.beeps_ns[1] == pytest.approx(50.7e9, abs=1e6)
    clock[0] += 0.02
    ear.reset()
    assert len(ear.beeps_ns) == 1
    assert ear.beeps_ns == [pytest.approx(50.05e9)]


def test_after_running_dry_the_device_begins_anew(clock: list[float]) -> None:
    ear = Ear(PacedSink(0.2))
    ear.start()
    ear.write(beep(RATE_HZ // 20, 0))
    clock[0] += 3
    ear.write(beep(RATE_HZ // 20, 480))
    assert ear.beeps_ns == [pytest.approx(50e9), pytest.approx(53.01e9)]


class SteppingSink(PacedSink):
    """Takes samples in steps of 0.1 s and calls them played at once."""

    def held_bytes(self) -> int:
        held = super().held_bytes()
        step = BYTES_PER_SECOND // 10
        return held // step * step


def test_a_device_that_takes_steps_is_heard_at_the_end_of_each(clock: list[float]) -> None:
    ear = Ear(SteppingSink(0.4))
    ear.start()
    ear.write(beep(RATE_HZ * 4 // 10, RATE_HZ * 3 // 10))
    for _ in range(35):
        clock[0] += 0.01
        ear.held_bytes()
    assert ear.beeps_ns == [pytest.approx(50.3e9, abs=11e6)]


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    playback.make_media(folder, (320, 176), 2)
    return folder


def test_the_media_are_what_the_figures_take_them_for(media: Path) -> None:
    infos = {path.name: probe(path) for path in media.iterdir()}
    assert {name: info.kind for name, info in infos.items()} == {
        "1-moving.mp4": "video",
        "2-large.jpg": "image",
        "flash-and-beep.mp4": "video",
        "g-portrait.png": "image",
    }
    assert all(info.has_sound for info in infos.values() if info.kind == "video")
    assert (infos["2-large.jpg"].width, infos["g-portrait.png"].height) == (640, 176)
    with av.open(str(media / "flash-and-beep.mp4")) as container:
        levels = [frame.to_ndarray(format="gray").mean() for frame in container.decode(video=0)]
    bright = [index for index, level in enumerate(levels) if level > playback.FLASH_LEVEL]
    assert bright == [15, 16, 17, 45, 46, 47]
    assert min(levels) > playback.BLACK_LEVEL


def test_a_video_is_repeated_without_a_gap(media: Path, tmp_path: Path) -> None:
    path = playback.looped(media / "1-moving.mp4", 7.0, tmp_path)
    assert probe(path).duration_s == pytest.approx(8.0, abs=0.1)
    with av.open(str(path)) as container:
        times = [float(frame.time) for frame in container.decode(video=0)]
    assert len(times) == 240
    assert np.diff(times) == pytest.approx(1 / 30, abs=0.01)


@pytest.mark.slow
def test_a_short_run_of_the_real_window(media: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = playback.measure(playback.Run(media, 4.5, size=(320, 180)))
    json.dumps(document)
    assert document["plays"] >= 2
    assert document["failed_plays"] == 0
    assert document["black"] == 0
    assert 55 <= document["video_frames_due"] <= 61
    assert document["changes"] == 1
    assert document["platform"] == "offscreen"
    Console(width=160).print(playback.table(document))
    told = capsys.readouterr().out
    assert "video frames painted within 20 ms" in told
    assert "sound after picture (timed device)" in told


def test_the_command_line_refuses_what_cannot_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    for options, message in (
        (["--minutes", "0"], "argument --minutes: expected more than 0, received 0"),
        (["--size", "wide"], "expected a size like 1280x720, received 'wide'"),
    ):
        monkeypatch.setattr(sys, "argv", ["playback", *options])
        with pytest.raises(SystemExit):
            playback.main()
        assert message in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["playback", "--media", str(tmp_path)])
    with pytest.raises(SystemExit, match="holds no media"):
        playback.main()
