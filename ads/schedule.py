"""When an ad may play, which one is next, and a show that runs on a recording's clock."""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING

from ads.errors import AdsError
from ads.playback import Outcome, Play, PlaybackListener, PlaybackLog, PlayEnd
from ads.playlist import DAYS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from ads.playlist import Ad
    from ads.policy import Choice, Policy

HOUR_NS = 3600 * 1_000_000_000


def may_play(ad: Ad, local: datetime) -> bool:
    """Whether an ad's days and hours allow it at a moment.

    Hours that reach past midnight belong to the day on which they begin: `[fri]` with "22:00-02:00" covers the first
    two hours of Saturday.

    Args:
        ad: The ad.
        local: Local wall-clock time of the venue.
    """
    minute = local.hour * 60 + local.minute
    today = DAYS[local.weekday()]
    yesterday = DAYS[(local.weekday() - 1) % 7]
    if not ad.hours:
        return not ad.days or today in ad.days
    for start, end in ad.hours:
        if start < end:
            begun = today if start <= minute < end else None
        elif minute >= start:
            begun = today
        else:
            begun = yesterday if minute < end else None
        if begun is not None and (not ad.days or begun in ad.days):
            return True
    return False


class Rotation:
    """Asks the policy for the next ad among those that may play, and counts rounds.

    A round is over after as many plays as there are ads that may play; with the sequential policy that is once through
    the playlist. Not safe for several threads.

    Args:
        ads: The playlist, at least one ad.
        policy: Chooses among the candidates.
        loops: How many rounds the show lasts, at least 1; None for ever.
    """

    def __init__(self, ads: Sequence[Ad], policy: Policy, loops: int | None) -> None:
        if not ads:
            raise AdsError("A show needs at least one ad, got none; check the playlist.")
        if loops is not None and loops < 1:
            raise AdsError(f"The number of loops must be at least 1, or None for ever, got {loops}.")
        self._ads = tuple(ads)
        self._policy = policy
        self._loops = loops
        self._rounds = 0
        self._plays_in_round = 0
        self._starts: dict[str, deque[int]] = {ad.ad_id: deque(maxlen=ad.max_per_hour) for ad in ads if ad.max_per_hour}

    @property
    def complete(self) -> bool:
        """Whether all rounds are done, so that no ad follows."""
        return self._loops is not None and self._rounds >= self._loops

    def allows(self, ad: Ad, now_ns: int, local: datetime | None) -> bool:
        """Whether an ad's days, hours and limit per hour allow it to start now.

        Args:
            ad: One of the playlist.
            now_ns: Now, on the clock of `started`.
            local: Local wall-clock time; None if it is not known, which leaves days and hours out of account.
        """
        if local is not None and not may_play(ad, local):
            return False
        starts = self._starts.get(ad.ad_id)
        return starts is None or len(starts) < (starts.maxlen or 0) or starts[0] <= now_ns - HOUR_NS

    def choose(self, now_ns: int, local: datetime | None, without: Collection[str] = ()) -> Choice | None:
        """Chooses the next ad and counts it as a play of the round.

        Args:
            now_ns: Now, on the clock of `started`.
            local: Local wall-clock time, or None if it is not known.
            without: Ids of ads to leave out.

        Returns:
            The choice, or None if the rounds are done or no ad may play now.
        """
        if self.complete:
            return None
        allowed = [ad for ad in self._ads if self.allows(ad, now_ns, local)]
        candidates = [ad for ad in allowed if ad.ad_id not in without]
        if not candidates:
            return None
        choice = self._policy.choose(candidates, local)
        self._plays_in_round += 1
        if self._plays_in_round >= len(allowed):
            self._rounds += 1
            self._plays_in_round = 0
        return choice

    def started(self, ad: Ad, at_ns: int) -> None:
        """Counts a start against the ad's limit per hour."""
        if ad.ad_id in self._starts:
            self._starts[ad.ad_id].append(at_ns)


class VirtualShow:
    """The show that would have run beside a recording, on the recording's own clock; no media is decoded.

    Plays follow each other without a gap at their exact scheduled times, whatever the times at which `advance` is
    called, so two replays of a recording give the same plays.

    Args:
        ads: The playlist, at least one ad.
        policy: Chooses the next ad.
        log: Receives what was shown when.
        listener: Is told of every play.
        loops: Rounds through the playlist, at least 1; None for as long as the recording lasts.
        wall_start: Local wall-clock time at which the recording's clock read 0; days and hours count only where it is
            known.

    Raises:
        AdsError: There is no ad, or fewer than one loop.

    Example:
        >>> show = VirtualShow(playlist.ads, SequentialPolicy(), log, listener)
        >>> for frame in recording:
        ...     show.advance(frame.captured_ns)
        >>> show.stop(last_ns)
    """

    def __init__(
        self,
        ads: Sequence[Ad],
        policy: Policy,
        log: PlaybackLog,
        listener: PlaybackListener,
        *,
        loops: int | None = None,
        wall_start: datetime | None = None,
    ) -> None:
        self._rotation = Rotation(ads, policy, loops)
        self._log = log
        self._listener = listener
        self._wall_start = wall_start
        self._current: Play | None = None
        self._plays = 0
        self._finished = False
        self._stopped = False

    @property
    def current(self) -> Play | None:
        """The play that is on now, None between plays."""
        return self._current

    @property
    def finished(self) -> bool:
        """Whether all loops are done and the last play has ended."""
        return self._finished

    def advance(self, now_ns: int) -> None:
        """Ends and starts every play that is due.

        Args:
            now_ns: The present instant on the recording's clock, not before that of the last call. The first call
                starts the first play.
        """
        if self._stopped:
            return
        at_ns = self._end_due(now_ns)
        while self._current is None and self._begin(at_ns):
            at_ns = self._end_due(now_ns)

    def stop(self, now_ns: int) -> None:
        """Ends the show; a play that is still on ends now with the outcome "stopped". Safe to call again.

        Args:
            now_ns: The first instant after the recording.
        """
        if self._stopped:
            return
        if self._current is not None and self._due_ns(self._current) < now_ns:
            # One nanosecond early: a play that would begin at the very end was never seen.
            self.advance(now_ns - 1)
        if self._current is not None:
            at_ns = min(now_ns, self._due_ns(self._current))
            over = at_ns == self._due_ns(self._current)
            self._end(at_ns, "finished" if over else "stopped")
            self._finished = over and self._rotation.complete
        self._stopped = True

    @staticmethod
    def _due_ns(play: Play) -> int:
        return play.started_ns + play.ad.duration_ns

    def _end_due(self, now_ns: int) -> int:
        """Ends the present play if it is over; returns the instant at which another one could begin."""
        if self._current is None or now_ns < self._due_ns(self._current):
            return now_ns
        due_ns = self._due_ns(self._current)
        self._end(due_ns, "finished")
        return due_ns

    def _begin(self, at_ns: int) -> bool:
        local = None if self._wall_start is None else self._wall_start + timedelta(microseconds=at_ns // 1000)
        choice = self._rotation.choose(at_ns, local)
        if choice is None:
            self._finished = self._rotation.complete
            return False
        self._plays += 1
        self._current = Play(self._plays, choice.ad, at_ns, choice.reason, choice.probability)
        self._rotation.started(choice.ad, at_ns)
        self._listener.play_started(self._current)
        self._log.start(self._plays, at_ns)
        return True

    def _end(self, at_ns: int, outcome: Outcome) -> None:
        play = self._current
        if play is None:
            return
        self._current = None
        self._log.end(at_ns)
        self._listener.play_ended(PlayEnd(play.number, at_ns, outcome, (at_ns - play.started_ns) / 1e6))
