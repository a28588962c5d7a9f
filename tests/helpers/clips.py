"""Clips made of shots, for tests of scenes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COLOURS = ((200, 60, 40), (30, 120, 220), (240, 230, 90), (40, 160, 60), (150, 40, 160))


def write_shots(path: Path, lengths_s: Sequence[float], fps: int = 25) -> Path:
    """Write a clip of 160 x 90 of shots in different colours, each with a bar that moves."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        stream.options = {"crf": "18", "preset": "ultrafast"}
        for shot, length_s in enumerate(lengths_s):
            for number in range(round(length_s * fps)):
                picture = np.empty((90, 160, 3), np.uint8)
                picture[:] = COLOURS[shot % len(COLOURS)]
                left = (3 * number) % 140
                picture[30:60, left : left + 20] = 255
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
    return path
