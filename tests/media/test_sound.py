"""Sound: heard to its end, from the right track, in time with the picture, as loud as meant."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from ads.errors import MediaError
from ads.media.check import check_apart
from ads.media.clip_sound import SAMPLE_RATE_HZ, sound_blocks
from tests.media.painted import Show
from tests.media.timed_clips import Tone, join, remux, restamp, steps, write_timed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

QUIET = 0.02
"""Of full scale; below it nothing is heard of a tone of 0.5."""


class Heard:
    """A sound output that decodes what it is to play, and keeps what is not silent."""

    def __init__(self) -> None:
        self.blocks: list[tuple[int, NDArray[np.int16]]] = []
        self.errors: list[str] = []
        self.longest = 0

    def play(self, path: Path, position_s: float, volume: float) -> None:
        assert volume == 1.0
        try:
            expected_s = position_s
            for at_s, samples in sound_blocks(path, position_s):
                assert at_s == pytest.approx(expected_s, abs=1e-6)
                expected_s = at_s + len(samples) / SAMPLE_RATE_HZ
                self.longest = max(self.longest, len(samples))
                if samples.any():
                    self.blocks.append((round(at_s * SAMPLE_RATE_HZ), samples))
        except MediaError as error:
            self.errors.append(str(error))

    def cue(self, *_: object) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def stop(self) -> None: ...

    def between(self, begin_s: float, end_s: float) -> NDArray[np.float64]:
        """Return what is heard of a stretch, `(n, 2)`, 1 for full scale."""
        begin, end = round(begin_s * SAMPLE_RATE_HZ), round(end_s * SAMPLE_RATE_HZ)
        found = np.zeros((end - begin, 2))
        for at, samples in self.blocks:
            first, last = max(at, begin), min(at + len(samples), end)
            if first < last:
                found[first - begin : last - begin] = samples[first - at : last - at] / 32768
        return found

    def spans(self) -> list[tuple[float, float]]:
        """Return when something is heard, without silences of less than 10 ms."""
        loud = [
            at + index
            for at, samples in self.blocks
            for index in np.flatnonzero(np.abs(samples.astype(int)).max(axis=1) > QUIET * 32768)
        ]
        found: list[tuple[float, float]] = []
        for sample in loud:
            at_s = sample / SAMPLE_RATE_HZ
            if found and at_s - found[-1][1] < 0.01:
                found[-1] = (found[-1][0], at_s)
            else:
                found.append((at_s, at_s))
        return found


@dataclass(frozen=True)
class Audible:
    """How a clip is made, and what is heard: when, how loud left and right, at which frequency."""

    make: Callable[[Path], Path]
    spans_s: Sequence[tuple[float, float]]
    levels: tuple[float, float] = (0.5, 0.5)
    hertz: float = 1000.0
    keys: dict[str, Any] = field(default_factory=dict)


def tones(*tones: Tone, pictures: int = 10, **how: Any) -> Callable[[Path], Path]:
    return lambda path: write_timed(path, steps(pictures), tones=tones, **how)


def marked(*dispositions: Disposition) -> Callable[[Path], Path]:
    """Write a clip with a tone of 500, 1000, 1500 ... Hz for each disposition."""

    def make(path: Path) -> Path:
        source = path.with_name("unmarked.mkv")
        write_timed(
            source,
            steps(10),
            tones=[Tone(hertz=500 * number) for number in range(1, len(dispositions) + 1)],
        )
        return remux(source, path, sound_dispositions=dispositions)

    return make


def joined(first: Tone, second: Tone, later_s: float = 0.0) -> Callable[[Path], Path]:
    """Write two transport streams of a second, joined; the second one stamped later."""

    def make(path: Path) -> Path:
        parts = [
            write_timed(path.with_name(f"{number}.ts"), steps(10), tones=[tone])
            for number, tone in enumerate((first, second))
        ]
        if later_s:
            parts[1] = restamp(parts[1], path.with_name("later.ts"), later_s)
        return join(path, parts)

    return make


def damaged(share: Callable[[int, int], bool]) -> Callable[[Path], Path]:
    """Write 3 s of sound in MP4, and overwrite the packets chosen by their number and count."""

    def make(path: Path) -> Path:
        write_timed(path, steps(30), tones=[Tone(length_s=3.0)])
        with av.open(str(path)) as container:
            found = [(p.pos, p.size) for p in container.demux(audio=0) if p.size]
        content = bytearray(path.read_bytes())
        for number, (at, size) in enumerate(found):
            if share(number, len(found)):
                content[at : at + size] = b"\xff" * size
        path.write_bytes(content)
        return path

    return make


def in_bursts(path: Path) -> Path:
    """Write 3 s of sound stamped as it arrives from a network: five packets at a time."""
    source = write_timed(path.with_name("steady.mkv"), steps(30), tones=[Tone(length_s=3.0)])
    burst: list[int] = []

    def change(packet: av.Packet) -> None:
        if packet.stream.type == "audio" and packet.pts >= 0:
            burst[:] = [*burst, packet.pts] if len(burst) < 5 else [packet.pts]
            packet.pts = packet.dts = burst[0] + len(burst) - 1

    return remux(source, path, change)


def drifting(path: Path) -> Path:
    """Write a tone in each of 20 s, stamped by a clock that is slow by one in 200."""
    source = path.with_name("even.mkv")
    beeps = np.zeros((1, 20 * 48_000), np.float32)
    beep = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(9600) / 48_000)
    for second in range(20):
        beeps[0, second * 48_000 : second * 48_000 + 9600] = beep
    with av.open(str(source), "w") as out:
        video: Any = out.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound: Any = out.add_stream("aac", rate=48_000, layout="mono")
        picture = np.zeros((48, 64, 3), np.uint8)
        for _ in range(200):
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(video.encode())
        frame = av.AudioFrame.from_ndarray(beeps, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
        out.mux(sound.encode(frame))
        out.mux(sound.encode())

    def change(packet: av.Packet) -> None:
        if packet.stream.type == "audio":
            packet.pts = packet.dts = round(packet.pts * 1.005)

    return remux(source, path, change)


SURROUND = {"layout": "5.1", "codec": "flac"}
NONE = Disposition(0)

INPUTS: dict[str, Audible] = {
    "damaged-packet.mp4": Audible(damaged(lambda number, _: number == 70), [(0, 3.0)]),
    "layout-changes.ts": Audible(
        joined(Tone(codec="ac3"), Tone(codec="ac3", layout="5.1", levels=(0.5, 0.5, 0, 0, 0, 0))),
        [(0, 2.0)],
    ),
    "rate-changes.ts": Audible(
        joined(Tone(codec="mp2"), Tone(codec="mp2", rate=32_000)), [(0, 2.0)]
    ),
    "joined-tones.ts": Audible(
        joined(
            Tone(codec="mp2", length_s=0.4),
            Tone(codec="mp2", begin_s=0.5, length_s=0.4),
            later_s=93_600,
        ),
        [(0, 0.4), (1.5, 1.9)],
    ),
    "default-track.mkv": Audible(marked(NONE, Disposition.default), [(0, 1.0)]),
    "first-track.mkv": Audible(marked(NONE, NONE), [(0, 1.0)], hertz=500),
    "described-track.mkv": Audible(
        marked(Disposition.default | Disposition.visual_impaired, NONE, NONE), [(0, 1.0)]
    ),
    "late-track.mkv": Audible(
        lambda path: write_timed(
            path, [0.0, 600.0, 1200.0, 1800.0, 1801.0], tones=[Tone(begin_s=1800.0)]
        ),
        [(1800.0, 1801.0)],
        keys={"duration_s": 0.5},
    ),
    "mono.mkv": Audible(tones(Tone(layout="mono", levels=(0.5,))), [(0, 1.0)]),
    "surround-left.mkv": Audible(
        tones(Tone(levels=(0.5, 0, 0, 0, 0, 0), **SURROUND)), [(0, 1.0)], (0.5, 0.0)
    ),
    "surround-centre.mkv": Audible(
        tones(Tone(levels=(0, 0, 0.5, 0, 0, 0), **SURROUND)), [(0, 1.0)], (0.354, 0.354)
    ),
    "surround-loud.mkv": Audible(
        tones(Tone(levels=[0.9] * 6, **SURROUND)), [(0, 1.0)], (0.98,) * 2
    ),
    "surround-7.1.mkv": Audible(
        tones(Tone(levels=(0, 0.5, *[0] * 6), layout="7.1", codec="flac")),
        [(0, 1.0)],
        (0.0, 0.5),
    ),
    "rate-of-8000.mov": Audible(tones(Tone(rate=8000, codec="pcm_s16le")), [(0, 1.0)]),
    "rate-of-192000.mov": Audible(tones(Tone(rate=192_000, codec="pcm_s24le")), [(0, 1.0)]),
    "opus.webm": Audible(tones(Tone(codec="libopus"), codec="libvpx"), [(0, 1.0)]),
    "in-bursts.mkv": Audible(in_bursts, [(0, 3.0)]),
    "drifting.mkv": Audible(
        drifting,
        [(second * 1.005, second * 1.005 + 0.2) for second in range(20)],
        keys={"duration_s": 0.5},
    ),
}


@pytest.mark.parametrize("name", INPUTS)
def test_what_is_heard_is_what_the_maker_meant(tmp_path, name):
    audible = INPUTS[name]
    heard = Heard()
    with Show(audible.make(tmp_path / name), sound=heard, **audible.keys) as show:
        show.play_out()
    assert show.outcome == "finished"
    assert heard.errors == []
    assert name != "in-bursts.mkv" or len(heard.spans()) == 1
    assert heard.longest <= 2 * SAMPLE_RATE_HZ
    found = heard.spans()
    # Damage and seams may be heard for a few hundredths of a second.
    whole = [found[0]]
    for begin_s, end_s in found[1:]:
        if begin_s - whole[-1][1] < 0.06:
            whole[-1] = (whole[-1][0], end_s)
        else:
            whole.append((begin_s, end_s))
    assert np.array(whole) == pytest.approx(np.array(audible.spans_s), abs=0.06)
    begin_s, end_s = audible.spans_s[-1]
    # After damage that is heard.
    steady = heard.between(max(begin_s + 0.07, end_s - 0.6), end_s - 0.07)
    assert np.abs(steady).max(axis=0) == pytest.approx(audible.levels, abs=0.03)
    side = steady[:, int(audible.levels[1] > audible.levels[0])]
    spectrum = np.abs(np.fft.rfft(side * np.hanning(len(side))))
    peak = int(spectrum.argmax())
    assert peak * SAMPLE_RATE_HZ / len(side) == pytest.approx(audible.hertz, abs=10)
    # Nothing but the tone: clipping would add its multiples.
    spectrum[max(0, peak - 12) : peak + 13] = 0
    assert spectrum.max() < 0.01 * len(side) * 0.5


def test_sound_that_cannot_be_decoded_leaves_the_picture_alone(tmp_path):
    heard = Heard()
    path = damaged(lambda *_: True)(tmp_path / "undecodable.mp4")
    with Show(path, sound=heard) as show:
        show.play_out()
    assert (show.outcome, show.error) == ("finished", None)
    assert heard.blocks == []
    (error,) = heard.errors
    assert "undecodable.mp4 has sound that cannot be decoded (aac), so it plays silently" in error
    assert show.ad.remarks == ()
    (checked,) = check_apart([(path, "")])
    assert checked.remarks == (error,)


@pytest.mark.parametrize("name", ["joined-tones.ts", "late-track.mkv", "default-track.mkv"])
def test_sound_is_entered_where_a_jump_leads(tmp_path, name):
    audible = INPUTS[name]
    begin_s, end_s = audible.spans_s[-1]
    heard = Heard()
    heard.play(audible.make(tmp_path / name), begin_s + 0.1, 1.0)
    assert heard.blocks[0][0] / SAMPLE_RATE_HZ == pytest.approx(begin_s + 0.1, abs=0.001)
    assert heard.spans()[-1] == pytest.approx((begin_s + 0.1, end_s), abs=0.06)
