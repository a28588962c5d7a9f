from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from PyQt5.QtCore import QEvent, Qt
from PyQt5.QtGui import QColor, QKeyEvent
from PyQt5.QtWidgets import QDialog

from detector.errors import SourceLostError, SourceOpenError
from detector.sources.recording import PacedRecording
from detector.sources.video_source import VideoSource
from detector.types import Frame
from monitor.sensor.camera_choice import Camera
from monitor.ui.camera_picker import MAX_SEARCH_S, PREVIEW_WIDTH_PX, CameraPicker, CameraWatch
from monitor.ui.texts import texts_for

GREEN, BLUE, BROKEN, SLOW = Camera(0, "Green"), Camera(2, "Blue"), Camera(4), Camera(6, "Slow")
COLOURS = {GREEN: (20, 200, 40), BLUE: (220, 60, 10)}  # BGR


class FakeSource(VideoSource):
    """A camera that sees one colour, 50 times a second, until it is told to fail."""

    live = True
    frame_rate = 50.0

    def __init__(self, camera, log):
        self.camera, self.log = camera, log
        self.lost = False
        self.frames = 0
        self.closed = False
        log.append(("open", camera, threading.current_thread().name))

    def read(self):
        time.sleep(0.02)
        if self.lost:
            raise SourceLostError("The camera gives no more pictures.")
        self.frames += 1
        image = np.full((720, 1280, 3), COLOURS[self.camera], np.uint8)
        return Frame(image, time.monotonic_ns(), self.frames)

    def close(self):
        if not self.closed:
            self.log.append(("close", self.camera, threading.current_thread().name))
        self.closed = True


@pytest.fixture
def cameras():
    """Opens fakes; `log` says what was opened and closed, `sources` holds the sources."""

    class Cameras:
        def __init__(self):
            self.log = []
            self.sources = {}
            self.gate = threading.Event()

        def __call__(self, camera):
            if camera is SLOW:
                self.gate.wait(300)
            if camera not in COLOURS:
                self.log.append(("failed", camera, ""))
                raise SourceOpenError(f"Camera {camera.index} cannot be opened.")
            self.sources[camera] = FakeSource(camera, self.log)
            return self.sources[camera]

    made = Cameras()
    yield made
    made.gate.set()


@pytest.fixture
def now():
    return [0.0]


@pytest.fixture
def make_picker(qtbot, cameras, now):
    made = []

    def build(there=(GREEN, BLUE, BROKEN), **more):
        more = {"open_source": cameras, "clock": lambda: now[0]} | more
        picker = CameraPicker(there, texts_for("en"), **more)
        qtbot.addWidget(picker)
        made.append(picker)
        picker.show()
        qtbot.waitExposed(picker)
        return picker

    yield build
    for picker in made:
        picker.reject()


def shows(picker, camera):
    middle = picker.preview.rect().center()
    blue, green, red = COLOURS[camera]
    return QColor(picker.preview.grab().toImage().pixel(middle)).getRgb()[:3] == (red, green, blue)


def test_the_list_has_every_camera_and_the_first_one_is_seen_live(make_picker, qtbot, cameras):
    picker = make_picker()
    names = [picker.list.item(row).text() for row in range(picker.list.count())]
    assert names == ["Green (Camera\u00a00)", "Blue (Camera\u00a02)", "Camera\u00a04"]
    assert picker.focusWidget() is picker.list
    assert not picker.use.isEnabled()
    qtbot.waitUntil(picker.use.isEnabled, timeout=300_000)
    assert shows(picker, GREEN)
    read = cameras.sources[GREEN].frames
    qtbot.waitUntil(lambda: cameras.sources[GREEN].frames > read + 5, timeout=300_000)


def test_a_choice_by_keyboard_alone(make_picker, qtbot, cameras):
    picker = make_picker()
    qtbot.waitUntil(picker.use.isEnabled, timeout=300_000)
    qtbot.keyClick(picker.list, Qt.Key.Key_Down)
    assert not picker.use.isEnabled()
    qtbot.waitUntil(lambda: picker.use.isEnabled() and shows(picker, BLUE), timeout=300_000)
    qtbot.keyClick(picker.list, Qt.Key.Key_Return)
    assert picker.result() == QDialog.DialogCode.Accepted
    assert (picker.chosen, picker.by_hand, picker.cancelled) == (BLUE, True, False)
    # Each was opened and closed by the one thread, and both are free before the dialog is gone.
    assert cameras.log == [
        (what, camera, "camera-preview")
        for what, camera in (("open", GREEN), ("close", GREEN), ("open", BLUE), ("close", BLUE))
    ]


def test_escape_gives_up_and_releases_the_camera(make_picker, qtbot, cameras):
    picker = make_picker()
    qtbot.waitUntil(picker.use.isEnabled, timeout=300_000)
    qtbot.keyClick(picker.list, Qt.Key.Key_Escape)
    assert not picker.isVisible()
    assert (picker.chosen, picker.cancelled) == (None, True)
    assert cameras.log[-1][:2] == ("close", GREEN)


def test_closing_the_window_gives_up_too(make_picker):
    picker = make_picker()
    picker.close()
    assert picker.cancelled
    assert not picker.isVisible()


def test_the_buttons_are_reached_by_tab_and_the_focus_is_seen(make_picker, qtbot):
    picker = make_picker()
    qtbot.waitUntil(picker.use.isEnabled, timeout=300_000)
    order = []
    for _ in range(3):
        order.append(picker.focusWidget())
        focused = picker.focusWidget()
        edge = focused.grab().toImage()
        assert QColor(edge.pixel(edge.width() // 2, 1)).name() == "#e69f00"
        qtbot.keyClick(focused, Qt.Key.Key_Tab)
    assert set(order) == {picker.list, picker.use, picker.cancel}
    assert picker.focusWidget() is order[0]
    edge = picker.cancel.grab().toImage()
    assert QColor(edge.pixel(edge.width() // 2, 1)).name() != "#e69f00"
    picker.use.setFocus()
    qtbot.keyClick(picker.use, Qt.Key.Key_Space)
    assert picker.chosen is GREEN


def test_a_camera_without_a_picture_cannot_be_used(make_picker, qtbot):
    picker = make_picker(first=BROKEN)
    assert picker.selected is BROKEN
    qtbot.waitUntil(lambda: "No picture" in picker.preview.message, timeout=300_000)
    assert not picker.use.isEnabled()
    qtbot.keyClick(picker.list, Qt.Key.Key_Return)
    assert picker.isVisible()
    assert picker.chosen is None
    qtbot.keyClick(picker.list, Qt.Key.Key_Home)
    qtbot.waitUntil(picker.use.isEnabled, timeout=300_000)


def test_something_moves_until_the_camera_gives_a_picture(make_picker, qtbot, cameras):
    picker = make_picker((GREEN, SLOW))
    picker.list.setCurrentRow(1)
    assert picker.busy.isVisible()
    cameras.gate.set()
    qtbot.waitUntil(picker.busy.isHidden, timeout=300_000)
    assert picker.preview.message == texts_for("en")["picker_no_picture"]
    picker.list.setCurrentRow(0)
    qtbot.waitUntil(picker.use.isEnabled, timeout=300_000)
    assert picker.busy.isHidden()


def test_a_camera_that_is_pulled_out_is_noticed(make_picker, qtbot, cameras):
    picker = make_picker()
    qtbot.waitUntil(picker.use.isEnabled, timeout=300_000)
    cameras.sources[GREEN].lost = True
    qtbot.waitUntil(lambda: not picker.use.isEnabled(), timeout=300_000)
    assert "No picture" in picker.preview.message
    assert cameras.sources[GREEN].closed


def test_without_a_key_the_selected_camera_is_taken_and_that_is_no_choice(make_picker, qtbot, now):
    picker = make_picker(first=BLUE)
    qtbot.waitUntil(picker.use.isEnabled, timeout=300_000)
    assert "in 60\N{NO-BREAK SPACE}s" in picker.countdown.text()
    now[0] = 59.0
    qtbot.waitUntil(lambda: "in 1\N{NO-BREAK SPACE}s" in picker.countdown.text(), timeout=300_000)
    assert picker.isVisible()
    now[0] = 60.5
    qtbot.waitUntil(lambda: not picker.isVisible(), timeout=300_000)
    assert (picker.chosen, picker.by_hand, picker.cancelled) == (BLUE, False, False)


def test_without_a_key_cameras_are_tried_until_one_gives_a_picture(make_picker, qtbot, now):
    picker = make_picker((BROKEN, Camera(5), BLUE))
    qtbot.waitUntil(lambda: "No picture" in picker.preview.message, timeout=300_000)
    now[0] = 61.0
    qtbot.waitUntil(lambda: not picker.isVisible(), timeout=300_000)
    assert (picker.chosen, picker.by_hand, picker.cancelled) == (BLUE, False, False)


def test_without_a_key_and_a_picture_the_show_begins_without_a_choice(
    make_picker, qtbot, now, cameras
):
    picker = make_picker((BROKEN, Camera(5)))
    now[0] = 61.0
    qtbot.waitUntil(lambda: not picker.isVisible(), timeout=300_000)
    assert (picker.chosen, picker.by_hand, picker.cancelled) == (None, False, False)
    assert [entry[0] for entry in cameras.log] == ["failed", "failed"]


def test_a_driver_that_hangs_does_not_hold_the_show(make_picker, qtbot, now, cameras, monkeypatch):
    close = CameraWatch.close
    monkeypatch.setattr(CameraWatch, "close", lambda watch: close(watch, 0.1))
    picker = make_picker((SLOW, BLUE))
    now[0] = 61.0
    qtbot.wait(400)
    assert picker.isVisible()
    now[0] = 61.0 + MAX_SEARCH_S
    qtbot.waitUntil(lambda: not picker.isVisible(), timeout=300_000)
    assert (picker.chosen, picker.cancelled) == (None, False)
    cameras.gate.set()


def test_a_key_stops_the_countdown(make_picker, qtbot, now):
    picker = make_picker()
    qtbot.waitUntil(picker.use.isEnabled, timeout=300_000)
    qtbot.keyClick(picker.list, Qt.Key.Key_Up)
    assert picker.countdown.text() == ""
    now[0] = 10_000.0
    qtbot.wait(600)
    assert picker.isVisible()
    assert picker.chosen is None


def test_it_can_wait_for_ever(make_picker, qtbot, now):
    picker = make_picker(unattended_after_s=None)
    now[0] = 1e9
    qtbot.wait(600)
    assert picker.isVisible()
    assert picker.countdown.text() == ""


def test_a_held_key_runs_through_the_list_and_the_last_camera_wins(make_picker, qtbot, cameras):
    many = tuple(Camera(number, "x") for number in range(20)) + (BLUE,)
    picker = make_picker(many)
    for _ in range(30):
        held = QKeyEvent(
            QEvent.Type.KeyPress, Qt.Key.Key_Down, Qt.KeyboardModifier.NoModifier, "", True
        )
        picker.list.keyPressEvent(held)
    qtbot.waitUntil(lambda: picker.use.isEnabled() and shows(picker, BLUE), timeout=300_000)
    assert picker.selected is BLUE


def test_german_and_larger(qtbot, cameras):
    picker = CameraPicker((GREEN,), texts_for("de"), scale=1.5, open_source=cameras)
    qtbot.addWidget(picker)
    assert picker.use.text() == "Diese Kamera verwenden"
    assert picker.list.item(0).text() == "Green (Kamera\u00a00)"
    assert picker.list.font().pixelSize() == 26
    picker.reject()


def test_no_camera_is_no_choice():
    with pytest.raises(ValueError, match="expected at least one, received none"):
        CameraPicker((), texts_for("en"))


def test_nothing_of_the_picture_reaches_the_disk(make_picker, qtbot, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    picker = make_picker()
    qtbot.waitUntil(picker.use.isEnabled, timeout=300_000)
    picker.reject()
    assert list(tmp_path.rglob("*")) == []


def test_a_real_video_source_is_shown_reduced_and_released(qtbot, demo_video):
    seen = []
    closed = []

    class Video(PacedRecording):
        def close(self):
            closed.append(threading.current_thread().name)
            super().close()

    watch = CameraWatch(seen.append, lambda _camera: Video(demo_video, loop=True))
    watch.watch(GREEN)
    qtbot.waitUntil(lambda: len(seen) >= 4, timeout=300_000)
    assert all(view.camera is GREEN for view in seen)
    assert all(
        view.picture.shape[1] <= PREVIEW_WIDTH_PX and view.picture.dtype == np.uint8
        for view in seen
    )
    assert not np.array_equal(seen[0].picture, seen[-1].picture)
    assert watch.close()
    assert watch.close()
    assert closed == ["camera-preview"]
    count = len(seen)
    watch.watch(BLUE)
    time.sleep(0.1)
    assert len(seen) == count


@pytest.mark.logs_errors
def test_a_bug_in_one_source_leaves_the_others(qtbot, cameras, caplog):
    seen = []

    def open_one(camera):
        if camera is GREEN:
            raise RuntimeError("a bug")
        return cameras(camera)

    watch = CameraWatch(seen.append, open_one)
    watch.watch(GREEN)
    qtbot.waitUntil(lambda: bool(seen), timeout=300_000)
    assert seen[0].picture is None
    assert "preview of camera 0 failed" in caplog.text
    watch.watch(BLUE)
    qtbot.waitUntil(lambda: seen[-1].picture is not None, timeout=300_000)
    assert watch.close()
