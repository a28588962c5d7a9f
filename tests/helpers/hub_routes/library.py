"""The library: its pages, its files, and how these are sent."""

from tests.helpers.hub_routes.table import ADMINS, APPROVERS, EDITORS, EVERYBODY, Route, get, post

SENDERS = EDITORS | {"agency"}

ROUTES = [
    get("/library", EVERYBODY),
    get("/library/{uid}", EVERYBODY),
    get("/library/{uid}/versions/{number}/file", EVERYBODY),
    get("/library/{uid}/versions/{number}/thumbnail.jpg", EVERYBODY),
    get("/library/{uid}/versions/{number}/strip.jpg", EVERYBODY),
    post("/library/{uid}/shown", SENDERS, "library"),
    post("/library/{uid}/name", EDITORS, "library"),
    post("/library/{uid}/folder", EDITORS, "library"),
    post("/library/{uid}/archive", EDITORS, "library"),
    post("/library/{uid}/restore", EDITORS, "library"),
    post("/library/{uid}/delete", ADMINS),
    post("/library/{uid}/versions/{number}/again", EDITORS, "library"),
    post("/library/{uid}/versions/{number}/decide", APPROVERS, "library"),
    get("/library/approvals", APPROVERS),
    get("/library/folders", ADMINS),
    post("/library/folders", ADMINS, "library"),
    post("/library/folders/{uid}/name", ADMINS, "library"),
    post("/library/folders/{uid}/delete", ADMINS, "library"),
    post("/library/files", SENDERS, "library"),
    post("/library/uploads", SENDERS, "library"),
    get("/library/uploads/{uid}", SENDERS, "library"),
    Route("PATCH", "/library/uploads/{uid}", SENDERS, "library"),
    post("/library/uploads/{uid}/finish", SENDERS, "library"),
    post("/library/uploads/{uid}/remove", SENDERS, "library"),
]
