"""One contract for every source, and what is particular to recordings, paced recordings and live streams."""

from __future__ import annotations

import errno
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from detector.errors import DetectorError, SourceError, SourceLostError, SourceOpenError
from detector.sources import video_source as module
from detector.sources.video_source import (
    DEMO_VIDEO,
    CameraCapture,
    PacedRecording,
    Recording,
    SourceSpec,
    StreamCapture,
    VideoSource,
    camera_index,
    cameras,
    open_source,
    stable_names,
)
from detector.types import Frame

Clip = Callable[..., Path]
VARYING_MS = [0, 40, 80, 300, 340, 900, 1300]


def read_all(source: VideoSource) -> list[Frame]:
    return list(iter(source.read, None))


def until_lost(source: VideoSource) -> list[Frame]:
    frames = []
    with pytest.raises(SourceLostError):
        collect(source, frames)
    return frames


def collect(source: VideoSource, into: list[Frame]) -> None:
    """Reads to the end; what was read before an error stays in the list."""
    while (frame := source.read()) is not None:
        into.append(frame)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", SourceSpec("camera", "0")),
        ("12", SourceSpec("camera", "12")),
        ("/dev/video2", SourceSpec("camera", "/dev/video2")),
        (
            "/dev/v4l/by-id/usb-Maker_C920-index0",
            SourceSpec("camera", "/dev/v4l/by-id/usb-Maker_C920-index0"),
        ),
        ("demo", SourceSpec("demo")),
        ("clip.mp4", SourceSpec("file", "clip.mp4")),
        ("/a folder/clip.mp4", SourceSpec("file", "/a folder/clip.mp4")),
        ("C:\\clips\\one.mp4", SourceSpec("file", "C:\\clips\\one.mp4")),
        ("-1", SourceSpec("file", "-1")),
        ("²", SourceSpec("file", "²")),
        ("http://host:81/video", SourceSpec("stream", "http://host:81/video")),
        ("HTTPS://host/x", SourceSpec("stream", "HTTPS://host/x")),
        ("rtsp://user:word@host/x", SourceSpec("stream", "rtsp://user:word@host/x")),
        ("udp://@:1234", SourceSpec("stream", "udp://@:1234")),
    ],
)
def test_what_a_person_types(text: str, expected: SourceSpec) -> None:
    assert SourceSpec.parse(text) == expected


@pytest.mark.parametrize("text", ["ftp://host/clip.mp4", "file:///clip.mp4", "gopher://x"])
def test_an_unknown_kind_of_address_is_refused(text: str) -> None:
    with pytest.raises(
        SourceOpenError,
        match=rf"Unknown kind of source '{text}': expected a camera index or device.*'demo'\.",
    ):
        SourceSpec.parse(text)


def test_sources_name_themselves() -> None:
    names = [str(SourceSpec.parse(text)) for text in ("1", "demo", "clip.mp4", "http://host/x")]
    assert names == ["camera 1", "demo", "clip.mp4", "stream http://host/x"]


@pytest.fixture(params=["recording", "paced", "looped", "live"])
def any_source(request: pytest.FixtureRequest, make_clip: Clip) -> Iterator[VideoSource]:
    """Each kind of source over one clip of one second."""
    if request.param == "recording":
        source: VideoSource = Recording(make_clip("clip.mp4"))
    elif request.param in {"paced", "looped"}:
        source = PacedRecording(make_clip("clip.mp4"), loop=request.param == "looped")
    else:
        server = request.getfixturevalue("stream_server")
        source = StreamCapture(SourceSpec("stream", server.serve(make_clip("clip.ts"))))
    yield source
    source.close()


def test_contract_of_every_source(
    any_source: VideoSource, grey_frames: Callable[[np.ndarray], int]
) -> None:
    assert any_source.frame_rate == pytest.approx(25)
    frames = list(itertools.islice(iter(any_source.read, None), 20))
    assert [frame.sequence for frame in frames] == list(range(20))
    assert all(a.captured_ns < b.captured_ns for a, b in itertools.pairwise(frames))
    assert all(frame.image.shape == (64, 96, 3) for frame in frames)
    numbers = [grey_frames(frame.image) for frame in frames]
    assert numbers == list(range(numbers[0], numbers[0] + 20))
    assert all(np.ptp(frame.image) <= 6 for frame in frames)
    with any_source:
        pass
    any_source.close()


def test_contract_of_the_end(any_source: VideoSource, request: pytest.FixtureRequest) -> None:
    kind = request.node.callspec.params["any_source"]
    assert any_source.live == (kind != "recording")
    assert any_source.frame_count == (25 if kind == "recording" else 0)
    if kind == "looped":  # has none
        assert len(list(itertools.islice(iter(any_source.read, None), 30))) == 30
        return
    frames = until_lost(any_source) if kind == "live" else read_all(any_source)
    assert len(frames) == 25
    if kind == "live":
        until_lost(any_source)
    else:
        assert any_source.read() is None


def test_a_recording_stamps_frames_with_their_own_time(make_clip: Clip) -> None:
    with Recording(make_clip("clip.mp4", frames=30)) as source:
        assert [frame.captured_ns for frame in read_all(source)] == [
            40_000_000 * index for index in range(30)
        ]


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
    """Such a file must not be taken for one that is cut off, whatever number of frames its rate would make."""
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
    monkeypatch.setattr(module, "_quiet_capture", lambda *_: StutteringCapture(stamps_ms))
    monkeypatch.setattr(module, "CUT_OFF_TOLERANCE_S", 10)
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
    for path in (tmp_path / "missing.mp4", tmp_path):
        with pytest.raises(SourceOpenError, match=r"is missing: expected a file; check the path\."):
            open_it(path)


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
        start = time.monotonic()
        late = read_all(source)
        assert [round((frame.captured_ns - first.captured_ns) / 1e6) for frame in late] == [
            40 * i for i in range(1, 10)
        ]
        assert time.monotonic() - start < 5


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
    reader.join(10)
    assert results == [None]
    assert source.read() is None
    source.close()


def test_interrupting_a_source_that_never_waits_is_harmless(make_clip: Clip) -> None:
    with Recording(make_clip("clip.mp4")) as source:
        source.interrupt()
        assert source.read() is not None


def test_a_live_stream_is_stamped_when_a_frame_arrives(
    stream_server: Any, grey_frames: Callable[[np.ndarray], int]
) -> None:
    before_ns = time.monotonic_ns()
    with StreamCapture(SourceSpec("stream", stream_server.address)) as source:
        frames = [source.read() for _ in range(10)]
    assert all(frame is not None for frame in frames)
    stamps = [frame.captured_ns for frame in frames if frame is not None]
    assert before_ns < stamps[0]
    assert stamps[-1] < time.monotonic_ns()
    assert stamps == sorted(set(stamps))
    numbers = [grey_frames(frame.image) for frame in frames if frame is not None]
    assert numbers == list(range(numbers[0], numbers[0] + 10))


def test_stamps_of_a_live_stream_rise_even_if_the_clock_stands(
    make_clip: Clip, stream_server: Any
) -> None:
    spec = SourceSpec("stream", stream_server.serve(make_clip("clip.ts")))
    with StreamCapture(spec, clock=lambda: 1000) as source:
        assert [frame.captured_ns for frame in until_lost(source)] == list(range(1000, 1025))


def test_a_stream_that_stalls_is_lost(stream_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STREAM_READ_TIMEOUT_MS", 400)
    with StreamCapture(SourceSpec("stream", stream_server.address)) as source:
        assert source.read() is not None
        stream_server.pause.set()
        start = time.monotonic()
        with pytest.raises(
            SourceLostError, match=r"The stream http://127.* stalls: .* received none for 0\.4 s"
        ) as caught:
            read_all(source)
        assert caught.value.cause == "stream_stalled"
        assert time.monotonic() - start < 20


def test_a_stream_that_ends_is_lost(stream_server: Any) -> None:
    with StreamCapture(SourceSpec("stream", stream_server.address)) as source:
        assert source.read() is not None
        stream_server.stop.set()
        until_lost(source)


def test_an_address_that_is_not_there_or_no_video(stream_server: Any, tmp_path: Path) -> None:
    text = tmp_path / "list.txt"
    text.write_text("this is a shopping list\n" * 100)
    for address in (
        stream_server.address.replace("pictures", "nothing"),
        stream_server.serve(text),
    ):
        with pytest.raises(
            SourceOpenError, match=rf"The stream {address} cannot be opened: .*check the address"
        ):
            StreamCapture(SourceSpec("stream", address))


def test_a_camera_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = SourceSpec("camera", "97")
    monkeypatch.setattr(module, "cameras", list)
    with pytest.raises(
        SourceOpenError, match=r"Camera 97 cannot be opened \(no camera was found.*--source demo\."
    ):
        CameraCapture(spec)
    monkeypatch.setattr(module, "cameras", lambda: [0, 2])
    with pytest.raises(SourceOpenError, match=r"\(cameras found: 0, 2\)") as caught:
        CameraCapture(spec)
    assert caught.value.cause == "camera_lost"


def test_cameras_are_listed_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("video10", "video2", "video", "videoX", "audio0"):
        (tmp_path / name).touch()
    monkeypatch.setattr(module, "DEVICES", tmp_path)
    assert cameras() == [2, 10]


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of /dev: two cameras of one kind, the second without a name by its maker's number."""
    for folder in ("by-id", "by-path"):
        (tmp_path / "v4l" / folder).mkdir(parents=True)
    for index in (0, 2):
        (tmp_path / f"video{index}").touch()
    (tmp_path / "v4l/by-id/usb-Maker_C920_17-index0").symlink_to("../../video2")
    (tmp_path / "v4l/by-path/pci-usb-3-index0").symlink_to("../../video2")
    (tmp_path / "v4l/by-path/pci-usb-4-index0").symlink_to("../../video0")
    monkeypatch.setattr(module, "DEVICES", tmp_path)
    monkeypatch.setattr(
        module, "STABLE_NAMES", (tmp_path / "v4l" / "by-id", tmp_path / "v4l" / "by-path")
    )
    return tmp_path


def test_a_camera_has_names_that_stay(devices: Path) -> None:
    assert [Path(name).name for name in stable_names(2)] == [
        "usb-Maker_C920_17-index0",
        "pci-usb-3-index0",
    ]
    assert [Path(name).name for name in stable_names(0)] == ["pci-usb-4-index0"]
    assert stable_names(7) == []


def test_a_name_leads_to_the_index_of_now(devices: Path) -> None:
    link = devices / "v4l/by-id/usb-Maker_C920_17-index0"
    assert camera_index(str(link)) == 2
    assert (camera_index("5"), camera_index(str(devices / "video2"))) == (5, 2)
    link.unlink()
    link.symlink_to("../../video0")
    assert camera_index(str(link)) == 0
    link.unlink()
    with pytest.raises(
        SourceOpenError, match=r"17-index0 is not there: .*known: .*pci-usb-3-index0"
    ) as caught:
        camera_index(str(link))
    assert caught.value.cause == "camera_lost"


class ScriptedCamera:
    """An OpenCV capture that gives pictures while its script says so, and was asked for one index."""

    opens = True
    index: Any = None

    def __init__(self, target: Any, *_: Any) -> None:
        type(self).index = target
        self.left = 3
        self.released = False

    def isOpened(self) -> bool:
        return self.opens

    def set(self, *_: Any) -> bool:
        return True

    def get(self, name: int) -> float:
        return 12.5 if name == cv2.CAP_PROP_FPS else 0.0

    def grab(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, np.zeros((4, 6, 3), np.uint8)

    def release(self) -> None:
        self.released = True


def test_a_camera_is_opened_by_its_name_wherever_it_is_now(
    devices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_quiet_capture", ScriptedCamera)
    name = str(devices / "v4l/by-id/usb-Maker_C920_17-index0")
    with open_source(SourceSpec("camera", name)) as source:
        assert isinstance(source, CameraCapture)
        assert (ScriptedCamera.index, source.frame_rate) == (2, 12.5)
        frames = until_lost(source)
    assert [frame.sequence for frame in frames] == [0, 1]


def test_a_camera_that_another_program_uses_is_busy(
    devices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def answer(_number: int, request: int, buffers: bytearray) -> int:
        assert (request, len(buffers)) == (0xC0145608, 20)
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(module, "_quiet_capture", ScriptedCamera)
    monkeypatch.setattr(ScriptedCamera, "opens", False)
    monkeypatch.setattr(fcntl, "ioctl", answer)
    with pytest.raises(SourceOpenError, match=r"Camera 2 is in use by another program") as caught:
        CameraCapture(SourceSpec("camera", "2"))
    assert caught.value.cause == "camera_busy"


def test_a_device_that_is_no_camera_is_not_busy(
    devices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_quiet_capture", ScriptedCamera)
    monkeypatch.setattr(ScriptedCamera, "opens", False)
    with pytest.raises(SourceOpenError, match=r"\(cameras found: 0, 2\)") as caught:
        CameraCapture(SourceSpec("camera", "2"))
    assert caught.value.cause == "camera_lost"


def test_a_stream_may_change_the_size_of_its_pictures(stream_server: Any) -> None:
    with StreamCapture(SourceSpec("stream", stream_server.address)) as source:
        first = source.read()
        stream_server.size = (128, 72)
        larger = next(
            frame for frame in iter(source.read, None) if frame.image.shape != (64, 96, 3)
        )
    assert first is not None
    assert first.image.shape == (64, 96, 3)
    assert larger.image.shape == (72, 128, 3)
    assert np.ptp(larger.image) <= 6, "the whole picture, and nothing else"


def test_a_stream_that_breaks_off_within_a_picture_goes_on_with_the_next(
    stream_server: Any,
) -> None:
    with StreamCapture(SourceSpec("stream", stream_server.address)) as source:
        assert source.read() is not None
        stream_server.spoil.set()
        time.sleep(0.1)
        stream_server.spoil.clear()
        assert source.read() is not None
        assert source.read() is not None


def test_data_that_never_gives_a_picture_is_given_up(
    stream_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StreamCapture(SourceSpec("stream", stream_server.address)) as source:
        assert source.read() is not None
        monkeypatch.setattr(module, "LONGEST_WAIT_FOR_KEY_S", 0.3)
        stream_server.spoil.set()
        with pytest.raises(SourceLostError, match="stalls") as caught:
            read_all(source)
        assert caught.value.cause == "stream_stalled"


def test_a_server_that_does_not_answer_stalls(
    stream_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STREAM_OPEN_TIMEOUT_MS", 400)
    stream_server.pause.set()
    with pytest.raises(SourceOpenError, match="cannot be opened") as caught:
        StreamCapture(SourceSpec("stream", stream_server.address))
    assert caught.value.cause == "stream_stalled"


def test_open_source_picks_the_kind(make_clip: Clip, stream_server: Any) -> None:
    clip = str(make_clip("clip.mp4"))
    with open_source(SourceSpec("file", clip)) as source:
        assert isinstance(source, PacedRecording)
    with open_source(SourceSpec("file", clip), lossless=True) as source:
        assert isinstance(source, Recording)
    with open_source(SourceSpec("demo"), lossless=True) as source:
        assert isinstance(source, Recording)
        assert source.frame_rate == pytest.approx(25)
    with open_source(SourceSpec("stream", stream_server.address)) as source:
        assert isinstance(source, StreamCapture)


def test_the_demo_viewer_starts_again_at_its_end(
    make_clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert DEMO_VIDEO.is_file()
    monkeypatch.setattr(module, "DEMO_VIDEO", make_clip("clip.mp4", frames=3))
    with open_source(SourceSpec("demo")) as source:
        assert sum(source.read() is not None for _ in range(8)) == 8


@pytest.mark.parametrize("text", ["0", "http://127.0.0.1:9/x"])
def test_a_live_source_cannot_be_replayed(text: str) -> None:
    with pytest.raises(
        SourceOpenError, match=r"is live and cannot be replayed: expected a video file\."
    ):
        open_source(SourceSpec.parse(text), lossless=True)


def test_errors_share_a_base() -> None:
    assert issubclass(SourceOpenError, SourceError)
    assert issubclass(SourceLostError, SourceError)
    assert issubclass(SourceError, DetectorError)


def test_a_password_in_an_address_is_neither_shown_nor_stored() -> None:
    spec = SourceSpec.parse("rtsp://admin:secret@10.0.0.5:554/live")
    assert spec.target == "rtsp://admin:secret@10.0.0.5:554/live"
    assert str(spec) == spec.stored == "stream rtsp://***@10.0.0.5:554/live"


@pytest.mark.parametrize(
    ("text", "stored"),
    [("0", "camera 0"), ("demo", "demo"), ("folder/visitors.mp4", "visitors.mp4")],
)
def test_what_a_session_keeps_of_its_source(text: str, stored: str) -> None:
    assert SourceSpec.parse(text).stored == stored
