"""A hub that starts with the machine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.cli.hub.hub_install import install


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "config"


@pytest.fixture
def asked(monkeypatch):
    """What systemd was asked for."""
    found = []
    monkeypatch.setattr("monitor.kiosk.service.place.systemctl", lambda *words: found.append(words))
    return found


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "hub file.yaml"
    path.write_text(f"hub:\n  database: {tmp_path}/place/hub.db\n  lake: {tmp_path}/lake\n")
    return path


def start(*arguments):
    return CliRunner().invoke(install, [str(argument) for argument in arguments])


def test_a_unit_of_ones_own(config, asked, settings, tmp_path):
    done = start("--config", settings, "--start")
    assert done.exit_code == 0, done.output
    unit = (config / "systemd" / "user" / "ad-monitor-hub.service").read_text()
    assert f'hub serve --config "{settings}"' in unit
    assert "WantedBy=default.target" in unit
    assert "User=" not in unit
    for folder in ("place", "lake", "data/ad-monitor"):
        assert f"ReadWritePaths=-{tmp_path}/{folder}\n" in unit
        assert (tmp_path / folder).is_dir()
    assert asked == [("daemon-reload",), ("enable", "--now", "ad-monitor-hub.service")]
    done = start("--uninstall")
    assert "Removed" in done.output
    assert asked[-1] == ("disable", "--now", "ad-monitor-hub.service")
    assert not (config / "systemd" / "user" / "ad-monitor-hub.service").exists()


def test_a_unit_of_the_machine(config, asked, settings, tmp_path):
    done = start("--config", settings, "--system", tmp_path, "--run-as", "hub")
    assert done.exit_code == 0, done.output
    unit = (tmp_path / "ad-monitor-hub.service").read_text()
    assert "User=hub\n" in unit
    assert "WantedBy=multi-user.target" in unit
    assert f"install -d -o hub {tmp_path}/lake {tmp_path}/place" in done.output
    assert asked == []
    done = start("--uninstall", "--system", tmp_path)
    assert "systemctl disable --now ad-monitor-hub.service" in done.output
    assert not (tmp_path / "ad-monitor-hub.service").exists()


def test_a_server_needs_no_folder(config, asked, tmp_path):
    settings = tmp_path / "hub.yaml"
    settings.write_text(
        "hub:\n  database: postgresql+psycopg://hub@/hub\n  lake: s3://bucket/lake\n"
    )
    done = start("--config", settings, "--system", tmp_path, "--dry-run")
    assert done.exit_code == 0, done.output
    assert "ReadWritePaths" not in done.output
    assert not (tmp_path / "ad-monitor-hub.service").exists()


def test_a_wrong_settings_file_is_refused_before_anything_is_written(config, asked, tmp_path):
    settings = tmp_path / "hub.yaml"
    settings.write_text("hub:\n  url: nowhere\n")
    done = start("--config", settings)
    assert done.exit_code != 0
    assert not config.exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--run-as", "hub"], "--run-as needs --system"),
        (["--system", ".", "--start"], "leave out --system"),
    ],
)
def test_what_contradicts_is_refused(config, asked, arguments, sentence):
    done = start(*arguments)
    assert done.exit_code == 2
    assert sentence in done.output


@pytest.mark.parametrize("user", [None, "root"])
def test_systemd_accepts_the_unit(config, asked, settings, tmp_path, user):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("needs systemd-analyze")
    own = [] if user is None else ["--system", tmp_path, "--run-as", user]
    done = start("--config", settings, "--dry-run", *own)
    unit = Path(tmp_path / "ad-monitor-hub.service")
    unit.write_text(done.output)
    checked = subprocess.run(
        [analyze, "verify", *([] if user else ["--user"]), str(unit)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "ad-monitor-hub.service" not in checked.stderr
