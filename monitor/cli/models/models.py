"""List, compare, promote and roll back models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from monitor.cli.models.evaluate import data_option, judging_faces, judging_options
from monitor.cli.shared.options import (
    database_option,
    database_url,
    in_zone,
    kinds_options,
    opened,
    output_options,
    say_left_out,
    scope_of,
    scope_options,
    zone_of_sites,
)
from monitor.cli.shared.output import print_json, print_result, silence_native_libraries
from monitor.settings.options import NumberRange
from monitor.settings.paths import sqlite_file

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from db.read.scope import Scope


@click.group(epilog="Example: ad-monitor models promote runs/first/first.keras --data fer2013.csv")
def models() -> None:
    """List and compare models, promote one, or roll back."""


@models.command(name="list", epilog="Example: ad-monitor models list")
@output_options
def list_models(as_json: bool) -> None:
    """List the shipped and the promoted models; the one in use is marked."""
    from detector.emotion.model_card import read_card
    from detector.emotion.model_store import available
    from monitor.cli.shared.tables import print_models

    entries = []
    for stored in available():
        card = read_card(stored.path)
        entries.append(
            {
                "name": stored.name,
                "origin": stored.origin,
                "in_use": stored.current,
                "labels": list(card.labels),
                "size_mb": round(stored.path.stat().st_size / 1e6, 1),
                "scores": {name: score["accuracy"] for name, score in card.scores.items()},
            }
        )
    print_result(as_json, {"models": entries}, print_models, entries)


@models.command(epilog="Example: ad-monitor models show compact-3")
@click.argument("model", required=False, metavar="[NAME|FILE]")
@output_options
def show(model: str | None, as_json: bool) -> None:
    """Show the card of a model, by default of the one in use."""
    from rich.markdown import Markdown

    from detector.emotion.model_card import read_card
    from detector.emotion.model_store import find_model
    from monitor.reports.terminal.printable_console import wide_console

    path = find_model(model)
    card = read_card(path)
    if as_json:
        print_json(card.model_dump(mode="json"))
    else:
        wide_console().print(Markdown(path.with_suffix(".md").read_text(encoding="utf-8")))


@models.command(
    epilog="Example: ad-monitor models compare compact-3 runs/first/first.keras --data fer2013.csv"
)
@click.argument("first", metavar="NAME|FILE")
@click.argument("second", metavar="NAME|FILE")
@data_option
@judging_options()
@output_options
def compare(first: str, second: str, as_json: bool, **judging: Any) -> None:
    """Compare two models on the same faces, with a paired test."""
    silence_native_libraries()
    from detector.emotion.classifier import crop_geometry, load_classifier
    from monitor.cli.shared.tables import print_comparison
    from training.evaluation.comparison import compare as measure

    one, other = load_classifier(first, "cpu"), load_classifier(second, "cpu")
    faces, against, labels = judging_faces(crop_geometry(one.card), **judging)
    found = measure(one, other, faces, against, labels=labels)
    print_result(as_json, found.document(), print_comparison, found)


@models.command(
    epilog="Example: ad-monitor models promote runs/first/first.keras --data fer2013.csv"
)
@click.argument("model", metavar="NAME|FILE")
@data_option
@judging_options("held-out if both models held out the same rows, else validation")
@click.option(
    "--tolerance",
    type=NumberRange(0, 100),
    default=0.1,
    help="Percentage points of accuracy it may lose.",
)
@click.option("--force", is_flag=True, help="Promote it even if it is worse; this is logged.")
@database_option
@output_options
def promote(
    model: str, tolerance: float, force: bool, database: str | None, as_json: bool, **judging: Any
) -> None:
    """Use a model from now on, unless it is worse than the current one.

    Repeats what a shadow run of it found, if the database has one.
    """
    silence_native_libraries()
    from dataclasses import asdict

    from detector.emotion.classifier import crop_geometry
    from detector.emotion.labels import EMOTIONS, what_it_tells
    from detector.emotion.model_card import read_card
    from detector.emotion.model_store import find_model
    from training.release.promotion import promote as put_in_use

    path = find_model(model)
    if judging["labels"]:
        raise click.UsageError("A model is promoted for all labels it has: leave --labels out.")
    card = read_card(path)
    cards = (card, read_card(find_model(None)))
    faces, against, _ = judging_faces(crop_geometry(card), **judging, unknown_to=cards)
    promoted = put_in_use(
        path,
        faces,
        against,
        dataset=f"{judging['data'].name}, {judging['split'] or ', '.join(faces.splits())}",
        tolerance=tolerance / 100,
        force=force,
    )
    if as_json:
        print_json(asdict(promoted))
    for reason in promoted.reasons:
        click.echo(f"Forced although: {reason}", err=True)
    click.echo(f"{promoted.model} is in use now instead of {promoted.replaced}.", err=True)
    if card.labels != EMOTIONS:
        click.echo(
            f"It {what_it_tells(card.labels)}: reports of new sessions say no more than that, "
            "emotions are not averaged with those of earlier sessions, and the policies mood and "
            "learn choose as without a camera. `ad-monitor models rollback` undoes it.",
            err=True,
        )
    _say_shadow_run(database, promoted.sha256, promoted.model)


@models.command(epilog="Example: ad-monitor models shadow --since 2026-11-01")
@database_option
@scope_options
@kinds_options
@output_options
def shadow(database: str | None, as_json: bool, **options: Any) -> None:
    """Report how a shadow model differs from the model in use, on the faces before the screen.

    Needs sessions that ran with --shadow-model.
    """
    from db.read.scope import left_out
    from monitor.cli.shared.tables import print_shadow_runs

    with opened(database, existing=True) as engine:
        typed = scope_of(options)
        zone = zone_of_sites(engine, None, typed)
        scope = in_zone(typed, zone)
        reports = _shadow_runs(engine, scope, zone)
        others = left_out(engine, scope)
    say_left_out(others)
    if not reports:
        click.echo(
            "There is no shadow run: start the kiosk with `ad-monitor run --shadow-model "
            "NAME|FILE` and let it run for a week.",
            err=True,
        )
    print_result(as_json, {"shadow_runs": reports}, print_shadow_runs, reports)


def _shadow_runs(engine: Engine, scope: Scope, zone: Any) -> list[dict[str, Any]]:
    from db.read.shadow import shadow_hours
    from monitor.analytics.shadow import shadow_reports

    return shadow_reports(shadow_hours(engine, scope), zone)


def _say_shadow_run(database: str | None, sha256: str, name: str) -> None:
    """Say what a shadow run of a model found, or how to make one."""
    from db.errors import DatabaseError
    from db.read.scope import Scope

    found: list[dict[str, Any]] = []
    file = sqlite_file(database_url(database))
    try:
        # Who trains a model need not have a kiosk.
        if file is None or file.exists():
            with opened(database, existing=True) as engine:
                found = _shadow_runs(engine, Scope(), None)
    except DatabaseError as error:
        click.echo(f"Whether there was a shadow run is not known: {error}", err=True)
        return
    mine = [report for report in found if report["shadow_sha256"] == sha256]
    for report in mine:
        click.echo(f"Shadow run: {report['sentence']}", err=True)
    if not mine:
        click.echo(
            f"There was no shadow run of {name}: `ad-monitor run --shadow-model` shows what a "
            "model changes before it is in use.",
            err=True,
        )


@models.command(epilog="Example: ad-monitor models rollback")
@output_options
def rollback(as_json: bool) -> None:
    """Return to the model used before."""
    from dataclasses import asdict

    from detector.emotion.model_store import roll_back

    entry = roll_back()
    if as_json:
        print_json(asdict(entry))
    click.echo(f"{entry.model} is in use again instead of {entry.replaced}.", err=True)


@models.command(epilog="Example: ad-monitor models convert runs/first/first.keras")
@click.argument("model", metavar="NAME|FILE")
@output_options
def convert(model: str, as_json: bool) -> None:
    """Make the LiteRT form of a model that was trained without TensorFlow."""
    silence_native_libraries()
    from detector.emotion.model_store import find_model
    from training.release.export import add_litert

    path = find_model(model)
    difference = add_litert(path)
    if as_json:
        print_json({"model": str(path), "twin_difference": difference})
    click.echo(f"LiteRT form: {path.with_suffix('.tflite')}", err=True)
