"""What is written into the lake, when, and what a reader sees meanwhile."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from sqlalchemy import delete, insert, update

from db.engine import writing
from db.hub import lake as source
from db.hub.tables.intake import Cell
from db.hub.tables.screens import Screen
from db.schema import SUM_COLUMNS, Session
from monitor.hub.lake import writing as module
from monitor.hub.lake.store import part_of
from monitor.hub.lake.writing import MIN_VIEWERS, write_changed, write_days, write_due
from tests.helpers.making import moved_by
from tests.unit.monitor.hub.lake.conftest import add_screen, origin_of

ROOT = Path(__file__).parents[5]
DAY = date(2026, 3, 1)
NIGHT = datetime(2026, 3, 2, 3, tzinfo=UTC)


def rows(lake, table="cells"):
    found = ds.dataset(f"{lake.root}/{table}", partitioning="hive").to_table()
    return found.to_pylist()


def wholes(lake):
    return {(r["site"], r["ad_id"]): r for r in rows(lake) if r["second"] == -1}


def test_cells_and_plays_carry_their_screen_and_ad(hub, lake, make):
    write_days(hub, lake, [DAY], min_viewers=1)
    found = wholes(lake)
    assert found.keys() == {
        (site, ad) for site in ("Door site", "Stairs site", "Foyer") for ad in ("summer", "winter")
    }
    row = found["Door site", "summer"]
    assert row["hour"] == datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert (row["viewers"], row["exposures"], row["watchers"]) == (2, 4, 2)
    assert (row["screen_name"], row["group_name"], row["tags"]) == ("Door", "North", ["a", "Door"])
    assert (row["venue_type"], row["time_zone"]) == ("retail.malls", "Europe/Berlin")
    assert (row["ad_name"], row["sha256"], row["duration_ms"]) == ("Summer", make.sha, 8000)
    assert (row["day"], len(row["screen"]), len(row["kiosk"])) == ("2026-03-01", 32, 32)
    # A kiosk without a screen has the site of its sessions.
    assert found["Foyer", "summer"]["screen"] == ""
    plays = rows(lake, "plays")
    assert len(plays) == 9
    assert {play["outcome"] for play in plays} == {"finished", "failed"}
    assert {play["site"] for play in plays} == {"Door site", "Stairs site", "Foyer"}


def test_the_query_of_the_page_runs(hub, lake):
    duckdb = pytest.importorskip("duckdb", reason="the extra `hub` is not installed")
    write_days(hub, lake, [DAY], min_viewers=1)
    page = (ROOT / "docs" / "how-to" / "hub" / "lake.md").read_text(encoding="utf-8")
    [query] = re.findall(r"^```sql\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    query = query.replace("/srv/lake", str(lake.root)).replace("summer-01", "summer")
    query = re.sub(r"'2026-11-\d\d'", f"'{DAY}'", query)
    found = dict(duckdb.sql(query).fetchall())
    assert found.keys() == {"Door site", "Stairs site", "Foyer"}
    assert all(seconds > 0 for seconds in found.values())


def test_files_are_sorted_and_say_how_many_viewers_a_cell_has(hub, lake):
    write_days(hub, lake, [DAY], min_viewers=2)
    [path] = lake.parts("cells", DAY)
    table = pq.read_table(path)
    order = ["ad_id", "sha256", "site", "screen", "kiosk", "hour", "second"]
    assert table.sort_by([(name, "ascending") for name in order]).equals(table)
    assert pq.read_schema(path).metadata[MIN_VIEWERS.encode()] == b"2"
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"


def test_few_viewers_stay_out(hub, lake):
    write_days(hub, lake, [DAY], min_viewers=3)
    assert lake.parts("cells", DAY) == {}
    assert len(rows(lake, "plays")) == 9


def test_writing_again_replaces(hub, lake):
    write_days(hub, lake, [DAY], min_viewers=1)
    before = rows(lake)
    with writing(hub) as connection:
        connection.execute(update(Screen).values(name="renamed"))
        connection.execute(delete(Session).where(Session.id == 1))
    write_days(hub, lake, [DAY], min_viewers=1)
    after = rows(lake)
    assert len(after) == len(before) * 2 // 3
    assert {row["screen_name"] for row in after} == {"renamed", ""}
    assert len(lake.parts("cells", DAY)) == 1
    # What the database no longer holds at all stays.
    with writing(hub) as connection:
        connection.execute(delete(Session))
    write_days(hub, lake, [DAY], min_viewers=1)
    assert rows(lake) == after


def test_every_kiosk_stays_in_its_part_while_a_day_is_written_again(hub, lake, make, monkeypatch):
    monkeypatch.setattr(module, "SCREENS_PER_FILE", 1)
    write_days(hub, lake, [DAY], min_viewers=1)
    assert {of for _, of in lake.parts("cells", DAY).values()} == {3}
    for number in range(10, 16):
        add_screen(hub, make, number, f"New {number}")
    seen = []
    real = lake.files

    class Watched:
        """What a reader finds after each file."""

        def __getattr__(self, name):
            return getattr(real, name)

        def move(self, *paths):
            real.move(*paths)
            seen.append(sorted((r["kiosk"], r["ad_id"]) for r in rows(lake) if r["second"] == -1))

    monkeypatch.setattr(lake._place, "files", Watched())
    monkeypatch.setattr(module.pq, "ParquetWriter", _writer_of(real))
    write_days(hub, lake, [DAY], min_viewers=1)
    assert len(seen) >= 4
    assert all(len(set(found)) == len(found) >= 6 for found in seen)
    assert len(seen[-1]) == 18
    for path, (part, of) in lake.parts("cells", DAY).items():
        assert of == 3
        assert {part_of(k, of) for k in pq.read_table(path)["kiosk"].to_pylist()} == {part}


def _writer_of(files):
    writer = module.pq.ParquetWriter
    return lambda path, schema, **options: writer(path, schema, **(options | {"filesystem": files}))


def test_large_files_are_written_in_sorted_pieces(hub, lake, monkeypatch):
    monkeypatch.setattr(module, "MAX_ROWS", 13)
    monkeypatch.setattr(module, "MIN_GROUP_ROWS", 1)
    write_days(hub, lake, [DAY], min_viewers=1)
    [path] = lake.parts("cells", DAY)
    file = pq.ParquetFile(path)
    # Two kiosks with 12 rows each, then one, and two ads in each piece.
    assert [file.metadata.row_group(k).num_rows for k in range(4)] == [12, 12, 6, 6]
    assert len(rows(lake)) == 36


def test_cells_of_a_kiosk_take_the_place_of_its_sums(hub, lake):
    origin = origin_of(hub, "Door")
    cell = {
        **dict.fromkeys(SUM_COLUMNS, 1.5),
        "origin_id": origin,
        "ad_version_id": 1,
        "hour": datetime(2026, 3, 1, 9, tzinfo=UTC),
        "readings": 70,
        "emotion_readings": 60,
    }
    whole = {"second": -1, "viewers": 7, "exposures": 9, "watchers": 5, "watchers_2s": 4}
    times = {"dwell_s": 20.5, "attention_s": 10.5, "attentive": None}
    second = {"second": 3, "viewers": 4, "attentive": 30}
    with writing(hub) as connection:
        connection.execute(insert(Cell).values(**cell, **whole, **times))
        connection.execute(insert(Cell).values(**cell, **second))
    write_days(hub, lake, [DAY], min_viewers=1)
    mine = [row for row in rows(lake) if (row["site"], row["ad_id"]) == ("Door site", "summer")]
    assert [(row["second"], row["viewers"]) for row in mine] == [(-1, 7), (3, 4)]
    assert (mine[0]["attention_s"], mine[0]["watchers"], mine[0]["sum_valence"]) == (10.5, 5, 1.5)
    # The other ad of that hour was not sent as cells.
    assert wholes(lake)["Door site", "winter"]["viewers"] == 2
    write_days(hub, lake, [DAY], min_viewers=5)
    assert [(row["site"], row["second"]) for row in rows(lake)] == [("Door site", -1)]


def test_the_night_writes_the_days_that_changed(hub, lake, make):
    evening = NIGHT.replace(hour=1)
    assert write_due(hub, lake, evening, min_viewers=1) == []
    assert write_due(hub, lake, NIGHT, min_viewers=1) == [DAY]
    assert write_due(hub, lake, NIGHT + timedelta(hours=20), min_viewers=1) == []
    night = NIGHT + timedelta(days=1)
    assert write_due(hub, lake, night, min_viewers=1) == []
    late = make.start - timedelta(days=5)
    make.write_rolled(hub, [make.ad(), *_play_at(make, -5)], started_at=late)
    night += timedelta(days=1)
    assert date(2026, 2, 24) in write_due(hub, lake, night, min_viewers=1)
    night += timedelta(days=1)
    assert date(2026, 2, 24) in write_due(hub, lake, night, min_viewers=1)
    night += timedelta(days=1)
    assert date(2026, 2, 24) not in write_due(hub, lake, night, min_viewers=1)


def _play_at(make, days):
    step = timedelta(days=days)
    return [moved_by(record, step) for record in (make.play(), make.reading(), make.play_end())]


def test_today_is_written_when_it_is_over(hub, lake):
    today = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert write_changed(hub, lake, today, min_viewers=1) == []
    assert write_changed(hub, lake, NIGHT, min_viewers=1) == [DAY]
    assert len(rows(lake)) == 36


@pytest.mark.parametrize("what", ["min_viewers", "database", "everything"])
def test_all_days_are_written_for_another_k_or_database(hub, lake, what, monkeypatch):
    later = NIGHT + timedelta(days=9)
    write_changed(hub, lake, NIGHT, min_viewers=1)
    write_changed(hub, lake, later, min_viewers=1)
    assert DAY not in write_changed(hub, lake, later, min_viewers=1)
    if what == "database":
        monkeypatch.setattr(source, "own_epoch", lambda _connection: "f" * 32)
    k = 2 if what == "min_viewers" else 1
    written = write_changed(hub, lake, later, min_viewers=k, everything=what == "everything")
    assert DAY in written


def test_a_failed_writing_leaves_the_old_file(hub, lake, monkeypatch):
    write_days(hub, lake, [DAY], min_viewers=1)
    before = rows(lake)

    def fail(*_arguments):
        raise RuntimeError("killed")
        yield

    monkeypatch.setattr(module, "_groups_by_ad", fail)
    with pytest.raises(RuntimeError):
        write_days(hub, lake, [DAY], min_viewers=1)
    assert rows(lake) == before
    assert lake._place.listed(f"{lake.root}/_writing") == []


def test_progress_counts_screens(hub, lake):
    told = []
    write_days(hub, lake, [DAY], min_viewers=1, progress=lambda *step: told.append(step))
    assert told == [(1, 3), (2, 3), (3, 3)]
