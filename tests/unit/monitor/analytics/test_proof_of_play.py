"""Verified plays, watchers and attentive seconds, from a database with sessions made by hand."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from db.engine import open_database
from db.write.records import (
    AdRecord,
    GapEnded,
    GapStarted,
    PlayEnded,
    PlayStarted,
    SessionEnded,
    SessionRecord,
)
from db.write.session_writer import SessionWriter
from monitor.analytics.errors import ReportError
from monitor.analytics.proof_of_play import FIGURES, Price, proof_of_play
from monitor.analytics.report_data import Scope, load_report_data
from monitor.reports.document import build_report
from monitor.reports.tables import proof_csv
from monitor.reports.terminal import print_proof
from tests.helpers.making import reading_record

START = datetime(2026, 3, 1, 9, 50, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
NEUTRAL = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)


def at(seconds):
    return START + timedelta(seconds=seconds)


@pytest.fixture
def engine(tmp_path):
    engine = open_database(str(tmp_path / "kiosk.db"))
    yield engine
    engine.dispose()


def write(engine, records, **changes):
    values = {
        "kind": "run",
        "site": "Foyer",
        "source": "0",
        "started_at": START,
        "program_version": "1",
        "settings": {"headless": False},
    }
    ads = [
        AdRecord(ad_id, ad_id.title(), ad_id, "ab" * 32, "image", 10_000)
        for ad_id in ("tea", "cola")
    ]
    with SessionWriter(engine, SessionRecord(**(values | changes))) as writer:
        for record in (*ads, *records):
            assert writer.submit(record)
        writer.close(SessionEnded(at(7200), "finished", fps=10.0))
    assert writer.lost == 0


def play(number, start, ad_id="tea", outcome="finished", shown_s=10.0):
    ended = PlayEnded(number, at(start + 10), outcome, shown_s * 1000)
    return [PlayStarted(number, ad_id, at(start), "next", 1.0), ended]


@pytest.mark.parametrize(
    ("source", "kind", "left"),
    [
        ("demo", "demo", {"replay": 0, "demo": 1}),
        ("visitors.mp4", "replay", {"replay": 1, "demo": 0}),
    ],
)
def test_nobody_is_billed_for_a_demonstration(engine, source, kind, left):
    write(engine, play(1, 0))
    write(engine, [*play(1, 0), *play(2, 20)], source=source, session_kind=kind)
    document = proof_of_play(engine, other_price=Price(0.5, "play"))
    assert document["total"]["plays"] == document["total"]["verified"] == 1
    assert document["total"]["cost"] == 0.5
    assert document["left_out"] == left
    everything = proof_of_play(engine, Scope(replays=True, demos=True))
    assert everything["total"]["plays"] == 3
    assert everything["left_out"] == {"replay": 0, "demo": 0}


def look(number, viewer, start, seconds, *, attentive=True, position=0.0):
    """Somebody in view from a moment on, ten readings a second."""
    return [
        reading_record(
            at=at(start + step / 10),
            viewer_number=viewer,
            play_number=number,
            position_ms=(position + step / 10) * 1000,
            probabilities=NEUTRAL,
            valence=0.0,
            expressiveness=0.0,
            uncertain=False,
            yaw=None,
            pitch=None,
            roll=None,
            attentive=attentive,
            quality=1.0,
            box=(0.1, 0.1, 0.1, 0.1),
        )
        for step in range(round(seconds * 10))
    ]


@pytest.fixture
def week(engine):
    """Two sites; the clock passes ten during the first session."""
    write(
        engine,
        [
            *play(1, 0),
            *look(1, 1, 1, 3.0),
            *look(1, 2, 1, 2.0, attentive=False),
            *play(2, 10, "cola"),
            *look(2, 1, 12, 4.0),
            *play(3, 20, outcome="skipped"),
            *look(3, 1, 21, 5.0),
            *play(4, 30, "cola", outcome="failed", shown_s=0.0),
            *play(5, 600),
            *look(5, 1, 601, 2.0),
            *look(5, 3, 601, 1.0),
            *play(6, 620, shown_s=0.0),
            PlayStarted(7, "tea", at(640), "next", 1.0),
        ],
    )
    write(engine, [*play(1, 0), *look(1, 1, 2, 6.0)], site="Station")
    return engine


def rows_of(document, *keys):
    return [tuple(row[key] for key in keys) for row in document["rows"]]


def test_by_ad_hour_and_site(week):
    found = proof_of_play(week, zone=BERLIN)
    assert rows_of(found, "ad_id", "ad_name", "hour", "site") == [
        ("cola", "Cola", "2026-03-01 10:00", "Foyer"),
        ("tea", "Tea", "2026-03-01 10:00", "Foyer"),
        ("tea", "Tea", "2026-03-01 10:00", "Station"),
        ("tea", "Tea", "2026-03-01 11:00", "Foyer"),
    ]
    assert rows_of(found, *FIGURES[:6]) == [
        (2, 1, 0, 0, 1, 0),
        (2, 1, 0, 1, 0, 0),
        (1, 1, 0, 0, 0, 0),
        (3, 1, 1, 0, 0, 1),
    ]
    assert rows_of(found, "opportunities", "watchers") == [(1, 1), (2, 1), (1, 1), (2, 2)]
    assert [row["attentive_s"] for row in found["rows"]] == pytest.approx([4.0, 3.0, 6.0, 3.0])
    assert rows_of(found, "shown_s", "measured_s", "cost") == [(10.0, 10.0, None)] * 4
    total = found["total"]
    assert tuple(total[key] for key in FIGURES[:6]) == (8, 4, 1, 1, 1, 1)
    # Viewer 1 of one session is not viewer 1 of the other; in the first it is one viewer, in
    # whichever row.
    assert (total["opportunities"], total["watchers"]) == (4, 3)
    assert total["attentive_s"] == pytest.approx(16.0)
    assert found["withheld"] == []


def test_watchers_are_withheld_below_five_readings_a_second(week):
    write(
        week,
        [*play(1, 0), *look(1, 1, 1, 3.0)],
        site="Kiosk",
        settings={"headless": False, "readings_per_second": 4.0},
    )
    found = proof_of_play(week, by=("site",))
    assert rows_of(found, "site", "opportunities", "watchers") == [
        ("Foyer", 3, 2),
        ("Kiosk", 1, None),
        ("Station", 1, 1),
    ]
    assert found["rows"][1]["attentive_s"] == pytest.approx(3.0)
    assert found["total"]["watchers"] is None
    assert [each["figures"] for each in found["withheld"]] == [["watchers"]] * 2
    # What few people would give away in the total is withheld as before.
    shared = proof_of_play(week, by=("site",), min_viewers=2)
    assert shared["total"]["attentive_s"] is not None
    shared = proof_of_play(week, by=("site",), min_viewers=3)
    assert shared["total"]["attentive_s"] is None


@pytest.mark.parametrize("named", [True, False])
def test_the_night_when_clocks_go_back_has_two_hours_of_one_name(engine, named, monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    # From 1:30 summer time to 3:30 winter time, half an hour apart; "at" counts from 9:00 UTC.
    began = (datetime(2026, 10, 24, 23, 30, tzinfo=UTC) - at(0)).total_seconds()
    shown = [(number + 1, began + 1800 * number) for number in range(7)]
    write(engine, [event for number, second in shown for event in play(number, second)])
    zone = BERLIN if named else None
    found = proof_of_play(engine, by=("hour", "ad"), zone=zone)
    assert rows_of(found, "hour", "plays") == [
        ("2026-10-25 01:00", 1),
        ("2026-10-25 02:00 +0200", 2),
        ("2026-10-25 02:00 +0100", 2),
        ("2026-10-25 03:00", 2),
    ]
    assert found["total"]["plays"] == 7
    (day,) = proof_of_play(engine, by=("day",), zone=zone)["rows"]
    assert (day["day"], day["plays"]) == ("2026-10-25", 7)


def test_sites_in_different_zones_have_their_own_hours(engine, capsys):
    for site, zone in (("Berlin", "Europe/Berlin"), ("Tokyo", "Asia/Tokyo")):
        settings = {"headless": False, "timezone": zone}
        write(engine, play(1, 0), site=site, settings=settings)
    found = proof_of_play(engine, by=("site", "hour"))
    assert found["timezone"] is None
    assert rows_of(found, "site", "hour", "plays") == [
        ("Berlin", "2026-03-01 10:00", 1),
        ("Tokyo", "2026-03-01 18:00", 1),
    ]
    print_proof(found)
    assert "Hours and days in the time zone of each site." in capsys.readouterr().out
    one = proof_of_play(engine, Scope(sites=("Tokyo",)), by=("hour",))
    assert (one["timezone"], one["rows"][0]["hour"]) == ("Asia/Tokyo", "2026-03-01 18:00")
    named = proof_of_play(engine, by=("hour",), zone=BERLIN)
    assert (named["timezone"], len(named["rows"])) == ("Europe/Berlin", 1)


def test_other_rows(week):
    found = proof_of_play(week, by=("site", "day"), zone=timezone(timedelta(hours=14)))
    assert rows_of(found, "site", "day", "verified") == [
        ("Foyer", "2026-03-01", 2),
        ("Foyer", "2026-03-02", 1),
        ("Station", "2026-03-01", 1),
    ]
    assert "ad_name" not in found["rows"][0]
    assert rows_of(proof_of_play(week, by=("hour",), zone=UTC), "hour", "watchers") == [
        ("2026-03-01 09:00", 2),
        ("2026-03-01 10:00", 2),
    ]
    late = proof_of_play(week, Scope(sites=("Foyer",), since=at(600), until=at(620)))
    assert (late["total"]["plays"], late["total"]["verified"]) == (1, 1)
    assert (late["since"], late["until"]) == (
        "2026-03-01T10:00:00+00:00",
        "2026-03-01T10:00:20+00:00",
    )
    nothing = proof_of_play(week, Scope(sites=("nowhere",)))
    assert (nothing["rows"], nothing["total"]["plays"], nothing["total"]["watchers"]) == ([], 0, 0)


def test_the_definitions_are_those_of_reports(engine):
    rng = np.random.default_rng(4)
    records = []
    for number in range(1, 9):
        records += play(number, 10 * number, "tea" if number % 3 else "cola")
        for viewer in rng.choice(12, 5, replace=False):
            start = float(rng.uniform(0, 6))
            attentive = bool(rng.random() < 0.5)
            seconds = float(rng.choice([0.3, 0.6, 3.0]))
            records += look(
                number,
                int(viewer),
                10 * number + start,
                seconds,
                attentive=attentive,
                position=start,
            )
    write(engine, records)
    report = build_report(load_report_data(engine, Scope(session_ids=(1,))))
    rows = {row["ad_id"]: row for row in proof_of_play(engine, by=("ad",))["rows"]}
    for ad in report["ads"]:
        row = rows[ad["ad_id"]]
        for mine, theirs in (
            ("opportunities", "opportunities"),
            ("watchers", "watchers"),
            ("shown_s", "shown_s"),
        ):
            assert row[mine] == ad[theirs]
        assert row["attentive_s"] == pytest.approx(ad["attention_s"], abs=1e-9)
    assert len(rows) == 2


def test_costs(week):
    prices = {"tea": Price(0.5, "play"), "cola": Price(20.0, "thousand_s")}
    found = proof_of_play(week, by=("ad",), prices=prices)
    cola, tea = found["rows"]
    assert cola["cost"] == pytest.approx(20.0 * 4.0 / 1000)
    assert cola["cost_per_thousand_attentive_s"] == pytest.approx(20.0)
    assert tea["cost"] == pytest.approx(3 * 0.5)
    assert tea["cost_per_thousand_attentive_s"] == pytest.approx(1.5 / 12.0 * 1000)
    assert found["total"]["cost"] == pytest.approx(1.58)
    assert found["total"]["cost_per_thousand_attentive_s"] == pytest.approx(1.58 / 16.0 * 1000)
    partly = proof_of_play(week, by=("ad",), prices={"tea": Price(0.5, "play")})
    assert [row["cost"] for row in partly["rows"]] == [None, 1.5]
    assert partly["total"]["cost"] is None
    everything = proof_of_play(
        week, by=("ad",), prices={"tea": Price(0.0, "play")}, other_price=Price(2.0, "play")
    )
    assert [row["cost"] for row in everything["rows"]] == [2.0, 0.0]
    for amount in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ReportError, match="Invalid price: expected a number of at least 0"):
            Price(amount, "play")


def test_nobody_seen_and_nobody_to_be_seen(engine):
    gaps = [
        GapStarted(at(20), "camera lost"),
        GapStarted(at(22), "too dark"),
        GapEnded(at(40), "too dark"),
    ]
    gaps += [GapEnded(at(35), "camera lost"), GapStarted(at(47.5), "camera lost")]
    write(engine, [*play(1, 0), *play(2, 20, "cola"), *play(3, 40), *gaps])
    cola, tea = proof_of_play(engine, by=("ad",), other_price=Price(3.0, "play"))["rows"]
    assert (tea["watchers"], tea["opportunities"], tea["attentive_s"], tea["measured_s"]) == (
        0,
        0,
        0.0,
        17.5,
    )
    assert (tea["cost"], tea["cost_per_thousand_attentive_s"]) == (6.0, None)
    assert (cola["watchers"], cola["opportunities"], cola["attentive_s"], cola["measured_s"]) == (
        None,
        None,
        None,
        0.0,
    )
    assert cola["cost"] == 3.0
    cola, tea = proof_of_play(engine, by=("ad",), other_price=Price(3.0, "thousand_s"))["rows"]
    assert (cola["cost"], tea["cost"]) == (None, 0.0)


def test_only_what_was_on_a_screen_is_verified(engine):
    write(engine, [*play(1, 0), *look(1, 1, 1, 3.0)], settings={"headless": True})
    write(engine, [*play(1, 0, "cola"), *look(1, 1, 1, 3.0)], kind="replay", settings={})
    (tea,) = proof_of_play(engine, by=("ad",), other_price=Price(1.0, "play"))["rows"]
    assert (tea["plays"], tea["verified"], tea["not_shown"], tea["watchers"], tea["cost"]) == (
        1,
        0,
        1,
        0,
        0.0,
    )
    found = proof_of_play(engine, Scope(replays=True), by=("ad",))
    assert rows_of(found, "ad_id", "verified", "watchers") == [("cola", 1, 1), ("tea", 1, 1)]


def test_few_viewers_are_withheld(week):
    prices = {"tea": Price(0.5, "play"), "cola": Price(20.0, "thousand_s")}
    found = proof_of_play(week, by=("ad", "site"), prices=prices, min_viewers=2)
    assert rows_of(found, "ad_id", "site", "watchers", "attentive_s", "cost", "verified") == [
        ("cola", "Foyer", None, None, None, 1),
        ("tea", "Foyer", 2, pytest.approx(6.0), 1.0, 2),
        ("tea", "Station", None, None, None, 1),
    ]
    assert [
        (entry.get("ad_id"), entry.get("site"), entry["why"]) for entry in found["withheld"]
    ] == [
        ("cola", "Foyer", "1 viewer was in view, 2 are needed"),
        ("tea", "Station", "1 viewer was in view, 2 are needed"),
    ]
    # Two people stand behind the withheld rows together, so the total gives neither away.
    assert found["total"]["attentive_s"] == pytest.approx(16.0)


def test_a_total_that_would_give_away_a_withheld_row_is_withheld_too(week):
    found = proof_of_play(week, by=("site",), min_viewers=2)
    assert rows_of(found, "site", "watchers") == [("Foyer", 2), ("Station", None)]
    assert (found["total"]["watchers"], found["total"]["attentive_s"]) == (None, None)
    assert found["withheld"][-1]["total"] is True
    assert "give away" in found["withheld"][-1]["why"]
    assert "watchers" in found["withheld"][-1]["figures"]


def test_csv(week):
    write(week, [*play(1, 0), *look(1, 1, 2, 1.0)], site='=HYPERLINK("x"), Süd')
    document = proof_of_play(week, zone=BERLIN, other_price=Price(1 / 3, "play"))
    text = proof_csv(document)
    assert text.startswith("\N{ZERO WIDTH NO-BREAK SPACE}ad_id,ad_name,hour,site,plays,verified,")
    rows = list(csv.DictReader(io.StringIO(text[1:])))
    assert list(rows[0]) == ["ad_id", "ad_name", "hour", "site", *FIGURES]
    assert len(rows) == len(document["rows"]) == 5
    assert rows[1]["site"] == '\'=HYPERLINK("x"), Süd'
    assert (rows[0]["watchers"], rows[0]["attentive_s"], rows[0]["cost"]) == ("1", "4.0", "0.333")
    assert rows[0]["cost_per_thousand_attentive_s"] == "83.333"
    withheld = proof_csv(proof_of_play(week, by=("ad",), min_viewers=50))
    assert withheld.splitlines()[1].endswith(",10.0,10.0,1,,,,")


def test_the_document_is_json(week):
    document = proof_of_play(week, prices={"tea": Price(1, "play")}, min_viewers=2)
    assert json.loads(json.dumps(document, allow_nan=False)) == document


@pytest.mark.parametrize("by", [(), ("ad", "ad"), ("ad", "minute")])
def test_unknown_rows(engine, by):
    with pytest.raises(ReportError, match="Invalid rows: expected some of ad, hour, day, site"):
        proof_of_play(engine, by=by)


def test_min_viewers_below_one(engine):
    with pytest.raises(ReportError, match="Invalid min_viewers"):
        proof_of_play(engine, min_viewers=0)
