"""Print plans, the state and the results of experiments, and what an import read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from monitor.reports.formatting import counted, moment_of
from monitor.reports.terminal.printable_console import shown, signs_of, table_with, wide_console

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from rich.console import Console

COLOURS = {"works": "green", "does_not": "red", "not_yet": "yellow"}
MAX_ROWS = 24
"""Blocks listed by `experiment status` unless all are asked for."""


def print_plan(document: dict[str, Any]) -> None:
    """Print what an experiment would take."""
    console = wide_console()
    _print_head(document["experiment"], console)
    power, relative = document["power"], document["experiment"]["measure"] == "outcome"
    table = _facts()
    measured = (
        "as stated"
        if not power["history_blocks"]
        else f"measured on {counted(power['history_blocks'], 'block')} of the past"
    )
    table.add_row("spread of a block", f"{_amount(power['spread'], relative)}, {measured}")
    if power["mean"] is not None:
        table.add_row("mean of a block", f"{power['mean']:.4g}{' an hour' if relative else ''}")
    table.add_row("design effect", f"{power['design_effect']:.2f}")
    arms = document["blocks"]
    table.add_row(
        "blocks",
        f"{power['blocks']} on {counted(power['days'], 'day')}: {arms['treatment']} treatment, "
        f"{arms['control']} control",
    )
    relevant = _amount(document["experiment"]["relevant"], relative)
    table.add_row(
        f"needed for {relevant}", f"{power['blocks_needed']} ({power['days_needed']} days)"
    )
    table.add_row(
        "can be found",
        f"{_amount(power['detectable'], relative)} with looks at any time, "
        f"{_amount(power['detectable_fixed'], relative)} with one look at the end "
        f"(chance {power['power']:.0%})",
    )
    console.print(table, highlight=False)
    console.print(shown(console, document["sentence"]), highlight=False)
    for warning in document["warnings"]:
        console.print(shown(console, warning), highlight=False, style="yellow")


def print_experiments(experiments: Sequence[tuple[dict[str, Any], str]]) -> None:
    """Print a line for each experiment, a document and its state, and how to see more of one."""
    console = wide_console()
    table = table_with("experiment", "state", "from", "to", "sites")
    for experiment, state in experiments:
        zone = _zone(experiment)
        table.add_row(
            shown(console, experiment["name"]),
            state,
            *(_local(experiment[key], zone)[:10] for key in ("starts_at", "ends_at")),
            shown(console, ", ".join(experiment["sites"])),
        )
    console.print(table, highlight=False)
    console.print(
        "See one with `ad-monitor experiment status NAME`, all with --all.", highlight=False
    )


def print_status(documents: Sequence[dict[str, Any]], *, every: bool) -> None:
    """Print where experiments stand, with the plays in their blocks."""
    console = wide_console()
    if not documents:
        console.print("There is no experiment yet; `ad-monitor experiment plan` prepares one.")
    for place, document in enumerate(documents):
        if place:
            console.print()
        _print_head(document["experiment"], console)
        _print_state(document, console)
        rows = document["blocks"]
        if not every:
            # Around the one that runs now, or the last ones.
            over = sum(row["state"] not in {"coming", "dropped"} for row in rows)
            first = max(0, min(over - MAX_ROWS * 2 // 3, len(rows) - MAX_ROWS))
            rows = rows[first : first + MAX_ROWS]
        _print_blocks(document["experiment"], rows, console)
        if len(rows) < len(document["blocks"]):
            left_out = len(document["blocks"]) - len(rows)
            console.print(f"{left_out} more blocks; --all lists them.", style="dim")
        for missing in document["missing"]:
            console.print(shown(console, missing), highlight=False, style="yellow")


def print_result(document: dict[str, Any]) -> None:
    """Print the verdict with its interval, and the effect by site."""
    console = wide_console()
    _print_head(document["experiment"], console)
    colour = COLOURS[document["verdict"]]
    console.print(shown(console, document["sentence"]), highlight=False, style=colour)
    relative = document["relative"]
    if document["effect"] is not None:
        table = table_with("", right=("treatment", "control", "effect", "from", "to", "blocks"))
        rows = [("all", document)] if len(document["sites"]) > 1 else []
        rows += [(site["site"], site) for site in document["sites"]]
        none = signs_of(console).none
        for name, row in rows:
            figures = ("effect", "effect_low", "effect_high")
            table.add_row(
                shown(console, name),
                *(
                    none if row[key] is None else f"{row[key]:.4g}"
                    for key in ("treatment_mean", "control_mean")
                ),
                *(
                    none if row[key] is None else _amount(row[key], relative, signed=True)
                    for key in figures
                ),
                f"{row['blocks_counted']} of {row['blocks_planned']}",
            )
        console.print(table)


def print_import(document: dict[str, Any]) -> None:
    """Print what an import of outcomes has read."""
    console = wide_console()
    table = table_with("outcome", "site", "from", "to", "each lasts", right=("rows", "sum"))
    for group in document["groups"]:
        lasts = f"{group['lasts_s'] / 60:g} min" if group["lasts_s"] else "a moment"
        table.add_row(
            shown(console, group["name"]),
            shown(console, group["site"]),
            _local(group["first_at"], _zone(document)),
            _local(group["last_at"], _zone(document)),
            lasts,
            str(group["rows"]),
            f"{group['sum']:,.2f}",
        )
    console.print(table)
    console.print(
        f"{counted(document['rows'], 'row')} read ({document['separator']}, decimal "
        f"{document['decimal']}): {document['rows'] - document['replaced']} new, "
        f"{document['replaced']} replaced; {document['repeated']} repeated and "
        f"{len(document['refused'])} refused lines.",
        highlight=False,
    )


def _print_head(experiment: dict[str, Any], console: Console) -> None:
    name = experiment["name"] or "Plan, not stored"
    console.print(f"[bold]{shown(console, name)}[/bold]", highlight=False)
    if experiment["hypothesis"]:
        console.print(shown(console, experiment["hypothesis"]), highlight=False, style="italic")
    table = _facts()
    for arm in ("treatment", "control"):
        ads = ", ".join(experiment[arm]) or "none of the experiment's ads"
        table.add_row(arm, shown(console, ads))
    measure = experiment["outcome"] or experiment["measure"]
    relevant = _amount(experiment["relevant"], experiment["measure"] == "outcome")
    rule = (
        "looks at any time" if experiment["stopping"] == "always_valid" else "one look at the end"
    )
    table.add_row("measure", shown(console, f"{measure}, {relevant} matters; {rule}"))
    table.add_row("sites", shown(console, ", ".join(experiment["sites"])))
    zone = _zone(experiment)
    table.add_row(
        "time",
        shown(
            console,
            f"{_local(experiment['starts_at'], zone)} to {_local(experiment['ends_at'], zone)}, "
            f"{experiment['hours']} ({experiment['timezone'] or 'the machine’s zone'}), "
            f"{'every day' if len(experiment['days']) == 7 else ', '.join(experiment['days'])}",
        ),
    )
    table.add_row(
        "blocks of",
        f"{experiment['block_s'] / 60:g} minutes, of which the first "
        f"{experiment['wash_out_s'] / 60:g} do not count",
    )
    console.print(table, highlight=False)


def _print_state(document: dict[str, Any], console: Console) -> None:
    experiment, state = document["experiment"], document["state"]
    figures = (
        f"{document['blocks_over']} of {counted(document['blocks_planned'], 'block')} over, "
        f"{document['blocks_with_value']} with a value"
    )
    console.print(f"[bold]{state}[/bold]: {figures}", highlight=False)
    if state == "stopped":
        when = _local(experiment["stopped_at"], _zone(experiment))
        console.print(shown(console, f"Stopped at {when}: {experiment['stop_reason']}"))
    for row in document["running"]:
        until = _local(row["ends_at"], _zone(experiment))
        text = f"Now at {row['site']}: block {row['number']}, {row['arm']}, until {until}"
        console.print(shown(console, text), highlight=False, style="green")


def _print_blocks(
    experiment: dict[str, Any], rows: Sequence[dict[str, Any]], console: Console
) -> None:
    numbers = ("plays", "of its arm", "of the other", "value")
    table = table_with("block", "site", "from", "to", "arm", "state", right=numbers)
    zone, none = _zone(experiment), signs_of(console).none
    for row in rows:
        table.add_row(
            str(row["number"]),
            shown(console, row["site"]),
            _local(row["starts_at"], zone),
            _local(row["ends_at"], zone)[11:],
            row["arm"],
            row["state"].replace("_", " "),
            *(str(row[key]) for key in ("plays", "arm_plays", "off_plan_plays")),
            none if row["value"] is None else f"{row['value']:.4g}",
        )
    console.print(table, highlight=False)


def _facts() -> Any:
    table = table_with("", "")
    table.show_header = False
    table.columns[0].style = "dim"
    return table


def _amount(value: float, relative: bool, *, signed: bool = False) -> str:
    if relative:
        return f"{100 * value:{'+.1f' if signed else '.3g'}}%"
    return f"{value:{'+.3f' if signed else '.3g'}}"


def _zone(document: dict[str, Any]) -> tzinfo | None:
    return None if document["timezone"] is None else ZoneInfo(document["timezone"])


def _local(text: str, zone: tzinfo | None) -> str:
    moment = moment_of(text)
    return "" if moment is None else moment.astimezone(zone).strftime("%Y-%m-%d %H:%M")
