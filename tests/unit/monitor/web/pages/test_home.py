"""The home page, the menu, and the page of experiments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ads.playlists.playlist import DAYS
from db.engine import writing
from db.hub.screens import registry
from db.hub.shows.bookings import BookingPlan, add_booking
from db.read.experiments import ExperimentInfo, Opening
from db.write.experiments import store_experiment
from monitor.analytics.experiments import draw_blocks
from tests.helpers.hub_screens import PLACE, fill_wall
from tests.helpers.hub_shows import add_creative, add_playlist
from tests.unit.monitor.web.pages.conftest import write_session

pytest.importorskip("argon2", reason="the extra `hub` is not installed")


def test_a_new_hub_says_what_to_do_first(as_, engine):
    page = as_("admin").get("/").text
    assert "First steps" in page
    for href in ("/screens/pair", "/library", "/playlists", "/calendar"):
        assert f'href="{href}"' in page
    assert "is-done" not in page
    with writing(engine) as connection:
        registry.create_screen(connection, PLACE, datetime.now(UTC))
        ad = add_creative(connection, "summer")
        playlist = add_playlist(connection, [{"creative": ad}])
    assert as_("admin").get("/").text.count("is-done") == 3
    with writing(engine) as connection:
        add_booking(connection, BookingPlan(playlist), "eva", datetime.now(UTC))
    assert "First steps" not in as_("admin").get("/").text


def test_it_says_what_ran_what_worked_and_what_needs_somebody(as_, engine, tmp_path):
    now = datetime.now(UTC)
    for days, viewers in ((0, 6), (1, 6), (2, 6)):
        start = now - timedelta(days=days, minutes=1)
        write_session(str(tmp_path / "hub.db"), "Foyer", start, viewers=viewers)
    fill_wall(engine, 20, now)
    with writing(engine) as connection:
        add_creative(connection, "spring", approval="pending")
    page = as_("approver").get("/").text
    assert "The summer ad" in page
    assert "1 ad waits for approval" in page
    assert "Attention" in page
    # Two of the twenty screens have an open alert.
    assert "camera" in page.lower()
    assert "waits for approval" not in as_("viewer").get("/").text


def test_pages_of_serve_are_in_a_menu_of_their_own(as_):
    page = as_("viewer").get("/").text
    menu = page[page.index("<nav") : page.index("</nav>")]
    main, _, more = menu.partition('<details class="more"')
    assert ">Screens<" in main
    assert ">Sessions<" not in main
    assert ">Sessions<" in more
    assert ">Admin<" not in menu


def test_an_agency_is_led_to_its_own_figures(as_):
    answer = as_("agency").get("/")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/my-ads"


def test_experiments_are_listed_with_what_they_say(as_, engine):
    now = datetime.now(UTC)
    plan = ExperimentInfo(
        name="summer & sun",
        hypothesis="Summer sells.",
        treatment=("summer",),
        control=("winter",),
        sites=("Foyer",),
        measure="attention",
        outcome=None,
        relevant=0.05,
        stopping="always_valid",
        block_s=3600,
        wash_out_s=300,
        opening=Opening("08:00-20:00", DAYS, "UTC"),
        starts_at=now - timedelta(days=3),
        ends_at=now + timedelta(days=11),
        power={},
        seed=7,
        registered_at=now - timedelta(days=3),
        program_version="0.1.0",
        uid="ab" * 16,
    )
    with writing(engine) as connection:
        store_experiment(connection, plan, draw_blocks(plan))
    viewer = as_("viewer")
    page = viewer.get("/experiments").text
    assert "summer &amp; sun" in page
    assert "Not decided yet" in page
    page = viewer.get("/experiments/summer & sun").text
    assert "Summer sells." in page
    assert "treatment" in page
    assert viewer.get("/experiments/none").status_code == 404
    assert "There are none yet" not in page
