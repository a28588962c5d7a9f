"""Connections to network cameras: videos over HTTP, and RTSP from a real server."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from detector.errors import SourceLostError, SourceOpenError
from detector.sources import feeds
from detector.sources.feeds import JpegFeed, VideoFeed, open_feed
from detector.sources.stream import StreamCapture
from detector.sources.video_source import SourceSpec
from tests.helpers import rtsp
from tests.helpers.ports import reserved_port

Clip = Callable[..., Path]
TIMEOUT = (6.0, 2.5)


@pytest.mark.parametrize("name", ["clip.ts", "clip.mp4", "clip.mkv", "clip.flv"])
def test_a_video_over_http(stream_server: Any, make_clip: Clip, name: str) -> None:
    feed = open_feed(stream_server.serve(make_clip(name)), TIMEOUT)
    assert isinstance(feed, VideoFeed)
    assert feed.frame_rate == pytest.approx(25)
    pictures = [picture for packet in feed.packets() if packet for picture in feed.decode(packet)]
    assert len(pictures) == 25
    feed.close()
    feed.close()


def test_a_list_of_segments_over_http(stream_server: Any, make_clip: Clip, tmp_path: Path) -> None:
    stream_server.serve(make_clip("part.ts"))
    playlist = tmp_path / "live.m3u8"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\npart.ts\n#EXT-X-ENDLIST\n")
    with StreamCapture(SourceSpec("stream", stream_server.serve(playlist))) as source:
        assert source.read() is not None


def test_pictures_over_http(stream_server: Any) -> None:
    feed = open_feed(stream_server.address, TIMEOUT)
    assert isinstance(feed, JpegFeed)
    feed.close()


def test_nothing_listens() -> None:
    with (
        reserved_port() as reserved,
        pytest.raises(SourceOpenError, match="nothing listens at this host and port"),
    ):
        StreamCapture(SourceSpec("stream", f"http://127.0.0.1:{reserved.getsockname()[1]}/"))


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two seconds of grey that gets lighter, for each payload."""
    if why_not := rtsp.why_not():
        pytest.skip(why_not)
    folder = tmp_path_factory.mktemp("films")
    pictures = [np.full((96, 128, 3), 60 + 2 * number, np.uint8) for number in range(50)]
    return {
        "H.264": rtsp.write_h264(folder / "h264", pictures),
        "MJPEG": rtsp.write_jpegs(folder / "jpeg", pictures),
    }


@pytest.fixture
def camera(films: dict[str, Path]) -> Iterator[Callable[..., rtsp.RtspCamera]]:
    made: list[rtsp.RtspCamera] = []

    def start(payload: str = "H.264", *arguments: str) -> rtsp.RtspCamera:
        made.append(rtsp.RtspCamera(films[payload], *arguments))
        made[-1].start()
        return made[-1]

    yield start
    for one in made:
        one.kill()


def greys(source: StreamCapture, frames: int = 15) -> list[float]:
    pictures = [source.read() for _ in range(frames)]
    return [float(one.image.mean()) for one in pictures if one is not None]


def sockets() -> int:
    """How many this process has open."""
    found = 0
    for link in list(Path("/proc/self/fd").iterdir()):
        with suppress(FileNotFoundError):  # That of the listing is closed.
            found += "socket:" in str(link.readlink())
    return found


@pytest.mark.parametrize(
    ("payload", "transport"),
    [("H.264", "tcp"), ("H.264", "udp"), ("H.264", "both"), ("MJPEG", "tcp"), ("MJPEG", "udp")],
)
def test_rtsp_by_what_the_server_offers(
    camera: Callable[..., rtsp.RtspCamera], payload: str, transport: str
) -> None:
    address = camera(payload, transport).address
    before = sockets()
    with StreamCapture(SourceSpec("stream", address)) as source:
        # TCP needs one connection, UDP further sockets.
        assert (sockets() - before > 1) is (transport == "udp")
        levels = greys(source)
        assert source.frame_rate == pytest.approx(25)
    # It begins anew after two seconds.
    steps = np.diff(levels)
    assert np.count_nonzero(np.abs(steps - 2) < 1.5) >= len(steps) - 2


def test_rtsp_whose_transport_changed_while_it_was_away(
    camera: Callable[..., rtsp.RtspCamera], films: dict[str, Path]
) -> None:
    first = camera("MJPEG", "udp")
    spec = SourceSpec("stream", first.address)
    with StreamCapture(spec) as source:
        greys(source, 3)
        first.kill()
        with pytest.raises(SourceLostError):
            greys(source, 500)
    first._command[first._command.index("udp")] = "tcp"
    first.start()
    with StreamCapture(spec) as source:
        greys(source, 3)


def test_rtsp_that_only_udp_opens_is_asked_for_udp_first(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, works = [], "udp"

    class Feed:
        def __init__(self, _: str, __: Any, options: dict[str, str]) -> None:
            asked.append(options["rtsp_transport"])
            if options["rtsp_transport"] != works:
                raise av.HTTPBadRequestError(400, "Bad request")

    monkeypatch.setattr(feeds, "VideoFeed", Feed)
    address = "rtsp://camera/one"
    for _ in range(2):
        open_feed(address, TIMEOUT)
    assert asked == ["udp+tcp", "udp", "udp"]
    works = "udp+tcp"
    for _ in range(2):
        open_feed(address, TIMEOUT)
    assert asked[3:] == ["udp", "udp+tcp", "udp+tcp"]


@pytest.mark.parametrize("error", [av.ExitError, av.ConnectionRefusedError, av.HTTPNotFoundError])
def test_rtsp_that_is_away_is_not_asked_twice(
    monkeypatch: pytest.MonkeyPatch, error: type[av.FFmpegError]
) -> None:
    asked = []

    class Feed:
        def __init__(self, *_: Any) -> None:
            asked.append(1)
            raise error(1, "away")

    monkeypatch.setattr(feeds, "VideoFeed", Feed)
    with pytest.raises(error):
        open_feed("rtsp://camera/two", TIMEOUT)
    assert asked == [1]


def test_rtsp_with_a_user(camera: Callable[..., rtsp.RtspCamera]) -> None:
    address = camera("MJPEG", "both", "viewer:p@ss").address
    with StreamCapture(SourceSpec("stream", address.replace("//", "//viewer:p%40ss@"))) as source:
        greys(source, 3)
    for wrong in ("", "viewer:word@"):
        with pytest.raises(SourceOpenError, match="refuses the user name or the password"):
            StreamCapture(SourceSpec("stream", address.replace("//", f"//{wrong}")))


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_rtsp_from_a_server_that_freezes_stalls(
    camera: Callable[..., rtsp.RtspCamera], transport: str
) -> None:
    frozen = camera("MJPEG", transport)
    with StreamCapture(SourceSpec("stream", frozen.address)) as source:
        greys(source, 3)
        frozen.signal(signal.SIGSTOP)
        began_s = time.monotonic()
        with pytest.raises(SourceLostError) as caught:
            greys(source, 500)
        assert caught.value.cause == "stream_stalled"
        assert time.monotonic() - began_s < 20
        frozen.signal(signal.SIGCONT)


def test_rtsp_under_a_path_that_is_not_there(camera: Callable[..., rtsp.RtspCamera]) -> None:
    address = camera("MJPEG").address.replace("camera", "other")
    with pytest.raises(SourceOpenError, match="has nothing under this path"):
        StreamCapture(SourceSpec("stream", address))
