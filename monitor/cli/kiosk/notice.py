"""Print the sign for the entrance, and write the documents that the law may require."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.shared.options import PROGRAM, load_settings, output_options, together
from monitor.cli.shared.output import print_result
from monitor.settings.models import RunSettings
from monitor.settings.options import GivenPath, SettingsCommand, settings_options

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from detector.emotion.model_card import ModelCard
    from monitor.legal.paper import Paper
    from monitor.settings.sources import Setting

SHEETS = ("a4", "a3", "a5", "letter")


class KioskCommand(SettingsCommand):
    """A command that takes the options of `run`; its help shows those of the notice."""

    def is_important(self, setting: Setting) -> bool:
        """Return whether `--help` shows a setting."""
        return setting.key.startswith("notice.")


_force_option = click.option("--force", is_flag=True, help="Replace a file that exists.")


def _language_option(words: str) -> Callable[[Any], Any]:
    return click.option(
        "--language", metavar="CODE", help=f"{words}: en or de. [default: the system's, else en]"
    )


_paper_options = together(
    settings_options(RunSettings, without=("language",)),
    _force_option,
    _language_option("Language of the document"),
    output_options,
)


@click.group(epilog=f"Example: {PROGRAM} notice print sign.pdf --config kiosk.yaml")
def notice() -> None:
    """Print the sign for the entrance, and write the documents that the law may require.

    All are filled in from the settings of this kiosk: give the settings file or the options with
    which it is started. None is legal advice.
    """


@notice.command(
    "print",
    cls=KioskCommand,
    epilog=f"Example: {PROGRAM} notice print sign.pdf --notice-language de",
)
@click.argument("file", type=GivenPath(path_type=Path, dir_okay=False), default=Path("notice.pdf"))
@click.option(
    "--paper", type=click.Choice(SHEETS, case_sensitive=False), default="a4", help="Paper size."
)
@settings_options(RunSettings, without=("language",))
@_force_option
@_language_option("Language of the sign without --notice-language")
@output_options
def print_notice(file: Path, paper: str, force: bool, as_json: bool, **options: Any) -> None:
    """Make the sign for the entrance as PDF.

    It says what is measured, that no picture is kept, how long readings are kept, whether any leave
    this machine, who is responsible, and where to read more, with a QR code. FILE defaults to
    notice.pdf.
    """
    from monitor.legal.files import write_new
    from monitor.legal.sign import print_sign

    if file.suffix.lower() != ".pdf":
        raise click.BadParameter(
            f"expected a file that ends in .pdf, received {str(file)!r}.", param_hint="FILE"
        )
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
    click.echo(f"Written: {file}. Its sentences are easy to read from {readable_m:.1f} m.")
    if readable_m < 2:
        click.echo("For two metres choose a larger sheet (--paper) or fewer languages.", err=True)
    if settings.retention_days == 0:
        click.echo(
            "Readings are kept without a time limit (data.retention_days: 0), and the sign says "
            "so: check that you want this.",
            err=True,
        )


@notice.command(
    cls=KioskCommand,
    epilog=f"Example: {PROGRAM} notice assessment assessment.docx --config kiosk.yaml",
)
@click.argument(
    "file",
    type=GivenPath(path_type=Path, dir_okay=False),
    default=Path("impact-assessment.docx"),
)
@_paper_options
def assessment(file: Path, force: bool, as_json: bool, **options: Any) -> None:
    """Write a template for the data protection impact assessment (Article 35 GDPR).

    It says what this kiosk stores, where, for how long, who receives it, and which safeguards are
    on. Questions that only you can answer are marked. FILE ends in .docx, .html, .md or .pdf; it
    defaults to impact-assessment.docx.
    """
    from monitor.legal.assessment import impact_assessment

    _write(impact_assessment, file, force, as_json, options)


@notice.command(
    "technical-file",
    cls=KioskCommand,
    epilog=f"Example: {PROGRAM} notice technical-file file.pdf --language de",
)
@click.argument(
    "file", type=GivenPath(path_type=Path, dir_okay=False), default=Path("technical-file.docx")
)
@_paper_options
def technical_file(file: Path, force: bool, as_json: bool, **options: Any) -> None:
    """Write the technical file, under the headings of Annex IV of the EU AI Act.

    It says what the system is, what it was tested on, its measured limits, and what it must not be
    used for, from the model's card and the settings. Questions that only you can answer are marked.
    FILE ends in .docx, .html, .md or .pdf; it defaults to technical-file.docx.
    """
    from monitor.legal import technical_file as module

    _write(module.technical_file, file, force, as_json, options)


def _write(
    fill: Callable[[RunSettings, ModelCard, date], Paper],
    file: Path,
    force: bool,
    as_json: bool,
    options: dict[str, Any],
) -> None:
    from detector.emotion.model_card import read_card
    from detector.emotion.model_store import find_model
    from monitor.languages import speaking
    from monitor.legal.formats import write_paper

    settings = _settings(options)
    card = read_card(find_model(settings.model))
    with speaking(settings.language):
        paper = fill(settings, card, datetime.now().astimezone().date())
    write_paper(paper, file, replace=force)
    document = {
        "file": str(file),
        "language": paper.language,
        "model": card.name,
        "questions": paper.questions,
    }
    print_result(as_json, {"paper": document}, _print_paper, file, paper.questions)


def _print_paper(file: Path, questions: int) -> None:
    click.echo(f"Written: {file}. {questions} questions are marked for you to answer.")


def _settings(options: dict[str, Any]) -> RunSettings:
    from monitor.ui.texts import default_language

    return load_settings(RunSettings, options, language=default_language())
