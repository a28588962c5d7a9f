"""Time: each picture stands as long as its maker meant, however the file says so."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

import av
import pytest
from av.stream import Disposition

from ads.errors import PlaylistError
from ads.media.clips import video_frames
from tests.media.painted import Show, shown_part
from tests.media.timed_clips import (
    SIZE,
    Tone,
    grey,
    join,
    level_of,
    restamp,
    steps,
    write_timed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

EVEN = steps(10)
FAR_S = 95_443.2
"""Half a second before the clock of transport streams, 33 bits at 90 kHz, starts again."""


@dataclass(frozen=True)
class Timed:
    """How a clip is made, when its pictures are due, and how long it is."""

    make: Callable[[Path], Path]
    due_s: Sequence[float]
    length_s: float
    numbers: Sequence[int] | None = None

    @property
    def stands(self) -> list[tuple[int, float, float]]:
        """The number of each picture, and from when to when it stands."""
        numbers = range(len(self.due_s)) if self.numbers is None else self.numbers
        return list(zip(numbers, self.due_s, [*self.due_s[1:], self.length_s], strict=True))


def plain(times_s: Sequence[float], length_s: float, **how: Any) -> Timed:
    return Timed(lambda path: write_timed(path, times_s, **how), times_s, length_s)


def joined(codec: str, later_s: float = 0.0, *, tones: Sequence[Tone] = ()) -> Timed:
    """Three parts of a second; the second one is stamped `later_s` later."""

    def make(path: Path) -> Path:
        part = write_timed(path.with_name(f"part{path.suffix}"), EVEN, codec=codec, tones=tones)
        later = part
        if later_s:
            later = restamp(part, path.with_name(f"later{path.suffix}"), later_s)
        return join(path, [part, later, part])

    return Timed(make, steps(30), 3.0, [*range(10)] * 3)


def with_subtitles(out: Any) -> Callable[[], None]:
    track = out.add_mux_stream("subrip")

    def fill() -> None:
        packet = av.Packet(b"Only today")
        packet.stream, packet.time_base = track, Fraction(1, 1000)
        packet.pts = packet.dts = 0
        packet.duration = 9000
        out.mux(packet)

    return fill


def with_cover(out: Any) -> Callable[[], None]:
    track = out.add_stream("mjpeg")
    (track.width, track.height), track.pix_fmt = SIZE, "yuvj420p"
    track.disposition = Disposition.attached_pic

    def fill() -> None:
        out.mux(track.encode(av.VideoFrame.from_ndarray(grey(255), format="rgb24")))
        out.mux(track.encode())

    return fill


def after_white(
    codec: str, pixels: str, pictures: int, disposition: Disposition
) -> Callable[[Path], Path]:
    """Write a clip whose first track is white; the disposition is that of its second one."""

    def make(path: Path) -> Path:
        source = write_timed(path.with_name("second.mkv"), EVEN)
        with av.open(str(source)) as second, av.open(str(path), "w") as out:
            white: Any = out.add_stream(codec, rate=10)
            (white.width, white.height), white.pix_fmt = SIZE, pixels
            shown = out.add_stream_from_template(second.streams.video[0])
            shown.disposition = disposition
            for _ in range(pictures):
                out.mux(white.encode(av.VideoFrame.from_ndarray(grey(255), format="rgb24")))
            out.mux(white.encode())
            for packet in second.demux(video=0):
                if packet.size:
                    packet.stream = shown
                    out.mux(packet)
        return path

    return make


def trimmed(path: Path) -> Path:
    """Write a clip of which an edit list leaves out the first half second."""
    whole = write_timed(path.with_name("whole.mp4"), EVEN, options={"g": "50", "bf": "2"})
    return restamp(whole, path, -0.5)


def packed(path: Path) -> Path:
    """Write MPEG-4 as DivX did: two pictures in one chunk, then a chunk that stands for none."""
    encoded: list[bytes] = []
    with av.open(str(path.with_name("plain.avi")), "w") as plain_avi:
        track: Any = plain_avi.add_stream("mpeg4", rate=10)
        (track.width, track.height), track.pix_fmt = SIZE, "yuv420p"
        track.options = {"bf": "1", "b_strategy": "0", "q:v": "2"}
        for number in range(11):
            frame = av.VideoFrame.from_ndarray(grey(level_of(number)), format="rgb24")
            encoded += [bytes(packet) for packet in track.encode(frame)]
        encoded += [bytes(packet) for packet in track.encode()]
    first, *others = encoded
    header = first.index(b"\0\0\1\xb3")
    chunks = [first[:header] + b"\0\0\1\xb2DivX503b1393p" + first[header:]]
    for later, earlier in zip(others[::2], others[1::2], strict=True):
        chunks += [later + earlier, b"\0\0\1\xb6\x50\x7f"]
    with av.open(str(path), "w") as out:
        track = out.add_stream("mpeg4", rate=10)
        (track.width, track.height), track.pix_fmt = SIZE, "yuv420p"
        track.codec_context.open()
        for number, chunk in enumerate(chunks):
            packet = av.Packet(chunk)
            packet.stream, packet.time_base = track, Fraction(1, 10)
            packet.pts = packet.dts = number
            packet.is_keyframe = number == 0
            out.mux(packet)
    return path


INPUTS: dict[str, Timed] = {
    "hold-last.mp4": plain(EVEN, 4.9, last_s=4.0),
    "hold-last.mkv": plain(EVEN, 4.9, last_s=4.0),
    "hold-last.webm": plain(EVEN, 4.9, last_s=4.0, codec="libvpx"),
    "hold-last-fragments.mp4": plain(
        EVEN, 4.9, last_s=4.0, muxing={"movflags": "frag_keyframe+empty_moov"}
    ),
    "hold-inside.mp4": plain([*EVEN, *steps(10, 5.0)], 6.0),
    "hold-inside.ts": plain(
        [*EVEN, *steps(10, 14.0)], 15.0, tones=[Tone(length_s=15.0, codec="mp2")]
    ),
    "sound-longer.mkv": plain(EVEN, 3.0, tones=[Tone(length_s=3.0)]),
    "sound-longer.mp4": plain(EVEN, 3.0, tones=[Tone(length_s=3.0)]),
    "sound-shorter.mp4": plain(steps(30), 3.0, tones=[Tone(length_s=1.0)]),
    "sound-first.mp4": Timed(
        lambda path: write_timed(path, steps(10, 2.0), tones=[Tone(length_s=3.0)]),
        [0.0, *steps(9, 2.1)],
        3.0,
    ),
    "subtitles-longer.mkv": plain(EVEN, 1.0, add=with_subtitles),
    "cover.mp4": plain(EVEN, 1.0, add=with_cover),
    # Without a default track, the first one becomes it.
    "cover-first.mkv": Timed(after_white("mjpeg", "yuvj420p", 1, Disposition(0)), EVEN, 1.0),
    "default-picture.mkv": Timed(
        after_white("libx264", "yuv420p", 10, Disposition.default), EVEN, 1.0
    ),
    "joined.ts": joined("libx264"),
    "joined-with-sound.ts": joined("libx264", tones=[Tone(codec="mp2")]),
    "joined-a-day-later.ts": joined("libx264", 93_600.0, tones=[Tone(codec="mp2")]),
    "joined.mpg": joined("mpeg2video"),
    "clock-starts-again.ts": Timed(
        lambda path: restamp(write_timed(path.with_name("at-0.ts"), EVEN), path, FAR_S), EVEN, 1.0
    ),
    "starts-late.mkv": Timed(lambda path: write_timed(path, steps(10, 5000.0)), EVEN, 1.0),
    "edit-list.mp4": Timed(trimmed, steps(5), 0.5, range(5, 10)),
    "no-times.mp4": plain(EVEN, 1.0, container="h264"),
    "reordered.avi": plain(EVEN, 1.0, options={"bf": "2", "b-adapt": "0"}),
    "packed.avi": Timed(packed, steps(11), 1.1),
    "no-length.mkv": plain(EVEN, 1.0, muxing={"live": "1"}),
    "rate-of-1000.mkv": plain(EVEN, 1.0, rate=1000),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The file of an input, made once."""

    @cache
    def make(name: str) -> Path:
        return INPUTS[name].make(tmp_path_factory.mktemp("clip") / name)

    return make


@pytest.mark.parametrize("name", INPUTS)
def test_each_picture_stands_as_long_as_its_maker_meant(made, name):
    timed = INPUTS[name]
    with Show(made(name)) as show:
        assert show.ad.duration_s == pytest.approx(timed.length_s, abs=0.1)
        for number, due_s, end_s in timed.stands:
            # Late in its time, so one that comes early or late by a picture is seen.
            picture = shown_part(show.play_to(end_s - min(0.03, (end_s - due_s) / 2)), (4, 3))
            assert picture.mean() == pytest.approx(level_of(number), abs=4), f"at {due_s:g} s"
        show.play_out()
    assert (show.outcome, show.error) == ("finished", None)
    assert show.shown_s == pytest.approx(timed.length_s, abs=0.1)
    assert [paint.position_s for paint in show.paints] == pytest.approx(timed.due_s, abs=0.05)


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv", "cut.avi", "cut.wmv"])
def test_a_file_that_is_cut_off_is_told_from_a_picture_that_stands(tmp_path, name):
    codec = {".avi": "mpeg4", ".wmv": "wmv2"}.get(name[-4:], "libx264")
    tones = [Tone(length_s=4.0, codec="mp2" if codec == "mpeg4" else "aac")]
    faststart = {"movflags": "+faststart"} if name.endswith("mp4") else {}
    path = write_timed(
        tmp_path / name,
        steps(40),
        codec=codec,
        tones=tones if codec != "wmv2" else [],
        muxing=faststart,
    )
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    with Show(path, duration_s=4.0) as show:
        show.play_out()
    assert show.outcome == "failed"
    assert f"{name} breaks off at " in str(show.error)


def test_sound_with_a_cover_is_no_clip(tmp_path):
    with av.open(str(tmp_path / "song.mp4"), "w") as out:
        tone = Tone()
        sound = out.add_stream("aac", rate=48_000, layout="stereo")
        fill = with_cover(out)
        out.mux(sound.encode(tone.frame()))
        out.mux(sound.encode())
        fill()
    with pytest.raises(
        PlaylistError, match="holds only a cover picture, no video; expected a video with pictures"
    ):
        Show(tmp_path / "song.mp4")


@pytest.mark.parametrize("name", INPUTS)
def test_a_jump_leads_to_the_picture_of_its_place(made, name):
    timed = INPUTS[name]
    for index in (1, len(timed.stands) // 2, -1):
        number, due_s, end_s = timed.stands[index]
        middle_s = (due_s + end_s) / 2
        first = next(video_frames(made(name), lambda: SIZE, start_ns=round(middle_s * 1e9)))
        assert first.rgb.mean() == pytest.approx(level_of(number), abs=4)
