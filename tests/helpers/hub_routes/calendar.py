"""The calendar and its campaigns."""

from tests.helpers.hub_routes.table import ADMINS, EDITORS, get, post

BOOKERS = ADMINS | {"editor", "operator"}

ROUTES = [
    get("/calendar"),
    get("/calendar/new", BOOKERS),
    post("/calendar/new", BOOKERS),
    get("/calendar/{uid}"),
    post("/calendar/{uid}", BOOKERS),
    post("/calendar/{uid}/remove", BOOKERS),
    get("/campaigns"),
    get("/campaigns/new", EDITORS),
    post("/campaigns/new", EDITORS),
    get("/campaigns/{uid}"),
    post("/campaigns/{uid}", EDITORS),
    post("/campaigns/{uid}/archive", EDITORS),
]
