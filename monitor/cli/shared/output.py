"""Printing and logging."""

from __future__ import annotations

import io
import logging
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO, cast

import click

from detector.names import printable, printable_json
from monitor.logs import LogFormatter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def print_json(document: dict[str, Any]) -> None:
    click.echo(printable_json(document, indent=2))


def print_result(
    as_json: bool, document: dict[str, Any], print_tables: Callable[..., None], *shown: Any
) -> None:
    """Print the document as JSON, or what is `shown`, by default the document, for people."""
    if as_json:
        print_json(document)
    else:
        print_tables(*(shown or (document,)))


class PrintableStream:
    """A text stream that escapes what would control the terminal; see `printable`.

    `as_is` is the stream behind it, for tables and bars, which use escape sequences themselves.
    """

    def __init__(self, stream: TextIO) -> None:
        self.as_is = stream

    def write(self, text: str) -> int:
        """Write a text; return its length, as given."""
        self.as_is.write(printable(text, keep="\n\t"))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts, one after the other."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.as_is, name)


def make_streams_printable() -> None:
    """Escape control characters in standard output and error; replace what they cannot encode."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            # Bars and foreign names must not crash a command on a Latin-1 terminal.
            stream.reconfigure(errors="replace")
            setattr(sys, name, PrintableStream(stream))


def set_up_logging() -> None:
    # Native libraries read these when they load; their chatter is not for users.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("GLOG_minloglevel", "2")
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setFormatter(LogFormatter("%(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[terminal], force=True)


def silence_native_libraries() -> None:
    """Discard what MediaPipe and LiteRT print, except with --debug; keep Python's own stderr."""
    if logging.getLogger().level == logging.DEBUG:
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 (a device, not a file)
        os.dup2(nowhere.fileno(), 2)
    plain = os.fdopen(kept, "w", buffering=1, encoding=sys.stderr.encoding, errors="replace")
    sys.stderr = cast("TextIO", PrintableStream(plain))
    set_up_logging()
