"""Who may use a hub: invitations, logins, roles, and what a wrong password costs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient

from db.engine import open_database, writing
from db.hub.people import accounts
from monitor.settings.models import HubSettings
from monitor.web.app import close_app
from monitor.web.hub.accounts import BY_ADDRESS, current_user
from monitor.web.hub_app import create_hub_app
from monitor.web.request.rights import for_kiosks, open_to_all, requires
from monitor.web.request.security import judge

PASSWORD = "four unrelated words here"  # noqa: S105 (of this test only)
pytestmark = pytest.mark.usefixtures("cheap_passwords")

PAGE = {"Origin": "http://localhost"}
BROWSER = {"Accept": "text/html"}


def pages() -> Blueprint:
    blueprint = Blueprint("tried", __name__)
    blueprint.get("/tried/read")(lambda: f"read by {current_user().name}")

    @blueprint.post("/tried/write")
    @requires("operator")
    def write() -> str:
        return f"written by {current_user().name}"

    @blueprint.post("/tried/unmarked")
    def unmarked() -> str:
        return "done"

    @blueprint.get("/tried/agency")
    @requires("agency")
    def agency() -> str:
        return "for agencies"

    @blueprint.post("/tried/kiosk")
    @for_kiosks(max_body=100_000)
    def kiosk() -> str:
        return "for kiosks"

    @blueprint.get("/tried/open")
    @open_to_all
    def everybody() -> str:
        return "for all"

    return blueprint


@pytest.fixture
def make_hub(tmp_path: Path) -> Iterator[Callable[..., Flask]]:
    made: list[Flask] = []

    def make(**settings: Any) -> Flask:
        app = create_hub_app(HubSettings(database=str(tmp_path / "hub.db"), **settings))
        app.register_blueprint(pages())
        made.append(app)
        return app

    yield make
    for app in made:
        close_app(app)


@pytest.fixture
def invite(tmp_path: Path) -> Callable[..., str]:
    """Return the token of a link for a new account."""

    def make(name: str, role: str = "viewer", now: datetime | None = None) -> str:
        engine = open_database(str(tmp_path / "hub.db"))
        with writing(engine) as connection:
            token, _ = accounts.invite(connection, name, role, now or datetime.now(UTC))
        engine.dispose()
        return token

    return make


def follow(browser: FlaskClient, token: str, password: str = PASSWORD, again: str = "") -> Any:
    form = {"token": token, "password": password, "again": again or password}
    return browser.post("/invitation", data=form, headers=PAGE)


def log_in(browser: FlaskClient, name: str, password: str = PASSWORD, **form: str) -> Any:
    return browser.post("/login", data={"name": name, "password": password} | form, headers=PAGE)


def member(app: Flask, invite: Callable[..., str], name: str, role: str) -> FlaskClient:
    browser = app.test_client()
    assert follow(browser, invite(name, role)).status_code == 303
    return browser


def test_an_invitation_works_once(make_hub, invite):
    app, token = make_hub(), invite("anna", "editor")
    browser = app.test_client()
    answer = follow(browser, token)
    assert (answer.status_code, answer.location) == (303, "/")
    assert browser.get("/tried/read").text == "read by anna"
    assert follow(app.test_client(), token).status_code == 400
    assert log_in(app.test_client(), "anna").status_code == 303


@pytest.mark.parametrize(
    ("password", "again", "words"),
    [
        ("short", "short", "The password has 5 characters: expected 12 to 1024"),
        (PASSWORD, PASSWORD + "x", "The two passwords differ"),
    ],
)
def test_a_password_that_is_refused_leaves_the_link_valid(make_hub, invite, password, again, words):
    app, token = make_hub(), invite("anna")
    answer = follow(app.test_client(), token, password, again)
    assert answer.status_code == 400
    assert words in answer.text
    assert token in answer.text
    assert follow(app.test_client(), token).status_code == 303


def test_an_old_link_is_over(make_hub, invite):
    app = make_hub()
    old = invite("anna", now=datetime.now(UTC) - timedelta(hours=25))
    answer = follow(app.test_client(), old)
    assert answer.status_code == 400
    assert "older than 24 hours" in answer.text
    replaced, _ = invite("anna"), invite("anna")
    assert follow(app.test_client(), replaced).status_code == 400


def test_without_a_login_nothing_is_shown(make_hub):
    visitor = make_hub().test_client()
    answer = visitor.get("/tried/read?a=b", headers=BROWSER)
    assert (answer.status_code, answer.location) == (303, "/login?next=/tried/read?a%3Db")
    assert visitor.get("/tried/read").status_code == 401
    assert visitor.post("/tried/write", headers=PAGE).status_code == 401
    assert visitor.get("/api/v1/sessions").status_code == 401
    assert visitor.get("/tried/open").text == "for all"
    with visitor.get("/static/page.css") as style:
        assert style.status_code == 200
    page = visitor.get("/login").text
    assert re.search(r"<h1>Enter your name and password</h1>", page)
    assert "<nav" not in page


def test_roles(make_hub, invite):
    app = make_hub()
    viewer, operator, admin, agency = (
        member(app, invite, role, role) for role in ("viewer", "operator", "admin", "agency")
    )
    assert viewer.get("/tried/read").status_code == 200
    refused = viewer.post("/tried/write", headers=PAGE | BROWSER)
    assert refused.status_code == 403
    assert "Your role is Viewer; this is for Operator, Administrator" in refused.text
    assert operator.post("/tried/write", headers=PAGE).text == "written by operator"
    assert operator.post("/tried/unmarked", headers=PAGE).status_code == 403
    assert admin.post("/tried/unmarked", headers=PAGE).status_code == 200
    assert agency.get("/tried/read").status_code == 403
    assert agency.get("/tried/agency").status_code == 200
    assert viewer.get("/tried/agency").status_code == 403
    assert agency.post("/logout", headers=PAGE).status_code == 303


def test_a_logout_ends_every_copy_of_the_cookie_in_every_process(make_hub, invite):
    first, second = make_hub(), make_hub()
    browser = member(first, invite, "anna", "viewer")
    cookie = browser.get_cookie("ad_monitor_hub")
    assert cookie is not None
    assert cookie.http_only
    copy = second.test_client()
    copy.set_cookie("ad_monitor_hub", cookie.value)
    assert copy.get("/tried/read").text == "read by anna"
    assert browser.post("/logout", headers=PAGE).status_code == 303
    assert copy.get("/tried/read").status_code == 401


def test_the_cookie_is_for_https_alone_where_the_hub_is(make_hub, invite):
    app = make_hub(secure_cookies=True)
    answer = app.test_client().post(
        "/invitation",
        data={"token": invite("anna"), "password": PASSWORD, "again": PASSWORD},
        headers={"Origin": "https://localhost"},
    )
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-ad_monitor_hub=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Strict"} <= set(cookie.split("; "))


def test_too_many_wrong_passwords_are_refused_by_every_process(make_hub, invite):
    first, second = make_hub(), make_hub()
    member(first, invite, "anna", "viewer")
    for _ in range(BY_ADDRESS.most):
        assert log_in(first.test_client(), "anna", "not this one").status_code == 401
    answer = log_in(second.test_client(), "anna")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    elsewhere = second.test_client().post(
        "/login",
        data={"name": "anna", "password": PASSWORD},
        headers=PAGE,
        environ_base={"REMOTE_ADDR": "192.0.2.7"},
    )
    assert elsewhere.status_code == 303


def test_a_right_password_forgives_wrong_ones(make_hub, invite):
    app = make_hub()
    member(app, invite, "anna", "viewer")
    for _ in range(2):
        for _ in range(BY_ADDRESS.most - 1):
            log_in(app.test_client(), "anna", "not this one")
        assert log_in(app.test_client(), "anna").status_code == 303


@pytest.mark.parametrize("name", ["", "nobody", "x" * 5000])
def test_unknown_names_are_wrong_names(make_hub, name):
    answer = log_in(make_hub().test_client(), name)
    assert answer.status_code == 401
    assert "The name or the password is wrong" in answer.text


def test_other_sites_cannot_send_or_lead_away(make_hub, invite):
    app = make_hub()
    browser = member(app, invite, "anna", "admin")
    foreign = {"Origin": "http://evil.example"}
    assert browser.post("/tried/write", headers=foreign).status_code == 403
    assert browser.post("/tried/write").status_code == 403  # A browser always names its origin.
    assert follow(app.test_client(), invite("ben")).status_code == 303
    answer = log_in(app.test_client(), "anna", next="//evil.example/")
    assert (answer.status_code, answer.location) == (303, "/")


def test_programs_read_with_the_token(make_hub):
    app = make_hub(token="a-token-of-some-length")  # noqa: S106
    program = app.test_client()
    bearer = {"Authorization": "Bearer a-token-of-some-length"}
    assert program.get("/api/v1/sessions", headers=bearer).status_code == 200
    assert program.post("/tried/write", headers=bearer).status_code == 403
    wrong = {"Authorization": "Bearer another-token-of-length"}
    assert program.get("/api/v1/sessions", headers=wrong).status_code == 401
    without = make_hub().test_client()
    assert without.get("/api/v1/sessions", headers=wrong).status_code == 401


def test_kiosks_prove_themselves_to_the_view(make_hub, invite):
    app = make_hub(rate_limit="3 per minute")
    kiosk = app.test_client()
    for _ in range(5):  # Many kiosks behind one address have more than one visitor's share.
        answer = kiosk.post("/tried/kiosk", data=b"x" * 90_000, content_type="application/json")
        assert answer.text == "for kiosks"
    answer = kiosk.post("/tried/kiosk", data=b"x" * 100_001, content_type="application/json")
    assert answer.status_code == 413


def test_a_large_body_is_refused_by_its_header(make_hub, invite):
    app = make_hub()
    browser = member(app, invite, "anna", "admin")
    cookie = f"ad_monitor_hub={browser.get_cookie('ad_monitor_hub').value}"

    def judged(cookie: str) -> str:
        answers: list[str] = []
        environ = app.test_request_context(
            "/classify/",
            method="POST",
            headers={"Content-Type": "image/jpeg", "Cookie": cookie, "Origin": "http://localhost"},
            content_length=1_000_000,
        ).request.environ
        judge(app, environ, lambda status, _headers: answers.append(status))
        return answers[0]

    assert judged("") == "403 Forbidden"
    assert judged("ad_monitor_hub=another") == "403 Forbidden"
    assert judged(cookie) == "200 OK"


def test_a_disabled_account_is_out_at_once(make_hub, invite, tmp_path):
    app = make_hub()
    browser = member(app, invite, "anna", "viewer")
    engine = open_database(str(tmp_path / "hub.db"))
    with writing(engine) as connection:
        accounts.disable(connection, "anna", datetime.now(UTC))
    engine.dispose()
    assert browser.get("/tried/read").status_code == 401
    assert log_in(app.test_client(), "anna").status_code == 401
