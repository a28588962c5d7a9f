"""What comes out of a database is what went in."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.engine import open_database
from db.errors import NoSuchSessionError
from db.read.scope import Scope
from db.read.sessions import (
    AdInfo,
    GapInfo,
    PlayInfo,
    latest_session_id,
    list_sessions,
    load_session,
    microseconds,
    site_zones,
    viewers_over_time,
)
from db.write.records import (
    AdRecord,
    PlayEnded,
    PlayStarted,
    ReadingRecord,
    SessionEnded,
    SessionRecord,
    ViewerFlagged,
)
from db.write.session_writer import SessionWriter
from detector.types import WITHHELD_REASONS
from tests.helpers.making import reading_record

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def us(moment):
    return (moment - EPOCH) // timedelta(microseconds=1)


def test_empty_database(engine):
    assert list_sessions(engine) == []
    assert latest_session_id(engine) is None
    with pytest.raises(NoSuchSessionError, match=r"There is no session 1 in .*; there is none yet"):
        load_session(engine, 1)


def test_list(engine, make):
    make.write(engine)
    with SessionWriter(engine, make.session(kind="replay", model=None, settings={})) as writer:
        two, one = list_sessions(engine)
        writer.close()
    assert (
        one.id,
        one.kind,
        one.site,
        one.source,
        one.started_at,
        one.ended_at,
        one.end_reason,
    ) == ((1, "run", "Foyer", "0", make.start, make.at(20), "finished"))
    assert (one.model_name, one.model_sha256, one.program_version) == (
        "emotions",
        "cd" * 32,
        "0.1.0",
    )
    assert one.settings == {"policy": "sequential", "site": "Foyer"}
    assert (one.frames, one.dropped, one.fps, one.viewers, one.readings, one.plays, one.lost) == (
        (600, 3, 29.97, 2, 93, 3, 0)
    )
    assert (two.id, two.ended_at, two.end_reason, two.model_name, two.settings) == (
        2,
        None,
        None,
        None,
        {},
    )
    assert (two.frames, two.dropped, two.fps, two.viewers, two.readings, two.plays, two.lost) == (
        (None, None, None, 0, 0, 0, None)
    )
    assert latest_session_id(engine) == 2
    with pytest.raises(NoSuchSessionError, match=r"no session 3 .*; the latest is 2"):
        load_session(engine, 3)


@pytest.mark.parametrize("rows_at_a_time", [7, 10_000])
def test_load(engine, make, monkeypatch, rows_at_a_time):
    monkeypatch.setattr("db.read.sessions.READ_ROWS", rows_at_a_time)
    make.write(
        engine, [make.ad("other"), make.play(1, 0, "other")]
    )  # another session, to be left alone
    session_id = make.write(engine)
    data = load_session(engine, session_id)

    assert data.info == list_sessions(engine)[0]
    assert [ad.ad_id for ad in data.ads] == ["summer", "winter"]
    assert data.ads[0] == AdInfo(
        data.ads[0].ad_row_id, "summer", "Summer", "summer.mp4", "video", 8000, (5.5,), make.sha
    )
    assert [(play.number, play.ad_row_id) for play in data.plays] == [
        (1, data.ads[0].ad_row_id),
        (2, data.ads[1].ad_row_id),
        (3, data.ads[0].ad_row_id),
    ]
    assert data.plays[1] == PlayInfo(
        data.plays[1].id,
        2,
        data.ads[1].ad_row_id,
        make.at(6),
        make.at(11),
        "failed",
        8000.0,
        "next in the list",
        1.0,
        "broken file",
        session_id,
    )
    assert data.gaps == (
        GapInfo(make.at(18), make.at(19.5), "camera lost", "unplugged", session_id),
    )

    readings = data.readings
    assert len(readings) == 93
    keys = list(zip(readings.at_us.tolist(), readings.viewer.tolist(), strict=True))
    assert keys == sorted(keys)
    assert readings.at_us[0] == us(make.start)
    numbers = {play.id: play.number for play in data.plays} | {-1: None}
    expected = sorted(
        (record for record in make.stream() if isinstance(record, ReadingRecord)),
        key=lambda r: (r.at, r.face.viewer),
    )
    assert [numbers[play_id] for play_id in readings.play_id.tolist()] == [
        record.play_number for record in expected
    ]
    assert readings.probabilities.shape == (93, 7)
    assert readings.probabilities.tolist() == [
        list(record.face.probabilities) for record in expected
    ]
    assert np.isnan(readings.position_ms).sum() == 3
    assert (np.isnan(readings.position_ms) == (readings.play_id == -1)).all()
    assert {
        name: getattr(readings, name).dtype.str
        for name in ("play_id", "viewer", "at_us", "position_ms")
    } == {
        "play_id": "<i8",
        "viewer": "<i8",
        "at_us": "<i8",
        "position_ms": "<f8",
    }
    assert readings.uncertain.dtype == readings.attentive.dtype == np.bool_
    assert (readings.withheld == -1).all()


@pytest.mark.parametrize("rows_at_a_time", [2, 10_000])
def test_load_readings_without_an_emotion(engine, make, monkeypatch, rows_at_a_time):
    monkeypatch.setattr("db.read.sessions.READ_ROWS", rows_at_a_time)
    unread = [
        make.unread(2.0 + place, withheld=reason) for place, reason in enumerate(WITHHELD_REASONS)
    ]
    readings = load_session(
        engine,
        make.write(engine, [make.ad(), make.play(), make.reading(1.0), *unread, make.reading(9.0)]),
    ).readings
    assert readings.withheld.tolist() == [-1, *range(len(WITHHELD_REASONS)), -1]
    assert readings.withheld.dtype == np.int8
    missing = readings.withheld >= 0
    for values in (readings.valence, readings.expressiveness, *readings.probabilities.T):
        assert (np.isnan(values) == missing).all()
    assert readings.valence[[0, -1]].tolist() == [0.55, 0.55]
    assert readings.attentive.all()


def test_static_faces_are_left_out(engine, make):
    make.write(
        engine, [make.ad(), make.play(), *(make.reading(1.0, viewer) for viewer in (1, 2, 3))]
    )
    records = [make.reading(second, viewer) for second in (1.0, 2.0) for viewer in (1, 2)]
    flags = [ViewerFlagged(make.at(3), 2), ViewerFlagged(make.at(3), 4)]
    data = load_session(
        engine, make.write(engine, [make.ad(), make.play(), *records, make.unread(2.5, 3), *flags])
    )
    assert data.readings.viewer.tolist() == [1, 1, 3]
    assert (data.info.viewers, data.info.static_faces, data.info.readings) == (2, 2, 3)
    assert data.info == list_sessions(engine)[0]
    other = list_sessions(engine)[1]
    assert (other.viewers, other.static_faces, other.readings) == (3, 0, 3)


def test_session_of_nothing_but_a_poster(engine, make):
    data = load_session(
        engine, make.write(engine, [make.reading(1.0, 1, None), ViewerFlagged(make.at(3), 1)])
    )
    assert (len(data.readings), data.info.viewers, data.info.static_faces, data.info.readings) == (
        0,
        0,
        1,
        0,
    )


def test_load_without_readings(engine, make):
    data = load_session(engine, make.write(engine, []))
    assert (data.ads, data.plays, data.gaps, len(data.readings)) == ((), (), (), 0)
    assert data.readings.probabilities.shape == (0, 7)


def test_load_while_it_is_written(engine, url, make):
    with SessionWriter(engine, make.session()) as writer:
        for record in make.stream()[:30]:
            writer.submit(record)
        writer.flush()
        reader = open_database(url, read_only=True)
        data = load_session(reader, writer.session_id)
        reader.dispose()
    assert len(data.readings) == 27
    assert data.plays[0].ended_at is None


def test_times_from_another_driver():
    moments = (datetime(2026, 3, 1, 9, 30, 0, 1, tzinfo=UTC), EPOCH)
    texts = ("2026-03-01 09:30:00.000001", "1970-01-01 00:00:00.000000")
    assert (
        microseconds(moments).tolist() == microseconds(texts).tolist() == [1_772_357_400_000_001, 0]
    )


ZONES = st.builds(
    lambda minutes: timezone(timedelta(minutes=minutes)), st.integers(-14 * 60, 14 * 60)
)
TIMES = st.datetimes(datetime(1971, 1, 1), datetime(2261, 1, 1), timezones=ZONES)  # noqa: DTZ001
SHARES = st.floats(0, 1)
ANGLES = st.none() | st.floats(-180, 180)


@st.composite
def readings(draw):
    play = draw(st.none() | st.integers(0, 2))
    withheld = draw(st.none() | st.sampled_from(WITHHELD_REASONS))
    known = withheld is None
    return reading_record(
        at=draw(TIMES),
        viewer_number=draw(st.integers(0, 2**31 - 1) | st.integers(0, 3)),
        play_number=play,
        position_ms=None if play is None else draw(st.floats(0, 1e9)),
        probabilities=draw(st.tuples(*[SHARES] * 7)) if known else None,
        valence=draw(st.floats(-1, 1)) if known else None,
        expressiveness=draw(SHARES) if known else None,
        uncertain=draw(st.booleans()),
        yaw=draw(ANGLES),
        pitch=draw(ANGLES),
        roll=draw(ANGLES),
        attentive=draw(st.booleans()),
        quality=draw(SHARES),
        box=draw(st.tuples(*[st.floats(-1, 1)] * 2, *[SHARES] * 2)),
        withheld=withheld,
    )


@pytest.fixture(scope="module")
def shared_engine(tmp_path_factory):
    """One database for all examples: each is a session of its own."""
    engine = open_database(str(tmp_path_factory.mktemp("shared") / "x.db"))
    yield engine
    engine.dispose()


TEXTS = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), min_size=1)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    records=st.lists(readings(), max_size=12),
    name=TEXTS,
    started=TIMES,
    length=st.timedeltas(timedelta(0), timedelta(days=60)),
    brand=st.lists(st.floats(0, 1e6), max_size=3),
    values=st.dictionaries(
        st.text(max_size=5), st.floats(allow_nan=False, allow_infinity=False) | TEXTS, max_size=3
    ),
)
def test_round_trip_is_exact(shared_engine, records, name, started, length, brand, values):
    with SessionWriter(
        shared_engine, SessionRecord("replay", name, name, started, name, values)
    ) as writer:
        writer.submit(AdRecord(name, name, name, "ab" * 32, "image", 1, tuple(brand)))
        for number in range(3):
            writer.submit(PlayStarted(number, name, started, name, 0.1))
            writer.submit(PlayEnded(number, started + length, "failed", 0.1, name))
        for record in records:
            writer.submit(record)
        writer.close(SessionEnded(started + length, name, 1, 2, 0.1))
    assert (writer.lost, writer.error) == (0, None)
    data = load_session(shared_engine, writer.session_id)
    with shared_engine.connect() as connection:
        rest = connection.exec_driver_sql(
            "SELECT yaw, pitch, roll, quality, box_x, box_y, box_w, box_h FROM readings WHERE session_id = ? "
            "ORDER BY id",
            (writer.session_id,),
        ).all()
        seen = connection.exec_driver_sql(
            "SELECT number, first_seen_at, last_seen_at FROM viewers WHERE session_id = ?",
            (writer.session_id,),
        ).all()

    assert (data.info.site, data.info.settings) == (name, values)
    assert (data.info.started_at, data.info.ended_at) == (started, started + length)
    assert data.ads[0].brand_at_s == tuple(brand)
    assert [
        (play.number, play.started_at, play.ended_at, play.shown_ms, play.error)
        for play in data.plays
    ] == [(number, started, started + length, 0.1, name) for number in range(3)]

    order = sorted(
        range(len(records)),
        key=lambda index: (records[index].at, records[index].face.viewer, index),
    )
    got = data.readings
    for row, index in enumerate(order):
        record = records[index]
        assert got.at_us[row] == us(record.at)
        assert got.viewer[row] == record.face.viewer
        if record.play_number is None:
            assert got.play_id[row] == -1
            assert math.isnan(got.position_ms[row])
        else:
            assert got.play_id[row] == data.plays[record.play_number].id
            assert got.position_ms[row] == record.position_ms
        if record.face.withheld is None:
            assert got.withheld[row] == -1
            assert tuple(got.probabilities[row]) == record.face.probabilities
            assert (got.valence[row], got.expressiveness[row]) == (
                record.face.valence,
                record.face.expressiveness,
            )
        else:
            assert WITHHELD_REASONS[got.withheld[row]] == record.face.withheld
            assert np.isnan(
                [*got.probabilities[row], got.valence[row], got.expressiveness[row]]
            ).all()
        assert (got.uncertain[row], got.attentive[row]) == (
            record.face.uncertain,
            record.face.attentive,
        )
    assert [tuple(row) for row in rest] == [
        (*record.face.pose, record.face.quality, *record.face.box) for record in records
    ]
    for number, first, last in seen:
        moments = [record.at.astimezone(UTC) for record in records if record.face.viewer == number]
        assert (first, last) == tuple(
            moment.strftime("%Y-%m-%d %H:%M:%S.%f") for moment in (min(moments), max(moments))
        )
    assert len(seen) == len({record.face.viewer for record in records})


def test_viewers_over_time(engine, make):
    times = {1: (0.0, 4.0), 2: (4.9, 5.1), 3: (10.0, 10.0), 4: (17.0, 20.0), 9: (0.0, 20.0)}
    records = [make.reading(at, viewer, None) for viewer, seen in times.items() for at in seen]
    make.write(engine, [*records, ViewerFlagged(make.at(20), 9)])
    make.write(engine, [], site="Station")
    with SessionWriter(engine, make.session()) as writer:
        for at in (0.0, 8.0):
            writer.submit(make.reading(at, 1, None))
        writer.flush()
        found = viewers_over_time(engine, list_sessions(engine), parts=4)
    # Parts of five seconds: viewer 2 is in two of them; the session that runs lasts until its last
    # reading.
    assert found == {1: [2, 1, 1, 1], 2: [0, 0, 0, 0], 3: [1, 1, 1, 1]}


def test_the_zone_of_a_site_is_that_of_its_latest_session(engine, make):
    make.write(engine, [], settings={"timezone": "Asia/Tokyo"})
    make.write(engine, [], settings={"timezone": "Europe/Berlin"})
    make.write(engine, [], site="Station")
    make.write(engine, [], site="Odd", settings={"timezone": 7})
    assert site_zones(engine) == {"Foyer": "Europe/Berlin", "Station": None, "Odd": None}
    assert site_zones(engine, Scope(sites=("Foyer",))) == {"Foyer": "Europe/Berlin"}
    assert site_zones(engine, Scope(sites=("nowhere",))) == {}
    assert [one.timezone for one in list_sessions(engine)] == [
        None,
        None,
        "Europe/Berlin",
        "Asia/Tokyo",
    ]
