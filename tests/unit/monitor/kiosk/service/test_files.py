"""The text of what systemd and desktops read."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.errors import SetupError
from monitor.kiosk.service import desktop_entry, systemd_unit
from monitor.kiosk.service.desktop_entry import autostart_entry
from monitor.kiosk.service.place import make_folders, remove, systemctl, write
from monitor.kiosk.service.plan import Plan, program_command
from monitor.kiosk.service.systemd_unit import system_unit, user_unit

ODD = ["--site", 'Shop $5 "100%" \\ höher', "--zones", "a b.yaml"]


def values(text):
    """All lines of a unit by section and key, which may be there more than once."""
    found, section = {}, ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(section, {}).setdefault(key, []).append(value)
    return found


@pytest.fixture
def plan(tmp_path):
    return Plan(options=["--source", "0", "--fullscreen"], folder=tmp_path)


def test_a_unit_that_keeps_the_kiosk_running(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    (tmp_path / "ad-monitor").touch()
    text = user_unit(plan)
    # Well-formed for whoever reads it strictly; keys that repeat are lists for systemd.
    configparser.ConfigParser(strict=False, interpolation=None).read_string(text)
    found = values(text)
    service = found["Service"]
    assert found["Unit"]["StartLimitIntervalSec"] == ["0"]
    assert (service["Type"], service["NotifyAccess"], service["Restart"]) == (
        ["notify"],
        ["main"],
        ["always"],
    )
    assert int(service["WatchdogSec"][0]) > 30
    assert service["ExecStart"] == [
        f"{tmp_path / 'ad-monitor'} run --supervised --source 0 --fullscreen"
    ]
    assert service["WorkingDirectory"] == [str(tmp_path)]
    for key in ("NoNewPrivileges", "PrivateTmp"):
        assert service[key] == ["yes"]
    assert service["ProtectSystem"] == ["strict"]
    # What would take camera, graphics card or the classifier's compiler away.
    assert not {"PrivateDevices", "DevicePolicy", "MemoryDenyWriteExecute", "ProtectClock"} & set(
        service
    )


def test_what_the_kiosk_writes_may_be_written(plan, tmp_path):
    more = Plan(
        options=[],
        folder=tmp_path,
        database="data/shop.db",
        written=[Path("reports/latest.html"), Path("/logs/run.log")],
        spool=Path("waiting"),
    )
    own = [
        f"-{os.environ[name]}"
        for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
    ]
    found = values(user_unit(more))["Service"]["ReadWritePaths"]
    for folder in own:
        assert any(path.startswith(folder) for path in found), folder
    assert {f"-{tmp_path}/data", f"-{tmp_path}/reports", "-/logs", f"-{tmp_path}/waiting"} <= set(
        found
    )
    assert f"-{tmp_path}/waiting" in values(system_unit(more, "kiosk"))["Service"]["ReadWritePaths"]
    assert not any(
        "server" in path
        for path in values(system_unit(plan, "kiosk"))["Service"].get("ReadWritePaths", [])
    )


@pytest.mark.parametrize(
    ("more", "desktop"),
    [
        ({}, True),
        ({"headless": True}, False),
        ({"environment": {"QT_QPA_PLATFORM": "eglfs:hide"}}, False),
        ({"environment": {"QT_QPA_PLATFORM": "xcb"}}, True),
    ],
)
def test_a_window_waits_for_the_desktop_and_nothing_else_does(tmp_path, more, desktop):
    plan = Plan(options=[], folder=tmp_path, **more)
    assert plan.needs_desktop is desktop
    target = "graphical-session.target" if desktop else "default.target"
    found = values(user_unit(plan))
    assert found["Install"]["WantedBy"] == [target]
    assert found["Unit"].get("PartOf") == ([target] if desktop else None)
    target = "graphical.target" if desktop else "multi-user.target"
    assert values(system_unit(plan, "kiosk"))["Install"]["WantedBy"] == [target]


def test_a_unit_of_the_machine_keeps_its_data_in_the_machines_folders(plan):
    service = values(system_unit(plan, "kiosk"))["Service"]
    assert service["User"] == ["kiosk"]
    assert service["StateDirectory"] == ["ad-monitor"]
    assert "XDG_DATA_HOME=%S" in service["Environment"]
    with pytest.raises(SetupError, match="plain name"):
        system_unit(plan, "two words")


def test_supervised_is_said_once(tmp_path):
    assert (
        Plan(options=["--supervised", "--headless"], folder=tmp_path).command.count("--supervised")
        == 1
    )


def test_odd_options_survive_the_quoting(tmp_path):
    plan = Plan(options=ODD, folder=tmp_path, environment={"NAME": 'a $b "c" 5%'})
    service = values(user_unit(plan))["Service"]
    [line] = service["ExecStart"]
    assert line.endswith(
        r'run --supervised --site "Shop $$5 \"100%%\" \\ höher" --zones "a b.yaml"'
    )
    assert service["Environment"] == [r'"NAME=a $b \"c\" 5%%"']
    [line] = [line for line in autostart_entry(plan).splitlines() if line.startswith("Exec=")]
    assert line.startswith(r'Exec=env "NAME=a \\$b \\"c\\" 5%%" ')
    assert line.endswith(
        r'run --supervised --site "Shop \\$5 \\"100%%\\" \\\\ höher" --zones "a b.yaml"'
    )


@pytest.mark.parametrize("quoted", [systemd_unit.quoted, desktop_entry.quoted])
def test_a_line_break_cannot_add_a_line(quoted):
    with pytest.raises(SetupError, match="printable"):
        quoted("a\nExecStartPre=/bin/false")


def test_a_folder_with_a_line_break_is_refused():
    with pytest.raises(SetupError, match="printable"):
        user_unit(Plan(options=[], folder=Path("/a\nb")))


def test_an_autostart_file_is_well_formed(plan, tmp_path):
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read_string(autostart_entry(plan))
    entry = parser["Desktop Entry"]
    assert entry["Type"] == "Application"
    assert entry["Exec"].endswith("run --supervised --source 0 --fullscreen")
    assert entry["Path"] == str(tmp_path)
    assert entry["Terminal"] == "false"


@pytest.mark.parametrize("kind", ["user", "system"])
@pytest.mark.parametrize("options", [["--source", "0"], ODD])
@pytest.mark.parametrize("place", ["plain", "Jürgen's Läden"])
def test_systemd_finds_nothing_wrong(tmp_path, monkeypatch, kind, options, place):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    program = tmp_path / place / "ad-monitor"
    program.parent.mkdir()
    shutil.copy("/bin/true", program)
    monkeypatch.setattr(sys, "executable", str(program.with_name("python")))
    plan = Plan(options=options, folder=program.parent, environment={"QT_QPA_PLATFORM": "eglfs"})
    file = tmp_path / "ad-monitor.service"
    unit = user_unit(plan) if kind == "user" else system_unit(plan, "root")
    file.write_text(unit, encoding="utf-8")
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    done = subprocess.run(
        ["systemd-analyze", "verify", f"--{kind}", "--man=no", str(file)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)},
    )
    # Other units of the machine may have faults of their own.
    assert "ad-monitor" not in done.stdout + done.stderr
    assert done.returncode == 0, done.stderr


def test_the_program_that_is_started_is_this_one(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert program_command() == [str(tmp_path / "python"), "-m", "monitor"]
    (tmp_path / "ad-monitor").touch()
    assert program_command() == [str(tmp_path / "ad-monitor")]


def test_a_file_is_written_whole_and_removed_once(tmp_path):
    path = tmp_path / "new" / "file"
    write(path, "first")
    write(path, "second")
    assert path.read_text() == "second"
    assert [one.name for one in path.parent.iterdir()] == ["file"]
    assert path.stat().st_mode & 0o777 == 0o644
    assert remove(path)
    assert not remove(path)


def test_a_place_that_cannot_be_used(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match="cannot be written"):
        write(tmp_path / "file" / "unit", "text")
    with pytest.raises(SetupError, match="cannot be made"):
        make_folders([tmp_path / "fine", tmp_path / "file" / "folder"])
    with pytest.raises(SetupError, match="cannot be deleted"):
        remove(tmp_path)


@pytest.mark.parametrize(
    ("script", "trouble"),
    [
        ("exit 0", None),
        ("echo 'Failed to connect to bus' >&2; exit 1", "Failed to connect to bus"),
        ("exit 4", "systemctl ended with status 4"),
        (None, "there is no systemd on this machine"),
    ],
)
def test_what_systemctl_answers(tmp_path, monkeypatch, script, trouble):
    if script is not None:
        program = tmp_path / "systemctl"
        program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n{script}\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert systemctl("enable", "--now", "x.service") == trouble
    if script is not None:
        assert (tmp_path / "asked").read_text() == "--user enable --now x.service\n"
