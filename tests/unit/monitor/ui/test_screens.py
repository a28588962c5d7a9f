from __future__ import annotations

from types import SimpleNamespace

import pytest
from PyQt5.QtCore import QRect, QSize
from PyQt5.QtGui import QGuiApplication
from PyQt5.QtWidgets import QWidget

from monitor.errors import SetupError
from monitor.ui.screens import (
    describe,
    fill_screen,
    fills_screen,
    find_screen,
    put_on_screen,
    scale_of,
)


class FakeScreen:
    def __init__(self, name, width, height, x=0, ratio=1.0):
        self._name, self._ratio = name, ratio
        self._geometry = QRect(x, 0, width, height)

    def name(self):
        return self._name

    def size(self):
        return self._geometry.size()

    def geometry(self):
        return self._geometry

    def availableGeometry(self):
        return self._geometry.adjusted(0, 30, 0, 0)

    def devicePixelRatio(self):
        return self._ratio


@pytest.fixture
def screens(monkeypatch):
    made = [FakeScreen("eDP-1", 1920, 1080), FakeScreen("HDMI-1", 1920, 1080, x=1920, ratio=2.0)]
    monkeypatch.setattr(QGuiApplication, "screens", lambda: made)
    monkeypatch.setattr(QGuiApplication, "primaryScreen", lambda: made[0])
    return made


def test_screens_are_counted_from_one(screens):
    assert find_screen(1) is screens[0]
    assert find_screen(2) is screens[1]
    assert find_screen(None) is None


@pytest.mark.parametrize("number", [3, 99])
def test_a_number_too_high_lists_those_that_are_there(screens, number):
    with pytest.raises(SetupError) as refused:
        find_screen(number)
    assert str(refused.value) == (
        f"There is no screen {number}: expected 1 to 2 (1 is eDP-1, 1920 x 1080 (main screen); "
        "2 is HDMI-1, 3840 x 2160); choose one with --screen."
    )


def test_without_a_screen_and_with_a_single_one(screens):
    del screens[1]
    with pytest.raises(SetupError, match=r"expected 1 \(1 is eDP-1"):
        find_screen(2)
    screens.clear()
    with pytest.raises(SetupError, match="no screen is connected"):
        find_screen(1)


def test_a_screen_is_described_in_its_own_pixels(screens):
    assert describe(screens[1]) == "HDMI-1, 3840 x 2160"


def test_everything_is_drawn_as_large_as_the_screen_asks(screens, qapp):
    assert scale_of(screens[0]) == pytest.approx(1050 / 720)
    assert scale_of(None) == scale_of(screens[0])


def test_a_window_is_put_in_the_middle_of_its_screen(qtbot, monkeypatch):
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(1280, 720)
    handed = []
    monkeypatch.setattr(window, "windowHandle", lambda: SimpleNamespace(setScreen=handed.append))
    screen = FakeScreen("HDMI-1", 1920, 1080, x=1920)
    put_on_screen(window, screen)
    assert handed == [screen]
    assert window.size() == QSize(1280, 720)
    assert abs(window.geometry().center().x() - (1920 + 960)) <= 1
    assert abs(window.geometry().center().y() - (30 + 525)) <= 1


def test_a_window_is_not_larger_than_its_screen(qtbot, qapp):
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(5000, 4000)
    put_on_screen(window, qapp.primaryScreen())
    assert window.size() == qapp.primaryScreen().availableGeometry().size()


def test_without_a_choice_the_window_stays_where_it_is(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    window.setGeometry(11, 22, 333, 222)
    put_on_screen(window, None)
    assert window.geometry() == QRect(11, 22, 333, 222)


def test_full_screen_fills_the_screen_also_where_no_window_manager_helps(qtbot, qapp, monkeypatch):
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(400, 300)
    assert not fills_screen(window)
    monkeypatch.setattr(QGuiApplication, "platformName", lambda: "xcb")
    fill_screen(window)
    assert window.geometry() == qapp.primaryScreen().geometry()
    assert fills_screen(window)
    window.showNormal()
    window.setGeometry(10, 10, 400, 300)
    assert not fills_screen(window)
