"""Administration of a hub: its accounts, and who is logged in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, render_template, request, url_for

from db.engine import snapshot
from db.errors import AccountError
from db.hub.library.contents import EVERYTHING
from db.hub.library.folders import list_folders
from db.hub.people import accounts, api_keys, logins
from db.hub.people import second_factor as stored
from monitor.hub.forms import FormError
from monitor.hub.mail import MailError, send_mail
from monitor.hub.people.account_form import read_account, read_invitation
from monitor.hub.people.browsers import browser_words
from monitor.languages import _, language, lazy, speaking
from monitor.settings.mail_server import MailServer
from monitor.web.hub.accounts import account_gate
from monitor.web.hub.changes import back, changing, done, now
from monitor.web.pages.account import shared
from monitor.web.request.problems import ProblemError
from monitor.web.request.rights import view_for_people
from monitor.web.services import hub_address, hub_services

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection
    from werkzeug.wrappers import Response

    from db.hub.people.accounts import Account, Member

DONE = {
    "changed": lazy("Saved. It counts from the next click on."),
    "disabled": lazy("The account is disabled, and all its logins have ended."),
    "reset": lazy("The second factor is removed. The person can set up another one."),
    "ended": lazy("The login has ended."),
    "all_ended": lazy("All logins of the account have ended."),
    "revoked": lazy("The key is void."),
}
"""What a page says after a change, by the word in its address."""

blueprint = Blueprint("people", __name__, url_prefix="/admin")

_view = view_for_people(blueprint, "admin")


@_view("/accounts", "GET")
def listing() -> str:
    """Show all accounts, and the form for another one."""
    return _listing({"role": "viewer"})


@_view("/accounts")
def invite() -> tuple[str, int]:
    """Make an account, and show the link that sets its password once."""
    try:
        read = read_invitation(request.form)
        with changing() as change:
            _check_folder(change.connection, read.role, read.folder)
            if any(one.account.name == read.name for one in accounts.members(change.connection)):
                raise AccountError(
                    lazy("There is an account %(name)s already: choose it below.", name=read.name)
                )
            token, account = accounts.invite(
                change.connection,
                read.name,
                read.role,
                change.at,
                folder_id=read.folder if read.role == "agency" else None,
                email=read.email,
            )
            after = _described(accounts.members(change.connection, account.id)[0])
            change.note("user.invite", account.name, after=after)
    except FormError as error:
        return _listing(request.form, error.problems), 400
    except AccountError as error:
        return _listing(request.form, {"name": str(error.args[0])}), 400
    link = _link(token)
    mailed = _mail_link(read.email, account, link)
    return _listing({"role": "viewer"}, link=(account.name, link, mailed)), 201


@_view("/accounts/<int:user_id>", "GET")
def page(user_id: int) -> str:
    """Show one account."""
    return _page(user_id)


@_view("/accounts/<int:user_id>")
def change(user_id: int) -> Response | tuple[str, int]:
    """Give an account another role, folder or mail address."""
    try:
        read = read_account(request.form)
        with changing() as change:
            before = _found(change.connection, user_id)
            _check_folder(change.connection, read.role, read.folder)
            accounts.change_account(
                change.connection,
                user_id,
                role=read.role,
                folder_id=read.folder,
                email=read.email,
            )
            after = _found(change.connection, user_id)
            if _described(before) != _described(after):
                name = before.account.name
                change.note("user.change", name, _described(before), _described(after))
    except FormError as error:
        return _page(user_id, request.form, error.problems), 400
    except AccountError as error:
        return _page(user_id, request.form, {"role": str(error.args[0])}), 400
    return back("people.page", "changed", user_id=user_id)


@_view("/accounts/<int:user_id>/link")
def make_link(user_id: int) -> tuple[str, int]:
    """Make a link that sets another password; a disabled account works again with it."""
    with changing() as change:
        before = _found(change.connection, user_id)
        name = before.account.name
        token, account = accounts.invite(change.connection, name, None, change.at)
        if before.disabled_at is not None:
            change.note("user.enable", name)
        change.note("user.invite", name, after={"role": before.account.role})
    link = _link(token)
    return _page(user_id, link=link, mailed=_mail_link(before.email, account, link)), 201


@_view("/accounts/<int:user_id>/disable")
def disable(user_id: int) -> Response | tuple[str, int]:
    """End an account and all its logins."""
    try:
        with changing() as change:
            member = _found(change.connection, user_id)
            if member.disabled_at is None:
                accounts.disable(change.connection, member.account.name, change.at)
                change.note("user.disable", member.account.name, _described(member))
    except AccountError as error:
        return _page(user_id, problems={"disable": str(error.args[0])}), 400
    return back("people.page", "disabled", user_id=user_id)


@_view("/accounts/<int:user_id>/second-factor/remove")
def reset_second_factor(user_id: int) -> Response:
    """Remove the second factor of somebody who has lost it."""
    with changing() as change:
        member = _found(change.connection, user_id)
        if stored.remove_second_factor(change.connection, user_id):
            change.note("user.remove_second_factor", member.account.name)
    return back("people.page", "reset", user_id=user_id)


@_view("/accounts/<int:user_id>/logins/end")
def end_all(user_id: int) -> Response:
    """End all logins of an account."""
    with changing() as change:
        member = _found(change.connection, user_id)
        ended = logins.end_logins(change.connection, user_id)
        change.note("user.end_logins", member.account.name, after={"ended": ended})
    return back("people.page", "all_ended", user_id=user_id)


@_view("/accounts/<int:user_id>/keys/<int:key_id>/revoke")
def revoke_key(user_id: int, key_id: int) -> Response:
    """Make a key of an account void."""
    with changing() as change:
        member = _found(change.connection, user_id)
        key = api_keys.revoke_key(change.connection, user_id, key_id, change.at)
        if key is None:
            raise ProblemError(404, "not_found", lazy("The account has no such key."))
        change.note("key.revoke", member.account.name, before={"name": key.name})
    return back("people.page", "revoked", user_id=user_id)


@_view("/logins", "GET")
def all_logins() -> str:
    """Show who is logged in, and where."""
    at = now()
    with snapshot(hub_services().engine) as connection:
        found = logins.open_logins(connection, at, this=account_gate().this_login())
    return render_template(
        "people_logins.html",
        open_logins=[(login, browser_words(login.agent)) for login in found],
        **_shared(),
    )


@_view("/logins/<int:login_id>/end")
def end_login(login_id: int) -> Response:
    """End a login."""
    with changing() as change:
        found = {login.id: login for login in logins.open_logins(change.connection, change.at)}
        login = found.get(login_id)
        if login is None:
            raise ProblemError(404, "not_found", lazy("This login has ended already."))
        logins.end_logins(change.connection, login.user_id, login_id=login_id)
        change.note("user.end_login", login.name)
    return back("people.all_logins", "ended")


def _listing(
    form: Mapping[str, str],
    problems: Mapping[str, str] | None = None,
    link: tuple[str, str, str] | None = None,
) -> str:
    with snapshot(hub_services().engine) as connection:
        members = accounts.members(connection)
        folders = list_folders(connection, EVERYTHING)
    return render_template(
        "people.html",
        members=members,
        folders=folders,
        form=form,
        problems=problems or {},
        link=link,
        **_shared(),
    )


def _page(
    user_id: int,
    form: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
    *,
    link: str = "",
    mailed: str = "",
) -> str:
    at = now()
    with snapshot(hub_services().engine) as connection:
        member = _found(connection, user_id)
        folders = list_folders(connection, EVERYTHING)
        open_logins = logins.open_logins(
            connection, at, user_id=user_id, this=account_gate().this_login()
        )
        keys = api_keys.keys_of(connection, user_id)
    account = member.account
    known = {"role": account.role, "folder": str(account.folder_id or ""), "email": member.email}
    return render_template(
        "people_account.html",
        member=member,
        folders=folders,
        open_logins=[(login, browser_words(login.agent)) for login in open_logins],
        keys=[(key, key.works(at)) for key in keys],
        form=form or known,
        problems=problems or {},
        link=link,
        mailed=mailed,
        **_shared(),
    )


def _shared() -> dict[str, Any]:
    return shared() | {"done": done(DONE)}


def _described(member: Member) -> dict[str, Any]:
    return {"role": member.account.role, "folder": member.folder, "email": member.email}


def _check_folder(connection: Connection, role: str, folder: int | None) -> None:
    if role != "agency":
        return
    if folder not in {one.id for one in list_folders(connection, EVERYTHING)}:
        raise FormError({"folder": lazy("Choose the folder that the agency is limited to.")})


def _found(connection: Connection, user_id: int) -> Member:
    found = accounts.members(connection, user_id)
    if not found:
        raise ProblemError(
            404,
            "not_found",
            lazy("There is no such account. The page of accounts lists those there are."),
        )
    return found[0]


def _mail_link(address: str, account: Account, link: str) -> str:
    """Send a link to the person if the hub has a mail server; return what became of it."""
    here = hub_services()
    server = here.settings.mail
    if server is None or not address:
        return ""
    with speaking(account.language or language()):
        subject = _("Your account of the ad screens")
        text = _(
            "Your account is %(name)s. Set a password with this link, within 24 hours:\n\n"
            "%(link)s\n\nIt works once. If you did not expect this mail, ignore it.",
            name=account.name,
            link=link,
        )
    try:
        with here.reports.taken():
            send_mail(MailServer.parse(server), [address], subject, text)
    except MailError as error:
        return _("It could not be sent to %(address)s: %(why)s", address=address, why=str(error))
    return _("It was also sent to %(address)s.", address=address)


def _link(token: str) -> str:
    return hub_address() + url_for("invitation.page") + f"#token={token}"
