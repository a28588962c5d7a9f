"""Compare ads."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import click

from monitor.analytics import SEGMENTS, WEEKDAYS
from monitor.cli.options import (
    database_option,
    database_url,
    debug_option,
    json_option,
    min_viewers_option,
    moment,
    opened,
    since_option,
    site_option,
    time_zone,
    until_option,
)
from monitor.cli.output import print_json

if TYPE_CHECKING:
    from datetime import datetime

    from monitor.analytics.report_data import ReportData

MEASURES = ("valence", "attention", "happy", "surprise", "expressiveness", "dwell")
"""As `monitor.analytics.comparison` names them, which is slow to import."""

HOURS_PER_DAY = 24


class Hours(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """Hours of the day: 9-12 is 9:00 to 12:00, 22-2 spans midnight, 9 is one hour; with commas."""

    name = "hours"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The hours, each from 0 to 23."""
        found: set[int] = set()
        for part in str(value).split(","):
            match = re.fullmatch(r"\s*(\d{1,2})(?:\s*-\s*(\d{1,2}))?\s*", part)
            first = int(match[1]) if match else HOURS_PER_DAY
            last = int(match[2] or first + 1) if match else 0
            if first >= HOURS_PER_DAY or last > HOURS_PER_DAY or first == last:
                self.fail(
                    "expected hours of day such as 9-12 (from 9:00 up to 12:00), received "
                    f"{value!r}.",
                    param,
                    ctx,
                )
            found.update(
                hour % HOURS_PER_DAY
                for hour in range(first, last if last > first else last + HOURS_PER_DAY)
            )
        return frozenset(found)


class Weekdays(click.ParamType):  # type: ignore[type-arg]
    """Days of the week, with commas between them."""

    name = "weekdays"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The days, as `WEEKDAYS` names them."""
        found = [part.strip().lower() for part in str(value).split(",")]
        unknown = [day for day in found if day not in WEEKDAYS]
        if unknown:
            self.fail(f"expected some of {', '.join(WEEKDAYS)}, received {value!r}.", param, ctx)
        return frozenset(found)


@click.command(
    epilog="Example: ad-monitor compare summer-01 winter-02 --since 2026-03-01 --hour 9-12"
)
@click.argument("ads", metavar="[AD]...", nargs=-1)
@database_option
@since_option
@until_option
@site_option
@click.option(
    "--source", "sources", multiple=True, help="Only sessions with this source. May be repeated."
)
@click.option(
    "--hour",
    "hours",
    type=Hours(),
    metavar="HOURS",
    help="Only plays of these hours of day, such as 9-12.",
)
@click.option(
    "--weekday",
    "weekdays",
    type=Weekdays(),
    metavar="DAYS",
    help="Only plays of these days: mon,tue,…",
)
@click.option(
    "--by",
    type=click.Choice(SEGMENTS),
    help="Compare separately within each of these where both ads ran.",
)
@click.option(
    "--measure", type=click.Choice(MEASURES), default=MEASURES[0], help="Measure to compare."
)
@click.option(
    "--relevant",
    type=click.FloatRange(0, min_open=True),
    metavar="X",
    help="Smallest difference that matters. [default: 0.1, of dwell 1 s]",
)
@min_viewers_option
@click.option(
    "--timezone",
    metavar="NAME",
    help="Time zone of hours, days and dates, such as Europe/Berlin. [default: the machine's]",
)
@json_option
@debug_option
def compare(
    ads: tuple[str, ...],
    database: str | None,
    since: datetime | None,
    until: datetime | None,
    site: str | None,
    timezone: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Find out whether one ad is better than another, by how much, and how surely.

    Compares the named ads, or all in the database, in pairs; viewers count, not readings. Where
    the data cannot tell yet, the result says about how many more viewers are needed.
    """
    from monitor.analytics.comparison import MEASURES as measures  # noqa: N811
    from monitor.analytics.comparison import compare_ads
    from monitor.analytics.errors import ReportError
    from monitor.reports.terminal import print_comparisons

    measure, relevant = options["measure"], options["relevant"]
    if relevant is not None and not math.isfinite(relevant):
        raise click.BadParameter(
            f"expected a number above 0, received {relevant}.", param_hint="--relevant"
        )
    zone = time_zone(timezone)
    data = _load(database_url(database), site, moment(since, zone), moment(until, zone))
    try:
        options["sources"] = options["sources"] or None
        found = compare_ads(data, ads or None, zone=zone, **options)
    except ReportError as error:
        raise click.UsageError(str(error)) from error
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
                "relevant": measures[measure].relevant if relevant is None else relevant,
                "by": options["by"],
                "min_viewers": options["min_viewers"],
                "comparisons": documents,
            }
        )
    elif found:
        print_comparisons(documents)


def _load(
    database: str, site: str | None, since: datetime | None, until: datetime | None
) -> ReportData:
    from db.read.rollups import Scope
    from monitor.analytics.report_data import load_report_data

    with opened(database) as engine:
        return load_report_data(engine, Scope(site=site, since=since, until=until), seconds=False)
