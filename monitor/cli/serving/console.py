"""The console of one kiosk: the hub's pages beside it. The kiosk starts `python -m` of this."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.serving.hub_serve import serve_hub
from monitor.cli.shared.errors import one_sentence
from monitor.cli.shared.output import (
    make_streams_printable,
    set_up_logging,
    silence_native_libraries,
)
from monitor.settings.console_order import ConsoleOrder
from monitor.settings.models import HubSettings
from monitor.settings.paths import console_database, default_settings_file
from monitor.settings.sources import SettingsFile, Sources, load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.engine import Engine

    from monitor.settings.models import RunSettings
    from monitor.web.services import HubServices

logger = logging.getLogger(__name__)

ADMINISTRATOR = "admin"
"""The first account of a console."""


def order_of(options: Mapping[str, Any], settings: RunSettings) -> ConsoleOrder:
    """Return the order for the console of a kiosk.

    Args:
        options: Those of the kiosk's command, by name.
        settings: Of the kiosk.

    Raises:
        SetupError: Its database is on a server.
    """
    from monitor.cli.shared.options import database_file

    file = options.get("config") or default_settings_file()
    return ConsoleOrder(
        database=database_file(settings.database),
        settings_file=Path(file).absolute(),
        options={
            name: _as_json(value)
            for name, value in options.items()
            if value is not None and value != () and name != "config"
        },
        host=settings.console_host,
        port=settings.console_port,
        site=settings.site,
        time_zone=settings.timezone,
        upload=settings.upload or "sums",
        min_viewers=settings.upload_min_viewers or 5,
    )


def _as_json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_as_json(one) for one in value]
    return value if isinstance(value, bool | int | float | str) else str(value)


def say_address(address: str, link: str | None) -> None:
    """Say in the terminal where the console is, and how to set its first password."""
    click.echo(f"The pages of this kiosk are at {address}", err=True)
    if link is None:
        return
    if "/setup#" in link:
        click.echo(f"Set this kiosk up with this link: {link}", err=True)
    else:
        click.echo(
            f"Set the password of its account {ADMINISTRATOR} with this link: {link}", err=True
        )
    if sys.stderr.isatty() and not is_here(address):
        print_code(link)


def is_here(address: str) -> bool:
    """Return whether only this machine reaches an address."""
    from urllib.parse import urlsplit

    from monitor.uplink.address import plain_reach

    return plain_reach(urlsplit(address).hostname or "") == "here"


def print_code(link: str) -> None:
    """Print a link as a QR code on standard error."""
    import segno

    stream = getattr(sys.stderr, "as_is", sys.stderr)
    segno.make_qr(link, error="l").terminal(stream, compact=True, border=2)


def serve_console(
    order: ConsoleOrder,
    tell: Callable[[dict[str, Any]], None],
    begin: Callable[[HubServices], None] = lambda _services: None,
    *,
    with_kiosk: bool = False,
) -> None:
    """Serve the console of a kiosk until it is stopped, and join the kiosk to it.

    Args:
        order: Names the kiosk.
        tell: Called with `{"event": "ready", "address": ..., "link": ...}` once the pages can be
            reached; the link sets the kiosk up if that is asked for, else the first password, and
            is `None` if there is one. `{"event": "set_up"}` follows once it is set up.
        begin: Called with the application's services before that.
        with_kiosk: Whether the kiosk listens to what is told, and starts again when it has to.

    Raises:
        SetupError: The port is taken, or the kiosk has joined a hub.
    """
    from monitor.hub.screens.own_kiosk import refuse_other_hub
    from monitor.web.kiosk_console import Console

    refuse_other_hub(order)
    there = order.settings_file.is_file()
    file = SettingsFile(order.settings_file) if there else None
    own = {
        "database": str(console_database(order.database)),
        "host": order.host,
        "port": order.port,
    }
    # What the file says of a hub of many screens is not for this one.
    settings = load(HubSettings, Sources(own, file)).model_copy(
        update={"url": "", "certificate": None, "private_key": None, "lake": None}
    )
    links: list[str | None] = []

    def started(services: HubServices, page: str) -> None:
        begin(services)
        if order.setup is not None:
            # The kiosk joins as what it is called then.
            links.append(f"{page}setup#secret={order.setup}")
            return
        links.append(_first_link(services.engine, page))
        threading.Thread(
            target=_join, args=(services, order, page.rstrip("/")), name="own-kiosk", daemon=True
        ).start()

    def ready(page: str) -> None:
        tell({"event": "ready", "address": page, "link": links[0]})

    console = Console(order, (lambda: tell({"event": "set_up"})) if with_kiosk else None)
    serve_hub(settings, ready, console=console, begin=started)


def _first_link(engine: Engine, page: str) -> str | None:
    """Return a link that sets the password of the first account; `None` if somebody has one."""
    from db.engine import writing
    from db.hub.audit import note
    from db.hub.people import accounts
    from monitor.hub.screens.own_kiosk import CONSOLE

    with writing(engine) as connection:
        if any(member.account.has_password for member in accounts.members(connection)):
            return None
        now = datetime.now(UTC)
        token, account = accounts.invite(connection, ADMINISTRATOR, "admin", now)
        note(connection, CONSOLE, "user.invite", account.name, now, after={"role": account.role})
    return f"{page}invitation#token={token}"


def _join(services: HubServices, order: ConsoleOrder, address: str) -> None:
    """Join the kiosk, as soon as it has made its database."""
    from db.errors import DatabaseError
    from monitor.backoff import Backoff
    from monitor.errors import MonitorError
    from monitor.hub.screens.own_kiosk import join_own_kiosk

    backoff, said = Backoff(0.5, 30.0), ""
    while not services.stopping.is_set():
        try:
            join_own_kiosk(services.engine, order, address)
        except (DatabaseError, MonitorError) as error:
            if order.database.exists() and str(error) != said:
                said = str(error)
                logger.warning("The kiosk does not join its own pages yet. %s", error)
        else:
            return
        services.stopping.wait(backoff.pause_s())


def main() -> None:
    """Serve the console that the order on standard input describes, until that is closed."""
    make_streams_printable()
    set_up_logging()
    silence_native_libraries()
    # The ads come first, and nobody waits for a page as for a picture.
    os.nice(5)
    order = ConsoleOrder.model_validate_json(sys.stdin.buffer.readline())

    def tell(event: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()

    def end_with_kiosk(services: HubServices) -> None:
        def wait() -> None:
            sys.stdin.buffer.read()
            services.stopping.set()

        threading.Thread(target=wait, name="parent-watch", daemon=True).start()

    try:
        serve_console(order, tell, end_with_kiosk, with_kiosk=True)
    except Exception as error:
        logger.debug("The console failed", exc_info=error)
        tell({"event": "failed", "message": one_sentence(error)})
        sys.exit(1)


if __name__ == "__main__":
    main()
