"""Pages of sessions, and the ads there are to choose from."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from db.engine import writing
from db.read.ads import ad_totals, known_ads, session_ids_with
from db.read.rollups import read_log, store_roll_ups
from db.read.scope import Scope
from db.read.sessions import find_sessions
from db.schema import SCORE_COLUMNS, Exposure
from db.write.records import ModelRecord
from detector.emotion.model_card import read_card
from detector.emotion.model_store import shipped_default


def test_pages_of_sessions_the_latest_first(engine, make):
    for site in ("Foyer", "Hall_1", "HallX1", "foyer 2"):
        make.write(engine, site=site)
    everything = find_sessions(engine)
    assert [session.id for session in everything.sessions] == [4, 3, 2, 1]
    assert everything.total == 4
    assert (everything.sessions[0].plays, everything.sessions[0].viewers) == (3, 2)
    second = find_sessions(engine, limit=3, offset=3)
    assert ([session.id for session in second.sessions], second.total) == ([1], 4)
    assert [session.id for session in find_sessions(engine, ["FOYER"]).sessions] == [4, 1]
    # What SQL takes for a wildcard is a letter like any other.
    assert [session.site for session in find_sessions(engine, ["hall_"]).sessions] == ["Hall_1"]
    assert find_sessions(engine, ["nowhere"]).sessions == ()


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
    ad = ad_totals(engine, 0.5)[0]
    assert ad.told_viewers == ad.viewers
    make.write(engine, settings={"readings_per_second": 4.0})
    store_roll_ups(engine)
    slow = ad_totals(engine, 0.5, min_rate=5.0)[0]
    assert (slow.viewers, slow.told_viewers) == (2 * ad.viewers, ad.viewers)
    assert slow.watchers == ad.watchers
    ad = ad.ad_id
    assert session_ids_with(engine, [ad]) == [1, 4]
    assert session_ids_with(engine, [ad], Scope(replays=True)) == [1, 2, 4]
    assert session_ids_with(engine, [ad], Scope(demos=True)) == [1, 3, 4]


@pytest.mark.parametrize("stored", [True, False])
def test_totals_of_corrected_valence_are_those_of_the_roll_ups(engine, make, stored):
    card = read_card(shipped_default())
    shipped = ModelRecord(card.name, card.sha256, card.model_dump(mode="json"))
    make.write_rolled(engine, model=shipped)
    make.write_rolled(engine, site="Elsewhere", model=ModelRecord("own", "ef" * 32, {}))
    if not stored:
        with writing(engine) as connection:
            connection.execute(update(Exposure).values(dict.fromkeys(SCORE_COLUMNS)))
    entries = read_log(engine, Scope(session_ids=(1,))).exposures
    means = entries.sums / entries.emotion_readings[:, None]
    expected = means[0, 9] - means[0, 11]  # all readings are the same
    for totals in ad_totals(engine, 0.5):
        known = totals.site == "Foyer"
        assert totals.emotion_viewers == 2
        assert totals.scored_viewers == (2 if known else 0)
        assert totals.valence_corrected == pytest.approx(2 * expected if known else 0, abs=1e-5)


def test_a_session_whose_settings_name_a_file_that_is_no_unicode(engine, make):
    settings = {"playlist": "caf\udce9.yaml", "readings_per_second": 1.0}
    make.write_rolled(engine, settings=settings)
    (totals,) = {ad.site: ad for ad in ad_totals(engine, 0.5, min_rate=5.0)}.values()
    assert (totals.watchers, totals.told_viewers) == (0, 0)
