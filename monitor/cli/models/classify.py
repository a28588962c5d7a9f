"""Classify pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from monitor.cli.shared.options import load_settings, output_options, own_model_options
from monitor.cli.shared.output import print_result, silence_native_libraries
from monitor.settings.models import ModelSettings
from monitor.settings.options import settings_options

if TYPE_CHECKING:
    from detector.emotion.own_network import Pixels


@click.command(epilog="Example: ad-monitor classify photo.jpg holiday/ --json")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE_OR_URL...")
@settings_options(ModelSettings, config=False)
@own_model_options
@click.option(
    "--crops",
    is_flag=True,
    help="Take every picture for the crop of one face, as datasets have them.",
)
@output_options
def classify(
    images: tuple[str, ...],
    model_labels: str | None,
    model_pixels: Pixels,
    crops: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Find the faces in pictures and name their expressions.

    IMAGE_OR_URL is a picture file, a folder of pictures, also in folders below it, or an http(s)
    address, also one in your own network. At most 30 MiB and 50 million pixels, and 10 seconds to
    fetch; environment proxies are not used.

    If no face is found in a small square picture, and a face seems to fill it, the whole picture is
    classified as a face crop; the result says so.
    """
    silence_native_libraries()
    from detector.emotion.own_network import OwnModel
    from monitor.cli.shared.tables import print_faces
    from monitor.errors import SetupError
    from monitor.reports.terminal import progress_bar
    from monitor.web.pictures.named_images import classify_pictures, expand

    settings = load_settings(ModelSettings, options)
    names = expand(images)
    found = []
    with progress_bar("Classifying", "pictures") as progress:
        for entry in classify_pictures(
            names,
            settings.model,
            settings.device,
            own=OwnModel(model_labels, model_pixels),
            are_crops=crops,
        ):
            found.append(entry)
            progress(len(found), len(names))
    print_result(as_json, {"images": found}, print_faces, found)
    unreadable = [entry["error"] for entry in found if "error" in entry]
    if unreadable:
        raise SetupError(" ".join(unreadable))
