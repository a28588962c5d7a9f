"""Envelopes: whole, of a bounded size, and refused with a sentence otherwise."""

from __future__ import annotations

import json
import random

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from db.transfer import envelope
from db.transfer.envelope import Envelope, EnvelopeError, digest, fitting, pack, unpack

NAMES = {"kiosk": "ab" * 16, "epoch": "cd" * 16, "revision": "0008", "base": 0}


def made(count=3, size=10, **changes):
    values = random.Random(7)  # noqa: S311 (not for secrets)
    records = tuple(
        {"number": n, "kind": "gap", "text": "".join(values.choices("abcdefgh", k=size))}
        for n in range(1, count + 1)
    )
    return Envelope(**NAMES | {"first": 1, "last": count, "records": records} | changes)


def test_what_is_packed_comes_out_again():
    sent = made(health={"camera": "ok", "name": "Jürgen \N{PARTY POPPER}"})
    packed = pack(sent)
    assert unpack(packed, digest(packed)) == sent


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_damage_is_told_from_other_mistakes(place, change):
    packed = bytearray(pack(made()))
    stated = digest(bytes(packed))
    packed[place % len(packed)] ^= change
    with pytest.raises(EnvelopeError, match="damaged on the way"):
        unpack(bytes(packed), stated)


def wrong(content):
    packed = zstandard.compress(content)
    with pytest.raises(EnvelopeError) as error:
        unpack(packed, digest(packed))
    return str(error.value)


def test_what_is_no_envelope_is_refused_with_the_place():
    good = made().model_dump(mode="json")
    for key, value, expected in (
        ("kiosk", "../../etc", "Invalid kiosk"),
        ("first", 0, "Invalid first"),
        ("first", "1", "Invalid first"),
        ("last", -1, "Invalid last"),
        ("version", 2, "Invalid version"),
        ("more", 1, "Invalid more"),
        ("records", [1], "Invalid records.0"),
        ("revision", "new", "Invalid revision"),
    ):
        assert wrong(json.dumps(good | {key: value}).encode()).startswith(expected)
    assert "last" in wrong(json.dumps(good | {"first": 9}).encode())
    assert wrong(b"{").startswith("Invalid envelope")
    for junk in (b"", b"no zstd"):
        with pytest.raises(EnvelopeError):
            unpack(junk, digest(junk))


def test_a_bomb_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(envelope, "MAX_PLAIN_BYTES", 1 << 20)
    assert "too large" in wrong(bytes(2 << 20))


def test_few_bytes_do_not_become_many_objects():
    head = json.dumps(made().model_dump(mode="json"))[:-1]
    for bomb in ("[]," * 20_000_000, "[]," * 2_000_000, '{"":0},' * 1_000_000):
        assert "too " in wrong(f'{head}, "health": {{"x": [{bomb}0]}}}}'.encode())


def test_an_envelope_that_packs_tightly_is_cut_to_what_a_hub_unpacks():
    whole = made(300)
    flat = tuple(record | {"text": "a" * 100_000} for record in whole.records)
    head, packed = fitting(whole.model_copy(update={"records": flat}))
    assert len(packed) < envelope.USUAL_BYTES / 10
    assert 50 < len(head.records) < 100
    assert envelope.is_acceptable(packed)
    assert unpack(packed, digest(packed)) == head
    assert not envelope.is_acceptable(pack(made(1, 1).model_copy(update={"records": flat})))


def test_an_envelope_is_cut_to_its_usual_size_and_keeps_one_record():
    whole = made(400, 5_000)
    head, packed = fitting(whole)
    assert len(packed) <= envelope.USUAL_BYTES
    assert head.records == whole.records[: len(head.records)]
    assert (head.first, head.last) == (1, len(head.records))
    assert 100 < head.last < 400
    alone, packed = fitting(made(2, 3_000_000))
    assert (len(alone.records), alone.last) == (1, 1)
    assert len(packed) > envelope.USUAL_BYTES
