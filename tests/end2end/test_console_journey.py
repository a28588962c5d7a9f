"""From a kiosk that was just started to its own ads, a schedule and a shared report, in a browser."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .browsing import IN_A_BROWSER, browser, visit
from .test_stream import camera, transport_stream

__all__ = ["browser", "camera", "transport_stream", "visit"]

pytestmark = IN_A_BROWSER

SAMPLES = Path(__file__).parents[2] / "ads" / "sample"
FILES = ("brume.jpg", "solina.mp4", "second-chapter.png")
WORDS = "four unrelated words here"


class Served:
    """A server somewhere on this machine."""

    def __init__(self, port: int) -> None:
        self.port = port


def wait_for(pattern, log, seconds=240):
    deadline = time.monotonic() + seconds
    while (found := re.search(pattern, log.read_text())) is None:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
    return found[1]


@pytest.fixture
def kiosk(tmp_path, camera):
    """A kiosk before a camera in the network, with its console; the log it writes."""
    log, database = tmp_path / "log", tmp_path / "kiosk.db"
    options = (
        "--source",
        f"http://127.0.0.1:{camera.server_address[1]}/",
        "--headless",
        "--console",
        "--console-port",
        "0",
    )
    command = [sys.executable, "-m", "monitor", "run", *options, "--db", str(database)]
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*command, "--site", "Shop 12"], stderr=errors, stdout=subprocess.DEVNULL
        )
    yield log
    process.send_signal(signal.SIGTERM)
    process.wait(60)


def check_axe(tab):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe")
    found = axe.Axe().run(tab).response["violations"]
    serious = [one for one in found if one["impact"] in {"serious", "critical"}]
    assert [(one["id"], one["nodes"][0]["html"]) for one in serious] == [], tab.url


def set_password(tab, link):
    tab.goto(link)
    if not tab.evaluate("() => document.getElementById('token').value"):
        tab.get_by_label("Code").fill(link.partition("#token=")[2])
    tab.get_by_label("New password").fill(WORDS)
    tab.get_by_label("Repeat the password").fill(WORDS)
    tab.get_by_role("button", name="Set password and log in").click()
    tab.wait_for_selector("text=First steps")


def send_ads(tab, check, *, has_script):
    tab.get_by_role("link", name="Upload ads").click()
    tab.set_input_files("#file", [SAMPLES / name for name in FILES])
    if has_script:
        tab.wait_for_selector("#reload")
        tab.click("#reload")
    else:
        tab.get_by_role("button", name="Send", exact=True).click()
    tab.wait_for_selector("text=3 ads")
    check(tab)


def approve(tab, check):
    tab.goto(tab.url.partition("/library")[0] + "/library/approvals")
    check(tab)
    for left in (2, 1, 0):
        tab.get_by_role("button", name=re.compile("^Approve")).first.click()
        tab.wait_for_selector(f"h1:has-text('{left or 'Nothing'}')")


def make_playlist(tab, check):
    tab.get_by_role("link", name="Playlists").first.click()
    tab.get_by_label("Name").first.fill("Our ads")
    tab.get_by_role("button", name="Make").click()
    tab.wait_for_selector("h1:has-text('Our ads')")
    for box in tab.locator(".found input[type=checkbox]").all():
        box.check()
    tab.get_by_role("button", name="Add", exact=True).click()
    tab.wait_for_selector("#ads li:nth-child(3)")
    check(tab)
    tab.get_by_role("link", name="Publish…").click()
    check(tab)
    tab.get_by_role("button", name="Publish", exact=True).click()
    tab.wait_for_selector(".notice.good")


def book(tab, check):
    tab.get_by_role("link", name="Calendar").first.click()
    check(tab)
    tab.get_by_role("link", name="Book a playlist").click()
    tab.get_by_role("button", name="Which screens would change?").click()
    tab.wait_for_selector("text=1 screen would show something else")
    check(tab)
    tab.get_by_role("button", name="Book", exact=True).click()
    tab.wait_for_selector("table.week")
    check(tab)


def wait_until_it_runs(tab, check):
    """Look at the screen's page until its kiosk shows what was booked."""
    tab.get_by_role("link", name="Screens").first.click()
    tab.get_by_role("link", name="Shop 12").first.click()
    check(tab)
    page, deadline = tab.url, time.monotonic() + 150
    while not re.search(r"It shows version \d+\.", tab.inner_text("main")):
        assert time.monotonic() < deadline, tab.inner_text("main")
        time.sleep(3)
        tab.goto(page)


def share_report(tab, check):
    tab.get_by_role("link", name="Reports").first.click()
    check(tab)
    tab.get_by_label("Days").select_option("all")
    deadline = time.monotonic() + 150
    while True:
        tab.get_by_role("button", name="Show", exact=True).click()
        if tab.get_by_label("Title").count():
            break
        # The first sums of plays arrive about a minute after they were shown.
        assert time.monotonic() < deadline, tab.inner_text("main")
        time.sleep(5)
    check(tab)
    tab.get_by_label("Title").fill("Our first day")
    tab.get_by_role("button", name="Make a link").click()
    check(tab)
    return tab.inner_text("pre code")


@pytest.mark.parametrize("has_script", [True, False], ids=["script", "no script"])
def test_from_nothing_to_own_ads_a_schedule_and_a_shared_report(kiosk, visit, browser, has_script):
    link = wait_for(r"(http://\S+/invitation#token=\S+)", kiosk)
    port = int(re.search(r":(\d+)/", link)[1])
    look = {"viewport": {"width": 1280, "height": 900}}
    if not has_script:
        look = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
    seen = visit(Served(port), locale="en-GB", java_script_enabled=has_script, **look)
    tab = seen.tab
    tab.set_default_timeout(60_000)
    # Axe is a script.
    check = check_axe if has_script else lambda _tab: None
    set_password(tab, link)
    check(tab)
    send_ads(tab, check, has_script=has_script)
    approve(tab, check)
    make_playlist(tab, check)
    book(tab, check)
    wait_until_it_runs(tab, check)
    shared = share_report(tab, check)
    assert seen.errors == []
    stranger = visit(Served(port))
    answer = stranger.tab.goto(shared)
    assert answer.status == 200
    assert "Shop 12" in stranger.tab.content()
    stranger.tab.goto(shared.partition("/shared")[0] + "/reports")
    assert "Our first day" not in stranger.tab.content()
    assert "/reports" not in stranger.tab.url or "not logged in" in stranger.tab.content()
