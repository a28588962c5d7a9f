"""Writes readings with the play on screen at their capture, while people may be measured."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ads.playlists.playlist import parse_hours, within_hours
from db.write import records
from monitor.languages import lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

    from ads.playlists.playlist import Ad
    from ads.show.playback import Play, PlaybackLog, PlayEnd
    from db.write.session_writer import SessionWriter
    from detector.types import AnalysedFrame, FaceReading, ShadowCounts
    from monitor.session.clock import ClockWatch, SessionClock

MAX_SLOTS = 256
"""Viewers remembered before those who left are forgotten: more than stand before any screen."""


class Recorder:
    """Writes plays, readings and gaps of one session; thread-safe, and a `PlaybackListener`.

    Args:
        readings_per_second: Of each viewer, above 0. Defaults to 10: expressions change no faster,
            and a month of them fits a small disk.
        may_measure: Whether people may be measured at a moment of the monotonic clock.
    """

    def __init__(
        self,
        writer: SessionWriter,
        log: PlaybackLog,
        clock: SessionClock,
        readings_per_second: float = 10.0,
        may_measure: Callable[[int], bool] = lambda _at_ns: True,
    ) -> None:
        if readings_per_second <= 0:
            limits = f"expected above 0, received {readings_per_second}"
            raise ValueError(f"Invalid readings_per_second: {limits}.")
        self._writer = writer
        self._log = log
        self._clock = clock
        self._rate = readings_per_second
        self._may_measure = may_measure
        self._lock = threading.Lock()
        self._known_ads: dict[str, records.AdRecord] = {}
        self._newest_slot: dict[int, int] = {}
        self._flagged: set[int] = set()
        self._newest_ns: int | None = None
        self._gap: str | None = None
        self.frames = 0

    def play_started(self, play: Play) -> None:
        """Record the start of a play, and its ad if that is new or has changed."""
        with self._lock:
            ad = ad_record(play.ad)
            # One that found no room is sent again: without it no play of the ad could be written.
            if self._known_ads.get(ad.ad_id) != ad and self._writer.submit(ad):
                self._known_ads[ad.ad_id] = ad
            started_at = self._clock.at(play.started_ns)
            choice = play.reason, play.probability, play.held_out, play.context
            self._writer.submit(
                records.PlayStarted(play.number, play.ad.ad_id, started_at, *choice)
            )

    def play_ended(self, end: PlayEnd) -> None:
        """Record the end of a play."""
        with self._lock:
            ended_at = self._clock.at(end.ended_ns)
            self._writer.submit(
                records.PlayEnded(end.number, ended_at, end.outcome, end.shown_ms, end.error)
            )

    def may_measure(self, at_ns: int) -> bool:
        """Return whether people may be measured at a moment of the monotonic clock."""
        return self._may_measure(at_ns)

    def utc(self, at_ns: int) -> datetime:
        """Return the UTC time of a moment of the monotonic clock."""
        with self._lock:
            return self._clock.at(at_ns)

    def follow_clock(self, watch: ClockWatch) -> timedelta | None:
        """Shift the session, with all it has recorded, if the wall clock was set; return the step.

        Nothing is shifted while the queue has no room for the record of it.
        """
        with self._lock:
            step = watch.poll()
            if step is None or not self._writer.submit(records.ClockSet(step.total_seconds())):
                return None
            self._clock.move(step)
            return step

    def record(self, frame: AnalysedFrame) -> bool:
        """Record the readings of a frame, and end an open gap; return whether it was measured.

        Outside the hours of measuring only a gap is recorded, and the caller must forget the frame.
        For a static face only the flag is recorded, once; its readings would waste disk space.
        """
        with self._lock:
            if not self._may_measure(frame.captured_ns):
                self._leave_hours(frame.captured_ns)
                return False
            self.frames += 1
            self._newest_ns = frame.captured_ns
            if self._gap is not None:
                self._writer.submit(records.GapEnded(self._clock.at(frame.captured_ns), self._gap))
                self._gap = None
            self._flag([one.viewer for one in frame.readings if one.static], frame.captured_ns)
            due = [one for one in frame.readings if not one.static and self._is_due(one)]
            if not due:
                return True
            position = self._log.at(frame.captured_ns)
            if position is not None and not position.running:
                # What people do while an ad is paused is no reaction to it.
                position = None
            on_screen = (position.play_number, position.position_ms) if position else (None, None)
            for reading in due:
                captured_at = self._clock.at(reading.captured_ns)
                self._writer.submit(records.ReadingRecord(captured_at, reading, *on_screen))
            self._forget(frame.captured_ns)
            return True

    def record_shadow(self, counts: ShadowCounts) -> None:
        """Record the counts of a shadow run that began and ended in the hours of measuring."""
        with self._lock:
            if self._may_measure(counts.since_ns) and self._may_measure(counts.until_ns):
                at = self._clock.at(counts.until_ns)
                self._writer.submit(
                    records.ShadowRecord(at, counts.model, counts.sha256, counts.cells)
                )

    def gap(self, cause: str, detail: str, noticed_ns: int, since_ns: int | None = None) -> None:
        """Begin a gap, which lasts until the next frame and keeps its first cause.

        It began at `since_ns`, else at the last frame before, else when it was noticed.
        """
        with self._lock:
            if self._gap is None:
                moments = (since_ns, self._newest_ns, noticed_ns)
                self._begin_gap(cause, detail, next(one for one in moments if one is not None))

    def _begin_gap(self, cause: str, detail: str, started_ns: int) -> None:
        self._gap = cause
        self._writer.submit(records.GapStarted(self._clock.at(started_ns), cause, detail))

    def _leave_hours(self, captured_ns: int) -> None:
        if self._gap == "hours":
            return
        if self._gap is not None:
            self._writer.submit(records.GapEnded(self._clock.at(captured_ns), self._gap))
        self._begin_gap("hours", lazy("outside the hours of measuring"), captured_ns)

    def _flag(self, static: list[int], captured_ns: int) -> None:
        for viewer in static:
            if viewer not in self._flagged and self._writer.submit(
                records.ViewerFlagged(self._clock.at(captured_ns), viewer)
            ):
                self._flagged.add(viewer)
        if len(self._flagged) > MAX_SLOTS:
            # Flagging one that comes back again changes nothing.
            self._flagged.intersection_update(static)

    def _forget(self, now_ns: int) -> None:
        """Keep only the slots of the last minute's viewers: a kiosk runs for weeks."""
        if len(self._newest_slot) > MAX_SLOTS:
            oldest = self._slot(now_ns - 60_000_000_000)
            newest = self._newest_slot.items()
            self._newest_slot = {viewer: slot for viewer, slot in newest if slot >= oldest}

    def _slot(self, captured_ns: int) -> int:
        return int(captured_ns * self._rate // 1_000_000_000)

    def _is_due(self, reading: FaceReading) -> bool:
        # By fixed slots of the clock, so that the same frames always give the same rows.
        slot = self._slot(reading.captured_ns)
        if self._newest_slot.get(reading.viewer) == slot:
            return False
        self._newest_slot[reading.viewer] = slot
        return True


def ad_record(ad: Ad) -> records.AdRecord:
    """Return an ad of the playlist as the database keeps it."""
    return records.AdRecord(
        ad_id=ad.ad_id,
        name=ad.name,
        file=ad.path.name,
        sha256=ad.sha256,
        kind=ad.kind,
        duration_ms=max(1, round(ad.duration_s * 1000)),
        brand_at_s=tuple(ad.brand_at_s),
    )


class MeasuringHours:
    """The hours in which people are measured, so that staff who open, clean or close are left out.

    Each is like "08:00-20:00", also over midnight (else `ValueError`); none for the whole day.
    """

    def __init__(self, texts: Sequence[str] = ()) -> None:
        self._stretches = parse_hours(list(texts))

    def hold(self, local: datetime) -> bool:
        """Return whether people are measured at a moment of the venue's local time."""
        return not self._stretches or within_hours(self._stretches, local)
