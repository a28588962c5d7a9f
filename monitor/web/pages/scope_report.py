"""Reports over many sessions, chosen by places and days."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request

from monitor.web.reports.documents import (
    DOWNLOADS,
    content_type_of,
    file_of,
    report_over,
    report_page,
)
from monitor.web.request.chosen import Chosen, with_days
from monitor.web.services import services

blueprint = Blueprint("reports", __name__)


@blueprint.get("/report")
def report() -> Response:
    """Show the report over the chosen sessions, below a bar with the way back and the downloads."""
    here, settings, chosen = services(), services().settings, Chosen.asked()
    with here.reports.taken():
        engine = here.database()
        scope = with_days(engine, chosen)
        document, _ = report_over(engine, scope, settings.min_viewers, settings.folders)
        bar = render_template(
            "report_bar.html",
            session_id=None,
            endpoint="reports.download",
            query=_query(),
            formats=DOWNLOADS,
        )
        page, policy = report_page(document, bar, settings.folders)
    return Response(page, headers={"Content-Security-Policy": policy})


@blueprint.get("/report.<ending>")
def download(ending: str) -> Response:
    """Send the report over the chosen sessions as a file."""
    content_type = content_type_of(ending)
    here, settings, chosen = services(), services().settings, Chosen.asked()
    with here.reports.taken():
        engine = here.database()
        scope = with_days(engine, chosen)
        made = report_over(engine, scope, settings.min_viewers, settings.folders)
        content = file_of(*made, ending, settings.folders)
    return Response(
        content,
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="report.{ending}"'},
    )


def _query() -> dict[str, list[str]]:
    """The parameters of the request, for the downloads of the same report."""
    return {
        name: request.args.getlist(name)
        for name in ("site", "group", "tag", "from", "to")
        if any(request.args.getlist(name))
    }
