"""Start the kiosk with the machine."""

from __future__ import annotations

import getpass
import os
import re
import shlex
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli.kiosk.run import refuse_contradictions, run
from monitor.cli.reports.report import announce
from monitor.cli.shared.options import PROGRAM, debug_option, load_settings
from monitor.logs import log_path
from monitor.settings.models import RunSettings
from monitor.settings.options import GivenPath, config_option

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from monitor.kiosk.service.plan import Plan


def variable_of(text: str) -> tuple[str, str]:
    """Return the name and value of an environment variable, written NAME=VALUE."""
    name, separator, value = text.partition("=")
    if not separator or not name.isidentifier() or not name.isascii():
        raise click.BadParameter(f"expected NAME=VALUE, received {text!r}.")
    return name, value


@click.command(
    epilog="Examples: ad-monitor install --start --config kiosk.yaml; without a desktop: "
    "ad-monitor install --environment QT_QPA_PLATFORM=eglfs -- --fullscreen"
)
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[-- OPTIONS OF RUN...]")
@config_option
@click.option(
    "--autostart",
    is_flag=True,
    help="Write an autostart file for desktops instead of a systemd unit.",
)
@click.option(
    "--system",
    type=GivenPath(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write a system unit into this folder, such as /etc/systemd/system, instead of your own.",
)
@click.option("--run-as", metavar="USER", help="With --system: user that runs it. [default: you]")
@click.option(
    "--environment",
    "variables",
    type=variable_of,
    multiple=True,
    metavar="NAME=VALUE",
    help="Set an environment variable for the kiosk. May be repeated.",
)
@click.option("--start", is_flag=True, help="Also start it now, and at every login or boot.")
@click.option("--dry-run", is_flag=True, help="Print the file and write nothing.")
@click.option("--uninstall", is_flag=True, help="Stop it and remove what was written.")
@debug_option
def install(
    options: tuple[str, ...],
    config: Path | None,
    autostart: bool,
    system: Path | None,
    run_as: str | None,
    variables: tuple[tuple[str, str], ...],
    start: bool,
    dry_run: bool,
    uninstall: bool,
) -> None:
    """Start the kiosk with the machine, and keep it running.

    Writes a systemd unit of yours that starts `run --supervised` with your desktop session, watched
    by a watchdog. The unit names the settings file of --config; options of `run` may follow after
    --. Both are checked first. Relative paths begin in this folder.
    """
    _refuse_contradictions(autostart, system, run_as, start)
    if uninstall:
        if options or config or start:
            raise click.UsageError("--uninstall takes no options of `run`, and nothing to start.")
        _uninstall(system, dry_run=dry_run)
        return
    if config is not None:
        options = ("--config", str(config.absolute()), *options)
    _refuse_passwords([*options, *(value for _, value in variables)])
    plan = _plan(options, dict(variables))
    path, text = _file(plan, autostart=autostart, system=system, run_as=run_as)
    if dry_run:
        click.echo(text, nl=False)
        return
    from monitor.kiosk.service.place import make_folders, user_unit_path, write

    write(path, text)
    if path == user_unit_path():
        make_folders(plan.writable_folders(own_places=True))
    click.echo(f"Written: {path}")
    if autostart:
        click.echo(
            "It starts at the next login to the desktop. For a kiosk, enable automatic login."
        )
    elif system is not None:
        say_what_is_missing(plan.writable_folders(own_places=False), user_of_unit(run_as))
        click.echo(f"Start it with: systemctl daemon-reload && systemctl enable --now {path.name}")
    else:
        say_how_it_starts(path.name, start=start, needs_desktop=plan.needs_desktop)


def _refuse_contradictions(
    autostart: bool, system: Path | None, run_as: str | None, start: bool
) -> None:
    if not sys.platform.startswith("linux"):
        raise click.UsageError(
            "This works on Linux only; elsewhere make the system start `ad-monitor run "
            "--supervised`."
        )
    if autostart and system is not None:
        raise click.UsageError("Expected --autostart or --system, received both; leave one out.")
    if run_as is not None and system is None:
        raise click.UsageError("--run-as needs --system: your own unit runs as you.")
    if start and (autostart or system is not None):
        raise click.UsageError("--start is for your own unit: leave out --autostart and --system.")


def _refuse_passwords(written: Iterable[str]) -> None:
    from detector.sources.passwords import hide_passwords
    from monitor.errors import SetupError

    for text in written:
        if (shown := hide_passwords(text)) != text:
            raise SetupError(
                f"{shown} holds a password, which every user of this machine could read in the "
                "file and in the list of processes: put it into a settings file that only you can "
                "read (chmod 600) and name that with --config."
            )


def _plan(options: tuple[str, ...], environment: Mapping[str, str]) -> Plan:
    """Return what to start; the options and the settings file are checked as `run` checks them."""
    from monitor.kiosk.service.plan import Plan
    from monitor.session.runtime import check_settings

    given = run.make_context(f"{PROGRAM} run", list(options)).params
    with _set(environment):
        settings = load_settings(RunSettings, given)
    log = log_path(settings.log) if settings.log else None
    refuse_contradictions(given, settings, has_screen=True)
    announce(settings)
    # Reading the zones file checks it.
    _ = settings.analysis
    check_settings(settings)
    return Plan(
        options=options,
        folder=Path.cwd(),
        environment=environment,
        headless=settings.headless,
        database=settings.database if "database" in settings.model_fields_set else None,
        written=[*settings.report, *([] if log is None else [log])],
        spool=settings.spool,
    )


@contextmanager
def _set(environment: Mapping[str, str]) -> Iterator[None]:
    """Set the kiosk's environment variables while in the context."""
    former = dict(os.environ)
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(former)


def _file(
    plan: Plan, *, autostart: bool, system: Path | None, run_as: str | None
) -> tuple[Path, str]:
    from monitor.kiosk.service.desktop_entry import autostart_entry
    from monitor.kiosk.service.place import autostart_path, user_unit_path
    from monitor.kiosk.service.systemd_unit import UNIT_NAME, system_unit, user_unit

    if autostart:
        return autostart_path(), autostart_entry(plan)
    if system is not None:
        return system / UNIT_NAME, system_unit(plan, user_of_unit(run_as))
    return user_unit_path(), user_unit(plan)


def user_of_unit(run_as: str | None) -> str:
    """Return the user that runs a system unit: the named one, else this one."""
    if run_as is None:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", run_as):
        raise click.BadParameter(
            f"expected the name of a user, such as kiosk, received {run_as!r}.",
            param_hint="--run-as",
        )
    return run_as


def say_what_is_missing(folders: Iterable[Path], user: str) -> None:
    """Say which user and folders have to be made for a system unit.

    The unit opens only existing folders for writing, and they must belong to its user.
    """
    import pwd

    try:
        pwd.getpwnam(user)
    except KeyError:
        click.echo(f"First create the user who runs it: useradd --system {user}")
    missing = [shlex.quote(str(folder)) for folder in folders if not folder.is_dir()]
    if missing:
        names = " ".join(missing)
        click.echo(f"First create the folders that it writes to: install -d -o {user} {names}")


def say_how_it_starts(name: str, *, start: bool, needs_desktop: bool = False) -> None:
    """Start a unit of the user's own if wanted, and say how that is done."""
    from monitor.kiosk.service.place import systemctl

    by_hand = f"systemctl --user daemon-reload && systemctl --user enable --now {name}"
    trouble = None
    if start:
        trouble = systemctl("daemon-reload") or systemctl("enable", "--now", name)
    if not start:
        click.echo(f"Start it now and at every login with: {by_hand}")
    elif trouble is None:
        click.echo(f"Started. See how it is doing with: systemctl --user status {name}")
    else:
        click.echo(
            f"It could not be started here: {trouble}. Where systemd runs, start it with: {by_hand}"
        )
    if needs_desktop:
        click.echo("It starts with your desktop session. For a kiosk, enable automatic login.")
    else:
        click.echo(
            f"To start it at boot, before a login: loginctl enable-linger {getpass.getuser()}"
        )


def _uninstall(system: Path | None, *, dry_run: bool) -> None:
    from monitor.kiosk.service.place import autostart_path, user_unit_path
    from monitor.kiosk.service.systemd_unit import UNIT_NAME

    own = [user_unit_path(), autostart_path()]
    remove_files(own if system is None else [system / UNIT_NAME], UNIT_NAME, dry_run=dry_run)


def remove_files(paths: Iterable[Path], name: str, *, dry_run: bool) -> None:
    """Remove what `install` wrote, and stop the unit of this name if it is the user's own."""
    from monitor.kiosk.service.place import remove, systemctl, user_unit_path

    there = [path for path in paths if path.exists()]
    if not there:
        click.echo(
            f"Nothing to remove: there is no {' and no '.join(str(path) for path in paths)}."
        )
        return
    for path in there:
        if dry_run:
            click.echo(f"Would remove: {path}")
            continue
        own = path == user_unit_path(name)
        if own:
            # Before removal, because it is started by a link. Without systemd, nothing runs.
            systemctl("disable", "--now", name)
        remove(path)
        click.echo(f"Removed: {path}")
        if not own and path.name == name:
            click.echo(f"Stop it with: systemctl disable --now {name}; systemctl daemon-reload")
