"""What people call the keys of a playlist, and what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monitor.languages import _, lazy
from monitor.languages.words import WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.languages import LazyText

POLICY_WORDS: dict[str, tuple[LazyText, LazyText]] = {
    "sequential": (lazy("In this order"), lazy("One ad after the other, round and round.")),
    "shuffle": (
        lazy("Shuffled"),
        lazy("Each ad once per round, in random order, never the same one twice in a row."),
    ),
    "weighted": (
        lazy("By weight"),
        lazy("Screen time in proportion to the weights, spread evenly over the day."),
    ),
    "mood": (
        lazy("By mood"),
        lazy(
            "Prefers ads that are made for the mood of the people in front of the screen. While it "
            "is not known, by weight."
        ),
    ),
    "learn": (
        lazy("Learning"),
        lazy(
            "Learns which ad works best for which mood, group size and time of day, and shows it "
            "more often. While nobody is measured, by weight."
        ),
    ),
}
"""Each policy in words: its name, and what it does."""

KEY_WORDS = {
    "weight": lazy("weight"),
    "max_per_hour": lazy("starts per hour"),
    "hours": lazy("hours"),
    "days": lazy("days"),
    "from": lazy("first day"),
    "until": lazy("last day"),
    "moods": lazy("moods"),
    "priority": lazy("priority"),
    "takeover": lazy("takeover"),
    "fit": lazy("fit"),
    "volume": lazy("volume"),
    "mute": lazy("sound"),
    "duration_s": lazy("seconds"),
    "price_per_thousand_s": lazy("price of 1,000 attentive seconds"),
    "cross_fade_s": lazy("Cross-fade"),
    "filler": lazy("Filler"),
    "policy": lazy("Order"),
    "holdout": lazy("Hold-out"),
    "floor": lazy("Floor"),
    "min_audience": lazy("Viewers needed"),
    "wash_out_s": lazy("Pause between ads"),
    "blocked": lazy("Held back"),
}
"""What people call the keys of a body."""

DAY_WORDS = {
    "mon": lazy("Mon"),
    "tue": lazy("Tue"),
    "wed": lazy("Wed"),
    "thu": lazy("Thu"),
    "fri": lazy("Fri"),
    "sat": lazy("Sat"),
    "sun": lazy("Sun"),
}

FIT_WORDS = {
    "contain": lazy("whole, with black beside it"),
    "cover": lazy("fills the screen, edges cut off"),
    "blur": lazy("whole, on a blurred copy of itself"),
}

_UNSET = {
    "weight": lazy("1"),
    "max_per_hour": lazy("any number"),
    "hours": lazy("all day"),
    "days": lazy("every day"),
    "from": lazy("none"),
    "until": lazy("none"),
    "moods": lazy("all"),
    "priority": lazy("0"),
    "takeover": lazy("no"),
    "fit": lazy("as usual"),
    "volume": lazy("full"),
    "mute": lazy("on"),
    "duration_s": lazy("its own length"),
    "filler": lazy("black"),
    "cross_fade_s": lazy("none"),
    "policy": lazy("as the screen is set"),
}


def value_words(key: str, value: Any) -> str:
    """Return a value of a body in words; `None` is what it means to say nothing."""
    if value in (None, [], ""):
        return str(_UNSET.get(key, _("as usual")))
    words: Mapping[str, Any] = {"days": DAY_WORDS, "moods": WORDS, "fit": FIT_WORDS}.get(key, {})
    if isinstance(value, list):
        return ", ".join(str(words.get(one, one)) for one in value)
    if key == "policy" and value in POLICY_WORDS:
        return str(POLICY_WORDS[value][0])
    if key == "mute":
        return _("off") if value else _("on")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return str(words.get(value, value))


def rules(ad: Mapping[str, Any]) -> list[str]:
    """Return what an ad of a body says about when and how it plays, in a few words each."""
    found = []
    if ad.get("days"):
        found.append(value_words("days", ad["days"]))
    if ad.get("hours"):
        found.append(value_words("hours", ad["hours"]))
    if ad.get("from"):
        found.append(_("from %(day)s", day=ad["from"]))
    if ad.get("until"):
        found.append(_("until %(day)s", day=ad["until"]))
    if ad.get("max_per_hour"):
        found.append(_("at most %(count)s an hour", count=ad["max_per_hour"]))
    if ad.get("moods"):
        found.append(_("for %(moods)s", moods=value_words("moods", ad["moods"])))
    if ad.get("priority"):
        found.append(_("priority %(priority)s", priority=ad["priority"]))
    if ad.get("takeover"):
        found.append(_("takeover"))
    if ad.get("fit"):
        found.append(value_words("fit", ad["fit"]))
    if ad.get("mute"):
        found.append(_("muted"))
    elif ad.get("volume") is not None:
        found.append(_("volume %(volume)s", volume=ad["volume"]))
    if ad.get("duration_s"):
        found.append(_("%(seconds)s s", seconds=f"{ad['duration_s']:g}"))
    return found
