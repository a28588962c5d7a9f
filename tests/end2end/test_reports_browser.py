"""Reports over the screens of a hub in a real browser: choosing, reading, and the way back."""

from __future__ import annotations

import pytest

from db.engine import open_database
from monitor.reports.formatting import UNKNOWN
from tests.helpers.fleet import join, record_day, send
from tests.helpers.hub_rows import add_screen

from .browsing import IN_A_BROWSER, browser, visit
from .test_hub_browser import hub

__all__ = ["browser", "hub", "visit"]

pytestmark = IN_A_BROWSER


@pytest.fixture
def screens(hub, tmp_path):
    """A hub with two screens that sent sums, and one that sent those of hours."""
    places = (
        ("Till", {"site": "Berlin", "group_name": "North", "tags": ["food"]}, "sums"),
        ("Door", {"site": "Bonn", "group_name": "West", "tags": ["food", "window"]}, "sums"),
        ("Stairs", {"site": "Bern", "group_name": "North", "tags": []}, "cells"),
    )
    for seed, (name, place, upload) in enumerate(places):
        kiosk = open_database(str(tmp_path / f"{name}.db"))
        record_day(kiosk, seed, zone="Asia/Tokyo" if name == "Stairs" else "Europe/Berlin")
        join(kiosk, upload, min_viewers=1)
        send(kiosk, hub.engine, add_screen(hub.engine, name, **place))
        kiosk.dispose()
    return hub


@pytest.mark.parametrize("javascript", [True, False])
def test_from_the_sessions_to_one_report(screens, javascript):
    seen = screens.visit("viewer", java_script_enabled=javascript)
    tab = seen.go("/sessions")
    tab.get_by_label("Group").select_option("North")
    tab.get_by_role("button", name="Search").click()
    assert "2 sessions of the group “North”" in tab.inner_text(".when")
    assert tab.locator('td[data-name="Viewers"]').first.inner_text() == UNKNOWN
    tab.get_by_label("from").fill("2026-03-01")
    tab.get_by_role("button", name="Report", exact=True).click()
    assert tab.inner_text("h1") == "2 sites"
    rows = tab.locator("section[aria-labelledby=screens] tbody th").all()
    assert [row.inner_text() for row in rows] == ["Till", "Stairs"]
    tab.get_by_role("link", name="← Sessions").click()
    assert tab.get_by_label("Group").input_value() == "North"
    tab = seen.go("/compare")
    tab.get_by_label("Tag").select_option("window")
    tab.get_by_role("button", name="Show").click()
    assert "with the tag “window”" in tab.inner_text(".when")
    assert tab.get_by_label("Cars").is_visible()
    seen.check()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_pages_are_accessible_and_fit(screens, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe")
    # The checker brings its own script, which the page's policy would rightly refuse.
    seen = screens.visit(
        "viewer",
        viewport={"width": width, "height": 860},
        color_scheme=scheme,
        bypass_csp=True,
    )
    for path in (
        "/sessions",
        "/sessions?group=North&tag=food",
        "/compare?group=North",
        "/report?tag=food",
        "/report",
        "/live",
    ):
        tab = seen.go(path)
        found = axe.Axe().run(tab).response["violations"]
        bad = [
            (entry["id"], entry["nodes"][0]["target"])
            for entry in found
            if entry["impact"] in {"serious", "critical"}
        ]
        assert bad == [], path
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, path
