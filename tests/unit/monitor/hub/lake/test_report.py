"""Reports from a lake: the same figures as those of the kiosks' own databases added together."""

from __future__ import annotations

import math
import sys
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow.parquet as pq
import pytest
from sqlalchemy import insert

from db.engine import open_database, writing
from db.hub.tables.screens import Screen
from db.migrations import HEAD
from db.read.rollups import read_log, store_roll_ups
from db.read.scope import Scope
from db.schema import EMOTION_COLUMNS, SUM_COLUMNS, Uplink
from db.transfer import queue
from db.transfer.envelope import Envelope, digest, pack, unpack
from db.transfer.intake import take_in
from db.transfer.origins import own_row
from db.transfer.records import make_records
from db.write.records import ModelRecord
from detector.emotion.labels import EMOTIONS
from detector.emotion.model_card import read_card
from detector.emotion.model_store import shipped_default
from detector.emotion.prevalence import GROUPS, shares
from monitor.hub.lake.errors import LakeError
from monitor.hub.lake.report import LakeScope, lake_report
from monitor.hub.lake.store import Lake
from monitor.hub.lake.writing import write_days
from monitor.reports.document import make_report
from monitor.reports.tables import lake_csv
from monitor.reports.terminal import print_lake_report
from tests.helpers.making import Make
from tests.unit.monitor.hub.lake.conftest import SCREEN

DAY = date(2026, 3, 1)
ADDED = ("plays", "exposures", "opportunities", "watchers", "watchers_2s", "dwell_s", "attention_s")


def near(value):
    return pytest.approx(value, rel=1e-9, abs=1e-9)


def record_crowd(engine, seed):
    """A quarter of an hour of two ads in front of a few people who come, look and react."""
    make, rng = Make(), np.random.default_rng(seed)
    card = read_card(shipped_default())
    records = [make.ad("summer"), make.ad("winter", duration_ms=6000)]
    for play in range(1, 9):
        start, ad = play * 10.0, ("summer", "winter")[play % 2]
        length = 8 if ad == "summer" else 6
        records.append(make.play(play, start, ad))
        people = {
            int(viewer): rng.uniform(0, length, 2)
            for viewer in rng.choice(9, rng.integers(1, 5), replace=False)
        }
        for step in range(length * 5):
            for viewer, ends in people.items():
                if not min(ends) <= step / 5 <= max(ends):
                    continue
                p = rng.dirichlet(np.ones(7))
                known = {
                    "probabilities": tuple(p.tolist()),
                    "valence": float(rng.uniform(-1, 1)),
                    "expressiveness": float(1 - p[-1]),
                    "attentive": bool(rng.uniform() < 0.6),
                }
                reading = make.reading if rng.uniform() < 0.8 else make.unread
                values = known if reading == make.reading else {}
                records.append(
                    reading(start + step / 5, viewer, play, position_ms=step * 200.0, **values)
                )
        records.append(make.play_end(play, start + length))
    model = ModelRecord(card.name, card.sha256, card.model_dump(mode="json"))
    make.write_rolled(engine, records, model=model, settings={"readings_per_second": 5})


def send(kiosk, hub, screen_id):
    """Bring all that a kiosk has queued to the hub."""
    with writing(kiosk) as connection:
        own = own_row(connection)
        waiting = queue.waiting(connection, 0, 10_000)
        records = make_records(connection, waiting)
    envelope = Envelope(
        kiosk=own.kiosk,
        epoch=own.epoch,
        base=own.base,
        first=1,
        last=waiting[-1][0],
        revision=HEAD,
        records=tuple(records),
    )
    packed = pack(envelope)
    with writing(hub) as connection:
        take_in(connection, unpack(packed, digest(packed)), screen_id, datetime.now(UTC))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Six kiosks that have joined a hub, and the hub's lake."""
    folder = tmp_path_factory.mktemp("world")
    hub = open_database(str(folder / "hub.db"))
    kiosks = []
    for number in range(6):
        kiosk = open_database(str(folder / f"{number}.db"))
        with writing(kiosk) as connection:
            uplink = {"id": 1, "hub": "https://hub", "screen": "a", "upload": "sums"}
            joined = {"min_viewers": 1, "joined_at": datetime.now(UTC)}
            connection.execute(insert(Uplink).values(**uplink, **joined))
        record_crowd(kiosk, number)
        store_roll_ups(kiosk)
        values = {"uid": f"{number:032x}", "name": f"S{number}", "tags": ["odd"] * (number % 2)}
        values["site"] = "Mall" if number < 5 else "Station"
        with writing(hub) as connection:
            made = connection.execute(insert(Screen).values(**SCREEN, **values))
        send(kiosk, hub, made.inserted_primary_key[0])
        kiosks.append(kiosk)
    lake = Lake(str(folder / "lake"))
    write_days(hub, lake, [DAY], min_viewers=1)
    yield kiosks, hub, lake
    for engine in (*kiosks, hub):
        engine.dispose()


def own_reports(kiosks, ad):
    """The ad's entries in the kiosks' own reports."""
    found = []
    for kiosk in kiosks:
        document, _ = make_report(kiosk, Scope())
        found += [entry for entry in document["ads"] if entry["ad_id"] == ad]
    return found


@pytest.mark.parametrize("ad", ["summer", "winter"])
def test_lake_hub_and_kiosks_agree(world, ad):
    kiosks, hub, lake = world
    [entry] = lake_report(lake, [ad], LakeScope())["ads"]
    entries = own_reports(kiosks, ad)
    assert len(entries) == 6
    of_hub, _ = make_report(hub, Scope())
    [at_hub] = [one for one in of_hub["ads"] if one["ad_id"] == ad]
    for key in ADDED:
        total = math.fsum(one[key] for one in entries)
        # All is within an hour, so viewers of an hour are viewers.
        assert entry["viewers" if key == "opportunities" else key] == near(total), key
        assert at_hub[key] == near(total), key
    assert entry["attention_per_exposure_s"] == near(at_hub["attentive_s_per_1000"] / 1000)
    assert entry["readings"] == sum(one["readings"] for one in entries)
    assert entry["duration_s"] == at_hub["duration_s"]
    assert entry["screens"] == 6


@pytest.mark.parametrize("ad", ["summer", "winter"])
def test_seconds_agree(world, ad):
    kiosks, _, lake = world
    [entry] = lake_report(lake, [ad], LakeScope())["ads"]
    sums, readings, attentive, viewers = {}, {}, {}, {}
    for kiosk in kiosks:
        log = read_log(kiosk, Scope())
        [row] = [info.ad_row_id for info in log.ads if info.ad_id == ad]
        plays = [play.id for play in log.plays if play.ad_row_id == row]
        mine = np.isin(log.seconds.play_id, plays)
        for second in np.unique(log.seconds.second[mine]).tolist():
            here = mine & (log.seconds.second == second)
            read = [log.seconds.readings[here].sum(), log.seconds.emotion_readings[here].sum()]
            sums[second] = sums.get(second, 0) + log.seconds.sums[here].sum(axis=0)
            readings[second] = readings.get(second, 0) + np.array(read)
            attentive[second] = attentive.get(second, 0) + log.seconds.attentive[here].sum()
            count = np.unique(log.seconds.viewer_id[here]).size
            viewers[second] = viewers.get(second, 0) + count
    assert [row["second"] for row in entry["timeline"]] == sorted(sums)
    for row in entry["timeline"]:
        second = row["second"]
        count, read = readings[second]
        means = dict(zip(SUM_COLUMNS, sums[second] / read, strict=True))
        assert row["viewers"] == viewers[second]
        assert row["attention"] == near(attentive[second] / count)
        assert row["valence"] == near(means["sum_valence"])
        emotions = row["emotions"]
        for emotion in EMOTIONS:
            assert emotions["probabilities"][emotion] == near(means[f"sum_{emotion}"])
        assert sum(emotions["probabilities"].values()) == near(1)
        scores = [means[f"sum_{group}_score"] for group in GROUPS[:3]]
        expected = shares([*scores, 1 - sum(scores)])
        assert list(emotions["shares"].values()) == near(expected.tolist())


def test_sites_add_up_and_only_enough_screens_have_an_interval(world):
    _, _, lake = world
    [entry] = lake_report(lake, ["summer"], LakeScope())["ads"]
    mall, station = entry["sites"]
    assert (mall["site"], mall["screens"], station["screens"]) == ("Mall", 5, 1)
    for key in ("plays", "finished", "exposures", "watchers", "attention_s"):
        assert mall[key] + station[key] == near(entry[key])
    for part in (entry, mall):
        low, high = (part[f"attention_per_exposure_{end}_s"] for end in ("low", "high"))
        assert 0 <= low < part["attention_per_exposure_s"] < high
    assert station["attention_per_exposure_low_s"] is None
    assert station["attention_per_exposure_high_s"] is None


@pytest.mark.parametrize(
    ("scope", "screens"),
    [
        ({"sites": ("Station",)}, 1),
        ({"sites": ("Station", "Mall")}, 6),
        ({"tags": ("odd",)}, 3),
        ({"groups": ("North",), "tags": ("odd", "new"), "sites": ("Mall",)}, 2),
        ({"since": DAY, "until": DAY}, 6),
    ],
)
def test_scopes_choose_screens_and_days(world, scope, screens):
    kiosks, _, lake = world
    document = lake_report(lake, ["summer"], LakeScope(**scope))
    [entry] = document["ads"]
    assert entry["screens"] == screens
    assert (document["report"]["since"], document["report"]["days"]) == ("2026-03-01", 1)
    words = [told["figures"] for told in document["withheld"] if told["ad_id"] == "summer"]
    assert bool(words) == (screens < 5)
    assert entry["plays"] == sum(one["plays"] for one in own_reports(kiosks[:screens], "summer"))


def test_what_is_not_there_is_said(world, tmp_path):
    _, _, lake = world
    with pytest.raises(LakeError, match=r"no plays of autumn from 2026-03-01.* has summer, winter"):
        lake_report(lake, ["summer", "autumn"], LakeScope())
    with pytest.raises(LakeError, match="no plays of summer"):
        lake_report(lake, ["summer"], LakeScope(sites=("Nowhere",)))
    later = LakeScope(since=DAY + timedelta(days=1))
    with pytest.raises(LakeError, match="no day in this span; it has 2026-03-01 to 2026-03-01"):
        lake_report(lake, ["summer"], later)
    with pytest.raises(LakeError, match="is empty: write it with"):
        lake_report(Lake(str(tmp_path / "none")), ["summer"], LakeScope())


def test_duckdb_is_an_extra(world, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(LakeError, match="needs DuckDB, which is not installed; install it with"):
        lake_report(world[2], ["summer"], LakeScope())


def test_ads_without_cells_have_plays(world, tmp_path):
    _, hub, _ = world
    lake = Lake(str(tmp_path / "strict"))
    write_days(hub, lake, [DAY], min_viewers=99)
    document = lake_report(lake, ["summer"], LakeScope())
    [entry] = document["ads"]
    assert (entry["plays"], entry["exposures"], entry["timeline"]) == (24, 0, [])
    assert entry["attention_per_exposure_s"] is entry["valence"] is None


def test_few_viewers_and_unknown_watchers_are_said(hub, lake):
    with writing(hub) as connection:
        connection.exec_driver_sql("UPDATE sessions SET settings = '{\"readings_per_second\": 4}'")
    write_days(hub, lake, [DAY], min_viewers=2)
    document = lake_report(lake, ["summer"], LakeScope())
    assert document["report"]["min_viewers"] == 2
    assert document["ads"][0]["watchers"] is None
    text = " ".join(entry["why"] for entry in document["withheld"])
    assert "fewer than 2 viewers" in text
    assert "too seldom to tell watchers" in text


def test_csv_and_terminal_show_the_whole_sites_and_seconds(world, capsys):
    _, _, lake = world
    document = lake_report(lake, ["summer"], LakeScope())
    head, *lines = lake_csv(document).lstrip("\ufeff").splitlines()
    columns = head.split(",")
    assert columns[:4] == ["ad_id", "sha256", "site", "second"]
    assert "probabilities_happy" in columns
    places = [tuple(line.split(",")[2:4]) for line in lines]
    assert places[:3] == [("", ""), ("Mall", ""), ("Station", "")]
    assert [second for _, second in places[3:]] == [str(k) for k in range(8)]
    assert {len(line.split(",")) for line in lines} == {len(columns)}
    print_lake_report(document)
    shown = capsys.readouterr().out
    assert "2026-03-01 (UTC); 6 screens." in shown
    assert "Mall" in shown
    assert "Not told: viewers over days" in shown


def test_columns_have_the_names_of_the_database(world):
    _, _, lake = world
    [path] = lake.parts("cells", DAY)
    names = pq.read_schema(path).names
    assert set(SUM_COLUMNS) < set(names)
    assert not set(EMOTION_COLUMNS) & set(names)
