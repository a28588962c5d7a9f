"""Administration of accounts: invitations, roles, folders, and the end of all of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from db.engine import writing
from db.hub.library import folders
from db.hub.people import accounts
from db.hub.people import second_factor as stored
from db.hub.tables.people import AuditEntry, User
from monitor.web.services import EXTENSION
from tests.helpers.mail_server import mail_server

pytest.importorskip("argon2", reason="the extra `hub` is not installed")

PAGE = {"Origin": "http://localhost"}
PASSWORD = "four unrelated words here"  # noqa: S105 (of this test only)


@pytest.fixture
def folder(engine):
    with writing(engine) as connection:
        return folders.create_folder(connection, "North Agency", datetime.now(UTC)).id


def send(browser, path, **form):
    return browser.post(path, data=form, headers=PAGE)


def number(engine, name):
    with engine.connect() as connection:
        return connection.scalar(select(User.id).where(User.name == name))


def last_entry(engine):
    entry = AuditEntry
    query = select(entry.action, entry.actor, entry.target, entry.before, entry.after)
    with engine.connect() as connection:
        return tuple(connection.execute(query.order_by(entry.id.desc())).first())


def test_an_invitation_shows_its_link_once(admin, app, engine, folder):
    form = {"name": "anna", "role": "agency", "folder": folder, "email": "anna@example.com"}
    answer = send(admin, "/admin/accounts", **form)
    assert answer.status_code == 201
    link = re.search(r"http://localhost/invitation#token=([\w-]{43})", answer.text)
    after = {"role": "agency", "folder": "North Agency", "email": "anna@example.com"}
    assert last_entry(engine) == ("user.invite", "the admin", "anna", None, after)
    assert link[1] not in admin.get("/admin/accounts").text
    browser = app.test_client()
    answer = send(browser, "/invitation", token=link[1], password=PASSWORD, again=PASSWORD)
    assert answer.status_code == 303
    assert "North Agency" in browser.get("/account").text


def test_the_link_is_sent_by_mail_in_the_persons_language(admin, app, engine):
    with mail_server() as server:
        mail = f"smtp://127.0.0.1:{server.port}?from=ads@example.com&tls=no"
        here = app.extensions[EXTENSION]
        here.settings = here.settings.model_copy(update={"mail": mail})
        form = {"name": "anna", "role": "viewer", "email": "anna@example.com"}
        answer = send(admin, "/admin/accounts", **form)
        assert "It was also sent to anna@example.com" in answer.text
        with writing(engine) as connection:
            connection.execute(update(User).where(User.name == "anna").values(language="de"))
        send(admin, f"/admin/accounts/{number(engine, 'anna')}/link")
        first, second = server.messages
    link = re.search(r"http://localhost/invitation#token=[\w-]{43}", first.get_content())[0]
    assert link in answer.text
    assert first["To"] == "anna@example.com"
    assert "Ihr Konto ist anna" in second.get_content()


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"name": ""}, "Give a name"),
        ({"name": "the admin"}, "There is an account the admin already"),
        ({"name": " \x07bell"}, "Invalid name"),
        ({"role": "king"}, "Invalid role"),
        ({"role": "agency"}, "Choose the folder"),
        ({"role": "agency", "folder": "99"}, "Choose the folder"),
        ({"email": "somewhere"}, "is no mail address: expected one such as anna@example.com."),
    ],
)
def test_what_cannot_be_is_refused_in_words(admin, engine, form, words):
    answer = send(admin, "/admin/accounts", **{"name": "anna", "role": "viewer"} | form)
    assert answer.status_code == 400
    assert words in answer.text
    assert "#token=" not in answer.text
    assert number(engine, "anna") is None


def test_another_role_counts_from_the_next_request_on(admin, as_, engine):
    editor = as_("editor")
    page = f"/admin/accounts/{number(engine, 'the editor')}"
    assert editor.get("/screens/pair").status_code == 403
    assert send(admin, page, role="operator", email="e@example.com").status_code == 303
    assert editor.get("/screens/pair").status_code == 200
    action, actor, target, before, after = last_entry(engine)
    assert (action, actor, target) == ("user.change", "the admin", "the editor")
    assert before["role"], after["role"] == ("editor", "operator")
    known = last_entry(engine)
    assert send(admin, page, role="operator", email="e@example.com").status_code == 303
    assert last_entry(engine) == known, "nothing changed"


def test_the_last_administrator_stays(admin, as_, engine):
    page = f"/admin/accounts/{number(engine, 'the admin')}"
    for path, form in ((page, {"role": "viewer"}), (f"{page}/disable", {})):
        answer = send(admin, path, **form)
        assert answer.status_code == 400
        assert "the only administrator" in answer.text
    with writing(engine) as connection:
        accounts.invite(connection, "bea", "admin", datetime.now(UTC))
    assert send(admin, page, role="viewer").status_code == 303
    assert admin.get("/admin/accounts").status_code == 403


def test_a_disabled_account_is_out_and_a_new_link_lets_it_in(admin, as_, engine):
    viewer, page = as_("viewer"), f"/admin/accounts/{number(engine, 'the viewer')}"
    assert send(admin, f"{page}/disable").status_code == 303
    assert viewer.get("/screens").status_code == 401
    assert "disabled" in admin.get("/admin/accounts").text
    answer = send(admin, f"{page}/link")
    assert answer.status_code == 201
    assert "/invitation#token=" in answer.text
    with engine.connect() as connection:
        assert accounts.members(connection, number(engine, "the viewer"))[0].disabled_at is None


def test_a_lost_second_factor_is_removed(admin, as_, engine):
    as_("viewer")
    user = number(engine, "the viewer")
    with writing(engine) as connection:
        now = datetime.now(UTC)
        stored.set_second_factor(connection, user, "A" * 32, 1, now, recovery_codes=["abc"])
    page = f"/admin/accounts/{user}"
    assert "Remove the second factor" in admin.get(page).text
    assert send(admin, f"{page}/second-factor/remove").status_code == 303
    assert last_entry(engine)[:3] == ("user.remove_second_factor", "the admin", "the viewer")
    with engine.connect() as connection:
        assert stored.totp_secret(connection, user) is None
        assert stored.recovery_codes_left(connection, user) == 0


def test_logins_of_all_are_seen_and_ended(admin, as_, engine):
    viewer, other = as_("viewer"), as_("editor")
    page = admin.get("/admin/logins").text
    assert {"the viewer", "the editor"} <= set(re.findall(r">([^<]+)</a></th>", page))
    row = re.search(r"the viewer</a>.*?/admin/logins/(\d+)/end", page, re.DOTALL)
    assert send(admin, f"/admin/logins/{row[1]}/end").status_code == 303
    assert viewer.get("/screens").status_code == 401
    assert send(admin, f"/admin/logins/{row[1]}/end").status_code == 404
    user = number(engine, "the editor")
    assert send(admin, f"/admin/accounts/{user}/logins/end").status_code == 303
    assert other.get("/screens").status_code == 401


def test_accounts_that_there_are_not(admin):
    assert admin.get("/admin/accounts/99").status_code == 404
    assert send(admin, "/admin/accounts/99/disable").status_code == 404
