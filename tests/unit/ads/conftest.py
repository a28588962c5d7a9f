"""Generated media with known answers: every frame has one colour, given by its number."""

from __future__ import annotations

import os
import struct
import zlib
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

import av
import numpy as np
import pytest
from PIL import Image

from ads.playlists.playlist import Ad

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

TIME_BASE = Fraction(1, 1000)

ENCODER_OPTIONS = {
    "libx264": {"crf": "8", "preset": "ultrafast", "threads": "1", "g": "10"},
    "libx265": {
        "crf": "8",
        "preset": "ultrafast",
        "x265-params": "keyint=10:pools=1:log-level=none",
    },
    "libvpx-vp9": {
        "crf": "8",
        "b": "0",
        "deadline": "realtime",
        "cpu-used": "8",
        "g": "10",
        "threads": "1",
    },
    "libsvtav1": {"crf": "10", "preset": "12", "g": "10", "svtav1-params": "lp=1"},
    "libaom-av1": {"crf": "10", "cpu-used": "8", "g": "10", "threads": "1"},
}
"""Near-lossless and quick, with a key frame in every ten."""


def grey_of(frame: int) -> int:
    """The grey level of a clip's frame."""
    return 30 + 7 * (frame % 28)


@contextmanager
def priority_kept() -> Iterator[None]:
    """Undo what SVT-AV1 does where it may, as root: it gives the thread that encodes precedence
    over all others of the machine, so that other tests starve.
    """
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


class ClipMaker(Protocol):
    def __call__(
        self,
        name: str,
        *,
        frames: int = 25,
        times_ms: Sequence[int] | None = None,
        size: tuple[int, int] = (96, 64),
        tone_hz: float | None = None,
        silent_ms: int = 0,
        rotation: int = 0,
        codec: str = "libx264",
    ) -> Path: ...


@pytest.fixture
def make_clip(tmp_path: Path) -> ClipMaker:
    """Writes a clip at 25 frames per second, or with frames at the given times."""

    def make(
        name: str,
        *,
        frames: int = 25,
        times_ms: Sequence[int] | None = None,
        size: tuple[int, int] = (96, 64),
        tone_hz: float | None = None,
        silent_ms: int = 0,
        rotation: int = 0,
        codec: str = "libx264",
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        times = list(times_ms) if times_ms is not None else [40 * index for index in range(frames)]
        options = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
        with priority_kept(), av.open(str(path), "w", options=options) as container:
            video = container.add_stream(codec, rate=25)
            video.width, video.height = size
            video.pix_fmt = "yuv444p" if size[0] % 2 or size[1] % 2 else "yuv420p"
            video.options = ENCODER_OPTIONS[codec]
            time_base = Fraction(1, 25) if times_ms is None else TIME_BASE
            video.codec_context.time_base = time_base
            if rotation:
                video.set_display_rotation(rotation)
            audio = container.add_stream("aac", rate=48_000, layout="stereo") if tone_hz else None
            for index, time_ms in enumerate(times):
                picture = np.full((size[1], size[0], 3), grey_of(index), np.uint8)
                if rotation:
                    picture[: size[1] // 2] = 255
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = round(Fraction(time_ms, 1000) / time_base), time_base
                container.mux(video.encode(frame))
            container.mux(video.encode())
            if audio is not None:
                seconds = (times[-1] + 40) / 1000
                at = np.arange(round(seconds * 48_000)) / 48_000
                wave = np.where(
                    at * 1000 >= silent_ms, 0.5 * np.sin(2 * np.pi * (tone_hz or 0) * at), 0.0
                )
                samples = np.repeat(np.round(wave * 32767).astype(np.int16), 2).reshape(1, -1)
                block = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
                block.sample_rate, block.pts, block.time_base = 48_000, 0, Fraction(1, 48_000)
                container.mux(audio.encode(block))
                container.mux(audio.encode())
        return path

    return make


@pytest.fixture
def make_image(tmp_path: Path):
    """Writes a picture of one colour."""

    def make(
        name: str, colour: tuple[int, int, int] = (200, 30, 60), size: tuple[int, int] = (96, 64)
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, colour).save(path)
        return path

    return make


@pytest.fixture
def make_animation(tmp_path: Path):
    """Writes an animated picture whose frames have the given greys and durations."""

    def make(name: str, greys: Sequence[int], durations_ms: Sequence[int]) -> Path:
        path = tmp_path / name
        pictures = [Image.new("RGB", (48, 32), (grey, grey, grey)) for grey in greys]
        options = {"lossless": True} if path.suffix == ".webp" else {}
        pictures[0].save(
            path,
            save_all=True,
            append_images=pictures[1:],
            duration=list(durations_ms),
            loop=0,
            **options,
        )
        return path

    return make


@pytest.fixture
def make_giant(tmp_path: Path):
    """Write a valid white PNG of any size in two colours: small on disk, large when decoded."""

    def make(name: str, size: tuple[int, int]) -> Path:
        path = tmp_path / name
        packer = zlib.compressobj()
        row = b"\0" + b"\xff" * ((size[0] + 7) // 8)
        pixels = b"".join(packer.compress(row) for _ in range(size[1])) + packer.flush()
        chunks = (
            b"IHDR" + struct.pack(">IIBBBBB", *size, 1, 0, 0, 0, 0),
            b"IDAT" + pixels,
            b"IEND",
        )
        packed = [
            struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
            for chunk in chunks
        ]
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))
        return path

    return make


@pytest.fixture
def without_key_frames(tmp_path: Path):
    """Copies a clip but for the frames that can be decoded by themselves."""

    def make(source: Path, name: str) -> Path:
        target = tmp_path / name
        with av.open(str(source)) as container, av.open(str(target), "w") as output:
            stream = output.add_stream_from_template(container.streams.video[0])
            for packet in container.demux(video=0):
                if packet.pts is not None and not packet.is_keyframe:
                    packet.stream = stream
                    output.mux(packet)
        return target

    return make


def ad_of(path: Path, kind: str = "image", duration_s: float = 1.0, **more: object) -> Ad:
    """An ad of a media file, under its stem."""
    digest = "0" * 64
    return Ad(path.stem, path, path.stem, kind, duration_s, digest, **more)  # type: ignore


@pytest.fixture
def make_ad():
    return ad_of


@pytest.fixture
def grey():
    return grey_of
