"""The kiosk reads the blocks of its site, and keeps those it has while the database is away."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ads.show.blocks import Block
from db.engine import make_engine, open_database, writing
from db.read.experiments import BlockInfo, ExperimentInfo, Opening
from db.write.experiments import stop_experiment, store_experiment
from monitor.session import experiments
from monitor.session.experiments import BlockWatcher, without_overlap
from monitor.uplink.documents import DocumentError

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
    with writing(engine) as connection:
        return store_experiment(connection, replace(plan), blocks)


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
    with writing(engine) as connection:
        stop_experiment(connection, key, datetime.now(UTC), "enough")
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


NOW = datetime.now(UTC).replace(microsecond=0)


def of_hub(start_h, hours=1.0, arm="treatment"):
    """A block of a hub that begins so many hours after these tests."""
    begin = NOW + start_h * HOUR
    return Block("coffee", 1, arm, begin, begin + hours * HOUR, frozenset({"milk"}))


def test_the_blocks_of_a_hub_come_after_those_of_the_kiosk(engine):
    start(engine)
    hubs = [of_hub(0.5), of_hub(1.5)]
    watcher = BlockWatcher(engine, "Foyer", lambda: hubs)
    at = datetime.now(UTC) + timedelta(minutes=40)
    # Its own database has a block until an hour from now.
    assert watcher.schedule.at(at).experiment == "tea"
    assert watcher.schedule.at(at + HOUR).experiment == "coffee"


def test_blocks_of_a_hub_stay_while_its_document_cannot_be_read(engine, caplog):
    failures = []

    def read():
        if failures:
            raise failures[0]
        return [of_hub(0)]

    watcher = BlockWatcher(engine, "Foyer", read)
    failures.append(DocumentError("It was changed."))
    start(engine, name="milk")
    watcher.poll(0)
    watcher.poll(LATER_NS)
    watcher.close()
    assert "stay as they were: It was changed." in caplog.text
    # Its own block is known all the same, and lets no later one of the hub overlap.
    assert watcher.schedule.at(datetime.now(UTC)).experiment == "milk"
    assert watcher.schedule.at(datetime.now(UTC) + HOUR) is None


def test_blocks_that_only_touch_do_not_overlap():
    others = [of_hub(1), of_hub(2), of_hub(5, 2)]
    kept = [of_hub(0), of_hub(3, 2), of_hub(7)]
    lost = [of_hub(0, 1.5), of_hub(1.2, 0.1), of_hub(4, 4), of_hub(6.9)]
    assert without_overlap([*lost, *kept], others) == kept
    assert without_overlap(lost, []) == lost
