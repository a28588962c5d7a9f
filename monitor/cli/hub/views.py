"""Make the views that other programs read."""

from __future__ import annotations

from typing import Any

import click

from monitor.cli.shared.options import PROGRAM, debug_option, load_settings, opened
from monitor.settings.models import HubSettings
from monitor.settings.options import config_option, setting_option


@click.command(epilog=f"Example: {PROGRAM} hub views --db postgresql+psycopg://hub@localhost/hub")
@click.option("--drop", is_flag=True, help="Remove the views.")
@setting_option(HubSettings, "min_viewers")
@setting_option(HubSettings, "database")
@config_option
@debug_option
def views(drop: bool, **options: Any) -> None:
    """Make SQL views of plays, sums and alerts for programs that draw charts (docs/how-to/bi.md).

    They have names instead of row ids and no row about one viewer, so they can be shared. Made
    again, they replace those that are there, for example with another --min-viewers.
    """
    settings = load_settings(HubSettings, options)
    from db.engine import writing
    from db.hub.views import VIEWS, create_views, drop_views

    with (
        opened(settings.database, read_only=False, existing=True) as engine,
        writing(engine) as connection,
    ):
        if drop:
            known = drop_views(connection)
        else:
            create_views(connection, settings.min_viewers)
    if drop:
        click.echo("There were no views." if known is None else "Removed the views.", err=True)
    else:
        click.echo(
            f"Made {', '.join(VIEWS)}; hours with fewer than {settings.min_viewers} viewers are "
            "not in them.",
            err=True,
        )
