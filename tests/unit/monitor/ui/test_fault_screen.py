from __future__ import annotations

import pytest
from PyQt5.QtCore import Qt

from monitor.ui.fault_screen import Fault, FaultScreen
from monitor.ui.texts import languages, texts_for

SENTENCE = "The playlist /home/shop/ads/summer.yaml cannot be read; check its permissions. " * 4


@pytest.fixture
def make(qtbot):
    def build(kind="playlist", language="en", again_after_s=30.0, clock=lambda: 0.0, **more):
        fault = Fault(kind, SENTENCE, **more)
        screen = FaultScreen(texts_for(language), fault, again_after_s, clock=clock)
        qtbot.addWidget(screen)
        return screen

    return build


@pytest.mark.parametrize("size", [(1920, 1080), (1024, 600), (1080, 1920), (480, 800), (320, 240)])
@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("kind", ["settings", "playlist", "database", "command", "other"])
def test_all_of_it_is_said_and_fits(make, kind, language, size):
    texts = texts_for(language)
    screen = make(kind, language, place="/home/shop/ads/summer.yaml", log="/var/log/run.log")
    width, height = size
    document = screen.fitting_document(0.9 * width, 0.7 * height, 0.5)
    shown = document.toPlainText()
    for part in (
        *(texts[f"fault_{kind}"], SENTENCE.strip(), texts[f"fault_do_{kind}"]),
        *(texts["fault_help"], "/home/shop/ads/summer.yaml", "/var/log/run.log"),
    ):
        assert part in shown
    assert document.size().height() <= 0.7 * height
    screen.resize(*size)
    assert not screen.grab().isNull()


def test_what_is_not_known_has_no_line(make):
    shown = make().fitting_document(1000, 1000, 1.0).toPlainText()
    assert texts_for("en")["fault_log"] not in shown
    assert texts_for("en")["fault_place_playlist"] + ":" not in shown


def test_a_name_is_text_and_no_markup(make):
    screen = make(place="/ads/<b>summer</b>.yaml")
    assert "/ads/<b>summer</b>.yaml" in screen.fitting_document(900, 900, 1.0).toPlainText()


def test_it_counts_down_and_asks_to_try_again_once(make, qtbot):
    now, asked = [0.0], []
    screen = make(clock=lambda: now[0])
    screen.retry_requested.connect(lambda: asked.append(1))
    assert "30" in screen.last_line
    now[0] = 12.5
    assert "18" in screen.last_line
    now[0] = 31.0
    qtbot.waitUntil(lambda: bool(asked), timeout=300_000)
    qtbot.wait(300)
    assert asked == [1]


def test_without_a_time_only_somebody_tries_again(make):
    assert make(again_after_s=None).last_line == texts_for("en")["fault_keys"]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (Qt.Key.Key_Return, ["again"]),
        (Qt.Key.Key_Enter, ["again"]),
        (Qt.Key.Key_Q, ["quit"]),
        (Qt.Key.Key_Escape, ["quit"]),
        (Qt.Key.Key_N, []),
    ],
)
def test_the_keys_that_it_names(make, qtbot, key, expected):
    asked = []
    screen = make()
    screen.retry_requested.connect(lambda: asked.append("again"))
    screen.quit_requested.connect(lambda: asked.append("quit"))
    screen.begin(fullscreen=False)
    qtbot.keyClick(screen, key)
    assert asked == expected
