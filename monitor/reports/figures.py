"""The figure of one ad: curves over its seconds, drawn by matplotlib as SVG to be set into a page.

Drawn through the object-oriented interface, never through pyplot, so that no global figure is left behind; fixed
ids, so that the same data give the same bytes. Colours are Okabe and Ito's palette, which colour-blind people can
tell apart, and each curve also has a dash pattern and its name at its end.
"""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitor.reports.metrics import EMOTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

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

DASHES: dict[str, Any] = {
    "angry": (0, (5, 1.5)),
    "disgust": (0, (1, 1)),
    "fear": (0, (3, 1, 1, 1)),
    "happy": "solid",
    "sad": (0, (7, 2)),
    "surprise": (0, (4, 1, 1, 1, 1, 1)),
    "neutral": (0, (2, 2)),
}

_INK, _MUTED, _GRID, _VALENCE, _BAND = "#14213d", "#5b6478", "#e3e6ec", "#0b5394", "#0b5394"


@dataclass(frozen=True, slots=True)
class Layout:
    """Size of a figure in CSS pixels at full size.

    Attributes:
        width, height: Of the whole figure.
        left, right: Margins beside the panels; names of the curves go into the right one.
        text: Font size.
    """

    width: int
    height: int
    left: int
    right: int
    text: float


WIDE = Layout(width=1040, height=640, left=58, right=92, text=12.5)
NARROW = Layout(width=380, height=660, left=46, right=68, text=11.5)


def valence_range(values: Sequence[float | None]) -> tuple[float, float]:
    """Returns the ends of a valence axis that shows all values and 0, in quarters; one for all ads of a report."""
    known = [value for value in values if value is not None]
    low, high = min([*known, -0.25]), max([*known, 0.25])
    return max(-1.0, math.floor(low * 4 + 1e-9) / 4), min(1.0, math.ceil(high * 4 - 1e-9) / 4)


def ad_figure(ad: dict[str, Any], layout: Layout, *, reach: tuple[float, float], prefix: str) -> str:
    """Draws valence with its interval and the brand marks, the emotions, and attention with the number of viewers.

    Args:
        ad: An entry of `ads` of the report.
        layout: `WIDE` or `NARROW`.
        reach: Ends of the valence axis, from `valence_range`.
        prefix: Put before every id, because a page holds many figures.

    Returns:
        An `<svg>` element without size and without outside references.
    """
    import matplotlib  # noqa: PLC0415 - slow to import, and only a page needs it
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    seconds = ad["timeline"]
    # An ad may run longer than its file says; its curve is as long as what was seen.
    end = max(float(ad["duration_s"] or 0.0), float(len(seconds) - 1) + 0.2)
    settings: dict[Any, Any] = {
        "svg.hashsalt": "ad-monitor",
        "svg.fonttype": "none",
        "font.size": layout.text,
        "axes.edgecolor": _GRID,
        "text.color": _INK,
        "xtick.color": _MUTED,
        "ytick.color": _MUTED,
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(layout.width / 72, layout.height / 72), dpi=72)
        FigureCanvasSVG(figure)
        figure.patch.set_alpha(0)
        panels = figure.subplots(3, 1, sharex=True, height_ratios=[9, 10, 5])
        figure.subplots_adjust(
            left=layout.left / layout.width,
            right=1 - layout.right / layout.width,
            top=1 - 28 / layout.height,
            bottom=44 / layout.height,
            hspace=0.32,
        )
        # A point stands in the middle of its second, of the last one in the middle of what the ad has of it.
        starts = [float(second["second"]) for second in seconds]
        middles = [(start + min(start + 1.0, max(end, start + 0.2))) / 2 for start in starts]
        _draw_valence(panels[0], ad, middles, reach)
        _draw_emotions(panels[1], seconds, middles, layout)
        _draw_audience(panels[2], seconds, layout)
        _draw_frame(list(panels), ad, end, layout)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    return _inline(text.getvalue(), prefix)


def _column(seconds: list[dict[str, Any]], key: str) -> list[float]:
    return [math.nan if second[key] is None else float(second[key]) for second in seconds]


def _draw_valence(axes: Axes, ad: dict[str, Any], middles: list[float], reach: tuple[float, float]) -> None:
    seconds = ad["timeline"]
    valence = _column(seconds, "valence")
    low, high = _column(seconds, "valence_low"), _column(seconds, "valence_high")
    axes.axhline(0, color=_MUTED, linewidth=0.8)
    axes.fill_between(middles, low, high, color=_BAND, alpha=0.16, linewidth=0)
    axes.plot(middles, valence, color=_VALENCE, linewidth=2.2, marker="o", markersize=4)
    low_end, high_end = reach
    room = 0.07 * (high_end - low_end)
    axes.set_ylim(low_end - room, high_end + room)
    step = 0.25 if high_end - low_end <= 1.25 else 0.5
    ticks = [tick * step for tick in range(math.ceil(low_end / step), math.floor(high_end / step) + 1)]
    axes.set_yticks(ticks, labels=[_signed(tick) for tick in ticks])
    for moment in ad["moments"]:
        if moment["kind"] not in {"peak", "trough"}:
            continue
        above = moment["kind"] == "peak"
        # Names at the ends of the curve stay inside the panel.
        align = {0: "left", len(middles) - 1: "right"}.get(moment["second"], "center")
        where = (middles[moment["second"]], moment["value"])
        axes.plot(*where, marker="^" if above else "v", markersize=9, color=_VALENCE, markeredgecolor="white")
        axes.annotate(
            f"{moment['kind']} {_signed(moment['value'])}",
            where,
            xytext=({"left": -5, "right": 5}.get(align, 0), 9 if above else -9),
            textcoords="offset points",
            ha=align,
            va="bottom" if above else "top",
            color=_VALENCE,
            fontweight="bold",
            annotation_clip=False,
        )


def _draw_emotions(axes: Axes, seconds: list[dict[str, Any]], middles: list[float], layout: Layout) -> None:
    ends: list[tuple[float, str, float]] = []
    for emotion in EMOTIONS:
        values = [
            math.nan if second["probabilities"] is None else second["probabilities"][emotion] for second in seconds
        ]
        look = {"color": COLOURS[emotion], "linestyle": DASHES[emotion]}
        axes.plot(middles, values, linewidth=2, marker="o", markersize=2.5, **look)
        known = [k for k, value in enumerate(values) if math.isfinite(value)]
        if known:
            ends.append((values[known[-1]], emotion, middles[known[-1]]))
    axes.set_ylim(-0.02, 1.02)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1.0], labels=["0%", "25%", "50%", "75%", "100%"])
    panel = layout.height * axes.get_position().height
    places = _spread([value for value, _, _ in ends], gap=1.04 * layout.text * 1.35 / panel)
    for (value, emotion, x), place in zip(ends, places, strict=True):
        axes.annotate(
            emotion,
            (x, value),
            xytext=(1.025 if layout is WIDE else 1.05, (place + 0.02) / 1.04),
            textcoords="axes fraction",
            va="center",
            color=_INK,
            arrowprops={
                "arrowstyle": "-",
                "color": COLOURS[emotion],
                "linewidth": 1,
                "shrinkA": 1,
                "shrinkB": 3,
                "relpos": (0, 0.5),
            },
            annotation_clip=False,
        )


def _spread(values: list[float], gap: float) -> list[float]:
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


def _draw_audience(axes: Axes, seconds: list[dict[str, Any]], layout: Layout) -> None:
    counts = [second["n"] for second in seconds]
    most = max([*counts, 1])
    left = [second["second"] for second in seconds]
    viewers = axes.twinx()
    viewers.bar(left, counts, width=0.94, align="edge", color="#d5dae3", linewidth=0)
    viewers.set_ylim(0, most * 1.08)
    viewers.set_yticks(sorted({0, most // 2, most}))
    viewers.tick_params(length=0, pad=6)
    axes.set_zorder(viewers.get_zorder() + 1)
    axes.patch.set_visible(False)
    steps_x = [edge for second in seconds for edge in (second["second"], second["second"] + 1)]
    steps_y = [value for value in _column(seconds, "attention") for _ in range(2)]
    axes.plot(steps_x, steps_y, color=_INK, linewidth=2)
    axes.set_ylim(0, 1.08)
    axes.set_yticks([0, 0.5, 1.0], labels=["0%", "50%", "100%"])
    for side in ("top", "right", "left", "bottom"):
        viewers.spines[side].set_visible(False)
    viewers.annotate(
        "viewers",
        (1, 1),
        xycoords="axes fraction",
        xytext=(6, 9),
        textcoords="offset points",
        color=_MUTED,
        annotation_clip=False,
        fontsize=layout.text - 1,
    )


def _draw_frame(panels: list[Axes], ad: dict[str, Any], end: float, layout: Layout) -> None:
    wide = layout is WIDE
    titles = (
        "Valence: mean over viewers" + (" and 95% interval" if wide else ", 95% interval"),
        "Emotions: mean probability" + (" over viewers" if wide else ""),
        "Attention rate" + (" (line) and viewers in view (bars)" if wide else " (line), viewers (bars)"),
    )
    for axes, title in zip(panels, titles, strict=True):
        # At a fixed height: looking for a free one costs a third of the drawing.
        axes.set_title(title, loc="left", y=1.0, pad=8, fontweight="bold", fontsize=layout.text, color=_INK)
        axes.grid(axis="y", color=_GRID, linewidth=1)
        axes.set_axisbelow(True)
        axes.tick_params(length=0, pad=6)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        for mark in ad["brand_at_s"]:
            axes.axvline(mark, color=_INK, linewidth=1.2, linestyle=(0, (1, 2)))
    for mark in ad["brand_at_s"]:
        panels[0].annotate(
            "brand",
            (mark, 1),
            xycoords=("data", "axes fraction"),
            xytext=(4, -3),
            textcoords="offset points",
            va="top",
            color=_INK,
            fontsize=layout.text - 1,
        )
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600)
    step = next((step for step in steps if end / step <= (20 if wide else 9)), 3600)
    last = panels[-1]
    last.set_xlim(0, end)
    last.set_xticks(list(range(0, math.floor(end) + 1, step)))
    last.set_xlabel("second of the ad", color=_MUTED)


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}").replace("+0.00", "0")


def _inline(svg: str, prefix: str) -> str:
    """Makes a stand-alone SVG fit to be set into a page: no prologue, metadata or page-wide style, ids of its own."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    box = re.search(r'viewBox="([^"]+)"', svg)
    body = svg[svg.index(">") + 1 :]
    body = re.sub(r'\bid="', f'id="{prefix}', body)
    body = re.sub(r'href="#', f'href="#{prefix}', body)
    body = re.sub(r"url\(#", f"url(#{prefix}", body)
    return f'<svg viewBox="{box.group(1) if box else "0 0 1 1"}" aria-hidden="true" focusable="false">{body.strip()}'
