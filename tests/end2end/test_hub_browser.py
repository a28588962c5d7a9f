"""The screens of a hub in a real browser, with its real server and kiosks that say how they are.

The server runs in a thread, which starts in a moment; `test_alerts.py` starts the command itself.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from db.engine import open_database, writing
from db.hub.alerts.channels import add_channel
from db.hub.alerts.raised import end_alert, raise_alert
from db.hub.people import accounts
from db.hub.screens import pairing, registry
from db.schema import Origin
from monitor.settings.models import HubSettings
from monitor.web.app import close_app
from monitor.web.hub_app import create_hub_app
from monitor.web.services import EXTENSION
from monitor.web.serving.listening import listen, serve
from tests.helpers.hub_screens import a_health, fill_wall
from tests.helpers.making import START, Make

from .browsing import IN_A_BROWSER, LABELS_APART, browser, visit

__all__ = ["browser", "visit"]

pytestmark = IN_A_BROWSER

KIOSK = "ab" * 16


class Hub:
    """A hub that runs, with its database, and somebody's login."""

    def __init__(self, path, visit) -> None:
        self.engine = open_database(str(path))
        self._visit = visit
        self._app = create_hub_app(HubSettings(database=str(path)))
        listening = listen("127.0.0.1", 0)
        self.port = listening.getsockname()[1]
        self._thread = threading.Thread(target=serve, args=(self._app, listening))
        self._thread.start()

    def end(self) -> None:
        self._app.extensions[EXTENSION].stopping.set()
        self._thread.join()
        close_app(self._app)

    def visit(self, role="operator", **options):
        now = datetime.now(UTC)
        with writing(self.engine) as connection:
            token, _ = accounts.invite(connection, f"the {role}", role, now)
            account = accounts.set_password(connection, token, "unused", now)
            cookie = accounts.begin_login(connection, account, now)
        seen = self._visit(self, **options)
        seen.context.add_cookies([{"name": "ad_monitor_hub", "value": cookie, "url": seen.home}])
        return seen

    def call(self, function, *arguments):
        with writing(self.engine) as connection:
            return function(connection, *arguments, datetime.now(UTC))

    def join(self, screen) -> None:
        """Let a kiosk fill the screen."""
        code, _ = self.call(pairing.code_for_screen, screen.id, "ann")
        self.call(pairing.join, code, pairing.Applicant("ab" * 16, {}, "192.0.2.1"))

    def hear(self, screen, **changes) -> None:
        now = datetime.now(UTC)
        health = a_health(at=now.isoformat(), **changes)
        self.call(registry.store_health, screen.id, health)

    def add(self, name):
        place = registry.Place(name, site="Main Street", group="North", tags=("food",))
        return self.call(registry.create_screen, place)


@pytest.fixture
def hub(tmp_path, visit):
    pytest.importorskip("argon2", reason="the extra `hub` is not installed")
    hub = Hub(tmp_path / "hub.db", visit)
    yield hub
    hub.end()
    hub.engine.dispose()


@pytest.fixture
def wall(hub, monkeypatch):
    """The wall in a tab whose clock only goes on when it is told to."""
    monkeypatch.setattr("monitor.hub.screens.wall.SNAPSHOT_S", -1.0)

    def open_it():
        seen = hub.visit("viewer")
        seen.tab.clock.install()
        return seen, seen.go("/screens")

    return open_it


def test_the_wall_follows_the_screens_and_keeps_the_keyboards_place(hub, wall):
    till, door = hub.add("Till 3"), hub.add("Door")
    hub.join(till)
    hub.hear(till)
    seen, tab = wall()
    assert tab.inner_text(f"#s{till.uid} .condition") == "ok"
    assert "12" in tab.inner_text(f"#s{till.uid} dl")
    assert tab.inner_text(f"#s{door.uid} .condition") == "never seen no kiosk has joined"
    tab.focus(f"#s{till.uid} a")
    hub.hear(till, camera="lost", viewers=2, ad={"id": "winter", "name": "Winter"})
    tab.clock.run_for(5000)
    tab.wait_for_selector(f"#s{till.uid}.is-warns")
    text = tab.inner_text(f"#s{till.uid}")
    assert "camera lost" in text
    assert "Winter" in text
    assert "fewer than 5" in text
    assert tab.evaluate("document.activeElement.textContent") == "Till 3"
    assert tab.inner_text("#is-warns") == "1 warns"
    new = hub.add("Window")
    hub.call(registry.retire_screen, door.uid)
    tab.clock.run_for(5000)
    tab.wait_for_selector(f"#s{new.uid}")
    assert tab.locator(f"#s{door.uid}").count() == 0
    assert tab.evaluate("document.activeElement.textContent") == "Till 3"
    tab.keyboard.press("Enter")
    tab.wait_for_selector("h1:has-text('Till 3')")
    seen.check()


def test_the_wall_says_when_it_is_old(hub, wall):
    hub.add("Till 3")
    _, tab = wall()
    hub.end()
    tab.clock.run_for(5000)
    tab.wait_for_selector("#updated.bad:has-text('cannot be reached')")
    assert tab.locator(".tile").count() == 1


def test_without_a_script_a_kiosk_is_let_in_and_its_screen_retired(hub):
    facts = {"host": "lobby-1", "site": "Foyer"}
    applicant = pairing.Applicant(KIOSK, facts, "192.0.2.1")
    code = pairing.shown_code(hub.call(pairing.ask, applicant).code)
    seen = hub.visit(java_script_enabled=False)
    tab = seen.go("/screens")
    tab.click("text=Add a screen")
    assert "lobby-1" in tab.inner_text(".waiting")
    tab.click(f"text=Choose {code}")
    assert tab.input_value("#code") == code
    tab.fill("#opening", "always")
    tab.click("main button")
    assert "Give the screen a name" in tab.inner_text('[role="alert"]')
    assert tab.input_value("#code") == code
    tab.fill("#name", "Entrance")
    tab.fill("#opening", "08:00-20:00")
    tab.click("main button")
    assert tab.inner_text("h1") == "Entrance"
    assert "The kiosk was accepted" in tab.inner_text('[role="status"]')
    tab.click("text=Retire this screen")
    tab.click("text=Retire Entrance")
    assert "was retired" in tab.inner_text('[role="status"]')
    assert len(seen.errors) == 1, "the refused form, and nothing else"


def test_a_screen_is_moved_by_the_keyboard_alone(hub):
    till = hub.add("Till 3")
    seen = hub.visit()
    tab = seen.go(f"/screens/{till.uid}")

    def tab_to(selector):
        for _ in range(60):
            tab.keyboard.press("Tab")
            if tab.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
                return
        raise AssertionError(f"the keyboard does not reach {selector}")

    tab_to("#name")
    tab.keyboard.press("Control+A")
    tab.keyboard.type("Till 4")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("text=name and site are saved")
    assert tab.inner_text("h1") == "Till 4"
    tab_to("form[action$=code] button")
    tab.keyboard.press("Enter")
    tab.wait_for_selector(".code-box .code")
    seen.check()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light")])
def test_pages_of_screens_are_accessible_and_fit(hub, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe")
    uids = fill_wall(hub.engine, 50, datetime.now(UTC))
    Make().write(hub.engine)
    with writing(hub.engine) as connection:
        screen = registry.find_screen(connection, uids[0])
        connection.execute(update(Origin).values(screen_id=screen.id))
    for number in range(2):
        applicant = pairing.Applicant(f"{number:032x}", {"host": "lobby" * 9}, "192.0.2.1")
        hub.call(pairing.ask, applicant)
    hub.call(pairing.code_for_screen, screen.id, "ann")
    hub.call(registry.create_screen, registry.Place("W" * 80, site="M" * 80, group="Ä" * 80))
    seen = hub.visit(viewport={"width": width, "height": 860}, color_scheme=scheme, bypass_csp=True)
    for path in (
        "/screens",
        "/screens?condition=silent&site=Site+5",
        "/screens?site=Nowhere",
        f"/screens/{uids[0]}",
        f"/screens/{uids[0]}?day={START.date()}",
        "/screens/pair",
        "/sessions",
    ):
        tab = seen.go(path)
        assert tab.evaluate(LABELS_APART) == [], tab.url
        found = axe.Axe().run(tab).response["violations"]
        bad = [(entry["id"], entry["nodes"][0]["target"]) for entry in found]
        assert bad == [], tab.url
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, tab.url
    seen.check()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_pages_of_alerts_are_accessible_and_fit(hub, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe")
    screen, now = hub.add("Window " * 11), datetime.now(UTC)
    with writing(hub.engine) as connection:
        address = {"kind": "apprise", "url": "slack://a/b/c", "secret": ""}
        add_channel(connection, now, name="chat", quiet_hours=("22:00-07:00",), **address)
        raise_alert(connection, screen.id, "disk", "It is full (`--retention`).", now)
        for number in range(60):
            raise_alert(connection, screen.id, "clock", "It is wrong.", now)
            end_alert(connection, screen.id, "clock", now + timedelta(minutes=number))
    seen = hub.visit(viewport={"width": width, "height": 860}, color_scheme=scheme, bypass_csp=True)

    def look():
        found = axe.Axe().run(seen.tab).response["violations"]
        bad = [(entry["id"], entry["nodes"][0]["target"]) for entry in found]
        assert bad == [], seen.tab.url
        assert seen.tab.evaluate("document.documentElement.scrollWidth") <= width, seen.tab.url

    for path in ("/alerts", "/alerts?page=2", "/alerts/deliveries", "/alerts/channels"):
        seen.go(path)
        look()
    seen.tab.fill("#name", "desk")
    seen.tab.fill("#url", "https://198.51.100.7/hook")
    seen.tab.click("main button[type=submit]:has-text('Add')")
    seen.tab.wait_for_selector("[role=alert]:has-text('--allow-network')")
    look()
    seen.tab.fill("#url", "https://93.184.215.14/hook")
    seen.tab.click("main button[type=submit]:has-text('Add')")
    seen.tab.wait_for_selector("pre.secret:has-text('whsec_')")
    look()
    assert len(seen.errors) == 1, "the refused form, and nothing else"
    assert seen.elsewhere == []
