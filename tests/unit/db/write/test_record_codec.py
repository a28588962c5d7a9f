"""Records in the spool: what comes back is what went in."""

from __future__ import annotations

import json
from types import MappingProxyType

import numpy as np
import pytest

from db.write.record_codec import decode, encode
from db.write.records import (
    GapEnded,
    GapStarted,
    ModelRecord,
    PlayEnded,
    PlayRewarded,
    PlayStarted,
    Record,
    SessionEnded,
    ViewerFlagged,
)


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
        make.end(),
    ]
    assert {type(record) for record in records} >= set(Record.__args__) | {SessionEnded}
    for record in records:
        assert again(record) == record
        assert b"\n" not in encode(record)


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
    assert document.pop("withheld") == "too small"
    document.update(probabilities=[1 / 7] * 7, valence=0.0, expressiveness=0.5)
    assert decode(document).withheld is None


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
