"""The pages of playlists, without a script: drafts, their differences, publishing, reverting."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile

import pytest
from sqlalchemy import select

from db.engine import writing
from db.hub.shows import playlists
from db.hub.shows.bookings import BookingPlan, add_booking
from db.hub.shows.desired import find_desired
from db.hub.tables.people import AuditEntry
from db.hub.tables.screens import Screen
from monitor.web.services import EXTENSION
from tests.helpers.hub_rows import add_screen
from tests.helpers.hub_screens import NOW
from tests.helpers.hub_shows import add_creative, add_playlist, set_approval

pytest.importorskip("argon2", reason="the extra `hub` is not installed")

PAGE = {"Origin": "http://localhost"}


def shown(response):
    """The text of a page, without tags and repeated spaces."""
    text = re.sub(r"<[^>]+>", " ", response.get_data(as_text=True))
    return re.sub(r"\s+", " ", text)


@pytest.fixture
def ads(engine):
    """Uids of four ads of the library, by name."""
    with writing(engine) as connection:
        found = {name: add_creative(connection, name) for name in ("tea", "coffee", "cake")}
        found["late"] = add_creative(connection, "late", approval="pending")
    return found


@pytest.fixture
def listed(engine, ads):
    """A published playlist with three ads."""
    with writing(engine) as connection:
        return add_playlist(
            connection, [{"creative": ads[one]} for one in ("tea", "coffee", "cake")]
        )


@pytest.fixture
def send(as_, engine):
    """Send a form as an editor, with the state that a page would show now."""
    browser = as_("editor")

    def post(uid, path, seen=None, as_browser=None, **form):
        data = {"seen": seen or state_of(engine, uid).token, **form}
        return (as_browser or browser).post(f"/playlists/{uid}{path}", data=data, headers=PAGE)

    post.browser = browser
    return post


def state_of(engine, uid):
    with engine.connect() as connection:
        return playlists.find_playlist(connection, uid)


def names_of(engine, uid, ads):
    names = {creative: name for name, creative in ads.items()}
    return [names[one["creative"]] for one in state_of(engine, uid).newest.body["ads"]]


def audit(engine):
    with engine.connect() as connection:
        rows = connection.execute(select(AuditEntry.__table__).order_by(AuditEntry.id)).all()
    return [row for row in rows if row.action.startswith("playlist.")]


def test_a_playlist_is_made_filled_and_published_without_a_script(engine, ads, send):
    browser = send.browser
    answer = browser.post("/playlists", data={"name": " "}, headers=PAGE)
    assert answer.status_code == 400
    assert "Give the playlist a name" in shown(answer)
    answer = browser.post("/playlists", data={"name": "Summer"}, headers=PAGE)
    uid = answer.location.rsplit("/", 1)[1]
    assert "no ad in this playlist yet" in shown(browser.get(answer.location))
    send(uid, "/add", creative=[ads["tea"], ads["late"], ads["coffee"], "0" * 32])
    assert names_of(engine, uid, ads) == ["tea", "late", "coffee"]
    text = shown(browser.get(f"/playlists/{uid}"))
    assert "Left out: It waits for approval." in text
    text = shown(browser.get(f"/playlists/{uid}/publish"))
    assert "Tea was added at place 1" in text
    assert "booked for no screen yet" in text
    answer = send(uid, "/publish")
    assert answer.location.endswith("done=published")
    assert state_of(engine, uid).draft is None
    assert "Revision 1 is published, by the editor" in shown(browser.get(f"/playlists/{uid}"))
    assert [row.action for row in audit(engine)] == [
        "playlist.create", "playlist.change", "playlist.publish",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("form", "order"),
    [
        ({"do": "down"}, ["tea", "cake", "coffee"]),
        ({"do": "up"}, ["coffee", "tea", "cake"]),
        ({"do": "to", "to": "3"}, ["tea", "cake", "coffee"]),
        ({"do": "to", "to": "99"}, ["tea", "cake", "coffee"]),
        ({"do": "to", "to": "-1"}, ["tea", "coffee", "cake"]),
        ({"do": "to", "to": "0"}, ["coffee", "tea", "cake"]),
        ({"do": "remove"}, ["tea", "cake"]),
    ],
)
def test_an_ad_is_moved_by_buttons_and_by_its_place(engine, ads, listed, send, form, order):
    assert send(listed, "/ads/2/move", **form).status_code == 303
    assert names_of(engine, listed, ads) == order


def test_all_ads_are_put_in_another_order_at_once(engine, ads, listed, send):
    assert send(listed, "/order", order="3,1,2").status_code == 303
    assert names_of(engine, listed, ads) == ["cake", "tea", "coffee"]
    for wrong in ("1,2", "1,1,2", "", "a", "1,2,3,4"):
        assert send(listed, "/order", order=wrong).status_code == 409
    assert names_of(engine, listed, ads) == ["cake", "tea", "coffee"]
    note = audit(engine)[-1]
    assert note.before["changes"] == {"Cake": {"place": 3}}
    assert note.after["changes"] == {"Cake": {"place": 1}}


def test_what_an_ad_says_is_checked_field_by_field_and_kept_as_typed(engine, ads, listed, send):
    assert send(listed, "/ads/1", hours="8 to 9", weight="0", days=["mon"]).status_code == 400
    answer = send(listed, "/ads/1", hours="8 to 9", weight="0", days=["mon"])
    text = answer.get_data(as_text=True)
    assert re.search(r'id="hours"[^>]*value="8 to 9"[^>]*aria-invalid="true"', text)
    assert "Expected times like 08:00-12:00, separated by commas, received 8 to 9." in text
    assert "Expected a number above 0, up to 1000000, received 0." in text
    assert 'value="mon" checked' in text
    assert state_of(engine, listed).draft is None
    form = {"hours": "08:00-12:00", "weight": "2", "days": ["mon", "fri"], "takeover": "yes"}
    assert send(listed, "/ads/1", **form).status_code == 303
    assert state_of(engine, listed).draft.body["ads"][0] == {
        "creative": ads["tea"], "weight": 2, "hours": ["08:00-12:00"], "takeover": True,
        "days": ["mon", "fri"],
    }  # fmt: skip
    text = shown(send.browser.get(f"/playlists/{listed}"))
    assert "Mon, Fri 08:00-12:00 takeover" in text
    assert "Tea: hours all day → 08:00-12:00" in text


def test_settings_of_the_list_are_saved_or_refused(engine, ads, listed, send):
    answer = send(listed, "/settings", policy="mood", holdout="2", filler="a.png")
    assert answer.status_code == 400
    text = shown(answer)
    assert "Expected a number from 0 to 1, received 2." in text
    assert "Expected a colour like" in text
    picture = ads["cake"]
    form = {"policy": "mood", "holdout": "0.2", "cross_fade_s": "0,5", "filler_picture": picture}
    assert send(listed, "/settings", **form, blocked=["tea"]).status_code == 303
    body = state_of(engine, listed).draft.body
    assert {key: value for key, value in body.items() if key != "ads"} == {
        "policy": "mood", "cross_fade_s": 0.5, "filler": picture,
        "guard_rails": {"holdout": 0.2, "blocked": ["tea"]},
    }  # fmt: skip
    assert "Order: as the screen is set → By mood" in shown(
        send.browser.get(f"/playlists/{listed}")
    )
    late = send(listed, "/settings", filler_picture=ads["late"])
    assert "Choose one of the pictures" in shown(late)


def test_nobody_overwrites_what_somebody_else_changed(engine, ads, listed, send, as_):
    seen = state_of(engine, listed).token
    send(listed, "/ads/3/move", as_browser=as_("admin"), do="to", to="1")
    answer = send(listed, "/ads/2/move", seen=seen, do="remove")
    assert answer.status_code == 409
    assert "Somebody else changed the draft" in shown(answer)
    assert "the admin" in shown(answer)
    assert "Cake moved from 3 to 1" in shown(answer)
    assert names_of(engine, listed, ads) == ["cake", "tea", "coffee"]
    answer = send(listed, "/ads/1", seen=seen, creative=ads["tea"], weight="7")
    assert answer.status_code == 409
    page = answer.get_data(as_text=True)
    assert f"/playlists/{listed}/ads/2" in page, "where the ad is now"
    assert re.search(r'id="weight"[^>]*value="7"', page)
    now = re.search(r'name="seen" value="(\w+)"', page)[1]
    assert send(listed, "/ads/2", seen=now, weight="7").status_code == 303
    assert state_of(engine, listed).draft.body["ads"][1] == {"creative": ads["tea"], "weight": 7}


def test_going_back_to_what_is_published_leaves_no_draft(engine, listed, send):
    send(listed, "/ads/1/move", do="down")
    send(listed, "/ads/2/move", do="up")
    assert state_of(engine, listed).draft is None
    send(listed, "/ads/1/move", do="down")
    assert send(listed, "/discard").location.endswith("done=discarded")
    assert state_of(engine, listed).draft is None
    assert [row.action for row in audit(engine)] == ["playlist.change"] * 4


def test_publishing_names_the_screens_and_changes_what_they_show(engine, ads, listed, send):
    till = add_screen(engine, "Till")
    with writing(engine) as connection:
        add_booking(connection, BookingPlan(listed), "eva", NOW)
    send(listed, "/ads/3/move", do="to", to="1")
    text = shown(send.browser.get(f"/playlists/{listed}/publish"))
    assert "1 screen will show something else: Till" in text
    assert send(listed, "/publish").status_code == 303
    with engine.connect() as connection:
        row = connection.scalars(select(Screen.id).where(Screen.name == "Till")).one()
        document = find_desired(connection, row).content
    assert [one["id"] for one in document["playlist"]["ads"]] == ["cake", "tea", "coffee"]
    assert till is not None
    assert "Runs on 1 screen" in shown(send.browser.get(f"/playlists/{listed}"))


def test_a_playlist_that_can_never_show_anything_is_refused(engine, ads, listed, send):
    add_screen(engine, "Till")
    with writing(engine) as connection:
        add_booking(connection, BookingPlan(listed), "eva", NOW)
        for name in ("tea", "coffee"):
            set_approval(connection, ads[name], "rejected")
    send(listed, "/ads/3/move", do="remove")
    answer = send(listed, "/publish")
    assert answer.status_code == 409
    assert "cannot be published" in shown(answer)
    assert "It was rejected." in shown(answer)
    assert state_of(engine, listed).draft is not None
    assert [row.action for row in audit(engine)] == ["playlist.change"]


def test_an_older_revision_becomes_the_draft_or_is_published_again(engine, ads, listed, send):
    send(listed, "/ads/1/move", do="remove")
    send(listed, "/publish")
    text = shown(send.browser.get(f"/playlists/{listed}/revisions/1"))
    assert "Tea was removed from place 1" in text
    send(listed, "/revisions/1", do="draft")
    assert names_of(engine, listed, ads) == ["tea", "coffee", "cake"]
    assert state_of(engine, listed).published.number == 2
    send(listed, "/discard")
    assert send(listed, "/revisions/1", do="publish").location.endswith("done=published")
    state = state_of(engine, listed)
    assert (state.draft, state.published.number) == (None, 3)
    assert names_of(engine, listed, ads) == ["tea", "coffee", "cake"]
    assert send(listed, "/revisions/3", do="publish").location.endswith("done=unchanged")
    assert send.browser.get(f"/playlists/{listed}/revisions/9").status_code == 404


def test_a_playlist_is_copied_renamed_archived_and_restored(engine, ads, listed, send):
    answer = send(listed, "/copy")
    copied = answer.location.split("/")[2].split("?")[0]
    assert names_of(engine, copied, ads) == ["tea", "coffee", "cake"]
    assert state_of(engine, copied).info.name == "Copy of Usual"
    send(copied, "/rename", name="Winter")
    send(copied, "/archive")
    assert "Winter" not in shown(send.browser.get("/playlists"))
    assert "Winter" in shown(send.browser.get("/playlists?archived=1"))
    assert "is archived: no screen shows it" in shown(send.browser.get(f"/playlists/{copied}"))
    assert send(copied, "/ads/1/move", do="remove").status_code == 409
    assert names_of(engine, copied, ads) == ["tea", "coffee", "cake"]
    send(copied, "/restore")
    assert "Winter" in shown(send.browser.get("/playlists"))
    assert [(row.action, row.before, row.after) for row in audit(engine)] == [
        ("playlist.create", None, {"name": "Copy of Usual", "of": listed}),
        ("playlist.rename", {"name": "Copy of Usual"}, {"name": "Winter"}),
        ("playlist.archive", {"archived": False}, {"archived": True}),
        ("playlist.restore", {"archived": True}, {"archived": False}),
    ]


def test_a_viewer_sees_it_all_and_may_change_nothing(listed, as_):
    viewer = as_("viewer")
    for path in ("", "/ads/1", "/settings", "/revisions/1"):
        answer = viewer.get(f"/playlists/{listed}{path}")
        assert answer.status_code == 200, path
        page = answer.get_data(as_text=True).split("<main", 1)[1].split("</main>")[0]
        assert "disabled" in page or not re.search(r'<form[^>]*method="post"', page)
        assert 'type="submit"' not in page
    assert viewer.get(f"/playlists/{listed}/publish").status_code == 403
    assert viewer.get("/playlists").status_code == 200


def test_a_place_and_a_playlist_that_there_is_not(listed, send):
    assert send.browser.get(f"/playlists/{listed}/ads/4").status_code == 404
    assert send.browser.get(f"/playlists/{listed}/ads/0").status_code == 404
    assert send.browser.get(f"/playlists/{'0' * 32}").status_code == 404
    assert send(listed, "/ads/4/move", do="up").status_code == 404


def test_the_next_hour_of_the_draft_and_of_what_is_published(engine, ads, listed, send):
    till = add_screen(engine, "Till", time_zone="Europe/Berlin")
    with writing(engine) as connection:
        add_booking(connection, BookingPlan(listed, hours=("10:00-20:00",)), "eva", NOW)
        uid = connection.scalars(select(Screen.uid).where(Screen.id == till)).one()
    send(listed, "/ads/3/move", do="to", to="1")
    send(listed, "/ads/2", creative=ads["tea"], hours="08:00-09:00")
    at = "at=2026-03-02T10:00"
    text = shown(send.browser.get(f"/playlists/{listed}/hour?{at}"))
    assert "Tea : It plays only 08:00-09:00." in text
    assert "10:00:00 Cake 8 next in the playlist" in text
    text = shown(send.browser.get(f"/playlists/{listed}/hour?{at}&which=published&screen={uid}"))
    assert "Till, 2 March 2026 10:00" in text
    assert "10:00:00 Tea 8 next in the playlist" in text
    early = send.browser.get(f"/playlists/{listed}/hour?at=2026-03-02T09:30&screen={uid}")
    assert "Nothing may play from 09:30 to 10:00." in shown(early)
    wrong = send.browser.get(f"/playlists/{listed}/hour?at=tomorrow")
    assert "Expected a time like" in shown(wrong)
    assert send.browser.get(f"/playlists/{listed}/hour?screen={'0' * 32}").status_code == 404
    assert "2. Tea" in shown(send.browser.get(f"/playlists/{listed}/preview"))


def upload(browser, path, content, name="list.yaml", **form):
    file = (io.BytesIO(content.encode()), name)
    return browser.post(path, data={"file": file, **form}, headers=PAGE)


def test_a_file_is_imported_as_a_new_playlist_or_into_a_draft(engine, ads, listed, send):
    text = "ads: [{id: coffee, file: x.mp4}, {id: gone, file: gone.mp4}]"
    answer = upload(send.browser, "/playlists/import", text, "Summer 2026.yaml")
    assert answer.status_code == 201
    assert "1 ad is in the draft." in shown(answer)
    assert "gone (gone.mp4)" in shown(answer)
    with engine.connect() as connection:
        names = [one.info.name for one in playlists.list_playlists(connection)]
    assert names == ["Summer 2026", "Usual"]
    refused = upload(send.browser, "/playlists/import", "ads: [{id: gone, file: gone.mp4}]")
    assert refused.status_code == 422
    assert "Upload them first: gone (gone.mp4)" in shown(refused)
    seen = state_of(engine, listed).token
    send(listed, "/settings", policy="mood")
    path = f"/playlists/{listed}/import"
    assert upload(send.browser, path, text, seen=seen).status_code == 409
    now = state_of(engine, listed).token
    assert upload(send.browser, path, text, seen=now).status_code == 201
    assert names_of(engine, listed, ads) == ["coffee"]
    assert state_of(engine, listed).draft.body["policy"] == "mood"
    assert send.browser.post("/playlists/import", data={}, headers=PAGE).status_code == 400


def test_a_playlist_is_exported(app, listed, send, as_, tmp_path):
    answer = as_("viewer").get(f"/playlists/{listed}/playlist.yaml")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="usual.yaml"'
    assert "id: tea" in answer.text
    assert send.browser.get(f"/playlists/{listed}/playlist.zip").status_code == 503
    for name in ("tea", "coffee", "cake"):
        (tmp_path / name).write_text(name)
        digest = hashlib.sha256(name.encode()).hexdigest()
        app.extensions[EXTENSION].media.put(tmp_path / name, digest)
    answer = send.browser.get(f"/playlists/{listed}/playlist.zip")
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        read = {name: archive.read(name) for name in archive.namelist()}
    assert b"id: cake" in read.pop("usual.yaml")
    assert sorted(read.values()) == [b"cake", b"coffee", b"tea"]
