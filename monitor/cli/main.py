"""The command line."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from monitor.cli.errors import complain, tell
from monitor.cli.options import DONE, FAILED, PROGRAM, debug_option
from monitor.cli.output import make_streams_printable, set_up_logging
from monitor.terminal import sure_interrupts

COMMANDS = (
    "run",
    "replay",
    "sessions",
    "report",
    "compare",
    "classify",
    "bench",
    "doctor",
    "notice",
    "train",
    "evaluate",
    "review",
    "models",
    "playlist",
    "simulate",
    "lift",
    "experiment",
    "outcome",
    "proof",
    "backup",
    "purge",
    "stored",
    "upgrade",
    "serve",
    "hub",
    "join",
    "leave",
    "install",
    "config",
)
"""Each is a module of this package with a command of its name."""


class Commands(click.Group):
    """Imports the module of a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"monitor.cli.{cmd_name}"), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; it is done when the reader of its output, such as `head`, has enough."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Caught here, because Click would end the process with 1 and without a word.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return None


@click.group(
    name=PROGRAM,
    cls=Commands,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "show_default": True,
    },
    epilog="Example: ad-monitor run --source demo --loops 1 --report report.html",
)
@click.version_option(package_name="ad-reaction-monitor", prog_name=PROGRAM)
@debug_option
def cli() -> None:
    """Play ads on a screen, and measure how the people in front of it respond."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its status."""
    status = DONE
    try:
        if os.path.expanduser("~") == "~":  # noqa: PTH111 (Path.home() raises)
            # A service without a home keeps its files where it was started.
            os.environ["HOME"] = str(Path.cwd())
        make_streams_printable()
        set_up_logging()
        with sure_interrupts():
            cli.main(args=arguments, prog_name=PROGRAM, standalone_mode=False)
    except (KeyboardInterrupt, click.Abort):
        complain("Stopped.")
        status = FAILED
    except Exception as error:  # noqa: BLE001 (every one becomes an exit status)
        status = tell(error)
    sys.exit(status)
