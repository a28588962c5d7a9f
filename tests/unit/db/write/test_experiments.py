"""Experiments and outcomes in the database; also `db.read.experiments`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import exc

from db.engine import writing
from db.errors import ExperimentExistsError
from db.read.experiments import (
    BlockInfo,
    ExperimentInfo,
    Opening,
    OutcomeInfo,
    OutcomeSpan,
    ad_names,
    blocks_of,
    coming_blocks,
    experiments,
    known_ads_and_sites,
    outcome_names,
    outcome_spans,
    outcomes,
    overlapping,
    plays_at,
)
from db.read.scope import Scope
from db.write.experiments import stop_experiment, store_experiment, store_outcomes

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
PLAN = ExperimentInfo(
    name="tea",
    hypothesis="Tea sells.",
    treatment=("summer",),
    control=("winter",),
    sites=("Foyer",),
    measure="outcome",
    outcome="sales",
    relevant=0.1,
    stopping="always_valid",
    block_s=3600,
    wash_out_s=60,
    opening=Opening("08:00-20:00", ("mon", "tue"), "Europe/Berlin"),
    starts_at=START,
    ends_at=START + 4 * HOUR,
    power={"blocks": 4},
    seed=7,
    registered_at=START - HOUR,
    program_version="1",
    uid="ab" * 16,
)
BLOCKS = [
    BlockInfo("Foyer", n + 1, n // 2 + 1, arm, START + n * HOUR, START + (n + 1) * HOUR)
    for n, arm in enumerate(("control", "treatment", "treatment", "control"))
]


def stored(engine, plan, blocks):
    with writing(engine) as connection:
        return store_experiment(connection, plan, blocks)


def imported(engine, rows):
    with writing(engine) as connection:
        return store_outcomes(connection, rows, START)


def test_a_plan_and_its_blocks_come_back(engine):
    key = stored(engine, PLAN, BLOCKS)
    assert experiments(engine) == [replace(PLAN, id=key)]
    assert experiments(engine, "tea")[0].arm_of("winter") == "control"
    assert experiments(engine, "coffee") == []
    assert blocks_of(engine, key) == BLOCKS


def test_a_plan_cannot_be_changed(engine):
    key = stored(engine, PLAN, BLOCKS)
    with pytest.raises(
        ExperimentExistsError, match=r"'tea' was started on 2026-03-02.*another name"
    ):
        stored(engine, replace(PLAN, uid="cd" * 16, relevant=0.2), BLOCKS)
    assert experiments(engine) == [replace(PLAN, id=key)]


def test_a_block_that_has_begun_is_refused_and_nothing_is_stored(engine):
    late = replace(PLAN, registered_at=START + HOUR)
    with pytest.raises(exc.IntegrityError, match="drawn_at"):
        stored(engine, late, BLOCKS)
    assert experiments(engine) == []


def test_the_kiosk_gets_the_blocks_of_its_site_that_are_not_over(engine):
    key = stored(engine, PLAN, BLOCKS)
    first, *rest = coming_blocks(engine, "Foyer", START + HOUR)
    assert (first.experiment, first.number, first.arm) == ("tea", 2, "treatment")
    assert (first.withheld, rest[-1].withheld) == ({"winter"}, {"summer"})
    assert len(rest) == 2
    assert coming_blocks(engine, "Hall", START) == []
    # A week ahead is enough.
    assert coming_blocks(engine, "Foyer", START - timedelta(weeks=1)) == []
    with writing(engine) as connection:
        both, late = ["Foyer", "Hall"], START + 9 * HOUR
        assert overlapping(connection, both, START + 3 * HOUR, late) == ["tea"]
        assert overlapping(connection, ["Foyer"], START + 4 * HOUR, late) == []
        assert stop_experiment(connection, key, START + HOUR, "enough")
        assert not stop_experiment(connection, key, START + 2 * HOUR, "again")
        assert overlapping(connection, ["Foyer"], START, START + HOUR) == []
    assert coming_blocks(engine, "Foyer", START) == []
    (found,) = experiments(engine)
    assert (found.stopped_at, found.stop_reason) == (START + HOUR, "enough")


def test_outcomes_replace_those_of_the_same_site_and_time(engine):
    rows = [OutcomeInfo("sales", "Foyer", START + n * HOUR, 3600.0, float(n)) for n in range(700)]
    assert imported(engine, rows) == 0
    again = [
        OutcomeInfo("sales", "Foyer", START, 3600.0, 9.0),
        OutcomeInfo("visits", "Foyer", START, 0.0, 1.0),
    ]
    assert imported(engine, again) == 1
    found = outcomes(engine, "sales", ["Foyer"], START, START + 2 * HOUR)
    assert [(row.at, row.value) for row in found] == [(START, 9.0), (START + HOUR, 1.0)]
    assert outcome_spans(engine) == [
        OutcomeSpan("sales", "Foyer", 700, START, START + 699 * HOUR),
        OutcomeSpan("visits", "Foyer", 1, START, START),
    ]
    assert outcome_names(engine) == {"sales": ("Foyer",), "visits": ("Foyer",)}


def test_plays_are_those_of_runs_at_the_sites(engine, make):
    make.write(engine)
    make.write(engine, site="Hall")
    make.write(engine, kind="replay")
    scope = Scope(sites=("Foyer",), since=make.start, until=make.at(8.5))
    found = plays_at(engine, scope)
    assert [(play.site, play.ad_id) for play in found][:1] == [("Foyer", "summer")]
    assert all(play.started_at < make.at(8.5) for play in found)
    assert known_ads_and_sites(engine) == ({"summer", "winter"}, {"Foyer", "Hall"})
    assert ad_names(engine) == {"summer": "Summer", "winter": "Winter"}
