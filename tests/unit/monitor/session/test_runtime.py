"""When a session records what the sensor sees, and which camera it reads; a test drives the sensor.

Also tests `router.py`, `active_session.py` and `measuring.py`'s switch, `kiosk/app.py` and
`kiosk/headless.py`.
"""

from __future__ import annotations

import os
import time
from types import SimpleNamespace

import pytest
import sqlalchemy

from detector.errors import ModelLoadError
from detector.types import AnalysedFrame
from monitor.errors import SetupError
from monitor.kiosk import app, headless
from monitor.kiosk.error_guard import ErrorGuard
from monitor.kiosk.headless import with_saved_camera
from monitor.sensor import camera_choice
from monitor.sensor.camera_choice import Camera, save_choice
from monitor.sensor.client import SensorDied
from monitor.sensor.live import SensorHealth
from monitor.sensor.messages import Failed, FrameRead, HealthReport, Ready, SourceLost
from monitor.session import runtime as kiosk_module
from monitor.session.clock import Clocks
from monitor.session.runtime import KioskRuntime, check_settings
from monitor.ui import qt_environment
from tests.helpers.scripted_kiosk import FakeSensor

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

NOT_NAMED, GIVEN_UP = None, "the choice was given up"
FRONT, SHOP = Camera(0, "Front", "usb-1"), Camera(2, "Shop", "usb-2")


@pytest.fixture(scope="session")
def qapp():
    qt_environment.prepare(offscreen=True)
    from monitor.ui.application import create_application

    return create_application(offscreen=True)


def frame(number):
    return FrameRead(AnalysedFrame(number, time.monotonic_ns(), 640, 360, ()))


def rows(tmp_path, query):
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'monitor.db'}")
    with engine.connect() as connection:
        found = connection.execute(sqlalchemy.text(query)).all()
    engine.dispose()
    return [tuple(row) for row in found]


def test_nothing_is_recorded_before_it_is_allowed_and_while_it_is_paused(kiosk, tmp_path):
    send = kiosk._router.on_message
    send(HealthReport(SensorHealth("running")))
    send(frame(1))
    kiosk.measure()
    kiosk.measure()
    send(frame(2))
    send(frame(3))
    kiosk.pause_measuring("notice", "the notice was not on the screen")
    kiosk.pause_measuring("notice", "the notice was not on the screen")
    send(frame(4))
    send(SourceLost(time.monotonic_ns(), "unplugged"))
    kiosk.measure()
    send(frame(5))
    kiosk.stop("finished")
    assert rows(tmp_path, "SELECT frames FROM sessions") == [(3,)]
    [(cause, detail, started, ended)] = rows(
        tmp_path, "SELECT cause, detail, started_at, ended_at FROM gaps"
    )
    assert (cause, detail) == ("notice", "the notice was not on the screen")
    assert started < ended


def test_every_fault_is_a_gap_with_its_cause_and_is_shown(kiosk, tmp_path):
    kiosk.measure()
    send = kiosk._router.on_message
    for cause, state in (
        ("camera_lost", "reconnecting"),
        ("stream_stalled", "reconnecting"),
        ("camera_black", "blind"),
    ):
        send(frame(1))
        send(SourceLost(time.monotonic_ns(), "as it is", cause))
        assert (kiosk._router.view.health.state, kiosk._router.view.health.cause) == (state, cause)
        assert kiosk._router.view.frame is None
    send(frame(2))
    send(SourceLost(time.monotonic_ns(), "larger", "format_changed"))
    assert kiosk._router.view.health.cause == "camera_black", "what goes on at once is not shown"
    send(frame(3))
    for cause in ("sensor_died", "sensor_stuck"):
        kiosk._router.on_died(SensorDied(time.monotonic_ns(), "signal 9", cause))
        assert (kiosk._router.view.health.state, kiosk._router.view.health.cause) == (
            "restarting",
            cause,
        )
        send(frame(4))
    kiosk.stop("finished")
    found = rows(tmp_path, "SELECT cause, ended_at IS NOT NULL FROM gaps ORDER BY id")
    causes = [
        "camera_lost",
        "stream_stalled",
        "camera_black",
        "format_changed",
        "sensor_died",
        "sensor_stuck",
    ]
    assert found == [(cause, 1) for cause in causes]


def test_a_session_that_begins_with_a_fault_knows_its_cause(kiosk, tmp_path):
    kiosk._router.on_message(
        HealthReport(SensorHealth("blind", "The picture is black.", cause="camera_black"))
    )
    kiosk.measure()
    kiosk.stop("finished")
    assert rows(tmp_path, "SELECT cause, detail FROM gaps") == [
        ("camera_black", "The picture is black.")
    ]


def test_the_sensor_gets_the_name_that_stays_and_the_session_what_was_typed(
    monkeypatch, make_settings, tmp_path
):
    monkeypatch.setattr(kiosk_module, "SupervisedSensor", FakeSensor)
    monkeypatch.setattr(kiosk_module, "lasting_source", {"0": "/dev/v4l/by-id/front"}.get)
    made = KioskRuntime(make_settings(source="0"), lambda _view: None)
    assert made.start(lambda: True)
    assert made._sensor.settings.source == "/dev/v4l/by-id/front"
    made.stop("finished")
    assert rows(tmp_path, "SELECT source FROM sessions") == [("camera 0",)]


def test_a_session_that_ends_while_it_is_paused_ends_with_the_gap(kiosk, tmp_path):
    kiosk.measure()
    kiosk._router.on_message(frame(1))
    kiosk.pause_measuring("notice", "the notice was not on the screen")
    kiosk._router.on_message(frame(2))
    kiosk.stop("finished")
    assert rows(tmp_path, "SELECT frames FROM sessions") == [(1,)]
    assert rows(tmp_path, "SELECT count(*), count(ended_at) FROM gaps") == [(1, 1)]


def test_a_start_that_is_not_wanted_opens_no_camera(monkeypatch, make_settings, tmp_path):
    monkeypatch.setattr(kiosk_module, "SupervisedSensor", FakeSensor)
    made = KioskRuntime(make_settings(source="demo"), lambda _view: None)
    assert not made.start(lambda: False)
    assert made._sensor is None
    assert not (tmp_path / "monitor.db").exists()


def test_what_the_operator_panel_says_about_the_session(kiosk, make_settings, tmp_path):
    guard = ErrorGuard()
    facts = app._session_facts(kiosk, make_settings(source="demo", site="Shop 12"), guard)
    assert facts.errors() == 0
    guard.count = 3
    assert facts.errors() == 3
    assert (facts.session_id, facts.site, facts.source) == (1, "Shop 12", "demo")
    assert facts.database_folder == tmp_path
    assert facts.began_ns <= time.monotonic_ns()


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("0", "live"),
        ("/dev/v4l/by-id/usb-Shop-index0", "live"),
        ("rtsp://192.168.1.2/visitors.mp4", "live"),
        ("visitors.mp4", "replay"),
        ("camera 0.mp4", "replay"),
        ("none", "replay"),
        ("demo", "demo"),
    ],
)
def test_a_session_knows_whose_reactions_it_has(monkeypatch, make_settings, tmp_path, source, kind):
    monkeypatch.setattr(kiosk_module, "SupervisedSensor", FakeSensor)
    made = KioskRuntime(make_settings(source=source), lambda _view: None)
    assert made.start(lambda: True)
    made.stop("finished")
    assert rows(tmp_path, "SELECT kind, session_kind FROM sessions") == [("run", kind)]


class BusyCamera(FakeSensor):
    @property
    def failure(self):
        is_demo = self.settings.source == "demo"
        return None if is_demo else Failed("SourceOpenError", "Camera 0 is in use elsewhere.")


@pytest.mark.parametrize(
    ("found", "why"), [([], "No camera was found."), ([0], "Camera 0 is in use elsewhere.")]
)
def test_the_demo_viewer_never_takes_the_place_of_customers_silently(
    monkeypatch, make_settings, tmp_path, caplog, found, why
):
    monkeypatch.setattr(kiosk_module, "SupervisedSensor", BusyCamera)
    monkeypatch.setattr(kiosk_module, "cameras", lambda: found)
    made = KioskRuntime(make_settings(), lambda _view: None)
    assert made.start(lambda: True)
    assert made.session_kind == "demo"
    made.stop("finished")
    [warning] = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert warning.startswith(f"{why} The demo viewer takes its place")
    for told in ("the window says DEMO", "Connect a camera", "--source", "--no-camera"):
        assert told in warning
    assert rows(tmp_path, "SELECT source, session_kind FROM sessions") == [("demo", "demo")]


def test_when_the_clock_is_set_the_session_moves_with_it(kiosk, tmp_path, caplog, monkeypatch):
    ahead_ns = 120 * 86_400 * 10**9

    def clocks():
        now = Clocks.read()
        return Clocks(now.wall_ns + ahead_ns, now.monotonic_ns, now.boot_ns)

    seeded = []
    monkeypatch.setattr(kiosk_module, "recent_starts", lambda *given: seeded.append(given[2]) or {})
    began = kiosk._session.clock.utc
    kiosk.tick()
    assert kiosk._session.clock.utc == began
    kiosk._clock_watch._read = clocks
    kiosk.tick()
    kiosk.tick()
    kiosk.stop("finished")
    told = [one.getMessage() for one in caplog.records if "was set" in one.getMessage()]
    assert len(told) == 1
    assert "set ahead by 10368000 s (120.0 days)" in told[0]
    assert seeded == [kiosk._session.clock], "limits per hour go by the right clock"
    [(days, plays)] = rows(
        tmp_path,
        "SELECT julianday(started_at) - julianday('now'), (SELECT count(*) FROM plays WHERE "
        "started_at < sessions.started_at OR started_at > sessions.ended_at) FROM sessions",
    )
    assert days == pytest.approx(120, abs=0.01)
    assert plays == 0


# --- without a camera -----------------------------------------------------------------------------


def test_a_session_without_a_camera_says_why(make_settings, tmp_path):
    views = []
    made = KioskRuntime(
        make_settings(no_camera="the kiosk died 5 times", model="no such model"), views.append
    )
    assert made.start(lambda: True)
    made.measure()
    assert made.source == "none"
    assert (views[-1].health.state, views[-1].health.detail) == (
        "unavailable",
        "the kiosk died 5 times",
    )
    made.tick()
    made.stop("finished")
    assert rows(tmp_path, "SELECT source, model_id, end_reason FROM sessions") == [
        ("none", None, "finished")
    ]
    assert rows(tmp_path, "SELECT cause, detail FROM gaps") == [
        ("no_camera", "the kiosk died 5 times")
    ]
    [(settings,)] = rows(tmp_path, "SELECT settings FROM sessions")
    assert "the kiosk died 5 times" in settings


def test_a_shadow_model_that_no_start_could_use_is_refused_before(make_settings):
    with pytest.raises(ModelLoadError, match="no such model"):
        check_settings(make_settings(shadow_model="no such model"))


class MissingCamera(FakeSensor):
    """Cannot be opened, and waits for its source."""

    ready = False

    def start(self):
        super().start()
        assert (self.settings.wait_for_source, self.settings.any_camera) == (True, True)
        self.on_message(SourceLost(time.monotonic_ns(), "Camera 0 cannot be opened."))


def test_the_show_begins_while_the_sensor_waits_for_a_camera(monkeypatch, make_settings, tmp_path):
    monkeypatch.setattr(kiosk_module, "SupervisedSensor", MissingCamera)
    monkeypatch.setattr(kiosk_module, "cameras", list)
    views = []
    made = KioskRuntime(make_settings(patient=True), views.append)
    assert made.start(lambda: True)
    # The demo viewer never takes the place of a camera that is only late.
    assert made.source == "camera 0"
    made.measure()
    assert (views[-1].health.state, views[-1].health.detail) == (
        "reconnecting",
        "Camera 0 cannot be opened.",
    )
    made.tick()
    made._router.on_message(Ready("camera 2", 25.0, 0, True, "scripted"))
    made._router.on_message(frame(1))
    made.stop("finished")
    assert made._sensor.stopped
    [(cause, detail, ended)] = rows(
        tmp_path, "SELECT cause, detail, ended_at < (SELECT ended_at FROM sessions) FROM gaps"
    )
    assert (cause, detail, ended) == ("sensor_starting", "Camera 0 cannot be opened.", 1)


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("SourceOpenError", {"source": "0"}),
        ("SourceOpenError", {"source": "missing.mp4", "patient": True}),
        ("ModelLoadError", {"source": "0", "patient": True}),
    ],
)
def test_what_waiting_does_not_mend_is_an_error(monkeypatch, make_settings, kind, more):
    class Failing(FakeSensor):
        failure = Failed(kind, "It cannot be used.")

    monkeypatch.setattr(kiosk_module, "SupervisedSensor", Failing)
    made = KioskRuntime(make_settings(**more), lambda _view: None)
    with pytest.raises(SetupError, match="cannot be used"):
        made.start(lambda: True)
    assert made._sensor.stopped


# --- which camera ---------------------------------------------------------------------------------


@pytest.fixture
def picked(monkeypatch, qapp):
    """A dialog that chooses what a test wants at once; `picked.asked` tells whether it was opened."""
    from PyQt5.QtCore import QObject

    state = SimpleNamespace(asked=[], chosen=SHOP, by_hand=True, cancelled=False)

    class Dialog(QObject):
        def __init__(self, there, texts, *, scale, first, open_source):
            super().__init__()
            state.asked.append((there, first, texts["picker_title"]))
            self.chosen, self.by_hand, self.cancelled = state.chosen, state.by_hand, state.cancelled

        def exec_(self):
            return 1

        def reject(self):
            self.cancelled = True

    monkeypatch.setattr(app, "CameraPicker", Dialog)
    monkeypatch.setattr(app, "put_on_screen", lambda window, screen: None)
    for module in (app, headless):
        monkeypatch.setattr(module, "list_cameras", lambda: (FRONT, SHOP))
    return state


@pytest.fixture
def choose(make_settings, qapp):
    from monitor.ui.shutdown import Quitter

    def build(**more):
        chosen = app._with_chosen_camera(make_settings(**more), None, Quitter())
        return GIVEN_UP if chosen is None else chosen.source

    return build


def test_it_is_asked_once_and_the_choice_is_kept(picked, choose, make_settings):
    assert choose() == "2"
    assert picked.asked == [((FRONT, SHOP), None, "Choose the camera")]
    assert choose() == "2"
    assert len(picked.asked) == 1
    # The same camera serves a kiosk without a window.
    assert with_saved_camera(make_settings()).source == "2"
    assert with_saved_camera(make_settings(source="demo")).source == "demo"


def test_what_nobody_chose_is_used_and_not_kept(picked, choose):
    picked.by_hand = False
    assert choose() == "2"
    assert choose() == "2"
    assert len(picked.asked) == 2
    picked.chosen = None
    # Nobody was there and no camera gave a picture: the show begins as it would have without the
    # question.
    assert choose() is NOT_NAMED
    assert not camera_choice.choice_file().exists()


def test_who_gives_up_starts_nothing(picked, choose):
    picked.cancelled, picked.chosen = True, None
    assert choose() is GIVEN_UP
    assert not camera_choice.choice_file().exists()


def test_a_named_source_a_single_camera_and_a_wish_ask_nothing(picked, choose, monkeypatch):
    assert choose(source="demo") == "demo"
    assert choose(picker=False) is NOT_NAMED
    monkeypatch.setattr(app, "list_cameras", lambda: (FRONT,))
    assert choose() is NOT_NAMED
    monkeypatch.setattr(app, "list_cameras", tuple)
    assert choose(picker=True) is NOT_NAMED
    assert picked.asked == []


def test_who_wants_to_choose_again_may(picked, choose, monkeypatch):
    save_choice(FRONT)
    assert choose() == "0"
    assert choose(picker=True, language="de") == "2"
    assert picked.asked == [((FRONT, SHOP), FRONT, "Kamera wählen")]
    monkeypatch.setattr(app, "list_cameras", lambda: (SHOP,))
    assert choose() == "2"


def test_a_choice_is_used_by_its_lasting_name(picked, choose, make_settings, monkeypatch):
    lasting = Camera(2, "Shop", "usb-2", "/dev/v4l/by-id/shop")
    for module in (app, headless):
        monkeypatch.setattr(module, "list_cameras", lambda: (FRONT, lasting))
    picked.chosen = lasting
    assert choose() == "/dev/v4l/by-id/shop"
    assert with_saved_camera(make_settings()).source == "/dev/v4l/by-id/shop"


def test_a_camera_that_is_gone_is_asked_for_again(picked, choose):
    save_choice(Camera(7, "Gone", "usb-9"))
    assert choose() == "2"
    assert len(picked.asked) == 1


# --- the notice before the camera -----------------------------------------------------------------


def test_the_required_notice_stays_until_it_was_shown_and_the_camera_has_started(
    make_settings, qapp
):
    from monitor.ui.shutdown import Quitter

    settings = make_settings(
        notice="required", notice_seconds=0.4, notice_languages=("de", "en"), language="de"
    )
    began = time.monotonic()
    notice = app._notice_alone(settings, None, Quitter())
    assert time.monotonic() - began >= 0.4
    assert notice.isVisible()
    assert notice.last_line == "Die Kamera startet …"
    notice.dismiss()
    assert not notice.isVisible()


@pytest.mark.parametrize("how", ["signal", "key"])
def test_who_quits_while_the_notice_is_shown_does_not_wait_for_it(make_settings, qapp, how):
    from PyQt5.QtCore import QTimer
    from PyQt5.QtWidgets import QApplication

    from monitor.ui.notice.notice_screen import NoticeScreen
    from monitor.ui.shutdown import Quitter

    quitter = Quitter()

    def quit_now():
        if how == "signal":
            quitter.quit("stopped by SIGTERM")
        else:
            windows = QApplication.topLevelWidgets()
            [shown] = [one for one in windows if isinstance(one, NoticeScreen) and one.isVisible()]
            shown.close()

    QTimer.singleShot(200, quit_now)
    notice = app._notice_alone(make_settings(notice="required", notice_seconds=60), None, quitter)
    assert quitter.entered
    notice.dismiss()
    # Quitting leaves the application's loop as soon as there is one; without one, the loops of
    # later tests would end.
    assert qapp.exec_() == 0
