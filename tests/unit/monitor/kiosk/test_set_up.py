"""What the card over the ads leads to; card and wizard have tests of their own."""

from __future__ import annotations

import signal
import stat

import argon2
import pytest
from PyQt5.QtCore import Qt, QTimer
from PyQt5.QtWidgets import QApplication, QWidget

from db.engine import open_database
from db.hub.people.accounts import find_login
from detector.errors import SourceOpenError
from monitor.hub.people import passwords
from monitor.kiosk import set_up
from monitor.kiosk.headless import SET_UP
from monitor.kiosk.supervision.heartbeat import Heartbeat
from monitor.sensor.camera_choice import Camera
from monitor.session.first_run import Draft, is_declined
from monitor.settings.console_order import ConsoleOrder
from monitor.settings.models import RunSettings
from monitor.settings.paths import console_database
from monitor.settings.sources import SettingsFile
from monitor.ui.camera_picker import CameraPicker
from monitor.ui.first_run.card import SetupCard
from monitor.ui.first_run.wizard import SetupWizard
from monitor.ui.texts import texts_for

LONG_ENOUGH = "four unrelated words here"


class FakeConsole:
    """A console that only notes what it is asked."""

    def __init__(self, *, can_set_up=True, is_declined=False) -> None:
        self.can_set_up, self.is_declined = can_set_up, is_declined
        self.wants_wizard = self.was_set_up = False
        self.link = None
        self.asked = []

    def open(self, host=None):
        self.asked.append(host)

    def close(self):
        self.asked.append("close")

    def is_set_up(self):
        return self.wants_wizard or self.was_set_up


class FakeQuitter:
    """Notes why the session ends."""

    reason = None

    def quit(self, reason):
        self.reason = reason

    def add(self, _name, stop):
        self.stop = stop


@pytest.fixture
def follow(qtbot):
    made = []

    def start(console, address="192.168.1.20"):
        window, quitter = QWidget(), FakeQuitter()
        qtbot.addWidget(window)
        window.texts = texts_for("en")
        window.setup_card = SetupCard(window.texts, window)
        window.resize(1280, 720)
        window.show()
        set_up.follow(console, window, quitter, lambda: address)
        made.append((window, quitter))
        return window.setup_card, quitter

    yield start
    for _window, quitter in made:
        quitter.stop()


def test_a_phone_gets_the_link_at_this_machines_address_while_the_ads_go_on(follow, qtbot):
    console = FakeConsole()
    card, quitter = follow(console)
    assert card.isVisible()
    card.press(Qt.Key.Key_P)
    assert console.asked == ["192.168.1.20"]
    console.link = "http://192.168.1.20:8080/setup#secret=x"
    qtbot.waitUntil(lambda: card.link == console.link, timeout=300_000)
    assert quitter.reason is None
    console.was_set_up = True
    qtbot.waitUntil(lambda: quitter.reason == SET_UP, timeout=300_000)


@pytest.mark.parametrize("address", [None, "127.0.0.1"])
def test_without_a_network_nothing_is_opened(follow, address):
    console = FakeConsole()
    card, _ = follow(console, address)
    card.press(Qt.Key.Key_P)
    assert console.asked == []
    assert "no network" in card.accessibleDescription()


def test_not_now_is_remembered_and_closes_what_is_open(follow):
    console = FakeConsole()
    card, _ = follow(console)
    card.press(Qt.Key.Key_P)
    card.press(Qt.Key.Key_X)
    assert console.asked == ["192.168.1.20", "close"]
    assert card.isHidden()
    assert is_declined()


def test_who_declined_still_has_the_keys_and_a_kiosk_that_is_set_up_has_none(follow):
    console = FakeConsole(is_declined=True)
    card, quitter = follow(console)
    assert card.isHidden()
    card.press(Qt.Key.Key_S)
    assert (console.wants_wizard, quitter.reason) == (True, SET_UP)
    card, _ = follow(FakeConsole(can_set_up=False))
    assert not card.press(Qt.Key.Key_S)


def test_a_signal_closes_the_wizard_and_what_it_opened_and_the_kiosk_ends(
    qapp, tmp_path, monkeypatch
):
    cameras = (Camera(0, "One"), Camera(2, "Two"))
    monkeypatch.setattr(set_up, "list_cameras", lambda: cameras)
    monkeypatch.setattr(set_up, "open_camera", no_camera)
    console = FakeConsole()
    console.wants_wizard = True
    console.order = ConsoleOrder(
        database=tmp_path / "kiosk.db", settings_file=tmp_path / "kiosk.yaml"
    )
    opened = []

    def look():
        dialog = QApplication.activeModalWidget()
        if isinstance(dialog, SetupWizard):
            opened.append(dialog)
            QTimer.singleShot(0, look_again)
            dialog.camera.look.click()
        else:
            QTimer.singleShot(10, look)

    def look_again():
        opened.append(QApplication.activeModalWidget())
        signal.raise_signal(signal.SIGINT)

    QTimer.singleShot(0, look)
    set_up.ask_here(RunSettings(), console, None, Heartbeat())
    assert [type(dialog) for dialog in opened] == [SetupWizard, CameraPicker]
    assert not console.is_set_up()
    assert not console.order.settings_file.exists()


def no_camera(_camera, **_options):
    raise SourceOpenError("There is no camera here.")


def test_the_answers_of_the_window_make_file_and_account(tmp_path, monkeypatch):
    cheap = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(passwords, "hasher", lambda: cheap)
    order = ConsoleOrder(database=tmp_path / "kiosk.db", settings_file=tmp_path / "kiosk.yaml")
    assert not set_up._has_account(order)
    draft = Draft(source="demo", languages=("de",), site="Shop 12", time_zone="Europe/Berlin")
    assert "expected 12 to" in set_up._finish(order, draft, "short")
    assert not order.settings_file.exists()
    assert set_up._finish(order, draft, LONG_ENOUGH) == ""
    assert SettingsFile(order.settings_file).values == {
        "camera.source": "demo",
        "notice.languages": ["de"],
        "data.site": "Shop 12",
        "data.timezone": "Europe/Berlin",
        "console.enabled": True,
    }
    assert set_up._has_account(order)
    database = console_database(order.database)
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    engine = open_database(str(database), read_only=True)
    with engine.connect() as connection:
        account, hashed = find_login(connection, "admin")
    engine.dispose()
    assert account.role == "admin"
    assert passwords.is_right(LONG_ENOUGH, hashed)
    order.settings_file.write_text("data: [wrong\n")
    assert "is not valid YAML" in set_up._finish(order, draft, "")
