"""Write, check and show the settings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.shared.options import PROGRAM, WRONG, debug_option, load_with_hub, output_options
from monitor.cli.shared.output import print_json
from monitor.settings.options import GivenPath, config_option

if TYPE_CHECKING:
    from monitor.settings.sources import Setting


@click.group(epilog=f"Example: {PROGRAM} config init kiosk.yaml")
def config() -> None:
    """Write, check and show the settings file."""


@config.command(epilog=f"Example: {PROGRAM} config init kiosk.yaml")
@click.argument(
    "file", type=GivenPath(path_type=Path, dir_okay=False, allow_dash=True), default="kiosk.yaml"
)
@click.option("--force", is_flag=True, help="Replace a file that exists.")
@debug_option
def init(file: Path, force: bool) -> None:
    """Write a file with every setting, its default and one sentence, commented out.

    The default file is kiosk.yaml; - prints it.
    """
    from monitor.errors import SetupError
    from monitor.settings.page import settings_file
    from monitor.whole_file import write_whole

    if str(file) == "-":
        click.echo(settings_file(), nl=False)
        return
    try:
        is_taken = file.exists() and not force
        if not is_taken:
            write_whole(file, settings_file().encode())
    except OSError as error:
        raise SetupError(
            f"{file} cannot be written ({error.strerror}): expected a file in a writable folder "
            "with enough space."
        ) from error
    if is_taken:
        raise SetupError(f"{file} exists: name another file, or replace it with --force.")
    click.echo(f"Written: {file}. Use it with `{PROGRAM} run --config {file}`.", err=True)


@config.command(epilog=f"Example: {PROGRAM} config check kiosk.yaml")
@click.argument("file", type=GivenPath(path_type=Path))
@debug_option
def check(file: Path) -> None:
    """Check a settings file: name everything that is wrong, with its line; the status is then 2."""
    from monitor.settings.sources import SettingsFile
    from monitor.settings.sources import check as find_mistakes

    read = SettingsFile(file)
    mistakes = find_mistakes(read)
    for mistake in mistakes:
        click.echo(f"Error: {mistake}", err=True)
    if mistakes:
        sys.exit(WRONG)
    count = len(read.values)
    click.echo(f"{file} is valid and sets {count} setting{'' if count == 1 else 's'}.")


@config.command(epilog=f"Example: {PROGRAM} config show --config kiosk.yaml -- --site 'Shop 12'")
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[-- OPTIONS OF RUN...]")
@config_option
@output_options
def show(options: tuple[str, ...], config: Path | None, as_json: bool) -> None:
    """Show every setting in force, and where it comes from."""
    from monitor.cli.kiosk.run import run
    from monitor.cli.shared.options import settings_file_of
    from monitor.settings.models import MODELS, RunSettings
    from monitor.settings.sources import (
        Sources,
        all_settings,
        settings_of,
        shown,
    )
    from monitor.ui.texts import default_language

    given = run.make_context(f"{PROGRAM} run", list(options)).params
    file = settings_file_of({"config": config or given["config"]})
    rows: dict[str, dict[str, Any]] = {key: {} for key in all_settings()}
    for model in MODELS:
        is_run = model is RunSettings
        computed = {"language": default_language()} if is_run else {}
        made, sources = load_with_hub(model, Sources(given if is_run else {}, file), **computed)
        for setting in settings_of(model):
            value: Any = made
            for name in setting.path:
                value = getattr(value, name)
            origin = (sources.find(setting) or (None, "default"))[1]
            row = {"key": setting.key, "value": _public(setting, value), "from": origin}
            rows[setting.key] = rows[setting.key] or row
    if as_json:
        print_json({"settings": list(rows.values())})
        return
    width = max(len(key) for key in rows)
    for row in rows.values():
        click.echo(f"{row['key']:{width}}  {shown(row['value'])}  ({row['from']})")


def _public(setting: Setting, value: Any) -> Any:
    """Return a value as JSON takes it, without secrets."""
    from detector.sources.passwords import hide_passwords
    from monitor.settings.forms import TOKENS

    if setting.key in TOKENS and value:
        return "***"
    if isinstance(value, tuple):
        return [hide_passwords(str(part)) for part in value]
    return hide_passwords(str(value)) if isinstance(value, str | Path) else value
