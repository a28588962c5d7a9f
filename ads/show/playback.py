"""The playback log, which joins faces to ads by the *capture* time of a frame."""

from __future__ import annotations

import bisect
import threading
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ads.errors import AdsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ads.playlists.playlist import Ad
    from ads.policies.base import Choice

KEPT_NS = 600 * 1_000_000_000
"""How long an ended play can be looked up: far longer than any frame waits for its analysis."""

Outcome = Literal["finished", "skipped", "failed", "stopped"]
"""How a play can end."""


@dataclass(frozen=True, slots=True)
class Play:
    """One play of one ad.

    Attributes:
        number: Counts the plays of a show from 1.
        started_ns: When its first picture was handed out, monotonic clock; with a cross-fade, when
            it made up the larger part of the picture.

    The other fields are those of `ads.policies.base.Choice`.
    """

    number: int
    ad: Ad
    started_ns: int
    reason: str
    probability: float
    held_out: bool = False
    context: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, number: int, choice: Choice, started_ns: int) -> Play:
        """Return the play that follows from a policy's choice."""
        values = {item.name: getattr(choice, item.name) for item in fields(choice)}
        return cls(number=number, started_ns=started_ns, **values)


@dataclass(frozen=True, slots=True)
class PlayEnd:
    """How a play ended: before `ended_ns` (monotonic), after `shown_ms` without pauses."""

    number: int
    ended_ns: int
    outcome: Outcome
    shown_ms: float
    error: str | None = None


class PlaybackListener(Protocol):
    """Notified of every play, in order, at the instants of the log, by the show's thread."""

    def play_started(self, play: Play) -> None:
        """A play began."""

    def play_ended(self, end: PlayEnd) -> None:
        """The play that began last ended."""


@dataclass(frozen=True, slots=True)
class PlaybackPosition:
    """What was shown at an instant: the play, the position of its picture, whether it ran."""

    play_number: int
    position_ms: float
    running: bool = True


@dataclass(slots=True)
class _Segment:
    """From `at_ns` on, `position_ns` rises with the clock if `running`, within two bounds."""

    at_ns: int
    position_ns: int
    running: bool
    first_ns: int = 0
    last_ns: int = (1 << 63) - 1
    unseen: bool = False

    def position_at(self, t_ns: int) -> int:
        rising_ns = self.position_ns + (t_ns - self.at_ns if self.running else 0)
        return min(max(rising_ns, self.first_ns), self.last_ns)


@dataclass(slots=True)
class _LoggedPlay:
    number: int
    started_ns: int
    segments: list[_Segment]
    ended_ns: int | None = None


class PlaybackLog:
    """Which play was on the screen at an instant, and at which position of its ad. Thread-safe.

    A play covers the half-open interval from its start to its end, so an instant belongs to at most
    one play. Plays, and pauses within a play, are forgotten `KEPT_NS` after their end. Methods that
    record raise an `AdsError` if their instant lies before the newest entry, if there is no open
    play to record for, or, for `start`, if there is one.

    The position rises with the clock but is held within the time of the picture on the screen
    (`show`, `painted`): while the screen is late, readings are credited to what was seen.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._plays: list[_LoggedPlay] = []
        self._newest_ns: int | None = None

    def start(self, play_number: int, at_ns: int, position_ns: int = 0) -> None:
        """Record the first instant of a play, and where in its ad it began: above 0 if faded in."""
        with self._lock:
            if self._plays and self._plays[-1].ended_ns is None:
                raise AdsError(
                    f"Play {play_number} cannot start while play {self._plays[-1].number} is open; "
                    "end that first."
                )
            self._note(at_ns)
            segment = _Segment(at_ns, position_ns, running=True)
            self._plays.append(_LoggedPlay(play_number, at_ns, [segment]))
            self._trim(at_ns)

    def show(self, at_ns: int, position_ns: int, first_ns: int, until_ns: int) -> None:
        """Record that the open play handed out another picture, to be seen at once.

        It stands for the positions from `first_ns` to before `until_ns`; the ad is at
        `position_ns`, also for a jump.
        """
        with self._lock:
            segments = self._open_play().segments
            self._note(at_ns)
            running = segments[-1].running
            shown = _Segment(at_ns, position_ns, running, first_ns, until_ns - 1, unseen=True)
            if segments[-1].at_ns == at_ns:
                segments[-1] = shown
            else:
                segments.append(shown)
                self._trim(at_ns)

    def painted(self, at_ns: int) -> None:
        """Record that the newest picture only came on the screen now; no-op if known or ended."""
        with self._lock:
            self._note(at_ns)
            if not self._plays or self._plays[-1].ended_ns is not None:
                return
            newest = self._plays[-1].segments[-1]
            if newest.unseen:
                newest.position_ns += at_ns - newest.at_ns if newest.running else 0
                newest.at_ns = at_ns
                newest.unseen = False

    def pause(self, at_ns: int) -> None:
        """Record that the open play is paused; no-op if it is."""
        self._set_running(at_ns, running=False)

    def resume(self, at_ns: int) -> None:
        """Record that the open play continues; no-op if it runs."""
        self._set_running(at_ns, running=True)

    def end(self, at_ns: int) -> None:
        """Record the first instant after the open play."""
        with self._lock:
            play = self._open_play()
            self._note(at_ns)
            play.ended_ns = at_ns
            self._trim(at_ns)

    def at(self, t_ns: int) -> PlaybackPosition | None:
        """Return what was on the screen at an instant, if anything; an open play continues."""
        with self._lock:
            index = bisect.bisect_right(self._plays, t_ns, key=attrgetter("started_ns")) - 1
            if index < 0:
                return None
            play = self._plays[index]
            if play.ended_ns is not None and t_ns >= play.ended_ns:
                return None
            # Until its first picture was painted, a play is where that picture is.
            at = max(0, bisect.bisect_right(play.segments, t_ns, key=attrgetter("at_ns")) - 1)
            segment = play.segments[at]
            return PlaybackPosition(play.number, segment.position_at(t_ns) / 1e6, segment.running)

    def _set_running(self, at_ns: int, *, running: bool) -> None:
        with self._lock:
            segments = self._open_play().segments
            self._note(at_ns)
            last = segments[-1]
            if last.running != running:
                position_ns = last.position_at(at_ns)
                segments.append(_Segment(at_ns, position_ns, running, last.first_ns, last.last_ns))
                self._trim(at_ns)

    def _open_play(self) -> _LoggedPlay:
        if not self._plays or self._plays[-1].ended_ns is not None:
            raise AdsError("No play is open; start one before it is paused, resumed or ended.")
        return self._plays[-1]

    def _note(self, at_ns: int) -> None:
        if self._newest_ns is not None and at_ns < self._newest_ns:
            raise AdsError(
                "Entries of a playback log must not go back in time: "
                f"got {at_ns} ns after {self._newest_ns} ns."
            )
        self._newest_ns = at_ns

    def _trim(self, now_ns: int) -> None:
        """Forget what is too old, also within one play that stays paused for weeks."""
        horizon = now_ns - KEPT_NS
        while self._plays and (ended := self._plays[0].ended_ns) is not None and ended < horizon:
            del self._plays[0]
        if self._plays:
            oldest = self._plays[0]
            while len(oldest.segments) > 1 and oldest.segments[1].at_ns < horizon:
                del oldest.segments[0]
                oldest.started_ns = oldest.segments[0].at_ns
