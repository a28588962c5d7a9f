"""The curves of an ad, as SVG inside the page.

Not drawn by a plotting library: this way the page's style sheet reaches every line (dark theme,
print, a curve switched off), a script can move a cursor over the curves, and a figure weighs a few
kilobytes. Every element has its light colours itself, for where no style sheet applies. Colours are
Okabe and Ito's, which colour-blind people can tell apart; each curve also has its own dash pattern
and its name at its end. The same data give the same text.
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
"""Dash patterns of SVG; happy is solid."""

INK, MUTED, GRID, ACCENT, BARS = "#14213d", "#5b6478", "#e3e6ec", "#0b5394", "#ccd4e2"


@dataclass(frozen=True, slots=True)
class Layout:
    """Size of the curves of an ad, in CSS pixels at full size.

    Attributes:
        name: Class for the style sheet.
        width: Of the whole figure.
        left, right: Margins beside the panels, the same as the film strip's; the right one holds
            the names of the curves.
        text: Font size.
        panels: Heights of the panels of valence, emotions, attention and viewers.
        ticks: Maximum on the time axis.
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
        """Return the width of the panels."""
        return self.width - self.left - self.right

    @property
    def title_height(self) -> float:
        """Return the room for a title and the lowest number of the panel above."""
        return self.text * 3 + 6


WIDE = Layout("wide", 1040, 52, 92, 13, (190, 200, 66, 44), 20)
NARROW = Layout("narrow", 380, 40, 64, 11.5, (170, 190, 60, 44), 8)
PRINT = Layout("print", 760, 46, 80, 10.5, (92, 98, 28, 22), 16)

_AXIS_HEIGHT = 26


def valence_range(values: Sequence[float | None]) -> tuple[float, float]:
    """Return the ends of a valence axis that shows all values and 0, in quarters."""
    known = [value for value in values if value is not None]
    low, high = min([*known, -0.25]), max([*known, 0.25])
    return max(-1.0, math.floor(low * 4 + 1e-9) / 4), min(1.0, math.ceil(high * 4 - 1e-9) / 4)


def axis_end(ad: dict[str, Any]) -> float:
    """Return the end of an ad's time axis, in seconds: it may run longer than its file says."""
    return max(float(ad["duration_s"] or 0.0), float(len(ad["timeline"]) - 1) + 0.2)


def middles(ad: dict[str, Any]) -> list[float]:
    """Return where the points of the curves are: in the middle of what the ad has of each second."""
    end = axis_end(ad)
    starts = [float(second["second"]) for second in ad["timeline"]]
    return [(start + min(start + 1.0, max(end, start + 0.2))) / 2 for start in starts]


def ad_figure(ad: dict[str, Any], layout: Layout, *, reach: tuple[float, float]) -> str:
    """Draw valence with its interval and the brand marks, emotions, attention rate and viewers.

    Args:
        ad: An entry of `ads` of the report.
        layout: `WIDE`, `NARROW` or `PRINT`.
        reach: Ends of the valence axis, from `valence_range`.

    Returns:
        An `<svg>` element. `data-left`, `data-plot` and `data-end` tell a script where the panels
        begin, how wide they are and how many seconds that is; it moves the line of class `cursor`.
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
        f'data-left="{layout.left}" data-plot="{layout.plot}" data-end="{px(canvas.end)}"',
    )


class _Canvas:
    """Collects the elements of a figure with a time axis."""

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
            f'<text class="{css}" x="{px(x)}" y="{px(y)}" text-anchor="{anchor}" fill="{fill}"{weight}>'
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
            f'<line class="{css}" x1="{left}" x2="{right}" y1="{px(y)}" y2="{px(y)}" stroke="{colour}"/>'
        )

    def tick(self, y: float, words: str) -> None:
        self.text(self.layout.left - 8, y + self.layout.text * 0.35, words, anchor="end")

    def svg(self, height: float, extra: str) -> str:
        layout = self.layout
        return (
            f'<svg class="{layout.name}" viewBox="0 0 {layout.width} {px(height)}" width="{layout.width}" '
            f'height="{px(height)}" font-size="{layout.text:g}" aria-hidden="true" focusable="false" {extra}>'
            + "".join(self._parts)
            + "</svg>"
        )


def px(value: float) -> str:
    """Return a coordinate to a tenth of a pixel."""
    return f"{round(value, 1) + 0.0:g}"


def _runs(points: Iterable[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """Split a curve where a value is not known."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is not None:
            runs[-1].append((x, y))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def path_data(runs: Iterable[Sequence[tuple[float, float]]]) -> str:
    """Return the `d` of an SVG path through some runs of points."""
    return "".join("M" + "L".join(f"{px(x)} {px(y)}" for x, y in run) for run in runs)


def _dots(runs: list[list[tuple[float, float]]], radius: float, css: str, colour: str) -> str:
    return "".join(
        f'<circle class="{css}" cx="{px(x)}" cy="{px(y)}" r="{radius:g}" fill="{colour}"/>'
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
            # More dots would hide the curve.
            runs if len(seconds) <= 30 else [run for run in runs if len(run) == 1],
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
            f'<circle class="vr" cx="{px(at)}" cy="{px(place)}" r="6" fill="none" stroke="{ACCENT}" stroke-width="2"/>'
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
        # Flat curves are in the legend and the table, but have no name at their end.
        named = max(known) >= 0.08
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
            f'<g class="emotion e-{emotion}" data-emotion="{emotion}"><path class="lead" d="M{px(x + 3)} {px(at)}'
            f'L{px(label - 4)} {px(y(place))}" fill="none" stroke="{COLOURS[emotion]}" stroke-width="1"/>'
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
            f'<rect class="bar" x="{px(left + 1)}" y="{px(top + height - tall)}" width="{px(max(right - left - 2, 1))}" '
            f'height="{px(tall)}" fill="{BARS}"/>'
        )
    canvas.rule(top + height, "z", MUTED)
    canvas.tick(top + 4, f"{most}")
    canvas.tick(top + height, "0")


def _draw_brand(canvas: _Canvas, ad: dict[str, Any], top: float, bottom: float) -> float:
    """Draw a line where the brand shows, named below the axis; return the added height."""
    marks = [mark for mark in ad["brand_at_s"] if mark <= canvas.end]
    for mark in marks:
        x = canvas.x(mark)
        foot = bottom + _AXIS_HEIGHT
        canvas.add(
            f'<path class="brand" d="M{px(x)} {px(top)}V{px(bottom)}M{px(x)} {px(foot - 3)}V{px(foot + 3)}" stroke="{INK}" '
            'stroke-width="1.2" stroke-dasharray="1.5 3"/>'
        )
        canvas.text(x, foot + canvas.layout.text + 3, "brand", css="t", anchor="middle")
    return 20 if marks else 0


def _draw_axis(canvas: _Canvas, bottom: float) -> None:
    layout, end = canvas.layout, canvas.end
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600)
    step = next((step for step in steps if end / step <= layout.ticks), 3600)
    for second in range(0, math.floor(end) + 1, step):
        canvas.text(canvas.x(second), bottom + layout.text + 6, f"{second} s", anchor="middle")


def spread(values: list[float], gap: float) -> list[float]:
    """Move label positions in `[0, 1]` apart by at least `gap`."""
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
