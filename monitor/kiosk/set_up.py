"""The set-up of a new kiosk from its window: by phone beside the ads, or here in their place."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QApplication

from detector.sources.orientation import Orientation
from monitor.errors import MonitorError
from monitor.kiosk.headless import SET_UP
from monitor.kiosk.supervision.heartbeat import Phase
from monitor.sensor.camera_choice import list_cameras
from monitor.session.first_run import ads_folder, decline, finish
from monitor.settings.paths import console_database
from monitor.ui.camera_picker import CameraPicker, open_camera
from monitor.ui.first_run.wizard import SetupWizard
from monitor.ui.screens import put_on_screen, scale_of
from monitor.ui.shutdown import SignalHandler
from monitor.ui.texts import known_language, texts_for
from monitor.uplink.address import own_address

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PyQt5.QtGui import QScreen

    from monitor.kiosk.console_process import OwnConsole
    from monitor.kiosk.supervision.heartbeat import Heartbeat
    from monitor.sensor.camera_choice import Camera
    from monitor.session.first_run import Draft
    from monitor.settings.console_order import ConsoleOrder
    from monitor.settings.models import RunSettings
    from monitor.ui.shutdown import Quitter
    from monitor.ui.texts import Texts
    from monitor.ui.window import KioskWindow

PHONE_FOR_MS = 15 * 60_000
"""How long a phone in the network may set the kiosk up before the page is closed again."""


def follow(
    console: OwnConsole,
    window: KioskWindow,
    quitter: Quitter,
    find_address: Callable[[], str | None] = own_address,
) -> None:
    """Offer the set-up over the ads, and end the session once the kiosk has to start again."""
    card = window.setup_card
    texts = window.texts
    closing = QTimer(window)
    closing.setSingleShot(True)

    def check() -> None:
        if closing.isActive() and console.link is not None:
            card.show_link(console.link)
        if console.is_set_up():
            quitter.quit(SET_UP)

    def phone() -> None:
        address = find_address()
        if address is None or address.startswith("127."):
            card.show_message(texts["setup_no_network"])
            return
        card.show_message(texts["setup_opening"])
        console.open(address)
        closing.start(PHONE_FOR_MS)

    def here() -> None:
        console.wants_wizard = True
        check()

    def close() -> None:
        closing.stop()
        console.close()

    def later() -> None:
        decline()
        console.is_declined = True
        if closing.isActive():
            close()

    timer = QTimer(window)
    timer.timeout.connect(check)
    timer.start(500)
    quitter.add("the console's timer", timer.stop)
    if console.can_set_up:
        closing.timeout.connect(close)
        closing.timeout.connect(lambda: card.show_message(""))
        card.phone.connect(phone)
        card.here.connect(here)
        card.declined.connect(later)
        card.offer(visible=not console.is_declined)


def ask_here(
    settings: RunSettings, console: OwnConsole | None, screen: QScreen | None, heartbeat: Heartbeat
) -> None:
    """Ask for everything in the window if somebody wants that; what is answered is written.

    No session runs meanwhile, so the camera is free.
    """
    if console is None or not console.wants_wizard or (order := console.order) is None:
        return
    language, scale = known_language(settings.language), scale_of(screen)
    texts = texts_for(language)
    cameras = list_cameras()
    wizard = SetupWizard(
        cameras,
        language,
        ads=ads_folder(order.database),
        choose_camera=lambda: _choose_camera(cameras, settings, texts, scale, screen),
        finish=partial(_finish, order),
        needs_password=not _has_account(order),
        scale=scale,
    )
    beats = QTimer(wizard)
    beats.timeout.connect(lambda: heartbeat.beat(Phase.STARTING))
    beats.start(1000)
    put_on_screen(wizard, screen)
    # An exception in Qt's loop would end the process with a core dump.
    with SignalHandler(lambda _name: _close_dialogs()) as signals:
        wizard.exec_()
    beats.stop()
    if signals.received:
        # The kiosk ends instead of starting again.
        console.wants_wizard = False


def _close_dialogs() -> None:
    """Close the dialog that is open, and those from which it was opened."""
    while (dialog := QApplication.activeModalWidget()) is not None and dialog.close():
        pass


def _choose_camera(
    cameras: Sequence[Camera],
    settings: RunSettings,
    texts: Texts,
    scale: float,
    screen: QScreen | None,
) -> Camera | None:
    mounted = Orientation.clockwise(settings.mount.rotate)
    picker = CameraPicker(
        cameras,
        texts,
        scale=scale,
        open_source=partial(open_camera, mounted=mounted),
        unattended_after_s=None,
    )
    put_on_screen(picker, screen)
    picker.exec_()
    return None if picker.cancelled else picker.chosen


def _finish(order: ConsoleOrder, draft: Draft, password: str) -> str:
    """Write the answers; return what is wrong, or an empty text."""
    from db.errors import DatabaseError  # noqa: PLC0415 (only once in a kiosk's life)

    try:
        if password:
            _make_account(order, password)
        finish(order.settings_file, draft, ads_folder(order.database))
    except (MonitorError, DatabaseError) as error:
        return str(error)
    return ""


def _has_account(order: ConsoleOrder) -> bool:
    from db.engine import open_database  # noqa: PLC0415
    from db.errors import DatabaseError  # noqa: PLC0415
    from db.hub.people.accounts import has_administrator, members  # noqa: PLC0415

    path = console_database(order.database)
    if not path.exists():
        return False
    try:
        engine = open_database(str(path), read_only=True)
    except DatabaseError:
        return False
    with engine.connect() as connection:
        found = has_administrator(connection) and any(
            one.account.has_password for one in members(connection)
        )
    engine.dispose()
    return found


def _make_account(order: ConsoleOrder, password: str) -> None:
    """Make the first account of the console.

    Raises:
        PasswordError: The password is too short or too long.
        DatabaseError: The console's database cannot be used.
    """
    from db.engine import open_database, writing  # noqa: PLC0415
    from db.hub.audit import note  # noqa: PLC0415
    from db.hub.people import accounts  # noqa: PLC0415
    from monitor.hub.people.passwords import hash_password  # noqa: PLC0415

    hashed = hash_password(password)
    engine = open_database(str(console_database(order.database)), private=True)
    now = datetime.now(UTC)
    with writing(engine) as connection:
        token, account = accounts.invite(connection, "admin", "admin", now)
        accounts.set_password(connection, token, hashed, now)
        after = {"role": account.role}
        note(connection, account.name, "user.set_password", account.name, now, after=after)
    engine.dispose()
