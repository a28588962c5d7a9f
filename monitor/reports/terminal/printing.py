"""Print reports, comparisons, sessions and the results of `simulate`, `lift` and `proof`."""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from monitor.reports import summary
from monitor.reports.figures import VALENCE
from monitor.reports.formatting import counted, moment_of
from monitor.reports.terminal.charts import interval_bar, sparkline, squeezed
from monitor.reports.terminal.printable_console import shown, signs_of, wide_console
from monitor.reports.terminal.printable_console import table_with as _table
from monitor.reports.wording import claims, gap_seconds, left_out
from monitor.settings.time_zone import common_zone, zone_words

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from rich.console import Console

    from db.read.sessions import SessionInfo
    from monitor.analytics.lift import Lift
    from monitor.analytics.off_policy import LogCheck, PolicyValue
    from monitor.analytics.statistics import Interval
    from monitor.reports.terminal.charts import Signs


def _known(value: float | None, form: str, none: str = "–") -> str:
    """Return a value in a format, or a dash where it is not known."""
    return none if value is None else format(value, form)


# --- a report -------------------------------------------------------------------------------------


def print_report(document: dict[str, Any]) -> None:
    """Print a report: a summary, a block for each ad, comparisons, gaps, and what is withheld."""
    console = wide_console()
    zone = summary.zone_words(document)
    document = summary.localised(document)
    _print_summary(document, zone, console)
    for sentence in claims(document):
        console.print(shown(console, sentence), highlight=False)
    _print_advice(document, console)
    scale = _valence_scale(document["ads"])
    for entry in document["ads"]:
        console.print()
        _print_ad(entry, scale, console)
    said, silent = summary.said_pairs(document)
    if said or silent:
        console.print("\n[bold]Comparisons[/bold]")
    if said:
        print_comparisons(said, console)
    if silent:
        others = counted(silent, "other pair" if said else "pair")
        console.print(f"{others} of ads cannot be told apart yet.", highlight=False, style="dim")
    if document["gaps"]:
        _print_gaps(document["gaps"], console)
    # Scenes are missing for want of files.
    withheld = [entry for entry in document["withheld"] if entry["figures"] != ["scenes"]]
    if withheld:
        few = counted(document["report"]["min_viewers"], "viewer")
        console.print(f"\n[bold]Withheld[/bold] (fewer than {few})", highlight=False)
        for entry in withheld:
            where = f" ({counted(len(entry['seconds']), 'second')})" if "seconds" in entry else ""
            about = f"{entry['ad_id'] or 'session'}{where}: {entry['why']}"
            console.print(shown(console, about), highlight=False)


def _print_summary(document: dict[str, Any], zone: str, console: Console) -> None:
    session, scope = document["session"], document["report"]["scope"]
    what = f"Session {session['id']}" if scope["sessions"] == 1 else f"{scope['sessions']} sessions"
    if (kind := session.get("session_kind")) in {"demo", "replay"}:
        what += f" ({kind})"
    when = _local(session["started_at"])
    if session["ended_at"] is not None:
        when += f" to {_local(session['ended_at'])}"
    head = f"{what}, {session['site'] or scope['site'] or 'all sites'}, {when} {zone}"
    console.print(f"[bold]{shown(console, head)}[/bold]", highlight=False)
    figures = [
        counted(session[f"{unit}s"], unit)
        for unit in ("play", "viewer", "watcher")
        if session[f"{unit}s"] is not None
    ]
    ratio = _known(session["attraction_ratio"], ".0%", signs_of(console).none)
    figures += [f"attraction ratio {ratio}", counted(session["readings"], "reading")]
    console.print(", ".join(figures), highlight=False)
    for sentence in left_out(document):
        console.print(sentence, highlight=False, style="dim")


def _print_advice(document: dict[str, Any], console: Console) -> None:
    """Print what to do with each ad."""
    colours = {"keep": "green", "stop": "red"}
    for group in summary.advice(document):
        console.print(
            f"\n[bold {colours.get(group.action, 'yellow')}]{group.name}[/] {group.reason}".rstrip()
        )
        for ad in group.ads:
            more = summary.needed(ad["viewers_needed"])
            said = ": ".join(filter(None, [ad["title"], ad["reason"]]))
            console.print(
                shown(console, f"  {said}{f' ({more})' if more else ''}"), highlight=False
            )


def _print_ad(entry: dict[str, Any], scale: tuple[float, float], console: Console) -> None:
    signs = signs_of(console)
    version = "" if entry["version"] is None else f", version {entry['version']}"
    title = f"{entry['name']} ({entry['ad_id']}{version})"
    console.print(f"[bold]{shown(console, title)}[/bold]", highlight=False)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    viewers, watchers = (
        f"{signs.none} {unit}s" if entry[key] is None else counted(entry[key], unit)
        for key, unit in (("opportunities", "viewer"), ("watchers", "watcher"))
    )
    held = _known(entry["held"], ",", signs.none)
    attention = _known(entry["attraction_ratio"], ".0%", signs.none)
    table.add_row("shown", f"{counted(entry['plays'], 'play')} of {entry['duration_s']:g} s")
    table.add_row("seen by", f"{viewers}, {watchers}, {held} held")
    table.add_row("attention", f"{attention} of the time in view")
    table.add_row("valence", _valence(entry, signs, console))
    table.add_row("score", shown(console, _score(entry, signs)))
    if parts := summary.shares(entry):
        table.add_row("faces", ", ".join(f"{name} {share:.0%}" for name, share in parts.items()))
    curves = (("valence", VALENCE, *scale), ("attention", "attention", 0.0, 1.0))
    for name, key, low, high in curves:
        curve = squeezed([second[key] for second in entry["timeline"]], 48)
        line = shown(console, sparkline(curve, low, high, signs))
        table.add_row(f"{name} by second", f"{line} {low:g} to {high:g}")
    moments = ", ".join(
        f"{moment['kind'].replace('attention_drop', 'attention falls').replace('_', ' ')} "
        f"{moment['value']:+.2f} at {moment['second']} s"
        for moment in entry["key_moments"]
    )
    table.add_row("moments", moments or signs.none)
    console.print(table, highlight=False)


def _valence(entry: dict[str, Any], signs: Signs, console: Console) -> str:
    value, low, high = summary.valence(entry).values()
    if value is None or low is None or high is None:
        return _known(value, "+.2f", signs.none)
    bar = shown(console, interval_bar((low, value, high), (-1.0, 1.0), 25, signs=signs))
    return f"{value:+.2f} ({low:+.2f} to {high:+.2f})  -1 {bar} +1"


def _score(entry: dict[str, Any], signs: Signs) -> str:
    if entry["score"] is None:
        return f"{signs.none} {entry['score_against']}"
    low, high = (_known(entry[f"score_{end}"], ".0f", signs.none) for end in ("low", "high"))
    return f"{entry['score']:.0f} of 100 ({low} to {high}). {entry['score_against']}"


def _valence_scale(ads: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """Return one scale for the curves of all ads, in tenths."""
    values = [value for ad in ads for s in ad["timeline"] if (value := s[VALENCE]) is not None]
    if not values:
        return -1.0, 1.0
    low, high = round(min(values) - 0.05, 1), round(max(values) + 0.05, 1)
    return max(-1.0, low) + 0.0, min(1.0, high) + 0.0


def _print_gaps(gaps: Sequence[dict[str, Any]], console: Console) -> None:
    longest = sorted(gaps, key=lambda gap: gap_seconds(gap) or math.inf, reverse=True)[:8]
    more = ", the 8 longest" if len(gaps) > 8 else ""
    console.print(
        f"\n[bold]Not measured[/bold] ({counted(len(gaps), 'gap')}{more})", highlight=False
    )
    table = Table(box=None, show_header=False, pad_edge=False)
    for gap in sorted(longest, key=lambda gap: str(gap["start"])):
        cause = gap["cause"] if gap["detail"] is None else f"{gap['cause']}: {gap['detail']}"
        seconds = gap_seconds(gap)
        length = "lasts" if seconds is None else f"{seconds:.1f} s"
        table.add_row(_local(gap["start"]), length, shown(console, cause))
    console.print(table, highlight=False)


def _local(text: str) -> str:
    moment = moment_of(text)
    return "" if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S")


# --- comparisons and sessions ---------------------------------------------------------------------


def print_comparisons(
    comparisons: Sequence[dict[str, Any]], console: Console | None = None
) -> None:
    """Print comparisons by one measure with intervals on one scale, and a sentence about each."""
    console = console or wide_console()
    compared = [found for found in comparisons if found["withheld"] is None]
    if compared:
        console.print(_comparison_table(compared, console))
    for found in comparisons:
        style = "dim" if found["withheld"] else None
        console.print(shown(console, found["sentence"]), highlight=False, style=style)


def _comparison_table(comparisons: Sequence[dict[str, Any]], console: Console) -> Table:
    signs, width = signs_of(console), 25 if console.width < 100 else 45
    relevant, by = comparisons[0]["relevant"], comparisons[0]["by"]
    intervals = [
        tuple(found["difference"][key] for key in ("low", "value", "high")) for found in comparisons
    ]
    reach = max(relevant, *(abs(limit) for interval in intervals for limit in interval))
    columns = ("ads",) if by is None else (by, "ads")
    table = _table(*columns, right=("viewers", comparisons[0]["measure"]))
    table.add_column(f"{-reach:+.2f}{'0'.center(width - 10)}{reach:+.2f}", no_wrap=True)
    table.add_column("first is", no_wrap=True)
    colours = {"better": "green", "worse": "red", "same": "cyan", "not_yet": "yellow"}
    for found, interval in zip(comparisons, intervals, strict=True):
        names = f"{found['first_name']} {signs.dash} {found['second_name']}"
        bar = interval_bar(interval, (-reach, reach), width, band=relevant, signs=signs)
        verdict = found["verdict"]
        table.add_row(
            *([] if by is None else [shown(console, str(found["segment"]))]),
            shown(console, names),
            f"{found['first_viewers']}, {found['second_viewers']}",
            f"{found['difference']['value']:+.2f}",
            shown(console, bar),
            f"[{colours[verdict]}]{verdict.replace('_', ' ')}[/]",
        )
    return table


ROOM_FOR_COUNTS, ROOM_FOR_ACTIVITY = 96, 120
"""Characters of a terminal in which these columns do not squeeze the words of the others."""


def print_sessions(
    sessions: Sequence[SessionInfo],
    activity: Mapping[int, Sequence[int]] | None = None,
    untold: Collection[int] = (),
) -> None:
    """Print a table of sessions, with times in the zone of each site, and fewer columns in a narrow
    terminal.

    `activity`, by session id, is how many viewers were in view in equal parts of its length, and of
    the sessions in `untold` no viewer is known.
    """
    console = wide_console()
    counts: tuple[str, ...] = ("plays", "viewers", "readings")
    if console.width < ROOM_FOR_COUNTS:
        counts = ("viewers",)
    if console.width < ROOM_FOR_ACTIVITY:
        activity = None
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("id", "kind", "started", "length"):
        table.add_column(column, no_wrap=True)
    for column in ("site", "source", "how it ended"):
        table.add_column(column, overflow="fold")
    for column in counts:
        table.add_column(column, justify="right", no_wrap=True)
    if activity is not None:
        table.add_column("viewers over time", no_wrap=True)
    zones = {session.id: common_zone([session.timezone]) for session in sessions}
    in_one_zone = len(set(zones.values())) == 1
    started = "%Y-%m-%d %H:%M" if in_one_zone else "%Y-%m-%d %H:%M %z"
    for session in sessions:
        length = "running"
        if session.ended_at is not None:
            seconds = round((session.ended_at - session.started_at).total_seconds())
            length = str(timedelta(seconds=seconds))
        count = {
            "plays": str(session.plays),
            "viewers": signs_of(console).none if session.id in untold else str(session.viewers),
            "readings": f"{session.readings:,}",
        }
        row = [
            str(session.id),
            session.session_kind,
            f"{session.started_at.astimezone(zones[session.id]):{started}}",
            length,
            shown(console, session.site),
            shown(console, session.source),
            shown(console, session.end_reason or ""),
            *(count[column] for column in counts),
        ]
        if activity is not None:
            # Each session on its own scale: when it was busy, not how busy compared to others.
            viewers = activity.get(session.id, ())
            row.append(sparkline(viewers, 0, max(viewers, default=0), signs_of(console)))
        table.add_row(*row)
    console.print(table)
    if in_one_zone:
        words = zone_words(zones[sessions[0].id], sessions[0].started_at)
        console.print(f"Times in {shown(console, words)}.", highlight=False, style="dim")


# --- simulate, lift, proof ------------------------------------------------------------------------


def print_regret(document: dict[str, Any]) -> None:
    """Print the regret of simulated policies, and how their guard rails were kept."""
    console = wide_console()
    console.print(
        f"{document['runs']} runs of {document['plays']} plays; regret: mean reward lost to the "
        "best choices, lowest and highest run",
        highlight=False,
    )
    to = f"to {document['against']}"
    table = _table(
        "policy", right=("regret", "range", to, "mean reward", "held out", "least probability")
    )
    for found in document["policies"]:
        regret, held = found["regret"], found["held_out"]
        table.add_row(
            found["policy"],
            f"{regret['mean']:.1f}",
            f"{regret['low']:.1f} to {regret['high']:.1f}",
            _known(found["ratio"], ".0%"),
            _known(found["mean_reward"], "+.3f"),
            f"{held['plays']} of {held['of']}" if held["of"] else "–",
            _known(found["least_probability"], ".3f"),
        )
    console.print(table)


def print_lift(found: Lift, values: Sequence[PolicyValue], check: LogCheck) -> None:
    """Print what adaptation brought, and what other policies would have."""
    console = wide_console()
    warning = "yellow"
    console.print(found.sentence(), highlight=False, style=warning if found.withheld else None)
    console.print(
        f"{found.adaptive_plays} adaptive and {found.held_out_plays} held-out plays with a reward, "
        f"{found.hours} hours with both kinds; {found.left_out_plays} plays in other hours left "
        "out",
        highlight=False,
    )
    if found.other_reward_plays:
        left_out = f"{found.other_reward_plays} plays were rated by an earlier definition of the"
        console.print(f"{left_out} reward and are left out", highlight=False)
    if not check.holds:
        odd = max(check.ads, key=lambda ad: abs(ad.z))
        text = (
            f"The logged probabilities are not what happened (p = {check.p_value:.2g}): "
            f"{escape(odd.ad_id)} was shown {odd.shown} times, {odd.expected:.0f} are expected; do "
            "not trust estimates from this log."
        )
        console.print(text, highlight=False, style=warning)
    if not values:
        return
    estimates = ("doubly robust", "self-normalised", "inverse propensity")
    table = _table("policy", right=(*estimates, "plays", "worth"))
    for value in values:
        worth = f"{value.effective_plays:.0f}" if math.isfinite(value.effective_plays) else "–"
        intervals = map(_interval, (value.doubly_robust, value.snips, value.ips))
        table.add_row(escape(value.policy), *intervals, str(value.plays), worth)
    console.print(table)
    for value in values:
        if value.withheld is not None:
            text = f"{escape(value.policy)}: {value.withheld}"
            console.print(text, highlight=False, style=warning)
        elif value.clipped:
            text = f"{escape(value.policy)}: {value.clipped} weights were cut, which moves the "
            text += f"estimates by at most {value.clipping_bias:.3f}"
            console.print(text, highlight=False)


def _interval(estimate: Interval) -> str:
    if not math.isfinite(estimate.value):
        return "–"
    if not math.isfinite(estimate.low):
        return f"{estimate.value:+.3f}"
    return f"{estimate.value:+.3f} ({estimate.low:+.3f} to {estimate.high:+.3f})"


def print_proof(document: dict[str, Any]) -> None:
    """Print the rows of a proof of play, with their total."""
    figures = {
        "plays": "plays",
        "verified": "verified",
        "not_shown": "not shown",
        "skipped": "skipped",
        "failed": "failed",
        "cut_short": "cut short",
        "opportunities": "in view",
        "watchers": "watchers",
        "attentive_s": "attentive s",
    }
    if any(row["cost"] is not None for row in (*document["rows"], document["total"])):
        figures |= {"cost": "cost", "cost_per_thousand_attentive_s": "per 1000 s"}
    names = ["ad_id" if group == "ad" else group for group in document["by"]]
    table = _table(*document["by"], right=list(figures.values()))
    for row in document["rows"]:
        table.add_row(
            *(escape(row[name]) for name in names), *(_figure(row[key], key) for key in figures)
        )
    total = (_figure(document["total"][key], key) for key in figures)
    table.add_row("total", *[""] * (len(names) - 1), *total, style="bold")
    console = wide_console()
    console.print(table)
    if {"hour", "day"} & set(document["by"]):
        named = document["timezone"] or "the time zone of each site"
        zone = named.removeprefix("Etc/").replace("_", " ")
        console.print(f"Hours and days in {shown(console, zone)}.", highlight=False, style="dim")
    few = f"fewer than {counted(document['min_viewers'], 'viewer')} were in view"
    reasons = Counter(
        # Too few viewers hide several figures, too few readings the watchers alone.
        few if len(one["figures"]) > 1 else one["why"]
        for one in document["withheld"]
    )
    for why, rows in reasons.items():
        console.print(f"Withheld (–) in {counted(rows, 'row')}: {why}.", highlight=False)


def _figure(value: float | None, key: str) -> str:
    if value is None or isinstance(value, int):
        return _known(value, ",")
    return f"{value:,.1f}" if key == "attentive_s" else f"{value:,.2f}"
