"""Leave the hub that was joined."""

from __future__ import annotations

import click

from monitor.cli.shared.options import (
    database_file,
    database_option,
    database_url,
    debug_option,
    opened,
)


@click.command(epilog="Example: ad-monitor leave --db kiosk.db")
@database_option
@debug_option
def leave(database: str | None) -> None:
    """Leave the hub: nothing more is sent, and the kiosk's key becomes void.

    What the hub has stays there, and what was measured stays here. The kiosk shows its own playlist
    again, and what the hub sent is deleted; if it is running, by itself within seconds.
    """
    from db.transfer.uplink import UplinkStore
    from detector.names import printable
    from monitor.errors import MonitorError, SetupError
    from monitor.uplink.client import HubClient
    from monitor.uplink.key_file import delete_key, key_path, read_key
    from monitor.uplink.stored_show import delete_show

    url = database_url(database)
    file = database_file(url)
    path = key_path(file)
    key = read_key(path)
    if key is None:
        raise SetupError(f"The kiosk of {url} has joined no hub: there is no {path}.")
    try:
        HubClient(key.hub, key.ca).leave(key.key)
    except MonitorError as error:
        click.echo(f"The hub was not told: {error} Revoke the key there.", err=True)
    delete_key(path)
    with opened(url, read_only=False) as engine:
        UplinkStore(engine).leave()
    delete_show(file)
    click.echo(f"Left {key.hub}; the screen {printable(key.name)} has no kiosk now.")
