"""Comparisons of ads in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from monitor.reports.terminal.charts import interval_bar
from monitor.reports.terminal.console import shown, signs_of, wide_console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

NARROW = 100
"""Terminals of fewer columns get narrower bars."""

BAR_WIDTHS = (25, 45)
VERDICTS = {"better": "green", "worse": "red", "same": "cyan", "not_yet": "yellow"}


def print_comparisons(
    comparisons: Sequence[dict[str, Any]], console: Console | None = None
) -> None:
    """A table of comparisons with their intervals drawn on one scale, and below it a sentence about each.

    Args:
        comparisons: Documents of `monitor.analytics.comparison.Comparison`, all by the same
            measure.
        console: Where to; None: standard output.
    """
    console = console or wide_console()
    compared = [found for found in comparisons if found["withheld"] is None]
    if compared:
        console.print(_table(compared, console))
    for found in comparisons:
        console.print(
            shown(console, found["sentence"]),
            highlight=False,
            style="dim" if found["withheld"] else None,
        )


def _table(comparisons: Sequence[dict[str, Any]], console: Console) -> Table:
    signs, width = signs_of(console), BAR_WIDTHS[console.width >= NARROW]
    relevant = comparisons[0]["relevant"]
    intervals = [
        tuple(found["difference"][key] for key in ("low", "value", "high")) for found in comparisons
    ]
    reach = max(relevant, *(abs(limit) for interval in intervals for limit in interval))
    by = comparisons[0]["by"]
    table = Table(box=None, header_style="bold", pad_edge=False)
    if by is not None:
        table.add_column(by, overflow="fold")
    table.add_column("ads", overflow="fold")
    for column in ("viewers", comparisons[0]["measure"]):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column(f"{-reach:+.2f}{'0'.center(width - 10)}{reach:+.2f}", no_wrap=True)
    table.add_column("first is", no_wrap=True)
    for found, interval in zip(comparisons, intervals, strict=True):
        row = [] if by is None else [shown(console, str(found["segment"]))]
        names = f"{found['first_name']} {signs.dash} {found['second_name']}"
        bar = interval_bar(interval, (-reach, reach), width, band=relevant, signs=signs)
        verdict = found["verdict"]
        table.add_row(
            *row,
            shown(console, names),
            f"{found['first_viewers']}, {found['second_viewers']}",
            f"{found['difference']['value']:+.2f}",
            shown(console, bar),
            f"[{VERDICTS[verdict]}]{verdict.replace('_', ' ')}[/]",
        )
    return table
