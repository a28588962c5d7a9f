"""Which language a page speaks, with the pages of `serve`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from monitor.settings.models import WebSettings
from monitor.web.app import close_app, create_app
from monitor.web.request.language import COOKIE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

TOKEN = "a-token-of-some-length"  # noqa: S105 (of this test only)
PAGE = {"Accept": "text/html"}


class NoFaces:
    def close(self) -> None:
        pass


@pytest.fixture
def client(tmp_path: Path) -> Iterator[FlaskClient]:
    app = create_app(WebSettings(database=str(tmp_path / "none.sqlite"), token=TOKEN), NoFaces)  # type: ignore[arg-type]
    yield app.test_client()
    close_app(app)


def spoken(response: TestResponse) -> str:
    found = re.search(r'<html lang="(\w+)">', response.text)
    assert found
    return found[1]


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en-GB,de;q=0.9", "en"),
        ("fr,de;q=0.5", "de"),
        ("fr", "en"),
        ("de;q=0", "en"),
        (";;q=x", "en"),
    ],
)
def test_by_default_a_page_speaks_what_the_browser_asks_for(
    client: FlaskClient, asked: str, language: str
) -> None:
    answer = client.get("/login", headers={"Accept-Language": asked})
    assert spoken(answer) == language
    assert answer.headers["Content-Language"] == language
    assert {"Accept-Language", "Cookie"} <= set(answer.vary)


def test_a_choice_without_a_login_leads_back_and_holds(client: FlaskClient) -> None:
    page = client.get("/login?next=/sessions", headers=PAGE).text
    assert 'name="next" value="/login?next=/sessions"' in page
    answer = client.post("/language", data={"language": "de", "next": "/login?next=/sessions"})
    assert (answer.status_code, answer.location) == (303, "/login?next=/sessions")
    assert all(
        word in answer.headers["Set-Cookie"] for word in ("HttpOnly", "SameSite=Lax", "Max-Age")
    )
    assert spoken(client.get("/login", headers={"Accept-Language": "en"})) == "de"
    client.post("/language", data={"language": "en"})
    assert spoken(client.get("/login", headers={"Accept-Language": "de"})) == "en"


@pytest.mark.parametrize(
    "where", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere", ""]
)
def test_a_choice_leads_to_this_server_only(client: FlaskClient, where: str) -> None:
    assert client.post("/language", data={"language": "de", "next": where}).location == "/"


def test_an_unknown_language_is_refused_and_an_unknown_cookie_ignored(client: FlaskClient) -> None:
    answer = client.post(
        "/language", data={"language": "../de"}, headers={"Accept-Language": "de"} | PAGE
    )
    assert answer.status_code == 400
    assert "Die Sprache &#39;../de&#39; gibt es nicht. Möglich sind: en, de." in answer.text
    client.set_cookie(COOKIE, "../de")
    assert spoken(client.get("/login")) == "en"


def test_programs_are_answered_in_english(client: FlaskClient) -> None:
    client.set_cookie(COOKIE, "de")
    answer = client.get("/api/v1/sessions")
    assert answer.status_code == 401
    assert answer.get_json()["title"] == "You are not logged in"
    assert "`Authorization: Bearer " in answer.get_json()["detail"]


def test_an_error_page_speaks_the_chosen_language_and_leads_home(client: FlaskClient) -> None:
    answer = client.get(
        "/nowhere", headers={"Accept-Language": "de", "Authorization": f"Bearer {TOKEN}"}
    )
    assert answer.status_code == 404
    assert spoken(answer) == "de"
    assert 'name="next" value="/"' in answer.text
