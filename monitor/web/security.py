"""Whom the web page answers, and what it tells browsers to allow.

Three kinds of strangers are kept out. Somebody in the same network, by a token. A foreign page in a
visitor's browser that sends requests to this one (cross-site request forgery), by what browsers say
about a request's origin, and by a login cookie that they send only from this page. A foreign page
whose name was made to lead here (DNS rebinding), by the Host header.

Source: the OWASP cheat sheets on request forgery and HTTP headers, and the Fetch Metadata draft of
the W3C.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import redirect, render_template, request, session, url_for
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from limits import parse
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, MisdirectedRequest, TooManyRequests, Unauthorized

from monitor.errors import SetupError

if TYPE_CHECKING:
    from flask import Flask, Response
    from werkzeug.wrappers import Response as AnyResponse

SHORTEST_TOKEN = 16
LOGIN_LASTS = timedelta(hours=12)
WRONG_TOKENS = parse("10 per minute")
LARGEST_UPLOAD = 31 << 20

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OPEN_ENDPOINTS = frozenset({"login", "static"})
_LOGGED_IN = "logged_in"
_OWN_PATH = re.compile(r"/(?![/\\])[^\x00-\x20\x7f\\]*")

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: with that, browsers send the page's own forms with `Origin: null`, as if
    # they were foreign.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class SecuritySettings:
    """Whom the web page answers.

    Attributes:
        token: What one has to know to be let in; None lets everybody in, and is for this machine
            only.
        allowed_hosts: Names under which the page may be asked for, without ports. IP addresses are
            always allowed: only a name can be made to lead somewhere else.
        rate_limit: How often one visitor may send something, such as `60 per minute`; looking at
            pages is not counted.
        secure_cookies: Whether the page is reached through https only.
    """

    token: str | None
    allowed_hosts: tuple[str, ...]
    rate_limit: str = "60 per minute"
    secure_cookies: bool = False


def is_local(host: str) -> bool:
    """Whether a server that listens at this address or name is reached from this machine only."""
    name = host.strip("[]").lower()
    try:
        address = ip_address(name)
    except ValueError:
        return name == "localhost"
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def access_token(host: str, given: str | None = None) -> str | None:
    """The token that a server at this address asks for; beyond this machine there is always one.

    Args:
        host: Where it listens.
        given: What the operator chose.

    Returns:
        The given one, else None for this machine, else a new one, to be shown to the operator.

    Raises:
        SetupError: The given one is too easily guessed.
    """
    if given is None:
        return None if is_local(host) else secrets.token_urlsafe(24)
    if len(given) < SHORTEST_TOKEN:
        raise SetupError(
            f"The token has {len(given)} characters: expected at least {SHORTEST_TOKEN}, or none, to have one made."
        )
    return given


def install_security(app: Flask, settings: SecuritySettings) -> None:
    """Put the rules of this module before and after every request of an application.

    Adds the pages `/login` and `/logout` (the template `login.html`), and to every template
    `login_needed` and `logged_in`. Programs send the token as `Authorization: Bearer …`, people
    type it and get a signed cookie. Logins end after twelve idle hours, and when the server stops,
    because it signs with a new key each time.

    A view that sets one of the headers itself, say a wider Content-Security-Policy for a report,
    keeps its own.

    Args:
        app: The application, before its first request.
        settings: Whom it answers.
    """
    app.secret_key = secrets.token_bytes(32)
    app.config.update(
        SESSION_COOKIE_NAME="__Host-ad_monitor" if settings.secure_cookies else "ad_monitor",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        PERMANENT_SESSION_LIFETIME=LOGIN_LASTS,
    )
    if app.config["MAX_CONTENT_LENGTH"] is None:
        app.config["MAX_CONTENT_LENGTH"] = LARGEST_UPLOAD
    gate = _Gate(app, settings)
    app.after_request(_add_headers)
    app.context_processor(
        lambda: {"login_needed": settings.token is not None, "logged_in": gate.logged_in()}
    )
    app.add_url_rule("/login", "login", gate.login, methods=["GET", "POST"])
    app.add_url_rule("/logout", "logout", gate.logout, methods=["POST"])


def _add_headers(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


class _Gate:
    """What a request has to pass, in this order: the host it names, its visitor's rate, the token, its origin."""

    def __init__(self, app: Flask, settings: SecuritySettings) -> None:
        self._token = None if settings.token is None else settings.token.encode()
        self._hosts = {host.strip("[]").rstrip(".").lower() for host in settings.allowed_hosts}
        self._origins = {"https"} if settings.secure_cookies else {"http", "https"}
        app.before_request(self._check_host)
        limiter = Limiter(
            get_remote_address,
            app=app,
            application_limits=[settings.rate_limit],
            application_limits_exempt_when=lambda: request.method in _SAFE_METHODS,
            strategy="moving-window",
            storage_uri="memory://",
            headers_enabled=True,
        )
        self._counts = limiter.limiter
        app.before_request(self._check_visitor)

    def logged_in(self) -> bool:
        """Whether the request comes with the cookie of a login."""
        return self._token is not None and session.get(_LOGGED_IN) is True

    def login(self) -> str | tuple[str, int, dict[str, str]] | AnyResponse:
        """The page that asks for the token."""
        following = request.values.get("next", "/")
        if not _OWN_PATH.fullmatch(following):
            following = "/"
        if self._token is None or self.logged_in():
            return redirect(following, 303)
        if request.method != "POST":
            return render_template("login.html", wrong=False, following=following)
        if not self._is_right(request.form.get("token", "").strip()):
            page = render_template("login.html", wrong=True, following=following)
            return page, 401, {"WWW-Authenticate": "Bearer"}
        session.clear()
        session[_LOGGED_IN] = True
        session.permanent = True
        return redirect(following, 303)

    def logout(self) -> AnyResponse:
        """Ends the login of this browser."""
        session.clear()
        return redirect(url_for("login"), 303)

    def _check_host(self) -> None:
        try:
            name = (urlsplit(f"//{request.host}").hostname or "").rstrip(".")
        except ValueError:
            name = ""
        if name not in self._hosts and not _is_address(name):
            raise MisdirectedRequest(
                "This server does not go by that name: use one that it was told to answer to."
            )

    def _check_visitor(self) -> AnyResponse | None:
        authorization = request.authorization
        if authorization is not None and authorization.type == "bearer" and self._token is not None:
            if self._is_right(authorization.token or ""):
                return None  # a browser adds no such header by itself, so that its origin does not matter
            raise _unauthorized(
                "The token is wrong: expected the one that was shown when the server was started."
            )
        if self._from_elsewhere():
            raise Forbidden(
                "The request came from another page: expected one that this server made."
            )
        if self._token is None or request.endpoint in _OPEN_ENDPOINTS or self.logged_in():
            return None
        if request.method == "GET" and request.accept_mimetypes.best == "text/html":
            return redirect(url_for("login", next=request.full_path.rstrip("?")), 303)
        raise _unauthorized(
            "Nobody is logged in: expected the token that was shown when the server was started."
        )

    def _is_right(self, given: str) -> bool:
        visitor = get_remote_address()
        if not self._counts.test(WRONG_TOKENS, "token", visitor):
            raise TooManyRequests(
                "Too many wrong tokens came from this address: wait a minute.", retry_after=60
            )
        if self._token is not None and hmac.compare_digest(given.encode(), self._token):
            return True
        self._counts.hit(WRONG_TOKENS, "token", visitor)
        return False

    def _from_elsewhere(self) -> bool:
        site = request.headers.get("Sec-Fetch-Site")
        safe = request.method in _SAFE_METHODS
        if site is not None:  # what the browser knows; only to https and to this machine
            followed_link = safe and request.headers.get("Sec-Fetch-Mode") == "navigate"
            return site not in {"same-origin", "none"} and not followed_link
        if safe:
            return False
        origin = request.headers.get("Origin")
        if (
            origin is None
        ):  # a program; one that has a login cookie is a browser, and those name the origin
            return self.logged_in()
        scheme, _, host = origin.partition("://")
        return scheme not in self._origins or host.lower() != request.host.lower()


def _unauthorized(sentence: str) -> Unauthorized:
    return Unauthorized(
        sentence, www_authenticate=WWWAuthenticate("bearer", {"realm": "ad-monitor"})
    )


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
