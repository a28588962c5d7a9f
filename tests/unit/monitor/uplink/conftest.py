"""A kiosk's database with a session, and a hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from db.engine import open_database
from db.read.rollups import store_roll_ups
from tests.helpers.fake_hub import FakeHub
from tests.helpers.making import Make

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Engine


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "kiosk.db"


@pytest.fixture
def engine(database: Path) -> Iterator[Engine]:
    """The kiosk's database, with a short session."""
    engine = open_database(str(database))
    Make().write(engine)
    store_roll_ups(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    hub = FakeHub(tmp_path / "hub.db")
    yield hub
    hub.close()
