"""Draws people whose faces the detector finds and the classifier reads.

Nobody is portrayed: every face is made of ellipses and curves. So the pictures of the documentation
show whole screens, camera preview included, without a picture of a person.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tools.sample_ads.drawing import Colour, Point, mix

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Shape: TypeAlias = "Callable[[ImageDraw.ImageDraw], None]"

UNIT_PX = 2.5
"""Pixels of a hundredth of the face's height while it is drawn."""
WIDTH, HEIGHT = 180, 260
"""Of a portrait, in hundredths of the face's height."""
CENTRE: Point = (90.0, 72.0)
"""Of the face in its portrait."""
WARM, PALE, BLACK = (60, 25, 15), (255, 245, 235), (0, 0, 0)


@dataclass(frozen=True)
class Looks:
    """What stays of a person: colours, and hair that is "long" or "short"."""

    skin: Colour
    hair: Colour
    shirt: Colour
    eyes: Colour
    style: str


@dataclass(frozen=True)
class Expression:
    """How much of each movement a face shows.

    Attributes:
        smile: -1 to 1; negative: the corners of the mouth hang.
        opened: The mouth, 0 to 1.
        brows: Raised, 0 to 1.
        frown: The brows, 1 for drawn together, -1 for worried.
        lids: Open eyes, 0 to 2; 1 is usual.
    """

    smile: float = 0.0
    opened: float = 0.0
    brows: float = 0.0
    frown: float = 0.0
    lids: float = 1.0

    def towards(self, other: Expression, share: float) -> Expression:
        """Return the expression at `share` (0 to 1) of the way to another."""
        return Expression(
            **{
                name: value + (getattr(other, name) - value) * share
                for name, value in vars(self).items()
            }
        )


NEUTRAL = Expression()
HAPPY = Expression(smile=1.0, opened=0.85)
SMILE = Expression(smile=0.7, opened=0.02)
SURPRISE = Expression(opened=0.9, brows=1.0, lids=1.8)
BLINK = Expression(lids=0.0)

PEOPLE = (
    Looks((226, 178, 150), (74, 48, 32), (52, 94, 140), (92, 120, 120), "long"),
    Looks((150, 100, 72), (28, 22, 20), (190, 90, 60), (60, 38, 24), "short"),
    Looks((240, 200, 176), (150, 98, 48), (70, 120, 90), (70, 95, 130), "short"),
    Looks((196, 146, 112), (40, 30, 28), (120, 84, 150), (70, 48, 30), "long"),
)


def portrait(looks: Looks, expression: Expression = NEUTRAL) -> NDArray[np.uint8]:
    """Draw a person from the front, looking ahead.

    Returns:
        RGBA, `(2.5 * HEIGHT, 2.5 * WIDTH, 4)`; transparent around the person.
    """
    return _Portrait(looks, expression).picture()


class _Portrait:
    """A portrait in progress; all measures are in hundredths of the face's height."""

    def __init__(self, looks: Looks, expression: Expression) -> None:
        self._looks, self._expression = looks, expression
        self._size = (round(WIDTH * UNIT_PX), round(HEIGHT * UNIT_PX))
        self._image = Image.new("RGB", self._size, looks.skin)
        skin = looks.skin
        self._dark, self._line = mix(skin, WARM, 0.35), mix(skin, (50, 20, 12), 0.6)
        self._light = mix(skin, PALE, 0.35)
        self._lips = mix(skin, (150, 40, 50), 0.45)

    def picture(self) -> NDArray[np.uint8]:
        self._draw_skin()
        for side in (-1, 1):
            self._draw_eye(side)
        self._draw_nose()
        self._draw_mouth()
        face, shape = self._image, self._head()
        self._image = Image.new("RGB", self._size, self._looks.skin)
        body = self._draw_body()
        self._image.paste(face, (0, 0), shape)
        covered = Image.fromarray(np.maximum(np.asarray(body), np.asarray(shape)))
        hair = self._draw_hair()
        covered = Image.fromarray(np.maximum(np.asarray(covered), np.asarray(hair)))
        self._image.putalpha(covered)
        return np.asarray(self._image.convert("RGBA"))

    def _at(self, x: float, y: float) -> Point:
        return (CENTRE[0] + x) * UNIT_PX, (CENTRE[1] + y) * UNIT_PX

    def _box(self, x: float, y: float, across: float, down: float) -> tuple[float, ...]:
        return *self._at(x - across, y - down), *self._at(x + across, y + down)

    def _points(self, points: Sequence[Point]) -> list[Point]:
        return [self._at(x, y) for x, y in points]

    def _mask(self, shape: Shape, blur: float = 0.0) -> Image.Image:
        mask = Image.new("L", self._size)
        shape(ImageDraw.Draw(mask))
        return mask.filter(ImageFilter.GaussianBlur(blur * UNIT_PX)) if blur else mask

    def _tint(self, shape: Shape, tint: Colour, blur: float, opacity: float = 1.0) -> None:
        mask = self._mask(shape, blur).point([round(v * opacity) for v in range(256)])
        self._image.paste(Image.new("RGB", self._size, tint), (0, 0), mask)

    def _ellipse(self, x: float, y: float, across: float, down: float) -> Shape:
        return lambda draw: draw.ellipse(self._box(x, y, across, down), fill=255)

    def _polygon(self, points: Sequence[Point]) -> Shape:
        return lambda draw: draw.polygon(self._points(points), fill=255)

    def _stroke(self, points: Sequence[Point], width: float) -> Shape:
        pixels = max(1, round(width * UNIT_PX))
        return lambda draw: draw.line(self._points(points), fill=255, width=pixels, joint="curve")

    def _head(self) -> Image.Image:
        jaw = 3 * self._expression.opened

        def shape(draw: ImageDraw.ImageDraw) -> None:
            for ellipse in ((0, -12, 38, 46), (0, 14, 32.5, 40 + jaw), (0, 30 + jaw, 22, 24)):
                draw.ellipse(self._box(*ellipse), fill=255)

        rounded = self._mask(shape, 2.2).point([255 * (v > 128) for v in range(256)])
        return rounded.filter(ImageFilter.GaussianBlur(0.6 * UNIT_PX))

    def _draw_skin(self) -> None:
        def edge(draw: ImageDraw.ImageDraw) -> None:
            draw.rectangle((0, 0, *self._size), fill=255)
            draw.ellipse((*self._at(-31, -52), *self._at(29, 54)), fill=0)

        one = self._expression
        self._tint(edge, self._dark, 7, 0.75)
        self._tint(self._ellipse(-2, -32, 18, 12), self._light, 7, 0.45)
        flush = mix(self._light, (225, 110, 95), 0.35)
        for side in (-1, 1):
            self._tint(self._ellipse(side * 16, -6.5, 11, 8.5), self._dark, 3, 0.55)
            self._tint(self._ellipse(side * 21, 18.5 - 4 * one.smile, 9, 6.5), flush, 4, 0.5)
            fold = [
                (
                    side * (9 + (13 + 3 * one.smile) * t * (1.25 - 0.25 * t)),
                    15 + (16 - 4 * one.smile) * t,
                )
                for t in np.linspace(0, 1, 12)
            ]
            depth = max(0.0, 0.28 + 0.4 * one.smile)
            self._tint(self._stroke(fold, 1.7), self._line, 1.1, depth)
        drop = 3 * one.opened
        self._tint(self._ellipse(0, 41 + 1.5 * drop, 12, 3), self._dark, 3, 0.35)
        self._tint(self._ellipse(0, 47 + 2 * drop, 8, 4), self._light, 3, 0.4)
        for row in range(3 if one.brows > 0.4 else 0):
            wrinkle = [(x, -33 + 4 * row + 1.5 * (x / 20) ** 2) for x in np.linspace(-19, 19, 15)]
            self._tint(self._stroke(wrinkle, 0.8), self._dark, 0.8, 0.8 * one.brows)

    def _draw_nose(self) -> None:
        self._tint(self._polygon([(3, -8), (8, 17), (3, 19)]), self._dark, 1.6, 0.75)
        self._tint(self._polygon([(-4, -8), (-8, 16), (-4, 18)]), self._dark, 2.4, 0.35)
        self._tint(self._ellipse(0, 15.5, 9, 4.5), self._dark, 2, 0.35)
        self._tint(self._ellipse(-0.2, 1, 1.4, 11), self._light, 1.4, 0.55)
        self._tint(self._ellipse(-0.5, 13, 3, 3), self._light, 1.5, 0.5)
        for side in (-1, 1):
            nostril = self._ellipse(side * 4.6, 17.6, 2.1, 1.3)
            self._tint(nostril, mix(self._line, (20, 5, 5), 0.4), 0.5, 0.9)

    def _draw_eye(self, side: int) -> None:
        one = self._expression
        x, y, half = side * 16.0, -6.0, 8.2
        opening = max(0.0, min(one.lids, 1) * 3.4 + 3.2 * max(0.0, one.lids - 1) - 0.9 * one.smile)

        def lid(height: float) -> list[Point]:
            return [
                (x + side * half * t, y - height * (1 - t * t) - 0.6 * t)
                for t in np.linspace(-1, 1, 21)
            ]

        upper, lower = lid(opening), lid(-0.72 * opening)
        if opening > 0.5:
            ball = Image.new("RGB", self._size, (236, 232, 228))
            draw = ImageDraw.Draw(ball)
            rings = (
                (4.1, mix(self._looks.eyes, BLACK, 0.4)),
                (3.5, self._looks.eyes),
                (1.7, BLACK),
            )
            for radius, tint in rings:
                draw.ellipse(self._box(x, y - 0.3, radius, radius), fill=tint)
            draw.ellipse(self._box(x - 1.3, y - 1.6, 0.7, 0.7), fill=(255, 255, 255))
            self._image.paste(ball, (0, 0), self._mask(self._polygon([*upper, *lower[::-1]]), 0.3))
        lash = mix(self._line, (20, 8, 8), 0.7)
        self._tint(self._stroke(upper, 1.5), lash, 0.15)
        self._tint(self._stroke(lower, 0.7), self._line, 0.2, 0.7)
        crease = [
            (x + side * half * t, y - opening - 3.1 + 1.7 * t * t)
            for t in np.linspace(-0.95, 0.95, 15)
        ]
        self._tint(self._stroke(crease, 1.1), self._line, 0.5, 0.7)
        above, below = [], []
        for t in np.linspace(-1, 1, 15):
            arch = -2.6 * (1 - (t - 0.25) ** 2) + 1.3 * t + 2.8 * one.frown * (0.2 - t)
            height, thick = -16.5 - 5 * one.brows + arch, 1.9 - 0.45 * (t + 1)
            place = x + side * (t * 10.5 + 0.8)
            above.append((place, height - thick))
            below.append((place, height + thick))
        brow = mix(self._looks.hair, (30, 18, 12), 0.4)
        self._tint(self._polygon([*above, *below[::-1]]), brow, 0.5, 0.92)

    def _draw_mouth(self) -> None:
        one = self._expression
        smile = max(0.0, one.smile)
        half = 13.5 + 5.5 * one.smile - 3.5 * max(0.0, one.opened - 0.35 * smile) * (1 - smile)
        upwards = 6.0 * one.smile - 2.5 * max(0.0, one.frown)
        gap_up = one.opened * (2.6 * (1 - smile) + 0.3 * smile)
        gap_down = one.opened * (11 * (1 - smile) + 7.2 * smile)
        steps = np.linspace(-1, 1, 41)

        def rim(gap: float) -> list[Point]:
            middle = 30 + 1.5 * one.opened + 0.35 * upwards
            return [
                (0.92 * half * t, middle - upwards * abs(t) ** 1.7 + gap * math.sqrt(1 - t * t))
                for t in steps
            ]

        upper, lower = rim(-gap_up), rim(gap_down)

        def lip(rim: list[Point], thickness: Callable[[float], float]) -> list[Point]:
            outside = [(half * t, y + thickness(t)) for t, (_, y) in zip(steps, rim, strict=True)]
            return [*outside, *rim[::-1]]

        def bow(t: float) -> float:
            full: float = 3.1 * (1 - abs(t) ** 1.6) - 0.9 * math.exp(-((t / 0.16) ** 2))
            return -full * (1 - 0.25 * smile)

        lower_lip = lip(lower, lambda t: 4.3 * (1 - abs(t) ** 2.2) * (1 - 0.15 * smile))
        self._tint(self._polygon(lip(upper, bow)), mix(self._lips, (60, 10, 20), 0.25), 0.35)
        self._tint(self._polygon(lower_lip), self._lips, 0.35)
        bottom = lower[20][1]
        shine = mix(self._lips, (255, 230, 225), 0.5)
        self._tint(self._ellipse(0, bottom + 2, 0.4 * half, 0.8), shine, 0.8, 0.5)
        if one.opened > 0.05:
            self._draw_teeth(upper, lower, half, smile)
        self._tint(self._stroke(upper, 0.9), (70, 20, 25), 0.1)
        for side in (-1, 1):
            corner = self._ellipse(side * (half + 1), 30 - 0.65 * upwards, 2, 2)
            self._tint(corner, self._line, 1, 0.6)

    def _draw_teeth(
        self, upper: list[Point], lower: list[Point], half: float, smile: float
    ) -> None:
        inside = Image.new("RGB", self._size, (52, 14, 18))
        draw = ImageDraw.Draw(inside)
        height = 2 + 3.2 * smile
        edge = [(x, y + height * math.sqrt(max(0.0, 1 - (x / half) ** 2))) for x, y in upper]
        row = [*((x, y - 1) for x, y in upper), *edge[::-1]]
        draw.polygon(self._points(row), fill=(240, 236, 228))
        draw.ellipse(self._box(0, lower[20][1] + 1.2, 8, 4.7), fill=(165, 70, 75))
        mouth = self._mask(self._polygon([*upper, *lower[::-1]]), 0.3)
        self._image.paste(inside, (0, 0), mouth)

    def _draw_body(self) -> Image.Image:
        """Draw shoulders, neck, ears and what hair hangs behind; return their shape."""
        shapes: list[tuple[Shape, Colour]] = []
        if self._looks.style == "long":
            fall = (*self._at(-46, -62), *self._at(46, 66))
            back = mix(self._looks.hair, BLACK, 0.25)
            shapes.append((lambda d: d.rounded_rectangle(fall, 40 * UNIT_PX, fill=255), back))
        trunk, neck = (
            (*self._at(-82, 78), *self._at(82, 260)),
            (*self._at(-19, 30), *self._at(19, 92)),
        )
        shapes += [
            (lambda d: d.rounded_rectangle(trunk, 45 * UNIT_PX, fill=255), self._looks.shirt),
            (lambda d: d.rounded_rectangle(neck, 14 * UNIT_PX, fill=255), self._dark),
            (self._ellipse(0, 87, 26, 13), self._dark),
            (self._ellipse(-39, 2, 6, 11), self._dark),
            (self._ellipse(39, 2, 6, 11), self._dark),
        ]
        whole = np.zeros(self._size[::-1], dtype=np.uint8)
        for shape, tint in shapes:
            self._tint(shape, tint, 0.3)
            whole = np.maximum(whole, np.asarray(self._mask(shape, 0.3)))
        return Image.fromarray(whole)

    def _draw_hair(self) -> Image.Image:
        """Draw the hair around the face; return its shape."""
        hair = np.array(self._mask(self._ellipse(0, -32, 44, 38)))
        parted = [(2.5, 8, 35.5, 52), (0, 19, 36, 41)]
        for ellipse in parted if self._looks.style == "long" else [(0, 17, 37, 53)]:
            hair[np.asarray(self._mask(self._ellipse(*ellipse))) > 0] = 0
        shape = Image.fromarray(hair).filter(ImageFilter.GaussianBlur(0.5 * UNIT_PX))
        self._image.paste(Image.new("RGB", self._size, self._looks.hair), (0, 0), shape)
        band = (*self._at(-34, -64), *self._at(30, -10))
        gloss = self._mask(lambda d: d.arc(band, 205, 300, fill=150, width=round(5 * UNIT_PX)), 2.5)
        gloss = Image.fromarray(np.minimum(np.asarray(gloss), np.asarray(shape)))
        self._image.paste(
            Image.new("RGB", self._size, mix(self._looks.hair, PALE, 0.3)), (0, 0), gloss
        )
        return shape
