"""What can go wrong with a request, said once for people and for programs (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

API_PREFIX = "/api/v1/"

TITLES = {
    "bad_request": "The request cannot be understood",
    "fetch": "The picture could not be fetched",
    "not_a_picture": "This is not a picture that can be read",
    "no_picture": "No picture was sent",
    "too_large": "The picture is too large",
    "unknown_media": "This kind of content cannot be read",
    "login_needed": "You are not logged in",
    "forbidden": "This is not allowed",
    "not_found": "There is nothing here",
    "no_ad": "There is no such ad",
    "no_session": "There is no such session",
    "no_database": "There is no database yet",
    "not_comparable": "These ads cannot be compared",
    "wrong_method": "This cannot be done here",
    "too_many_requests": "Too many requests",
    "too_many_listeners": "Too many live pages are open",
    "busy": "The server is busy",
    "too_slow": "The picture took too long",
    "model_unusable": "The network cannot be used",
    "closing": "The server is being stopped",
    "format_unavailable": "This format cannot be made here",
    "internal": "Something went wrong in the program",
}
"""What each code of a problem is called; `docs/web.md` and the page `/api` list them."""


class ProblemError(Exception):
    """Ends a request with a problem document, or with a page that says the same.

    Args:
        status: The HTTP status, 400 to 599.
        code: What went wrong, for programs; stable. Codes of other parts may be new here.
        detail: What went wrong, for people: what was received, what was expected, what to do.
        retry_after_s: When trying again makes sense, in seconds; `None` where it does not.
        title: What the code is called; by default as in `TITLES`, else what HTTP calls the status.
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

    def document(self) -> dict[str, Any]:
        """The problem document; its `type` is a place on the page that describes the interface."""
        return {
            "type": f"/api#problem-{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }

    def headers(self) -> dict[str, str]:
        """Headers that belong to the answer."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
