"""Records from one database to another: each once, and the same reports from both."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, insert, select, update

from db.engine import open_database, writing
from db.hub.tables.intake import Cell
from db.hub.tables.screens import Screen
from db.migrations import HEAD
from db.read.rollups import read_log, store_roll_ups
from db.read.scope import Scope
from db.schema import Exposure, Gap, Origin, Outgoing, Play, Session, Uplink, Viewer
from db.transfer import queue
from db.transfer.batch import Batch
from db.transfer.envelope import Envelope, digest, pack, unpack
from db.transfer.intake import MissingRecordsError, RecordError, take_in
from db.transfer.origins import begin_anew, begin_epoch, last_number, own_row
from db.transfer.records import make_records
from db.upkeep.backup import back_up
from db.write.records import ClockSet, ModelRecord, PlayRewarded, ViewerFlagged
from db.write.session_writer import SessionWriter
from monitor.reports.document import make_report
from tests.helpers.making import moved_by

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


def sent(kiosk, after=0, limit=10_000, **how):
    """What is queued, in an envelope that has travelled."""
    with writing(kiosk) as connection:
        own = own_row(connection)
        waiting = queue.waiting(connection, after, limit)
        records = make_records(connection, waiting, **how)
    envelope = Envelope(
        kiosk=own.kiosk,
        epoch=own.epoch,
        base=own.base,
        first=max(after, own.watermark) + 1,
        last=waiting[-1][0] if waiting else max(after, own.watermark),
        revision=HEAD,
        records=tuple(records),
    )
    packed = pack(envelope)
    return unpack(packed, digest(packed))


def part(envelope, start, end):
    """Some records of an envelope, in one that follows the ones before."""
    records = envelope.records[start:end]
    first = envelope.records[start - 1]["number"] + 1 if start else envelope.first
    last = records[-1]["number"] if records else first - 1
    return envelope.model_copy(update={"records": records, "first": first, "last": last})


def arrive(engine, envelope):
    with writing(engine) as connection:
        return take_in(connection, envelope, screen_of(connection), datetime.now(UTC))


def screen_of(connection):
    row = connection.scalar(select(Screen.id))
    if row is None:
        texts = dict.fromkeys(("name", "site", "group_name", "venue_type"), "")
        values = {"uid": "ab" * 16, "time_zone": "UTC", "created_at": datetime.now(UTC)}
        result = connection.execute(insert(Screen).values(**texts, **values, tags=[], opening=[]))
        row = result.inserted_primary_key[0]
    return row


def report(engine):
    document, _ = make_report(engine, Scope(replays=True, demos=True))
    # A kiosk's own database has no screens.
    document.pop("screens", None)
    return document


def test_a_hub_reports_what_the_kiosk_reports(kiosk, engine):
    arrive(engine, sent(kiosk))
    assert report(engine) == report(kiosk)
    log, other = (read_log(one, Scope()) for one in (kiosk, engine))
    assert log.counts == other.counts
    np.testing.assert_array_equal(log.exposures.sums, other.exposures.sums)
    assert len(log.seconds) == len(other.seconds) > 0


def test_a_hub_reports_other_labels_too(engine, make, tmp_path):
    kiosk = open_database(str(tmp_path / "own.db"))
    join(kiosk)
    labels = ("engaged", "happy", "bored")
    faces = {"probabilities": (0.5, 0.3, 0.2), "valence": None, "expressiveness": None}
    make.write_rolled(
        kiosk,
        [
            replace(each, face=replace(each.face, **faces)) if hasattr(each, "face") else each
            for each in make.stream()
        ],
        model=ModelRecord("own", "ef" * 32, {"labels": list(labels)}),
    )
    envelope = sent(kiosk)
    (play, *_) = [record for record in envelope.records if record["kind"] == "play"]
    wrong = {**play, "exposures": {**play["exposures"], "rows": [*play["exposures"]["rows"]]}}
    wrong["exposures"]["rows"][0] = [*play["exposures"]["rows"][0][:-1], {"bored": "much"}]
    records = [wrong if record is play else record for record in envelope.records]
    with pytest.raises(RecordError, match="sum_own: expected dict"):
        arrive(engine, envelope.model_copy(update={"records": tuple(records)}))
    arrive(engine, envelope)
    assert report(engine)["ads"] == report(kiosk)["ads"]
    log = read_log(engine, Scope())
    assert (log.labels, log.own_labels) == (labels, ("engaged", "bored"))
    np.testing.assert_allclose(
        log.exposures.sums[:, -2:] / log.exposures.emotion_readings[:, None],
        np.tile([0.5, 0.2], (len(log.exposures), 1)),
    )
    kiosk.dispose()


def test_sums_of_the_seven_are_sent_as_earlier_hubs_know_them(kiosk):
    for record in sent(kiosk).records:
        if record["kind"] == "play":
            assert "sum_own" not in record["exposures"]["columns"]
            assert {*map(len, record["exposures"]["rows"])} == {len(record["exposures"]["columns"])}


def test_what_arrives_again_changes_nothing(kiosk, engine):
    arrive(engine, sent(kiosk))
    before = report(engine)
    arrive(engine, sent(kiosk))
    assert report(engine) == before


@pytest.mark.sqlite
def test_what_is_stored_is_found_by_an_index(kiosk, engine):
    envelope, asked = sent(kiosk), []
    event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2:4]))
    with writing(engine) as connection:
        batch = Batch(connection)
        batch.load([envelope])
        take_in(connection, envelope, screen_of(connection), datetime.now(UTC), batch)
        batch.flush()
    with engine.connect() as connection:
        plans = {
            statement: str(
                connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
            )
            for statement, values in list(asked)
            if " IN " in statement and statement.startswith("SELECT")
        }
    assert len(plans) == 3  # of origins, viewers and plays
    for statement, plan in plans.items():
        table = re.search(r"FROM (\w+)", statement)[1]
        assert f"SEARCH {table}" in plan, statement


@pytest.fixture
def expected(kiosk):
    return report(kiosk)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.lists(st.integers(1, 40), max_size=8), again=st.lists(st.booleans(), max_size=8))
def test_any_cut_and_any_repetition_give_the_same(tmp_path_factory, kiosk, expected, cuts, again):
    hub = open_database(str(tmp_path_factory.mktemp("hub") / "hub.db"))
    try:
        whole = sent(kiosk)
        count = len(whole.records)
        ends = sorted({min(cut, count) for cut in cuts} | {count})
        for place, (start, end) in enumerate(pairwise([0, *ends])):
            some = part(whole, start, end)
            for _ in range(2 if place < len(again) and again[place] else 1):
                assert arrive(hub, some) == some.last
        assert report(hub) == expected
    finally:
        hub.dispose()


def test_two_kiosks_do_not_mix(kiosk, engine, tmp_path, make):
    other = open_database(str(tmp_path / "there.db"))
    try:
        join(other)
        make.write(other)
        store_roll_ups(other)
        for one in (kiosk, other):
            arrive(engine, sent(one))
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
    envelope = sent(kiosk)
    last = arrive(engine, envelope)
    assert last == envelope.last
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
    more = sent(kiosk)
    assert more.records[0]["number"] == more.first == last + 1
    arrive(engine, more)
    assert report(engine) == report(kiosk)


def test_a_clock_that_is_set_moves_what_the_hub_has(engine, make, tmp_path):
    kiosk = open_database(str(tmp_path / "here.db"))
    try:
        join(kiosk)
        with SessionWriter(kiosk, make.session()) as writer:
            for record in make.stream():
                writer.submit(record)
            assert writer.flush()
            store_roll_ups(kiosk)
            arrive(engine, sent(kiosk))
            writer.submit(ClockSet(86_400.0))
            assert writer.flush()
            writer.close(moved_by(make.end(), timedelta(days=1)))
        arrive(engine, sent(kiosk))
        assert report(engine) == report(kiosk)
        for table in (Play, Gap, Viewer):
            query = select(func.count()).select_from(table)
            with engine.connect() as there, kiosk.connect() as here:
                assert there.scalar(query) == here.scalar(query) > 0
    finally:
        kiosk.dispose()


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
        records = sent(engine).records
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
        {"kind": "play", "session": 99, "epoch": "ab" * 16},
        {"kind": "session", "session": 1, "epoch": "x", "row": {}, "model": None},
        {"kind": "session", "session": 1, "epoch": "ab" * 16, "row": {"id": 4}, "model": None},
        {"kind": "session", "session": 1, "epoch": "ab" * 16, "row": {"kind": 4}, "model": None},
        {"kind": "session", "session": 1 << 70, "epoch": "ab" * 16, "row": {}, "model": None},
        {"kind": "session"},
        {"kind": "cell", "hour": "noon", "ads": [], "cells": {"columns": [], "rows": []}},
        {},
    ],
)
def test_a_record_that_is_none_is_refused_as_a_whole(kiosk, engine, wrong):
    envelope = sent(kiosk)
    more = (*envelope.records, {"number": envelope.last + 1, **wrong})
    changed = envelope.model_copy(update={"records": more, "last": envelope.last + 1})
    with pytest.raises(RecordError):
        arrive(engine, changed)
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Session)) == 0


def test_a_kiosk_writes_into_no_other_kiosks_sessions(kiosk, engine):
    first = sent(kiosk)
    arrive(engine, first)
    # Another kiosk that names the epoch of the first one gets an epoch of its own.
    records = [
        record | {"row": record["row"] | {"site": "elsewhere"}}
        for record in first.records
        if record["kind"] == "session"
    ]
    thief = first.model_copy(update={"kiosk": "cd" * 16, "records": tuple(records)})
    arrive(engine, thief)
    with engine.connect() as connection:
        names = (
            connection.execute(
                select(Origin.kiosk, Session.site)
                .join(Session, Session.origin_id == Origin.id)
                .order_by(Session.id)
            )
            .tuples()
            .all()
        )
    assert names == [(first.kiosk, "Foyer"), ("cd" * 16, "elsewhere")]


def test_records_that_are_missing_are_asked_for_again(kiosk, engine):
    whole = sent(kiosk)
    reached = arrive(engine, part(whole, 0, 2))
    with pytest.raises(MissingRecordsError) as error:
        arrive(engine, part(whole, 4, 99))
    assert error.value.expected == reached + 1
    arrive(engine, part(whole, 2, 99))
    assert report(engine) == report(kiosk)


def test_a_hub_that_lost_its_last_days_is_sent_them_again(kiosk, engine, make):
    """As a hub that came back from a backup: it expects numbers that the kiosk has forgotten."""
    arrive(engine, part(sent(kiosk), 0, 2))
    with writing(kiosk) as connection:
        queue.confirm(connection, last_number(connection))
        own = own_row(connection)
    with pytest.raises(MissingRecordsError) as error:
        arrive(engine, sent(kiosk))
    assert error.value.expected <= own.watermark
    with writing(kiosk) as connection:
        begin_epoch(connection, own.kiosk)
        queue.queue_everything(connection, make.start - timedelta(days=1))
    again = sent(kiosk)
    assert again.epoch != own.epoch
    assert again.first == again.base + 1 > own.watermark
    arrive(engine, again)
    assert report(engine) == report(kiosk)


def test_a_restored_database_gets_names_of_its_own(kiosk, engine, make, tmp_path):
    arrive(engine, sent(kiosk))
    restored = tmp_path / "restored.db"
    back_up(tmp_path / "here.db", restored)
    make.write(kiosk, started_at=make.at(900))
    store_roll_ups(kiosk)
    newest = arrive(engine, sent(kiosk))
    here = open_database(str(restored))
    try:
        with writing(here) as connection:
            assert last_number(connection) < newest
            begin_anew(connection, own_row(connection).kiosk)
        make.write(here, started_at=make.at(1800))
        store_roll_ups(here)
        arrive(engine, sent(here))
    finally:
        here.dispose()
    with engine.connect() as connection:
        starts = connection.scalars(select(Session.started_at).order_by(Session.started_at)).all()
        assert starts == [make.start, make.at(900), make.at(1800)]
        assert connection.scalar(select(func.count()).select_from(Play)) == 9


def test_cells_tell_nothing_about_one_viewer(kiosk, engine, make):
    with writing(kiosk) as connection:
        connection.execute(update(Uplink).values(upload="cells", joined_at=make.start))
        connection.execute(update(Session).values(session_kind="live"))
        queue.queue_cells(connection, make.at(5000))
        queue.queue_cells(connection, make.at(5000))
    envelope = sent(kiosk, upload="cells", min_viewers=2)
    assert [record["kind"] for record in envelope.records].count("cell") == 1
    for record in envelope.records:
        assert not any(record[name]["rows"] for name in ("viewers", "counts") if name in record)
    for _ in range(2):
        arrive(engine, envelope)
    with engine.connect() as connection:
        tables = (Session, Play, Viewer, Exposure)
        counts = [connection.scalar(select(func.count()).select_from(one)) for one in tables]
        assert counts == [1, 3, 0, 0]
        found = connection.execute(select(Cell)).all()
        assert {row.viewers for row in found} == {2}
    nobody = sent(kiosk, upload="cells", min_viewers=3)
    arrive(engine, nobody.model_copy(update={"epoch": "ef" * 16}))
    with engine.connect() as connection:
        assert connection.execute(select(Cell)).all() == found
