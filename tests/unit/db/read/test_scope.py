"""Which sessions a scope takes: by the screen of their origin, else by their own site."""

from __future__ import annotations

import pytest
from sqlalchemy import event, select

from db.errors import ReadingsElsewhereError
from db.read.ads import ad_totals, known_ads
from db.read.experiments import known_ads_and_sites
from db.read.live import live_state, open_session_ids
from db.read.plays import shown_plays
from db.read.rollups import read_log, store_roll_ups
from db.read.scope import Scope, all_screens
from db.read.sessions import find_sessions, list_sessions, site_zones
from db.schema import Session
from db.write.session_writer import SessionWriter
from tests.helpers.hub_rows import add_screen, fill_screen


@pytest.fixture
def hub(engine, make):
    """Sessions 1 and 2 at screens of a hub, 3 at one without a site, 4 without a screen."""
    for site in ("Foyer", "Foyer", "Attic", "Hall"):
        make.write(engine, site=site, settings={"timezone": "Europe/Berlin"})
    store_roll_ups(engine)
    for session, name, where in (
        (1, "Till", {"site": "Berlin", "group_name": "North", "tags": ["food", "it's"]}),
        (2, "Door", {"site": "Bonn", "group_name": "West", "tags": ["food", '50 % \\ "ö"']}),
        (3, "Stairs", {"site": "", "group_name": "North", "tags": []}),
    ):
        fill_screen(engine, session, add_screen(engine, name, **where))
    return engine


def test_places(hub):
    of_places = [
        ({}, [1, 2, 3, 4]),
        ({"sites": ("Berlin",)}, [1]),
        ({"sites": ("Berlin", "Hall")}, [1, 4]),
        ({"sites": ("Foyer",)}, []),
        ({"sites": ("Attic",)}, [3]),
        ({"groups": ("North",)}, [1, 3]),
        ({"groups": ("North", "West")}, [1, 2, 3]),
        ({"groups": ("",)}, []),
        ({"tags": ("food",)}, [1, 2]),
        ({"tags": ("foo",)}, []),
        ({"tags": ("it's",)}, [1]),
        ({"tags": ('50 % \\ "ö"',)}, [2]),
        ({"tags": ("it's", '50 % \\ "ö"')}, [1, 2]),
        ({"groups": ("North",), "tags": ("food",)}, [1]),
        ({"sites": ("Bonn",), "groups": ("North",)}, []),
    ]
    for places, expected in of_places:
        scope = Scope(**places)
        log = read_log(hub, scope)
        assert [info.id for info in log.sessions] == expected, places
        assert sorted({play.session for play in shown_plays(hub, scope)}) == expected, places
        alone = read_log(hub, Scope(session_ids=tuple(expected)))
        assert len(log.exposures) == len(alone.exposures), places


def test_everything_calls_a_site_by_the_screen_s(hub):
    sites = ["Berlin", "Bonn", "Attic", "Hall"]
    assert [info.site for info in list_sessions(hub)[::-1]] == sites
    assert [play.site for play in shown_plays(hub)[::3]] == sites
    assert {ad.site for ad in ad_totals(hub, 0.5)} == set(sites)
    assert known_ads_and_sites(hub)[1] == set(sites)
    assert known_ads_and_sites(hub, Scope(tags=("food",)))[1] == {"Berlin", "Bonn"}
    assert site_zones(hub) == dict.fromkeys(sites, "Europe/Berlin")
    assert site_zones(hub, Scope(groups=("North",))).keys() == {"Berlin", "Attic"}
    assert live_state(hub, 4).site == "Hall"
    with hub.connect() as connection:
        assert connection.scalar(select(Session.site).where(Session.id == 1)) == "Foyer"


def test_the_live_view_needs_the_readings(hub, make):
    with pytest.raises(ReadingsElsewhereError, match="by a kiosk at Berlin"):
        live_state(hub, 1)
    with SessionWriter(hub, make.session()) as writer:
        assert open_session_ids(hub) == ([writer.session_id], 0)
        fill_screen(hub, writer.session_id, add_screen(hub, "Window"))
        assert open_session_ids(hub) == ([], 1)
        writer.close()


def test_the_screens_of_a_log_are_those_of_its_sessions(hub):
    log = read_log(hub, Scope(groups=("North",)))
    assert [screen.place.name for screen in log.screens] == ["Stairs", "Till"]
    assert [info.screen_id for info in log.sessions] == [
        screen.id for screen in reversed(log.screens)
    ]
    assert read_log(hub, Scope(sites=("Hall",))).screens == ()


def test_sessions_and_ads_of_a_page(hub):
    def found(*sites, **places):
        return [info.id for info in find_sessions(hub, sites, **places).sessions]

    assert found("b") == [2, 1]
    assert found("BER", "hal") == [4, 1]
    assert found("foyer") == []
    assert found(groups=["North"]) == [3, 1]
    assert found("att", tags=["food"]) == []
    assert find_sessions(hub, tags=["food"], limit=1).total == 2
    assert [screen.place.name for screen in all_screens(hub)] == ["Stairs", "Till", "Door"]
    everywhere, here = known_ads(hub), known_ads(hub, Scope(sites=("Bonn",)))
    assert [ad.plays for ad in everywhere] == [4 * ad.plays for ad in here]


def test_what_is_said_of_a_scope_is_what_was_asked():
    assert Scope().document() == {"site": None}
    assert Scope(sites=("A",)).document() == {"site": "A"}
    assert Scope(sites=("A", "B"), tags=("t",)).document() == {
        "site": None,
        "sites": ["A", "B"],
        "tags": ["t"],
    }


@pytest.mark.sqlite
def test_a_report_reads_only_the_plays_of_its_sessions(engine, make, path):
    """A hub has months of plays, and no index of them by time."""
    for day in range(30):
        make.write(engine, started_at=make.at(86400 * day))
    store_roll_ups(engine)
    plans: list[str] = []

    @event.listens_for(engine, "after_cursor_execute")
    def explain(connection, cursor, statement, parameters, *_):
        if statement.startswith("SELECT exposure"):
            raw = connection.connection.driver_connection
            rows = raw.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            plans.append("\n".join(row[3] for row in rows))

    read_log(engine, Scope(since=make.at(86400 * 29)))
    assert len(plans) == 2
    for plan in plans:
        assert "plays USING INDEX sqlite_autoindex_plays_1 (session_id=?)" in plan
        assert "ix_plays_rolled_up" not in plan
