"""A report in the terminal."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.table import Table

from monitor.reports.terminal.charts import interval_bar, sparkline, squeezed
from monitor.reports.terminal.comparisons import print_comparisons
from monitor.reports.terminal.console import shown, signs_of, wide_console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from monitor.reports.terminal.charts import Signs

CURVE_WIDTH = 48
BAR_WIDTH = 25
MOST_GAPS = 8
"""More gaps than these are only counted: the longest are listed."""

WORDS = {
    "peak": "peak",
    "trough": "trough",
    "steepest_rise": "steepest rise",
    "attention_drop": "attention falls",
    "attraction": "attraction",
    "impact": "impact",
}


def print_report(document: dict[str, Any]) -> None:
    """A report: a line about all of it, a block for each ad, comparisons, gaps, and what is withheld.

    Args:
        document: From `monitor.reports.document.build_report`.
    """
    console = wide_console()
    signs = signs_of(console)
    _print_summary(document, console)
    scale = _valence_scale(document["ads"])
    for entry in document["ads"]:
        console.print()
        _print_ad(entry, scale, signs, console)
    if document["comparisons"]:
        console.print("\n[bold]Comparisons[/bold]")
        print_comparisons(document["comparisons"], console)
    if document["gaps"]:
        _print_gaps(document["gaps"], console)
    if document["withheld"]:
        _print_withheld(document, console)


def _print_summary(document: dict[str, Any], console: Console) -> None:
    session, scope = document["session"], document["report"]["scope"]
    what = f"Session {session['id']}" if scope["sessions"] == 1 else f"{scope['sessions']} sessions"
    where = [what, session["site"] or scope["site"] or "all sites", _local(session["started_at"])]
    if session["ended_at"] is not None:
        where[-1] += f" to {_local(session['ended_at'])}"
    console.print(f"[bold]{shown(console, ', '.join(where))}[/bold]", highlight=False)
    figures = [
        _count(session["plays"], "play"),
        _count(session["viewers"], "viewer"),
        _count(session["watchers"], "watcher"),
        f"attraction ratio {_share(session['attraction_ratio'], signs_of(console))}",
        f"{session['readings']:,} readings",
    ]
    console.print(", ".join(text for text in figures if text), highlight=False)


def _print_ad(
    entry: dict[str, Any], scale: tuple[float, float], signs: Signs, console: Console
) -> None:
    version = "" if entry["version"] is None else f", version {entry['version']}"
    title = f"{entry['name']} ({entry['ad_id']}{version})"
    console.print(f"[bold]{shown(console, title)}[/bold]", highlight=False)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    known = signs.none
    funnel = f"{_people(entry['opportunities'], 'viewer', known)}, {_people(entry['watchers'], 'watcher', known)}"
    funnel += f", {_number(entry['held'], known)} held"
    table.add_row("shown", f"{_count(entry['plays'], 'play')} of {entry['duration_s']:g} s")
    table.add_row("seen by", funnel)
    table.add_row("attention", f"{_share(entry['attraction_ratio'], signs)} of the time in view")
    table.add_row("valence", _valence(entry, signs, console))
    table.add_row("score", shown(console, _score(entry, signs)))
    timeline = entry["timeline"]
    for words, key, low, high in (
        ("valence", "valence", *scale),
        ("attention", "attention", 0.0, 1.0),
    ):
        curve = squeezed([second[key] for second in timeline], CURVE_WIDTH)
        line = sparkline(curve, low, high, signs)
        table.add_row(f"{words} by second", f"{shown(console, line)} {low:g} to {high:g}")
    moments = ", ".join(
        f"{WORDS.get(moment['kind'], moment['kind'])} {moment['value']:+.2f} at {moment['second']} s"
        for moment in entry["moments"]
    )
    table.add_row("moments", moments or signs.none)
    console.print(table, highlight=False)


def _valence(entry: dict[str, Any], signs: Signs, console: Console) -> str:
    value, low, high = (
        entry[key] for key in ("mean_valence", "mean_valence_low", "mean_valence_high")
    )
    if value is None:
        return signs.none
    if low is None or high is None:
        return f"{value:+.2f}"
    bar = shown(console, interval_bar((low, value, high), (-1.0, 1.0), BAR_WIDTH, signs=signs))
    return f"{value:+.2f} ({low:+.2f} to {high:+.2f})  -1 {bar} +1"


def _score(entry: dict[str, Any], signs: Signs) -> str:
    if entry["score"] is None:
        return signs.none
    text = f"{entry['score']:.0f} of 100"
    norm = next((norm for norm in entry["norms"] if norm["figure"] == "score"), None)
    if norm is None or norm["library_mean"] is None:
        return text
    if norm["percentile"] is None:
        return f"{text}; mean of {norm['against']}: {norm['library_mean']:.0f}"
    return f"{text}; percentile {norm['percentile']:.0f} among {norm['against']}"


def _valence_scale(ads: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """One scale for the curves of all ads, so that they can be compared; steps of a tenth."""
    values = [
        second["valence"]
        for ad in ads
        for second in ad["timeline"]
        if second["valence"] is not None
    ]
    if not values:
        return -1.0, 1.0
    low, high = round(min(values) - 0.05, 1), round(max(values) + 0.05, 1)
    return max(-1.0, low) + 0.0, min(1.0, high) + 0.0


def _print_gaps(gaps: Sequence[dict[str, Any]], console: Console) -> None:
    """The longest gaps, in the order of their starts."""
    spans = [(gap, _span(gap)) for gap in gaps]
    longest = sorted(spans, key=lambda entry: entry[1] or float("inf"), reverse=True)[:MOST_GAPS]
    more = f", the {MOST_GAPS} longest" if len(gaps) > MOST_GAPS else ""
    console.print(
        f"\n[bold]Not measured[/bold] ({_count(len(gaps), 'gap')}{more})", highlight=False
    )
    table = Table(box=None, show_header=False, pad_edge=False)
    for gap, length in sorted(longest, key=lambda entry: entry[0]["start"]):
        cause = gap["cause"] if gap["detail"] is None else f"{gap['cause']}: {gap['detail']}"
        table.add_row(
            _local(gap["start"]),
            "lasts" if length is None else f"{length:.1f} s",
            shown(console, cause),
        )
    console.print(table, highlight=False)


def _print_withheld(document: dict[str, Any], console: Console) -> None:
    least = document["report"]["min_viewers"]
    console.print(
        f"\n[bold]Withheld[/bold] (fewer than {_count(least, 'viewer')})", highlight=False
    )
    for entry in document["withheld"]:
        about = entry["ad_id"] or "session"
        where = f" ({_count(len(entry['seconds']), 'second')})" if "seconds" in entry else ""
        console.print(shown(console, f"{about}{where}: {entry['why']}"), highlight=False)


def _span(gap: dict[str, Any]) -> float | None:
    if gap["end"] is None:
        return None
    return (_moment(gap["end"]) - _moment(gap["start"])).total_seconds()


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _local(text: str) -> str:
    return _moment(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _count(number: int | None, unit: str) -> str:
    if number is None:
        return ""
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def _people(number: int | None, unit: str, none: str) -> str:
    return f"{none} {unit}s" if number is None else _count(number, unit)


def _number(number: int | None, none: str) -> str:
    return none if number is None else f"{number:,}"


def _share(share: float | None, signs: Signs) -> str:
    return signs.none if share is None else f"{share:.0%}"
