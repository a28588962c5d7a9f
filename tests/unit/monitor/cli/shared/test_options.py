"""What commands share; see also the tests of the commands."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from db.engine import open_database
from monitor.cli.main import cli


@pytest.mark.parametrize("until", ["2026-03-01", "2026-02-28 23:59"])
@pytest.mark.parametrize("command", [("report", "--all"), ("compare", "a", "b"), ("proof",)])
def test_times_the_wrong_way_round_are_said(command, until, tmp_path):
    when = ("--since", "2026-03-01", "--until", until)
    database = tmp_path / "kiosk.db"
    open_database(str(database)).dispose()
    told = CliRunner().invoke(cli, [*command, *when, "--db", str(database)])
    assert told.exit_code == 2
    assert "expected a time before --until" in told.stderr
