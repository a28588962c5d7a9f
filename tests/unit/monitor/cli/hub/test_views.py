"""`hub views`, as typed."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from click.testing import CliRunner

from db.engine import open_database
from monitor.cli.main import cli
from tests.helpers.hub_rows import add_screen
from tests.helpers.making import Make


def run(*arguments):
    result = CliRunner().invoke(cli, ["hub", "views", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stderr


def test_views_are_made_changed_and_removed(tmp_path):
    path = tmp_path / "hub.db"
    engine = open_database(str(path))
    add_screen(engine, "Till")
    Make().write_rolled(engine)
    engine.dispose()

    def viewers():
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute("SELECT ad_id, viewers FROM v_ad_days ORDER BY 1").fetchall()

    assert "Made v_about, v_screens" in run("--db", path)
    assert viewers() == []
    assert "fewer than 2 viewers" in run("--db", path, "--min-viewers", 2)
    assert viewers() == [("summer", 2), ("winter", 2)]
    assert "Removed the views" in run("--db", path, "--drop")
    assert "There were no views" in run("--db", path, "--drop")
