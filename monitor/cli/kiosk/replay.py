"""Measure recordings."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.reports.report import after_session, after_sessions, announce, report_after_failure
from monitor.cli.shared.options import (
    PROGRAM,
    Moment,
    load_settings,
    output_options,
    workers_of,
    workers_options,
)
from monitor.settings.models import RecordingSettings, ReplaySettings
from monitor.settings.options import GivenPath, SettingsCommand, settings_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from monitor.session.replay_folder import Replayed

STARTS = [
    f"%Y-%m-%d{between}{time}{zone}"
    for zone in ("", "%z")
    for between in (" ", "T")
    for time in ("%H:%M", "%H:%M:%S")
]


@click.command(
    cls=SettingsCommand,
    epilog="Example: ad-monitor replay visitors.mp4 --playlist summer.yaml --report "
    "reactions.html, or ad-monitor replay recordings/ --jobs 4",
)
@click.argument("video", metavar="VIDEO|FOLDER", type=GivenPath(path_type=Path))
@click.option(
    "--started-at",
    type=Moment(STARTS),
    metavar="TIME",
    help="When the recording began, such as '2026-03-29 17:05:30', in the playlist's time zone, "
    "else this machine's, or with an offset such as +0100. [default: as its metadata or the date "
    "of the file say]",
)
@settings_options(RecordingSettings)
@workers_options
@output_options
def replay(
    video: Path,
    started_at: datetime | None,
    jobs: int,
    address: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure a recording: every frame, no window, as fast as the machine allows.

    The ads are placed on the recording's clock, one after the other from its first frame. Two
    replays of a recording give the same rows. The recordings of a folder become a session each, in
    the order of their names, with one report on all; --jobs or --on measures several at a time.
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
    if video.is_dir() or jobs > 1 or address is not None:
        _replay_all(settings, jobs, address, as_json)
        return
    with report_after_failure(settings), progress_bar("Replaying", "frames") as progress:
        session_id = replay_recording(settings, progress)
    after_session(session_id, settings, as_json)


def _replay_all(settings: ReplaySettings, jobs: int, address: str | None, as_json: bool) -> None:
    """Replay a folder, or one recording on another machine."""
    from monitor.reports.terminal import progress_bar
    from monitor.session.replay_folder import recordings_in, replay_all

    if settings.video.is_dir() and settings.started_at is not None:
        raise click.UsageError(
            "--started-at names when one recording began: expected a recording, received the "
            f"folder {settings.video}; the recordings of a folder begin as their metadata or the "
            "dates of their files say."
        )
    videos = recordings_in(settings.video) if settings.video.is_dir() else [settings.video]
    with (
        workers_of(jobs, address) as workers,
        _reported(settings, len(videos), as_json) as done,
        progress_bar("Replaying", "recordings") as progress,
    ):
        progress(0, len(videos))
        for replayed in replay_all(settings, videos, None if workers is map else workers):
            done.append(replayed)
            progress(len(done), len(videos))
            if replayed.error is not None and len(videos) > 1:
                click.echo(f"{replayed.video.name}: {replayed.error}", err=True)


@contextmanager
def _reported(settings: ReplaySettings, expected: int, as_json: bool) -> Iterator[list[Replayed]]:
    """Yield a list for what was replayed; report on it, however the replay ends."""
    from monitor.errors import SessionFailedError, SessionInterruptedError

    done: list[Replayed] = []
    interrupted = False
    try:
        yield done
    except SessionInterruptedError as error:
        interrupted = True
        click.echo(str(error), err=True)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        if sessions := [one.session for one in done if one.session is not None]:
            after_sessions(sessions, settings, as_json)
    if interrupted:
        raise SessionFailedError(
            f"Stopped after {len(done)} of {expected} recordings; replay the others by themselves "
            f"(`{PROGRAM} sessions` lists what is stored)."
        )
    failed = [one for one in done if one.error is not None]
    if expected == 1 and failed and failed[0].error is not None:
        raise failed[0].error
    if failed:
        raise SessionFailedError(
            f"{len(failed)} of {expected} recordings could not be measured to the end: "
            f"{_names(failed)}."
        )


def _names(replayed: Sequence[Replayed]) -> str:
    names = [one.video.name for one in replayed]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
