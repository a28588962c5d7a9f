"""The page that tells programmers how to call the interface."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from monitor.web.openapi import CALLS, EVERYWHERE
from monitor.web.problems import TITLES
from monitor.web.services import services

blueprint = Blueprint("api_page", __name__)


@blueprint.get("/api")
def page() -> str:
    """All calls with their examples, and all codes of problems."""
    return render_template(
        "api.html",
        calls=CALLS,
        everywhere=EVERYWHERE,
        titles=TITLES,
        server=request.host_url.rstrip("/"),
        token_needed=services().settings.token is not None,
    )
