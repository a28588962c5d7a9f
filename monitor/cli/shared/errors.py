"""Which errors are the caller's fault, their text, and their exit status."""

from __future__ import annotations

import errno
import logging

import click

from detector.names import printable
from detector.sources.passwords import hide_passwords
from monitor.cli.shared.options import FAILED, PROGRAM, WRONG

logger = logging.getLogger(__name__)


def tell(error: Exception) -> int:
    """Say on standard error how a command failed; return its exit status."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return WRONG
    status = status_of(error)
    if logging.getLogger().level == logging.DEBUG and not isinstance(error, click.ClickException):
        logger.exception("Failed", exc_info=error)
    else:
        complain(sentence_of(error))
    return status


def complain(message: str) -> None:
    """Write an error to standard error, without passwords."""
    click.echo(f"Error: {printable(hide_passwords(message))}", err=True)


def status_of(error: Exception) -> int:
    """Return the exit status of a command that failed."""
    is_wrong = isinstance(error, click.UsageError) or is_callers_mistake(error)
    return WRONG if is_wrong else FAILED


def sentence_of(error: Exception) -> str:
    """Return what the error says, or that the program has a bug, in the current language."""
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else PROGRAM
        message = " ".join(error.format_message().split())  # Click lists choices by line
        message = message.rstrip(".")
        end = "" if message.endswith("?") else "."  # Click may ask whether another name was meant
        return f"{message}{end} Try `{command} --help`."
    if isinstance(error, click.ClickException):
        return error.format_message()
    if is_callers_mistake(error) or is_known(error):
        return one_sentence(error)
    return (
        f"Internal error ({type(error).__name__}: {error}). This is a bug in the program; "
        "run it again with --debug to see where."
    )


def callers_mistakes() -> tuple[type[Exception], ...]:
    """Return the errors that say the command line, or a file that it names, is wrong."""
    from ads.errors import AdsError
    from db import errors as db
    from detector.errors import ModelLoadError, SourceOpenError, ZonesError
    from monitor.analytics.errors import (
        EmptyScopeError,
        ExperimentError,
        OutcomeFileError,
        ReportWriteError,
    )
    from monitor.errors import SetupError
    from training.errors import TrainingError

    return (
        AdsError,
        TrainingError,
        db.AccountError,
        db.BackupTargetError,
        db.ChannelError,
        db.DatabaseOpenError,
        db.ExperimentExistsError,
        db.NoSuchSessionError,
        db.SchemaVersionError,
        EmptyScopeError,
        ExperimentError,
        OutcomeFileError,
        ReportWriteError,
        ModelLoadError,
        SourceOpenError,
        ZonesError,
        SetupError,
    )


def is_callers_mistake(error: Exception) -> bool:
    """Return whether the command line, or a file that it names, is wrong."""
    return isinstance(error, callers_mistakes()) or _is_too_long(error)


def _is_too_long(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG


_OF_THE_MACHINE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO),
    *(errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE),
}


def _is_of_the_machine(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in _OF_THE_MACHINE


def _is_of_the_database(error: Exception) -> bool:
    """Return whether a database failed that could be opened: a full disk, a lock, damage."""
    from db.error_classes import is_damage, is_environment

    return is_environment(error) or is_damage(error)


def one_sentence(error: Exception) -> str:
    """Return what the error says, in one sentence."""
    from ads.playlists.yaml_file import shortened
    from detector.errors import MissingExtraError, lacks_extra

    if _is_too_long(error):
        name = shortened(str(getattr(error, "filename", "")))
        return f"The path {name} is too long for a file: check it."
    if isinstance(error, OSError) and _is_of_the_machine(error):
        file = error.filename
        what = "The output" if file is None else f"The file {shortened(str(file))}"
        return (
            f"{what} cannot be read or written ({error.strerror}): check the disk, its "
            "free space and the permissions."
        )
    if _is_of_the_database(error):
        from db.error_classes import describe

        return (
            f"The database cannot be read or written ({describe(error)}): check the disk, its free "
            "space and the permissions, and that no other program holds it."
        )
    return str(MissingExtraError()) if lacks_extra(error) else str(error)


def known_failures() -> tuple[type[Exception], ...]:
    """Return the other errors whose message is written for people."""
    from db.errors import DatabaseError
    from detector.errors import DetectorError
    from monitor.errors import MonitorError
    from training.errors import PromotionRefusedError, TrainingDivergedError

    return MonitorError, DatabaseError, DetectorError, PromotionRefusedError, TrainingDivergedError


def is_known(error: Exception) -> bool:
    """Return whether the error is one of ours, or the machine's: `one_sentence` is for people."""
    from detector.errors import lacks_extra

    return (
        lacks_extra(error)
        or isinstance(error, known_failures())
        or _is_of_the_machine(error)
        or _is_of_the_database(error)
    )
