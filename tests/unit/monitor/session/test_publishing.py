"""Which kiosk is which device, and where it publishes."""

from __future__ import annotations

import pytest

from monitor.session import machine, publishing
from monitor.session.machine import machine_id
from monitor.session.publishing import device_id, start_publishing
from monitor.settings.models import RunSettings


def test_a_device_is_a_database_on_a_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = device_id("monitor.db")
    assert own == device_id(str(tmp_path / "monitor.db")) == device_id("monitor.db")
    assert len(own) == 16
    server = "postgresql+psycopg://shop:{}@host/ads"
    assert device_id(server.format("one")) == device_id(server.format("two"))
    others = {device_id("other.db"), device_id(server.format("one"))}
    monkeypatch.setattr(publishing, "machine_id", lambda: "another machine")
    assert len({own, *others, device_id("monitor.db")}) == 4


def test_the_systems_own_id_is_not_shown(tmp_path, monkeypatch):
    (tmp_path / "machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    shown = machine_id(tmp_path)
    assert "0123456789abcdef" not in shown
    assert shown == machine_id(tmp_path)
    nowhere = tmp_path / "nowhere"
    monkeypatch.setattr(machine.platform, "node", lambda: "kiosk-1")
    first = machine_id(nowhere)
    monkeypatch.setattr(machine.platform, "node", lambda: "kiosk-2")
    assert len({shown, first, machine_id(nowhere)}) == 3


def test_without_a_broker_nothing_is_published():
    def health(_min_viewers):
        pytest.fail("the state is read for nobody")

    assert start_publishing(RunSettings(database="x.db"), health) is None
