"""The library's pages: what they show to whom, what changes, and what the audit log says of it."""

from __future__ import annotations

import hashlib
import re

import pytest
from sqlalchemy import select, text, update

from db.engine import writing
from db.hub.library import catalogue, folders
from db.hub.library.contents import EVERYTHING, MediaFacts
from db.hub.screens import registry
from db.hub.shows.bookings import BookingPlan, add_booking
from db.hub.shows.desired import find_desired
from db.hub.tables.people import AuditEntry, User
from monitor.hub.library import uploads
from monitor.hub.library.media_check import Examined
from monitor.web.hub.changes import now
from monitor.web.pages.library_media import PIECE_BYTES
from monitor.web.services import EXTENSION
from tests.helpers import sending
from tests.helpers.hub_screens import PLACE
from tests.helpers.hub_shows import add_playlist
from tests.helpers.library import add_creative

pytest.importorskip("argon2", reason="the extra `hub` is not installed")

PAGE = {"Origin": "http://localhost"}
SHOWN = {"duration_s": "", "brand_at_s": "", "first_day": "", "last_day": "2030-12-31"}


@pytest.fixture
def add(engine):
    def add(name="Summer", folder="General", **options):
        with writing(engine) as connection:
            return add_creative(connection, name, now(), folder, **options)

    return add


@pytest.fixture
def agency_of(engine, as_):
    """Return the browser of an agency whose folder has a name."""

    def log_in(folder):
        browser = as_("agency")
        with writing(engine) as connection:
            known = {one.name: one.id for one in folders.list_folders(connection, EVERYTHING)}
            which = update(User).where(User.role == "agency")
            connection.execute(which.values(folder_id=known[folder]))
        return browser

    return log_in


def find(engine, uid):
    with engine.connect() as connection:
        return catalogue.find_creative(connection, EVERYTHING, uid)


def log(engine):
    """Return action, before and after of the changes of the library, the oldest first."""
    columns = (AuditEntry.action, AuditEntry.before, AuditEntry.after)
    with engine.connect() as connection:
        rows = connection.execute(select(*columns).order_by(AuditEntry.id)).tuples().all()
    return [row for row in rows if row[0].startswith(("library.", "folder."))]


def send(browser, address, **form):
    return browser.post(address, data=form, headers=PAGE)


def test_the_list_shows_searches_and_filters(as_, add):
    add("Summer <1>", approved=True)
    add("Winter", "North", kind="video")
    viewer = as_("viewer")
    page = viewer.get("/library").text
    assert "2 ads" in page
    assert "Summer &lt;1&gt;" in page
    assert "/library/uploads" not in page
    assert page.count('class="state is-approved"') == page.count('class="state is-pending"') == 1
    assert "Winter" not in viewer.get("/library?search=summer").text
    assert "Summer" not in viewer.get("/library?kind=video&view=list").text
    assert "No ad matches" in viewer.get("/library?approval=rejected&sort=size").text
    assert viewer.get("/library?approval=x&sort=x&kind=x&view=x").status_code == 200
    pages = {"2": 404, "0": 404, "x": 400, "9" * 50: 400}
    assert {page: viewer.get(f"/library?page={page}").status_code for page in pages} == pages
    assert "2 ads" in as_("editor").get("/library").text


def test_one_approves_what_another_has_sent(as_, add, engine):
    uid = add()
    approver = as_("approver")
    assert "1 ad waits for approval" in approver.get("/library/approvals").text
    address = f"/library/{uid}/versions/1/decide"
    for wrong in ({}, {"decision": "maybe"}, {"decision": "rejected", "reason": " "}):
        assert send(approver, address, **wrong).status_code == 400
    answer = send(approver, address, decision="rejected", reason="wrong  logo", next="queue")
    assert answer.location == "/library/approvals?done=rejected"
    page = as_("editor").get(f"/library/{uid}").text
    assert "Reason: wrong logo" in page
    assert "decided by the approver" in page
    assert send(approver, address, decision="approved").status_code == 303
    assert find(engine, uid).approved == 1
    assert log(engine)[-1] == (
        "library.decide",
        {"approval": "rejected", "reason": "wrong logo"},
        {"approval": "approved", "reason": "", "version": 1},
    )
    assert "Nothing waits for approval" in approver.get("/library/approvals").text
    assert (
        send(approver, f"/library/{uid}/versions/9/decide", decision="approved").status_code == 404
    )


def test_what_changed_under_the_eyes_of_an_approver_is_not_approved(as_, add, agency_of, engine):
    uid = add()
    approver, agency = as_("approver"), agency_of("General")
    for page in ("/library/approvals", f"/library/{uid}"):
        [seen] = re.findall('name="seen" value="([0-9a-f]+)"', approver.get(page).text)
        form = {"decision": "approved", "seen": seen}
        changed = send(agency, f"/library/{uid}/shown", last_day=f"20{len(page)}-12-31")
        assert changed.location.endswith("done=changed")
        refused = send(approver, f"/library/{uid}/versions/1/decide", **form)
        assert (refused.status_code, find(engine, uid).approved) == (409, None)
        assert "Look again" in refused.text


def test_nobody_decides_on_their_own_version_unless_they_are_alone(as_, add, engine):
    admin = as_("admin")
    uid = add(by="the admin")
    address = f"/library/{uid}/versions/1/decide"
    as_("approver")
    assert "somebody else has to decide" in admin.get("/library/approvals").text
    refused = send(admin, address, decision="approved")
    assert refused.status_code == 403
    assert "the approver" in refused.text
    assert find(engine, uid).approved is None
    with writing(engine) as connection:
        connection.execute(update(User).where(User.role == "approver").values(disabled_at=now()))
    assert send(admin, address, decision="approved").status_code == 303
    assert log(engine)[-1][2]["own"] is True


def test_an_edit_needs_approval_again_and_the_screens_keep_the_approved_version(as_, add, engine):
    uid = add(kind="video", approved=True)
    editor = as_("editor")
    form = SHOWN | {"brand_at_s": "2.5", "mood": "happy"}
    assert send(editor, f"/library/{uid}/shown", **form).location.endswith("done=changed")
    creative = find(engine, uid)
    assert (creative.newest.number, creative.newest.decision.approval) == (2, "pending")
    assert creative.newest.shown.brand_at_s == (2.5,)
    assert creative.approved == 1
    action, before, after = log(engine)[-1]
    assert (action, before["moods"], after["moods"], after["version"]) == (
        *("library.edit", [], ["happy"]),
        2,
    )
    assert after["last_day"] == "2030-12-31"
    assert send(editor, f"/library/{uid}/shown", **form).location.endswith("done=same")
    wrong = send(editor, f"/library/{uid}/shown", **(form | {"brand_at_s": "99"}))
    assert wrong.status_code == 400
    assert "seconds up to 10" in wrong.text
    assert 'value="99"' in wrong.text
    page = editor.get(f"/library/{uid}").text
    assert "version 1 is on the screens" in page
    assert send(editor, f"/library/{uid}/versions/1/again").status_code == 303
    assert find(engine, uid).newest.shown.brand_at_s == ()
    assert "older version" in editor.get(f"/library/{uid}?version=1").text
    assert editor.get(f"/library/{uid}?version=9").status_code == 404


def test_an_ad_is_renamed_moved_archived_and_deleted(as_, add, engine):
    uid, other = add(), add("Winter", "North")
    editor, admin = as_("editor"), as_("admin")
    assert send(editor, f"/library/{uid}/name", name="  Spring  sale ").status_code == 303
    assert send(editor, f"/library/{uid}/name", name=" ").status_code == 400
    assert send(editor, f"/library/{uid}/name", name="x" * 81).status_code == 400
    north = find(engine, other).folder
    assert send(editor, f"/library/{uid}/folder", folder=north.uid).status_code == 303
    assert send(editor, f"/library/{uid}/folder", folder="1" * 32).status_code == 404
    assert (find(engine, uid).name, find(engine, uid).folder.name) == ("Spring sale", "North")
    assert send(admin, f"/library/{uid}/delete").status_code == 409
    assert send(editor, f"/library/{uid}/archive").status_code == 303
    assert "Spring sale" not in editor.get("/library").text
    archive = editor.get("/library?archived=1").text
    assert "Spring sale" in archive
    assert "<title>Archived ads ·" in archive
    assert "that your screens may show" not in archive
    assert send(editor, f"/library/{uid}/restore").status_code == 303
    send(editor, f"/library/{uid}/archive")
    assert send(admin, f"/library/{uid}/delete").status_code == 303
    assert editor.get(f"/library/{uid}").status_code == 404
    assert [row[0] for row in log(engine)] == [
        *("library.rename", "library.move", "library.archive", "library.restore"),
        *("library.archive", "library.delete"),
    ]


def test_a_decision_changes_what_the_screens_are_to_show(as_, add, engine):
    first, second = add("first", approved=True), add("second")
    with writing(engine) as connection:
        screen = registry.create_screen(connection, PLACE, now())
        playlist = add_playlist(connection, [{"creative": uid} for uid in (first, second)])
        add_booking(connection, BookingPlan(playlist), "Ann", now())
    approver, editor = as_("approver"), as_("editor")

    def decide(uid, verdict):
        address = f"/library/{uid}/versions/1/decide"
        return send(approver, address, decision=verdict, reason="so").location.partition("=")[2]

    def shown():
        with engine.connect() as connection:
            content = find_desired(connection, screen.id).content
        return [ad["id"] for ad in content["playlist"]["ads"]]

    assert decide(second, "approved") == "approved"
    assert shown() == ["first", "second"]
    assert decide(second, "rejected") == "rejected"
    assert shown() == ["first"]
    refused = send(editor, f"/library/{first}/archive")
    assert refused.status_code == 409
    assert "nothing to show" in refused.text
    assert find(engine, first).archived_at is None
    assert decide(first, "rejected") == "kept"
    assert shown() == ["first"]
    assert decide(second, "approved") == "approved"
    assert shown() == ["second"]


def test_folders_are_added_renamed_and_deleted(as_, add, engine):
    add("Winter", "North")
    admin = as_("admin")
    assert send(admin, "/library/folders", name="Agency One").status_code == 303
    assert send(admin, "/library/folders", name="north").status_code == 409
    assert send(admin, "/library/folders", name="").status_code == 400
    with engine.connect() as connection:
        known = {one.name: one.uid for one in folders.list_folders(connection, EVERYTHING)}
    assert send(admin, f"/library/folders/{known['North']}/delete").status_code == 409
    one = f"/library/folders/{known['Agency One']}"
    assert send(admin, f"{one}/name", name="Agency Two").status_code == 303
    assert "Agency Two" in admin.get("/library/folders").text
    assert send(admin, f"{one}/delete").status_code == 303
    assert [row[0] for row in log(engine)] == ["folder.create", "folder.rename", "folder.delete"]
    assert log(engine)[1][1:] == ({"name": "Agency One"}, {"name": "Agency Two"})


def test_an_agency_sees_nothing_of_another_ones_folder(add, agency_of, engine):
    mine, theirs = add("Mine", "One", by="Zoe"), add("Theirs", "Two", by="Zoe")
    browser = agency_of("One")
    pages = [browser.get("/library"), browser.get(f"/library/{mine}")]
    assert all(page.status_code == 200 for page in pages)
    for page in pages:
        assert "Mine" in page.text
        assert not any(word in page.text for word in ("Theirs", "Two", "Zoe"))
    with engine.connect() as connection:
        other = catalogue.find_creative(connection, EVERYTHING, theirs)
    for address in (
        f"/library/{theirs}",
        f"/library/{theirs}/versions/1/file",
        f"/library/{theirs}/versions/1/thumbnail.jpg",
        f"/library/{theirs}/versions/1/strip.jpg",
        f"/library/{mine}/versions/2/file",
    ):
        assert browser.get(address).status_code == 404, address
    assert "No ad matches" in browser.get(f"/library?folder={other.folder.uid}").text
    assert "No ad matches" in browser.get("/library?search=Theirs").text
    assert send(browser, f"/library/{theirs}/shown", **SHOWN).status_code == 404
    for form in ({"folder": other.folder.uid}, {"creative": theirs}):
        form |= {"name": "a.png", "size": 5}
        assert send(browser, "/library/uploads", **form).status_code == 404
    form = SHOWN | {"mood": "happy", "duration_s": "3"}
    assert send(browser, f"/library/{mine}/shown", **form).status_code == 303
    shown = find(engine, mine).newest.shown
    assert (str(shown.last_day), shown.moods, shown.duration_s) == ("2030-12-31", (), None)
    for word in ("name", "folder", "archive", "restore", "versions/1/decide", "versions/1/again"):
        assert send(browser, f"/library/{mine}/{word}").status_code == 403
    begun = send(browser, "/library/uploads", name="a.png", size=5)
    assert begun.status_code == 200


def test_an_agency_cannot_find_out_names_by_sending_the_same(add, agency_of, engine, monkeypatch):
    add("Mine", "One")
    add("Theirs", "Two")
    browser = agency_of("One")

    def examine(path, name, sha256):
        facts = MediaFacts(sha256, path.stat().st_size, path.suffix, "image", 1920, 1080)
        return Examined(name, facts, b"a still", None)

    monkeypatch.setattr(uploads, "examine", examine)
    for name in ("Theirs", "Nobodys"):
        address = sending.send(browser, f"{name}.png", name.encode()).json["address"]
        assert find(engine, address.rpartition("/")[2]).ad_id == f"One: {name}"


def test_an_agency_without_a_folder_sees_nothing(add, as_):
    uid = add()
    browser = as_("agency")
    assert "No ads yet" in browser.get("/library").text
    assert browser.get(f"/library/{uid}").status_code == 404
    refused = send(browser, "/library/uploads", name="a.png", size=5)
    assert refused.status_code == 403
    assert "no folder yet" in refused.text


@pytest.fixture
def stored(app, add, tmp_path):
    """The address of a version of two and a half pieces, and its content."""
    content = bytes(range(256)) * (5 * PIECE_BYTES // 512)
    sha256 = hashlib.sha256(content).hexdigest()
    store = app.extensions[EXTENSION].media
    path = tmp_path / "file"
    path.write_bytes(content)
    store.put(path, sha256)
    uid = add("film", kind="video")
    with writing(app.extensions[EXTENSION].engine) as connection:
        creative = catalogue.find_creative(connection, EVERYTHING, uid)
        connection.execute(
            text("UPDATE media_files SET sha256 = :new, size = :size WHERE sha256 = :old"),
            {"new": sha256, "size": len(content), "old": creative.newest.media.sha256},
        )
    return f"/library/{uid}/versions/1", content


def test_a_video_is_sent_in_parts(as_, stored, monkeypatch):
    address, content = stored
    viewer = as_("viewer")
    got = b""
    while len(got) < len(content):
        answer = viewer.get(f"{address}/file", headers={"Range": f"bytes={len(got)}-"})
        assert answer.status_code == 206
        end = len(got) + len(answer.data) - 1
        assert answer.headers["Content-Range"] == f"bytes {len(got)}-{end}/{len(content)}"
        assert 0 < len(answer.data) <= PIECE_BYTES
        got += answer.data
    assert got == content
    few = viewer.get(f"{address}/file", headers={"Range": "bytes=5-9"})
    assert few.data == content[5:10]
    assert viewer.get(f"{address}/file", headers={"Range": "bytes=-3"}).data == content[-3:]
    beyond = viewer.get(f"{address}/file", headers={"Range": f"bytes={len(content)}-"})
    assert beyond.status_code == 416
    head = viewer.head(f"{address}/file")
    assert (head.content_length, head.data) == (len(content), b"")
    assert head.content_type == "video/mp4"
    assert viewer.get(f"{address}/file").data == content
    monkeypatch.setattr("monitor.web.pages.library_media.MAX_WHOLE_BYTES", 1000)
    assert viewer.get(f"{address}/file").status_code == 413
    still = viewer.get(f"{address}/thumbnail.jpg")
    assert (still.data, still.content_type) == (b"small film", "image/jpeg")
    again = viewer.get(f"{address}/thumbnail.jpg", headers={"If-None-Match": still.headers["ETag"]})
    assert again.status_code == 304


def test_a_file_that_the_store_lacks_is_said(as_, add):
    uid = add()
    answer = as_("viewer").get(f"/library/{uid}/versions/1/file")
    assert answer.status_code == 503
    assert "cannot be used now" in answer.text
