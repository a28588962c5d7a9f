"""A label review in a real browser: every key does what its button says, and axe finds nothing."""

from __future__ import annotations

import csv
import re

import numpy as np
import pytest

from tests.unit.training.conftest import random_faces

from .browsing import IN_A_BROWSER, browser, visit
from .serving import serve

__all__ = ["browser", "serve", "visit"]

pytestmark = [*IN_A_BROWSER]

NAMES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


@pytest.fixture
def served(tmp_path, serve):
    """A running review of ten faces in a small table of random pictures."""
    pytest.importorskip("cleanlab", reason="the extra `training` is not installed")
    data = tmp_path / "faces.csv"
    with data.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("emotion", "pixels", "Usage"))
        for number, picture in enumerate(random_faces(70)):
            table.writerow((number % 7, " ".join(map(str, np.ravel(picture))), "Training"))
    overlay = tmp_path / "overlay.csv"
    options = ("--data", str(data), "--out", str(overlay), "--limit", "10")
    made = serve(*options, command=("review",))
    made.overlay = overlay
    return made


def test_every_key(served, visit):
    audit = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe").Axe()
    made = visit(served)
    tab = made.go("/login" + re.search(r"login(#token=\S+)", served.text)[1])
    tab.wait_for_url("**/faces/1")

    def press(key, number):
        tab.keyboard.press(key)
        tab.wait_for_url(f"**/faces/{number}")
        tab.wait_for_load_state()

    def decisions():
        with served.overlay.open() as file:
            return [(row["decision"], row["new_label"]) for row in csv.DictReader(file)]

    for number, name in enumerate(NAMES, 1):
        was = tab.locator(".current").get_attribute("value").removeprefix("label:")
        press(str(number), number + 1)
        assert decisions()[-1] == ("keep" if was == name else "change", name)
    press("ArrowLeft", 7)
    assert tab.get_by_role("status").is_visible()
    press("ArrowRight", 8)
    press("d", 9)
    assert decisions()[-1] == ("drop", "")
    press("u", 8)
    assert len(decisions()) == 7
    press("k", 9)
    assert decisions()[-1][0] == "keep"
    # Keys that somebody has switched off, for example to dictate, do nothing.
    tab.get_by_label("Use the keys").uncheck()
    tab.keyboard.press("d")
    tab.wait_for_timeout(300)
    assert tab.url.endswith("/faces/9")
    assert len(decisions()) == 8
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        for width in (1280, 390):
            tab.set_viewport_size({"width": width, "height": 900})
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            assert audit.run(tab).violations_count == 0
    made.check()


def test_without_a_script(served, visit):
    made = visit(served, java_script_enabled=False)
    tab = made.go("/login")
    tab.get_by_label("Token").fill(re.search(r"#token=(\S+)", served.text)[1])
    tab.locator("main").get_by_role("button", name="Log in").click()
    tab.wait_for_url("**/faces/1")
    assert not tab.get_by_label("Use the keys").is_visible()
    tab.get_by_role("button", name="D Drop the face").click()
    tab.wait_for_url("**/faces/2")
    tab.get_by_role("button", name="U Undo").click()
    tab.wait_for_url("**/faces/1")
    tab.get_by_role("link", name="Skip →").click()
    tab.wait_for_url("**/faces/2")
    made.check()
