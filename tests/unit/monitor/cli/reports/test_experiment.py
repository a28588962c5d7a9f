"""`ad-monitor experiment` and `outcome`, on a shop that sells by chance."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from click.testing import CliRunner
from sqlalchemy import select

from db.engine import open_database, writing
from db.hub.screens import registry
from db.hub.tables.people import AuditEntry
from db.hub.tables.screens import Screen
from db.hub.tables.shows import DesiredState
from db.read.experiments import OutcomeInfo, blocks_of, experiments, outcome_names
from db.write.experiments import store_experiment, store_outcomes
from monitor.analytics.experiments import draw_blocks
from monitor.cli.main import cli, main
from tests.helpers.experiments import make_plan, outcomes_of, sales_of
from tests.helpers.making import Make

DAY = timedelta(days=1)
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def run(*arguments, status=0):
    done = CliRunner().invoke(cli, [str(each) for each in arguments])
    assert done.exit_code == status, (done.output, done.exception)
    return done


def run_json(*arguments):
    return json.loads(run(*arguments, "--json").stdout)


@pytest.fixture
def complaint(capsys):
    """Run a command that must fail; returns what it says."""

    def fail(*arguments):
        with pytest.raises(SystemExit) as stopped:
            main([str(each) for each in arguments])
        assert stopped.value.code == 2
        return capsys.readouterr().err

    return fail


@pytest.fixture
def shop(tmp_path):
    """A database with two ads and five weeks of sales before today."""
    path = tmp_path / "kiosk.db"
    engine = open_database(str(path))
    make = Make()
    make.write(engine, site="Shop")
    before = make_plan(starts_at=TODAY - 35 * DAY, ends_at=TODAY)
    blocks = draw_blocks(before)
    with writing(engine) as connection:
        store_outcomes(
            connection, outcomes_of(blocks, sales_of(blocks, np.random.default_rng(5))), TODAY
        )
    engine.dispose()
    return path


PLAN = (
    "--treatment", "summer", "--control", "winter", "--measure", "sales", "--timezone", "UTC",
    "--seed", "7",
)  # fmt: skip


def test_plan_stores_nothing_and_start_stores_all_of_it(shop):
    planned = run_json("experiment", "plan", *PLAN, "--db", shop)
    power = planned["power"]
    assert power["spread"] == pytest.approx(0.3, rel=0.15)
    assert 200 < power["blocks_needed"] <= power["blocks"]
    assert power["enough"]
    assert power["detectable_fixed"] < power["detectable"] <= 0.1
    assert planned["warnings"] == []
    engine = open_database(str(shop))
    assert experiments(engine) == []

    started = run_json(
        "experiment", "start", "tea", "--hypothesis", "Summer sells.", *PLAN, "--db", shop
    )
    (stored,) = experiments(engine)
    blocks = blocks_of(engine, stored.id)
    assert started["experiment"]["uid"] == stored.uid
    assert (stored.hypothesis, stored.seed, stored.sites) == ("Summer sells.", 7, ("Shop",))
    assert stored.power == started["power"]
    assert len(blocks) == started["power"]["blocks"]
    assert all(block.starts_at >= stored.registered_at for block in blocks)
    assert blocks == draw_blocks(stored)
    engine.dispose()

    status = run_json("experiment", "status", "tea", "--db", shop)["experiments"][0]
    assert status["blocks_planned"] == len(blocks)
    assert status["blocks_over"] == 0
    assert run_json("experiment", "result", "tea", "--db", shop)["verdict"] == "not_yet"
    for command in (("plan", *PLAN), ("status",), ("status", "--all"), ("result", "tea")):
        assert run("experiment", *command, "--db", shop).stdout.strip()


def test_a_started_plan_cannot_be_changed(shop, complaint):
    start = ("experiment", "start", "tea", "--hypothesis", "It sells.", *PLAN, "--db", shop)
    run(*start)
    assert "its plan cannot be changed" in complaint(*start, "--effect", "20%")
    other = ("experiment", "start", "milk", "--hypothesis", "It sells.", *PLAN, "--db", shop)
    assert "'tea' runs at the same site" in complaint(*other)
    run("experiment", "stop", "tea", "--reason", "sold out", "--db", shop)
    assert "stopped before (sold out)" in complaint(
        "experiment", "stop", "tea", "--reason", "x", "--db", shop
    )
    status = run_json("experiment", "status", "tea", "--db", shop)["experiments"][0]
    assert (status["state"], status["experiment"]["stop_reason"]) == ("stopped", "sold out")
    assert {row["state"] for row in status["blocks"]} == {"dropped"}
    run(*other)


def test_the_screens_of_a_hub_get_it_at_once(shop):
    engine = open_database(str(shop))
    with writing(engine) as connection:
        for site in ("Shop", "Hall"):
            registry.create_screen(connection, registry.Place(f"{site} 1", site=site), TODAY)
    start = ("experiment", "start", "tea", "--hypothesis", "It sells.", *PLAN, "--site", "Shop")

    def wanted():
        with engine.connect() as connection:
            rows = connection.execute(select(Screen.name, DesiredState.document).join(DesiredState))
            return {name: content.get("experiments", []) for name, content in rows.tuples()}

    run(*start, "--db", shop)
    (stored,) = experiments(engine)
    assert wanted() == {"Shop 1": [stored.uid]}
    # Their kiosks ask every half minute.
    first = blocks_of(engine, stored.id)[0].starts_at
    assert first >= stored.registered_at + timedelta(minutes=2)
    done = run("experiment", "stop", "tea", "--reason", "sold out", "--db", shop)
    assert "within a minute" in done.stdout
    assert wanted() == {"Shop 1": []}
    with engine.connect() as connection:
        log = connection.execute(select(AuditEntry.actor, AuditEntry.action)).tuples().all()
    engine.dispose()
    assert {actor for actor, _ in log} == {"command line"}
    assert [action for _, action in log] == [
        *("show.publish", "experiment.start", "show.publish", "experiment.stop")
    ]


def experiment_of_the_past(path, *, days=28, over=28, lift=0.0, **changes):
    """Store an experiment of which so many days are over, and its sales."""
    begin = TODAY - over * DAY
    plan = make_plan(
        **{
            "treatment": ("summer",),
            "control": ("winter",),
            "starts_at": begin,
            "ends_at": begin + days * DAY,
            "registered_at": begin,
            "power": {"blocks": 336},
        }
        | changes
    )
    engine = open_database(str(path))
    blocks = draw_blocks(plan)
    with writing(engine) as connection:
        store_experiment(connection, plan, blocks)
    sold = [block for block in blocks if block.ends_at <= TODAY]
    values = sales_of(sold, np.random.default_rng(1), lift=lift, noise=0.15)
    with writing(engine) as connection:
        store_outcomes(connection, outcomes_of(sold, values), TODAY)
    engine.dispose()
    return plan


@pytest.mark.parametrize(
    ("lift", "verdict", "words"),
    [
        (0.15, "works", "It works: sales 1"),
        (0.0, "does_not", "It does not bring 10%: sales "),
        (-0.2, "does_not", "It does harm: sales "),
    ],
)
def test_the_verdict(shop, lift, verdict, words):
    experiment_of_the_past(shop, lift=lift)
    found = run_json("experiment", "result", "tea", "--db", shop)
    assert found["verdict"] == verdict
    assert found["sentence"].startswith(words)
    assert "with Summer than with Winter" in found["sentence"]
    assert found["effect_low"] < lift < found["effect_high"]
    assert found["effect"] == pytest.approx(lift, abs=0.06)
    assert TODAY.date().isoformat() > found["decided_on"]
    assert (found["blocks_counted"], found["blocks_needed"]) == (336, 0)
    assert found["sites"][0]["effect"] == found["effect"]
    assert found["sentence"] in run("experiment", "result", "tea", "--db", shop).stdout.replace(
        "\n", " "
    )


def test_not_yet_and_by_site(shop):
    experiment_of_the_past(shop, over=6, lift=0.02, sites=("Shop", "Hall"))
    found = run_json("experiment", "result", "tea", "--db", shop)
    assert (found["verdict"], found["decided_on"]) == ("not_yet", None)
    assert found["sentence"].startswith("Not yet: sales ")
    assert "more block" in found["sentence"]
    assert [site["site"] for site in found["sites"]] == ["Shop", "Hall"]
    # A Sunday alone has nothing to be compared with yet.
    assert all(60 <= site["blocks_counted"] <= 72 for site in found["sites"])
    assert run("experiment", "result", "tea", "--db", shop).stdout.count("Hall") >= 2
    status = run_json("experiment", "status", "tea", "--db", shop)["experiments"][0]
    begins = [row["starts_at"] for row in status["blocks"]]
    assert begins == sorted(begins)
    assert status["state"] == "running"


def test_a_plan_keeps_the_zone_of_the_machine_that_made_it(shop, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    made = run_json("experiment", "plan", "--treatment", "summer", "--spread", "30%", "--db", shop)
    assert made["experiment"]["timezone"] == "Asia/Kolkata"


def test_a_fixed_end_says_nothing_before_it(shop):
    experiment_of_the_past(shop, over=20, lift=0.3, stopping="fixed")
    found = run_json("experiment", "result", "tea", "--db", shop)
    assert (found["verdict"], found["effect_low"], found["p_value"]) == ("not_yet", None, None)
    for row in (found, *found["sites"]):
        figures = ("effect", "treatment_mean", "control_mean")
        assert [row[name] for name in figures] == [None] * 3
    (status,) = run_json("experiment", "status", "tea", "--db", shop)["experiments"]
    assert status["blocks_with_value"] > 200
    assert {row["value"] for row in status["blocks"]} == {None}
    assert "judged once, at its end" in found["sentence"]
    for figures in (found, *found["sites"]):
        assert {figures[name] for name in ("effect", "treatment_mean", "control_mean")} == {None}
    run("experiment", "stop", "tea", "--reason", "looks good", "--db", shop)
    sentence = run_json("experiment", "result", "tea", "--db", shop)["sentence"]
    assert sentence.startswith("Stopped early: ")


def test_status_lists_several_experiments_without_counting_anything(shop, monkeypatch):
    def store(name, **plan):
        with writing(engine) as connection:
            made = make_plan(name=name, uid=name, starts_at=TODAY - 2 * DAY, **plan)
            store_experiment(connection, made, draw_blocks(made))

    engine = open_database(str(shop))
    store("tea", ends_at=TODAY - DAY)
    alone = run("experiment", "status", "--db", shop).stdout
    assert "blocks of" in alone
    store("milk", ends_at=TODAY + 9 * DAY, sites=("Door", "Till"))
    engine.dispose()
    both = run("experiment", "status", "--all", "--db", shop).stdout
    assert both.count("blocks of") == 2
    assert len(run_json("experiment", "status", "--db", shop)["experiments"]) == 2
    monkeypatch.setattr("monitor.reports.experiments.status_document", None)
    head, milk, tea, hint = run("experiment", "status", "--db", shop).stdout.splitlines()
    assert head.split() == ["experiment", "state", "from", "to", "sites"]
    assert tea.split()[:2] == ["tea", "over"]
    assert milk.split()[:2] == ["milk", "running"]
    assert milk.endswith("Door, Till")
    assert "`ad-monitor experiment status NAME`" in hint


def test_status_counts_plays_and_says_what_is_missing(shop):
    make = Make()
    begin = make.start.replace(hour=9, minute=0, second=0, microsecond=0)
    plan = make_plan(
        treatment=("summer",),
        control=("winter",),
        starts_at=begin,
        ends_at=begin + timedelta(hours=4),
        registered_at=begin,
    )
    engine = open_database(str(shop))
    with writing(engine) as connection:
        store_experiment(connection, plan, draw_blocks(plan))
    engine.dispose()
    found = run_json("experiment", "status", "tea", "--db", shop)["experiments"][0]
    assert (found["state"], found["blocks_over"], found["blocks_with_value"]) == ("over", 4, 0)
    assert [row["plays"] for row in found["blocks"]] == [3, 0, 0, 0]
    first = found["blocks"][0]
    assert first["arm_plays"] + first["off_plan_plays"] == 3
    missing = " ".join(found["missing"])
    assert "No play in 3 of 4 blocks" in missing
    assert "outcome 'sales' is not known for 4 blocks" in missing


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["--control", "summer"], "in both arms"),
        (["--wash-out", "40"], "less than half of a block"),
        (["--measure", "visits"], "imported outcomes: sales"),
        (["--measure", "attention"], "run the kiosk there for some days"),
        (["--site", "Moon"], "Too little is known"),
        (["--effect", "0.1%"], "look for a larger effect"),
        (["--effect", "-3"], "a number from 0.0001 to 10"),
        (["--days", "someday"], "mon-sat"),
        (["--hours", "9-17"], "08:00-12:00"),
        (["--hours", "08:00-08:30"], "has room for 0 blocks"),
        (["--hours", "08:00-08:30", "--spread", "30%"], "fits into"),
        (["--from", "2020-01-01"], "a time to come"),
        (["--until", "2020-01-01"], "before it starts"),
        (["--timezone", "Mars/Base"], "Europe/Berlin"),
    ],
)
def test_a_plan_that_cannot_be_carried_out(shop, complaint, changes, words):
    assert words in complaint("experiment", "plan", *PLAN, *changes, "--db", shop)


@pytest.mark.parametrize("name", ["", "x" * 201])
def test_a_name_fits_into_what_a_hub_sends(shop, complaint, name):
    text = complaint("experiment", "start", name, "--hypothesis", "x", *PLAN, "--db", shop)
    assert f"has {len(name)} characters: expected 1 to 200" in text


def test_a_plan_needs_an_ad_and_a_site(shop, complaint):
    assert "expected --treatment AD" in complaint(
        "experiment", "plan", "--measure", "sales", "--db", shop
    )
    engine = open_database(str(shop))
    Make().write(engine, site="Hall")
    engine.dispose()
    assert "--site; sites so far: Hall, Shop" in complaint(
        "experiment", "plan", *PLAN, "--db", shop
    )


def test_a_stated_spread_needs_no_past_and_warnings_name_what_is_odd(shop):
    options = ("--treatment", "sumer", "--site", "Moon", "--measure", "visits", "--spread", "30%")
    found = run_json(
        "experiment", "plan", *options, "--until", f"{TODAY + 4 * DAY:%Y-%m-%d}", "--db", shop
    )
    assert found["power"]["history_blocks"] == 0
    words = " ".join(found["warnings"])
    for word in (
        "'sumer' has never been shown",
        "site 'Moon'",
        "too few for 10%",
        "Less than 2 weeks",
    ):
        assert word in words


def test_figures_longer_than_a_block_are_named(shop, complaint):
    engine = open_database(str(shop))
    begin = TODAY - 5 * DAY
    rows = [OutcomeInfo("daily", "Shop", begin + day * DAY, 86400.0, 1.0) for day in range(5)]
    with writing(engine) as connection:
        store_outcomes(connection, rows, TODAY)
    engine.dispose()
    text = complaint("experiment", "plan", *PLAN, "--measure", "daily", "--db", shop)
    assert "covers 1440 minutes, and belongs to no block of 60" in text


def test_names_that_do_not_exist(shop, complaint):
    for command in (("result", "x"), ("status", "x"), ("stop", "x", "--reason", "y")):
        assert "There is no experiment 'x'" in complaint("experiment", *command, "--db", shop)


def test_import(shop, tmp_path, complaint):
    file = tmp_path / "till.csv"
    file.write_text("\ufefftime;value\n01.03.2026 09:00;1,5\n01.03.2026 10:00;oops\n")
    options = ("--site", "Shop", "--timezone", "Europe/Berlin", "--db", shop)
    assert "site 'Shopp'" in run("outcome", "import", file, *options, "--site", "Shopp").stderr
    done = run("outcome", "import", file, *options)
    assert "Line 3 is left out" in done.stderr
    found = run_json("outcome", "import", file, *options, "--every", "60")
    assert (found["rows"], found["replaced"], found["decimal"]) == (1, 1, "comma")
    assert found["groups"][0]["first_at"] == "2026-03-01T08:00:00+00:00"
    assert [refused["line"] for refused in found["refused"]] == [3]
    engine = open_database(str(shop))
    assert outcome_names(engine) == {"sales": ("Shop",), "till": ("Shop", "Shopp")}
    engine.dispose()
    assert "nothing was imported" in complaint("outcome", "import", file, *options, "--strict")
    assert "time=Date,value=Total" in complaint(
        "outcome", "import", file, *options, "--columns", "when=Date"
    )
    assert "cannot be read" in complaint("outcome", "import", tmp_path / "none.csv", *options)
    nowhere = tmp_path / "typed-wrong.db"
    assert "There is no database" in complaint("outcome", "import", file, *options, "--db", nowhere)
    assert not nowhere.exists()


@pytest.mark.parametrize(
    "command",
    [
        ("experiment",),
        *(("experiment", name) for name in ("plan", "start", "status", "result", "stop")),
        ("outcome",),
        ("outcome", "import"),
    ],
)
def test_help_has_an_example(command):
    assert f"Example: ad-monitor {' '.join(command)}" in " ".join(
        run(*command, "--help").output.split()
    )
