"""Screens and alerts, and what kiosks call."""

from tests.helpers.hub_routes.table import OPEN, OPERATORS, get, post

ROUTES = [
    get("/screens"),
    get("/screens/wall"),
    get("/screens/{uid}"),
    get("/screens/pair", OPERATORS),
    post("/screens/pair", OPERATORS),
    post("/screens/{uid}/place", OPERATORS, "screens"),
    post("/screens/{uid}/code", OPERATORS),
    post("/screens/{uid}/keys/{key_id}/revoke", OPERATORS, "screens"),
    post("/screens/{uid}/retire", OPERATORS, "screens"),
    get("/alerts"),
    get("/alerts/channels"),
    post("/alerts/channels", OPERATORS),
    post("/alerts/channels/{channel_id}/test", OPERATORS),
    post("/alerts/channels/{channel_id}/disable", OPERATORS),
    post("/alerts/channels/{channel_id}/enable", OPERATORS),
    post("/alerts/channels/{channel_id}/remove", OPERATORS),
    get("/alerts/deliveries"),
    post("/hub/v1/envelopes", OPEN),
    post("/hub/v1/pairings", OPEN),
    post("/hub/v1/pairings/claim", OPEN),
    post("/hub/v1/join", OPEN),
    post("/hub/v1/leave", OPEN),
    get("/hub/v1/desired", OPEN, None),
    get("/hub/v1/media/{sha256}", OPEN, None),
    post("/hub/v1/desired/report", OPEN),
    post("/hub/v1/commands/{uid}", OPEN),
]
