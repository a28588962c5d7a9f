"""The words and states of experiments; their documents: `tests/unit/monitor/cli/reports/test_experiment.py`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from db.engine import open_database, writing
from db.read.experiments import OutcomeInfo
from db.read.scope import Scope
from db.write.experiments import store_experiment, store_outcomes
from monitor.analytics.errors import ExperimentError
from monitor.analytics.experiments import Spread, draw_blocks
from monitor.reports.experiment_plans import (
    effect_text,
    plan_document,
    plan_sentence,
    planned,
)
from monitor.reports.experiments import result_document, state_of, status_document
from monitor.reports.terminal import print_plan, print_result, print_status
from tests.helpers.experiments import MONDAY, make_plan, sales_of

DAY = timedelta(days=1)


@pytest.fixture
def engine(tmp_path):
    made = open_database(str(tmp_path / "kiosk.db"))
    yield made
    made.dispose()


@pytest.mark.parametrize(
    ("measure", "value", "plain", "signed"),
    [
        ("outcome", 0.1, "10%", "+10.0%"),
        ("outcome", 0.0345, "3.45%", "+3.5%"),
        ("attention", -0.05, "-5 points", "-5.0 points"),
        ("valence", 0.05, "0.05", "+0.050"),
    ],
)
def test_effects_have_a_unit(measure, value, plain, signed):
    plan = make_plan(measure=measure)
    assert effect_text(plan, value) == plain
    assert effect_text(plan, value, "signed") == signed


def test_states():
    plan = make_plan()
    states = [state_of(plan, MONDAY + day * DAY) for day in (-1, 0, 27, 28)]
    assert states == ["waiting", "running", "running", "over"]
    stopped = replace(plan, stopped_at=MONDAY + DAY, stop_reason="enough")
    assert state_of(stopped, MONDAY + 40 * DAY) == "stopped"


def test_an_open_end_is_as_many_whole_weeks_as_it_takes(engine):
    for effect, weeks in ((0.5, 2), (0.1, 4), (0.06, 11)):
        plan, blocks, _ = planned(
            engine, make_plan(relevant=effect), MONDAY, open_end=True, spread=Spread(0.3)
        )
        assert plan.ends_at - plan.starts_at == weeks * 7 * DAY
        assert plan.power["enough"]
        assert len(blocks) == weeks * 7 * 12
        assert "with a chance of 80%" in plan_sentence(plan)
    with pytest.raises(ExperimentError, match=r"1% would take .* weeks; expected at most 26"):
        planned(engine, make_plan(relevant=0.01), MONDAY, open_end=True, spread=Spread(0.3))
    with pytest.raises(ExperimentError, match="more than 20000 blocks"):
        planned(engine, make_plan(block_s=60), MONDAY, open_end=False, spread=Spread(0.3))


def test_several_sites_share_the_blocks(engine):
    plan = make_plan(sites=("A", "B"), relevant=0.06)
    found, _, _ = planned(engine, plan, MONDAY, open_end=True, spread=Spread(0.3))
    assert found.ends_at - found.starts_at == 6 * 7 * DAY


def test_a_part_of_the_sites_has_the_effect_of_that_part(engine):
    plan = make_plan(sites=("A", "B", "C"))
    blocks = draw_blocks(plan)
    with writing(engine) as connection:
        plan = replace(plan, id=store_experiment(connection, plan, blocks))
    rng = np.random.default_rng(1)
    sold = sales_of(blocks, rng, lift=0.2)
    rows = [
        OutcomeInfo("sales", block.site, block.starts_at, 3600.0, float(value))
        for block, value in zip(blocks, sold, strict=True)
    ]
    with writing(engine) as connection:
        store_outcomes(connection, rows, MONDAY)
    now = plan.ends_at
    whole = result_document(engine, plan, now)
    one = result_document(engine, plan, now, where=Scope(sites=("B", "elsewhere")))
    assert one["sites"] == [whole["sites"][1]]
    assert one["effect"] == whole["sites"][1]["effect"] != whole["effect"]
    assert one["sentence"].endswith("what it shows as a whole decides.")
    assert (one["scope"]["sites"], whole.get("scope")) == (["B", "elsewhere"], None)
    for nothing in (Scope(sites=("elsewhere",)), Scope(groups=("North",))):
        with pytest.raises(ExperimentError, match="does not run at these sites"):
            result_document(engine, plan, now, where=nothing)


def test_everything_is_printed(engine, capsys):
    plan = make_plan(
        hypothesis="[bold]Tea[/bold] sells.",
        power={"blocks": 336},
        sites=("Hall [1]",),
        stopped_at=MONDAY + 3 * DAY,
        stop_reason="[red]enough[/red]",
    )
    blocks = draw_blocks(plan)
    with writing(engine) as connection:
        plan = replace(plan, id=store_experiment(connection, plan, blocks))
    now = MONDAY + 40 * DAY
    print_status([status_document(engine, plan, now)], every=False)
    print_result(result_document(engine, plan, now))
    out = capsys.readouterr().out
    for text in ("[bold]Tea[/bold] sells.", "Hall [1]", "[red]enough[/red]", "dropped", "stopped"):
        assert text in out
    assert "It ended without enough to say anything: 0 of 336 blocks count." in out
    print_status([], every=False)
    assert "no experiment yet" in capsys.readouterr().out


def test_a_plan_is_printed_with_its_warnings(engine, capsys):
    made = planned(engine, make_plan(), MONDAY, open_end=True, spread=Spread(0.3))
    print_plan(plan_document(*made))
    out = capsys.readouterr().out
    for text in ("168 treatment, 168 control", "30%, as stated", "'tea' has never been shown"):
        assert text in out
