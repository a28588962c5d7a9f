"""Kiosks that exist only as the envelopes they send, for tests and measurements of a hub."""

from __future__ import annotations

import http.client
import json
import secrets
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
from sqlalchemy import insert

from db.engine import writing
from db.hub.digests import key_digest
from db.hub.screens.registry import Place, create_screen
from db.hub.tables.screens import KioskKey
from db.migrations import HEAD
from db.schema import Exposure, ExposureSecond, ReadingCount, Viewer
from db.transfer.envelope import Envelope, digest, pack
from db.transfer.records import columns
from tests.helpers.kiosk_health import make_health

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

PATH = "/hub/v1/envelopes"
AD_S = 10


class SimulatedKiosk:
    """Makes envelopes: a session, then plays of ten seconds before some viewers.

    Args:
        index: Which of several kiosks; what it measures depends on it.
        viewers: In front of each play.
        key: By which the hub knows it; a new one by default.

    Attributes:
        watermark: What the hub confirmed last.
        made: Number of the last record that was made.
    """

    def __init__(self, index: int, *, viewers: int = 3, key: str | None = None) -> None:
        self.index = index
        self.kiosk = uuid.uuid4().hex
        self.epoch = uuid.uuid4().hex
        self.key = key or secrets.token_urlsafe(32)
        self.watermark = self.made = 0
        self._random = np.random.default_rng(index)
        self._viewers = viewers
        self._began = datetime.now(UTC) - timedelta(hours=8)
        self._waiting: list[dict[str, Any]] = []
        self._plays = 0
        self._queue(self._session())

    def play(self, plays: int = 1) -> None:
        """Show ads, so that their sums wait to be sent."""
        for _ in range(plays):
            self._queue(self._play())

    def envelope(self, most: int = 1000, **changes: Any) -> Envelope:
        """Return what waits, at most so many records, in an envelope."""
        records = tuple(self._waiting[:most])
        last = records[-1]["number"] if records else self.watermark
        values: dict[str, Any] = {
            "kiosk": self.kiosk,
            "epoch": self.epoch,
            "base": 0,
            "first": self.watermark + 1,
            "last": last,
            "revision": HEAD,
            "records": records,
            "health": make_health().model_dump(mode="json"),
        }
        return Envelope(**values | changes)

    def confirm(self, watermark: int) -> None:
        """Forget what the hub has."""
        self.watermark = watermark
        self._waiting = [one for one in self._waiting if one["number"] > watermark]

    def headers(self, packed: bytes) -> dict[str, str]:
        """Return the headers of a request with an envelope."""
        return {
            "Authorization": f"Bearer {self.key}",
            "Content-Type": "application/json",
            "Content-Encoding": "zstd",
            "Content-Digest": digest(packed),
        }

    def join(self, engine: Engine, place: str | Place = "Entrance") -> int:
        """Join the hub with this database as a new screen; return the screen's row."""
        now = datetime.now(UTC)
        place = Place(place) if isinstance(place, str) else place
        with writing(engine) as connection:
            screen_id = create_screen(connection, place, now).id
            values = {"kiosk": self.kiosk, "screen_id": screen_id, "created_at": now}
            values |= {"key_sha256": key_digest(self.key), "created_by": "test"}
            connection.execute(insert(KioskKey).values(**values))
        return screen_id

    def _queue(self, record: dict[str, Any]) -> None:
        self.made += 1
        named = {"number": self.made, "epoch": self.epoch, "session": 1}
        self._waiting.append(named | record)

    def _session(self) -> dict[str, Any]:
        row = {
            "kind": "run",
            "session_kind": "live",
            "site": "Foyer",
            "source": "0",
            "started_at": self._began.isoformat(),
            "ended_at": None,
            "end_reason": None,
            "program_version": "0.1.0",
            "settings": {"policy": "sequential"},
            "frames": 600,
            "dropped": 0,
            "fps": 10.0,
            "lost": 0,
            "number": 1,
        }
        model = {"name": "emotions", "sha256": "cd" * 32, "card": {"labels": ["angry"]}}
        people = {"viewers": _table(Viewer, []), "counts": _table(ReadingCount, [], "viewer")}
        return {"kind": "session", "row": row, "model": model, **people}

    def _play(self) -> dict[str, Any]:
        self._plays += 1
        start = self._began + timedelta(seconds=AD_S * (self._plays - 1))
        end = start + timedelta(seconds=AD_S)
        first = self._viewers * (self._plays - 1) + 1
        numbers = range(first, first + self._viewers)
        of_second, of_play = columns(ExposureSecond), columns(Exposure)
        seconds, exposures = [], []
        for viewer in numbers:
            sums = self._random.random((AD_S, 10))
            names = [name for name in of_second if name.startswith("sum_")]
            for second, row in enumerate(sums):
                values = dict.fromkeys(names) | dict(zip(names, row.tolist(), strict=False))
                values |= {"second": second, "readings": 10, "attentive": 8, "emotion_readings": 9}
                seconds.append([viewer, *(values[name] for name in of_second)])
            total = dict(zip(names, sums.sum(axis=0).tolist(), strict=False))
            values = dict.fromkeys(of_play) | total
            values |= {"readings": 100, "emotion_readings": 90, "uncertain": 10, "dwell_s": 10.0}
            values |= {"attention_s": 8.0, "longest_attention_s": 8.0, "end_readings": 10}
            exposures.append([viewer, *((values | {"end_happy": 3.0})[name] for name in of_play)])
        ad = self._plays % 5
        return {
            "kind": "play",
            "row": {
                "number": self._plays,
                "started_at": start.isoformat(),
                "ended_at": end.isoformat(),
                "outcome": "finished",
                "shown_ms": 1000.0 * AD_S,
                "reason": "next in the list",
                "probability": 1.0,
                "error": None,
                "held_out": False,
                "context": None,
                "reward": None,
                "reward_viewer_s": None,
            },
            "ad": {
                "ad_id": f"ad-{ad}",
                "name": f"Ad {ad}",
                "file": f"ad-{ad}.mp4",
                "sha256": f"{ad:02x}" * 32,
                "kind": "video",
                "duration_ms": 1000 * AD_S,
                "brand_at_s": [],
            },
            "viewers": _table(
                Viewer, [[one, start.isoformat(), end.isoformat(), False] for one in numbers]
            ),
            "counts": _table(
                ReadingCount, [[one, True, "certain", 90] for one in numbers], "viewer"
            ),
            "exposures": _table(Exposure, exposures, "viewer"),
            "seconds": _table(ExposureSecond, seconds, "viewer"),
        }


class Line:
    """A connection to a hub that is kept open, for one kiosk.

    Args:
        url: Of the hub.
        timeout_s: Longest wait for a part of the answer.
        source: Address of this machine that the connection comes from.
    """

    def __init__(self, url: str, timeout_s: float = 30.0, *, source: str = "") -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(
            str(parts.hostname), parts.port, timeout=timeout_s, source_address=(source, 0)
        )

    def send(self, kiosk: SimulatedKiosk, packed: bytes) -> tuple[int, dict[str, Any]]:
        """Send an envelope; return the status and the answer's document.

        Raises:
            OSError, HTTPException: The hub is away, or ended in the middle.
        """
        try:
            self._connection.request("POST", PATH, packed, kiosk.headers(packed))
            answer = self._connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            self._connection.close()
            raise

    def deliver(self, kiosk: SimulatedKiosk, most: int = 1000) -> int:
        """Send what waits, and forget what the hub confirms; return the status."""
        status, document = self.send(kiosk, pack(kiosk.envelope(most)))
        if status in {200, 409}:
            kiosk.confirm(document["watermark"])
        return status

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _table(table: Any, rows: list[list[Any]], *first: str) -> dict[str, Any]:
    return {"columns": [*first, *columns(table)], "rows": rows}
