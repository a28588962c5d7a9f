"""Write a hub's lake, and report from it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import click

from monitor.cli.shared.options import (
    PROGRAM,
    Moment,
    debug_option,
    load_settings,
    opened,
    place_options,
)
from monitor.cli.shared.output import print_json
from monitor.settings.models import HubSettings
from monitor.settings.options import config_option, setting_option

_TARGET = "FOLDER|s3://BUCKET/PREFIX"
_DAY = Moment(["%Y-%m-%d"])


def _day(_context: click.Context, _parameter: click.Parameter, typed: datetime | None) -> Any:
    return None if typed is None else typed.date()


def _target(settings: HubSettings, option: str) -> str:
    if not settings.lake:
        raise click.UsageError(
            f"Expected a lake: name one with {option} {_TARGET}, or as `lake` in the section `hub` "
            "of the settings file."
        )
    return settings.lake


@click.group(epilog=f"Example: {PROGRAM} hub lake write --to /srv/lake")
def lake() -> None:
    """Write Parquet files of all screens' sums by day, and report from them.

    DuckDB, Spark, Trino and others read them too.
    """


@lake.command(
    epilog=f"Example: {PROGRAM} hub lake write --to s3://ads/lake --min-viewers 5; "
    "a running hub with the setting `lake` does so each night."
)
@click.option("--to", "lake", metavar=_TARGET, help="The lake. [default: the setting `hub.lake`]")
@click.option(
    "--day",
    "days",
    type=_DAY,
    multiple=True,
    metavar="YYYY-MM-DD",
    help="This day, in UTC, whether or not it changed. May be repeated.",
)
@click.option("--all", "everything", is_flag=True, help="All days, whether or not they changed.")
@setting_option(HubSettings, "min_viewers")
@setting_option(HubSettings, "database")
@config_option
@debug_option
def write(days: tuple[datetime, ...], everything: bool, **options: Any) -> None:
    """Write the days that changed since the last time, without today.

    A day that is written again replaces the earlier one; readers see each screen once meanwhile.
    """
    if days and everything:
        raise click.UsageError("Expected --day or --all, received both.")
    settings = load_settings(HubSettings, options)
    target = _target(settings, "--to")
    from monitor.hub.lake.store import Lake
    from monitor.hub.lake.writing import write_changed, write_days
    from monitor.reports.terminal import progress_bar

    files = Lake(target)
    chosen = sorted({day.date() for day in days})
    with (
        opened(settings.database, existing=True) as engine,
        progress_bar("Writing", "screens") as progress,
    ):
        least = settings.min_viewers
        if chosen:
            written = write_days(engine, files, chosen, min_viewers=least, progress=progress)
        else:
            written = write_changed(
                engine,
                files,
                datetime.now(UTC),
                min_viewers=least,
                everything=everything,
                progress=progress,
            )
    if missing := [day.isoformat() for day in chosen if day not in written]:
        raise click.UsageError(f"The database has no plays on {', '.join(missing)} (UTC).")
    click.echo(_summary(target, written), err=True)


def _summary(target: str, written: list[date]) -> str:
    if not written:
        return f"The lake {target} has all days that are over."
    first, last = written[0], written[-1]
    if len(written) == 1:
        return f"Wrote {first} into the lake {target}."
    return f"Wrote {len(written)} days from {first} to {last} into the lake {target}."


@lake.command(epilog=f"Example: {PROGRAM} hub lake report summer --lake /srv/lake --tag window")
@click.argument("ads", nargs=-1, required=True, metavar="AD...")
@setting_option(HubSettings, "lake")
@click.option(
    "--from", "since", type=_DAY, callback=_day, metavar="YYYY-MM-DD", help="First day, in UTC."
)
@click.option(
    "--to", "until", type=_DAY, callback=_day, metavar="YYYY-MM-DD", help="Last day, in UTC."
)
@place_options
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    help="csv: of each ad the whole, its sites and its seconds.",
)
@config_option
@debug_option
def report(
    ads: tuple[str, ...],
    since: date | None,
    until: date | None,
    form: str,
    sites: tuple[str, ...],
    groups: tuple[str, ...],
    tags: tuple[str, ...],
    **options: Any,
) -> None:
    """Report on ads over all screens of a lake: plays, exposures, attention, emotions by second.

    Screens have the names and tags that they had when a day was written.
    """
    if since and until and since > until:
        raise click.BadParameter(
            f"expected a day before {until}, received {since}.", param_hint="--from"
        )
    target = _target(load_settings(HubSettings, options), "--lake")
    from monitor.hub.lake.report import LakeScope, lake_report
    from monitor.hub.lake.store import Lake
    from monitor.reports.tables import lake_csv
    from monitor.reports.terminal import print_lake_report

    scope = LakeScope(since, until, sites, groups, tags)
    document = lake_report(Lake(target), list(dict.fromkeys(ads)), scope)
    if form == "json":
        print_json(document)
    elif form == "csv":
        click.echo(lake_csv(document), nl=False)
    else:
        print_lake_report(document)
