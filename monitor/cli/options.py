"""What the commands share: their common options, how they print, and who may write to the terminal."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ads.policies import POLICY_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

DONE, FAILED, WRONG = 0, 1, 2
PROGRAM = "ad-monitor"
REPORT_FORMATS = ("html", "json", "csv", "parquet", "pdf")
REPORT_TABLES = ("seconds", "timeline", "ads", "plays", "gaps")
"""As `monitor.reports.export` and `.tables` name them; importing these only to show the help would be slow."""

DEVICES = ("auto", "gpu", "cpu")


def _set_debug(_context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        logging.getLogger().setLevel(logging.DEBUG)


class Language(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """A language that there are texts for. Which these are is looked up when it is asked, so adding one takes no code."""

    name = "language"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """The codes to choose from, for the help."""
        from monitor.ui.texts import languages

        return f"[{'|'.join(languages())}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The language's code; a region such as in `de-AT` does not matter."""
        from monitor.ui.texts import LanguageError, known_language

        try:
            return known_language(str(value))
        except LanguageError as error:
            self.fail(str(error), param, ctx)


class Languages(Language):
    """One or more of them, with commas between them."""

    name = "languages"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Their codes, in the order in which they were named."""
        return tuple(
            super(Languages, self).convert(one, param, ctx) for one in str(value).split(",")
        )


def _hours(
    _context: click.Context, _parameter: click.Parameter, typed: tuple[str, ...]
) -> tuple[str, ...]:
    if typed:
        from ads.playlists.playlist import parse_hours

        try:
            parse_hours(list(typed))
        except ValueError as error:
            raise click.BadParameter(f"{error}, received {', '.join(typed)}.") from None
    return typed


def together(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """One decorator of several options, shown in the order given."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=_set_debug,
    help="Show tracebacks and everything the parts log.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document and nothing else."
)
database_option = click.option(
    "--db",
    "database",
    metavar="URL",
    help="Database: an SQLAlchemy URL or the path of an SQLite file. [default: $AD_MONITOR_DB, else a file in your "
    "data folder]",
)
model_options = together(
    click.option(
        "--model",
        metavar="NAME|FILE",
        help="A model's name or .keras file. [default: the one in use]",
    ),
    click.option(
        "--device",
        type=click.Choice(DEVICES),
        default="auto",
        help="What classifies. [default: auto]",
    ),
)
perception_options = together(
    click.option(
        "--smallest-face",
        "smallest_face_px",
        type=click.FloatRange(12, 2000),
        metavar="PX",
        help="Side of the smallest face to look for, in pixels of the source; smaller ones cost time. [default: 36]",
    ),
    click.option(
        "--farthest",
        "farthest_m",
        type=click.FloatRange(0, 50, min_open=True),
        metavar="M",
        help="Distance of the furthest viewer to look for, instead of --smallest-face.",
    ),
    click.option(
        "--camera-angle",
        "view_angle_deg",
        type=click.FloatRange(20, 170),
        metavar="DEG",
        help="Horizontal angle of view of the camera. [default: 70]",
    ),
    click.option(
        "--camera-above",
        "above_cm",
        type=float,
        metavar="CM",
        help="How far the camera is above the screen's centre; negative below. [default: 0]",
    ),
    click.option(
        "--camera-right",
        "right_cm",
        type=float,
        metavar="CM",
        help="How far it is to the right of the centre, as viewers see it; negative left. [default: 0]",
    ),
    click.option(
        "--zones",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="YAML file with parts of the picture to leave out, or to count viewers in only.",
    ),
)
media_option = click.option(
    "--media",
    "folders",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    envvar="AD_MONITOR_MEDIA",
    metavar="FOLDER",
    help="Where the ads' files are, for pictures of them in the report; may be repeated. [default: $AD_MONITOR_MEDIA, else "
    "this folder]",
)
min_viewers_option = click.option(
    "--min-viewers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Withhold figures that fewer viewers stand behind (5 is usual for reports that are shared).",
)
MOMENTS = ["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"]
since_option = click.option(
    "--since",
    type=click.DateTime(MOMENTS),
    metavar="DATE",
    help="Leave out what began before (local time).",
)
until_option = click.option(
    "--until",
    type=click.DateTime(MOMENTS),
    metavar="DATE",
    help="Leave out what began then or later.",
)
site_option = click.option("--site", help="Only this site. [default: all]")

policy_options = together(
    click.option(
        "--policy",
        type=click.Choice(POLICY_NAMES),
        default=POLICY_NAMES[0],
        show_default=True,
        help="How the next ad is chosen: in order, each once a round, by weight, by the audience's mood, or learnt from it.",
    ),
    click.option("--seed", type=click.IntRange(0), help="Of the policy's draws. [default: 0]"),
    click.option(
        "--holdout",
        type=click.FloatRange(0, 1),
        metavar="SHARE",
        help="Choices of mood and learn that ignore the audience, to compare with. [default: 0.1]",
    ),
    click.option(
        "--floor",
        type=click.FloatRange(0, 1),
        metavar="SHARE",
        help="Choices of mood and learn that are spread evenly over the ads. [default: 0.05]",
    ),
    click.option(
        "--min-audience",
        type=click.IntRange(1),
        metavar="N",
        help="mood and learn look at the audience from so many viewers on. [default: 1]",
    ),
    click.option(
        "--block",
        "blocked",
        multiple=True,
        metavar="AD",
        help="Ad that mood and learn leave out; repeat.",
    ),
    click.option(
        "--wash-out",
        "wash_out_s",
        type=click.FloatRange(0, 60),
        metavar="S",
        help="Pause between two ads, so that one reaction does not spill into the next. [default: 0]",
    ),
)
session_options = together(
    click.option(
        "--playlist",
        type=click.Path(path_type=Path),
        help="Ads: a YAML file, or a folder of pictures and videos. [default: the bundled samples]",
    ),
    database_option,
    click.option(
        "--site", default="default", show_default=True, help="Name of the place, for reports."
    ),
    policy_options,
    model_options,
    perception_options,
    click.option(
        "--loops", type=click.IntRange(1), help="Stop after so many rounds through the playlist."
    ),
    click.option(
        "--duration",
        "duration_s",
        type=click.FloatRange(0, min_open=True),
        help="Stop after S seconds.",
    ),
    click.option(
        "--readings-per-second",
        type=click.FloatRange(0, 100, min_open=True),
        default=10.0,
        show_default=True,
        help="Readings logged a second and viewer.",
    ),
    click.option(
        "--measure-hours",
        multiple=True,
        metavar="HH:MM-HH:MM",
        callback=_hours,
        help="Measure people only within this stretch of the day, to leave out staff; repeat for more. [default: all day]",
    ),
    click.option(
        "--report",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Write a report at the end: .html, .pdf, .json, .csv or .parquet.",
    ),
    min_viewers_option,
    json_option,
    debug_option,
)


recording_options = together(
    click.option(
        "--retention",
        "retention_days",
        type=click.IntRange(0, 36_500),
        default=90,
        show_default=True,
        metavar="DAYS",
        help="Delete single readings when they are so old, reports stay as they are; 0 keeps them.",
    ),
    click.option(
        "--spool",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="FOLDER",
        help="Where records wait while the database cannot be written, best on another disk. [default: beside the "
        "database]",
    ),
)


def analysis_settings(options: dict[str, Any]) -> Any:
    """The settings that `perception_options` make; takes these options out of the others."""
    from detector.analysis import AnalysisSettings
    from monitor.settings.zones_file import read_zones

    def given(*names: str) -> dict[str, Any]:
        taken = {name: options.pop(name) for name in names}
        return {name: value for name, value in taken.items() if value is not None}

    zones = options.pop("zones")
    return AnalysisSettings.model_validate(
        {
            "detection": given("smallest_face_px", "farthest_m"),
            "camera": given("view_angle_deg", "above_cm", "right_cm"),
            "zones": () if zones is None else read_zones(zones),
        }
    )


def guard_rails(options: dict[str, Any]) -> Any:
    """The settings that `policy_options` make; takes these options out of the others, but for the policy's name."""
    from ads.policies.settings import PolicySettings

    taken = {
        name: options.pop(name)
        for name in ("seed", "holdout", "floor", "min_audience", "blocked", "wash_out_s")
    }
    return PolicySettings.model_validate(
        {name: value for name, value in taken.items() if value is not None}
    )


def time_zone(name: str | None) -> Any:
    """The zone that was named with --timezone; None: the machine's."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return None if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise click.BadParameter(
            f"expected the name of a time zone such as Europe/Berlin, received {name!r}.",
            param_hint="--timezone",
        ) from None


def moment(typed: datetime | None, zone: Any = None) -> datetime | None:
    """A moment that was typed in local time, or in a zone."""
    if typed is None:
        return None
    return typed.astimezone() if zone is None else typed.replace(tzinfo=zone)


def database_url(named: str | None) -> str:
    """The database that was named, else the default one."""
    from monitor.settings.paths import default_database

    return named or default_database()


def existing_database(url: str) -> str:
    """Refuse to make an empty database only to look into it; returns what it was given."""
    from db.errors import DatabaseOpenError
    from monitor.settings.paths import sqlite_file

    path = sqlite_file(url)
    if path is not None and not path.exists():
        raise DatabaseOpenError(
            f"There is no database {path}: expected one that `{PROGRAM} run` or `{PROGRAM} replay` has written; "
            "name it with --db."
        )
    return url


log_options = together(
    database_option,
    since_option,
    site_option,
    click.option(
        "--replays",
        is_flag=True,
        help="Also replays: of recordings that were made while these ads really ran.",
    ),
)
