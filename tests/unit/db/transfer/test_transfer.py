"""Records from one database to another: each once, and the same reports from both."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, select

from db.engine import open_database, snapshot, writing
from db.read.rollups import Scope, read_log, store_roll_ups
from db.schema import Gap, Origin, Outgoing, Play, Session, Uplink, Viewer
from db.transfer import queue
from db.transfer.intake import MissingRecordsError, RecordError, take_in
from db.transfer.records import make_records
from db.write.records import PlayRewarded, ViewerFlagged
from monitor.reports.document import make_report

JOINED = {"hub": "https://hub", "screen": "ab", "upload": "sums", "min_viewers": 5}


def join(engine):
    with writing(engine) as connection:
        connection.execute(insert(Uplink).values(id=1, joined_at=datetime.now(UTC), **JOINED))


@pytest.fixture
def kiosk(tmp_path, make):
    """The database of a kiosk that has joined a hub, with one session."""
    engine = open_database(str(tmp_path / "here.db"))
    join(engine)
    make.write(engine)
    store_roll_ups(engine)
    yield engine
    engine.dispose()


def sent(kiosk, after=0, limit=10_000):
    """What is queued, as it arrives: name of the origin, records and the last number."""
    with snapshot(kiosk) as connection:
        origin = connection.execute(select(Origin.kiosk, Origin.epoch)).one()
        waiting = queue.waiting(connection, after, limit)
        records = make_records(connection, waiting)
    return tuple(origin), json.loads(json.dumps(records)), waiting[-1][0] if waiting else after


def arrive(engine, origin, records, last, first=1):
    with writing(engine) as connection:
        return take_in(connection, origin, (first, last), records, datetime.now(UTC))


def report(engine):
    document, _ = make_report(engine, Scope(replays=True, demos=True))
    return document


def test_a_hub_reports_what_the_kiosk_reports(kiosk, engine):
    arrive(engine, *sent(kiosk))
    assert report(engine) == report(kiosk)
    log, other = (read_log(one, Scope()) for one in (kiosk, engine))
    assert log.counts == other.counts
    np.testing.assert_array_equal(log.exposures.sums, other.exposures.sums)
    assert len(log.seconds) == len(other.seconds) > 0


def test_what_arrives_again_changes_nothing(kiosk, engine):
    arrive(engine, *sent(kiosk))
    before = report(engine)
    arrive(engine, *sent(kiosk))
    assert report(engine) == before


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.lists(st.integers(1, 40), max_size=8), again=st.lists(st.booleans(), max_size=8))
def test_any_cut_and_any_repetition_give_the_same(tmp_path_factory, kiosk, cuts, again):
    hub = open_database(str(tmp_path_factory.mktemp("hub") / "hub.db"))
    try:
        origin, records, _ = sent(kiosk)
        ends = sorted({min(cut, len(records)) for cut in cuts} | {len(records)})
        start, first = 0, 1
        for place, end in enumerate(ends):
            part = records[start:end]
            reached = part[-1]["number"] if part else first
            for _ in range(2 if place < len(again) and again[place] else 1):
                assert arrive(hub, origin, part, reached, first) == reached
            start, first = end, part[0]["number"] if part else first
        assert report(hub) == report(kiosk)
    finally:
        hub.dispose()


def test_two_kiosks_do_not_mix(kiosk, engine, tmp_path, make):
    other = open_database(str(tmp_path / "there.db"))
    try:
        join(other)
        make.write(other)
        store_roll_ups(other)
        for one in (kiosk, other):
            arrive(engine, *sent(one))
        with engine.connect() as connection:
            counts = [
                connection.scalar(select(func.count()).select_from(table))
                for table in (Session, Play, Viewer, Gap)
            ]
        with kiosk.connect() as connection:
            single = [
                connection.scalar(select(func.count()).select_from(table))
                for table in (Session, Play, Viewer, Gap)
            ]
        assert counts == [2 * count for count in single]
    finally:
        other.dispose()


def test_what_changes_later_is_sent_again(kiosk, engine, make):
    origin, records, last = sent(kiosk)
    arrive(engine, origin, records, last)
    with writing(kiosk) as connection:
        queue.confirm(connection, last)
    make.write(
        kiosk,
        [
            make.ad(),
            make.play(),
            make.reading(),
            ViewerFlagged(make.at(5), 1),
            make.play_end(),
            PlayRewarded(1, 0.5, 3.0),
        ],
        started_at=make.at(900),
    )
    store_roll_ups(kiosk)
    origin, more, newest = sent(kiosk)
    assert more[0]["number"] == last + 1
    arrive(engine, origin, more, newest)
    assert report(engine) == report(kiosk)


def test_nothing_is_queued_before_a_kiosk_joins(tmp_path, make):
    engine = open_database(str(tmp_path / "alone.db"))
    try:
        make.write(engine)
        store_roll_ups(engine)
        with engine.connect() as connection:
            assert connection.scalar(select(func.count()).select_from(Outgoing)) == 0
        join(engine)
        with writing(engine) as connection:
            queue.queue_everything(connection, make.start - timedelta(days=1))
        _, records, _ = sent(engine)
        assert records[0]["kind"] == "session"
        assert sum(record["kind"] == "play" for record in records) == 3
    finally:
        engine.dispose()


def test_old_plays_are_forgotten_and_counted_and_sessions_stay(kiosk):
    with writing(kiosk) as connection:
        assert queue.forget_old(connection, datetime.now(UTC)) == 0
        lost = queue.forget_old(connection, datetime.now(UTC) + timedelta(days=31))
        assert lost >= 3
        assert connection.scalar(select(Uplink.lost)) == lost
        assert {kind for _, kind, _ in queue.waiting(connection, 0, 99)} <= {"session", "gap"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "reading"},
        {"kind": "play", "session": 99},
        {"kind": "session", "session": 1, "row": {"id": 4}, "model": None},
        {"kind": "session"},
        {},
        None,
    ],
)
def test_a_record_that_is_none_is_refused_as_a_whole(kiosk, engine, wrong):
    origin, records, last = sent(kiosk)
    with pytest.raises(RecordError):
        arrive(engine, origin, [*records, wrong and {"number": last + 1, **wrong}], last + 1)
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Session)) == 0


def test_records_that_are_missing_are_asked_for_again(kiosk, engine):
    origin, records, last = sent(kiosk)
    arrive(engine, origin, records[:2], records[1]["number"])
    with pytest.raises(MissingRecordsError) as error:
        arrive(engine, origin, records[4:], last, records[4]["number"])
    assert error.value.expected == records[1]["number"] + 1
    arrive(engine, origin, records[2:], last, error.value.expected)
    assert report(engine) == report(kiosk)
