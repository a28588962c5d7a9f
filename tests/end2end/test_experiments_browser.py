"""An experiment from the plan to the result in a browser, on a kiosk before a camera in the network."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.helpers.waiting import wait_until

from .browsing import IN_A_BROWSER, browser, visit
from .live_database import rows_of
from .test_console_journey import Served, check_axe, set_password, wait_for
from .test_stream import camera, transport_stream

__all__ = ["browser", "camera", "transport_stream", "visit"]

pytestmark = [*IN_A_BROWSER, pytest.mark.timeout(600)]

SHOWN = """SELECT p.started_at, a.ad_id, json_extract(p.context, '$.experiment'),
                  json_extract(p.context, '$.block'), json_extract(p.context, '$.arm')
           FROM plays p JOIN ads a ON a.id = p.ad_version_id ORDER BY p.started_at"""


@pytest.fixture
def kiosk(tmp_path, camera, make_playlist):
    """A kiosk with three ads of a second and a console; its log, and its database."""
    log, database = tmp_path / "log", tmp_path / "kiosk.db"
    options = (
        *("--source", f"http://127.0.0.1:{camera.server_address[1]}/"),
        *("--playlist", str(make_playlist([1.0, 1.0, 1.0])), "--db", str(database)),
        *("--headless", "--console", "--console-port", "0", "--site", "Shop 12"),
    )
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "monitor", "run", *options],
            stderr=errors,
            stdout=subprocess.DEVNULL,
        )
    yield log, database
    process.send_signal(signal.SIGTERM)
    process.wait(300)


def plan(tab, check):
    tab.goto(re.sub(r"(//[^/]+/).*", r"\1experiments", tab.url))
    check(tab)
    tab.get_by_role("link", name="Plan an experiment").click()
    tab.get_by_role("group", name="On trial").locator("[value=ad1]").check()
    tab.get_by_role("group", name="Compared with").locator("[value=ad2]").check()
    tab.get_by_label("Hours").fill("00:00-24:00")
    tab.get_by_label("Last day").fill(f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}")
    tab.get_by_text("More", exact=True).last.click()
    tab.get_by_label("Length of a block").fill("0.2")
    tab.get_by_label("Wash-out").fill("0")
    tab.get_by_label("Spread of a block").fill("20%")
    check(tab)
    tab.get_by_role("button", name="What does it take?").click()
    tab.wait_for_selector("text=What it takes")
    check(tab)


def start(tab, check):
    tab.get_by_label("Name").fill("First picture")
    tab.get_by_label("What do you expect?").fill("The first picture holds people longer.")
    tab.get_by_role("button", name="Start", exact=True).click()
    tab.wait_for_selector("text=Started: the blocks are drawn")
    check(tab)


def watch(tab, check, database):
    """Wait until blocks of both arms were played, and look at the page."""

    def arms():
        return {row[4] for row in rows_of(database, SHOWN) if row[3] is not None}

    wait_until(lambda: arms() == {"treatment", "control"}, 240.0, "plays in both arms", every_s=0.5)
    deadline = time.monotonic() + 120
    while not re.search(r"[1-9]\d* of [\d,]+ blocks are over", tab.inner_text("main")):
        assert time.monotonic() < deadline, tab.inner_text("main")
        time.sleep(2)
        tab.reload()
    text = tab.inner_text("main")
    assert "Running" in text
    assert "Not yet: too few whole days are over" in text
    check(tab)
    tab.locator(".kicker a").click()
    assert "The first picture holds people longer." in tab.inner_text("main")
    check(tab)
    tab.get_by_role("link", name="First picture").click()


def stop(tab, check):
    tab.get_by_role("link", name="Stop it early").click()
    assert "It cannot go on later" in tab.inner_text("main")
    check(tab)
    tab.get_by_label("Why?").fill("Seen enough")
    tab.get_by_role("button", name="Stop it").click()
    tab.wait_for_selector("text=Stopped. The screens show all ads again.")
    check(tab)


@pytest.mark.parametrize("has_script", [True, False], ids=["script", "no script"])
def test_it_is_planned_started_watched_stopped_and_read(kiosk, visit, has_script):
    log, database = kiosk
    link = wait_for(r"(http://\S+/invitation#token=\S+)", log)
    look = {"viewport": {"width": 1280, "height": 900}}
    if not has_script:
        look = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
    served = Served(int(re.search(r":(\d+)/", link)[1]))
    seen = visit(served, locale="en-GB", java_script_enabled=has_script, **look)
    tab = seen.tab
    tab.set_default_timeout(60_000)
    # Axe is a script.
    check = check_axe if has_script else lambda _tab: None
    set_password(tab, link)
    # The form has the ads that were shown, and those of the library.
    wait_until(lambda: len({row[1] for row in rows_of(database, SHOWN)}) == 3, what="all three ads")
    plan(tab, check)
    start(tab, check)
    watch(tab, check, database)
    stop(tab, check)
    stopped_at = datetime.now(UTC)
    text = tab.inner_text("main")
    assert "It ended without enough to say anything" in text
    assert "Stopped: Seen enough" in text
    assert seen.errors == []

    blocks = {
        row[0]: row[1:]
        for row in rows_of(
            database, "SELECT number, arm, starts_at, ends_at FROM experiment_blocks"
        )
    }
    for started_at, ad_id, experiment, number, arm in rows_of(database, SHOWN):
        if number is not None:
            assert (experiment, arm) == ("First picture", blocks[number][0])
            # Kiosk and blocks have one clock; an ad is chosen some seconds before it begins.
            assert started_at >= blocks[number][1]
            assert ad_id != {"treatment": "ad2", "control": "ad1"}[arm]

    def plays_again():
        after = [row for row in rows_of(database, SHOWN) if row[0] > f"{stopped_at:%Y-%m-%d %H:%M}"]
        return {row[1] for row in after if row[3] is None} == {"ad1", "ad2", "ad3"}

    wait_until(plays_again, what="all ads without a block")
