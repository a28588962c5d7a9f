"""The second step of a login: a code of the phone, or one of recovery."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flask import Blueprint, redirect, render_template, request, url_for

from db.engine import writing
from db.hub.audit import note
from db.hub.people import second_factor as stored
from monitor.hub.people import second_factor
from monitor.web.hub.accounts import CODES_BY_ACCOUNT, CODES_BY_ADDRESS, account_gate
from monitor.web.request.gates import following_page
from monitor.web.request.rights import open_to_all
from monitor.web.services import hub_services

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from db.hub.people.accounts import Account

blueprint = Blueprint("login_code", __name__)


@blueprint.route("/login/code", methods=["GET", "POST"])
@open_to_all
def page() -> str | tuple[str, int, dict[str, str]] | Response:
    """Ask for a code, or check it."""
    gate, following = account_gate(), following_page()
    account = gate.awaiting_code()
    if account is None:
        return redirect(url_for("login", next=following, late=""), 303)
    if request.method != "POST":
        return render_template("login_code.html", wrong=False, following=following)
    gate.count_try(account.name, CODES_BY_ADDRESS, CODES_BY_ACCOUNT)
    how = _checked(account, request.form.get("code", ""))
    if not how:
        gate.note_failure(account.name, "code")
        page = render_template("login_code.html", wrong=True, following=following)
        return page, 401, {"WWW-Authenticate": "Bearer"}
    gate.take_back_try(account.name, CODES_BY_ADDRESS, CODES_BY_ACCOUNT)
    return gate.begin_login(account, following, how)


def _checked(account: Account, code: str) -> str:
    """Use up a code; return what it was, for the audit log, or nothing if it is wrong."""
    now = datetime.now(UTC)
    with writing(hub_services().engine) as connection:
        if second_factor.is_recovery_code(code):
            typed = second_factor.typed_recovery_code(code)
            if not stored.use_recovery_code(connection, account.id, typed):
                return ""
            left = stored.recovery_codes_left(connection, account.id)
            used = "user.use_recovery_code"
            note(connection, account.name, used, account.name, now, after={"left": left})
            return "recovery code"
        secret = stored.totp_secret(connection, account.id)
        step = None if secret is None else second_factor.matching_step(secret, code, now)
        if step is None or not stored.use_step(connection, account.id, step):
            return ""
    return "code"
