from __future__ import annotations

import locale
import os
from unittest.mock import Mock

import pytest
from click.testing import CliRunner

from monitor.cli.kiosk.run import run
from monitor.errors import SetupError
from monitor.settings.sources import SettingsError
from monitor.ui import qt_environment


@pytest.fixture
def started(monkeypatch):
    """The settings with which a session would have been started."""
    settings = []
    monkeypatch.setattr(
        "monitor.kiosk.app.run_window",
        lambda given, *, offscreen, heartbeat, display, console, first: settings.append(
            (given, offscreen)
        ),
    )
    monkeypatch.setattr("monitor.kiosk.notice.open_start_screen", lambda _given: Mock())
    monkeypatch.setattr(
        "monitor.kiosk.headless.run_headless",
        lambda given, heartbeat, is_set_up: settings.append((given, None)),
    )
    monkeypatch.setattr("monitor.sensor.child_process.disable_core_dumps", lambda: None)
    # A wrong option would be explained in a real window, which needs a display.
    monkeypatch.setattr("monitor.cli.kiosk.start_fault.explain", lambda *_: None)
    monkeypatch.setattr(qt_environment.DisplayProbe, "succeeded", lambda _: True)
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    before = locale.setlocale(locale.LC_ALL)
    yield settings
    # Qt takes the locale of the environment.
    locale.setlocale(locale.LC_ALL, before)


def start(*arguments):
    return CliRunner().invoke(run, [*arguments])


def settings_of(started, *arguments):
    done = start(*arguments)
    assert done.exit_code == 0, done.output
    return started[-1][0]


def test_without_options_there_is_a_bar_and_the_language_of_the_system(started, monkeypatch):
    settings = settings_of(started)
    assert (settings.notice, settings.notice_seconds, settings.notice_languages) == ("bar", 5.0, ())
    assert (settings.language, settings.screen, settings.picker) == ("en", None, None)
    monkeypatch.setenv("LANG", "de_AT.UTF-8")
    assert settings_of(started).language == "de"
    assert settings_of(started, "--language", "en").language == "en"


def test_a_language_may_have_a_region_and_an_unknown_one_is_refused_with_the_list(started):
    assert settings_of(started, "--language", "de-CH").language == "de"
    done = start("--language", "tlh")
    assert isinstance(done.exception, SettingsError)
    assert "expected one of de, en, received 'tlh'" in str(done.exception)
    done = start("--notice-language", "de,tlh")
    assert isinstance(done.exception, SettingsError)
    assert "received 'tlh'" in str(done.exception)
    assert len(started) == 1


def test_the_help_lists_the_languages():
    assert "--language [de|en]" in start("--help-all").output


def test_notice_languages_with_commas_or_one_by_one(started):
    assert settings_of(started, "--notice-language", "de,en").notice_languages == ("de", "en")
    apart = ("--notice-language", "en", "--notice-language", "de, en")
    assert settings_of(started, *apart).notice_languages == ("en", "de")


def test_a_required_notice(started):
    settings = settings_of(
        started, "--notice", "required", "--notice-seconds", "8", "--notice-url", "example.org"
    )
    assert (settings.notice, settings.notice_seconds, settings.notice_url) == (
        "required",
        8.0,
        "example.org",
    )
    assert settings.logged()["notice"] == "required"


def test_there_is_no_mode_without_a_notice(started):
    done = start("--notice", "off")
    assert done.exit_code == 2
    assert "'bar', 'required'" in done.output
    assert started == []


def test_a_required_notice_needs_somebody_who_sees_it(started, monkeypatch):
    done = start("--notice", "required", "--headless")
    assert done.exit_code == 2
    assert "received --headless" in done.output
    monkeypatch.setattr(qt_environment.DisplayProbe, "succeeded", lambda _: False)
    done = start("--notice", "required")
    assert done.exit_code == 2
    assert "received no screen" in done.output
    assert started == []


@pytest.mark.parametrize(
    ("arguments", "reminded"),
    [
        (("--headless",), True),
        (("--headless", "--source", "0"), True),
        (("--headless", "--source", "rtsp://camera/1"), True),
        (("--headless", "--source", "/dev/v4l/by-id/usb-Shop-index0"), True),
        (("--headless", "--source", "demo"), False),
        (("--headless", "--source", "visitors.mp4"), False),
        (("--source", "0"), False),
    ],
)
def test_who_measures_people_without_a_notice_is_reminded_of_them(started, arguments, reminded):
    done = start(*arguments)
    assert done.exit_code == 0
    assert ("No notice is visible" in done.output) is reminded


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--source", "visitors.mp4"), True),
        (("--headless", "--source", "camera 0.mp4"), True),
        (("--source", "visitors.mp4", "--no-camera-because", "it died"), False),
        (("--source", "demo"), False),
        (("--source", "rtsp://camera/visitors.mp4"), False),
        ((), False),
    ],
)
def test_who_names_a_recording_learns_that_its_session_is_a_replay(started, arguments, told):
    assert ("is a recording: the session is a replay" in start(*arguments).output) is told


def test_screen_and_picker(started):
    settings = settings_of(started, "--screen", "2", "--no-picker")
    assert (settings.screen, settings.picker) == (2, False)
    assert settings_of(started, "--picker").picker is True
    assert start("--screen", "0").exit_code == 2
    done = start("--picker", "--source", "demo")
    assert done.exit_code == 2
    assert "either this or --source" in done.output


def test_without_a_camera_the_reason_is_kept(started):
    settings = settings_of(started, "--no-camera")
    assert settings.no_camera == "started with --no-camera"
    assert settings.logged()["no_camera"] == "started with --no-camera"
    # The supervisor adds it to whatever the kiosk was started with.
    assert (
        settings_of(started, "--source", "0", "--no-camera-because", "it died").no_camera
        == "it died"
    )
    assert settings_of(started).no_camera is None
    done = start("--no-camera", "--source", "0")
    assert done.exit_code == 2
    assert "either this or --source" in done.output


def test_nobody_is_reminded_of_a_notice_where_nothing_is_measured(started):
    assert "No notice is visible" not in start("--headless", "--no-camera").output


def test_only_under_a_supervisor_it_waits_for_a_camera(started, monkeypatch):
    assert not settings_of(started).patient
    reader, writer = os.pipe()
    monkeypatch.setenv("AD_MONITOR_HEARTBEAT_FD", str(writer))
    # The command was started by a supervisor, so it starts none itself.
    assert settings_of(started, "--supervised").patient
    assert "AD_MONITOR_HEARTBEAT_FD" not in os.environ
    assert os.read(reader, 10) == b"r"
    os.close(reader)


def test_supervised_the_same_arguments_are_started_in_a_process_below(monkeypatch):
    made = []

    class Supervisor:
        def __init__(self, command, ads_only, *, limits, restarts, secret):
            assert secret == b""
            made.append((command, ads_only, limits.showing_s, restarts.limit))

        def run(self):
            return 7

    monkeypatch.setattr("monitor.kiosk.supervision.supervisor.Supervisor", Supervisor)
    given = [
        "--supervised",
        "--source",
        "demo",
        "--stuck-after",
        "20",
        "--restart-limit",
        "3",
        "--log",
        "none",
    ]
    done = start(*given)
    assert done.exit_code == 7
    [(command, ads_only, stuck_after_s, limit)] = made
    assert command[1:] == ["-m", "monitor", "run", *given]
    assert (ads_only, stuck_after_s, limit) == (["--no-camera-because"], 20, 3)


def test_how_a_run_failed_is_kept_in_the_log_and_nothing_else_is(started, monkeypatch, tmp_path):
    def fail(settings, heartbeat, is_set_up):
        raise SetupError("rtsp://shop:secret@camera cannot be opened.")

    monkeypatch.setattr("monitor.kiosk.headless.run_headless", fail)
    done = start("--headless", "--source", "demo", "--log", str(tmp_path / "kept.log"))
    assert isinstance(done.exception, SetupError)
    kept = (tmp_path / "kept.log").read_text()
    assert "The run failed: rtsp://shop:***@camera cannot be opened." in kept
    assert "Traceback" in kept
    assert "secret" not in kept
    assert settings_of(started, "--log", "none").source is None
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".log"] == ["kept.log"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--hub", "https://hub.example.com"], "joins the hub https://hub.example.com"),
        (["--db", "postgresql+psycopg://u:secret@host/x"], "expected an SQLite file"),
    ],
)
def test_a_console_is_refused_where_the_kiosk_cannot_have_one(started, arguments, why):
    done = start("--headless", "--source", "demo", "--console", *arguments)
    assert isinstance(done.exception, SetupError)
    assert why in str(done.exception)
    assert "secret" not in str(done.exception)
    assert started == []
