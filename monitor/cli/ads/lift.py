"""Estimate what adapting to the audience brings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.shared.options import (
    in_zone,
    log_options,
    opened,
    output_options,
    say_left_out,
    scope_of,
    workers_of,
    workers_options,
    zone_of_sites,
)
from monitor.cli.shared.output import print_result
from monitor.settings.options import GivenPath

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ads.playlists.playlist import Playlist
    from db.read.plays import LoggedPlay
    from monitor.analytics.off_policy import PolicyValue, Target

AS_IT_RAN = "as it ran"
ALWAYS = "always:"
READY = ("uniform", "weighted", "mood", "learned")


@click.command(
    epilog="Example: ad-monitor lift --since 2026-03-01 --policy-to-judge always:summer-01"
)
@log_options
@click.option(
    "--playlist",
    type=GivenPath(path_type=Path),
    help="Playlist with the weights and moods of the policies to judge.",
)
@click.option(
    "--policy-to-judge",
    "judged",
    multiple=True,
    metavar="NAME",
    help=f"Estimate what another policy would have brought: {', '.join(READY)}, or {ALWAYS}AD. "
    "May be repeated.",
)
@workers_options
@output_options
def lift(
    database: str | None,
    playlist: Path | None,
    judged: tuple[str, ...],
    jobs: int,
    address: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Find out whether adapting to the audience pays: compare its plays with the hold-out's.

    Needs sessions that ran with --policy mood or --policy learn. With --policy-to-judge also what
    other policies would have brought, estimated from the same log.
    """
    from ads.playlists.loader import load_playlist
    from db.read.plays import logged_plays
    from db.read.scope import left_out
    from monitor.analytics.lift import lift as measure
    from monitor.analytics.off_policy import check_log
    from monitor.analytics.statistics import to_document
    from monitor.reports.terminal import print_lift

    listed = None if playlist is None else load_playlist(playlist)
    with opened(database) as engine:
        typed = scope_of(options)
        scope = in_zone(typed, zone_of_sites(engine, None, typed))
        plays = logged_plays(engine, scope)
        others = left_out(engine, scope)
    say_left_out(others)
    with workers_of(jobs, address) as workers:
        found, check = measure(plays, workers=workers), check_log(plays)
    values = _judged(plays, judged, listed) if judged else []
    print_result(
        as_json,
        {
            "lift": to_document(found),
            "log": to_document(check) | {"ads": [to_document(each) for each in check.ads]},
            "policies": [to_document(each) for each in values],
            "left_out": others,
        },
        print_lift,
        found,
        values,
        check,
    )


def _judged(
    plays: Sequence[LoggedPlay], names: Sequence[str], playlist: Playlist | None
) -> list[PolicyValue]:
    from monitor.analytics.errors import ReportError
    from monitor.analytics.off_policy import judge

    targets: dict[str, Target | None] = {AS_IT_RAN: lambda context: context["candidates"]}
    targets.update({name: _target(name, plays, playlist) for name in names})
    try:
        return judge(plays, targets)
    except ReportError as error:
        raise click.UsageError(str(error)) from error


def _target(name: str, plays: Sequence[LoggedPlay], playlist: Playlist | None) -> Target | None:
    from ads.playlists.playlist import distinct
    from monitor.analytics.off_policy import always, by_mood, uniform, weighted

    if name == "learned":
        return None
    if name == "uniform":
        return uniform()
    if name.startswith(ALWAYS):
        ad_id = name.removeprefix(ALWAYS)
        logged = {candidate for play in plays for candidate in play.context.get("candidates", ())}
        if logged and ad_id not in logged:
            raise click.BadParameter(
                f"the log names no ad {ad_id!r}; expected one of {', '.join(sorted(logged))}.",
                param_hint="--policy-to-judge",
            )
        return always(ad_id)
    if name not in READY:
        raise click.BadParameter(
            f"expected {', '.join(READY)} or {ALWAYS}AD, received {name!r}.",
            param_hint="--policy-to-judge",
        )
    if playlist is None:
        raise click.UsageError(f"To judge the policy {name}, name the playlist with --playlist.")
    ads = distinct(playlist.ads)
    rates = {ad.ad_id: ad.weight / ad.duration_s for ad in ads}
    return (
        weighted(rates)
        if name == "weighted"
        else by_mood({ad.ad_id: ad.moods for ad in ads}, rates)
    )
