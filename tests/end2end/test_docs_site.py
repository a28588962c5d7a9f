"""`make docs` builds, and the site works from its folder, without a network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .browsing import IN_A_BROWSER, Visit, browser  # noqa: F401 (a fixture)

pytestmark = IN_A_BROWSER

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")
    folder = tmp_path_factory.mktemp("docs") / "site"
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8")
    (command,) = re.findall(r"^docs: .*\n\t(.*)$", recipe, re.MULTILINE)
    done = subprocess.run(
        [*command.replace("$(BIN)/python", sys.executable).split()[1:], "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def visit_to(browser, **options):  # noqa: F811
    visit = Visit(browser, "file://", **options)
    visit.tab.set_default_timeout(120_000)
    return visit


@pytest.mark.timeout(900)
def test_pages_open_from_their_folder_and_load_nothing_from_elsewhere(browser, site):  # noqa: F811
    visit = visit_to(browser)
    folders = ("tutorials", "how-to", "how-to/hub", "reference", "explanation", "decisions")
    pages = [site / "index.html", *(min((site / one).glob("*.html")) for one in folders)]
    for page in pages:
        tab = visit.go(str(page))
        assert tab.locator("h1").first.is_visible()
    visit.check()


def test_search_finds_a_setting(browser, site):  # noqa: F811
    visit = visit_to(browser)
    tab = visit.go(str(site / "index.html"))
    tab.locator("[data-md-component=search-query]").click()
    tab.keyboard.type("retention_days", delay=20)
    found = tab.locator(".md-search-result__link[href*='reference/settings.html']").first
    found.wait_for(state="attached", timeout=100_000)
    visit.check()


def test_diagrams_are_drawn(browser, site):  # noqa: F811
    visit = visit_to(browser)
    tab = visit.go(str(site / "explanation" / "architecture.html"))
    tab.wait_for_function(
        "() => { const drawn = document.querySelector('div.mermaid');"
        " return drawn && drawn.getBoundingClientRect().height > 50; }",
        timeout=60_000,
    )
    visit.check()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_can_be_read_by_everybody(browser, site, scheme, width):  # noqa: F811
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe")
    size = {"width": width, "height": 844}
    visit = visit_to(browser, viewport=size, color_scheme=scheme)
    for name in ("index", "tutorials/first-kiosk", "reference/settings", "reference/python"):
        tab = visit.go(str(site / f"{name}.html"))
        wide = tab.evaluate("document.documentElement.scrollWidth")
        assert wide <= width
        found = axe.Axe().run(tab).response["violations"]
        serious = [one["id"] for one in found if one["impact"] in {"serious", "critical"}]
        assert serious == [], f"{name}: {[one['nodes'][:2] for one in found]}"
    assert visit.elsewhere == []
    visit.context.close()
