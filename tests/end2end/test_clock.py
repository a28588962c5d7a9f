"""A machine without a clock battery: it starts in 1971, and learns the time while the kiosk runs."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

PROGRAM = """
import sys
from monitor.session import clock
right, began = clock.Clocks.read, []

def read():
    now = right()
    began.append(now.monotonic_ns)
    late_ns = 0 if now.monotonic_ns - began[0] > {set_after_s} * 10**9 else {behind_s} * 10**9
    return clock.Clocks(now.wall_ns - late_ns, now.monotonic_ns, now.boot_ns)

clock.Clocks.read = read
from monitor.cli.main import cli
cli()
"""
BEHIND = timedelta(days=20_000)


@pytest.mark.slow
def test_a_clock_that_is_set_after_the_start_leaves_one_time_line(tmp_path):
    database = tmp_path / "kiosk.db"
    program = PROGRAM.format(set_after_s=6, behind_s=round(BEHIND.total_seconds()))
    run = ["run", "--headless", "--source", "demo", "--duration", "15", "--log", "none"]
    began = datetime.now(UTC)
    done = subprocess.run(
        [sys.executable, "-c", program, *run, "--db", str(database)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    ended = datetime.now(UTC)
    assert done.returncode == 0, done.stderr
    assert "was set ahead by 1728000000 s (20000.0 days)" in done.stderr
    with closing(sqlite3.connect(database)) as connection:
        moments = {
            name: [
                datetime.fromisoformat(text).replace(tzinfo=UTC)
                for (text,) in connection.execute(query)
            ]
            for name, query in {
                "session": "SELECT started_at FROM sessions UNION SELECT ended_at FROM sessions",
                "plays": "SELECT started_at FROM plays UNION SELECT ended_at FROM plays",
                "viewers": "SELECT first_seen_at FROM viewers UNION SELECT last_seen_at FROM viewers",
                "readings": "SELECT at FROM readings ORDER BY id",
            }.items()
        }
        [(noted,)] = connection.execute(
            "SELECT json_extract(settings, '$.clock_set.step_s') FROM sessions"
        )
    assert noted == pytest.approx(BEHIND.total_seconds(), abs=1)
    start, end = min(moments["session"]), max(moments["session"])
    assert began - timedelta(seconds=1) < start < end < ended + timedelta(seconds=1)
    assert end - start == pytest.approx(timedelta(seconds=15), abs=timedelta(seconds=4))
    for name in ("plays", "viewers", "readings"):
        assert moments[name], name
        assert all(start <= moment <= end for moment in moments[name]), name
    readings = moments["readings"]
    assert readings == sorted(readings)
    steps = [later - earlier for earlier, later in pairwise(readings)]
    assert max(steps) < timedelta(seconds=5), "no hole where the clock was set"
