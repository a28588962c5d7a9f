"""The commands of a session: show the ads, replay a recording, list, report."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.options import (
    PROGRAM,
    REPORT_FORMATS,
    REPORT_TABLES,
    Language,
    Languages,
    analysis_settings,
    database_option,
    database_url,
    debug_option,
    existing_database,
    guard_rails,
    json_option,
    media_option,
    min_viewers_option,
    moment,
    print_json,
    recording_options,
    session_options,
    since_option,
    site_option,
    until_option,
)
from monitor.cli.supervised import (
    KeepsArguments,
    arguments_of,
    log_option,
    log_path,
    supervise,
    supervision_options,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from monitor.settings.models import RecordingSettings

logger = logging.getLogger(__name__)


@click.command(
    cls=KeepsArguments,
    epilog="Example: ad-monitor run --source 0 --playlist summer.yaml --site 'Shop 12' --fullscreen",
)
@click.option(
    "--source",
    help="Camera index or lasting name (/dev/v4l/by-id/…), video file, http or rtsp address, or demo. [default: the camera "
    "chosen before, else the first one, else demo]",
)
@click.option(
    "--picker/--no-picker",
    default=None,
    help="Ask which camera to use, or never ask. [default: ask once, when there are several]",
)
@click.option(
    "--no-camera", is_flag=True, help="Only show the ads: open no camera and measure nothing."
)
@click.option(
    "--no-camera-because",
    metavar="TEXT",
    hidden=True,
    help="The same, with the reason for the session.",
)
@session_options
@recording_options
@click.option("--fullscreen", is_flag=True, help="Begin in full screen.")
@click.option(
    "--screen",
    type=click.IntRange(1),
    metavar="N",
    help="On which screen, from 1 on; a number too high lists them.",
)
@click.option(
    "--headless",
    is_flag=True,
    help="Do the same work without a window, and so without a notice on the screen.",
)
@click.option(
    "--no-overlay", is_flag=True, help="Begin without the live readings (key O shows them)."
)
@click.option(
    "--volume",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    help="Of the ads' sound.",
)
@click.option("--language", type=Language(), help="Of the window. [default: the system's, else en]")
@click.option(
    "--notice",
    type=click.Choice(["bar", "required"]),
    default="bar",
    show_default=True,
    help="How the people in front of the screen are told: by a bar below the ads, always there; or before that, alone, "
    "before the camera is opened, and nothing is measured while the notice is not on the screen.",
)
@click.option(
    "--notice-seconds",
    type=click.FloatRange(0, 120, min_open=True),
    default=5.0,
    show_default=True,
    metavar="S",
    help="How long a required notice is shown alone.",
)
@click.option(
    "--notice-language",
    "notice_languages",
    type=Languages(),
    multiple=True,
    help="Of the notice; several with commas between them. [default: --language]",
)
@click.option(
    "--notice-url",
    default="",
    help="Where these people can read more; shown as text and as a QR code.",
)
@supervision_options
@log_option
@click.pass_context
def run(
    context: click.Context,
    /,
    as_json: bool,
    min_viewers: int,
    no_overlay: bool,
    language: str | None,
    notice_languages: tuple[tuple[str, ...], ...],
    no_camera: bool,
    no_camera_because: str | None,
    supervised: bool,
    stuck_after: float,
    restart_limit: int,
    log: str | None,
    **options: Any,
) -> None:
    """Run the kiosk: play the ads, watch the viewers, log their reactions.

    A video file as the source is played in real time like a camera, and the run ends with it. Keys
    in the window: F full screen, N next ad, Space pause, O overlay, F1 operator panel, H help, Q
    quit.
    """
    from monitor.kiosk.supervision.heartbeat import Heartbeat, Phase

    heartbeat = Heartbeat.from_environment()
    if supervised and not heartbeat.supervised:
        sys.exit(supervise(arguments_of(context), stuck_after, restart_limit, log))

    from monitor.ui.qt_environment import DisplayProbe, screen_named

    # Qt opens the display in a child while the slow imports run.
    display = DisplayProbe()
    if not options["headless"]:
        display.start()

    from monitor.kiosk.headless import run_headless
    from monitor.logs import logging_to
    from monitor.sensor.child_process import disable_core_dumps
    from monitor.settings.models import RunSettings
    from monitor.ui.texts import default_language

    options["database"] = database_url(options["database"])
    disable_core_dumps()
    has_screen = options["headless"] or display.succeeded()
    if options["notice"] == "required" and (options["headless"] or not has_screen):
        raise click.BadParameter(
            "expected a window on a screen, because nothing may be measured before the notice was shown there; received "
            f"{'--headless' if options['headless'] else 'no screen'}; leave one of the two out.",
            param_hint="--notice required",
        )
    source = options["source"]
    # The reason comes from the supervisor, which adds it to whatever the kiosk was started with.
    if source is not None and no_camera:
        raise click.BadParameter(
            f"expected either this or --source, received both; leave one out ({source}).",
            param_hint="--no-camera",
        )
    if options["picker"] and source is not None:
        raise click.BadParameter(
            f"expected either this or --source, received both; leave one out ({source}).",
            param_hint="--picker",
        )
    reason = no_camera_because or ("started with --no-camera" if no_camera else None)
    people = reason is None and (source is None or source.isdecimal() or "://" in source)
    if people and (options["headless"] or not has_screen):
        click.echo(
            "No notice is seen here: tell the people in front of the camera in another way.",
            err=True,
        )
    is_dead = not has_screen and screen_named()
    if not has_screen:
        _say_how_the_window_is_drawn(options, is_dead, heartbeat.supervised)
    options["analysis"] = analysis_settings(options)
    options["guard_rails"] = guard_rails(options)
    options["language"] = language or default_language()
    notice = tuple(dict.fromkeys(code for codes in notice_languages for code in codes))
    settings = RunSettings(
        overlay=not no_overlay,
        notice_languages=notice,
        no_camera=reason,
        patient=heartbeat.supervised,
        **options,
    )
    with logging_to(log_path(log)), _noted():
        _announce(settings.database, settings.report)
        with _report_after_failure(settings, min_viewers):
            if settings.headless:
                session_id = run_headless(settings, heartbeat)
            else:
                from monitor.kiosk.app import run_window

                session_id = run_window(
                    settings,
                    offscreen=not has_screen,
                    heartbeat=heartbeat,
                    display=display if is_dead and heartbeat.supervised else None,
                )
        heartbeat.beat(Phase.REPORTING)
        if session_id is None:
            click.echo("Stopped before the session began.", err=True)
            return
        _after_session(session_id, settings, min_viewers, as_json)


def _say_how_the_window_is_drawn(
    options: dict[str, Any], is_dead: bool, is_supervised: bool
) -> None:
    if is_dead and is_supervised:
        # The display may be started later, or again.
        click.echo(
            "The display cannot be opened: the window is drawn into memory until it can.", err=True
        )
    elif options["loops"] is None and options["duration_s"] is None:
        what = "The display cannot be opened" if is_dead else "There is no screen here"
        click.echo(f"{what}: the window is drawn into memory and shows each ad once.", err=True)
        options["loops"] = 1


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
    _announce(settings.database, settings.report)
    disable_core_dumps()
    # Asked to end, it closes the session like after Ctrl+C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        _report_after_failure(settings, min_viewers),
        progress_bar("Replaying", "frames") as progress,
    ):
        session_id = replay_recording(settings, progress)
    _after_session(session_id, settings, min_viewers, as_json)


@click.command(epilog="Example: ad-monitor sessions --db monitor.db")
@database_option
@json_option
@debug_option
def sessions(database: str | None, as_json: bool) -> None:
    """List the sessions of a database, with when each was busy."""
    from db.engine import open_database
    from db.read.sessions import list_sessions, viewers_over_time
    from monitor.reports.document import session_document
    from monitor.reports.terminal import print_sessions

    engine = open_database(existing_database(database_url(database)), read_only=True)
    try:
        found = list_sessions(engine)
        activity = {} if as_json else viewers_over_time(engine, found)
    finally:
        engine.dispose()
    if as_json:
        print_json({"sessions": [session_document(session) for session in found]})
    elif not found:
        click.echo(
            f"No session yet in {database_url(database)}: start one with `{PROGRAM} run`.", err=True
        )
    else:
        print_sessions(found, activity)


@click.command(
    epilog="Example: ad-monitor report 3 --format html,pdf -o reactions.html, or ad-monitor report --all --site 'Shop 12'"
)
@click.argument("session", type=click.IntRange(1), required=False)
@click.option("--all", "everything", is_flag=True, help="One report on all sessions instead, or on those of --site, "
              "--since and --until.")  # fmt: skip
@since_option
@until_option
@site_option
@database_option
@click.option(
    "--format",
    "formats",
    default="html",
    show_default=True,
    metavar="NAMES",
    help=f"One or more of {', '.join(REPORT_FORMATS)}, with commas between them.",
)
@click.option(
    "--table",
    type=click.Choice(REPORT_TABLES),
    default=REPORT_TABLES[0],
    show_default=True,
    help="Of CSV and Parquet: a row per play and second, per ad and second, per ad, per play, or per gap.",
)
@media_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Where to write it; - prints it. With several formats each takes its own ending. [default: session-N.html here; "
    "JSON and CSV are printed]",
)
@min_viewers_option
@json_option
@debug_option
def report(
    session: int | None,
    everything: bool,
    since: datetime | None,
    until: datetime | None,
    site: str | None,
    database: str | None,
    formats: str,
    table: str,
    folders: tuple[Path, ...],
    output: Path | None,
    min_viewers: int,
    as_json: bool,
) -> None:
    """Report on a session, by default the latest one, or on many.

    Writes a page that opens anywhere, and shows the main figures here. The page has the curves of
    every ad above pictures of it; pictures need the ads' own files.
    """
    from monitor.reports.export import TEXT_FORMATS, report_bytes, write_report

    wanted = ["json"] if as_json else [name.strip() for name in formats.split(",") if name.strip()]
    if len(wanted) > 1 and str(output) == "-":
        raise click.BadParameter("only one format can be printed.", param_hint="-o")
    unknown = [name for name in wanted if name not in REPORT_FORMATS]
    if unknown or not wanted:
        raise click.BadParameter(
            f"expected {', '.join(REPORT_FORMATS)}, received {formats!r}.", param_hint="--format"
        )
    if session is not None and (everything or since or until or site):
        raise click.UsageError(
            "A report is on one session or on many: leave out its number, or --all and the like."
        )
    several = everything or bool(since or until or site)
    document, data = _report(
        existing_database(database_url(database)),
        min_viewers,
        session,
        {"site": site, "since": moment(since), "until": moment(until)} if several else None,
    )
    films = _pictures(document, wanted, folders or (Path(),))
    name = "report" if several else f"session-{document['session']['id']}"
    for form in wanted:
        to_print = str(output) == "-" or (
            output is None and len(wanted) == 1 and form in {"json", "csv"}
        )
        if to_print and form not in TEXT_FORMATS:
            raise click.BadParameter(
                f"{form} is not a text: expected a file, received -.", param_hint="-o"
            )
        if to_print:
            content = report_bytes(document, form, table=table, data=data, thumbnails=films)
            click.echo(content.decode(), nl=False)
            continue
        target = output or Path(f"{name}.{form}")
        if len(wanted) > 1:
            target = target.with_suffix(f".{form}")
        written = write_report(document, form, target, table=table, data=data, thumbnails=films)
        click.echo(f"Report: {written}", err=True)
    if output is None and "html" in wanted:
        from monitor.reports.terminal import print_report

        print_report(document)


def _pictures(document: dict[str, Any], formats: Sequence[str], folders: tuple[Path, ...]) -> Any:
    """Pictures of the ads; None where no format shows them."""
    if not {"html", "pdf"} & set(formats):
        return None
    from monitor.reports.thumbnails import find_thumbnails

    return find_thumbnails(document, folders)


def _report(
    database: str,
    min_viewers: int,
    session: int | None = None,
    several: dict[str, Any] | None = None,
) -> tuple[dict[str, Any], Any]:
    """The report on one session, by default the latest one, or on several, and the data that it was made of.

    Args:
        database: Its URL.
        min_viewers: Figures about fewer viewers are withheld.
        session: Which one; it must exist.
        several: Which sessions instead, as `db.read.rollups.Scope` takes it.
    """
    from db.engine import open_database
    from db.errors import NoSuchSessionError
    from db.read.rollups import Scope
    from db.read.sessions import latest_session_id, require_session
    from monitor.reports.document import make_report

    engine = open_database(database, read_only=True)
    try:
        if several is not None:
            return make_report(engine, Scope(**several), min_viewers=min_viewers)
        chosen = session or latest_session_id(engine)
        if chosen is None:
            raise NoSuchSessionError(
                f"{database} holds no session: start one with `{PROGRAM} run`."
            )
        require_session(engine, chosen)
        return make_report(engine, Scope(session_ids=(chosen,)), min_viewers=min_viewers)
    finally:
        engine.dispose()


def _announce(database: str, report_path: Path | None) -> None:
    if report_path is not None:
        from monitor.reports.export import FORMATS

        if report_path.suffix.lstrip(".") not in FORMATS:
            raise click.BadParameter(
                f"expected a file that ends in {', '.join('.' + name for name in FORMATS)}, received {report_path}.",
                param_hint="--report",
            )
        folder = report_path.absolute().parent
        while not folder.exists():
            folder = folder.parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise click.BadParameter(
                f"{folder} cannot be written: expected a folder that can.", param_hint="--report"
            )
    logger.info("Database: %s", database)


@contextmanager
def _noted() -> Iterator[None]:
    """Keep in the log how a run that failed ended; whoever reads the terminal is told elsewhere."""
    try:
        yield
    except Exception as error:
        logger.info("The run failed: %s", error, exc_info=error)
        raise


@contextmanager
def _report_after_failure(settings: RecordingSettings, min_viewers: int) -> Iterator[None]:
    """Write the report that was asked for also of a session that came to a bad end."""
    from monitor.errors import SessionFailedError

    try:
        yield
    except SessionFailedError as error:
        if error.session_id is not None and settings.report is not None:
            _after_session(error.session_id, settings, min_viewers, as_json=False)
        raise


def _after_session(
    session_id: int, settings: RecordingSettings, min_viewers: int, as_json: bool
) -> None:
    """Write and print what was asked for at the end of a session."""
    database, report_path, playlist = settings.database, settings.report, settings.playlist
    from detector.sources.passwords import hide_passwords

    click.echo(f"Session {session_id} is in {hide_passwords(database)}", err=True)
    if report_path is None and not as_json:
        click.echo(f"See it with `{PROGRAM} report {session_id}`.", err=True)
        return
    from monitor.analytics.errors import ReportWriteError
    from monitor.errors import SessionFailedError
    from monitor.reports.export import to_json, write_report

    document, data = _report(database, min_viewers, session_id)
    if report_path is not None:
        folder = Path() if playlist is None else playlist if playlist.is_dir() else playlist.parent
        form = report_path.suffix.lstrip(".")
        films = _pictures(document, [form], (folder,))
        try:
            written = write_report(document, form, report_path, data=data, thumbnails=films)
        except ReportWriteError as error:
            raise SessionFailedError(
                f"Session {session_id} is stored, but: {error}", session_id
            ) from error
        click.echo(f"Report: {written}", err=True)
    if as_json:
        click.echo(to_json(document), nl=False)
