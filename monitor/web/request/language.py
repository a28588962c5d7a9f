"""The language of a page: as chosen in its footer, else as the browser asks, else English.

A choice is kept in this browser, and with the account of who is logged in to a hub, whose other
browsers get it at the next login.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from babel import negotiate_locale
from flask import redirect, request
from werkzeug.exceptions import BadRequest

from monitor.languages import ENGLISH, language, languages, lazy, set_language
from monitor.languages.jinja import install_texts
from monitor.uplink.messages import HUB_API
from monitor.web.request.gates import following_page
from monitor.web.request.problems import API_PREFIX

if TYPE_CHECKING:
    from flask import Flask, Response
    from werkzeug.wrappers import Response as AnyResponse

    from monitor.web.request.gates import Gate

COOKIE = "ad_monitor_language"


def install_languages(app: Flask, gate: Gate | None = None, *, secure_cookies: bool) -> None:
    """Let every request of an application speak the language of its visitor.

    Adds the page `/language`, to which the menu of languages sends its choice. Programs are
    answered in English.

    Args:
        app: The application, before anything else looks at its requests.
        gate: Remembers the choices of people with an account.
        secure_cookies: Whether the page is reached through https only.
    """
    install_texts(app.jinja_env)

    def choose() -> AnyResponse:
        """Speak the chosen language to this visitor from now on."""
        chosen = request.form.get("language", "")
        if chosen not in languages():
            expected = ", ".join(languages())
            raise BadRequest(
                lazy(
                    "There is no language %(chosen)s: expected one of %(expected)s.",
                    chosen=repr(chosen[:20]),
                    expected=expected,
                )
            )
        if gate is not None:
            gate.remember_language(chosen)
        response = redirect(following_page(), 303)
        keep_language(response, chosen, secure=secure_cookies)
        return response

    app.before_request(lambda: set_language(asked_language()))
    app.after_request(_say_language)
    app.teardown_request(lambda _error: set_language(ENGLISH))
    app.context_processor(_template_values)
    app.add_url_rule("/language", "language", choose, methods=["POST"])


def keep_language(response: AnyResponse, code: str, *, secure: bool) -> None:
    """Let the browser that gets a response ask for a language from now on."""
    response.set_cookie(
        COOKIE,
        code,
        max_age=timedelta(days=365),
        secure=secure,
        httponly=True,
        samesite="Lax",
    )


def asked_language() -> str:
    """Return the language for the visitor of the current request."""
    if request.path.startswith((API_PREFIX, HUB_API)):
        return ENGLISH
    chosen = request.cookies.get(COOKIE, "")
    if chosen in languages():
        return chosen
    # werkzeug's `best_match` would prefer the second of "en-GB, de", as it is matched exactly.
    wanted = [code for code, quality in request.accept_languages if quality]
    return negotiate_locale(wanted, languages(), sep="-") or ENGLISH


def _template_values() -> dict[str, Any]:
    is_page = request.method == "GET" and request.routing_exception is None
    return {
        "languages": languages(),
        "this_page": request.full_path.rstrip("?") if is_page else "/",
    }


def _say_language(response: Response) -> Response:
    if response.mimetype == "text/html":
        response.vary.update(("Accept-Language", "Cookie"))
        response.headers.setdefault("Content-Language", language())
    return response
