"""Positions on the clock: of an ad on its way over the screen, and of the play that is shown."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ads.player.decoder import FrameBuffer, FrameDecoder, HangingMediaError
from ads.show.playback import Outcome, Play, PlaybackListener, PlaybackLog, PlayEnd
from detector.texts import lazy

if TYPE_CHECKING:
    from ads.errors import MediaError
    from ads.media.types import MediaFrame
    from ads.player.sound import PlaySound
    from ads.playlists.playlist import Ad
    from ads.policies.base import Choice

logger = logging.getLogger(__name__)

PATIENCE_NS = 3_000_000_000
"""How long an ad may take to give a picture; longer means that it hangs, or that it is slow."""

SLOW_PATIENCE_NS = 60_000_000_000
"""`PATIENCE_NS` for the first picture of an ad whose thread keeps decoding."""


@dataclass(frozen=True, slots=True)
class Course:
    """How a position follows from the clock."""

    since_ns: int
    position_ns: int
    running: bool

    def position_at(self, now_ns: int) -> int:
        return self.position_ns + (now_ns - self.since_ns if self.running else 0)

    def turned(self, now_ns: int, *, running: bool) -> Course:
        """Return the course that runs, or stands still, from now on."""
        return Course(now_ns, self.position_at(now_ns), running)


@dataclass(slots=True, eq=False)
class Showing:
    """An ad on its way over the screen, without a course until it moves."""

    choice: Choice
    buffer: FrameBuffer
    waiting_ns: int
    course: Course | None = None
    frame: MediaFrame | None = None
    fade_ns: int = 0
    is_cued: bool = False
    # Whether it was late although its thread made progress; that progress, and when it last rose.
    is_slow: bool = False
    _progress: tuple[int, int] = (-1, -1)
    _progress_ns: int = 0

    @property
    def ad(self) -> Ad:
        return self.choice.ad

    @property
    def is_moving(self) -> bool:
        """Whether it has begun; the next ad does so in a cross-fade."""
        return self.course is not None

    def position_at(self, now_ns: int) -> int:
        return 0 if self.course is None else self.course.position_at(now_ns)

    def left_ns(self, now_ns: int) -> int:
        """Return the time until the ad reaches its end."""
        return self.ad.duration_ns - self.position_at(now_ns)

    def set_running(self, now_ns: int, *, running: bool) -> None:
        """Run or stand still from now on; no-op before the ad moves."""
        if self.course is not None:
            self.course = self.course.turned(now_ns, running=running)

    def take_due(self, now_ns: int) -> bool:
        """Take the newest frame that is due; return whether there is a new one."""
        frame = self.buffer.take_due(self.position_at(now_ns))
        if frame is not None:
            self.frame = frame
        if frame is not None or not self.buffer.is_starved:
            self.waiting_ns = now_ns
        return frame is not None

    def opacity_at(self, now_ns: int) -> float:
        """Return how far it is faded in, 0 to 1."""
        return min(1.0, self.position_at(now_ns) / self.fade_ns) if self.fade_ns else 1.0

    def error_at(self, now_ns: int, patience_ns: int) -> MediaError | None:
        """Return why no picture came within a time, or comes at all; None while one may come.

        A thread that decodes, or waits for a processor, is slow; one that waits for the file hangs.
        """
        waits_ns = now_ns - self.waiting_ns
        if self.buffer.error is not None or not self.buffer.is_starved:
            return self.buffer.error
        progress = self.buffer.progress()
        if progress != self._progress:
            self._progress, self._progress_ns = progress, now_ns
        if waits_ns < patience_ns:
            return None
        is_moving = now_ns - self._progress_ns < patience_ns or self.buffer.is_waiting_for_processor
        if is_moving and (self.frame is not None or waits_ns < SLOW_PATIENCE_NS):
            self.is_slow = True
            return None
        patience_ns = SLOW_PATIENCE_NS if is_moving else patience_ns
        what = lazy("picture") if self.course is None else lazy("further picture")
        return HangingMediaError(
            lazy(
                "%(path)s gave no %(what)s within %(seconds)s s; check the disk, make "
                "the file smaller or replace it.",
                path=self.ad.path,
                what=what,
                seconds=f"{patience_ns / 1000000000.0:.0f}",
            )
        )


class Timeline:
    """The play on the screen, None between plays: its position, pauses and jumps."""

    def __init__(
        self, log: PlaybackLog, listener: PlaybackListener, decoder: FrameDecoder, sound: PlaySound
    ) -> None:
        self.play: Play | None = None
        self.showing: Showing | None = None
        self.is_paused = False
        self._log = log
        self._listener = listener
        self._decoder = decoder
        self._sound = sound
        self._plays = 0
        self._shown = Course(0, 0, running=False)
        self._seek_buffer: FrameBuffer | None = None
        self._dropped_before = 0

    @property
    def dropped_frames(self) -> int:
        """Pictures that were never handed out because a newer one was due as well."""
        showing = self.showing
        return self._dropped_before + (0 if showing is None else showing.buffer.dropped)

    def begin(self, now_ns: int, showing: Showing) -> None:
        """Put an ad on the screen."""
        if showing.course is None:
            showing.course = Course(now_ns, 0, running=not self.is_paused)
        showing.waiting_ns = now_ns
        position_ns = showing.position_at(now_ns)
        self.showing = showing
        self.play = play = self._next_play(now_ns, showing.choice)
        self._shown = Course(now_ns, 0, running=not self.is_paused)
        # Before the log: a play found in the log must already be known to the listener.
        self._listener.play_started(play)
        self._log.start(play.number, now_ns, position_ns)
        if self.is_paused:
            self._log.pause(now_ns)
        self._log_frame(now_ns, showing)
        self._sound.play(showing.ad, position_ns, is_paused=self.is_paused)

    def end(self, now_ns: int, outcome: Outcome, error: MediaError | None) -> None:
        """End the play on the screen, if there is one."""
        play, showing = self.play, self.showing
        if play is None or showing is None:
            return
        shown_ms = self._shown.position_at(now_ns) / 1e6
        self._dropped_before += showing.buffer.dropped
        self.play = self.showing = None
        self._drop_seek()
        self._log.end(now_ns)
        sentence = None if error is None else str(error)
        self._listener.play_ended(PlayEnd(play.number, now_ns, outcome, shown_ms, sentence))

    def record_unplayed(self, now_ns: int, choice: Choice, error: MediaError) -> None:
        """Record a play that could not begin, with no length, so nothing is credited to it."""
        play = self._next_play(now_ns, choice)
        self._listener.play_started(play)
        self._log.start(play.number, now_ns)
        self._log.end(now_ns)
        self._listener.play_ended(PlayEnd(play.number, now_ns, "failed", 0.0, str(error)))

    def set_running(self, now_ns: int, *, running: bool) -> None:
        """Pause or resume position, log and sound of the play on the screen."""
        if self.showing is None:
            return
        self.showing.set_running(now_ns, running=running)
        self._shown = self._shown.turned(now_ns, running=running)
        if running:
            self._log.resume(now_ns)
            self._sound.resume()
        else:
            self._log.pause(now_ns)
            self._sound.pause()

    def take_due(self, now_ns: int) -> bool:
        """Take the newest picture that is due and log it; return whether there is a new one."""
        if self.showing is None or not self.showing.take_due(now_ns):
            return False
        self._log_frame(now_ns, self.showing)
        return True

    def seek(self, position_ns: int) -> None:
        """Begin to decode another place of the ad on the screen; see `finish_seek`."""
        if self.showing is not None:
            self._drop_seek()
            # Not its very end, where no picture is left.
            latest_ns = max(0, self.showing.ad.duration_ns - 1_000_000)
            start_ns = min(max(0, position_ns), latest_ns)
            self._seek_buffer = self._decoder.load(self.showing.ad, start_ns)

    def is_seek_ready(self) -> bool:
        """Return whether the place of the last `seek` is decoded; drop it if it cannot be."""
        buffer = self._seek_buffer
        if buffer is not None and buffer.error is not None:
            ad_id, at_s = buffer.ad.ad_id, buffer.start_ns / 1e9
            logger.warning("Ad %s cannot be shown from %.1f s on: %s", ad_id, at_s, buffer.error)
            self._drop_seek()
        return self._seek_buffer is not None and self._seek_buffer.is_ready

    def finish_seek(self, now_ns: int) -> None:
        """Continue at the place that `is_seek_ready` found decoded."""
        showing, buffer = self.showing, self._seek_buffer
        if showing is None or buffer is None:
            return
        self._seek_buffer = None
        self._dropped_before += showing.buffer.dropped
        showing.buffer.close()
        showing.buffer, showing.frame, showing.fade_ns, showing.waiting_ns = buffer, None, 0, now_ns
        showing.course = Course(now_ns, buffer.start_ns, running=not self.is_paused)
        self._sound.play(showing.ad, buffer.start_ns, is_paused=self.is_paused)

    def _next_play(self, now_ns: int, choice: Choice) -> Play:
        self._plays += 1
        return Play.of(self._plays, choice, now_ns)

    def _log_frame(self, now_ns: int, showing: Showing) -> None:
        if showing.frame is None:
            return
        frame = showing.frame
        # The last picture stands until the end of the ad; no position lies beyond that.
        until_ns = max(min(frame.until_ns, showing.ad.duration_ns), frame.position_ns + 1)
        self._log.show(now_ns, showing.position_at(now_ns), frame.position_ns, until_ns)

    def _drop_seek(self) -> None:
        if self._seek_buffer is not None:
            self._seek_buffer.close()
            self._seek_buffer = None
