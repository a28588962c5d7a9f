"""Delete what is old, or everything."""

from __future__ import annotations

import re
import sys
from datetime import UTC
from typing import TYPE_CHECKING

import click

from detector.sources.passwords import hide_passwords
from monitor.cli.database.stored import (
    console_files,
    day,
    file_document,
    files_of,
    key_of_hub,
    saved_choices,
    show_files,
    size,
    time,
)
from monitor.cli.shared.options import (
    database_option,
    database_url,
    opened,
    output_options,
    spool_option,
)
from monitor.cli.shared.output import print_json

if TYPE_CHECKING:
    from pathlib import Path


def days_of(text: str) -> int:
    """Return a number of days, written 90d or 90."""
    match = re.fullmatch(r"(\d{1,5})\s*d?", text.strip())
    if match is None or int(match[1]) > 36_500:
        raise click.BadParameter(f"expected a number of days such as 90d, received {text!r}.")
    return int(match[1])


@click.command(
    epilog="Examples: ad-monitor purge --older-than 30d --dry-run; before a machine is given away: "
    "ad-monitor purge --everything"
)
@database_option
@click.option(
    "--older-than",
    "days",
    type=days_of,
    default="90d",
    metavar="DAYS",
    help="Delete single readings older than this.",
)
@click.option("--site", help="Only at this site. [default: all]")
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@click.option(
    "--shrink",
    is_flag=True,
    help="Shrink the file afterwards; otherwise new readings reuse the space.",
)
@click.option(
    "--everything",
    is_flag=True,
    help="Delete all data of this program: database, backups beside it, records waiting to be "
    "written, the database of the pages in the browser, the key of a hub and what it sent, saved "
    "choices, logs.",
)
@spool_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@output_options
def purge(
    database: str | None,
    days: int,
    site: str | None,
    dry_run: bool,
    shrink: bool,
    everything: bool,
    spool: Path | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Delete old single readings; reports do not change.

    Reports use sums that are kept. A running kiosk purges once a day (`run --retention`); this
    command may run beside it.
    """
    if everything:
        url = database_url(database)
        is_named = database is not None
        _purge_everything(url, spool, named=is_named, dry_run=dry_run, yes=yes, as_json=as_json)
        return
    from datetime import datetime, timedelta

    from db.read.sessions import list_sessions
    from db.upkeep.retention import clock_doubt, purgeable, reusable_bytes
    from db.upkeep.retention import purge as delete_readings
    from db.upkeep.retention import shrink as give_back
    from monitor.reports.terminal import progress_bar

    before = datetime.now(UTC) - timedelta(days=days)
    with opened(database, read_only=False, existing=True) as engine:
        sites = set() if site is None else {one.site for one in list_sessions(engine)}
        if site is not None and site not in sites:
            known = ", ".join(map(repr, sorted(sites))) or "none"
            click.echo(f"No session is from the site {site!r}; sites: {known}.", err=True)
        doubt = clock_doubt(engine, datetime.now(UTC))
        if doubt:
            click.echo(
                f"{doubt}. If the clock is wrong, readings that are not old are deleted.", err=True
            )
            if not (dry_run or yes) and sys.stdin.isatty():
                click.confirm("Is the clock right?", abort=True, err=True)
        found = purgeable(engine, before, site)
        if not dry_run:
            with progress_bar("Deleting", "readings") as progress:
                found = delete_readings(engine, before, site, progress)
            if shrink:
                give_back(engine)
        reusable = reusable_bytes(engine)
    if as_json:
        print_json(
            {
                "readings": found.readings,
                "oldest": time(found.oldest),
                "newest": time(found.newest),
                "before": time(before),
                "site": site,
                "dry_run": dry_run,
                "reusable_bytes": reusable,
                "clock_doubt": doubt or None,
            }
        )
        return
    verb = "would be deleted" if dry_run else "deleted"
    span = f" ({day(found.oldest)} to {day(found.newest)})" if found.readings else ""
    click.echo(
        f"{found.readings} readings from before {day(before)} {verb}{span}; reports do not change."
    )
    if reusable and not dry_run:
        click.echo(
            f"{size(reusable)} of the file are free for new readings; --shrink makes the file "
            "smaller."
        )


def _ask() -> None:
    try:
        click.confirm("This cannot be undone. Delete all of it?", abort=True, err=True)
    except click.Abort as error:
        if isinstance(error.__context__, EOFError):
            click.echo(err=True)  # ends the line of the question
            raise click.UsageError(
                "Nobody can be asked here, so nothing was deleted: expected an answer, or --yes."
            ) from None
        raise


def _purge_everything(
    url: str, spool: Path | None, *, named: bool, dry_run: bool, yes: bool, as_json: bool
) -> None:
    from db.engine import make_engine
    from db.upkeep.inventory import delete_files, delete_tables
    from monitor.settings.paths import sqlite_file
    from monitor.uplink.stored_show import delete_show

    file = sqlite_file(url)
    files = files_of(url, spool)
    key = key_of_hub(url)
    console = console_files(url)
    beside = [*key, *show_files(url), *console]
    # Who mistypes the name would lose the log alone, and believe that everything is gone.
    choices = [] if named and not (files or beside) else [*beside, *saved_choices()]
    tables = file is None
    if not files and not choices and not tables:
        raise click.UsageError(
            f"No data of this program at {hide_passwords(url)}: name the database with --db."
        )
    if not as_json:
        click.echo("This would delete:" if dry_run else "This deletes:")
        if tables:
            click.echo(f"  all tables of this program in {hide_passwords(url)}")
        for one in (*files, *choices):
            click.echo(f"  {one.path} ({size(one.size_bytes)}): {one.what}")
    if not dry_run:
        if not yes:
            _ask()
        if file is None:
            engine = make_engine(url)
            delete_tables(engine)
            engine.dispose()
        delete_files(file, files)
        for choice in choices:
            choice.path.unlink(missing_ok=True)
        if file is not None:
            delete_show(file)
    if as_json:
        deleted = [file_document(one) for one in (*files, *choices)]
        print_json({"deleted": deleted, "tables": tables, "dry_run": dry_run})
    elif not dry_run:
        click.echo("Deleted. Delete backups and reports in other places yourself.")
        if key and not console:
            click.echo("The hub has what was sent to it; revoke this kiosk's key there.")
