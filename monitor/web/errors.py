"""How what went wrong is answered: as a problem document to programs, as a page to people."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from flask import Response, render_template, request
from werkzeug.exceptions import BadRequest, HTTPException

from monitor.web.problems import API_PREFIX, ProblemError
from monitor.web.security import LARGEST_UPLOAD

if TYPE_CHECKING:
    from flask import Flask
    from werkzeug.sansio.response import Response as AnyResponse

logger = logging.getLogger(__name__)

DETAILS = {
    400: ("bad_request", "The request cannot be understood; go back and try again."),
    401: ("login_needed", "Log in with the token that was shown when the server was started."),
    403: ("forbidden", "This request is not allowed."),
    404: ("not_found", "There is no page at this address. Check it, or start from the menu."),
    405: ("wrong_method", "This address does not take such a request."),
    413: (
        "too_large",
        f"More than {LARGEST_UPLOAD >> 20} MiB were sent. Use a smaller file or a smaller picture.",
    ),
    421: ("forbidden", "This server does not go by that name."),
    415: ("unknown_media", "This kind of content cannot be read."),
    429: (
        "too_many_requests",
        "Too many requests came from your address. Wait a minute, then try again.",
    ),
    500: (
        "internal",
        "The page could not be made. It is written in the server's log; trying again may help.",
    ),
}


def answer_errors(app: Flask) -> None:
    """Let an application answer its errors, foreseen and not, as this module says."""
    app.register_error_handler(ProblemError, answer)
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(Exception, _answer_unforeseen)


def answer(problem: ProblemError) -> Response:
    """A problem as the asker wants it: a problem document for the interface and for scripts, else a page."""
    if _asked_by_program():
        body, kind = json.dumps(problem.document(), ensure_ascii=False), "application/problem+json"
    elif isinstance(request.routing_exception, BadRequest):
        # The request names no host that a page's links could lead to.
        body, kind = problem.detail, "text/plain; charset=utf-8"
    else:
        body, kind = render_template("problem.html", problem=problem), "text/html; charset=utf-8"
    return Response(body, problem.status, content_type=kind, headers=problem.headers())


def as_problem(error: HTTPException) -> ProblemError:
    """What HTTP says went wrong, as a problem; in the error's own words where it has some."""
    status = error.code or 500
    code, detail = DETAILS.get(
        status, ("bad_request" if status < 500 else "internal", str(error.description))
    )
    own = error.description != type(error).description and status < 500
    return ProblemError(status, code, str(error.description) if own else detail)


def _answer_http(error: HTTPException) -> Response | AnyResponse:
    status = error.code or 500
    if status < 400:
        return error.get_response()
    response = answer(as_problem(error))
    for name, value in error.get_headers():
        if name.lower() in {"allow", "retry-after", "www-authenticate"}:
            response.headers[name] = value
    return response


def _answer_unforeseen(error: Exception) -> Response:
    logger.error("Failed on %s %s", request.method, request.path, exc_info=error)
    return answer(ProblemError(500, *DETAILS[500]))


def _asked_by_program() -> bool:
    wanted = request.accept_mimetypes
    return request.path.startswith(API_PREFIX) or (
        not wanted.accept_html
        and bool({"text/event-stream", "application/problem+json"} & set(wanted.values()))
    )
