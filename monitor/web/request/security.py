"""Who may use the web page, and what it lets browsers do.

A token keeps out others in the network. The request's origin, and a login cookie that browsers send
only from this page, stop foreign pages that send requests here (cross-site request forgery). The
Host header stops foreign names that were made to lead here (DNS rebinding).

Source: the OWASP cheat sheets on request forgery and HTTP headers; Fetch Metadata (W3C draft).
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import current_app, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from limits import parse
from limits.strategies import FixedWindowRateLimiter
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    MisdirectedRequest,
    RequestEntityTooLarge,
    RequestTimeout,
    ServiceUnavailable,
    TooManyRequests,
)

from monitor.errors import SetupError
from monitor.languages import lazy
from monitor.uplink.messages import HUB_API
from monitor.web.request.gates import SAFE_METHODS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from flask import Flask, Response
    from limits import RateLimitItem
    from limits.strategies import RateLimiter

    from monitor.web.request.gates import Gate

MIN_TOKEN_LENGTH = 16
MAX_UPLOAD_BYTES = 31 << 20
MAX_FORM_BYTES = 64 << 10
"""For everything but pictures: parsing forms and JSON takes many times their size."""

REFUSAL = "ad_monitor.refusal"
"""Key of the WSGI environment that says why the server did not read the body: `busy` (no room for
it), `too_slow` (it did not come in time) or `early` (refused by its header); else empty."""

_GATE = "ad-monitor-gate"

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "media-src 'self'; "
        "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With `no-referrer`, browsers would send the page's own forms with `Origin: null`.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), "
    "payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def is_local(host: str) -> bool:
    """Whether a server that listens at this address or name is reached from this machine only."""
    name = host.strip("[]").lower()
    try:
        address = ip_address(name)
    except ValueError:
        return name == "localhost"
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def access_token(host: str, given: str | None = None) -> str | None:
    """Return the token that a server asks for; beyond this machine there is always one.

    By default there is none on this machine, else a new one.

    Raises:
        SetupError: The operator's choice, `given`, is too easily guessed.
    """
    if given is None:
        return None if is_local(host) else secrets.token_urlsafe(24)
    if len(given) < MIN_TOKEN_LENGTH:
        raise SetupError(
            f"The token has {len(given)} characters: expected at least {MIN_TOKEN_LENGTH}, or no "
            "token, to have one made."
        )
    return given


def install_security(
    app: Flask,
    gate: Gate,
    allowed_hosts: tuple[str, ...],
    *,
    rate_limit: str = "60 per minute",
    read_limit: str = "1200 per minute",
    secure_cookies: bool = False,
) -> None:
    """Check every request of an application, and add security headers to every answer.

    Adds the pages `/login` and `/logout`, and the gate's values to every template. A view that sets
    one of the headers keeps its value. What kiosks call has its own limits, as
    `monitor.web.request.rights.for_kiosks` says.

    Args:
        app: The application, before its first request.
        gate: Lets visitors in.
        allowed_hosts: Names, without ports, under which the page may be asked for. IP addresses are
            always allowed: only a name can be made to lead somewhere else.
        rate_limit: How often one visitor may send something.
        read_limit: How often one visitor may look at pages and call the API for reading.
        secure_cookies: Whether the page is reached through https only.
    """
    app.secret_key = secrets.token_bytes(32)
    app.config.update(
        SESSION_COOKIE_NAME="__Host-ad_monitor" if secure_cookies else "ad_monitor",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_SECURE=secure_cookies,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=12),
    )
    if app.config["MAX_CONTENT_LENGTH"] is None:
        app.config["MAX_CONTENT_LENGTH"] = MAX_UPLOAD_BYTES
    hosts = {host.strip("[]").rstrip(".").lower() for host in allowed_hosts}
    check_host = partial(_check_host, hosts)
    app.before_request(check_host)
    app.before_request(_limit_body)
    limiter = Limiter(
        get_remote_address,
        app=app,
        application_limits=[rate_limit],
        application_limits_exempt_when=lambda: (
            request.method in SAFE_METHODS
            or view_mark("is_for_kiosks", False)
            or view_mark("is_uncounted", False)
        ),
        strategy="moving-window",
        storage_uri="memory://",
        headers_enabled=True,
    )
    reads = FixedWindowRateLimiter(limiter.storage)
    app.before_request(partial(_limit_reading, parse(read_limit), reads))
    gate.install(limiter.limiter, frozenset({"https"} if secure_cookies else {"http", "https"}))
    app.before_request(gate.check_visitor)
    app.before_request(_check_refusal)
    app.before_request(_check_text)
    app.extensions[_GATE] = (
        _check_route,
        check_host,
        _limit_body,
        _limit_upload,
        partial(gate.check_visitor, counts=False),
    )
    app.after_request(_add_headers)
    app.context_processor(gate.template_values)
    app.add_url_rule("/login", "login", gate.login, methods=["GET", "POST"])
    app.add_url_rule("/logout", "logout", gate.logout, methods=["POST"])


def judge(app: Flask, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Judge a request by its header alone, as a WSGI application that answers 200 or 403.

    The application does the same checks and more, and says what is wrong with the request. So an
    envelope of usual size passes here: judging takes as long as storing it.
    """
    length = str(environ.get("CONTENT_LENGTH", ""))
    is_small = length.isascii() and length.isdecimal() and int(length) <= MAX_FORM_BYTES
    if is_small and str(environ.get("PATH_INFO", "")).startswith(HUB_API):
        start_response("200 OK", [])
        return []
    with app.request_context(environ):
        try:
            refused = any(check() is not None for check in app.extensions[_GATE])
        except HTTPException:
            refused = True
    start_response("403 Forbidden" if refused else "200 OK", [])
    return []


def view_mark(name: str, default: Any) -> Any:
    """Return an attribute of the view that answers the current request."""
    view = current_app.view_functions.get(request.endpoint or "")
    return getattr(view, name, default)


def _check_route() -> None:
    if request.routing_exception is not None:
        raise request.routing_exception


def _limit_upload() -> None:
    if (request.content_length or 0) > (request.max_content_length or MAX_UPLOAD_BYTES):
        raise RequestEntityTooLarge


def _check_refusal() -> None:
    why = request.environ.get(REFUSAL)
    if not why or request.routing_exception is not None:
        return
    if why == "busy":
        raise ServiceUnavailable(retry_after=5)
    if why == "too_slow":
        raise RequestTimeout(
            lazy(
                "The upload was too slow: expected all of it within three minutes, "
                "without long pauses. Use a smaller picture, or a better connection."
            )
        )
    raise RequestEntityTooLarge


def _check_text() -> None:
    """Refuse a zero character: nobody can type one, and PostgreSQL takes none."""
    texts = [text for given in request.args.listvalues() for text in given]
    if request.mimetype == "application/x-www-form-urlencoded":
        texts += [text for given in request.form.listvalues() for text in given]
    if any("\0" in text for text in texts):
        raise BadRequest(
            lazy("A field of the form or address holds a zero character: expected text.")
        )


def _add_headers(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _check_host(hosts: set[str]) -> None:
    try:
        name = (urlsplit(f"//{request.host}").hostname or "").rstrip(".")
    except ValueError:
        name = ""
    if name not in hosts and not _is_address(name):
        raise MisdirectedRequest(
            lazy(
                "This server does not answer to that name: use an address, or allow the "
                "name with `--allow-host`."
            )
        )


def _limit_body() -> None:
    """Refuse a body that is too large by its stated length, before it is read.

    Pictures come as `image/*` or in a form of several parts; the fields of these are limited by
    werkzeug. waitress states the length of bodies that come in chunks.
    """
    kind = request.mimetype
    is_picture = kind.startswith("image/") or kind == "multipart/form-data"
    if is_picture and request.endpoint != "login":
        return
    request.max_content_length = limit = view_mark("max_body", MAX_FORM_BYTES)
    if (request.content_length or 0) > limit:
        raise RequestEntityTooLarge(
            lazy(
                "The form or text is too large: expected at most %(most)s kB, received "
                "%(content_length)s bytes.",
                most=limit >> 10,
                content_length=request.content_length,
            )
        )


def _limit_reading(limit: RateLimitItem, counts: RateLimiter) -> None:
    is_free = request.endpoint == "static" or view_mark("is_for_kiosks", False)
    if request.method not in SAFE_METHODS or is_free:
        return
    if not counts.hit(limit, "read", get_remote_address()):
        raise TooManyRequests(
            lazy(
                "Too many requests came from your address: expected at most %(amount)s "
                "pages in %(seconds)s s. Wait a minute, then try again.",
                amount=limit.amount,
                seconds=limit.get_expiry(),
            ),
            retry_after=60,
        )


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
