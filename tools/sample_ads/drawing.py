"""A drawing board for the sample ads: drawn at twice the size and reduced, for smooth edges."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence

Colour: TypeAlias = "tuple[int, int, int]"
Point: TypeAlias = "tuple[float, float]"

FINENESS = 2
"""How much larger than its outcome a picture is drawn."""

WHITE: Colour = (255, 255, 255)


def colour(code: str) -> Colour:
    """Return a colour from its six hexadecimal digits."""
    return int(code[0:2], 16), int(code[2:4], 16), int(code[4:6], 16)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return the colour between two, at `share` (0 to 1) of the way to the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def ramp(t: float, start: float, length: float) -> float:
    """Rise smoothly from 0 at `start` to 1 at `start + length`."""
    x = min(1.0, max(0.0, (t - start) / length))
    return x * x * (3 - 2 * x)


def spring(t: float, start: float, length: float) -> float:
    """Rise from 0 at `start`, overshoot a little, and settle at 1 about `length` later."""
    x = (t - start) / length
    return 0.0 if x <= 0 else 1 - math.exp(-5 * x) * math.cos(6.5 * x)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    # Pillow carries this face itself, so every machine draws the same letters.
    return ImageFont.load_default(size)


class Board:
    """A picture in progress; all measures are in pixels of the result.

    Args:
        width: Of the outcome.
        height: Of the outcome.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._image = Image.new("RGB", (width * FINENESS, height * FINENESS))
        self._draw = ImageDraw.Draw(self._image, "RGBA")

    def picture(self) -> Image.Image:
        """Return the result."""
        return self._image.reduce(FINENESS)

    def sky(self, stops: Sequence[tuple[float, Colour]]) -> None:
        """Fill the board from top to bottom with colours at places from 0 to 1."""
        places = [place for place, _ in stops]
        down = np.linspace(0, 1, self._image.height)
        column = np.stack(
            [np.interp(down, places, [c[channel] for _, c in stops]) for channel in range(3)],
            axis=1,
        )
        strip = Image.fromarray(np.round(column).astype(np.uint8)[:, None, :])
        self._image.paste(strip.resize(self._image.size))

    def glow(self, centre: Point, radius: float, tint: Colour, strength: float) -> None:
        """Draw a soft light that fades to nothing at `radius`."""
        side = max(2, round(2 * radius * FINENESS))
        mask = (
            _round_light(round(side / 16) * 16)
            .resize((side, side))
            .point([round(v * strength) for v in range(256)])
        )
        corner = (round((centre[0] - radius) * FINENESS), round((centre[1] - radius) * FINENESS))
        self._image.paste(Image.new("RGB", (side, side), tint), corner, mask)

    def shadow(self, outline: Sequence[Point], blur: float, opacity: float) -> None:
        """Draw the soft shadow of a shape."""
        mask = Image.new("L", (self.width, self.height))
        ImageDraw.Draw(mask).polygon(list(outline), fill=round(255 * opacity))
        mask = mask.filter(ImageFilter.GaussianBlur(blur)).resize(self._image.size)
        self._image.paste(Image.new("RGB", self._image.size, (20, 12, 8)), (0, 0), mask)

    def polygon(self, points: Sequence[Point], fill: Colour, opacity: float = 1.0) -> None:
        """Draw a filled shape."""
        self._draw.polygon(_fine(points), fill=(*fill, round(255 * opacity)))

    def line(
        self, points: Sequence[Point], fill: Colour, width: float, opacity: float = 1.0
    ) -> None:
        """Draw a line with round bends."""
        self._draw.line(
            _fine(points),
            fill=(*fill, round(255 * opacity)),
            width=max(1, round(width * FINENESS)),
            joint="curve",
        )

    def circle(self, centre: Point, radius: float, fill: Colour, opacity: float = 1.0) -> None:
        """Draw a filled circle."""
        self.ellipse(centre, radius, radius, fill, opacity)

    def ellipse(
        self, centre: Point, across: float, down: float, fill: Colour, opacity: float = 1.0
    ) -> None:
        """Draw a filled ellipse with its half axes."""
        x, y = centre[0] * FINENESS, centre[1] * FINENESS
        if across > 0 and down > 0:
            box = (
                x - across * FINENESS,
                y - down * FINENESS,
                x + across * FINENESS,
                y + down * FINENESS,
            )
            self._draw.ellipse(box, fill=(*fill, round(255 * opacity)))

    def text(
        self,
        at: Point,
        words: str,
        size: float,
        fill: Colour,
        *,
        opacity: float = 1.0,
        bold: bool = False,
        anchor: str = "ls",
        spacing: float = 0.0,
    ) -> float:
        """Write a line of text.

        Args:
            at: Where the anchor is.
            words: What to write.
            size: Height of the letters' field in pixels.
            fill: Colour.
            opacity: 0 to 1.
            bold: Whether the strokes are thickened.
            anchor: "ls" (left end of the base line), "ms" (its middle) or "rs".
            spacing: Pixels between letters beyond the usual.

        Returns:
            The width of the text.
        """
        if opacity <= 0:
            return 0.0
        font = _font(round(size * FINENESS))
        stroke = round(size * FINENESS * 0.022) if bold else 0
        advance = [
            font.getlength(letter) + (spacing + 2 * stroke / FINENESS) * FINENESS
            for letter in words
        ]
        width = sum(advance) - spacing * FINENESS
        x = at[0] * FINENESS - {"l": 0.0, "m": width / 2, "r": width}[anchor[0]]
        # Letters meet on one sheet first, so that a faint text has no darker overlaps.
        sheet = Image.new("L", self._image.size)
        pen = ImageDraw.Draw(sheet)
        for letter, step in zip(words, advance, strict=True):
            pen.text(
                (x, at[1] * FINENESS), letter, font=font, fill=255, anchor="ls", stroke_width=stroke
            )
            x += step
        box = sheet.getbbox()
        if box is not None:
            mask = sheet.crop(box).point([round(v * min(1.0, opacity)) for v in range(256)])
            self._image.paste(Image.new("RGB", mask.size, fill), (box[0], box[1]), mask)
        return width / FINENESS

    def upright_text(self, centre: Point, words: str, size: float, fill: Colour) -> None:
        """Write a line of text upwards, as on the back of a book."""
        font = _font(round(size * FINENESS))
        sheet = Image.new("L", (round(font.getlength(words)) + 8, round(size * FINENESS * 1.3)))
        ImageDraw.Draw(sheet).text(
            (4, sheet.height / 2), words, font=font, fill=255, anchor="lm", stroke_width=1
        )
        mask = sheet.transpose(Image.Transpose.ROTATE_90)
        corner = (
            round(centre[0] * FINENESS - mask.width / 2),
            round(centre[1] * FINENESS - mask.height / 2),
        )
        self._image.paste(Image.new("RGB", mask.size, fill), corner, mask)


def turned(points: Sequence[Point], centre: Point, degrees: float) -> list[Point]:
    """Return points turned clockwise about a centre."""
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    moved = [(x - centre[0], y - centre[1]) for x, y in points]
    return [
        (centre[0] + x * cosine - y * sine, centre[1] + x * sine + y * cosine) for x, y in moved
    ]


def rounded(left: float, top: float, width: float, height: float, radius: float) -> list[Point]:
    """Return the outline of a rectangle with round corners."""
    corners = [
        (left + width - radius, top + radius, -90),
        (left + width - radius, top + height - radius, 0),
        (left + radius, top + height - radius, 90),
        (left + radius, top + radius, 180),
    ]
    return [point for x, y, first in corners for point in arc((x, y), radius, first, first + 90)]


def arc(centre: Point, radius: float, first: float, last: float, steps: int = 16) -> list[Point]:
    """Return points on a circle between two angles in degrees, clockwise from the right."""
    angles = [math.radians(first + (last - first) * step / steps) for step in range(steps + 1)]
    return [
        (centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle))
        for angle in angles
    ]


def curve(points: Sequence[Point], steps: int = 12) -> list[Point]:
    """Return a smooth closed outline through points (Catmull and Rom's spline)."""
    outline: list[Point] = []
    count = len(points)
    for index in range(count):
        p0, p1, p2, p3 = (points[(index + shift) % count] for shift in (-1, 0, 1, 2))
        for step in range(steps):
            u = step / steps
            outline.append(
                (_spline(u, p0[0], p1[0], p2[0], p3[0]), _spline(u, p0[1], p1[1], p2[1], p3[1]))
            )
    return outline


def _spline(u: float, a: float, b: float, c: float, d: float) -> float:
    return 0.5 * (
        2 * b + (c - a) * u + (2 * a - 5 * b + 4 * c - d) * u * u + (3 * b - a - 3 * c + d) * u**3
    )


def _fine(points: Sequence[Point]) -> list[Point]:
    return [(x * FINENESS, y * FINENESS) for x, y in points]


@cache
def _round_light(side: int) -> Image.Image:
    half = np.linspace(-1, 1, max(2, side))
    distance = np.minimum(1.0, np.hypot(half[:, None], half[None, :]))
    return Image.fromarray(np.round(255 * (1 - distance) ** 2).astype(np.uint8))
