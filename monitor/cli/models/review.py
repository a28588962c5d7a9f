"""Review suspicious labels of a dataset on a page."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.models.evaluate import read_faces
from monitor.cli.shared.options import debug_option, load_settings
from monitor.cli.shared.output import silence_native_libraries
from monitor.settings.models import ModelSettings, TrainSettings
from monitor.settings.options import GivenPath, WholeRange, setting_option, settings_options

if TYPE_CHECKING:
    from training.evaluation.review import LabelReview

HOST = "127.0.0.1"
"""Faces of people are shown on this machine only."""


@click.command(
    epilog="Example: ad-monitor review --data fer2013.csv --votes fer2013new.csv --out overlay.csv"
)
@setting_option(TrainSettings, "data", required=True)
@setting_option(TrainSettings, "votes")
@click.option(
    "--out",
    type=GivenPath(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="Overlay to write: a CSV that train and evaluate read. One that exists is continued.",
)
@click.option(
    "--against",
    type=click.Choice(["original", "majority", "plurality"]),
    help="Labels to review. [default: majority if there are votes, else original]",
)
@click.option(
    "--split",
    help="Only this split, by its published name, or training, validation or test. [default: all]",
)
@click.option(
    "--limit",
    type=WholeRange(1),
    help="Show this many faces. [default: those that are probably labelled wrong]",
)
@setting_option(TrainSettings, "find_faces")
@settings_options(ModelSettings, config=False)
@click.option(
    "--port",
    type=WholeRange(0, 65535),
    default=0,
    help="Port of the page on this machine; 0 for any free one.",
)
@click.option("--open", "open_browser", is_flag=True, help="Open the page in the browser.")
@debug_option
def review(
    out: Path, port: int, open_browser: bool, model: str | None, device: str | None, **data: Any
) -> None:
    """Find labels that are probably wrong, and decide about each face on a page.

    Every decision is saved at once; Ctrl+C ends the review, and the same command continues it. The
    page is for this machine only, and keeps the faces in memory.
    """
    settings = load_settings(ModelSettings, {"model": model, "device": device})
    silence_native_libraries()
    found = _read(settings, out, **data)
    if not len(found):
        click.echo("No label looks wrong. --limit 100 shows the least likely ones.", err=True)
        return
    _serve(found, port, open_browser=open_browser)
    counts = found.counts
    if not any(counts.values()):
        click.echo("Nothing was decided, so nothing was written.", err=True)
        return
    click.echo(
        f"Kept {counts['keep']:,} labels, changed {counts['change']:,}, dropped "
        f"{counts['drop']:,} faces. Train with them: --overlay {out}",
        err=True,
    )


def _read(
    settings: ModelSettings,
    out: Path,
    data: Path,
    votes: Path | None,
    against: Any,
    split: str | None,
    limit: int | None,
    find_faces: bool | None,
) -> LabelReview:
    from detector.emotion.classifier import crop_geometry, load_classifier
    from training.datasets.folders import opened_face_finder
    from training.datasets.overlay import LabelOverlay
    from training.evaluation.review import LabelReview

    # A file that is no overlay or cannot be written is noticed now, not after reading all faces.
    is_new = not out.exists()
    (LabelOverlay() if is_new else LabelOverlay.read(out)).save(out)
    if is_new:
        out.unlink()
    classifier = load_classifier(settings.model, settings.device)
    card = classifier.card
    logging.getLogger("training.datasets.folders").setLevel(logging.INFO)
    with opened_face_finder(crop_geometry(card), wanted=bool(find_faces)) as finder:
        faces, chosen = read_faces(
            data, votes, against, side_px=card.input_side_px, face_finder=finder
        )
    if split is not None:
        faces = faces.split(split)
    if data.name.split(".")[0] in str(card.training.get("data", "")):
        click.echo(
            f"{card.name} was trained on {card.training['data']}: it may have learnt the wrong "
            "labels of its training faces; --model names one that was trained on others.",
            err=True,
        )
    click.echo(f"Judging {len(faces):,} labels by {card.name} …", err=True)
    found = LabelReview(faces, classifier, out, against=chosen, limit=limit)
    click.echo(
        f"{found.likely:,} of the labels ({chosen}) are probably wrong; {len(found):,} faces are "
        "on the page.",
        err=True,
    )
    return found


def _serve(found: LabelReview, port: int, *, open_browser: bool) -> None:
    import secrets
    import signal

    from monitor.cli.serving.serve import open_page
    from monitor.uplink.address import page_address
    from monitor.web.review_app import create_review_app
    from monitor.web.services import EXTENSION
    from monitor.web.serving.listening import listen, serve

    token = secrets.token_urlsafe(24)
    app = create_review_app(found, token)
    listening = listen(HOST, port)
    stopping = app.extensions[EXTENSION].stopping
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    page = page_address(HOST, listening.getsockname()[1])
    link = f"{page}login#token={token}"
    click.echo(f"The review is at {page} (Ctrl+C ends it)", err=True)
    click.echo(f"Log in with this link: {link}", err=True)
    if open_browser:
        open_page(link)
    serve(app, listening)
