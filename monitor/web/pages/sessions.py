"""The sessions of the database: the list, the reports in all formats, and ads side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, render_template, request

from db.read.ads import known_ads
from db.read.cells import untold_among
from db.read.scope import left_out
from db.read.sessions import site_zones
from monitor.analytics.measures import MEASURES
from monitor.analytics.report_data import kinds_left_out
from monitor.web.reports.documents import (
    DOWNLOADS,
    comparison_document,
    content_type_of,
    report_file,
    report_page,
    session_report_document,
)
from monitor.web.request.chosen import Chosen, choices
from monitor.web.request.paging import asked_page, page_of_sessions
from monitor.web.request.problems import ProblemError
from monitor.web.services import services

if TYPE_CHECKING:
    from db.read.ads import KnownAd

MAX_LISTED_ADS = 200
"""On the page Compare; a library may have 20,000."""

blueprint = Blueprint("sessions", __name__)


@blueprint.get("/sessions")
def listing() -> str:
    """List the sessions."""
    places = Chosen.asked()
    shown: dict[str, Any] = {"found": None, "problem": None, "page": 1, "pages": 1}
    try:
        engine = services().database()
        found, pages = page_of_sessions(engine, places, asked_page())
        shown |= {"found": found, "page": asked_page(), "pages": pages, **choices(engine)}
        shown["untold"] = untold_among(engine, [session.id for session in found.sessions])
    except ProblemError as problem:
        if problem.code != "no_database":
            raise
        shown["problem"] = problem
    return render_template("sessions.html", places=places, **shown)


@blueprint.get("/sessions/<session:session_id>")
def report(session_id: int) -> Response:
    """Show the report of a session, below a bar with the way back and the downloads."""
    here = services()
    with here.reports.taken():
        document = session_report_document(
            here.database(), session_id, here.settings.min_viewers, here.settings.folders
        )
        bar = render_template(
            "report_bar.html",
            session_id=session_id,
            endpoint="sessions.download",
            query={"session_id": session_id},
            running=document["session"]["ended_at"] is None and "screens" not in document,
            formats=DOWNLOADS,
        )
        page, policy = report_page(document, bar, here.settings.folders)
    return Response(page, headers={"Content-Security-Policy": policy})


@blueprint.get("/sessions/<session:session_id>/report.<ending>")
def download(session_id: int, ending: str) -> Response:
    """Send the report of a session as a file."""
    content_type = content_type_of(ending)
    here, settings = services(), services().settings
    with here.reports.taken():
        content = report_file(
            here.database(), session_id, ending, settings.min_viewers, settings.folders
        )
    return Response(
        content,
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="session-{session_id}.{ending}"'},
    )


@blueprint.get("/compare")
def compare() -> Response:
    """Show the ads to choose from, and the chosen ones side by side."""
    chosen = list(dict.fromkeys(request.args.getlist("ad")))
    measure = request.args.get("measure", "valence")
    places = Chosen.asked()
    ads: list[KnownAd] = []
    comparisons, problem, others, unlisted = [], None, "", ""
    offered: dict[str, Any] = {"groups": [], "tags": [], "sites": []}
    try:
        engine = services().database()
        offered = choices(engine) | {"sites": sorted(site_zones(engine))}
        ads = known_ads(engine, places.scope)
        unlisted = kinds_left_out(left_out(engine, places.scope))
        if chosen:
            min_viewers = services().settings.min_viewers
            with services().reports.taken():
                document = comparison_document(engine, chosen, measure, min_viewers, places.scope)
            comparisons, others = document["comparisons"], kinds_left_out(document["left_out"])
    except ProblemError as error:
        problem = error
    page = render_template(
        "compare.html",
        ads=listed_ads(ads, chosen),
        ad_count=len(ads),
        chosen=chosen,
        measure=measure,
        measures={name: how.words for name, how in MEASURES.items()},
        rows=interval_rows(comparisons),
        left_out=others,
        unlisted=unlisted,
        problem=problem,
        places=places,
        **offered,
    )
    return Response(
        page, 200 if problem is None or problem.code == "no_database" else problem.status
    )


def listed_ads(ads: list[KnownAd], chosen: list[str]) -> list[KnownAd]:
    """Return the ads to choose from: the chosen ones and those shown most, in their order."""
    most = sorted(ads, key=lambda ad: (ad.ad_id not in chosen, -ad.plays))[:MAX_LISTED_ADS]
    listed = {ad.ad_id for ad in most}
    return [ad for ad in ads if ad.ad_id in listed]


def interval_rows(comparisons: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Place the intervals of comparisons on one axis, in per cent; 0 is in the middle.

    Returns:
        Each comparison with `plot`, its `low`, `value` and `high`, and the `reach` of the axis;
        `plot` is `None` where nothing is known.
    """
    keys = ("low", "value", "high")
    limits = [c["difference"][key] for c in comparisons for key in keys]
    reach = max((abs(limit) for limit in limits if limit is not None), default=0.0) or 1.0
    rows = []
    for comparison in comparisons:
        found, plot = comparison["difference"], None
        if found["low"] is not None:
            plot = {key: round(50 + 46 * found[key] / reach, 2) for key in keys}
        rows.append({**comparison, "reach": reach, "plot": plot})
    return rows
