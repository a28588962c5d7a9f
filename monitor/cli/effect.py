"""The commands that ask whether it pays: try a policy on a described audience, measure its effect, prove what ran."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ads.policies import POLICY_NAMES
from monitor.cli.options import (
    database_option,
    database_url,
    debug_option,
    json_option,
    min_viewers_option,
    moment,
    print_json,
    since_option,
    site_option,
    time_zone,
    together,
    until_option,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ads.playlists.playlist import Ad, Playlist
    from ads.policies.settings import PolicySettings
    from ads.simulation.audience import SimulatedAudience
    from ads.simulation.simulator import SimulatedPlay
    from db.read.plays import LoggedPlay
    from monitor.analytics.off_policy import PolicyValue, Target
    from monitor.analytics.proof_of_play import Price

AS_IT_RAN = "as it ran"
ALWAYS = "always:"
READY = ("uniform", "weighted", "mood", "learned")
CURVE_POINTS = 100
"""Points of a curve in JSON: more than a screen shows, and few enough to read."""

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


@click.command(epilog="Example: ad-monitor simulate --plays 2000 --runs 10 -o curves.html")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--playlist", type=click.Path(path_type=Path), help="Ads, with their days, hours and caps. [default: those of "
              "FILE]")  # fmt: skip
@click.option(
    "--policy",
    type=click.Choice(POLICY_NAMES),
    default="learn",
    show_default=True,
    help="What is tried.",
)
@click.option(
    "--against",
    type=click.Choice(POLICY_NAMES),
    default="shuffle",
    show_default=True,
    help="What it is compared with.",
)
@click.option(
    "--plays", type=click.IntRange(1), default=2000, show_default=True, help="In each run."
)
@click.option(
    "--runs",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Each with another audience.",
)
@click.option(
    "--holdout",
    type=click.FloatRange(0, 1),
    help="Share of choices that ignore the audience. [default: 0.1]",
)
@click.option(
    "--floor", type=click.FloatRange(0, 1), help="Share of choices spread evenly. [default: 0.05]"
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Of the audiences and the draws.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw the curves: .html, .svg or .png.",
)
@json_option
@debug_option
def simulate(
    file: Path | None,
    playlist: Path | None,
    policy: str,
    against: str,
    plays: int,
    runs: int,
    holdout: float | None,
    floor: float | None,
    seed: int,
    output: Path | None,
    as_json: bool,
) -> None:
    """Try a policy on a described audience, and compare its regret with another's.

    FILE describes the audience (YAML; see docs/metrics.md). Without it there is a built-in one;
    with a playlist and without FILE what the audience likes is drawn anew for every run.
    """
    from ads.policies.settings import PolicySettings
    from ads.simulation.audience import default_audience, read_audience
    from monitor.reports.regret import FORMATS, write_regret
    from monitor.reports.terminal import print_regret, progress_bar

    if output is not None and output.suffix.lstrip(".").lower() not in FORMATS:
        raise click.BadParameter(
            f"expected a file that ends in {', '.join(FORMATS)}, received {output}.",
            param_hint="-o",
        )
    audience = default_audience() if file is None else read_audience(file)
    ads = None if playlist is None else _playlist(playlist).ads
    guards = {
        key: value for key, value in (("holdout", holdout), ("floor", floor)) if value is not None
    }
    names = list(dict.fromkeys((policy, against)))
    logs: dict[str, list[list[SimulatedPlay]]] = {name: [] for name in names}
    with progress_bar("Simulating", "runs") as progress:
        for run in range(runs):
            for name in names:
                settings = PolicySettings(seed=seed + run, **guards)
                logs[name].append(
                    _simulated(name, settings, audience, ads, plays, seed + run, drawn=file is None)
                )
            progress(run + 1, runs)
    document = _regret_document(logs, against, plays, seed)
    if output is not None:
        click.echo(f"Curves: {write_regret(_curves(logs), output)}", err=True)
    if as_json:
        print_json(document)
    else:
        print_regret(document)


@click.command(
    epilog="Example: ad-monitor lift --since 2026-03-01 --policy-to-judge learned --policy-to-judge always:summer-01"
)
@log_options
@click.option(
    "--playlist",
    type=click.Path(path_type=Path),
    help="For the weights and moods of the policies to judge.",
)
@click.option(
    "--policy-to-judge",
    "judged",
    multiple=True,
    metavar="NAME",
    help=f"What another policy would have been worth: {', '.join(READY)}, or {ALWAYS}AD. May be repeated.",
)
@json_option
@debug_option
def lift(
    database: str | None,
    since: datetime | None,
    site: str | None,
    replays: bool,
    playlist: Path | None,
    judged: tuple[str, ...],
    as_json: bool,
) -> None:
    """Does adapting to the audience pay: plays chosen for it against those of the hold-out.

    Needs sessions that ran with --policy mood or --policy learn. With --policy-to-judge also what
    other policies would have brought, estimated from the same log.
    """
    from db.engine import open_database
    from db.read.plays import logged_plays
    from monitor.analytics.lift import lift as measure
    from monitor.reports.terminal import print_lift

    engine = open_database(database_url(database), read_only=True)
    try:
        plays = logged_plays(engine, moment(since), site, replays=replays)
    finally:
        engine.dispose()
    found = measure(plays)
    values = (
        _judged(plays, judged, None if playlist is None else _playlist(playlist)) if judged else []
    )
    if as_json:
        print_json({"lift": found.document(), "policies": [value.document() for value in values]})
    else:
        print_lift(found, values)


@click.command(
    epilog="Example: ad-monitor proof --since 2026-03-01 --until 2026-04-01 --by site,ad,day --csv march.csv"
)
@log_options
@until_option
@click.option(
    "--by",
    default="ad,hour,site",
    show_default=True,
    metavar="NAMES",
    help="Rows: some of ad, hour, day, site.",
)
@click.option("--csv", "csv_file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), help="Write the rows "
              "to this file; - prints them.")  # fmt: skip
@click.option(
    "--playlist",
    type=click.Path(path_type=Path),
    help="For price_per_thousand_s and the time zone.",
)
@click.option(
    "--price",
    "prices",
    multiple=True,
    metavar="[AD=]AMOUNT",
    help="What a verified play of an ad costs (without AD: of every other ad); may be repeated.",
)
@click.option("--timezone", metavar="NAME", help="Of hours and days, such as Europe/Berlin. [default: the playlist's, else "
              "the machine's]")  # fmt: skip
@min_viewers_option
@json_option
@debug_option
def proof(
    database: str | None,
    since: datetime | None,
    until: datetime | None,
    site: str | None,
    replays: bool,
    by: str,
    csv_file: Path | None,
    playlist: Path | None,
    prices: tuple[str, ...],
    timezone: str | None,
    min_viewers: int,
    as_json: bool,
) -> None:
    """Proof of play: verified plays, watchers, attentive seconds, and what a thousand of those cost."""
    from db.engine import open_database
    from monitor.analytics.proof_of_play import GROUPS, proof_of_play
    from monitor.reports.export import write_text
    from monitor.reports.tables import proof_csv
    from monitor.reports.terminal import print_proof

    rows = [name.strip() for name in by.split(",")]
    if set(rows) - set(GROUPS) or len(set(rows)) < len(rows):
        raise click.BadParameter(
            f"expected some of {', '.join(GROUPS)}, each once, received {by!r}.", param_hint="--by"
        )
    listed = None if playlist is None else _playlist(playlist)
    agreed, other_price = _prices(prices, listed)
    zone = time_zone(timezone or (None if listed is None else listed.timezone))
    engine = open_database(database_url(database), read_only=True)
    try:
        document = proof_of_play(
            engine,
            since=moment(since, zone),
            until=moment(until, zone),
            site=site,
            by=rows,
            zone=zone,
            prices=agreed,
            other_price=other_price,
            min_viewers=min_viewers,
            replays=replays,
        )
    finally:
        engine.dispose()
    if csv_file is not None and str(csv_file) != "-":
        click.echo(f"Proof of play: {write_text(proof_csv(document), csv_file)}", err=True)
    if as_json:
        print_json(document)
    elif str(csv_file) == "-":
        click.echo(proof_csv(document), nl=False)
    elif csv_file is None:
        print_proof(document)


def _playlist(path: Path) -> Playlist:
    from ads.playlists.loader import load_playlist

    return load_playlist(path)


def _simulated(
    name: str,
    settings: PolicySettings,
    audience: SimulatedAudience,
    ads: Sequence[Ad] | None,
    plays: int,
    seed: int,
    *,
    drawn: bool,
) -> list[SimulatedPlay]:
    from ads.policies import make_policy
    from ads.simulation.simulator import simulate as run_simulation

    if ads is None:
        ads = [liked.ad() for liked in audience.ads]
    elif drawn:
        audience = audience.with_drawn_tastes(ads, seed)
    return run_simulation(make_policy(name, settings), ads, audience, plays, seed)


def _curves(logs: Mapping[str, Sequence[Sequence[SimulatedPlay]]]) -> dict[str, Any]:
    import numpy as np

    from ads.simulation.simulator import regret_curve

    return {name: np.array([regret_curve(log) for log in runs]) for name, runs in logs.items()}


def _regret_document(
    logs: Mapping[str, Sequence[Sequence[SimulatedPlay]]], against: str, plays: int, seed: int
) -> dict[str, Any]:
    """The regret of each policy, and how its guard rails were kept."""
    import numpy as np

    from monitor.analytics.statistics import known

    curves = _curves(logs)
    compared = float(curves[against][:, -1].mean())
    places = np.unique(np.linspace(0, plays - 1, CURVE_POINTS).round().astype(int)).tolist()
    policies = []
    for name, runs in logs.items():
        curve = curves[name]
        rewards = [play.reward for log in runs for play in log if play.reward is not None]
        trials = [play for log in runs for play in log if play.context.get("holdout") is not None]
        mean = float(curve[:, -1].mean())
        policies.append(
            {
                "policy": name,
                "regret": {
                    "mean": mean,
                    "low": float(curve[:, -1].min()),
                    "high": float(curve[:, -1].max()),
                },
                "ratio": known(mean / compared) if compared else None,
                "mean_reward": float(np.mean(rewards)) if rewards else None,
                "plays_with_viewers": len(rewards),
                "held_out": {"plays": sum(play.held_out for play in trials), "of": len(trials)},
                "least_probability": min(
                    (chance for play in trials for chance in play.context["candidates"].values()),
                    default=None,
                ),
                "curve": [
                    {
                        "play": place + 1,
                        "mean": float(curve[:, place].mean()),
                        "low": float(curve[:, place].min()),
                        "high": float(curve[:, place].max()),
                    }
                    for place in places
                ],
            }
        )
    return {
        "plays": plays,
        "runs": len(next(iter(logs.values()))),
        "seed": seed,
        "against": against,
        "policies": policies,
    }


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
    rates = {ad.ad_id: ad.weight / ad.duration_s for ad in playlist.ads}
    return (
        weighted(rates)
        if name == "weighted"
        else by_mood({ad.ad_id: ad.moods for ad in playlist.ads}, rates)
    )


def _prices(
    typed: Sequence[str], playlist: Playlist | None
) -> tuple[dict[str, Price], Price | None]:
    """Prices by ad, and that of every other ad; one that was typed replaces the playlist's."""
    from monitor.analytics.errors import ReportError
    from monitor.analytics.proof_of_play import Price

    prices = {
        ad.ad_id: Price(ad.price_per_thousand_s, "thousand_s")
        for ad in (() if playlist is None else playlist.ads)
        if ad.price_per_thousand_s is not None
    }
    other = None
    for text in typed:
        ad_id, _, amount = text.rpartition("=")
        try:
            price = Price(float(amount), "play")
        except (ValueError, ReportError):
            raise click.BadParameter(
                f"expected AD=AMOUNT or AMOUNT, with an amount of at least 0, received {text!r}.",
                param_hint="--price",
            ) from None
        if ad_id:
            prices[ad_id] = price
        else:
            other = price
    return prices, other
