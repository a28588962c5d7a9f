"""The page on which people set the password of their account by a link."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flask import Blueprint, render_template, request

from db.engine import writing
from db.hub.audit import note
from db.hub.people import accounts
from monitor.hub.people.passwords import MIN_LENGTH, PasswordError, hash_password
from monitor.languages import _
from monitor.web.hub.accounts import account_gate
from monitor.web.request.rights import open_to_all
from monitor.web.services import hub_services

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

blueprint = Blueprint("invitation", __name__)


@blueprint.route("/invitation", methods=["GET", "POST"])
@open_to_all
def page() -> str | tuple[str, int] | Response:
    """The form; the token is behind the # of the link, which no server sees."""
    if request.method == "GET":
        return _invitation_page("", "")
    token, password = request.form.get("token", "").strip(), request.form.get("password", "")
    if password != request.form.get("again", ""):
        return _invitation_page(_("The two passwords differ: type the same one twice."), token), 400
    gate, engine, now = account_gate(), hub_services().engine, datetime.now(UTC)
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
    # A link replaces a forgotten password, and not the phone.
    return gate.password_was_right(account, "/")


def _invitation_page(wrong: str, token: str) -> str:
    return render_template("invitation.html", wrong=wrong, token=token, min_length=MIN_LENGTH)
