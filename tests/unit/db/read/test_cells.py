"""Cells: the sums of the roll-ups by hour and second, on both kinds of databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import insert, select, update

from db.engine import snapshot, writing
from db.hub.tables.intake import Cell
from db.hub.tables.screens import Pairing
from db.read.cells import (
    WHOLE,
    HourlySums,
    cells,
    cells_of_day,
    hourly_sums,
    untold_among,
    untold_sessions,
)
from db.read.rollups import read_log
from db.read.scope import Scope
from db.schema import SCORE_COLUMNS, SUM_COLUMNS, ExposureSecond, Origin, Session
from db.write.records import ModelRecord, ViewerFlagged
from db.write.session_writer import SessionWriter
from monitor.analytics.currency import ad_currency
from monitor.analytics.metrics import audience, take
from tests.helpers.hub_rows import add_screen, fill_screen

HOUR = datetime(2026, 3, 1, 9, tzinfo=UTC)
DAY = HOUR.replace(hour=0)
COLUMNS = [c.name for c in Cell.__table__.c if c.name not in {"id", "origin_id"}]


def of_hour(engine, hour=HOUR, min_viewers=1):
    with snapshot(engine) as connection:
        return cells(connection, hour, min_viewers)


def test_models_with_other_labels_count_for_presence_and_attention_only(engine, make):
    make.write_rolled(engine)
    seven = of_hour(engine)
    card = {"labels": ["happy", "sad"]}
    faces = [
        replace(each, face=replace(each.face, probabilities=(0.9, 0.1), expressiveness=None))
        if hasattr(each, "face")
        else each
        for each in make.stream()
    ]
    make.write_rolled(engine, faces, model=ModelRecord("other", "ef" * 32, card))
    both = of_hour(engine)
    assert len(both) == len(seven)
    for one, other in zip(seven, both, strict=True):
        assert other["readings"] == 2 * one["readings"]
        same = ("emotion_readings", *SUM_COLUMNS)
        known = [name for name in same if one[name] is not None]
        assert {name for name in same if other[name] is not None} == set(known)
        assert [other[name] for name in known] == near([one[name] for name in known])


def near(value):
    return pytest.approx(value, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("static", [False, True])
def test_whole_exposures_are_what_a_report_counts(engine, make, static):
    make.write_rolled(engine, [*make.stream(), *([ViewerFlagged(make.at(17), 2)] * static)])
    found = {row["ad_version_id"]: row for row in of_hour(engine) if row["second"] == WHOLE}
    log = read_log(engine, Scope())
    assert found.keys() == {ad.ad_row_id for ad in log.ads}
    for ad in log.ads:
        row = found[ad.ad_row_id]
        plays = [play for play in log.plays if play.ad_row_id == ad.ad_row_id]
        entries = take(log.exposures, np.isin(log.exposures.play_id, [play.id for play in plays]))
        people = audience(entries)
        sessions = {info.id: info for info in log.sessions}
        traded = ad_currency(plays, sessions, entries, {play.id for play in plays})
        assert list(row) == COLUMNS
        assert row["hour"] == HOUR
        assert row["attentive"] is None
        assert row["viewers"] == people.opportunities == (1 if static else 2)
        assert (row["watchers"], row["watchers_2s"]) == (people.watchers, traded.watchers_2s)
        assert row["exposures"] == people.exposures
        assert row["dwell_s"] == near(people.dwell_s)
        assert row["attention_s"] == near(people.attention_s)
        assert row["readings"] == entries.readings.sum()
        plain = SUM_COLUMNS[: -len(SCORE_COLUMNS)]
        assert [row[name] for name in plain] == near(entries.sums.sum(axis=0)[: len(plain)])
        # The card of this model has no calibration.
        assert [row[name] for name in SCORE_COLUMNS] == [None] * 3


def test_seconds_add_up_to_the_whole(engine, make):
    make.write_rolled(engine)
    rows = of_hour(engine)
    for ad in {row["ad_version_id"] for row in rows}:
        whole, *seconds = [row for row in rows if row["ad_version_id"] == ad]
        assert [row["second"] for row in seconds] == [0, 1, 2, 3, 4]
        for name in ("readings", "emotion_readings", "sum_happy", "sum_valence"):
            assert sum(row[name] for row in seconds) == near(whole[name])
        assert sum(row["attentive"] for row in seconds) == whole["readings"]
        assert (
            {row["exposures"] for row in seconds} == {row["dwell_s"] for row in seconds} == {None}
        )


def test_few_viewers_make_no_cell(engine, make):
    only_first = [
        *(make.ad(), make.play()),
        *(make.reading(second, 1) for second in (0.5, 1.5, 2.5)),
        *(make.reading(second, 2) for second in (1.4, 1.6)),
        make.play_end(),
    ]
    make.write_rolled(engine, only_first)
    assert [row["second"] for row in of_hour(engine, min_viewers=1)] == [WHOLE, 0, 1, 2]
    assert [row["second"] for row in of_hour(engine, min_viewers=2)] == [WHOLE, 1]
    assert of_hour(engine, min_viewers=3) == []
    with pytest.raises(ValueError, match="expected 1 or more, received 0"):
        of_hour(engine, min_viewers=0)


def test_a_play_counts_in_the_hour_in_which_it_began(engine, make):
    begin = 29 * 60 + 57  # Two seconds before 10:00, and three after it.
    records = [
        make.ad(),
        *(make.play(1, begin), make.reading(begin + 4, 1, 1, position_ms=4000.0)),
        *(make.play_end(1, begin + 5), make.play(2, begin + 6)),
        *(make.reading(begin + 7, 1, 2, position_ms=1000.0), make.play_end(2, begin + 11)),
    ]
    with SessionWriter(engine, make.session()) as writer:
        for record in records:
            writer.submit(record)
        writer.close(make.end(begin + 12))
    hours = [HOUR + timedelta(hours=step) for step in (-1, 0, 1, 2)]
    found = [[row["second"] for row in of_hour(engine, hour)] for hour in hours]
    assert found == [[], [WHOLE, 4], [WHOLE, 1], []]
    with snapshot(engine) as connection:
        origin = connection.scalar(select(Origin.id).where(Origin.is_here))
        day = cells_of_day(connection, origin, DAY, 1)
        assert [(row["hour"].hour, row["second"]) for row in day] == [
            *((9, WHOLE), (9, 4)),
            *((10, WHOLE), (10, 1)),
        ]
        assert {row["origin_id"] for row in day} == {origin}
        assert cells_of_day(connection, origin, DAY + timedelta(days=1), 1) == []


@pytest.mark.parametrize("kind", ["replay", "demo"])
def test_only_live_sessions_count(engine, make, kind):
    make.write_rolled(engine)
    with writing(engine) as connection:
        connection.execute(update(Session).values(session_kind=kind))
    assert of_hour(engine) == []


def test_only_this_kiosk_in_all_its_epochs(engine, make):
    make.write_rolled(engine)
    here = of_hour(engine)
    with writing(engine) as connection:
        other = {"created_at": HOUR, "is_here": False}
        kiosk = connection.scalar(select(Origin.kiosk))
        origins = [
            connection.execute(
                insert(Origin).values(kiosk=name, epoch=epoch, **other)
            ).inserted_primary_key[0]
            for name, epoch in ((kiosk, "0" * 32), ("1" * 32, "2" * 32))
        ]
    for origin, expected in zip(origins, (here, []), strict=True):
        with writing(engine) as connection:
            connection.execute(update(Session).values(origin_id=origin))
        assert of_hour(engine) == expected


def test_a_camera_too_slow_tells_no_watchers(engine, make):
    make.write_rolled(engine, settings={"readings_per_second": 4})
    assert {row["watchers"] for row in of_hour(engine)} == {None}
    assert {row["exposures"] for row in of_hour(engine)} == {None, 2, 4}


def test_scores_only_where_all_readings_have_them(engine, make):
    make.write_rolled(engine)
    with writing(engine) as connection:
        connection.execute(update(ExposureSecond).values(dict.fromkeys(SCORE_COLUMNS, 0.5)))
        unknown = update(ExposureSecond).where(ExposureSecond.second == 2)
        first = select(ExposureSecond.viewer_id).limit(1).scalar_subquery()
        connection.execute(
            unknown.where(ExposureSecond.viewer_id == first).values(sum_happy_score=None)
        )
    rows = [row for row in of_hour(engine) if row["second"] != WHOLE]
    assert {row["second"] for row in rows if row["sum_happy_score"] is None} == {2}
    assert all(row["sum_surprise_score"] is not None for row in rows)


def test_what_a_hub_knows_of_kiosks_that_send_cells(engine, make):
    """Sums of the screens that sent them, and of which sessions no viewer is known."""
    for number in range(4):
        make.write(engine, [make.ad(), make.play(), make.play_end()], started_at=make.at(number))
    screens = [add_screen(engine, f"Screen {number}") for number in range(3)]
    for session, screen in zip((2, 3, 4), screens, strict=True):
        fill_screen(engine, session, screen)
    hour = make.start.replace(minute=0, second=0, microsecond=0)
    sums = dict.fromkeys(SUM_COLUMNS, 1.0)
    with writing(engine) as connection:
        origin = connection.scalar(select(Session.origin_id).where(Session.id == 2))
        for later, viewers in ((0, 7), (1, 5)):
            for second in (WHOLE, 3):
                whole = {"exposures": 9, "attention_s": 4.5} if second == WHOLE else {}
                connection.execute(
                    insert(Cell).values(
                        origin_id=origin,
                        ad_version_id=1,
                        hour=hour + timedelta(hours=later),
                        second=second,
                        viewers=viewers,
                        readings=90,
                        emotion_readings=80,
                        **whole,
                        **sums,
                    )
                )
        join = {"code": "abc", "address": "", "created_at": hour, "expires_at": hour}
        join |= {"kiosk": f"{3:032x}", "accepted_at": hour, "accepted_by": "ann"}
        connection.execute(insert(Pairing).values(**join, facts={"upload": "cells"}))
    with snapshot(engine) as connection:
        assert hourly_sums(connection, Scope()) == {screens[0]: HourlySums(18, 9.0, 5)}
        late = Scope(since=hour + timedelta(hours=1))
        assert hourly_sums(connection, late) == {}, "no play of it is in that time"
        first = Scope(until=hour + timedelta(hours=1))
        assert hourly_sums(connection, first) == {screens[0]: HourlySums(9, 4.5, 7)}
        assert untold_sessions(connection, Scope()) == {2, 3}
    assert untold_among(engine, [1, 3]) == {3}
    assert untold_among(engine) == {2, 3}
