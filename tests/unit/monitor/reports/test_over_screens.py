"""Three kiosks and a hub: its reports are those of the kiosks, for one screen and for all."""

from __future__ import annotations

import io
import json
import math
from collections import Counter
from functools import cache

import pytest
from click.testing import CliRunner
from openpyxl import load_workbook

from db.engine import open_database
from db.read.cells import untold_among
from db.read.scope import Scope
from monitor.analytics.proof_of_play import proof_of_play
from monitor.cli.main import cli
from monitor.reports.document import make_report
from monitor.reports.html import render_html
from monitor.reports.tables import table_of, to_csv
from monitor.reports.terminal import print_report
from monitor.reports.xlsx import render_xlsx
from tests.helpers.fleet import join, record_day, send
from tests.helpers.hub_rows import add_screen

PLACES = {
    "Till": {"site": "Berlin", "group_name": "North", "tags": ["food"]},
    "Door": {"site": "Bonn", "group_name": "West", "tags": ["food", "window"]},
    "Stairs": {"site": "Bern", "group_name": "North", "tags": []},
}
COMMANDS = {
    "report": ("report", "--all"),
    "compare": ("compare",),
    "proof": ("proof", "--by", "ad,hour", "--price", "0.5"),
    "lift": ("lift",),
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """The databases of three kiosks, of a hub that they sent to, and of one that recorded all."""
    folder = tmp_path_factory.mktemp("fleet")
    files = {name: folder / f"{name}.db" for name in (*PLACES, "hub", "all")}
    engines = {name: open_database(str(file)) for name, file in files.items()}
    for seed, (name, place) in enumerate(PLACES.items()):
        screen = add_screen(engines["hub"], name, **place)
        # A hub calls a place as its screen, whatever the kiosk was told.
        record_day(engines[name], seed, site=place["site"])
        record_day(engines["all"], seed, site=place["site"])
        join(engines[name])
        send(engines[name], engines["hub"], screen)
    for engine in engines.values():
        engine.dispose()
    return files


@pytest.fixture(scope="module")
def ask(fleet):
    """Run a command on one of the databases; return its document."""

    @cache
    def run(command, database, *options):
        arguments = [*COMMANDS[command], "--db", str(fleet[database]), *options, "--json"]
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run


def plain(document):
    """A document without what names rows, says what was asked, or compares with the whole hub."""
    if isinstance(document, list):
        return [plain(value) for value in document]
    if not isinstance(document, dict):
        return document
    named = {"id", "session", "scope", "site", "sites", "groups", "tags", "screens"}
    compared = ("norms", "score")
    left = {key for key in document if key not in named and not key.startswith(compared)}
    return {key: plain(document[key]) for key in document if key in left}


def differences(one, other, path=""):
    """Where two documents differ, floats by more than 1e-9."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [*one, *(key for key in other if key not in one)]
        return [
            found
            for key in keys
            for found in differences(one.get(key), other.get(key), f"{path}.{key}")
        ]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [
            found
            for place, pair in enumerate(zip(one, other, strict=True))
            for found in differences(*pair, f"{path}[{place}]")
        ]
    if isinstance(one, float) and isinstance(other, float):
        return [] if math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9) else [(path, one, other)]
    return [] if one == other else [(path, one, other)]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("screen", PLACES)
def test_one_screen_of_a_hub_has_the_report_of_its_kiosk(ask, command, screen):
    here = ask(command, "hub", "--site", PLACES[screen]["site"])
    assert differences(plain(here), plain(ask(command, screen))) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_all_screens_have_the_report_of_a_database_that_recorded_them_all(ask, command):
    assert differences(plain(ask(command, "hub")), plain(ask(command, "all"))) == []


def test_the_lift_of_all_screens_is_known(ask):
    assert ask("lift", "hub")["lift"]["p_value"] is not None


def test_sums_of_all_screens_are_those_of_the_kiosks_added_up(ask):
    sums = ("plays", "shown_s", "opportunities", "watchers", "exposures", "dwell_s", "attention_s")
    kiosks = [ask("report", name) for name in PLACES]
    for options, taken in (((), kiosks), (("--group", "North"), [kiosks[0], kiosks[2]])):
        together = {ad["ad_id"]: ad for ad in ask("report", "hub", *options)["ads"]}
        total = {ad: Counter() for ad in together}
        for document in taken:
            for ad in document["ads"]:
                total[ad["ad_id"]].update({key: ad[key] for key in sums})
        for ad_id, ad in together.items():
            assert {key: ad[key] for key in sums} == pytest.approx(dict(total[ad_id]), abs=1e-9)
    rows = [ask("proof", name, "--by", "ad")["total"] for name in PLACES]
    total = ask("proof", "hub", "--by", "ad")["total"]
    for key in ("plays", "verified", "opportunities", "watchers", "attentive_s", "cost"):
        assert total[key] == pytest.approx(sum(row[key] for row in rows), abs=1e-9)
        assert total[key] > 0


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("options", "sites"),
    [
        (("--group", "North"), ("Berlin", "Bern")),
        (("--tag", "food"), ("Berlin", "Bonn")),
        (("--tag", "window", "--tag", "food", "--group", "North"), ("Berlin",)),
    ],
)
def test_groups_and_tags_name_their_sites(ask, command, options, sites):
    named = [option for site in sites for option in ("--site", site)]
    found = ask(command, "hub", *options)
    assert differences(plain(found), plain(ask(command, "all", *named))) == []


def test_the_document_says_what_was_asked(ask):
    asked = ask("proof", "hub", "--site", "Berlin", "--site", "Bonn", "--tag", "food")
    assert (asked["site"], asked["sites"], asked["tags"]) == (None, ["Berlin", "Bonn"], ["food"])
    assert "groups" not in asked


def test_the_screens_of_a_report(ask):
    kiosks = {name: ask("report", name) for name in PLACES}
    assert all("screens" not in document for document in kiosks.values())
    screens = ask("report", "hub")["screens"]
    assert [(entry["site"], entry["name"]) for entry in screens] == [
        ("Berlin", "Till"),
        ("Bern", "Stairs"),
        ("Bonn", "Door"),
    ]
    for entry in screens:
        own, place = kiosks[entry["name"]], PLACES[entry["name"]]
        assert (entry["group"], entry["tags"]) == (place["group_name"], place["tags"])
        assert (entry["sessions"], entry["plays"]) == (1, own["session"]["plays"])
        assert entry["viewers"] == own["session"]["viewers"]
        assert entry["exposures"] == sum(ad["exposures"] for ad in own["ads"])
        assert entry["attention_s"] == pytest.approx(own["session"]["attention_s"])
        assert entry["attention_per_exposure_s"] == pytest.approx(
            entry["attention_s"] / entry["exposures"]
        )


def test_screens_with_few_viewers_are_withheld(ask):
    few = max(entry["viewers"] for entry in ask("report", "hub")["screens"]) + 1
    document = ask("report", "hub", "--min-viewers", str(few))
    assert [entry["exposures"] for entry in document["screens"]] == [None] * 3
    assert all(entry["viewers"] and entry["plays"] for entry in document["screens"])
    assert "screens.exposures" in [
        name for each in document["withheld"] for name in each["figures"]
    ]


def test_screens_that_send_sums_of_hours_only(tmp_path, ask):
    """What is not known of one kiosk is said, and changes no figure of the other."""
    hub = open_database(str(tmp_path / "hub.db"))
    for name, upload in (("Till", "sums"), ("Door", "cells")):
        kiosk = open_database(str(tmp_path / f"{name}.db"))
        record_day(kiosk, list(PLACES).index(name), site=PLACES[name]["site"])
        join(kiosk, upload, min_viewers=1)
        send(kiosk, hub, add_screen(hub, "=1+" + name, **PLACES[name]))
        kiosk.dispose()
    whole, data = make_report(hub, Scope())
    till, door = whole["screens"]
    alone, there = ask("report", "Till"), ask("report", "Door")
    known = {ad["ad_id"]: ad for ad in alone["ads"]}
    for ad in whole["ads"]:
        assert ad["opportunities"] == known[ad["ad_id"]]["opportunities"]
        assert ad["average_unit_audience"] == known[ad["ad_id"]]["average_unit_audience"]
        assert ad["plays"] > known[ad["ad_id"]]["plays"]
    assert (door["viewers"], door["plays"]) == (None, there["session"]["plays"])
    assert door["exposures"] == sum(ad["exposures"] for ad in there["ads"])
    assert door["attention_s"] == pytest.approx(there["session"]["attention_s"])
    assert till["viewers"] == alone["session"]["viewers"]
    assert any("hourly sums only" in each["why"] for each in whole["withheld"])
    only, _ = make_report(hub, Scope(sites=("Bonn",)))
    assert (only["session"]["viewers"], only["ads"][0]["opportunities"]) == (None, None)
    proof = proof_of_play(hub, Scope(sites=("Bonn",)), by=("ad",))
    assert (proof["total"]["plays"], proof["total"]["opportunities"]) == (door["plays"], None)
    for document in (whole, only):
        page = render_html(document)
        assert "Screen by screen" in page
        assert "=1+Door" in page
        print_report(document)
    assert "'=1+Door" in to_csv(table_of("screens", whole, data))
    book = load_workbook(io.BytesIO(render_xlsx(whole)))
    cells = [cell for row in book["Screens"].iter_rows() for cell in row]
    assert [cell.data_type for cell in cells if str(cell.value).startswith("=1+")] == ["s", "s"]
    hub.dispose()


def test_a_list_says_of_whom_no_viewer_is_known(tmp_path):
    hub, kiosk = (open_database(str(tmp_path / name)) for name in ("hub.db", "kiosk.db"))
    record_day(kiosk, 1, plays=3)
    join(kiosk, "cells", min_viewers=1)
    send(kiosk, hub, add_screen(hub))
    assert untold_among(hub, [1]) == {1}
    assert untold_among(kiosk, [1]) == frozenset()
    listed = CliRunner().invoke(cli, ["sessions", "--db", str(tmp_path / "hub.db"), "--json"])
    assert [each["viewers"] for each in json.loads(listed.stdout)["sessions"]] == [None]
    assert CliRunner().invoke(cli, ["sessions", "--db", str(tmp_path / "hub.db")]).exit_code == 0
    for engine in (hub, kiosk):
        engine.dispose()


def test_a_place_without_sessions_is_said(fleet):
    result = CliRunner().invoke(cli, ["report", "--db", str(fleet["hub"]), "--group", "South"])
    assert result.exit_code != 0
    assert "--group" in str(result.exception)
