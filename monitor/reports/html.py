"""The report as one page that opens anywhere: no network, no script, figures inside, every figure also as a table."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.reports import metrics
from monitor.reports.figures import COLOURS, NARROW, WIDE, ad_figure, valence_range

if TYPE_CHECKING:
    from collections.abc import Iterable

TEMPLATES = Path(__file__).parent / "templates"

UNKNOWN = "\N{EN DASH}"
"""Shown for a figure that is not known."""

MOMENT_NAMES = {
    "peak": "Valence peak",
    "trough": "Valence low",
    "steepest_rise": "Steepest rise",
    "attraction": "Attraction",
    "impact": "Impact",
}

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
"""What withheld figures are called on the page."""


def render_html(document: dict[str, Any]) -> str:
    """Renders the document of `session_report.build_report` as one self-contained page.

    The same document gives the same page, byte for byte; there is no time of making in it.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - slow to import
    from markupsafe import Markup  # noqa: PLC0415

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "signed": signed,
        "decimal": decimal,
        "percent": percent,
        "duration": duration,
        "day": day,
        "clock": clock,
        "whole": whole,
        "spans": spans,
    }
    ads = document["ads"]
    reach = valence_range([s[key] for ad in ads for s in ad["timeline"] for key in _VALENCE_KEYS])
    cards = [
        {
            "ad": ad,
            "anchor": f"ad-{number}",
            "title": title(ad),
            "figures": [
                # Safe: drawn by us, from numbers only.
                (css, Markup(ad_figure(ad, layout, reach=reach, prefix=f"a{number}{css[0]}-")))  # noqa: S704
                for css, layout in (("wide", WIDE), ("narrow", NARROW))
            ]
            if has_curve(ad)
            else [],
            "alt": describe(ad),
            "withheld": [{"seconds": [], **entry} for entry in document["withheld"] if _is_about(entry, ad)],
            "no_mean": why_no_mean(ad, document["withheld"]),
            "moments": [{"name": MOMENT_NAMES[m["kind"]], **m} for m in ad["moments"]],
        }
        for number, ad in enumerate(ads, 1)
    ]
    return environment.get_template("report.html.j2").render(
        document=document,
        session=document["session"],
        quality=document["quality"],
        unread=unread(document["quality"]["withheld_readings"]),
        gaps=[{**gap, "seconds": _gap_seconds(gap)} for gap in document["gaps"]],
        cards=cards,
        ranking=ranking(cards),
        axis=max(map(abs, valence_range([ad[key] for ad in ads for key in _MEAN_KEYS]))),
        findings=findings(document),
        withheld=[
            {"seconds": [], **entry, "name": _withheld_name(entry, ads), "figures": figure_names(entry["figures"])}
            for entry in document["withheld"]
        ],
        emotions=metrics.EMOTIONS,
        colours=COLOURS,
        unknown=UNKNOWN,
        method=_METHOD,
    )


# Not strftime: the window system may have set another language for the whole process.
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

_VALENCE_KEYS = ("valence", "valence_low", "valence_high")
_MEAN_KEYS = ("mean_valence", "mean_valence_low", "mean_valence_high")

_METHOD = {
    "span": metrics.MAX_READING_SPAN_S,
    "watch": metrics.WATCHER_ATTENTION_S,
    "window": metrics.ATTRACTION_WINDOW_S,
    "threshold": metrics.SHARE_THRESHOLD,
}


# --- what is said -----------------------------------------------------------------------------------------------------


def title(ad: dict[str, Any]) -> str:
    """Returns the name of an ad, with its version when there is more than one."""
    return str(ad["name"]) if ad["version"] is None else f"{ad['name']} (version {ad['version']})"


def has_curve(ad: dict[str, Any]) -> bool:
    """Whether any second of the ad has figures."""
    return any(second["attention"] is not None for second in ad["timeline"])


def why_no_mean(ad: dict[str, Any], withheld: Iterable[dict[str, Any]]) -> str:
    """Says why an ad has no mean valence; empty for one that has.

    Args:
        ad: An entry of `ads` of the document.
        withheld: All that the document withholds.
    """
    if ad["mean_valence"] is not None:
        return ""
    if any("mean_valence" in entry["figures"] for entry in withheld if _is_about(entry, ad)):
        return "withheld: too few viewers"
    if ad["opportunities"] is None:
        return "never measured"
    return "no emotion could be read" if ad["opportunities"] else "nobody was in view"


def describe(ad: dict[str, Any]) -> str:
    """Says in words what the figure of an ad shows, for people who cannot see it."""
    if not has_curve(ad):
        return f"{title(ad)}: no curve."
    known = [second for second in ad["timeline"] if second["valence"] is not None]
    if not known:
        return (
            f"Curve of {title(ad)} over {len(ad['timeline'])} seconds: only attention and the number of viewers are "
            "shown, no emotion. The table below has all values."
        )
    top = max(known, key=lambda second: second["valence"])
    bottom = min(known, key=lambda second: second["valence"])
    counts = [second["n"] for second in known]
    people = f"{counts[0]}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    start, low, high = (signed(second["valence"]) for second in (known[0], bottom, top))
    return (
        f"Curves of {title(ad)} over {len(ad['timeline'])} seconds: mean valence starts at {start}, is lowest with "
        f"{low} in second {bottom['second']} and highest with {high} in second {top['second']}; the strongest emotion "
        f"over the ad is {ad['dominant_emotion'] or 'not known'}; viewers per second: {people}. "
        "The table below has all values."
    )


def ranking(cards: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Orders ads by mean valence, the highest first; those without a figure follow in their own order."""
    return sorted(
        cards,
        key=lambda card: (card["ad"]["mean_valence"] is None, -(card["ad"]["mean_valence"] or 0.0)),
    )


def findings(document: dict[str, Any]) -> list[str]:
    """Says the main results in sentences that claim no more than the intervals allow."""
    session, said = document["session"], []
    rated = sorted(
        (ad for ad in document["ads"] if ad["mean_valence"] is not None),
        key=lambda ad: ad["mean_valence"],
        reverse=True,
    )
    if not document["ads"]:
        return ["No ad was shown in this session."]
    if not session["viewers"]:
        return ["Ads were shown, but no viewer was seen, so there is no reaction to report."]
    if not rated:
        if any(ad["opportunities"] for ad in document["ads"]):
            why = "no face well enough to read an emotion from it while an ad was on"
        else:
            why = "none of them while an ad was on"
        return [] if document["withheld"] else [f"Viewers were seen, but {why}."]
    best = rated[0]
    text = f"{_quoted(best)} was met with the most positive faces: mean valence {signed(best['mean_valence'])}"
    if best["mean_valence_low"] is None:
        said.append(text + "; a single viewer gives no interval.")
    else:
        said.append(text + f", 95% interval {signed(best['mean_valence_low'])} to {signed(best['mean_valence_high'])}.")
    if len(rated) == 1:
        return said
    if any(ad["mean_valence_low"] is None for ad in rated):
        said.append("There are too few viewers to say whether the ads differ.")
    elif rivals := [ad for ad in rated[1:] if _overlap(best, ad)]:
        names = _listed([_quoted(ad) for ad in rivals])
        whose = f"The interval of {names} overlaps" if len(rivals) == 1 else f"The intervals of {names} overlap"
        said.append(f"{whose} with it, so the first place is not settled; more viewers would narrow it.")
    else:
        said.append("No other ad's interval reaches into it.")
    return said


def _quoted(ad: dict[str, Any]) -> str:
    return f"\N{LEFT DOUBLE QUOTATION MARK}{title(ad)}\N{RIGHT DOUBLE QUOTATION MARK}"


def _listed(names: list[str]) -> str:
    if len(names) > 3:
        names = [*names[:2], f"{len(names) - 2} other ads"]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two intervals share a value."""
    return bool(
        one["mean_valence_low"] <= other["mean_valence_high"] and other["mean_valence_low"] <= one["mean_valence_high"]
    )


def _is_about(entry: dict[str, Any], ad: dict[str, Any]) -> bool:
    return bool(entry["ad_id"] == ad["ad_id"] and entry.get("version") == ad["version"])


def _withheld_name(entry: dict[str, Any], ads: Iterable[dict[str, Any]]) -> str:
    return next((title(ad) for ad in ads if _is_about(entry, ad)), "The whole session")


def figure_names(figures: Iterable[str]) -> str:
    """Names withheld figures in words."""
    figures = list(figures)
    if "mean_valence" in figures:
        return "all measures" if "watchers" in figures else "all measures of emotion"
    return ", ".join(FIGURE_NAMES[figure] for figure in figures if figure in FIGURE_NAMES)


def unread(shares: dict[str, float] | None) -> dict[str, Any]:
    """Prepares the readings without an emotion for the page.

    Args:
        shares: `quality.withheld_readings` of the document.

    Returns:
        `share`, all reasons together, and `reasons`, those that occurred, the most frequent first.
    """
    if shares is None:
        return {"share": None, "reasons": []}
    found = [{"name": reason, "share": share} for reason, share in shares.items() if share > 0]
    return {"share": sum(shares.values()), "reasons": sorted(found, key=lambda reason: -reason["share"])}


def spans(seconds: Iterable[int]) -> str:
    """Writes rising seconds shortly: `0-3, 7`, with an en dash."""
    runs: list[list[int]] = []
    for second in seconds:
        if runs and second == runs[-1][1] + 1:
            runs[-1][1] = second
        else:
            runs.append([second, second])
    return ", ".join(f"{a}" if a == b else f"{a}\N{EN DASH}{b}" for a, b in runs)


def _gap_seconds(gap: dict[str, Any]) -> float | None:
    start, end = _moment(gap["start"]), _moment(gap["end"])
    return None if start is None or end is None else (end - start).total_seconds()


# --- how numbers look -------------------------------------------------------------------------------------------------


def signed(value: float | None, digits: int = 2) -> str:
    """`+0.21`, with a real minus sign; zero has no sign."""
    if value is None:
        return UNKNOWN
    text = f"{value:+.{digits}f}"
    if float(text) == 0:
        return text[1:]
    return text.replace("-", "\N{MINUS SIGN}")


def decimal(value: float | None, digits: int = 2) -> str:
    """`0.21`."""
    return UNKNOWN if value is None else f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def percent(value: float | None, digits: int = 0) -> str:
    """`21%` of a share."""
    return UNKNOWN if value is None else f"{100 * value:.{digits}f}%"


def whole(value: int | None) -> str:
    """`12,345`."""
    return UNKNOWN if value is None else f"{value:,}"


def duration(seconds: float | None) -> str:
    """`7.5 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds is None:
        return UNKNOWN
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    total = round(seconds)
    if total < 3600:
        return f"{total // 60} min {total % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def day(text: str | None) -> str:
    """`2 November 2026` of a time in the document."""
    moment = _moment(text)
    return UNKNOWN if moment is None else f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def clock(text: str | None) -> str:
    """`14:03:07` of a time in the document."""
    moment = _moment(text)
    return UNKNOWN if moment is None else f"{moment:%H:%M:%S}"


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
