"""A kiosk that cannot start says so in its window, if nobody reads its terminal."""

from __future__ import annotations

import logging
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from detector.names import printable
from detector.sources.passwords import hide_passwords
from monitor.cli.shared.errors import sentence_of, status_of, tell
from monitor.cli.shared.options import DONE, PROGRAM, WRONG, load_settings, settings_file_of
from monitor.logs import log_path, logging_to
from monitor.settings.models import RunSettings
from monitor.settings.options import SettingOption
from monitor.settings.paths import default_settings_file, sqlite_file
from monitor.settings.sources import SettingsError, Sources, load_usable
from monitor.terminal import is_read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitor.kiosk.supervision.heartbeat import Heartbeat
    from monitor.ui.fault_screen import Fault

logger = logging.getLogger(__name__)

AGAIN_AFTER_S = 30.0
"""A file may have been mended, or a drive appeared."""


def explain(
    error: Exception,
    arguments: Sequence[str],
    options: Mapping[str, Any],
    heartbeat: Heartbeat | None = None,
) -> None:
    """Tell why `run` cannot start, on standard error and in the window, and end the process.

    Return at once where there is no window, where a terminal shows the error, or where the
    supervisor is to restart the kiosk.

    Args:
        error: What went wrong before the session began.
        arguments: Those of `run`.
        options: The same, parsed as far as possible.
        heartbeat: Of this process; `None` takes it from the environment.
    """
    from monitor.kiosk.supervision.heartbeat import Heartbeat
    from monitor.ui.qt_environment import screen_available

    heartbeat = heartbeat or Heartbeat.from_environment()
    settings = _settings_as_far_as_right(options)
    is_restarted = heartbeat.supervised and status_of(error) != WRONG
    if settings.headless or is_read(sys.stderr) or is_restarted or not screen_available():
        return
    status = tell(error)
    from monitor.kiosk import fault

    # The same command line stays wrong.
    after_s = None if isinstance(error, click.UsageError) else AGAIN_AFTER_S
    explained = _fault(error, arguments, options, settings)
    with logging_to(log_path(settings.log)):
        logger.info("The kiosk cannot start, and its window says so: %s", sentence_of(error))
        is_again = fault.explain(explained, settings, heartbeat, after_s)
    if is_again:
        _try_again(arguments, heartbeat)
    sys.exit(status)


def _settings_as_far_as_right(options: Mapping[str, Any]) -> RunSettings:
    from monitor.ui.texts import default_language

    try:
        file = settings_file_of(options)
    except SettingsError:
        file = None
    return load_usable(RunSettings, Sources(options, file), language=default_language())


def _fault(
    error: Exception,
    arguments: Sequence[str],
    options: Mapping[str, Any],
    settings: RunSettings,
) -> Fault:
    """Return what the window says."""
    from ads.errors import AdsError
    from db.errors import DatabaseError
    from monitor.languages import speaking
    from monitor.ui.fault_screen import Fault

    log = log_path(settings.log)
    shown_log = "" if log is None else printable(str(log.absolute()))
    with speaking(settings.language):
        if isinstance(error, click.UsageError):
            command = shlex.join([PROGRAM, "run", *arguments])
            place = printable(hide_passwords(command))
            return Fault("command", _usage(error), place, shown_log)
        if isinstance(error, SettingsError):
            error = _in_this_language(error, options)
        message = printable(hide_passwords(sentence_of(error)))
        if isinstance(error, SettingsError):
            file = Path(options.get("config") or default_settings_file()).absolute()
            return Fault("settings", message, printable(str(file)), shown_log)
        if isinstance(error, AdsError):
            playlist = settings.playlist
            place = "" if playlist is None else printable(str(playlist.expanduser().absolute()))
            return Fault("playlist", message, place, shown_log)
        if isinstance(error, DatabaseError):
            database = sqlite_file(settings.database)
            server = hide_passwords(settings.database)
            place = printable(server if database is None else str(database.absolute()))
            return Fault("database", message, place, shown_log)
        return Fault("other", message, "", shown_log)


def _in_this_language(error: SettingsError, options: Mapping[str, Any]) -> SettingsError:
    """Return the error as the settings give it in the language that is spoken now."""
    try:
        load_settings(RunSettings, dict(options))
    except SettingsError as again:
        return again
    return error


def _usage(error: click.UsageError) -> str:
    """Say what is wrong with a command line, translated where Click allows it."""
    from monitor.languages import _

    if isinstance(error, click.NoSuchOption):
        name = printable(error.option_name)
        for near in error.possibilities or ():
            return _("There is no option %(name)s; did you mean %(near)s?", name=name, near=near)
        return _("There is no option %(name)s.", name=name)
    parameter = error.param if isinstance(error, click.BadParameter) else None
    if isinstance(parameter, SettingOption):
        return _(
            "The option %(name)s has a wrong value: expected %(what)s.",
            name=parameter.setting.option,
            what=parameter.setting.expected,
        )
    return printable(hide_passwords(" ".join(error.format_message().split())))


def _try_again(arguments: Sequence[str], heartbeat: Heartbeat) -> None:
    """Start the kiosk once more: by its supervisor, or in the place of this process."""
    from monitor.cli.kiosk.arguments import become
    from monitor.kiosk.supervision.heartbeat import Phase

    if heartbeat.supervised:
        heartbeat.beat(Phase.RESTARTING)
        sys.exit(DONE)
    become(["run", *arguments])
