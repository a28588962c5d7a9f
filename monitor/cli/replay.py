"""Measure a recording."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.options import load_settings, output_options
from monitor.cli.report import after_session, announce, report_after_failure
from monitor.settings.models import RecordingSettings, ReplaySettings
from monitor.settings.options import SettingsCommand, settings_options

if TYPE_CHECKING:
    from datetime import datetime

STARTS = [
    f"%Y-%m-%d{between}{time}{zone}"
    for zone in ("", "%z")
    for between in (" ", "T")
    for time in ("%H:%M", "%H:%M:%S")
]


@click.command(
    cls=SettingsCommand,
    epilog="Example: ad-monitor replay visitors.mp4 --playlist summer.yaml --report reactions.html",
)
@click.argument("video", type=click.Path(path_type=Path))
@click.option(
    "--started-at",
    type=click.DateTime(STARTS),
    metavar="TIME",
    help="When the recording began, such as '2026-03-29 17:05:30', in the playlist's time zone, "
    "else this machine's, or with an offset such as +0100. [default: as its metadata or the date "
    "of the file say]",
)
@settings_options(RecordingSettings)
@output_options
def replay(video: Path, started_at: datetime | None, as_json: bool, **options: Any) -> None:
    """Measure a recording: every frame, no window, as fast as the machine allows.

    The ads are placed on the recording's clock, one after the other from its first frame. Two
    replays of a recording give the same rows.
    """
    import signal

    from monitor.reports.terminal import progress_bar
    from monitor.sensor.child_process import disable_core_dumps
    from monitor.session.replay import replay as replay_recording

    settings = load_settings(ReplaySettings, options, video=video, started_at=started_at)
    announce(settings)
    disable_core_dumps()
    # SIGTERM closes the session as Ctrl+C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with report_after_failure(settings), progress_bar("Replaying", "frames") as progress:
        session_id = replay_recording(settings, progress)
    after_session(session_id, settings, as_json)
