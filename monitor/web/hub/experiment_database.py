"""Where the pages of experiments find them, and where experiments may run.

A hub has its experiments in its own database. Those of a console are in the database of its kiosk,
where `ad-monitor experiment` finds them and the kiosk reads their blocks.

Tested in `pages/test_experiments.py` and `pages/test_outcomes.py`.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from db.engine import open_database, snapshot, writing
from db.hub.screens.registry import list_screens
from monitor.languages import lazy
from monitor.settings.time_zone import local_zone, zone_or_utc
from monitor.web.hub.changes import changing
from monitor.web.request.problems import ProblemError
from monitor.web.services import hub_services

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from zoneinfo import ZoneInfo

    from sqlalchemy.engine import Connection, Engine

    from monitor.web.hub.changes import Change

RUNNING = ("editor", "operator")
"""Roles that plan, start and stop experiments, besides administrators: they decide what plays."""


@contextmanager
def experiment_database() -> Iterator[Engine]:
    """Open the database that has the experiments, to read it."""
    here = hub_services()
    if here.console is None:
        yield here.engine
        return
    engine = _open_kiosk(read_only=True)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def changing_experiments() -> Iterator[tuple[Change, Connection]]:
    """Begin a change of the experiments, with the connection to the database that has them."""
    with ExitStack() as stack:
        change = stack.enter_context(changing())
        if hub_services().console is None:
            yield change, change.connection
            return
        engine = _open_kiosk(read_only=False)
        stack.callback(engine.dispose)
        yield change, stack.enter_context(writing(engine))


def _open_kiosk(*, read_only: bool) -> Engine:
    console = hub_services().console
    path = None if console is None else console.order.database
    if path is None or not path.exists():
        raise ProblemError(
            503,
            "no_database",
            lazy("The kiosk has not made its database yet: start it, then reload this page."),
        )
    return open_database(str(path), read_only=read_only)


def own_site() -> str | None:
    """Return the site of a console's kiosk; `None` for a hub, which has those of its screens."""
    console = hub_services().console
    return None if console is None else console.order.site


def sites_of_screens() -> dict[str, list[str]]:
    """Return the names of a hub's screens by their site; screens without one take no part."""
    found: dict[str, list[str]] = {}
    with snapshot(hub_services().engine) as connection:
        for screen in list_screens(connection):
            if screen.place.site:
                found.setdefault(screen.place.site, []).append(screen.place.name)
    return dict(sorted(found.items()))


def zone_of(sites: Sequence[str]) -> ZoneInfo:
    """Return the zone of the console's kiosk, or of the screens at the first of some sites."""
    here = hub_services()
    if here.console is not None:
        named = here.console.order.time_zone
        return local_zone() if named is None else zone_or_utc(named)
    with snapshot(here.engine) as connection:
        zones = [
            screen.place.time_zone
            for screen in list_screens(connection)
            if screen.place.site in sites[:1]
        ]
    return zone_or_utc(zones[0]) if zones else local_zone()
