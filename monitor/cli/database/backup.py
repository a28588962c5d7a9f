"""Copy the database."""

from __future__ import annotations

from pathlib import Path

import click

from detector.sources.passwords import hide_passwords
from monitor.cli.database.stored import size
from monitor.cli.shared.options import (
    database_option,
    database_url,
    existing_database,
    output_options,
)
from monitor.cli.shared.output import print_json
from monitor.settings.options import GivenPath, WholeRange


@click.command(epilog="Example, each night from cron: ad-monitor backup /media/usb --keep 14")
@click.argument("target", type=GivenPath(path_type=Path), required=False, metavar="[FILE|FOLDER]")
@database_option
@click.option(
    "--keep",
    type=WholeRange(1),
    metavar="N",
    help="Keep only the newest N backups in the folder.",
)
@output_options
def backup(target: Path | None, database: str | None, keep: int | None, as_json: bool) -> None:
    """Copy the database while the kiosk runs, and verify the copy.

    In a folder (by default that of the database) the copy is named NAME-backup-20260301T093015Z.db.
    A FILE that is an older backup is replaced once the copy is verified; other files never are.
    """
    from db.engine import make_engine, sqlite_path
    from db.upkeep.backup import back_up, delete_oldest, made_name
    from monitor.reports.terminal import progress_bar

    url = database_url(database)
    engine = make_engine(url)
    source = sqlite_path(engine)
    engine.dispose()
    if source is None:
        raise click.UsageError(
            f"The database {hide_passwords(url)} is on a server: copy it with PostgreSQL's "
            "`pg_dump`, which also works while the kiosk runs."
        )
    existing_database(str(source))
    target = target or source.parent
    in_folder = target.is_dir() or not target.suffix
    if keep is not None and not in_folder:
        raise click.BadParameter(
            f"expected a folder to keep several backups in, received {target}.", param_hint="--keep"
        )
    copy = made_name(source, target) if in_folder else target
    with progress_bar("Copying", "pages") as progress:
        written = back_up(source, copy, progress)
    deleted = delete_oldest(source, copy.parent, keep) if keep is not None else []
    if as_json:
        print_json(
            {"backup": str(copy), "bytes": written, "deleted": [str(path) for path in deleted]}
        )
        return
    click.echo(f"Backup of {source}: {copy} ({size(written)}), verified.")
    for path in deleted:
        click.echo(f"Deleted the old backup {path}.")
