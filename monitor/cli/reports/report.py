"""Report on one session or on many."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.shared.options import (
    PROGRAM,
    database_option,
    database_url,
    existing_database,
    in_zone,
    kinds_options,
    media_option,
    min_viewers_option,
    opened,
    output_options,
    play_prices,
    price_option,
    scope_of,
    scope_options,
    time_zone,
    workers_of,
    workers_options,
    zone_of_sites,
)
from monitor.languages import language_codes
from monitor.reports import FORMATS, TABLES, TEXT_FORMATS
from monitor.settings.options import GivenPath, WholeRange
from monitor.settings.paths import sqlite_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from db.read.scope import Scope
    from monitor.settings.models import RecordingSettings

logger = logging.getLogger(__name__)


@click.command(
    epilog="Example: ad-monitor report 3 --format html,pdf,pptx -o reactions.html, or "
    "ad-monitor report --all --site 'Shop 12'"
)
@click.argument("session", type=WholeRange(1), required=False)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Report on all sessions, or on those of --site, --group, --tag, --since and --until.",
)
@scope_options
@kinds_options
@database_option
@click.option(
    "--format",
    "formats",
    metavar="NAMES",
    help=f"One or more of {', '.join(FORMATS)}, separated by commas. [default: that of -o, else "
    "html]",
)
@click.option(
    "--table",
    type=click.Choice(TABLES),
    default=TABLES[0],
    help="Rows of CSV and Parquet: per play and second, per ad and second, per ad, per play, per "
    "gap, impression multipliers per site, weekday and hour, plays for Display & Video 360, per "
    "scene, or per screen of a hub.",
)
@price_option
@click.option(
    "--timezone",
    metavar="NAME",
    help="Zone of the times on the page, such as Europe/Berlin; JSON, CSV and Parquet keep UTC. "
    "[default: the site's]",
)
@click.option(
    "--language",
    type=click.Choice(language_codes()),
    default="en",
    show_default=True,
    help="Language of the report; JSON, CSV and Parquet are English.",
)
@media_option
@click.option(
    "-o",
    "--output",
    type=GivenPath(path_type=Path, dir_okay=False, allow_dash=True),
    help="File to write, or - to print; several formats each get their own ending. [default: "
    "session-N.html here; JSON and CSV are printed]",
)
@min_viewers_option
@workers_options
@output_options
def report(
    session: int | None,
    everything: bool,
    database: str | None,
    formats: str | None,
    table: str,
    prices: tuple[str, ...],
    timezone: str | None,
    language: str,
    folders: tuple[Path, ...],
    output: Path | None,
    min_viewers: int,
    jobs: int,
    address: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Report on a session, by default the latest, or on many.

    Writes a self-contained page and shows the main figures here. The page has the curves of every
    ad above its thumbnails, which need the ads' files.
    """
    from db.read.scope import Scope
    from monitor.reports.export import report_bytes, write_report
    from monitor.session.first_run import ads_folder

    wanted = _wanted_formats(formats, output, as_json)
    typed = scope_of(options)
    several = everything or typed != Scope()
    if session is not None and several:
        raise click.UsageError(
            "Expected one session or many: leave out its number, or --all, --since and the like."
        )
    url = existing_database(database_url(database))
    file = sqlite_file(url)
    media = folders or (Path(), *(() if file is None else (ads_folder(file),)))
    zone = time_zone(timezone)
    if several:
        with opened(url) as engine:
            zone = zone_of_sites(engine, timezone, typed)
    with workers_of(jobs, address) as workers:
        document, data = _report(
            url,
            session,
            in_zone(typed, zone) if several else None,
            min_viewers=min_viewers,
            prices=play_prices(prices),
            zone=zone,
            media=media,
            workers=workers,
        )
    films = _pictures(document, wanted, media, language)
    shown = {"table": table, "data": data, "thumbnails": films, "language": language}
    name = "report" if several else f"session-{document['session']['id']}"
    for form in wanted:
        is_default = output is None and len(wanted) == 1 and form in {"json", "csv"}
        to_print = str(output) == "-" or is_default
        if to_print and form not in TEXT_FORMATS:
            raise click.BadParameter(
                f"{form} cannot be printed: expected a file, received -.", param_hint="-o"
            )
        if to_print:
            content = report_bytes(document, form, **shown)
            click.echo(content.decode("utf-8-sig"), nl=False)
            continue
        target = output or Path(f"{name}.{form}")
        if len(wanted) > 1:
            target = target.with_suffix(f".{form}")
        written = write_report(document, form, target, **shown)
        click.echo(f"Report: {written}", err=True)
    if output is None and "html" in wanted:
        from monitor.reports.terminal import print_report

        print_report(document)


def _wanted_formats(formats: str | None, output: Path | None, as_json: bool) -> list[str]:
    """Return the formats to make, at least one; refuse a file that does not go with them."""
    ending = "" if output is None else output.suffix.lstrip(".").lower()
    if formats is None:
        formats = "html" if output is None or str(output) == "-" else ending
        if not as_json and formats not in FORMATS:
            raise click.BadParameter(
                f"expected a file that ends in {', '.join(f'.{name}' for name in FORMATS)}, "
                f"received {str(output)!r}: rename it, or say --format.",
                param_hint="-o",
            )
    wanted = ["json"] if as_json else [name.strip() for name in formats.split(",") if name.strip()]
    if len(wanted) > 1 and str(output) == "-":
        raise click.BadParameter("only one format can be printed.", param_hint="-o")
    if not wanted or set(wanted) - set(FORMATS):
        raise click.BadParameter(
            f"expected {', '.join(FORMATS)}, received {formats!r}.", param_hint="--format"
        )
    if len(wanted) == 1 and ending in FORMATS and ending != wanted[0]:
        raise click.BadParameter(
            f"expected a file that ends in .{wanted[0]}, received {str(output)!r}.", param_hint="-o"
        )
    return wanted


def _pictures(
    document: dict[str, Any], formats: Sequence[str], folders: tuple[Path, ...], language: str
) -> Any:
    """Return thumbnails of the ads, or why there are none; `None` if no format shows them."""
    if not {"html", "pdf", "pptx"} & set(formats):
        return None
    from monitor.languages import speaking
    from monitor.reports.thumbnails import find_thumbnails

    with speaking(language):
        return find_thumbnails(document, folders)


def _report(
    database: str,
    session: int | None = None,
    several: Scope | None = None,
    **options: Any,
) -> tuple[dict[str, Any], Any]:
    """Return the report on one session, by default the latest, or on a scope, and its data."""
    from db.errors import NoSuchSessionError
    from db.read.scope import Scope
    from db.read.sessions import latest_session_id, require_session
    from monitor.reports.document import make_report

    with opened(database) as engine:
        if several is not None:
            return make_report(engine, several, **options)
        chosen = session or latest_session_id(engine)
        if chosen is None:
            raise NoSuchSessionError(
                f"{database} holds no session: start one with `{PROGRAM} run`."
            )
        require_session(engine, chosen)
        return make_report(engine, Scope(session_ids=(chosen,)), **options)


def announce(settings: RecordingSettings) -> None:
    """Refuse reports that cannot be written, before the session begins."""
    from datetime import UTC, datetime

    from monitor.analytics.errors import ReportError
    from monitor.reports.export import report_path

    for report in settings.report:
        if report.suffix.lstrip(".") not in FORMATS:
            endings = ", ".join(f".{name}" for name in FORMATS)
            raise click.BadParameter(
                f"expected a file that ends in {endings}, received {report}.", param_hint="--report"
            )
        try:
            report_path(report, session=0, site=settings.site, began=datetime.now(UTC))
        except ReportError as error:
            raise click.BadParameter(str(error), param_hint="--report") from None
        folder = report.absolute().parent
        while not folder.exists():
            folder = folder.parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise click.BadParameter(
                f"{folder} cannot be written: expected a folder that can.", param_hint="--report"
            )
    logger.info("Database: %s", settings.database)


@contextmanager
def report_after_failure(settings: RecordingSettings) -> Iterator[None]:
    """Write the reports even if the session fails or its terminal closes."""
    from monitor.errors import SessionFailedError
    from monitor.terminal import leave_closed_terminal

    try:
        try:
            yield
        finally:
            leave_closed_terminal()
    except SessionFailedError as error:
        if error.session_id is not None and settings.report:
            after_session(error.session_id, settings, as_json=False)
        raise


def after_session(session_id: int, settings: RecordingSettings, as_json: bool) -> None:
    """Write and print the reports at the end of a session."""
    after_sessions([session_id], settings, as_json)


def after_sessions(session_ids: Sequence[int], settings: RecordingSettings, as_json: bool) -> None:
    """Write and print the reports on sessions that were just recorded, one or more."""
    from detector.sources.passwords import hide_passwords

    first, last = session_ids[0], session_ids[-1]
    where, several = hide_passwords(settings.database), len(session_ids) > 1
    named = f"{first}-{last}" if several else str(first)
    what = (
        f"{len(session_ids)} sessions, {first} to {last}, are" if several else f"Session {first} is"
    )
    click.echo(f"{what} in {where}", err=True)
    if not settings.report and not as_json:
        command = "report --all --replays" if several else f"report {first}"
        click.echo(f"See {'them' if several else 'it'} with `{PROGRAM} {command}`.", err=True)
        return
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from db.read.scope import Scope
    from monitor.analytics.errors import ReportWriteError
    from monitor.errors import SessionFailedError
    from monitor.reports.export import report_path, to_json, write_report

    scope = Scope(session_ids=tuple(session_ids)) if several else None
    document, data = _report(settings.database, first, scope, min_viewers=settings.min_viewers)
    playlist = settings.playlist
    folder = Path() if playlist is None else playlist if playlist.is_dir() else playlist.parent
    forms = [report.suffix.lstrip(".") for report in settings.report]
    films = _pictures(document, forms, (folder,), settings.report_language)
    began = datetime.fromisoformat(document["session"]["started_at"])
    zone = document["report"]["timezone"]
    for report, form in zip(settings.report, forms, strict=True):
        path = report_path(
            report,
            session=named,
            site=settings.site,
            began=began.astimezone(None if zone is None else ZoneInfo(zone)),
            overwrite=settings.report_overwrite,
        )
        try:
            written = write_report(
                document,
                form,
                path,
                data=data,
                thumbnails=films,
                language=settings.report_language,
            )
        except ReportWriteError as error:
            raise SessionFailedError(f"{what} stored, but: {error}", first) from error
        click.echo(f"Report: {written}", err=True)
    if as_json:
        click.echo(to_json(document), nl=False)
