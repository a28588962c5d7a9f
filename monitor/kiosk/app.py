"""Composes the kiosk with its window, and runs it until it ends or is asked to."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from PyQt5.QtCore import QEventLoop, QTimer

from detector.sources.orientation import Orientation
from monitor.errors import SessionFailedError
from monitor.kiosk import set_up
from monitor.kiosk.error_guard import ErrorGuard
from monitor.kiosk.headless import TOO_MANY_ERRORS, say_code, with_saved_camera
from monitor.kiosk.notice import make_notice_screen
from monitor.kiosk.supervision.heartbeat import Heartbeat
from monitor.kiosk.window_heartbeat import WindowHeartbeat
from monitor.languages import lazy
from monitor.sensor.camera_choice import list_cameras, save_choice, saved_choice
from monitor.session.runtime import KioskRuntime
from monitor.settings.paths import sqlite_file
from monitor.ui.application import APPLICATION_NAME, create_application
from monitor.ui.bridge import LiveBridge
from monitor.ui.camera_picker import CameraPicker, open_camera
from monitor.ui.operator.facts import SessionFacts
from monitor.ui.screen_saver import ScreenSaverInhibitor
from monitor.ui.screens import find_screen, put_on_screen, scale_of
from monitor.ui.shutdown import Quitter, SignalHandler
from monitor.ui.sound import QtSound
from monitor.ui.texts import texts_for
from monitor.ui.window import KioskWindow, NoticeOptions, ReadingsOptions
from monitor.version import VERSION

if TYPE_CHECKING:
    from PyQt5.QtGui import QScreen

    from monitor.kiosk.console_process import OwnConsole
    from monitor.sensor.live import LiveView
    from monitor.settings.models import RunSettings
    from monitor.ui.qt_environment import DisplayProbe
    from monitor.ui.waiting_screen import WaitingScreen

DISPLAY_IS_BACK = "the display is back"


def run_window(
    settings: RunSettings,
    *,
    offscreen: bool = False,
    heartbeat: Heartbeat | None = None,
    display: DisplayProbe | None = None,
    console: OwnConsole | None = None,
    first: WaitingScreen | None = None,
) -> int | None:
    """Run the kiosk with its window, or in memory if `offscreen`, until it ends or is asked to.

    Return the session's id; `None` if it was asked to end before the session began. If `display`,
    which does not open now, opens later, the run fails, so that the supervisor restarts it there.
    The window `first` stays until the kiosk's is there.

    Raises:
        SetupError, SessionFailedError: See `KioskRuntime`.
    """
    application = create_application(offscreen=offscreen)
    screen = find_screen(settings.screen)
    bridge: LiveBridge[LiveView] = LiveBridge()
    quitter = Quitter()
    failures: list[str] = []
    window_heartbeat = WindowHeartbeat(heartbeat or Heartbeat())
    quitter.quitting.connect(window_heartbeat.stop)
    with ErrorGuard() as guard, SignalHandler(lambda name: quitter.quit(f"stopped by {name}")):
        if first is not None:
            first.quit_requested.connect(lambda: quitter.quit("the window was closed"))
        asked = None if offscreen else _with_chosen_camera(settings, screen, quitter)
        if not offscreen and asked is None:
            return None
        settings = asked or with_saved_camera(settings)
        if settings.notice == "required" and settings.no_camera is None:
            notice = _notice_alone(settings, screen, quitter)
            if first is not None:
                first.dismiss()
            first = notice

        def should_continue() -> bool:
            application.processEvents()
            return not quitter.entered

        try:
            sound = QtSound(volume=settings.volume)
            announce = partial(say_code, settings)
            kiosk = KioskRuntime(settings, bridge.publish, sound, announce)
            kiosk.notice_shown = None if offscreen else False  # in memory nobody sees it
            quitter.quitting.connect(
                lambda: window_heartbeat.restart() if kiosk.commands.is_restart_due else None
            )
            if not kiosk.start(should_continue):
                return None
            quitter.add("the kiosk", lambda: kiosk.stop(quitter.reason or "stopped"))
            quitter.add("the sound", sound.close)
            quitter.add("the bridge", bridge.close)
            window = _open_window(kiosk, bridge, settings, screen, quitter, guard, console)
            if not offscreen:
                _follow_screen(window, kiosk)
            window.failed.connect(failures.append)
            window.failed.connect(lambda: quitter.quit("failed"))
            window_heartbeat.watch(window.ad_view)
            if display is not None:
                _quit_when_it_opens(display, window, quitter)
        finally:
            if first is not None:
                first.dismiss()
        application.exec_()
    _raise_failure(failures, quitter, guard, kiosk)
    set_up.ask_here(settings, console, screen, heartbeat or Heartbeat())
    return kiosk.session_id


def _raise_failure(
    failures: list[str], quitter: Quitter, guard: ErrorGuard, kiosk: KioskRuntime
) -> None:
    """Raise why the run failed, if it did."""
    if failures:
        raise SessionFailedError(f"The ads stopped: {failures[0]}", kiosk.session_id)
    if quitter.reason == DISPLAY_IS_BACK:
        raise SessionFailedError(f"The session ended: {DISPLAY_IS_BACK}.", kiosk.session_id)
    if guard.flooded:
        raise SessionFailedError(TOO_MANY_ERRORS, kiosk.session_id)
    for name, error in quitter.errors:
        if isinstance(error, SessionFailedError):
            raise error
        raise SessionFailedError(f"Closing {name} failed: {error}", kiosk.session_id) from error


def _open_window(  # noqa: PLR0917 (the parts of one session, handed over once)
    kiosk: KioskRuntime,
    bridge: LiveBridge[LiveView],
    settings: RunSettings,
    screen: QScreen | None,
    quitter: Quitter,
    guard: ErrorGuard,
    console: OwnConsole | None,
) -> KioskWindow:
    """Open the window of a session; keep it until the application's loop has ended."""
    saver = ScreenSaverInhibitor(APPLICATION_NAME)
    saver.inhibit()
    quitter.add("the screen saver", saver.release)
    window = KioskWindow(
        kiosk.player,
        bridge,
        language=settings.language,
        notice=NoticeOptions(
            settings.notice_languages,
            settings.notice_url,
            required=settings.notice == "required",
            measures=settings.no_camera is None,
        ),
        readings=ReadingsOptions(settings.overlay, kiosk.calibration, kiosk.labels),
        session=replace(
            _session_facts(kiosk, settings, guard),
            can_set_up=console is not None and console.can_set_up,
            pages=lambda: None if console is None else console.pages,
        ),
        saver=lambda: saver.method,
    )
    quitter.add("the window", window.close)
    if console is not None:
        set_up.follow(console, window, quitter)
    kiosk.commands.painted_ad = window.ad_view.snapshot

    def check() -> None:
        if not guard.flooded:
            kiosk.tick()
        reason = "failed" if guard.flooded else kiosk.ended
        if reason is not None:
            quitter.quit(reason)

    # Nothing is recorded before the notice was painted.
    window.notice.shown.connect(kiosk.measure)
    if settings.notice == "required":
        window.notice.hidden.connect(
            lambda: kiosk.pause_measuring("notice", lazy("the notice was not on the screen"))
        )
    window.quit_requested.connect(lambda: quitter.quit("the window was closed"))
    window.finished.connect(lambda: quitter.quit(kiosk.ended or "all loops are done"))
    checks = QTimer(window)
    checks.timeout.connect(check)
    checks.start(200)
    quitter.add("the checks", checks.stop)
    window.begin(fullscreen=settings.fullscreen, screen=screen)
    return window


def _follow_screen(window: KioskWindow, kiosk: KioskRuntime) -> None:
    """Tell the kiosk whether its notice is on the screen, and how to show its name there."""
    notice = window.notice
    kiosk.commands.show_name = window.name_card.show_name

    def follow() -> None:
        kiosk.notice_shown = notice.state == "shown"

    notice.shown.connect(follow)
    notice.hidden.connect(follow)


def _quit_when_it_opens(display: DisplayProbe, window: KioskWindow, quitter: Quitter) -> None:
    def check() -> None:
        if display.is_back():
            quitter.quit(DISPLAY_IS_BACK)

    timer = QTimer(window)
    timer.timeout.connect(check)
    timer.start(1000)
    quitter.add("the display's probe", display.close)
    quitter.add("the display's timer", timer.stop)


def _session_facts(kiosk: KioskRuntime, settings: RunSettings, guard: ErrorGuard) -> SessionFacts:
    file = sqlite_file(settings.database)
    return SessionFacts(
        session_id=kiosk.session_id,
        site=settings.site,
        source=kiosk.source,
        database=settings.database,
        database_folder=None if file is None else file.absolute().parent,
        version=VERSION,
        began_ns=kiosk.began_ns,
        playlist_problem=lambda: kiosk.playlist_problem,
        database_problem=lambda: kiosk.database_problem,
        left_out=lambda: [(ad.ad_id, ad.reason) for ad in kiosk.playlist.skipped],
        errors=lambda: guard.count,
        kind=kiosk.session_kind,
        uplink=lambda: kiosk.uplink,
        names_source=settings.source is not None,
    )


def _with_chosen_camera(
    settings: RunSettings, screen: QScreen | None, quitter: Quitter
) -> RunSettings | None:
    """Ask which of several new cameras to use; return `None` if the operator gives up."""
    if settings.source is not None or settings.no_camera is not None:
        return settings
    there = list_cameras()
    kept = saved_choice(there)
    unclear = kept is None and len(there) > 1 if settings.picker is None else settings.picker
    if unclear and there:
        texts, scale = texts_for(settings.language), scale_of(screen)
        mounted = Orientation.clockwise(settings.mount.rotate)
        opener = partial(open_camera, mounted=mounted)
        picker = CameraPicker(there, texts, scale=scale, first=kept, open_source=opener)
        quitter.quitting.connect(picker.reject)
        put_on_screen(picker, screen)
        picker.exec_()
        if picker.cancelled or quitter.entered:
            return None
        kept = picker.chosen
        if kept is not None and picker.by_hand:
            save_choice(kept)
    return settings if kept is None else settings.model_copy(update={"source": kept.source})


def _notice_alone(settings: RunSettings, screen: QScreen | None, quitter: Quitter) -> WaitingScreen:
    """Show the notice alone for the required time; return its window, which stays for now."""
    notice = make_notice_screen(settings)
    loop = QEventLoop()
    notice.shown.connect(loop.quit)
    notice.quit_requested.connect(lambda: quitter.quit("the window was closed"))
    quitter.quitting.connect(loop.quit)
    notice.begin(fullscreen=settings.fullscreen, screen=screen)
    loop.exec_()
    return notice
