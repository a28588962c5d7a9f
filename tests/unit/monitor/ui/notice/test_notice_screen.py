from __future__ import annotations

import pytest
from PyQt5.QtCore import Qt
from PyQt5.QtGui import QColor

from monitor.ui import style
from monitor.ui.notice.notice_screen import NoticeScreen, fitting_document
from monitor.ui.screens import is_exposed
from monitor.ui.texts import texts_for

SECOND_NS = 1_000_000_000


class Clock:
    """A clock that is moved by hand, and counts who looks at it."""

    def __init__(self):
        self.now_ns = self.looks = 0

    def __call__(self):
        self.looks += 1
        return self.now_ns


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make_screen(qtbot, clock):
    def build(languages=("en",), url="example.org/privacy", seconds=5.0, language="en"):
        screen = NoticeScreen(
            [texts_for(code) for code in languages],
            url,
            seconds,
            texts_for(language),
            clock=clock,
        )
        qtbot.addWidget(screen)
        screen.told = []
        screen.shown.connect(lambda: screen.told.append("shown"))
        screen.quit_requested.connect(lambda: screen.told.append("quit"))
        return screen

    return build


def looks(qtbot, clock):
    """Wait until the window, which does it ten times a second, has looked at the clock."""
    seen = clock.looks
    qtbot.waitUntil(lambda: clock.looks > seen, timeout=300_000)


def pass_time(qtbot, clock, seconds):
    for _ in range(round(seconds * 4)):
        clock.now_ns += SECOND_NS // 4
        looks(qtbot, clock)


def pass_unwatched(qtbot, clock, seconds):
    """Let time pass while the window has no reason to look at the clock."""
    clock.now_ns += round(seconds * SECOND_NS)
    qtbot.wait(150)


def begins_to_count(qtbot, screen, clock):
    qtbot.waitUntil(lambda: screen._painted and is_exposed(screen), timeout=300_000)
    looks(qtbot, clock)


def test_it_is_shown_when_it_was_on_the_screen_long_enough(make_screen, qtbot, clock):
    screen = make_screen(seconds=1.0)
    screen.begin(fullscreen=False)
    begins_to_count(qtbot, screen, clock)
    assert screen.last_line == "Measuring starts in 1\N{NO-BREAK SPACE}s"
    pass_time(qtbot, clock, 0.75)
    assert screen.told == []
    pass_time(qtbot, clock, 0.25)
    assert screen.told == ["shown"]
    assert screen.last_line == "Starting the camera …"
    pass_unwatched(qtbot, clock, 0.5)
    screen.dismiss()
    assert screen.told == ["shown"]
    assert not screen.isVisible()


def test_time_in_which_nobody_sees_it_does_not_count(make_screen, qtbot, clock):
    screen = make_screen(seconds=1.0)
    pass_unwatched(qtbot, clock, 2)
    assert screen.told == []
    screen.begin(fullscreen=False)
    begins_to_count(qtbot, screen, clock)
    pass_time(qtbot, clock, 0.5)
    screen.hide()
    looks(qtbot, clock)
    pass_time(qtbot, clock, 2)
    assert screen.told == []
    screen.show()
    begins_to_count(qtbot, screen, clock)
    pass_time(qtbot, clock, 0.25)
    assert screen.told == []
    pass_time(qtbot, clock, 0.25)
    assert screen.told == ["shown"]


@pytest.mark.parametrize("key", [Qt.Key.Key_Q, Qt.Key.Key_Escape])
def test_a_key_asks_for_the_end_once(make_screen, qtbot, key):
    screen = make_screen()
    screen.begin(fullscreen=False)
    qtbot.keyClick(screen, Qt.Key.Key_X)
    assert screen.isVisible()
    qtbot.keyClick(screen, key)
    screen.close()
    screen.dismiss()
    assert screen.told == ["quit"]
    assert not screen.isVisible()


def test_in_full_screen_the_cursor_is_hidden(make_screen):
    screen = make_screen()
    screen.begin(fullscreen=True)
    assert screen.isFullScreen()
    assert screen.cursor().shape() == Qt.CursorShape.BlankCursor


def test_all_languages_are_told_to_those_who_hear_the_screen(make_screen):
    screen = make_screen(("de", "en"), language="de")
    assert screen.last_line == "Die Messung beginnt in 5\N{NO-BREAK SPACE}s"
    assert [line[:14] for line in screen.accessibleName().splitlines()] == [
        "Hier zählt ein",
        "A camera here ",
    ]


@pytest.mark.parametrize(
    "size", [(1920, 1080), (1280, 720), (720, 1280), (640, 480), (320, 240), (2560, 1080)]
)
@pytest.mark.parametrize("languages", [("en",), ("de", "en")])
@pytest.mark.parametrize("url", ["", "https://example.org/a-rather-long-path/to/privacy"])
def test_text_code_and_last_line_stay_apart_in_every_shape(
    make_screen, monkeypatch, size, languages, url
):
    from PyQt5.QtCore import QRectF

    from monitor.ui.notice import notice_screen

    places = {}

    def recorded(name, real):
        def draw(painter, place, *rest, **more):
            places[name] = QRectF(place)
            real(painter, place, *rest, **more)

        return draw

    for name in ("draw_camera", "draw_code", "draw_text"):
        monkeypatch.setattr(notice_screen, name, recorded(name, getattr(notice_screen, name)))
    screen = make_screen(languages, url)
    documents = []
    fitting = notice_screen.fitting_document

    def kept(texts, url, width, height, scale):
        documents.append((fitting(texts, url, width, height, scale), width))
        return documents[-1][0]

    monkeypatch.setattr(notice_screen, "fitting_document", kept)
    screen.resize(*size)
    image = screen.grab().toImage()
    document, width = documents[-1]
    camera = places["draw_camera"]
    text = QRectF(camera.center().x() - width / 2, camera.bottom(), width, document.size().height())
    everything = [camera, text, places["draw_text"], *([places["draw_code"]] if url else [])]
    for index, place in enumerate(everything):
        assert QRectF(screen.rect()).adjusted(-1, -1, 1, 1).contains(place), (index, place)
        for other in everything[index + 1 :]:
            assert place.intersected(other).height() < 0.25 * camera.height(), (place, other)
    assert QColor(image.pixel(1, 1)).name() == "#0b0e14"


def test_something_moves_while_the_camera_is_started(make_screen, qtbot, clock):
    screen = make_screen(seconds=0.1)
    screen.begin(fullscreen=False)

    def is_shown():
        clock.now_ns += SECOND_NS
        return screen.told == ["shown"]

    qtbot.waitUntil(is_shown, timeout=300_000)
    pictures = set()

    def has_moved():
        image = screen.grab().toImage()
        pictures.add(image.bits().asstring(image.sizeInBytes()))
        return len(pictures) > 3

    qtbot.waitUntil(has_moved, timeout=300_000)


@pytest.mark.parametrize(
    ("url", "is_whole"), [("https://www.example.org/privacy", True), (f"e.org/{'x' * 90}", False)]
)
def test_the_address_is_not_broken_while_its_letters_are_large_enough(qapp, url, is_whole):
    scale = 1.5
    document = fitting_document([texts_for("de")], url, 912, 900, scale)
    layout = document.firstBlock().layout()
    lines = [layout.lineAt(number) for number in range(layout.lineCount())]
    text = document.firstBlock().text()
    shown = [text[line.textStart() : line.textStart() + line.textLength()] for line in lines]
    plain = [line.replace("\N{WORD JOINER}", "").strip() for line in shown]
    assert any(line.endswith(url) for line in plain) == is_whole
    assert document.defaultFont().pixelSize() >= style.MIN_TEXT * scale
