"""What a screen is to show: its bookings, their published playlists and the approved ads, resolved.

The functions are pure. Each ad of each playlist that is booked for a screen becomes a listing of a
playlist file, with the times that the playlist, the booking and the ad's approved version have in
common. What the listings cannot say for each ad alone, such as the policy, is that of the screen's
usual programme: the booking of the lowest priority, of several the one made first.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from ads.playlists.loader import DEFAULT_IMAGE_DURATION_S
from ads.playlists.playlist_file import SHOWN_KEYS, Entry, colour_of
from db.hub.shows.bookings import bookings_of
from monitor.hub.shows.listing import booked_times, common_times, times_of
from monitor.languages import LazyText, _, lazy
from monitor.languages import short_date as day_words
from monitor.settings.time_zone import zone_or_utc
from monitor.uplink.documents import MAX_DOCUMENT_BYTES, files_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from db.hub.shows.bookings import BookingInfo
    from db.hub.shows.desired import ApprovedVersion, Plan, PlannedCreative, PlannedScreen
    from monitor.hub.shows.listing import Times

Why = Literal[
    "unknown", "archived", "pending", "rejected", "draft", "never", "ended", "same_id", "invalid"
]

_OF_AD = (
    *("weight", "max_per_hour", "hours", "from", "until", "priority", "takeover"),
    *("fit", "volume", "mute", "duration_s", "price_per_thousand_s", "days", "moods"),
)
"""Keys of an ad in a playlist that are passed on as they are."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An ad of a playlist that a screen does not show, and why.

    Attributes:
        creative: Its uid.
        name: Of the ad, or its uid if there is none.
        playlist: Name of the playlist.
        why: One word; `words` has the sentence.
        detail: The day, the other ad or the mistake that the sentence names.
    """

    creative: str
    name: str
    playlist: str
    why: Why
    detail: str | date = ""

    @property
    def words(self) -> str:
        """Why, in a sentence."""
        detail = day_words(self.detail) if isinstance(self.detail, date) else self.detail
        words: dict[Why, LazyText] = {
            "unknown": lazy("It is no longer in the library."),
            "archived": lazy("It is archived."),
            "pending": lazy("It waits for approval."),
            "rejected": lazy("It was rejected."),
            "draft": lazy("It has no approved version."),
            "never": lazy("Its times and those of the booking have nothing in common."),
            "ended": lazy("It ended on %(day)s.", day=detail),
            "same_id": lazy("The ad %(other)s has the same id.", other=detail),
            "invalid": lazy("The playlist is wrong: %(why)s.", why=detail),
        }
        return str(words[self.why])


@dataclass(frozen=True)
class Show:
    """What a screen is to show.

    Attributes:
        playlist: As a playlist file, each file by the name of its media entry; `None` to leave the
            screen its local playlist, because nothing that is booked
            was published.
        media: Each with `sha256`, `size` and `ending`.
        settings: How the next ad is chosen, by key of a setting.
        left_out: Ads that are booked but not shown.
        problem: Why it can never show anything, or is too large; such a show is not sent.
    """

    playlist: dict[str, Any] | None = None
    media: tuple[dict[str, Any], ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    problem: str = ""

    def content(self, screen: PlannedScreen) -> dict[str, Any]:
        """Return what is stored for a screen; its own settings come first."""
        content: dict[str, Any] = {
            "name": screen.screen.place.name,
            "playlist": self.playlist,
            "media": list(self.media),
            "settings": {**self.settings, **screen.settings},
        }
        if screen.experiments:
            content["experiments"] = list(screen.experiments)
        return content

    @cached_property
    def _digest(self) -> str:
        return _digest([self.playlist, self.media])

    def digest(self, screen: PlannedScreen) -> str:
        """Return the digest by which the content of two documents for a screen is compared."""
        content = self.content(screen)
        own = [content[name] for name in ("name", "settings", "experiments") if name in content]
        return _digest([self._digest, *own])


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class Shows:
    """The shows of the screens of a plan; screens with the same bookings share the work.

    Args:
        plan: All that decides what they show.
        at: Aware; what ended before it is left out.
    """

    def __init__(self, plan: Plan, at: datetime) -> None:
        self._plan = plan
        self._at = at
        self._made: dict[tuple[str, ...], Show] = {}

    def show_of(self, screen: PlannedScreen) -> Show:
        """Return what a screen is to show."""
        place = screen.screen.place
        bookings = bookings_of(self._plan.bookings, screen.screen.uid, place)
        key = (place.time_zone, *(one.uid for one in bookings))
        if key not in self._made:
            self._made[key] = desired_show(
                bookings,
                self._plan.bodies,
                self._plan.creatives,
                place.time_zone,
                ended=self._at.astimezone(zone_or_utc(place.time_zone)).date() - timedelta(days=1),
            )
        return self._made[key]


def desired_show(
    bookings: Sequence[BookingInfo],
    bodies: Mapping[str, Mapping[str, Any]],
    creatives: Mapping[str, PlannedCreative],
    time_zone: str,
    *,
    ended: date,
) -> Show:
    """Resolve the bookings of a screen.

    Args:
        bookings: Those for it, the first made first.
        bodies: The published body of each playlist, by uid; see `db.hub.tables.shows`.
        creatives: By uid.
        time_zone: Of the screen.
        ended: The day before today, by its calendar; what ended then is left out.
    """
    published = [one for one in bookings if one.plan.playlist in bodies]
    if not published:
        return Show()
    collector = _Collector(creatives, ended)
    for booking in published:
        collector.add(booking, bodies[booking.plan.playlist])
    usual = min(published, key=lambda one: one.plan.priority)
    body = bodies[usual.plan.playlist]
    left_out = tuple(dict.fromkeys(collector.left_out))
    if not collector.entries:
        return Show(left_out=left_out, problem=_nothing(left_out))
    playlist: dict[str, Any] = {"timezone": time_zone}
    if body.get("cross_fade_s"):
        playlist["cross_fade_s"] = body["cross_fade_s"]
    filler = collector.filler(body.get("filler"), usual.playlist_name)
    if filler is not None:
        playlist["filler"] = filler
    playlist["ads"] = collector.entries
    media = tuple(collector.media[name] for name in files_of(playlist))
    show = Show(playlist, media, _settings(body), tuple(dict.fromkeys(collector.left_out)))
    # Half is left for commands, settings, and the escapes of the signed text.
    if 2 * len(json.dumps(playlist)) > MAX_DOCUMENT_BYTES:
        return Show(
            left_out=left_out,
            problem=_("The playlists that are booked have too many ads for one screen."),
        )
    return show


class _Collector:
    """Collects the listings of a show and the files they need."""

    def __init__(self, creatives: Mapping[str, PlannedCreative], ended: date) -> None:
        self._creatives = creatives
        self._ended = ended
        self._names: dict[str, PlannedCreative] = {}
        self._listed: dict[str, dict[str, Any]] = {}
        self.media: dict[str, dict[str, Any]] = {}
        self.left_out: list[LeftOut] = []

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The listings, each once."""
        return list(self._listed.values())

    def add(self, booking: BookingInfo, body: Mapping[str, Any]) -> None:
        """Add the ads of a playlist as they are booked."""
        head = {key: body[key] for key in sorted(SHOWN_KEYS) if body.get(key) is not None}
        for ad in body.get("ads", ()):
            uid = str(ad.get("creative", ""))
            creative = self._creatives.get(uid)
            found = self._shown(creative)
            if isinstance(found, str):
                name = uid if creative is None else creative.name
                self._leave_out(uid, name, booking, found)
            elif creative is not None:
                self._list(creative, found, {**head, **ad}, booking)

    def filler(self, value: object, playlist: str) -> str | None:
        """Return the filler of a playlist file: a colour as it is, or the file of a picture."""
        if not isinstance(value, str) or not value or colour_of(value) is not None:
            return value if isinstance(value, str) and value else None
        creative = self._creatives.get(value)
        found = self._shown(creative)
        if isinstance(found, str):
            name = value if creative is None else creative.name
            self.left_out.append(LeftOut(value, name, playlist, found))
            return None
        return self._file(found)

    def _shown(self, creative: PlannedCreative | None) -> ApprovedVersion | Why:
        if creative is None:
            return "unknown"
        if creative.is_archived:
            return "archived"
        if creative.approved is not None:
            return creative.approved
        return {"pending": "pending", "rejected": "rejected"}.get(creative.newest, "draft")  # type: ignore[return-value]

    def _list(
        self,
        creative: PlannedCreative,
        version: ApprovedVersion,
        ad: Mapping[str, Any],
        booking: BookingInfo,
    ) -> None:
        other = self._names.setdefault(creative.ad_id, creative)
        if other.uid != creative.uid:
            self._leave_out(creative.uid, creative.name, booking, "same_id", other.name)
            return
        try:
            entry = entry_of(creative, version, ad, self._file(version))
            checked = Entry.model_validate(entry)
            asked = times_of(checked.days, checked.hours, checked.first_day, checked.last_day)
        except (ValidationError, ValueError) as error:
            self._leave_out(creative.uid, creative.name, booking, "invalid", _mistake(error))
            return
        own = asked.within(version.first_day, version.last_day)
        found = [] if own is None else common_times(own, booked_times(booking.plan))
        open_ones = [one for one in found if not one.is_over(self._ended)]
        if not open_ones:
            last = max((one.last_day for one in found if one.last_day), default="")
            why: Why = "ended" if found else "never"
            self._leave_out(creative.uid, creative.name, booking, why, last)
        for key in ("days", "hours", "from", "until"):
            entry.pop(key, None)
        if booking.plan.priority:
            entry["priority"] = booking.plan.priority
        if booking.plan.takeover:
            entry["takeover"] = True
        for when in open_ones:
            listed = entry | _words(when)
            self._listed.setdefault(json.dumps(listed, sort_keys=True), listed)

    def _file(self, version: ApprovedVersion) -> str:
        name = version.sha256 + version.ending
        self.media[name] = {
            "sha256": version.sha256,
            "size": version.size,
            "ending": version.ending,
        }
        return name

    def _leave_out(
        self, uid: str, name: str, booking: BookingInfo, why: Why, detail: str | date = ""
    ) -> None:
        self.left_out.append(LeftOut(uid, name, booking.playlist_name, why, detail))


def entry_of(
    creative: PlannedCreative, version: ApprovedVersion, ad: Mapping[str, Any], file: str
) -> dict[str, Any]:
    """Return an ad of a body as an entry of a playlist file, with the times of the playlist alone.

    Args:
        creative: The ad in the library.
        version: What is shown of it.
        ad: What the body says about it.
        file: Name of the version's file.
    """
    entry: dict[str, Any] = {"id": creative.ad_id, "file": file, "name": creative.name}
    entry |= {key: ad[key] for key in _OF_AD if ad.get(key) not in (None, [], "")}
    if "moods" not in entry and version.moods:
        entry["moods"] = list(version.moods)
    if "duration_s" not in entry and version.duration_s is not None:
        entry["duration_s"] = version.duration_s
    if "duration_s" not in entry and version.kind == "image":
        entry["duration_s"] = DEFAULT_IMAGE_DURATION_S
    length_s = entry.get("duration_s") or version.length_s
    brand = [at_s for at_s in version.brand_at_s if length_s is None or at_s <= length_s]
    if brand:
        entry["brand_at_s"] = brand
    return entry


def _words(when: Times) -> dict[str, Any]:
    words: dict[str, Any] = {"days": when.day_names(), "hours": when.hour_texts()}
    for key, day in (("from", when.first_day), ("until", when.last_day)):
        if day is not None:
            words[key] = day.isoformat()
    return {key: value for key, value in words.items() if value}


def _settings(body: Mapping[str, Any]) -> dict[str, Any]:
    found = {f"ads.{key}": value for key, value in (body.get("guard_rails") or {}).items()}
    if body.get("policy"):
        found["ads.policy"] = body["policy"]
    return found


def _nothing(left_out: Iterable[LeftOut]) -> str:
    reasons = [f"{one.name}: {one.words}" for one in left_out]
    if not reasons:
        return _("The playlists that are booked have no ads.")
    more = len(reasons) - 3
    listed = " ".join(reasons[:3])
    return (
        _("None of the ads that are booked may be shown. %(reasons)s", reasons=listed)
        if more <= 0
        else _(
            "None of the ads that are booked may be shown. %(reasons)s And %(more)s more.",
            reasons=listed,
            more=more,
        )
    )


def _mistake(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        return f"{where}: {str(first['msg']).removeprefix('Value error, ')}"
    return str(error)
