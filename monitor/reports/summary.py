"""What every format shows first: what to do, the ads in order, and figures in their usual choice.

Pages, spreadsheets and slides take these from here, so they say the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from ads.playlists.playlist import DAYS
from detector.emotion.prevalence import GROUPS
from monitor.languages import _, lazy, ngettext
from monitor.languages.words import word
from monitor.reports.faces import as_shown
from monitor.reports.figures import VALENCE
from monitor.reports.formatting import decimal, percent, points, signed
from monitor.reports.wording import between, size_range, title
from monitor.settings import time_zone

if TYPE_CHECKING:
    from collections.abc import Sequence

DAY_NAMES = dict(
    zip(
        DAYS,
        (
            lazy("Monday"),
            lazy("Tuesday"),
            lazy("Wednesday"),
            lazy("Thursday"),
            lazy("Friday"),
            lazy("Saturday"),
            lazy("Sunday"),
        ),
        strict=True,
    )
)

MANY_ADS = 8
"""With more ads, pages show them side by side, and the details of each in an appendix."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Control characters, which have no place in XML, and those that turn the order of a line round."""

_MORE_FACES = {
    "happy": lazy("more happy faces"),
    "surprise": lazy("more surprised faces"),
    "negative": lazy("more negative faces"),
}
_FEWER_FACES = {
    "happy": lazy("fewer happy faces"),
    "surprise": lazy("fewer surprised faces"),
    "negative": lazy("fewer negative faces"),
}

_ACTIONS = {
    "keep": lazy("Keep"),
    "stop": lazy("Stop"),
    "keep_testing": lazy("Keep testing"),
    "collect": lazy("Collect viewers"),
}


@dataclass(frozen=True, slots=True)
class Advice:
    """Ads with the same advice: its key, its name, and each ad's place, title and reason.

    `reason` is what all of them have in common, and then missing from each; else empty.
    """

    action: str
    name: str
    ads: Sequence[dict[str, Any]]
    reason: str = ""


def zone_of(document: dict[str, Any]) -> ZoneInfo:
    """Return the time zone that a report is shown in."""
    return ZoneInfo(document["report"].get("timezone") or "UTC")


def zone_words(document: dict[str, Any]) -> str:
    """Return the name of the zone with its distance from UTC at the start of the report."""
    zone, start = zone_of(document), document["session"]["started_at"]
    words = zone.key if start is None else time_zone.zone_words(zone, datetime.fromisoformat(start))
    unnamed = document["report"].get("timezone", "") is None
    several = unnamed and len(document.get("sessions", ())) > 1
    if several:
        return _("%(zone)s; hours and weekdays are those of each site", zone=words)
    return words


def localised(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document as it is shown: times in its zone, no hidden characters in names.

    Figures about faces are those that its label set gives, see `monitor.reports.faces`.
    """
    zone = zone_of(document)

    def shown(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shown(each) for key, each in value.items()}
        if isinstance(value, list):
            return [shown(each) for each in value]
        if not isinstance(value, str):
            return value
        if _TIME.fullmatch(value):
            return datetime.fromisoformat(value).astimezone(zone).isoformat()
        return _HIDDEN.sub("", str(value))

    return as_shown({key: shown(value) for key, value in document.items()})


def action_name(action: str) -> str:
    """Return the name of an action on the page."""
    return str(_ACTIONS[action])


def advice(document: dict[str, Any]) -> list[Advice]:
    """Return what to do with the ads, those to keep first."""
    found: dict[str, list[dict[str, Any]]] = {action: [] for action in _ACTIONS}
    for number, ad in enumerate(document["ads"], 1):
        said = ad["advice"]
        entry = {
            "number": number,
            "title": title(ad),
            "reason": said["reason"],
            "viewers_needed": said["viewers_needed"],
        }
        found[said["action"]].append(entry)
    return [_advice(action, ads) for action, ads in found.items() if ads]


def _advice(action: str, ads: list[dict[str, Any]]) -> Advice:
    reasons = {ad["reason"] for ad in ads}
    if len(ads) == 1 or len(reasons) > 1:
        return Advice(action, action_name(action), ads)
    alone = [{**ad, "reason": ""} for ad in ads]
    return Advice(action, action_name(action), alone, reasons.pop())


def needed(viewers: int | None) -> str:
    """Say how many viewers are still needed; empty where that is not known."""
    if viewers is None:
        return ""
    return ngettext(
        "about %(num)s more viewer needed", "about %(num)s more viewers needed", viewers
    )


def valence(ad: dict[str, Any]) -> dict[str, float | None]:
    """Return the corrected mean valence of an ad's audience, `value`, `low` and `high`."""
    keys = {"value": "", "low": "_low", "high": "_high"}
    return {name: ad[f"valence_corrected_mean{end}"] for name, end in keys.items()}


def valence_at(second: dict[str, Any]) -> dict[str, float | None]:
    """Return the corrected valence of an audience in one second, `value`, `low` and `high`."""
    keys = {"value": "", "low": "_low", "high": "_high"}
    return {name: second[f"{VALENCE}{end}"] for name, end in keys.items()}


def shares(ad: dict[str, Any]) -> dict[str, float] | None:
    """Return the figures of the parts of faces, as `faces.Faces` has them, None if not known."""
    found: dict[str, float] | None = ad["shares"]
    return found


def share_words(parts: dict[str, float]) -> str:
    """Write the shares of happy and negative faces, or the figures of all labels."""
    if set(parts) != set(GROUPS):
        return ", ".join(f"{word(name)} {percent(share)}" for name, share in parts.items())
    return _(
        "happy %(happy)s, negative %(negative)s",
        happy=percent(parts["happy"]),
        negative=percent(parts["negative"]),
    )


def ranked(ads: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the ads with the most positive audience first, those without a mean last."""

    def place(ad: dict[str, Any]) -> tuple[bool, float]:
        value = valence(ad)["value"]
        return value is None, -(value or 0.0)

    return sorted(ads, key=place)


def said_pairs(document: dict[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """Return the pairs of ads that something can be said about, and how many others there are."""
    pairs = document["comparisons"]
    said = [pair for pair in pairs if pair.get("verdict") not in {None, "not_yet"}]
    return said, len(pairs) - len(said)


def stands_out(ad: dict[str, Any]) -> str:
    """Say in which faces an ad certainly differs from the others; empty where in none."""
    found = ad["stands_out"]
    if not found:
        return ""
    value, low, high = (found[key] for key in ("difference", "low", "high"))
    words = _MORE_FACES[found["group"]] if value > 0 else _FEWER_FACES[found["group"]]
    return _(
        "%(size)s %(faces)s than the other ads, 95%% interval %(range)s",
        size=points(abs(value)),
        faces=words,
        range=size_range(value, low, high),
    )


def interval_words(low: float | None, high: float | None) -> str:
    """Write an interval, empty where there is none."""
    return "" if low is None or high is None else between(signed(low), signed(high))


def score_words(ad: dict[str, Any]) -> str:
    """Write the score with its interval, where it has one."""
    low, high = ad["score_low"], ad["score_high"]
    if ad["score"] is None or low is None or high is None:
        return decimal(ad["score"], 0)
    return f"{decimal(ad['score'], 0)} ({between(decimal(low, 0), decimal(high, 0))})"
