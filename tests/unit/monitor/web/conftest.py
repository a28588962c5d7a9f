"""The application of a hub, passwords that cost little, and a server that answers anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from monitor.hub.people import passwords
from monitor.settings.models import HubSettings
from monitor.web.app import close_app
from monitor.web.hub_app import create_hub_app
from monitor.web.kiosk_console import Console
from monitor.web.services import EXTENSION, HubServices
from tests.helpers.raw_server import RawServer


@pytest.fixture
def server() -> Iterator[RawServer]:
    made = RawServer()
    yield made
    made.close()


@pytest.fixture
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    argon2 = pytest.importorskip("argon2", reason="the extra `hub` is not installed")
    cheap = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(passwords, "hasher", lambda: cheap)


@pytest.fixture
def console() -> Console | None:
    """What the application knows of its kiosk: nothing, as it is that of a hub."""
    return None


@pytest.fixture
def app(tmp_path: Path, console: Console | None) -> Iterator[Flask]:
    """The application of a hub, or of the console of one kiosk."""
    app = create_hub_app(HubSettings(database=str(tmp_path / "hub.db")), console)
    yield app
    close_app(app)


@pytest.fixture
def here(app: Flask) -> HubServices:
    """What the pages and calls of the application share."""
    found: HubServices = app.extensions[EXTENSION]
    return found


@pytest.fixture
def hub(app: Flask) -> FlaskClient:
    return app.test_client()
