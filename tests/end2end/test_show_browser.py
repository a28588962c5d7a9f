"""A screen's show, commands and settings in a real browser: by keyboard, and without scripts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from db.engine import writing
from db.hub.screens.registry import screen_settings
from db.hub.shows.bookings import BookingPlan, add_booking
from db.hub.shows.commands import list_commands
from db.hub.shows.desired import find_desired
from monitor.hub.shows.publishing import refresh
from tests.helpers.hub_shows import add_creative, add_playlist

from .browsing import IN_A_BROWSER, browser, visit
from .test_hub_browser import hub

__all__ = ["browser", "hub", "visit"]

pytestmark = IN_A_BROWSER


@pytest.fixture
def screen(hub):
    """A screen for which a playlist is booked, with an ad that waits for approval."""
    screen = hub.add("Till 3")
    hub.hear(screen)
    now = datetime.now(UTC)
    with writing(hub.engine) as connection:
        ads = [add_creative(connection, "coffee"), add_creative(connection, "tea")]
        ads.append(add_creative(connection, "milk", approval="pending"))
        playlist = add_playlist(connection, [{"creative": uid} for uid in ads])
        add_booking(connection, BookingPlan(playlist, days=("mon", "fri")), "eva", now)
        refresh(connection, "eva", now)
    return screen


def test_commands_and_settings_need_no_script(hub, screen):
    seen = hub.visit(java_script_enabled=False, viewport={"width": 390, "height": 800})
    tab = seen.go(f"/screens/{screen.uid}")
    assert "Milk" in tab.inner_text("section:has(#show)")
    assert "Mon, Fri" in tab.inner_text("section:has(#show)")
    tab.click("button:has-text('Take a picture of the ad')")
    assert "The kiosk was asked." in tab.inner_text("[role=status]")
    tab.click("summary:has-text('Change settings')")
    tab.fill("[id='window.volume']", "2")
    tab.click("button:has-text('Save the settings')")
    assert "from 0 to 1" in tab.inner_text("[id='window.volume-wrong']")
    tab.fill("[id='window.volume']", "0.5")
    tab.click("button:has-text('Save the settings')")
    assert "The settings are saved." in tab.inner_text("[role=status]")
    with hub.engine.connect() as connection:
        assert [one.kind for one in list_commands(connection, screen.id)] == ["picture"]
        assert screen_settings(connection, screen.id) == {"window.volume": 0.5}
        assert find_desired(connection, screen.id).version == 2
    seen.context.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_works_by_keyboard_and_fits(hub, screen, width):
    seen = hub.visit(viewport={"width": width, "height": 800}, color_scheme="dark", locale="de")
    tab = seen.go(f"/screens/{screen.uid}")
    assert not tab.evaluate("document.documentElement.scrollWidth > innerWidth")
    tab.focus("button:has-text('Namen auf dem Bildschirm zeigen')")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("[role=status]:has-text('beauftragt')")
    tab.go_back()
    tab = seen.go("/screens")
    tab.focus("details.bulk summary")
    tab.keyboard.press("Enter")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("[role=status]:has-text('1 Kiosk wurde beauftragt')")
    with hub.engine.connect() as connection:
        kinds = [one.kind for one in list_commands(connection, screen.id)]
    assert kinds == ["identify", "identify"]
    seen.check()
