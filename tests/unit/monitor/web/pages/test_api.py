"""The interface for programs: answers and problems, each as its description says."""

from __future__ import annotations

import io

import jsonschema
import pytest
from openapi_spec_validator import validate

from monitor.web.api.openapi import CALLS
from monitor.web.request.problems import TITLES
from tests.helpers.http_pictures import served

from .conftest import face, picture, worker_of, write_session, write_weeks

API = "/api/v1"
TOKEN = "a-token-of-enough-length"  # noqa: S105 (for this test only)


@pytest.fixture
def checked(client):
    """Check that an answer is as the description says; returns what it holds."""
    description = client.get(f"{API}/openapi.json").json

    def check(answer, name: str, method: str = "get"):
        path = next(call.path for call in CALLS if call.name == name)
        described = description["paths"][path][method]["responses"][str(answer.status_code)][
            "content"
        ]
        assert list(described) == [answer.mimetype]
        schema = {**described[answer.mimetype]["schema"], "components": description["components"]}
        jsonschema.validate(answer.json, schema, cls=jsonschema.Draft202012Validator)
        return answer.json

    return check


def problem_of(answer):
    document = answer.json
    assert answer.mimetype == "application/problem+json"
    assert document["status"] == answer.status_code
    assert document["type"] == f"/api#problem-{document['code']}"
    return document


def test_the_description_is_valid_and_complete(client):
    document = client.get(f"{API}/openapi.json").json
    validate(document)
    assert document["openapi"] == "3.1.0"
    rules = {
        rule.rule for rule in client.application.url_map.iter_rules() if rule.rule.startswith(API)
    }
    described = {path.replace("{session_id}", "<session:session_id>") for path in document["paths"]}
    assert rules - described == {f"{API}/", f"{API}/<path:rest>"}


def test_pictures_can_be_sent_in_three_ways(make_app, checked, web_picture):
    client = make_app(
        [face("sad", 0.6, (1, 2, 3, 4), uncertain=True)], networks=("127.0.0.0/8",)
    ).test_client()
    expected = [{"box": [1, 2, 3, 4], "label": "sad", "confidence": 0.6, "uncertain": True}]
    ways = {
        "faces.png": {"data": {"image": (io.BytesIO(picture()), "faces.png")}},
        "picture": {"data": picture(), "content_type": "image/png"},
        web_picture: {"json": {"url": web_picture}},
    }
    for name, sent in ways.items():
        found = checked(client.post(f"{API}/classify", **sent), "classify", "post")
        (image,) = found["images"]
        assert image["image"] == name
        probabilities = [entry.pop("probabilities") for entry in image["faces"]]
        assert image["faces"] == expected
        assert list(probabilities[0]) == [
            "angry",
            "disgust",
            "fear",
            "happy",
            "sad",
            "surprise",
            "neutral",
        ]


@pytest.fixture
def web_picture():
    """The address of a picture on a server of this machine."""
    with served(lambda _path: picture()) as address:
        yield f"{address}/faces.png"


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ({"data": b"{", "content_type": "application/json"}, 400, "bad_request"),
        ({"json": {"adress": "x"}}, 400, "bad_request"),
        ({"json": {"url": "http://exa mple.org/"}}, 400, "fetch_url"),
        ({"json": {"url": "file:///etc/passwd"}}, 400, "fetch_scheme"),
        ({"json": {"url": "http://192.168.0.1/a.jpg"}}, 422, "fetch_address_not_public"),
        ({"data": {"other": "1"}, "content_type": "multipart/form-data"}, 400, "no_picture"),
        ({"data": b"", "content_type": "image/png"}, 400, "no_picture"),
        ({"data": b"GIF", "content_type": "image/gif"}, 422, "not_a_picture"),
        ({"data": b"hello", "content_type": "text/plain"}, 415, "unknown_media"),
        ({}, 415, "unknown_media"),
    ],
)
def test_what_is_wrong_with_a_picture(client, checked, sent, status, code):
    answer = client.post(f"{API}/classify", **sent)
    assert (answer.status_code, problem_of(answer)["code"]) == (status, code)
    checked(answer, "classify", "post")


def test_other_problems_are_documents_too(client):
    assert problem_of(client.get(f"{API}/nothing"))["code"] == "not_found"
    wrong = client.get(f"{API}/classify")
    assert (wrong.status_code, problem_of(wrong)["code"]) == (405, "wrong_method")
    assert problem_of(wrong)["detail"] == "/api/v1/classify is called with POST."
    problem = problem_of(client.get(f"{API}/sessions"))
    assert problem["code"] == "no_database"
    assert "There is no database " in problem["detail"]
    assert "/" not in problem["detail"]
    large = client.post(f"{API}/classify", data=bytes(32 << 20), content_type="image/png")
    assert (large.status_code, problem_of(large)["code"]) == (413, "too_large")
    assert "<html" in client.get("/nothing").text
    assert client.get("/nothing").status_code == 404
    assert client.post("/sessions").status_code == 405


def test_without_the_token_and_too_often(make_app):
    client = make_app(token=TOKEN, rate_limit="2 per minute").test_client()
    refused = problem_of(client.get(f"{API}/health"))
    assert refused["code"] == "login_needed"
    assert "`Authorization: Bearer TOKEN`" in refused["detail"]
    known = {"Authorization": f"Bearer {TOKEN}"}
    assert client.get(f"{API}/health", headers=known).json["status"] == "ok"
    statuses = [
        client.post(f"{API}/classify", data=picture(), content_type="image/png", headers=known)
        for _ in range(3)
    ]
    assert [answer.status_code for answer in statuses] == [200, 200, 429]
    assert problem_of(statuses[-1])["code"] == "too_many_requests"
    assert int(statuses[-1].headers["Retry-After"]) <= 60


def test_sessions_and_reports(database, client, checked, monkeypatch):
    monkeypatch.setattr("monitor.web.request.paging.SESSIONS_PER_PAGE", 3)
    first = write_session(database, "Foyer")
    for number in range(3):
        write_session(database, f"Hall {number}", viewers=1)
    found = checked(client.get(f"{API}/sessions"), "sessions")
    assert (found["total"], found["page"], found["pages"], len(found["sessions"])) == (4, 1, 2, 3)
    assert [entry["id"] for entry in found["sessions"]] == [4, 3, 2]
    assert [
        e["id"] for e in checked(client.get(f"{API}/sessions?page=2"), "sessions")["sessions"]
    ] == [1]
    named = checked(client.get(f"{API}/sessions?site=FOY"), "sessions")["sessions"]
    assert [
        (entry["id"], entry["plays"], entry["viewers"], entry["readings"]) for entry in named
    ] == [(first, 2, 12, 192)]
    assert checked(client.get(f"{API}/sessions?site=%25"), "sessions")["total"] == 0
    assert problem_of(client.get(f"{API}/sessions?page=3"))["code"] == "not_found"
    assert problem_of(client.get(f"{API}/sessions?page=-1"))["code"] == "bad_request"
    report = checked(client.get(f"{API}/sessions/{first}/report"), "report")
    assert report["report"]["min_viewers"] == 5
    assert [ad["ad_id"] for ad in report["ads"]] == ["summer", "winter"]
    assert report["ads"][0]["mean_valence"] > report["ads"][1]["mean_valence"]
    few = client.get(f"{API}/sessions/{first + 1}/report").json
    assert few["ads"][0]["mean_valence"] is None
    assert problem_of(client.get(f"{API}/sessions/99/report"))["code"] == "no_session"


def test_compare(database, client, checked):
    write_weeks(database, "Foyer")
    document = checked(client.get(f"{API}/compare?ad=summer&ad=winter&measure=happy"), "compare")
    (pair,) = document["comparisons"]
    assert (pair["first"], pair["second"], pair["verdict"]) == ("summer", "winter", "better")
    assert pair["difference"]["low"] > 0
    other = checked(client.get(f"{API}/compare?ad=summer&ad=winter&measure=dwell"), "compare")
    assert other["comparisons"][0]["measure"] == "dwell"
    for query, code in (
        ("ad=summer", "not_comparable"),
        ("ad=summer&ad=summer", "not_comparable"),
        ("ad=summer&ad=nothing", "no_ad"),
        ("ad=summer&ad=winter&measure=height", "not_comparable"),
        ("&".join(f"ad={number}" for number in range(9)), "not_comparable"),
    ):
        assert problem_of(client.get(f"{API}/compare?{query}"))["code"] == code


def test_health(make_app, database, checked):
    app = make_app()
    worker_of(app)._ready.wait(60)
    answer = checked(app.test_client().get(f"{API}/health"), "health")
    assert (answer["status"], answer["classifier"], answer["database"]) == (
        "ok",
        "ready",
        "missing",
    )
    write_session(database, "Foyer")
    assert app.test_client().get(f"{API}/health").json["database"] == "ready"


def test_health_of_a_broken_classifier(database, checked):
    from monitor.settings.models import WebSettings
    from monitor.web.app import close_app, create_app

    def fail():
        raise OSError("no such model")

    app = create_app(WebSettings(database=database), fail)
    worker_of(app)._ready.wait(60)
    answer = app.test_client().get(f"{API}/health")
    assert answer.status_code == 503
    assert checked(answer, "health")["classifier"] == "broken"
    close_app(app)


def test_the_readable_page_lists_every_call_and_code(client):
    page = client.get("/api").text
    for call in CALLS:
        assert f'id="{call.name}"' in page
        assert call.path in page
    for code in TITLES:
        assert f'id="problem-{code}"' in page
    assert "http://localhost/api/v1/classify" in page
    assert "`" not in page


@pytest.mark.logs_errors
def test_a_mistake_is_logged_and_not_shown(make_app, caplog):
    class Mistaken:
        def faces_and_crops(self, _image):
            raise RuntimeError("secret detail")

        def close(self):
            pass

    client = make_app(classifier=Mistaken()).test_client()
    answer = client.post(f"{API}/classify", data=picture(), content_type="image/png")
    assert (answer.status_code, problem_of(answer)["code"]) == (500, "internal")
    assert "secret" not in answer.text
    assert "secret detail" in caplog.text
