"""What a playlist will show: the real schedule and policy on a virtual clock, without media."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ads.errors import AdsError
from ads.show.playback import Play, PlaybackLog, PlayEnd
from ads.show.schedule import VirtualShow, local_time

if TYPE_CHECKING:
    from datetime import datetime

    from ads.playlists.playlist import Ad, Playlist
    from ads.policies.base import Policy

MAX_HOURS = 7 * 24.0
"""A week: days and hours repeat after it."""


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
    """What will be shown, in the venue's time; `shares` of all ads; `idle` spans without an ad."""

    begin: datetime
    end: datetime
    plays: tuple[PlannedPlay, ...]
    shares: tuple[VoiceShare, ...]
    idle: tuple[tuple[datetime, datetime], ...]


def forecast(
    playlist: Playlist, policy: Policy, at: datetime, hours: float = 1.0, *, wash_out_s: float = 0.0
) -> Forecast:
    """Run the show of a playlist on a virtual clock, without an audience.

    It changes the policy's memory. `AdsError` beyond `MAX_HOURS`, or for a time without a zone.
    """
    if not 0 < hours <= MAX_HOURS:
        raise AdsError(
            f"Invalid forecast: expected hours above 0 and at most {MAX_HOURS:g}, received {hours}."
        )
    begin = playlist.local(at)
    end_ns = round(hours * 3600e9)
    wash_out_ns = round(wash_out_s * 1e9)
    recorder = _Recorder()
    show = VirtualShow(
        playlist.ads, policy, PlaybackLog(), recorder, wall_start=begin, wash_out_s=wash_out_s
    )
    show.advance(0)
    show.stop(end_ns)
    voices = {ad.ad_id: VoiceShare(ad) for ad in playlist.ads}
    due_s = dict.fromkeys(voices, 0.0)
    total_s = 0.0
    plays = []
    idle_ns = []
    free_ns = 0
    for play, end in recorder.plays:
        if play.started_ns > free_ns + wash_out_ns:
            idle_ns.append((free_ns, play.started_ns))
        free_ns = end.ended_ns
        shown_s = end.shown_ms / 1000
        rivals = [voices[ad_id].ad for ad_id in play.context["candidates"]]
        weights = sum(ad.weight for ad in rivals)
        for ad in rivals:
            due_s[ad.ad_id] += shown_s * ad.weight / weights
        voice = voices[play.ad.ad_id]
        voice.plays += 1
        voice.shown_s += shown_s
        total_s += shown_s
        at = local_time(begin, play.started_ns)
        shares = voice.shown_s / total_s, due_s[play.ad.ad_id] / total_s
        plays.append(PlannedPlay(at, play.ad, shown_s, play.reason, play.probability, *shares))
    if free_ns + wash_out_ns < end_ns:
        idle_ns.append((free_ns, end_ns))
    for ad_id, voice in voices.items():
        voice.share = voice.shown_s / (total_s or 1.0)
        voice.due = due_s[ad_id] / (total_s or 1.0)
    idle = tuple((local_time(begin, start), local_time(begin, end)) for start, end in idle_ns)
    return Forecast(begin, local_time(begin, end_ns), tuple(plays), tuple(voices.values()), idle)


@dataclass(slots=True)
class _Recorder:
    plays: list[tuple[Play, PlayEnd]] = field(default_factory=list)
    current: Play | None = None

    def play_started(self, play: Play) -> None:
        self.current = play

    def play_ended(self, end: PlayEnd) -> None:
        if self.current is not None and end.shown_ms > 0:
            self.plays.append((self.current, end))
