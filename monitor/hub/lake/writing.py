"""Write the days of a database into a lake."""

from __future__ import annotations

import logging
import math
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from itertools import chain
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from db.engine import snapshot
from db.hub import lake as source
from db.schema import SUM_COLUMNS
from monitor.hub.lake.store import TABLES, Lake, part_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy.engine import Connection, Engine

    from db.hub.lake import Place

    Progress = Callable[[int, int], None]

logger = logging.getLogger(__name__)

SCREENS_PER_FILE = 250
"""Of a day; a file of cells is then some tens of megabytes."""

MAX_ROWS = 500_000
"""Rows sorted together, which bounds the memory; larger files are sorted in pieces."""

MIN_GROUP_ROWS = 16_384
"""A row group ends with an ad once it has so many, so that reading one ad reads little else."""

MIN_VIEWERS = "ad_monitor.min_viewers"
"""Key of a file's metadata: with how many viewers a cell was kept."""

HOUR_OF_WRITING = 2
"""UTC; by then the kiosks that are online have sent the plays of the day before."""

_TIME = pa.timestamp("us", "UTC")
_PLACE = [
    ("screen", pa.string()),
    ("screen_name", pa.string()),
    ("site", pa.string()),
    ("group_name", pa.string()),
    ("tags", pa.list_(pa.string())),
    ("venue_type", pa.string()),
    ("time_zone", pa.string()),
    ("kiosk", pa.string()),
    ("ad_id", pa.string()),
    ("ad_name", pa.string()),
    ("sha256", pa.string()),
    ("duration_ms", pa.int64()),
]
_COUNTS = {name: pa.int64() for name in source.CELL_FIGURES}
_SUMS = dict.fromkeys(("dwell_s", "attention_s", *SUM_COLUMNS), pa.float64())
SCHEMAS = {
    "cells": pa.schema(
        [*_PLACE, ("hour", _TIME), ("second", pa.int32()), *(_COUNTS | _SUMS).items()]
    ),
    "plays": pa.schema(
        [
            *_PLACE,
            ("session", pa.int64()),
            ("play", pa.int64()),
            ("started_at", _TIME),
            ("ended_at", _TIME),
            ("outcome", pa.string()),
            ("shown_ms", pa.float64()),
            ("reason", pa.string()),
            ("probability", pa.float64()),
            ("held_out", pa.bool_()),
        ]
    ),
}
"""The columns of the files; `docs/how-to/hub/lake.md` describes them."""

_ORDER = {
    "cells": ("ad_id", "sha256", "site", "screen", "kiosk", "hour", "second"),
    "plays": ("ad_id", "sha256", "site", "screen", "kiosk", "started_at"),
}


def write_due(
    engine: Engine,
    lake: Lake,
    now: datetime,
    *,
    min_viewers: int,
    progress: Progress | None = None,
) -> list[date]:
    """Write the days that changed, once a night; return which.

    Only one process may do so at a time. It returns at once where this day's writing is done, or
    the night has not come.

    Args:
        engine: The hub's database.
        lake: It need not exist yet.
        now: Aware.
        min_viewers: Cells with fewer viewers are left out; 1 or more.
        progress: Called after each screen with how many of all are done; also the time to renew
            a lease.

    Raises:
        LakeError: The lake cannot be written.
    """
    today = now.astimezone(UTC).date()
    done = lake.read_state().get("written_at", "")
    last = datetime.fromisoformat(done).date() if done else date.min
    if last >= today or now.astimezone(UTC).hour < HOUR_OF_WRITING:
        return []
    return write_changed(engine, lake, now, min_viewers=min_viewers, progress=progress)


def write_changed(
    engine: Engine,
    lake: Lake,
    now: datetime,
    *,
    min_viewers: int,
    everything: bool = False,
    progress: Progress | None = None,
) -> list[date]:
    """Write the days that changed since the last two writings, today left out; return which.

    What arrived before the last writing is looked at twice, because a play may be corrected shortly
    after it arrived. With another database or another `min_viewers`, or with `everything`, all days
    are written; days that the database no longer holds stay as they are.
    """
    with snapshot(engine) as connection:
        state = {"epoch": source.own_epoch(connection), "min_viewers": min_viewers}
        newest = source.newest_ids(connection)
        before = lake.read_state()
        known = all(before.get(name) == value for name, value in state.items())
        ids = before.get("ids", []) if known and not everything else []
        after, until_last = (ids[0], ids[1]) if len(ids) == 2 else ((0, 0), newest)
        found = set(source.days_after(connection, *after))
    if "written_at" in before:
        # It was not over then.
        found.add(datetime.fromisoformat(before["written_at"]).date())
    days = sorted(found - {now.astimezone(UTC).date()})
    written = write_days(engine, lake, days, min_viewers=min_viewers, progress=progress)
    written_at = now.astimezone(UTC).isoformat(timespec="seconds")
    lake.write_state(state | {"written_at": written_at, "ids": [until_last, newest]})
    lake.clean_up()
    return written


def write_days(
    engine: Engine,
    lake: Lake,
    days: Sequence[date],
    *,
    min_viewers: int,
    progress: Progress | None = None,
) -> list[date]:
    """Write days, each in the place of what the lake has of it; return those with plays.

    Raises:
        LakeError: The lake cannot be written.
    """
    with snapshot(engine) as connection:
        places = {day: source.places(connection, day) for day in days}
    total, done = sum(map(len, places.values())), 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    for day, of_day in places.items():
        if of_day:
            _DayWriter(engine, lake, day, min_viewers).write(of_day, step)
            logger.info("Wrote %s with %d kiosks into the lake.", day, len(of_day))
    return [day for day, of_day in places.items() if of_day]


@dataclass(frozen=True, slots=True)
class _DayWriter:
    """Writes the files of one day."""

    engine: Engine
    lake: Lake
    day: date
    min_viewers: int

    def write(self, places: Sequence[Place], step: Callable[[], None]) -> None:
        there = {table: self.lake.parts(table, self.day) for table in TABLES}
        known = [of for parts in there.values() for _, of in parts.values()]
        kiosks = len({place.kiosk for place in places})
        # Another number would have kiosks in two files while the day is written.
        of = max(known, default=max(1, math.ceil(kiosks / SCREENS_PER_FILE)))
        by_part: list[list[Place]] = [[] for _ in range(of)]
        for place in places:
            by_part[part_of(place.kiosk, of)].append(place)
        for part, mine in enumerate(by_part):
            with snapshot(self.engine) as connection:
                self._write_part("plays", (part, of), self._rows(connection, "plays", mine))
                rows = self._rows(connection, "cells", mine)
                self._write_part("cells", (part, of), _counting(rows, step))
        for paths in there.values():
            for path, (_, old) in paths.items():
                if old != of:
                    self.lake.delete(path)

    def _rows(
        self, connection: Connection, table: str, places: Iterable[Place]
    ) -> Iterator[pa.Table]:
        """The rows of a table of each kiosk."""
        ads = source.ad_rows(connection)
        schema = SCHEMAS[table]
        for place in places:
            if table == "cells":
                rows = source.cell_rows(connection, place.origin_id, self.day, self.min_viewers)
            else:
                rows = source.play_rows(connection, place.origin_id, self.day)
            of_place = asdict(place)
            rows = [of_place | ads[row["ad_version_id"]] | row for row in rows]
            arrays = [
                pa.array([row[name] for row in rows], kind)
                for name, kind in zip(schema.names, schema.types, strict=True)
            ]
            yield pa.Table.from_arrays(arrays, schema=schema)

    def _write_part(self, table: str, part: tuple[int, int], rows: Iterable[pa.Table]) -> None:
        """Write one file, or delete the existing one if there are no rows."""
        pieces = _sorted(table, rows)
        first = next(pieces, None)
        if first is None:
            for path, known in self.lake.parts(table, self.day).items():
                if known == part:
                    self.lake.delete(path)
            return
        schema = SCHEMAS[table].with_metadata({MIN_VIEWERS: str(self.min_viewers)})
        with (
            self.lake.replacing(table, self.day, *part) as path,
            pq.ParquetWriter(path, schema, filesystem=self.lake.files, compression="zstd") as file,
        ):
            for piece in chain([first], pieces):
                for group in _groups_by_ad(piece):
                    file.write_table(group.cast(schema))


def _counting(rows: Iterable[pa.Table], step: Callable[[], None]) -> Iterator[pa.Table]:
    for one in rows:
        yield one
        step()


def _sorted(table: str, pieces: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Join pieces into tables of about `MAX_ROWS`, each sorted by ad."""
    waiting: list[pa.Table] = []
    for piece in chain(pieces, [None]):
        if piece is not None:
            waiting.append(piece)
        rows = sum(one.num_rows for one in waiting)
        if rows and (piece is None or rows >= MAX_ROWS):
            order = [(name, "ascending") for name in _ORDER[table]]
            yield pa.concat_tables(waiting).sort_by(order)
            waiting = []


def _groups_by_ad(rows: pa.Table) -> Iterator[pa.Table]:
    """Cut a sorted table where an ad ends, into pieces of at least `MIN_GROUP_ROWS`."""
    lengths = pc.run_end_encode(rows["ad_id"].combine_chunks()).run_ends.to_pylist()
    start = 0
    for end in lengths:
        if end - start >= MIN_GROUP_ROWS or end == rows.num_rows:
            yield rows.slice(start, end - start)
            start = end
