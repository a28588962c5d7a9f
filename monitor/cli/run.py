"""Run the kiosk."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.options import (
    Language,
    Languages,
    analysis_settings,
    database_url,
    guard_rails,
    recording_options,
    session_options,
    together,
)
from monitor.cli.report import after_session, announce, report_after_failure

if TYPE_CHECKING:
    from collections.abc import Sequence
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


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


@click.command(
    cls=KeepsArguments,
    epilog="Example: ad-monitor run --source 0 --playlist summer.yaml --site 'Shop 12' --fullscreen",
)
@click.option(
    "--source",
    help="Camera index or lasting name (/dev/v4l/by-id/…), video file, http or rtsp address, or demo. [default: the camera "
    "chosen before, else the first one, else demo]",
)
@click.option(
    "--picker/--no-picker",
    default=None,
    help="Ask which camera to use, or never ask. [default: ask once, when there are several]",
)
@click.option(
    "--no-camera", is_flag=True, help="Only show the ads: open no camera and measure nothing."
)
@click.option(
    "--no-camera-because",
    metavar="TEXT",
    hidden=True,
    help="The same, with the reason for the session.",
)
@session_options
@recording_options
@click.option("--fullscreen", is_flag=True, help="Begin in full screen.")
@click.option(
    "--screen",
    type=click.IntRange(1),
    metavar="N",
    help="On which screen, from 1 on; a number too high lists them.",
)
@click.option(
    "--headless",
    is_flag=True,
    help="Do the same work without a window, and so without a notice on the screen.",
)
@click.option(
    "--no-overlay", is_flag=True, help="Begin without the live readings (key O shows them)."
)
@click.option(
    "--volume",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    help="Of the ads' sound.",
)
@click.option("--language", type=Language(), help="Of the window. [default: the system's, else en]")
@click.option(
    "--notice",
    type=click.Choice(["bar", "required"]),
    default="bar",
    show_default=True,
    help="How the people in front of the screen are told: by a bar below the ads, always there; or before that, alone, "
    "before the camera is opened, and nothing is measured while the notice is not on the screen.",
)
@click.option(
    "--notice-seconds",
    type=click.FloatRange(0, 120, min_open=True),
    default=5.0,
    show_default=True,
    metavar="S",
    help="How long a required notice is shown alone.",
)
@click.option(
    "--notice-language",
    "notice_languages",
    type=Languages(),
    multiple=True,
    help="Of the notice; several with commas between them. [default: --language]",
)
@click.option(
    "--notice-url",
    default="",
    help="Where these people can read more; shown as text and as a QR code.",
)
@supervision_options
@log_option
@click.pass_context
def run(
    context: click.Context,
    /,
    as_json: bool,
    min_viewers: int,
    no_overlay: bool,
    language: str | None,
    notice_languages: tuple[tuple[str, ...], ...],
    no_camera: bool,
    no_camera_because: str | None,
    supervised: bool,
    stuck_after: float,
    restart_limit: int,
    log: str | None,
    **options: Any,
) -> None:
    """Run the kiosk: play the ads, watch the viewers, log their reactions.

    A video file as the source is played in real time like a camera, and the run ends with it. Keys
    in the window: F full screen, N next ad, Space pause, O overlay, F1 operator panel, H help, Q
    quit.
    """
    from monitor.kiosk.supervision.heartbeat import Heartbeat, Phase

    heartbeat = Heartbeat.from_environment()
    if supervised and not heartbeat.supervised:
        sys.exit(supervise(arguments_of(context), stuck_after, restart_limit, log))

    from monitor.ui.qt_environment import DisplayProbe, screen_named

    # Qt opens the display in a child while the slow imports run.
    display = DisplayProbe()
    if not options["headless"]:
        display.start()

    from monitor.kiosk.headless import run_headless
    from monitor.logs import logging_to
    from monitor.sensor.child_process import disable_core_dumps
    from monitor.settings.models import RunSettings
    from monitor.ui.texts import default_language

    options["database"] = database_url(options["database"])
    disable_core_dumps()
    has_screen = options["headless"] or display.succeeded()
    if options["notice"] == "required" and (options["headless"] or not has_screen):
        raise click.BadParameter(
            "expected a window on a screen, because nothing may be measured before the notice was shown there; received "
            f"{'--headless' if options['headless'] else 'no screen'}; leave one of the two out.",
            param_hint="--notice required",
        )
    source = options["source"]
    # The reason comes from the supervisor, which adds it to whatever the kiosk was started with.
    if source is not None and no_camera:
        raise click.BadParameter(
            f"expected either this or --source, received both; leave one out ({source}).",
            param_hint="--no-camera",
        )
    if options["picker"] and source is not None:
        raise click.BadParameter(
            f"expected either this or --source, received both; leave one out ({source}).",
            param_hint="--picker",
        )
    reason = no_camera_because or ("started with --no-camera" if no_camera else None)
    people = reason is None and (source is None or source.isdecimal() or "://" in source)
    if people and (options["headless"] or not has_screen):
        click.echo(
            "No notice is seen here: tell the people in front of the camera in another way.",
            err=True,
        )
    is_dead = not has_screen and screen_named()
    if not has_screen:
        _say_how_the_window_is_drawn(options, is_dead, heartbeat.supervised)
    options["analysis"] = analysis_settings(options)
    options["guard_rails"] = guard_rails(options)
    options["language"] = language or default_language()
    notice = tuple(dict.fromkeys(code for codes in notice_languages for code in codes))
    settings = RunSettings(
        overlay=not no_overlay,
        notice_languages=notice,
        no_camera=reason,
        patient=heartbeat.supervised,
        **options,
    )
    with logging_to(log_path(log)), _noted():
        announce(settings.database, settings.report)
        with report_after_failure(settings, min_viewers):
            if settings.headless:
                session_id = run_headless(settings, heartbeat)
            else:
                from monitor.kiosk.app import run_window

                session_id = run_window(
                    settings,
                    offscreen=not has_screen,
                    heartbeat=heartbeat,
                    display=display if is_dead and heartbeat.supervised else None,
                )
        heartbeat.beat(Phase.REPORTING)
        if session_id is None:
            click.echo("Stopped before the session began.", err=True)
            return
        after_session(session_id, settings, min_viewers, as_json)


def _say_how_the_window_is_drawn(
    options: dict[str, Any], is_dead: bool, is_supervised: bool
) -> None:
    if is_dead and is_supervised:
        # The display may be started later, or again.
        click.echo(
            "The display cannot be opened: the window is drawn into memory until it can.", err=True
        )
    elif options["loops"] is None and options["duration_s"] is None:
        what = "The display cannot be opened" if is_dead else "There is no screen here"
        click.echo(f"{what}: the window is drawn into memory and shows each ad once.", err=True)
        options["loops"] = 1


@contextmanager
def _noted() -> Iterator[None]:
    """Keep in the log how a run that failed ended; whoever reads the terminal is told elsewhere."""
    try:
        yield
    except Exception as error:
        logger.info("The run failed: %s", error, exc_info=error)
        raise


logger = logging.getLogger(__name__)
