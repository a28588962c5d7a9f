"""Records of a short session, for tests to write."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update

from db.engine import writing
from db.schema import Exposure, ExposureSecond, Play
from db.write.records import (
    AdRecord,
    GapEnded,
    GapStarted,
    ModelRecord,
    PlayEnded,
    PlayStarted,
    ReadingRecord,
    SessionEnded,
    SessionRecord,
)
from db.write.session_writer import SessionWriter
from detector.types import Box, FaceReading, HeadPose

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

START = datetime(2026, 3, 1, 9, 30, 0, 123456, tzinfo=UTC)
SHA = "ab" * 32
PROBABILITIES = (0.05, 0.05, 0.05, 0.6, 0.05, 0.1, 0.1)


def undo_roll_ups(engine: Engine, session_id: int) -> None:
    """Leave the plays of a session as they are before they are rolled up."""
    plays = select(Play.id).where(Play.session_id == session_id)
    with writing(engine) as connection:
        for table in (Exposure, ExposureSecond):
            connection.execute(delete(table).where(table.play_id.in_(plays)))
        connection.execute(
            update(Play).where(Play.session_id == session_id).values(rolled_up=False)
        )


def reading_record(**flat: Any) -> ReadingRecord:
    """Build a reading from one flat set of values: those of the record, of the face, and angles."""
    pose = HeadPose(*(flat.pop(name) for name in HeadPose._fields))
    box = flat.pop("box")
    record = {name: flat.pop(name) for name in ("at", "play_number", "position_ms")}
    viewer = flat.pop("viewer_number")
    face = FaceReading(
        viewer=viewer,
        captured_ns=0,
        box=Box(*box) if len(box) == 4 else box,
        pose=pose,
        **flat,
    )
    return ReadingRecord(face=face, **record)


class Make:
    """Builders with defaults; times are given in seconds after `START`."""

    start = START
    sha = SHA

    @staticmethod
    def at(seconds: float) -> datetime:
        return START + timedelta(seconds=seconds)

    def session(self, **changes: Any) -> SessionRecord:
        values: dict[str, Any] = {
            "kind": "run",
            "site": "Foyer",
            "source": "0",
            "started_at": START,
            "program_version": "0.1.0",
            "settings": {"policy": "sequential", "site": "Foyer"},
            "model": ModelRecord("emotions", "cd" * 32, {"labels": ["angry"], "threshold": 0.5}),
        }
        return SessionRecord(**(values | changes))

    def ad(self, ad_id: str = "summer", **changes: Any) -> AdRecord:
        values: dict[str, Any] = {
            "name": ad_id.title(),
            "file": f"{ad_id}.mp4",
            "sha256": SHA,
            "kind": "video",
            "duration_ms": 8000,
            "brand_at_s": (5.5,),
        }
        return AdRecord(ad_id, **(values | changes))

    def play(self, number: int = 1, seconds: float = 0.0, ad_id: str = "summer") -> PlayStarted:
        return PlayStarted(number, ad_id, self.at(seconds), "next in the list", 1.0)

    def play_end(
        self, number: int = 1, seconds: float = 8.0, outcome: str = "finished"
    ) -> PlayEnded:
        return PlayEnded(
            number,
            self.at(seconds),
            outcome,
            8000.0,
            "broken file" if outcome == "failed" else None,
        )

    def reading(
        self, seconds: float = 1.0, viewer: int = 1, play: int | None = 1, **changes: Any
    ) -> ReadingRecord:
        values: dict[str, Any] = {
            "at": self.at(seconds),
            "viewer_number": viewer,
            "play_number": play,
            "position_ms": None if play is None else seconds * 1000,
            "probabilities": PROBABILITIES,
            "valence": 0.55,
            "expressiveness": 0.9,
            "uncertain": False,
            "yaw": -3.5,
            "pitch": 2.0,
            "roll": None,
            "attentive": True,
            "quality": 0.97,
            "box": (-0.01, 0.2, 0.1, 0.15),
        }
        return reading_record(**(values | changes))

    def unread(
        self, seconds: float = 1.0, viewer: int = 1, play: int | None = 1, **changes: Any
    ) -> ReadingRecord:
        """A reading whose emotion is withheld."""
        none: dict[str, Any] = {
            "probabilities": None,
            "valence": None,
            "expressiveness": None,
            "uncertain": True,
        }
        return self.reading(seconds, viewer, play, **(none | {"withheld": "too small"} | changes))

    def stream(self) -> list[Any]:
        """A session of 20 s: two ads, three plays, two viewers, a reading between ads, a gap."""
        records: list[Any] = [self.ad("summer"), self.ad("winter", kind="image", brand_at_s=())]
        for number, ad_id in ((1, "summer"), (2, "winter"), (3, "summer")):
            start = (number - 1) * 6.0
            records.append(self.play(number, start, ad_id))
            records += [
                self.reading(start + step / 4, viewer, number, position_ms=step * 250.0)
                for step in range(20)
                for viewer in ((1, 2) if step % 2 else (1,))
            ]
            records.append(
                self.play_end(number, start + 5.0, "failed" if number == 2 else "finished")
            )
            records.append(self.reading(start + 5.5, 1, None))
        records += [
            GapStarted(self.at(18), "camera lost", "unplugged"),
            GapEnded(self.at(19.5), "camera lost"),
        ]
        return records

    def end(self, seconds: float = 20.0) -> SessionEnded:
        return SessionEnded(self.at(seconds), "finished", frames=600, dropped=3, fps=29.97)

    def write_rolled(self, engine: Engine, records: list[Any] | None = None, **changes: Any) -> int:
        """Write a whole session, and return its id; its plays are rolled up."""
        with SessionWriter(engine, self.session(**changes)) as writer:
            for record in self.stream() if records is None else records:
                assert writer.submit(record)
            writer.close(self.end())
        assert writer.lost == 0
        assert writer.error is None
        return writer.session_id

    def write(self, engine: Engine, records: list[Any] | None = None, **changes: Any) -> int:
        """Write a whole session, and return its id; its plays are not rolled up yet."""
        session_id = self.write_rolled(engine, records, **changes)
        undo_roll_ups(engine, session_id)
        return session_id


def moved_by(record: Any, step: timedelta) -> Any:
    """Return a record with all its times moved."""
    times = {
        field.name: getattr(record, field.name) + step
        for field in fields(record)
        if isinstance(getattr(record, field.name), datetime)
    }
    return replace(record, **times)
