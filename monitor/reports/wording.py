"""The sentences of the report; they claim no more than the figures and intervals allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monitor.reports.formatting import (
    counted,
    decimal,
    duration,
    listed,
    moment_of,
    percent,
    points,
    signed,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

MOMENTS = {
    "peak": ("Most positive", "peak of mean valence"),
    "trough": ("Least positive", "low of mean valence"),
    "steepest_rise": ("Steepest rise", "of valence, from the second before"),
    "attention_drop": ("Attention falls", "of attention, from the second before"),
    "attraction": ("Attraction", "most surprise in the first 8 s"),
    "impact": ("Impact", "happiest second, averaged with the last one"),
}
"""Name and note of each kind of key moment."""

FIGURE_NAMES = {
    "timeline": "curves",
    "peak_valence": "peak valence",
    "attraction": "attraction",
    "impact": "impact",
    "timeline.valence": "curves of valence",
    "timeline.probabilities": "curves of emotions",
    "session.watchers": "watchers",
    "session.attention_s": "attention time",
    "session.attraction_ratio": "attraction ratio",
}
"""Names of withheld figures on the page."""


def title(ad: dict[str, Any]) -> str:
    """Return the name of an ad, with its version when there is more than one."""
    return str(ad["name"]) if ad["version"] is None else f"{ad['name']} (version {ad['version']})"


def place(document: dict[str, Any]) -> str:
    """Return the title of the page: the site, else the session, else how many sites."""
    session = document["session"]
    if session["site"]:
        return str(session["site"])
    if session["id"] is not None:
        return f"Session {session['id']}"
    sites = {entry["site"] for entry in document["sessions"]}
    return "All sites" if len(sites) != 1 else sites.pop() or "All sessions"


def has_curve(ad: dict[str, Any]) -> bool:
    """Whether any second of the ad has figures."""
    return any(second["attention"] is not None for second in ad["timeline"])


def why_no_mean(ad: dict[str, Any], withheld: Iterable[dict[str, Any]]) -> str:
    """Say why an ad has no mean valence, given all that is withheld; empty for one that has."""
    if ad["mean_valence"] is not None:
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
    known = [second for second in ad["timeline"] if second["valence"] is not None]
    if not known:
        return (
            f"Curve of {title(ad)} over {len(ad['timeline'])} seconds: only attention and the "
            "number of viewers, no emotion. The table below has all values."
        )
    top = max(known, key=lambda second: second["valence"])
    bottom = min(known, key=lambda second: second["valence"])
    counts = [second["n"] for second in known]
    people = f"{counts[0]}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    start, low, high = (signed(second["valence"]) for second in (known[0], bottom, top))
    return (
        f"Curves of {title(ad)} over {len(ad['timeline'])} seconds: mean valence starts at "
        f"{start}, is lowest with {low} in second {bottom['second']} and highest with {high} in "
        f"second {top['second']}; the strongest emotion over the ad is "
        f"{ad['dominant_emotion'] or 'not known'}; viewers per second: {people}. "
        "The table below has all values."
    )


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
        *_best(document),
        *_held(ads),
        *_strongest(ads),
        *_missing(document["quality"]),
    ]


def _reach(document: dict[str, Any]) -> str:
    session, ads = document["session"], document["ads"]
    shown = f"{counted(session['plays'], 'showing')} of {counted(len(ads), 'ad')}"
    seen = f"{counted(session['viewers'], 'viewer was', 'viewers were')} in view during {shown}"
    if session["watchers"] is None:
        return f"{seen}."
    watched = f"{session['watchers']:,}" if session["watchers"] else "none"
    return f"{seen}; {watched} of them watched an ad for half a second or longer."


def _best(document: dict[str, Any]) -> list[str]:
    ads = document["ads"]
    rated = sorted(
        (ad for ad in ads if ad["mean_valence"] is not None),
        key=lambda ad: ad["mean_valence"],
        reverse=True,
    )
    if not rated:
        if any(ad["opportunities"] for ad in ads):
            why = "no face well enough to read an emotion from it while an ad was on"
        else:
            why = "none of them while an ad was on"
        return [] if document["withheld"] else [f"Viewers were seen, but {why}."]
    best = rated[0]
    low, high = best["mean_valence_low"], best["mean_valence_high"]
    interval = "; a single viewer gives no interval."
    if low is not None:
        interval = f", 95% interval {signed(low)} to {signed(high)}."
    said = [
        f"{quoted(best)} was met with the most positive faces: mean valence "
        f"{signed(best['mean_valence'])}{interval}"
    ]
    if len(rated) == 1:
        return said
    if any(ad["mean_valence_low"] is None for ad in rated):
        return [*said, "There are too few viewers to say whether the ads differ."]
    rivals = [
        quoted(ad)
        for ad in rated[1:]
        if low <= ad["mean_valence_high"] and ad["mean_valence_low"] <= high
    ]
    if not rivals:
        return [*said, "No other ad's interval reaches into it."]
    plural = ("", "s") if len(rivals) == 1 else ("s", "")
    return [
        *said,
        f"The interval{plural[0]} of {listed(rivals)} overlap{plural[1]} with it, so the first "
        "place is not settled; more viewers would narrow it.",
    ]


def _held(ads: list[dict[str, Any]]) -> list[str]:
    known = [ad for ad in ads if ad["held"] and ad["opportunities"]]
    if len(known) < 2:
        return []
    most = max(known, key=lambda ad: ad["held"] / ad["opportunities"])
    share = most["held"] / most["opportunities"]
    return [
        f"{quoted(most)} held the largest share of its audience: {percent(share)} of those in view "
        "looked for at least half of its length."
    ]


def _strongest(ads: list[dict[str, Any]]) -> list[str]:
    found = {
        kind: max(
            (
                (m["value"], m["second"], ad)
                for ad in ads
                for m in ad["moments"]
                if m["kind"] == kind
            ),
            key=lambda moment: moment[0],
            default=None,
        )
        for kind in ("peak", "attention_drop")
    }
    said = []
    if peak := found["peak"]:
        said.append(
            f"The most positive second was second {peak[1]} of {quoted(peak[2])} (mean valence "
            f"{signed(peak[0])})."
        )
    fall = found["attention_drop"]
    if fall and fall[0] >= 0.1:
        said.append(
            f"Attention fell most in second {fall[1]} of {quoted(fall[2])}, by {points(fall[0])}."
        )
    return said


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
    """Return the value of a key moment in its own unit."""
    if moment["kind"] == "attention_drop":
        return points(-moment["value"])
    in_words = percent if moment["kind"] in {"attraction", "impact"} else signed
    return in_words(moment["value"])


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
