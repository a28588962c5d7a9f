"""Options that commands share."""

from __future__ import annotations

import logging
import math
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from db.purpose import refuse_hub_database, refuse_kiosk_database
from monitor.settings.from_hub import read_hub_settings
from monitor.settings.models import (
    HubSettings,
    ModelSettings,
    RecordingSettings,
    RunSettings,
    StoredSettings,
)
from monitor.settings.options import GivenPath, WholeRange, setting_option
from monitor.settings.paths import default_settings_file, sqlite_file
from monitor.settings.sources import Model, SettingsError, SettingsFile, Sources, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Engine

    from db.read.scope import Scope
    from monitor.settings.models import WebSettings
    from monitor.workers import Map

logger = logging.getLogger(__name__)

DONE, FAILED, WRONG = 0, 1, 2
STATUSES = {
    DONE: "Done. A kiosk that was asked to end by a key, Ctrl+C or SIGTERM also ends with it.",
    FAILED: "It could not be done, was stopped with Ctrl+C, or the check found a fault.",
    WRONG: "The command line, or a file that it names, is wrong; nothing was done.",
}
"""What each exit status means."""
PROGRAM = "ad-monitor"


def _set_debug(_context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        logging.getLogger().setLevel(logging.DEBUG)


def together(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return one decorator for several options."""

    def decorate(command: Any) -> Any:
        return reduce(lambda made, option: option(made), reversed(options), command)

    return decorate


debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=_set_debug,
    help="Show tracebacks and debug messages.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document and nothing else."
)
output_options = together(json_option, debug_option)
database_option = setting_option(StoredSettings, "database")
model_option = setting_option(ModelSettings, "model")
own_model_options = together(
    click.option(
        "--model-labels",
        metavar="NAMES",
        help="Meaning of the outputs of a Keras model without a card (.h5, .keras): fer2013, "
        "alphabetical, ferplus, or names in their order, separated by commas.",
    ),
    click.option(
        "--model-pixels",
        type=click.Choice(["auto", "0-1", "-1-1", "0-255"]),
        default="auto",
        help="Pixel range that such a model takes; auto: 0-255 if it scales them itself, else 0-1.",
    ),
)
spool_option = setting_option(RunSettings, "spool")
media_option = click.option(
    "--media",
    "folders",
    type=GivenPath(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    envvar="AD_MONITOR_MEDIA",
    metavar="FOLDER",
    help="Folder with the ads' files, for thumbnails. May be repeated. [default: "
    "$AD_MONITOR_MEDIA, else this folder and the kiosk's own ads]",
)
price_option = click.option(
    "--price",
    "prices",
    multiple=True,
    metavar="[AD=]AMOUNT",
    help="Price of a verified play of an ad (without AD: of every other ad). May be repeated.",
)
min_viewers_option = click.option(
    "--min-viewers",
    type=WholeRange(1),
    default=1,
    help="Withhold figures based on fewer viewers; 5 is usual for reports that are shared.",
)


class Moment(click.DateTime):
    """A date, perhaps with a time, whose errors show examples instead of formats."""

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        """Return the moment, without a zone unless its format has one."""
        typed = None
        with suppress(click.BadParameter):
            typed = super().convert(value, param, ctx)
        # At the ends of the calendar another time zone would leave it.
        if typed is None or not 1970 <= typed.year < 3000:
            now = datetime(2026, 3, 1, 9, 30, 15, tzinfo=UTC)
            examples = " or ".join(now.strftime(form) for form in self.formats if "T" not in form)
            self.fail(f"expected a date such as {examples}, received {value!r}.", param, ctx)
        return typed


def _moment_option(name: str, when: str) -> Callable[[Any], Any]:
    kind = Moment(["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"])
    text = f"Only sessions and plays {when}."
    return click.option(name, type=kind, metavar="DATE", help=text)


workers_options = together(
    click.option(
        "--jobs",
        type=WholeRange(1),
        default=1,
        help="Processes that work at the same time on this machine; results are the same.",
    ),
    click.option(
        "--on",
        "address",
        metavar="ADDRESS",
        help="Work on a Ray cluster instead, such as ray://head:10001; results are the same.",
    ),
)


@contextmanager
def workers_of(jobs: int, address: str | None) -> Iterator[Map]:
    """Start the workers that `--jobs` or `--on` asks for; yield what is called like `map`."""
    from monitor.workers import open_workers

    if jobs > 1 and address is not None:
        raise click.UsageError(
            "Expected --jobs (this machine) or --on (a cluster, which knows its own size), "
            "received both."
        )
    with open_workers(jobs, address) as workers:
        yield workers


since_option = _moment_option("--since", "from this local time on")
until_option = _moment_option("--until", "before this local time")
place_options = together(
    click.option(
        "--site", "sites", multiple=True, metavar="NAME", help="Only this site. May be repeated."
    ),
    click.option(
        "--group",
        "groups",
        multiple=True,
        metavar="NAME",
        help="Only screens of this group of a hub. May be repeated.",
    ),
    click.option(
        "--tag",
        "tags",
        multiple=True,
        metavar="NAME",
        help="Only screens of a hub with this tag. May be repeated.",
    ),
)
scope_options = together(since_option, until_option, place_options)
demos_option = click.option("--demos", is_flag=True, help="Include sessions of the demo viewer.")
kinds_options = together(
    click.option(
        "--replays",
        is_flag=True,
        help="Include replays of recordings made while these ads really ran.",
    ),
    demos_option,
)


def say_left_out(counts: Mapping[str, int], *, replays: bool = True) -> None:
    """Say on standard error how many sessions were left out, and how to include them.

    `replays` tells whether the command has that option.
    """
    from monitor.analytics.report_data import kinds_left_out

    if found := kinds_left_out(counts):
        known = {"demo": "--demos", "replay": "--replays" if replays else ""}
        options = " and ".join(option for kind, option in known.items() if counts[kind] and option)
        hint = f"; {options} to include them" if options else ""
        click.echo(f"Left out: {found}{hint}.", err=True)


def load_settings(model: type[Model], options: dict[str, Any], **computed: Any) -> Model:
    """Return settings from a command's options, the environment and its settings file.

    Raises:
        SettingsError: A value or the file is wrong.
        DatabaseOpenError: The command has the option `--db`, and the database is a kiosk's where a
            hub's is meant, or the other way round.
    """
    made = load_with_hub(model, Sources(options, settings_file_of(options)), **computed)[0]
    if "database" in options:
        if isinstance(made, HubSettings):
            refuse_kiosk_database(sqlite_file(made.database))
        elif isinstance(made, RecordingSettings):
            refuse_hub_database(sqlite_file(made.database))
    return made


def load_with_hub(model: type[Model], sources: Sources, **computed: Any) -> tuple[Model, Sources]:
    """Return settings and where they come from, with those that a kiosk's hub has set.

    Raises:
        SettingsError: A value or the file is wrong.
    """
    made = load(model, sources, **computed)
    hub = read_hub_settings(made.database) if isinstance(made, RunSettings) else {}
    if not hub:
        return made, sources
    wider = replace(sources, hub=hub)
    try:
        return load(model, wider, **computed), wider
    except SettingsError as error:
        # Such as two that contradict each other; those of this machine were right.
        logger.warning("The settings from the hub are not used: %s", error)
        return made, sources


def settings_file_of(options: Mapping[str, Any]) -> SettingsFile | None:
    """Return the settings file of a command that has `--config`: the named one, else the usual one.

    Raises:
        SettingsError: It cannot be read.
    """
    named = options.get("config")
    if named is None and "config" in options:
        usual = default_settings_file()
        named = usual if usual.is_file() else None
    return None if named is None else SettingsFile(named)


def time_zone(name: str | None) -> Any:
    """Return the zone that `--timezone` names; `None` for the machine's."""
    from monitor.settings.time_zone import zone_named

    try:
        return None if name is None else zone_named(name)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="--timezone") from None


def zone_of_sites(engine: Engine, named: str | None, scope: Scope) -> Any:
    """Return the zone that `--timezone` names, else the one that the sites of a scope share.

    `None` if they are in different zones.
    """
    from db.read.sessions import site_zones
    from monitor.settings.time_zone import SessionZones

    names = site_zones(engine, scope).values()
    return time_zone(named) or SessionZones(dict(enumerate(names))).common


def scope_of(options: dict[str, Any]) -> Scope:
    """Take the options of places, times and kinds out of a command's, as a scope.

    Its times are still as they were typed, without a zone; `in_zone` gives them one.

    Raises:
        BadParameter: They are the wrong way round.
    """
    from db.read.scope import Scope

    names = [each.name for each in fields(Scope) if each.name in options]
    scope = Scope(**{name: options.pop(name) for name in names})
    if scope.since and scope.until and scope.since >= scope.until:
        raise click.BadParameter(
            f"expected a time before --until, {scope.until:%Y-%m-%d %H:%M}, received "
            f"{scope.since:%Y-%m-%d %H:%M}.",
            param_hint="--since",
        )
    return scope


def in_zone(scope: Scope, zone: Any) -> Scope:
    """Return a scope whose times, typed in local time, are moments in a zone."""
    return replace(scope, since=moment(scope.since, zone), until=moment(scope.until, zone))


def play_prices(typed: Sequence[str]) -> dict[str | None, float]:
    """Return the prices that `--price` names, by ad; under None that of every other ad."""
    prices: dict[str | None, float] = {}
    for text in typed:
        ad_id, _, number = text.rpartition("=")
        try:
            amount = float(number)
        except ValueError:
            amount = math.nan
        if not (math.isfinite(amount) and amount >= 0):
            raise click.BadParameter(
                f"expected AD=AMOUNT or AMOUNT, with an amount of at least 0, received {text!r}.",
                param_hint="--price",
            )
        prices[ad_id or None] = amount
    return prices


def moment(typed: datetime | None, zone: Any = None) -> datetime | None:
    """Return a moment typed in local time, or in a zone."""
    if typed is None:
        return None
    return typed.astimezone() if zone is None else typed.replace(tzinfo=zone)


def database_url(named: str | None) -> str:
    """Return the named database, else that of the settings."""
    return named or load_settings(StoredSettings, {"config": None}).database


@contextmanager
def opened(
    database: str | None, *, read_only: bool = True, existing: bool = False
) -> Iterator[Engine]:
    """Open the named or the default database; `existing` refuses one that is not there."""
    from db.engine import open_database

    url = database_url(database)
    engine = open_database(existing_database(url) if existing else url, read_only=read_only)
    try:
        yield engine
    finally:
        engine.dispose()


def require_folders(settings: WebSettings) -> None:
    """Refuse a folder of ads' files that is not there.

    Raises:
        SettingsError: It is missing, or is no folder.
    """
    for folder in settings.folders:
        if not folder.is_dir():
            raise SettingsError(
                f"There is no folder {folder}: --media (web.media) expects a folder with the ads' "
                "files; check the path, or leave it out."
            )


def existing_database(url: str) -> str:
    """Return the URL; refuse a database that is not there, which opening would create."""
    from db.errors import DatabaseOpenError

    path = sqlite_file(url)
    if path is not None and not path.exists():
        raise DatabaseOpenError(
            f"There is no database {path}: expected one that `{PROGRAM} run`, `replay` or `hub "
            "init` has written; name it with --db."
        )
    return url


log_options = together(
    database_option,
    since_option,
    place_options,
    kinds_options,
)


def database_file(url: str) -> Path:
    """Return the file of a kiosk's database; refuse one on a server."""
    from detector.sources.passwords import hide_passwords
    from monitor.errors import SetupError

    file = sqlite_file(url)
    if file is None:
        raise SetupError(
            "A kiosk that joins a hub keeps its readings in a file of its own: expected an SQLite "
            f"file, received {hide_passwords(url)}. Name one with --db, also for `run`."
        )
    return file.absolute()
