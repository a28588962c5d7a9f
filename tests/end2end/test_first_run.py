"""A new kiosk, set up in a real browser; and how its pages look."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests
import yaml

from db.engine import writing
from db.hub.people import accounts
from monitor.settings.console_order import ConsoleOrder
from monitor.settings.models import SECTIONS, HubSettings
from monitor.web.app import close_app
from monitor.web.hub.changes import now
from monitor.web.hub_app import create_hub_app
from monitor.web.kiosk_console import Console
from monitor.web.services import EXTENSION
from monitor.web.serving.listening import listen, serve

from .browsing import IN_A_BROWSER, browser, visit

__all__ = ["browser", "visit"]

pytestmark = IN_A_BROWSER

SAMPLES = Path(__file__).parents[2] / "ads" / "sample"
SHOWN = "a-secret-of-the-window"
LONG_ENOUGH = "four unrelated words here"


class Served:
    """A server somewhere on this machine."""

    def __init__(self, port: int) -> None:
        self.port = port


@pytest.fixture
def console(tmp_path):
    """The console of a new kiosk that does not run, and its application."""
    order = ConsoleOrder(
        database=tmp_path / "kiosk.db", settings_file=tmp_path / "kiosk.yaml", setup=SHOWN
    )
    made = Console(order, restart=lambda: None)
    settings = HubSettings(database=str(tmp_path / "console.db"), rate_limit="6000 per minute")
    app = create_hub_app(settings, made)
    listening = listen("127.0.0.1", 0)
    thread = threading.Thread(target=serve, args=(app, listening))
    thread.start()
    yield made, app, Served(listening.getsockname()[1])
    app.extensions[EXTENSION].stopping.set()
    thread.join()
    close_app(app)


def go_through(tab, files):
    """Set a kiosk up, from its first page to the last, by the words that people read."""
    tab.get_by_label("Demo viewer").check()
    tab.get_by_role("button", name="Continue").click()
    tab.set_input_files("#files", files)
    tab.get_by_role("button", name="Send these files").click()
    tab.wait_for_selector(".file-list")
    tab.get_by_role("button", name="Continue").click()
    tab.get_by_label("Address where they can read more").fill("https://shop.example/privacy")
    tab.get_by_role("button", name="Continue").click()
    tab.get_by_label("Name of the site").fill("Shop 12")
    tab.get_by_label("Time zone").fill("Europe/Berlin")
    tab.get_by_label("Password", exact=True).fill(LONG_ENOUGH)
    tab.get_by_label("Repeat the password").fill(LONG_ENOUGH)
    tab.get_by_role("button", name="Continue").click()
    tab.get_by_role("button", name="Start with these settings").click()
    tab.wait_for_url("**/setup/done")


def wait_for(pattern, log, count=1, seconds=240):
    deadline = time.monotonic() + seconds
    while len(found := re.findall(pattern, log.read_text())) < count:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
    return found[-1]


def test_a_new_kiosk_is_set_up_in_the_browser_and_starts_again_with_it(tmp_path, visit):
    log = tmp_path / "log"
    options = ("--headless", "--console", "--console-port", "0")
    with log.open("w") as errors:
        kiosk = subprocess.Popen(
            [sys.executable, "-m", "monitor", "run", *options],
            stderr=errors,
            stdout=subprocess.DEVNULL,
        )
    try:
        link = wait_for(r"Set this kiosk up with this link: (\S+)", log)
        port = int(re.search(r":(\d+)/", link)[1])
        seen = visit(Served(port), locale="en-GB")
        seen.tab.set_default_timeout(120_000)
        seen.tab.goto(link)
        seen.tab.wait_for_url("**/setup/camera")
        assert "secret" not in seen.tab.url
        names = ("brume.jpg", "solina.mp4", "second-chapter.png")
        go_through(seen.tab, [SAMPLES / name for name in names])
        assert seen.errors == []
        address = wait_for(r"pages of this kiosk are at (\S+)", log, count=2)
        file = Path(os.environ["XDG_CONFIG_HOME"]) / "ad-monitor" / "kiosk.yaml"
        values = yaml.safe_load(file.read_text("utf-8"))
        assert values["data"] == {"site": "Shop 12", "timezone": "Europe/Berlin"}
        assert sorted(one.name for one in Path(values["ads"]["playlist"]).iterdir()) == sorted(
            names
        )
        # The account works; the secret does not any more.
        answer = requests.post(
            f"{address}login",
            data={"name": "admin", "password": LONG_ENOUGH},
            headers={"Origin": address.rstrip("/")},
            allow_redirects=False,
            timeout=30,
        )
        assert answer.status_code == 303
        assert requests.get(f"{address}setup", timeout=30).status_code in {401, 404}
    finally:
        kiosk.send_signal(signal.SIGTERM)
        kiosk.wait(300)


def test_the_set_up_needs_no_script(console, visit):
    made, _app, served = console
    seen = visit(served, java_script_enabled=False, locale="en-GB")
    tab = seen.go("/setup")
    tab.set_default_timeout(120_000)
    tab.get_by_label("Code").fill(SHOWN)
    tab.get_by_role("button", name="Continue").click()
    go_through(tab, [SAMPLES / "brume.jpg"])
    assert made.is_done
    seen.check()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light")])
def test_pages_of_set_up_and_settings_are_accessible_and_fit(console, visit, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe")
    _made, app, served = console
    with writing(app.extensions[EXTENSION].engine) as connection:
        token, _ = accounts.invite(connection, "ann", "admin", now())
        account = accounts.set_password(connection, token, "unused", now())
        cookie = accounts.begin_login(connection, account, now())
    size = {"width": width, "height": 860}
    seen = visit(served, viewport=size, color_scheme=scheme, bypass_csp=True, locale="de-DE")

    def look(path):
        tab = seen.go(path)
        found = axe.Axe().run(tab).response["violations"]
        bad = [(entry["id"], entry["nodes"][0]["target"]) for entry in found]
        assert bad == [], tab.url
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, tab.url

    look("/setup")
    seen.tab.goto(f"{seen.home}/setup#secret={SHOWN}")
    seen.tab.wait_for_url("**/setup/camera")
    for path in ("camera", "ads", "notice", "place"):
        look(f"/setup/{path}")
    seen.context.add_cookies([{"name": "ad_monitor_hub", "value": cookie, "url": seen.home}])
    look("/settings")
    for section in SECTIONS:
        look(f"/settings/{section}")
    seen.tab.get_by_role("button", name="Speichern").click()
    seen.tab.wait_for_url("**done=same")
    seen.check()
