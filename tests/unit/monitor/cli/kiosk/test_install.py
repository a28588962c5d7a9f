from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from detector.errors import ZonesError
from monitor.cli.kiosk.install import install
from monitor.cli.shared.errors import is_callers_mistake
from monitor.errors import SetupError


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config"


@pytest.fixture
def asked(monkeypatch):
    """What systemd was asked for, and its answers."""
    state = {"asked": [], "trouble": None}

    def systemctl(*arguments):
        state["asked"].append(arguments)
        return state["trouble"]

    monkeypatch.setattr("monitor.kiosk.service.place.systemctl", systemctl)
    return state


def start(*arguments):
    return CliRunner().invoke(install, [*arguments])


def test_a_unit_is_written_and_said_how_to_start_it(config, asked):
    done = start("--", "--source", "0", "--fullscreen")
    assert done.exit_code == 0, done.output
    unit = config / "systemd" / "user" / "ad-monitor.service"
    assert f"Written: {unit}" in done.output
    assert "run --supervised --source 0 --fullscreen" in unit.read_text()
    assert f"WorkingDirectory={Path.cwd()}" in unit.read_text()
    assert "systemctl --user enable --now ad-monitor.service" in done.output
    assert "enable-linger" not in done.output
    assert asked["asked"] == []
    assert (Path(os.environ["XDG_DATA_HOME"]) / "ad-monitor").is_dir()


def test_start_starts_it(config, asked):
    done = start("--start", "--", "--headless")
    assert done.exit_code == 0
    assert asked["asked"] == [("daemon-reload",), ("enable", "--now", "ad-monitor.service")]
    assert "Started." in done.output
    assert "loginctl enable-linger" in done.output


def test_where_there_is_no_systemd_that_is_said_and_the_file_is_there(config, asked):
    asked["trouble"] = "there is no systemd on this machine"
    done = start("--start")
    assert done.exit_code == 0
    assert "could not be started here: there is no systemd on this machine" in done.output
    assert (config / "systemd" / "user" / "ad-monitor.service").exists()


def test_a_dry_run_writes_nothing(config, tmp_path, monkeypatch, asked):
    monkeypatch.chdir(tmp_path)
    done = start("--dry-run", "--start", "--", "--db", "sub/shop.db")
    assert done.exit_code == 0
    assert done.output.startswith("# Written by")
    assert f"ReadWritePaths=-{Path.cwd() / 'sub'}" in done.output
    assert not config.exists()
    assert asked["asked"] == []


def test_an_autostart_file(config, asked):
    done = start("--autostart", "--environment", "LANG=de_DE.UTF-8", "--", "--fullscreen")
    assert done.exit_code == 0
    entry = (config / "autostart" / "ad-monitor.desktop").read_text()
    assert "Exec=env LANG=de_DE.UTF-8 " in entry
    assert not (config / "systemd").exists()


def test_a_unit_of_the_machine(config, tmp_path, asked):
    done = start("--system", str(tmp_path / "system"), "--run-as", "kiosk", "--", "--source", "0")
    assert done.exit_code == 0
    assert "User=kiosk" in (tmp_path / "system" / "ad-monitor.service").read_text()
    assert "systemctl daemon-reload && systemctl enable --now ad-monitor.service" in done.output
    assert not config.exists()


def test_the_folder_in_which_records_wait_may_be_written(config, tmp_path, asked):
    spool, unit = (
        tmp_path / "usb disk" / "spool",
        config / "systemd" / "user" / "ad-monitor.service",
    )
    options = ("--", "--spool", str(spool), "--db", str(tmp_path / "kiosk.db"))
    system = ("--system", str(tmp_path / "system"), "--run-as", "kiosk")
    done = start(*system, *options)
    assert f"install -d -o kiosk '{spool}'\n" in done.output
    assert "First create the user who runs it: useradd --system kiosk\n" in done.output
    assert "useradd" not in start("--system", str(tmp_path / "system"), *options).output
    assert not spool.exists(), "it would be root's"
    done = start(*options)
    assert done.exit_code == 0, done.output
    for file in (unit, tmp_path / "system" / "ad-monitor.service"):
        assert f'ReadWritePaths="-{spool}"' in file.read_text()
    assert spool.is_dir()
    assert "First make" not in start(*system, *options).output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--", "--sauce", "0"), "No such option"),
        (("--", "--loops", "none"), "expected a whole number of at least 1, received 'none'"),
        (("--", "stray"), "unexpected extra argument"),
        (("--autostart", "--system", "x"), "leave one out"),
        (("--run-as", "me"), "needs --system"),
        (("--system", "x", "--run-as", ""), "expected the name of a user, such as kiosk"),
        (("--system", "x", "--run-as", "me\nExecStart=x"), "expected the name of a user"),
        (("--start", "--autostart"), "--start is for"),
        (("--uninstall", "--", "--headless"), "takes no options"),
        (("--environment", "QT"), "expected NAME=VALUE"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_written(config, asked, arguments, sentence):
    done = start(*arguments)
    assert done.exit_code == 2
    assert sentence in done.output
    assert not config.exists()


@pytest.mark.parametrize(
    ("option", "file", "content", "sentence"),
    [
        ("--zones", "missing.yaml", None, "There is no zones file at missing.yaml"),
        ("--config", "missing.yaml", None, "There is no settings file at missing.yaml"),
        ("--config", "kiosk.yaml", "camera:\n  sauce: 0\n", "did you mean camera.source?"),
    ],
)
def test_files_are_checked_before_anything_is_written(
    config, asked, tmp_path, monkeypatch, option, file, content, sentence
):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path(file).write_text(content)
    done = start("--", option, file)
    assert isinstance(done.exception, SetupError | ZonesError)
    assert sentence in str(done.exception)
    assert not config.exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--source", "rtps://camera/1"], "Unknown kind of source 'rtps://camera/1'"),
        (["--source", "http://camera:99999/"], "with a port from 1 to 65535"),
        (["--source", "missing.mp4"], "The video missing.mp4 is missing"),
        (["--playlist", "missing.yaml"], "missing.yaml"),
        (["--db", "postgresql://host:port/name"], "Invalid database URL"),
        (["--db", "."], "is a folder; give the path of a file"),
        (["--db", "notes.txt"], "is not an SQLite database"),
        (["--model", "missing"], "There is no model 'missing'"),
        (["--model", "notes.txt"], "notes"),
        (["--report", "report.docx"], "expected a file that ends in .html"),
        (["--no-camera", "--source", "0"], "expected either this or --source"),
    ],
)
def test_what_run_would_refuse_is_refused_before_anything_is_written(
    config, asked, tmp_path, monkeypatch, options, sentence
):
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("milk and bread")
    before = sorted(tmp_path.rglob("*"))
    done = start("--", *options)
    assert done.exit_code != 0
    assert sentence in f"{done.output} {done.exception}"
    assert is_callers_mistake(done.exception) or done.exit_code == 2
    assert sorted(tmp_path.rglob("*")) == before


def test_variables_of_the_kiosk_are_checked_as_its_options(config, asked, monkeypatch):
    done = start("--environment", "AD_MONITOR_SOURCE=rtps://camera/1")
    assert "Unknown kind of source" in str(done.exception)
    assert "AD_MONITOR_SOURCE" not in os.environ
    assert not config.exists()


def test_a_camera_or_a_server_that_is_away_now_may_come_back(config, asked):
    away = ["--source", "rtsp://127.0.0.1:9/x", "--db", "postgresql+psycopg://127.0.0.1:9/x"]
    done = start("--", *away)
    assert done.exit_code == 0, done.exception
    assert start("--", "--source", "99").exit_code == 0


def test_the_unit_names_the_settings_file(config, asked, tmp_path, monkeypatch):
    folder = tmp_path / "it's a shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path("kiosk.yaml").write_text("data:\n  database: sub/shop.db\nwindow:\n  headless: true\n")
    done = start("--config", "kiosk.yaml", "--", "--site", "Shop 12")
    assert done.exit_code == 0, done.output
    unit = (config / "systemd" / "user" / "ad-monitor.service").read_text()
    assert f'run --supervised --config "{folder}/kiosk.yaml" --site "Shop 12"' in unit
    assert f"WorkingDirectory={folder}\n" in unit
    assert f'ReadWritePaths="-{folder}/sub"' in unit
    assert (folder / "sub").is_dir()
    assert "WantedBy=default.target" in unit


def test_uninstall_removes_what_was_written(config, tmp_path, asked):
    start("--", "--source", "0")
    start("--autostart")
    done = start("--uninstall", "--dry-run")
    assert done.output.count("Would remove") == 2
    done = start("--uninstall")
    assert done.output.count("Removed") == 2
    assert asked["asked"] == [("disable", "--now", "ad-monitor.service")]
    assert not [path for path in config.rglob("*") if path.is_file()]
    done = start("--uninstall")
    assert done.exit_code == 0
    assert "Nothing to remove" in done.output
    start("--system", str(tmp_path / "system"))
    done = start("--uninstall", "--system", str(tmp_path / "system"))
    assert "Removed" in done.output
    assert list((tmp_path / "system").iterdir()) == []


@pytest.mark.parametrize(
    "given",
    [
        ("--", "--source", "rtsp://admin:p@ss@camera/live"),
        ("--", "--source", "rtsp://camera/user=admin&password=p@ss"),
        ("--dry-run", "--", "--db", "postgresql://shop:p@ss@camera/ads"),
        ("--environment", "AD_MONITOR_SOURCE=rtsp://admin:p@ss@camera/live"),
    ],
)
def test_a_password_is_written_into_no_unit(config, asked, given):
    done = start(*given)
    assert isinstance(done.exception, SetupError)
    assert "camera" in str(done.exception) or "user=admin" in str(done.exception)
    assert "--config" in str(done.exception)
    assert "ss" not in str(done.exception).split(" holds a password")[0].replace("password=", "")
    assert "p@ss" not in done.output
    assert not config.exists()
