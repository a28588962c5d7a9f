"""Files with which a hub or a kiosk is run: those of containers, and the settings in the guides."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from db.write.lock import lock_file
from monitor.cli.main import cli
from monitor.settings.models import HubSettings
from monitor.settings.sources import settings_of

ROOT = Path(__file__).parents[2]
CONTAINERFILE = (ROOT / "Containerfile").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "how-to" / "hub" / "server.md").read_text(encoding="utf-8")


@pytest.fixture
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return found


def known_variables() -> set[str]:
    return {setting.variable for setting in settings_of(HubSettings)}


def test_the_containers_set_what_there_is(compose):
    environment = compose["services"]["hub"]["environment"]
    image = CONTAINERFILE
    named = {name for name in environment if name.startswith("AD_MONITOR_")}
    named |= set(re.findall(r"AD_MONITOR_\w+", image))
    assert named - known_variables() == set()
    settings = HubSettings(database=environment["AD_MONITOR_DB"])
    assert settings.database == "postgresql+psycopg://hub@database/hub"


def test_the_hub_and_its_database_share_name_and_password(compose):
    database, hub = compose["services"]["database"], compose["services"]["hub"]
    inside = database["environment"]
    password = inside["POSTGRES_PASSWORD"]
    assert hub["environment"]["PGPASSWORD"] == password
    assert password.startswith("${HUB_DB_PASSWORD:?")
    account = f"{inside['POSTGRES_USER']}@database/{inside['POSTGRES_DB']}"
    assert hub["environment"]["AD_MONITOR_DB"].endswith(account)
    assert hub["depends_on"]["database"]["condition"] == "service_healthy"


def test_only_this_machine_reaches_the_containers(compose):
    ports = [port for one in compose["services"].values() for port in one.get("ports", ())]
    assert ports == ["127.0.0.1:8080:8080"]
    gateway = compose["networks"]["default"]["ipam"]["config"][0]["gateway"]
    assert compose["services"]["hub"]["environment"]["AD_MONITOR_TRUSTED_PROXY"] == gateway


def stage(name: str) -> str:
    """The instructions of one stage of the image."""
    return re.split(r"^FROM ", CONTAINERFILE.partition(f" AS {name}\n")[2], flags=re.MULTILINE)[0]


def test_the_image_is_built_from_files_that_are_there(compose):
    build = compose["services"]["hub"]["build"]
    assert (build["dockerfile"], build["target"]) == ("Containerfile", "hub")
    copied = [
        name
        for line in re.findall(r"^COPY (?!--)(.*)$", CONTAINERFILE, re.MULTILINE)
        for name in line.split()[:-1]
    ]
    assert all((ROOT / name).exists() for name in copied)
    packages = {"ads", "db", "detector", "monitor", "training"}
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert packages <= set(copied)
    assert {".venv", ".env", ".git"} <= set(ignored)
    assert not set(copied) & set(ignored)
    # What the wheel's metadata reads.
    assert {"DESCRIPTION.md", "LICENSE", "THIRD_PARTY.md", "setup.cfg", "pyproject.toml"} <= set(
        copied
    )
    home = re.findall(r"--home-dir (\S+)", CONTAINERFILE)
    assert f"data:{home[0]}" in compose["services"]["hub"]["volumes"]
    assert f"VOLUME {home[0]}\n" in CONTAINERFILE


def test_the_image_has_no_build_tools_and_does_not_run_as_root():
    program = stage("program")
    assert re.search(r"^USER [1-9]\d*$", program, re.MULTILINE)
    assert f"--uid {re.search(r'USER (.*)', program)[1]} " in program
    for name in ("kiosk", "hub"):
        assert f"FROM program AS {name}\n" in CONTAINERFILE
        assert "USER" not in stage(name)
        assert "HEALTHCHECK" in stage(name)
    assert not re.search(r"\b(make|gcc|git|pip)\b", program)
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    (listed,) = re.findall(r"^SYSTEM_PACKAGES := (.*)$", makefile, re.MULTILINE)
    installed = set(re.findall(r"\blib[\w.+-]+", program.split("rm -rf")[0]))
    assert len(installed) > 5
    assert installed <= set(listed.split())


@pytest.mark.parametrize(("name", "expected"), [("kiosk", "run"), ("hub", "serve")])
def test_the_image_starts_a_command_that_takes_its_options(name, expected):
    arguments = json.loads(re.search(r"^CMD (\[.*\])$", stage(name), re.MULTILINE)[1])
    command = cli
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command), arguments.pop(0))
    assert command.name == expected
    options = {flag for option in command.params for flag in option.opts}
    assert set(arguments) <= options


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="only Linux has /proc/locks")
def test_a_kiosk_is_healthy_while_it_holds_the_lock_of_a_session(tmp_path):
    (text,) = re.findall(r"CMD (\[\"sh\".*?\])\n", stage("kiosk").replace("\\\n", " "))
    check = json.loads(text)
    database = tmp_path / "kiosk.db"
    environment = os.environ | {"AD_MONITOR_DB": str(database)}

    def is_healthy() -> bool:
        done = subprocess.run(check, env=environment, check=False, capture_output=True)
        return done.returncode == 0

    assert not is_healthy()
    path = tmp_path / "kiosk.db-session-7.lock"
    path.touch()
    assert not is_healthy(), "a file that a killed kiosk has left"
    descriptor = lock_file(path, os.O_RDWR)
    assert is_healthy()
    os.close(descriptor)
    assert not is_healthy()


def test_the_settings_file_of_the_guide_is_valid():
    (text,) = re.findall(r"```yaml\n# /etc/ad-monitor/hub.yaml.*?\n(.*?)```", GUIDE, re.DOTALL)
    keys = {
        f"{section}.{name}" for section, values in yaml.safe_load(text).items() for name in values
    }
    assert keys - {setting.key for setting in settings_of(HubSettings)} == set()
