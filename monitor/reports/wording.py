"""The sentences of the report; they claim no more than the figures and intervals allow."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from monitor.analytics.report_data import kinds_left_out
from monitor.reports.figures import VALENCE
from monitor.reports.formatting import (
    counted,
    decimal,
    duration,
    moment_of,
    percent,
    points,
    signed,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

MOMENTS = {
    "peak": ("Most positive", "peak of valence"),
    "trough": ("Least positive", "low of valence"),
    "attention_drop": (
        "Attention falls",
        "of attention, up to four seconds against those before",
    ),
}
"""Name and note of each kind of key moment."""

FIGURE_NAMES = {
    "timeline": "curves",
    "watchers": "watchers",
    "held": "held",
    "conversion": "conversion",
    "peak_valence": "peak valence",
    "attraction": "attraction",
    "impact": "impact",
    "timeline.valence": "curves of valence",
    "timeline.probabilities": "curves of emotions",
    "timeline.shares": "curves of faces",
    "multipliers.multiplier": "viewers per showing in some hours",
    "trend": "figures of some weeks",
    "screens.attention_s": "attention at some screens",
    "session.viewers": "viewers of some screens",
    "session.watchers": "watchers",
    "session.attention_s": "attention time",
    "session.attraction_ratio": "attraction ratio",
}
"""Names of withheld figures on the page."""


def title(ad: dict[str, Any]) -> str:
    """Return the name of an ad, with its version when there is more than one."""
    return str(ad["name"]) if ad["version"] is None else f"{ad['name']} (version {ad['version']})"


def place(document: dict[str, Any]) -> str:
    """Return the title of the page: campaign and site, else the session, else how many sites."""
    session = document["session"]
    site, campaign = session["site"] or "", session["campaign"]
    # The site of a kiosk that was given no name.
    if site == "default":
        site = ""
    sites = {entry["site"] for entry in document["sessions"]}
    if not site and len(sites) > 1:
        chosen = _places(document.get("report", {}).get("scope", {}))
        site = f"{len(sites)} sites" if chosen else "all sites"
    if campaign:
        return f"{campaign}, {site}" if site else str(campaign)
    if session["id"] is not None and not site:
        return f"Session {session['id']}"
    return f"{site[:1].upper()}{site[1:]}" if site == "all sites" else site or "All sessions"


def has_curve(ad: dict[str, Any]) -> bool:
    """Whether any second of the ad has figures."""
    return any(second["attention"] is not None for second in ad["timeline"])


def why_no_mean(ad: dict[str, Any], withheld: Iterable[dict[str, Any]]) -> str:
    """Say why an ad has no valence, given all that is withheld; empty for one that has."""
    if ad["valence_corrected_mean"] is not None:
        return ""
    if any("mean_valence" in entry["figures"] for entry in withheld if is_about(entry, ad)):
        return "withheld: too few viewers"
    if ad["opportunities"] is None:
        return "never measured"
    return "no emotion could be read" if ad["opportunities"] else "nobody was in view"


def describe(ad: dict[str, Any]) -> str:
    """Describe the curves of an ad for people who cannot see them."""
    if not has_curve(ad):
        return f"{title(ad)}: no curve."
    known = [second for second in ad["timeline"] if second[VALENCE] is not None]
    if not known:
        return (
            f"Curve of {title(ad)} over {len(ad['timeline'])} seconds: only attention and the "
            "number of viewers, no emotion. The table below has all values."
        )
    top = max(known, key=lambda second: second[VALENCE])
    bottom = min(known, key=lambda second: second[VALENCE])
    counts = [second["n"] for second in known]
    people = f"{counts[0]}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    start, low, high = (signed(second[VALENCE]) for second in (known[0], bottom, top))
    happy = percent(ad["shares"] and ad["shares"]["happy"])
    return (
        f"Curves of {title(ad)} over {len(ad['timeline'])} seconds: valence starts at {start}, is "
        f"lowest with {low} in second {bottom['second']} and highest with {high} in second "
        f"{top['second']}; {happy} of the faces over the ad are happy; viewers per second: "
        f"{people}. The table below has all values."
    )


def left_out(document: dict[str, Any]) -> list[str]:
    """Say that a demonstration has no customers, and which sessions are left out of what."""
    report = document["report"]
    own = kinds_left_out(report["scope"].get("left_out") or {})
    others = kinds_left_out(report.get("norms_left_out") or {})
    said = []
    if places := _places(report["scope"]):
        said.append(f"Only sessions {places}.")
    if document["session"].get("session_kind") == "demo":
        said.append("A demonstration: the viewer is the built-in demo viewer, not a customer.")
    if own:
        said.append(f"Left out: {own}; only live sessions count.")
    if others and others != own:
        said.append(f"Left out of the ads to compare with: {others}.")
    return said


def _places(scope: dict[str, Any]) -> str:
    """Return what groups and tags, or several sites, a report was asked for, in words."""
    parts = (("at", "sites"), ("of the group", "groups"), ("with the tag", "tags"))
    named = [f"{words} {' or '.join(scope[key])}" for words, key in parts if scope.get(key)]
    return ", ".join(named)


def findings(document: dict[str, Any]) -> list[str]:
    """Say the main results in sentences."""
    session, ads = document["session"], document["ads"]
    if not ads:
        where = " in this session" if document["report"]["scope"]["sessions"] == 1 else ""
        return [f"No ad was shown{where}."]
    if not session["viewers"]:
        return ["Ads were shown, but no viewer was seen, so there is no reaction to report."]
    return [
        _reach(document),
        *claims(document),
        *_missing(document["quality"]),
    ]


MAX_CLAIMS = 8
"""Sentences about ads on a page; a report of sixty ads may have more findings."""


def claims(document: dict[str, Any]) -> list[str]:
    """Say the findings, the most certain of each kind first, or that there is none."""
    found = document["findings"]
    said: list[str] = []
    kinds = list(dict.fromkeys(finding["kind"] for finding in found))
    by_kind = [
        sorted((each for each in found if each["kind"] == kind), key=lambda each: each["p"])
        for kind in kinds
    ]
    chosen = [each for rank in zip_longest(*by_kind) for each in rank if each is not None]
    shown = chosen[:MAX_CLAIMS]
    said += [finding["sentence"] for finding in found if finding in shown]
    if len(chosen) > MAX_CLAIMS:
        said.append(f"{counted(len(chosen) - MAX_CLAIMS, 'more finding')} under the ads.")
    return said or _nothing(document)


def _nothing(document: dict[str, Any]) -> list[str]:
    """Say which two ads certainly differ, if no ad differs from all others, or that none does."""
    ads = document["ads"]
    certain = [pair for pair in document["comparisons"] if pair["verdict"] in {"better", "worse"}]
    if certain:
        certain.sort(key=lambda pair: pair["p_adjusted"])
        return [pair["sentence"] for pair in certain[:3]]
    rated = [ad for ad in ads if ad["mean_valence"] is not None]
    if not rated:
        if any(ad["opportunities"] for ad in ads):
            why = "no face well enough to read an emotion from it while an ad was on"
        else:
            why = "none of them while an ad was on"
        return [] if document["withheld"] else [f"Viewers were seen, but {why}."]
    if len(rated) == 1:
        return [f"No second of {quoted(rated[0])} certainly stands out from the others."]
    return ["No ad certainly differs from the others, and no second stands out."]


def finding_sentence(finding: dict[str, Any], ad: dict[str, Any]) -> str:
    """Say a finding of the document about one of its ads in a sentence."""
    name, viewers = quoted(ad), counted(finding["viewers"], "viewer")
    value, low, high = (finding[key] for key in ("value", "low", "high"))
    kind, level = finding["kind"], finding["level"]
    if finding["measure"] == "attention":
        interval = f"{points(abs(value))}, 95% interval {size_range(value, low, high)}"
        if kind == "attention_drop":
            before, after = (seconds(finding[key]) for key in ("before", "after"))
            return f"Attention to {name} fell from {before} to {after} by {interval}; {viewers}."
        more = "more" if kind == "more_attention" else "less"
        return f"{name} held {more} attention than the other ads, by {interval}; {viewers}."
    # A limit that is rounded to 0 would deny what is said.
    digits = 2 if min(abs(low), abs(high)) >= 0.005 else 3
    interval = f"95% interval {signed(low, digits)} to {signed(high, digits)}"
    if kind in {"peak", "trough"}:
        most = "more" if kind == "peak" else "less"
        return (
            f"Second {finding['second']} of {name} was met with {most} positive faces than the "
            f"rest of the ad: valence {signed(value)} against {signed(level)} over the whole ad, "
            f"{interval}; {viewers}."
        )
    more = "more" if kind == "more_positive" else "less"
    return (
        f"{name} was met with {more} positive faces than the other ads: valence "
        f"{signed(level + value)} against {signed(level)}, difference {signed(value)}, {interval}; "
        f"{viewers}."
    )


def seconds(span: list[int]) -> str:
    """Write `second 3` or `seconds 3-6`, with an en dash."""
    first, last = span
    if first == last:
        return f"second {first}"
    return f"seconds {first}\N{EN DASH}{last}"


def size_range(value: float, low: float, high: float) -> str:
    """Write the interval of the size of a difference between shares."""
    ends = (low, high) if value >= 0 else (-high, -low)
    # A limit that is rounded to 0 would deny what is said.
    digits = 0 if abs(ends[0]) >= 0.005 else 1
    return f"{decimal(100 * ends[0], digits)} to {points(ends[1])}"


def advice_reason(reason: str) -> str:
    """Say why an ad has its advice."""
    return {
        "better": "Its audience is more positive and more attentive than that of the other ads.",
        "better_valence": "Its audience is more positive than that of the other ads, and at most "
        "10 points less attentive.",
        "better_attention": "Its audience is more attentive than that of the other ads, and at "
        "most 0.1 of valence less positive.",
        "no_worse": "Its audience is at most 0.1 of valence less positive and 10 points less "
        "attentive than that of the other ads.",
        "worse": "Its audience is less positive than that of the other ads, by 0.1 of valence or "
        "more, and less attentive, by 10 points or more.",
        "worse_valence": "Its audience is less positive than that of the other ads, by 0.1 of "
        "valence or more.",
        "worse_attention": "Its audience is less attentive than that of the other ads, by 10 "
        "points or more.",
        "mixed": "Its audience is more positive than that of the other ads but less attentive, or "
        "the other way round.",
        "open": "It is not clear yet whether its audience is less positive by 0.1 of valence, or "
        "less attentive by 10 points, than that of the other ads.",
        "few": "Too few viewers to compare it with the other ads in valence and attention.",
        "not_comparable": "It ran too seldom, or at other hours than the other ads, to be compared "
        "with them.",
        "alone": "There is no other ad to compare it with.",
    }[reason]


def _reach(document: dict[str, Any]) -> str:
    session, ads = document["session"], document["ads"]
    shown = f"{counted(session['plays'], 'showing')} of {counted(len(ads), 'ad')}"
    seen = f"{counted(session['viewers'], 'viewer was', 'viewers were')} in view during {shown}"
    if session["watchers"] is None:
        return f"{seen}."
    watched = f"{session['watchers']:,}" if session["watchers"] else "none"
    return f"{seen}; {watched} of them watched an ad for half a second or longer."


def _missing(quality: dict[str, Any]) -> list[str]:
    share = quality["measured_share"]
    if share is None or share > 0.95:
        return []
    gaps = duration(quality["gap_s"])
    return [f"Nothing could be measured for {gaps}, {percent(1 - share)} of the time."]


def quoted(ad: dict[str, Any]) -> str:
    """Return the title of an ad in quotation marks."""
    return f"\N{LEFT DOUBLE QUOTATION MARK}{title(ad)}\N{RIGHT DOUBLE QUOTATION MARK}"


def is_about(entry: dict[str, Any], ad: dict[str, Any]) -> bool:
    """Whether an entry of `withheld` is about an ad."""
    return bool(entry["ad_id"] == ad["ad_id"] and entry.get("version") == ad["version"])


def withheld_name(entry: dict[str, Any], ads: Iterable[dict[str, Any]]) -> str:
    """Return what an entry of `withheld` is about."""
    return next((title(ad) for ad in ads if is_about(entry, ad)), "The whole session")


def figure_names(figures: Iterable[str]) -> str:
    """Name withheld figures in words."""
    figures = list(figures)
    if "mean_valence" in figures:
        return "all measures" if "watchers" in figures else "all measures of emotion"
    return ", ".join(FIGURE_NAMES[figure] for figure in figures if figure in FIGURE_NAMES)


def moment_value(moment: dict[str, Any]) -> str:
    """Return the value of a key moment in its own unit, with its interval."""
    value, low, high = (moment[key] for key in ("value", "low", "high"))
    if moment["kind"] == "attention_drop":
        return f"{points(-value)} ({decimal(-100 * low, 0)} to {decimal(-100 * high, 0)})"
    return f"{signed(value)} ({signed(low)} to {signed(high)})"


def currency(ad: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what media planners count, by name; what is not known is left out."""
    found = {
        "Watched 2 s or more": (ad["watchers_2s"], "{:,}"),
        "Average unit audience": (ad["average_unit_audience"], "{:.1f}"),
        "Attentive s per 1,000": (ad["attentive_s_per_1000"], "{:,.0f}"),
        # A replay, or a kiosk without a window, has none by its nature.
        "Viewable for 2 s": (ad["viewable_plays"]["at_least_2s"] or None, "{:,}"),
        "Cost": (ad["cost"], "{:,.2f}"),
        "Cost per 1,000 attentive s": (ad["cost_per_1000_attentive_s"], "{:,.2f}"),
    }
    return [
        (name, form.format(value)) for name, (value, form) in found.items() if value is not None
    ]


def scene_change(scene: dict[str, Any]) -> str:
    """Say what certainly changed from the scene before, empty for the first scene."""
    change = scene["change"]
    if change is None:
        return ""
    said = []
    for key, name, write in (
        ("valence_corrected", "valence", signed),
        ("attention", "attention", points),
    ):
        found = change[key]
        if found["p_adjusted"] is not None and found["p_adjusted"] < 0.05:
            ends = f"{write(found['low'])} to {write(found['high'])}"
            said.append(f"{name} {write(found['value'])} ({ends})")
    return "; ".join(said) or "no certain change"


def figure_value(value: float | None, figure: str) -> str:
    """Return a figure in its usual unit."""
    if figure.endswith("_s"):
        return duration(value)
    shares = ["attraction_ratio", "conversion", "expressiveness", "impact", "attraction", "held"]
    if figure in shares or figure.endswith("_share"):
        return percent(value)
    return signed(value) if "valence" in figure else decimal(value, 0 if figure == "score" else 2)


def figure_label(figure: str) -> str:
    """Return the name of a figure or a part of the score in words."""
    if figure == "valence_corrected_mean":
        return "Valence"
    words = figure.removesuffix("_s").replace("_", " ")
    return words[:1].upper() + words[1:]


def unread(shares: dict[str, float] | None) -> dict[str, Any]:
    """Return the `share` of readings without an emotion, and the `reasons`, most frequent first."""
    if shares is None:
        return {"share": None, "reasons": []}
    found = [(share, name) for name, share in shares.items() if share > 0]
    found.sort(key=lambda each: -each[0])
    reasons = [{"name": name, "share": share} for share, name in found]
    return {"share": sum(shares.values()), "reasons": reasons}


def gap_seconds(gap: dict[str, Any]) -> float | None:
    """Return the length of a gap; None while it lasts."""
    start, end = moment_of(gap["start"]), moment_of(gap["end"])
    return None if start is None or end is None else (end - start).total_seconds()
