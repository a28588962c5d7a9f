"""A hub's database with two screens and a kiosk without one, and an empty lake."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, select, update

from db.engine import open_database, writing
from db.hub.tables.screens import Screen
from db.schema import Origin, Session
from monitor.hub.lake.store import Lake
from tests.helpers.making import Make

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Engine

SCREEN = {
    "group_name": "North",
    "venue_type": "retail.malls",
    "time_zone": "Europe/Berlin",
    "opening": [],
    "created_at": datetime(2026, 3, 1, tzinfo=UTC),
}


@pytest.fixture
def make() -> Make:
    return Make()


@pytest.fixture
def hub(tmp_path, make) -> Iterator[Engine]:
    """A session each of Door, of Stairs, and of this database's own kiosk, all on 1 March 2026."""
    engine = open_database(str(tmp_path / "hub.db"))
    for number, name in enumerate(("Door", "Stairs"), start=1):
        add_screen(engine, make, number, name)
    make.write_rolled(engine)
    yield engine
    engine.dispose()


def add_screen(engine: Engine, make: Make, number: int, name: str) -> None:
    """Add a screen with one session of its kiosk."""
    session_id = make.write_rolled(engine)
    with writing(engine) as connection:
        values = {
            "uid": f"{number:032x}",
            "name": name,
            "site": f"{name} site",
            "tags": ["a", name],
        }
        screen = connection.execute(insert(Screen).values(**SCREEN, **values))
        origin = connection.execute(
            insert(Origin).values(
                kiosk=f"{number + 100:032x}",
                epoch="1" * 32,
                created_at=datetime(2026, 3, 1, tzinfo=UTC),
                is_here=False,
                screen_id=screen.inserted_primary_key[0],
            )
        )
        owner = origin.inserted_primary_key[0]
        mine = update(Session).where(Session.id == session_id)
        connection.execute(mine.values(origin_id=owner, number=1))


def origin_of(engine: Engine, screen: str) -> int:
    """The origin of the kiosk of a screen."""
    query = select(Origin.id).join(Screen, Screen.id == Origin.screen_id)
    with engine.connect() as connection:
        return connection.execute(query.where(Screen.name == screen)).scalar_one()


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(str(tmp_path / "lake"))
