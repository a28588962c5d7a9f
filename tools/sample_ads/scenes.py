"""The pictures of the sample ads, as functions of time: a second always looks the same."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from tools.sample_ads.drawing import (
    WHITE,
    Board,
    Colour,
    Point,
    arc,
    colour,
    curve,
    mix,
    ramp,
    rounded,
    spring,
    turned,
)

if TYPE_CHECKING:
    from PIL import Image

CLIP_SIZE = (1280, 720)
POSTER_SIZE = (1920, 1080)
BANNER_SIZE = (640, 360)


# --- Solina: a drink for summer -------------------------------------------------------------------

DRINK_S = 7.0
DRINK_BRAND_S = 4.2


def drink(t: float) -> Image.Image:
    """Draw the drink spot at `t` seconds."""
    board = Board(*CLIP_SIZE)
    board.sky(
        [
            (0, colour("ff6f61")),
            (0.45, colour("ff9a62")),
            (0.8, colour("ffc773")),
            (1, colour("ffe0a3")),
        ]
    )
    sun = (905.0, 330 - 50 * ramp(t, 0, 4))
    for ray in range(14):
        middle = ray * 360 / 14 + 4 * t
        board.polygon([sun, *arc(sun, 1400, middle - 5.5, middle + 5.5, 2)], WHITE, 0.055)
    board.glow(sun, 520, colour("fff3c4"), 0.75)
    board.circle(sun, 212, colour("fff0bd"))
    board.circle(sun, 200, colour("fff7dc"))
    _sea(board, t)
    _glass(board, t)
    _drink_words(board, t)
    return board.picture()


def _sea(board: Board, t: float) -> None:
    layers = (
        (575, 9, 210, 26, colour("35b6b4"), 0.55),
        (610, 11, 260, -36, colour("1f9ea8"), 0.75),
        (655, 12, 320, 44, colour("117a8b"), 1.0),
    )
    for level, height, length, speed, tint, opacity in layers:
        crest = [
            (
                float(x),
                level
                + height * math.sin((x + speed * t) * 2 * math.pi / length)
                + 3 * math.sin(x / 37 + 2 * t),
            )
            for x in range(0, 1281, 8)
        ]
        board.polygon([(0, 720), *crest, (1280, 720)], tint, opacity)


_GLASS_X, _GLASS_TOP, _GLASS_BOTTOM = 905.0, 210.0, 628.0


def _glass_half(y: float) -> float:
    """Return half the inner width of the glass at a height; it widens upwards."""
    return 92 + 34 * (_GLASS_BOTTOM - y) / (_GLASS_BOTTOM - _GLASS_TOP)


def _glass(board: Board, t: float) -> None:
    x = _GLASS_X
    board.ellipse((x + 10, _GLASS_BOTTOM + 18), 165, 17, colour("0b4f5c"), 0.45)
    wall = 9.0
    outside = [
        (x - _glass_half(_GLASS_TOP) - wall, _GLASS_TOP),
        (x + _glass_half(_GLASS_TOP) + wall, _GLASS_TOP),
        (x + _glass_half(_GLASS_BOTTOM) + wall, _GLASS_BOTTOM + 14),
        (x - _glass_half(_GLASS_BOTTOM) - wall, _GLASS_BOTTOM + 14),
    ]
    board.polygon(outside, WHITE, 0.28)
    _straw(board, t)
    surface = _GLASS_BOTTOM - (_GLASS_BOTTOM - 262) * ramp(t, 0.3, 1.9)
    _liquid(board, t, surface)
    _ice(board, t, surface)
    for side in (-1, 1):
        rim = x + side * (_glass_half(_GLASS_TOP) + wall / 2)
        foot = x + side * (_glass_half(_GLASS_BOTTOM) + wall / 2)
        board.line([(rim, _GLASS_TOP), (foot, _GLASS_BOTTOM + 12)], WHITE, 5, 0.75)
    board.line(
        [
            (x - _glass_half(_GLASS_BOTTOM) - 6, _GLASS_BOTTOM + 11),
            (x + _glass_half(_GLASS_BOTTOM) + 6, _GLASS_BOTTOM + 11),
        ],
        WHITE,
        8,
        0.7,
    )
    board.polygon([(x - 98, 236), (x - 76, 236), (x - 62, 560), (x - 76, 560)], WHITE, 0.3)
    _drops(board)
    slice_size = 74 * spring(t, 2.1, 0.55)
    if slice_size > 2:
        _orange_slice(
            board,
            (x + _glass_half(_GLASS_TOP) + 2, _GLASS_TOP + 6),
            slice_size,
            18 + 5 * math.sin(1.4 * t),
        )


def _straw(board: Board, t: float) -> None:
    drop = 240 * (1 - spring(t, 1.5, 0.6)) if t < 4 else 0.0
    if t < 1.5:
        return
    lower, upper = (_GLASS_X + 30, 590.0 - drop), (_GLASS_X - 92, 92.0 - drop)
    board.line([lower, upper], colour("fdf6ec"), 20)
    pieces = 18
    for piece in range(0, pieces, 2):
        ends = [
            (
                lower[0] + (upper[0] - lower[0]) * part / pieces,
                lower[1] + (upper[1] - lower[1]) * part / pieces,
            )
            for part in (piece, piece + 1)
        ]
        board.line(ends, colour("e8384f"), 20)


def _liquid(board: Board, t: float, surface: float) -> None:
    bands = 44
    depth = _GLASS_BOTTOM - surface
    if depth < 2:
        return
    for band in range(bands):
        top = surface + depth * band / bands
        low = surface + depth * (band + 1) / bands
        tint = mix(colour("ff8a2b"), colour("d81e4a"), (top - 262) / (_GLASS_BOTTOM - 262))
        shape = [
            (_GLASS_X - _glass_half(top), top),
            (_GLASS_X + _glass_half(top), top),
            (_GLASS_X + _glass_half(low), low),
            (_GLASS_X - _glass_half(low), low),
        ]
        board.polygon(shape, tint)
    board.ellipse((_GLASS_X, surface), _glass_half(surface), 9, colour("ffb25c"))
    for start, speed, place, size in _bubbles():
        rise = (start + speed * t) % 1.0
        y = _GLASS_BOTTOM - rise * depth
        sway = 5 * math.sin(9 * rise + 20 * start)
        board.circle(
            (_GLASS_X + place * (_glass_half(y) - 14) + sway, y),
            size,
            WHITE,
            0.5 * min(1, 6 * (1 - rise)),
        )


@cache
def _bubbles() -> list[tuple[float, float, float, float]]:
    rng = np.random.default_rng(5)
    return [
        (
            float(rng.random()),
            float(rng.uniform(0.22, 0.5)),
            float(rng.uniform(-1, 1)),
            float(rng.uniform(1.8, 5)),
        )
        for _ in range(60)
    ]


def _ice(board: Board, t: float, surface: float) -> None:
    cubes = ((-52, 34, 62, -14, 0.8), (36, 48, 70, 22, 1.15), (-14, 112, 58, 40, 1.45))
    for place, depth, side, tilt, start in cubes:
        fall = 460 * (1 - spring(t, start, 0.7)) if t < start + 3 else 0.0
        if t < start:
            continue
        bob = 4 * math.sin(1.9 * t + place)
        centre = (_GLASS_X + place, surface + depth + bob - fall)
        box = rounded(centre[0] - side / 2, centre[1] - side / 2, side, side, 12)
        board.polygon(turned(box, centre, tilt + 3 * math.sin(t + depth)), colour("fff4ea"), 0.5)
        inner = rounded(centre[0] - side / 2 + 9, centre[1] - side / 2 + 9, side - 26, side - 26, 9)
        board.polygon(turned(inner, centre, tilt + 3 * math.sin(t + depth)), WHITE, 0.35)


def _drops(board: Board) -> None:
    rng = np.random.default_rng(8)
    for _ in range(34):
        y = float(rng.uniform(290, 610))
        x = _GLASS_X + float(rng.uniform(-1, 1)) * _glass_half(y)
        size = float(rng.uniform(2, 4.6))
        board.ellipse((x, y), size, size * 1.25, WHITE, 0.42)
        board.circle((x - size / 3, y - size / 3), size / 3, WHITE, 0.8)


def _orange_slice(board: Board, centre: Point, radius: float, tilt: float) -> None:
    board.circle(centre, radius, colour("f26b21"))
    board.circle(centre, radius * 0.92, colour("fff1d6"))
    for piece in range(9):
        first = tilt + piece * 40 + 3.5
        tip = arc(centre, radius * 0.09, first + 16.5, first + 16.5, 1)[0]
        board.polygon([tip, *arc(centre, radius * 0.83, first, first + 33, 8)], colour("ff9a3d"))
        board.polygon(
            [tip, *arc(centre, radius * 0.6, first + 8, first + 25, 6)], colour("ffb566"), 0.8
        )


def _drink_words(board: Board, t: float) -> None:
    leaving = 1 - ramp(t, DRINK_BRAND_S - 0.45, 0.4)
    for words, start, line in (("Summer,", 0.5, 318), ("poured.", 1.2, 438)):
        shown = ramp(t, start, 0.6)
        board.text(
            (96 - 70 * (1 - shown) - 60 * (1 - leaving), line),
            words,
            124,
            WHITE,
            opacity=shown * leaving,
            bold=True,
        )
    shown = ramp(t, 2.2, 0.6)
    board.text((102, 506), "Blood orange soda, cold as it gets", 33, WHITE, opacity=shown * leaving)
    shown = ramp(t, DRINK_BRAND_S, 0.35)
    if shown <= 0:
        return
    rise = 40 * (1 - spring(t, DRINK_BRAND_S, 0.5))
    left, top = 92.0, 248 + rise
    board.polygon(rounded(left, top, 500, 150, 75), WHITE, shown)
    mark = (left + 82, top + 75)
    for ray in range(8):
        angle = ray * 45 + 15 * t
        ends = [arc(mark, reach, angle, angle, 1)[0] for reach in (34, 46)]
        board.line(ends, colour("ff8a2b"), 7, shown)
    board.circle(mark, 26, colour("e8384f"), shown)
    board.text(
        (left + 146, top + 101), "solina", 84, colour("d81e4a"), opacity=shown, bold=True, spacing=2
    )
    claim = ramp(t, DRINK_BRAND_S + 0.5, 0.5)
    board.text((100, 470), "The taste of six in the evening.", 37, WHITE, opacity=claim, bold=True)
    board.text(
        (100, 520),
        "No added sugar. In the cooler to your left.",
        28,
        WHITE,
        opacity=ramp(t, DRINK_BRAND_S + 1, 0.5),
    )


# --- Nordlys: flights for the weekend -------------------------------------------------------------

FLIGHT_S = 7.0
FLIGHT_BRAND_S = 4.6


def flight(t: float) -> Image.Image:
    """Draw the flight spot at `t` seconds."""
    board = Board(*CLIP_SIZE)
    day = ramp(t, 0.8, 4.2)
    board.sky(
        [
            (0, mix(colour("101436"), colour("3f6fb5"), day)),
            (0.4, mix(colour("262a63"), colour("8fb4de"), day)),
            (0.68, mix(colour("593b7d"), colour("ffd0a6"), day)),
            (1, mix(colour("8c4a80"), colour("ffe9c9"), day)),
        ]
    )
    for x, y, size, phase in _stars():
        board.circle((x, y), size, WHITE, (1 - day) * (0.55 + 0.4 * math.sin(3 * t + phase)))
    sun = (860.0, 560 - 190 * ramp(t, 1.0, 5))
    board.glow(sun, 430, colour("ffd9a0"), 0.25 + 0.6 * day)
    board.circle(sun, 66, mix(colour("ff9d6b"), colour("fff4d8"), day), ramp(t, 0.9, 1.5))
    _clouds(board, t, day)
    ridges = (
        (430, 90, 12, 3, mix(colour("3d3670"), colour("8fa3cf"), day)),
        (500, 100, 24, 7, mix(colour("2c2a5e"), colour("6581b5"), day)),
        (575, 105, 48, 12, mix(colour("1e1f4a"), colour("3f5f95"), day)),
        (650, 85, 95, 21, mix(colour("11133a"), colour("23406f"), day)),
    )
    for level, height, speed, seed, tint in ridges:
        _ridge(board, (level, height, seed), speed * t, tint, day)
    _plane(board, t)
    _flight_words(board, t)
    return board.picture()


@cache
def _stars() -> list[tuple[float, float, float, float]]:
    rng = np.random.default_rng(3)
    return [
        (
            float(rng.uniform(0, 1280)),
            float(rng.uniform(0, 400)),
            float(rng.uniform(0.7, 1.9)),
            float(rng.uniform(0, 6)),
        )
        for _ in range(130)
    ]


@cache
def _waves(seed: int) -> list[tuple[float, float, float]]:
    rng = np.random.default_rng(seed)
    return [
        (float(rng.uniform(0.6, 1)) / step**1.15, step / 520, float(rng.uniform(0, 6.28)))
        for step in range(1, 14)
    ]


def _ridge(
    board: Board, shape: tuple[float, float, int], shift: float, tint: Colour, day: float
) -> None:
    level, height, seed = shape
    crest = []
    for x in range(0, 1284, 4):
        # Folding the waves makes pointed summits of them.
        at = (x + shift) * 2 * math.pi
        up = sum(
            share * (1 - 2 * abs(math.sin(at * rate / 2 + phase)))
            for share, rate, phase in _waves(seed)
        )
        crest.append((float(x), level - height * up * 0.62))
    board.polygon([(0, 720), *crest, (1280, 720)], tint)
    mist = [(x, y + 46) for x, y in crest]
    board.polygon([(0, 720), *mist, (1280, 720)], WHITE, 0.035 + 0.05 * day)
    mist = [(x, y + 100) for x, y in crest]
    board.polygon([(0, 720), *mist, (1280, 720)], WHITE, 0.03 + 0.05 * day)


def _clouds(board: Board, t: float, day: float) -> None:
    for x, y, size, speed in (
        (160, 300, 1.0, 16),
        (560, 215, 0.75, 11),
        (1080, 275, 1.15, 19),
        (1420, 180, 0.8, 13),
    ):
        left = x - speed * t
        for dx, dy, across, down in (
            (0, 0, 120, 16),
            (-46, -10, 52, 17),
            (22, -17, 64, 22),
            (78, -6, 46, 14),
        ):
            centre = (left + dx * size, y + dy * size)
            board.ellipse(
                centre,
                across * size,
                down * size,
                mix(colour("6a5a9c"), WHITE, day),
                0.16 + 0.2 * day,
            )


def _plane(board: Board, t: float) -> None:
    along = ramp(t, 0.2, 7.4)
    x = -160 + 1560 * along
    y = 330 - 235 * math.sin(along * 2.1)
    tilt = -math.degrees(math.atan2(235 * 2.1 * math.cos(along * 2.1), 1560))
    trail = []
    for back in range(30):
        before = along - back * 0.011
        trail.append((-160 + 1560 * before - 40, 330 - 235 * math.sin(before * 2.1) + 12))
    for back in range(29):
        board.line(trail[back : back + 2], WHITE, 5 * (1 - back / 30), 0.5 * (1 - back / 30))
    body = curve(
        [
            (88, 0),
            (70, -9),
            (30, -13),
            (-60, -12),
            (-98, -5),
            (-96, 4),
            (-40, 12),
            (40, 12),
            (74, 8),
        ]
    )
    parts = (
        ([(-62, -10), (-96, -52), (-112, -52), (-98, -6)], colour("ff6b57")),
        ([(18, -8), (-44, -56), (-58, -56), (-22, -8)], colour("c7d3e6")),
        (body, colour("fbfdff")),
        ([(-98, 3), (-40, 12), (40, 12), (74, 8), (60, 2), (-60, 2)], colour("d5dfee")),
        ([(24, 4), (-56, 60), (-74, 60), (-28, 4)], colour("e9eff8")),
        ([(-66, 0), (-104, 22), (-116, 22), (-94, 0)], colour("ff6b57")),
        ([(72, -6), (60, -9), (58, -4), (76, -2)], colour("30436b")),
    )
    size = 0.95
    for outline, tint in parts:
        board.polygon(
            turned([(x + dx * size, y + dy * size) for dx, dy in outline], (x, y), tilt), tint
        )
    for window in range(9):
        spot = turned([(x + (44 - 11 * window) * size, y - 5 * size)], (x, y), tilt)[0]
        board.circle(spot, 2.4, colour("5b77a8"))


def _flight_words(board: Board, t: float) -> None:
    first = ramp(t, 0.4, 0.6) * (1 - ramp(t, 2.2, 0.5))
    board.text((92, 330), "Friday: desk.", 104, WHITE, opacity=first, bold=True)
    second = ramp(t, 2.6, 0.7) * (1 - ramp(t, FLIGHT_BRAND_S - 0.4, 0.4))
    board.text(
        (92 + 24 * (1 - ramp(t, 2.6, 1.2)), 330),
        "Saturday: here.",
        104,
        WHITE,
        opacity=second,
        bold=True,
    )
    shown = ramp(t, FLIGHT_BRAND_S, 0.4)
    if shown <= 0:
        return
    rise = 30 * (1 - spring(t, FLIGHT_BRAND_S, 0.6))
    for bow, tint in enumerate((colour("ff6b57"), colour("ffb347"), WHITE)):
        line = [(x, y + rise) for x, y in arc((146, 262), 54 - 15 * bow, 180, 360, 24)]
        board.line(line, tint, 9, shown)
    board.text((224, 266 + rise), "nordlys", 112, WHITE, opacity=shown, bold=True, spacing=3)
    claim = ramp(t, FLIGHT_BRAND_S + 0.5, 0.5)
    board.text((96, 340), "Weekend flights from 39", 42, WHITE, opacity=claim, bold=True)
    board.text(
        (96, 388),
        "Leave after work. Back before the coffee gets cold.",
        28,
        WHITE,
        opacity=ramp(t, FLIGHT_BRAND_S + 0.9, 0.5),
    )


# --- Brume: coffee --------------------------------------------------------------------------------


def coffee() -> Image.Image:
    """Draw the coffee poster."""
    board = Board(*POSTER_SIZE)
    board.sky([(0, colour("f3e3d0")), (1, colour("e2c6a8"))])
    for beam in range(4):
        left = -300 + beam * 620
        board.polygon(
            [(left, 0), (left + 260, 0), (left - 260, 1080), (left - 520, 1080)], WHITE, 0.16
        )
    centre = (620.0, 560.0)
    board.shadow(arc((centre[0] + 26, centre[1] + 34), 432, 0, 360, 60), 34, 0.42)
    board.circle(centre, 430, colour("f9f5ee"))
    board.circle(centre, 414, colour("efe7db"))
    board.circle(centre, 398, colour("faf7f1"))
    board.circle(centre, 318, colour("e6dccd"))
    handle = turned(rounded(centre[0] + 240, centre[1] - 38, 190, 76, 36), centre, -32)
    board.shadow([(x + 14, y + 18) for x, y in handle], 14, 0.3)
    board.polygon(handle, colour("fffdf9"))
    board.polygon(
        turned(rounded(centre[0] + 300, centre[1] - 16, 96, 32, 16), centre, -32), colour("d9ccba")
    )
    board.shadow(arc((centre[0] + 16, centre[1] + 22), 284, 0, 360, 60), 20, 0.4)
    board.circle(centre, 284, colour("fffdf9"))
    board.circle(centre, 262, colour("d8c7b0"))
    steps = 46
    for step in range(steps):
        tint = mix(colour("6b3f1f"), colour("b97a42"), (step / steps) ** 1.4)
        board.circle(
            centre, 254 - 1.2 * step if step < 12 else 254 - 1.2 * 12 - 2.4 * (step - 12), tint
        )
    _latte_art(board, centre)
    _spoon(board, centre)
    for x, y, tilt in (
        (1105, 905, 20),
        (1190, 960, -35),
        (1060, 985, 70),
        (170, 150, 35),
        (250, 108, -20),
        (1318, 934, 8),
    ):
        _bean(board, (x, y), tilt)
    ink = colour("43281a")
    board.text((1130, 370), "Slow", 168, ink, bold=True)
    board.text((1130, 540), "down.", 168, ink, bold=True)
    board.text((1136, 632), "Roasted on Tuesday,", 46, colour("6f4a33"))
    board.text((1136, 694), "in your cup by Friday.", 46, colour("6f4a33"))
    board.polygon(rounded(1136, 758, 84, 8, 4), colour("c9793b"))
    board.text((1136, 842), "BRUME COFFEE", 44, ink, bold=True, spacing=9)
    return board.picture()


def _latte_art(board: Board, centre: Point) -> None:
    milk, shade = colour("fbeedb"), colour("a86a37")
    for size, drop, tint in (
        (9.6, 0, milk),
        (7.9, 4, shade),
        (6.7, 2, milk),
        (5.0, 6, shade),
        (3.9, 4, milk),
    ):
        outline = []
        for step in range(120):
            a = math.radians(step * 3)
            x = 16 * math.sin(a) ** 3
            y = -(13 * math.cos(a) - 5 * math.cos(2 * a) - 2 * math.cos(3 * a) - math.cos(4 * a))
            outline.append((centre[0] + size * x, centre[1] + drop + size * y))
        board.polygon(turned(outline, centre, 18), tint)


def _spoon(board: Board, centre: Point) -> None:
    bowl = [
        (centre[0] - 338 + 34 * math.cos(a), centre[1] + 56 * math.sin(a))
        for a in np.linspace(0, 2 * math.pi, 48)
    ]
    stem = [
        (x, centre[1] + y)
        for x, y in (
            (centre[0] - 347, 40),
            (centre[0] - 329, 40),
            (centre[0] - 326, 330),
            (centre[0] - 350, 330),
        )
    ]
    for part in (bowl, stem):
        board.shadow(turned([(x + 10, y + 14) for x, y in part], centre, 24), 10, 0.3)
    for part, tint in ((stem, colour("b9b2a8")), (bowl, colour("c9c3ba"))):
        board.polygon(turned(part, centre, 24), tint)
    inner = [(x + (centre[0] - 338 - x) * 0.25, y + (centre[1] - y) * 0.25) for x, y in bowl]
    board.polygon(turned(inner, centre, 24), colour("e4dfd8"))


def _bean(board: Board, centre: Point, tilt: float) -> None:
    outline = [
        (centre[0] + 40 * math.cos(a), centre[1] + 27 * math.sin(a))
        for a in np.linspace(0, 2 * math.pi, 40)
    ]
    seam = [(centre[0] + x, centre[1] + 7 * math.sin(x / 12)) for x in range(-37, 38, 3)]
    board.shadow(turned([(x + 6, y + 9) for x, y in outline], centre, tilt), 7, 0.4)
    board.polygon(turned(outline, centre, tilt), colour("5a3218"))
    board.polygon(
        turned(
            [(x * 0.8 + centre[0] * 0.2 - 2, y * 0.8 + centre[1] * 0.2 - 3) for x, y in outline],
            centre,
            tilt,
        ),
        colour("6e4122"),
    )
    board.line(turned(seam, centre, tilt), colour("331a0b"), 5)


# --- Second Chapter: used books -------------------------------------------------------------------


def books() -> Image.Image:
    """Draw the bookshop poster."""
    board = Board(*POSTER_SIZE)
    board.sky([(0, colour("1f4a44")), (1, colour("163832"))])
    board.glow((1640, 300), 820, colour("ffd98a"), 0.34)
    board.text((118, 300), "Good books", 132, colour("fdf3df"), bold=True)
    board.text((118, 452), "find you twice.", 132, colour("fdf3df"), bold=True)
    board.text((124, 536), "Thousands of stories, already loved once.", 44, colour("b9d3c8"))
    _lamp(board)
    board.polygon([(0, 934), (1920, 934), (1920, 978), (0, 978)], colour("c98f55"))
    board.polygon([(0, 978), (1920, 978), (1920, 1000), (0, 1000)], colour("8d5c30"))
    board.polygon([(0, 1000), (1920, 1000), (1920, 1080), (0, 1080)], colour("102b27"))
    _shelf(board)
    _cat(board)
    board.polygon(rounded(1304, 1014, 6, 46, 3), colour("e8b04a"))
    board.text((1330, 1053), "SECOND CHAPTER", 40, colour("fdf3df"), bold=True, spacing=6)
    board.text((1284, 1050), "used books, open till nine", 32, colour("b9d3c8"), anchor="rs")
    return board.picture()


def _lamp(board: Board) -> None:
    board.line([(1640, 0), (1640, 150)], colour("0d211e"), 6)
    board.polygon(
        [(1640 - 46, 150), (1640 + 46, 150), (1640 + 120, 262), (1640 - 120, 262)], colour("e8b04a")
    )
    board.polygon(
        [(1640 - 46, 150), (1640 - 6, 150), (1640 - 40, 262), (1640 - 120, 262)], colour("f3c873")
    )
    board.ellipse((1640, 262), 120, 15, colour("fff1c9"))
    board.polygon([(1520, 266), (1760, 266), (1920, 934), (1300, 934)], colour("fff1c9"), 0.07)


_COVERS = (
    "d9534f",
    "e8b04a",
    "4b8fa8",
    "f0e4cc",
    "7a5c99",
    "6fa36b",
    "e07b4f",
    "2f5d8a",
    "c94f7c",
    "b8a07a",
)
_TITLES = (
    "THE LONG TIDE",
    "Salt & Cedar",
    "NORTH OF JUNE",
    "Small Hours",
    "ORCHARD",
    "A Map of Rain",
    "VESPER",
    "The Clockmaker",
    "HARBOUR",
    "Wild Thyme",
)


def _shelf(board: Board) -> None:
    rng = np.random.default_rng(21)
    x = 128.0
    for index in range(17):
        width = float(rng.uniform(46, 78))
        height = float(rng.uniform(236, 336))
        tint = colour(_COVERS[index % len(_COVERS)])
        lean = 0.0 if index not in {7, 16} else -9.0
        if lean:
            x += 40
        _book(board, (x, width, height), tint, _TITLES[(index * 3) % len(_TITLES)], lean)
        x += width + 4


def _book(
    board: Board, place: tuple[float, float, float], tint: Colour, title: str, lean: float
) -> None:
    left, width, height = place
    foot = (left, 934.0)
    spine = rounded(left, 934 - height, width, height, 5)
    ink = colour("3a2c20") if sum(tint) > 520 else colour("fdf3df")
    board.polygon(turned(spine, foot, lean), tint)
    edge = [
        (left + width - 9, 934 - height + 3),
        (left + width, 934 - height + 5),
        (left + width, 934),
        (left + width - 9, 934),
    ]
    board.polygon(turned(edge, foot, lean), (0, 0, 0), 0.14)
    shine = [
        (left + 5, 934 - height + 4),
        (left + 11, 934 - height + 4),
        (left + 11, 932),
        (left + 5, 932),
    ]
    board.polygon(turned(shine, foot, lean), WHITE, 0.22)
    for y in (934 - height + 26, 934 - height + 34, 934 - 40):
        band = [(left, y), (left + width, y), (left + width, y + 4), (left, y + 4)]
        board.polygon(turned(band, foot, lean), ink, 0.7)
    if not lean:
        board.upright_text(
            (left + width / 2, 934 - height / 2 + 8),
            title,
            min(27.0, width * 0.46, 1.65 * (height - 96) / len(title)),
            ink,
        )


def _cat(board: Board) -> None:
    fur, dark = colour("e6a15c"), colour("c57f3d")
    body = curve(
        [
            (1400, 934),
            (1392, 860),
            (1430, 790),
            (1520, 762),
            (1640, 772),
            (1722, 826),
            (1742, 900),
            (1730, 934),
        ]
    )
    board.shadow([(x + 4, y + 8) for x, y in body], 12, 0.3)
    for step in range(61):
        angle = math.radians(118 - 250 * step / 60)
        board.circle(
            (1750 + 58 * math.cos(angle), 866 + 52 * math.sin(angle)), 16 - 3 * step / 60, fur
        )
    board.polygon(body, fur)
    for x in (1560, 1610, 1660):
        board.line([(x, 768), (x + 14, 808), (x + 12, 846)], dark, 11, 0.8)
    head = (1436.0, 800.0)
    for side in (-1, 1):
        ear = [
            (head[0] + side * 70, head[1] - 20),
            (head[0] + side * 62, head[1] - 104),
            (head[0] + side * 12, head[1] - 62),
        ]
        board.polygon(ear, fur)
        board.polygon(
            [
                (x * 0.6 + (head[0] + side * 46) * 0.4, y * 0.6 + (head[1] - 58) * 0.4)
                for x, y in ear
            ],
            colour("f3c7a0"),
        )
    board.ellipse(head, 84, 72, fur)
    for x in (-18, 0, 18):
        board.line([(head[0] + x, head[1] - 68), (head[0] + x * 0.8, head[1] - 40)], dark, 8, 0.8)
    board.ellipse((head[0], head[1] + 30), 38, 26, colour("fbe6cd"))
    for side in (-1, 1):
        eye = (head[0] + side * 34, head[1] - 2)
        board.line(arc((eye[0], eye[1] - 8), 15, 20, 160, 12), colour("4a2d17"), 6)
        for whisker in (-6, 6):
            board.line(
                [
                    (head[0] + side * 40, head[1] + 28 + whisker / 2),
                    (head[0] + side * 104, head[1] + 22 + 2 * whisker),
                ],
                WHITE,
                2,
                0.8,
            )
    board.polygon(
        [(head[0] - 9, head[1] + 18), (head[0] + 9, head[1] + 18), (head[0], head[1] + 28)],
        colour("c9655a"),
    )
    board.line([(head[0], head[1] + 28), (head[0] - 12, head[1] + 38)], colour("4a2d17"), 4)
    board.line([(head[0], head[1] + 28), (head[0] + 12, head[1] + 38)], colour("4a2d17"), 4)
    for x in (1424, 1496):
        board.ellipse((x, 922), 38, 18, colour("fbe6cd"))


# --- Fleur & Fern: flowers ------------------------------------------------------------------------

FLOWERS_FRAMES = 25
FLOWERS_FRAME_MS = 80


def flowers(frame: int) -> Image.Image:
    """Draw one frame of the flower shop's banner; the last one leads back to the first."""
    board = Board(*BANNER_SIZE)
    board.sky([(0, colour("fdf1e7")), (1, colour("fdf1e7"))])
    turn = 2 * math.pi * frame / FLOWERS_FRAMES
    plants = (
        (468, 150, 74, 9, "f26b7a", "ffd166", 0.0),
        (576, 118, 50, 8, "f7a072", "fff1c9", 2.0),
        (388, 96, 44, 7, "b48ad6", "ffd166", 4.0),
        (562, 226, 46, 8, "ffffff", "f4b942", 1.2),
        (404, 216, 42, 7, "f5b7c6", "d9534f", 3.1),
    )
    for x, y, _, _, _, _, phase in plants:
        sway = 5 * math.sin(turn + phase)
        board.line(
            [(484, 366), ((x + 484) / 2 + sway / 2, (y + 366) / 2 + 14), (x + sway, y)],
            colour("3f7d58"),
            6,
        )
    for x, y, tilt, size in (
        (446, 286, -40, 54),
        (530, 290, 35, 56),
        (488, 316, 88, 40),
        (472, 340, -72, 62),
        (498, 342, 70, 62),
    ):
        _leaf(board, (x, y), size, tilt + 4 * math.sin(turn + x))
    for x, y, size, petals, tint, heart, phase in plants:
        centre = (x + 5 * math.sin(turn + phase), float(y))
        beat = math.sin(turn + phase)
        _flower(
            board,
            centre,
            size * (1 + 0.06 * beat),
            petals=petals,
            tints=(tint, heart),
            tilt=10 * beat,
        )
    ink = colour("2f4a3c")
    board.text((40, 142), "Say it", 58, ink, bold=True)
    board.text((40, 206), "in bloom.", 58, colour("d9506a"), bold=True)
    board.text((42, 246), "Fresh every day at eight", 20, ink)
    board.polygon(rounded(40, 276, 196, 40, 20), ink)
    board.text(
        (138, 303), "FLEUR & FERN", 19, colour("fdf1e7"), bold=True, anchor="ms", spacing=1.5
    )
    return board.picture()


def _leaf(board: Board, root: Point, length: float, tilt: float) -> None:
    x, y = root
    shape = curve(
        [
            (x, y),
            (x - length * 0.24, y - length * 0.5),
            (x, y - length),
            (x + length * 0.24, y - length * 0.5),
        ]
    )
    board.polygon(turned(shape, root, tilt), colour("57a773"))
    board.line(turned([root, (root[0], root[1] - length * 0.85)], root, tilt), colour("3f7d58"), 2)


def _flower(
    board: Board, centre: Point, size: float, *, petals: int, tints: tuple[str, str], tilt: float
) -> None:
    petal, heart = colour(tints[0]), colour(tints[1])
    deep = colour("d8cfc4") if petal == WHITE else colour("a0303f")
    for ring, (reach, share) in enumerate(((1.0, 0.0), (0.66, 0.5))):
        for index in range(petals):
            angle = tilt + (index + share) * 360 / petals
            tip = size * reach
            shape = curve(
                [
                    (centre[0], centre[1]),
                    (centre[0] - tip * 0.3, centre[1] - tip * 0.62),
                    (centre[0], centre[1] - tip),
                    (centre[0] + tip * 0.3, centre[1] - tip * 0.62),
                ],
                8,
            )
            shade = mix(petal, deep, 0.12 * (index % 2))
            board.polygon(turned(shape, centre, angle), mix(shade, WHITE, 0.22 * ring))
    board.circle(centre, size * 0.2, heart)
    board.circle(centre, size * 0.11, mix(heart, colour("a05a2c"), 0.4))
