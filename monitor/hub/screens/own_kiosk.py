"""The kiosk to which a console belongs: it joins the console by itself."""

from __future__ import annotations

import platform
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from db.engine import open_database, writing
from db.errors import DatabaseOpenError
from db.hub.intake import find_sender
from db.hub.screens import pairing, registry
from db.transfer.uplink import UplinkStore
from detector.names import printable
from monitor.errors import SetupError
from monitor.languages import lazy
from monitor.settings.time_zone import local_zone
from monitor.uplink.joining import enter, facts_of_machine
from monitor.uplink.key_file import HubKey, key_path, read_key, write_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, Engine

    from monitor.settings.console_order import ConsoleOrder

CONSOLE = "console"
"""Who joins the kiosk, in the audit log."""


def refuse_other_hub(order: ConsoleOrder) -> None:
    """Refuse a kiosk that has joined a hub of many screens, which has all pages of a console.

    Raises:
        SetupError: It has.
        KeyFileError: Its key file cannot be read.
    """
    key = read_key(key_path(order.database))
    if key is not None and not key.console:
        raise SetupError(
            f"This kiosk has joined the hub {printable(key.hub)}: use the pages there. For "
            "pages of its own it has to leave that hub first, with `ad-monitor leave`."
        )


def join_own_kiosk(engine: Engine, order: ConsoleOrder, address: str) -> HubKey:
    """Let the console's kiosk in, or see that it still is; return its key.

    Its screen is called like its site. The kiosk, whether it runs or not, notices by itself.

    Args:
        engine: The console's database.
        order: Names the kiosk.
        address: Where the console listens.

    Raises:
        SetupError: The kiosk has joined another hub.
        DatabaseError: The kiosk's database is not there yet, or cannot be used.
        KeyFileError: Its key file cannot be read or written.
    """
    refuse_other_hub(order)
    path = key_path(order.database)
    key, name = read_key(path), screen_name(order)
    with writing(engine) as connection:
        screen = None if key is None else _screen_of(connection, key)
        if key is not None and screen is not None:
            if screen.place.name == key.name != name:
                # Nobody has given it another name since.
                registry.edit_screen(connection, screen.uid, _place(order, name))
            else:
                name = screen.place.name
            current = key.model_copy(update={"hub": address, "name": name})
            if current != key:
                write_key(path, current)
            return current
    with _kiosk(order) as store:
        joined, kiosk = _joined(engine, store, order, name, key)
        made = HubKey(
            hub=address,
            kiosk=kiosk,
            key=joined.key,
            screen=joined.screen,
            name=joined.name,
            site=joined.site,
            upload=order.upload,
            min_viewers=order.min_viewers,
            console=True,
        )
        write_key(path, made)
        return enter(store, path, made)


def screen_name(order: ConsoleOrder) -> str:
    """Return what the kiosk's screen is called: as its site, else as its machine."""
    return (order.site if order.site != "default" else platform.node() or "kiosk")[:100]


def _joined(
    engine: Engine, store: UplinkStore, order: ConsoleOrder, name: str, key: HubKey | None
) -> tuple[pairing.Joined, str]:
    facts = facts_of_machine(order.site, order.upload).model_dump()
    kiosk = store.kiosk()
    for _ in range(2):
        applicant = pairing.Applicant(kiosk, facts, "127.0.0.1", None if key is None else key.key)
        now = datetime.now(UTC)
        try:
            with writing(engine) as connection:
                found = [one for one in registry.list_screens(connection) if one.place.name == name]
                screen = (
                    found[0]
                    if found
                    else registry.create_screen(connection, _place(order, name), now)
                )
                code, _ = pairing.code_for_screen(connection, screen.id, CONSOLE, now)
                joined = pairing.join(connection, code, applicant, now)
        except pairing.KnownKioskError:
            # The key was lost: as anywhere, the kiosk goes on under another id.
            kiosk = store.take_new_id()
            continue
        if joined is not None:
            return joined, kiosk
    raise SetupError("The kiosk could not join its own pages in the browser: start it again.")


def _screen_of(connection: Connection, key: HubKey) -> registry.ScreenInfo | None:
    """Return the screen that a key still opens; `None` if the console does not know the key."""
    if find_sender(connection, key.key) is None:
        return None
    return registry.find_screen(connection, key.screen)


def _place(order: ConsoleOrder, name: str) -> registry.Place:
    zone = order.time_zone or local_zone().key
    site = "" if order.site == "default" else order.site
    return registry.Place(name, site=site, time_zone=zone)


@contextmanager
def _kiosk(order: ConsoleOrder) -> Iterator[UplinkStore]:
    if not order.database.exists():
        raise DatabaseOpenError(
            lazy(
                "The kiosk has not made its database %(database)s yet: start it with "
                "`ad-monitor run`.",
                database=order.database,
            )
        )
    engine = open_database(str(order.database))
    try:
        yield UplinkStore(engine)
    finally:
        engine.dispose()
