"""The commands about what is stored: copy it, delete what is old, delete everything, say what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from detector.sources.passwords import hide_passwords
from monitor.cli.options import (
    PROGRAM,
    database_option,
    database_url,
    debug_option,
    existing_database,
    json_option,
    print_json,
)

if TYPE_CHECKING:
    from datetime import datetime

    from db.upkeep.inventory import StoredFile, TableContents
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


@click.command(epilog="Example, each night from cron: ad-monitor backup /media/usb --keep 14")
@click.argument("target", type=click.Path(path_type=Path), required=False, metavar="[FILE|FOLDER]")
@database_option
@click.option(
    "--keep",
    type=click.IntRange(1),
    metavar="N",
    help="Delete all but the newest N backups in the folder; needs a folder, in which the names are made here.",
)
@json_option
@debug_option
def backup(target: Path | None, database: str | None, keep: int | None, as_json: bool) -> None:
    """Copy the database while the kiosk runs, and prove that the copy is whole.

    In a folder (by default that of the database) the copy is named after the time,
    NAME-backup-20260301T0930Z.db. A backup that has the name already is replaced, once the new one
    is whole; other files are never.
    """
    from db.upkeep.backup import back_up, delete_oldest, made_name
    from monitor.reports.terminal import progress_bar

    source = _file(
        database,
        "Copy it with `pg_dump` instead, which PostgreSQL brings along and can be used while the kiosk runs.",
    )
    existing_database(str(source))
    folder = target if target is not None and (target.is_dir() or not target.suffix) else None
    if target is None:
        folder = source.parent
    if keep is not None and folder is None:
        raise click.BadParameter(
            f"expected a folder to keep several backups in, received {target}.", param_hint="--keep"
        )
    copy = (
        target
        if target is not None and folder is None
        else made_name(source, folder or source.parent)
    )
    with progress_bar("Copying", "pages") as progress:
        size = back_up(source, copy, progress)
    deleted = delete_oldest(source, copy.parent, keep) if keep is not None else []
    if as_json:
        print_json({"backup": str(copy), "bytes": size, "deleted": [str(path) for path in deleted]})
        return
    click.echo(f"Backup of {source}: {copy} ({_size(size)}), looked through and whole.")
    for path in deleted:
        click.echo(f"Deleted the old backup {path}.")


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
    show_default=True,
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
@click.option(
    "--spool",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="As given to `run`.",
)
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
    span = f" ({_day(found.oldest)} to {_day(found.newest)})" if found.readings else ""
    click.echo(
        f"{found.readings} readings from before {_day(before)} {verb}{span}; reports stay as they are."
    )
    if reusable and not dry_run:
        click.echo(
            f"{_size(reusable)} of the file are free, and new readings use them; --shrink makes the file smaller."
        )


@click.command(epilog="Example: ad-monitor stored --json")
@database_option
@click.option(
    "--spool",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="As given to `run`.",
)
@json_option
@debug_option
def stored(database: str | None, spool: Path | None, as_json: bool) -> None:
    """Say in plain words what is stored about the people in front of the screen, and where.

    For whoever asks: counts, times, and the meaning of every column; never a single value of
    anybody.
    """
    from db.engine import open_database
    from db.upkeep.inventory import NEVER, WORDS, contents

    url = existing_database(database_url(database))
    engine = open_database(url, read_only=True)
    try:
        tables = contents(engine)
    finally:
        engine.dispose()
    files = [*_files(url, spool), *_choices()]
    if as_json:
        print_json(
            {
                "database": hide_passwords(url),
                "tables": [_table_document(table) for table in tables],
                "files": [_file_document(file) for file in files],
                "never_stored": list(NEVER),
            }
        )
        return
    click.echo(f"What is stored in {hide_passwords(url)}\n")
    for table in tables:
        sentence, columns = WORDS[table.name]
        span = f", {_day(table.oldest)} to {_day(table.newest)}" if table.oldest is not None else ""
        click.echo(f"{table.name}: {table.rows} rows{span}\n  {sentence}")
        for names, words in columns.items():
            click.echo(f"    {names}: {words}")
        click.echo("")
    click.echo("Files")
    for file in files:
        click.echo(f"  {file.path} ({_size(file.size_bytes)}): {file.what}")
    click.echo("\nNot stored anywhere")
    for sentence in NEVER:
        click.echo(f"  {sentence}")
    click.echo(
        f"\n`{PROGRAM} purge` deletes what is old, `{PROGRAM} purge --everything` deletes all of it."
    )


def _purge_everything(
    url: str, spool: Path | None, *, dry_run: bool, yes: bool, as_json: bool
) -> None:
    from db.upkeep.inventory import delete_files
    from monitor.settings.paths import sqlite_file

    file = sqlite_file(url)
    files = _files(url, spool)
    choices = _choices()
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
            click.echo(f"  {one.path} ({_size(one.size_bytes)}): {one.what}")
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
        deleted = [_file_document(one) for one in (*files, *choices)]
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


def _files(url: str, spool: Path | None) -> list[StoredFile]:
    """The files of a database, and what waits to be written to it."""
    from db.engine import make_engine, sqlite_path
    from db.upkeep.inventory import StoredFile, files_of
    from db.write.spool import SpoolPlace
    from monitor.settings.paths import spool_folder

    engine = make_engine(url)
    path = sqlite_path(engine)
    place = SpoolPlace.of(engine, spool_folder(url, spool))
    engine.dispose()
    if path is not None:
        return files_of(path, place)
    waiting = [] if place is None else place.found()
    return [
        StoredFile(file, "records that wait to be written", file.stat().st_size) for file in waiting
    ]


def _choices() -> list[StoredFile]:
    """What the operator has chosen in the window, and the logs in their usual place."""
    from db.upkeep.inventory import StoredFile
    from monitor.logs import RUN_LOG, SUPERVISOR_LOG, default_log, log_files
    from monitor.sensor.camera_choice import choice_file

    file = choice_file()
    found = (
        [StoredFile(file, "which camera was chosen", file.stat().st_size)] if file.is_file() else []
    )
    logs = (one for name in (RUN_LOG, SUPERVISOR_LOG) for one in log_files(default_log(name)))
    return [*found, *(StoredFile(log, "a log of the program", log.stat().st_size) for log in logs)]


def _file(named: str | None, otherwise: str) -> Path:
    """The database's file; a server has none."""
    from db.engine import make_engine, sqlite_path

    url = database_url(named)
    engine = make_engine(url)
    path = sqlite_path(engine)
    engine.dispose()
    if path is None:
        raise click.UsageError(f"The database {hide_passwords(url)} is on a server: {otherwise}")
    return path


def _purged_document(
    found: Purged, before: datetime, site: str | None, *, dry_run: bool
) -> dict[str, Any]:
    return {
        "readings": found.readings,
        "oldest": _time(found.oldest),
        "newest": _time(found.newest),
        "before": _time(before),
        "site": site,
        "dry_run": dry_run,
    }


def _table_document(table: TableContents) -> dict[str, Any]:
    from db.upkeep.inventory import WORDS

    sentence, columns = WORDS[table.name]
    return {
        "name": table.name,
        "rows": table.rows,
        "oldest": _time(table.oldest),
        "newest": _time(table.newest),
        "means": sentence,
        "columns": columns,
    }


def _file_document(file: StoredFile) -> dict[str, Any]:
    return {"path": str(file.path), "bytes": file.size_bytes, "what": file.what}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _day(moment: datetime | None) -> str:
    return "" if moment is None else moment.strftime("%Y-%m-%d")


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"
