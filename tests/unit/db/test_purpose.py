"""A kiosk's database is not taken for a hub's, nor a hub's for a kiosk's."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from db.engine import open_database, writing
from db.errors import DatabaseOpenError
from db.hub.people import accounts
from db.purpose import refuse_hub_database, refuse_kiosk_database
from tests.helpers.hub_rows import add_screen
from tests.helpers.making import Make

pytestmark = pytest.mark.sqlite


@pytest.fixture
def database(tmp_path):
    """The path of a new database, and its engine."""
    path = tmp_path / "some ?%.db"
    engine = open_database(str(path))
    yield path, engine
    engine.dispose()


def test_a_new_database_is_anybodys(database, tmp_path):
    (tmp_path / "text.db").write_text("no database")
    for path in (database[0], tmp_path / "missing.db", tmp_path / "text.db", tmp_path, None):
        refuse_hub_database(path)
        refuse_kiosk_database(path)


def test_a_look_leaves_no_files_beside(database):
    path, engine = database
    engine.dispose()
    before = sorted(path.parent.iterdir())
    refuse_hub_database(path)
    refuse_kiosk_database(path)
    assert sorted(path.parent.iterdir()) == before


def test_a_hub_with_screens_needs_no_account(database):
    path, engine = database
    Make().write(engine)
    add_screen(engine, "Till")
    refuse_kiosk_database(path)


def test_what_is_in_it_decides(database):
    path, engine = database
    Make().write(engine)
    refuse_hub_database(path)
    with pytest.raises(
        DatabaseOpenError, match=r"is the database of a kiosk.* unset AD_MONITOR_DB"
    ):
        refuse_kiosk_database(path)
    with writing(engine) as connection:
        accounts.invite(connection, "anna", "admin", datetime.now(UTC))
    refuse_kiosk_database(path)
    with pytest.raises(DatabaseOpenError, match="is the database of a hub"):
        refuse_hub_database(path)
