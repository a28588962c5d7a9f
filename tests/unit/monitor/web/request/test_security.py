"""Whom the page answers, with a small application that has one page, one call and one static file."""

from __future__ import annotations

import io
import logging
import re
from pathlib import Path

import pytest
from flask import Flask, Response, render_template_string
from flask.testing import FlaskClient
from jinja2 import ChoiceLoader, DictLoader
from werkzeug.test import EnvironBuilder

from monitor.errors import SetupError
from monitor.web.request.gates import WRONG_TOKENS, TokenGate
from monitor.web.request.language import install_languages
from monitor.web.request.security import (
    MAX_FORM_BYTES,
    MAX_UPLOAD_BYTES,
    MIN_TOKEN_LENGTH,
    REFUSAL,
    access_token,
    install_security,
    is_local,
    judge,
)

TOKEN = "a-token-of-some-length"  # noqa: S105 (of this test only)
HOSTS = ("localhost", "Kiosk.example", "::1")
BEARER = {"Authorization": f"Bearer {TOKEN}"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
BASE = "<title>{% block title %}{% endblock %}</title>{% block head %}{% endblock %}{% block main %}{% endblock %}"


def client(
    token: str | None = TOKEN, *, hosts: tuple[str, ...] = HOSTS, **settings: object
) -> FlaskClient:
    app = Flask("monitor.web")
    app.jinja_env.loader = ChoiceLoader([DictLoader({"base.html": BASE}), app.jinja_env.loader])  # type: ignore[list-item]
    app.testing = True

    @app.get("/")
    def page() -> str:
        return render_template_string("needed {{ login_needed }}, in {{ logged_in }}")

    @app.post("/call")
    def call() -> str:
        return "called"

    @app.get("/report")
    def report() -> Response:
        return Response(
            "report", headers={"Content-Security-Policy": "sandbox", "Cache-Control": "max-age=9"}
        )

    install_languages(app, secure_cookies=False)
    install_security(app, TokenGate(token), hosts, **settings)  # type: ignore[arg-type]
    return app.test_client()


def log_in(browser: FlaskClient, token: str = TOKEN, **form: str) -> Response:
    return browser.post(
        "/login", data={"token": token, **form}, headers={"Origin": "http://localhost"}
    )


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("[::1]", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),  # noqa: S104 (that is what is checked)
        ("::", False),
        ("", False),
        ("192.168.1.5", False),
        ("::ffff:10.0.0.1", False),
        ("kiosk.example", False),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
    ],
)
def test_beyond_this_machine_there_is_always_a_token(host: str, local: bool) -> None:
    assert is_local(host) is local
    made = [access_token(host) for _ in range(3)]
    if local:
        assert made == [None, None, None]
    else:
        assert len(set(made)) == 3
        assert all(token is not None and len(token) >= 32 for token in made)
    assert access_token(host, TOKEN) == TOKEN


def test_a_token_that_is_easily_guessed_is_refused() -> None:
    assert access_token("::", "x" * MIN_TOKEN_LENGTH)
    with pytest.raises(SetupError, match="The token has 15 characters: expected at least 16"):
        access_token("localhost", "x" * 15)


# Without a token


def test_on_this_machine_nobody_has_to_log_in() -> None:
    browser = client(None)
    assert browser.get("/").text == "needed False, in False"
    assert browser.post("/call").text == "called"
    assert browser.get("/login").headers["Location"] == "/"
    assert "Set-Cookie" not in browser.get("/").headers


def test_a_foreign_page_cannot_use_a_server_without_a_token() -> None:
    browser = client(None)
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://localhost:81"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "file://"},
        {"Origin": "ftp://localhost"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:81"},
    ):
        assert browser.post("/call", headers=headers).status_code == 403, headers
    for headers in (
        {"Origin": "http://localhost"},
        {"Origin": "http://LOCALHOST"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
    ):
        assert browser.post("/call", headers=headers).text == "called", headers


def test_a_foreign_page_may_link_here_but_not_load_anything() -> None:
    browser = client(None)
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert browser.get("/", headers=link).status_code == 200
    assert (
        browser.get(
            "/", headers={"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}
        ).status_code
        == 200
    )
    for mode in ("no-cors", "cors"):
        refused = browser.get("/", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode})
        assert refused.status_code == 403
        assert "came from another page" in refused.text


# The name in the request


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost", True),
        ("localhost:8000", True),
        ("LocalHost.", True),
        ("kiosk.example:80", True),
        ("[::1]:8000", True),
        ("192.168.1.5:8000", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("evil.example:localhost", False),
        ("kiosk.example.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("2130706433", False),
        ("[::1", False),
        ("", False),
    ],
)
def test_a_name_that_was_made_to_lead_here_is_not_answered(host: str, allowed: bool) -> None:
    for token in (None, TOKEN):
        answer = client(token).get("/", headers={"Host": host, **BEARER})
        assert (answer.status_code == 200) is allowed
        if not allowed:
            assert answer.status_code in {400, 421}


# With a token


def test_a_program_sends_the_token() -> None:
    program = client()
    assert program.post("/call", headers=BEARER).text == "called"
    assert (
        program.post("/call", headers={**BEARER, "Origin": "https://other.example"}).text
        == "called"
    )
    assert program.get("/", headers=BEARER).text == "needed True, in False"
    assert "Set-Cookie" not in program.get("/", headers=BEARER).headers


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN,
     "Bearer \xfc\xff"],
)  # fmt: skip
def test_without_the_token_nothing_is_told(authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    for path in ("/", "/report", "/nothing-here"):
        answer = client().get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert TOKEN not in answer.text
    assert client().post("/call", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("accept", "is_led"),
    [
        (
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,"
            "*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
            True,
        ),  # Chrome, Edge
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),  # Firefox
        ("*/*", False),  # curl
        ("application/json, text/html;q=0.5", False),
        ("application/json", False),
        (None, False),
    ],
)
def test_every_browser_is_led_to_the_login_and_no_program(accept, is_led) -> None:
    headers = {} if accept is None else {"Accept": accept}
    answer = client().get("/report", headers=headers)
    assert answer.status_code == (303 if is_led else 401)
    assert ("/login" in answer.headers.get("Location", "")) == is_led


def test_a_person_logs_in_and_comes_to_where_they_wanted() -> None:
    browser = client()
    sent_away = browser.get("/report?a=1&b=2", headers=BROWSER)
    assert (sent_away.status_code, sent_away.headers["Location"]) == (
        303,
        "/login?next=/report?a%3D1%26b%3D2",
    )
    form = browser.get(sent_away.headers["Location"]).text
    assert '<input type="hidden" name="next" value="/report?a=1&amp;b=2">' in form
    assert 'role="alert"' not in form
    let_in = log_in(browser, next="/report?a=1&b=2")
    assert (let_in.status_code, let_in.headers["Location"]) == (303, "/report?a=1&b=2")
    assert browser.get("/report").text == "report"
    assert browser.get("/").text == "needed True, in True"
    assert browser.get("/login").headers["Location"] == "/"
    assert (
        browser.post("/logout", headers={"Origin": "http://localhost"}).headers["Location"]
        == "/login"
    )
    assert browser.get("/", headers=BROWSER).status_code == 303


def test_the_cookie_is_for_this_page_only_and_cannot_be_made() -> None:
    browser = client()
    [cookie] = log_in(browser).headers.getlist("Set-Cookie")
    parts = cookie.split("; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} < set(parts)
    assert "Secure" not in parts
    assert TOKEN not in cookie
    value = parts[0].removeprefix("ad_monitor=")
    stranger = client()
    stranger.set_cookie("ad_monitor", value, domain="localhost")
    assert stranger.get("/").status_code == 401, "another server's cookie"
    # The first character of the signature; of the last one some bits do not count.
    content, _, signature = value.rpartition(".")
    changed = f"{content}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    browser.set_cookie("ad_monitor", changed, domain="localhost")
    assert browser.get("/").status_code == 401, "a changed cookie"


def test_over_https_the_cookie_stays_there() -> None:
    browser = client(secure_cookies=True)
    login = browser.post(
        "/login",
        data={"token": TOKEN},
        headers={"Origin": "https://localhost"},
        base_url="https://localhost",
    )
    [cookie] = login.headers.getlist("Set-Cookie")
    assert cookie.startswith("__Host-ad_monitor=")
    assert "Secure" in cookie.split("; ")
    foreign = browser.post("/login", data={"token": TOKEN}, headers={"Origin": "http://localhost"})
    assert foreign.status_code == 403


def test_the_cookie_alone_lets_no_foreign_page_do_anything() -> None:
    browser = client()
    log_in(browser)
    assert browser.post("/call", headers={"Origin": "http://localhost"}).text == "called"
    assert browser.post("/call", headers={"Sec-Fetch-Site": "same-origin"}).text == "called"
    for headers in (
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        assert browser.post("/call", headers=headers).status_code == 403
        assert browser.post("/logout", headers=headers).status_code == 403
    assert (
        browser.post(
            "/login", data={"token": TOKEN}, headers={"Origin": "https://evil.example"}
        ).status_code
        == 403
    )


@pytest.mark.parametrize(
    "following",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", "evil", "",
     "/\t/evil.example", "/a\nb", " /a"],
)  # fmt: skip
def test_a_login_leads_to_this_page_only(following: str) -> None:
    browser = client()
    assert log_in(browser, next=following).headers["Location"] == "/"
    assert browser.get("/login", query_string={"next": following}).headers["Location"] == "/"


def test_wrong_tokens_are_told_and_then_made_to_wait() -> None:
    browser = client(rate_limit="1000 per minute")
    for _ in range(WRONG_TOKENS.amount):
        answer = log_in(browser, "wrong")
        assert answer.status_code == 401
        assert 'role="alert"' in answer.text
    for waiting in (log_in(browser, "wrong"), log_in(browser), browser.get("/", headers=BEARER)):
        assert waiting.status_code == 429
        assert 0 < int(waiting.headers["Retry-After"]) <= 60
    elsewhere = browser.get("/", headers=BEARER, environ_base={"REMOTE_ADDR": "10.0.0.9"})
    assert elsewhere.status_code == 200


def test_wrong_tokens_of_programs_count_too() -> None:
    program = client(rate_limit="1000 per minute")
    found = [
        program.get("/", headers={"Authorization": f"Bearer {n}"}).status_code for n in range(12)
    ]
    assert found == [401] * WRONG_TOKENS.amount + [429] * 2


def test_what_is_sent_is_limited_and_what_is_looked_at_is_not() -> None:
    program = client(None, rate_limit="3 per minute")
    assert [program.get("/").status_code for _ in range(10)] == [200] * 10
    answers = [program.post("/call") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    other = program.post(
        "/call", environ_base={"REMOTE_ADDR": "10.0.0.9"}, headers={"X-Forwarded-For": "127.0.0.1"}
    )
    assert other.status_code == 200
    assert program.post("/call", headers={"X-Forwarded-For": "10.0.0.8"}).status_code == 429


# What browsers are told


def test_every_answer_tells_browsers_to_be_strict() -> None:
    browser = client()
    answers = [
        browser.get("/", headers=BEARER),
        browser.get("/"),
        browser.get("/login"),
        browser.get("/nothing", headers=BEARER),
        browser.get("/", headers={"Host": "evil.example"}),
    ]
    for headers in (answer.headers for answer in answers):
        policy = dict(
            part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";")
        )
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
        assert (
            headers["Cross-Origin-Opener-Policy"]
            == headers["Cross-Origin-Resource-Policy"]
            == "same-origin"
        )
        assert headers["Cache-Control"] == "no-store"
        assert "camera=()" in headers["Permissions-Policy"]
        assert "Access-Control-Allow-Origin" not in headers


def test_a_view_may_have_headers_of_its_own() -> None:
    headers = client().get("/report", headers=BEARER).headers
    assert headers["Content-Security-Policy"] == "sandbox"
    assert headers["Cache-Control"] == "max-age=9"
    assert headers["X-Frame-Options"] == "DENY"


def test_what_is_sent_has_a_size() -> None:
    browser = client(None)
    assert browser.application.config["MAX_CONTENT_LENGTH"] == MAX_UPLOAD_BYTES
    app = Flask("monitor.web")
    app.config["MAX_CONTENT_LENGTH"] = 5
    install_security(app, TokenGate(None), HOSTS)
    assert app.config["MAX_CONTENT_LENGTH"] == 5


def test_the_token_is_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        browser = client()
        log_in(browser)
        browser.get("/", headers=BEARER)
    assert TOKEN not in caplog.text


def test_the_form_has_nothing_inline() -> None:
    import monitor.web

    form = (Path(monitor.web.__path__[0]) / "templates/login.html").read_text(encoding="utf-8")
    assert not any(inline in form for inline in ("<style", "style=", "onclick", "onsubmit"))
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", form))


def test_a_logout_ends_every_copy_of_the_cookie() -> None:
    browser = client()
    app = browser.application
    [cookie] = log_in(browser).headers.getlist("Set-Cookie")
    name, _, value = cookie.split("; ")[0].partition("=")
    thief, other = app.test_client(), app.test_client()
    thief.set_cookie(name, value)
    log_in(other)
    assert thief.get("/", headers=BROWSER).status_code == 200
    browser.post("/logout", headers={"Origin": "http://localhost"})
    assert thief.get("/", headers=BROWSER).status_code == 303
    assert other.get("/", headers=BROWSER).status_code == 200


@pytest.mark.parametrize(
    "kind",
    ["application/x-www-form-urlencoded", "application/json", "text/plain", "", "image/png",
     "multipart/form-data; boundary=x"],
)  # fmt: skip
def test_a_large_form_is_refused_before_it_is_read(kind: str) -> None:
    class Unreadable(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise AssertionError("the body was read")

        readline = readinto = read  # type: ignore[assignment]

    answer = client().post(
        "/login",
        input_stream=Unreadable(bytes(MAX_FORM_BYTES + 1)),
        content_type=kind,
        headers={"Origin": "http://localhost"},
    )
    assert answer.status_code == 413
    assert b"expected at most 64 kB, received 65537 bytes" in answer.data


def test_looking_at_pages_has_a_limit_of_its_own() -> None:
    browser = client(None, read_limit="3 per minute")
    assert [browser.get("/").status_code for _ in range(4)] == [200, 200, 200, 429]
    answer = browser.get("/report")
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "60"
    assert browser.post("/call").status_code == 200
    other = {"REMOTE_ADDR": "192.0.2.7"}
    assert browser.get("/", environ_overrides=other).status_code == 200


# By the header alone


def judged(browser: FlaskClient, headers: dict[str, str], path: str = "/call") -> str:
    """The status with which a request is judged before its body is read."""
    environ = EnvironBuilder(path, method="POST", headers=headers).get_environ()
    environ["CONTENT_LENGTH"] = headers["Content-Length"]  # The builder counts what it has.
    statuses: list[str] = []
    judge(browser.application, environ, lambda status, *_: statuses.append(status))  # type: ignore[arg-type]
    return statuses[0]


PNG = {"Content-Type": "image/png", "Content-Length": "1000000"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (PNG | BEARER, "200 OK"),
        (PNG, "403 Forbidden"),
        (PNG | {"Authorization": "Bearer wrong"}, "403 Forbidden"),
        (PNG | BEARER | {"Host": "evil.example"}, "403 Forbidden"),
        (PNG | BEARER | {"Content-Length": str(MAX_UPLOAD_BYTES)}, "200 OK"),
        (PNG | BEARER | {"Content-Length": str(MAX_UPLOAD_BYTES + 1)}, "403 Forbidden"),
        (PNG | BEARER | {"Content-Type": "application/json"}, "403 Forbidden"),
        (PNG | {"Origin": "https://evil.example"}, "403 Forbidden"),
    ],
)
def test_a_request_is_judged_by_its_header(headers: dict[str, str], status: str) -> None:
    assert judged(client(), headers) == status


def test_what_leads_nowhere_is_refused_by_its_header() -> None:
    for path in ("/nothing", "/report"):
        assert judged(client(), PNG | BEARER, path) == "403 Forbidden"


def test_a_wrong_token_counts_once() -> None:
    browser = client()
    for _ in range(WRONG_TOKENS.amount + 5):
        judged(browser, PNG | {"Authorization": "Bearer wrong"})
    assert browser.post("/call", headers=BEARER).text == "called"


@pytest.mark.parametrize(("why", "status"), [("busy", 503), ("too_slow", 408), ("early", 413)])
def test_a_request_without_its_body_is_refused(why: str, status: int) -> None:
    answer = client().post("/call", headers=BEARER, environ_overrides={REFUSAL: why})
    assert answer.status_code == status
    assert client().post("/nothing", environ_overrides={REFUSAL: why}).status_code in {401, 403}


@pytest.mark.parametrize(
    ("path", "length", "answer"),
    [
        ("/hub/v1/envelopes", 4000, "200 OK"),
        ("/hub/v1/envelopes", MAX_FORM_BYTES + 1, "403 Forbidden"),
        ("/call", 4000, "403 Forbidden"),
    ],
)
def test_an_envelope_of_usual_size_is_judged_by_the_application_alone(path, length, answer):
    app, answers = client().application, []
    environ = EnvironBuilder(path, method="POST", content_type="application/json").get_environ()
    environ["CONTENT_LENGTH"] = str(length)
    judge(app, environ, lambda status, _headers: answers.append(status))
    assert answers == [answer]


def test_a_zero_character_is_refused_before_a_database_fails_on_it() -> None:
    browser = client(TOKEN)
    assert log_in(browser).status_code == 303
    assert browser.get("/?site=a%00").status_code == 400
    answer = browser.post("/login", data={"token": "a\0b"}, headers={"Origin": "http://localhost"})
    assert answer.status_code == 400
