"""An experiment on a running kiosk: its plays obey the blocks, also over a start anew."""

from __future__ import annotations

import signal
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

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
    again.communicate(timeout=30)

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


def _soon(seconds: int) -> str:
    return f"{datetime.now(UTC) + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}"
