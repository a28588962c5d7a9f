"""Write clips whose colours are known exactly: RGB becomes YUV here, not in the library tested."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np

from tests.helpers.icc_profiles import of_light, to_light

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

WEIGHTS = {"601": (0.299, 0.114), "709": (0.2126, 0.0722), "2020": (0.2627, 0.0593)}
"""Of red and blue in the brightness, by ITU-R BT."""

TAGS = {None: 2, "601": 6, "709": 1, "2020": 9}
"""Matrices as files state them (ISO/IEC 23091-2); 2 is "unspecified"."""


@dataclass(frozen=True)
class Coding:
    """How pictures are stored in a clip.

    Attributes:
        pixels: FFmpeg's name of the pixel format.
        matrix: That the pictures are converted with.
        full: Whether values use the full range.
        stated: The matrix in the file; None for none.
        range_stated, transfer, primaries: As in ISO/IEC 23091-2; 0 and 2 are "unspecified".
        aspect: Width of a pixel by its height.
    """

    codec: str = "libx264"
    pixels: str = "yuv420p"
    matrix: str = "709"
    full: bool = False
    stated: str | None = "709"
    range_stated: int = 1
    transfer: int = 1
    primaries: int = 1
    aspect: Fraction | None = None
    rate: int = 25
    options: Mapping[str, str] = field(default_factory=lambda: {"qp": "0", "preset": "ultrafast"})


def write_clip(
    path: Path,
    pictures: Iterable[NDArray],
    coding: Coding = Coding(),
    stream_tags: Mapping[str, str] | None = None,
) -> Path:
    """Write pictures, `(height, width, 3 or 4)` RGB or RGBA, uint8 or in 0 to 1, as a clip."""
    with av.open(str(path), "w") as container:
        stream = drawn = None
        for number, picture in enumerate(pictures):
            if picture is not drawn:
                drawn, frame = picture, frame_of(picture, coding)
            frame.pts, frame.time_base = number, Fraction(1, coding.rate)
            if stream is None:
                stream = container.add_stream(coding.codec, rate=coding.rate)
                stream.width, stream.height = frame.width, frame.height
                stream.pix_fmt = coding.pixels
                stream.options = dict(coding.options)
                stream.metadata.update(stream_tags or {})
                context = stream.codec_context
                context.colorspace, context.color_range = frame.colorspace, frame.color_range
                context.color_trc, context.color_primaries = coding.transfer, coding.primaries
                if coding.aspect is not None:
                    context.sample_aspect_ratio = coding.aspect
            container.mux(stream.encode(frame))
        assert stream is not None
        container.mux(stream.encode())
    return path


def frame_of(picture: NDArray, coding: Coding) -> av.VideoFrame:
    """Return a picture in the pixel format of a clip: planes of YUV, grey or RGB, or packed ARGB."""
    rgba = picture / np.float32(255) if picture.dtype == np.uint8 else picture
    if coding.pixels in {"argb", "rgb24", "rgba"}:
        packed = np.round(rgba * 255).astype(np.uint8)
        ordered = packed[..., [3, 0, 1, 2]] if coding.pixels == "argb" else packed
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(ordered), format=coding.pixels)
    else:
        frame = av.VideoFrame(picture.shape[1], picture.shape[0], coding.pixels)
        for plane, values in zip(frame.planes, _planes(rgba, frame, coding), strict=True):
            _fill(plane, values)
    frame.colorspace = 0 if frame.format.is_rgb else TAGS[coding.stated]
    frame.color_range = coding.range_stated
    frame.color_trc, frame.color_primaries = coding.transfer, coding.primaries
    return frame


def _planes(rgba: NDArray, frame: av.VideoFrame, coding: Coding) -> list[NDArray]:
    """Return the values of each plane of a planar format, as stored."""
    bits = frame.format.components[0].bits
    most = (1 << bits) - 1
    red, green, blue = (rgba[..., index] for index in range(3))
    alpha = [rgba[..., 3] * most] if rgba.shape[2] == 4 and "a" in frame.format.name[:5] else []
    if frame.format.is_rgb:
        return [green * most, blue * most, red * most, *alpha]
    by_red, by_blue = WEIGHTS[coding.matrix]
    luma = by_red * red + (1 - by_red - by_blue) * green + by_blue * blue
    chromas = [(blue - luma) / (2 - 2 * by_blue), (red - luma) / (2 - 2 * by_red)]
    unit = 1 << (bits - 8)
    zero, reach, chroma_reach = (
        (0, most, most) if coding.full else (16 * unit, 219 * unit, 224 * unit)
    )
    planes = [zero + reach * luma]
    if len(frame.planes) > 1:
        down = math.ceil(frame.height / frame.planes[1].height)
        across = math.ceil(frame.width / frame.planes[1].width)
        planes += [(128 * unit + chroma_reach * chroma)[::down, ::across] for chroma in chromas]
    return planes + alpha


def _fill(plane, values: NDArray) -> None:
    deep = plane.line_size // plane.width >= 2
    rows = np.zeros((plane.height, plane.line_size // (2 if deep else 1)), "<u2" if deep else "u1")
    rows[:, : values.shape[1]] = np.round(values)
    plane.update(rows.tobytes())


def hdr_signal(picture: NDArray, transfer: int, white_nits: float = 203.0) -> NDArray:
    """Return an sRGB picture, uint8, as the signal of HDR in BT.2020.

    Args:
        transfer: 16 for PQ (SMPTE ST 2084), 18 for HLG on a screen of 1000 cd/m².
        white_nits: How bright sRGB's white is to be.
    """
    nits = to_light(picture) @ TO_BT2020.T * white_nits
    if transfer == 16:
        power = (nits / 10_000) ** 0.1593017578125
        return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    brightness = nits @ np.array([0.2627, 0.6780, 0.0593]) / 1000
    scene = nits / 1000 * np.maximum(brightness, 1e-9)[..., None] ** (1 / 1.2 - 1)
    high = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), high)


def wide_signal(picture: NDArray, matrix: NDArray) -> NDArray:
    """Return an sRGB picture, uint8, in wider primaries, with the same transfer."""
    return of_light(np.clip(to_light(picture) @ matrix.T, 0, 1)) / 255


TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
"""Linear RGB of BT.709 to that of BT.2020, as in ITU-R BT.2087."""

TO_P3 = np.array([[0.8225, 0.1775, 0.0], [0.0332, 0.9668, 0.0], [0.0171, 0.0724, 0.9105]])
"""Linear RGB of BT.709 to that of Display P3."""
