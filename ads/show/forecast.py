"""What a playlist will show: the real schedule and policy on a virtual clock, without media."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ads.errors import AdsError
from ads.playlists.playlist import distinct
from ads.show.playback import PlaybackLog
from ads.show.schedule import MINUTE_NS, VirtualShow, local_time
from ads.show.timetable import Timetable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from ads.playlists.playlist import Ad, Playlist
    from ads.policies.base import Policy
    from ads.show.playback import Play, PlayEnd

MAX_HOURS = 7 * 24.0
"""A week: days and hours repeat after it."""

MAX_STEPS = 20_000_000
"""Plays times ads of one forecast, about ten seconds of computing; a week of 200 ads of 8 s."""


@dataclass(frozen=True, slots=True)
class PlannedPlay:
    """One play, in the venue's time, with its ad's share of voice up to its end; 0 to 1."""

    at: datetime
    ad: Ad
    shown_s: float
    reason: str
    probability: float
    share: float
    due: float


@dataclass(slots=True)
class VoiceShare:
    """An ad's share of the time with a picture, and the share due to its weight; 0 to 1."""

    ad: Ad
    plays: int = 0
    shown_s: float = 0.0
    share: float = 0.0
    due: float = 0.0


@dataclass(frozen=True, slots=True)
class Forecast:
    """What will be shown, in the venue's time; `shares` of all ads; `idle` spans without an ad.

    `end` is before `wanted_end` if there were too many plays of too many ads.
    """

    begin: datetime
    end: datetime
    wanted_end: datetime
    plays: tuple[PlannedPlay, ...]
    shares: tuple[VoiceShare, ...]
    idle: tuple[tuple[datetime, datetime], ...]

    @property
    def is_cut(self) -> bool:
        """Whether it ends before the wanted end."""
        return self.end < self.wanted_end


def forecast(
    playlist: Playlist, policy: Policy, at: datetime, hours: float = 1.0, *, wash_out_s: float = 0.0
) -> Forecast:
    """Run the show of a playlist on a virtual clock, without an audience.

    It changes the policy's memory, and stops after `MAX_STEPS`. `AdsError` beyond `MAX_HOURS`, or
    for a time without a zone.
    """
    if not 0 < hours <= MAX_HOURS:
        raise AdsError(
            f"Invalid forecast: expected hours above 0 and at most {MAX_HOURS:g}, received {hours}."
        )
    begin = playlist.local(at)
    wanted_ns = round(hours * 3600e9)
    tally = _Tally(playlist.ads, begin, round(wash_out_s * 1e9))
    show = VirtualShow(
        playlist.ads, policy, PlaybackLog(), tally, wall_start=begin, wash_out_s=wash_out_s
    )
    end_ns = 0
    # Minute by minute, which changes nothing about the plays.
    while end_ns < wanted_ns and tally.count * len(playlist.ads) < MAX_STEPS:
        show.advance(end_ns)
        end_ns = min(end_ns + MINUTE_NS, wanted_ns)
    show.stop(end_ns)
    return Forecast(
        begin,
        local_time(begin, end_ns),
        local_time(begin, wanted_ns),
        tuple(tally.plays),
        tuple(tally.shares()),
        tuple(tally.idle_until(end_ns)),
    )


class _Tally:
    """Keep what a forecast needs of each play, but not its candidates: there may be thousands."""

    def __init__(self, ads: Sequence[Ad], begin: datetime, wash_out_ns: int) -> None:
        self.count = 0
        self.plays: list[PlannedPlay] = []
        self._voices = [VoiceShare(ad) for ad in distinct(ads)]
        self._places = {voice.ad.ad_id: place for place, voice in enumerate(self._voices)}
        self._ads = ads
        self._timetable = None if len(self._voices) == len(ads) else Timetable(ads)
        self._due_s = np.zeros(len(self._voices))
        self._total_s = 0.0
        self._begin = begin
        self._wash_out_ns = wash_out_ns
        self._free_ns = 0
        self._idle: list[tuple[datetime, datetime]] = []
        self._play: Play | None = None
        # The candidates of the play before, their places and weights; mostly the same as now.
        self._open: Sequence[Ad] = ()
        self._candidates: list[str] = []
        self._rivals: NDArray[np.intp] = np.empty(0, np.intp)
        self._weights: NDArray[np.float64] = np.empty(0)

    def play_started(self, play: Play) -> None:
        self._play = play

    def play_ended(self, end: PlayEnd) -> None:
        play = self._play
        self.count += 1
        if play is None or end.shown_ms <= 0:
            return
        self._note_idle(play.started_ns)
        self._free_ns = end.ended_ns
        shown_s = end.shown_ms / 1000
        at = local_time(self._begin, play.started_ns)
        candidates = list(play.context["candidates"])
        # A listing that counts at other times may bring another weight.
        open_now = self._ads if self._timetable is None else self._timetable.open_at(at)
        if candidates != self._candidates or open_now is not self._open:
            self._candidates, self._open = candidates, open_now
            weights = {ad.ad_id: ad.weight for ad in open_now}
            self._rivals = np.fromiter(map(self._places.__getitem__, candidates), np.intp)
            self._weights = np.fromiter(map(weights.__getitem__, candidates), np.float64)
            self._weights /= self._weights.sum()
        self._due_s[self._rivals] += shown_s * self._weights
        place = self._places[play.ad.ad_id]
        voice = self._voices[place]
        voice.plays += 1
        voice.shown_s += shown_s
        self._total_s += shown_s
        shares = voice.shown_s / self._total_s, float(self._due_s[place]) / self._total_s
        planned = PlannedPlay(at, play.ad, shown_s, play.reason, play.probability, *shares)
        self.plays.append(planned)

    def shares(self) -> list[VoiceShare]:
        total_s = self._total_s or 1.0
        for voice, due_s in zip(self._voices, self._due_s.tolist(), strict=True):
            voice.share = voice.shown_s / total_s
            voice.due = due_s / total_s
        return self._voices

    def idle_until(self, end_ns: int) -> list[tuple[datetime, datetime]]:
        self._note_idle(end_ns)
        return self._idle

    def _note_idle(self, until_ns: int) -> None:
        if until_ns > self._free_ns + self._wash_out_ns:
            span = local_time(self._begin, self._free_ns), local_time(self._begin, until_ns)
            self._idle.append(span)
