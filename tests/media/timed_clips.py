"""Write clips whose pictures tell their number, with tones whose times are known."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from av.stream import Disposition
    from numpy.typing import NDArray

SIZE = (64, 48)

QUICK = {"libx264": {"qp": "4", "preset": "ultrafast"}, "libvpx": {"crf": "4", "b": "2M"}}
"""Near-lossless; other codecs take their own options."""


def level_of(number: int) -> int:
    """Return the grey level of the picture of a number."""
    return 20 + 23 * number % 216


def steps(count: int, begin_s: float = 0.0, step_s: float = 0.1) -> list[float]:
    """Return evenly spaced times."""
    return [round(begin_s + index * step_s, 6) for index in range(count)]


@dataclass(frozen=True)
class Tone:
    """Sound of a frequency from a time on, in seconds; one number a channel is how loud it is."""

    begin_s: float = 0.0
    length_s: float = 1.0
    hertz: float = 1000.0
    levels: Sequence[float] = (0.5, 0.5)
    codec: str = "aac"
    rate: int = 48_000
    layout: str = "stereo"

    def frame(self) -> av.AudioFrame:
        at = np.arange(round(self.length_s * self.rate)) / self.rate
        wave = np.sin(2 * np.pi * self.hertz * at).astype(np.float32)
        packed = np.outer(wave, np.asarray(self.levels, np.float32)).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=self.layout)
        frame.sample_rate, frame.time_base = self.rate, Fraction(1, self.rate)
        frame.pts = round(self.begin_s * self.rate)
        return frame


def write_timed(
    path: Path,
    times_s: Sequence[float],
    *,
    codec: str = "libx264",
    rate: int = 10,
    last_s: float | None = None,
    options: dict[str, str] | None = None,
    tones: Sequence[Tone] = (),
    container: str | None = None,
    add: Callable[[av.container.OutputContainer], Callable[[], None]] | None = None,
    muxing: dict[str, str] | None = None,
) -> Path:
    """Write a clip whose pictures begin at the given times.

    Args:
        last_s: How long the file says that the last picture stands.
        rate: Stated pictures per second.
        tones: Each becomes a track of its own.
        add: Adds further tracks, and returns what fills them.
    """
    with av.open(str(path), "w", format=container, options=muxing or {}) as out:
        video: Any = out.add_stream(codec, rate=rate)
        (video.width, video.height), video.pix_fmt = SIZE, "yuv420p"
        video.options = QUICK.get(codec, {"q:v": "2"}) | (options or {})
        even = path.suffix == ".avi" or container == "h264" or codec == "mpeg2video"
        video.codec_context.time_base = time_base = Fraction(1, rate) if even else Fraction(1, 1000)
        sounds: list[Any] = [
            out.add_stream(tone.codec, rate=tone.rate, layout=tone.layout) for tone in tones
        ]
        fill = add(out) if add is not None else None
        packets = []
        for number, time_s in enumerate(times_s):
            frame = av.VideoFrame.from_ndarray(grey(level_of(number)), format="rgb24")
            frame.pts, frame.time_base = round(Fraction(time_s) / time_base), time_base
            packets += video.encode(frame)
        packets += video.encode()
        if last_s is not None:
            packets[-1].duration = round(last_s / packets[-1].time_base)
        for sound, tone in zip(sounds, tones, strict=True):
            packets += [*_encoded(sound, tone)]
        out.mux(sorted(packets, key=lambda packet: (packet.dts or 0) * packet.time_base))
        if fill is not None:
            fill()
    return path


def _encoded(sound: Any, tone: Tone) -> Iterable[av.Packet]:
    frame = tone.frame()
    resampler = av.AudioResampler(sound.codec_context.format, tone.layout, tone.rate)
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
        yield from sound.encode(part)
    yield from sound.encode()


def grey(level: int) -> NDArray[np.uint8]:
    return np.full((SIZE[1], SIZE[0], 3), level, np.uint8)


def join(path: Path, parts: Sequence[Path]) -> Path:
    """Join files as `cat` does."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def remux(
    source: Path,
    target: Path,
    change: Callable[[av.Packet], None] = lambda _: None,
    sound_dispositions: Sequence[Disposition] = (),
) -> Path:
    """Copy a clip packet by packet; `change` may change the stamps of each."""
    with av.open(str(source)) as container, av.open(str(target), "w") as out:
        tracks = [out.add_stream_from_template(stream) for stream in container.streams]
        for track, disposition in zip(
            tracks[1:], sound_dispositions, strict=bool(sound_dispositions)
        ):
            track.disposition = disposition
        for packet in container.demux():
            if packet.size:
                change(packet)
                packet.stream = tracks[packet.stream.index]
                out.mux(packet)
    return target


def restamp(source: Path, target: Path, later_s: float) -> Path:
    """Copy a clip with all its stamps moved by some seconds."""

    def move(packet: av.Packet) -> None:
        later = round(later_s / packet.time_base)
        packet.pts, packet.dts = packet.pts + later, packet.dts + later

    return remux(source, target, move)
