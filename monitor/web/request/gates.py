"""Who may use the pages: how a visitor proves that, and how a request proves it is the visitor's.

`security` installs a gate; a page with accounts has another one than `TokenGate`.
"""

from __future__ import annotations

import hmac
import re
import secrets
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from flask import redirect, render_template, request, session, url_for
from flask_limiter.util import get_remote_address
from limits import parse
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, TooManyRequests, Unauthorized

from monitor.languages import lazy

if TYPE_CHECKING:
    from limits.strategies import RateLimiter
    from werkzeug.wrappers import Response as AnyResponse

MAX_LOGINS = 1000
WRONG_TOKENS = parse("10 per minute")

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

OPEN = frozenset({"login", "static", "language"})
"""Pages without a login."""


class Gate(ABC):
    """Lets visitors in, and shows the pages `/login` and `/logout`.

    Attributes:
        login_needed: Whether there is anything to log in to.
        counts: Counts wrong tokens by address; set by `install`.
    """

    login_needed = True
    counts: RateLimiter
    _schemes: frozenset[str]

    def install(self, counts: RateLimiter, schemes: frozenset[str]) -> None:
        """Take what the application shares: its counters, and the schemes of its own pages."""
        self.counts = counts
        self._schemes = schemes

    @abstractmethod
    def logged_in(self) -> bool:
        """Whether the request carries the cookie of a login."""

    @abstractmethod
    def login(self) -> str | tuple[str, int, dict[str, str]] | AnyResponse:
        """Answer `/login`."""

    @abstractmethod
    def logout(self) -> AnyResponse:
        """Answer `/logout`."""

    def remember_language(self, code: str) -> None:  # noqa: B027 (most visitors have no account)
        """Store the language that the visitor has chosen, if they have an account."""

    @abstractmethod
    def check_visitor(self, *, counts: bool = True) -> AnyResponse | None:
        """Refuse a visitor who may not see the page, or a request from another page.

        Args:
            counts: Whether a wrong token counts towards the limit. Without it only the header has
                arrived, and the answer must come at once.
        """

    def template_values(self) -> dict[str, Any]:
        """Return what every template may use."""
        values = {"login_needed": self.login_needed, "logged_in": self.logged_in(), "user": None}
        return values | {"may_open": lambda _endpoint: True}

    def check_origin(self) -> None:
        """Refuse a request that a foreign page sent."""
        if self._is_from_elsewhere():
            raise Forbidden(
                lazy("The request came from another page: expected one of this server.")
            )

    def is_right(self, given: str, expected: bytes | None, *, counts: bool = True) -> bool:
        """Whether a token is the expected one; too many wrong ones end the request."""
        self.check_tries()
        if expected is not None and hmac.compare_digest(given.encode(), expected):
            return True
        if counts:
            self.counts.hit(WRONG_TOKENS, "token", get_remote_address())
        return False

    def check_tries(self) -> None:
        """Refuse a visitor from whose address too many wrong tokens came."""
        if not self.counts.test(WRONG_TOKENS, "token", get_remote_address()):
            raise TooManyRequests(
                lazy("Too many wrong tokens came from this address: wait a minute."), retry_after=60
            )

    def _is_from_elsewhere(self) -> bool:
        site = request.headers.get("Sec-Fetch-Site")
        safe = request.method in SAFE_METHODS
        if site is not None:  # Browsers send it to https and to this machine only.
            followed_link = safe and request.headers.get("Sec-Fetch-Mode") == "navigate"
            return site not in {"same-origin", "none"} and not followed_link
        if safe:
            return False
        origin = request.headers.get("Origin")
        if origin is None:  # A program; a browser, which may be logged in, names the origin.
            return self.logged_in()
        scheme, _, host = origin.partition("://")
        return scheme not in self._schemes or host.lower() != request.host.lower()


class TokenGate(Gate):
    """One token for everybody; without a token everybody is let in.

    Programs send it as `Authorization: Bearer …`; people type it and get a signed cookie. A login
    ends after twelve idle hours, and with the server, which signs with a new key each time.

    Args:
        token: `None` is for this machine only.
    """

    def __init__(self, token: str | None) -> None:
        self.login_needed = token is not None
        self._token = None if token is None else token.encode()
        # Open logins, oldest first: a copy of a cookie is of no use after the logout.
        self._logins: dict[str, None] = {}

    def logged_in(self) -> bool:
        """Whether the request carries the cookie of a login."""
        return self._token is not None and session.get("login") in self._logins

    def login(self) -> str | tuple[str, int, dict[str, str]] | AnyResponse:
        """Ask for the token, or check it."""
        following = following_page()
        if self._token is None or self.logged_in():
            return redirect(following, 303)
        if request.method != "POST":
            return render_template("login.html", wrong=False, following=following)
        if not self.is_right(request.form.get("token", "").strip(), self._token):
            page = render_template("login.html", wrong=True, following=following)
            return page, 401, {"WWW-Authenticate": "Bearer"}
        session.clear()
        session["login"] = secrets.token_urlsafe(16)
        self._logins[session["login"]] = None
        while len(self._logins) > MAX_LOGINS:
            self._logins.pop(next(iter(self._logins)), None)
        session.permanent = True
        return redirect(following, 303)

    def logout(self) -> AnyResponse:
        """End the login of this browser, and of every copy of its cookie."""
        self._logins.pop(session.get("login", ""), None)
        session.clear()
        return redirect(url_for("login"), 303)

    def check_visitor(self, *, counts: bool = True) -> AnyResponse | None:
        """Refuse a visitor without a token, or from another page."""
        token = bearer_token()
        if token is not None and self._token is not None:
            if self.is_right(token, self._token, counts=counts):
                return None  # No browser adds this header by itself, so the origin does not matter.
            raise unauthorized(
                lazy(
                    "The token is wrong: expected the one that was printed when the server started."
                )
            )
        self.check_origin()
        if self._token is None or request.endpoint in OPEN or self.logged_in():
            return None
        return ask_to_log_in(
            lazy(
                "You are not logged in: expected the token that was printed when the server "
                "started. Programs send it in the header `Authorization: Bearer TOKEN`."
            )
        )


def bearer_token() -> str | None:
    """Return the token that a program sent with the request."""
    authorization = request.authorization
    if authorization is None or authorization.type != "bearer":
        return None
    return authorization.token or ""


def following_page() -> str:
    """Return the page of this server to which a login leads."""
    following = request.values.get("next", "/")
    return following if re.fullmatch(r"/(?![/\\])[^\x00-\x20\x7f\\]*", following) else "/"


def is_for_page() -> bool:
    """Whether a browser asks for a page, which may be led to another one.

    A program that takes anything counts as none. Not `accept_mimetypes.best`: it is the most
    detailed type, for Chrome the `application/signed-exchange;v=b3` that it likes least.
    """
    types = ("application/json", "text/html")
    return request.method == "GET" and request.accept_mimetypes.best_match(types) == types[1]


def ask_to_log_in(sentence: str) -> AnyResponse:
    """Lead a browser to the login; refuse a program with a sentence."""
    if is_for_page():
        return redirect(url_for("login", next=request.full_path.rstrip("?")), 303)
    raise unauthorized(sentence)


def unauthorized(sentence: str) -> Unauthorized:
    """Return the refusal of a visitor who has not proved anything yet."""
    return Unauthorized(
        sentence, www_authenticate=WWWAuthenticate("bearer", {"realm": "ad-monitor"})
    )
