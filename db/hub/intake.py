"""What kiosks send, stored: many envelopes in one transaction, each wholly or not at all."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, or_, select, update

from db.engine import writing
from db.error_classes import is_environment
from db.hub.digests import key_digest
from db.hub.screens.registry import store_healths
from db.hub.shows.desired import serials_of
from db.hub.tables.intake import SetAside
from db.hub.tables.screens import KioskKey
from db.schema import Origin
from db.transfer.batch import Batch
from db.transfer.intake import MissingRecordsError, RecordError, take_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection, Engine

    from db.transfer.envelope import Envelope

logger = logging.getLogger(__name__)

MAX_SET_ASIDE = 1_000
"""Envelopes that are set aside of one origin; older ones are deleted."""

MAX_SET_ASIDE_BYTES = 200_000_000
"""The same of all origins together."""

SEEN_EVERY = timedelta(seconds=10)
"""How exactly `kiosk_keys.last_seen_at` is kept, so that a kiosk in a hurry writes less often."""


@dataclass(frozen=True, slots=True)
class Sender:
    """A kiosk that has shown its key.

    Attributes:
        key_id: Row of the key.
        kiosk: Whose key it is.
        screen_id: Row of the screen for which it speaks.
    """

    key_id: int
    kiosk: str
    screen_id: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """An envelope that arrived.

    Attributes:
        sender: Who sent it; the envelope's kiosk is the sender's.
        envelope: With its records.
        packed: As it arrived, to be kept if it cannot be stored.
        fault: Why its records cannot be read; empty if they can.
    """

    sender: Sender
    envelope: Envelope
    packed: bytes
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an arrival.

    Attributes:
        watermark: Number of the last record that is stored, or set aside.
        is_missing: Whether records before it are missing, so that nothing was stored.
        is_revoked: Whether the key is no longer valid, so that nothing was stored.
        is_set_aside: Whether its records could not be stored, and it was kept apart.
        desired: Serial of what the kiosk's screen is to show, if it has one.
    """

    watermark: int
    is_missing: bool = False
    is_revoked: bool = False
    is_set_aside: bool = False
    desired: int | None = None


def find_sender(connection: Connection, key: str) -> Sender | None:
    """Return whose key this is; `None` if it is unknown or was revoked."""
    query = select(KioskKey.id, KioskKey.kiosk, KioskKey.screen_id).where(
        KioskKey.key_sha256 == key_digest(key), KioskKey.revoked_at.is_(None)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else Sender(row.id, row.kiosk, row.screen_id)


def store_arrivals(engine: Engine, arrivals: Sequence[Arrival], now: datetime) -> list[Outcome]:
    """Store envelopes, each wholly or not at all, in one transaction.

    One whose records are wrong is set aside, and the watermark moves past it: otherwise its kiosk
    would send it forever, and nothing after it.

    Args:
        engine: The hub's database.
        arrivals: At least one.
        now: When they arrived; aware.

    Returns:
        An outcome for each, in the same order.

    Raises:
        DBAPIError: The database failed, and nothing was stored.
    """
    # Processes lock origins in the same order, so that none waits for another in a circle.
    order = sorted(range(len(arrivals)), key=lambda one: _place(arrivals[one].envelope))
    in_order = [arrivals[index] for index in order]
    try:
        outcomes = _store_together(engine, in_order, now)
    except _FaultError:
        outcomes = _store_apart(engine, in_order, now)
    return [outcome for _, outcome in sorted(zip(order, outcomes, strict=True))]


def _place(envelope: Envelope) -> tuple[str, str, int]:
    return envelope.kiosk, envelope.epoch, envelope.first


def _valid_keys(connection: Connection, arrivals: Sequence[Arrival]) -> set[int]:
    """Return which keys have not been revoked."""
    ids = {arrival.sender.key_id for arrival in arrivals}
    which = (KioskKey.id.in_(ids), KioskKey.revoked_at.is_(None))
    return set(connection.scalars(select(KioskKey.id).where(*which)))


def _note_seen(connection: Connection, key_ids: set[int], now: datetime) -> None:
    """Write that keys were used."""
    seen = or_(KioskKey.last_seen_at.is_(None), KioskKey.last_seen_at < now - SEEN_EVERY)
    which = (KioskKey.id.in_(key_ids), seen)
    connection.execute(update(KioskKey).where(*which).values(last_seen_at=now))


class _FaultError(Exception):
    """One of the arrivals cannot be stored."""


def _store_together(engine: Engine, arrivals: Sequence[Arrival], now: datetime) -> list[Outcome]:
    """Store envelopes that are all right; `_FaultError` if one is not."""
    if any(arrival.fault for arrival in arrivals):
        raise _FaultError
    try:
        with writing(engine) as connection:
            valid = _valid_keys(connection, arrivals)
            if any(arrival.sender.key_id not in valid for arrival in arrivals):
                raise _FaultError
            _note_seen(connection, valid, now)
            batch = Batch(connection)
            batch.load([arrival.envelope for arrival in arrivals])
            marks = [
                take_in(connection, one.envelope, one.sender.screen_id, now, batch)
                for one in arrivals
            ]
            batch.flush()
            _store_healths(connection, arrivals, now)
            serials = _serials(connection, arrivals)
        return [
            Outcome(mark, desired=serials.get(one.sender.screen_id))
            for mark, one in zip(marks, arrivals, strict=True)
        ]
    except Exception as error:
        if is_environment(error):
            raise
        raise _FaultError from error


def _store_apart(engine: Engine, arrivals: Sequence[Arrival], now: datetime) -> list[Outcome]:
    """Store envelopes with a savepoint for each, which takes several times as long."""
    with writing(engine) as connection:
        valid = _valid_keys(connection, arrivals)
        _note_seen(connection, valid, now)
        outcomes = [
            _store(connection, arrival, now)
            if arrival.sender.key_id in valid
            else Outcome(0, is_revoked=True)
            for arrival in arrivals
        ]
        serials = _serials(connection, arrivals)
    return [
        replace(outcome, desired=serials.get(arrival.sender.screen_id))
        for outcome, arrival in zip(outcomes, arrivals, strict=True)
    ]


def _serials(connection: Connection, arrivals: Sequence[Arrival]) -> dict[int, int]:
    return serials_of(connection, {arrival.sender.screen_id for arrival in arrivals})


def _store(connection: Connection, arrival: Arrival, now: datetime) -> Outcome:
    fault = arrival.fault
    try:
        if not fault:
            try:
                return Outcome(_take_in(connection, arrival, arrival.envelope, now))
            except RecordError as error:
                fault = str(error)
        return Outcome(_set_aside(connection, arrival, fault, now), is_set_aside=True)
    except MissingRecordsError as error:
        with connection.begin_nested():
            _store_healths(connection, [arrival], now)
        return Outcome(error.expected - 1, is_missing=True)


def _take_in(connection: Connection, arrival: Arrival, envelope: Envelope, now: datetime) -> int:
    try:
        with connection.begin_nested():
            watermark = take_in(connection, envelope, arrival.sender.screen_id, now)
            _store_healths(connection, [arrival], now)
        return watermark
    except (MissingRecordsError, RecordError):
        raise
    except Exception as error:
        if is_environment(error):
            raise
        logger.exception("Failed on an envelope")
        raise RecordError(f"The hub failed on it ({type(error).__name__}: {error}).") from error


def _store_healths(connection: Connection, arrivals: Sequence[Arrival], now: datetime) -> None:
    healths = {
        arrival.sender.screen_id: arrival.envelope.health
        for arrival in arrivals
        if arrival.envelope.health is not None
    }
    store_healths(connection, healths, now)


def _set_aside(connection: Connection, arrival: Arrival, fault: str, now: datetime) -> int:
    """Keep an envelope with its fault, and move the watermark past it; return the watermark."""
    envelope = arrival.envelope
    watermark = _take_in(connection, arrival, envelope.model_copy(update={"records": ()}), now)
    origin = (Origin.kiosk == envelope.kiosk, Origin.epoch == envelope.epoch)
    origin_id = connection.scalars(select(Origin.id).where(*origin)).one()
    logger.warning("Set aside records %d to %d: %s", envelope.first, envelope.last, fault)
    connection.execute(
        insert(SetAside).values(
            origin_id=origin_id,
            at=now,
            first=envelope.first,
            last=envelope.last,
            reason=fault[:2000],
            envelope=arrival.packed,
        )
    )
    newest = select(SetAside.id).order_by(SetAside.id.desc())
    kept = newest.where(SetAside.origin_id == origin_id).limit(MAX_SET_ASIDE)
    too_many = (SetAside.origin_id == origin_id, SetAside.id.not_in(kept))
    connection.execute(delete(SetAside).where(*too_many))
    size = func.sum(func.length(SetAside.envelope)).over(order_by=SetAside.id.desc())
    sizes = select(SetAside.id, size.label("total")).subquery()
    too_large = select(sizes.c.id).where(sizes.c.total > MAX_SET_ASIDE_BYTES)
    connection.execute(delete(SetAside).where(SetAside.id.in_(too_large)))
    return watermark
