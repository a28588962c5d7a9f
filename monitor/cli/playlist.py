"""Check a playlist."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ads.policies import POLICY_NAMES
from monitor.cli.options import output_options
from monitor.cli.output import print_result

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime

    from ads.playlists.playlist import Ad, Playlist
    from ads.show.forecast import Forecast

MAX_ROWS = 100
"""Printed of a list of ads; more than anybody reads."""

MAX_PLAY_ROWS = 1000
"""Printed of a forecast: two hours of ads of 8 seconds."""


@click.group(epilog="Example: ad-monitor playlist check summer.yaml")
def playlist() -> None:
    """Check a playlist without showing it."""


@playlist.command(epilog="Example: ad-monitor playlist check summer.yaml --at '2026-12-24 08:00'")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--hours",
    type=click.FloatRange(0, 7 * 24, min_open=True),
    default=1.0,
    help="Hours to forecast.",
)
@click.option(
    "--at",
    type=click.DateTime(
        ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
    ),
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
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of the policy's draws.")
@output_options
def check(
    file: Path, hours: float, at: datetime | None, policy_name: str, seed: int, as_json: bool
) -> None:
    """Check a playlist (YAML file or folder) and print what the next hour shows.

    The exit status is 2 if the playlist is wrong. Media that cannot be played are listed with the
    reason, and skipped.
    """
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from ads.policies import make_policy
    from ads.policies.settings import PolicySettings
    from ads.show.forecast import forecast
    from monitor.session.playlist_loading import load_ads

    # Reading all of a large clip takes long, and tells nothing about it.
    checked = load_ads(file, max_hashed_bytes=64 << 20)
    if at is None:
        begin = datetime.now(UTC).replace(microsecond=0)
    elif checked.timezone is None:
        begin = at.astimezone()
    else:
        begin = at.replace(tzinfo=ZoneInfo(checked.timezone))
    coming = forecast(checked, make_policy(policy_name, PolicySettings(seed=seed)), begin, hours)
    print_result(as_json, _document(checked, coming, policy_name), _print_tables, checked, coming)


def _document(playlist: Playlist, coming: Forecast, policy: str) -> dict[str, Any]:
    return {
        "playlist": str(playlist.path),
        **_fields(playlist, "timezone", "cross_fade_s"),
        "ads": [
            _fields(ad, "ad_id", "name")
            | {"file": ad.path.name}
            | _fields(ad, "kind", "duration_s", "width", "height", "weight", "moods", "days")
            | {"hours": [_hours_text(*hours) for hours in ad.hours]}
            | {"from": _date(ad.first_day), "until": _date(ad.last_day)}
            | _fields(ad, "max_per_hour", "priority", "takeover", "price_per_thousand_s")
            | _fields(ad, "fit", "volume", "remarks")
            for ad in playlist.ads
        ],
        "skipped": [
            {"ad_id": ad.ad_id, "file": ad.path.name, "reason": ad.reason}
            for ad in playlist.skipped
        ],
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


def _print_tables(playlist: Playlist, coming: Forecast) -> None:
    from functools import partial

    from rich.markup import escape

    from monitor.cli.results import table_of
    from monitor.reports.terminal.console import wide_console

    console = wide_console()
    say = partial(console.print, highlight=False)
    zone = playlist.timezone or "this machine's time zone"
    say(
        f"[bold]{escape(str(playlist.path))}[/bold]: {len(playlist.ads)} ads can be played "
        f"({escape(zone)}, cross-fade {playlist.cross_fade_s:g} s)"
    )
    today = coming.begin.date()
    ads = (
        (
            *map(escape, (ad.ad_id, ad.name, ad.kind)),
            f"{ad.duration_s:g}",
            f"{ad.weight:g}",
            _rules_text(ad, today),
        )
        for ad in playlist.ads[:MAX_ROWS]
    )
    numbers: tuple[str, ...] = ("seconds", "weight")
    console.print(table_of(ads, "ad", "name", "kind", *numbers, "rules", right=numbers))
    _say_more(say, len(playlist.ads), MAX_ROWS, "ads")
    ended = [(ad.ad_id, reason) for ad in playlist.ads if (reason := ad.why_not_on(today))]
    for ad_id, reason in ended[:MAX_ROWS]:
        say(f"[yellow]![/] {escape(ad_id)} {reason}, so it does not play now")
    _say_more(say, len(ended), MAX_ROWS, "ads do not play now")
    remarks = [(ad.ad_id, remark) for ad in playlist.ads for remark in ad.remarks]
    for ad_id, remark in remarks[:MAX_ROWS]:
        say(f"[yellow]![/] {escape(ad_id)} can be played, but {escape(remark)}")
    _say_more(say, len(remarks), MAX_ROWS, "remarks")
    for skipped in playlist.skipped[:MAX_ROWS]:
        say(f"[bold red]✗[/] {escape(skipped.ad_id)} is left out: {escape(skipped.reason)}")
    _say_more(say, len(playlist.skipped), MAX_ROWS, "ads are left out")
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
    console.print(table_of(plays, "time", "ad", *numbers, "why", right=numbers))
    _say_more(say, len(rows), MAX_PLAY_ROWS, "plays")
    if coming.is_cut:
        say(
            f"[yellow]![/] The forecast ends at {end_text}, not at "
            f"{coming.wanted_end:%A %Y-%m-%d %H:%M}: {len(coming.plays)} plays of "
            f"{len(playlist.ads)} ads were worked out. Ask for the rest with --at."
        )
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
    console.print(table_of(shares, "ad", *numbers, right=numbers))
    _say_more(say, len(voices), MAX_ROWS, "ads")


def _say_more(say: Callable[[str], None], count: int, shown: int, what: str) -> None:
    """Say how many rows of a long list were not printed."""
    if count > shown:
        say(f"[dim]... {count - shown} more {what}; --json has all of them[/dim]")


def _hours_text(start: int, end: int) -> str:
    return f"{start // 60:02d}:{start % 60:02d}-{end // 60:02d}:{end % 60:02d}"


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
        ", ".join(_hours_text(*hours) for hours in ad.hours),
        f"at most {ad.max_per_hour} an hour" if ad.max_per_hour else "",
        f"priority {ad.priority}" if ad.priority else "",
        "takeover" if ad.takeover else "",
        f"for {', '.join(ad.moods)}" if ad.moods else "",
        ad.fit if ad.fit != "contain" else "",
        _volume_text(ad),
    ]
    return "; ".join(rule for rule in rules if rule) or "-"
