"""Measure speed and cost."""

from __future__ import annotations

from typing import Any

import click

from monitor.cli.shared.options import load_settings, output_options
from monitor.cli.shared.output import print_result, silence_native_libraries
from monitor.settings.models import PerceptionSettings
from monitor.settings.options import settings_options


@click.command(epilog="Example: ad-monitor bench visitors.mp4 --json")
@click.argument("video", default="demo")
@settings_options(PerceptionSettings)
@output_options
def bench(video: str, as_json: bool, **options: Any) -> None:
    """Measure speed and cost on a video (default: the demo viewer), decoding left out."""
    silence_native_libraries()
    from monitor.cli.shared.tables import print_bench
    from monitor.reports.terminal import progress_bar
    from monitor.session.bench import bench as measure

    settings = load_settings(PerceptionSettings, options)
    with progress_bar("Measuring", "frames") as progress:
        figures = measure(video, settings.model, settings.device, settings.analysis, progress)
    print_result(as_json, figures, print_bench)
