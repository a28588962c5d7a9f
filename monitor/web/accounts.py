"""Accounts of a hub: login by name and password, and rights by role.

A login is a random token in a cookie; the database has its checksum, so that each process of the
hub knows it, and a logout ends it everywhere.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Blueprint, current_app, g, redirect, render_template, request, url_for
from flask_limiter.util import get_remote_address
from werkzeug.exceptions import Forbidden

from db.engine import writing
from db.hub import accounts
from db.hub.accounts import Account
from db.hub.attempts import AttemptLimit, count_attempt, forgive
from db.hub.audit import note
from monitor.hub.passwords import MIN_LENGTH, PasswordError, hash_password, is_right
from monitor.languages import _, lazy
from monitor.web.connections import ConnectionLimits, origin_of
from monitor.web.gates import (
    OPEN,
    SAFE_METHODS,
    Gate,
    ask_to_log_in,
    bearer_token,
    following_page,
    unauthorized,
)
from monitor.web.problems import ProblemError
from monitor.web.rights import READERS, open_to_all
from monitor.web.security import view_mark
from monitor.web.services import Places, hub_services

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine
    from werkzeug.wrappers import Response

logger = logging.getLogger(__name__)

BY_ADDRESS = AttemptLimit("password", 10, timedelta(minutes=10))
BY_ACCOUNT = AttemptLimit("account", 100, timedelta(hours=1))
"""Also from many addresses, not every password can be tried."""

PASSWORDS_AT_ONCE = 2
"""Each check takes 64 MB and a processor."""

PROGRAM = Account(0, "program", "viewer")
"""Who sends the hub's token."""


class AccountGate(Gate):
    """People log in by name and password; programs send the hub's token, if it has one.

    Args:
        engine: The hub's database.
        token: For programs that read, such as Prometheus; `None` for no such token.
        secure: Whether the hub is reached by https only.

    Attributes:
        checking: Places for work with passwords.
    """

    def __init__(self, engine: Engine, token: str | None, *, secure: bool) -> None:
        self._engine = engine
        self._token = None if token is None else token.encode()
        self._secure = secure
        self._cookie = "__Host-ad_monitor_hub" if secure else "ad_monitor_hub"
        self.checking = Places(PASSWORDS_AT_ONCE, waiting=8, each=2)

    def logged_in(self) -> bool:
        """Whether the request carries the cookie of a login."""
        return self._visitor() is not None

    def template_values(self) -> dict[str, Any]:
        """Return what every template may use; a page about an error asks no database."""
        user = g.get("user")
        values = {"login_needed": True, "logged_in": user is not None, "user": user}
        return values | {"may_open": partial(_may_open, user)}

    def check_visitor(self, *, counts: bool = True) -> Response | None:
        """Refuse a visitor without an account or right, or a request from another page."""
        if view_mark("is_for_kiosks", False):
            return None
        if not counts and _is_small():
            return None  # The whole check follows, in a thread that may wait for the database.
        token = bearer_token()
        if token is not None:
            if not self.is_right(token, self._token, counts=counts):
                raise unauthorized(
                    lazy("The token is wrong: expected the one that the hub was given.")
                )
            g.user = PROGRAM
        else:
            self.check_origin()
            is_open = request.endpoint in OPEN or view_mark("is_open", False)
            if request.endpoint != "static":
                g.user = self._visitor()
            if is_open:
                return None
            if g.user is None:
                return ask_to_log_in(
                    lazy("You are not logged in: expected an account of this hub.")
                )
        _check_right(g.user)
        return None

    def login(self) -> str | tuple[str, int, dict[str, str]] | Response:
        """Ask for name and password, or check them."""
        following = following_page()
        if self.logged_in():
            return redirect(following, 303)
        if request.method != "POST":
            return render_template("account_login.html", name="", wrong=False, following=following)
        name = request.form.get("name", "").strip()[: accounts.MAX_NAME_LENGTH]
        account = self._checked(name, request.form.get("password", ""))
        if account is None:
            page = render_template("account_login.html", name=name, wrong=True, following=following)
            return page, 401, {"WWW-Authenticate": "Bearer"}
        return self.begin_login(account, following)

    def begin_login(self, account: Account, following: str) -> Response:
        """Let a browser in, and lead it to a page."""
        with writing(self._engine) as connection:
            token = accounts.begin_login(connection, account, datetime.now(UTC))
        response = redirect(following, 303)
        response.set_cookie(
            self._cookie,
            token,
            max_age=accounts.LOGIN_FOR,
            secure=self._secure,
            httponly=True,
            samesite="Strict",
        )
        return response

    def logout(self) -> Response:
        """End the login of this browser, and of every copy of its cookie."""
        token = request.cookies.get(self._cookie)
        if token:
            with writing(self._engine) as connection:
                accounts.end_login(connection, token)
        response = redirect(url_for("login"), 303)
        response.delete_cookie(self._cookie, secure=self._secure, httponly=True, samesite="Strict")
        return response

    def _visitor(self) -> Account | None:
        """Return whose login the request carries; asked once for each request."""
        if "login" not in g:
            g.login = self._find_visitor()
        found: Account | None = g.login
        return found

    def _find_visitor(self) -> Account | None:
        token = request.cookies.get(self._cookie)
        if not token:
            return None
        now = datetime.now(UTC)
        with self._engine.connect() as connection:
            found = accounts.account_of(connection, token, now)
        if found is None:
            return None
        account, is_due = found
        if is_due:
            with writing(self._engine) as connection:
                accounts.note_seen(connection, token, now)
        return account

    def _checked(self, name: str, password: str) -> Account | None:
        """Return the account of a right name and password."""
        address, now = origin_of(get_remote_address()), datetime.now(UTC)
        tries = (BY_ADDRESS, address), (BY_ACCOUNT, name)
        with writing(self._engine) as connection:
            allowed = all(count_attempt(connection, limit, key, now) for limit, key in tries)
            found = accounts.find_login(connection, name) if allowed else None
        if not allowed:
            raise ProblemError(
                429,
                "too_many_requests",
                lazy(
                    "Too many wrong passwords came from your address, or for this account. "
                    "Wait %(minutes)s minutes, then try again.",
                    minutes=BY_ADDRESS.within // timedelta(minutes=1),
                ),
                retry_after_s=round(BY_ADDRESS.within.total_seconds()),
            )
        account, password_hash = found or (None, None)
        with self.checking.taken():
            if not is_right(password, password_hash):
                logger.info("Wrong name or password from %s", address)
                return None
        with writing(self._engine) as connection:
            for limit, key in tries:
                forgive(connection, limit.kind, key)
        return account


def invitation_pages(gate: AccountGate) -> Blueprint:
    """Return the page on which people set the password of their account by a link."""
    blueprint = Blueprint("invitation", __name__)

    @blueprint.route("/invitation", methods=["GET", "POST"])
    @open_to_all
    def page() -> str | tuple[str, int] | Response:
        """The form; the token is behind the # of the link, which no server sees."""
        if request.method == "GET":
            return _invitation_page("", "")
        token, password = request.form.get("token", "").strip(), request.form.get("password", "")
        if password != request.form.get("again", ""):
            return _invitation_page(
                _("The two passwords differ: type the same one twice."), token
            ), 400
        engine, now = hub_services().engine, datetime.now(UTC)
        with engine.connect() as connection:
            account = accounts.invited(connection, token, now)
        if account is not None:
            try:
                with gate.checking.taken():
                    password_hash = hash_password(password)
            except PasswordError as error:
                return _invitation_page(str(error), token), 400
            with writing(engine) as connection:
                account = accounts.set_password(connection, token, password_hash, now)
                if account is not None:
                    note(connection, account.name, "user.set_password", account.name, now)
        if account is None:
            wrong = _(
                "This link has been used, is older than 24 hours, or was not copied completely. "
                "Ask an administrator for another one."
            )
            return _invitation_page(wrong, ""), 400
        return gate.begin_login(account, "/")

    return blueprint


def _invitation_page(wrong: str, token: str) -> str:
    return render_template("invitation.html", wrong=wrong, token=token, min_length=MIN_LENGTH)


def _check_right(user: Account) -> None:
    default = READERS if request.method in SAFE_METHODS else ()
    roles = view_mark("roles", default)
    if request.endpoint == "logout" or user.may(*roles):
        return
    names = ", ".join(dict.fromkeys([*roles, "admin"]))
    raise Forbidden(
        lazy(
            "Your account has the role %(role)s: expected one of %(names)s. Ask an "
            "administrator of the hub.",
            role=user.role,
            names=names,
        )
    )


def _may_open(user: Account | None, endpoint: str) -> bool:
    """Whether somebody may read the page of an endpoint, for menus."""
    roles = getattr(current_app.view_functions.get(endpoint), "roles", READERS)
    return user is not None and user.may(*roles)


def folder_scope() -> int | None:
    """Return the only folder of the library that the person may see; `None` for all.

    Everything else must not be there for them: answer 404, as for what does not exist.
    """
    return current_user().folder_scope


def _is_small() -> bool:
    length = request.content_length
    return length is not None and length <= ConnectionLimits().small_body


def current_user() -> Account:
    """Return who asks for the current page, which is not open to all."""
    found: Account = g.user
    return found
