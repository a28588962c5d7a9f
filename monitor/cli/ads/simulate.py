"""Try a policy on a described audience."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ads.policies import POLICY_NAMES
from monitor.cli.shared.options import output_options
from monitor.cli.shared.output import print_result
from monitor.settings.options import GivenPath, NumberRange, WholeRange

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ads.playlists.playlist import Ad
    from ads.policies.settings import PolicySettings
    from ads.simulation.audience import SimulatedAudience
    from ads.simulation.simulator import SimulatedPlay


@click.command(epilog="Example: ad-monitor simulate --plays 2000 --runs 10 -o curves.html")
@click.argument("file", required=False, type=GivenPath(path_type=Path))
@click.option(
    "--playlist",
    type=GivenPath(path_type=Path),
    help="Ads, with their days, hours and caps. [default: those of FILE]",
)
@click.option("--policy", type=click.Choice(POLICY_NAMES), default="learn", help="Policy to try.")
@click.option(
    "--against", type=click.Choice(POLICY_NAMES), default="shuffle", help="Policy to compare with."
)
@click.option("--plays", type=WholeRange(1), default=2000, help="Plays per run.")
@click.option("--runs", type=WholeRange(1), default=10, help="Runs, each with another audience.")
@click.option(
    "--holdout",
    type=NumberRange(0, 1),
    help="Share of choices that ignore the audience. [default: 0.1]",
)
@click.option(
    "--floor", type=NumberRange(0, 1), help="Share of choices spread evenly. [default: 0.05]"
)
@click.option("--seed", type=WholeRange(0), default=0, help="Seed of the audiences and the draws.")
@click.option(
    "-o",
    "--output",
    type=GivenPath(path_type=Path, dir_okay=False),
    help="Draw the curves: .html, .svg or .png.",
)
@output_options
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

    FILE describes the audience in YAML (see docs/explanation/comparisons.md); one is built in.
    With a playlist and without FILE, the audience's tastes and its attention to each ad are redrawn
    for every run.
    """
    from ads.playlists.loader import load_playlist
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
    ads = None if playlist is None else load_playlist(playlist).ads
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
    print_result(as_json, document, print_regret)


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


def _span(values: Any) -> dict[str, float]:
    return {"mean": float(values.mean()), "low": float(values.min()), "high": float(values.max())}


def _regret_document(
    logs: Mapping[str, Sequence[Sequence[SimulatedPlay]]], against: str, plays: int, seed: int
) -> dict[str, Any]:
    """The regret of each policy, and how its guard rails were kept."""
    import numpy as np

    from monitor.analytics.statistics import known

    curves = _curves(logs)
    compared = float(curves[against][:, -1].mean())
    places = np.unique(np.linspace(0, plays - 1, 100).round().astype(int)).tolist()
    policies = []
    for name, runs in logs.items():
        curve = curves[name]
        rewards = [play.reward for log in runs for play in log if play.reward is not None]
        trials = [play for log in runs for play in log if play.context.get("holdout") is not None]
        policies.append(
            {
                "policy": name,
                "regret": _span(curve[:, -1]),
                "ratio": known(float(curve[:, -1].mean()) / compared) if compared else None,
                "mean_reward": float(np.mean(rewards)) if rewards else None,
                "plays_with_viewers": len(rewards),
                "held_out": {"plays": sum(play.held_out for play in trials), "of": len(trials)},
                "least_probability": min(
                    (chance for play in trials for chance in play.context["candidates"].values()),
                    default=None,
                ),
                "curve": [{"play": place + 1} | _span(curve[:, place]) for place in places],
            }
        )
    return {
        "plays": plays,
        "runs": len(next(iter(logs.values()))),
        "seed": seed,
        "against": against,
        "policies": policies,
    }
