"""From a kiosk that was just started to its own ads, a schedule and a shared report, in a browser."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

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
    process.wait(300)


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
    tab.wait_for_selector("#file", state="attached")
    tab.wait_for_load_state()  # the script that sends files is there
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


def open_from_menu(tab, name):
    """Follow a link of the menu, which narrow screens open first."""
    tab.wait_for_load_state()  # without its styles a wide page has the button, too
    if (menu := tab.get_by_role("button", name="Menu")).is_visible():
        menu.click()
    tab.get_by_role("link", name=name).first.click()


def make_playlist(tab, check):
    open_from_menu(tab, "Playlists")
    tab.get_by_label("Name").first.fill("Our ads")
    tab.get_by_role("button", name="Make").click()
    tab.wait_for_selector("h1:has-text('Our ads')")
    for box in tab.locator(".found input[type=checkbox]").all():
        box.check()
    tab.get_by_role("button", name="Add to the playlist").click()
    tab.wait_for_selector("#ads li:nth-child(3)")
    check(tab)
    tab.get_by_role("link", name="Publish…").click()
    check(tab)
    tab.get_by_role("button", name="Publish", exact=True).click()
    tab.wait_for_selector(".notice.good")


def book(tab, check):
    open_from_menu(tab, "Calendar")
    check(tab)
    tab.get_by_role("link", name="Book a playlist").click()
    tab.get_by_role("button", name="Which screens would change?").click()
    tab.wait_for_selector("text=1 screen would show something else")
    check(tab)
    tab.get_by_role("button", name="Book", exact=True).click()
    tab.wait_for_selector("table.week")
    check(tab)


def wait_until_it_runs(tab):
    """Look at the screen's page until its kiosk shows what was booked."""
    page, deadline = tab.url, time.monotonic() + 150
    while not re.search(r"It shows version \d+\.", tab.inner_text("main")):
        assert time.monotonic() < deadline, tab.inner_text("main")
        time.sleep(3)
        tab.goto(page)


def share_report(tab, check):
    open_from_menu(tab, "Reports")
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


class Keys:
    """Somebody who uses the keyboard and nothing else; every step begins with the Tab key."""

    def __init__(self, tab) -> None:
        self.tab = tab

    def reach(self, target) -> None:
        """Press Tab until an element has the focus, as people do."""
        target.first.wait_for()
        wanted = target.first.element_handle()
        for _ in range(400):
            self.tab.keyboard.press("Tab")
            if wanted.evaluate("(one) => one === document.activeElement"):
                assert wanted.evaluate("(one) => one.matches(':focus-visible')")
                return
        raise AssertionError(f"no way to {target} by the Tab key on {self.tab.url}")

    def press(self, target, key="Enter") -> None:
        self.reach(target)
        self.tab.keyboard.press(key)

    def type(self, target, text) -> None:
        self.reach(target)
        self.tab.keyboard.press("Control+A")
        self.tab.keyboard.type(text)

    def link(self, name) -> None:
        self.press(self.tab.get_by_role("link", name=name, exact=True))

    def button(self, name) -> None:
        self.press(self.tab.get_by_role("button", name=name, exact=True))


def make_playlist_by_keys(keys):
    tab = keys.tab
    keys.link("Playlists")
    keys.type(tab.get_by_label("Name"), "Our ads")
    tab.keyboard.press("Enter")
    tab.wait_for_selector(".found")
    for place in range(3):
        keys.press(tab.locator(".found input[type=checkbox]").nth(place), "Space")
    keys.button("Add to the playlist")
    keys.press(tab.get_by_role("button", name=re.compile("^Move .* now at place 3")), "ArrowUp")
    tab.wait_for_selector("#said:has-text('at place 2')", state="attached")
    tab.reload()
    keys.link("Publish…")
    keys.button("Publish")
    tab.wait_for_selector(".notice.good")


def test_the_same_by_keyboard_alone(kiosk, visit):
    link = wait_for(r"(http://\S+/invitation#token=\S+)", kiosk)
    seen = visit(Served(int(re.search(r":(\d+)/", link)[1])), locale="en-GB")
    tab, keys = seen.tab, Keys(seen.tab)
    tab.set_default_timeout(60_000)
    # From now on, as a dialog could open before the browser is told to hand it over.
    tab.on("filechooser", lambda _: None)
    tab.goto(link)
    keys.type(tab.get_by_label("New password"), WORDS)
    keys.type(tab.get_by_label("Repeat the password"), WORDS)
    tab.keyboard.press("Enter")
    keys.link("Upload ads")
    keys.reach(tab.locator("#file"))
    with tab.expect_file_chooser() as chooser:
        tab.keyboard.press("Enter")
    chooser.value.set_files([SAMPLES / name for name in FILES])
    keys.press(tab.locator("#reload"))
    keys.press(tab.get_by_role("link", name=re.compile("^Approv")))
    for left in (2, 1, 0):
        keys.press(tab.get_by_role("button", name=re.compile("^Approve")))
        tab.wait_for_selector(f"h1:has-text('{left or 'Nothing'}')")
    make_playlist_by_keys(keys)
    keys.link("Calendar")
    keys.link("Book a playlist")
    keys.button("Book")
    tab.wait_for_selector("table.week")
    keys.link("Screens")
    keys.press(tab.get_by_role("link", name="Shop 12"))
    tab.wait_for_url("**/screens/*")
    wait_until_it_runs(tab)
    keys.link("Reports")
    keys.reach(tab.get_by_label("Days"))
    tab.keyboard.type("All days")
    deadline = time.monotonic() + 150
    while True:
        keys.button("Show")
        tab.wait_for_url("**/reports/figures*")
        if tab.get_by_label("Title").count():
            break
        # The first sums of plays arrive about a minute after they were shown.
        assert time.monotonic() < deadline, tab.inner_text("main")
        time.sleep(5)
    keys.type(tab.get_by_label("Title"), "Our first day")
    tab.keyboard.press("Enter")
    assert "/shared/" in tab.inner_text("pre code")
    assert seen.errors == []


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
    open_from_menu(tab, "Screens")
    tab.get_by_role("link", name="Shop 12").first.click()
    check(tab)
    wait_until_it_runs(tab)
    shared = share_report(tab, check)
    assert seen.errors == []
    stranger = visit(Served(port))
    answer = stranger.tab.goto(shared)
    assert answer.status == 200
    assert "Shop 12" in stranger.tab.content()
    stranger.tab.goto(shared.partition("/shared")[0] + "/reports")
    assert "Our first day" not in stranger.tab.content()
    assert urlsplit(stranger.tab.url).path == "/login"
