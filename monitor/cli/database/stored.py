"""Describe what is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from detector.sources.passwords import hide_passwords
from monitor.cli.shared.options import (
    PROGRAM,
    database_option,
    database_url,
    existing_database,
    opened,
    output_options,
    spool_option,
)
from monitor.cli.shared.output import print_json

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from db.upkeep.inventory import StoredFile


@click.command(epilog="Example: ad-monitor stored --json")
@database_option
@spool_option
@output_options
def stored(database: str | None, spool: Path | None, as_json: bool) -> None:
    """Describe what is stored about people in front of the screen, and where.

    Shows counts, times and the meaning of every column, never a value of a person.
    """
    from db.upkeep.inventory import NEVER, WORDS, contents

    url = existing_database(database_url(database))
    with opened(url) as engine:
        tables = contents(engine)
    files = [
        *files_of(url, spool),
        *key_of_hub(url),
        *show_files(url),
        *console_files(url),
        *saved_choices(),
    ]
    if as_json:
        print_json(
            {
                "database": hide_passwords(url),
                "tables": [
                    {
                        "name": table.name,
                        "rows": table.rows,
                        "oldest": time(table.oldest),
                        "newest": time(table.newest),
                        "means": WORDS[table.name][0],
                        "columns": WORDS[table.name][1],
                    }
                    for table in tables
                ],
                "files": [file_document(file) for file in files],
                "never_stored": list(NEVER),
            }
        )
        return
    click.echo(f"What is stored in {hide_passwords(url)}\n")
    for table in tables:
        sentence, columns = WORDS[table.name]
        span = f", {day(table.oldest)} to {day(table.newest)}" if table.oldest is not None else ""
        click.echo(f"{table.name}: {table.rows} rows{span}\n  {sentence}")
        for names, words in columns.items():
            click.echo(f"    {names}: {words}")
        click.echo("")
    click.echo("Files")
    for file in files:
        click.echo(f"  {file.path} ({size(file.size_bytes)}): {file.what}")
    click.echo("\nNot stored anywhere")
    for sentence in NEVER:
        click.echo(f"  {sentence}")
    click.echo(
        f"\n`{PROGRAM} purge` deletes old readings, `{PROGRAM} purge --everything` all data."
    )


def files_of(url: str, spool: Path | None) -> list[StoredFile]:
    """Return the files of a database, and the records waiting to be written to it."""
    from db.engine import make_engine, sqlite_path
    from db.upkeep.inventory import StoredFile
    from db.upkeep.inventory import files_of as database_files
    from db.write.outbox import OutboxPlace
    from monitor.settings.paths import spool_folder

    engine = make_engine(url)
    path = sqlite_path(engine)
    place = OutboxPlace.of(engine, spool_folder(url, spool))
    engine.dispose()
    if path is not None:
        return database_files(path, place)
    waiting = [] if place is None else place.found()
    return [
        StoredFile(file, "records that wait to be written", file.stat().st_size) for file in waiting
    ]


def key_of_hub(url: str) -> list[StoredFile]:
    """Return the file with the key of the hub that was joined."""
    from db.upkeep.inventory import StoredFile
    from monitor.settings.paths import sqlite_file
    from monitor.uplink.key_file import key_path

    database = sqlite_file(url)
    file = None if database is None else key_path(database)
    if file is None or not file.is_file():
        return []
    return [StoredFile(file, "the key of the hub that was joined", file.stat().st_size)]


def show_files(url: str) -> list[StoredFile]:
    """Return the files that the hub sent: its show, and what it wants besides."""
    from db.upkeep.inventory import StoredFile
    from monitor.settings.paths import sqlite_file
    from monitor.uplink.stored_show import ShowFolder

    database = sqlite_file(url)
    if database is None:
        return []
    folder = ShowFolder(database)
    return [
        StoredFile(
            file,
            "a picture or video from the hub" if file.parent == folder.media else "from the hub",
            file.stat().st_size,
        )
        for file in folder.files()
    ]


def console_files(url: str) -> list[StoredFile]:
    """Return the files of the console's database; it has the sums of this kiosk, and accounts."""
    from db.upkeep.inventory import StoredFile
    from monitor.settings.paths import console_database, sqlite_file

    database = sqlite_file(url)
    if database is None:
        return []
    console = console_database(database)
    found = [console.with_name(console.name + end) for end in ("", "-wal", "-shm")]
    return [
        StoredFile(file, "the database of this kiosk's pages", file.stat().st_size)
        for file in found
        if file.is_file()
    ]


def saved_choices() -> list[StoredFile]:
    """Return the file with the operator's choices, and the logs in their default place."""
    from db.upkeep.inventory import StoredFile
    from monitor.logs import RUN_LOG, SUPERVISOR_LOG, default_log, log_files
    from monitor.sensor.camera_choice import choice_file

    file = choice_file()
    found = (
        [StoredFile(file, "which camera was chosen", file.stat().st_size)] if file.is_file() else []
    )
    logs = (one for name in (RUN_LOG, SUPERVISOR_LOG) for one in log_files(default_log(name)))
    return [*found, *(StoredFile(log, "a log of the program", log.stat().st_size) for log in logs)]


def file_document(file: StoredFile) -> dict[str, Any]:
    return {"path": str(file.path), "bytes": file.size_bytes, "what": file.what}


def time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def day(moment: datetime | None) -> str:
    return "" if moment is None else moment.strftime("%Y-%m-%d")


def size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"
