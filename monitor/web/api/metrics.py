"""The document that Prometheus reads from a hub."""

from __future__ import annotations

import gzip

from flask import Blueprint, Response, request

from monitor.web.services import hub_services

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
def metrics() -> Response:
    """How all screens are, and what this process takes in, in the format that is asked for."""
    text, content_type = hub_services().metrics.render(request.headers.get("Accept", ""))
    response = Response(text, content_type=content_type)
    if request.accept_encodings["gzip"] > 0:
        response.set_data(gzip.compress(text, compresslevel=1, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept, Accept-Encoding"
    return response
