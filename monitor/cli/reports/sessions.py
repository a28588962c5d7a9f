"""List the sessions."""

from __future__ import annotations

import click

from monitor.cli.shared.options import (
    PROGRAM,
    database_option,
    database_url,
    opened,
    output_options,
)
from monitor.cli.shared.output import print_json


@click.command(epilog="Example: ad-monitor sessions --db monitor.db")
@database_option
@output_options
def sessions(database: str | None, as_json: bool) -> None:
    """List the sessions of a database, with the viewers over time of each."""
    from db.read.cells import untold_among
    from db.read.sessions import list_sessions, viewers_over_time
    from monitor.reports.document import session_document
    from monitor.reports.terminal import print_sessions

    with opened(database, existing=True) as engine:
        found = list_sessions(engine)
        untold = untold_among(engine)
        activity = {} if as_json else viewers_over_time(engine, found)
    if as_json:
        documents = [
            session_document(session) | ({"viewers": None} if session.id in untold else {})
            for session in found
        ]
        print_json({"sessions": documents})
    elif not found:
        click.echo(
            f"No session yet in {database_url(database)}: start one with `{PROGRAM} run`.", err=True
        )
    else:
        print_sessions(found, activity, untold)
