"""The results of `simulate`, `lift` and `proof` in the terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from monitor.reports.terminal.console import wide_console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.analytics.lift import Lift
    from monitor.analytics.off_policy import PolicyValue
    from monitor.analytics.statistics import Interval


def print_regret(document: dict[str, Any]) -> None:
    """The regret of simulated policies, and how their guard rails were kept."""
    console = wide_console()
    console.print(
        f"{document['runs']} runs of {document['plays']} plays; regret: mean reward lost to the best choices, lowest and "
        "highest run",
        highlight=False,
    )
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("policy")
    for column in (
        "regret",
        "range",
        f"to {document['against']}",
        "mean reward",
        "held out",
        "least probability",
    ):
        table.add_column(column, justify="right")
    for found in document["policies"]:
        regret, held = found["regret"], found["held_out"]
        table.add_row(
            found["policy"],
            f"{regret['mean']:.1f}",
            f"{regret['low']:.1f} to {regret['high']:.1f}",
            "–" if found["ratio"] is None else f"{found['ratio']:.0%}",
            "–" if found["mean_reward"] is None else f"{found['mean_reward']:+.3f}",
            f"{held['plays']} of {held['of']}" if held["of"] else "–",
            "–" if found["least_probability"] is None else f"{found['least_probability']:.3f}",
        )
    console.print(table)


def print_lift(found: Lift, values: Sequence[PolicyValue]) -> None:
    """What adaptation brought, and what other policies would have."""
    console = wide_console()
    console.print(
        found.sentence(), highlight=False, style=None if found.withheld is None else "yellow"
    )
    plays = f"{found.adaptive_plays} adaptive and {found.held_out_plays} held-out plays with a reward, {found.hours} hours"
    console.print(
        f"{plays} with both kinds; {found.left_out_plays} plays in other hours left out",
        highlight=False,
    )
    if not values:
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("policy")
    for column in ("doubly robust", "self-normalised", "inverse propensity", "plays", "worth"):
        table.add_column(column, justify="right")
    for value in values:
        shown = (_interval(each) for each in (value.doubly_robust, value.snips, value.ips))
        worth = f"{value.effective_plays:.0f}" if math.isfinite(value.effective_plays) else "–"
        table.add_row(escape(value.policy), *shown, str(value.plays), worth)
    console.print(table)
    for value in values:
        if value.withheld is not None:
            console.print(
                f"{escape(value.policy)}: {value.withheld}", highlight=False, style="yellow"
            )


def _interval(estimate: Interval) -> str:
    if not math.isfinite(estimate.value):
        return "–"
    if not math.isfinite(estimate.low):
        return f"{estimate.value:+.3f}"
    return f"{estimate.value:+.3f} ({estimate.low:+.3f} to {estimate.high:+.3f})"


def print_proof(document: dict[str, Any]) -> None:
    """Rows of a proof of play, with their total."""
    console = wide_console()
    priced = any(row["cost"] is not None for row in (*document["rows"], document["total"]))
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
    if priced:
        figures |= {"cost": "cost", "cost_per_thousand_attentive_s": "per 1000 s"}
    names = ["ad_id" if group == "ad" else group for group in document["by"]]
    table = Table(box=None, header_style="bold", pad_edge=False)
    for group in document["by"]:
        table.add_column(group)
    for title in figures.values():
        table.add_column(title, justify="right")
    for row in document["rows"]:
        table.add_row(
            *(escape(row[name]) for name in names), *(_figure(row[key], key) for key in figures)
        )
    total = ("total", *[""] * (len(names) - 1))
    table.add_row(*total, *(_figure(document["total"][key], key) for key in figures), style="bold")
    console.print(table)
    if document["withheld"]:
        console.print(
            f"Withheld (–) in {len(document['withheld'])} rows: fewer than {document['min_viewers']} viewers were in view.",
            highlight=False,
        )


def _figure(value: float | None, key: str) -> str:
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.1f}" if key == "attentive_s" else f"{value:,.2f}"
