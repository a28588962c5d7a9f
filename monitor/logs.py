"""The log file: rotated, bounded on disk, without passwords, and never a reason to stop."""

from __future__ import annotations

import faulthandler
import logging
import signal
import sys
from contextlib import contextmanager, suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from detector.sources.passwords import hide_passwords
from monitor.settings.paths import APPLICATION

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

RUN_LOG = "run.log"
SUPERVISOR_LOG = "supervisor.log"
"""A file of its own: two processes that rotate one file would take it from each other."""

MOST_BYTES = 2_000_000
OLD_FILES = 4
"""Beside the present one, so five files of 2 MB at most."""

NO_LOG = "none"
FORMAT = "%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"
SENSOR_LOGGER = "monitor.sensor.client"
"""Passes on what the sensor's process says, as debug messages; they belong into the file, and not on the terminal."""

QUIET = ("alembic", "PIL", "matplotlib", "fontTools", "weasyprint")
"""Libraries that tell at length what went well."""


def default_log(name: str = RUN_LOG) -> Path:
    """Where a log is kept when no place is named: `~/.local/state/ad-monitor/log` on Linux."""
    return Path(platformdirs.user_log_dir(APPLICATION)) / name


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return hide_passwords(super().format(record))


class LogFile(RotatingFileHandler):
    """A log file that never raises: what cannot be written, such as on a full disk, is counted and left out.

    Args:
        path: Of the present file; the older ones beside it end in .1 to .4. Its folder is made.
        most_bytes: Size at which a new file is begun.
        old_files: How many old ones are kept.

    Attributes:
        left_out: Messages that could not be written.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(
        self, path: Path, most_bytes: int = MOST_BYTES, old_files: int = OLD_FILES
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.left_out = 0
        super().__init__(
            path,
            maxBytes=most_bytes,
            backupCount=old_files,
            encoding="utf-8",
            errors="backslashreplace",
        )
        self.setFormatter(_Formatter(FORMAT))
        self._traced = False

    def trace_crashes(self) -> None:
        """Have the interpreter write where each thread was when native code crashes, or when SIGUSR2 comes."""
        self._traced = True
        if self.stream is not None:
            faulthandler.enable(self.stream)
            faulthandler.register(signal.SIGUSR2, self.stream)

    def doRollover(self) -> None:  # noqa: N802 (logging's name)
        """Begin a new file."""
        try:
            super().doRollover()
        finally:
            # The crash handler writes to a descriptor; the old one is closed by now.
            if self._traced:
                if self.stream is None or self.stream.closed:
                    self._untrace()
                else:
                    self.trace_crashes()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Count a message that could not be written."""
        self.left_out += 1
        if self.stream is not None and self.stream.closed:
            # It was closed to be turned over, and that failed; the next message opens it anew.
            self.stream = None
        if self.left_out == 1:
            # To the terminal or the journal alone: here it would fail again.
            sys.stderr.write(
                f"WARNING: The log {self.baseFilename} cannot be written ({sys.exc_info()[1]})\n"
            )

    def close(self) -> None:
        """Close the file; harmless when repeated."""
        if self._traced:
            self._untrace()
        # What waits in its buffer may find the disk full.
        with suppress(OSError, ValueError):
            super().close()

    def _untrace(self) -> None:
        faulthandler.disable()
        faulthandler.unregister(signal.SIGUSR2)


@contextmanager
def logging_to(path: Path | None) -> Iterator[LogFile | None]:
    """Write the log to a file while the block runs; a file that cannot be opened is told of, and nothing more.

    Args:
        path: The file; `None` for none.

    Yields:
        The open file, or `None`.
    """
    if path is None:
        yield None
        return
    try:
        file = LogFile(path)
    except OSError as error:
        logger.warning(
            "The log cannot be kept in %s (%s); name another place with --log", path, error
        )
        yield None
        return
    root = logging.getLogger()
    levels = {
        one: one.level
        for one in (root, *(logging.getLogger(name) for name in (SENSOR_LOGGER, *QUIET)))
    }
    shown = {handler: handler.level for handler in root.handlers}
    for handler in shown:
        # What was not shown on the terminal is not shown there now.
        handler.setLevel(max(handler.level, root.level))
    root.setLevel(min(root.level, logging.INFO))
    logging.getLogger(SENSOR_LOGGER).setLevel(logging.DEBUG)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    root.addHandler(file)
    file.trace_crashes()
    try:
        yield file
    finally:
        root.removeHandler(file)
        file.close()
        for one, level in levels.items():
            one.setLevel(level)
        for handler, level in shown.items():
            handler.setLevel(level)


def log_files(path: Path) -> list[Path]:
    """The files of a log that there are: the one that is written, and the old ones beside it."""
    files = (path, *(path.with_name(f"{path.name}.{number}") for number in range(1, OLD_FILES + 1)))
    return [file for file in files if file.exists()]


def log_size(path: Path) -> int:
    """Bytes that a log takes on disk with its old files; 0 where there is none."""
    return sum(file.stat().st_size for file in log_files(path))
