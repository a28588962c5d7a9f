"""Playlists."""

from tests.helpers.hub_routes.table import EDITORS, OPERATORS, get, post

PUBLISHERS = EDITORS | OPERATORS

ROUTES = [
    get("/playlists"),
    post("/playlists", EDITORS),
    get("/playlists/{uid}"),
    post("/playlists/{uid}/add", EDITORS),
    post("/playlists/{uid}/order", EDITORS),
    post("/playlists/{uid}/ads/{place}/move", EDITORS),
    get("/playlists/{uid}/ads/{place}"),
    post("/playlists/{uid}/ads/{place}", EDITORS),
    get("/playlists/{uid}/settings"),
    post("/playlists/{uid}/settings", EDITORS),
    post("/playlists/{uid}/rename", EDITORS),
    get("/playlists/{uid}/hour"),
    post("/playlists/import", EDITORS),
    post("/playlists/{uid}/import", EDITORS),
    get("/playlists/{uid}/playlist.yaml"),
    get("/playlists/{uid}/playlist.zip"),
    get("/playlists/{uid}/preview"),
    get("/playlists/{uid}/publish", PUBLISHERS),
    post("/playlists/{uid}/publish", PUBLISHERS),
    post("/playlists/{uid}/discard", EDITORS),
    get("/playlists/{uid}/revisions/{number}"),
    post("/playlists/{uid}/revisions/{number}", EDITORS),
    post("/playlists/{uid}/archive", EDITORS),
    post("/playlists/{uid}/restore", EDITORS),
    post("/playlists/{uid}/copy", EDITORS),
]
