"""The experiments."""

from tests.helpers.hub_routes.table import get

ROUTES = [get("/experiments"), get("/experiments/{name}")]
