"""The pages of screens: what they show, who may change what, and what the audit log says."""

from __future__ import annotations

import gzip
import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from db.engine import writing
from db.hub.screens import pairing, registry
from db.hub.screens.day import read_kiosks
from db.hub.tables.people import ROLES, AuditEntry
from db.hub.tables.screens import KioskKey, Screen, ScreenState
from db.schema import Gap, Origin, Session
from detector.emotion.model_store import DEFAULT_MODEL
from monitor.hub.screens.place_form import form_of
from monitor.web.pages.screens import MAX_ROWS
from tests.helpers.hub_routes.table import all_routes
from tests.helpers.hub_screens import PLACE, a_health, fill_wall
from tests.helpers.making import START, Make

pytest.importorskip("argon2", reason="the extra `hub` is not installed")

PAGE = {"Origin": "http://localhost"}
KIOSK = "ab" * 16


@pytest.fixture
def screen(engine):
    """A screen whose kiosk has just said how it is."""
    now = datetime.now(UTC)
    with writing(engine) as connection:
        screen = registry.create_screen(connection, PLACE, now - timedelta(days=3))
        registry.store_health(connection, screen.id, a_health(at=now.isoformat()), now)
    return screen


@pytest.fixture
def key_id(engine, screen):
    """The id of the key of its kiosk."""
    code = shown(engine, pairing.code_for_screen, screen.id, "ann")[0]
    shown(engine, pairing.join, code, pairing.Applicant(KIOSK, {}, "192.0.2.1"))
    with engine.connect() as connection:
        return connection.scalar(select(KioskKey.id))


def shown(engine, function, *arguments):
    with writing(engine) as connection:
        return function(connection, *arguments, datetime.now(UTC))


def ask(engine, kiosk=KIOSK):
    facts = {"host": "lobby-1", "site": "Foyer", "os": "Linux", "upload": "cells"}
    return shown(engine, pairing.ask, pairing.Applicant(kiosk, facts, "192.0.2.1")).code


def log(engine):
    """Return action, actor, before and after of the changes, without those of the accounts."""
    entry = AuditEntry
    columns = (entry.action, entry.actor, entry.before, entry.after)
    with engine.connect() as connection:
        rows = connection.execute(select(*columns).order_by(entry.id)).tuples().all()
    return [row for row in rows if not row[0].startswith("user.")]


LOOKING, CHANGING = {"viewer", "editor", "approver", "operator", "admin"}, {"operator", "admin"}

ROUTES = [
    (row.method, row.path, row.roles)
    for row in all_routes()
    if re.match(
        r"/screens($|/(pair|wall)$|/\{uid\}($|/(place|code|keys/\{key_id\}/revoke|retire)$))",
        row.path,
    )
]


@pytest.mark.parametrize("role", [*ROLES, None])
def test_each_role_may_do_what_the_table_says(app, as_, engine, screen, key_id, role):
    browser = app.test_client() if role is None else as_(role)
    known = log(engine)
    for method, path, roles in ROUTES:
        address = path.format(uid=screen.uid, key_id=key_id)
        answer = browser.open(address, method=method, data=form_of(PLACE), headers=PAGE)
        if role in roles:
            assert answer.status_code in {200, 303}, (method, path, answer.text)
        else:
            assert answer.status_code == (401 if role is None else 403), (method, path)
    if role not in CHANGING:
        assert log(engine) == known


def test_no_other_site_can_send_a_form_in_somebodys_name(operator, engine, screen, key_id):
    known = log(engine)
    for method, path, _ in ROUTES:
        if method == "POST":
            address = path.format(uid=screen.uid, key_id=key_id)
            for headers in ({}, {"Origin": "https://evil.example"}):
                answer = operator.post(address, data=form_of(PLACE), headers=headers)
                assert answer.status_code == 403, address
    assert log(engine) == known


@pytest.mark.parametrize("role", sorted(LOOKING))
def test_who_may_not_change_anything_is_shown_nothing_to_change_it_with(as_, screen, key_id, role):
    browser = as_(role)
    pages = browser.get("/screens").text + browser.get(f"/screens/{screen.uid}").text
    assert ("/screens/pair" in pages) is (role in CHANGING)
    assert ("/revoke" in pages) is (role in CHANGING)
    assert ("Retire" in pages) is (role in CHANGING)


def test_the_wall_shows_each_screen_and_how_it_is(as_, engine):
    fill_wall(engine, 50, datetime.now(UTC))
    page = as_("viewer").get("/screens").text
    assert "<h1>50 screens</h1>" in page
    assert page.count('class="tile ') == 50
    assert page.count('class="tile is-warns"') == 3
    assert page.count('class="tile is-silent"') == 3
    assert page.count('class="tile is-never-seen"') == 1
    assert page.index(">Screen 9<") < page.index(">Screen 34<") < page.index(">Screen 10<")
    assert "fewer than 5" in page


def test_the_wall_is_chosen_by_site_group_tag_and_condition(as_, engine):
    fill_wall(engine, 50, datetime.now(UTC))
    viewer = as_("viewer")

    def count(address):
        return viewer.get(address).text.count('class="tile ')

    assert count("/screens?site=Site+3") == count("/screens/wall?site=Site+3") == 2
    assert count("/screens?group=North&tag=window") == 9
    assert count("/screens?condition=silent") == 3
    assert count("/screens?condition=silent&group=North") == 0
    assert count("/screens?condition=nonsense") == 50
    assert "No screen matches" in viewer.get("/screens?site=Nowhere").text


def test_the_wall_without_screens_says_what_to_do(as_):
    assert "/screens/pair" in as_("operator").get("/screens").text
    assert "Ask an operator" in as_("viewer").get("/screens").text


def test_a_poll_costs_nothing_while_nothing_has_changed(as_, engine, screen, monkeypatch):
    viewer = as_("viewer")
    first = viewer.get("/screens/wall")
    etag = {"If-None-Match": first.headers["ETag"]}
    again = viewer.get("/screens/wall", headers=etag)
    assert (again.status_code, again.data) == (304, b"")
    with writing(engine) as connection:
        connection.execute(update(Screen).values(name="Till 4"))
    assert viewer.get("/screens/wall", headers=etag).status_code == 304, "it is read again too soon"
    monkeypatch.setattr("monitor.hub.screens.wall.SNAPSHOT_S", -1.0)
    changed = viewer.get("/screens/wall", headers=etag)
    assert changed.status_code == 200
    assert "Till 4" in changed.text
    packed = viewer.get("/screens/wall", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == changed.data


def test_few_viewers_are_not_told_anywhere(as_, engine, screen):
    with writing(engine) as connection:
        connection.execute(update(ScreenState).values(health=a_health(viewers=3)))
    viewer = as_("viewer")
    for page in ("/screens", f"/screens/{screen.uid}"):
        text = viewer.get(page).text
        assert "fewer than 5" in text
        assert ">3<" not in text


def test_the_day_of_a_screen_tells_what_happened(as_, engine, screen):
    Make().write(engine)
    with writing(engine) as connection:
        connection.execute(update(Origin).values(screen_id=screen.id))
        session_id = connection.scalar(select(Session.id))
    viewer = as_("viewer")
    day = START.astimezone(UTC).date()
    text = viewer.get(f"/screens/{screen.uid}?day={day}").text
    assert '<h2 class="again" id="day">1 March 2026' in text
    assert "3 plays began. There was 1 gap." in text
    assert f"/sessions/{session_id}" in text
    assert f"day={day - timedelta(days=1)}" in text
    assert f"day={day + timedelta(days=1)}" in text
    today = viewer.get(f"/screens/{screen.uid}").text
    assert "Nobody was measured. 0 plays began." in today
    assert "Next day" not in today
    assert DEFAULT_MODEL in today
    for wrong, status in (("tomorrow", 400), ("2999-01-01", 404), ("0001-01-01", 400)):
        answer = viewer.get(f"/screens/{screen.uid}?day={wrong}")
        assert answer.status_code == status
        assert "expected a da" in answer.text


def test_a_page_survives_what_a_kiosk_of_another_version_says(as_, engine, screen):
    odd = {"at": "x", "camera": "new", "disk_total_bytes": 0, "disk_free_bytes": 1, "ad": []}
    with writing(engine) as connection:
        connection.execute(update(ScreenState).values(health=odd))
    viewer = as_("viewer")
    assert viewer.get("/screens").status_code == 200
    assert viewer.get(f"/screens/{screen.uid}").status_code == 200


def test_of_a_camera_that_comes_and_goes_the_first_gaps_are_shown(as_, engine, screen):
    Make().write(engine)
    with writing(engine) as connection:
        connection.execute(update(Origin).values(screen_id=screen.id))
        session_id = connection.scalar(select(Session.id))
        gap = {"session_id": session_id, "cause": "camera_lost", "detail": "again"}
        gaps = [gap | {"started_at": START, "ended_at": START} for _ in range(MAX_ROWS)]
        connection.execute(insert(Gap), gaps)
    text = as_("viewer").get(f"/screens/{screen.uid}?day={START.date()}").text
    assert f"The first {MAX_ROWS} of {MAX_ROWS + 1}." in text
    assert text.count("<td>again</td>") == MAX_ROWS


def test_place_is_edited_and_noted_with_before_and_after(operator, engine, screen):
    form = form_of(PLACE) | {"name": "Till 4", "tags": "food"}
    answer = operator.post(f"/screens/{screen.uid}/place", data=form, headers=PAGE)
    assert answer.status_code == 303
    page = operator.get(answer.location).text
    assert "name and site are saved" in page
    assert "<h1>Till 4</h1>" in page
    assert "Till 4" in operator.get("/screens").text
    ((action, actor, before, after),) = log(engine)
    assert (action, actor) == ("screen.edit", "the operator")
    assert (before["name"], after["name"], after["tags"]) == ("Till 3", "Till 4", ["food"])


def test_what_cannot_be_used_is_said_and_kept_in_the_form(operator, engine, screen):
    form = form_of(PLACE) | {"opening": "always", "name": "Till 4"}
    answer = operator.post(f"/screens/{screen.uid}/place", data=form, headers=PAGE)
    assert answer.status_code == 400
    assert 'value="always"' in answer.text
    assert 'id="opening-wrong"' in answer.text
    assert "<h1>Till 3</h1>" in answer.text
    assert log(engine) == []


def test_a_kiosk_that_waits_is_accepted_for_a_new_screen(operator, engine):
    code = ask(engine)
    page = operator.get("/screens/pair").text
    assert pairing.shown_code(code) in page
    assert "lobby-1" in page
    assert 'value="Foyer"' in operator.get(f"/screens/pair?code={code}").text
    form = form_of(PLACE) | {"code": code.lower()}
    answer = operator.post("/screens/pair", data=form, headers=PAGE)
    assert answer.status_code == 303
    assert "The kiosk was accepted" in operator.get(answer.location).text
    assert [entry[0] for entry in log(engine)] == ["screen.create", "kiosk.accept"]
    assert "No kiosk is waiting" in operator.get("/screens/pair").text


def test_a_wrong_code_makes_no_screen(operator, engine):
    form = form_of(PLACE) | {"code": "K7M2QX"}
    answer = operator.post("/screens/pair", data=form, headers=PAGE)
    assert answer.status_code == 400
    assert "No kiosk waits with the code" in answer.text
    assert 'value="Till 3"' in answer.text
    with engine.connect() as connection:
        assert registry.list_screens(connection) == []
    assert log(engine) == []


def test_a_broken_machine_is_replaced_under_the_same_screen(operator, engine, screen, key_id):
    asked = shown(engine, pairing.ask, pairing.Applicant("cd" * 16, {}, "192.0.2.1"))
    page = operator.get(f"/screens/pair?code={asked.code}&screen={screen.uid}").text
    assert f'<option value="{screen.uid}" selected>' in page
    form = {"code": asked.code, "screen": screen.uid}
    answer = operator.post("/screens/pair", data=form, headers=PAGE)
    assert answer.location.startswith(f"/screens/{screen.uid}")
    shown(engine, pairing.collect, asked.claim)
    with engine.connect() as connection:
        new, old = read_kiosks(connection, screen.id)
    assert (new.kiosk, new.revoked_at, new.created_by) == ("cd" * 16, None, "the operator")
    assert (old.kiosk, old.revoked_at is None) == (KIOSK, False)
    page = operator.get(answer.location).text
    assert f"/keys/{new.key_id}/revoke" in page
    assert f"/keys/{old.key_id}/revoke" not in page
    assert KIOSK[:8] in page


def test_a_code_for_a_new_screen_is_shown_until_it_is_typed(operator, as_, engine):
    answer = operator.post("/screens/pair", data=form_of(PLACE), headers=PAGE)
    page = operator.get(answer.location).text
    found = re.search(r"ad-monitor join http://localhost (\w{3}-\w{3})<", page)
    assert found is not None
    assert found[1] not in as_("viewer").get(answer.location).text
    shown(engine, pairing.join, found[1], pairing.Applicant(KIOSK, {}, "192.0.2.1"))
    page = operator.get(answer.location).text
    assert found[1] not in page
    assert KIOSK[:8] in page
    assert [entry[0] for entry in log(engine)] == ["screen.create", "screen.code", "kiosk.join"]


def test_a_key_is_revoked(operator, engine, screen, key_id):
    address = f"/screens/{screen.uid}/keys/{key_id}/revoke"
    answer = operator.post(address, headers=PAGE)
    assert "The key was revoked" in operator.get(answer.location).text
    with engine.connect() as connection:
        assert connection.scalar(select(KioskKey.revoked_at)) is not None
    assert log(engine)[-1][0] == "kiosk.revoke"
    assert operator.post(f"/screens/{screen.uid}/keys/99/revoke", headers=PAGE).status_code == 404


def test_a_retired_screen_leaves_the_wall_and_takes_no_kiosk(operator, engine, screen):
    address = f"/screens/{screen.uid}"
    for _ in range(2):
        operator.post(f"{address}/retire", headers=PAGE)
    assert [entry[0] for entry in log(engine)] == ["screen.retire"]
    assert "No screens yet" in operator.get("/screens").text
    assert "This screen was retired" in operator.get(address).text
    answer = operator.post(f"{address}/code", headers=PAGE)
    assert answer.status_code == 409
    assert "is retired" in answer.text


def test_an_unknown_screen_is_not_found(operator):
    for path in ("/screens/" + "f" * 32, "/screens/abc"):
        assert operator.get(path).status_code == 404
    assert operator.post("/screens/" + "f" * 32 + "/retire", headers=PAGE).status_code == 404


def test_names_are_shown_and_not_run(as_, engine, screen):
    with writing(engine) as connection:
        connection.execute(update(Screen).values(name="<script>x</script>", site='"><i>'))
    viewer = as_("viewer")
    for path in ("/screens", f"/screens/{screen.uid}"):
        assert "<script>x" not in viewer.get(path).text
        assert "><i>" not in viewer.get(path).text
