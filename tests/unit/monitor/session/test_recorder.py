"""Readings get the play of their capture time; gaps, ads and the rate are kept in order."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ads.playlists.playlist import Ad
from ads.show.playback import Play, PlaybackLog, PlayEnd
from db.write.records import (
    AdRecord,
    GapEnded,
    GapStarted,
    PlayEnded,
    PlayStarted,
    ReadingRecord,
    ShadowRecord,
    ViewerFlagged,
)
from detector.types import AnalysedFrame, FaceReading, ShadowCell, ShadowCounts
from monitor.session import recorder as module
from monitor.session.clock import SessionClock
from monitor.session.recorder import Recorder, ad_record

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
S = 1_000_000_000
MS = 1_000_000


class FakeWriter:
    """Keeps records in the order in which they were handed over."""

    def __init__(self) -> None:
        self.records: list[Any] = []
        self.full = False

    def submit(self, record: Any) -> bool:
        if not self.full:
            self.records.append(record)
        return not self.full

    def of(self, kind: type) -> list[Any]:
        return [record for record in self.records if isinstance(record, kind)]


def an_ad(ad_id: str = "cola", sha: str = "a" * 64, **changes: Any) -> Ad:
    values: dict[str, Any] = {
        "ad_id": ad_id,
        "path": Path("/somewhere/private") / f"{ad_id}.mp4",
        "name": ad_id.title(),
        "kind": "video",
        "duration_s": 6.0,
        "sha256": sha,
        "has_sound": True,
        "width": 64,
        "height": 48,
    }
    return Ad(**(values | changes))


class Room:
    """A recorder with its log and writer, and a show that is driven by hand."""

    def __init__(self, rate: float = 10.0) -> None:
        self.writer, self.log = FakeWriter(), PlaybackLog()
        self.recorder = Recorder(self.writer, self.log, SessionClock(NOON, 0), rate)  # type: ignore[arg-type]
        self.number = 0

    def play(self, at_ns: int, ad: Ad | None = None) -> int:
        self.number += 1
        # In the player's order: who finds the play in the log may rely on the listener knowing it.
        self.recorder.play_started(Play(self.number, ad or an_ad(), at_ns, "next in turn", 1.0))
        self.log.start(self.number, at_ns)
        return self.number

    def end(self, at_ns: int, outcome: Any = "finished", error: str | None = None) -> None:
        self.log.end(at_ns)
        self.recorder.play_ended(PlayEnd(self.number, at_ns, outcome, 1234.5, error))

    def readings(self) -> list[ReadingRecord]:
        return self.writer.of(ReadingRecord)


Analysed = Callable[..., AnalysedFrame]


def test_a_reading_goes_to_the_play_of_its_capture_time_however_late_it_comes(
    analysed: Analysed,
) -> None:
    room = Room()
    first = room.play(1 * S)
    room.end(3 * S)
    second = room.play(3 * S)
    # Both frames were captured before their analysis was done during the second play.
    room.recorder.record(analysed(2 * S + 500 * MS))
    room.recorder.record(analysed(3 * S))
    old, new = room.readings()
    assert (old.play_number, old.position_ms) == (first, 1500.0)
    assert (new.play_number, new.position_ms) == (second, 0.0)


def test_a_reading_before_the_first_play_and_between_two_has_none(analysed: Analysed) -> None:
    room = Room()
    room.recorder.record(analysed(0))
    room.play(1 * S)
    room.end(2 * S)
    room.recorder.record(analysed(2 * S))
    room.recorder.record(analysed(5 * S))
    assert [(one.play_number, one.position_ms) for one in room.readings()] == [(None, None)] * 3


def test_a_reading_holds_all_that_was_measured(analysed: Analysed) -> None:
    room = Room()
    room.play(0)
    frame = analysed(1_500_000_000, (7,))
    room.recorder.record(frame)
    [record], [reading] = room.readings(), frame.readings
    assert record == ReadingRecord(NOON + timedelta(seconds=1.5), reading, 1, 1500.0)


def test_a_reading_without_an_emotion_says_why(reading: Callable[..., FaceReading]) -> None:
    room = Room()
    room.play(0)
    room.recorder.record(frame_of(1 * S, reading(7, 1 * S, withheld="turned away")))
    [record] = room.readings()
    face = record.face
    assert (face.probabilities, face.valence, face.expressiveness) == (None, None, None)
    assert (face.withheld, face.uncertain, face.attentive, face.pose.yaw) == (
        "turned away",
        True,
        True,
        1.0,
    )
    assert (record.play_number, record.position_ms) == (1, 1000.0)


def frame_of(captured_ns: int, *readings: FaceReading) -> AnalysedFrame:
    return AnalysedFrame(0, captured_ns, 640, 480, readings)


def test_of_a_static_face_only_the_flag_is_recorded_and_once(
    reading: Callable[..., FaceReading],
) -> None:
    room = Room()
    for step in range(50):
        now_ns = step * 100 * MS
        poster = reading(3, now_ns, withheld="too small" if step % 2 else None, static=step >= 10)
        room.recorder.record(frame_of(now_ns, reading(1, now_ns), poster))
    assert Counter(one.face.viewer for one in room.readings()) == {1: 50, 3: 10}
    assert room.writer.of(ViewerFlagged) == [ViewerFlagged(NOON + timedelta(seconds=1), 3)]
    assert room.recorder.frames == 50


def test_a_face_that_is_static_from_the_start_is_flagged_and_ends_a_gap(
    reading: Callable[..., FaceReading],
) -> None:
    room = Room()
    room.recorder.gap("sensor_died", "", 0)
    room.recorder.record(frame_of(1 * S, reading(3, 1 * S, static=True)))
    assert [type(record) for record in room.writer.records] == [GapStarted, GapEnded, ViewerFlagged]


def test_a_flag_that_is_lost_is_sent_again(reading: Callable[..., FaceReading]) -> None:
    room = Room()
    for step in range(4):
        room.writer.full = step < 2
        room.recorder.record(frame_of(step * S, reading(3, step * S, static=True)))
    assert room.writer.of(ViewerFlagged) == [ViewerFlagged(NOON + timedelta(seconds=2), 3)]


def test_static_faces_that_left_are_forgotten(reading: Callable[..., FaceReading]) -> None:
    room = Room()
    for viewer in range(1, 3 * module.MAX_SLOTS):
        now_ns = viewer * S
        room.recorder.record(
            frame_of(
                now_ns, reading(viewer, now_ns, static=True), reading(9999, now_ns, static=True)
            )
        )
    assert len(room.recorder._flagged) <= module.MAX_SLOTS + 2
    assert [one.viewer_number for one in room.writer.of(ViewerFlagged)].count(9999) == 1


def test_while_the_ad_is_paused_readings_belong_to_no_play(analysed: Analysed) -> None:
    room = Room()
    room.play(0)
    room.recorder.record(analysed(500 * MS))
    room.log.pause(1 * S)
    room.recorder.record(analysed(1500 * MS))
    room.log.resume(2 * S)
    room.recorder.record(analysed(2500 * MS))
    assert [(one.play_number, one.position_ms) for one in room.readings()] == [
        (1, 500.0),
        (None, None),
        (1, 1500.0),
    ]


def test_a_viewer_is_logged_once_in_each_slot_of_the_clock(analysed: Analysed) -> None:
    room = Room(rate=10)
    for frame in range(250):  # ten seconds at 25 frames a second
        room.recorder.record(analysed(frame * 40 * MS, (1, 2)))
    by_viewer = Counter(one.face.viewer for one in room.readings())
    assert by_viewer == {1: 100, 2: 100}
    slots = [
        int((one.at - NOON) / timedelta(milliseconds=100) + 1e-6)
        for one in room.readings()
        if one.face.viewer == 1
    ]
    assert slots == list(range(100))
    assert room.recorder.frames == 250


@pytest.mark.parametrize(("rate", "expected"), [(1, 4), (5, 20), (25, 100), (100, 100)])
def test_the_rate_can_be_chosen(analysed: Analysed, rate: float, expected: int) -> None:
    room = Room(rate)
    for frame in range(100):
        room.recorder.record(analysed(frame * 40 * MS))
    assert len(room.readings()) == expected


def test_a_viewer_who_comes_between_two_slots_is_logged_at_once(analysed: Analysed) -> None:
    room = Room(rate=1)
    room.recorder.record(analysed(0, (1,)))
    room.recorder.record(analysed(500 * MS, (1, 2)))
    assert [(one.face.viewer, one.at - NOON) for one in room.readings()] == [
        (1, timedelta(0)),
        (2, timedelta(milliseconds=500)),
    ]


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=60), st.floats(0.5, 50))
@settings(deadline=None)
def test_no_slot_is_logged_twice_and_none_is_left_out(pauses: list[int], rate: float) -> None:
    from detector.emotion.labels import EMOTIONS
    from detector.types import Box, FaceReading, HeadPose

    room, now_ns, slots = Room(rate), 0, set()
    for pause in pauses:
        now_ns += pause
        reading = FaceReading(
            1,
            now_ns,
            Box(0, 0, 1, 1),
            (1 / 7,) * len(EMOTIONS),
            0.0,
            0.0,
            False,
            HeadPose(0, 0, 0),
            True,
            1.0,
        )
        room.recorder.record(AnalysedFrame(0, now_ns, 1, 1, (reading,)))
        slots.add(int(now_ns * rate // 1_000_000_000))
    assert len(room.readings()) == len(slots)


def test_viewers_who_left_are_forgotten(analysed: Analysed) -> None:
    room = Room()
    for minute in range(20):
        room.recorder.record(analysed(minute * 61 * S, range(100 * minute, 100 * minute + 100)))
    assert len(room.recorder._newest_slot) <= module.MAX_SLOTS + 100
    assert len(room.readings()) == 2000


@pytest.mark.parametrize("rate", [0, -1])
def test_a_rate_of_nothing_is_refused(rate: float) -> None:
    with pytest.raises(
        ValueError, match=f"Invalid readings_per_second: expected above 0, received {rate}."
    ):
        Room(rate)


def test_a_gap_lasts_from_the_last_frame_to_the_next(analysed: Analysed) -> None:
    room = Room()
    room.recorder.record(analysed(2 * S))
    room.recorder.gap("camera_lost", "The camera 0 gives no more pictures.", 4 * S)
    room.recorder.gap("sensor_died", "and then this, too", 5 * S)
    room.recorder.record(analysed(9 * S))
    room.recorder.record(analysed(10 * S))
    gaps = [one for one in room.writer.records if isinstance(one, GapStarted | GapEnded)]
    assert gaps == [
        GapStarted(
            NOON + timedelta(seconds=2), "camera_lost", "The camera 0 gives no more pictures."
        ),
        GapEnded(NOON + timedelta(seconds=9), "camera_lost"),
    ]
    ended = room.writer.records.index(gaps[1])
    assert isinstance(room.writer.records[ended + 1], ReadingRecord)


def test_a_gap_before_the_first_frame_starts_when_it_is_noticed(analysed: Analysed) -> None:
    room = Room()
    room.recorder.gap("sensor_died", "signal 9", 3 * S)
    assert room.writer.of(GapStarted) == [
        GapStarted(NOON + timedelta(seconds=3), "sensor_died", "signal 9")
    ]


def test_a_gap_starts_where_its_fault_began_when_that_is_known(analysed: Analysed) -> None:
    room = Room()
    for second in range(2, 6):
        room.recorder.record(analysed(second * S, ()))
    room.recorder.gap("camera_black", "The picture is black.", 5 * S, 3 * S)
    assert room.writer.of(GapStarted) == [
        GapStarted(NOON + timedelta(seconds=3), "camera_black", "The picture is black.")
    ]


def test_a_frame_without_anybody_ends_a_gap_too(analysed: Analysed) -> None:
    room = Room()
    room.recorder.gap("sensor_died", "", 0)
    room.recorder.record(analysed(1 * S, ()))
    room.recorder.gap("camera_lost", "", 2 * S)
    assert [one.cause for one in room.writer.of(GapStarted)] == ["sensor_died", "camera_lost"]
    assert len(room.writer.of(GapEnded)) == 1
    assert room.writer.of(GapStarted)[1].started_at == NOON + timedelta(seconds=1)


def test_an_ad_is_recorded_once_before_its_first_play() -> None:
    room = Room()
    for number, ad in enumerate([an_ad(), an_ad("tea"), an_ad(), an_ad(sha="b" * 64)]):
        room.play(number * S, ad)
        room.end((number + 1) * S)
    kinds = [type(record) for record in room.writer.records]
    assert kinds == [AdRecord, PlayStarted, PlayEnded] * 2 + [PlayStarted, PlayEnded] + [
        AdRecord,
        PlayStarted,
        PlayEnded,
    ]
    assert [(one.ad_id, one.sha256[0]) for one in room.writer.of(AdRecord)] == [
        ("cola", "a"),
        ("tea", "a"),
        ("cola", "b"),
    ]


def test_an_ad_that_changes_and_changes_back_is_recorded_each_time() -> None:
    room = Room()
    versions = [an_ad(), an_ad(sha="b" * 64), an_ad(), an_ad(duration_s=9.0), an_ad(duration_s=9.0)]
    for number, ad in enumerate(versions):
        room.play(number * S, ad)
        room.end((number + 1) * S)
    found = [(one.sha256[0], one.duration_ms) for one in room.writer.of(AdRecord)]
    assert found == [("a", 6000), ("b", 6000), ("a", 6000), ("a", 9000)]


def test_an_ad_that_found_no_room_is_recorded_with_its_next_play() -> None:
    room = Room()
    room.writer.full = True
    room.play(1 * S)
    room.end(2 * S)
    room.writer.full = False
    room.play(2 * S)
    assert [type(record) for record in room.writer.records[-2:]] == [AdRecord, PlayStarted]


def test_plays_are_recorded_as_they_were() -> None:
    room = Room()
    room.play(1 * S)
    room.end(2 * S, "failed", "the file broke off")
    assert room.writer.of(PlayStarted) == [
        PlayStarted(1, "cola", NOON + timedelta(seconds=1), "next in turn", 1.0)
    ]
    assert room.writer.of(PlayEnded) == [
        PlayEnded(1, NOON + timedelta(seconds=2), "failed", 1234.5, "the file broke off")
    ]


def test_an_ad_as_the_database_knows_it() -> None:
    record = ad_record(an_ad(brand_at_s=(1.5, 4.0), duration_s=0.0001))
    assert (record.file, record.kind, record.duration_ms, record.brand_at_s) == (
        "cola.mp4",
        "video",
        1,
        (1.5, 4.0),
    )
    assert ad_record(an_ad()).duration_ms == 6000
    assert "private" not in repr(record)


def test_plays_and_readings_from_two_threads(analysed: Analysed) -> None:
    """As in the kiosk: the show in one thread, the sensor in another; every reading comes after its
    play.
    """
    room, plays = Room(rate=1000), 200
    moments = list(range(0, plays * 50 * MS, 2 * MS))
    now = [0]

    def show() -> None:
        for number in range(plays):
            now[0] = number * 50 * MS
            room.play(now[0])
            room.end(now[0] + 50 * MS)

    def sense() -> None:
        order = np.random.default_rng(5)
        for moment in moments:
            if order.random() < 0.3:
                room.recorder.gap("camera_lost", "", moment)
            room.recorder.record(analysed(min(moment, now[0] + 50 * MS)))

    threads = [threading.Thread(target=work, name=work.__name__) for work in (show, sense)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    started: set[int] = set()
    gaps = 0
    for record in room.writer.records:
        if isinstance(record, PlayStarted):
            started.add(record.number)
        elif isinstance(record, ReadingRecord) and record.play_number is not None:
            assert record.play_number in started
        elif isinstance(record, GapStarted):
            gaps += 1
            assert gaps == 1
        elif isinstance(record, GapEnded):
            gaps -= 1
    assert len(started) == plays
    assert room.recorder.frames == len(moments)


def test_outside_the_hours_there_is_a_gap_and_nothing_else(analysed: Analysed) -> None:
    room = Room()
    closed = range(2 * S, 4 * S)
    recorder = Recorder(
        room.writer,  # type: ignore[arg-type]
        room.log,
        SessionClock(NOON, 0),
        may_measure=lambda at_ns: at_ns not in closed,
    )
    measured = [recorder.record(analysed(at * 500 * MS)) for at in range(2, 10)]
    assert measured == [True, True, False, False, False, False, True, True]
    assert [record.at for record in room.readings()] == [
        NOON + timedelta(seconds=s) for s in (1, 1.5, 4, 4.5)
    ]
    [started], [ended] = room.writer.of(GapStarted), room.writer.of(GapEnded)
    assert (started.cause, started.started_at) == ("hours", NOON + timedelta(seconds=2))
    assert (ended.cause, ended.ended_at) == ("hours", NOON + timedelta(seconds=4))
    assert recorder.frames == 4


def test_a_camera_that_comes_back_outside_the_hours_changes_the_cause_of_the_gap(
    analysed: Analysed,
) -> None:
    room = Room()
    recorder = Recorder(
        room.writer,  # type: ignore[arg-type]
        room.log,
        SessionClock(NOON, 0),
        may_measure=lambda at_ns: at_ns < 2 * S,
    )
    recorder.record(analysed(1 * S))
    recorder.gap("camera_lost", "unplugged", 1 * S)
    recorder.record(analysed(3 * S))
    recorder.record(analysed(4 * S))
    assert [(gap.cause, gap.started_at) for gap in room.writer.of(GapStarted)] == [
        ("camera_lost", NOON + timedelta(seconds=1)),
        ("hours", NOON + timedelta(seconds=3)),
    ]
    assert [gap.cause for gap in room.writer.of(GapEnded)] == ["camera_lost"]


def test_counts_of_a_shadow_run_are_recorded_only_while_people_may_be_measured() -> None:
    writer = FakeWriter()
    clock = SessionClock(NOON, 0)
    recorder = Recorder(writer, PlaybackLog(), clock, 10.0, lambda at_ns: at_ns < 60 * S)  # type: ignore[arg-type]
    cells = (ShadowCell("happy", "sad", 2, 1.0, -1.0, 1.2, 1.1, 2.0, 3.0),)
    for since_s in (0, 55, 70):
        until_ns = (since_s + 10) * S
        recorder.record_shadow(ShadowCounts(since_s * S, until_ns, "new", "a" * 64, cells))
    at = NOON + timedelta(seconds=10)
    assert writer.of(ShadowRecord) == [ShadowRecord(at, "new", "a" * 64, cells)]
