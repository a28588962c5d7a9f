"""Bring a database of an older version up to date."""

from __future__ import annotations

import click

from monitor.cli.shared.options import (
    database_option,
    database_url,
    existing_database,
    output_options,
)
from monitor.cli.shared.output import print_json


@click.command(epilog="Example: ad-monitor upgrade --db kiosk.db")
@database_option
@output_options
def upgrade(database: str | None, as_json: bool) -> None:
    """Bring a database of an older version up to date, and keep a copy of the old one.

    `run`, `replay` and `hub serve` do this when they start; this command is for a machine that only
    reads the database. Stop all programs that use it first: while one has it open, an older
    database stays as it is. A database on a server is not copied: make a dump beforehand.
    """
    from db.engine import make_engine, make_ready
    from db.migrations import HEAD

    engine = make_engine(existing_database(database_url(database)))
    try:
        before = make_ready(engine, alone=True)
    finally:
        engine.dispose()
    if as_json:
        print_json({"from": before, "to": HEAD})
    elif before is None:
        click.echo(f"The database was empty: it has the tables of schema {HEAD} now.")
    elif before == HEAD:
        click.echo(f"The database is up to date (schema {HEAD}).")
    else:
        click.echo(f"The database was upgraded from schema {before} to {HEAD}.")
