"""The command line."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from monitor.cli.shared.errors import complain, tell
from monitor.cli.shared.options import DONE, FAILED, PROGRAM, debug_option
from monitor.cli.shared.output import make_streams_printable, set_up_logging
from monitor.terminal import sure_interrupts

COMMANDS = {
    "run": "kiosk",
    "replay": "kiosk",
    "sessions": "reports",
    "report": "reports",
    "compare": "reports",
    "classify": "models",
    "bench": "kiosk",
    "doctor": "kiosk",
    "notice": "kiosk",
    "train": "models",
    "evaluate": "models",
    "review": "models",
    "models": "models",
    "playlist": "ads",
    "simulate": "ads",
    "lift": "ads",
    "experiment": "reports",
    "outcome": "reports",
    "proof": "reports",
    "backup": "database",
    "purge": "database",
    "stored": "database",
    "upgrade": "database",
    "serve": "serving",
    "hub": "hub",
    "join": "kiosk",
    "leave": "kiosk",
    "install": "kiosk",
    "config": "kiosk",
}
"""Each is a module of its name in this folder, with a command of its name."""


class Commands(click.Group):
    """Imports the module of a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"monitor.cli.{COMMANDS[cmd_name]}.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
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
