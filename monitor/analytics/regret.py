"""The figure of simulated policies: how much each lost to the best choices, play after play."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

from monitor.analytics.errors import UnknownFormatError
from monitor.reports.export import write_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matplotlib.axes import Axes

    from monitor.analytics.metrics import Floats

FORMATS = ("png", "svg", "html")

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
"""Okabe and Ito 2008, which colour-blind people can tell apart."""

DASHES: tuple[Any, ...] = ("solid", (0, (5, 1.5)), (0, (1, 1)), (0, (3, 1, 1, 1)), (0, (7, 2)))

_INK, _MUTED, _GRID = "#14213d", "#5b6478", "#e3e6ec"
_WIDTH, _HEIGHT, _SCALE = 1040, 560, 2
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body {{ font-family: sans-serif; color: {ink}; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }}
img {{ width: 100%; height: auto }}</style></head>
<body><h1>{title}</h1><p>{text}</p><img alt="{alt}" src="data:image/svg+xml;base64,{picture}"></body></html>
"""


def write_regret(curves: Mapping[str, Floats], out: Path) -> Path:
    """Draws the regret of each policy, summed over plays: the mean over runs, and a band from the lowest to the highest.

    Args:
        curves: By the policy's name, shape `(runs, plays)`, sums that never fall. At most five
            policies.
        out: The file; its ending, one of `FORMATS`, says what it becomes.

    Returns:
        The absolute path of the file.

    Raises:
        UnknownFormatError: The ending is none of them.
        ReportWriteError: The file cannot be written.
    """
    ending = out.suffix.lstrip(".").lower()
    if ending not in FORMATS:
        raise UnknownFormatError(
            f"Unknown format of a figure: expected a file that ends in {', '.join('.' + name for name in FORMATS)}, "
            f"received {out}."
        )
    if ending != "html":
        return write_bytes(_drawn(curves, ending), out)
    runs, plays = next(iter(curves.values())).shape
    totals = ", ".join(f"{name} {curve[:, -1].mean():.1f}" for name, curve in curves.items())
    page = _PAGE.format(
        title="Regret of policies",
        text=(
            f"What each policy lost to the best choices over {plays} plays, mean of {runs} runs: {totals}. The band reaches "
            "from the lowest run to the highest."
        ),
        alt=f"Regret over {plays} plays: {totals}",
        ink=_INK,
        picture=base64.b64encode(_drawn(curves, "svg")).decode("ascii"),
    )
    return write_bytes(page.encode("utf-8"), out)


def _drawn(curves: Mapping[str, Floats], ending: str) -> bytes:
    import matplotlib  # noqa: PLC0415 - slow to import
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    settings: dict[Any, Any] = {
        "svg.hashsalt": "ad-monitor",
        "font.size": 13,
        "axes.edgecolor": _GRID,
        "text.color": _INK,
        "xtick.color": _MUTED,
        "ytick.color": _MUTED,
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(_WIDTH / 72, _HEIGHT / 72), dpi=72 * _SCALE)
        (FigureCanvasAgg if ending == "png" else FigureCanvasSVG)(figure)
        axes = figure.subplots()
        figure.subplots_adjust(left=0.08, right=0.86, top=0.92, bottom=0.11)
        _draw(axes, curves)
        drawn = io.BytesIO()
        figure.savefig(
            drawn, format=ending, metadata={"Date": None} if ending == "svg" else {"Software": None}
        )
    return drawn.getvalue()


def _draw(axes: Axes, curves: Mapping[str, Floats]) -> None:
    highest = max(float(curve.max()) for curve in curves.values()) or 1.0
    ends: list[tuple[float, str, str]] = []
    for (name, curve), colour, dashes in zip(curves.items(), COLOURS, DASHES, strict=False):
        plays = range(1, curve.shape[1] + 1)
        mean = curve.mean(axis=0)
        axes.fill_between(
            plays, curve.min(axis=0), curve.max(axis=0), color=colour, alpha=0.16, linewidth=0
        )
        axes.plot(plays, mean, color=colour, linestyle=dashes, linewidth=2.2)
        ends.append((float(mean[-1]), name, colour))
    place = -1.0
    for value, name, colour in sorted(ends):
        # Names of curves that end near each other stand one above the other.
        place = max(value / highest, place + 0.05)
        axes.annotate(
            f"{name} {value:.1f}",
            (1.01, place / 1.05),
            xycoords="axes fraction",
            va="center",
            color=colour,
            fontweight="bold",
            annotation_clip=False,
        )
    axes.set_xlim(0, max(curve.shape[1] for curve in curves.values()))
    axes.set_ylim(0, highest * 1.05)
    axes.set_title(
        "Regret: reward lost to the best choices so far (mean and range of the runs)",
        loc="left",
        fontsize=13,
        fontweight="bold",
        color=_INK,
    )
    axes.set_xlabel("plays", color=_MUTED)
    axes.grid(axis="y", color=_GRID, linewidth=1)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=6)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
