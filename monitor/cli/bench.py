"""Measure speed and cost."""

from __future__ import annotations

from typing import Any

import click

from monitor.cli.options import (
    analysis_settings,
    debug_option,
    json_option,
    model_options,
    perception_options,
)
from monitor.cli.output import print_json, silence_native_libraries


@click.command(epilog="Example: ad-monitor bench visitors.mp4 --json")
@click.argument("video", default="demo")
@model_options
@perception_options
@json_option
@debug_option
def bench(video: str, model: str | None, device: str, as_json: bool, **options: Any) -> None:
    """Measure speed and cost on a video (default: the demo viewer), decoding left out."""
    silence_native_libraries()
    from monitor.cli.results import print_bench
    from monitor.reports.terminal import progress_bar
    from monitor.session.bench import bench as measure

    analysis = analysis_settings(options)
    with progress_bar("Measuring", "frames") as progress:
        figures = measure(video, model, device, analysis, progress)  # type: ignore[arg-type]
    if as_json:
        print_json(figures)
    else:
        print_bench(figures)
