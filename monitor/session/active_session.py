"""A session while it is recorded, by the kiosk or by a replay."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ads.policies import ADAPTIVE_NAMES, make_policy
from ads.show.playback import PlaybackLog
from db.upkeep.retention import REPLAYED_AT
from db.write.records import ModelRecord, SessionEnded, SessionRecord
from db.write.recovery import Opened, open_to_record
from db.write.session_writer import SessionWriter
from detector.emotion.labels import EMOTIONS, labels_of, what_it_tells
from detector.emotion.model_card import read_card, require_expressions
from detector.emotion.model_store import find_model
from detector.emotion.prevalence import calibration_of
from detector.emotion.shadow import require_comparable
from monitor.languages import nlazy
from monitor.session.feedback import Feedback, remembering_policy
from monitor.session.recorder import MeasuringHours, Recorder
from monitor.settings.models import RecordingSettings, RunSettings
from monitor.settings.paths import spool_folder
from monitor.settings.time_zone import local_zone
from monitor.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ads.playlists.playlist import Playlist
    from db.write.records import SessionKind
    from monitor.session.clock import ClockWatch, SessionClock

logger = logging.getLogger(__name__)


def ready_database(settings: RecordingSettings) -> Opened:
    """Open and migrate the database, and recover from a crash; a kiosk also starts without it."""
    if isinstance(settings, RunSettings):
        return open_to_record(settings.database, spool_folder(settings.database, settings.spool))
    return open_to_record(settings.database, spool=False)


class ActiveSession:
    """A session that has begun; the database, from `ready_database`, stays the caller's.

    `local_time` gives the venue's local time of a moment of the monotonic clock.

    Raises:
        ModelLoadError: The model cannot be read.
    """

    def __init__(
        self,
        database: Opened,
        settings: RecordingSettings,
        *,
        source: str,
        kind: SessionKind,
        model: Path | None,
        clock: SessionClock,
        playlist: Playlist,
        local_time: Callable[[int], datetime],
    ) -> None:
        is_run = isinstance(settings, RunSettings)
        days = settings.retention_days if isinstance(settings, RunSettings) else 0
        skipped = [
            {"ad_id": ad.ad_id, "file": ad.path.name, "reason": ad.reason}
            for ad in playlist.skipped[:100]
        ]
        notes: dict[str, object] = {"skipped_ads": skipped}
        notes["timezone"] = settings.timezone or playlist.timezone or local_zone().key
        if database.quarantined is not None:
            notes["damaged_database"] = database.quarantined.name
        if not is_run:
            notes[REPLAYED_AT] = datetime.now(UTC).isoformat(timespec="seconds")
        record = None if model is None else _model_record(model)
        self.kind = kind
        self.model_name = None if record is None else record.name
        self.clock = clock
        self.log = PlaybackLog()
        self.writer = SessionWriter(
            database.engine,
            SessionRecord(
                kind="run" if is_run else "replay",
                session_kind=kind,
                site=settings.site,
                source=source,
                started_at=clock.utc,
                program_version=VERSION,
                settings=settings.logged() | notes,
                model=record,
            ),
            spool=database.place,
            recovery=database.recovery,
            keep=timedelta(days=days) if days else None,
        )
        hours = MeasuringHours(settings.measure_hours)
        rate = settings.readings_per_second
        self.recorder = Recorder(
            self.writer, self.log, clock, rate, lambda at_ns: hours.hold(local_time(at_ns))
        )
        policy = settings.policy, settings.guard_rails
        # A replay learns nothing from earlier sessions, so that two replays give the same rows.
        self.policy = (
            remembering_policy(
                *policy, database.engine, settings.site, clock.utc, demo=kind == "demo"
            )
            if is_run
            else make_policy(*policy)
        )
        card = None if record is None else record.card
        self.calibration = calibration_of(card)
        self.labels = labels_of(card)
        if settings.policy in ADAPTIVE_NAMES and self.labels != EMOTIONS:
            logger.warning(
                "The policy %s needs the seven emotions, but the model %s %s: it chooses as if "
                "there were no camera. Use a model of the seven (--model) or another policy.",
                settings.policy,
                self.model_name,
                what_it_tells(self.labels),
            )
        self.feedback = Feedback(
            self.policy,
            self.log,
            self.writer,
            self.recorder,
            calibration=self.calibration,
            labels=self.labels,
        )

    @property
    def database_problem(self) -> str | None:
        """What is wrong with the recording, in one sentence; `None` while all is well."""
        parts = (
            [nlazy("%(num)s record is lost.", "%(num)s records are lost.", self.writer.lost)]
            if self.writer.lost
            else []
        )
        if self.writer.error is not None:
            waiting, why = self.writer.waiting, self.writer.error
            parts.append(
                nlazy(
                    "%(num)s record waits: %(why)s",
                    "%(num)s records wait: %(why)s",
                    waiting,
                    why=why,
                )
            )
        return " ".join(parts) or None

    def follow_clock(self, watch: ClockWatch) -> timedelta | None:
        """Move the session if the wall clock was set, and log it; return how far it moved."""
        step = self.recorder.follow_clock(watch)
        if step is not None:
            moved = round(abs(step).total_seconds())
            logger.warning(
                "The clock of this machine was set %s by %d s (%.1f days). All times of session %d "
                "move with it; it began at %s UTC.",
                "ahead" if step > timedelta(0) else "back",
                moved,
                moved / 86_400,
                self.writer.session_id,
                f"{self.clock.utc:%Y-%m-%d %H:%M:%S}",
            )
        return step

    def close(self, ended_ns: int, reason: str, *, dropped: int = 0) -> None:
        """Rate the last plays and write all that waits; `DatabaseError` if that is not possible."""
        self.feedback.close()
        elapsed_s = (ended_ns - self.clock.ns) / 1e9
        frames = self.recorder.frames
        fps = frames / elapsed_s if elapsed_s > 0 else None
        self.writer.close(SessionEnded(self.clock.at(ended_ns), reason, frames, dropped, fps))


def require_models(settings: RecordingSettings, model: Path) -> None:
    """Raise `ModelLoadError` unless a camera may use the model, and the shadow model if any."""
    card = read_card(model)
    require_expressions(card)
    if settings.shadow_model is not None:
        require_comparable(card, read_card(find_model(settings.shadow_model)))


def _model_record(model: Path) -> ModelRecord:
    card = read_card(model)
    return ModelRecord(card.name, card.sha256, card.model_dump(mode="json"))
