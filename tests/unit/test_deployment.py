"""Files with which a hub is run: those of containers, and the settings in docs/how-to/hub/server.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.settings.models import HubSettings
from monitor.settings.sources import settings_of

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "how-to" / "hub" / "server.md").read_text(encoding="utf-8")


@pytest.fixture
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return found


def known_variables() -> set[str]:
    return {setting.variable for setting in settings_of(HubSettings)}


def test_the_containers_set_what_there_is(compose):
    environment = compose["services"]["hub"]["environment"]
    image = (ROOT / "Containerfile.hub").read_text()
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


def test_the_image_is_built_from_files_that_are_there(compose):
    build = compose["services"]["hub"]["build"]
    image = (ROOT / build["dockerfile"]).read_text()
    (target,) = re.findall(r"make (\S+) &&", image)
    assert f"\n{target}:" in (ROOT / "Makefile").read_text()
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".venv", ".env"} <= set(ignored)
    home = re.findall(r"--home-dir (\S+)", image)
    assert f"data:{home[0]}" in compose["services"]["hub"]["volumes"]


def test_the_settings_file_of_the_guide_is_valid():
    (text,) = re.findall(r"```yaml\n# /etc/ad-monitor/hub.yaml.*?\n(.*?)```", GUIDE, re.DOTALL)
    keys = {
        f"{section}.{name}" for section, values in yaml.safe_load(text).items() for name in values
    }
    assert keys - {setting.key for setting in settings_of(HubSettings)} == set()
