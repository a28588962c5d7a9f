"""The kiosk beside a console joins it by itself."""

from __future__ import annotations

import json

import pytest

from db.engine import open_database, writing
from db.errors import DatabaseOpenError
from db.hub.intake import find_sender
from db.hub.screens import registry
from db.hub.tables.screens import KioskKey
from db.transfer.uplink import UplinkStore
from monitor.errors import SetupError
from monitor.hub.screens.own_kiosk import join_own_kiosk, refuse_other_hub
from monitor.settings.console_order import ConsoleOrder
from monitor.uplink.key_file import key_path, read_key

ADDRESS = "http://127.0.0.1:8080"


@pytest.fixture
def kiosk(tmp_path):
    engine = open_database(str(tmp_path / "kiosk.db"))
    yield engine
    engine.dispose()


@pytest.fixture
def order(tmp_path):
    return ConsoleOrder(
        database=tmp_path / "kiosk.db",
        settings_file=tmp_path / "kiosk.yaml",
        site="Shop 12",
        time_zone="Europe/Berlin",
    )


def names_of(engine):
    with engine.connect() as connection:
        return [one.place.name for one in registry.list_screens(connection)]


def test_the_kiosk_joins_once_as_the_screen_of_its_site(engine, kiosk, order):
    key = join_own_kiosk(engine, order, ADDRESS)
    assert (key.name, key.site, key.hub, key.console) == ("Shop 12", "Shop 12", ADDRESS, True)
    assert read_key(key_path(order.database)) == key
    assert UplinkStore(kiosk).kiosk() == key.kiosk
    with engine.connect() as connection:
        [screen] = registry.list_screens(connection)
        assert find_sender(connection, key.key).screen_id == screen.id
    assert screen.place.time_zone == "Europe/Berlin"
    assert join_own_kiosk(engine, order, ADDRESS) == key


def test_another_port_changes_only_the_address(engine, kiosk, order):
    before = join_own_kiosk(engine, order, ADDRESS)
    after = join_own_kiosk(engine, order, "http://127.0.0.1:9090")
    assert after == before.model_copy(update={"hub": "http://127.0.0.1:9090"})
    assert read_key(key_path(order.database)) == after


def test_the_screen_follows_the_site_until_somebody_names_it(engine, kiosk, order):
    join_own_kiosk(engine, order.model_copy(update={"site": "default"}), ADDRESS)
    assert names_of(engine) != ["Shop 12"]
    assert join_own_kiosk(engine, order, ADDRESS).name == "Shop 12"
    assert names_of(engine) == ["Shop 12"]
    with writing(engine) as connection:
        [screen] = registry.list_screens(connection)
        registry.edit_screen(connection, screen.uid, registry.Place("Window left"))
    renamed = order.model_copy(update={"site": "Shop 13"})
    assert join_own_kiosk(engine, renamed, ADDRESS).name == "Window left"
    assert names_of(engine) == ["Window left"]


@pytest.mark.parametrize("lost", ["key", "console"])
def test_it_joins_again_when_one_of_the_two_has_forgotten(engine, kiosk, order, lost, tmp_path):
    before = join_own_kiosk(engine, order, ADDRESS)
    if lost == "key":
        key_path(order.database).unlink()
        after = join_own_kiosk(engine, order, ADDRESS)
        assert after.kiosk != before.kiosk
        assert names_of(engine) == ["Shop 12"]
        with engine.connect() as connection:
            assert find_sender(connection, before.key) is None
    else:
        other = open_database(str(tmp_path / "other.db"))
        after = join_own_kiosk(other, order, ADDRESS)
        with other.connect() as connection:
            assert find_sender(connection, after.key) is not None
        other.dispose()
    assert after.key != before.key


def test_a_revoked_key_is_replaced(engine, kiosk, order):
    before = join_own_kiosk(engine, order, ADDRESS)
    with writing(engine) as connection:
        connection.execute(KioskKey.__table__.update().values(revoked_at=KioskKey.created_at))
    after = join_own_kiosk(engine, order, ADDRESS)
    assert (after.key != before.key, after.screen) == (True, before.screen)


def test_a_kiosk_of_a_hub_is_refused_and_keeps_its_key(engine, kiosk, order):
    join_own_kiosk(engine, order, ADDRESS)
    path = key_path(order.database)
    of_hub = {**json.loads(path.read_text()), "hub": "https://hub.example.com", "console": False}
    path.write_text(json.dumps(of_hub))
    for call in (lambda: refuse_other_hub(order), lambda: join_own_kiosk(engine, order, ADDRESS)):
        with pytest.raises(SetupError, match=r"joined the hub https://hub\.example\.com"):
            call()
    assert json.loads(path.read_text()) == of_hub


def test_a_kiosk_that_has_not_run_yet_is_waited_for(engine, order):
    with pytest.raises(DatabaseOpenError, match="has not made its database"):
        join_own_kiosk(engine, order, ADDRESS)
    assert not order.database.exists()
