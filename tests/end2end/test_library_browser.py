"""The library in a real browser: files are sent, broken off and resumed, looked at and approved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from db.hub.library import catalogue
from db.hub.library.contents import EVERYTHING

from .browsing import IN_A_BROWSER, browser, visit
from .test_hub_browser import hub

__all__ = ["browser", "hub", "visit"]

pytestmark = IN_A_BROWSER

SAMPLE = Path(__file__).parents[2] / "ads" / "sample"

DURATION = """new Promise((done) => {
  const video = document.getElementById("video");
  if (video.readyState) done(video.duration);
  else video.addEventListener("loadedmetadata", () => done(video.duration));
})"""

DROP = """() => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File(["text"], "notes.txt"));
  dispatchEvent(new DragEvent("drop", {dataTransfer, cancelable: true}));
}"""


def newest(hub, name):
    with hub.engine.connect() as connection:
        found, _ = catalogue.list_creatives(connection, EVERYTHING)
    return next(one for one in found if one.name == name)


def check_axe(tab):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe")
    found = axe.Axe().run(tab).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []


def test_from_files_to_an_approved_ad_with_brand_moments(hub, tmp_path):
    (tmp_path / "page.png").write_bytes(b"<html><script>alert(1)</script></html>")
    seen = hub.visit("editor", viewport={"width": 1280, "height": 900})
    tab = seen.go("/library")
    check_axe(tab)
    tab.set_input_files(
        "#file", [SAMPLE / "solina.mp4", SAMPLE / "brume.jpg", tmp_path / "page.png"]
    )
    tab.wait_for_selector("#reload", timeout=60_000)
    assert tab.locator(".file-state.bad").count() == 1
    assert "page.png" in tab.inner_text(".file-state.bad")
    assert "2 stored, 1 refused" in tab.inner_text("#said")
    tab.evaluate(DROP)
    tab.wait_for_selector(".files li:has-text('notes.txt') .file-state.bad")
    assert "notes.txt is of no known kind" in tab.inner_text(".files li:has-text('notes.txt')")
    # A refused file answers 422, which browsers write to the console.
    seen.errors.clear()
    tab.click("#reload")
    tab.click(".ad a:has-text('solina')")
    tab.wait_for_selector("#video")
    assert round(tab.evaluate(DURATION)) == 7
    strip = tab.locator("#timeline").bounding_box()
    tab.mouse.click(strip["x"] + strip["width"] / 2, strip["y"] + 20)
    assert tab.input_value("#brand_at_s") == "3.5"
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("PageDown")
    assert tab.input_value("#brand_at_s") == "2.6"
    tab.click("text=Add a brand moment here")
    assert tab.input_value("#brand_at_s") == "2.6, 2.6"
    tab.keyboard.press("Delete")
    assert tab.input_value("#brand_at_s") == "2.6"
    check_axe(tab)
    tab.click("article button:has-text('Save')")
    tab.wait_for_selector(".notice.good")
    assert newest(hub, "solina").newest.shown.brand_at_s == (2.6,)
    seen.check()
    approver = hub.visit("approver", viewport={"width": 390, "height": 844}, color_scheme="dark")
    tab = approver.go("/library/approvals")
    check_axe(tab)
    tab.click("button:has-text('Approve brume')")
    tab.wait_for_selector("text=Approved.")
    assert newest(hub, "brume").approved == 1
    approver.check()


def test_a_file_goes_on_after_the_hub_was_away_and_after_a_reload(hub, tmp_path):
    pixels = np.random.default_rng(1).integers(0, 255, (1500, 1500, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "large.png")
    seen = hub.visit("editor")
    tab = seen.go("/library")
    sent = []
    tab.on(
        "request",
        lambda one: sent.append(one.headers["upload-offset"]) if one.method == "PATCH" else None,
    )

    def cut(route):
        if route.request.method == "PATCH" and route.request.headers["upload-offset"] != "0":
            route.abort()
        else:
            route.continue_()

    tab.route("**/library/uploads/*", cut)
    tab.set_input_files("#file", tmp_path / "large.png")
    tab.wait_for_selector("text=Sending goes on by itself")
    tab.reload()
    tab.wait_for_selector("text=broke off at")
    tab.unroute("**/library/uploads/*")
    sent.clear()
    tab.set_input_files("#file", tmp_path / "large.png")
    tab.wait_for_selector("#reload", timeout=60_000)
    assert "0" not in sent
    size = (tmp_path / "large.png").stat().st_size
    assert newest(hub, "large").newest.media.size == size
    assert seen.elsewhere == []


def test_all_but_the_strip_works_without_a_script_and_by_keyboard(hub):
    seen = hub.visit("admin", java_script_enabled=False, viewport={"width": 390, "height": 844})
    tab = seen.go("/library")
    tab.set_input_files("#file", SAMPLE / "solina.mp4")
    tab.click("button:has-text('Send')")
    tab.wait_for_selector("text=waits for approval")
    tab.fill("#brand_at_s", "1, 2.5")
    tab.check("input[value=happy]")
    tab.focus("article button:has-text('Save')")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("text=Saved.")
    shown = newest(hub, "solina").newest.shown
    assert (shown.brand_at_s, shown.moods) == ((1.0, 2.5), ("happy",))
    tab.click("button:has-text('Approve')")
    tab.wait_for_selector("text=Approved.")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    seen.check()
