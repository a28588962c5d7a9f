"""The commands that need no session: classify pictures, measure the speed, look at the machine."""

from __future__ import annotations

import sys
from typing import Any

import click

from monitor.cli.options import (
    FAILED,
    analysis_settings,
    database_option,
    database_url,
    debug_option,
    json_option,
    model_options,
    perception_options,
    print_json,
    silence_native_libraries,
)


@click.command(epilog="Example: ad-monitor classify photo.jpg holiday/ --json")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE_OR_URL...")
@model_options
@json_option
@debug_option
def classify(images: tuple[str, ...], model: str | None, device: str, as_json: bool) -> None:
    """Find the faces in pictures and name their expressions.

    IMAGE_OR_URL is a picture file, a folder of pictures, or an http(s) address, also one in your
    own network. At most 30 MiB and 50 million pixels, and 10 seconds to fetch; environment proxies
    are not used.
    """
    silence_native_libraries()
    from monitor.cli.results import print_faces
    from monitor.errors import SetupError
    from monitor.reports.terminal import progress_bar
    from monitor.web.named_images import classify_pictures, expand

    names = expand(images)
    found = []
    with progress_bar("Classifying", "pictures") as progress:
        for entry in classify_pictures(names, model, device):  # type: ignore[arg-type]
            found.append(entry)
            progress(len(found), len(names))
    if as_json:
        print_json({"images": found})
    else:
        print_faces(found)
    unreadable = [entry["error"] for entry in found if "error" in entry]
    if unreadable:
        raise SetupError(" ".join(unreadable))


@click.command(epilog="Example: ad-monitor bench visitors.mp4 --json")
@click.argument("video", default="demo")
@model_options
@perception_options
@json_option
@debug_option
def bench(video: str, model: str | None, device: str, as_json: bool, **options: Any) -> None:
    """Measure speed and cost on a video (default: the demo viewer), decoding left out."""
    silence_native_libraries()
    from monitor.cli.results import print_bench
    from monitor.reports.terminal import progress_bar
    from monitor.session.bench import bench as measure

    analysis = analysis_settings(options)
    with progress_bar("Measuring", "frames") as progress:
        figures = measure(video, model, device, analysis, progress)  # type: ignore[arg-type]
    if as_json:
        print_json(figures)
    else:
        print_bench(figures)


@click.command(epilog="Example: ad-monitor doctor --source 0")
@click.option("--source", help="Also try this camera, file or address.")
@database_option
@click.option(
    "--model", metavar="NAME|FILE", help="A model's name or .keras file. [default: the one in use]"
)
@json_option
@debug_option
def doctor(source: str | None, database: str | None, model: str | None, as_json: bool) -> None:
    """Check camera, light, codecs, sound, GPU, disk, database and model, and say what to do."""
    silence_native_libraries()
    from monitor.cli.results import print_findings
    from monitor.kiosk.doctor import examine

    findings = examine(source=source, database=database_url(database), model=model)
    if as_json:
        print_json({"checks": [finding.document() for finding in findings]})
    else:
        print_findings(findings)
    if any(finding.state == "fail" for finding in findings):
        sys.exit(FAILED)
