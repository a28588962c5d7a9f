"""The experiments."""

from tests.helpers.hub_routes.table import ADMINS, get, post

RUNNING = ADMINS | {"editor", "operator"}

ROUTES = [
    get("/experiments"),
    get("/experiments/new", RUNNING),
    get("/experiments/outcomes"),
    post("/experiments/outcomes", RUNNING),
    post("/experiments/new", RUNNING),
    get("/experiments/{name}"),
    get("/experiments/{name}/stop", RUNNING),
    post("/experiments/{name}/stop", RUNNING),
]
