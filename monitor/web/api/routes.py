"""The API below `/api/v1/`, and the page `/api` that explains it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify, render_template, request

from db.read.cells import untold_among
from monitor.reports.document import session_document
from monitor.version import VERSION
from monitor.web.api import schemas
from monitor.web.api.hub_calls import HUB_CALLS
from monitor.web.api.openapi import CALLS, EVERYWHERE, description
from monitor.web.api.sent_pictures import picture_of_call
from monitor.web.pictures.named_images import face_document
from monitor.web.reports.documents import comparison_document, session_report_document
from monitor.web.request.chosen import Chosen
from monitor.web.request.paging import asked_page, page_of_sessions
from monitor.web.request.problems import API_PREFIX, TITLES, ProblemError
from monitor.web.request.rights import EVERYBODY, READERS, requires
from monitor.web.services import HubServices, services

if TYPE_CHECKING:
    from pydantic import BaseModel

    from monitor.web.api.openapi import Call

blueprint = Blueprint("api", __name__)


@blueprint.get("/api")
def page() -> str:
    """All calls with their examples, and all codes of problems."""
    return render_template(
        "api.html",
        calls=_calls(),
        everywhere=EVERYWHERE,
        titles=TITLES,
        server=request.host_url.rstrip("/"),
        token_needed=services().settings.token is not None,
    )


@blueprint.post(f"{API_PREFIX}classify")
@requires(*READERS, scope="read")
def classify() -> Response:
    """The faces of one picture, as `ad-monitor classify --json` prints them."""
    with services().pictures.taken():
        name, seen = picture_of_call()
    faces = [schemas.Face.model_validate(face_document(face)) for face in seen.faces]
    return _answer(
        schemas.Classified(images=[schemas.Picture(image=name, faces=faces)]), exclude_unset=True
    )


@blueprint.get(f"{API_PREFIX}sessions")
def sessions() -> Response:
    """One page of sessions, latest first."""
    page = asked_page()
    engine = services().database()
    found, pages = page_of_sessions(engine, Chosen.asked(), page)
    untold = untold_among(engine, [session.id for session in found.sessions])
    documents = [
        session_document(session) | ({"viewers": None} if session.id in untold else {})
        for session in found.sessions
    ]
    entries = [schemas.SessionEntry.model_validate(document) for document in documents]
    return _answer(schemas.Sessions(sessions=entries, total=found.total, page=page, pages=pages))


@blueprint.get(f"{API_PREFIX}sessions/<session:session_id>/report")
def report(session_id: int) -> Response:
    """The report of one session."""
    here = services()
    with here.reports.taken():
        document = session_report_document(
            here.database(), session_id, here.settings.min_viewers, here.settings.folders
        )
    return _answer(schemas.Report.model_validate(document))


@blueprint.get(f"{API_PREFIX}compare")
def compare() -> Response:
    """Two or more ads, pair by pair."""
    here = services()
    ads = list(dict.fromkeys(request.args.getlist("ad")))
    measure = request.args.get("measure", "valence")
    with here.reports.taken():
        document = comparison_document(
            here.database(), ads, measure, here.settings.min_viewers, Chosen.asked().scope
        )
    return _answer(schemas.Compared.model_validate(document))


@blueprint.get(f"{API_PREFIX}health")
def health() -> Response:
    """Whether the parts work; 503 where the classifier is broken."""
    here = services()
    state = here.worker.state
    try:
        here.database()
        database = "ready"
    except ProblemError:
        database = "missing"
    document = {
        "status": "degraded" if state == "broken" else "ok",
        "version": VERSION,
        "classifier": state,
        "database": database,
    }
    answer = _answer(schemas.Health.model_validate(document))
    answer.status_code = 503 if state == "broken" else 200
    return answer


@blueprint.get(f"{API_PREFIX}openapi.json")
def openapi() -> Response:
    """The description of this API (OpenAPI 3.1)."""
    return jsonify(description(_calls()))


@blueprint.route(
    API_PREFIX, defaults={"rest": ""}, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]
)
@blueprint.route(f"{API_PREFIX}<path:rest>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
@requires(*EVERYBODY, scope="read")
def nothing(rest: str) -> Response:
    """Anything else below the prefix, and calls with another method."""
    methods = sorted({one.method.upper() for one in _calls() if one.path == request.path})
    if methods:
        raise ProblemError(
            405, "wrong_method", f"{request.path} is called with {' or '.join(methods)}."
        )
    raise ProblemError(
        404, "not_found", f"There is no {API_PREFIX}{rest[:100]}: the page /api lists the calls."
    )


def _calls() -> tuple[Call, ...]:
    return (*CALLS, *HUB_CALLS) if isinstance(services(), HubServices) else CALLS


def _answer(document: BaseModel, *, exclude_unset: bool = False) -> Response:
    text = document.model_dump_json(exclude_unset=exclude_unset)
    return Response(text, content_type="application/json")
