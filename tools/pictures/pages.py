"""Photographs pages in a browser: those of a kiosk's console, of a hub, a report and a review."""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tools.pictures import film, shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

    from tools.pictures.program import Program, Running

    Keep = Callable[[str, bytes], None]

WORDS = "four unrelated words here"
WAIT_MS = 120_000


@contextmanager
def browsing() -> Iterator[Browser]:
    """Start a browser."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 (may be missing)

    found = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


class Album:
    """Takes pictures of pages, in light and, if asked, in dark.

    Args:
        browser: Where pages are shown.
        keep: Gets each picture's name and its content.
    """

    def __init__(self, browser: Browser, keep: Keep) -> None:
        self._browser, self.keep = browser, keep

    def tab(self, width: int = 1280, height: int = 800) -> Page:
        """Open a page of its own."""
        context = self._browser.new_context(
            viewport={"width": width, "height": height}, locale="en-GB", reduced_motion="reduce"
        )
        tab = context.new_page()
        tab.set_default_timeout(WAIT_MS)
        return tab

    def take(self, tab: Page, name: str, *, dark: bool = False, **options: Any) -> None:
        """Photograph what a tab shows; with `dark`, again as NAME-dark."""
        for scheme, kept in (("light", name), ("dark", f"{name}-dark"))[: 1 + dark]:
            tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            self.keep(f"{kept}.png", tab.screenshot(animations="disabled", **options))
        tab.emulate_media(color_scheme="light")


def set_password(tab: Page, link: str) -> None:
    """Follow an invitation, and log in."""
    tab.goto(link)
    tab.get_by_label("New password").fill(WORDS)
    tab.get_by_label("Repeat the password").fill(WORDS)
    tab.get_by_role("button", name="Set password and log in").click()
    tab.wait_for_load_state()
    tab.wait_for_selector("nav >> text=Screens")


def console(album: Album, running: Running) -> None:
    """Send the sample ads to a kiosk through its console, and photograph each step."""
    link = running.wait_for(r"(http://\S+/invitation#token=\S+)")
    home = link.partition("/invitation")[0]
    tab = album.tab()
    set_password(tab, link)
    album.take(tab, "console-first")
    tab.get_by_role("link", name="Upload ads").click()
    tab.set_input_files("#file", sorted(p for p in shop.SAMPLES.iterdir() if p.suffix in ENDINGS))
    tab.wait_for_selector("#reload")
    tab.click("#reload")
    tab.goto(f"{home}/library/approvals")
    while tab.get_by_role("button", name=re.compile("^Approve")).count():
        tab.get_by_role("button", name=re.compile("^Approve")).first.click()
        tab.wait_for_load_state()
    tab.goto(f"{home}/library")
    album.take(tab, "library")
    make_playlist(tab)
    album.take(tab, "playlist")
    publish_and_book(tab)
    album.take(tab, "calendar")


ENDINGS = {".gif", ".jpg", ".mp4", ".png"}


def make_playlist(tab: Page) -> None:
    """Put all ads into a new playlist."""
    tab.get_by_role("link", name="Playlists").first.click()
    tab.get_by_label("Name").first.fill("Our ads")
    tab.get_by_role("button", name="Make").click()
    tab.wait_for_selector("h1:has-text('Our ads')")
    for box in tab.locator(".found input[type=checkbox]").all():
        box.check()
    tab.get_by_role("button", name="Add to the playlist").click()
    tab.wait_for_selector("#ads li:nth-child(5)")


def publish_and_book(tab: Page) -> None:
    """Publish the playlist that is shown, and book it on the screen."""
    tab.get_by_role("link", name="Publish…").click()
    tab.get_by_role("button", name="Publish", exact=True).click()
    tab.wait_for_selector(".notice.good")
    tab.get_by_role("link", name="Calendar").first.click()
    tab.get_by_role("link", name="Book a playlist").first.click()
    tab.get_by_role("button", name="Book", exact=True).click()
    tab.wait_for_selector("table.week")


def report(album: Album, program: Program) -> None:
    """Photograph the report of a recorded day."""
    database, page = program.home / "day.db", program.home / "report.html"
    shop.record_day(database)
    program.run("report", "--db", str(database), "-o", str(page), "--media", str(shop.SAMPLES))
    tab = album.tab(1000, 1300)
    tab.goto(page.as_uri())
    album.take(tab, "report", dark=True)


def hub(album: Album, program: Program) -> None:
    """Photograph the wall of a hub's screens, and an experiment at one of its sites."""
    database = str(program.home / "hub.db")
    _, _, code = program.run("hub", "init", "--db", database).partition("/invitation")
    with program.running("hub", "serve", "--db", database, "--port", "0") as running:
        home = running.wait_for(r"(https?://\S+:\d+)(?=/ )")
        shop.send_stations(program.home / "hub.db", home)
        tab = album.tab(1280, 830)
        set_password(tab, f"{home}/invitation{code.split()[0]}")
        tab.goto(f"{home}/screens")
        album.take(tab, "screens", dark=True)
        shop.run_experiment(program.home / "hub.db")
        experiments(album, tab)


def experiments(album: Album, tab: Page) -> None:
    """Photograph an experiment that has decided, and the plan of another one."""
    tab.get_by_role("link", name="Experiments").first.click()
    tab.get_by_role("link", name=shop.EXPERIMENT).click()
    tab.wait_for_selector("h1")
    album.take(tab, "experiment")
    tab.get_by_role("link", name="Experiments").first.click()
    tab.get_by_role("link", name="Plan an experiment").click()
    tab.get_by_role("group", name="On trial").locator("[value=sample-brume]").check()
    tab.get_by_label(shop.STATIONS[0].site).check()
    tab.get_by_label("What decides").select_option("sales")
    tab.get_by_role("button", name="What does it take?").click()
    tab.wait_for_selector("text=What it takes")
    album.take(tab, "experiment-plan")


def classify(album: Album, program: Program) -> None:
    """Photograph the page that finds faces in a picture, and keep the picture for first steps."""
    picture = program.home / "faces.jpg"
    picture.write_bytes(film.encoded(film.scene(7.0)))
    album.keep(picture.name, picture.read_bytes())
    with program.running("serve", "--port", "0", "--db", str(program.home / "day.db")) as running:
        tab = album.tab(1000, 800)
        tab.goto(running.wait_for(r"(http://\S+:\d+)/"))
        tab.set_input_files("input[type=file]", picture)
        tab.wait_for_selector("h1:has-text('faces found')")
        album.take(tab, "web")


def review(album: Album, program: Program) -> None:
    """Photograph a review of labels."""
    table = program.home / "faces.csv"
    shop.write_faces(table)
    options = ("--data", str(table), "--out", str(program.home / "overlay.csv"), "--limit", "10")
    with program.running("review", *options, "--port", "0") as running:
        tab = album.tab(1280, 800)
        tab.goto(running.wait_for(r"(http://\S+/login#token=\S+)"))
        tab.wait_for_url("**/faces/1")
        album.take(tab, "review")
