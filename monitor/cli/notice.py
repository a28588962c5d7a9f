"""Print the notice for the entrance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.options import PROGRAM, load_settings, output_options, together
from monitor.cli.output import print_result
from monitor.settings.models import RunSettings
from monitor.settings.options import SettingsCommand, settings_options

if TYPE_CHECKING:
    from monitor.settings.sources import Setting

SHEETS = ("a4", "a3", "a5", "letter")


class KioskCommand(SettingsCommand):
    """A command that takes the options of `run`; its help shows those of the notice."""

    def is_important(self, setting: Setting) -> bool:
        """Return whether `--help` shows a setting."""
        return setting.key.startswith("notice.")


_file_options = together(
    click.option("--force", is_flag=True, help="Replace a file that exists."),
    click.option(
        "--language",
        metavar="CODE",
        help="Language of the paper: en or de. [default: the system's, else en]",
    ),
)


@click.group(epilog=f"Example: {PROGRAM} notice print sign.pdf --config kiosk.yaml")
def notice() -> None:
    """Print the notice for the entrance.

    It is filled with the settings of this kiosk: give the settings file, or the options, with which
    it is started.
    """


@notice.command(
    "print",
    cls=KioskCommand,
    epilog=f"Example: {PROGRAM} notice print sign.pdf --notice-language en --notice-language de",
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), default=Path("notice.pdf"))
@click.option(
    "--paper", type=click.Choice(SHEETS, case_sensitive=False), default="a4", help="Size of paper."
)
@settings_options(RunSettings, without=("language",))
@_file_options
@output_options
def print_notice(file: Path, paper: str, force: bool, as_json: bool, **options: Any) -> None:
    """Make the sign for the entrance as PDF.

    It says what is measured, that no picture is kept, how long readings are kept, whether any leave
    this machine, who is responsible, and where to read more, also as QR code. FILE is notice.pdf
    unless given.
    """
    from monitor.legal.files import write_new
    from monitor.legal.sign import print_sign

    settings = _settings(options)
    sign = print_sign(settings, paper)
    write_new(file, sign.pdf, replace=force)
    document = {
        "file": str(file),
        "paper": paper,
        "languages": list(sign.languages),
        "readable_m": round(sign.readable_m, 1),
    }
    print_result(as_json, {"notice": document}, _print_sign, file, sign.readable_m, settings)


def _print_sign(file: Path, readable_m: float, settings: RunSettings) -> None:
    click.echo(f"Written: {file}. Its sentences are read with ease from {readable_m:.1f} m.")
    if readable_m < 2:
        click.echo("For two metres choose a larger sheet (--paper) or fewer languages.", err=True)
    if settings.retention_days == 0:
        click.echo(
            "Readings are kept without a time limit (data.retention_days: 0), and the sign says "
            "so: check that this is meant.",
            err=True,
        )


def _settings(options: dict[str, Any]) -> RunSettings:
    from monitor.ui.texts import default_language

    return load_settings(RunSettings, options, language=default_language())
