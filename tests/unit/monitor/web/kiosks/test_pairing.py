"""The calls by which kiosks join: their answers, and what they refuse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from db.engine import open_database, writing
from db.hub.screens import pairing
from db.hub.screens.registry import Place, create_screen
from monitor.web.kiosks.pairing import pairing_calls
from monitor.web.request.problems import install_problems

KIOSK = "a" * 32


@pytest.fixture
def engine(tmp_path):
    engine = open_database(str(tmp_path / "hub.db"))
    yield engine
    engine.dispose()


@pytest.fixture
def client(engine):
    app = Flask(__name__)
    install_problems(app)
    app.register_blueprint(pairing_calls(lambda: engine))
    return app.test_client()


@pytest.fixture
def screen(engine):
    place = Place("Lobby", site="Bonn", time_zone="Europe/Berlin")
    with writing(engine) as connection:
        return create_screen(connection, place, datetime.now(UTC))


def code_of(engine, screen):
    with writing(engine) as connection:
        return pairing.code_for_screen(connection, screen.id, "ada", datetime.now(UTC))[0]


def test_a_kiosk_asks_waits_and_collects(client, engine, screen):
    request = {"kiosk": KIOSK, "facts": {"host": "lobby-1", "colour": "red"}, "later": 1}
    answer = client.post("/hub/v1/pairings", json=request)
    assert answer.status_code == 201
    offer = answer.json
    assert datetime.fromisoformat(offer["expires_at"]) > datetime.now(UTC) + timedelta(minutes=9)
    claim = {"claim": offer["claim"]}
    answer = client.post("/hub/v1/pairings/claim", json=claim)
    assert (answer.status_code, answer.data, answer.headers["Retry-After"]) == (202, b"", "3")
    with writing(engine) as connection:
        pairing.accept(connection, offer["code"], screen.id, "ada", datetime.now(UTC))
        [] = pairing.waiting_kiosks(connection, datetime.now(UTC))
    answer = client.post("/hub/v1/pairings/claim", json=claim)
    assert answer.status_code == 200
    key = answer.json.pop("key")
    assert len(key) == 43
    assert answer.json == {
        "key": key,
        "screen": screen.uid,
        "name": "Lobby",
        "site": "Bonn",
        "time_zone": "Europe/Berlin",
    }
    answer = client.post("/hub/v1/pairings/claim", json={"claim": "x" * 43})
    assert (answer.status_code, answer.json["code"]) == (410, "code_expired")


def test_a_code_joins_and_a_wrong_one_says_what_to_do(client, engine, screen):
    asked = {"kiosk": KIOSK, "code": code_of(engine, screen)}
    answer = client.post("/hub/v1/join", json=asked)
    assert (answer.status_code, answer.json["screen"]) == (200, screen.uid)
    used = client.post("/hub/v1/join", json=asked)
    assert (used.status_code, used.json["code"]) == (403, "wrong_code")
    assert "Make a new one" in used.json["detail"]
    key = answer.json["key"]
    left = client.post("/hub/v1/leave", headers={"Authorization": f"Bearer {key}"})
    assert left.status_code == 204
    for headers in ({"Authorization": f"Bearer {key}"}, {}, {"Authorization": "Basic eDp5"}):
        assert client.post("/hub/v1/leave", headers=headers).status_code == 401


def test_guessing_is_answered_with_when_to_try_again(client):
    guess = {"kiosk": KIOSK, "code": "222222"}
    answers = [client.post("/hub/v1/join", json=guess) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [403] * 10 + [429]
    assert 590 <= int(answers[-1].headers["Retry-After"]) <= 600


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("pairings", {}),
        ("pairings", {"kiosk": "A" * 32}),
        ("pairings", {"kiosk": KIOSK, "facts": {"host": "x" * 201}}),
        ("pairings/claim", {"claim": 7}),
        ("join", {"kiosk": KIOSK, "code": ""}),
        ("join", [1]),
    ],
)
def test_what_is_no_request_is_refused(client, path, message):
    answer = client.post(f"/hub/v1/{path}", json=message)
    assert (answer.status_code, answer.json["code"]) == (400, "bad_request")
    assert answer.json["detail"].startswith("Invalid ")
    answer = client.post(f"/hub/v1/{path}", data=b"\xff{")
    assert answer.status_code == 400
