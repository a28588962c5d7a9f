"""The command line: one command per job, and the only place that turns an error into an exit status.

Nothing heavy is imported before a command runs, so that help appears at once.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DONE, FAILED, WRONG = 0, 1, 2
PROGRAM = "ad-monitor"
LANGUAGES = ("en", "de")
REPORT_FORMATS = ("html", "json", "csv")
DEVICES = ("auto", "gpu", "cpu")
AGAINST = ("original", "majority", "plurality", "happy-sad")

logger = logging.getLogger(__name__)


def _set_debug(_context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        logging.getLogger().setLevel(logging.DEBUG)


def _together(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """One decorator of several options, shown in the order given."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=_set_debug,
    help="Show tracebacks and everything the parts log.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
database_option = click.option(
    "--db",
    "database",
    metavar="URL",
    help="Database: an SQLAlchemy URL or the path of an SQLite file. [default: $AD_MONITOR_DB, else a file in your "
    "data folder]",
)
model_options = _together(
    click.option("--model", metavar="NAME|FILE", help="A shipped model or a .keras file. [default: compact-1]"),
    click.option("--device", type=click.Choice(DEVICES), default="auto", help="What classifies. [default: auto]"),
)
min_viewers_option = click.option(
    "--min-viewers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Withhold figures that fewer viewers stand behind (5 is usual for reports that are shared).",
)
session_options = _together(
    click.option(
        "--playlist",
        type=click.Path(path_type=Path),
        help="Ads: a YAML file, or a folder of pictures and videos. [default: the bundled samples]",
    ),
    database_option,
    click.option("--site", default="default", show_default=True, help="Name of the place, for reports."),
    click.option(
        "--policy", type=click.Choice(["sequential"]), default="sequential", help="How the next ad is chosen."
    ),
    model_options,
    click.option("--loops", type=click.IntRange(1), help="Stop after so many rounds through the playlist."),
    click.option("--duration", "duration_s", type=click.FloatRange(0, min_open=True), help="Stop after S seconds."),
    click.option(
        "--readings-per-second",
        type=click.FloatRange(0, 100, min_open=True),
        default=10.0,
        show_default=True,
        help="Readings logged a second and viewer.",
    ),
    click.option(
        "--report",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Write a report at the end: .html, .json or .csv.",
    ),
    min_viewers_option,
    json_option,
    debug_option,
)


@click.group(
    name=PROGRAM,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: ad-monitor run --source demo --loops 1 --report report.html",
)
@click.version_option(package_name="ad-reaction-monitor", prog_name=PROGRAM)
@debug_option
def cli() -> None:
    """Faces in front of an ad screen and the ad on it, on one clock."""


@cli.command(epilog="Example: ad-monitor run --source 0 --playlist summer.yaml --site 'Shop 12' --fullscreen")
@click.option("--source", help="Camera index, video file, http or rtsp address, or demo. [default: the first camera, "
              "else demo]")  # fmt: skip
@session_options
@click.option("--fullscreen", is_flag=True, help="Begin in full screen.")
@click.option("--headless", is_flag=True, help="Do the same work without a window.")
@click.option("--no-overlay", is_flag=True, help="Begin without the live readings (key O shows them).")
@click.option("--volume", type=click.FloatRange(0, 1), default=1.0, show_default=True, help="Of the ads' sound.")
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Of the window.")
@click.option(
    "--notice-language",
    "notice_languages",
    type=click.Choice(LANGUAGES),
    multiple=True,
    help="Of the notice to the people in front of the screen; may be repeated. [default: --language]",
)
@click.option("--notice-url", default="", help="Where these people can read more.")
def run(
    as_json: bool,
    min_viewers: int,
    no_overlay: bool,
    notice_languages: tuple[str, ...],
    **options: Any,
) -> None:
    """Run the kiosk: play the ads, watch the viewers, log their reactions.

    A video file as the source is played in real time like a camera, and the run ends with it. Keys in the window: F full
    screen, N next ad, Space pause, O overlay, H help, Q quit.
    """
    from monitor.app import run_headless, run_window
    from monitor.config import RunSettings
    from monitor.pipeline.memory import forbid_memory_images
    from monitor.ui.qt_environment import screen_available

    options["database"] = _database(options["database"])
    forbid_memory_images()
    has_screen = screen_available()
    unbounded = options["loops"] is None and options["duration_s"] is None
    if not has_screen and not options["headless"] and unbounded:
        click.echo("There is no screen here: the window is drawn into memory and shows each ad once.", err=True)
        options["loops"] = 1
    settings = RunSettings(overlay=not no_overlay, notice_languages=notice_languages, **options)
    _announce(settings.database, settings.report)
    with _report_after_failure(settings, min_viewers):
        session_id = run_headless(settings) if settings.headless else run_window(settings, offscreen=not has_screen)
    if session_id is None:
        click.echo("Stopped before the session began.", err=True)
        return
    _after_session(session_id, settings.database, settings.report, min_viewers, as_json)


@cli.command(epilog="Example: ad-monitor replay visitors.mp4 --playlist summer.yaml --report reactions.html")
@click.argument("video", type=click.Path(path_type=Path))
@session_options
def replay(video: Path, as_json: bool, min_viewers: int, **options: Any) -> None:
    """Measure a recording: every frame, no window, as fast as the machine allows.

    The ads are placed on the recording's own clock, one after the other from its first frame on; two replays of a
    recording give the same rows.
    """
    import signal

    from monitor.config import ReplaySettings
    from monitor.pipeline.memory import forbid_memory_images
    from monitor.replay import replay as replay_recording
    from monitor.terminal import progress_bar

    options["database"] = _database(options["database"])
    settings = ReplaySettings(video=video, **options)
    _announce(settings.database, settings.report)
    forbid_memory_images()
    # Asked to end, it closes the session like after Ctrl+C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with _report_after_failure(settings, min_viewers), progress_bar("Replaying", "frames") as progress:
        session_id = replay_recording(settings, progress)
    _after_session(session_id, settings.database, settings.report, min_viewers, as_json)


@cli.command(epilog="Example: ad-monitor sessions --db monitor.db")
@database_option
@json_option
@debug_option
def sessions(database: str | None, as_json: bool) -> None:
    """List the sessions of a database."""
    from db.engine import open_database
    from db.queries import list_sessions
    from monitor.terminal import print_sessions, session_document

    engine = open_database(_existing(_database(database)), read_only=True)
    try:
        found = list_sessions(engine)
    finally:
        engine.dispose()
    if as_json:
        _print_json({"sessions": [session_document(session) for session in found]})
    elif not found:
        click.echo(f"No session yet in {_database(database)}: start one with `{PROGRAM} run`.", err=True)
    else:
        print_sessions(found)


@cli.command(epilog="Example: ad-monitor report 3 --format html,csv -o reactions.html")
@click.argument("session", type=click.IntRange(1), required=False)
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
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Where to write it; - prints it. With several formats each takes its own ending. [default: HTML to "
    "session-N.html here; JSON and CSV are printed]",
)
@min_viewers_option
@json_option
@debug_option
def report(
    session: int | None, database: str | None, formats: str, output: Path | None, min_viewers: int, as_json: bool
) -> None:
    """Write the report of a session, by default the latest one."""
    from monitor.reports.export import to_csv, to_json, write_report
    from monitor.reports.session_report import build_report

    wanted = ["json"] if as_json else [name.strip() for name in formats.split(",") if name.strip()]
    if len(wanted) > 1 and str(output) == "-":
        raise click.BadParameter("only one format can be printed.", param_hint="-o")
    unknown = [name for name in wanted if name not in REPORT_FORMATS]
    if unknown or not wanted:
        raise click.BadParameter(f"expected {', '.join(REPORT_FORMATS)}, received {formats!r}.", param_hint="--format")
    data = _load_session(_existing(_database(database)), session)
    for name in wanted:
        printed = output is None and name != "html" if len(wanted) == 1 else False
        if printed or str(output) == "-":
            document = build_report(data, min_viewers=min_viewers)
            if name == "html":
                from monitor.reports.html import render_html

                click.echo(render_html(document))
            else:
                click.echo(to_json(document) if name == "json" else to_csv(document), nl=False)
            continue
        target = output or Path(f"session-{data.info.id}.{name}")
        if len(wanted) > 1:
            target = target.with_suffix(f".{name}")
        written = write_report(data, name, target, min_viewers=min_viewers)
        click.echo(f"Report of session {data.info.id}: {written}", err=True)


@cli.command(epilog="Example: ad-monitor classify photo.jpg holiday/ --json")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE_OR_URL...")
@model_options
@json_option
@debug_option
def classify(images: tuple[str, ...], model: str | None, device: str, as_json: bool) -> None:
    """Find the faces in pictures and name their expressions.

    IMAGE_OR_URL is a picture file, a folder of pictures, or an http(s) address.
    """
    _silence_native_libraries()
    from monitor.classify import classify_pictures, expand
    from monitor.errors import SetupError
    from monitor.terminal import print_faces, progress_bar

    names = expand(images)
    found = []
    with progress_bar("Classifying", "pictures") as progress:
        for entry in classify_pictures(names, model, device):  # type: ignore[arg-type]
            found.append(entry)
            progress(len(found), len(names))
    if as_json:
        _print_json({"images": found})
    else:
        print_faces(found)
    unreadable = [entry["error"] for entry in found if "error" in entry]
    if unreadable:
        raise SetupError(" ".join(unreadable))


@cli.command(epilog="Example: ad-monitor bench visitors.mp4 --json")
@click.argument("video", default="demo")
@model_options
@json_option
@debug_option
def bench(video: str, model: str | None, device: str, as_json: bool) -> None:
    """Measure speed and cost on a video (default: the demo viewer), decoding left out."""
    _silence_native_libraries()
    from monitor.bench import bench as measure
    from monitor.terminal import print_bench, progress_bar

    with progress_bar("Measuring", "frames") as progress:
        figures = measure(video, model, device, progress)  # type: ignore[arg-type]
    if as_json:
        _print_json(figures)
    else:
        print_bench(figures)


@cli.command(epilog="Example: ad-monitor doctor --source 0")
@click.option("--source", help="Also try this camera, file or address.")
@database_option
@click.option("--model", metavar="NAME|FILE", help="A shipped model or a .keras file. [default: compact-1]")
@json_option
@debug_option
def doctor(source: str | None, database: str | None, model: str | None, as_json: bool) -> None:
    """Check camera, light, codecs, sound, GPU, disk, database and model, and say what to do."""
    _silence_native_libraries()
    from monitor.doctor import examine
    from monitor.terminal import print_findings

    findings = examine(source=source, database=_database(database), model=model)
    if as_json:
        _print_json({"checks": [finding.document() for finding in findings]})
    else:
        print_findings(findings)
    if any(finding.state == "fail" for finding in findings):
        sys.exit(FAILED)


@cli.command(epilog="Example: ad-monitor train --data fer2013.csv --votes fer2013new.csv --out runs/first")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="FER2013's fer2013.csv, plain or packed.")
@click.option("--votes", type=click.Path(path_type=Path), required=True, help="FER+'s fer2013new.csv.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the run; resumes what is in it.")
@click.option("--name", default="compact", show_default=True, help="Name of the model.")
@click.option(
    "--stages",
    default="32:12,48:18",
    show_default=True,
    help="Picture side and epochs of each stage; small pictures first save time.",
)
@click.option("--batch-size", type=click.IntRange(1), default=128, show_default=True)
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), default=0.12, show_default=True)
@click.option("--seed", type=int, default=20261121, show_default=True)
@debug_option
def train(data: Path, votes: Path, out: Path, name: str, **options: Any) -> None:
    """Train the compact network on FER2013 with FER+ votes."""
    _silence_native_libraries()
    from training.run import train_and_export

    model = train_and_export(data, votes, out, name, **options)
    click.echo(f"Model: {model}", err=True)


@cli.command(epilog="Example: ad-monitor evaluate --data fer2013.csv --votes fer2013new.csv --against majority")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="FER2013's fer2013.csv, plain or packed.")
@click.option("--votes", type=click.Path(path_type=Path), help="FER+'s fer2013new.csv.")
@click.option("--split", default="PublicTest", show_default=True, help="Which published split.")
@click.option("--against", type=click.Choice(AGAINST), default="majority", show_default=True, help="Which labels.")
@model_options
@json_option
@debug_option
def evaluate(
    data: Path, votes: Path | None, split: str, against: str, model: str | None, device: str, as_json: bool
) -> None:
    """Measure a model on a dataset."""
    _silence_native_libraries()
    from detector.classifier import load_classifier
    from monitor.terminal import print_evaluation
    from training.datasets import read_fer2013
    from training.evaluation import evaluate as measure

    faces = read_fer2013(data, votes).split(split)
    figures = measure(load_classifier(model, device), faces, against)  # type: ignore[arg-type]
    if as_json:
        _print_json(figures)
    else:
        print_evaluation(figures)


def _database(named: str | None) -> str:
    from monitor.config import default_database

    return named or default_database()


def _existing(database: str) -> str:
    """Refuse to make an empty database only to read from it."""
    from db.errors import DatabaseOpenError
    from monitor.config import sqlite_file

    path = sqlite_file(database)
    if path is not None and not path.exists():
        raise DatabaseOpenError(
            f"There is no database {path}: expected one that `{PROGRAM} run` or `{PROGRAM} replay` has written; "
            "name it with --db."
        )
    return database


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
            raise click.BadParameter(f"{folder} cannot be written: expected a folder that can.", param_hint="--report")
    logger.info("Database: %s", database)


def _load_session(database: str, session_id: int | None) -> Any:
    from db.engine import open_database
    from db.errors import NoSuchSessionError
    from db.queries import latest_session_id, load_session

    engine = open_database(database, read_only=True)
    try:
        chosen = session_id or latest_session_id(engine)
        if chosen is None:
            raise NoSuchSessionError(f"{database} holds no session: start one with `{PROGRAM} run`.")
        return load_session(engine, chosen)
    finally:
        engine.dispose()


@contextmanager
def _report_after_failure(settings: Any, min_viewers: int) -> Iterator[None]:
    """Write the report that was asked for also of a session that came to a bad end."""
    from monitor.errors import SessionFailedError

    try:
        yield
    except SessionFailedError as error:
        if error.session_id is not None and settings.report is not None:
            _after_session(error.session_id, settings.database, settings.report, min_viewers, as_json=False)
        raise


def _after_session(session_id: int, database: str, report_path: Path | None, min_viewers: int, as_json: bool) -> None:
    """Write and print what was asked for at the end of a session."""
    click.echo(f"Session {session_id} is in {database}", err=True)
    if report_path is None and not as_json:
        click.echo(f"See it with `{PROGRAM} report {session_id}`.", err=True)
        return
    from monitor.errors import SessionFailedError
    from monitor.reports.errors import ReportWriteError
    from monitor.reports.export import to_json, write_report
    from monitor.reports.session_report import build_report

    data = _load_session(database, session_id)
    if report_path is not None:
        try:
            written = write_report(data, report_path.suffix.lstrip("."), report_path, min_viewers=min_viewers)
        except ReportWriteError as error:
            raise SessionFailedError(f"Session {session_id} is stored, but: {error}", session_id) from error
        click.echo(f"Report: {written}", err=True)
    if as_json:
        click.echo(to_json(build_report(data, min_viewers=min_viewers)), nl=False)


def _print_json(document: dict[str, Any]) -> None:
    import json

    click.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def _is_callers_mistake(error: Exception) -> bool:
    """Whether the command line, or a file that it names, is wrong."""
    from ads.errors import AdsError
    from db.errors import DatabaseOpenError, NoSuchSessionError, SchemaVersionError
    from detector.errors import ModelLoadError, SourceOpenError
    from monitor.errors import SetupError
    from monitor.reports.errors import ReportWriteError

    # Told by name: importing the offline room, or pydantic, only to ask would be slow.
    if type(error).__name__ in {"DatasetError", "ValidationError"}:
        return True
    wrong = (
        AdsError,
        DatabaseOpenError,
        NoSuchSessionError,
        SchemaVersionError,
        ModelLoadError,
        SourceOpenError,
        SetupError,
        ReportWriteError,
    )
    return isinstance(error, wrong)


def _one_sentence(error: Exception) -> str:
    if type(error).__name__ != "ValidationError":
        return str(error)
    first = error.errors()[0]  # type: ignore[attr-defined]
    where = ".".join(str(part) for part in first["loc"])
    return f"Invalid {where.replace('_', ' ')}: {first['msg']}; received {first['input']!r}."


def _is_known(error: Exception) -> bool:
    from db.errors import DatabaseError
    from detector.errors import DetectorError
    from monitor.errors import MonitorError

    return isinstance(error, (MonitorError, DatabaseError, DetectorError))


def _set_up_logging() -> None:
    # Native libraries read these when they load; their chatter is not for users.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("GLOG_minloglevel", "2")
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s: %(message)s", force=True)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its status."""
    _set_up_logging()
    status = DONE
    try:
        cli.main(args=arguments, prog_name=PROGRAM, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        status = WRONG
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else PROGRAM
        _complain(f"{error.format_message().rstrip('.')}. Try `{command} --help`.")
        status = WRONG
    except click.ClickException as error:
        _complain(error.format_message())
        status = FAILED
    except (KeyboardInterrupt, click.Abort):
        _complain("Stopped.")
        status = FAILED
    except BrokenPipeError:
        # Whoever read the output, such as `head`, has enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        status = WRONG if _is_callers_mistake(error) else FAILED
        if logging.getLogger().level == logging.DEBUG:
            logger.exception("Failed")
        elif status == WRONG or _is_known(error):
            _complain(_one_sentence(error))
        else:
            _complain(
                f"Internal error ({type(error).__name__}: {error}). This is a mistake in the program; run it again with "
                "--debug to see where."
            )
    sys.exit(status)


def _silence_native_libraries() -> None:
    """Keep what MediaPipe and LiteRT print themselves off the terminal; Python's own standard error stays.

    With --debug they may speak.
    """
    if logging.getLogger().level == logging.DEBUG:
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 (a device, not a file)
        os.dup2(nowhere.fileno(), 2)
    sys.stderr = os.fdopen(kept, "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace")
    _set_up_logging()


def _complain(message: str) -> None:
    click.echo(f"Error: {message}", err=True)


if __name__ == "__main__":
    main()
