from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PyQt5.QtCore import Qt, QTimer
from PyQt5.QtGui import QColor

from ads.errors import AdsError, MediaError
from ads.player.transition import Blend
from detector.types import Box
from monitor.ui import cards
from monitor.ui.ad_view import rgb_from_image
from monitor.ui.bridge import LiveBridge
from monitor.ui.operator.facts import SessionFacts
from monitor.ui.texts import LanguageError
from monitor.ui.window import KioskWindow, NoticeOptions, ReadingsOptions
from monitor.uplink.status import UplinkStatus
from tests.unit.monitor.ui.conftest import FakePicture

NOTICE = NoticeOptions(url="example.org/privacy")
DEMO = SessionFacts(1, "Shop 12", "demo", "monitor.db", None, "1.0.0", 0, kind="demo")


@pytest.fixture
def bridge(qtbot):
    bridge = LiveBridge()
    yield bridge
    bridge.close()


@pytest.fixture
def make_window(qtbot, bridge, player):
    def build(*, fullscreen=False, screen=None, **more):
        window = KioskWindow(player, bridge, **({"notice": NOTICE} | more))
        qtbot.addWidget(window)
        window.begin(fullscreen=fullscreen, screen=screen)
        qtbot.waitExposed(window)
        return window

    return build


def press(qtbot, window, key):
    qtbot.keyClick(window, key)


def middle(window):
    return QColor(
        window.ad_view.grab().toImage().pixel(window.width() // 2, window.height() // 2)
    ).getRgb()[:3]


def test_pictures_of_the_player_reach_the_screen(make_window, qtbot, player, make_picture):
    window = make_window()
    assert not window.ad_view.has_picture
    player.pictures.append(make_picture((10, 200, 30)))
    qtbot.waitUntil(lambda: window.ad_view.has_picture, timeout=300_000)
    assert middle(window) == (10, 200, 30)
    advanced = player.advanced
    qtbot.waitUntil(lambda: player.advanced > advanced + 5, timeout=300_000)
    assert middle(window) == (10, 200, 30)  # without a new picture the last one stays


def parts(window):
    """The places of ad and notice."""
    return window.ad_view.geometry(), window.notice.geometry()


def test_ad_and_notice_share_the_window_which_begins_with_the_notice(make_window):
    window = make_window()
    ad, notice = parts(window)
    assert ad.united(notice) == window.rect()
    assert not ad.intersects(notice)
    assert window.notice.isVisible()
    assert "example.org/privacy" in window.notice.text
    assert window.notice.geometry().bottom() == window.rect().bottom()
    assert window.notice.width() == window.width()
    assert window.overlay.isVisible()
    assert not window.overlay.geometry().intersects(window.notice.geometry())


def test_the_player_learns_the_size_in_pixels_first_at_once_then_when_it_rests(
    make_window, qtbot, player
):
    window = make_window()
    assert player.calls == [(1280, 720 - window.notice.height())]
    first = player.calls[0]
    for width in (700, 800, 900):
        window.resize(width, 500)
    qtbot.waitUntil(lambda: len(player.calls) > 1, timeout=300_000)
    assert player.calls == [first, (900, 500 - window.notice.height())]


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (1920, 1080), (320, 240)])
def test_every_shape_of_window_keeps_notice_and_overlay_apart(
    make_window, bridge, make_view, make_reading, size
):
    window = make_window()
    window.resize(*size)
    window.overlay.show_view(make_view(make_reading(), preview=np.zeros((90, 160, 3), np.uint8)))
    window.overlay.refresh_view()
    assert window.rect().contains(window.notice.geometry())
    assert window.rect().contains(window.overlay.geometry())
    assert not window.overlay.geometry().intersects(window.notice.geometry())
    window.grab()


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"notice": NoticeOptions(["de", "en"], NOTICE.url)},
        {"notice": NoticeOptions(["de", "en"], "https://example.org/" + "privacy/" * 24)},
        {"notice": NoticeOptions(url=NOTICE.url, measures=False)},
    ],
)
def test_the_notice_never_covers_the_ad(make_window, more):
    window = make_window(**more)

    @settings(max_examples=40, deadline=None)
    @given(width=st.integers(640, 3840), height=st.integers(480, 2160), upright=st.booleans())
    @example(width=640, height=480, upright=False)
    @example(width=640, height=480, upright=True)
    @example(width=3840, height=2160, upright=True)
    @example(width=3840, height=480, upright=False)
    def holds(width, height, upright):
        window.resize(*((height, width) if upright else (width, height)))
        ad, notice = parts(window)
        assert not ad.intersects(notice)
        assert ad.united(notice) == window.rect()
        assert ad.height() >= window.height() // 2, "the ad has at least half of the window"
        assert notice.height() >= window.notice.natural_height(window.width()), "all of the text"
        assert not window.overlay.geometry().intersects(notice)

    holds()


def test_no_pixel_of_the_ad_is_under_the_notice_and_none_of_the_notice_on_the_ad(
    make_window, qtbot, player, make_picture
):
    window = make_window(readings=ReadingsOptions(shown=False))
    for size in ((1280, 720), (640, 480), (720, 1280)):
        window.resize(*size)
        ad, notice = parts(window)
        player.pictures.append(make_picture((10, 200, 30), ad.width(), ad.height()))
        qtbot.waitUntil(lambda: not player.pictures, timeout=300_000)
        image = window.grab().toImage()
        for y in range(0, window.height(), 3):
            colours = {image.pixelColor(x, y).getRgb()[:3] for x in range(0, window.width(), 7)}
            if y < notice.top():
                assert colours == {(10, 200, 30)}
            else:
                assert (10, 200, 30) not in colours


def test_in_full_screen_nobody_sees_their_own_face_unless_asked_for(make_window, qtbot):
    window = make_window()
    assert window.overlay.isVisible()
    press(qtbot, window, Qt.Key.Key_F)
    assert not window.overlay.isVisible()
    press(qtbot, window, Qt.Key.Key_O)
    assert window.overlay.isVisible()
    press(qtbot, window, Qt.Key.Key_O)
    assert not window.overlay.isVisible()
    press(qtbot, window, Qt.Key.Key_F)
    assert window.overlay.isVisible(), "in the window it is as it was"
    window.showFullScreen()
    assert not window.overlay.isVisible(), "whoever switches"


@pytest.mark.parametrize(("asked", "shown"), [(None, False), (True, True), (False, False)])
def test_a_kiosk_that_begins_in_full_screen(make_window, asked, shown):
    assert (
        make_window(fullscreen=True, readings=ReadingsOptions(asked)).overlay.isVisible() == shown
    )


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (640, 480), (3840, 2160)])
@pytest.mark.parametrize("fullscreen", [False, True])
def test_a_demonstration_says_so_over_the_ad_in_every_state(
    make_window, qtbot, player, make_picture, fullscreen, size
):
    window = make_window(session=DEMO, fullscreen=fullscreen)
    window.resize(*size)

    def mark():
        return window.demo_mark.geometry()

    for key in (Qt.Key.Key_O, Qt.Key.Key_Space, Qt.Key.Key_O, Qt.Key.Key_N):
        press(qtbot, window, key)
        assert window.demo_mark.isVisible()
        assert window.ad_view.geometry().contains(mark())
        if window.overlay.isVisible():
            assert not mark().intersects(window.overlay.geometry())
        assert mark().width() >= 0.3 * window.width()
    press(qtbot, window, Qt.Key.Key_Space)
    player.pictures.append(make_picture((0, 0, 0)))
    qtbot.waitUntil(lambda: window.ad_view.has_picture, timeout=300_000)
    image = window.grab(mark()).toImage()
    bright = sum(
        image.pixelColor(x, y).lightness() > 120
        for x in range(0, image.width(), 4)
        for y in range(0, image.height(), 4)
    )
    assert bright > 0.1 * (image.width() / 4) * (image.height() / 4)


def test_with_customers_nothing_is_written_over_the_ad(make_window):
    window = make_window()
    assert not window.demo_mark.isVisible()
    assert not window.code_badge.isVisible()


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (320, 240)])
def test_a_kiosk_shows_the_code_with_which_its_hub_accepts_it(make_window, size):
    state = UplinkStatus("pairing", "https://hub")
    facts = SessionFacts(1, "Shop", "0", "kiosk.db", None, "0.1.0", 0, uplink=lambda: state)
    window = make_window(session=facts)
    window.resize(*size)
    badge = window.code_badge
    assert not badge.isVisible()
    state = UplinkStatus("pairing", "https://hub", "K7M-2QX")
    badge.look()
    assert badge.isVisible()
    assert badge.code == "K7M-2QX"
    assert window.ad_view.geometry().contains(badge.geometry())
    assert not badge.geometry().intersects(window.notice.geometry())
    state = UplinkStatus("joined", "https://hub")
    badge.look()
    assert not badge.isVisible()


def test_views_of_the_bridge_reach_the_overlay(make_window, qtbot, bridge, make_view, make_reading):
    window = make_window()
    bridge.publish(make_view(make_reading(5)))
    qtbot.waitUntil(lambda: window.overlay.bars.title == "Viewer 5", timeout=300_000)


def test_a_view_from_before_the_window_is_shown_and_does_not_block_later_ones(
    make_window, qtbot, qapp, bridge, make_view, make_reading
):
    bridge.publish(make_view(make_reading(1)))
    qapp.processEvents()  # the wake-up is delivered while nobody is connected yet
    window = make_window()
    qtbot.waitUntil(lambda: "1 viewer" in window.overlay.status.text, timeout=300_000)
    bridge.publish(make_view(make_reading(1), make_reading(2)))
    qtbot.waitUntil(lambda: "2 viewers" in window.overlay.status.text, timeout=300_000)


@pytest.mark.parametrize("key", [Qt.Key.Key_N, Qt.Key.Key_Right])
def test_next_ad(make_window, qtbot, player, key):
    window = make_window()
    player.calls.clear()
    press(qtbot, window, key)
    assert player.calls == ["skip"]


def test_pause_and_go_on(make_window, qtbot, player):
    window = make_window()
    player.calls.clear()
    press(qtbot, window, Qt.Key.Key_Space)
    assert player.calls == ["pause"]
    assert window.paused_badge.isVisible()
    press(qtbot, window, Qt.Key.Key_Space)
    assert player.calls == ["pause", "resume"]
    assert not window.paused_badge.isVisible()


def test_the_badge_follows_the_player_whoever_paused_it(make_window, qtbot, player):
    window = make_window()
    player.paused = True
    qtbot.waitUntil(window.paused_badge.isVisible, timeout=300_000)
    player.paused = False
    qtbot.waitUntil(lambda: not window.paused_badge.isVisible(), timeout=300_000)


def test_overlay_off_and_on(make_window, qtbot):
    window = make_window()
    press(qtbot, window, Qt.Key.Key_O)
    assert not window.overlay.isVisible()
    assert window.notice.isVisible()
    press(qtbot, window, Qt.Key.Key_O)
    assert window.overlay.isVisible()


def test_the_overlay_can_be_off_from_the_start(make_window):
    assert not make_window(readings=ReadingsOptions(shown=False)).overlay.isVisible()


@pytest.mark.parametrize("key", [Qt.Key.Key_H, Qt.Key.Key_Question])
def test_help_lists_the_keys_and_goes_away(make_window, qtbot, key):
    window = make_window()
    assert not window.help_card.isVisible()
    press(qtbot, window, key)
    assert window.help_card.isVisible()
    assert ("Space", "pause, resume") in window.help_card.rows
    timer = window.help_card.findChild(QTimer)
    assert timer.isActive()
    timer.timeout.emit()
    assert not window.help_card.isVisible()
    press(qtbot, window, key)
    press(qtbot, window, key)
    assert not window.help_card.isVisible()
    assert not timer.isActive()


@pytest.mark.parametrize("key", [Qt.Key.Key_F, Qt.Key.Key_F11])
def test_full_screen_by_key_hides_the_cursor_and_escape_leaves_it(make_window, qtbot, key):
    window = make_window()
    quits = []
    window.quit_requested.connect(lambda: quits.append(1))
    press(qtbot, window, key)
    assert window.isFullScreen()
    assert window.cursor().shape() == Qt.CursorShape.BlankCursor
    press(qtbot, window, Qt.Key.Key_Escape)
    assert not window.isFullScreen()
    assert window.cursor().shape() == Qt.CursorShape.ArrowCursor
    assert quits == []
    press(qtbot, window, Qt.Key.Key_Escape)
    assert quits == [1]


def test_escape_quits_a_kiosk_that_began_in_full_screen(make_window, qtbot):
    window = make_window(fullscreen=True)
    assert window.isFullScreen()
    assert window.cursor().shape() == Qt.CursorShape.BlankCursor
    with qtbot.waitSignal(window.quit_requested, timeout=300_000):
        press(qtbot, window, Qt.Key.Key_Escape)
    assert not window.isVisible()


def test_q_quits_once_and_nothing_runs_on(make_window, qtbot, player, bridge, make_view):
    window = make_window()
    quits = []
    window.quit_requested.connect(lambda: quits.append(1))
    press(qtbot, window, Qt.Key.Key_H)
    press(qtbot, window, Qt.Key.Key_Q)
    window.close()
    window.close()
    assert quits == [1]
    assert not window.isVisible()
    assert [timer for timer in window.findChildren(QTimer) if timer.isActive()] == []
    advanced = player.advanced
    bridge.publish(make_view())
    qtbot.wait(50)
    assert player.advanced == advanced


def test_the_player_learns_when_a_picture_was_painted(make_window, qtbot, player, make_picture):
    make_window()
    picture = make_picture((10, 200, 30))
    player.pictures.append(picture)
    qtbot.waitUntil(lambda: player.seen == [picture], timeout=300_000)


def test_f1_opens_the_operator_panel_and_f1_or_escape_closes_it(
    make_window, qtbot, player, bridge, make_view, make_reading
):
    session = SessionFacts(12, "Shop 12", "camera 0", "monitor.db", None, "0.1.0", 0)
    window = make_window(session=session, saver=lambda: "x11", clock=lambda: 3_600_000_000_000)
    player.current = None
    bridge.publish(make_view(make_reading(1), make_reading(2)))
    qtbot.waitUntil(lambda: "2 viewers" in window.overlay.status.text, timeout=300_000)
    panel = window.operator_panel
    assert not panel.isVisible()
    press(qtbot, window, Qt.Key.Key_F1)
    assert panel.isVisible()
    facts = {row.label: row.text for section in panel.sections for row in section.rows if row.label}
    assert facts["Session"] == "12 at Shop 12"
    assert facts["Uptime"] == "1\N{NO-BREAK SPACE}h 00\N{NO-BREAK SPACE}min"
    assert facts["Faces now"] == "2 viewers · 2 looking"
    assert facts["Screen saver"] == "held off by the X server"
    press(qtbot, window, Qt.Key.Key_F1)
    assert not panel.isVisible()
    quits = []
    window.quit_requested.connect(lambda: quits.append(1))
    press(qtbot, window, Qt.Key.Key_F1)
    press(qtbot, window, Qt.Key.Key_H)
    assert window.help_card.isVisible()
    press(qtbot, window, Qt.Key.Key_Escape)
    assert not panel.isVisible()
    assert not window.help_card.isVisible()
    assert quits == []
    press(qtbot, window, Qt.Key.Key_Escape)
    assert quits == [1]


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (640, 480)])
def test_the_panel_never_covers_the_notice(make_window, qtbot, player, size):
    player.current = None
    window = make_window()
    window.resize(*size)
    press(qtbot, window, Qt.Key.Key_F1)
    assert window.operator_panel.isVisible()
    assert not window.operator_panel.geometry().intersects(window.notice.geometry())
    window.grab()


def test_keys_work_while_the_panel_is_open(make_window, qtbot, player):
    player.current = None
    window = make_window()
    press(qtbot, window, Qt.Key.Key_F1)
    player.calls.clear()
    press(qtbot, window, Qt.Key.Key_N)
    press(qtbot, window, Qt.Key.Key_Space)
    assert player.calls == ["skip", "pause"]


def test_the_notice_is_announced_when_it_is_painted_and_when_it_is_hidden(make_window, qtbot):
    window = make_window()
    states = []
    window.notice.shown.connect(lambda: states.append("shown"))
    window.notice.hidden.connect(lambda: states.append("hidden"))
    qtbot.waitUntil(lambda: states == ["shown"], timeout=300_000)
    window.showMinimized()
    qtbot.waitUntil(lambda: states == ["shown", "hidden"], timeout=300_000)
    window.showNormal()
    qtbot.waitUntil(lambda: states == ["shown", "hidden", "shown"], timeout=300_000)
    window.close()
    assert states == ["shown", "hidden", "shown", "hidden"]


def test_no_key_hides_the_notice(make_window, qtbot, player):
    player.current = None
    window = make_window()
    for key in range(Qt.Key.Key_A, Qt.Key.Key_Z + 1):
        if key != Qt.Key.Key_Q:
            press(qtbot, window, key)
    for key in (Qt.Key.Key_F1, Qt.Key.Key_Space, Qt.Key.Key_Tab, Qt.Key.Key_Return):
        press(qtbot, window, key)
    assert window.notice.isVisible()
    assert window.notice.visibleRegion().boundingRect() == window.notice.rect()


@pytest.mark.parametrize(
    ("required", "minimised", "said"),
    [
        (False, False, None),
        (False, True, None),
        (True, False, None),
        (True, True, "paused: the notice is not visible"),
    ],
)
def test_the_panel_says_why_nothing_is_measured(
    make_window, qtbot, player, required, minimised, said
):
    player.current = None
    window = make_window(notice=NoticeOptions(required=required))
    with qtbot.waitSignal(window.notice.shown, timeout=300_000):
        pass
    if minimised:
        with qtbot.waitSignal(window.notice.hidden, timeout=300_000):
            window.showMinimized()
    measuring = window.operator_facts()[0]
    assert [row.text for row in measuring.rows if row.label == ""] == ([said] if said else [])


def test_black_and_no_words_between_two_ads_with_a_wash_out(
    make_window, qtbot, player, make_picture
):
    window = make_window()
    player.pictures.append(make_picture((10, 200, 30)))
    qtbot.waitUntil(lambda: window.ad_view.has_picture, timeout=300_000)
    player.resting, player.current = True, None
    qtbot.waitUntil(lambda: not window.ad_view.has_picture, timeout=300_000)
    assert middle(window) == (0, 0, 0)
    image = window.ad_view.grab().toImage()
    assert {image.pixel(x, image.height() // 2) & 0xFFFFFF for x in range(image.width())} == {0}


def test_a_window_can_begin_on_a_named_screen(make_window, qapp):
    [screen] = qapp.screens()
    window = make_window(screen=screen)
    assert window.windowHandle().screen() is screen
    assert screen.geometry().contains(window.geometry().center())


def test_a_key_without_meaning_and_a_held_key_do_nothing(make_window, qtbot, player):
    from PyQt5.QtCore import QEvent
    from PyQt5.QtGui import QKeyEvent

    window = make_window()
    player.calls.clear()
    press(qtbot, window, Qt.Key.Key_X)
    held = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_N, Qt.KeyboardModifier.NoModifier, "n", True)
    window.keyPressEvent(held)
    assert player.calls == []
    assert window.isVisible()


@pytest.mark.logs_errors
@pytest.mark.parametrize("kind", [MediaError, AdsError])
def test_when_no_ad_can_be_played_it_is_said_once(make_window, qtbot, player, make_picture, kind):
    window = make_window()
    said = []
    window.failed.connect(said.append)
    player.pictures.append(make_picture((1, 2, 3)))
    qtbot.waitUntil(lambda: window.ad_view.has_picture, timeout=300_000)
    player.error = kind("No ad of the playlist can be played.")
    qtbot.waitUntil(lambda: bool(said), timeout=300_000)
    advanced = player.advanced
    qtbot.wait(50)
    assert said == ["No ad of the playlist can be played."]
    assert player.advanced == advanced
    assert not window.ad_view.has_picture
    assert window.notice.isVisible()


def test_a_bug_in_the_player_reaches_the_exception_hook_once(make_window, qtbot, player):
    window = make_window()
    said = []
    window.failed.connect(said.append)
    with qtbot.capture_exceptions() as exceptions:
        player.error = RuntimeError("a bug")
        qtbot.waitUntil(lambda: bool(exceptions), timeout=300_000)
        qtbot.wait(50)
    assert [str(error) for _, error, _ in exceptions] == ["a bug"]
    assert said == ["internal error (RuntimeError: a bug)"]


def test_the_end_of_the_show_is_told_once(make_window, qtbot, player):
    window = make_window()
    ends = []
    window.finished.connect(lambda: ends.append(1))
    player.finished = True
    qtbot.waitUntil(lambda: bool(ends), timeout=300_000)
    qtbot.wait(50)
    assert ends == [1]


def test_an_ad_whose_play_has_ended_does_not_stay(make_window, qtbot, player, make_picture):
    window = make_window()
    player.pictures.append(make_picture((10, 200, 30)))
    qtbot.waitUntil(lambda: window.ad_view.has_picture, timeout=300_000)
    player.current = None
    qtbot.waitUntil(lambda: not window.ad_view.has_picture, timeout=300_000)
    player.current = "the next play"
    player.pictures.append(make_picture((90, 20, 30)))
    qtbot.waitUntil(lambda: window.ad_view.has_picture, timeout=300_000)
    assert middle(window) == (90, 20, 30)


def test_the_filler_stays_while_nothing_may_play(make_window, qtbot, player, make_picture):
    window = make_window()
    player.current, player.filling = None, True
    player.pictures.append(make_picture((10, 20, 200)))
    qtbot.waitUntil(lambda: window.ad_view.has_picture, timeout=300_000)
    qtbot.wait(50)
    assert middle(window) == (10, 20, 200)


def test_a_show_that_begins_with_nothing_to_play_says_so(make_window, qtbot, player, monkeypatch):
    player.current = None
    window = make_window()
    said = []
    monkeypatch.setattr(window.ad_view, "show_message", lambda *words: said.append(words))
    qtbot.waitUntil(lambda: bool(said), timeout=300_000)
    assert said[0] == (window.texts["idle"], window.texts["idle_hint"])


def test_german_and_a_notice_in_two_languages(make_window):
    window = make_window(language="de", notice=NoticeOptions(["de", "en"], "example.org/privacy"))
    assert window.overlay.status.text == "Kamera startet"
    assert window.notice.text.splitlines()[0].startswith("Hier zählt eine Kamera")
    assert window.notice.text.splitlines()[1].startswith("A camera here")


def test_an_unknown_language_is_refused(player, bridge):
    with pytest.raises(LanguageError, match="expected one of de, en"):
        KioskWindow(player, bridge, language="xx")


def test_on_a_screen_of_double_density_each_pixel_of_the_picture_is_one_of_the_device():
    # The density is fixed when the application starts, so this needs a process of its own.
    program = """
from types import SimpleNamespace
import numpy as np
from monitor.ui.application import create_application
application = create_application(offscreen=True)
from monitor.ui.bridge import LiveBridge
from monitor.ui.window import KioskWindow
class Player:
    paused = finished = False
    current = "a play"
    def advance(self): return None
    def painted(self, picture): pass
    def set_viewport(self, width, height): self.viewport = width, height
player = Player()
window = KioskWindow(player, LiveBridge())
window.resize(640, 360)
window.begin()
width, height = player.viewport
rgb = np.zeros((height, width, 3), np.uint8)
rgb[:, ::2] = 255
window.ad_view.show_picture(SimpleNamespace(rgb=rgb, blend=None, fit="contain", backdrop=None))
image = window.ad_view.grab().toImage()
row = [image.pixel(x, 200) & 255 for x in range(400, 408)]
print(window.devicePixelRatioF(), player.viewport, (image.width(), image.height()), row, sep="\\n")
window.close()
"""
    environ = dict(os.environ, QT_SCALE_FACTOR="2")
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ratio, viewport, size, row = done.stdout.strip().splitlines()
    assert (ratio, row) == ("2.0", "[255, 0, 255, 0, 255, 0, 255, 0]")
    assert viewport == size
    assert viewport.startswith("(1280, ")


def test_the_picture_of_the_painted_ad_never_contains_the_cameras_preview(
    make_window, qtbot, player, make_picture, make_view, make_reading
):
    # Stripes as no ad has them; a camera's picture is scaled and mirrored, its colours stay.
    mark = np.zeros((90, 160, 3), np.uint8)
    mark[:, ::2], mark[:, 1::2] = (255, 0, 255), (0, 255, 255)

    def marked(rgb):
        red, green, blue = (rgb[..., channel].astype(int) for channel in range(3))
        magenta = (red > 150) & (blue > 150) & (green < 120)
        cyan = (green > 150) & (blue > 150) & (red < 120)
        return int((magenta | cyan).sum())

    for size in ((1280, 720), (720, 1280), (1920, 1080)):
        window = make_window(readings=ReadingsOptions(shown=True), session=DEMO)
        window.resize(*size)
        player.pictures.append(make_picture((200, 120, 0)))
        qtbot.waitUntil(lambda window=window: window.ad_view.has_picture, timeout=300_000)
        view = make_view(make_reading(box=Box(0.0, 0.0, 0.01, 0.01)), preview=mark)
        window.overlay.show_view(view)
        window.overlay.refresh_view()
        window.name_card.show_name("Entrance", "Foyer")
        window.help_card.toggle()
        assert window.overlay.isVisible()
        assert marked(rgb_from_image(window.grab().toImage())) > 1000, (
            "the preview is on the screen"
        )
        picture = window.ad_view.snapshot()
        assert marked(picture) == 0
        assert max(picture.shape) <= 1280
        height, width = picture.shape[:2]
        assert width / height == pytest.approx(
            window.ad_view.width() / window.ad_view.height(), rel=0.01
        )
        assert tuple(picture[height // 2, width // 2]) == (200, 120, 0)
        window.close()


def test_a_picture_of_a_cross_fade_and_of_nothing_is_what_is_painted(make_window, qtbot, player):
    window = make_window()
    window.ad_view.show_message("")
    assert window.ad_view.snapshot().max() == 0
    one, other = (np.full((36, 64, 3), value, np.uint8) for value in (200, 100))
    player.pictures.append(FakePicture(one, blend=Blend(other, 0.5)))
    qtbot.waitUntil(lambda: window.ad_view.has_picture, timeout=300_000)
    picture = window.ad_view.snapshot(640)
    assert picture.shape[1] == 640
    assert abs(int(picture[picture.shape[0] // 2, 320, 0]) - 150) <= 1
    painted = rgb_from_image(window.ad_view.grab().toImage())
    assert abs(int(painted[painted.shape[0] // 2, painted.shape[1] // 2, 0]) - 150) <= 1


def test_the_screens_name_lies_over_the_ad_for_some_seconds(make_window, qtbot, monkeypatch):
    monkeypatch.setattr(cards, "SHOWN_MS", 300)
    window = make_window()
    window.resize(800, 600)
    assert not window.name_card.isVisible()
    window.name_card.show_name("Entrance \u202eleft", "Main Street")
    assert window.name_card.isVisible()
    assert "\u202e" not in window.name_card.name
    assert not window.name_card.geometry().intersects(window.notice.geometry())
    assert rgb_from_image(window.name_card.grab().toImage()).max() > 150, "letters are there"
    qtbot.waitUntil(lambda: not window.name_card.isVisible(), timeout=300_000)


def test_the_mark_of_a_demonstration_stays_large_beside_the_phones_code(make_window):
    window = make_window(language="de", session=DEMO)
    window.resize(1080, 1920)
    window.setup_card.offer(visible=True)
    window.setup_card.show_link("http://192.168.178.123:8080/setup#secret=Zk3lYxJ2QpWv8TnB0sRdEg")
    card, mark = window.setup_card.geometry(), window.demo_mark.geometry()
    assert not card.intersects(mark)
    # Beside the card its sentence had half of this width, and letters of half the size.
    assert mark.width() > 0.6 * window.width()
