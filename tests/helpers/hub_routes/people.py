"""Logins and accounts."""

from tests.helpers.hub_routes.table import EVERYBODY, OPEN, get, post

ROUTES = [
    get("/", EVERYBODY),
    get("/login", OPEN, None),
    post("/login", OPEN),
    post("/logout", EVERYBODY),
    get("/invitation", OPEN, None),
    post("/invitation", OPEN),
]
