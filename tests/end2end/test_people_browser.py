"""Accounts of a hub in a real browser: a person is invited, sets up a second factor, logs in.

Without scripts, as everything works; and what an accessibility checker finds.
"""

from __future__ import annotations

import time

import pytest

from monitor.hub.people.second_factor import code_at

from .browsing import IN_A_BROWSER, LABELS_APART, browser, visit
from .test_hub_browser import hub

__all__ = ["browser", "hub", "visit"]

pytestmark = IN_A_BROWSER

PASSWORD = "four unrelated words here"  # noqa: S105 (of this test only)

SMALLEST_GAP = """Math.min(...[...document.querySelectorAll('main form p')].map((field) =>
    field.nextElementSibling.getBoundingClientRect().top - field.getBoundingClientRect().bottom))"""
"""In pixels, between a field of a form and what follows it."""


def test_without_a_script_somebody_is_invited_and_logs_in_with_a_code(hub):
    admin = hub.visit("admin", java_script_enabled=False)
    tab = admin.go("/admin/accounts")
    tab.fill("#name", "anna")
    tab.select_option("#role", "editor")
    tab.click("text=Make the account")
    link = tab.inner_text("pre.secret")
    person = hub._visit(hub, java_script_enabled=False)
    tab = person.go("/invitation")
    assert tab.evaluate(SMALLEST_GAP) >= 10
    tab.fill("#token", link.partition("#token=")[2])
    tab.fill("#password", PASSWORD)
    tab.fill("#again", PASSWORD)
    tab.click("main button")
    tab.click("summary:text('anna')")
    tab.click("text=My account")
    tab.click("text=Set up a second factor")
    secret = tab.inner_text(".secret-text").replace(" ", "")
    tab.fill("#code", code_at(secret, int(time.time()) // 30))
    tab.fill("#old", PASSWORD)
    tab.click("text=Confirm")
    codes = tab.inner_text(".recovery").split()
    assert len(codes) == 10
    tab.click("text=I have kept them")
    tab.click("summary:text('anna')")
    tab.click("text=Log out")
    assert tab.evaluate(SMALLEST_GAP) >= 10
    tab.fill("#name", "anna")
    tab.fill("#password", PASSWORD)
    tab.click("main button")
    tab.fill("#code", codes[0])
    tab.click("main button")
    tab.click("summary:text('anna')")
    tab.click("text=My account")
    assert "9 recovery codes are left" in tab.inner_text("main")
    person.check()
    tab = admin.go("/admin/audit?actor=anna")
    assert "user.set_second_factor" in tab.inner_text("main")
    admin.check()


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_menu_takes_one_row_and_opens_without_a_script(hub, width, language):
    person = hub.visit(
        "admin",
        java_script_enabled=False,
        viewport={"width": width, "height": 900},
        extra_http_headers={"Accept-Language": language},
    )
    tab = person.go("/")
    playlists = tab.locator("#menu").get_by_role("link", name="Playlists")
    account = tab.locator("#menu a[href='/account']")
    assert tab.locator(".bar").bounding_box()["height"] < 90
    assert playlists.is_visible() == (width == 1280)
    if width == 390:
        tab.click("button.menu")
    assert playlists.is_visible()
    assert not account.is_visible()
    tab.click("details.me summary")
    assert account.is_visible()
    assert tab.get_by_role(
        "button", name={"en": "Log out", "de": "abmelden"}[language]
    ).is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_of_accounts_have_no_serious_findings(hub, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    options = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    admin = hub.visit("admin", **options)
    for path in (
        "/account",
        "/admin/accounts",
        "/admin/accounts/1",
        "/admin/logins",
        "/admin/audit",
    ):
        tab = admin.go(path)
        found = [
            (one["id"], one["nodes"][0]["html"][:200])
            for one in axe.run(tab).response["violations"]
        ]
        assert (path, found) == (path, [])
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, path
        assert tab.evaluate(LABELS_APART) == [], path
    admin.check()
