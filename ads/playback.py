"""What was on the screen, and at which position, at any instant: the record that joins faces to ads.

The player writes the log, the analysis reads it with the *capture* time of a frame. Listeners are told the same
instants, so what ends up in a database and what the log answers never differ.
"""

from __future__ import annotations

import bisect
import threading
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Literal, Protocol

from ads.errors import AdsError

if TYPE_CHECKING:
    from ads.playlist import Ad

KEPT_NS = 600 * 1_000_000_000
"""How long an ended play can still be looked up: far longer than any frame waits for its analysis."""

Outcome = Literal["finished", "skipped", "failed", "stopped"]
"""How a play can end."""


@dataclass(frozen=True, slots=True)
class Play:
    """One showing of one ad, from the moment it began.

    Attributes:
        number: Counts the plays of a show from 1.
        ad: What is shown.
        started_ns: When its first picture was handed out, monotonic clock.
        reason: Why the policy chose it, in words.
        probability: The probability with which the policy chose it, above 0 and at most 1.
    """

    number: int
    ad: Ad
    started_ns: int
    reason: str
    probability: float


@dataclass(frozen=True, slots=True)
class PlayEnd:
    """How a play ended.

    Attributes:
        number: The number of the play.
        ended_ns: The first instant at which it was no longer shown, monotonic clock.
        outcome: "finished", "skipped", "failed" or "stopped".
        shown_ms: How long it played, pauses not counted.
        error: What went wrong, for a failed play only.
    """

    number: int
    ended_ns: int
    outcome: Outcome
    shown_ms: float
    error: str | None = None


class PlaybackListener(Protocol):
    """Is told about every play, in order, by the thread that drives the show."""

    def play_started(self, play: Play) -> None:
        """A play began."""

    def play_ended(self, end: PlayEnd) -> None:
        """The play that began last ended."""


@dataclass(frozen=True, slots=True)
class PlaybackPosition:
    """What was shown at an instant.

    Attributes:
        play_number: The play on the screen.
        position_ms: The position in its ad, in milliseconds from 0.
        running: Whether it was playing; not while it was paused.
    """

    play_number: int
    position_ms: float
    running: bool = True


@dataclass(slots=True)
class _Segment:
    """From `at_ns` on, the position is `position_ns`, rising with the clock if `running`."""

    at_ns: int
    position_ns: int
    running: bool

    def position_at(self, t_ns: int) -> int:
        return self.position_ns + (t_ns - self.at_ns if self.running else 0)


@dataclass(slots=True)
class _LoggedPlay:
    number: int
    started_ns: int
    ended_ns: int | None = None
    segments: list[_Segment] = field(default_factory=list)


class PlaybackLog:
    """Which play was on the screen at an instant, and at which position of its ad.

    Any thread may call any method. A play covers the half-open interval from its start to its end, so an instant
    belongs to one play at most. Plays, and pauses within a play, that ended more than ten minutes before the newest
    entry are forgotten.

    Example:
        >>> log = PlaybackLog()
        >>> log.start(1, at_ns=0)
        >>> log.pause(at_ns=2_000_000)
        >>> log.at(5_000_000)
        PlaybackPosition(play_number=1, position_ms=2.0)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._plays: list[_LoggedPlay] = []
        self._newest_ns: int | None = None

    def start(self, play_number: int, at_ns: int) -> None:
        """Records that a play began.

        Args:
            play_number: Its number.
            at_ns: The first instant that belongs to it.

        Raises:
            AdsError: Another play is still open, or the instant lies before the newest entry.
        """
        with self._lock:
            if self._plays and self._plays[-1].ended_ns is None:
                raise AdsError(
                    f"Play {play_number} cannot start while play {self._plays[-1].number} is open; end that first."
                )
            self._note(at_ns)
            play = _LoggedPlay(play_number, at_ns)
            play.segments.append(_Segment(at_ns, 0, running=True))
            self._plays.append(play)
            self._trim(at_ns)

    def pause(self, at_ns: int) -> None:
        """Records that the open play stands still from this instant on; nothing changes if it already does.

        Raises:
            AdsError: No play is open, or the instant lies before the newest entry.
        """
        self._set_running(at_ns, running=False)

    def resume(self, at_ns: int) -> None:
        """Records that the open play goes on from this instant on; nothing changes if it already does.

        Raises:
            AdsError: No play is open, or the instant lies before the newest entry.
        """
        self._set_running(at_ns, running=True)

    def end(self, at_ns: int) -> None:
        """Records the end of the open play.

        Args:
            at_ns: The first instant that no longer belongs to it.

        Raises:
            AdsError: No play is open, or the instant lies before the newest entry.
        """
        with self._lock:
            play = self._open_play()
            self._note(at_ns)
            play.ended_ns = at_ns
            self._trim(at_ns)

    def at(self, t_ns: int) -> PlaybackPosition | None:
        """What was on the screen at an instant.

        Args:
            t_ns: The instant, on the clock of the entries. It may lie after the newest entry: an open play is taken to
                go on as it does now.

        Returns:
            The play and the position in its ad, or None if nothing was shown then or it is too long ago.
        """
        with self._lock:
            index = bisect.bisect_right(self._plays, t_ns, key=attrgetter("started_ns")) - 1
            if index < 0:
                return None
            play = self._plays[index]
            if play.ended_ns is not None and t_ns >= play.ended_ns:
                return None
            at = bisect.bisect_right(play.segments, t_ns, key=attrgetter("at_ns")) - 1
            if at < 0:
                return None
            segment = play.segments[at]
            return PlaybackPosition(play.number, segment.position_at(t_ns) / 1e6, segment.running)

    def _set_running(self, at_ns: int, *, running: bool) -> None:
        with self._lock:
            play = self._open_play()
            self._note(at_ns)
            last = play.segments[-1]
            if last.running != running:
                play.segments.append(_Segment(at_ns, last.position_at(at_ns), running))
                self._trim(at_ns)

    def _open_play(self) -> _LoggedPlay:
        if not self._plays or self._plays[-1].ended_ns is not None:
            raise AdsError("No play is open; start one before it is paused, resumed or ended.")
        return self._plays[-1]

    def _note(self, at_ns: int) -> None:
        if self._newest_ns is not None and at_ns < self._newest_ns:
            raise AdsError(
                f"Entries of a playback log must not go back in time: got {at_ns} ns after {self._newest_ns} ns."
            )
        self._newest_ns = at_ns

    def _trim(self, now_ns: int) -> None:
        """Forgets what nobody can ask for any more, also within one play that somebody pauses for weeks."""
        horizon = now_ns - KEPT_NS
        while self._plays and (ended := self._plays[0].ended_ns) is not None and ended < horizon:
            del self._plays[0]
        if self._plays:
            segments = self._plays[0].segments
            while len(segments) > 1 and segments[1].at_ns < horizon:
                del segments[0]
