"""The figures of a page, written as SVG that is set into it: curves, funnel, intervals, percentiles, gaps.

Written by hand rather than by a plotting library, because the page's own style sheet then reaches
every line (dark ground, print, a curve that is switched off), a script can place a cursor on the
curves, and a figure weighs a few kilobytes. Every element carries its light colours itself, so that
a figure also looks right where no style sheet reaches it, as in a PDF. Colours are Okabe and Ito's
palette, which colour-blind people can tell apart; each curve also has a dash pattern of its own and
its name at its end. The same data give the same text.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from detector.emotion.labels import EMOTIONS
from monitor.reports.formatting import signed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COLOURS = {
    "angry": "#D55E00",
    "disgust": "#009E73",
    "fear": "#CC79A7",
    "happy": "#E69F00",
    "sad": "#0072B2",
    "surprise": "#56B4E9",
    "neutral": "#6B7280",
}
"""Okabe and Ito 2008; neutral in grey."""

DASHES = {
    "angry": "10 3",
    "disgust": "2 2.5",
    "fear": "7 3 2 3",
    "happy": "",
    "sad": "14 4",
    "surprise": "9 3 2 3 2 3",
    "neutral": "4 4",
}
"""Dash patterns, as SVG writes them; happy is drawn through."""

INK, MUTED, GRID, ACCENT, BARS = "#14213d", "#5b6478", "#e3e6ec", "#0b5394", "#ccd4e2"

NAMED_FROM = 0.08
"""A curve whose largest value is below this share is in the legend and the table, but has no name at its end."""

MOST_DOTS = 30
"""A curve of more seconds has no dots on its points: they would hide it."""

_TICKS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600)


@dataclass(frozen=True, slots=True)
class Layout:
    """Size of the curves of an ad, in CSS pixels at full size.

    Attributes:
        name: Of the layout, for the style sheet.
        width: Of the whole figure. left, right: Margins beside the panels; names of the curves go
        into the right one. The page gives the film strip
            the same margins.
        text: Font size.
        panels: Heights of the panels of valence, emotions, attention and viewers.
        ticks: At most so many on the time axis.
    """

    name: str
    width: int
    left: int
    right: int
    text: float
    panels: tuple[int, int, int, int]
    ticks: int

    @property
    def plot(self) -> int:
        """Width of the panels."""
        return self.width - self.left - self.right

    @property
    def title_height(self) -> float:
        """Room for the title between two panels, and for the lowest number of the one above."""
        return self.text * 3 + 6


WIDE = Layout("wide", 1040, 52, 92, 13, (190, 200, 66, 44), 20)
NARROW = Layout("narrow", 380, 40, 64, 11.5, (170, 190, 60, 44), 8)
PRINT = Layout("print", 760, 46, 80, 10.5, (92, 98, 28, 22), 16)

_AXIS_HEIGHT = 26
_BRAND_HEIGHT = 20


def valence_range(values: Sequence[float | None]) -> tuple[float, float]:
    """Returns the ends of a valence axis that shows all values and 0, in quarters; one for all ads of a report."""
    known = [value for value in values if value is not None]
    low, high = min([*known, -0.25]), max([*known, 0.25])
    return max(-1.0, math.floor(low * 4 + 1e-9) / 4), min(1.0, math.ceil(high * 4 - 1e-9) / 4)


def axis_end(ad: dict[str, Any]) -> float:
    """Returns where the time axis of an ad ends, in seconds: an ad may run longer than its file says."""
    return max(float(ad["duration_s"] or 0.0), float(len(ad["timeline"]) - 1) + 0.2)


def middles(ad: dict[str, Any]) -> list[float]:
    """Returns where the points of the curves stand: in the middle of each second, of the last one in the middle of what
    the ad has of it."""
    end = axis_end(ad)
    starts = [float(second["second"]) for second in ad["timeline"]]
    return [(start + min(start + 1.0, max(end, start + 0.2))) / 2 for start in starts]


def ad_figure(ad: dict[str, Any], layout: Layout, *, reach: tuple[float, float]) -> str:
    """Draws valence with its interval and the brand marks, the emotions, the attention rate, and the number of viewers.

    Args:
        ad: An entry of `ads` of the report.
        layout: `WIDE`, `NARROW` or `PRINT`.
        reach: Ends of the valence axis, from `valence_range`.

    Returns:
        An `<svg>` element. `data-left`, `data-plot` and `data-end` tell a script where the panels
        begin, how wide they are and how many seconds that is; the line of class `cursor` is its to
        move.
    """
    canvas = _Canvas(layout, axis_end(ad))
    tops: list[float] = []
    y = 0.0
    for height in layout.panels:
        y += layout.title_height if tops else layout.text * 2.4
        tops.append(y)
        y += height
    bottom = y
    _draw_valence(canvas, ad, tops[0], layout.panels[0], reach)
    _draw_emotions(canvas, ad, tops[1], layout.panels[1])
    _draw_attention(canvas, ad, tops[2], layout.panels[2])
    _draw_viewers(canvas, ad, tops[3], layout.panels[3])
    foot = _draw_brand(canvas, ad, tops[0], bottom)
    _draw_axis(canvas, bottom)
    canvas.add(
        f'<line class="cursor" x1="0" x2="0" y1="{tops[0] - 6:g}" y2="{bottom:g}" stroke="{INK}" stroke-width="1.5" '
        'visibility="hidden"/>'
    )
    return canvas.svg(
        bottom + _AXIS_HEIGHT + foot,
        f'data-left="{layout.left}" data-plot="{layout.plot}" data-end="{_n(canvas.end)}"',
    )


class _Canvas:
    """Collects the elements of one figure with a time axis."""

    def __init__(self, layout: Layout, end: float) -> None:
        self.layout = layout
        self.end = end
        self._parts: list[str] = []

    def add(self, part: str) -> None:
        self._parts.append(part)

    def x(self, second: float) -> float:
        return self.layout.left + self.layout.plot * second / self.end

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        css: str = "m",
        anchor: str = "start",
        bold: bool = False,
    ) -> None:
        fill = {"m": MUTED, "t": INK, "v": ACCENT}[css]
        weight = ' font-weight="700"' if bold else ""
        self.add(
            f'<text class="{css}" x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}" fill="{fill}"{weight}>'
            f"{escape(words)}</text>"
        )

    def title(self, top: float, words: str, note: str = "") -> None:
        width = self.layout.width
        self.text(0, top - self.layout.text * 1.3, words, css="t", bold=True)
        if note:
            self.text(width, top - self.layout.text * 1.3, note, anchor="end")

    def rule(self, y: float, css: str = "g", colour: str = GRID) -> None:
        left, right = self.layout.left, self.layout.left + self.layout.plot
        self.add(
            f'<line class="{css}" x1="{left}" x2="{right}" y1="{_n(y)}" y2="{_n(y)}" stroke="{colour}"/>'
        )

    def tick(self, y: float, words: str) -> None:
        self.text(self.layout.left - 8, y + self.layout.text * 0.35, words, anchor="end")

    def svg(self, height: float, extra: str) -> str:
        layout = self.layout
        return (
            f'<svg class="{layout.name}" viewBox="0 0 {layout.width} {_n(height)}" width="{layout.width}" '
            f'height="{_n(height)}" font-size="{layout.text:g}" aria-hidden="true" focusable="false" {extra}>'
            + "".join(self._parts)
            + "</svg>"
        )


def _n(value: float) -> str:
    """Writes a coordinate shortly, to a tenth of a pixel."""
    return f"{round(value, 1) + 0.0:g}"


def _runs(points: Iterable[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """Splits a curve where a value is not known."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is not None:
            runs[-1].append((x, y))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def path_data(runs: Iterable[Sequence[tuple[float, float]]]) -> str:
    """Return the `d` of an SVG path through some runs of points."""
    return "".join("M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in run) for run in runs)


def _dots(runs: list[list[tuple[float, float]]], radius: float, css: str, colour: str) -> str:
    return "".join(
        f'<circle class="{css}" cx="{_n(x)}" cy="{_n(y)}" r="{radius:g}" fill="{colour}"/>'
        for run in runs
        for x, y in run
    )


def _draw_valence(
    canvas: _Canvas, ad: dict[str, Any], top: float, height: float, reach: tuple[float, float]
) -> None:
    layout, seconds = canvas.layout, ad["timeline"]
    low_end, high_end = reach
    scale = height / (high_end - low_end)

    def y(value: float) -> float:
        return top + (high_end - value) * scale

    wide = layout is not NARROW
    canvas.title(
        top, "Valence", "mean over viewers, with its 95% interval" if wide else "mean, 95% interval"
    )
    step = 0.25 if high_end - low_end <= 1.25 else 0.5
    for number in range(math.ceil(low_end / step), math.floor(high_end / step) + 1):
        tick = number * step
        canvas.rule(y(tick), *(("z", MUTED) if tick == 0 else ()))
        canvas.tick(y(tick), signed(tick))
    xs = [canvas.x(middle) for middle in middles(ad)]
    band: list[list[tuple[float, float, float]]] = [[]]
    for x, second in zip(xs, seconds, strict=True):
        if second["valence_low"] is not None:
            band[-1].append((x, y(second["valence_low"]), y(second["valence_high"])))
        elif band[-1]:
            band.append([])
    for run in band:
        if len(run) == 1:
            x, low, high = run[0]
            run[:] = [(x - 3, low, high), (x + 3, low, high)]
        if run:
            edge = [(x, high) for x, _, high in run] + [(x, low) for x, low, _ in reversed(run)]
            canvas.add(
                f'<path class="band" d="{path_data([edge])}Z" fill="{ACCENT}" fill-opacity=".16"/>'
            )
    places = [None if second["valence"] is None else y(second["valence"]) for second in seconds]
    runs = _runs(zip(xs, places, strict=True))
    canvas.add(
        f'<path class="v" d="{path_data(runs)}" fill="none" stroke="{ACCENT}" stroke-width="2.4" stroke-linejoin="round"/>'
    )
    canvas.add(
        _dots(
            runs if len(seconds) <= MOST_DOTS else [run for run in runs if len(run) == 1],
            3.2,
            "vd",
            ACCENT,
        )
    )
    for moment in ad["moments"]:
        if moment["kind"] not in {"peak", "trough"}:
            continue
        above = moment["kind"] == "peak"
        second = moment["second"]
        # Names at the ends of the curve stay inside the panel.
        anchor = {0: "start", len(xs) - 1: "end"}.get(second, "middle")
        at, place = xs[second], places[second]
        if place is None:
            continue
        canvas.add(
            f'<circle class="vr" cx="{_n(at)}" cy="{_n(place)}" r="6" fill="none" stroke="{ACCENT}" stroke-width="2"/>'
        )
        shift = -12.0 if above else 12 + layout.text * 0.8
        place = min(max(place + shift, top + 2), top + height + layout.text)
        name = "peak" if above else "low"
        canvas.text(
            at, place, f"{name} {signed(moment['value'])}", css="v", anchor=anchor, bold=True
        )


def _draw_emotions(canvas: _Canvas, ad: dict[str, Any], top: float, height: float) -> None:
    layout, seconds = canvas.layout, ad["timeline"]

    def y(share: float) -> float:
        return top + (1 - share) * height

    canvas.title(
        top,
        "Emotions",
        "mean probability over viewers" if layout is not NARROW else "mean probability",
    )
    for share in (0, 0.25, 0.5, 0.75, 1):
        canvas.rule(y(share))
        canvas.tick(y(share), f"{share:.0%}")
    xs = [canvas.x(middle) for middle in middles(ad)]
    ends: list[tuple[float, str, float, float]] = []
    for emotion in EMOTIONS:
        shares = [
            None if s["probabilities"] is None else s["probabilities"][emotion] for s in seconds
        ]
        runs = _runs(
            (x, None if share is None else y(share)) for x, share in zip(xs, shares, strict=True)
        )
        if not runs:
            continue
        known = [share for share in shares if share is not None]
        named = max(known) >= NAMED_FROM
        dash = f' stroke-dasharray="{DASHES[emotion]}"' if DASHES[emotion] else ""
        colour = COLOURS[emotion]
        canvas.add(
            f'<g class="emotion e-{emotion}" data-emotion="{emotion}"><path d="{path_data(runs)}" fill="none" stroke="{colour}" '
            f'stroke-width="{2.2 if named else 1.3}" stroke-linejoin="round"{dash}/>'
            + (_dots([run for run in runs if len(run) == 1], 2.4, "ed", colour))
            + "</g>"
        )
        if named:
            x, place = runs[-1][-1]
            ends.append((1 - (place - top) / height, emotion, x, place))
    places = spread([value for value, *_ in ends], gap=layout.text * 1.25 / height)
    for (_, emotion, x, at), place in zip(ends, places, strict=True):
        label = layout.left + layout.plot + 14
        canvas.add(
            f'<g class="emotion e-{emotion}" data-emotion="{emotion}"><path class="lead" d="M{_n(x + 3)} {_n(at)}'
            f'L{_n(label - 4)} {_n(y(place))}" fill="none" stroke="{COLOURS[emotion]}" stroke-width="1"/>'
        )
        canvas.text(label, y(place) + layout.text * 0.35, emotion, css="t")
        canvas.add("</g>")


def _draw_attention(canvas: _Canvas, ad: dict[str, Any], top: float, height: float) -> None:
    def y(share: float) -> float:
        return top + (1 - share) * height

    canvas.title(
        top,
        "Attention",
        "share of viewers turned to the screen"
        if canvas.layout is not NARROW
        else "turned to the screen",
    )
    for share in (0, 0.5, 1):
        canvas.rule(y(share))
        canvas.tick(y(share), f"{share:.0%}")
    points: list[tuple[float, float | None]] = []
    for second in ad["timeline"]:
        start = float(second["second"])
        place = None if second["attention"] is None else y(second["attention"])
        points += [(canvas.x(start), place), (canvas.x(min(start + 1, canvas.end)), place)]
    canvas.add(
        f'<path class="a" d="{path_data(_runs(points))}" fill="none" stroke="{INK}" stroke-width="2.2"/>'
    )


def _draw_viewers(canvas: _Canvas, ad: dict[str, Any], top: float, height: float) -> None:
    counts = [second["n"] for second in ad["timeline"]]
    most = max([*counts, 1])
    canvas.title(
        top, "Viewers", "in view in each second" if canvas.layout is not NARROW else "in view"
    )
    for second in ad["timeline"]:
        left = canvas.x(float(second["second"]))
        right = canvas.x(min(float(second["second"]) + 1, canvas.end))
        tall = height * second["n"] / most
        canvas.add(
            f'<rect class="bar" x="{_n(left + 1)}" y="{_n(top + height - tall)}" width="{_n(max(right - left - 2, 1))}" '
            f'height="{_n(tall)}" fill="{BARS}"/>'
        )
    canvas.rule(top + height, "z", MUTED)
    canvas.tick(top + 4, f"{most}")
    canvas.tick(top + height, "0")


def _draw_brand(canvas: _Canvas, ad: dict[str, Any], top: float, bottom: float) -> float:
    """Draws a line where the brand shows, named below the axis; returns the height that this takes."""
    marks = [mark for mark in ad["brand_at_s"] if mark <= canvas.end]
    for mark in marks:
        x = canvas.x(mark)
        foot = bottom + _AXIS_HEIGHT
        canvas.add(
            f'<path class="brand" d="M{_n(x)} {_n(top)}V{_n(bottom)}M{_n(x)} {_n(foot - 3)}V{_n(foot + 3)}" stroke="{INK}" '
            'stroke-width="1.2" stroke-dasharray="1.5 3"/>'
        )
        canvas.text(x, foot + canvas.layout.text + 3, "brand", css="t", anchor="middle")
    return _BRAND_HEIGHT if marks else 0


def _draw_axis(canvas: _Canvas, bottom: float) -> None:
    layout, end = canvas.layout, canvas.end
    step = next((step for step in _TICKS_S if end / step <= layout.ticks), 3600)
    for second in range(0, math.floor(end) + 1, step):
        canvas.text(canvas.x(second), bottom + layout.text + 6, f"{second} s", anchor="middle")


def spread(values: list[float], gap: float) -> list[float]:
    """Moves label positions in `[0, 1]` apart so that neighbours are at least `gap` from each other."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    places = list(values)
    floor = 0.0
    for i in order:
        places[i] = max(places[i], floor)
        floor = places[i] + gap
    ceiling = 1.0
    for i in reversed(order):
        places[i] = min(places[i], ceiling)
        ceiling = places[i] - gap
    return places


# --- small figures --------------------------------------------------------------------------------


def funnel_figure(funnel: dict[str, Any]) -> str:
    """Draws how many of those who could see the ad watched it, and how many it held, as bars below each other.

    Args:
        funnel: `funnel` of an entry of `ads`; a count that is not known is left out.
    """
    steps = [
        ("in view", funnel["opportunities"]),
        ("watched", funnel["watchers"]),
        ("held", funnel["held"]),
    ]
    most = max([count for _, count in steps if count], default=1)
    parts = []
    for row, (name, count) in enumerate(steps):
        if count is None:
            continue
        y = 26 * row
        width = max(2.0, 196 * count / most)
        share = "" if row == 0 else f" ({count / most:.0%})"
        parts.append(
            f'<text class="m" x="0" y="{y + 15}" fill="{MUTED}">{name}</text>'
            f'<rect class="step s{row}" x="62" y="{y + 1}" width="{_n(width)}" height="20" rx="3" fill="{ACCENT}" '
            f'fill-opacity="{(1, 0.72, 0.45)[row]}"/>'
            f'<text class="t" x="{_n(62 + width + 8)}" y="{y + 15}" fill="{INK}" font-weight="700">{count:,}{share}</text>'
        )
    return _small("funnel", 340, 74, parts)


def interval_figure(mean: float, low: float | None, high: float | None, reach: float) -> str:
    """Draws a mean as a dot and its interval as a bar on an axis from `-reach` to `reach`, 0 in the middle."""
    scale = 94 / reach
    parts = [
        f'<line class="g" x1="6" x2="194" y1="11" y2="11" stroke="{GRID}"/>',
        f'<line class="z" x1="100" x2="100" y1="0" y2="22" stroke="{MUTED}"/>',
    ]
    if low is not None and high is not None:
        parts.append(
            f'<line class="range" x1="{_n(100 + scale * low)}" x2="{_n(100 + scale * high)}" y1="11" y2="11" '
            f'stroke="{ACCENT}" stroke-width="6" stroke-linecap="round" stroke-opacity=".34"/>'
        )
    parts.append(
        f'<circle class="vd" cx="{_n(100 + scale * mean)}" cy="11" r="5" fill="{ACCENT}"/>'
    )
    return _small("interval", 200, 22, parts)


def share_figure(share: float) -> str:
    """Draws a share from 0 to 1 as a bar on a track."""
    return _small(
        "share",
        200,
        10,
        [
            '<rect class="track" width="200" height="10" rx="5" fill="#eef0f4"/>',
            f'<rect class="fill" width="{_n(max(200 * share, 2))}" height="10" rx="5" fill="{ACCENT}"/>',
        ],
    )


def percentile_figure(percentile: float) -> str:
    """Draws a place among others, 0 to 100, as a mark on a line with its middle marked."""
    x = 6 + 188 * percentile / 100
    return _small(
        "percentile",
        200,
        18,
        [
            '<rect class="track" x="6" y="6" width="188" height="6" rx="3" fill="#eef0f4"/>',
            f'<line class="z" x1="100" x2="100" y1="2" y2="16" stroke="{MUTED}"/>',
            f'<circle class="vd" cx="{_n(x)}" cy="9" r="6" fill="{ACCENT}"/>',
        ],
    )


def gap_figure(stretches: Iterable[tuple[float, float]]) -> str:
    """Draws the time that a report covers as a line, and what of it could not be measured as gaps in it.

    Args:
        stretches: Start and end of each gap as shares of the whole time, 0 to 1.
    """
    parts = [
        f'<rect class="measured" x="0" y="4" width="1000" height="20" rx="3" fill="{ACCENT}" fill-opacity=".3"/>'
    ]
    for start, end in stretches:
        parts.append(
            f'<rect class="gap" x="{_n(1000 * start)}" y="0" width="{_n(max(1000 * (end - start), 2))}" height="28" '
            'fill="#D55E00"/>'
        )
    return _small("gaps", 1000, 28, parts, stretch=True)


def _small(
    name: str, width: int, height: int, parts: Iterable[str], *, stretch: bool = False
) -> str:
    shape = ' preserveAspectRatio="none"' if stretch else ""
    return (
        f'<svg class="{name}" viewBox="0 0 {width} {height}" width="{width}" height="{height}"{shape} font-size="13" '
        'aria-hidden="true" focusable="false">' + "".join(parts) + "</svg>"
    )
