"""What is stored when the wall clock is set during a session; tests `db.write.store.move_session`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from db.write.records import ClockSet
from db.write.session_writer import SessionWriter
from db.write.store import find_session
from tests.helpers.making import moved_by

TABLES = {
    "plays": "number, started_at, ended_at, outcome, shown_ms, rolled_up",
    "viewers": "number, first_seen_at, last_seen_at, static",
    "readings": "at, position_ms, valence",
    "gaps": "started_at, ended_at, cause",
    "exposures": "play_id, viewer_id, dwell_s, attention_s",
}


@pytest.mark.parametrize("after", [0, 30, 101])
@pytest.mark.parametrize("days", [20_513.25, -0.5])
def test_all_of_the_session_is_on_the_time_line_that_is_right(engine, make, rows, after, days):
    step = timedelta(days=days)
    stream = make.stream()
    right = SessionWriter(engine, moved_by(make.session(), step))
    for record in stream:
        right.submit(moved_by(record, step))
    right.close(moved_by(make.end(), step))
    expected = {table: _rows(rows, table, right.session_id) for table in TABLES}
    start = rows("SELECT started_at, ended_at FROM sessions")

    writer = SessionWriter(engine, make.session())
    for record in stream[:after]:
        writer.submit(record)
    writer.submit(ClockSet(step.total_seconds()))
    for record in stream[after:]:
        writer.submit(moved_by(record, step))
    writer.close(moved_by(make.end(), step))
    assert (writer.lost, writer.error) == (0, None)
    assert {table: _rows(rows, table, writer.session_id) for table in TABLES} == expected
    assert rows("SELECT started_at, ended_at FROM sessions") == start * 2


def _rows(rows, table, session_id):
    what = TABLES[table]
    if table == "exposures":
        return rows(
            "SELECT p.number, v.number, e.dwell_s, e.attention_s FROM exposures e "
            f"JOIN plays p ON p.id = e.play_id JOIN viewers v ON v.id = e.viewer_id "
            f"WHERE p.session_id = {session_id} ORDER BY 1, 2"
        )
    return rows(f"SELECT {what} FROM {table} WHERE session_id = {session_id} ORDER BY id")


def test_a_moved_session_is_found_by_its_first_start(engine, make):
    session = make.session()
    writer = SessionWriter(engine, session)
    for seconds in (7200.0, -3600.0):
        writer.submit(ClockSet(seconds))
    writer.close(moved_by(make.end(), timedelta(hours=1)))
    with engine.connect() as connection:
        assert find_session(connection, session) == writer.session_id
        other = replace(session, started_at=datetime(2026, 3, 1, 9, 31, tzinfo=UTC))
        assert find_session(connection, other) is None


def test_two_steps_are_noted_as_one_and_small_parts_change_nothing(engine, make, rows):
    with SessionWriter(engine, make.session(), commit_interval_s=0.01) as writer:
        for seconds in (7200.0, -3600.5):
            writer.submit(ClockSet(seconds))
            writer.flush()
        assert writer._delivery.session.clock_set == timedelta(seconds=3599.5)
    [(settings,)] = rows("SELECT settings FROM sessions")
    assert '"step_s": 3599.5' in str(settings).replace("'", '"')
    assert rows("SELECT count(*) FROM gaps") == [(0,)]
