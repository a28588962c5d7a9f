"""Who may read `/metrics`, and how it is sent."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask

from db.engine import writing
from db.hub.people import accounts
from monitor.settings.models import HubSettings
from monitor.web.app import close_app
from monitor.web.hub_app import create_hub_app
from monitor.web.services import EXTENSION

pytest.importorskip("prometheus_client", reason="the extra `hub` is not installed")

TOKEN = "a token of this test"  # noqa: S105
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    app = create_hub_app(HubSettings(database=str(tmp_path / "hub.db"), token=TOKEN))
    yield app
    close_app(app)


def test_prometheus_reads_with_the_token(hub):
    answer = hub.get("/metrics", headers=BEARER)
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    assert 'ad_monitor_envelopes_total{result="stored"} 0.0' in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def test_nobody_reads_without_it_not_even_on_this_machine(hub):
    assert hub.get("/metrics").status_code == 401
    assert hub.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_without_a_token_only_accounts_may_read(tmp_path):
    app = create_hub_app(HubSettings(database=str(tmp_path / "other.db")))
    try:
        assert app.test_client().get("/metrics", headers=BEARER).status_code == 401
    finally:
        close_app(app)


@pytest.mark.parametrize(("role", "status"), [("viewer", 200), ("agency", 403)])
def test_accounts_read_as_their_role_allows(app, hub, role, status):
    with writing(app.extensions[EXTENSION].engine) as connection:
        now = datetime.now(UTC)
        token, _ = accounts.invite(connection, role, role, now)
        account = accounts.set_password(connection, token, "unused", now)
        assert account is not None
        hub.set_cookie("ad_monitor_hub", accounts.begin_login(connection, account, now))
    assert hub.get("/metrics").status_code == status


def test_it_is_packed_where_that_is_understood(hub):
    answer = hub.get("/metrics", headers=BEARER | {"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert b"ad_monitor_build_info" in gzip.decompress(answer.data)
    accept = {"Accept": "application/openmetrics-text;version=1.0.0"}
    answer = hub.get("/metrics", headers=BEARER | accept)
    assert answer.content_type.startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
