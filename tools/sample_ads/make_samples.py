"""Draws and scores the sample ads: `python -m tools.sample_ads.make_samples [--out DIR]`.

The outcome is committed, so that the program has something to show at once. Made again with the
same versions of Pillow and FFmpeg, the files are the same to the byte.
"""

from __future__ import annotations

import argparse
import logging
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from PIL import Image

from ads.sample import sample_playlist
from tools.sample_ads import music, scenes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

FRAMES_PER_SECOND = 25

_PLAYLIST = f"""\
# Sample ads made by `python -m tools.sample_ads.make_samples`; the brands are invented.
ads:
  - id: sample-solina
    file: solina.mp4
    name: Solina, summer drink
    moods: [happy, neutral]
    brand_at_s: [{scenes.DRINK_BRAND_S}]
  - id: sample-brume
    file: brume.jpg
    name: Brume Coffee
    duration_s: 6
    moods: [sad, neutral]
    brand_at_s: [0]
  - id: sample-nordlys
    file: nordlys.mp4
    name: Nordlys, weekend flights
    moods: [sad, angry, neutral]
    brand_at_s: [{scenes.FLIGHT_BRAND_S}]
  - id: sample-fleur
    file: fleur.gif
    name: Fleur & Fern, flowers
    duration_s: 4
    brand_at_s: [0]
  - id: sample-second-chapter
    file: second-chapter.png
    name: Second Chapter, used books
    duration_s: 6
    brand_at_s: [0]
"""


def make_samples(folder: Path) -> None:
    """Make all sample ads and their playlist.

    Args:
        folder: Where to; made if it does not exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_clip(
        folder / "solina.mp4", scenes.drink, scenes.DRINK_S, music.summer_tune(scenes.DRINK_S)
    )
    _write_clip(
        folder / "nordlys.mp4", scenes.flight, scenes.FLIGHT_S, music.dawn_tune(scenes.FLIGHT_S)
    )
    scenes.coffee().save(folder / "brume.jpg", quality=86, optimize=True, progressive=True)
    scenes.books().quantize(200, dither=Image.Dither.NONE).save(
        folder / "second-chapter.png", optimize=True
    )
    _write_animation(folder / "fleur.gif")
    (folder / "playlist.yaml").write_text(_PLAYLIST, encoding="utf-8")
    for path in sorted(folder.iterdir()):
        if path.suffix in {".mp4", ".jpg", ".png", ".gif"}:
            logger.info("%s: %d kB", path.name, path.stat().st_size // 1000)


def _write_clip(
    path: Path, draw: Callable[[float], Image.Image], length_s: float, sound: NDArray[np.int16]
) -> None:
    width, height = scenes.CLIP_SIZE
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=FRAMES_PER_SECOND)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        # One thread, because the work of several is divided differently on other machines.
        video.options = {"crf": "24", "preset": "slow", "tune": "animation", "threads": "1"}
        context = video.codec_context
        context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709
        context.color_range = 1
        audio = container.add_stream("aac", rate=music.RATE_HZ, layout="stereo")
        audio.bit_rate = 96_000
        for index in range(round(length_s * FRAMES_PER_SECOND)):
            picture = np.asarray(draw(index / FRAMES_PER_SECOND))
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = frame.reformat(
                format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
            )
            frame.pts, frame.time_base = index, Fraction(1, FRAMES_PER_SECOND)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        block = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="s16", layout="stereo")
        block.sample_rate, block.pts, block.time_base = music.RATE_HZ, 0, Fraction(1, music.RATE_HZ)
        container.mux(audio.encode(block))
        container.mux(audio.encode())


def _write_animation(path: Path) -> None:
    first, *others = [scenes.flowers(index) for index in range(scenes.FLOWERS_FRAMES)]
    # One palette for all frames: what stands still stays the same to the byte, and costs nothing.
    palette = first.quantize(64)
    first, *others = [
        frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in (first, *others)
    ]
    first.save(
        path,
        save_all=True,
        append_images=others,
        duration=scenes.FLOWERS_FRAME_MS,
        loop=0,
        optimize=True,
        disposal=1,
    )


def main() -> None:
    """Read the command line and make the samples."""
    parser = argparse.ArgumentParser(description="Draws and scores the sample ads.")
    parser.add_argument(
        "--out", type=Path, default=sample_playlist().parent, help="folder to write to"
    )
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    make_samples(parser.parse_args().out)


if __name__ == "__main__":
    main()
