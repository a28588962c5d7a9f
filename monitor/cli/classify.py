"""Classify pictures."""

from __future__ import annotations

from typing import Any

import click

from monitor.cli.options import load_settings, output_options
from monitor.cli.output import print_result, silence_native_libraries
from monitor.settings.models import ModelSettings
from monitor.settings.options import settings_options


@click.command(epilog="Example: ad-monitor classify photo.jpg holiday/ --json")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE_OR_URL...")
@settings_options(ModelSettings, config=False)
@output_options
def classify(images: tuple[str, ...], as_json: bool, **options: Any) -> None:
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

    settings = load_settings(ModelSettings, options)
    names = expand(images)
    found = []
    with progress_bar("Classifying", "pictures") as progress:
        for entry in classify_pictures(names, settings.model, settings.device):
            found.append(entry)
            progress(len(found), len(names))
    print_result(as_json, {"images": found}, print_faces, found)
    unreadable = [entry["error"] for entry in found if "error" in entry]
    if unreadable:
        raise SetupError(" ".join(unreadable))
