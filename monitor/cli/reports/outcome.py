"""Import outcomes, such as sales."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.shared.options import database_option, opened, output_options, time_zone
from monitor.cli.shared.output import print_result
from monitor.settings.options import GivenPath, NumberRange

if TYPE_CHECKING:
    from monitor.analytics.outcome_file import OutcomeFile

MAX_REFUSED = 10
"""Refused lines printed; --json has all."""


def columns_of(text: str) -> dict[str, str]:
    """Return the file's names of columns, written time=Date,value=Total."""
    from monitor.analytics.outcome_file import COLUMNS

    pairs = [part.partition("=") for part in text.split(",")]
    found = {key.strip(): name.strip() for key, _, name in pairs}
    if set(found) - set(COLUMNS) or not all(found.values()):
        raise click.BadParameter(
            f"expected some of {', '.join(COLUMNS)}, such as time=Date,value=Total, received "
            f"{text!r}."
        )
    return found


@click.group(epilog="Example: ad-monitor outcome import sales.csv --site 'Shop 12'")
def outcome() -> None:
    """Import what experiments are judged by, such as sales."""


@outcome.command(
    name="import",
    epilog="Example: ad-monitor outcome import sales.csv --site 'Shop 12' --timezone Europe/Berlin",
)
@click.argument("file", type=GivenPath(path_type=Path, dir_okay=False))
@click.option("--site", help="Site of lines that name none.")
@click.option("--name", help="What the figures are. [default: the file's name without its ending]")
@click.option(
    "--columns",
    type=columns_of,
    metavar="time=NAME,…",
    help="The file's own names of the columns time, site, value and name.",
)
@click.option(
    "--timezone",
    metavar="NAME",
    help="Time zone of the times, such as Europe/Berlin. [default: the machine's]",
)
@click.option(
    "--time-format",
    metavar="FORMAT",
    help="How times are written, such as '%m/%d/%Y %H:%M'. [default: 2026-03-01 09:00 or "
    "01.03.2026 09:00]",
)
@click.option(
    "--decimal",
    type=click.Choice(("point", "comma")),
    help="The decimal sign. [default: found out]",
)
@click.option(
    "--every",
    "every_min",
    type=NumberRange(0, 7 * 24 * 60),
    metavar="MINUTES",
    help="How long each figure covers from its time on; 0 for a moment, such as one sale. "
    "[default: the commonest step between the times]",
)
@click.option("--strict", is_flag=True, help="Import nothing if a line cannot be read.")
@database_option
@output_options
def import_outcomes(
    file: Path, database: str | None, strict: bool, as_json: bool, **options: Any
) -> None:
    """Read figures by time and site from a CSV file: columns time, site, value, perhaps name.

    Separators may be commas, semicolons or tabs. A figure of the same site, time and name replaces
    the earlier one; lines that cannot be read are named and left out.
    """
    from datetime import UTC, datetime

    from db.engine import writing
    from db.read.experiments import known_ads_and_sites
    from db.write.experiments import store_outcomes
    from monitor.analytics.errors import OutcomeFileError
    from monitor.analytics.outcome_file import OutcomeForm, read_outcomes
    from monitor.reports.terminal import print_import

    time_zone(options["timezone"])  # refuses an unknown one
    every_min = options.pop("every_min")
    options |= {"columns": options["columns"] or {}}
    lasts_s = None if every_min is None else every_min * 60
    found = read_outcomes(file, OutcomeForm(**options, lasts_s=lasts_s))
    if strict and found.refused:
        first = found.refused[0]
        raise OutcomeFileError(
            f"{file} has {len(found.refused)} lines that cannot be read, and nothing was imported. "
            f"Line {first.line}: {first.why}."
        )
    with opened(database, read_only=False, existing=True) as engine:
        with writing(engine) as connection:
            replaced = store_outcomes(connection, found.rows, datetime.now(UTC))
        _, sites = known_ads_and_sites(engine)
    document = _document(file, found, replaced) | {"timezone": options["timezone"]}
    print_result(as_json, document, print_import)
    for unknown in sorted({row.site for row in found.rows} - sites):
        click.echo(
            f"No session has run at the site {unknown!r} yet; check its name (`ad-monitor "
            "sessions`).",
            err=True,
        )
    for refused in found.refused[:MAX_REFUSED]:
        click.echo(f"Line {refused.line} is left out: {refused.why}.", err=True)
    if (more := len(found.refused) - MAX_REFUSED) > 0:
        click.echo(f"{more} more lines are left out; --json lists them.", err=True)


def _document(file: Path, found: OutcomeFile, replaced: int) -> dict[str, Any]:
    groups: dict[tuple[str, str], list[Any]] = {}
    for row in found.rows:
        groups.setdefault((row.name, row.site), []).append(row)
    return {
        "file": str(file),
        "rows": len(found.rows),
        "replaced": replaced,
        "repeated": found.repeated,
        "separator": found.separator,
        "decimal": found.decimal,
        "groups": [
            {
                "name": name,
                "site": site,
                "rows": len(rows),
                "first_at": rows[0].at.isoformat(),
                "last_at": rows[-1].at.isoformat(),
                "lasts_s": rows[0].lasts_s,
                "sum": sum(row.value for row in rows),
            }
            for (name, site), rows in groups.items()
        ],
        "refused": [{"line": each.line, "why": each.why} for each in found.refused],
    }
