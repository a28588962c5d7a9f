"""One's own account: password, second factor at the login, logins and keys."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from db.engine import writing
from db.hub.people import accounts
from db.hub.tables.people import ApiKey, AuditEntry, User, UserToken
from monitor.hub.people import second_factor
from monitor.hub.people.second_factor import code_at
from monitor.settings.models import HubSettings
from monitor.web.app import close_app
from monitor.web.hub.accounts import CODES_BY_ADDRESS
from monitor.web.hub_app import create_hub_app

pytestmark = pytest.mark.usefixtures("cheap_passwords")

PAGE = {"Origin": "http://localhost"}
BROWSER = {"Accept": "text/html"}
PASSWORD = "four unrelated words here"  # noqa: S105 (of this test only)
OTHER = "five other unrelated words here"


def member(app, engine, name="anna", role="viewer"):
    """Return a browser in which somebody has followed the link of a new account."""
    with writing(engine) as connection:
        token, _ = accounts.invite(connection, name, role, datetime.now(UTC))
    browser = app.test_client()
    form = {"token": token, "password": PASSWORD, "again": PASSWORD}
    assert browser.post("/invitation", data=form, headers=PAGE).status_code == 303
    return browser


def log_in(app, name="anna", password=PASSWORD):
    browser = app.test_client()
    browser.answer = send(browser, "/login", name=name, password=password)
    return browser


def send(browser, path, **form):
    return browser.post(path, data=form, headers=PAGE)


def step(minutes=0):
    return int((datetime.now(UTC) + timedelta(minutes=minutes)).timestamp()) // 30


def enrol(browser):
    """Set up a second factor; return its secret and the codes of recovery."""
    page = browser.get("/account/second-factor").text
    secret = re.search(r'name="secret" value="([A-Z2-7]{32})"', page)[1]
    form = {"secret": secret, "code": code_at(secret, step()), "old": PASSWORD}
    answer = send(browser, "/account/second-factor", **form)
    assert answer.status_code == 201, answer.text
    return secret, re.findall(r"<code>([a-z0-9]{4}(?:-[a-z0-9]{4}){3})</code>", answer.text)


def actions(engine):
    query = select(AuditEntry.action, AuditEntry.actor).order_by(AuditEntry.id)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query)]


def forget_step(engine):
    """Let the code of the present time step work again, as if time had passed."""
    with writing(engine) as connection:
        connection.execute(update(User).values(totp_step=0))


def test_a_new_password_needs_the_old_one_and_ends_other_logins(app, engine):
    browser, other = member(app, engine), log_in(app)
    assert other.get("/account").status_code == 200
    for form, words in (
        ({"old": OTHER, "new": OTHER, "again": OTHER}, "Your password is wrong"),
        ({"old": PASSWORD, "new": OTHER, "again": PASSWORD}, "The two passwords differ"),
        ({"old": PASSWORD, "new": "short", "again": "short"}, "expected 12 to 1024"),
    ):
        answer = send(browser, "/account/password", **form)
        assert (answer.status_code, words in answer.text) == (400, True), words
    form = {"old": PASSWORD, "new": OTHER, "again": OTHER}
    assert send(browser, "/account/password", **form).status_code == 303
    assert browser.get("/account").status_code == 200
    assert other.get("/account").status_code == 401
    assert log_in(app).answer.status_code == 401
    assert log_in(app, password=OTHER).answer.status_code == 303
    assert ("user.change_password", "anna") in actions(engine)


def test_mail_and_language_are_kept_and_the_language_is_spoken_at_once(app, engine):
    browser = member(app, engine)
    answer = send(browser, "/account/details", email="no address", language="de")
    assert answer.status_code == 400
    assert "is no mail address" in answer.text.lower()
    answer = send(browser, "/account/details", email="anna@example.com", language="de")
    assert answer.status_code == 303
    page = browser.get("/account").text
    assert '<html lang="de">' in page
    assert 'value="anna@example.com"' in page
    assert '<html lang="de">' in log_in(app).get("/account").text
    with engine.connect() as connection:
        after = connection.scalar(
            select(AuditEntry.after).where(AuditEntry.action == "user.change_details")
        )
    assert after == {"email": "anna@example.com", "language": "de"}


def test_a_second_factor_is_asked_after_the_password(app, engine):
    secret, codes = enrol(member(app, engine))
    assert len(set(codes)) == second_factor.RECOVERY_CODES
    browser = log_in(app)
    assert browser.answer.location == "/login/code?next=/"
    assert browser.get("/account").status_code == 401
    # The code that confirmed the enrolment was used; so was, after it, any other once.
    assert send(browser, "/login/code", code=code_at(secret, step())).status_code == 401
    forget_step(engine)
    code = code_at(secret, step())
    answer = send(browser, "/login/code", code=f"{code[:3]} {code[3:]}", next="/screens")
    assert (answer.status_code, answer.location) == (303, "/screens")
    assert browser.get("/account").status_code == 200
    again = log_in(app)
    assert send(again, "/login/code", code=code).status_code == 401
    assert [row for row in actions(engine) if "login" in row[0]][-2:] == [
        ("user.login", "anna"),
        ("user.login_failed", "nobody"),
    ]


def test_a_code_of_recovery_works_once(app, engine):
    _, codes = enrol(member(app, engine))
    typed = codes[3].upper().replace("-", " ")
    first, second = log_in(app), log_in(app)
    assert send(first, "/login/code", code=typed).status_code == 303
    assert send(second, "/login/code", code=typed).status_code == 401
    assert "9 recovery codes are left" in first.get("/account").text
    answer = send(first, "/account/second-factor/codes", old=PASSWORD)
    assert answer.status_code == 201
    assert send(second, "/login/code", code=codes[4]).status_code == 401


def test_codes_cannot_be_guessed(app, engine):
    secret, _ = enrol(member(app, engine))
    forget_step(engine)
    browser = log_in(app)
    for _ in range(CODES_BY_ADDRESS.most):
        assert send(browser, "/login/code", code="000000").status_code == 401
    assert send(browser, "/login/code", code=code_at(secret, step())).status_code == 429


def test_the_first_half_of_a_login_opens_nothing_and_lasts_five_minutes(app, engine):
    enrol(member(app, engine))
    browser = log_in(app)
    half = browser.get_cookie("ad_monitor_hub_half").value
    thief = app.test_client()
    thief.set_cookie("ad_monitor_hub", half)
    assert thief.get("/account").status_code == 401
    assert browser.get("/login/code").status_code == 200
    with writing(engine) as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        which = UserToken.kind == "second_factor"
        connection.execute(update(UserToken).where(which).values(expires_at=past))
    answer = browser.get("/login/code")
    assert answer.location.startswith("/login?next=/&late")
    assert "within five minutes" in browser.get(answer.location).text


def test_a_link_replaces_the_password_and_not_the_phone(app, engine):
    enrol(member(app, engine))
    with writing(engine) as connection:
        token, _ = accounts.invite(connection, "anna", None, datetime.now(UTC))
    browser = app.test_client()
    answer = send(browser, "/invitation", token=token, password=OTHER, again=OTHER)
    assert answer.location == "/login/code?next=/"
    assert browser.get("/account").status_code == 401


def test_a_wrong_code_or_password_sets_up_nothing(app, engine):
    browser = member(app, engine)
    secret = second_factor.new_secret()
    code = code_at(secret, step())
    for form, status in (
        ({"secret": secret, "code": code_at(secret, step() + 90), "old": PASSWORD}, 400),
        ({"secret": secret, "code": code, "old": OTHER}, 400),
        ({"secret": "AAAA", "code": code, "old": PASSWORD}, 409),
    ):
        assert send(browser, "/account/second-factor", **form).status_code == status
    assert log_in(app).answer.location == "/"


def test_removing_it_needs_the_password(app, engine):
    browser = member(app, engine)
    enrol(browser)
    path = "/account/second-factor/remove"
    assert send(browser, path, old=OTHER).status_code == 400
    assert send(browser, path, old=PASSWORD).status_code == 303
    assert log_in(app).answer.location == "/"


def test_who_must_have_one_can_do_nothing_else_before(tmp_path, engine):
    database = str(tmp_path / "hub.db")
    app = create_hub_app(HubSettings(database=database, require_second_factor="admins"))
    try:
        assert member(app, engine, "vera").get("/account").status_code == 200
        admin = member(app, engine, "anna", "admin")
        answer = admin.get("/admin/accounts", headers=BROWSER)
        assert answer.location == "/account/second-factor"
        assert admin.get("/admin/accounts").status_code == 403
        assert "Set it up to go on" in admin.get(answer.location).text
        enrol(admin)
        assert admin.get("/admin/accounts").status_code == 200
    finally:
        close_app(app)


def test_logins_are_listed_and_ended(app, engine):
    browser = member(app, engine)
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    other = app.test_client()
    form = {"name": "anna", "password": PASSWORD}
    other.post("/login", data=form, headers=PAGE | {"User-Agent": agent})
    log_in(app)
    stranger = member(app, engine, "ben")
    page = browser.get("/account").text
    assert "Firefox, Linux" in page
    assert "127.0.0.1" in page
    ids = re.findall(r"/account/logins/(\d+)/end", page)
    assert len(ids) == 2
    assert send(stranger, f"/account/logins/{ids[0]}/end").status_code == 404
    assert send(browser, f"/account/logins/{ids[-1]}/end").status_code == 303
    assert [other.get("/account").status_code, browser.get("/account").status_code] == [401, 200]
    assert send(browser, "/account/logins/end-others").status_code == 303
    assert "/account/logins/" not in browser.get("/account").text.replace("end-others", "")
    assert stranger.get("/account").status_code == 200


def make_key(browser, *scopes, days="90"):
    form = {"name": "backup", "scope": list(scopes), "days": days}
    answer = browser.post("/account/keys", data=form, headers=PAGE)
    assert answer.status_code == 201, answer.text
    return re.search(r"adm_[\w-]{43}", answer.text)[0]


def call(app, key, path, method="GET"):
    bearer = {"Authorization": f"Bearer {key}"}
    return app.test_client().open(path, method=method, headers=bearer)


def test_a_key_reads_in_its_owners_name_and_is_shown_once(app, engine):
    browser = member(app, engine)
    key = make_key(browser, "read")
    assert key not in browser.get("/account").text
    assert call(app, key, "/api/v1/sessions").status_code == 200
    assert call(app, key, "/account").status_code == 403
    assert call(app, key + "x", "/api/v1/sessions").status_code == 401
    with engine.connect() as connection:
        row = connection.execute(select(ApiKey.key_sha256, ApiKey.last_used_at)).one()
    assert key not in row.key_sha256
    assert row.last_used_at is not None
    assert ("key.make", "anna") in actions(engine)


def test_a_key_ends_with_its_time_its_revocation_or_its_owner(app, engine):
    browser = member(app, engine)
    expired, revoked, orphaned = (make_key(browser, "read") for _ in range(3))
    numbers = re.findall(r"/account/keys/(\d+)/revoke", browser.get("/account").text)
    with writing(engine) as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        which = ApiKey.id == int(numbers[2])  # The latest comes first.
        connection.execute(update(ApiKey).where(which).values(expires_at=past))
    stranger = member(app, engine, "ben")
    assert send(stranger, f"/account/keys/{numbers[1]}/revoke").status_code == 404
    assert send(browser, f"/account/keys/{numbers[1]}/revoke").status_code == 303
    assert call(app, expired, "/api/v1/health").status_code == 401
    assert call(app, revoked, "/api/v1/health").status_code == 401
    assert call(app, orphaned, "/screens").status_code == 200
    with writing(engine) as connection:
        connection.execute(update(User).where(User.name == "anna").values(role="agency"))
    assert call(app, orphaned, "/screens").status_code == 403
    with writing(engine) as connection:
        accounts.disable(connection, "anna", datetime.now(UTC))
    assert call(app, orphaned, "/screens").status_code == 401


@pytest.mark.parametrize("form", [{"scope": []}, {"scope": ["all"]}, {"name": ""}, {"days": "9"}])
def test_a_key_that_makes_no_sense_is_refused(app, engine, form):
    browser = member(app, engine)
    answer = send(browser, "/account/keys", **{"name": "x", "scope": "read", "days": ""} | form)
    assert answer.status_code == 400
    assert "adm_" not in answer.text


def test_a_language_chosen_below_a_page_is_kept_with_the_account(app, engine):
    browser = member(app, engine)
    assert send(browser, "/language", language="de").status_code == 303
    with engine.connect() as connection:
        assert connection.scalar(select(User.language)) == "de"
        last = select(AuditEntry.action).order_by(AuditEntry.id.desc())
        assert connection.scalars(last).first() == "user.language"
    other = log_in(app)
    assert '<html lang="de">' in other.get("/sessions", headers={"Accept-Language": "en"}).text
