"""The interface for programs, `/api/v1/`: answers in JSON, problems as RFC 9457 documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify, request

from monitor.reports.document import session_document
from monitor.version import VERSION
from monitor.web.asking import picture_of_call
from monitor.web.classify import face_document
from monitor.web.openapi import description
from monitor.web.pages.sessions import asked_page, page_of_sessions
from monitor.web.problems import API_PREFIX, ProblemError
from monitor.web.reports import comparison_document, session_report_document
from monitor.web.schemas import (
    Classified,
    Compared,
    Face,
    Health,
    Picture,
    Report,
    SessionEntry,
    Sessions,
)
from monitor.web.services import services

if TYPE_CHECKING:
    from pydantic import BaseModel

blueprint = Blueprint("api", __name__, url_prefix=API_PREFIX.rstrip("/"))


@blueprint.post("/classify")
def classify() -> Response:
    """The faces of one picture, as `ad-monitor classify --json` prints them."""
    name, _, seen = picture_of_call()
    faces = [Face.model_validate(face_document(face)) for face in seen.faces]
    return _answer(Classified(images=[Picture(image=name, faces=faces)]))


@blueprint.get("/sessions")
def sessions() -> Response:
    """One page of sessions, the latest first."""
    page = asked_page()
    found, pages = page_of_sessions(
        services().database(), request.args.get("site", "").strip(), page
    )
    entries = [SessionEntry.model_validate(session_document(session)) for session in found.sessions]
    return _answer(Sessions(sessions=entries, total=found.total, page=page, pages=pages))


@blueprint.get("/sessions/<int:session_id>/report")
def report(session_id: int) -> Response:
    """The report of one session."""
    here = services()
    document = session_report_document(here.database(), session_id, here.settings.min_viewers)
    return _answer(Report.model_validate(document))


@blueprint.get("/compare")
def compare() -> Response:
    """Two or more ads, pair by pair."""
    here = services()
    ads = list(dict.fromkeys(request.args.getlist("ad")))
    measure = request.args.get("measure", "valence")
    document = comparison_document(here.database(), ads, measure, here.settings.min_viewers)
    return _answer(Compared.model_validate(document))


@blueprint.get("/health")
def health() -> Response:
    """Whether the parts work; 503 where the classifier is broken."""
    here = services()
    state = here.worker.state
    try:
        here.database()
        database = "ready"
    except ProblemError:
        database = "missing"
    answer = _answer(
        Health.model_validate(
            {
                "status": "degraded" if state == "broken" else "ok",
                "version": VERSION,
                "classifier": state,
                "database": database,
            }
        )
    )
    answer.status_code = 503 if state == "broken" else 200
    return answer


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """The description of this interface (OpenAPI 3.1)."""
    return jsonify(description())


@blueprint.route("/", defaults={"rest": ""}, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
@blueprint.route("/<path:rest>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def nothing(rest: str) -> Response:
    """Anything else below the prefix."""
    raise ProblemError(
        404, "not_found", f"There is no {API_PREFIX}{rest[:100]}: the page /api lists the calls."
    )


def _answer(document: BaseModel) -> Response:
    return Response(document.model_dump_json(), content_type="application/json")
