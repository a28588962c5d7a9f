"""Problems with a request: a problem document (RFC 9457) for programs, a page for people."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Response, render_template, request
from werkzeug.exceptions import BadRequest, HTTPException

from db.error_classes import describe, is_environment
from db.errors import DatabaseUnavailableError
from detector.names import printable_json
from detector.sources.passwords import hide_passwords
from monitor.languages import lazy
from monitor.languages.recognition import translated
from monitor.uplink.messages import HUB_API
from monitor.web.request.security import MAX_UPLOAD_BYTES

if TYPE_CHECKING:
    from flask import Flask
    from werkzeug.sansio.response import Response as AnyResponse

logger = logging.getLogger(__name__)

API_PREFIX = "/api/v1/"

TITLES = {
    "bad_request": lazy("The request cannot be understood"),
    "fetch": lazy("The picture could not be fetched"),
    "not_a_picture": lazy("This picture cannot be read"),
    "no_picture": lazy("No picture was sent"),
    "too_large": lazy("Too much was sent"),
    "unknown_media": lazy("This kind of content cannot be read"),
    "login_needed": lazy("You are not logged in"),
    "forbidden": lazy("This is not allowed"),
    "not_found": lazy("Not found"),
    "damaged": lazy("The envelope was damaged"),
    "not_an_envelope": lazy("This is not an envelope"),
    "hub_too_old": lazy("The hub is older than the kiosk"),
    "no_ad": lazy("There is no such ad"),
    "no_session": lazy("There is no such session"),
    "readings_elsewhere": lazy("The live view is on the kiosk"),
    "no_database": lazy("There is no database yet"),
    "database_away": lazy("The database cannot be used now"),
    "not_comparable": lazy("These ads cannot be compared"),
    "wrong_method": lazy("This method is not supported"),
    "too_many_plays": lazy("This is too much for one page"),
    "too_many_requests": lazy("Too many requests"),
    "too_many_listeners": lazy("Too many live pages are open"),
    "busy": lazy("The server is busy"),
    "too_slow": lazy("The picture took too long"),
    "upload_too_slow": lazy("The upload was too slow"),
    "model_unusable": lazy("The model cannot be used"),
    "closing": lazy("The server is stopping"),
    "format_unavailable": lazy("This format is not available here"),
    "wrong_code": lazy("This code lets no kiosk in"),
    "code_expired": lazy("This code has expired"),
    "kiosk_known": lazy("There is such a kiosk already"),
    "key_revoked": lazy("This kiosk's key is not valid"),
    "unknown_version": lazy("There is no such version"),
    "bad_attachment": lazy("The attachment cannot be used"),
    "media_away": lazy("The file cannot be read now"),
    "file_refused": lazy("This file cannot be shown as an ad"),
    "no_room": lazy("There is no room for this file"),
    "store_away": lazy("The media store cannot be used now"),
    "in_use": lazy("This cannot be changed now"),
    "internal": lazy("Internal error"),
    "not_sent": lazy("The report was not sent"),
}
"""The title of each code; `docs/how-to/web.md` and the page `/api` list them."""

DETAILS = {
    400: ("bad_request", lazy("The request cannot be understood; go back and try again.")),
    401: ("login_needed", lazy("Log in with the token that was printed when the server started.")),
    403: ("forbidden", lazy("This request is not allowed.")),
    404: ("not_found", lazy("There is no page at this address. Check it, or use the menu.")),
    405: ("wrong_method", lazy("This address does not support this method.")),
    408: ("upload_too_slow", lazy("The upload was too slow. Use a smaller picture or file.")),
    409: ("in_use", lazy("This cannot be changed now. Load the page again.")),
    413: (
        "too_large",
        lazy(
            "More than %(most)s MiB were sent. Use a smaller picture or file.",
            most=MAX_UPLOAD_BYTES >> 20,
        ),
    ),
    415: ("unknown_media", lazy("This kind of content cannot be read.")),
    421: ("forbidden", lazy("This server does not answer to that name.")),
    429: (
        "too_many_requests",
        lazy("Too many requests came from your address. Wait a minute, then try again."),
    ),
    500: (
        "internal",
        lazy("The page failed. The server's log has the details; trying again may help."),
    ),
    503: ("busy", lazy("The server is busy with other requests. Try again in a few seconds.")),
}
"""The code of each status of HTTP, and what to do."""


class ProblemError(Exception):
    """Ends a request with a problem document, or with a page that says the same.

    Args:
        status: The HTTP status.
        code: What went wrong, for programs; stable.
        detail: What went wrong, for people: what was received, what was expected, what to do.
        retry_after_s: When trying again makes sense, in seconds.
        title: Title of the code; by default as in `TITLES`, else the status's name.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        retry_after_s: int | None = None,
        title: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.title = title or TITLES.get(code) or HTTPStatus(status).phrase

    def document(self) -> dict[str, str | int]:
        """Return the problem document; its `type` is a place on the page `/api`.

        Its texts are in the current language, as scripts of pages show them. That of the API, and
        of whoever asks for no language, is English.
        """
        return {
            "type": f"/api#problem-{self.code}",
            "title": str(self.title),
            "status": self.status,
            "detail": translated(self.detail),
            "code": self.code,
        }

    def headers(self) -> dict[str, str]:
        """Return the headers of the answer."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}


DATABASE_AWAY = ProblemError(
    503,
    "database_away",
    lazy("The database does not answer now. Nothing is lost; try again in a minute."),
    retry_after_s=15,
)


def install_problems(app: Flask) -> None:
    """Let an application answer all its errors, foreseen and not, with problems."""
    app.register_error_handler(ProblemError, _answer)
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(Exception, _answer_unforeseen)


def _answer(problem: ProblemError) -> Response:
    if _is_asked_by_program():
        body, kind = printable_json(problem.document()), "application/problem+json"
    elif isinstance(request.routing_exception, BadRequest):
        # The request names no host that the links of a page could lead to.
        body, kind = translated(problem.detail), "text/plain; charset=utf-8"
    else:
        body, kind = render_template("problem.html", problem=problem), "text/html; charset=utf-8"
    return Response(body, problem.status, content_type=kind, headers=problem.headers())


def _answer_http(error: HTTPException) -> Response | AnyResponse:
    status = error.code or 500
    if status < 400:
        return error.get_response()
    default = ("bad_request" if status < 500 else "internal", str(error.description))
    code, detail = DETAILS.get(status, default)
    if status < 500 and status != 429 and error.description != type(error).description:
        detail = error.description or ""
    response = _answer(ProblemError(status, code, detail))
    for name, value in error.get_headers():
        if name.lower() in {"allow", "retry-after", "www-authenticate"}:
            response.headers[name] = value
    return response


def _answer_unforeseen(error: Exception) -> Response:
    if isinstance(error, DatabaseUnavailableError) or is_environment(error):
        logger.warning("The database cannot be used now: %s", hide_passwords(describe(error)))
        return _answer(DATABASE_AWAY)
    logger.error("Failed on %s %s", request.method, request.path, exc_info=error)
    return _answer(ProblemError(500, *DETAILS[500]))


def _is_asked_by_program() -> bool:
    wanted = request.accept_mimetypes
    return request.path.startswith((API_PREFIX, HUB_API)) or (
        not wanted.accept_html
        and bool({"text/event-stream", "application/problem+json"} & set(wanted.values()))
    )
