"""Databases of several kiosks, and what travels from them to a hub, without a network."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import insert

from ads.policies.audience import REWARD
from db.engine import writing
from db.migrations import HEAD
from db.schema import Uplink
from db.transfer import queue
from db.transfer.envelope import Envelope, digest, pack, unpack
from db.transfer.intake import take_in
from db.transfer.origins import own_row
from db.transfer.records import make_records
from db.write.records import (
    AdRecord,
    GapEnded,
    GapStarted,
    ModelRecord,
    PlayEnded,
    PlayRewarded,
    PlayStarted,
    SessionEnded,
    SessionRecord,
    ViewerFlagged,
)
from db.write.session_writer import SessionWriter
from detector.emotion.model_card import read_card
from detector.emotion.model_store import shipped_default
from tests.helpers.making import reading_record

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

LENGTHS = {"tea": 6.0, "shoes": 4.0, "cars": 8.0}
BEGAN = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
POSTER = 1


def record_day(
    engine: Engine, seed: int, *, site: str = "Foyer", zone: str = "Europe/Berlin", plays: int = 60
) -> int:
    """Record a session with an adaptive policy, viewers, a poster and a gap; return its id.

    A play begins every eight minutes.
    """
    card = read_card(shipped_default())
    settings = {"policy": "learn", "headless": False, "timezone": zone, "fullscreen": True}
    session = SessionRecord(
        *("run", site, "0", BEGAN, "0.1.0"),
        settings=settings,
        model=ModelRecord(card.name, card.sha256, card.model_dump(mode="json")),
    )
    rng = np.random.default_rng(seed)
    with SessionWriter(engine, session, full_wait_s=60.0) as writer:
        for number, (ad, length) in enumerate(LENGTHS.items()):
            writer.submit(
                AdRecord(
                    ad, ad.title(), f"{ad}.mp4", f"{number:064x}", "video", round(length * 1e3)
                )
            )
        for record in _records(rng, plays):
            writer.submit(record)
        end = _at(480.0 * plays)
        writer.close(SessionEnded(end, "finished", 900, 100, 10.0), timeout=60.0)
    assert writer.lost == 0
    return writer.session_id


def _records(rng: np.random.Generator, plays: int) -> Any:
    viewer = POSTER
    for number in range(1, plays + 1):
        start = 480.0 * (number - 1)
        ad, length = list(LENGTHS.items())[int(rng.integers(len(LENGTHS)))]
        held_out = bool(rng.random() < 0.5)
        context = {"reward": REWARD, "holdout": 0.5, "candidates": dict.fromkeys(LENGTHS, 1 / 3)}
        yield PlayStarted(number, ad, _at(start), "learned", 1 / 3, held_out, context)
        if number == 2:
            yield GapStarted(_at(start), "camera_lost")
            yield GapEnded(_at(start + 3.0), "camera_lost")
        newcomers = [] if number % 4 == 0 else range(int(rng.integers(1, 4)))
        faces = [POSTER] if number == 1 else []
        for _ in newcomers:
            viewer += 1
            faces.append(viewer)
        for face in faces:
            yield from _looks(rng, face, number, start, length)
        yield PlayEnded(number, _at(start + length), "finished", 1000 * length)
        if faces:
            yield PlayRewarded(number, float(rng.uniform(-0.5, 0.9)), 5.0)
        if number == 1:
            yield ViewerFlagged(_at(start + length), POSTER)


def _looks(rng: np.random.Generator, viewer: int, play: int, start: float, length: float) -> Any:
    taste = rng.dirichlet(np.full(7, 0.7))
    for step in range(int(rng.integers(6, 30))):
        position = 0.1 * step
        if position >= length:
            return
        p = tuple((0.6 * taste + 0.4 * rng.dirichlet(np.full(7, 0.5))).tolist())
        yield reading_record(
            at=_at(start + position),
            viewer_number=viewer,
            play_number=play,
            position_ms=1000 * position,
            probabilities=p,
            valence=p[3] - max(p[0], p[1], p[2], p[4]),
            expressiveness=1 - p[6],
            uncertain=False,
            yaw=None,
            pitch=None,
            roll=None,
            attentive=bool(rng.random() < 0.7),
            quality=1.0,
            box=(0.0, 0.0, 0.1, 0.1),
        )


def _at(seconds: float) -> datetime:
    return BEGAN + timedelta(microseconds=round(seconds * 1e6))


def join(kiosk: Engine, upload: str = "sums", min_viewers: int = 5) -> None:
    """Let a kiosk's database queue all that it has for a hub."""
    words = {"hub": "https://hub", "screen": "ab" * 16}
    how = {"upload": upload, "min_viewers": min_viewers}
    with writing(kiosk) as connection:
        connection.execute(insert(Uplink).values(id=1, joined_at=BEGAN, **words, **how))
        queue.queue_everything(connection, BEGAN - timedelta(days=1))
        queue.queue_cells(connection, BEGAN + timedelta(days=1))


def send(kiosk: Engine, hub: Engine, screen_id: int) -> None:
    """Send all that is queued, in an envelope that is packed and unpacked on the way."""
    with writing(kiosk) as connection:
        own = own_row(connection)
        waiting = queue.waiting(connection, own.watermark, 100_000)
        uplink = connection.execute(Uplink.__table__.select()).one()
        records = make_records(connection, waiting, uplink.upload, uplink.min_viewers)
    envelope = Envelope(
        kiosk=own.kiosk,
        epoch=own.epoch,
        base=own.base,
        first=own.watermark + 1,
        last=waiting[-1][0],
        revision=HEAD,
        records=tuple(records),
    )
    packed = pack(envelope)
    with writing(hub) as connection:
        take_in(connection, unpack(packed, digest(packed)), screen_id, datetime.now(UTC))
