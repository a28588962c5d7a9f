"""Records refuse invalid values when they are made, and come back from JSON as they were."""

from __future__ import annotations

import json
import math
from datetime import datetime
from types import MappingProxyType

import numpy as np
import pytest

from db.schema import EMOTION_COLUMNS, Reading
from db.write.records import (
    ClockSet,
    GapEnded,
    GapStarted,
    ModelRecord,
    PlayEnded,
    PlayRewarded,
    PlayStarted,
    Record,
    SessionEnded,
    ShadowRecord,
    ViewerFlagged,
    decode,
    encode,
)
from detector.emotion.labels import EMOTIONS
from detector.types import WITHHELD_REASONS, ShadowCell

NAIVE = datetime(2026, 3, 1, 9, 30)  # noqa: DTZ001 (what is refused)


NO_EMOTION = {"probabilities": None, "valence": None, "expressiveness": None}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"at": NAIVE}, "reading time: expected a datetime with a time zone"),
        ({"viewer_number": -1}, "viewer number: expected a whole number from 0 up, received -1"),
        ({"viewer_number": 1.0}, "viewer number"),
        ({"viewer_number": True}, "viewer number"),
        ({"play_number": None}, "expected a play and a position, or neither"),
        ({"position_ms": None}, "expected a play and a position, or neither"),
        ({"position_ms": -1.0}, "position in ms"),
        ({"probabilities": (0.5,)}, "one for each label of the model, at least 2, received 1"),
        (
            {"probabilities": (math.nan, *[0.1] * 6)},
            "probability: expected a number from 0 to 1, received nan",
        ),
        ({"probabilities": (1.001, *[0.0] * 6)}, "probability"),
        ({"valence": -1.1}, "valence: expected a number from -1 to 1"),
        ({"expressiveness": 1.1}, "expressiveness"),
        ({"quality": math.inf}, "quality"),
        ({"yaw": math.nan}, "head angle"),
        (
            {"withheld": "too small"},
            "expected probabilities with what follows from them, or a reason why all are withheld",
        ),
        (
            {"probabilities": None},
            "or a reason why all are withheld, received None, 0.55, 0.9 and None",
        ),
        ({"valence": None, "withheld": "too small"}, "or a reason why all are withheld"),
        (NO_EMOTION, "or a reason why all are withheld, received None, None, None and None"),
        (
            NO_EMOTION | {"withheld": "too far"},
            "emotion is withheld: expected one of too small, .*received 'too far'",
        ),
        ({"box": (0.1, 0.1, 0.2)}, "expected 4 numbers, received 3"),
        ({"box": (0.1, 0.1, -0.2, 0.2)}, "width of the face box"),
    ],
)
def test_bad_reading(make, changes, words):
    with pytest.raises(ValueError, match=words):
        make.reading(**changes)


def test_rounding_and_numpy_scalars_are_welcome(make):
    face = make.reading(
        valence=1 + 2e-16,
        viewer_number=np.int64(3),
        quality=np.float32(0.5),
        attentive=np.bool_(True),
    ).face
    assert 1 <= face.valence < 1 + 1e-12
    assert (face.viewer, face.quality, face.attentive) == (3, 0.5, True)
    outside = make.reading(box=(-0.2, -0.1, 1.3, 1.2)).face.box
    assert outside == (-0.2, -0.1, 1.3, 1.2)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (
            lambda make: make.session(kind="test"),
            "session kind: expected one of run, replay, received 'test'",
        ),
        (lambda make: make.session(started_at=NAIVE), "session start"),
        (
            lambda make: make.session(settings={"path": object()}),
            "session settings: expected values that JSON knows",
        ),
        (lambda make: make.session(settings={"x": math.nan}), "session settings"),
        (lambda make: make.ad(ad_id=""), "ad id: expected a text that is not empty"),
        (lambda make: make.ad(kind="poster"), "ad kind"),
        (lambda make: make.ad(sha256="AB" * 32), "ad checksum: expected 64 lower-case"),
        (lambda make: make.ad(duration_ms=0), "ad duration in ms: expected a whole number from 1"),
        (lambda make: make.ad(duration_ms=8000.5), "ad duration"),
        (lambda make: make.ad(brand_at_s=(-1.0,)), "brand moment"),
        (lambda make: PlayStarted(1, "a", make.start, "", 1.5), "play probability"),
        (lambda make: PlayStarted(1, "a", NAIVE, ""), "play start"),
        (
            lambda make: PlayStarted(1, "a", make.start, "", context={"x": {1}}),
            "play context: expected values that JSON",
        ),
        (lambda make: PlayStarted(1, "a", make.start, "", context={"x": math.nan}), "play context"),
        (lambda _: PlayRewarded(-1, 0.5, 1.0), "play number"),
        (
            lambda _: PlayRewarded(1, 1.5, 1.0),
            "reward: expected a number from -1 to 1, received 1.5",
        ),
        (lambda _: PlayRewarded(1, math.nan, 1.0), "reward"),
        (
            lambda _: PlayRewarded(1, 0.5, 0.0),
            "viewer seconds: expected a number above 0, received 0.0",
        ),
        (lambda _: PlayRewarded(1, 0.5, math.inf), "viewer seconds"),
        (lambda make: PlayEnded(1, make.start, "interrupted"), "play outcome"),
        (lambda make: PlayEnded(1, make.start, "finished", -1.0), "shown time"),
        (lambda make: GapStarted(make.start, ""), "gap cause"),
        (
            lambda _: ViewerFlagged(NAIVE, 1),
            "moment of the flag: expected a datetime with a time zone",
        ),
        (
            lambda make: ViewerFlagged(make.start, -1),
            "viewer number: expected a whole number from 0 up, received -1",
        ),
        (lambda _: ModelRecord("m", "12"), "model checksum"),
        (lambda make: SessionEnded(make.start, ""), "end reason"),
        (lambda make: SessionEnded(make.start, "stopped", frames=-1), "frames"),
        (lambda make: SessionEnded(make.start, "stopped", fps=math.nan), "frames per second"),
    ],
)
def test_other_bad_records(make, build, words):
    with pytest.raises(ValueError, match=words):
        build(make)


@pytest.mark.parametrize("reason", WITHHELD_REASONS)
def test_emotion_may_be_withheld_for_each_reason(make, reason):
    assert make.unread(withheld=reason).face.withheld == reason
    assert len(reason) <= Reading.__table__.c.withheld.type.length


def test_one_column_per_probability():
    assert [f"p_{name}" for name in EMOTIONS] == list(EMOTION_COLUMNS)


def again(record):
    return decode(json.loads(encode(record)))


def test_every_kind_of_record(make):
    records = [
        make.session(),
        make.session(model=None, settings={"skipped_ads": [{"ad_id": "ä"}]}),
        ModelRecord("emotions", "ef" * 32, {"labels": ["angry"]}),
        make.ad(),
        PlayStarted(
            1,
            "summer",
            make.start,
            "next",
            0.25,
            True,
            {"mood": "sad", "candidates": {"summer": 0.25}},
        ),
        make.play_end(outcome="failed"),
        PlayEnded(2, make.at(3), "skipped"),
        PlayRewarded(1, -0.5, 3.0),
        make.reading(),
        make.reading(play=None),
        make.unread(),
        ViewerFlagged(make.at(5), 1),
        GapStarted(make.at(1), "camera_lost", "unplugged\n"),
        GapEnded(make.at(2), "camera_lost"),
        ShadowRecord(
            make.at(2),
            "candidate",
            "cd" * 32,
            (
                ShadowCell("happy", "sad", 3, 1.5, -0.5, 2.4, 2.1, 3.0, 2.0),
                ShadowCell("happy", "bored", 1, 0.5, None, 0.8, 0.7, 1.0, 0.6),
            ),
        ),
        ClockSet(-3600.5),
        make.end(),
    ]
    assert {type(record) for record in records} >= set(Record.__args__) | {SessionEnded}
    for record in records:
        assert again(record) == record
        assert "\n" not in encode(record)


def test_numbers_of_numpy_and_names_that_are_no_unicode(make):
    name = b"caf\xe9.mp4".decode("utf-8", "surrogateescape")
    reading = make.reading(
        viewer_number=np.int64(7), roll=np.float32(0.25), uncertain=np.bool_(True)
    )
    assert again(reading) == make.reading(viewer_number=7, roll=0.25, uncertain=True)
    assert again(make.ad(name)) == make.ad(name)
    assert again(
        PlayStarted(1, "x", make.start, "next", context=MappingProxyType({"mood": "sad"}))
    ).context == {"mood": "sad"}


def test_a_record_of_an_older_program_lacks_the_newest_fields(make):
    document = json.loads(encode(make.unread(withheld="too small")))
    assert document["face"].pop("withheld") == "too small"
    document["face"].update(probabilities=[1 / 7] * 7, valence=0.0, expressiveness=0.5)
    assert decode(document).face.withheld is None


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"type": "Nonsense"},
        {"type": "GapEnded"},
        {"type": "GapEnded", "ended_at": 7, "cause": "dark"},
        {"type": "GapEnded", "ended_at": "2026-03-01T09:30:00", "cause": "dark"},
        {
            "type": "GapEnded",
            "ended_at": "2026-03-01T09:30:00+00:00",
            "cause": "dark",
            "surprise": 1,
        },
        [],
        None,
    ],
)
def test_what_is_no_record(document):
    with pytest.raises(ValueError, match="Invalid"):
        decode(document)
