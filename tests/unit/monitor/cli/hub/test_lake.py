"""`hub lake`: writing a lake and reporting from it, as typed."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from db.engine import open_database
from monitor.cli.main import cli
from tests.helpers.hub_rows import add_screen
from tests.helpers.making import Make


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "hub.db"
    engine = open_database(str(path))
    add_screen(engine, "Till")
    Make().write_rolled(engine)
    engine.dispose()
    return path


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command with the folder `lake`; `hub serve` would take it from the settings."""
    monkeypatch.delenv("AD_MONITOR_LAKE", raising=False)
    target = str(tmp_path / "lake")

    def invoke(command, *arguments, lake=target):
        option = {"write": "--to", "report": "--lake"}[command]
        named = [option, lake] if lake else []
        return CliRunner().invoke(cli, ["hub", "lake", command, *named, *map(str, arguments)])

    return invoke


@pytest.fixture
def write(run, database):
    return lambda *arguments, **how: run("write", "--db", database, *arguments, **how)


def done(result):
    assert result.exit_code == 0, result.output
    return result


def test_write_and_report(run, write):
    assert "Wrote 2026-03-01 into the lake" in done(write("--min-viewers", 1)).stderr
    assert "has all days that are over" in done(write("--min-viewers", 1)).stderr
    assert "Wrote 2026-03-01" in done(write("--all", "--min-viewers", 1)).stderr
    document = json.loads(done(run("report", "summer", "winter", "--format", "json")).stdout)
    assert [ad["ad_id"] for ad in document["ads"]] == ["summer", "winter"]
    assert document["ads"][0]["exposures"] == 4
    assert "Not told" in done(run("report", "summer")).stdout
    table = done(run("report", "summer", "--site", "Foyer", "--format", "csv")).stdout
    assert table.lstrip("\ufeff").startswith("ad_id,sha256,site,second,")


def test_days_by_hand(run, write):
    done(write("--day", "2026-03-01"))
    document = json.loads(done(run("report", "summer", "--format", "json")).stdout)
    # Two viewers are too few for the hub's own limit of five.
    assert (document["ads"][0]["plays"], document["ads"][0]["exposures"]) == (2, 0)
    result = write("--day", "2026-03-01", "--day", "2026-04-01")
    assert result.exit_code == 2
    assert "no plays on 2026-04-01" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("write", "--all", "--day", "2026-03-01"), "expected --day or --all, received both"),
        (("report", "summer", "--from", "2026-03-02", "--to", "2026-03-01"), "received 2026-03-02"),
        (("report", "summer"), "is empty: write it with"),
    ],
)
def test_what_is_wrong_is_said(run, arguments, message):
    result = run(*arguments)
    assert result.exit_code != 0
    assert message.lower() in f"{result.output} {result.exception}".lower()


@pytest.mark.parametrize("command", [("write", "--all"), ("report", "summer")])
def test_a_lake_must_be_named(run, command):
    result = run(*command, lake="")
    assert result.exit_code == 2
    assert "Expected a lake: name one with" in result.output


def test_the_setting_names_the_lake(run, write, tmp_path, monkeypatch):
    monkeypatch.setenv("AD_MONITOR_LAKE", str(tmp_path / "elsewhere"))
    done(write("--min-viewers", 1, lake=""))
    assert (tmp_path / "elsewhere" / "cells" / "day=2026-03-01").is_dir()
    assert "summer" in done(run("report", "summer", lake="")).stdout
