"""The German pages of a hub hold no English word, whatever they show and whatever goes wrong."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from db.engine import writing
from db.hub.alerts.raised import raise_alert
from db.hub.screens import registry
from db.hub.shows.commands import CommandAnswer, add_commands, finish_command
from db.hub.tables.alerts import Delivery
from monitor.web.request.language import COOKIE
from tests.helpers.german import english_in, shown_texts
from tests.helpers.hub_screens import PLACE, a_health

from .test_agency import MARK, addresses, app, others

pytest.importorskip("argon2", reason="the extra `hub` is not installed")

__all__ = ["app", "others"]

NAMES = re.compile(
    rf"{MARK} \w+|the \w+|Till 3|Main Street|North|Summer|window|[a-z]+\.[a-z_]+|Ad reaction(?: monitor|s)|English|Single Sign-on"
)
"""What people have typed in this test, and the name of the program."""

ENDS_THE_LOGIN = {"logout", "end", "end_others", "change_password", "disable", "change"}


@pytest.fixture
def filled(engine, others):
    """What others have, and a screen with every fault, whose kiosk says what is wrong in English."""
    at = datetime.now(UTC)
    health = a_health(
        "lost", "The stream rtsp://camera.local gave no picture for 1.7 s.", at.isoformat()
    )
    with writing(engine) as connection:
        screen = registry.create_screen(connection, PLACE, at - timedelta(days=3))
        registry.store_health(connection, screen.id, health, at)
        for kind, detail in (
            (
                "disk",
                "Only 1.5 GB of 64 GB are free: delete files, or keep readings for a shorter time "
                "(`--retention`).",
            ),
            (
                "not_applied",
                "The kiosk cannot show version 3 (The disk is full; free some space on the "
                "kiosk). It goes on with what it showed before.",
            ),
        ):
            raise_alert(connection, screen.id, kind, detail, at)
        uid = add_commands(connection, [screen.id], "identify", "ann", at)[0]
        answer = CommandAnswer(False, "The show did not answer within 5 s.")
        finish_command(connection, screen.id, uid, answer, at)
        error = "Not delivered: the server answered with status 503; expected 200 to 299."
        failed = {"attempts": 3, "done_at": None, "error": f"{error} Given up after three days."}
        connection.execute(update(Delivery).values(next_at=None, **failed))
    return others | {"uid": others["uid"] | {"screens": screen.uid, "screen_commands": screen.uid}}


def english_on(answer):
    """Return the texts of an answer that hold English words, with these."""
    page = answer.get_data(as_text=True)
    found = {text: english_in(NAMES.sub(" ", text)) for text in shown_texts(page)}
    return {text: words for text, words in found.items() if words}


def test_no_page_of_a_hub_has_an_english_word(app, as_, filled):
    browser = as_("admin")
    browser.set_cookie(COOKIE, "de")
    seen, found = 0, {}
    for endpoint, method, address in addresses(app, filled):
        if method != "GET" or endpoint.endswith(("events", "logout")):
            continue
        answer = browser.get(address, headers={"Accept": "text/html"})
        if answer.mimetype == "text/html" and answer.status_code != 303:
            seen += 1
            found |= {(address, text): words for text, words in english_on(answer).items()}
        answer.close()
    assert seen > 40
    assert not found, "\n".join(map(str, found.items()))


def test_no_form_that_is_sent_empty_is_answered_in_english(app, as_, filled):
    browser = as_("admin")
    browser.set_cookie(COOKIE, "de")
    seen, found = 0, {}
    for endpoint, method, address in addresses(app, filled):
        if method != "POST" or endpoint.partition(".")[2] in ENDS_THE_LOGIN:
            continue
        headers = {"Accept": "text/html", "Origin": "http://localhost"}
        answer = browser.post(address, headers=headers)
        if answer.mimetype == "text/html" and answer.status_code >= 400:
            seen += 1
            found |= {(address, text): words for text, words in english_on(answer).items()}
    assert seen > 20
    assert not found, "\n".join(map(str, found.items()))


def test_scripts_of_a_page_get_its_language_and_programs_english(as_):
    browser = as_("admin")
    browser.set_cookie(COOKIE, "de")
    wanted = {"Accept": "application/problem+json", "Origin": "http://localhost"}
    of_page = browser.post("/library/uploads", json={"name": "a.txt", "size": "x"}, headers=wanted)
    assert of_page.mimetype == "application/problem+json"
    assert english_in(of_page.get_json()["detail"]) == set()
    of_api = browser.get("/api/v1/sessions/77/report", headers=wanted)
    assert of_api.get_json()["title"] == "There is no such session"
