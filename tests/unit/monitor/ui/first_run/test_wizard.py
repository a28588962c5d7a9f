"""The set-up in the window, by keyboard and mouse."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest
from PyQt5.QtCore import Qt

from ads.errors import MediaError
from monitor.sensor.camera_choice import Camera
from monitor.session import first_run
from monitor.ui import style
from monitor.ui.first_run.wizard import MAX_AD_BYTES, SetupWizard
from monitor.ui.texts import languages, texts_for

CAMERAS = (Camera(0, "HD Pro Webcam", path="/dev/v4l/by-id/cam"), Camera(2, "Other"))
LONG_ENOUGH = "four unrelated words here"


@pytest.fixture
def make(qtbot, tmp_path):
    def build(cameras=CAMERAS, language="en", **more):
        finished = []

        def finish(draft, password):
            finished.append((draft, password))
            return ""

        values = {"choose_camera": lambda: CAMERAS[1], "finish": finish, **more}
        wizard = SetupWizard(cameras, language, ads=tmp_path / "ads", **values)
        wizard.finished_with = finished
        qtbot.addWidget(wizard)
        wizard.show()
        qtbot.waitExposed(wizard)
        return wizard

    return build


def until_done(qtbot, wizard):
    qtbot.waitUntil(lambda: not wizard.is_busy, timeout=300_000)


def fill_place(wizard):
    wizard.place.site.setText("Shop 12")
    wizard.place.zone.setCurrentText("Europe/Berlin")
    wizard.place.password.setText(LONG_ENOUGH)
    wizard.place.again.setText(LONG_ENOUGH)


def test_the_keyboard_alone_goes_through_all_steps(make, qtbot):
    wizard = make()
    for step in range(3):
        assert wizard.step == step
        qtbot.keyClick(wizard, Qt.Key.Key_Return)
    fill_place(wizard)
    qtbot.keyClick(wizard, Qt.Key.Key_Return)
    assert wizard.steps[wizard.step].name == "check"
    assert "Shop 12, Europe/Berlin" in wizard.check.summary.text()
    qtbot.keyClick(wizard, Qt.Key.Key_Return)
    until_done(qtbot, wizard)
    [(draft, password)] = wizard.finished_with
    assert password == LONG_ENOUGH
    assert (draft.source, draft.own_ads, draft.languages) == ("/dev/v4l/by-id/cam", False, ("en",))
    assert (draft.site, draft.time_zone) == ("Shop 12", "Europe/Berlin")
    assert not wizard.isVisible()


def test_escape_gives_up_and_writes_nothing(make, qtbot):
    wizard = make()
    qtbot.keyClick(wizard, Qt.Key.Key_Escape)
    assert not wizard.isVisible()
    assert wizard.finished_with == []


def test_a_camera_is_chosen_by_its_picture(make, qtbot):
    wizard = make()
    qtbot.mouseClick(wizard.camera.look, Qt.MouseButton.LeftButton)
    wizard.go_on()
    assert wizard.draft.source == "2"
    assert wizard.camera.camera.text() == "Other"
    qtbot.keyClick(wizard, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
    assert wizard.step == 0
    wizard.camera.no_camera.setChecked(True)
    wizard.go_on()
    assert wizard.draft.source == "none"


def test_without_a_camera_the_demo_viewer_is_taken(make):
    wizard = make(cameras=())
    assert not wizard.camera.camera.isEnabled()
    assert wizard.focusWidget() is wizard.camera.demo
    wizard.go_on()
    assert wizard.draft.source == "demo"


def test_a_network_camera_is_named_by_its_address(make, qtbot):
    wizard = make(cameras=())
    qtbot.keyClicks(wizard.camera.address, "camera.local")
    assert wizard.camera.network.isChecked()
    wizard.go_on()
    assert "such as rtsp://camera.local/stream" in wizard.problem.text()
    wizard.camera.address.setText("rtsp://ann:secret@camera.local/stream")
    wizard.go_on()
    assert (wizard.step, wizard.draft.source) == (1, "rtsp://ann:secret@camera.local/stream")
    wizard.show_step(4)
    assert "camera.local/stream" in wizard.check.summary.text()
    assert "secret" not in wizard.check.summary.text()


def test_files_are_chosen_at_home(make, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(
        "monitor.ui.first_run.steps.QFileDialog.getOpenFileNames",
        lambda *said, **_options: (asked.append(said), ([], ""))[1],
    )
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path)
    make().ads.choose.click()
    [(_, _, folder, kinds)] = asked
    assert folder == str(tmp_path)
    assert "*.mp4 *.MP4" in kinds


def test_dropped_files_are_checked_and_copied(make, qtbot, tmp_path):
    wizard = make()
    wizard.show_step(1)
    wizard.ads.own_ads.setChecked(True)
    wizard.go_on()
    assert "no ads of your own" in wizard.problem.text()
    noise = np.random.default_rng(1).integers(0, 255, (90, 160, 3), dtype=np.uint8)
    good, bad = tmp_path / "summer.png", tmp_path / "letter.txt"
    cv2.imwrite(str(good), noise)
    bad.write_text("no ad")
    wizard.take_files([good, bad])
    until_done(qtbot, wizard)
    assert "letter.txt cannot be used" in wizard.problem.text()
    assert [wizard.ads.list.item(n).text() for n in range(wizard.ads.list.count())] == [
        "summer.png"
    ]
    wizard.go_on()
    assert wizard.draft.own_ads
    assert good.exists()


def listed(wizard):
    return [wizard.ads.list.item(n).text() for n in range(wizard.ads.list.count())]


def draw(file):
    noise = np.random.default_rng(1).integers(0, 255, (90, 160, 3), dtype=np.uint8)
    cv2.imwrite(str(file), noise)


def test_dropped_folders_give_their_ads_and_what_is_left_out_is_said(make, qtbot, tmp_path):
    wizard = make()
    wizard.show_step(1)
    ads, notes = tmp_path / "our ads", tmp_path / "notes"
    for folder in (ads, notes):
        folder.mkdir()
    draw(ads / "summer.png")
    (ads / "letter.txt").write_text("no ad")
    large = tmp_path / "film.mp4"
    with large.open("wb") as file:
        file.truncate(MAX_AD_BYTES + 1)
    wizard.take_files([ads, notes, large])
    until_done(qtbot, wizard)
    assert listed(wizard) == ["summer.png"]
    assert wizard.problem.text().splitlines() == [
        "notes contains no pictures or videos.",
        "film.mp4 is larger than 4 GB and cannot be used.",
    ]


def test_an_ad_taken_by_mistake_is_removed(make, qtbot, tmp_path):
    draw(tmp_path / "summer.png")
    draw(tmp_path / "winter.png")
    wizard = make()
    wizard.show_step(1)
    wizard.take_files([tmp_path / "summer.png", tmp_path / "winter.png"])
    until_done(qtbot, wizard)
    assert not wizard.ads.remove.isEnabled()
    wizard.ads.list.setCurrentRow(0)
    wizard.ads.remove.click()
    assert listed(wizard) == ["winter.png"]
    assert not wizard.ads.remove.isEnabled()
    assert not (tmp_path / "ads" / "summer.png").exists()
    assert (tmp_path / "summer.png").exists()


def test_the_list_of_ads_takes_the_room_that_is_left(make, qtbot):
    wizard = make()
    wizard.show_step(1)
    before = wizard.ads.list.height()
    wizard.resize(wizard.width(), wizard.height() + 200)
    qtbot.waitUntil(lambda: wizard.ads.list.height() == before + 200, timeout=300_000)


@pytest.fixture
def hanging_check(monkeypatch):
    """A check of files that says that the first is done, and goes on until it is asked to stop."""
    goes_on = threading.Event()

    def check(parts, limit, note):
        note(parts[0][0])
        while not goes_on.wait(0.01):
            limit.raise_if_stopped()
        return [MediaError("not an ad")] * len(parts)

    monkeypatch.setattr(first_run, "check_apart", check)
    yield goes_on
    goes_on.set()


def start_to_take(wizard, qtbot, tmp_path):
    names = ("autumn.png", "summer.png", "winter.png")
    for name in names:
        draw(tmp_path / name)
    wizard.show_step(1)
    wizard.take_files([tmp_path / name for name in names])
    said = "Files checked: 1 of 3. Now: autumn.png"
    qtbot.waitUntil(lambda: wizard.problem.text() == said, timeout=300_000)


def colour_of(label):
    return label.palette().color(label.foregroundRole()).name()


def test_while_files_are_checked_the_window_moves_and_says_how_far_it_is(
    make, qtbot, tmp_path, hanging_check
):
    wizard = make()
    start_to_take(wizard, qtbot, tmp_path)
    pictures = set()

    def has_moved():
        image = wizard.busy.grab().toImage()
        pictures.add(image.bits().asstring(image.sizeInBytes()))
        return len(pictures) > 3

    qtbot.waitUntil(has_moved, timeout=300_000)
    assert not wizard.next.isEnabled()
    assert not wizard.ads.choose.isEnabled()
    assert colour_of(wizard.problem) == style.TEXT_SOFT.name()
    wizard.take_files([tmp_path / "summer.png"])  # too early, and left out
    hanging_check.set()
    until_done(qtbot, wizard)
    assert wizard.next.isEnabled()
    assert wizard.busy.isHidden()
    assert len(wizard.problem.text().splitlines()) == 3
    assert colour_of(wizard.problem) == style.WARNING.name()


def test_escape_stops_the_check_and_keeps_the_window(make, qtbot, tmp_path, hanging_check):
    wizard = make()
    start_to_take(wizard, qtbot, tmp_path)
    qtbot.keyClick(wizard, Qt.Key.Key_Escape)
    until_done(qtbot, wizard)
    assert wizard.isVisible()
    assert wizard.problem.text() == "Stopped: none of these files was taken."
    assert list((tmp_path / "ads").iterdir()) == []


def test_closing_the_window_stops_the_check(make, qtbot, tmp_path, hanging_check):
    wizard = make()
    start_to_take(wizard, qtbot, tmp_path)
    wizard.close()
    assert not wizard.isVisible()
    folder = tmp_path / "ads"
    qtbot.waitUntil(lambda: list(folder.iterdir()) == [], timeout=300_000)


def test_what_is_being_written_is_not_left_and_an_error_of_the_program_is_said(make, qtbot):
    written = threading.Event()

    def finish(_draft, _password):
        written.wait()
        raise ValueError("no such thing")

    wizard = make(finish=finish, needs_password=False)
    try:
        wizard.show_step(4)
        wizard.go_on()
        wizard.close()
        assert wizard.isVisible()
        assert wizard.busy.isVisible()
    finally:
        written.set()
    until_done(qtbot, wizard)
    assert wizard.problem.text() == "no such thing"


def test_what_is_wrong_is_said_in_the_language_of_the_window(make, qtbot, tmp_path):
    wizard = make(language="de")
    letter = tmp_path / "letter.txt"
    letter.write_text("no ad")
    wizard.take_files([letter])
    until_done(qtbot, wizard)
    assert wizard.problem.text().startswith("letter.txt ist nicht verwendbar: nach der Endung")
    assert "Folien exportieren Sie als Bilder" in wizard.problem.text()


def test_mistakes_are_said_and_keep_the_step(make):
    wizard = make()
    wizard.show_step(2)
    wizard.go_on()
    wizard.go_on()
    assert "Give the site a name" in wizard.problem.text()
    fill_place(wizard)
    wizard.place.zone.setCurrentText("Mars/Base")
    wizard.go_on()
    assert "no time zone of this name" in wizard.problem.text()
    fill_place(wizard)
    wizard.place.again.setText("x")
    wizard.go_on()
    assert "differ" in wizard.problem.text()
    wizard.place.password.setText("x")
    wizard.go_on()
    assert "too short" in wizard.problem.text()
    assert wizard.steps[wizard.step].name == "place"


def test_what_cannot_be_written_is_said(make, qtbot):
    wizard = make(finish=lambda _draft, _password: "The disk is full.", needs_password=False)
    assert not wizard.place.password.isVisible()
    wizard.show_step(3)
    wizard.place.site.setText("Shop 12")
    wizard.go_on()
    wizard.go_on()
    until_done(qtbot, wizard)
    assert wizard.problem.text() == "The disk is full."
    assert wizard.isVisible()


@pytest.mark.parametrize("language", languages())
def test_every_step_is_drawn_in_every_language(make, language):
    wizard = make(language=language)
    for step in range(len(wizard.steps)):
        wizard.show_step(step)
        assert wizard.title.text().startswith(
            texts_for(language)[f"setup_{wizard.steps[step].name}_title"]
        )
        assert not wizard.grab().isNull()
