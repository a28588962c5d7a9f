"""All routes of a hub, with who may use them: from the marks on their views."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db.engine import open_database
from monitor.settings.models import HubSettings
from monitor.web.app import close_app
from monitor.web.hub_app import create_hub_app
from monitor.web.request.gates import OPEN
from monitor.web.request.rights import EVERYBODY, READERS

if TYPE_CHECKING:
    from flask import Flask

INTRODUCTION = """
## All routes of a hub

These are the routes of the pages in the browser. With [a
key](../how-to/hub/accounts.md#accounts), a program may do what the key's owner may do, within the
scopes of the key. Send forms as `application/x-www-form-urlencoded`; an answer of 303 leads to the
result. Administrators may use all routes. `ad-monitor serve` without a hub has only the pages for
sessions, reports and pictures.

| route | roles | key for | what it does |
|---|---|---|---|
"""


def routes_part() -> str:
    """Return the part of the page."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hub.db"
        open_database(str(path)).dispose()
        app = create_hub_app(HubSettings(database=str(path)))
        try:
            return INTRODUCTION + "".join(sorted(_rows(app)))
        finally:
            close_app(app)


def _rows(app: Flask) -> set[str]:
    rows = set()
    for rule in app.url_map.iter_rules():
        view: Any = app.view_functions[rule.endpoint]
        if not view.__doc__ or rule.endpoint == "api.nothing":
            continue  # files, and whatever else somebody asks for
        path = re.sub(r"<(?:[^<>]*:)?(\w+)>", r"{\1}", rule.rule)
        does = " ".join(view.__doc__.split("\n\n")[0].split()).replace("|", "\\|")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            roles, scope = _rights(view, rule.endpoint, method)
            rows.add(f"| `{method} {path}` | {roles} | {scope} | {does} |\n")
    return rows


def _rights(view: Any, endpoint: str, method: str) -> tuple[str, str]:
    """Return who may use a view, and what a key must have been made for."""
    if endpoint in OPEN or getattr(view, "is_open", False):
        return "no login", ""
    if getattr(view, "is_for_kiosks", False):
        return "kiosks", ""
    roles = getattr(view, "roles", READERS if method == "GET" else ())
    if endpoint == "logout":
        roles = EVERYBODY
    scope = getattr(view, "scope", "read" if method == "GET" else "")
    named = ", ".join(roles) or "admin"
    return named, "" if getattr(view, "is_for_people", False) or not scope else f"`{scope}`"
