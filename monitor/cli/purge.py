"""Delete what is old, or everything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from detector.sources.passwords import hide_passwords
from monitor.cli.options import (
    database_option,
    database_url,
    debug_option,
    existing_database,
    json_option,
    spool_option,
)
from monitor.cli.output import print_json
from monitor.cli.stored import day, file_document, files_of, saved_choices, size, time

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from db.upkeep.retention import Purged

LONGEST_DAYS = 36_500


class Days(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """A number of days, written as 90d or 90."""

    name = "days"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        match = re.fullmatch(r"(\d{1,5})\s*d?", str(value).strip())
        if match is None or int(match[1]) > LONGEST_DAYS:
            self.fail(f"expected a number of days such as 90d, received {value!r}.", param, ctx)
        return int(match[1])


@click.command(
    epilog="Examples: ad-monitor purge --older-than 30d --dry-run; before a machine is given away: "
    "ad-monitor purge --everything"
)
@database_option
@click.option(
    "--older-than",
    "days",
    type=Days(),
    default="90d",
    metavar="DAYS",
    help="Delete single readings from before so many days.",
)
@click.option("--site", help="Only of this site. [default: all]")
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@click.option(
    "--shrink",
    is_flag=True,
    help="Make the file smaller afterwards; new readings would use the room again anyway.",
)
@click.option(
    "--everything",
    is_flag=True,
    help="Delete all data of this program: database, backups beside it, what waits to be written, saved choices, logs.",
)
@spool_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@debug_option
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
    """Delete single readings that are old; every report stays as it was.

    Readings are added up before they go, and reports are made of the sums. A running kiosk does
    this by itself once a day (`run --retention`); the command may be used beside it.
    """
    if everything:
        _purge_everything(database_url(database), spool, dry_run=dry_run, yes=yes, as_json=as_json)
        return
    from datetime import datetime, timedelta, timezone

    from db.engine import open_database
    from db.upkeep.retention import purge as delete_readings
    from db.upkeep.retention import purgeable, reusable_bytes
    from db.upkeep.retention import shrink as give_back
    from monitor.reports.terminal import progress_bar

    before = datetime.now(timezone.utc) - timedelta(days=days)
    engine = open_database(existing_database(database_url(database)))
    try:
        found = purgeable(engine, before, site)
        if not dry_run:
            with progress_bar("Deleting", "readings") as progress:
                found = delete_readings(engine, before, site, progress)
            if shrink:
                give_back(engine)
        reusable = reusable_bytes(engine)
    finally:
        engine.dispose()
    if as_json:
        print_json(
            _purged_document(found, before, site, dry_run=dry_run) | {"reusable_bytes": reusable}
        )
        return
    verb = "would be deleted" if dry_run else "deleted"
    span = f" ({day(found.oldest)} to {day(found.newest)})" if found.readings else ""
    click.echo(
        f"{found.readings} readings from before {day(before)} {verb}{span}; reports stay as they are."
    )
    if reusable and not dry_run:
        click.echo(
            f"{size(reusable)} of the file are free, and new readings use them; --shrink makes the file smaller."
        )


def _purge_everything(
    url: str, spool: Path | None, *, dry_run: bool, yes: bool, as_json: bool
) -> None:
    from db.upkeep.inventory import delete_files
    from monitor.settings.paths import sqlite_file

    file = sqlite_file(url)
    files = files_of(url, spool)
    choices = saved_choices()
    tables = file is None
    if not files and not choices and not tables:
        raise click.UsageError(
            f"There is nothing of this program at {hide_passwords(url)}: name the database with --db."
        )
    if not as_json:
        click.echo("This would delete:" if dry_run else "This deletes:")
        if tables:
            click.echo(f"  all tables of this program in {hide_passwords(url)}")
        for one in (*files, *choices):
            click.echo(f"  {one.path} ({size(one.size_bytes)}): {one.what}")
    if not dry_run:
        if not yes:
            click.confirm("There is no way back. Delete all of it?", abort=True, err=True)
        if file is None:
            _drop_tables(url)
            delete_files(None, files)
        else:
            delete_files(file, files)
        for choice in choices:
            choice.path.unlink(missing_ok=True)
    if as_json:
        deleted = [file_document(one) for one in (*files, *choices)]
        print_json({"deleted": deleted, "tables": tables, "dry_run": dry_run})
    elif not dry_run:
        click.echo(
            "Deleted. Backups and reports that were put elsewhere are not known here, and are yours to delete."
        )


def _drop_tables(url: str) -> None:
    from db.engine import make_engine
    from db.upkeep.inventory import delete_tables

    engine = make_engine(url)
    try:
        delete_tables(engine)
    finally:
        engine.dispose()


def _purged_document(
    found: Purged, before: datetime, site: str | None, *, dry_run: bool
) -> dict[str, Any]:
    return {
        "readings": found.readings,
        "oldest": time(found.oldest),
        "newest": time(found.newest),
        "before": time(before),
        "site": site,
        "dry_run": dry_run,
    }
