"""Compare ads."""

from __future__ import annotations

import re
from typing import Any

import click

from ads.playlists.playlist import DAYS
from monitor.analytics import SEGMENTS
from monitor.cli.shared.options import (
    database_option,
    in_zone,
    kinds_options,
    min_viewers_option,
    opened,
    output_options,
    say_left_out,
    scope_of,
    scope_options,
    zone_of_sites,
)
from monitor.cli.shared.output import print_json
from monitor.settings.options import NumberRange

MEASURES = (
    "valence",
    "attention",
    "happy",
    "surprise",
    "expressiveness",
    "dwell",
    "happy_share",
    "surprise_share",
    "negative_share",
    "valence_raw",
)
"""As `monitor.analytics.comparison` names them, which is slow to import."""


def hours_of(text: str) -> frozenset[int]:
    """Return hours of the day, each from 0 to 23.

    9-12 is 9:00 to 12:00, 22-2 spans midnight, 9 is one hour; commas separate several.
    """
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,2})(?:\s*-\s*(\d{1,2}))?\s*", part)
        first = int(match[1]) if match else 24
        last = int(match[2] or first + 1) if match else 0
        if first >= 24 or last > 24 or first == last:
            raise click.BadParameter(
                f"expected hours of day such as 9-12 (from 9:00 up to 12:00), received {text!r}."
            )
        found.update(hour % 24 for hour in range(first, last if last > first else last + 24))
    return frozenset(found)


def weekdays_of(text: str) -> frozenset[str]:
    """Return days of the week as `DAYS` names them; commas separate several."""
    found = frozenset(part.strip().lower() for part in text.split(","))
    if found - set(DAYS):
        raise click.BadParameter(f"expected some of {', '.join(DAYS)}, received {text!r}.")
    return found


@click.command(
    epilog="Example: ad-monitor compare summer-01 winter-02 --since 2026-03-01 --hour 9-12"
)
@click.argument("ads", metavar="[AD]...", nargs=-1)
@database_option
@scope_options
@kinds_options
@click.option(
    "--source", "sources", multiple=True, help="Only sessions with this source. May be repeated."
)
@click.option(
    "--hour",
    "hours",
    type=hours_of,
    metavar="HOURS",
    help="Only plays of these hours of day, such as 9-12.",
)
@click.option(
    "--weekday",
    "weekdays",
    type=weekdays_of,
    metavar="DAYS",
    help="Only plays of these days: mon,tue,…",
)
@click.option(
    "--by",
    type=click.Choice(SEGMENTS),
    help="Compare separately within each of these where both ads ran.",
)
@click.option(
    "--measure",
    default=MEASURES[0],
    help=f"Measure to compare: {', '.join(MEASURES)}; or the mean probability of a label of the "
    "model, such as sad.",
)
@click.option(
    "--relevant",
    type=NumberRange(0, min_open=True),
    metavar="X",
    help="Smallest difference that matters. [default: 0.1, of dwell 1 s]",
)
@min_viewers_option
@click.option(
    "--fixed",
    is_flag=True,
    help="Narrower intervals for a single look, at a number of viewers set in advance.",
)
@click.option(
    "--timezone",
    metavar="NAME",
    help="Time zone of hours, days and dates, such as Europe/Berlin. [default: the site's]",
)
@output_options
def compare(
    ads: tuple[str, ...],
    database: str | None,
    timezone: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Find out whether one ad is better than another, by how much, and how sure that is.

    Compares the named ads, or all in the database, in pairs; more than eight each with all others
    together. Viewers count, not readings. Where the data cannot tell yet, the result says about
    how many more viewers are needed. Looking again every day is fine, unless --fixed.
    """
    from db.read.scope import left_out
    from monitor.analytics.comparison import compare_ads
    from monitor.analytics.errors import ReportError
    from monitor.analytics.measures import measure_of, require_measure
    from monitor.analytics.report_data import load_report_data
    from monitor.reports.terminal import print_comparisons

    measure, relevant = options["measure"], options["relevant"]
    with opened(database) as engine:
        typed = scope_of(options)
        zone = zone_of_sites(engine, timezone, typed)
        scope = in_zone(typed, zone)
        data = load_report_data(engine, scope, seconds=False)
        others = left_out(engine, scope, ads or None)
    try:
        require_measure(data, measure)
        options["sources"] = options["sources"] or None
        found = compare_ads(data, ads or None, zone=zone, **options)
    except ReportError as error:
        raise click.UsageError(str(error)) from error
    say_left_out(others)
    documents = [comparison.document() for comparison in found]
    if not found:
        listed = ", ".join(dict.fromkeys(ad.ad_id for ad in data.ads)) or "none"
        click.echo(
            "Nothing to compare: expected two ads with plays that match the options; ads: "
            f"{listed}.",
            err=True,
        )
    if as_json:
        print_json(
            {
                "measure": measure,
                "relevant": measure_of(measure).relevant if relevant is None else relevant,
                "by": options["by"],
                "min_viewers": options["min_viewers"],
                "monitoring": "fixed" if options["fixed"] else "always-valid",
                "comparisons": documents,
                "left_out": others,
            }
        )
    elif found:
        print_comparisons(documents)
