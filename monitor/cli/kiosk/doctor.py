"""Check this machine, or draw what people will see."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.shared.options import FAILED, load_with_hub, output_options, settings_file_of
from monitor.cli.shared.output import print_result, silence_native_libraries
from monitor.settings.models import RunSettings
from monitor.settings.options import GivenPath, config_option, setting_option
from monitor.settings.sources import Sources

if TYPE_CHECKING:
    from monitor.kiosk.preview import Preview


def _size(_context: click.Context, _parameter: click.Parameter, typed: str | None) -> Any:
    """Return a width and a height."""
    if typed is None:
        return None
    found = re.fullmatch(r"(\d+)\s*[xX]\s*(\d+)", typed.strip())
    size = (int(found[1]), int(found[2])) if found else (0, 0)
    if not all(240 <= side <= 8192 for side in size):
        raise click.BadParameter(
            "expected a width and a height in pixels, each from 240 to 8192, such as 1080x1920; "
            f"received {typed!r}."
        )
    return size


@click.command(epilog="Example: ad-monitor doctor --preview --config kiosk.yaml")
@click.option(
    "--preview",
    type=GivenPath(path_type=Path, dir_okay=False),
    is_flag=False,
    flag_value=Path("preview.png"),
    metavar="[FILE]",
    help="Instead draw what people in front of the screen will see, as PNG. [default: preview.png]",
)
@click.option(
    "--preview-size",
    callback=_size,
    metavar="WxH",
    help="Screen of the preview, in pixels. [default: this machine's, else 1920x1080]",
)
@setting_option(RunSettings, "source")
@setting_option(RunSettings, "rotate")
@setting_option(RunSettings, "camera")
@setting_option(RunSettings, "database")
@setting_option(RunSettings, "model")
@setting_option(RunSettings, "mqtt")
@setting_option(RunSettings, "playlist")
@setting_option(RunSettings, "fullscreen")
@setting_option(RunSettings, "overlay")
@setting_option(RunSettings, "screen")
@setting_option(RunSettings, "language")
@setting_option(RunSettings, "notice")
@setting_option(RunSettings, "notice_languages")
@setting_option(RunSettings, "notice_url")
@config_option
@output_options
def doctor(
    preview: Path | None, preview_size: tuple[int, int] | None, as_json: bool, **options: Any
) -> None:
    """Check camera, light, codecs, sound, GPU, disk, database, model, ads, MQTT broker and hub.

    It says what to do about each problem.

    With --preview, draw the window that these settings give: the ad, the notice below it, and the
    live readings if they are shown. The camera stays off.
    """
    silence_native_libraries()
    from monitor.ui.texts import default_language

    # A hub's database is one of the findings.
    sources = Sources(options, settings_file_of(options))
    settings, _ = load_with_hub(RunSettings, sources, language=default_language())
    if preview is not None:
        if preview.suffix.lower() != ".png":
            # Anything else is a file of another kind that would be lost.
            raise click.BadParameter(
                f"expected a file that ends in .png, received {str(preview)!r}.",
                param_hint="--preview",
            )
        _preview(settings, preview, preview_size, as_json)
        return
    if preview_size is not None:
        raise click.UsageError("Expected --preview with --preview-size, received no --preview.")
    from monitor.cli.shared.tables import print_findings
    from monitor.kiosk.doctor import examine

    findings = examine(
        source=settings.source,
        rotate=int(settings.mount.rotate),
        database=settings.database,
        model=settings.model,
        mqtt=settings.mqtt,
        playlist=settings.playlist,
    )
    document = {"checks": [asdict(finding) for finding in findings]}
    print_result(as_json, document, print_findings, findings)
    if any(finding.state == "fail" for finding in findings):
        sys.exit(FAILED)


def _preview(
    settings: RunSettings, file: Path, size: tuple[int, int] | None, as_json: bool
) -> None:
    from monitor.kiosk.preview import draw_preview

    made = draw_preview(settings, file.absolute(), size)
    files = {"file": str(made.file), "notice_file": made.notice_file and str(made.notice_file)}
    print_result(as_json, {"preview": asdict(made) | files}, _print_preview, made)


def _print_preview(made: Preview) -> None:
    _, _, ad_width, ad_height = made.ad
    notice_height = made.notice[3]
    click.echo(f"Preview: {made.file}, {made.width} x {made.height} pixels")
    click.echo(f"Ads: the upper {ad_width} x {ad_height} pixels")
    click.echo(f"Notice: the {notice_height} pixels below them")
    if made.notice_file is not None:
        click.echo(f"Notice before the measurement begins: {made.notice_file}")
    if made.overlay:
        click.echo("Live readings: shown over the ads, with people's own faces; --no-overlay hides")
    else:
        click.echo("Live readings: hidden; --overlay or key O shows them")
