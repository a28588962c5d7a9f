"""The editor of playlists in a real browser: by drag, by the keyboard alone, wide and narrow."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from db.engine import writing
from db.hub.shows import playlists
from db.hub.shows.bookings import BookingPlan, add_booking
from tests.helpers.hub_screens import NOW
from tests.helpers.hub_shows import add_playlist, publish_revision
from tests.helpers.library import add_creative

from .browsing import IN_A_BROWSER, browser, visit
from .test_hub_browser import hub

__all__ = ["browser", "hub", "visit"]

pytestmark = IN_A_BROWSER


@pytest.fixture
def listed(hub):
    """A published playlist of four ads, and the uids of these, by name."""
    with writing(hub.engine) as connection:
        names = ("tea", "coffee", "cake", "soup")
        ads = {name: add_creative(connection, name, NOW, approved=True) for name in names}
        return add_playlist(connection, [{"creative": uid} for uid in ads.values()]), ads


def order(hub, listed):
    uid, ads = listed
    names = {creative: name for name, creative in ads.items()}
    with hub.engine.connect() as connection:
        body = playlists.find_playlist(connection, uid).newest.body
    return [names[ad["creative"]] for ad in body["ads"]]


def names_on(tab):
    return tab.eval_on_selector_all("#ads > li", "(all) => all.map((one) => one.dataset.name)")


def test_an_ad_is_dragged_to_another_place(hub, listed):
    seen = hub.visit("editor", viewport={"width": 1280, "height": 1400})
    tab = seen.go(f"/playlists/{listed[0]}")
    handle, last = tab.locator("#ad-1 .handle"), tab.locator("#ad-4")
    start, end = handle.bounding_box(), last.bounding_box()
    tab.mouse.move(start["x"] + 8, start["y"] + 8)
    tab.mouse.down()
    for share in (0.2, 0.5, 0.9, 1.0):
        way = end["y"] + end["height"] - 5 - start["y"]
        tab.mouse.move(start["x"] + 12, start["y"] + 8 + share * way, steps=4)
    tab.mouse.up()
    tab.wait_for_selector("#draft")
    assert names_on(tab) == ["coffee", "cake", "soup", "tea"]
    assert order(hub, listed) == ["coffee", "cake", "soup", "tea"]
    assert "tea is now at place 4 of 4." in tab.inner_text("#said")
    tab.click("summary:has-text('1 change since')")
    assert "tea moved from 1 to 4" in tab.inner_text("#editor")
    seen.check()


def test_a_playlist_is_edited_and_published_by_the_keyboard_alone(hub, listed):
    seen = hub.visit("editor")
    tab = seen.go(f"/playlists/{listed[0]}")

    def tab_to(selector, key="Tab"):
        for _ in range(120):
            if tab.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
                return
            tab.keyboard.press(key)
        raise AssertionError(f"the keyboard does not reach {selector}")

    tab_to("#ad-3 .handle")
    tab.keyboard.press("ArrowUp")
    tab.wait_for_selector("#said:has-text('cake is now at place 2 of 4.')", state="attached")
    tab_to("#ad-2 .handle")
    tab.keyboard.press("ArrowUp")
    tab.wait_for_selector("#said:has-text('cake is now at place 1 of 4.')", state="attached")
    assert order(hub, listed) == ["cake", "tea", "coffee", "soup"]
    tab_to("#ad-4 button[value=remove]")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#ad-4", state="detached")
    tab_to("#ad-3 h3 a", "Shift+Tab")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#hours")
    tab_to("#hours")
    tab.keyboard.type("08:00-12:00")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#draft")
    tab_to("a.button")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("h1:has-text('Publish the draft')")
    assert "coffee: hours all day → 08:00-12:00" in tab.inner_text("main")
    tab_to("main form button")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("[role=status]:has-text('was published')")
    assert order(hub, listed) == ["cake", "tea", "coffee"]
    seen.check()


def test_what_somebody_else_changed_is_shown_instead_of_overwritten(hub, listed):
    seen = hub.visit("editor")
    tab = seen.go(f"/playlists/{listed[0]}")
    other = hub.visit("admin").go(f"/playlists/{listed[0]}")
    other.click("#ad-4 button[value=remove]")
    other.wait_for_selector("#ad-4", state="detached")
    tab.click("#ad-2 button[value=up]")
    tab.wait_for_selector("[role=alert]:has-text('Somebody else changed the draft')")
    assert "soup was removed from place 4" in tab.inner_text("main")
    tab.click("text=Look at the draft as it is now")
    tab.wait_for_selector("#ad-3")
    assert names_on(tab) == ["tea", "coffee", "cake"]
    assert len(seen.errors) == 1, "the refused form, and nothing else"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light")])
def test_pages_of_playlists_are_accessible_and_fit(hub, listed, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe")
    uid, ads = listed
    hub.add("Window " * 11)
    with writing(hub.engine) as connection:
        late = add_creative(connection, "W" * 60, NOW)
        draft = [
            {"creative": ads["cake"], "takeover": True, "hours": ["12:00-13:00"]},
            {"creative": ads["tea"], "moods": ["happy", "sad"], "weight": 2, "days": ["mon"]},
            {"creative": late, "from": "2026-12-01", "max_per_hour": 3},
        ]
        publish_revision(connection, uid, draft, at=None, policy="mood", cross_fade_s=0.5)
        add_booking(connection, BookingPlan(uid), "eva", NOW)
        playlists.create_playlist(connection, "Ä" * 80, "eva", datetime.now(UTC))
    seen = hub.visit(
        "admin", viewport={"width": width, "height": 860}, color_scheme=scheme, bypass_csp=True
    )
    here = f"/playlists/{uid}"
    for path in (
        "/playlists",
        here,
        f"{here}/ads/2",
        f"{here}/settings",
        f"{here}/publish",
        f"{here}/revisions/1",
        f"{here}/hour?at=2026-12-07T11:50",
        f"{here}/preview",
    ):
        tab = seen.go(path)
        found = axe.Axe().run(tab).response["violations"]
        bad = [(entry["id"], entry["nodes"][0]["target"]) for entry in found]
        assert bad == [], tab.url
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, tab.url
    tab.click("#play")
    assert tab.locator("#slides > li.is-shown").count() == 1
    seen.check()
