"""Damaged media and playlists through `playlist check` and a show, each in a process of its own.

Native libraries decode media, so a finding may be a crash or a hang. The parent notices both, and
replaces the process.
"""

from __future__ import annotations

import json
import os
import random
import select
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import av
import numpy as np
import yaml
from PIL import Image

from ads.errors import AdsError
from monitor.sensor.child_process import child_environment
from tests.media.heic_maker import heic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CPU_LIMIT_S = 3.0
"""Of the show of one file; beyond, it counts as a hang."""

WALL_LIMIT_S = 30.0
"""After which the show is killed: a busy machine takes longer than the processor."""

SHOWN_S = 2.0
"""How much of each file is shown, on a clock that does not wait."""

WORDS = [
    *(b"moov", b"mdat", b"trak", b"stsz", b"stco", b"stts", b"elst", b"tkhd", b"avcC", b"ftyp"),
    *(b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\x00\x00\x00\x01"),
    *(b"RIFF", b"LIST", b"idx1", b"VP8X", b"ANMF", b"ANIM", b"IHDR", b"IDAT", b"acTL", b"fcTL"),
    *(b"\x1a\x45\xdf\xa3", b"\x47\x40\x00", b"\xff\xd8\xff", b"\xff\xda", b"\xff\xc2", b"GIF89a"),
]


@dataclass(frozen=True)
class Finding:
    """A file, and what it did that no file may do."""

    file: Path
    what: str


def _frames(count: int = 12, size: tuple[int, int] = (64, 48)) -> list[np.ndarray]:
    """A square that moves over a gradient."""
    width, height = size
    frames = []
    for number in range(count):
        frame = np.zeros((height, width, 3), np.uint8)
        frame[..., 0] = np.linspace(0, 255, width, dtype=np.uint8)
        frame[10:30, 3 * number : 3 * number + 16, 1] = 255
        frames.append(frame)
    return frames


def _clip(
    codec: str, sound: str | None = None, pixels: str = "yuv420p", rate: int = 10, **options: str
) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with av.open(str(path), "w") as container:
            video = container.add_stream(codec, rate=rate, options=options)
            video.width, video.height, video.pix_fmt = 64, 48, pixels
            audio = None if sound is None else container.add_stream(sound, rate=48_000)
            for frame in _frames():
                container.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(video.encode())
            if audio is not None:
                container.mux(_tone(audio))

    return write


def _tone(audio: av.AudioStream) -> list[av.Packet]:
    packets, samples = [], 1152 if "mp" in audio.name else 960 if audio.name == "libopus" else 1024
    for number in range(48_000 // samples):
        level = np.sin(np.arange(samples) / 17).astype(np.float32) * 0.2
        block = av.AudioFrame.from_ndarray(
            np.stack([level, level]).astype(np.float32), format="fltp", layout="stereo"
        )
        block.sample_rate, block.pts = 48_000, number * samples
        packets += audio.encode(block)
    return [*packets, *audio.encode()]


def _animation(kind: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        images = [Image.fromarray(frame) for frame in _frames()]
        images[0].save(path, kind, save_all=True, append_images=images[1:], duration=100, loop=0)

    return write


def _picture(kind: str, **options: object) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        Image.fromarray(_frames(1, (160, 120))[0]).save(path, kind, **options)

    return write


def _heic(path: Path) -> None:
    path.write_bytes(heic(_frames(1, (160, 120))[0], (64, 64)))


PLAYLIST = {
    "timezone": "Europe/Berlin",
    "cross_fade_s": 0.5,
    "ads": [
        {"id": "first", "file": "ok.png", "duration_s": 5, "weight": 2, "hours": ["08:00-12:00"]},
        {"id": "second", "file": "ok.png", "name": "Zweites \u00e9 \U0001f600", "moods": ["happy"]},
        {"id": "third", "file": "ok.png", "days": ["mon"], "max_per_hour": 3, "fit": "cover"},
    ],
}


def _playlist(text: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        _picture("PNG")(path.parent / "ok.png")
        path.write_text(text, encoding="utf-8")

    return write


FORMATS: dict[str, Callable[[Path], None]] = {
    "mp4": _clip("libx264", "aac"),
    "mov": _clip("mjpeg", pixels="yuvj420p"),
    "mkv": _clip("libx264", "libopus"),
    "webm": _clip("libvpx-vp9", "libopus", deadline="realtime"),
    "avi": _clip("mpeg4", "mp3"),
    "ts": _clip("mpeg2video", "mp2"),
    "mpg": _clip("mpeg1video", "mp2", rate=25),
    "wmv": _clip("wmv2"),
    "flv": _clip("flv1"),
    "3gp": _clip("mpeg4", "aac"),
    "gif": _animation("GIF"),
    "apng": _animation("PNG"),
    "webp": _animation("WEBP"),
    "avif": _animation("AVIF"),
    "heic": _heic,
    "bmp": _picture("BMP"),
    "jpg": _picture("JPEG", progressive=True),
    "tiff": _picture("TIFF", compression="tiff_lzw"),
    "yaml": _playlist(yaml.safe_dump(PLAYLIST, allow_unicode=True)),
    "json": _playlist(json.dumps(PLAYLIST)),
}
"""From the ending of a file to what writes a small one."""


def mutate(content: bytes, draw: random.Random) -> bytes:
    """Change a file: bits, bytes, numbers, blocks, its order or its end."""
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        size = max(1, len(changed))
        # Headers and indexes decide most; they lie at both ends.
        at = draw.choice(
            (
                draw.randrange(size),
                draw.randrange(min(size, 400)),
                size - 1 - draw.randrange(min(size, 400)),
            )
        )
        kind = draw.randrange(8)
        if kind == 0:
            changed[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            changed[at] = draw.randrange(256)
        elif kind == 2:
            changed[at : at + 4] = draw.choice(WORDS)
        elif kind == 3:
            changed[at : at + draw.randint(1, 200)] = b""
        elif kind == 4:
            changed[at:at] = changed[at : at + draw.randint(1, 400)]
        elif kind == 5:
            changed[at:at] = draw.randbytes(draw.randint(1, 60))
        elif kind == 6:
            block = draw.randint(1, 200)
            changed[at : at + block] = bytes(len(changed[at : at + block]))
        else:
            del changed[max(1, at) :]
        if not changed:
            return b"\x00"
    return bytes(changed)


def write_mutations(ending: str, folder: Path, count: int, draw: random.Random) -> list[Path]:
    """Write a file and changed copies of it; returns all of them, the file first."""
    folder.mkdir(parents=True, exist_ok=True)
    seed = folder / f"seed-{ending}.{ending}"
    FORMATS[ending](seed)
    content = seed.read_bytes()
    files = [folder / f"{ending}-{number:03}.{ending}" for number in range(count)]
    for file in files:
        file.write_bytes(mutate(content, draw))
    return [seed, *files]


def findings(endings: Iterable[str], folder: Path, count: int, seed: int) -> list[Finding]:
    """Check and show a number of changed files of each format; returns what went wrong."""
    found, media, shown = [], folder / "media", []
    for ending in endings:
        draw = random.Random(f"{ending} {seed}")  # noqa: S311 (to be repeated)
        place = folder / "playlists" if ending in {"yaml", "json"} else media
        shown += write_mutations(ending, place, count, draw)
    if media.exists():
        found += _check_together(media)
    with Shows() as shows:
        found += [Finding(file, what) for file in shown if (what := shows.ask(file))]
    return found


def _check_together(folder: Path) -> list[Finding]:
    """Run `playlist check` over a folder; a checking process that broke is a finding."""
    files = [file for file in folder.iterdir() if file.is_file()]
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "monitor", "playlist", "check", str(folder), "--json"],
        capture_output=True,
        text=True,
        timeout=60 + WALL_LIMIT_S * len(files),
        env=_environment(folder),
        check=False,
    )
    if done.returncode not in {0, 2} or "Traceback" in done.stderr:
        return [Finding(folder, f"check ended with {done.returncode}: {done.stderr[-2000:]}")]
    took_s = time.monotonic() - began
    skipped = json.loads(done.stdout)["skipped"] if done.returncode == 0 else []
    broken = [
        Finding(folder / ad["file"], ad["reason"]) for ad in skipped if "broke the" in ad["reason"]
    ]
    if took_s > 10 + CPU_LIMIT_S * len(files):
        broken.append(Finding(folder, f"the check took {took_s:.0f} s for {len(files)} files"))
    return broken


def _environment(folder: Path) -> dict[str, str]:
    # What was found out about a file before must not decide.
    return child_environment() | {
        "XDG_CACHE_HOME": str(folder / "cache"),
        "QT_QPA_PLATFORM": "offscreen",
        "OPENBLAS_NUM_THREADS": "1",
    }


class Shows:
    """A process that shows files; replaced when a file takes it along."""

    def __init__(self, command: tuple[str, ...] = ("-m", "tests.fuzz.media")) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Shows:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def ask(self, file: Path) -> str | None:
        """Show a file; returns what went wrong."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, *self._command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(file.parent),
            )
            if self._line(120.0) is None:
                raise RuntimeError("The process that shows media does not start.")
        stdin = cast("IO[bytes]", self._process.stdin)
        stdin.write(f"{json.dumps(str(file))}\n".encode())
        stdin.flush()
        line = self._line(WALL_LIMIT_S)
        if line is None:
            status = self._process.poll()
            self._end()
            return (
                f"no answer within {WALL_LIMIT_S:g} s" if status is None else f"ended with {status}"
            )
        answer = json.loads(line)
        if answer["cpu_s"] > CPU_LIMIT_S:
            return f"took {answer['cpu_s']:.1f} s"
        return cast("str | None", answer["error"])

    def _line(self, limit_s: float) -> bytes | None:
        stdout = cast("IO[bytes]", cast("subprocess.Popen[bytes]", self._process).stdout)
        readable, _, _ = select.select([stdout], [], [], limit_s)
        line = stdout.readline() if readable else b""
        if not line and readable:
            cast("subprocess.Popen[bytes]", self._process).wait(10)
        return line or None

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


# --- in the process that shows ---


def _show(file: Path) -> None:
    from tests.media.painted import Show

    if file.suffix in {".yaml", ".json"}:
        _check_playlist(file)
        return
    # No check before: the player must cope with what the check cannot see.
    with Show(file) as show:
        show.play_to(SHOWN_S)


def _check_playlist(file: Path) -> None:
    from click.testing import CliRunner

    from monitor.cli.ads.playlist import check

    done = CliRunner().invoke(check, [str(file)])
    error = done.exception
    if error is not None and not isinstance(error, SystemExit | AdsError):
        raise error


def main() -> int:
    """Show the files that are named in lines of JSON; answer in lines."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        from tests.media import painted  # noqa: F401 (loads what takes long)

        print("ready", file=out, flush=True)
        for line in sys.stdin:
            began, error = time.process_time(), None
            try:
                _show(Path(json.loads(line)))
            except AdsError:
                pass
            except Exception:  # noqa: BLE001 (that is what is looked for)
                error = traceback.format_exc()
            answer = {"cpu_s": time.process_time() - began, "error": error}
            print(json.dumps(answer), file=out, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
