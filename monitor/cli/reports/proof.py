"""Prove what ran."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.shared.options import (
    in_zone,
    log_options,
    min_viewers_option,
    opened,
    output_options,
    play_prices,
    price_option,
    say_left_out,
    scope_of,
    until_option,
    zone_of_sites,
)
from monitor.cli.shared.output import print_json
from monitor.settings.options import GivenPath

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ads.playlists.playlist import Playlist
    from monitor.analytics.proof_of_play import Price


@click.command(
    epilog="Example: ad-monitor proof --since 2026-03-01 --by site,ad,day --csv march.csv"
)
@log_options
@until_option
@click.option(
    "--by",
    default="ad,hour,site",
    metavar="NAMES",
    help="One row per combination of these: ad, hour, day, site.",
)
@click.option(
    "--csv",
    "csv_file",
    type=GivenPath(path_type=Path, dir_okay=False, allow_dash=True),
    help="Write the rows to this file; - prints them.",
)
@click.option(
    "--playlist",
    type=GivenPath(path_type=Path),
    help="Playlist with price_per_thousand_s and the time zone.",
)
@price_option
@click.option(
    "--timezone",
    metavar="NAME",
    help="Of hours and days, such as Europe/Berlin. [default: the playlist's, else the site's]",
)
@min_viewers_option
@output_options
def proof(
    database: str | None,
    by: str,
    csv_file: Path | None,
    playlist: Path | None,
    prices: tuple[str, ...],
    timezone: str | None,
    as_json: bool,
    min_viewers: int,
    **options: Any,
) -> None:
    """Prove what ran: verified plays, watchers, attentive seconds, and cost per thousand."""
    from ads.playlists.loader import load_playlist
    from monitor.analytics.proof_of_play import GROUPS, proof_of_play
    from monitor.reports.export import write_text
    from monitor.reports.tables import proof_csv
    from monitor.reports.terminal import print_proof

    rows = [name.strip() for name in by.split(",")]
    if set(rows) - set(GROUPS) or len(set(rows)) < len(rows):
        raise click.BadParameter(
            f"expected some of {', '.join(GROUPS)}, each once, received {by!r}.", param_hint="--by"
        )
    listed = None if playlist is None else load_playlist(playlist)
    agreed, other_price = _prices(prices, listed)
    named = timezone or (None if listed is None else listed.timezone)
    with opened(database) as engine:
        scope = scope_of(options)
        zone = zone_of_sites(engine, named, scope)
        document = proof_of_play(
            engine,
            in_zone(scope, zone),
            by=rows,
            zone=zone,
            prices=agreed,
            other_price=other_price,
            min_viewers=min_viewers,
        )
    say_left_out(document["left_out"])
    if csv_file is not None and str(csv_file) != "-":
        click.echo(f"Proof of play: {write_text(proof_csv(document), csv_file)}", err=True)
    if as_json:
        print_json(document)
    elif str(csv_file) == "-":
        click.echo(proof_csv(document), nl=False)
    elif csv_file is None:
        print_proof(document)


def _prices(
    typed: Sequence[str], playlist: Playlist | None
) -> tuple[dict[str, Price], Price | None]:
    """Return prices by ad and that of every other ad; options override the playlist."""
    from monitor.analytics.proof_of_play import Price

    prices = {
        ad.ad_id: Price(ad.price_per_thousand_s, "thousand_s")
        for ad in (() if playlist is None else reversed(playlist.ads))
        if ad.price_per_thousand_s is not None
    }
    named = {ad: Price(amount, "play") for ad, amount in play_prices(typed).items()}
    other = named.pop(None, None)
    return prices | {ad: price for ad, price in named.items() if ad is not None}, other
