"""Pages of sessions, and the ads there are to choose from."""

from __future__ import annotations

from datetime import timedelta

from db.read.ads import ad_totals, known_ads, session_ids_with
from db.read.rollups import store_roll_ups
from db.read.sessions import find_sessions


def test_pages_of_sessions_the_latest_first(engine, make):
    for site in ("Foyer", "Hall_1", "HallX1", "foyer 2"):
        make.write(engine, site=site)
    everything = find_sessions(engine)
    assert [session.id for session in everything.sessions] == [4, 3, 2, 1]
    assert everything.total == 4
    assert (everything.sessions[0].plays, everything.sessions[0].viewers) == (3, 2)
    second = find_sessions(engine, limit=3, offset=3)
    assert ([session.id for session in second.sessions], second.total) == ([1], 4)
    assert [session.id for session in find_sessions(engine, "FOYER").sessions] == [4, 1]
    # What SQL takes for a wildcard is a letter like any other.
    assert [session.site for session in find_sessions(engine, "hall_").sessions] == ["Hall_1"]
    assert find_sessions(engine, "nowhere").sessions == ()


def test_ads_the_one_shown_last_first(engine, make):
    assert known_ads(engine) == []
    make.write(engine)
    make.write(engine, [make.ad("winter"), make.play(1, 100, "winter"), make.ad("never shown")])
    winter, summer = known_ads(engine)
    assert (winter.ad_id, winter.name, winter.plays, winter.sessions) == ("winter", "Winter", 2, 2)
    assert (summer.ad_id, summer.plays, summer.sessions) == ("summer", 2, 1)
    assert winter.last_shown_at == make.start + timedelta(seconds=100)
    assert session_ids_with(engine, ["winter"]) == [1, 2]
    assert session_ids_with(engine, ["summer", "never shown"]) == [1]
    assert session_ids_with(engine, []) == []


def test_totals_and_sessions_of_ads_leave_out_replays_and_the_demo_viewer_unless_asked(
    engine, make
):
    make.write(engine)
    make.write(engine, kind="replay")
    make.write(engine, source="demo")
    store_roll_ups(engine)

    def viewers(**which):
        return sum(ad.viewers for ad in ad_totals(engine, 0.5, **which))

    live = viewers()
    assert live > 0
    assert viewers(replays=True) == viewers(demos=True) == 2 * live
    assert viewers(replays=True, demos=True) == 3 * live
    ad = ad_totals(engine, 0.5)[0].ad_id
    assert session_ids_with(engine, [ad]) == [1]
    assert session_ids_with(engine, [ad], replays=True) == [1, 2]
    assert session_ids_with(engine, [ad], demos=True) == [1, 3]
