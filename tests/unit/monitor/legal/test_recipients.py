"""Who gets something from a kiosk, by its settings and the key of its hub."""

from __future__ import annotations

import json

import pytest

from monitor.legal.recipients import Recipient, recipients
from monitor.settings.models import RunSettings
from monitor.uplink.key_file import KeyFileError, key_path


def join(database, hub="https://203.0.113.7", **more):
    path = key_path(database)
    key = {"hub": hub, "kiosk": "a" * 32, "key": "b" * 64, "screen": "c" * 32, "name": "Window"}
    path.write_text(json.dumps(key | more), encoding="utf-8")
    path.chmod(0o600)


def of(tmp_path, **changes):
    return recipients(RunSettings(database=str(tmp_path / "kiosk.db"), **changes))


def test_a_kiosk_alone_sends_nothing(tmp_path):
    assert of(tmp_path) == ()


def test_a_joined_hub_gets_what_the_kiosk_was_joined_with(tmp_path):
    join(tmp_path / "kiosk.db", upload="cells")
    assert of(tmp_path) == (Recipient("203.0.113.7", "cells", is_encrypted=True),)
    assert of(tmp_path, upload="sums") == (Recipient("203.0.113.7", "sums", is_encrypted=True),)


def test_a_hub_that_is_only_named_counts_already(tmp_path):
    assert of(tmp_path, hub="http://203.0.113.8:8080") == (
        Recipient("203.0.113.8", "sums", is_encrypted=False),
    )


def test_the_console_is_the_kiosk_itself(tmp_path):
    join(tmp_path / "kiosk.db", hub="http://127.0.0.1:8080", console=True)
    assert of(tmp_path) == ()


def test_a_broker_and_a_database_on_this_machine_are_no_recipients():
    here = RunSettings(database="postgresql://kiosk@127.0.0.1/shop", mqtt="mqtt://127.0.0.1")
    assert recipients(here) == ()


def test_a_broker_and_a_database_elsewhere_are():
    there = RunSettings(
        database="postgresql://kiosk:word@203.0.113.9/shop", mqtt="mqtts://203.0.113.5"
    )
    assert recipients(there) == (
        Recipient("203.0.113.9", "readings", is_encrypted=None),
        Recipient("203.0.113.5", "state", is_encrypted=True),
    )


@pytest.mark.parametrize(
    ("address", "hosts"),
    [
        ("postgresql://kiosk:a/b#c[d@203.0.113.9/shop", ["203.0.113.9"]),
        ("postgresql+psycopg://kiosk:p@ss@203.0.113.9/shop", ["203.0.113.9"]),
        ("postgresql:///shop?host=203.0.113.9", ["203.0.113.9"]),
        ("postgresql:///shop?hostaddr=203.0.113.9", ["203.0.113.9"]),
        (
            "postgresql:///shop?host=203.0.113.9:5432&host=203.0.113.10",
            ["203.0.113.9", "203.0.113.10"],
        ),
        ("postgresql:///shop?host=203.0.113.9,203.0.113.10", ["203.0.113.9", "203.0.113.10"]),
        ("postgresql:///shop?host=/var/run/postgresql", []),
        ("postgresql:///shop", []),
        ("sqlite+pysqlite:////srv/shop.db", []),
    ],
)
def test_a_database_is_where_its_driver_looks_for_it(address, hosts, monkeypatch):
    monkeypatch.delenv("PGHOST", raising=False)
    assert [one.host for one in recipients(RunSettings(database=address))] == hosts


def test_the_environment_names_the_server_where_the_address_does_not(monkeypatch):
    monkeypatch.setenv("PGHOST", "203.0.113.9")
    (found,) = recipients(RunSettings(database="postgresql:///shop"))
    assert found == Recipient("203.0.113.9", "readings", is_encrypted=None)


def test_a_kiosk_whose_readings_are_on_a_server_joins_no_hub():
    kiosk = RunSettings(database="postgresql://203.0.113.9/shop", hub="https://203.0.113.7")
    assert [one.host for one in recipients(kiosk)] == ["203.0.113.9"]


def test_a_kiosk_that_is_to_join_another_hub_sends_nothing_to_the_former(tmp_path):
    join(tmp_path / "kiosk.db", "https://203.0.113.7", upload="cells")
    other = "https://203.0.113.8"
    assert of(tmp_path, hub=other) == (Recipient("203.0.113.8", "sums", is_encrypted=True),)


def test_a_key_that_cannot_be_read_is_an_error(tmp_path):
    key_path(tmp_path / "kiosk.db").write_text("{", encoding="utf-8")
    key_path(tmp_path / "kiosk.db").chmod(0o600)
    with pytest.raises(KeyFileError):
        of(tmp_path)
