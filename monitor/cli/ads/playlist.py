"""Check a playlist."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ads.policies import POLICY_NAMES
from detector.names import printable
from monitor.cli.shared.options import Moment, output_options
from monitor.cli.shared.output import print_result
from monitor.reports.formatting import counted
from monitor.settings.options import GivenPath, NumberRange, WholeRange

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime

    from ads.errors import PlaylistError
    from ads.playlists.playlist import Ad, Playlist, SkippedAd
    from ads.show.forecast import Forecast

    Say = Callable[[Any], None]

MAX_ROWS = 100
"""Rows printed of a list of ads; nobody reads more."""

SPEED_LIMIT_S = 3.0
"""Time for measuring the speed of clips, one after the other."""

MAX_PLAY_ROWS = 1000
"""Rows printed of a forecast: two hours of ads of 8 seconds."""


@click.group(epilog="Example: ad-monitor playlist check summer.yaml")
def playlist() -> None:
    """Check a playlist without showing it."""


@playlist.command(epilog="Example: ad-monitor playlist check summer.yaml --at '2026-12-24 08:00'")
@click.argument("file", type=GivenPath(path_type=Path))
@click.option(
    "--hours",
    type=NumberRange(0, 7 * 24, min_open=True),
    default=1.0,
    help="Hours to forecast.",
)
@click.option(
    "--at",
    type=Moment(["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]),
    metavar="'YYYY-MM-DD HH:MM'",
    help="Start of the forecast, in the playlist's time zone. [default: now]",
)
@click.option(
    "--policy",
    "policy_name",
    type=click.Choice(POLICY_NAMES),
    default=POLICY_NAMES[0],
    help="How the next ad is chosen.",
)
@click.option("--seed", type=WholeRange(0), default=0, help="Seed of the policy's draws.")
@output_options
def check(
    file: Path, hours: float, at: datetime | None, policy_name: str, seed: int, as_json: bool
) -> None:
    """Check a playlist (YAML file or folder) and print what the next hour shows.

    The forecast leaves out media that cannot be played; they are listed last, each with its
    reason. The exit status is 2 if the playlist is wrong, or nothing in it can be played.
    """
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from ads.errors import PlaylistError
    from ads.policies import make_policy
    from ads.policies.settings import PolicySettings
    from ads.show.forecast import forecast
    from monitor.logs import only_errors
    from monitor.session.playlist_loading import load_ads

    with only_errors("ads.playlists"):  # what is left out is listed last, once
        try:
            # Hashing a large clip takes long, and tells nothing about it.
            checked, unmeasured = _with_speeds(load_ads(file, max_hashed_bytes=64 << 20))
        except PlaylistError as error:
            raise _with_all_mistakes(error) from None
    if at is None:
        begin = datetime.now(UTC).replace(microsecond=0)
    elif checked.timezone is None:
        begin = at.astimezone()
    else:
        begin = at.replace(tzinfo=ZoneInfo(checked.timezone))
    coming = forecast(checked, make_policy(policy_name, PolicySettings(seed=seed)), begin, hours)
    document = _document(checked, coming, policy_name) | {"unmeasured_clips": unmeasured}
    print_result(as_json, document, _print_tables, checked, coming, unmeasured)


def _with_all_mistakes(error: PlaylistError) -> PlaylistError:
    """Print all mistakes but the last; return an error with the last one and their number."""
    mistakes = [str(error), *error.others]
    if len(mistakes) == 1:
        return error
    for sentence in mistakes[: min(len(mistakes) - 1, MAX_ROWS)]:
        click.echo(f"Error: {printable(sentence)}", err=True)
    return type(error)(f"{mistakes[-1]} {len(mistakes):,} ads are wrong in all.")


def _with_speeds(playlist: Playlist) -> tuple[Playlist, int]:
    """Add remarks to clips that are too much for this machine; count those not measured."""
    from dataclasses import replace

    from ads.media.check import measure_apart

    clips = {ad.path: ad.width * ad.height for ad in playlist.ads if ad.kind == "video"}
    # The largest first: they are the likeliest to be too much.
    speeds = measure_apart(sorted(clips, key=lambda path: -clips[path]), SPEED_LIMIT_S)

    def remarked(ad: Ad) -> Ad:
        speed = speeds.get(ad.path)
        if speed is None or speed.is_enough:
            return ad
        return replace(ad, remarks=(*ad.remarks, speed.sentence))

    ads = tuple(remarked(ad) for ad in playlist.ads)
    return replace(playlist, ads=ads), len(clips) - len(speeds)


def _document(playlist: Playlist, coming: Forecast, policy: str) -> dict[str, Any]:
    return {
        "playlist": str(playlist.path),
        **_fields(playlist, "timezone", "cross_fade_s"),
        "ads": [
            _fields(ad, "ad_id", "name")
            | {"file": ad.path.name}
            | _fields(ad, "kind", "duration_s", "width", "height", "weight", "moods", "days")
            | {"hours": [str(span) for span in ad.hours]}
            | {"from": _date(ad.first_day), "until": _date(ad.last_day)}
            | _fields(ad, "max_per_hour", "priority", "takeover", "price_per_thousand_s")
            | _fields(ad, "fit", "volume", "remarks")
            for ad in playlist.ads
        ],
        "skipped": [
            {"ad_id": ad.ad_id, "file": ad.path.name, "reason": ad.reason, "is_ad": ad.is_ad}
            for ad in playlist.skipped
        ],
        "summary": {
            "ads": _count(playlist),
            "errors": len(_errors(playlist)),
            "warnings": len(_warnings(playlist, coming.begin.date())),
        },
        "policy": policy,
        "begin": coming.begin.isoformat(),
        "end": coming.end.isoformat(),
        "wanted_end": coming.wanted_end.isoformat(),
        "plays": [
            {"at": play.at.isoformat(), "ad_id": play.ad.ad_id}
            | _fields(play, "shown_s", "reason", "probability", "share", "due")
            for play in coming.plays
        ],
        "idle": [
            {"begin": begin.isoformat(), "end": end.isoformat()} for begin, end in coming.idle
        ],
        "shares": [
            {"ad_id": voice.ad.ad_id} | _fields(voice, "plays", "shown_s", "share", "due")
            for voice in coming.shares
        ],
    }


def _date(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _fields(of: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(of, name) for name in names}


def _print_tables(playlist: Playlist, coming: Forecast, unmeasured: int) -> None:
    from functools import partial

    from monitor.reports.terminal.printable_console import wide_console

    say = partial(wide_console().print, highlight=False)
    _say_ads(say, playlist, coming.begin.date())
    if unmeasured:
        say(f"[dim]{unmeasured} videos: not measured whether this machine keeps up with them[/dim]")
    _say_plays(say, playlist, coming)
    _say_shares(say, coming)
    _say_problems(say, playlist, coming.begin.date())


def _say_ads(say: Say, playlist: Playlist, today: date) -> None:
    from rich.markup import escape

    from monitor.cli.shared.tables import table_of

    zone = playlist.timezone or "this machine's time zone"
    say(
        f"[bold]{escape(str(playlist.path))}[/bold]: {_count(playlist)} ads can be played "
        f"({escape(zone)}, cross-fade {playlist.cross_fade_s:g} s)"
    )
    ads = (
        (
            *map(escape, (ad.ad_id, ad.name, ad.kind)),
            f"{ad.duration_s:g}",
            f"{ad.weight:g}",
            _rules_text(ad, today),
        )
        for ad in playlist.ads[:MAX_ROWS]
    )
    numbers = ("seconds", "weight")
    say(table_of(ads, "ad", "name", "kind", *numbers, "rules", right=numbers))
    _say_more(say, len(playlist.ads), MAX_ROWS, "ads")


def _say_plays(say: Say, playlist: Playlist, coming: Forecast) -> None:
    """Print the plays to come, and the spans without any among them."""
    from rich.markup import escape

    from monitor.cli.shared.tables import table_of

    same_day = coming.end.date() == coming.begin.date()
    end_text = coming.end.strftime("%H:%M" if same_day else "%A %Y-%m-%d %H:%M")
    say(f"\n[bold]{coming.begin:%A %Y-%m-%d %H:%M} to {end_text}[/bold]")
    rows = [
        (
            play.at,
            escape(play.ad.ad_id),
            f"{play.shown_s:.1f}",
            f"{play.share:.1%}",
            f"{play.due:.1%}",
            escape(play.reason),
        )
        for play in coming.plays
    ]
    rows += [
        (begin, "", "", "", "", f"[yellow]nothing may play until {end:%H:%M:%S}[/yellow]")
        for begin, end in coming.idle
    ]
    rows.sort(key=lambda row: row[0])
    plays = ((f"{at:%H:%M:%S}", *cells) for at, *cells in rows[:MAX_PLAY_ROWS])
    numbers = ("seconds", "share so far", "by weight")
    say(table_of(plays, "time", "ad", *numbers, "why", right=numbers))
    _say_more(say, len(rows), MAX_PLAY_ROWS, "plays")
    if coming.is_cut:
        say(
            f"[yellow]![/] The forecast ends at {end_text}, not at "
            f"{coming.wanted_end:%A %Y-%m-%d %H:%M}: {len(coming.plays)} plays of "
            f"{len(playlist.ads)} ads were worked out. Ask for the rest with --at."
        )


def _say_shares(say: Say, coming: Forecast) -> None:
    from rich.markup import escape

    from monitor.cli.shared.tables import table_of

    say("\n[bold]Share of voice[/bold]")
    voices = coming.shares
    if len(voices) > MAX_ROWS:
        voices = tuple(sorted(voices, key=lambda voice: voice.shown_s, reverse=True))
    shares = (
        (
            escape(voice.ad.ad_id),
            str(voice.plays),
            f"{voice.shown_s:.0f}",
            f"{voice.share:.1%}",
            f"{voice.due:.1%}",
        )
        for voice in voices[:MAX_ROWS]
    )
    numbers = ("plays", "seconds", "share", "by weight")
    say(table_of(shares, "ad", *numbers, right=numbers))
    _say_more(say, len(voices), MAX_ROWS, "ads")


def _warnings(playlist: Playlist, today: date) -> list[str]:
    """Return what the owner should know: ads not playing now, remarks, files that are no ads."""
    from ads.playlists.playlist import distinct
    from ads.show.timetable import shadowed

    playing = {ad.ad_id for ad in playlist.ads if not ad.why_not_on(today)}
    ads = distinct(playlist.ads)
    late = [
        f"{ad.ad_id} {ad.why_not_on(today)}, so it does not play now"
        for ad in ads
        if ad.ad_id not in playing
    ]
    again = [
        f"{ad.ad_id} is listed again for times at which another listing of it counts, so this one "
        "has no effect; give it other hours, days or dates"
        for ad in shadowed(playlist.ads)
    ]
    remarks = [f"{ad.ad_id} can be played, but {remark}" for ad in ads for remark in ad.remarks]
    return late + again + remarks + [_left_out(one) for one in playlist.skipped if not one.is_ad]


def _count(playlist: Playlist) -> int:
    """Return how many different ads can be played."""
    return len({ad.ad_id for ad in playlist.ads})


def _errors(playlist: Playlist) -> list[str]:
    return [_left_out(one) for one in playlist.skipped if one.is_ad]


def _left_out(skipped: SkippedAd) -> str:
    return f"{skipped.ad_id} is left out: {skipped.reason}"


def _say_problems(say: Say, playlist: Playlist, today: date) -> None:
    """Print warnings, then errors, and how many there are."""
    from rich.markup import escape

    warnings, errors = _warnings(playlist, today), _errors(playlist)
    say("")
    for mark, what, found in (
        ("[yellow]![/]", "warnings", warnings),
        ("[bold red]✗[/]", "ads are left out", errors),
    ):
        for sentence in found[:MAX_ROWS]:
            say(f"{mark} {escape(sentence)}")
        _say_more(say, len(found), MAX_ROWS, what)
    ads = counted(_count(playlist), "ad")
    say(
        f"[bold]{ads} can be played, {counted(len(errors), 'error')}, "
        f"{counted(len(warnings), 'warning')}[/bold]"
    )


def _say_more(say: Say, count: int, shown: int, what: str) -> None:
    """Say how many rows of a long list were not printed."""
    if count > shown:
        say(f"[dim]... {count - shown} more {what}; --json has all of them[/dim]")


def _dates_text(ad: Ad) -> str:
    bounds = ("from", ad.first_day), ("until", ad.last_day)
    return " ".join(f"{word} {day}" for word, day in bounds if day is not None)


def _volume_text(ad: Ad) -> str:
    if ad.volume == 1:
        return ""
    return f"volume {ad.volume:g}" if ad.volume else "muted"


def _rules_text(ad: Ad, today: date) -> str:
    rules = [
        ad.why_not_on(today) or _dates_text(ad),
        ", ".join(ad.days),
        ", ".join(map(str, ad.hours)),
        f"at most {ad.max_per_hour} an hour" if ad.max_per_hour else "",
        f"priority {ad.priority}" if ad.priority else "",
        "takeover" if ad.takeover else "",
        f"for {', '.join(ad.moods)}" if ad.moods else "",
        ad.fit if ad.fit != "contain" else "",
        _volume_text(ad),
    ]
    return "; ".join(rule for rule in rules if rule) or "-"
