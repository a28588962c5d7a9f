"""Counts of shadow runs: added up by the hour, moved with the clock, kept as long as readings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from db.read.scope import Scope
from db.read.shadow import shadow_hours
from db.upkeep.retention import REPLAYED_AT, purge, purge_shadow_counts
from db.write.records import ClockSet, ShadowRecord
from db.write.session_writer import SessionWriter
from detector.types import ShadowCell

SHA = "cd" * 32
CELL = ShadowCell("happy", "sad", 3, 1.5, -0.5, 2.4, 2.1, 3.0, 2.0)
HOUR = timedelta(hours=1)


def write(engine, make, *records, **session):
    with SessionWriter(engine, make.session(**session)) as writer:
        for record in records:
            writer.submit(record)
        writer.flush()
        assert (writer.lost, writer.error) == (0, None)
        return writer.session_id


def record(at, *cells):
    return ShadowRecord(at, "candidate", SHA, cells or (CELL,))


def test_counts_of_an_hour_are_added_up(engine, make):
    start = make.start.replace(minute=10)
    other = CELL._replace(shadow_label="happy", faces=1, sum_shadow_valence=None)
    session_id = write(
        engine,
        make,
        record(start),
        record(start + timedelta(minutes=20), CELL, other),
        record(start + timedelta(minutes=20), other),
        record(start + HOUR),
    )
    found = shadow_hours(engine, Scope())
    hour = start.replace(minute=0, second=0, microsecond=0)
    assert [(one.session_id, one.at, one.label, one.shadow_label, one.faces) for one in found] == [
        (session_id, hour, "happy", "sad", 6),
        (session_id, hour, "happy", "happy", 2),
        (session_id, hour + HOUR, "happy", "sad", 3),
    ]
    assert (found[0].model, found[0].model_sha256) == ("candidate", SHA)
    assert found[0].sum_valence == pytest.approx(3.0)
    assert found[0].sum_shadow_valence == pytest.approx(-1.0)
    assert (found[0].sum_confidence, found[0].cpu_ms, found[0].shadow_cpu_ms) == pytest.approx(
        (4.8, 6.0, 4.0)
    )
    assert found[1].sum_shadow_valence is None


def test_only_the_hours_and_sessions_of_a_scope(engine, make):
    write(engine, make, record(make.start), record(make.start + 2 * HOUR))
    write(engine, make, record(make.start), site="Station")
    write(engine, make, record(make.start), session_kind="demo")
    assert len(shadow_hours(engine, Scope())) == 3
    assert len(shadow_hours(engine, Scope(demos=True))) == 4
    assert len(shadow_hours(engine, Scope(sites=("Station",)))) == 1
    assert len(shadow_hours(engine, Scope(since=make.start + HOUR))) == 1
    assert len(shadow_hours(engine, Scope(until=make.start + HOUR))) == 2


def test_a_clock_that_is_set_moves_them(engine, make):
    write(engine, make, record(make.start), ClockSet(86400.0))
    [found] = shadow_hours(engine, Scope())
    assert found.at == make.start.replace(minute=0, second=0, microsecond=0) + 24 * HOUR


def test_they_are_purged_by_their_age(engine, make):
    write(engine, make, record(make.start), record(make.start + 48 * HOUR))
    write(engine, make, record(make.start), site="Station")
    assert purge_shadow_counts(engine, make.start + 24 * HOUR, "Station") == 1
    purge(engine, make.start + 24 * HOUR)
    [found] = shadow_hours(engine, Scope())
    assert found.at > make.start + 24 * HOUR


def test_those_of_a_replay_are_as_old_as_the_replay(engine, make):
    replayed = datetime(2026, 6, 1, tzinfo=UTC)
    settings = {REPLAYED_AT: replayed.isoformat(timespec="seconds")}
    write(engine, make, record(make.start), kind="replay", settings=settings)
    assert purge_shadow_counts(engine, make.start + 24 * HOUR) == 0
    assert purge_shadow_counts(engine, replayed + HOUR) == 1


@pytest.mark.parametrize("cell", [CELL._replace(faces=0), CELL._replace(sum_valence=float("nan"))])
def test_counts_that_make_no_sense_are_refused(make, cell):
    with pytest.raises(ValueError, match="of a shadow run"):
        record(make.start, cell)
