"""Recordings, read losslessly and played in real time."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from detector.errors import SourceLostError, SourceOpenError
from detector.sources import recording as module
from detector.sources.recording import PacedRecording, Recording
from detector.sources.video_source import SourceSpec
from detector.types import Frame
from tests.helpers.sources import read_all, until_lost
from tests.helpers.turned_clips import ORIENTATIONS, corners_of, four_corners, write_turned
from tests.helpers.waiting import Stopwatch

Clip = Callable[..., Path]


VARYING_MS = [0, 40, 80, 300, 340, 900, 1300]


def test_a_recording_stamps_frames_with_their_own_time(make_clip: Clip) -> None:
    with Recording(make_clip("clip.mp4", frames=30)) as source:
        assert [frame.captured_ns for frame in read_all(source)] == [
            40_000_000 * index for index in range(30)
        ]


@pytest.mark.parametrize(
    ("name", "share"),
    [("clip.mkv", 1.0), ("clip.mp4", 1.0), ("clip.ts", 1.0), ("clip.mkv", 0.75)],
)
def test_sound_that_outlasts_the_picture_is_no_cut(
    tmp_path: Path, cut: Callable[[Path, float], Path], name: str, share: float
) -> None:
    path = tmp_path / name
    with av.open(str(path), "w") as out:
        video, audio = out.add_stream("libx264", rate=25), out.add_stream("aac", rate=48_000)
        video.width, video.height, video.pix_fmt = 160, 96, "yuv420p"
        for _ in range(50):
            out.mux(video.encode(av.VideoFrame.from_ndarray(four_corners(), "bgr24")))
        out.mux(video.encode())
        samples = np.random.default_rng(0).normal(0, 0.2, (1, 6 * 48_000)).astype(np.float32)
        sound = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        sound.sample_rate = 48_000
        out.mux(audio.encode(sound))
        out.mux(audio.encode())
    with Recording(path if share == 1 else cut(path, share)) as source:
        frames = read_all(source) if share == 1 else until_lost(source)
    assert len(frames) <= 50
    assert share < 1 or len(frames) == 50


@pytest.mark.parametrize(
    ("name", "codec"),
    [("clip.mp4", "libx264"), ("clip.mkv", "libx264"), ("clip.webm", "libvpx")],
)
def test_a_last_picture_that_stands_for_seconds_is_no_cut(
    tmp_path: Path, name: str, codec: str
) -> None:
    path = tmp_path / name
    with av.open(str(path), "w") as out:
        video = out.add_stream(codec, rate=25)
        video.width, video.height, video.pix_fmt = 160, 96, "yuv420p"
        packets = []
        for _ in range(50):
            packets += video.encode(av.VideoFrame.from_ndarray(four_corners(), "bgr24"))
        packets += video.encode()
        packets[-1].duration = round(5 / packets[-1].time_base)
        out.mux(packets)
    with Recording(path) as source:
        assert len(read_all(source)) == 50


def test_a_recording_whose_clock_starts_late_is_no_cut(
    make_clip: Clip, cut: Callable[[Path, float], Path]
) -> None:
    clip = make_clip("late.mkv", noise=True, times_ms=[5_000_000 + 40 * n for n in range(100)])
    with Recording(clip) as source:
        assert len(read_all(source)) == 100
    with Recording(cut(clip, 0.5)) as source:
        assert len(until_lost(source)) < 75


@pytest.mark.parametrize(("name", "codec"), [("clip.ts", "libx264"), ("clip.mpg", "mpeg2video")])
def test_joined_recordings_follow_each_other(
    make_clip: Clip, tmp_path: Path, name: str, codec: str
) -> None:
    part = make_clip(name, frames=25, codec=codec).read_bytes()
    (tmp_path / f"joined-{name}").write_bytes(3 * part)
    with Recording(tmp_path / f"joined-{name}") as source:
        stamps = [frame.captured_ns / 1e6 for frame in read_all(source)]
    assert stamps == pytest.approx([40 * index for index in range(75)], abs=1)


@pytest.mark.parametrize(("later_s", "gap_s", "within_s"), [(50_000, 0.04, 0.002), (60, 60, 0.1)])
def test_hours_between_joined_recordings_are_left_out_but_an_outage_is_not(
    make_clip: Clip, tmp_path: Path, later_s: int, gap_s: float, within_s: float
) -> None:
    first_ms = [40 * index for index in range(25)]
    second_ms = [960 + round(later_s * 1000) + time_ms for time_ms in first_ms]
    parts = [
        make_clip(f"{times_ms[0]}.ts", times_ms=times_ms).read_bytes()
        for times_ms in (first_ms, second_ms)
    ]
    (tmp_path / "joined.ts").write_bytes(b"".join(parts))
    with Recording(tmp_path / "joined.ts") as source:
        stamps = [frame.captured_ns / 1e9 for frame in read_all(source)]
    assert len(stamps) == 50
    assert stamps[25] - stamps[24] == pytest.approx(gap_s, abs=within_s)
    assert stamps[-1] - stamps[25] == pytest.approx(0.96, abs=0.002)


@pytest.mark.parametrize(
    "name",
    [
        *("12:30:05.mp4", "http:clip.mp4", "a:b/c.mp4", "concat:x|y.mp4"),
        os.fsdecode(b"caf\xe9 \x1b.mp4"),  # OpenCV crashes on names that are not UTF-8
    ],
)
@pytest.mark.parametrize("kind", [Recording, PacedRecording])
def test_a_name_with_a_colon_is_no_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: Any
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    write_turned(path.with_name("clip.mp4"), ORIENTATIONS["to the left"][0]).rename(path)
    monkeypatch.chdir(tmp_path)
    spec = SourceSpec.parse(name)
    assert spec == SourceSpec("file", name)
    with kind(Path(spec.target)) as source:
        frames = read_all(source)
    assert [corners_of(frame.image) for frame in frames] == [ORIENTATIONS["to the left"][1]] * 5


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("clip.mp4", "libx264"),
        ("clip.mkv", "libx264"),
        ("clip.webm", "libvpx"),
        ("clip.ts", "libx264"),
    ],
)
def test_a_recording_of_varying_rate(
    make_clip: Clip, name: str, codec: str, grey_frames: Callable[[np.ndarray], int]
) -> None:
    """Such a file must not be taken for one that is cut off, whatever number of frames its rate
    would make.
    """
    times_ms = [*VARYING_MS, *range(2000, 9000, 500)]
    with Recording(make_clip(name, times_ms=times_ms, codec=codec)) as source:
        frames = read_all(source)
    assert [round(frame.captured_ns / 1e6) for frame in frames] == times_ms
    assert [grey_frames(frame.image) for frame in frames] == list(range(len(times_ms)))


@pytest.mark.parametrize(
    ("name", "container", "codec"),
    [("clip.h264", "h264", "libx264"), ("clip.mjpeg", "mjpeg", "mjpeg")],
)
def test_pictures_without_times_come_at_their_rate(
    make_clip: Clip, name: str, container: str, codec: str
) -> None:
    with Recording(make_clip(name, codec=codec, container=container)) as source:
        stamps = [frame.captured_ns / 1e6 for frame in read_all(source)]
        assert source.frame_count == 0
    assert stamps == pytest.approx([40 * index for index in range(25)], abs=1.5)


class StutteringCapture:
    """An OpenCV capture whose stamps repeat and fall back, as those of broken files do."""

    def __init__(self, stamps_ms: list[float]) -> None:
        self._stamps_ms = stamps_ms
        self._next = 0

    def set(self, *_: object) -> bool:
        return True

    def isOpened(self) -> bool:
        return True

    def read(self) -> tuple[bool, np.ndarray | None]:
        self._next += 1
        return self._next <= len(self._stamps_ms), np.zeros((4, 4, 3), np.uint8)

    def get(self, name: int) -> float:
        return self._stamps_ms[self._next - 1] if name == cv2.CAP_PROP_POS_MSEC else 25.0

    def release(self) -> None:
        pass


def test_stamps_rise_even_where_the_files_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clip.mp4").touch()
    stamps_ms = [500, 540, 540, 540, 560, 550, 700]
    monkeypatch.setattr(module, "quiet_capture", lambda *_: StutteringCapture(stamps_ms))
    monkeypatch.setattr(Recording, "CUT_OFF_TOLERANCE_S", 10)
    with Recording(tmp_path / "clip.mp4") as source:
        stamps = [frame.captured_ns for frame in read_all(source)]
    ms = 1_000_000
    assert stamps == [0, 40 * ms, 40 * ms + 1, 40 * ms + 2, 60 * ms, 60 * ms + 1, 200 * ms]


def test_a_recording_is_the_same_every_time(make_clip: Clip) -> None:
    clip = make_clip("clip.mp4", noise=True)
    runs = []
    for _ in range(2):
        with Recording(clip) as source:
            runs.append(
                [
                    (frame.captured_ns, frame.sequence, frame.image.tobytes())
                    for frame in read_all(source)
                ]
            )
    assert runs[0] == runs[1]


def test_a_frame_is_not_changed_by_the_next_one(make_clip: Clip) -> None:
    with Recording(make_clip("clip.mp4")) as source:
        first = source.read()
        assert first is not None
        before = first.image.copy()
        read_all(source)
    np.testing.assert_array_equal(first.image, before)


@pytest.mark.parametrize("name", ["long.mp4", "long.avi", "long.mkv"])
def test_a_recording_that_is_cut_off_gives_what_it_has_and_says_so(
    make_clip: Clip, cut: Callable[[Path, float], Path], name: str
) -> None:
    clip = make_clip(
        name, frames=250, noise=True, codec="mpeg4" if name.endswith("avi") else "libx264"
    )
    with Recording(cut(clip, 0.6)) as source:
        frames = until_lost(source)
        assert 50 < len(frames) < 220
        assert [frame.sequence for frame in frames] == list(range(len(frames)))
        with pytest.raises(
            SourceLostError,
            match=rf"cut-{name} is cut off: expected 250 frames, received {len(frames)};",
        ):
            source.read()


def test_a_paced_recording_that_is_cut_off_says_so_too(
    make_clip: Clip, cut: Callable[[Path, float], Path]
) -> None:
    clip = cut(make_clip("long.mp4", frames=100, noise=True), 0.3)
    with PacedRecording(clip) as source:
        assert len(until_lost(source)) >= 1


def test_a_short_loss_at_the_end_is_no_cut(
    make_clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Recording(make_clip("clip.mp4")) as source:
        monkeypatch.setattr(source, "frame_count", 25 + 24)
        assert len(read_all(source)) == 25


@pytest.mark.parametrize("open_it", [Recording, PacedRecording])
@pytest.mark.parametrize(
    ("content", "size"),
    [
        (b"", 0),
        (b"this is a shopping list\n", 24),
        (b"\x00\x00\x00\x18ftypmp42" + b"\x00" * 500, 512),
    ],
)
def test_what_is_no_video_cannot_be_opened(
    tmp_path: Path, open_it: Any, content: bytes, size: int
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(
        SourceOpenError, match=rf"clip\.mp4 holds no picture .*received {size} bytes .*again\.$"
    ):
        open_it(path)


def test_a_header_without_pictures_cannot_be_opened(
    make_clip: Clip, cut: Callable[[Path, float], Path]
) -> None:
    clip = cut(make_clip("clip.mkv", frames=100, noise=True), 0.02)
    with pytest.raises(SourceOpenError, match="holds no picture that can be decoded"):
        Recording(clip)


def test_a_text_is_not_played_as_a_film_of_its_letters(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("this is a shopping list\n" * 100)
    with pytest.raises(SourceOpenError, match=r"list\.txt holds no picture that can be decoded"):
        Recording(tmp_path / "list.txt")


@pytest.mark.parametrize("open_it", [Recording, PacedRecording])
def test_a_missing_file_and_a_folder(tmp_path: Path, open_it: Any) -> None:
    with pytest.raises(SourceOpenError, match=r"is missing: expected a file; check the path\."):
        open_it(tmp_path / "missing.mp4")
    with pytest.raises(SourceOpenError, match=f"^{tmp_path} is a folder: expected a video file"):
        open_it(tmp_path)


def test_a_paced_recording_keeps_time(make_clip: Clip) -> None:
    before_ns = time.monotonic_ns()
    with PacedRecording(make_clip("clip.mp4", times_ms=[0, 100, 150, 400])) as source:
        stamps = []
        while (frame := source.read()) is not None:
            assert time.monotonic_ns() >= frame.captured_ns, "a frame came before its time"
            stamps.append(frame.captured_ns)
    assert stamps[0] >= before_ns
    assert [round((stamp - stamps[0]) / 1e6) for stamp in stamps] == [0, 100, 150, 400]


def test_a_late_reader_gets_frames_at_once_with_the_times_they_were_due(make_clip: Clip) -> None:
    with PacedRecording(make_clip("clip.mp4", frames=10)) as source:
        first = source.read()
        assert first is not None
        time.sleep(0.6)
        watch = Stopwatch()
        late = read_all(source)
        assert [round((frame.captured_ns - first.captured_ns) / 1e6) for frame in late] == [
            40 * i for i in range(1, 10)
        ]
        assert watch.seconds < 30


def test_a_looped_recording_goes_on_without_a_jump(
    make_clip: Clip, grey_frames: Callable[[np.ndarray], int]
) -> None:
    with PacedRecording(make_clip("clip.mp4", frames=5), loop=True) as source:
        frames = list(itertools.islice(iter(source.read, None), 12))
    assert [grey_frames(frame.image) for frame in frames] == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]
    assert [round((frame.captured_ns - frames[0].captured_ns) / 1e6) for frame in frames] == [
        40 * i for i in range(12)
    ]


def test_a_waiting_read_can_be_interrupted(make_clip: Clip) -> None:
    source = PacedRecording(make_clip("clip.mp4", times_ms=[0, 3_600_000]))
    assert source.read() is not None
    results: list[Frame | None] = []
    reader = threading.Thread(target=lambda: results.append(source.read()), name="reader")
    reader.start()
    source.interrupt()
    reader.join(60)
    assert results == [None]
    assert source.read() is None
    source.close()


def test_interrupting_a_source_that_never_waits_is_harmless(make_clip: Clip) -> None:
    with Recording(make_clip("clip.mp4")) as source:
        source.interrupt()
        assert source.read() is not None
