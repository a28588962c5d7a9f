"""Measure a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from monitor.cli.options import (
    analysis_settings,
    database_url,
    guard_rails,
    session_options,
)
from monitor.cli.report import after_session, announce, report_after_failure


@click.command(
    epilog="Example: ad-monitor replay visitors.mp4 --playlist summer.yaml --report reactions.html"
)
@click.argument("video", type=click.Path(path_type=Path))
@session_options
def replay(video: Path, as_json: bool, min_viewers: int, **options: Any) -> None:
    """Measure a recording: every frame, no window, as fast as the machine allows.

    The ads are placed on the recording's own clock, one after the other from its first frame on;
    two replays of a recording give the same rows.
    """
    import signal

    from monitor.reports.terminal import progress_bar
    from monitor.sensor.child_process import disable_core_dumps
    from monitor.session.replay import replay as replay_recording
    from monitor.settings.models import ReplaySettings

    options["database"] = database_url(options["database"])
    options["analysis"] = analysis_settings(options)
    options["guard_rails"] = guard_rails(options)
    settings = ReplaySettings(video=video, **options)
    announce(settings.database, settings.report)
    disable_core_dumps()
    # Asked to end, it closes the session like after Ctrl+C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        report_after_failure(settings, min_viewers),
        progress_bar("Replaying", "frames") as progress,
    ):
        session_id = replay_recording(settings, progress)
    after_session(session_id, settings, min_viewers, as_json)
