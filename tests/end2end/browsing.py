"""A real browser, and tabs in it that write down what a page must not do."""

from __future__ import annotations

import shutil

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

IN_A_BROWSER = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs the browser Chromium"),
    # Of the event loop that the browser's driver leaves to the collector.
    pytest.mark.filterwarnings(
        "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
    ),
]
"""Marks of tests that need it."""

LABELS_APART = """[...document.querySelectorAll('main label[for]')].filter((label) => {
    const field = document.getElementById(label.htmlFor).getBoundingClientRect();
    const words = label.getBoundingClientRect();
    const isBeside = words.top < field.bottom && words.bottom > field.top;
    return words.width > 1 && !isBeside && Math.abs(words.left - field.left) > 8;
}).map((label) => label.innerText)"""
"""Labels that stand neither beside their field nor above its start."""


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """A tab that writes down what a page must not do: errors on its console, and requests to
    anybody else.
    """

    def __init__(self, browser, home: str, **options) -> None:
        self.home = home
        self.errors: list[str] = []
        self.elsewhere: list[str] = []
        self.context = browser.new_context(**options)
        self.tab = self.context.new_page()
        self.tab.on(
            "console",
            lambda message: self.errors.append(message.text) if message.type == "error" else None,
        )
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((home, "data:"))
                else self.elsewhere.append(request.url)
            ),
        )

    def go(self, path: str):
        self.tab.goto(self.home + path)
        return self.tab

    def check(self) -> None:
        assert self.errors == []
        assert self.elsewhere == []
        self.context.close()


@pytest.fixture
def visit(browser):
    visits: list[Visit] = []

    def start(served, **options):
        made = Visit(browser, f"http://127.0.0.1:{served.port}", **options)
        visits.append(made)
        return made

    yield start
    for made in visits:
        made.context.close()
