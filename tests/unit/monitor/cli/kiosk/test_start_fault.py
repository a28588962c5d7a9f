"""What the window says of a start that fails, and when there is no window."""

from __future__ import annotations

import os
import pty
import sys

import click
import pytest

from ads.errors import PlaylistError
from db.engine import open_database
from db.errors import SchemaVersionError
from monitor.cli.kiosk import start_fault
from monitor.cli.kiosk.run import run
from monitor.errors import SessionFailedError, SetupError
from monitor.kiosk import fault as window
from monitor.kiosk.supervision.heartbeat import Heartbeat


@pytest.fixture
def shown(monkeypatch):
    """The faults that a window would show; there is a screen, and somebody closes the window."""
    faults = []

    def explain(fault, settings, heartbeat, again_after_s):
        faults.append((fault, settings, again_after_s))
        return False

    monkeypatch.setattr(window, "explain", explain)
    monkeypatch.setattr("monitor.ui.qt_environment.screen_available", lambda: True)
    return faults


def started(*arguments, status=2):
    """Run the kiosk with arguments; it must end with the status."""
    with pytest.raises(SystemExit) as ended:
        run.main(list(arguments), prog_name="ad-monitor run", standalone_mode=False)
    assert ended.value.code == status


def test_a_wrong_settings_file(shown, tmp_path, capsys):
    file = tmp_path / "kiosk.yaml"
    file.write_text("run:\n  loops: many\nwindow:\n  language: de\n  fullscreen: true\n")
    started("--config", str(file))
    [(fault, settings, again_after_s)] = shown
    assert (fault.kind, fault.place) == ("settings", str(file))
    assert fault.message.startswith(f"{file}:2: run.loops ist ungültig")
    # What is right in the file counts, and what is wrong does not.
    assert (settings.language, settings.fullscreen, settings.loops) == ("de", True, None)
    assert again_after_s == start_fault.AGAIN_AFTER_S
    complaint = capsys.readouterr().err
    assert complaint.startswith(f"Error: {file}:2: invalid run.loops")
    assert complaint.count("Error") == 1


@pytest.mark.parametrize(
    ("content", "said"), [("run: [", "kein gültiges YAML"), (None, "gibt es nicht")]
)
def test_a_settings_file_that_cannot_be_read(shown, tmp_path, content, said):
    file = tmp_path / "kiosk.yaml"
    if content is not None:
        file.write_text(content)
    started("--config", str(file), "--language", "de")
    [(fault, _, _)] = shown
    assert fault.place == str(file)
    assert said in fault.message


def test_a_wrong_command_line_is_shown_without_its_passwords(shown, capsys):
    started("--source", "rtsp://me:secret@camera", "--fullscren", "--language", "de")
    [(fault, settings, again_after_s)] = shown
    assert fault.kind == "command"
    assert fault.message == "Die Option --fullscren gibt es nicht; meinten Sie --fullscreen?"
    assert "ad-monitor run --source rtsp://" in fault.place
    assert "secret" not in fault.place
    assert settings.language == "de"
    assert again_after_s is None
    assert "--fullscren" in capsys.readouterr().err


def test_a_wrong_value_of_an_option(shown):
    started("--volume", "9", "--language", "de")
    [(fault, _, _)] = shown
    assert "--volume" in fault.message
    assert "von 0 bis 1" in fault.message


@pytest.mark.parametrize(
    ("error", "kind", "place"),
    [
        (PlaylistError("There is no playlist."), "playlist", "ads"),
        (SchemaVersionError("It is newer."), "database", "kiosk.db"),
        (SetupError("There is no camera."), "other", ""),
    ],
)
def test_what_is_wrong_names_its_place(shown, tmp_path, monkeypatch, error, kind, place):
    monkeypatch.chdir(tmp_path)
    options = {"playlist": "ads", "database": "kiosk.db", "log": "none"}
    with pytest.raises(SystemExit):
        start_fault.explain(error, [], options)
    [(fault, _, _)] = shown
    assert (fault.kind, fault.message) == (kind, str(error))
    assert fault.place == (str(tmp_path / place) if place else "")
    assert fault.log == ""


def test_a_newer_database_says_so_in_german(shown, tmp_path):
    engine = open_database(str(tmp_path / "kiosk.db"))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(SchemaVersionError) as refused:
        open_database(str(tmp_path / "kiosk.db"))
    assert "update the program" in refused.value.args[0]
    with pytest.raises(SystemExit):
        start_fault.explain(refused.value, [], {"language": "de", "log": "none"})
    [(fault, _, _)] = shown
    assert "Aktualisieren Sie das Programm" in fault.message


def test_a_file_of_the_playlist_that_is_missing_says_so_in_german(shown, tmp_path):
    playlist = tmp_path / "ads.yaml"
    playlist.write_text("ads:\n  - file: gone.png\n    duration_s: 2\n")
    from monitor.session.playlist_loading import load_ads

    with pytest.raises(PlaylistError) as refused:
        load_ads(playlist)
    with pytest.raises(SystemExit):
        start_fault.explain(refused.value, [], {"language": "de", "log": "none"})
    [(fault, _, _)] = shown
    assert fault.message.startswith(f"Nichts in der Playlist {playlist} lässt sich abspielen")
    assert "gone.png gibt es nicht" in fault.message


@pytest.mark.parametrize("arguments", [["--headless"], ["--headless", "--supervised"]])
def test_a_kiosk_without_a_window_only_says_it(shown, arguments):
    with pytest.raises(click.NoSuchOption):
        run.main([*arguments, "--wrong"], prog_name="ad-monitor run", standalone_mode=False)
    assert shown == []


def test_without_a_screen_it_is_only_said(shown, monkeypatch):
    monkeypatch.setattr("monitor.ui.qt_environment.screen_available", lambda: False)
    start_fault.explain(SetupError("x"), [], {})
    assert shown == []


def test_who_reads_a_terminal_needs_no_window(shown, monkeypatch):
    controller, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        start_fault.explain(SetupError("x"), [], {})
    os.close(controller)
    assert shown == []


def test_the_supervisor_restarts_what_nobody_has_to_mend(shown):
    reader, writer = os.pipe()
    error = SessionFailedError("The sensor died 3 times while it started.")
    start_fault.explain(error, [], {"log": "none"}, Heartbeat(writer))
    assert shown == []
    with pytest.raises(SystemExit):
        start_fault.explain(error, [], {"log": "none"})
    assert len(shown) == 1
    os.close(reader)
    os.close(writer)


def test_a_session_that_has_begun_is_not_a_start_that_failed(shown, monkeypatch):
    def fail(*_arguments, **_more):
        raise SessionFailedError("The ads stopped.", 7)

    monkeypatch.setattr("monitor.cli.kiosk.run.announce", fail)
    with pytest.raises(SessionFailedError):
        run.main(["--no-camera", "--log", "none"], prog_name="run", standalone_mode=False)
    assert shown == []


def test_it_is_tried_again_by_the_supervisor_or_in_the_place_of_this_process(shown, monkeypatch):
    monkeypatch.setattr(window, "explain", lambda *_: True)
    reader, writer = os.pipe()
    with pytest.raises(SystemExit) as ended:
        start_fault.explain(SetupError("x"), [], {"log": "none"}, Heartbeat(writer))
    assert ended.value.code == 0
    assert os.read(reader, 10) == b"a"
    os.close(reader)
    os.close(writer)
    run_instead = []
    monkeypatch.setattr(os, "execv", lambda _program, command: run_instead.append(command))
    with pytest.raises(SystemExit):
        start_fault.explain(SetupError("x"), ["--loops", "1"], {"log": "none"})
    assert run_instead == [[sys.executable, "-m", "monitor", "run", "--loops", "1"]]
