"""Bring high dynamic range and wide gamuts to sRGB, by a cube of colours.

Diffuse white of HDR, 203 cd/m² (ITU-R BT.2408), becomes almost white, so texts and products look as
in a clip without HDR. Only highlights are compressed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

Transfer = Literal["pq", "hlg", "sdr"]

Cube = tuple[Transfer, int]
"""Which signals a cube converts: their transfer, and primaries as in ISO/IEC 23091-2."""

LEVEL = 7
"""The edge of the cube has `LEVEL` ** 2 points: greys are off by at most 1.3 levels of 255."""

WHITE_NITS = 203.0
PEAK_NITS = 1000.0
"""Of the screen that HLG and most PQ is made for; brighter light is cut to this."""

KNEE = 0.7
"""Light up to this share of diffuse white is kept as it is."""

# As numbered in ISO/IEC 23091-2.
BT2020 = 9
_TRANSFERS: dict[int, Transfer] = {16: "pq", 18: "hlg"}
_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
_PRIMARIES = {BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)), 11: _P3, 12: _P3}
_BT709 = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
_UNSTATED = 2


def cube_of(frame: VideoFrame) -> Cube | None:
    """Return the cube that a frame needs; None for most."""
    transfer = _TRANSFERS.get(frame.color_trc, "sdr")
    primaries = frame.color_primaries
    if transfer != "sdr" and primaries == _UNSTATED:
        primaries = BT2020
    return (transfer, primaries) if transfer != "sdr" or primaries in _PRIMARIES else None


@lru_cache(maxsize=4)
def hald_image(transfer: Transfer, primaries: int) -> NDArray[np.float32]:
    """Return sRGB for a grid of colours, in the layout of FFmpeg's filter haldclut.

    Returns:
        A square `(LEVEL ** 3, LEVEL ** 3, 3)` of float32, 0 to 1; red changes fastest.
    """
    axis = np.linspace(0.0, 1.0, LEVEL**2)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    shown = to_srgb(np.stack([red, green, blue], axis=-1), transfer, primaries)
    return shown.reshape(LEVEL**3, LEVEL**3, 3).astype(np.float32)


def to_srgb(signal: NDArray[np.float64], transfer: Transfer, primaries: int) -> NDArray[np.float64]:
    """Return sRGB, 0 to 1, for RGB signals `(..., 3)` from 0 to 1."""
    linear = _to_light(signal, transfer)
    if primaries in _PRIMARIES:
        linear = linear @ _to_bt709(primaries).T
    # Colours beyond BT.709 fade towards grey of the same brightness, and keep their hue.
    luma = linear @ np.array([0.2126, 0.7152, 0.0722])
    least = linear.min(axis=-1)
    share = np.where(least < 0, luma / np.maximum(luma - least, 1e-9), 1.0)[..., None]
    linear = luma[..., None] + share * (linear - luma[..., None])
    brightest = np.maximum(linear.max(axis=-1, keepdims=True), 1e-9)
    peak = 1.0 if transfer == "sdr" else PEAK_NITS / WHITE_NITS
    linear = np.clip(linear * _compressed(brightest, peak) / brightest, 0.0, 1.0)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def _to_light(signal: NDArray[np.float64], transfer: Transfer) -> NDArray[np.float64]:
    """Return light in multiples of diffuse white."""
    if transfer == "pq":  # SMPTE ST 2084
        root = signal ** (1 / 78.84375)
        light = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
        return np.asarray(10_000 / WHITE_NITS * light ** (1 / 0.1593017578125))
    if transfer == "hlg":  # ITU-R BT.2100, with the gamma of a screen of 1000 cd/m²
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
        brightness = scene @ np.array([0.2627, 0.6780, 0.0593])
        return np.asarray(PEAK_NITS / WHITE_NITS * scene * brightness[..., None] ** 0.2)
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def _compressed(light: NDArray[np.float64], peak: float) -> NDArray[np.float64]:
    """Keep light up to `KNEE`; compress the rest along a Möbius curve that takes peak to 1."""
    if peak <= 1:
        return np.minimum(light, 1.0)
    a = -(KNEE**2) * (peak - 1) / (KNEE**2 - 2 * KNEE + peak)
    b = (KNEE**2 - 2 * KNEE * peak + peak) / (peak - 1)
    scale = (b**2 + 2 * b * KNEE + KNEE**2) / (b - a)
    light = np.minimum(light, peak)
    # The curve has a pole below the knee.
    above = np.maximum(light, KNEE)
    return np.where(light <= KNEE, light, scale * (above + a) / (above + b))


def _to_bt709(primaries: int) -> NDArray[np.float64]:
    """Return the matrix from linear RGB of some primaries to that of BT.709."""
    found = np.linalg.inv(_to_xyz(_BT709)) @ _to_xyz(_PRIMARIES[primaries])
    return np.asarray(found, np.float64)


def _to_xyz(primaries: tuple[tuple[float, float], ...]) -> NDArray[np.float64]:
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in primaries]).T
    x, y = 0.3127, 0.3290
    white = np.linalg.solve(columns, np.array([x / y, 1.0, (1 - x - y) / y]))
    return np.asarray(columns * white, np.float64)
