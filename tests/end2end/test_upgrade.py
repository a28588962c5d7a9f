"""What version 0.1 left still works: its databases, playlist and options.

`v0_1` holds what the real program of then wrote: two databases, with the first schema and with that
of its last day, each with a demo run, a replay and a killed run; the reports that it made of them;
its options.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import ads.sample
from db.errors import SchemaVersionError
from db.migrations import HEAD
from monitor.cli.main import cli

THEN = Path(__file__).parent / "v0_1"
OPTIONS = json.loads((THEN / "options.json").read_text())

REDEFINED = {"score", "score_parts", "norms", "moments"}
"""Figures of the report whose definition 1.0 has changed, as its changelog says."""

TOLERANCES = dict.fromkeys(("dwell_s", "mean_dwell_s", "attention_s"), 0.02)
"""A reading stands for at most 1.5 intervals, where plays had not been added up yet."""


@pytest.fixture(params=["0001", "0005"])
def schema(request):
    return request.param


@pytest.fixture
def kiosk(tmp_path, schema):
    """A database of then."""
    path = tmp_path / "monitor.db"
    path.write_bytes(gzip.decompress((THEN / f"schema-{schema}.db.gz").read_bytes()))
    return path


def contents(path):
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def same(now, then, path="report", tolerance=1e-9):
    """Check that each figure of then is still there, to the rounding of sums in another order."""
    if isinstance(then, dict):
        for key in then.keys() - REDEFINED:
            same(now[key], then[key], f"{path}.{key}", TOLERANCES.get(key, tolerance))
    elif isinstance(then, list):
        assert len(now) == len(then), path
        for index, (one, other) in enumerate(zip(now, then, strict=True)):
            same(one, other, f"{path}[{index}]", tolerance)
    elif isinstance(then, float):
        assert now == pytest.approx(then, rel=tolerance, abs=1e-9), path
    else:
        assert now == then, path


def ad_monitor(*arguments):
    """Run a command in this process: each start of the program would cost seconds."""
    return CliRunner().invoke(cli, arguments, catch_exceptions=False).stdout


def test_a_database_of_then_is_upgraded_and_reports_the_same(kiosk, schema, tmp_path, caplog):
    before = contents(kiosk)
    with pytest.raises(SchemaVersionError, match=f"older schema {schema}.*`ad-monitor upgrade`"):
        ad_monitor("report", "--db", str(kiosk))
    assert contents(kiosk) == before

    assert f"from schema {schema}" in ad_monitor("upgrade", "--db", str(kiosk))
    (copy,) = tmp_path.glob("monitor-before-upgrade-*.db")
    assert str(copy) in caplog.text
    assert contents(copy) == before

    for session in ("1", "2"):
        file = tmp_path / f"{session}.json"
        ad_monitor("report", session, "--db", str(kiosk), "--format", "json", "-o", str(file))
        now = json.loads(file.read_text())
        then = json.loads((THEN / f"schema-{schema}-report-{session}.json").read_text())
        for part in ("session", "ads", "gaps"):
            same(now[part], then[part], part)
    again = json.loads(ad_monitor("upgrade", "--db", str(kiosk), "--json"))
    assert again == {"from": HEAD, "to": HEAD}
    assert list(tmp_path.glob("monitor-before-upgrade-*.db")) == [copy]


@pytest.mark.slow
def test_a_kiosk_of_then_goes_on_with_its_playlist_and_options(program, kiosk):
    sample = Path(ads.sample.__file__).parent
    for name in ("solina.mp4", "second-chapter.png"):
        shutil.copy(sample / name, program.folder)
    shutil.copy(THEN / "summer.yaml", program.folder)
    # A killed kiosk of then left the disk space it had taken.
    spool = program.folder / "monitor.db-20261129T111933599785.spool"
    spool.write_bytes(bytes(1 << 20))
    program.run("playlist", "check", "summer.yaml")
    program.run(
        *("run", "--headless", "--source", "demo", "--playlist", "summer.yaml"),
        *("--db", "monitor.db", "--site", "Shop 12", "--policy", "weighted", "--seed", "3"),
        *("--holdout", "0.2", "--floor", "0.05", "--min-audience", "1", "--wash-out", "0.5"),
        *("--smallest-face", "48", "--camera-angle", "70", "--camera-above", "20"),
        *("--camera-right", "0", "--duration", "8", "--readings-per-second", "5"),
        *("--measure-hours", "00:00-24:00", "--min-viewers", "1", "--retention", "0"),
        *("--volume", "0.5", "--language", "en", "--notice", "bar", "--notice-seconds", "5"),
        *("--notice-language", "en,de", "--notice-url", "http://example.com/n"),
        *("--log", "run.log", "--no-overlay", "--report", "report.json"),
    )
    assert not spool.exists()
    assert program.rows("SELECT end_reason FROM sessions WHERE id = 3") == [("interrupted",)]
    ((readings,),) = program.rows("SELECT count(*) FROM readings WHERE session_id = 4")
    assert readings > 0
    report = json.loads((program.folder / "report.json").read_text())
    assert {ad["ad_id"] for ad in report["ads"]} <= {"summer-01", "second-chapter"}
    assert len(list(program.folder.glob("monitor-before-upgrade-*.db"))) == 1


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_of_then_is_still_taken(name):
    command = cli
    for part in name.split():
        command = command.get_command(click.Context(command), part)
        assert command is not None, name
    options = {
        flag: option
        for option in command.params
        if isinstance(option, click.Option)
        for flag in (*option.opts, *option.secondary_opts)
    }
    context = click.Context(command)
    for flag, values in OPTIONS[name].items():
        option = options[flag]
        assert option.is_flag == (values == "flag"), flag
        for value in values if isinstance(values, list) else ():
            option.type.convert(value, option, context)
