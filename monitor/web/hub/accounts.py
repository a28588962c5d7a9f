"""Accounts of a hub: login by name and password, and rights by role.

A login is a random token in a cookie; the database has its checksum, so that each process of the
hub knows it, and a logout ends it everywhere.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, cast

from flask import current_app, g, redirect, render_template, request, url_for
from flask_limiter.util import get_remote_address
from werkzeug.exceptions import Forbidden

from db.engine import writing
from db.hub.attempts import AttemptLimit, count_attempt, forgive
from db.hub.audit import note
from db.hub.people import accounts, api_keys
from db.hub.people.accounts import Account
from monitor.hub.people.account_form import ROLE_WORDS
from monitor.hub.people.passwords import is_right
from monitor.languages import _, languages, lazy
from monitor.web.request.gates import (
    OPEN,
    SAFE_METHODS,
    Gate,
    ask_to_log_in,
    bearer_token,
    following_page,
    is_for_page,
    unauthorized,
)
from monitor.web.request.language import keep_language
from monitor.web.request.problems import ProblemError
from monitor.web.request.rights import READERS
from monitor.web.request.security import view_mark
from monitor.web.services import Places
from monitor.web.serving.connections import ConnectionLimits, origin_of

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.engine import Engine
    from werkzeug.wrappers import Response

    from db.hub.people.api_keys import KnownKey

logger = logging.getLogger(__name__)

BY_ADDRESS = AttemptLimit("password", 10, timedelta(minutes=10))
BY_ACCOUNT = AttemptLimit("account", 100, timedelta(hours=1))
"""Also from many addresses, not every password can be tried."""

CODES_BY_ADDRESS = AttemptLimit("second_factor", 10, timedelta(minutes=10))
CODES_BY_ACCOUNT = AttemptLimit("second_account", 20, timedelta(hours=1))
"""Only somebody who knows the password can try codes."""

PASSWORDS_AT_ONCE = 2
"""Each check takes 64 MB and a processor."""

PROGRAM = Account(0, "program", "viewer")
"""Who sends the hub's token."""

Required = Literal["none", "admins", "all"]
"""Whose accounts need a second factor."""

_EXTENSION = "ad-monitor-accounts"
_ENROLLING = frozenset({"account.second_factor_page", "account.confirm_second_factor", "logout"})


class AccountGate(Gate):
    """People log in by name and password; programs send the hub's token, or a key of somebody.

    Args:
        engine: The hub's database.
        token: For programs that read, such as Prometheus; `None` for no such token.
        secure: Whether the hub is reached by https only.
        required: Who can do nothing without a second factor but set it up.

    Attributes:
        checking: Places for work with passwords.
    """

    def __init__(
        self, engine: Engine, token: str | None, *, secure: bool, required: Required = "none"
    ) -> None:
        self._engine = engine
        self._token = None if token is None else token.encode()
        self._secure = secure
        self._required = required
        prefix = "__Host-" if secure else ""
        self._cookie = f"{prefix}ad_monitor_hub"
        self._half_cookie = f"{prefix}ad_monitor_hub_half"
        self.checking = Places(PASSWORDS_AT_ONCE, waiting=8, each=2)

    def serve_pages(self, app: Flask) -> None:
        """Let the pages of an application find this gate, see `account_gate`."""
        app.extensions[_EXTENSION] = self

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
        is_open = request.endpoint in OPEN or view_mark("is_open", False)
        if token is not None:
            self._let_program_in(token, counts=counts)
            if not is_open:
                _check_key()
        else:
            self.check_origin()
            if request.endpoint != "static":
                g.user = self._visitor()
            elsewhere = None if is_open else self._lead_elsewhere()
            if elsewhere is not None:
                return elsewhere
        if not is_open:
            _check_right(g.user)
        return None

    def must_enrol(self, account: Account) -> bool:
        """Whether somebody must set up a second factor before anything else.

        Who has no password logs in by single sign-on, which has rules of its own.
        """
        wanted = self._required == "all" or (self._required == "admins" and account.role == "admin")
        return wanted and account.has_password and not account.has_second_factor

    def login(self) -> str | tuple[str, int, dict[str, str]] | Response:
        """Ask for name and password, or check them."""
        following = following_page()
        if self.logged_in():
            return redirect(following, 303)
        if request.method != "POST":
            late = "late" in request.args
            return render_template(
                "account_login.html", name="", wrong=False, late=late, following=following
            )
        name = request.form.get("name", "").strip()[: accounts.MAX_NAME_LENGTH]
        account = self.checked(name, request.form.get("password", ""))
        if account is None:
            page = render_template(
                "account_login.html", name=name, wrong=True, late=False, following=following
            )
            return page, 401, {"WWW-Authenticate": "Bearer"}
        return self.password_was_right(account, following)

    def password_was_right(self, account: Account, following: str) -> Response:
        """Let a browser in, or ask for the second factor of the account."""
        if not account.has_second_factor:
            return self.begin_login(account, following, "password")
        with writing(self._engine) as connection:
            token = accounts.begin_second_factor(connection, account, datetime.now(UTC))
        response = redirect(url_for("login_code.page", next=following), 303)
        self._set_cookie(response, self._half_cookie, token, accounts.SECOND_FACTOR_FOR)
        return response

    def awaiting_code(self) -> Account | None:
        """Return whose password the browser has just shown, if it must show a code now."""
        token = request.cookies.get(self._half_cookie)
        if not token:
            return None
        with self._engine.connect() as connection:
            return accounts.awaiting_second_factor(connection, token, datetime.now(UTC))

    def remember_language(self, code: str) -> None:
        """Store the language that the visitor has chosen for all their browsers."""
        user: Account | None = g.get("user")
        if user is None or user.id == 0 or user.language == code:
            return
        with writing(self._engine) as connection:
            accounts.choose_language(connection, user, code)
            before, after = {"language": user.language}, {"language": code}
            now = datetime.now(UTC)
            note(connection, user.name, "user.language", user.name, now, before=before, after=after)

    def begin_login(self, account: Account, following: str, how: str) -> Response:
        """Let a browser in, and lead it to a page.

        Args:
            account: Whose login it is.
            following: Path of the page.
            how: What was shown, for the audit log, such as `password`.
        """
        response = redirect(following, 303)
        self.let_in(response, account, how)
        return response

    def let_in(self, response: Response, account: Account, how: str) -> None:
        """Begin a login with a response; see `begin_login`."""
        now, where = datetime.now(UTC), caller()
        half = request.cookies.get(self._half_cookie)
        with writing(self._engine) as connection:
            token = accounts.begin_login(connection, account, now, **where)
            if half:
                accounts.end_login(connection, half)
            after = {"by": how, **where}
            note(connection, account.name, "user.login", account.name, now, after=after)
        self._set_cookie(response, self._cookie, token, accounts.LOGIN_FOR)
        if half:
            self._delete_cookie(response, self._half_cookie)
        if account.language in languages():
            keep_language(response, account.language, secure=self._secure)

    def logout(self) -> Response:
        """End the login of this browser, and of every copy of its cookie."""
        token = self.this_login()
        if token:
            with writing(self._engine) as connection:
                accounts.end_login(connection, token)
        response = redirect(url_for("login", out=""), 303)
        self._delete_cookie(response, self._cookie)
        return response

    def this_login(self) -> str:
        """Return the token of this browser's login; empty without one."""
        return request.cookies.get(self._cookie, "")

    def count_try(self, name: str, *limits: AttemptLimit) -> None:
        """Count an attempt by the address and the name, before its outcome is known.

        Raises:
            ProblemError: There were too many.
        """
        by_address, by_account = limits
        tries = (by_address, _origin()), (by_account, name)
        now = datetime.now(UTC)
        with writing(self._engine) as connection:
            allowed = all(count_attempt(connection, limit, key, now) for limit, key in tries)
        if not allowed:
            minutes = by_address.within // timedelta(minutes=1)
            raise ProblemError(
                429,
                "too_many_requests",
                lazy(
                    "Too many wrong passwords or codes came from your address, or for this "
                    "account. Wait %(minutes)s minutes, then try again.",
                    minutes=minutes,
                ),
                retry_after_s=round(by_address.within.total_seconds()),
            )

    def take_back_try(self, name: str, *limits: AttemptLimit) -> None:
        """Forget the attempts of `count_try`: this one was right."""
        by_address, by_account = limits
        with writing(self._engine) as connection:
            forgive(connection, by_address.kind, _origin())
            forgive(connection, by_account.kind, name)

    def note_failure(self, name: str, how: str) -> None:
        """Write to the audit log that somebody could not log in to an account.

        Args:
            name: Of the account; empty if there is none of the name that was typed, which may be a
                password in the wrong field.
            how: What was wrong, such as `password`.
        """
        after, now = {"by": how, **caller()}, datetime.now(UTC)
        logger.info("Wrong %s from %s", how, _origin())
        with writing(self._engine) as connection:
            note(connection, "nobody", "user.login_failed", name or "unknown", now, after=after)

    def _lead_elsewhere(self) -> Response | None:
        """Lead a person to the login, or to the second factor that they need first."""
        if g.user is None:
            return ask_to_log_in(
                lazy(
                    "You are not logged in: expected an account of this hub. Programs send a key "
                    "of one in the header `Authorization: Bearer KEY`."
                )
            )
        if self.must_enrol(g.user) and request.endpoint not in _ENROLLING:
            return _ask_to_enrol()
        return None

    def _visitor(self) -> Account | None:
        """Return whose login the request carries; asked once for each request."""
        if "login" not in g:
            g.login = self._find_visitor()
        found: Account | None = g.login
        return found

    def _find_visitor(self) -> Account | None:
        token = self.this_login()
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

    def _let_program_in(self, token: str, *, counts: bool) -> None:
        """Let a program in by the hub's token, or by the key of an account."""
        found = self._key_of(token, counts=counts) if token.startswith(api_keys.PREFIX) else None
        if found is not None:
            g.user, g.api_key = found
        elif self.is_right(token, self._token, counts=counts):
            g.user = PROGRAM
        else:
            raise unauthorized(
                lazy(
                    "The token is wrong: expected the one that the hub was given, or a key of an "
                    "account that has not expired."
                )
            )

    def _key_of(self, key: str, *, counts: bool) -> tuple[Account, KnownKey] | None:
        self.check_tries()
        now = datetime.now(UTC)
        with self._engine.connect() as connection:
            found = api_keys.owner_of(connection, key, now)
        last = None if found is None else found[1].last_used_at
        if found is not None and counts and (last is None or last < now - api_keys.USED_EVERY):
            with writing(self._engine) as connection:
                api_keys.note_used(connection, found[1], now)
        return found

    def checked(self, name: str, password: str) -> Account | None:
        """Return the account of a right name and password."""
        self.count_try(name, BY_ADDRESS, BY_ACCOUNT)
        with self._engine.connect() as connection:
            account, password_hash = accounts.find_login(connection, name) or (None, None)
        with self.checking.taken():
            right = is_right(password, password_hash)
        if not right:
            self.note_failure("" if account is None else account.name, "password")
            return None
        self.take_back_try(name, BY_ADDRESS, BY_ACCOUNT)
        return account

    def _set_cookie(self, response: Response, name: str, token: str, lasts: timedelta) -> None:
        response.set_cookie(
            name,
            token,
            max_age=lasts,
            secure=self._secure,
            httponly=True,
            samesite="Strict",
        )

    def _delete_cookie(self, response: Response, name: str) -> None:
        response.delete_cookie(name, secure=self._secure, httponly=True, samesite="Strict")


def account_gate() -> AccountGate:
    """Return the gate of the hub that answers the current request."""
    return cast("AccountGate", current_app.extensions[_EXTENSION])


def current_user() -> Account:
    """Return who asks for the current page, which is not open to all."""
    found: Account = g.user
    return found


def actor() -> str:
    """Return who changes something, for the audit log: a person, also by which key."""
    key = g.get("api_key")
    return current_user().name + (f" (key {key.name})" if key is not None else "")


def folder_scope() -> int | None:
    """Return the only folder of the library that the person may see; `None` for all.

    Everything else must not be there for them: answer 404, as for what does not exist.
    """
    return current_user().folder_scope


def caller() -> dict[str, str]:
    """Return the network address and the browser of the current request."""
    return {"address": _origin(), "agent": request.headers.get("User-Agent", "")[:300]}


def _origin() -> str:
    return origin_of(get_remote_address())


def _ask_to_enrol() -> Response:
    if is_for_page():
        return redirect(url_for("account.second_factor_page"), 303)
    raise Forbidden(
        lazy("Your account needs a second factor: set it up on the page of your account.")
    )


def _check_right(user: Account) -> None:
    default = READERS if request.method in SAFE_METHODS else ()
    roles = view_mark("roles", default)
    if request.endpoint == "logout" or user.may(*roles):
        return
    names = [str(ROLE_WORDS[role]) for role in dict.fromkeys([*roles, "admin"])]
    raise Forbidden(
        _(
            "Your role is %(role)s; this is for %(names)s. Ask an administrator of the hub.",
            role=ROLE_WORDS[user.role],
            names=", ".join(names),
        )
    )


def _check_key() -> None:
    """Refuse a program where only people may be, and a key that was not made for the view."""
    if view_mark("is_for_people", False):
        raise Forbidden(lazy("This is for people: log in with a browser."))
    key: KnownKey | None = g.get("api_key")
    if key is None:
        return
    needed = view_mark("scope", "read" if request.method in SAFE_METHODS else None)
    if needed is None:
        raise Forbidden(lazy("No key may do this: log in with a browser."))
    if needed not in key.scopes:
        raise Forbidden(
            lazy(
                "The key %(name)s was made for %(scopes)s: expected one for %(needed)s.",
                name=key.name,
                scopes=", ".join(key.scopes),
                needed=needed,
            )
        )


def _may_open(user: Account | None, endpoint: str) -> bool:
    """Whether somebody may read the page of an endpoint, for menus."""
    roles = getattr(current_app.view_functions.get(endpoint), "roles", READERS)
    if user is None:
        return False
    # Administrators may see an agency's own page; it would only fill their menu.
    return user.role == "agency" if roles == ("agency",) else user.may(*roles)


def _is_small() -> bool:
    length = request.content_length
    return length is not None and length <= ConnectionLimits().small_body
