"""The pages of `serve`, which a hub has too, and the API."""

from tests.helpers.hub_routes.table import EVERYBODY, OPEN, READERS, Route, get, post

ROUTES = [
    get("/classify/"),
    post("/classify/", READERS, "read"),
    get("/compare"),
    get("/live"),
    get("/metrics"),
    get("/report"),
    get("/report.{ending}"),
    get("/sessions"),
    get("/sessions/{session_id}"),
    get("/sessions/{session_id}/events"),
    get("/sessions/{session_id}/live"),
    get("/sessions/{session_id}/report.{ending}"),
    get("/api"),
    get("/api/v1/compare"),
    get("/api/v1/health"),
    get("/api/v1/openapi.json"),
    get("/api/v1/sessions"),
    get("/api/v1/sessions/{session_id}/report"),
    post("/api/v1/classify", READERS, "read"),
    *(
        Route(method, path, EVERYBODY, "read")
        for path in ("/api/v1/", "/api/v1/{rest}")
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
    ),
    get("/favicon.ico", OPEN),
    get("/static/{filename}", OPEN),
    post("/language", OPEN, "read"),
]
