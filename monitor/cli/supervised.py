"""What `run` needs to be kept running: its options, and the process above it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli.options import together

if TYPE_CHECKING:
    from collections.abc import Sequence

_ARGUMENTS = f"{__name__}.arguments"

supervision_options = together(
    click.option(
        "--supervised",
        is_flag=True,
        help="Keep the kiosk running: a light process above it starts it again when it dies or is stuck, and waits for a "
        "camera that is not there yet.",
    ),
    click.option(
        "--stuck-after",
        type=click.FloatRange(3, 600),
        default=10.0,
        show_default=True,
        metavar="S",
        help="With --supervised: a window that has not painted for so long is stuck.",
    ),
    click.option(
        "--restart-limit",
        type=click.IntRange(1, 1_000_000),
        default=5,
        show_default=True,
        metavar="N",
        help="With --supervised: after so many deaths within 10 minutes only the ads are shown, for a day.",
    ),
)
log_option = click.option(
    "--log",
    metavar="FILE|none",
    help="Where the log is kept, five files of 2 MB at most. [default: run.log in your state folder]",
)


class KeepsArguments(click.Command):
    """A command that remembers how it was called."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, and keep them."""
        ctx.meta[_ARGUMENTS] = tuple(args)
        return super().parse_args(ctx, args)


def arguments_of(context: click.Context) -> tuple[str, ...]:
    """The arguments with which a `KeepsArguments` was called."""
    arguments: tuple[str, ...] = context.meta[_ARGUMENTS]
    return arguments


def log_path(named: str | None) -> Path | None:
    """The file that `--log` names; `None` for none."""
    from monitor.logs import NO_LOG, default_log

    if named == NO_LOG:
        return None
    return default_log() if named is None else Path(named)


def supervise(
    arguments: Sequence[str], stuck_after_s: float, restart_limit: int, log: str | None
) -> int:
    """Keep `run` running with these arguments; returns the exit status, see `monitor.kiosk.supervision.supervisor`."""
    from monitor.kiosk.supervision.restarts import Restarts
    from monitor.kiosk.supervision.supervisor import Limits, Supervisor, kiosk_command
    from monitor.logs import SUPERVISOR_LOG, logging_to

    kept = log_path(log)
    with logging_to(None if kept is None else kept.with_name(SUPERVISOR_LOG)):
        return Supervisor(
            kiosk_command(["run", *arguments]),
            ["--no-camera-because"],
            limits=Limits(showing_s=stuck_after_s),
            restarts=Restarts(limit=restart_limit),
        ).run()
