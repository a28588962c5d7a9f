"""The curves of an ad, as SVG inside the page.

Not drawn by a plotting library: this way the page's style sheet reaches every line, a script can
move a cursor over the curves, and a figure weighs a few kilobytes. Every element has its light
colours itself, for where no style sheet applies. The same data give the same text.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitor.languages import _
from monitor.palette import EMOTION_COLOURS
from monitor.reports.formatting import percent, signed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

COLOURS = {
    "happy": (EMOTION_COLOURS["happy"], ""),
    "surprise": (EMOTION_COLOURS["surprise"], "9 3 2 3"),
    "negative": ("#882255", "14 4"),
    "neutral": (EMOTION_COLOURS["neutral"], "4 4"),
}
"""Colours of the groups of an audience that colour-blind people can tell apart (Okabe and Ito 2008,
Tol 2021), and dash patterns."""

VALENCE = "valence_corrected_audience"
"""Key of the curve of valence in the seconds of an ad; `…_low` and `…_high` are its interval."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Size of the curves of an ad, in CSS pixels at full size.

    `panels` are heights: valence, faces, attention, viewers; 0 leaves one out. The margins are the
    film strip's too; the right one holds the names of the curves. There are at most `ticks` on the
    time axis.
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


def valence_range(values: Sequence[float | None]) -> tuple[float, float]:
    """Return the ends of a valence axis that shows all values and 0, in quarters."""
    known = [value for value in values if value is not None]
    low, high = min([*known, -0.25]), max([*known, 0.25])
    return max(-1.0, math.floor(low * 4 + 1e-9) / 4), min(1.0, math.ceil(high * 4 - 1e-9) / 4)


def axis_end(ad: dict[str, Any]) -> float:
    """Return the end of an ad's time axis, in seconds: it may run longer than its file says."""
    return max(float(ad["duration_s"] or 0.0), float(len(ad["timeline"]) - 1) + 0.2)


def middles(ad: dict[str, Any]) -> list[float]:
    """Return the places of the curves' points: the middle of what the ad has of each second."""
    end = axis_end(ad)
    starts = [float(second["second"]) for second in ad["timeline"]]
    return [(start + min(start + 1.0, max(end, start + 0.2))) / 2 for start in starts]


def curves(
    ad: dict[str, Any],
    layout: Layout,
    reach: tuple[float, float],
    moments: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Lay out valence with its interval, faces, attention rate, viewers and brand marks.

    Args:
        ad: An entry of `ads` of the report.
        layout: `WIDE`, `NARROW` or `PRINT`.
        reach: Ends of the valence axis, from `valence_range`.
        moments: Those to mark; only peaks and lows are.

    Returns:
        What the template `_curves.svg.j2` draws, in pixels.
    """
    seconds, end = ad["timeline"], axis_end(ad)
    tops: list[float] = []
    bottom = 0.0
    for height in layout.panels:
        if height:
            bottom += layout.title_height if bottom else layout.text * 2.4
        tops.append(bottom)
        bottom += height

    def x(second: float) -> float:
        return layout.left + layout.plot * second / end

    def y(panel: int, value: float) -> float:
        low, high = reach if panel == 0 else (0.0, 1.0)
        return tops[panel] + (high - value) * layout.panels[panel] / (high - low)

    def place(panel: int, value: float | None) -> float | None:
        return None if value is None else y(panel, value)

    middle = [x(second) for second in middles(ad)]
    most = max([*(second["n"] for second in seconds), 1])
    step = 0.25 if reach[1] - reach[0] <= 1.25 else 0.5
    valence_ticks = range(math.ceil(reach[0] / step), math.floor(reach[1] / step) + 1)
    if not layout.panels[0]:
        valence_ticks = range(0)
    valence = [place(0, second[VALENCE]) for second in seconds]
    runs = _runs(middle, valence)
    attention = [place(2, second["attention"]) for second in seconds]
    edges = [(x(s["second"]), x(min(s["second"] + 1.0, end))) for s in seconds]
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600)
    tick = next((step for step in steps if end / step <= layout.ticks), 3600)
    return {
        "layout": layout,
        "end": end,
        "tops": tops,
        "bottom": bottom,
        "rules": [
            *((y(0, step * k), signed(step * k), k == 0) for k in valence_ticks),
            *((y(1, k / 4), percent(k / 4), False) for k in range(5)),
            *((y(2, k / 2), percent(k / 2), False) for k in range(3)),
            (bottom, "0", True),
        ],
        "most": most,
        "bands": _bands(
            [
                (at, place(0, second[f"{VALENCE}_high"]), place(0, second[f"{VALENCE}_low"]))
                for at, second in zip(middle, seconds, strict=True)
            ]
        ),
        "valence": path_data(runs),
        # More dots would hide the curve.
        "dots": [at for run in runs if len(seconds) <= 30 or len(run) == 1 for at in run],
        "moments": [
            _moment(moment, middle, at, layout, tops[0])
            for moment in moments
            if moment["kind"] in {"peak", "trough"}
            and (at := valence[moment["second"]]) is not None
        ],
        "baseline": _baseline(ad["baseline"], middle, place),
        "scene_starts": [x(scene["start_s"]) for scene in (ad["scenes"] or ())[1:]],
        "face_curves": _faces(seconds, middle, tops[1], layout),
        "attention": path_data(
            _runs([at for pair in edges for at in pair], [at for at in attention for _ in "ab"])
        ),
        "bars": [
            (left + 1, max(right - left - 2, 1), layout.panels[3] * second["n"] / most)
            for (left, right), second in zip(edges, seconds, strict=True)
        ],
        "brands": [x(mark) for mark in ad["brand_at_s"] if mark <= end],
        "ticks": [(x(second), second) for second in range(0, math.floor(end) + 1, tick)],
    }


def spark(ad: dict[str, Any], reach: tuple[float, float]) -> dict[str, Any]:
    """Lay out valence and attention of an ad as one small figure of 220 by 74 pixels.

    Arguments as of `curves`; the result is what the macro `spark` draws.
    """
    end = axis_end(ad)
    low, high = reach

    def y(value: float | None) -> float | None:
        return None if value is None else 2 + (high - value) * 46 / (high - low)

    xs = [220 * middle / end for middle in middles(ad)]
    runs = _runs(xs, [y(second[VALENCE]) for second in ad["timeline"]])
    steps: list[tuple[float, float | None]] = []
    for second in ad["timeline"]:
        share = second["attention"]
        tall = None if share is None else 74 - 20 * share
        left, right = second["second"], min(second["second"] + 1.0, end)
        steps += [(220 * left / end, tall), (220 * right / end, tall)]
    areas = _runs([x for x, _ in steps], [tall for _, tall in steps])
    return {
        "zero": y(0.0),
        "valence": path_data(runs),
        "dots": [run[0] for run in runs if len(run) == 1],
        "attention": [path_data([[(run[0][0], 74), *run, (run[-1][0], 74)]]) for run in areas],
    }


def weeks(trend: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Lay out viewers per play and valence by week: a figure of 760 by 230 pixels.

    Args:
        trend: From the report.

    Returns:
        What the template `_weeks.svg.j2` draws, in pixels.
    """
    left, width, step = 46, 700, 700 / max(len(trend), 1)
    middle = [left + step * (place + 0.5) for place in range(len(trend))]
    ends = ("", "_low", "_high")
    value, low, high = ([week[f"valence_corrected_mean{end}"] for week in trend] for end in ends)
    reach = valence_range([*value, *low, *high])

    def y(value: float | None) -> float | None:
        return None if value is None else 136 + (reach[1] - value) * 68 / (reach[1] - reach[0])

    most = max([*(week["viewers_per_play"] or 0.0 for week in trend), 1e-9])
    heights = [78 * (week["viewers_per_play"] or 0.0) / most for week in trend]
    runs = _runs(middle, [y(each) for each in value])
    named = max(1, math.ceil(len(trend) / 12))
    return {
        "left": left,
        "right": left + width,
        "most": most,
        "bars": [
            (x - step * 0.36, 100 - tall, step * 0.72, tall)
            for x, tall in zip(middle, heights, strict=True)
        ],
        "rules": [(y(each), signed(each)) for each in sorted({reach[0], 0.0, reach[1]})],
        "zero": y(0.0),
        "ranges": [
            (x, y(down), y(up))
            for x, down, up in zip(middle, low, high, strict=True)
            if down is not None and up is not None
        ],
        "line": path_data(runs),
        "dots": [at for run in runs for at in run],
        "names": [
            (x, week["start"])
            for place, (x, week) in enumerate(zip(middle, trend, strict=True))
            if place % named == 0
        ],
    }


def px(value: float) -> str:
    """Return a coordinate to a tenth of a pixel."""
    return f"{round(value, 1) + 0.0:g}"


def path_data(runs: Iterable[Sequence[tuple[float, float]]]) -> str:
    """Return the `d` of an SVG path through some runs of points."""
    return "".join("M" + "L".join(f"{px(x)} {px(y)}" for x, y in run) for run in runs)


def _runs(xs: Iterable[float], ys: Iterable[float | None]) -> list[list[tuple[float, float]]]:
    """Split a curve where a value is not known."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(xs, ys, strict=True):
        if y is not None:
            runs[-1].append((x, y))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _bands(points: list[tuple[float, float | None, float | None]]) -> list[str]:
    """Return the closed paths between an upper and a lower curve."""
    upper = _runs([x for x, _, _ in points], [high for _, high, _ in points])
    lower = _runs([x for x, _, _ in points], [low for _, _, low in points])
    paths = []
    for high, low in zip(upper, lower, strict=True):
        edge = [*high, *reversed(low)]
        if len(high) == 1:
            (x, top), (_, foot) = edge
            edge = [(x - 3, top), (x + 3, top), (x + 3, foot), (x - 3, foot)]
        paths.append(path_data([edge]))
    return paths


def _baseline(
    seconds: Sequence[dict[str, Any]],
    xs: Sequence[float],
    place: Callable[[int, float | None], float | None],
) -> list[str]:
    """Return the paths of the mean curve of the other ads: valence and attention."""
    known = list(zip(xs, seconds, strict=False))
    return [
        path_data(_runs([x for x, _ in known], [place(panel, each[key]) for _, each in known]))
        for panel, key in ((0, "valence_corrected"), (2, "attention"))
    ]


def _moment(
    moment: dict[str, Any], xs: list[float], y: float, layout: Layout, top: float
) -> dict[str, Any]:
    """Place the mark and the name of a peak or a low; names at the ends stay inside the panel."""
    peak = moment["kind"] == "peak"
    name = _("peak") if peak else _("low")
    beside = y - 12.0 if peak else y + 12 + layout.text * 0.8
    return {
        "x": xs[moment["second"]],
        "y": y,
        "anchor": {0: "start", len(xs) - 1: "end"}.get(moment["second"], "middle"),
        "text_y": min(max(beside, top + 2), top + layout.panels[0] + layout.text),
        "words": f"{name} {signed(moment['value'])}",
    }


def _faces(
    seconds: list[dict[str, Any]], xs: list[float], top: float, layout: Layout
) -> list[dict[str, Any]]:
    """Lay out the curves of the parts of faces and the names at their ends."""
    height = layout.panels[1]
    found = []
    for group in next((list(s["shares"]) for s in seconds if s["shares"]), []):
        shares = [s["shares"] and s["shares"][group] for s in seconds]
        runs = _runs(xs, [None if p is None else top + (1 - p) * height for p in shares])
        if runs:
            found.append(
                {
                    "name": group,
                    "path": path_data(runs),
                    "dots": [run[0] for run in runs if len(run) == 1],
                    "end": runs[-1][-1],
                    # Flat curves are in the legend and the table, but have no name at their end.
                    "named": max(p for p in shares if p is not None) >= 0.08,
                }
            )
    named = [curve for curve in found if curve["named"]]
    heights = [1 - (curve["end"][1] - top) / height for curve in named]
    for curve, place in zip(named, spread(heights, layout.text * 1.25 / height), strict=True):
        curve["label_y"] = top + (1 - place) * height
    return found


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
