from __future__ import annotations

import signal

import pytest
from PyQt5.QtCore import Qt

from monitor.kiosk import notice
from monitor.kiosk.notice import open_start_screen
from monitor.settings.models import RunSettings
from monitor.ui.texts import languages, texts_for
from monitor.ui.waiting_screen import StartScreen


@pytest.fixture
def make(qtbot):
    def build(language="en", size=(1280, 720), **more):
        texts = texts_for(language)
        screen = StartScreen(texts, [texts], "example.org/privacy", **more)
        screen.resize(*size)
        qtbot.addWidget(screen)
        return screen

    return build


@pytest.mark.parametrize("size", [(1280, 720), (480, 800), (320, 240)])
@pytest.mark.parametrize("language", languages())
def test_it_says_that_the_kiosk_starts_above_the_whole_notice(make, language, size):
    screen = make(language, size)
    assert not screen.grab().isNull()
    assert screen.notice.geometry().bottom() == size[1] - 1
    assert screen.ad_view.geometry().bottom() < screen.notice.geometry().top()
    assert texts_for(language)["notice"] in screen.notice.text


def test_without_a_camera_the_notice_says_so(make):
    assert make(measures=False).notice.text == texts_for("en")["notice_no_camera"]


@pytest.mark.parametrize("key", [Qt.Key.Key_Q, Qt.Key.Key_Escape])
def test_a_key_ends_the_start_and_the_kiosk_does_not(make, qtbot, key):
    asked = []
    screen = make()
    screen.quit_requested.connect(lambda: asked.append("quit"))
    screen.begin(fullscreen=False)
    screen.dismiss()
    assert asked == []
    assert not screen.isVisible()
    screen = make()
    screen.quit_requested.connect(lambda: asked.append("quit"))
    screen.begin(fullscreen=False)
    qtbot.keyClick(screen, key)
    assert asked == ["quit"]
    assert not screen.isVisible()


def test_it_is_painted_once_it_is_open(qapp, qtbot):
    settings = RunSettings(language="de", notice_languages=("en", "de"))
    screen = open_start_screen(settings)
    qtbot.addWidget(screen)
    assert screen.isVisible()
    assert len(screen.notice.text.splitlines()) == 2
    screen.dismiss()


def test_ctrl_c_before_the_kiosk_has_begun_closes_the_window_and_is_passed_on(qapp, monkeypatch):
    opened = []

    class Screen(StartScreen):
        def begin(self, **options):
            opened.append(self)
            super().begin(**options)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(notice, "StartScreen", Screen)
    with pytest.raises(KeyboardInterrupt):
        open_start_screen(RunSettings())
    assert [screen.isVisible() for screen in opened] == [False]
