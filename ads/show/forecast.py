"""What a playlist is going to show: the real schedule and policy on a clock of their own, without media."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from ads.errors import AdsError
from ads.show.playback import Play, PlaybackLog, PlayEnd
from ads.show.schedule import VirtualShow

if TYPE_CHECKING:
    from ads.playlists.playlist import Ad, Playlist
    from ads.policies.base import Policy

LONGEST_HOURS = 7 * 24.0
"""A week: days and hours repeat after it."""


@dataclass(frozen=True, slots=True)
class PlannedPlay:
    """One play of a forecast.

    Attributes:
        at: When it begins, as the clocks of the venue show it.
        ad: What is shown.
        shown_s: For how long; a takeover or the end of the forecast cuts it off.
        reason: Why, in the policy's words.
        probability: The probability with which the policy chose it.
        share: The ad's share of the screen time up to the end of this play, 0 to 1.
        due: What that share ought to be by the weights of the ads that could have been shown
            instead, 0 to 1.
    """

    at: datetime
    ad: Ad
    shown_s: float
    reason: str
    probability: float
    share: float
    due: float


@dataclass(frozen=True, slots=True)
class VoiceShare:
    """An ad's share of voice over a forecast.

    Attributes:
        ad: The ad.
        plays: How often it is shown.
        shown_s: For how long in all.
        share: Of the time in which anything is shown, 0 to 1.
        due: What that share ought to be by the weights of the ads that may play at the time, 0 to
            1.
    """

    ad: Ad
    plays: int
    shown_s: float
    share: float
    due: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is going to be shown.

    Attributes:
        begin: Of the time that is looked at, as the clocks of the venue show it.
        end: Of it.
        plays: In order.
        shares: One for each ad of the playlist, in its order.
        idle: Beginnings and ends of the times in which nothing may play.
    """

    begin: datetime
    end: datetime
    plays: tuple[PlannedPlay, ...]
    shares: tuple[VoiceShare, ...]
    idle: tuple[tuple[datetime, datetime], ...]


def forecast(
    playlist: Playlist, policy: Policy, at: datetime, hours: float = 1.0, *, wash_out_s: float = 0.0
) -> Forecast:
    """Runs the show of a playlist on a clock of its own.

    Nobody stands before that screen: policies that adapt choose as they do without an audience.

    Args:
        playlist: What is shown.
        policy: Chooses the next ad; what it remembers is changed.
        at: When the show begins, with its zone.
        hours: How long it is followed, above 0 and at most `LONGEST_HOURS`.
        wash_out_s: Seconds between two plays in which nothing is shown.

    Raises:
        AdsError: The hours are out of their range, or the beginning has no zone.

    Example:
        >>> coming = forecast(load_playlist(path), make_policy("weighted"), datetime.now(timezone.utc))
        >>> [play.ad.name for play in coming.plays[:2]]
        ['Summer drinks', 'Autumn tea']
    """
    if not 0 < hours <= LONGEST_HOURS:
        raise AdsError(
            f"Invalid forecast: expected hours above 0 and at most {LONGEST_HOURS:g}, received {hours}."
        )
    begin = playlist.local(at)
    end_ns = round(hours * 3600e9)
    notes = _Notes()
    show = VirtualShow(
        playlist.ads, policy, PlaybackLog(), notes, wall_start=begin, wash_out_s=wash_out_s
    )
    show.advance(0)
    show.stop(end_ns)

    def clock(at_ns: int) -> datetime:
        at = begin.astimezone(timezone.utc) + timedelta(microseconds=at_ns // 1000)
        return at.astimezone(begin.tzinfo)

    tally = _Tally(playlist)
    plays = []
    idle = []
    free_ns = 0
    for play, shown in notes.plays:
        if play.started_ns > free_ns + round(wash_out_s * 1e9):
            idle.append((clock(free_ns), clock(play.started_ns)))
        free_ns = shown.ended_ns
        share, due = tally.count(play, shown.shown_ms / 1000)
        plays.append(
            PlannedPlay(
                clock(play.started_ns),
                play.ad,
                shown.shown_ms / 1000,
                play.reason,
                play.probability,
                share,
                due,
            )
        )
    if free_ns + round(wash_out_s * 1e9) < end_ns:
        idle.append((clock(free_ns), clock(end_ns)))
    return Forecast(begin, clock(end_ns), tuple(plays), tally.shares(), tuple(idle))


class _Notes:
    """Listens to a show."""

    def __init__(self) -> None:
        self.plays: list[tuple[Play, PlayEnd]] = []
        self._begun: Play | None = None

    def play_started(self, play: Play) -> None:
        self._begun = play

    def play_ended(self, end: PlayEnd) -> None:
        if self._begun is not None and end.shown_ms > 0:
            self.plays.append((self._begun, end))


class _Tally:
    """Adds up the screen time of each ad, and what its weight makes of the time."""

    def __init__(self, playlist: Playlist) -> None:
        self._ads = {ad.ad_id: ad for ad in playlist.ads}
        self._plays = dict.fromkeys(self._ads, 0)
        self._shown_s = dict.fromkeys(self._ads, 0.0)
        self._due_s = dict.fromkeys(self._ads, 0.0)
        self._total_s = 0.0

    def count(self, play: Play, shown_s: float) -> tuple[float, float]:
        """Counts a play; gives the ad's share so far, and what is due to it."""
        rivals = [self._ads[ad_id] for ad_id in play.context["candidates"]]
        weights = sum(ad.weight for ad in rivals)
        for ad in rivals:
            self._due_s[ad.ad_id] += shown_s * ad.weight / weights
        self._plays[play.ad.ad_id] += 1
        self._shown_s[play.ad.ad_id] += shown_s
        self._total_s += shown_s
        return self._shown_s[play.ad.ad_id] / self._total_s, self._due_s[
            play.ad.ad_id
        ] / self._total_s

    def shares(self) -> tuple[VoiceShare, ...]:
        total_s = self._total_s or 1.0
        return tuple(
            VoiceShare(
                ad,
                self._plays[ad_id],
                self._shown_s[ad_id],
                self._shown_s[ad_id] / total_s,
                self._due_s[ad_id] / total_s,
            )
            for ad_id, ad in self._ads.items()
        )
