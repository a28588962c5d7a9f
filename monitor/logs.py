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

from detector.sources.passwords import HidingFormatter, hide_passwords
from monitor.languages import ENGLISH, speaking
from monitor.settings.paths import APPLICATION

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

RUN_LOG = "run.log"
SUPERVISOR_LOG = "supervisor.log"
"""Two processes that rotate one file would take it from each other."""

MAX_BYTES = 2_000_000
OLD_FILES = 4

NO_LOG = "none"

SENSOR_LOGGER = "monitor.sensor.client"
"""Passes on what the sensor's process says, as debug messages, for the file alone."""

QUIET = ("alembic", "PIL", "matplotlib", "fontTools", "weasyprint")
"""Libraries that log at length what went well."""


def default_log(name: str = RUN_LOG) -> Path:
    """Return where a log is kept by default: `~/.local/state/ad-monitor/log` on Linux."""
    return Path(platformdirs.user_log_dir(APPLICATION)) / name


class LogFormatter(HidingFormatter):
    """Writes English without passwords, also while a page in another language is made."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record."""
        with speaking(ENGLISH):
            return super().format(record)


class LogFile(RotatingFileHandler):
    """A rotated log file; `left_out` counts what could not be written, as on a full disk."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES, old_files: int = OLD_FILES) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.left_out = 0
        super().__init__(path, "a", max_bytes, old_files, "utf-8", errors="backslashreplace")
        line = "%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"
        self.setFormatter(LogFormatter(line))
        self._traced = False

    def trace_crashes(self) -> None:
        """Write where each thread is when native code crashes, or at SIGUSR2."""
        self._traced = True
        if self.stream is not None:
            faulthandler.enable(self.stream)
            faulthandler.register(signal.SIGUSR2, self.stream)

    def doRollover(self) -> None:  # noqa: N802 (logging's name)
        try:
            super().doRollover()
        finally:
            # The crash handler writes to a descriptor, which is closed by now.
            if self._traced:
                if self.stream is None or self.stream.closed:
                    self._untrace()
                else:
                    self.trace_crashes()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        self.left_out += 1
        if self.stream is not None and self.stream.closed:
            # The rotation failed after it had closed the file; the next message reopens it.
            self.stream = None
        if self.left_out == 1:
            reason = sys.exc_info()[1]
            sys.stderr.write(f"WARNING: The log {self.baseFilename} cannot be written ({reason})\n")

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
    """Write the log to a file, if any, while the block runs; if it cannot open, only warn."""
    try:
        file = None if path is None else LogFile(path)
    except OSError as error:
        why = error.strerror or error
        logger.warning("No log in %s (%s); name another place with --log", path, why)
        file = None
    if file is None:
        yield None
        return
    root = logging.getLogger()
    named = map(logging.getLogger, (SENSOR_LOGGER, *QUIET))
    changed: list[logging.Logger | logging.Handler] = [root, *named, *root.handlers]
    levels = [one.level for one in changed]
    for handler in root.handlers:
        # The terminal shows no more than before.
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
        for one, level in zip(changed, levels, strict=True):
            one.setLevel(level)


@contextmanager
def only_errors(name: str) -> Iterator[None]:
    """Log nothing below errors from a package while the block runs."""
    log = logging.getLogger(name)
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def log_path(named: str | None) -> Path | None:
    """Return the file that the setting `run.log` names; `None` for none."""
    if named == NO_LOG:
        return None
    return default_log() if named is None else Path(named)


def recent_log(path: Path, max_bytes: int) -> str:
    """Return the newest lines of a log and of the supervisor's beside it, oldest first.

    Passwords are masked again: an older version of the program may have written them.

    Args:
        path: Of the kiosk's log.
        max_bytes: Of the files that are read; of each log the newer half at least.
    """
    parts = []
    for log in (path.with_name(SUPERVISOR_LOG), path):
        left, texts = max_bytes // 2, []
        for file in log_files(log):
            with suppress(OSError), file.open("rb") as opened:
                size = opened.seek(0, 2)
                opened.seek(max(0, size - left))
                if size > left:
                    # The rest of a line would hide a password no more.
                    opened.readline()
                texts.append(opened.read(left).decode("utf-8", "replace"))
                left -= min(size, left)
        if texts:
            lines = "".join(reversed(texts)).splitlines()
            parts += [f"==> {log.name} <==", *map(hide_passwords, lines), ""]
    return "\n".join(parts)


def log_files(path: Path) -> list[Path]:
    """Return the files of a log that exist: the present one and the old ones beside it."""
    files = (path, *(path.with_name(f"{path.name}.{number}") for number in range(1, OLD_FILES + 1)))
    return [file for file in files if file.exists()]


def log_size(path: Path) -> int:
    """Return the bytes that a log takes on disk with its old files."""
    return sum(file.stat().st_size for file in log_files(path))
