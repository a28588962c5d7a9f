"""The next hour of a show and why: by the very code that schedules on the screen.

The show is resolved as for the screen, and runs on a virtual clock. Each play comes with the reason
of the policy, and each ad that is not shown with the reason why not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ads.media.types import MediaInfo
from ads.playlists.loader import make_ad
from ads.playlists.playlist import Playlist, distinct
from ads.playlists.playlist_file import Entry, PlaylistHead
from ads.policies import ADAPTIVE_NAMES, make_policy
from ads.policies.audience import Audience
from ads.policies.base import Situation
from ads.policies.settings import PolicySettings
from ads.show.forecast import forecast
from ads.show.timetable import Timetable, may_play, rank
from detector.emotion.labels import EMOTIONS
from monitor.hub.playlists.view import USUAL_POLICY
from monitor.hub.playlists.vocabulary import value_words
from monitor.languages import _, lazy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from ads.playlists.playlist import Ad
    from ads.show.forecast import Forecast, VoiceShare
    from db.hub.shows.desired import PlannedCreative
    from monitor.hub.shows.resolution import LeftOut, Show

HOURS = 1.0
_MINUTES = 60


@dataclass(frozen=True, slots=True)
class Absent:
    """An ad that is not shown in the hour, and why in a sentence."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Voice:
    """An ad that is shown, and what limits it in a sentence, or nothing."""

    share: VoiceShare
    note: str


@dataclass(frozen=True, slots=True)
class Chances:
    """How probable each ad is as the first one, 0 to 1 by name, for one mood of the audience.

    `mood` is `None` for one that is not known.
    """

    mood: str | None
    by_name: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Hour:
    """What a screen shows in an hour.

    Attributes:
        coming: The plays, in the screen's time.
        voices: The ads that are shown.
        absent: Those that are not.
        policy: Its name.
        by_chance: Whether the plays are one possible course of many.
        chances: By mood; empty unless the policy looks at it.
    """

    coming: Forecast
    voices: Sequence[Voice]
    absent: Sequence[Absent]
    policy: str
    by_chance: bool
    chances: Sequence[Chances]


def hour_of(
    show: Show,
    creatives: Mapping[str, PlannedCreative],
    begin: datetime,
    settings: Mapping[str, Any] | None = None,
) -> Hour:
    """Return the hour of a show from a moment on.

    Args:
        show: With a playlist.
        creatives: By uid.
        begin: Aware.
        settings: Of the screen, by key; they come before those of the show.
    """
    playlist = _playlist_of(show, creatives)
    asked = {**show.settings, **(settings or {})}
    name = str(asked.get("ads.policy", USUAL_POLICY))
    rails = PolicySettings(
        **{key: asked[f"ads.{key}"] for key in PolicySettings.model_fields if f"ads.{key}" in asked}
    )
    coming = forecast(playlist, make_policy(name, rails), begin, HOURS, wash_out_s=rails.wash_out_s)
    candidates = _candidates(playlist, coming.begin)
    return Hour(
        coming,
        [Voice(one, _limit_note(one, coming)) for one in coming.shares if one.plays],
        [
            *_absent(playlist, coming),
            *(Absent(one.name, one.words) for one in _once(show.left_out)),
        ],
        name,
        name not in {"sequential", "weighted"},
        _chances(name, rails, candidates, coming.begin) if name in ADAPTIVE_NAMES else [],
    )


def reason_words(reason: str) -> str:
    """Return a policy's reason in the language of the page."""
    for english, words in _REASONS.items():
        if reason.startswith(english):
            rest = reason.removeprefix(english)
            if rest.startswith("; "):
                rest = f"; {reason_words(rest[2:])}"
            return f"{words}{rest}"
    return reason


_REASONS = {
    "next in the playlist": lazy("next in the playlist"),
    "drawn from the ads that this round has not shown yet": lazy(
        "drawn from the ads that this round has not shown yet"
    ),
    "drawn to begin a new round": lazy("drawn to begin a new round"),
    "the only ad that may play now": lazy("the only ad that may play now"),
    "the only one left in this round": lazy("the only one left in this round"),
    "furthest behind its share of the screen time": lazy(
        "furthest behind its share of the screen time"
    ),
    "drawn by its weight": lazy("drawn by its weight"),
    "the audience is not measured now": lazy("mood not known"),
    "tried out, as every ad is now and then": lazy("tried out, as every ad is now and then"),
}


def _playlist_of(show: Show, creatives: Mapping[str, PlannedCreative]) -> Playlist:
    """Return the playlist of a show as the kiosk loads it; the media are known from the library."""
    document = dict(show.playlist or {})
    entries = [Entry.model_validate(one) for one in document.pop("ads")]
    document.pop("filler", None)
    head = PlaylistHead.model_validate(document)
    known = {
        version.sha256 + version.ending: version
        for creative in creatives.values()
        for version in (creative.approved,)
        if version is not None
    }
    path = Path("playlist.yaml").absolute()
    ads = []
    for entry in entries:
        version = known[entry.file]
        info = MediaInfo(version.kind, 0, 0, version.length_s)  # type: ignore[arg-type]
        ads.append(make_ad(path, path.with_name(entry.file), entry, head, info, version.sha256))
    return Playlist(path, tuple(ads), timezone=head.timezone, cross_fade_s=head.cross_fade_s)


def _absent(playlist: Playlist, coming: Forecast) -> list[Absent]:
    """Return the ads of a playlist that are not shown in the hour, and why."""
    shown = {one.ad.ad_id for one in coming.shares if one.plays}
    moments = [coming.begin + timedelta(minutes=minute) for minute in range(_MINUTES)]
    found = []
    for ad in distinct(playlist.ads):
        if ad.ad_id in shown:
            continue
        listings = [one for one in playlist.ads if one.ad_id == ad.ad_id]
        when = [at for at in moments if any(may_play(one, at) for one in listings)]
        if not when:
            why = " ".join(dict.fromkeys(_why_closed(one, moments) for one in listings))
        else:
            why = _why_behind(playlist, ad, when)
        found.append(Absent(ad.name, why))
    return found


def _why_closed(ad: Ad, moments: Sequence[datetime]) -> str:
    """Return why a listing may not play at any of some moments."""
    days = {at.date() for at in moments}
    if all(ad.first_day is not None and day < ad.first_day for day in days):
        return _("It starts on %(day)s.", day=ad.first_day)
    if all(ad.last_day is not None and day > ad.last_day for day in days):
        return _("It ended on %(day)s.", day=ad.last_day)
    rules = []
    if ad.days:
        rules.append(value_words("days", list(ad.days)))
    if ad.hours:
        rules.append(value_words("hours", [str(span) for span in ad.hours]))
    return _("It plays only %(when)s.", when=", ".join(rules))


def _why_behind(playlist: Playlist, ad: Ad, when: Sequence[datetime]) -> str:
    """Return why an ad that may play at some moments is not shown."""
    timetable = Timetable(playlist.ads)
    for at in when:
        open_now = timetable.open_at(at)
        own = next(one for one in open_now if one.ad_id == ad.ad_id)
        first = max(open_now, key=rank)
        if rank(first) == rank(own):
            return _(
                "Its turn does not come within the hour: others play first, and its weight is "
                "%(weight)s.",
                weight=f"{own.weight:g}",
            )
    if first.takeover and not own.takeover:
        return _("%(name)s is a takeover: while it may play, others wait.", name=first.name)
    return _(
        "%(name)s has the higher priority (%(priority)s instead of %(own)s).",
        name=first.name,
        priority=first.priority,
        own=own.priority,
    )


def _limit_note(voice: VoiceShare, coming: Forecast) -> str:
    """Return at which play an ad reached its hourly limit, in a sentence."""
    own = [play for play in coming.plays if play.ad.ad_id == voice.ad.ad_id]
    limit = own[-1].ad.max_per_hour
    if limit is None or len(own) < limit:
        return ""
    return _(
        "Its limit of %(limit)s an hour is reached at %(at)s.",
        limit=limit,
        at=f"{own[limit - 1].at:%H:%M}",
    )


def _candidates(playlist: Playlist, at: datetime) -> list[Ad]:
    """Return the ads that compete for the first play."""
    open_now = Timetable(playlist.ads).open_at(at)
    highest = max(map(rank, open_now), default=None)
    return [ad for ad in open_now if rank(ad) == highest]


def _chances(
    name: str, rails: PolicySettings, candidates: Sequence[Ad], at: datetime
) -> list[Chances]:
    """Return the chances of each candidate while the mood is not known, and for each mood.

    What a screen has learnt is not known here, so for `learn` only the former.
    """
    if not candidates:
        return []
    names = {ad.ad_id: ad.name for ad in candidates}
    viewers = max(1, rails.min_audience)
    moods: Iterable[str | None] = (None, *EMOTIONS) if name == "mood" else (None,)
    found = []
    for mood in moods:
        audience = None if mood is None else Audience(viewers, viewers, mood)
        choice = make_policy(name, rails).choose(candidates, Situation(0, at, audience))
        chances = choice.context["candidates"]
        found.append(Chances(mood, {names[ad_id]: chance for ad_id, chance in chances.items()}))
    return found


def _once(left_out: Iterable[LeftOut]) -> list[LeftOut]:
    """Return each ad that is left out once."""
    return list({one.creative: one for one in reversed(tuple(left_out))}.values())[::-1]
