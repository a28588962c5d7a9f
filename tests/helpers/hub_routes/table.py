"""Who may use each route of a hub: a row for each method and path, in a module for each area.

A module of this folder has a constant `ROUTES`; the table is all of them. A route of the
application without a row fails `tests/unit/monitor/web/test_routes.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

READERS = frozenset({"viewer", "editor", "approver", "operator", "admin"})
EVERYBODY = READERS | {"agency"}
EDITORS = frozenset({"editor", "admin"})
APPROVERS = frozenset({"approver", "admin"})
OPERATORS = frozenset({"operator", "admin"})
ADMINS = frozenset({"admin"})

NOBODY = "nobody"
"""A visitor without a login."""

OPEN = EVERYBODY | {NOBODY}
"""Of a route that needs no login, or whose view checks the key of a kiosk or a link itself."""


@dataclass(frozen=True, slots=True)
class Route:
    """A row of the table.

    Attributes:
        method: Such as `GET`.
        path: Of the rule, with `{name}` for each variable.
        roles: Who may use it.
        scope: What the key of a program needs to use it in the name of such an account; `None`: no
            key may.
    """

    method: str
    path: str
    roles: frozenset[str]
    scope: str | None = None


def get(path: str, roles: frozenset[str] = READERS, scope: str | None = "read") -> Route:
    """Return the row of a page or a document."""
    return Route("GET", path, roles, scope)


def post(path: str, roles: frozenset[str], scope: str | None = None) -> Route:
    """Return the row of a change."""
    return Route("POST", path, roles, scope)


def all_routes() -> list[Route]:
    """Return the whole table."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("*.py"))
    modules = [import_module(f"{__package__}.{name}") for name in names if name != "table"]
    return [route for module in modules for route in module.ROUTES]
