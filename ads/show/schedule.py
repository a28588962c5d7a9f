"""When an ad may play, which one is next, and a show that runs on a recording's clock."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from ads.errors import AdsError
from ads.policies.base import Choice, Policy, Situation
from ads.show.blocks import BlockSchedule
from ads.show.playback import Outcome, Play, PlaybackListener, PlaybackLog, PlayEnd
from ads.show.timetable import Timetable, is_timed, rank

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from ads.playlists.playlist import Ad
    from ads.policies.audience import Audience
    from ads.show.blocks import Block

    LocalClock: TypeAlias = Callable[[int], datetime | None]

MINUTE_NS = 60 * 1_000_000_000
HOUR_NS = 60 * MINUTE_NS


class Rotation:
    """Let the policy choose among the ads that may start now, and count rounds.

    Candidates are the ads whose dates, days, hours and hourly limit allow it; if any is a takeover,
    only takeovers; of these, only those of the highest priority. Of an ad that is listed several
    times only the listing that counts is one, see `Timetable`; its hourly limit counts all starts
    of the ad. A round is over after as many plays as there are candidates; the show lasts `loops`
    rounds, or forever. Not thread-safe.

    A block of an experiment leaves out the ads of its other arm, unless nothing else may play: a
    screen does not go dark for an experiment. The context of a choice names its block.
    """

    def __init__(
        self,
        ads: Sequence[Ad],
        policy: Policy,
        loops: int | None,
        blocks: BlockSchedule | None = None,
    ) -> None:
        if loops is not None and loops < 1:
            raise AdsError(f"The number of loops must be at least 1, or None forever, got {loops}.")
        self._policy = policy
        self._loops = loops
        self._blocks = blocks or BlockSchedule()
        self._rounds = 0
        self._plays_in_round = 0
        self._is_over = False
        # Of all ads, even without a limit: the next playlist may bring one.
        self._starts: dict[str, deque[int]] = {}
        self.replace(ads)

    @property
    def complete(self) -> bool:
        """Whether all rounds are done, so no ad follows."""
        return self._is_over or (self._loops is not None and self._rounds >= self._loops)

    def finish(self) -> None:
        """Let no further ad follow."""
        self._is_over = True

    def replace(self, ads: Sequence[Ad]) -> None:
        """Switch to another playlist, at least one ad; starts, rounds and policy are kept."""
        if not ads:
            raise AdsError("A show needs at least one ad, got none; check the playlist.")
        self._ads = tuple(ads)
        self.ad_ids = frozenset(ad.ad_id for ad in ads)
        self.takeovers = tuple(ad for ad in ads if ad.takeover)
        self._timetable = Timetable(ads)
        self._limited = {ad.ad_id for ad in ads if ad.max_per_hour is not None}
        # The ads that may play by their times, and the candidates if none of them is left out.
        self._ranked: tuple[Sequence[Ad], Sequence[Ad]] = ((), ())

    def seed(self, starts: Mapping[str, Iterable[int]]) -> None:
        """Count an earlier run's starts of the last hour; negative if before the clock's zero."""
        for ad_id, instants in starts.items():
            self._starts[ad_id] = deque(sorted([*self._starts.get(ad_id, ()), *instants]))

    def allows(
        self, ad: Ad, now_ns: int, local: datetime | None, without: Collection[str] = ()
    ) -> bool:
        """Return whether an ad may play now: its days, hours, hourly limit, and the block.

        `without` are ids of ads that cannot stand in for one that the block leaves out.
        """
        if not self._is_due(ad, now_ns, local):
            return False
        block = self._blocks.at(local)
        return (
            block is None
            or ad.ad_id not in block.withheld
            or not self._open_in(block, now_ns, local, without)
        )

    def _open_in(
        self, block: Block, now_ns: int, local: datetime | None, without: Collection[str]
    ) -> bool:
        """Return whether an ad that the block does not leave out may play."""
        return any(
            ad.ad_id not in without
            and ad.ad_id not in block.withheld
            and self._is_due(ad, now_ns, local)
            for ad in self._ads
        )

    def _is_due(self, ad: Ad, now_ns: int, local: datetime | None) -> bool:
        return self._timetable.counts(ad, local) and not self._is_exhausted(ad, now_ns)

    def _is_exhausted(self, ad: Ad, now_ns: int) -> bool:
        if ad.max_per_hour is None:
            return False
        starts = self._starts.get(ad.ad_id, ())
        return sum(at_ns > now_ns - HOUR_NS for at_ns in starts) >= ad.max_per_hour

    def interrupts(
        self, current: Ad, now_ns: int, local: datetime | None, without: Collection[str] = ()
    ) -> bool:
        """Return whether a takeover must cut off the ad on the screen, if it is none itself.

        An ad is not cut off to be shown again as a takeover.
        """
        if self.complete or current.takeover:
            return False
        return any(
            ad.ad_id not in (current.ad_id, *without) and self.allows(ad, now_ns, local, without)
            for ad in self.takeovers
        )

    def choose(
        self,
        now_ns: int,
        local: datetime | None,
        without: Collection[str] = (),
        audience: Audience | None = None,
    ) -> Choice | None:
        """Choose the next ad, and count it as a play of the round; None if none may play now.

        Without local time, days and hours do not count; `without` are ids of ads to leave out.
        """
        if self.complete:
            return None
        candidates = self._candidates(now_ns, local, without)
        if not candidates:
            return None
        choice = self._policy.choose(candidates, Situation(now_ns, local, audience))
        if (block := self._blocks.at(local)) is not None:
            choice = replace(choice, context={**choice.context, **block.context()})
        self._plays_in_round += 1
        # Those left out count too: an ad that failed has had its turn.
        in_round = max(len(candidates), len(self._candidates(now_ns, local)) if without else 0)
        if self._plays_in_round >= in_round:
            self._rounds += 1
            self._plays_in_round = 0
        return choice

    def started(self, ad: Ad, at_ns: int) -> None:
        """Count a start against the ad's hourly limit; instants must not go back."""
        starts = self._starts.setdefault(ad.ad_id, deque())
        starts.append(at_ns)
        while starts[0] <= at_ns - HOUR_NS:
            starts.popleft()

    def next_change_ns(
        self,
        after_ns: int,
        until_ns: int,
        local_at: LocalClock,
        *,
        only: Sequence[Ad] | None = None,
    ) -> int | None:
        """Return the next instant at which another ad may be allowed; None if there is none."""
        ids = self._limited if only is None else {ad.ad_id for ad in only if ad.max_per_hour}
        # Hourly limits change an hour after a start, the rest with minutes of local time.
        instants = [
            at_ns + HOUR_NS for ad_id in ids & self._starts.keys() for at_ns in self._starts[ad_id]
        ]
        timed = self._timetable.is_timed if only is None else any(map(is_timed, only))
        if timed and (local := local_at(after_ns)) is not None:
            into_minute_ns = (local.second * 1_000_000 + local.microsecond) * 1000 + after_ns % 1000
            instants.append(after_ns + MINUTE_NS - into_minute_ns)
        return min((at_ns for at_ns in instants if after_ns < at_ns <= until_ns), default=None)

    def next_takeover_ns(
        self, current: Ad, after_ns: int, until_ns: int, local_at: LocalClock
    ) -> int | None:
        """Return the next instant at which a takeover must cut off an ad; None if there is none."""
        if current.takeover or not self.takeovers:
            return None
        at_ns: int | None = after_ns
        while at_ns is not None:
            at_ns = self.next_change_ns(at_ns, until_ns, local_at, only=self.takeovers)
            if at_ns is not None and self.interrupts(current, at_ns, local_at(at_ns)):
                break
        return at_ns

    def _candidates(
        self, now_ns: int, local: datetime | None, without: Collection[str] = ()
    ) -> Sequence[Ad]:
        in_time = self._timetable.open_at(local)
        left_out = set(without)
        if limited := self._limited & self._starts.keys():
            limits = (ad for ad in in_time if ad.ad_id in limited)
            left_out.update(ad.ad_id for ad in limits if self._is_exhausted(ad, now_ns))
        block = self._blocks.at(local)
        if not left_out and block is None:
            if self._ranked[0] is not in_time:
                self._ranked = in_time, _highest(in_time)
            return self._ranked[1]
        allowed = [ad for ad in in_time if ad.ad_id not in left_out]
        if block is not None:
            allowed = [ad for ad in allowed if ad.ad_id not in block.withheld] or allowed
        return _highest(allowed)


def _highest(allowed: Sequence[Ad]) -> Sequence[Ad]:
    """Return the takeovers, if there are any, else all; of these, those of highest priority."""
    highest = max(map(rank, allowed), default=None)
    return [ad for ad in allowed if rank(ad) == highest]


def local_time(begin: datetime, at_ns: int) -> datetime:
    """Return the wall-clock time some nanoseconds after a moment with a zone."""
    # By way of UTC: a sum within one zone would miss the changes of its clocks.
    return (begin.astimezone(UTC) + timedelta(microseconds=at_ns // 1000)).astimezone(begin.tzinfo)


class VirtualShow:
    """The show that would have run beside a recording, on its clock, without decoding media.

    Plays begin and end at their exact scheduled times, no matter when `advance` is called, so two
    replays of a recording give the same plays.

    Attributes:
        current: The present play, None between plays.
        finished: Whether all loops are done and the last play has ended.

    Args as for `AdPlayer`, but:
        wall_start: The venue's time, with its zone, at which the recording's clock read 0; None if
            unknown, so days and hours do not count.
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
        audience: Callable[[int], Audience | None] | None = None,
        wash_out_s: float = 0.0,
    ) -> None:
        if wall_start is not None and wall_start.tzinfo is None:
            raise AdsError(
                f"Invalid start of the show: expected a time with its zone, received {wall_start}."
            )
        if not wash_out_s >= 0:
            raise AdsError(
                f"Invalid wash-out: expected seconds of at least 0, received {wash_out_s}."
            )
        self._rotation = Rotation(ads, policy, loops)
        self._log = log
        self._listener = listener
        self._wall_start = wall_start
        self._audience = audience
        self._wash_out_ns = round(wash_out_s * 1e9)
        self.current: Play | None = None
        # The plays up to here are settled, and the next may begin here; None before the first call.
        self._settled_ns: int | None = None
        self._plays = 0
        self.finished = False
        self._stopped = False

    def advance(self, now_ns: int) -> None:
        """End and start every play that is due; the first call starts the first play."""
        if self._stopped:
            return
        settled_ns = now_ns if self._settled_ns is None else self._settled_ns
        while settled_ns <= now_ns:
            play = self.current
            if play is not None:
                due_ns = self._due_ns(play)
                until_ns = min(due_ns, now_ns)
                cut_ns = self._rotation.next_takeover_ns(
                    play.ad, settled_ns, until_ns, self._local_at
                )
                if cut_ns is not None and cut_ns < due_ns:
                    self._end(cut_ns, "skipped")
                    settled_ns = cut_ns
                elif until_ns == due_ns:
                    self._end(until_ns, "finished")
                    settled_ns = until_ns + self._wash_out_ns
                else:
                    settled_ns = until_ns
                    break
            elif not self._begin(settled_ns):
                change_ns = self._rotation.next_change_ns(settled_ns, now_ns, self._local_at)
                if self.finished or change_ns is None:
                    settled_ns = max(settled_ns, now_ns)
                    break
                settled_ns = change_ns
        self._settled_ns = settled_ns

    def stop(self, now_ns: int) -> None:
        """End the show at the first instant after the recording. Idempotent."""
        if self._stopped:
            return
        if self._settled_ns is not None:
            # One nanosecond early: a play that would begin at the very end was never seen.
            self.advance(now_ns - 1)
        if self.current is not None:
            due_ns = self._due_ns(self.current)
            is_over = now_ns >= due_ns
            self._end(min(now_ns, due_ns), "finished" if is_over else "stopped")
            self.finished = is_over and self._rotation.complete
        self._stopped = True

    @staticmethod
    def _due_ns(play: Play) -> int:
        return play.started_ns + play.ad.duration_ns

    def _local_at(self, at_ns: int) -> datetime | None:
        return None if self._wall_start is None else local_time(self._wall_start, at_ns)

    def _begin(self, at_ns: int) -> bool:
        audience = None if self._audience is None else self._audience(at_ns)
        choice = self._rotation.choose(at_ns, self._local_at(at_ns), audience=audience)
        if choice is None:
            self.finished = self._rotation.complete
            return False
        self._plays += 1
        self.current = Play.of(self._plays, choice, at_ns)
        self._rotation.started(choice.ad, at_ns)
        self._listener.play_started(self.current)
        self._log.start(self._plays, at_ns)
        return True

    def _end(self, at_ns: int, outcome: Outcome) -> None:
        play = self.current
        if play is None:
            return
        self.current = None
        self._log.end(at_ns)
        shown_ms = (at_ns - play.started_ns) / 1e6
        self._listener.play_ended(PlayEnd(play.number, at_ns, outcome, shown_ms))
