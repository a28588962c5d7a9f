"""A month of one site, ten million readings: how long a report takes, and how much memory.

    python -m benchmarks.reports month.db

makes the database where it is missing (some minutes), rolls it up, and then times, each in a
process of its own, the JSON report of one session, of all of them, and the comparison of all ads.
"""

from __future__ import annotations

import argparse
import json
import resource
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from db.engine import open_database
from db.read.rollups import store_roll_ups
from db.schema import EMOTION_COLUMNS
from db.write.records import SessionEnded, SessionRecord
from db.write.store import begin_session, end_session

FIRST_DAY = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
OPEN_S = 12 * 3600
LENGTHS_S = (8, 10, 12, 15, 15, 20, 20, 30)
READINGS_PER_S = 10
MEAN_STAY_S = 10.0
_READING_COLUMNS = (
    *("session_id", "viewer_id", "play_id", "at", "position_ms"),
    *EMOTION_COLUMNS,
    *("valence", "expressiveness", "uncertain", "yaw", "pitch", "roll", "attentive", "quality"),
    *("box_x", "box_y", "box_w", "box_h"),
)


def make(path: Path, readings: int, days: int) -> None:
    """Write a month of sessions: people come at random, stay for ten seconds or so, and like some
    ads more than others.
    """
    engine = open_database(str(path))
    rng = np.random.default_rng(0)
    sessions = []
    with engine.begin() as connection:
        for day in range(days):
            start = FIRST_DAY + timedelta(days=day)
            session = begin_session(connection, SessionRecord("run", "Foyer", "0", start, "0.1.0"))
            end_session(
                connection,
                session,
                SessionEnded(start + timedelta(seconds=OPEN_S), "finished"),
                "stopped",
                0,
            )
            sessions.append((session, start))
    engine.dispose()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for number, length in enumerate(LENGTHS_S, 1):
            row = (
                number,
                f"ad-{number}",
                f"Ad {number}",
                f"ad-{number}.mp4",
                f"{number:064x}",
                "video",
                length * 1000,
            )
            connection.execute("INSERT INTO ads VALUES (?, ?, ?, ?, ?, ?, ?, '[]')", row)
        for place, (session, start) in enumerate(sessions):
            _make_day(connection, session, start, readings // days, rng)
            connection.commit()
            print(f"day {place + 1} of {days}", file=sys.stderr)
        connection.execute(
            "INSERT INTO reading_counts SELECT viewer_id, play_id IS NOT NULL, "
            "CASE WHEN uncertain THEN 'uncertain' ELSE 'certain' END, count(*) FROM readings GROUP BY 1, 2, 3"
        )
        connection.commit()


def _make_day(
    connection: sqlite3.Connection,
    session: int,
    start: datetime,
    readings: int,
    rng: np.random.Generator,
) -> None:
    ads = np.resize(np.arange(len(LENGTHS_S)), OPEN_S // min(LENGTHS_S))
    starts = np.concatenate([[0], np.cumsum(np.array(LENGTHS_S)[ads])])
    ads = ads[: np.searchsorted(starts, OPEN_S - max(LENGTHS_S))]
    starts = starts[: ads.size]
    first_play = _next_id(connection, "plays")
    connection.executemany(
        "INSERT INTO plays (id, session_id, ad_version_id, number, started_at, ended_at, outcome, shown_ms, reason) "
        "VALUES (?, ?, ?, ?, ?, ?, 'finished', ?, 'next')",
        [
            (
                *(first_play + k, session, int(ad) + 1, k + 1, _text(start, int(begin) * 10**6)),
                *(_text(start, (int(begin) + LENGTHS_S[ad]) * 10**6), LENGTHS_S[ad] * 1000.0),
            )
            for k, (ad, begin) in enumerate(zip(ads, starts, strict=True))
        ],
    )
    first_viewer = _next_id(connection, "viewers")
    viewer, at_us, rows = first_viewer, [], []
    while sum(map(len, at_us)) < readings:
        stay = max(2, round(rng.exponential(MEAN_STAY_S) * READINGS_PER_S))
        come = int(rng.integers(0, (OPEN_S - 2 * max(LENGTHS_S)) * 10**6))
        times = come + np.arange(stay) * (10**6 // READINGS_PER_S)
        at_us.append(times)
        rows.append(np.full(stay, viewer))
        seen = (_text(start, int(times[0])), _text(start, int(times[-1])))
        connection.execute(
            "INSERT INTO viewers VALUES (?, ?, ?, ?, ?, 0)",
            (viewer, session, viewer - first_viewer, *seen),
        )
        viewer += 1
    times, viewers = np.concatenate(at_us), np.concatenate(rows)
    order = np.argsort(times, kind="stable")
    times, viewers = times[order], viewers[order]
    play = np.minimum(np.searchsorted(starts, times / 1e6, side="right") - 1, ads.size - 1)
    taste = rng.dirichlet(np.full(7, 0.8), viewer - first_viewer)
    p = 0.7 * taste[viewers - first_viewer] + 0.3 * rng.dirichlet(np.full(7, 0.5), times.size)
    valence = p[:, 3] - p[:, [0, 1, 2, 4]].max(axis=1)
    columns = (
        *(
            viewers,
            first_play + play,
            [_text(start, us) for us in times.tolist()],
            times / 1e3 - starts[play] * 1e3,
        ),
        *p.T,
        *(valence, 1 - p[:, 6], p.max(axis=1) < 0.4, *rng.normal(0, 10, (3, times.size))),
        *(rng.random(times.size) < 0.6, rng.random(times.size), *rng.random((4, times.size))),
    )
    values = [column if isinstance(column, list) else column.tolist() for column in columns]
    marks = ", ".join("?" * len(_READING_COLUMNS))
    connection.executemany(
        f"INSERT INTO readings ({', '.join(_READING_COLUMNS)}) VALUES ({marks})",  # noqa: S608 (constants)
        ((session, *row) for row in zip(*values, strict=True)),
    )


def _next_id(connection: sqlite3.Connection, table: str) -> int:
    (last,) = connection.execute(f"SELECT max(id) FROM {table}").fetchone()  # noqa: S608 (a constant)
    return (last or 0) + 1


def _text(start: datetime, us: int) -> str:
    return (start + timedelta(microseconds=us)).replace(tzinfo=None).isoformat(" ", "microseconds")


def timed(*arguments: str) -> dict[str, float]:
    """Run a command of the program in a separate process; return its seconds and peak memory."""
    begin = time.perf_counter()
    code = (
        "import resource, sys; from monitor.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    spent = time.perf_counter() - begin
    return {
        "seconds": round(spent, 2),
        "peak_mb": round(int(done.stderr.split()[-1]) / 1024, 1),
        "bytes": len(done.stdout),
    }


def main() -> None:
    """Make the database where it is missing, roll it up, time the reports."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("database", type=Path)
    parser.add_argument("--readings", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=30)
    options = parser.parse_args()
    if not options.database.exists():
        make(options.database, options.readings, options.days)
    engine = open_database(str(options.database))
    begin = time.perf_counter()
    plays = store_roll_ups(engine)
    figures: dict[str, object] = {
        "rolled_up_plays": plays,
        "roll_up_s": round(time.perf_counter() - begin, 1),
    }
    engine.dispose()
    with closing(sqlite3.connect(options.database)) as connection:
        for table in ("readings", "viewers", "plays", "exposures", "exposure_seconds"):
            (figures[table],) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 (a constant)
    figures["roll_up_peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    database = ("--db", str(options.database))
    figures["one session"] = timed("report", *database, "--json")
    figures["all sessions"] = timed("report", "--all", *database, "--json")
    figures["comparison"] = timed("compare", *database, "--json")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
