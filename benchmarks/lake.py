"""A month of a thousand screens in a lake: how long the report of one ad takes, and how much memory.

    python -m benchmarks.lake lake

makes the lake where it is missing (some minutes, 42 million cells, 151 million plays, 7 GB), and
times the report of one ad over all screens in a separate process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from db.schema import SUM_COLUMNS
from monitor.hub.lake.store import Lake, part_of
from monitor.hub.lake.writing import SCHEMAS, SCREENS_PER_FILE

FIRST_DAY = date(2026, 3, 1)
OPEN_HOURS = range(8, 22)
ADS = 10
SECONDS = 9
PLAYS_PER_HOUR = 36  # of each ad, ten seconds long


def make(lake: Lake, screens: int, days: int) -> None:
    """Write a lake like that of `ad-monitor hub lake write`, with figures drawn at random."""
    rng = np.random.default_rng(0)
    kiosks = [f"{number:032x}" for number in rng.permutation(screens).tolist()]
    sites = [f"Site {number // 4:04}" for number in range(screens)]
    parts = -(-screens // SCREENS_PER_FILE)
    for offset in range(days):
        day = FIRST_DAY + timedelta(days=offset)
        for part in range(parts):
            mine = [k for k in range(screens) if part_of(kiosks[k], parts) == part]
            places = [(kiosks[k], sites[k]) for k in mine]
            for table, rows_of in (("cells", _cells), ("plays", _plays)):
                with (
                    lake.replacing(table, day, part, parts) as path,
                    pq.ParquetWriter(path, SCHEMAS[table], compression="zstd") as writer,
                ):
                    for ad in range(ADS):
                        writer.write_table(rows_of(rng, day, places, ad))
        print(f"made {day}", file=sys.stderr)


def _cells(rng: np.random.Generator, day: date, places: list[tuple[str, str]], ad: int) -> pa.Table:
    shape = len(places), len(OPEN_HOURS), 1 + SECONDS
    place, hour, second = (axis.ravel() for axis in np.indices(shape))
    whole = second == 0
    viewers = rng.integers(5, 60, place.size)
    readings = viewers * rng.integers(5, 12, place.size) * np.where(whole, 6, 1)
    read = (readings * rng.uniform(0.6, 1, place.size)).astype(np.int64)
    exposures = viewers + rng.integers(0, 20, place.size)
    dwell = exposures * rng.uniform(1, 6, place.size)
    figures = {
        "hour": _moments(day, hour, 0),
        "second": second - 1,
        "viewers": viewers,
        "readings": readings,
        "emotion_readings": read,
        "attentive": pa.array(
            (readings * rng.uniform(0.3, 0.9, place.size)).astype(int), mask=whole
        ),
        "exposures": pa.array(exposures, mask=~whole),
        "watchers": pa.array(
            (viewers * rng.uniform(0.3, 0.9, place.size)).astype(int), mask=~whole
        ),
        "watchers_2s": pa.array(
            (viewers * rng.uniform(0, 0.3, place.size)).astype(int), mask=~whole
        ),
        "dwell_s": pa.array(dwell, mask=~whole),
        "attention_s": pa.array(dwell * rng.uniform(0.3, 0.9, place.size), mask=~whole),
    }
    figures |= {name: read * rng.uniform(0, 1 / 7, place.size) for name in SUM_COLUMNS}
    return _table("cells", places, place, ad, figures)


def _plays(rng: np.random.Generator, day: date, places: list[tuple[str, str]], ad: int) -> pa.Table:
    shape = len(places), len(OPEN_HOURS), PLAYS_PER_HOUR
    place, hour, number = (axis.ravel() for axis in np.indices(shape))
    start = number * 100.0 + ad * 10 + rng.uniform(0, 0.1, place.size)
    outcomes = pa.array(["finished", "skipped"])
    chosen = (rng.uniform(size=place.size) > 0.99).astype(np.int8)
    figures = {
        "session": np.ones(place.size, np.int64),
        "play": (hour * PLAYS_PER_HOUR + number) * ADS + ad,
        "started_at": _moments(day, hour, start),
        "ended_at": _moments(day, hour, start + 10),
        "outcome": pa.DictionaryArray.from_arrays(chosen, outcomes).cast(pa.string()),
        "shown_ms": np.full(place.size, 10_000.0),
        "reason": pa.array(["next in the list"] * place.size),
        "probability": np.ones(place.size),
        "held_out": np.zeros(place.size, bool),
    }
    return _table("plays", places, place, ad, figures)


def _moments(day: date, hour: np.ndarray, seconds: np.ndarray | float) -> pa.Array:
    begin = int(datetime(day.year, day.month, day.day, OPEN_HOURS[0], tzinfo=UTC).timestamp())
    us = begin * 10**6 + hour * 3600 * 10**6 + np.round(np.asarray(seconds) * 1e6).astype(np.int64)
    return pa.array(us).cast(pa.timestamp("us", "UTC"))


def _table(
    table: str, places: list[tuple[str, str]], place: np.ndarray, ad: int, figures: dict
) -> pa.Table:
    kiosks, sites = zip(*places, strict=True)
    texts = {
        "screen": kiosks,
        "kiosk": kiosks,
        "screen_name": [f"Screen {kiosk[-4:]}" for kiosk in kiosks],
        "site": sites,
        "group_name": ["North" if k % 2 else "South" for k in range(len(places))],
        "venue_type": ["retail.malls"] * len(places),
        "time_zone": ["Europe/Berlin"] * len(places),
        "ad_id": [f"ad-{ad}"] * len(places),
        "ad_name": [f"Ad {ad}"] * len(places),
        "sha256": [f"{ad:064x}"] * len(places),
    }
    columns = {name: pa.array(values).take(pa.array(place)) for name, values in texts.items()}
    columns["tags"] = pa.array([["indoor", "window"]] * len(places)).take(pa.array(place))
    columns["duration_ms"] = np.full(place.size, 10_000)
    schema = SCHEMAS[table]
    return pa.table(
        [pa.array((columns | figures)[name]) for name in schema.names], schema.names
    ).cast(schema)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--screens", type=int, default=1000)
    parser.add_argument("--days", type=int, default=30)
    wanted = parser.parse_args()
    lake = Lake(str(wanted.folder))
    if not lake.days("cells"):
        start = time.perf_counter()
        make(lake, wanted.screens, wanted.days)
        print(f"made in {time.perf_counter() - start:.0f} s", file=sys.stderr)
    files = [path for path in wanted.folder.rglob("*.parquet") if path.is_file()]
    command = [sys.executable, "-m", "monitor", "hub", "lake", "report", "ad-3"]
    start = time.perf_counter()
    ran = subprocess.run(
        [*command, "--lake", str(wanted.folder), "--format", "json"],
        check=True,
        stdout=subprocess.PIPE,
    )
    taken = time.perf_counter() - start
    [entry] = json.loads(ran.stdout)["ads"]
    found = {
        "cells": sum(pq.read_metadata(path).num_rows for path in files if "cells" in path.parts),
        "plays": sum(pq.read_metadata(path).num_rows for path in files if "plays" in path.parts),
        "bytes": sum(path.stat().st_size for path in files),
        "exposures_of_the_ad": entry["exposures"],
        "report_s": round(taken, 2),
        "memory_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
        "load": os.getloadavg()[0],
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
