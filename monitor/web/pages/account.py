"""The page of one's own account: password, second factor, logins, and keys for programs."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from flask import Blueprint, render_template, request

from db.engine import snapshot
from db.hub.people import accounts, api_keys, logins
from db.hub.people import second_factor as stored
from monitor.hub.forms import FormError
from monitor.hub.people import second_factor
from monitor.hub.people.account_form import (
    KEY_DAYS,
    ROLE_RIGHTS,
    ROLE_WORDS,
    read_details,
    read_key,
)
from monitor.hub.people.browsers import browser_words
from monitor.hub.people.passwords import MIN_LENGTH, PasswordError, hash_password
from monitor.languages import languages, lazy
from monitor.settings.time_zone import local_zone
from monitor.web.hub.accounts import account_gate, current_user
from monitor.web.hub.changes import back, changing, done, now
from monitor.web.request.language import keep_language
from monitor.web.request.problems import ProblemError
from monitor.web.request.rights import EVERYBODY, SCOPES, view_for_people
from monitor.web.services import hub_services

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.wrappers import Response

MAX_KEYS = 20

SCOPE_WORDS = {
    "read": lazy("read what you may read"),
    "reports": lazy("make and share reports"),
    "library": lazy("change the library"),
    "screens": lazy("change screens, and send them commands"),
}

DONE = {
    "details": lazy("Saved."),
    "password": lazy("Your password is changed. Your other logins have ended."),
    "ended": lazy("The login has ended."),
    "others": lazy("All your other logins have ended."),
    "off": lazy("Your second factor is removed: the password alone opens your account again."),
    "revoked": lazy("The key is void."),
}
"""What the page says after a change, by the word in its address."""

blueprint = Blueprint("account", __name__, url_prefix="/account")

_view = view_for_people(blueprint, *EVERYBODY)


@_view("", "GET")
def page() -> str:
    """Show the account of the person."""
    return _page()


@_view("/details")
def change_details() -> str | tuple[str, int] | Response:
    """Store the person's mail address and language."""
    try:
        email, language = read_details(request.form)
    except FormError as error:
        return _page(request.form, error.problems), 400
    with changing() as change:
        before = accounts.members(change.connection, change.user.id)[0]
        accounts.change_details(change.connection, change.user.id, email=email, language=language)
        old = {"email": before.email, "language": before.account.language}
        new = {"email": email, "language": language}
        if old != new:
            change.note("user.change_details", change.user.name, old, new)
    response = back("account.page", "details")
    if language:
        keep_language(response, language, secure=hub_services().settings.secure_cookies)
    return response


@_view("/password")
def change_password() -> str | tuple[str, int] | Response:
    """Set another password; the old one must be typed."""
    gate, password = account_gate(), request.form.get("new", "")
    problems = _password_problems(request.form.get("old", ""))
    if password != request.form.get("again", ""):
        problems["again"] = str(lazy("The two passwords differ: type the same one twice."))
    if problems:
        return _page(problems=problems), 400
    try:
        with gate.checking.taken():
            password_hash = hash_password(password)
    except PasswordError as error:
        return _page(problems={"new": str(error)}), 400
    with changing() as change:
        keep = gate.this_login()
        accounts.change_password(change.connection, change.user.id, password_hash, keep)
        change.note("user.change_password", change.user.name)
    return back("account.page", "password")


@_view("/second-factor", "GET")
def second_factor_page() -> str:
    """Show the QR code that sets up the second factor, or how to remove it."""
    return _second_factor_page(second_factor.new_secret())


@_view("/second-factor")
def confirm_second_factor() -> str | tuple[str, int]:
    """Begin to ask for codes, once the person has shown one; show the codes of recovery."""
    secret, code = request.form.get("secret", ""), request.form.get("code", "")
    if not second_factor.is_secret(secret) or current_user().has_second_factor:
        raise ProblemError(409, "in_use", lazy("Open the page of your second factor again."))
    problems = _password_problems(request.form.get("old", ""))
    step = second_factor.matching_step(secret, code, now())
    if step is None:
        problems["code"] = str(
            lazy("The code is wrong: type the one that the app shows now. Is its clock right?")
        )
    if problems or step is None:
        return _second_factor_page(secret, problems), 400
    codes = second_factor.new_recovery_codes()
    with changing() as change:
        stored.set_second_factor(
            change.connection, change.user.id, secret, step, change.at, recovery_codes=codes
        )
        change.note("user.set_second_factor", change.user.name)
    return render_template("account_codes.html", codes=codes), 201


@_view("/second-factor/codes")
def replace_codes() -> str | tuple[str, int]:
    """Make new codes of recovery; the earlier ones end."""
    problems = _password_problems(request.form.get("old", ""))
    if problems or not current_user().has_second_factor:
        return _second_factor_page("", problems), 400
    codes = second_factor.new_recovery_codes()
    with changing() as change:
        stored.replace_recovery_codes(change.connection, change.user.id, codes, change.at)
        change.note("user.replace_recovery_codes", change.user.name)
    return render_template("account_codes.html", codes=codes), 201


@_view("/second-factor/remove")
def remove_second_factor() -> str | tuple[str, int] | Response:
    """Ask for no code any more."""
    if problems := _password_problems(request.form.get("old", "")):
        return _second_factor_page("", problems), 400
    with changing() as change:
        if stored.remove_second_factor(change.connection, change.user.id):
            change.note("user.remove_second_factor", change.user.name)
    return back("account.page", "off")


@_view("/logins/<int:login_id>/end")
def end_login(login_id: int) -> Response:
    """End one login of the person."""
    with changing() as change:
        if not logins.end_logins(change.connection, change.user.id, login_id=login_id):
            raise ProblemError(404, "not_found", lazy("You have no such login."))
        change.note("user.end_login", change.user.name)
    return back("account.page", "ended", _anchor="logins")


@_view("/logins/end-others")
def end_others() -> Response:
    """End all logins of the person but this one."""
    with changing() as change:
        keep = account_gate().this_login()
        ended = logins.end_logins(change.connection, change.user.id, keep=keep)
        change.note("user.end_other_logins", change.user.name, after={"ended": ended})
    return back("account.page", "others", _anchor="logins")


@_view("/keys")
def make_key() -> str | tuple[str, int]:
    """Make a key for a program, and show it once."""
    try:
        read = read_key(request.form, request.form.getlist("scope"), SCOPES)
    except FormError as error:
        problems = {f"key_{name}": why for name, why in error.problems.items()}
        return _page(problems=problems), 400
    with changing() as change:
        known = api_keys.keys_of(change.connection, change.user.id)
        if sum(key.works(change.at) for key in known) >= MAX_KEYS:
            why = lazy("You have %(count)s keys: revoke one first.", count=MAX_KEYS)
            raise ProblemError(409, "in_use", why)
        ends = None if read.days is None else change.at + timedelta(days=read.days)
        key = api_keys.make_key(
            change.connection,
            change.user.id,
            read.name,
            change.at,
            scopes=read.scopes,
            expires_at=ends,
        )
        after = {"name": read.name, "scopes": list(read.scopes)}
        after["expires"] = "never" if ends is None else f"{ends:%Y-%m-%d}"
        change.note("key.make", change.user.name, after=after)
    return _page(new_key=(read.name, key)), 201


@_view("/keys/<int:key_id>/revoke")
def revoke_key(key_id: int) -> Response:
    """Make a key of the person void."""
    with changing() as change:
        key = api_keys.revoke_key(change.connection, change.user.id, key_id, change.at)
        if key is None:
            raise ProblemError(404, "not_found", lazy("You have no such key."))
        change.note("key.revoke", change.user.name, before={"name": key.name})
    return back("account.page", "revoked", _anchor="keys")


def _page(
    form: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
    new_key: tuple[str, str] | None = None,
) -> str:
    user, at = current_user(), now()
    with snapshot(hub_services().engine) as connection:
        member = accounts.members(connection, user.id)[0]
        open_logins = logins.open_logins(
            connection, at, user_id=user.id, this=account_gate().this_login()
        )
        keys = api_keys.keys_of(connection, user.id)
        codes_left = stored.recovery_codes_left(connection, user.id)
    form = form or {"email": member.email, "language": member.account.language}
    return render_template(
        "account.html",
        member=member,
        open_logins=[(login, browser_words(login.agent)) for login in open_logins],
        keys=[(key, key.works(at)) for key in keys],
        new_key=new_key,
        codes_left=codes_left,
        form=form,
        problems=problems or {},
        **shared(),
    )


def _second_factor_page(secret: str, problems: Mapping[str, str] | None = None) -> str:
    user = current_user()
    address = second_factor.enrolment_address(secret, user.name) if secret else ""
    with snapshot(hub_services().engine) as connection:
        codes_left = stored.recovery_codes_left(connection, user.id)
    return render_template(
        "account_second_factor.html",
        secret=secret,
        qr=second_factor.qr_picture(address) if secret else "",
        required=account_gate().must_enrol(user),
        codes_left=codes_left,
        problems=problems or {},
    )


def _password_problems(password: str) -> dict[str, str]:
    """Return what is wrong with the password by which somebody confirms a change."""
    if not current_user().has_password:
        why = lazy("Your account has no password: you log in by single sign-on.")
        raise ProblemError(409, "in_use", why)
    if account_gate().checked(current_user().name, password) is None:
        return {"old": str(lazy("Your password is wrong."))}
    return {}


def shared() -> dict[str, Any]:
    """Return what the pages about accounts have in common."""
    return {
        "role_words": ROLE_WORDS,
        "role_rights": ROLE_RIGHTS,
        "scope_words": SCOPE_WORDS,
        "key_days": KEY_DAYS,
        "language_names": languages(),
        "min_length": MIN_LENGTH,
        "zone": local_zone(),
        "now": now(),
        "done": done(DONE),
    }
