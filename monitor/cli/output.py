"""Printing and logging."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from detector.sources.passwords import HidingFormatter

if TYPE_CHECKING:
    from collections.abc import Callable


def print_json(document: dict[str, Any]) -> None:
    import json

    click.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def print_result(
    as_json: bool, document: dict[str, Any], print_tables: Callable[..., None], *shown: Any
) -> None:
    """Print the document as JSON, or what is `shown`, by default the document, for people."""
    if as_json:
        print_json(document)
    else:
        print_tables(*(shown or (document,)))


def set_up_logging() -> None:
    # Native libraries read these when they load; their chatter is not for users.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("GLOG_minloglevel", "2")
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setFormatter(HidingFormatter("%(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[terminal], force=True)


def silence_native_libraries() -> None:
    """Discard what MediaPipe and LiteRT print, except with --debug; keep Python's own stderr."""
    if logging.getLogger().level == logging.DEBUG:
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 (a device, not a file)
        os.dup2(nowhere.fileno(), 2)
    sys.stderr = os.fdopen(
        kept, "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace"
    )
    set_up_logging()
