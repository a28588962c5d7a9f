"""`ad-monitor compare`, on data made by hand in place of a database."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from click.testing import CliRunner

from db.engine import open_database
from monitor.analytics import measures, report_data
from monitor.cli.main import cli
from monitor.cli.reports.compare import MEASURES, hours_of, weekdays_of
from monitor.reports.terminal.charts import BLOCKS


@pytest.fixture
def asked(exposures, monkeypatch):
    """Three ads in the place of a database; returns which scopes were asked for."""
    exposures.session("Attic", "rtsp://door")
    rng = np.random.default_rng(3)
    for place, (ad_id, mean) in enumerate([("solina", 0.4), ("nordlys", 0.0), ("brume", 0.02)]):
        row = exposures.ad(ad_id)
        for session, hours in ((1, 0), (1, 24), (2, 3)):
            # A play for each viewer, a week apart.
            for week, value in enumerate(rng.normal(mean, 0.3, 25)):
                play = exposures.play(row, session=session, hours=hours + 168 * week + 0.2 * place)
                exposures.saw(play, play, value, dwell_s=6 + value)
    scopes = []

    def load(_engine, scope, *, seconds=True):
        assert not seconds
        scopes.append(scope)
        return exposures.data()

    monkeypatch.setattr(report_data, "load_report_data", load)
    return scopes


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "kiosk.db"
    open_database(str(path)).dispose()
    return path


@pytest.fixture
def run(asked, database):
    def invoke(*arguments):
        return CliRunner().invoke(cli, ["compare", "--db", str(database), *map(str, arguments)])

    return invoke


def test_all_ads_of_the_database_are_compared(run):
    result = run()
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0].split()[:3] == ["ads", "viewers", "valence"]
    assert lines[1].startswith(f"Solina {BLOCKS.dash} Nordlys   75, 75")
    assert lines[1].rstrip().endswith("better")
    assert lines[3].startswith(f"Nordlys {BLOCKS.dash} Brume")
    assert lines[3].rstrip().endswith(("same", "not yet"))
    assert "├" in lines[1]
    assert "●" in lines[1]
    text = " ".join(result.stdout.split())
    assert "Solina is better than Nordlys in valence. Valence: +0." in text
    assert "valid at every look, corrected for 3 comparisons" in text


def test_json_holds_the_documents(run):
    result = run(
        "solina", "nordlys", "--json", "--by", "site", "--min-viewers", 5, "--relevant", 0.2
    )
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert {key: value for key, value in document.items() if key != "comparisons"} == {
        "measure": "valence",
        "relevant": 0.2,
        "by": "site",
        "min_viewers": 5,
        "monitoring": "always-valid",
        "left_out": {"replay": 0, "demo": 0},
    }
    assert [(found["segment"], found["verdict"]) for found in document["comparisons"]] == [
        ("Attic", "better"),
        ("Hall", "better"),
    ]
    assert document["comparisons"][1]["first_viewers"] == 50


def test_one_look_gives_narrower_intervals(run):
    widths = {}
    for option in ((), ("--fixed",)):
        document = json.loads(run("nordlys", "brume", "--json", *option).stdout)
        (found,) = document["comparisons"]
        assert document["monitoring"] == found["monitoring"]
        widths[found["monitoring"]] = found["difference"]["high"] - found["difference"]["low"]
    assert widths["fixed"] < 0.75 * widths["always-valid"]


def test_the_default_of_what_matters_is_told(run):
    assert json.loads(run("--measure", "dwell", "--json").stdout)["relevant"] == 1.0


@pytest.mark.parametrize(
    ("options", "viewers"),
    [
        (("--hour", "9-10"), 50),
        (("--hour", "12"), 25),
        (("--hour", "10-9"), 25),
        (("--weekday", "tue"), 25),
        (("--weekday", "mon, TUE"), 75),
        (("--source", "0"), 50),
        (("--source", "0", "--source", "rtsp://door"), 75),
        (("--hour", "12-13", "--timezone", "Africa/Nairobi"), 50),
    ],
)
def test_filters(run, options, viewers):
    zone = () if "--timezone" in options else ("--timezone", "UTC")
    result = run("solina", "brume", "--json", *options, *zone)
    assert result.exit_code == 0, result.output
    (found,) = json.loads(result.stdout)["comparisons"]
    assert found["first_viewers"] == viewers


def test_the_database_is_asked_for_the_site_and_the_time(run, asked):
    run(
        "--site",
        "Hall",
        "--since",
        "2026-03-01",
        "--until",
        "2026-04-01 06:30",
        "--timezone",
        "Europe/Berlin",
    )
    (scope,) = asked
    assert scope.sites == ("Hall",)
    assert scope.since == datetime(2026, 3, 1, tzinfo=timezone(timedelta(hours=1)))
    assert scope.until == datetime(2026, 4, 1, 6, 30, tzinfo=timezone(timedelta(hours=2)))
    assert (scope.replays, scope.demos) == (False, False)
    run("--replays", "--demos")
    assert (asked[1].replays, asked[1].demos) == (True, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("solina", "nordlis"),
            "There is no ad 'nordlis' in these sessions; did you mean 'nordlys'?",
        ),
        (("solina",), "Expected two or more different ads to compare, received solina."),
        (("--source", "rtsp://dor"), "did you mean 'rtsp://door'?"),
        (("--hour", "9-25"), "expected hours of day such as 9-12"),
        (("--hour", "9-9"), "received '9-9'"),
        (("--hour", "morning"), "received 'morning'"),
        (("--weekday", "monday"), "expected some of mon, tue"),
        (("--measure", "joy"), "There is no measure 'joy' in these sessions, because no model"),
        (("--relevant", "0"), "expected a number above 0, received '0'"),
        (("--relevant", "inf"), "expected a finite number above 0, received 'inf'"),
        (("--timezone", "Mars"), "such as Europe/Berlin, received 'Mars'"),
    ],
)
def test_a_wrong_command_line(run, arguments, words):
    result = run(*arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())
    assert result.stdout == ""


def test_nothing_to_compare(run, monkeypatch, exposures, make_exposures):
    result = run("--weekday", "sun", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["comparisons"] == []
    assert "Nothing to compare: expected two ads with plays" in result.stderr
    assert "ads: solina, nordlys, brume." in result.stderr
    monkeypatch.setattr(report_data, "load_report_data", lambda *_, **__: make_exposures().data())
    empty = run()
    assert (empty.exit_code, empty.stdout) == (0, "")
    assert "ads: none." in empty.stderr


def test_a_database_that_is_not_there(tmp_path):
    result = CliRunner().invoke(cli, ["compare", "--db", str(tmp_path / "none.db")])
    assert result.exit_code != 0
    assert not (tmp_path / "none.db").exists()


def test_the_choices_are_those_of_the_comparison():
    """They are written down twice, so that help needs no SciPy."""
    assert tuple(measures.MEASURES) == MEASURES


def test_hours_and_days():
    assert hours_of("9-12") == {9, 10, 11}
    assert hours_of("22-2, 7") == {22, 23, 0, 1, 7}
    assert hours_of("23") == {23}
    assert hours_of("0-24") == set(range(24))
    assert weekdays_of("Mon,sun") == {"mon", "sun"}
