"""Run the kiosk."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from detector.texts import lazy
from monitor.cli.reports.report import after_session, announce, report_after_failure
from monitor.cli.shared.options import load_settings, output_options
from monitor.settings.models import RunSettings
from monitor.settings.options import SettingsCommand, settings_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from monitor.kiosk.console_process import OwnConsole
    from monitor.settings.console_order import ConsoleOrder
    from monitor.ui.waiting_screen import WaitingScreen

logger = logging.getLogger(__name__)

_ARGUMENTS = f"{__name__}.arguments"
_HEARTBEAT = f"{__name__}.heartbeat"
_IS_OVER = f"{__name__}.is_over"

_SUPERVISORS_WORDS = (
    lazy(
        "The kiosk died %(count)s times within %(number)s minutes; at last it %(how)s",
        count=0,
        number=0,
        how="",
    ),
    lazy("was stuck and was killed"),
    lazy("was ended by %(signal)s", signal=""),
)
"""Why a supervisor, which has the standard library only, wants no camera: for the catalogue."""


class RunCommand(SettingsCommand):
    """Keeps its arguments, to start the same command again; tells in a window why it cannot."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Parse the arguments; if they are wrong, say so in the window, too."""
        given = list(args)
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            from monitor.cli.kiosk.start_fault import explain

            lenient = {
                "resilient_parsing": True,
                "ignore_unknown_options": True,
                "allow_extra_args": True,
            }
            as_far = super().make_context(info_name, list(given), parent, **lenient)
            explain(error, given, as_far.params)
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run the kiosk; if it cannot start, say so in the window, too."""
        try:
            return super().invoke(ctx)
        except (click.Abort, click.exceptions.Exit, BrokenPipeError):
            raise
        except Exception as error:
            from monitor.cli.kiosk.start_fault import explain

            began = ctx.meta.get(_IS_OVER) or getattr(error, "session_id", None)
            if not began:
                explain(error, ctx.meta[_ARGUMENTS], ctx.params, ctx.meta.get(_HEARTBEAT))
            raise

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, and keep them."""
        from monitor.cli.kiosk.arguments import with_passwords

        args = with_passwords(args)
        ctx.meta[_ARGUMENTS] = tuple(args)
        return super().parse_args(ctx, args)


@click.command(
    cls=RunCommand, epilog="Example: ad-monitor run --source 0 --playlist summer.yaml --fullscreen"
)
@settings_options(RunSettings)
@click.option("--no-camera-because", metavar="TEXT", hidden=True)
@output_options
@click.pass_context
def run(
    context: click.Context, /, as_json: bool, no_camera_because: str | None, **options: Any
) -> None:
    """Run the kiosk: play the ads, watch the viewers, store their reactions.

    A video file as the source is played in real time like a camera; the run ends with it, and its
    session is a replay. Keys in the window: F full screen, N next ad, Space pause, O overlay, F1
    operator panel, H help, Q quit.
    """
    from monitor.kiosk.supervision.heartbeat import Heartbeat, Phase
    from monitor.terminal import stay_after_hangup
    from monitor.ui.texts import default_language

    heartbeat = context.meta[_HEARTBEAT] = Heartbeat.from_environment()
    if heartbeat.supervised:
        stay_after_hangup()
    settings = load_settings(
        RunSettings, options, language=default_language(), patient=heartbeat.supervised
    )
    if settings.supervised and not heartbeat.supervised:
        sys.exit(_supervise(context.meta[_ARGUMENTS], settings))

    from monitor.ui.qt_environment import DisplayProbe, screen_named

    # Qt opens the display in a child while the slow imports run.
    display = DisplayProbe()
    if not settings.headless:
        display.start()

    from monitor.kiosk.headless import run_headless
    from monitor.logs import log_path, logging_to
    from monitor.sensor.child_process import disable_core_dumps

    disable_core_dumps()
    has_screen = settings.headless or display.succeeded()
    is_dead = not has_screen and screen_named()
    refuse_contradictions(options, settings, has_screen=has_screen)
    # The supervisor gives a reason when it restarts a kiosk that crashed too often.
    reason = no_camera_because or (None if settings.camera else lazy("started with --no-camera"))
    settings = settings.model_copy(update={"no_camera": reason})
    kind = "none" if reason is not None else _source_kind(settings.source)
    _say_kind(kind, settings, is_seen=has_screen and not settings.headless)
    if is_dead and heartbeat.supervised:
        # The display may be started later, or again.
        click.echo(
            "The display cannot be opened: the window is drawn into memory until it can.", err=True
        )
    elif not has_screen and settings.loops is None and settings.duration_s is None:
        what = "The display cannot be opened" if is_dead else "There is no screen here"
        click.echo(f"{what}: the window is drawn into memory and shows each ad once.", err=True)
        settings = settings.model_copy(update={"loops": 1})
    with (
        logging_to(log_path(settings.log)),
        _failure_logged(),
        _start_screen(settings, is_seen=has_screen and not settings.headless) as first,
        _console(options, settings) as console,
    ):
        announce(settings)
        with report_after_failure(settings):
            if settings.headless:
                session_id = run_headless(settings, heartbeat, is_set_up=console.is_set_up)
            else:
                from monitor.kiosk.app import run_window

                session_id = run_window(
                    settings,
                    offscreen=not has_screen,
                    heartbeat=heartbeat,
                    display=display if is_dead and heartbeat.supervised else None,
                    console=console,
                    first=first,
                )
        context.meta[_IS_OVER] = True
        if console.is_set_up():
            console.close()
            _start_again(context.meta[_ARGUMENTS])
        heartbeat.beat(Phase.REPORTING)
        if session_id is None:
            click.echo("Stopped before the session began.", err=True)
            return
        after_session(session_id, settings, as_json)


def _say_kind(kind: str, settings: RunSettings, *, is_seen: bool) -> None:
    """Say what a source of this kind means for the session, or for people without a window."""
    from detector.names import printable

    if kind == "file":
        file = printable(str(settings.source))
        click.echo(
            f"{file} is a recording: the session is a replay, which comparisons, norms and proof "
            "of play take only with --replays.",
            err=True,
        )
    elif kind not in {"none", "unknown", "demo"} and not is_seen:
        click.echo(
            "No notice is visible in this mode. Inform people in front of the camera another way.",
            err=True,
        )


def _source_kind(source: str | None) -> str:
    from detector.errors import SourceOpenError
    from detector.sources.video_source import SourceSpec

    try:
        # Without a name it is the first camera, if there is one.
        return "camera" if source is None else SourceSpec.parse(source).kind
    except SourceOpenError:
        return "unknown"


def refuse_contradictions(
    options: dict[str, Any], settings: RunSettings, *, has_screen: bool
) -> None:
    """Refuse settings that contradict each other."""
    if options["console"]:
        refuse_console(settings)
    if settings.notice == "required" and (settings.headless or not has_screen):
        raise click.BadParameter(
            "expected a window on a screen, because nothing may be measured before the notice was "
            f"shown there; received {'--headless' if settings.headless else 'no screen'}; leave "
            "one of the two out.",
            param_hint="--notice required",
        )
    for name, contradicts in (("camera", False), ("picker", True)):
        if options[name] is contradicts and options["source"] is not None:
            raise click.BadParameter(
                "expected either this or --source, received both; leave one out "
                f"({options['source']}).",
                param_hint="--picker" if contradicts else "--no-camera",
            )


@contextmanager
def _start_screen(settings: RunSettings, *, is_seen: bool) -> Iterator[WaitingScreen | None]:
    """Show at once that the kiosk starts; its own imports take seconds on a busy machine."""
    if not is_seen:
        yield None
        return
    from monitor.kiosk.notice import open_start_screen
    from monitor.ui.application import create_application

    application = create_application()
    first = open_start_screen(settings)
    try:
        yield first
    finally:
        first.dismiss()
    del application  # no window outlives it


@contextmanager
def _console(options: dict[str, Any], settings: RunSettings) -> Iterator[OwnConsole]:
    """Offer the pages of this kiosk beside it, if the settings say so; the ads never wait."""
    from monitor.cli.serving.console import order_of, say_address
    from monitor.errors import MonitorError
    from monitor.kiosk.console_process import OwnConsole
    from monitor.session.first_run import can_set_up, is_declined

    console = OwnConsole(None, say_address)
    is_new = can_set_up(settings, options)
    if is_new and settings.headless and not settings.console and sys.stderr.isatty():
        click.echo(
            "This kiosk is not set up yet: `ad-monitor run --console` prints a link for that.",
            err=True,
        )
    if not settings.console and not is_new:
        yield console
        return
    try:
        order = refuse_console(settings, order_of(options, settings))
    except MonitorError as error:
        if settings.console:
            # Only the settings file wants it, and has perhaps done so for years.
            logger.warning("The kiosk offers no pages in the browser. %s", error)
    else:
        console = OwnConsole(order, say_address, can_set_up=is_new, is_declined=is_declined())
        if settings.console:
            console.open()
    try:
        yield console
    finally:
        console.close()


def refuse_console(settings: RunSettings, order: ConsoleOrder | None = None) -> ConsoleOrder:
    """Return the order for a console; refuse one where the kiosk sends to a hub.

    Raises:
        SetupError: It does, or is to, or its database is on a server.
    """
    from monitor.cli.serving.console import order_of
    from monitor.errors import SetupError
    from monitor.hub.screens.own_kiosk import refuse_other_hub

    order = order or order_of({}, settings)
    if settings.hub is not None:
        raise SetupError(
            f"This kiosk joins the hub {settings.hub} (uplink.hub), whose pages show it: leave out "
            "--console, or that setting."
        )
    refuse_other_hub(order)
    return order


def _start_again(arguments: Sequence[str]) -> None:
    """Become the kiosk anew, with the settings that its set-up has written."""
    from monitor.cli.kiosk.arguments import become

    click.echo("The kiosk starts again with its settings.", err=True)
    become(["run", *arguments])


def _supervise(arguments: Sequence[str], settings: RunSettings) -> int:
    """Keep `run` running with these arguments, and return the exit status."""
    from monitor.cli.kiosk.arguments import without_passwords
    from monitor.kiosk.supervision.supervisor import Limits, Restarts, Supervisor, kiosk_command
    from monitor.logs import SUPERVISOR_LOG, log_path, logging_to

    shown, secret = without_passwords(arguments)
    log = log_path(settings.log)
    with logging_to(None if log is None else log.with_name(SUPERVISOR_LOG)):
        return Supervisor(
            kiosk_command(["run", *shown]),
            ["--no-camera-because"],
            limits=Limits(showing_s=settings.stuck_after_s),
            restarts=Restarts(limit=settings.restart_limit),
            secret=secret,
        ).run()


@contextmanager
def _failure_logged() -> Iterator[None]:
    """Write to the log how a run failed."""
    try:
        yield
    except Exception as error:
        logger.info("The run failed: %s", error, exc_info=error)
        raise
