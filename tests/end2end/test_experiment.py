"""An experiment on a running kiosk: its plays obey the blocks, also over a start anew.

So do those of a hub's experiment, also while the hub is away.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from db.engine import open_database, writing
from db.hub.screens import pairing, registry
from db.hub.shows.desired import find_desired
from db.read.experiments import Opening, experiments
from monitor.analytics.experiments import Spread
from monitor.hub.shows.publishing import refresh
from monitor.reports.experiment_plans import begin, new_plan, planned
from monitor.reports.experiments import status_document
from tests.helpers.hub_process import hub_process
from tests.helpers.waiting import wait_until

from .live_database import rows_of

PLAN = (
    "--hypothesis", "The first picture holds people longer.",
    "--treatment", "ad1", "--control", "ad2", "--site", "Foyer",
    "--measure", "attention", "--spread", "20%", "--block", "0.1", "--wash-out", "0",
    "--hours", "00:00-24:00", "--timezone", "UTC", "--seed", "11",
)  # fmt: skip

LOGGED = """SELECT p.started_at, a.ad_id, json_extract(p.context, '$.experiment'),
                   json_extract(p.context, '$.block'), json_extract(p.context, '$.arm')
            FROM plays p JOIN ads a ON a.id = p.ad_version_id ORDER BY p.started_at"""
BLOCKS = "SELECT number, arm, starts_at, ends_at FROM experiment_blocks ORDER BY number"


@pytest.mark.timeout(240)
@pytest.mark.slow
def test_the_plays_obey_the_blocks(program: Any, make_playlist: Any, wait_for: Any) -> None:
    playlist = make_playlist([1.0, 1.0, 1.0])
    kiosk = (
        "run",
        "--headless",
        "--source",
        "demo",
        "--playlist",
        str(playlist),
        "--site",
        "Foyer",
    )
    process = program.start(*kiosk)
    wait_for(lambda: program.rows("SELECT 1 FROM plays LIMIT 1"), what="a play")
    program.run("experiment", "start", "first", *PLAN, "--until", _soon(240))
    assert not program.rows("SELECT 1 FROM experiment_blocks WHERE drawn_at > starts_at")

    in_blocks = "SELECT 1 FROM plays WHERE json_extract(context, '$.block') IS NOT NULL LIMIT 1"
    wait_for(lambda: program.rows(in_blocks), what="a play within a block")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    # The next start goes on with the same blocks, from its first play on.
    [(killed_at,)] = program.rows("SELECT max(started_at) FROM plays")
    again = program.start(*kiosk)
    pairs = f"""SELECT DISTINCT a.ad_id, json_extract(p.context, '$.arm')
                FROM plays p JOIN ads a ON a.id = p.ad_version_id
                WHERE p.started_at > '{killed_at}' AND json_extract(p.context, '$.block') > 0"""
    wait_for(lambda: len(program.rows(pairs)) >= 4, limit_s=110.0, what="both arms with two ads")
    again.send_signal(signal.SIGTERM)
    again.communicate(timeout=300)

    blocks = {row[0]: row[1:] for row in program.rows(BLOCKS)}
    shown: Counter[tuple[str, str]] = Counter()
    for started_at, ad_id, experiment, number, arm in program.rows(LOGGED):
        if number is None:
            continue
        block_arm, starts_at, _ = blocks[number]
        assert (experiment, arm) == ("first", block_arm)
        # Chosen up to some seconds before it begins, within the block.
        assert ad_id != {"treatment": "ad2", "control": "ad1"}[arm]
        assert started_at >= starts_at
        shown[arm, ad_id] += 1
    assert {ad_id for arm, ad_id in shown if arm == "treatment"} == {"ad1", "ad3"}
    assert {ad_id for arm, ad_id in shown if arm == "control"} == {"ad2", "ad3"}
    resumed = f"SELECT min(started_at) FROM plays WHERE started_at > '{killed_at}'"
    [(first_again,)] = program.rows(resumed)
    [(number,)] = program.rows(
        f"SELECT json_extract(context, '$.block') FROM plays WHERE started_at = '{first_again}'"
    )
    assert blocks[number][1] <= first_again

    [found] = program.json("experiment", "status", "first", "--demos")["experiments"]
    over = [row for row in found["blocks"] if row["state"] == "over" and row["plays"]]
    assert over
    # Only what was still on when its block ended.
    assert all(row["off_plan_plays"] <= 1 for row in over)
    assert sum(row["value"] is not None for row in over) >= 1
    [real] = program.json("experiment", "status", "first")["experiments"]
    assert real["blocks_with_value"] == 0  # the demo viewer is nobody
    assert program.json("experiment", "result", "first")["verdict"] == "not_yet"
    program.run("experiment", "stop", "first", "--reason", "seen enough")


def start_on_hub(engine, screen) -> None:
    """Start an experiment with blocks of six seconds on a hub, as its page does."""
    now = datetime.now(UTC)
    plan = new_plan(
        treatment=("ad1",), control=("ad2",), sites=("Foyer",), measure="attention",
        relevant=None, stopping="fixed", block_min=0.1, wash_out_min=0.0,
        opening=Opening("00:00-24:00", ("mon", "tue", "wed", "thu", "fri", "sat", "sun"), "UTC"),
        since=None, until=now + timedelta(minutes=20), now=now,
    )  # fmt: skip
    plan, blocks, _ = planned(engine, plan, now, open_end=False, spread=Spread(0.2))
    plan = replace(plan, name="from the hub", hypothesis="It holds people.", uid="ab" * 16)
    with writing(engine) as connection:
        # The lead of a hub would be two minutes.
        begin(connection, plan, blocks, now, by_hub=False)
        refresh(connection, "eva", now, [screen])


@contextmanager
def running(command):
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(300)


@pytest.mark.timeout(600)
@pytest.mark.slow
def test_the_blocks_of_a_hub_are_obeyed_also_while_it_is_away(tmp_path, make_playlist) -> None:
    database, hub = tmp_path / "kiosk.db", tmp_path / "hub.db"
    engine = open_database(str(hub))
    with writing(engine) as connection:
        place = registry.Place("Entrance", site="Foyer", time_zone="UTC")
        screen = registry.create_screen(connection, place, datetime.now(UTC)).id
        code, _ = pairing.code_for_screen(connection, screen, "ada", datetime.now(UTC))
    program = [sys.executable, "-m", "monitor"]
    kiosk = [*program, "run", "--headless", "--no-camera", "--db", str(database)]
    kiosk += ["--playlist", str(make_playlist([1.0, 1.0, 1.0])), "--site", "elsewhere"]

    def shown(since):
        """Return arm and ad of the plays within blocks since a moment."""
        rows = [row for row in rows_of(database, LOGGED) if row[0] > since and row[3] is not None]
        return {(arm, ad_id) for _, ad_id, _, _, arm in rows}

    def applied():
        with engine.connect() as connection:
            found = find_desired(connection, screen)
        return found is not None and found.is_applied

    with hub_process(str(hub), tmp_path / "hub.log") as (address, process):
        join = [*program, "join", address, code, "--db", str(database)]
        subprocess.run(join, check=True, timeout=300)
        with running(kiosk):
            start_on_hub(engine, screen)
            wait_until(applied, what="the document with the experiment", every_s=0.2)
            wait_until(lambda: len(shown("")) == 4, what="both arms with two ads", every_s=0.2)
            # What was played arrives in the hub, in the blocks in which it was played.
            [plan] = experiments(engine)

            def attributed():
                rows = status_document(engine, plan, datetime.now(UTC))["blocks"]
                return sum(row["arm_plays"] for row in rows) >= 2

            wait_until(attributed, what="plays in the hub's blocks", every_s=1.0)
            process.send_signal(signal.SIGKILL)
    [(last,)] = rows_of(database, "SELECT max(started_at) FROM plays")
    with running(kiosk):
        wait_until(lambda: len(shown(last)) == 4, what="both arms without the hub", every_s=0.2)
    both = {("treatment", "ad1"), ("treatment", "ad3"), ("control", "ad2"), ("control", "ad3")}
    assert shown("") == both
    blocks = "SELECT number, arm, starts_at, ends_at FROM experiment_blocks"
    drawn = {number: rest for number, *rest in rows_of(hub, blocks)}
    for started_at, _, experiment, number, arm in rows_of(database, LOGGED):
        if number is not None:
            assert (experiment, arm) == ("from the hub", drawn[number][0])
            assert started_at >= drawn[number][1]
    engine.dispose()


def _soon(seconds: int) -> str:
    return f"{datetime.now(UTC) + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}"
