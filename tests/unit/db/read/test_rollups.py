"""Roll-ups: when plays are rolled up, what is stored, and that a report never depends on whether it
was done yet.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import fields, replace
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import event, exc, update

from db.engine import open_database, writing
from db.read import rollups
from db.read.formulas import ExposureArrays, SecondArrays
from db.read.rollups import read_log, store_roll_ups
from db.read.scope import Scope, left_out
from db.schema import SCORE_COLUMNS, Exposure, ExposureSecond
from db.write import session_writer
from db.write.records import ModelRecord, ViewerFlagged
from db.write.session_writer import SessionWriter
from detector.emotion.model_card import read_card
from detector.emotion.model_store import shipped_default
from detector.emotion.prevalence import calibration_of, group_scores, linear_scores
from tests.helpers.making import PROBABILITIES


def same(one, two) -> bool:
    """Whether two arrays of entries hold the same, to the last bit."""
    return all(
        np.array_equal(getattr(one, f.name), getattr(two, f.name), equal_nan=True)
        for f in fields(one)
    )


def rolled_up(rows) -> list[int]:
    return [done for (done,) in rows("SELECT rolled_up FROM plays ORDER BY id")]


def test_the_writer_rolls_up_all_plays_of_its_session(engine, make, rows):
    session_id = make.write_rolled(engine)
    assert rolled_up(rows) == [1, 1, 1]
    log = read_log(engine, Scope(session_ids=(session_id,)))
    # Each of the three plays was seen by both viewers.
    assert log.exposures.readings.tolist() == [20, 10] * 3
    # The median interval is 0.25 s, so readings 0.5 s apart stand for 0.375 s each.
    assert log.exposures.dwell_s.tolist() == pytest.approx([5.0, 3.625] * 3)
    assert log.seconds.readings.tolist() == [4, 4, 4, 4, 4, 2, 2, 2, 2, 2] * 3
    assert log.counts == {(session_id, True, "certain"): 90, (session_id, False, "certain"): 3}


def test_a_report_does_not_depend_on_whether_it_was_done_yet(engine, make):
    make.write(engine)
    before = read_log(engine, Scope())
    assert store_roll_ups(engine) == 3
    after = read_log(engine, Scope())
    assert same(before.exposures, after.exposures)
    assert same(before.seconds, after.seconds)
    assert len(before.exposures) == 6
    assert store_roll_ups(engine) == 0


@pytest.mark.parametrize("at_a_time", [1, 2])
def test_nor_on_how_many_plays_are_done_together(engine, make, monkeypatch, at_a_time):
    make.write(engine)
    at_once = read_log(engine, Scope())
    monkeypatch.setattr(rollups, "PLAYS_AT_A_TIME", at_a_time)
    store_roll_ups(engine, once=True)
    assert same(read_log(engine, Scope()).exposures, at_once.exposures)
    store_roll_ups(engine)
    assert same(read_log(engine, Scope()).seconds, at_once.seconds)


def test_the_baseline_knows_the_time_between_ads(engine, make):
    sad = {"valence": -0.4}
    records = [
        *(make.ad(), make.play(1, 0), make.play_end(1, 8), make.reading(8.5, 1, None, **sad)),
        *(
            make.reading(9.0, 1, None, **sad),
            make.play(2, 10),
            make.reading(14.0, 1, 2, position_ms=4000.0),
        ),
    ]
    make.write(engine, records)
    assert store_roll_ups(engine, once=True) == 2
    log = read_log(engine, Scope())
    assert log.exposures.baseline.tolist() == [-0.4]


def test_a_late_reading_has_its_play_rolled_up_again(engine, make, rows):
    with SessionWriter(engine, make.session()) as session:
        for record in (make.ad(), make.play(), make.reading(1.0), make.play_end()):
            session.submit(record)
        session.flush()
        assert store_roll_ups(engine) == 1
        assert rolled_up(rows) == [1]
        session.submit(make.reading(7.9))
        session.flush()
        assert rolled_up(rows) == [0]
        assert read_log(engine, Scope()).exposures.readings.tolist() == [2]
        assert store_roll_ups(engine) == 1
    assert rows("SELECT readings FROM exposures") == [(2,)]
    assert rows("SELECT second, readings FROM exposure_seconds") == [(1, 1), (7, 1)]


def test_a_late_reading_of_a_play_that_was_forgotten(engine, make, rows, monkeypatch):
    monkeypatch.setattr("db.write.store.CACHE_SIZE", 0)
    with SessionWriter(engine, make.session()) as session:
        for record in (make.ad(), make.play(), make.reading(1.0), make.play_end()):
            session.submit(record)
        session.flush()
        store_roll_ups(engine)
        session.submit(make.reading(7.9))
        session.flush()
        assert rolled_up(rows) == [0]


def test_the_play_that_is_on_waits(engine, make, rows):
    with SessionWriter(engine, make.session()) as session:
        for record in (
            make.ad(),
            make.play(1, 0),
            make.play_end(1, 5),
            make.play(2, 5),
            make.reading(6.0, 1, 2),
        ):
            session.submit(record)
        session.flush()
        assert store_roll_ups(engine, ended_before=make.at(5)) == 0
        assert store_roll_ups(engine, ended_before=make.at(5) + timedelta(microseconds=1)) == 1
        assert rolled_up(rows) == [1, 0]
        log = read_log(engine, Scope())
        assert log.exposures.readings.tolist() == [1]
        assert log.last_seen == {session.session_id: make.at(6.0)}
    assert rolled_up(rows) == [1, 1]


def test_the_writer_rolls_up_as_it_goes(engine, make, rows, monkeypatch):
    monkeypatch.setattr(session_writer, "ROLL_UP_INTERVAL_S", 0.0)
    make.write(engine)  # left by a session before
    with SessionWriter(engine, make.session()) as session:
        for record in make.stream():
            session.submit(record)

        def after_a_while(expected, at):
            deadline = time.monotonic() + 300
            while rolled_up(rows) != expected and time.monotonic() < deadline:
                session.submit(make.reading(at, 1, None))
                session.flush()
            return rolled_up(rows) == expected

        # The stream ends at 19.5 s; plays that ended at 17 s wait for late readings.
        assert after_a_while([1, 1, 0, 1, 1, 0], 19.0)
        assert after_a_while([1] * 6, 20.1)


def test_static_faces_are_rolled_up_and_left_out_when_read(engine, make, rows):
    records = [*make.stream(), ViewerFlagged(make.at(19), 2)]
    make.write(engine, records)
    scope = Scope()
    assert set(read_log(engine, scope).exposures.readings.tolist()) == {20}
    store_roll_ups(engine)
    log = read_log(engine, scope)
    assert set(log.exposures.readings.tolist()) == {20}
    assert set(log.seconds.viewer_id.tolist()) == set(log.exposures.viewer_id.tolist())
    assert rows("SELECT count(*) FROM exposures") == [(6,)]
    assert sum(log.counts.values()) == 63


def test_scope(engine, make):
    make.write(engine)
    make.write(engine, site="Station")
    store_roll_ups(engine)
    make.write(engine, kind="replay")
    make.write(engine, source="demo")

    def plays(scope) -> tuple[int, int]:
        log = read_log(engine, scope, seconds=False)
        assert len(log.seconds) == 0
        assert len(log.exposures) == 2 * len(log.plays)
        return len(log.sessions), len(log.plays)

    assert plays(Scope(replays=True, demos=True)) == (4, 12)
    assert plays(Scope(replays=True)) == (3, 9)
    assert plays(Scope(demos=True)) == (3, 9)
    assert plays(Scope()) == (2, 6)
    assert plays(Scope(sites=("Station",))) == (1, 3)
    assert plays(Scope(session_ids=(1, 3, 4))) == (3, 9), "naming a session is asking for it"
    assert plays(Scope(since=make.at(6))) == (2, 4)
    assert plays(Scope(since=make.at(6), until=make.at(12), replays=True)) == (3, 3)
    assert plays(Scope(until=make.start)) == (0, 0)
    assert plays(Scope(sites=("nowhere",))) == (0, 0)


def test_what_a_scope_leaves_out_is_counted(engine, make):
    make.write(engine)
    make.write(engine, kind="replay")
    make.write(engine, source="clip.mp4", session_kind="replay")
    make.write(engine, source="demo", site="Station")

    def counts(scope, **more):
        return tuple(left_out(engine, scope, **more).values())

    assert left_out(engine, Scope()) == {"replay": 2, "demo": 1}
    assert counts(Scope(replays=True)) == (0, 1)
    assert counts(Scope(replays=True, demos=True)) == (0, 0)
    assert counts(Scope(sites=("Station",))) == (0, 1)
    assert counts(Scope(until=make.start)) == (0, 0)
    assert counts(Scope(session_ids=(1,))) == (0, 0), "nobody asked for more"
    assert counts(Scope(), ads=["winter"]) == (2, 1)
    assert counts(Scope(), ads=["unknown"]) == (0, 0)


@pytest.mark.logs_errors
def test_a_mistake_in_the_roll_up_costs_no_record(engine, make, rows, caplog, monkeypatch):
    def wrong(plays, readings):
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr(rollups, "roll_up", wrong)
    with SessionWriter(engine, make.session()) as session:
        for record in make.stream():
            session.submit(record)
    assert (session.lost, session.error) == (0, None)
    assert rows("SELECT count(*) FROM readings") == [(93,)]
    assert rows("SELECT end_reason FROM sessions") == [("stopped",)]
    assert rolled_up(rows) == [0, 0, 0]
    assert "Plays cannot be rolled up" in caplog.text


def test_a_failing_disk_leaves_the_roll_up_for_later(engine, make, rows, caplog):
    @event.listens_for(engine, "before_cursor_execute")
    def full(_connection, _cursor, statement, *_more):
        if "exposures" in statement:
            raise exc.OperationalError(
                statement, {}, sqlite3.OperationalError("database or disk is full")
            )

    with SessionWriter(engine, make.session()) as session:
        for record in make.stream():
            session.submit(record)
        session.close(make.end())
    event.remove(engine, "before_cursor_execute", full)
    assert rolled_up(rows) == [0, 0, 0]
    assert rows("SELECT end_reason FROM sessions") == [("finished",)]
    assert "reports are slower until it works" in caplog.text
    assert store_roll_ups(engine) == 3


def test_deleting_a_session_deletes_its_roll_ups(engine, make, rows):
    make.write_rolled(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM sessions")
    for table in ("exposures", "exposure_seconds", "reading_counts"):
        assert rows(f"SELECT count(*) FROM {table}") == [(0,)]


def test_two_writers_of_one_database(engine, make, path):
    """A second connection that writes meanwhile: every reading is in a roll-up in the end, none
    twice.
    """
    other = open_database(str(path))
    with SessionWriter(other, make.session(site="Station")) as session:
        for record in make.stream():
            session.submit(record)
        make.write_rolled(engine)
    other.dispose()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT sum(readings) FROM exposures").fetchone() == (180,)
        assert connection.execute(
            "SELECT count(*) FROM readings WHERE play_id IS NOT NULL"
        ).fetchone() == (180,)


@pytest.fixture
def shipped():
    card = read_card(shipped_default())
    return ModelRecord(card.name, card.sha256, card.model_dump(mode="json"))


def test_scores_are_added_up_with_the_calibration_of_the_model(engine, make, shipped):
    make.write_rolled(engine, model=shipped)
    log = read_log(engine, Scope())
    scores = group_scores(PROBABILITIES, calibration_of(shipped.card))[:3]
    for arrays in (log.exposures, log.seconds):
        expected = arrays.emotion_readings[:, None] * scores
        np.testing.assert_allclose(arrays.sums[:, -3:], expected, atol=1e-5)


def test_a_withheld_emotion_adds_no_score(engine, make, shipped):
    make.write_rolled(
        engine, [make.ad(), make.play(), make.unread(), make.play_end()], model=shipped
    )
    log = read_log(engine, Scope())
    assert log.exposures.readings.tolist() == [1]
    assert log.exposures.sums.tolist() == [[0.0] * 12]


def test_scores_of_an_older_database_are_estimated_from_the_plain_sums(engine, make, shipped, rows):
    old = replace(shipped, card={key: v for key, v in shipped.card.items() if key != "prevalence"})
    make.write_rolled(engine, model=old)
    make.write_rolled(engine, model=ModelRecord("own", "ef" * 32, {}))
    with writing(engine) as connection:
        for table in (Exposure, ExposureSecond):
            connection.execute(update(table).values(dict.fromkeys(SCORE_COLUMNS)))
    assert set(rows("SELECT sum_negative_score FROM exposures")) == {(None,)}
    first, second = (read_log(engine, Scope(session_ids=(number,))) for number in (1, 2))
    both = read_log(engine, Scope())
    calibration = calibration_of(shipped.card)
    for name in ("exposures", "seconds"):
        known = getattr(first, name).sums
        np.testing.assert_allclose(known[:, -3:], linear_scores(known[:, :7], calibration)[:, :3])
        # Nothing is known of the model of the second session.
        unknown = getattr(second, name).sums
        assert np.isnan(unknown[:, -3:]).all()
        np.testing.assert_array_equal(getattr(both, name).sums, np.vstack([known, unknown]))


def test_nothing_in_nothing_out(engine):
    log = read_log(engine, Scope())
    assert (log.sessions, log.ads, log.plays, log.gaps, log.counts) == ((), (), (), (), {})
    assert isinstance(log.exposures, ExposureArrays)
    assert isinstance(log.seconds, SecondArrays)
    assert log.exposures.sums.shape == log.seconds.sums.shape == (0, 12)
