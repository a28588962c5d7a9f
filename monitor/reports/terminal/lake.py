"""Print reports from a lake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from detector.emotion.prevalence import GROUPS
from monitor.reports.formatting import counted, decimal, percent, signed, whole
from monitor.reports.terminal.printable_console import shown, table_with, wide_console

if TYPE_CHECKING:
    from rich.console import Console

MAX_SITES = 20


def print_lake_report(document: dict[str, Any]) -> None:
    """Print each ad with its figures over all screens, by site and by second."""
    console = wide_console()
    report = document["report"]
    for ad in document["ads"]:
        title = f"{ad['ad_id']} ({ad['duration_s']:g} s, file {ad['sha256'][:8]})"
        console.print(f"[bold]{shown(console, title)}[/bold]", highlight=False)
        span = f"{report['since']} to {report['until']}, {counted(report['days'], 'day')}"
        span = span if report["days"] > 1 else report["since"]
        console.print(
            f"{span} (UTC); {counted(ad['screens'], 'screen')}.", highlight=False, style="dim"
        )
        _print_sites(ad, console)
        _print_seconds(ad, console)
        console.print()
    for entry in document["withheld"]:
        of = f" of {entry['ad_id']}" if entry["ad_id"] else ""
        text = f"Not told{of}: {', '.join(entry['figures'])}; {entry['why']}."
        console.print(shown(console, text), highlight=False, style="dim")


def _print_sites(ad: dict[str, Any], console: Console) -> None:
    columns = {
        "screens": "screens",
        "plays": "plays",
        "exposures": "exposures",
        "viewers": "viewers by hour",
        "watchers": "watchers by hour",
        "dwell_s": "dwell s",
        "attention_s": "attention s",
    }
    # Counts are added up over hours, in which each viewer counts once.
    table = table_with("site", right=[*columns.values(), "attention per exposure", "valence"])
    sites = sorted(ad["sites"], key=lambda site: (-site["exposures"], site["site"]))
    rows = [("all", ad), *((site["site"], site) for site in sites[:MAX_SITES])]
    for name, row in rows if len(sites) > 1 else [(sites[0]["site"], ad)]:
        each, low, high = (row[f"attention_per_exposure_{key}s"] for key in ("", "low_", "high_"))
        reach = "" if low is None else f" ({decimal(low)} to {decimal(high)})"
        table.add_row(
            shown(console, name),
            *(
                decimal(row[key], 0) if isinstance(row[key], float) else whole(row[key])
                for key in columns
            ),
            f"{decimal(each)} s{reach}" if each is not None else decimal(None),
            signed(row["valence"]),
        )
    console.print(table)
    if len(sites) > MAX_SITES:
        more = counted(len(sites) - MAX_SITES, "more site")
        console.print(f"{more}; --format csv lists all.", highlight=False, style="dim")


def _print_seconds(ad: dict[str, Any], console: Console) -> None:
    if not ad["timeline"]:
        return
    table = table_with(right=["second", "viewers", "attention", "valence", *GROUPS])
    for row in ad["timeline"]:
        table.add_row(
            str(row["second"]),
            whole(row["viewers"]),
            percent(row["attention"]),
            signed(row["valence"]),
            *(percent(row["emotions"]["shares"][group]) for group in GROUPS),
        )
    console.print(table)
