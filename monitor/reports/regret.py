"""The figure of `simulate`: how much reward each policy lost to the best choices."""

from __future__ import annotations

import base64
import io
import math
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import numpy as np

from monitor.analytics.errors import UnknownFormatError
from monitor.fonts import FAMILY, font_file
from monitor.palette import EMOTION_COLOURS, INK, LINE, MUTED
from monitor.reports.export import write_bytes
from monitor.reports.figures import path_data, spread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from monitor.analytics.metrics import Floats

    Point = tuple[float, float]
    Points = Sequence[Point]

FORMATS = ("png", "svg", "html")

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 1040, 560, 64, 900, 50, 500


def write_regret(curves: Mapping[str, Floats], out: Path) -> Path:
    """Draw the cumulative regret of each policy: mean, lowest and highest run.

    Args:
        curves: By the policy's name, shape `(runs, plays)`, sums that never fall. At most five.
        out: The file; its ending is one of `FORMATS`. Its absolute path is returned.

    Raises:
        UnknownFormatError: The ending is none of them.
        ReportWriteError: The file cannot be written.
    """
    ending = out.suffix.lstrip(".").lower()
    if ending not in FORMATS:
        raise UnknownFormatError(
            "Unknown format of a figure: expected a file that ends in "
            f"{', '.join('.' + name for name in FORMATS)}, received {out}."
        )
    if ending == "png":
        return write_bytes(_draw(_Png(), curves), out)
    svg = _draw(_Svg(), curves)
    if ending == "svg":
        return write_bytes(svg, out)
    runs, plays = next(iter(curves.values())).shape
    totals = ", ".join(f"{name} {curve[:, -1].mean():.1f}" for name, curve in curves.items())
    title = "Regret of policies"
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>body {{ font-family: sans-serif; color: {INK}; max-width: 70rem; "
        "margin: 2rem auto; padding: 0 1rem } img { width: 100%; height: auto }</style></head>\n"
        f"<body><h1>{title}</h1><p>What each policy lost to the best choices over {plays} plays, "
        f"mean of {runs} runs: {escape(totals)}. The band reaches from the lowest run to the "
        f'highest.</p><img alt="Regret over {plays} plays: {escape(totals)}" '
        f'src="data:image/svg+xml;base64,{base64.b64encode(svg).decode("ascii")}"></body></html>\n'
    )
    return write_bytes(page.encode("utf-8"), out)


class _Svg:
    def __init__(self) -> None:
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
            f'font-family="{FAMILY}, sans-serif" font-size="13">'
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>'
        ]

    def area(self, points: Points, colour: str) -> None:
        self._parts.append(f'<path d="{path_data([points])}Z" fill="{colour}" fill-opacity=".16"/>')

    def line(self, points: Points, colour: str, width: float) -> None:
        self._parts.append(
            f'<path d="{path_data([points])}" fill="none" stroke="{colour}" '
            f'stroke-width="{width}"/>'
        )

    def text(
        self, at: Point, words: str, colour: str, *, anchor: str = "start", bold: bool = False
    ) -> None:
        self._parts.append(
            f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="{anchor}" '
            f'font-weight="{700 if bold else 400}" '
            f'fill="{colour}">{escape(words)}</text>'
        )

    def content(self) -> bytes:
        return ("".join(self._parts) + "</svg>\n").encode()


class _Png:
    """Draws at twice the size, for dense screens."""

    def __init__(self) -> None:
        from PIL import Image, ImageDraw  # noqa: PLC0415 - only this format needs it

        self._image = Image.new("RGB", (2 * _WIDTH, 2 * _HEIGHT), "white")
        self._draw = ImageDraw.Draw(self._image, "RGBA")

    def area(self, points: Points, colour: str) -> None:
        self._draw.polygon([(2 * x, 2 * y) for x, y in points], fill=colour + "29")

    def line(self, points: Points, colour: str, width: float) -> None:
        self._draw.line(
            [(2 * x, 2 * y) for x, y in points], fill=colour, width=round(2 * width), joint="curve"
        )

    def text(
        self, at: Point, words: str, colour: str, *, anchor: str = "start", bold: bool = False
    ) -> None:
        from PIL import ImageFont  # noqa: PLC0415 - as above

        font = ImageFont.truetype(font_file("Bold" if bold else "Regular"), 26)
        place = {"start": "ls", "middle": "ms", "end": "rs"}[anchor]
        self._draw.text((2 * at[0], 2 * at[1]), words, colour, font, anchor=place)

    def content(self) -> bytes:
        out = io.BytesIO()
        self._image.save(out, "png")
        return out.getvalue()


def _draw(canvas: _Svg | _Png, curves: Mapping[str, Floats]) -> bytes:
    highest = max(float(curve.max()) for curve in curves.values()) or 1.0
    plays = max(curve.shape[1] for curve in curves.values())

    def x(play: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * play / plays

    def y(regret: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * regret / (1.05 * highest)

    title = "Regret: reward lost to the best choices so far (mean and range of the runs)"
    canvas.text((8, 20), title, INK, bold=True)
    for regret in _ticks(highest):
        canvas.line([(_LEFT, y(regret)), (_RIGHT, y(regret))], LINE, 1)
        canvas.text((_LEFT - 8, y(regret) + 4), f"{regret:g}", MUTED, anchor="end")
    for play in _ticks(plays):
        canvas.text((x(play), _BOTTOM + 20), f"{play:g}", MUTED, anchor="middle")
    canvas.text(((_LEFT + _RIGHT) / 2, _BOTTOM + 44), "plays", MUTED, anchor="middle")
    ends = [float(curve[:, -1].mean()) for curve in curves.values()]
    labels = spread([end / (1.05 * highest) for end in ends], gap=0.045)
    colours = [EMOTION_COLOURS[name] for name in ("sad", "angry", "disgust", "fear", "happy")]
    for (name, curve), colour, end, label in zip(
        curves.items(), colours, ends, labels, strict=False
    ):
        # As many points as the figure has room for.
        at = np.unique(np.linspace(0, curve.shape[1] - 1, 500).astype(np.int64))
        mean, low, high = (
            [
                (x(play + 1), y(value))
                for play, value in zip(at.tolist(), values[at].tolist(), strict=True)
            ]
            for values in (curve.mean(axis=0), curve.min(axis=0), curve.max(axis=0))
        )
        canvas.area([*high, *reversed(low)], colour)
        canvas.line(mean, colour, 2.4)
        height = _BOTTOM - (_BOTTOM - _TOP) * label
        canvas.text((_RIGHT + 8, height + 4), f"{name} {end:.1f}", colour, bold=True)
    return canvas.content()


def _ticks(highest: float) -> list[float]:
    """Return up to nine round values from 0 to the highest."""
    power = 10.0 ** math.floor(math.log10(highest))
    step = next(step for step in (0.2 * power, 0.5 * power, power, 2 * power) if highest / step < 8)
    return [place * step for place in range(math.floor(highest / step) + 1)]
