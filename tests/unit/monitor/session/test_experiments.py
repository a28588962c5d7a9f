"""The kiosk reads the blocks of its site, and keeps those it has while the database is away."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from db.engine import make_engine, open_database
from db.read.experiments import BlockInfo, ExperimentInfo, Opening
from db.write.experiments import stop_experiment, store_experiment
from monitor.session import experiments
from monitor.session.experiments import BlockWatcher

HOUR = timedelta(hours=1)
LATER_NS = 10**12


@pytest.fixture
def engine(tmp_path):
    made = open_database(str(tmp_path / "kiosk.db"))
    yield made
    made.dispose()


def start(engine, site="Foyer", name="tea"):
    now = datetime.now(UTC)
    plan = ExperimentInfo(
        name, "Tea sells.", ("tea",), ("water",), (site,), "attention", None, 0.1, "fixed", 3600, 0,
        Opening("00:00-24:00", ("mon",)), now, now + 2 * HOUR, {}, 1, now, "1", f"{name:0>32}",
    )  # fmt: skip
    blocks = [BlockInfo(site, 1, 1, "control", now, now + HOUR)]
    return store_experiment(engine, replace(plan), blocks)


def test_a_start_and_a_stop_reach_a_running_kiosk(engine):
    watcher = BlockWatcher(engine, "Foyer")
    now = datetime.now(UTC) + timedelta(minutes=1)
    assert watcher.schedule.at(now) is None
    start(engine, "Hall", "other")
    key = start(engine)
    watcher.poll(0)
    assert watcher.schedule.at(now) is None
    watcher.poll(LATER_NS)
    watcher.close()
    found = watcher.schedule.at(now)
    assert (found.experiment, found.arm, found.withheld) == ("tea", "control", {"tea"})
    assert BlockWatcher(engine, "Foyer").schedule.at(now) == found
    stop_experiment(engine, key, datetime.now(UTC), "enough")
    watcher.poll(2 * LATER_NS)
    watcher.close()
    assert watcher.schedule.at(now) is None


def test_blocks_stay_while_the_database_is_away(engine, tmp_path, caplog, monkeypatch):
    start(engine)
    watcher = BlockWatcher(engine, "Foyer")
    away = make_engine(str(tmp_path / "nowhere.db"), read_only=True)
    monkeypatch.setattr(watcher, "_engine", away)
    with caplog.at_level(logging.DEBUG, logger=experiments.__name__):
        for looks in (1, 2):
            watcher.poll(looks * LATER_NS)
            watcher.poll(looks * LATER_NS + LATER_NS // 2)
            watcher.close()
    away.dispose()
    levels = [record.levelname for record in caplog.records]
    assert levels[0] == "WARNING"
    assert set(levels[1:]) <= {"DEBUG"}
    assert watcher.schedule.at(datetime.now(UTC)).arm == "control"
