"""Draw the figures of a run, without global state of Matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from training.evaluation.calibration import ReliabilityBins

# Okabe and Ito's colours, which colour-blind people can distinguish.
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
MUTED, GRID = "#5b6478", "#e3e6ec"


def draw_curves(
    history: Sequence[Mapping[str, Any]], path: Path, *, head: str | None = None
) -> None:
    """Draw the main head's loss and accuracy by epoch; mark the changes of picture size."""
    figure = _figure(10, 4.2)
    epochs = [entry["epoch"] for entry in history]
    for axes, figure_name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        training = [_of_head(entry, figure_name, head) for entry in history]
        validation = [entry.get(f"val_{figure_name}", np.nan) for entry in history]
        marker = "o" if len(epochs) < 3 else None
        axes.plot(epochs, training, color=ORANGE, label="training (varied pictures)", marker=marker)
        label = "validation (plain pictures)"
        axes.plot(epochs, validation, color=BLUE, label=label, marker=marker)
        best = int(np.nanargmin([entry.get("val_loss", np.nan) for entry in history]))
        label = f"best epoch: {epochs[best]}"
        axes.plot(epochs[best], validation[best], "o", color=BLUE, markersize=7, label=label)
        _mark_stages(axes, history)
        axes.set(xlabel="epoch", title=figure_name)
        axes.grid(color=GRID)
        axes.legend(frameon=False, fontsize=8)
    _save(figure, path)


def draw_confusion(
    confusion: Sequence[Sequence[int]], labels: Sequence[str], path: Path, *, title: str
) -> None:
    """Draw a confusion matrix: shares of each row in colour, shares and counts in the cells."""
    counts = np.asarray(confusion, dtype=np.int64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(4.5, 0.8 * len(labels) + 1.6)
    figure = _figure(side + 0.6, side)
    axes = figure.subplots()
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(picture, ax=axes, fraction=0.046, pad=0.04, label="share of the row")
    axes.set_xticks(range(len(labels)), labels, rotation=40, ha="right")
    names = [f"{name} ({rows:,})" for name, rows in zip(labels, counts.sum(axis=1), strict=True)]
    axes.set_yticks(range(len(labels)), names)
    axes.set(xlabel="predicted", ylabel="true (rows)", title=title)
    if len(labels) <= 12:  # with more, numbers would be too small to read
        for (row, column), share in np.ndenumerate(shares):
            colour = "white" if share > 0.55 else "#14213d"
            text = f"{share:.0%}\n{counts[row, column]:,}"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    _save(figure, path)


def draw_reliability(
    before: ReliabilityBins, after: ReliabilityBins, path: Path, *, title: str
) -> None:
    """Draw accuracy against confidence before and after calibration, and the rows in each bin."""
    figure = _figure(5.6, 6.4)
    upper, lower = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    upper.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--", label="as sure as right")
    width = 1 / len(after.counts)
    starts = np.arange(len(after.counts)) * width
    for bins, colour, name, shift in ((before, ORANGE, "before", 0.0), (after, BLUE, "after", 0.5)):
        filled = bins.counts > 0
        points, label = (bins.confidence, bins.correctness), f"{name}: ECE {bins.error:.3f}"
        upper.plot(*(part[filled] for part in points), "o-", color=colour, ms=4, label=label)
        share = bins.counts / max(int(bins.counts.sum()), 1)
        left = starts + shift * width
        lower.bar(left, share, 0.46 * width, align="edge", color=colour, label=name)
    upper.set(ylabel="accuracy, or share of the votes", xlim=(0, 1), ylim=(0, 1), title=title)
    upper.legend(frameon=False, fontsize=9, loc="upper left")
    lower.set(xlabel="confidence", ylabel="share of rows")
    for axes in (upper, lower):
        axes.grid(color=GRID)
        axes.set_axisbelow(True)
    _save(figure, path)


def draw_per_class(per_class: Mapping[str, Mapping[str, float]], path: Path, *, title: str) -> None:
    """Draw precision, recall and F1 of each class."""
    figure = _figure(max(5.0, 1.15 * len(per_class) + 1.5), 3.8)
    axes = figure.subplots()
    places = np.arange(len(per_class))
    kinds = (("precision", BLUE, -0.27), ("recall", ORANGE, 0.0), ("f1", GREEN, 0.27))
    for name, colour, shift in kinds:
        heights = [scores[name] for scores in per_class.values()]
        label = "F1" if name == "f1" else name
        bars = axes.bar(places + shift, heights, 0.25, color=colour, label=label)
        axes.bar_label(bars, [f"{100 * height:.0f}" for height in heights], fontsize=7, padding=1)
    names = [f"{label}\n{int(scores['support']):,}" for label, scores in per_class.items()]
    axes.set_xticks(places, names)
    axes.set(ylim=(0, 1.18), ylabel="share", title=title)
    axes.legend(frameon=False, ncols=3, fontsize=8, loc="upper right")
    axes.grid(color=GRID, axis="y")
    axes.set_axisbelow(True)
    _save(figure, path)


def draw_conditions(
    conditions: Mapping[str, Sequence[Mapping[str, float]]], path: Path, *, names: Mapping[str, str]
) -> None:
    """Draw accuracy by condition, one panel each, called by `names`."""
    columns = min(3, len(conditions))
    rows = -(-len(conditions) // columns)
    figure = _figure(3.6 * columns, 2.9 * rows)
    panels = np.atleast_1d(figure.subplots(rows, columns, sharey=True)).ravel()
    for axes, (condition, measured) in zip(panels, conditions.items(), strict=False):
        places = np.arange(len(measured))
        accuracies = [entry["accuracy"] for entry in measured]
        axes.plot(places, accuracies, "o-", color=BLUE)
        for place, accuracy in zip(places, accuracies, strict=True):
            style: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "fontsize": 8}
            axes.annotate(f"{accuracy:.0%}", (place, accuracy), (0, 6), **style)
        axes.set_xticks(places, [f"{entry['value']:g}" for entry in measured])
        axes.set(xlabel=names.get(condition, condition), ylim=(0, 1.08))
        axes.margins(x=0.12)
        axes.grid(color=GRID)
    for axes in panels[len(conditions) :]:
        axes.set_visible(False)
    for axes in panels[::columns]:
        axes.set_ylabel("accuracy")
    _save(figure, path)


def _of_head(entry: Mapping[str, Any], figure_name: str, head: str | None) -> float:
    # Keras omits the name of an only head.
    return float(entry.get(f"{head}_{figure_name}", entry.get(figure_name, np.nan)))


def _mark_stages(axes: Axes, history: Sequence[Mapping[str, Any]]) -> None:
    sides = [entry.get("side_px") for entry in history]
    if len(set(sides)) < 2:
        return
    for index, (side, entry) in enumerate(zip(sides, history, strict=True)):
        if index > 0 and side == sides[index - 1]:
            continue
        place = entry["epoch"] - 0.5
        if index > 0:
            axes.axvline(place, color=MUTED, linewidth=0.8, linestyle=":")
        style: dict[str, Any] = {"textcoords": "offset points", "fontsize": 8, "color": MUTED}
        axes.annotate(f"{side} px", (place, 0), (3, 4), ("data", "axes fraction"), **style)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 (slow)
    from matplotlib.figure import Figure as MatplotlibFigure  # noqa: PLC0415

    figure = MatplotlibFigure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Path) -> None:
    # Without the version in the file, the same data give the same bytes.
    figure.savefig(path, format="png", metadata={"Software": None})
    figure.clear()
