"""Start a hub with the machine."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from monitor.cli.kiosk.install import (
    remove_files,
    say_how_it_starts,
    say_what_is_missing,
    user_of_unit,
)
from monitor.cli.shared.options import debug_option, load_settings
from monitor.settings.models import HubSettings
from monitor.settings.options import GivenPath, config_option


@click.command(epilog="Example: ad-monitor hub install --config hub.yaml --start")
@config_option
@click.option(
    "--system",
    type=GivenPath(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write a system unit into this folder, such as /etc/systemd/system, instead of your own.",
)
@click.option("--run-as", metavar="USER", help="With --system: user that runs it. [default: you]")
@click.option("--start", is_flag=True, help="Also start it now, and at every login.")
@click.option("--dry-run", is_flag=True, help="Print the unit and write nothing.")
@click.option("--uninstall", is_flag=True, help="Stop it and remove the unit.")
@debug_option
def install(
    config: Path | None,
    system: Path | None,
    run_as: str | None,
    start: bool,
    dry_run: bool,
    uninstall: bool,
) -> None:
    """Start a hub with the machine, and keep it running.

    Writes a systemd unit that runs `hub serve` with the settings file of --config, which is checked
    first.
    """
    from monitor.kiosk.service.place import make_folders, user_unit_path, write
    from monitor.kiosk.service.plan import program_command
    from monitor.kiosk.service.systemd_unit import HUB_UNIT_NAME, hub_unit

    _refuse_contradictions(system, run_as, start)
    path = user_unit_path(HUB_UNIT_NAME) if system is None else system / HUB_UNIT_NAME
    if uninstall:
        remove_files([path], HUB_UNIT_NAME, dry_run=dry_run)
        return
    settings = load_settings(HubSettings, {"config": config, "database": None})
    given = () if config is None else ("--config", str(config.absolute()))
    folders = _written(settings, own=system is None)
    user = None if system is None else user_of_unit(run_as)
    unit = hub_unit([*program_command(), "hub", "serve", *given], folders, user)
    if dry_run:
        click.echo(unit, nl=False)
        return
    write(path, unit)
    if system is None:
        make_folders(folders)
    click.echo(f"Written: {path}")
    if system is None:
        say_how_it_starts(path.name, start=start)
        return
    say_what_is_missing(folders, str(user))
    click.echo(f"Start it with: systemctl daemon-reload && systemctl enable --now {path.name}")


def _refuse_contradictions(system: Path | None, run_as: str | None, start: bool) -> None:
    if not sys.platform.startswith("linux"):
        raise click.UsageError(
            "This works on Linux only; elsewhere make the system start `ad-monitor hub serve`."
        )
    if run_as is not None and system is None:
        raise click.UsageError("--run-as needs --system: your own unit runs as you.")
    if start and system is not None:
        raise click.UsageError("--start is for your own unit: leave out --system.")


def _written(settings: HubSettings, *, own: bool) -> list[Path]:
    """Return the folders that a hub writes to, with the user's own ones if wanted."""
    import platformdirs

    from monitor.logs import default_log
    from monitor.settings.paths import APPLICATION, sqlite_file

    folders = []
    if own:
        folders = [Path(platformdirs.user_data_dir(APPLICATION)), default_log().parent]
    database = sqlite_file(settings.database)
    if database is not None and (own or "database" in settings.model_fields_set):
        folders.append(Path(database).absolute().parent)
    for named in (settings.lake, settings.media):
        if named is not None and "://" not in named:
            folders.append(Path(named).absolute())
    return sorted(set(folders))
