"""Where a lake lies: in a folder or a bucket, and what happens if it cannot be used."""

from __future__ import annotations

import os
import time
from datetime import date
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.hub.lake.errors import LakeError
from monitor.hub.lake.report import LakeScope, lake_report
from monitor.hub.lake.store import Lake, part_of
from monitor.hub.lake.writing import write_changed, write_days
from tests.unit.monitor.hub.lake.test_writing import DAY, NIGHT


@pytest.mark.slow
def test_a_bucket_holds_what_a_folder_holds(hub, lake, bucket):
    remote = Lake(bucket)
    for one in (lake, remote):
        assert one.days("cells") == []
        assert one.read_state() == {}
        for _ in range(2):
            assert write_changed(hub, one, NIGHT, min_viewers=1, everything=True) == [DAY]
    for table in ("cells", "plays"):
        assert remote.days(table) == lake.days(table) == [DAY]
        here, there = (
            ds.dataset(list(one.parts(table, DAY)), filesystem=one.files).to_table()
            for one in (lake, remote)
        )
        assert here.equals(there)
    assert remote.read_state()["min_viewers"] == 1
    scope = LakeScope(sites=("Door site", "Foyer"), tags=("a",))
    here, there = (lake_report(one, ["summer", "winter"], scope) for one in (lake, remote))
    assert [ad["exposures"] for ad in there["ads"]] == [4, 2]
    assert here["ads"] == there["ads"]
    assert remote._place.listed("ads/lake/_writing") == []
    with pytest.raises(LakeError, match="s3://nowhere cannot be used"):
        write_days(hub, Lake("s3://nowhere"), [DAY], min_viewers=1)


@pytest.mark.parametrize("target", ["", "http://host/lake", "s3://", "s3://key:secret@bucket/lake"])
def test_what_is_no_lake_is_refused(target):
    with pytest.raises(LakeError, match="expected a folder or s3://bucket/prefix"):
        Lake(target)


def test_a_folder_that_cannot_be_written(hub, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LakeError, match="cannot be used"):
        write_days(hub, Lake(str(tmp_path / "file" / "lake")), [DAY], min_viewers=1)


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_damaged_state_is_none(lake, text):
    lake.write_state({"ids": []})
    (Path(lake.root) / "_state.json").write_text(text)
    assert lake.read_state() == {}


def test_leftovers_of_killed_writers_go(lake, monkeypatch):
    with lake.replacing("cells", DAY, 0, 1) as path:
        Path(path).write_text("half")
        kept = Path(path).with_name("leftover")
        kept.write_text("half")
    lake.clean_up()
    assert kept.exists()
    old = time.time() - 90_000
    os.utime(kept, (old, old))
    lake.clean_up()
    assert not kept.exists()
    assert lake.parts("cells", DAY) == {
        f"{lake.root}/cells/day=2026-03-01/part-0-of-1.parquet": (0, 1)
    }


def test_other_files_are_no_parts(lake):
    folder = Path(lake.root) / "cells" / "day=2026-03-01"
    folder.mkdir(parents=True)
    for name in ("part-0.parquet", "_SUCCESS", "part-00-of-10.parquet"):
        (folder / name).touch()
    for name in ("_tmp", "day=__HIVE_DEFAULT_PARTITION__", "2026-03-02"):
        (folder.parent / name).mkdir()
    assert lake.days("cells") == [date(2026, 3, 1)]
    assert lake.parts("cells", DAY) == {str(folder / "part-00-of-10.parquet"): (0, 10)}


@settings(deadline=None)
@given(kiosk=st.text(st.sampled_from("0123456789abcdef"), min_size=32), parts=st.integers(1, 99))
def test_a_kiosk_has_one_part(kiosk, parts):
    assert 0 <= part_of(kiosk, parts) < parts
    assert part_of(kiosk, parts) == part_of(kiosk, parts)
    assert part_of(kiosk, 1) == 0
