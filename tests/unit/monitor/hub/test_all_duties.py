"""What a hub does by itself, by its settings."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest

from db.engine import open_database
from monitor.hub.all_duties import hub_duties
from monitor.hub.lake.errors import LakeError
from monitor.settings.models import HubSettings
from tests.helpers.making import Make

NIGHT = datetime(2026, 3, 2, 3, tzinfo=UTC)


def duties(**settings):
    return {duty.name: duty for duty in hub_duties(HubSettings(**settings))}


def test_a_lake_is_written_where_one_is_named(tmp_path):
    assert "lake" not in duties()
    engine = open_database(str(tmp_path / "hub.db"))
    Make().write_rolled(engine)
    duty = duties(lake=str(tmp_path / "lake"), min_viewers=1)["lake"]
    duty.run(engine, NIGHT)
    engine.dispose()
    [file] = (tmp_path / "lake" / "cells").rglob("*.parquet")
    assert file.parent.name == "day=2026-03-01"


def test_a_lake_that_cannot_be_written_is_tried_again(tmp_path, caplog):
    (tmp_path / "file").touch()
    engine = open_database(str(tmp_path / "hub.db"))
    Make().write_rolled(engine)
    duty = duties(lake=str(tmp_path / "file" / "lake"))["lake"]
    with caplog.at_level(logging.WARNING):
        duty.run(engine, NIGHT)
    engine.dispose()
    assert "Trying again in ten minutes" in caplog.text


def test_what_is_no_lake_is_refused_at_the_start():
    with pytest.raises(LakeError, match="expected a folder or s3://bucket/prefix"):
        duties(lake="ftp://host/lake")


def test_screens_are_published_where_a_broker_is_named():
    assert "mqtt" not in duties()
    assert duties(mqtt="mqtt://broker", mqtt_discovery="none")["mqtt"].every_s == 10
