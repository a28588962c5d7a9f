"""Every route of a hub: it has a row in the table of rights, and lets in whom the row names."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path

import pytest
from werkzeug.routing import AnyConverter

from db.engine import open_database, writing
from db.hub.people import accounts, api_keys
from db.hub.tables.people import ROLES
from monitor.settings.models import HubSettings
from monitor.web.app import close_app
from monitor.web.hub_app import create_hub_app
from monitor.web.request import rights
from tests.helpers.hub_routes import table
from tests.helpers.hub_routes.table import NOBODY, all_routes

pytest.importorskip("argon2", reason="the extra `hub` is not installed")

PAGE = {"Origin": "http://localhost"}
REACHED = "the view was reached"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A hub whose views only say that they were reached, and its database."""
    path = tmp_path_factory.mktemp("routes") / "hub.db"
    settings = HubSettings(database=str(path), rate_limit="1000000 per minute")
    app = create_hub_app(settings.model_copy(update={"read_limit": "1000000 per minute"}))
    for endpoint, view in app.view_functions.items():
        # `wraps` keeps the marks.
        app.view_functions[endpoint] = wraps(view)(lambda **_: REACHED)
    engine = open_database(str(path))
    yield app, engine
    engine.dispose()
    close_app(app)


def routes_of(app):
    """Yield method, path as in the table, and an address of each route."""
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:[^<>]*:)?(\w+)>", r"{\1}", rule.rule)
        values = {}
        for name, converter in rule._converters.items():
            length = re.search(r"\{(\d+)\}", converter.regex)
            values[name] = "1" * int(length[1]) if length else "1"
            if isinstance(converter, AnyConverter):
                values[name] = sorted(converter.items)[0]
        address = path.format(**values)
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
            yield method, path, address


def browser_of(app, engine, role):
    browser = app.test_client()
    if role != NOBODY:
        now = datetime.now(UTC)
        with writing(engine) as connection:
            token, _ = accounts.invite(connection, f"the {role}", role, now)
            account = accounts.set_password(connection, token, "unused", now)
            cookie = accounts.begin_login(connection, account, now)
        browser.set_cookie("ad_monitor_hub", cookie)
    return browser


def test_every_route_has_one_row(hub):
    rows = Counter((row.method, row.path) for row in all_routes())
    found = {(method, path) for method, path, _ in routes_of(hub[0])}
    without = sorted(f"{method} {path}" for method, path in found - set(rows))
    assert not without, "add a row to tests/helpers/hub_routes for each"
    assert not set(rows) - found, "these rows have no route any more"
    assert max(rows.values()) == 1


def test_the_table_speaks_of_the_roles_and_scopes_that_there_are():
    assert set(ROLES) == table.EVERYBODY
    assert {*rights.READERS, "admin"} == table.READERS
    assert set(rights.EVERYBODY) | {"admin"} == table.EVERYBODY
    assert {row.scope for row in all_routes()} - {None} <= set(rights.SCOPES)


@pytest.mark.parametrize("role", [*ROLES, NOBODY])
def test_each_role_reaches_what_the_table_says(hub, role):
    app, engine = hub
    browser = browser_of(app, engine, role)
    allowed = {(row.method, row.path): row.roles for row in all_routes()}
    wrong = []
    for method, path, address in routes_of(app):
        with browser.open(address, method=method, headers=PAGE) as answer:
            reached = answer.text == REACHED
            refused = answer.status_code == (401 if role == NOBODY else 403)
        may = role in allowed.get((method, path), ())
        if (reached, refused) != (may, not may):
            wrong.append(f"{method} {path}: {answer.status_code}, expected {may=}")
    assert not wrong


@pytest.mark.parametrize("scope", rights.SCOPES)
def test_a_key_does_what_its_scope_and_its_owners_role_allow(hub, scope):
    app, engine = hub
    now = datetime.now(UTC)
    rows = {(row.method, row.path): row for row in all_routes()}
    wrong = []
    for role in ("admin", "agency"):
        with writing(engine) as connection:
            _, account = accounts.invite(connection, f"the {role}", role, now)
            key = api_keys.make_key(
                connection, account.id, scope, now, scopes=[scope], expires_at=None
            )
        bearer = {"Authorization": f"Bearer {key}"}
        for method, path, address in routes_of(app):
            row = rows[method, path]
            with app.test_client().open(address, method=method, headers=bearer) as answer:
                reached = answer.text == REACHED
            if reached != (row.roles == table.OPEN or (row.scope == scope and role in row.roles)):
                wrong.append(f"{method} {path} for {role}: {answer.status_code}")
    assert not wrong


def test_the_documents_have_a_row_for_each_role():
    page = Path(__file__).parents[4] / "docs" / "how-to" / "hub" / "accounts.md"
    text = page.read_text(encoding="utf-8")
    rights_table = text.partition("## Who may see what")[2].partition("\n\nWhat is")[0]
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| ([^|]+) \|$", rights_table, re.MULTILINE)
    changes = dict(rows)
    assert set(ROLES) <= set(changes)
    writers = set()
    for row in all_routes():
        if row.method == "POST" and row.scope != "read" and row.roles < table.EVERYBODY:
            writers |= row.roles
    assert writers == {role for role in ROLES if changes[role] != "nothing"}
