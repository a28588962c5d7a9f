"""The page of a running session and its events."""

from __future__ import annotations

import json
import threading

import jsonschema
import pytest

from db.engine import open_database
from db.write.records import ModelRecord
from detector.emotion.labels import EMOTIONS
from detector.emotion.model_card import read_card
from detector.emotion.model_store import shipped_default
from detector.emotion.prevalence import corrected_valence, group_scores, shares
from monitor.reports.formatting import signed
from monitor.web.api.schemas import Live
from monitor.web.app import close_app
from monitor.web.pages.live import curve_points
from tests.helpers.hub_rows import add_screen, fill_screen
from tests.helpers.making import Make

from .conftest import worker_of, write_session


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("monitor.web.pages.live.EVENT_INTERVAL_S", 0.02)


def documents_in(chunk):
    return [
        json.loads(line[6:]) for line in chunk.decode().splitlines() if line.startswith("data: ")
    ]


def first_events(answer, count):
    """The documents of the first events of an answer, which is then left."""
    found = []
    for chunk in answer.response:
        found += documents_in(chunk)
        if len(found) >= count:
            break
    answer.close()
    return found


def test_the_page_shows_the_moment_it_was_asked_for(make_app, running):
    running.see(6, happy=0.7)
    page = make_app().test_client().get(f"/sessions/{running.id}/live").text
    assert "Live Hall" in page
    assert "Summer &lt;drinks&gt;" in page
    assert '<dd id="viewers">6</dd>' in page
    assert '<dd id="attention">100%</dd>' in page
    seen = (0.05, 0.05, 0.05, 0.7, 0.05, 0.05, 0.05)
    scores = group_scores(seen, read_card(shipped_default()).prevalence)
    assert f'<dd id="valence">{signed(float(corrected_valence(scores)))}</dd>' in page
    assert f'class="c-happy" width="{100 * shares(scores)[0]:.2f}'[:-1] in page
    assert page.count("<li data-group") == 4
    assert page.count("<polyline") == 1
    assert '<meta http-equiv="refresh"' in page.split("<noscript>")[1]


def test_figures_about_few_are_hidden(make_app, running):
    running.see(4)
    client = make_app().test_client()
    page = client.get(f"/sessions/{running.id}/live").text
    assert '<dd id="viewers">4</dd>' in page
    assert '<dd id="attention">\N{EN DASH}</dd>' in page
    assert "<polyline" not in page
    assert "Fewer than 5 viewers could be read" in page


def test_gaps_are_shown(make_app, running):
    running.gap("too_dark", "light <off>")
    page = make_app().test_client().get(f"/sessions/{running.id}/live").text
    assert "too dark (light &lt;off&gt;)" in page


def test_events_follow_the_session_to_its_end(make_app, running, quick):
    client = make_app(min_viewers=1).test_client()
    running.see(1)
    schema = client.get("/api/v1/openapi.json").json
    answer = client.get(f"/sessions/{running.id}/events", headers={"Accept": "text/event-stream"})
    assert answer.mimetype == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-store"
    documents = []
    for chunk in answer.response:
        documents += documents_in(chunk)
        if len(documents) == 2:
            running.see(3)
        if len(documents) == 4:
            running.end()
    assert [documents[1]["viewers"], documents[3]["viewers"]] == [1, 3]
    assert [document["running"] for document in documents] == [True] * (len(documents) - 1) + [
        False
    ]
    for document in documents:
        jsonschema.validate(
            document,
            {"$ref": "#/components/schemas/Live", "components": schema["components"]},
            cls=jsonschema.Draft202012Validator,
        )
    over = client.get(f"/sessions/{running.id}/events")
    assert (over.status_code, over.data) == (204, b"")
    assert "This session is over" in client.get(f"/sessions/{running.id}/live").text


def test_only_so_many_listen(make_app, running, quick):
    client = make_app(listeners=1).test_client()
    path = f"/sessions/{running.id}/events"
    first = client.get(path)
    refused = client.get(path, headers={"Accept": "text/event-stream"})
    assert refused.status_code == 503
    assert refused.mimetype == "application/problem+json"
    assert refused.json["code"] == "too_many_listeners"
    assert "Close one, then try again" in refused.json["detail"]
    assert len(first_events(first, 1)) == 1
    # The first one has left, and his place is free again.
    assert len(first_events(client.get(path), 1)) == 1


def test_events_end_with_the_server(make_app, running):
    app = make_app()
    answer = app.test_client().get(f"/sessions/{running.id}/events")
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.extend(answer.response))
    reader.start()
    while len(received) < 2:
        threading.Event().wait(0.01)
    close_app(app)
    reader.join(60)
    assert not reader.is_alive()
    answer.close()
    assert not worker_of(app)._thread.is_alive()


def test_a_busy_database_is_a_comment_and_another_mistake_is_raised(
    make_app, running, quick, monkeypatch
):
    import sqlite3

    from sqlalchemy.exc import OperationalError

    client = make_app().test_client()
    answer = client.get(f"/sessions/{running.id}/events")
    chunks = iter(answer.response)
    assert next(chunks) == b"retry: 3000\n\n"

    def locked(*_args, **_more):
        raise OperationalError("select", {}, sqlite3.OperationalError("database is locked"))

    monkeypatch.setattr("monitor.web.pages.live.live_state", locked)
    assert next(chunks).startswith(b": the database is busy")
    monkeypatch.setattr("monitor.web.pages.live.live_state", lambda *_args, **_more: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        next(chunks)
    answer.close()


def test_which_session_is_live(client, database, running):
    assert client.get("/live").headers["Location"] == f"/sessions/{running.id}/live"
    from .conftest import Running

    other = Running(database, "Second Hall")
    page = client.get("/live").text
    assert "2 sessions are running" in page
    assert page.index("Second Hall") < page.index("Live Hall")
    other.end()
    running.end()
    assert "Nothing is running" in client.get("/live").text


def test_a_demonstration_says_that_nobody_in_it_is_a_customer(client, database, running):
    from .conftest import Running

    plain = client.get(f"/sessions/{running.id}/live").text
    assert "demonstration" not in plain
    demo = Running(database, "Empty Hall", source="demo")
    page = client.get(f"/sessions/{demo.id}/live").text
    assert "This is a demonstration:" in page
    assert f"Session {demo.id} (demo)" in page
    [event] = first_events(client.get(f"/sessions/{demo.id}/events"), 1)[:1]
    assert event["session_kind"] == "demo"
    assert f"Session {demo.id} (demo)" in client.get("/live").text
    demo.end()


def test_no_such_session(client, database):
    write_session(database, "Foyer")
    for path in ("/sessions/9/live", "/sessions/9/events"):
        assert client.get(path).status_code == 404


def test_the_curve_breaks_where_nothing_is_known():
    seconds = [(30, 1.0), (29, -1.0), (20, None), (3, 0.0), (2, 0.0), (1, 0.5)]
    live = Live(
        session_id=1,
        site="Hall",
        at="2026-03-01T09:30:00.000000Z",
        running=True,
        silent_s=0,
        min_viewers=1,
        viewers=1,
        attentive=1,
        recent_viewers=1,
        emotion_viewers=1,
        labels=list(EMOTIONS),
        mood=None,
        valence=None,
        shares=None,
        valence_corrected=None,
        curve=[
            {"age_s": age, "viewers": 1, "valence": -0.3, "valence_corrected": value}
            for age, value in seconds
        ],
        ad=None,
        gaps=[],
    )
    assert curve_points(live) == ["10.0,0.0 20.0,100.0", "280.0,50.0 290.0,50.0 300.0,25.0"]


def test_a_hub_says_that_the_live_view_is_on_the_kiosk(client, database, running):
    running.see(6)
    engine = open_database(database)
    fill_screen(engine, running.id, add_screen(engine))
    engine.dispose()
    answer = client.get(f"/sessions/{running.id}/live")
    assert answer.status_code == 404
    assert "sends sums after each play and keeps its readings" in answer.text
    assert client.get(f"/sessions/{running.id}/events").status_code == 404
    assert "1 session runs on kiosks that send their sums here" in client.get("/live").text
    assert "Nothing is running" in client.get("/live").text
    listed = client.get("/sessions").text
    assert '<td data-name="State">running</td>' in listed
    assert f'href="/sessions/{running.id}/live"' not in listed
    assert f'href="/sessions/{running.id}/live"' not in client.get(f"/sessions/{running.id}").text


@pytest.mark.parametrize(
    ("labels", "valence"), [(("happy", "sad"), 0.2), (("engaged", "bored", "keen"), None)]
)
def test_a_model_of_other_labels_shows_what_it_tells(make_app, database, labels, valence):
    make, engine = Make(), open_database(database)
    p = (0.6, *[0.4 / (len(labels) - 1)] * (len(labels) - 1))
    seen = {"probabilities": p, "valence": valence, "expressiveness": None}
    readings = [make.reading(1 + n / 10, n % 3, None, **seen) for n in range(30)]
    model = ModelRecord("other", "ef" * 32, {"labels": list(labels)})
    number = make.write(engine, readings, model=model, kind="replay")
    engine.dispose()
    client = make_app(min_viewers=1).test_client()
    page = client.get(f"/sessions/{number}/live").text
    assert all(f'data-group="{name}"' in page for name in labels)
    assert 'data-group="negative"' not in page
    assert 'width="60.0%"' in page
    assert ('id="curve"' in page) == (valence is not None)
    assert ("not given by the labels of the model" in page) == (valence is None)
    assert ("+0.20" in page) == (valence is not None)
