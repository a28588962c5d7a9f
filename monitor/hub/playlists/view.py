"""A playlist as its page shows it: each ad in words, with its share of the screen time."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from ads.playlists.loader import DEFAULT_IMAGE_DURATION_S
from db.hub.shows.bookings import BookingInfo, BookingPlan
from monitor.hub.playlists.vocabulary import rules
from monitor.hub.shows.resolution import Show, desired_show
from monitor.languages import _

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from db.hub.screens.registry import ScreenInfo
    from db.hub.shows.desired import Plan, PlannedCreative
    from db.hub.shows.playlists import PlaylistInfo

WEIGHTLESS = ("sequential", "shuffle")
"""Policies that do not look at weights."""

USUAL_POLICY = "sequential"
"""What a kiosk does that was told nothing else."""


@dataclass(frozen=True, slots=True)
class Row:
    """An ad of a playlist.

    Attributes:
        place: From 1.
        creative: Its uid.
        kind: `image`, `animation` or `video`; empty if nothing of it may be shown.
        length_s: How long it is shown; `None` if nothing of it may be shown.
        rules: When and how it plays, in a few words each.
        share: Of the screen time while all ads of its rank may play, 0 to 1.
        problem: Why it is not shown, in a sentence; empty if it is.
    """

    place: int
    creative: str
    ad_id: str
    name: str
    kind: str
    length_s: float | None
    rules: tuple[str, ...]
    share: float
    problem: str


def rows_of(
    body: Mapping[str, Any],
    creatives: Mapping[str, PlannedCreative],
    playlist: PlaylistInfo,
    now: datetime,
) -> list[Row]:
    """Return the ads of a body in their order."""
    ads = body.get("ads", ())
    problems = {
        one.creative: one.words for one in shown_alone(body, creatives, playlist, now).left_out
    }
    lengths = [_length_s(ad, creatives.get(ad["creative"])) for ad in ads]
    shares = _shares(body, lengths)
    return [
        Row(
            place,
            ad["creative"],
            "" if creative is None else creative.ad_id,
            _("An ad that is no longer in the library") if creative is None else creative.name,
            "" if creative is None or creative.approved is None else creative.approved.kind,
            lengths[place - 1],
            tuple(rules(ad)),
            shares[place - 1],
            problems.get(ad["creative"], ""),
        )
        for place, ad in enumerate(ads, start=1)
        for creative in (creatives.get(ad["creative"]),)
    ]


def shown_alone(
    body: Mapping[str, Any],
    creatives: Mapping[str, PlannedCreative],
    playlist: PlaylistInfo,
    now: datetime,
    time_zone: str = "UTC",
) -> Show:
    """Return what a screen would show with nothing booked but this playlist, at all times."""
    plan = BookingPlan(playlist.uid)
    booking = BookingInfo(0, "", plan, playlist.name, "", now, "")
    ended = now.astimezone(UTC).date() - timedelta(days=1)
    return desired_show([booking], {playlist.uid: body}, creatives, time_zone, ended=ended)


def runs_on(plan: Plan, uid: str) -> list[ScreenInfo]:
    """Return the screens for which a playlist is booked."""
    bookings = [one.plan for one in plan.bookings if one.plan.playlist == uid]
    return [
        planned.screen
        for planned in plan.screens
        if any(one.targets(planned.screen.uid, planned.screen.place) for one in bookings)
    ]


def _length_s(ad: Mapping[str, Any], creative: PlannedCreative | None) -> float | None:
    version = None if creative is None else creative.approved
    if ad.get("duration_s") is not None:
        return float(ad["duration_s"])
    if version is None:
        return None
    return version.duration_s or version.length_s or DEFAULT_IMAGE_DURATION_S


def _shares(body: Mapping[str, Any], lengths: list[float | None]) -> list[float]:
    """Return each ad's share of the screen time among those of its rank."""
    weighs = body.get("policy", USUAL_POLICY) not in WEIGHTLESS
    parts = []
    totals: dict[tuple[bool, int], float] = defaultdict(float)
    for ad, length_s in zip(body.get("ads", ()), lengths, strict=True):
        part = 0.0 if length_s is None else float(ad.get("weight", 1)) if weighs else length_s
        rank = bool(ad.get("takeover")), int(ad.get("priority", 0))
        totals[rank] += part
        parts.append((part, rank))
    return [part / totals[rank] if totals[rank] else 0.0 for part, rank in parts]
