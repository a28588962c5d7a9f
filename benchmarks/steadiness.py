"""How steady the readings are, and how late: labels that change, raw and smoothed, and the delay of
the smoothing.

python -m benchmarks.steadiness VIDEO [VIDEO ...] [--json]
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from detector.analysis import AnalysisSettings, mediapipe_analyser
from detector.emotion.classifier import load_classifier
from detector.sources.recording import Recording

Series = dict[int, list[tuple[int, tuple[float, ...]]]]
"""Of each viewer: when, and the probabilities."""

STEP_S = 0.01
MAX_DELAY_S = 1.0


def series_of(video: Path, smoothing_delay_s: float | None) -> Series:
    """The probabilities of every viewer of a video at every frame; smoothed as usual where no delay
    is given.
    """
    settings = (
        AnalysisSettings()
        if smoothing_delay_s is None
        else AnalysisSettings(smoothing_delay_s=smoothing_delay_s)
    )
    analyser = mediapipe_analyser(load_classifier(device="cpu"), settings)
    series: Series = defaultdict(list)
    with Recording(video) as source:
        while (frame := source.read()) is not None:
            for reading in analyser.analyse(frame).readings:
                if reading.probabilities is not None and not reading.static:
                    series[reading.viewer].append((reading.captured_ns, reading.probabilities))
    analyser.close()
    return dict(series)


def changes_per_minute(series: Series) -> float:
    """How often the strongest emotion of a viewer changes, in a minute of one viewer."""
    changes, spent_ns = 0, 0
    for seen in series.values():
        labels = np.array([row for _, row in seen]).argmax(axis=1)
        changes += int((labels[1:] != labels[:-1]).sum())
        spent_ns += seen[-1][0] - seen[0][0]
    return changes / (spent_ns / 60e9) if spent_ns else 0.0


def delay_s(raw: Series, smooth: Series) -> float:
    """By how much the smoothed probabilities lag: the shift of the raw ones at which they differ
    least.
    """
    shifts = np.arange(0.0, MAX_DELAY_S, STEP_S)
    misfit = np.zeros(len(shifts))
    for viewer in raw.keys() & smooth.keys():
        at = np.array([when for when, _ in raw[viewer]]) / 1e9
        later = np.array([when for when, _ in smooth[viewer]]) / 1e9
        # The first seconds are left out: the smoothed series starts with the raw one.
        later_rows = np.array([row for _, row in smooth[viewer]])[later > later[0] + MAX_DELAY_S]
        later = later[later > later[0] + MAX_DELAY_S]
        raw_rows = np.array([row for _, row in raw[viewer]])
        for place, shift in enumerate(shifts):
            for emotion in range(raw_rows.shape[1]):
                shifted = np.interp(later - shift, at, raw_rows[:, emotion])
                misfit[place] += float(((later_rows[:, emotion] - shifted) ** 2).sum())
    return float(shifts[misfit.argmin()])


def measure(video: Path) -> dict[str, float | str]:
    """The row of one video."""
    raw, smooth = series_of(video, 0.0), series_of(video, None)
    return {
        "video": video.name,
        "raw_changes_per_minute": round(changes_per_minute(raw), 1),
        "smoothed_changes_per_minute": round(changes_per_minute(smooth), 1),
        "delay_s": round(delay_s(raw, smooth), 3),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = [measure(video) for video in arguments.videos]
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    table = Table(
        "video",
        "raw, changes a minute",
        "smoothed",
        "delay in s",
        title="Label changes of one viewer",
    )
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
